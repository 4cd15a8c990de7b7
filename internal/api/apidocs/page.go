// Package apidocs turns openapi.yaml into a page to read. Nothing that runs links
// it: package api holds the finished page, and a test there makes it again and
// compares (template packages keep every method of everything alive, which would
// weigh more than the API itself).
package apidocs

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"buzon/internal/desk"
	"buzon/internal/locale"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
)

// The page as the template sees it.

type pageView struct {
	Title, Version string
	Intro          template.HTML
	Style          template.CSS
	Sections       []section
	Schemas        []object
	Statuses       []statusView
	Codes          []codeView
	Reasons        []reasonView
	Texts          []botText
}

type section struct {
	Name, Description string
	Operations        []operationView
}

type operationView struct {
	operation
	Text       template.HTML
	Who        string
	Params     []fieldView
	BodySchema string // name of its schema; empty: none
	BodyFields []fieldView
	Curl       string
	Responses  []responseView
}

type responseView struct {
	Status, Text, Example string
	Schema                string // of the answer, or of the items of a list
	List                  bool
	Link                  string // to the meaning of the status
}

type object struct {
	Name   string
	Text   template.HTML
	Fields []fieldView
}

type fieldView struct {
	Name, In, Kind, Schema, Limits string
	Text                           template.HTML
	Required                       bool
}

type (
	statusView struct{ Status, Title string }
	codeView   struct{ Code, Text string }
	reasonView struct {
		Code, At  string
		Means, Do template.HTML
	}
	// botText is a text of the dialogue as it ships.
	botText struct {
		Key    string
		Values []string // what it may hold, in braces
		Texts  []codeView
	}
)

// Page is the page for a description, which must be one: it panics where
// openapi.yaml is not what its own tests demand. No script, one style sheet inside,
// nothing from elsewhere.
func Page(openapi []byte) []byte {
	d := readDescription(openapi)
	v := pageView{
		Title: d.Info.Title, Version: d.Info.Version, Intro: prose(d.Info.Description), Style: template.CSS(pageCSS),
		Schemas: d.objects(),
	}
	ops := d.operations()
	for _, tag := range d.Tags {
		s := section{Name: tag.Name, Description: tag.Description}
		for _, o := range ops {
			if slices.Contains(o.Tags, tag.Name) {
				s.Operations = append(s.Operations, d.viewOperation(o))
			}
		}
		v.Sections = append(v.Sections, s)
	}
	english := locale.For("en")
	for _, key := range english.Keys() {
		if status, ok := strings.CutPrefix(key, "problem.title."); ok {
			v.Statuses = append(v.Statuses, statusView{status, english.Text(key)})
		} else if code, ok := strings.CutPrefix(key, "problem."); ok {
			v.Codes = append(v.Codes, codeView{code, english.Text(key)})
		}
	}
	for _, r := range d.Reasons {
		var at []string
		for _, place := range r.At {
			at = append(at, Places[place])
		}
		v.Reasons = append(v.Reasons, reasonView{r.Code, strings.Join(at, "; "), prose(r.Means), prose("**What to do:** " + r.Do)})
	}
	v.Texts = botTexts()
	var b bytes.Buffer
	if err := template.Must(template.New("docs").Parse(pageHTML)).Execute(&b, v); err != nil {
		panic(err) // unreachable: a test makes the same page
	}
	return b.Bytes()
}

var value = regexp.MustCompile(`\{[a-z_]+\}`)

// botTexts are the texts of the dialogue that a company may replace.
func botTexts() []botText {
	var out []botText
	for _, key := range locale.For(desk.Languages[0]).Keys() {
		if family, _, _ := strings.Cut(key, "."); family != "bot" {
			continue
		}
		t := botText{Key: key}
		for _, lang := range desk.Languages {
			text := locale.For(lang).Text(key)
			t.Texts = append(t.Texts, codeView{lang, text})
			t.Values = append(t.Values, value.FindAllString(text, -1)...)
		}
		slices.Sort(t.Values)
		t.Values = slices.Compact(t.Values)
		out = append(out, t)
	}
	return out
}

func (d *description) viewOperation(o operation) operationView {
	v := operationView{operation: o, Text: prose(o.Description), Who: "No token needed."}
	switch o.Role {
	case desk.RoleAdmin:
		v.Who = "Needs the token of an admin."
	case desk.RoleAgent:
		v.Who = "Needs the token of an agent or an admin."
	}
	for _, p := range o.Parameters {
		v.Params = append(v.Params, fieldView{
			Name: p.Name, In: p.In, Kind: p.Schema.kind(), Limits: p.Schema.limits(), Text: prose(p.Description), Required: p.Required,
		})
	}
	if o.Body != nil {
		for _, m := range o.Body.Content {
			if v.BodySchema = refName(m.Schema.Ref); v.BodySchema == "" {
				v.BodyFields = d.fields(m.Schema)
			}
		}
	}
	each(o.Responses, func(status string, n *yaml.Node) {
		var r response
		decodeNode(n, &r)
		view := responseView{Status: status}
		if r.Ref != "" {
			view.Link = "problem-" + status
			r = d.Components.Responses[refName(r.Ref)]
			r.Content = nil // told once, under its status
		}
		view.Text = r.Description
		for _, m := range r.Content {
			view.Schema, view.List = strings.CutSuffix(refName(m.Schema.Ref), "List")
			view.Example = d.example(m)
		}
		v.Responses = append(v.Responses, view)
	})
	v.Curl = d.curl(o)
	return v
}

// curl is a command that makes the call, with the examples for values.
func (d *description) curl(o operation) string {
	path := o.Path
	var lines []string
	for _, p := range o.Parameters {
		switch {
		case p.In == "path":
			path = strings.Replace(path, "{"+p.Name+"}", p.Example.Value, 1)
		case p.In == "header" && p.Name == "Idempotency-Key":
			lines = append(lines, "-H "+quote(p.Name+": "+p.Example.Value))
		}
	}
	head := `curl "$BUZON` + path + `"`
	if o.Method != http.MethodGet {
		head = "curl -X " + o.Method + ` "$BUZON` + path + `"`
	}
	if o.Role != "" {
		lines = append([]string{`-H "Authorization: Bearer $TOKEN"`}, lines...)
	}
	if o.Body != nil {
		for contentType, m := range o.Body.Content {
			if contentType != "application/json" {
				each(m.Example, func(name string, value *yaml.Node) {
					lines = append(lines, "--data-urlencode "+quote(name+"="+value.Value))
				})
				continue
			}
			lines = append(lines, "-H "+quote("Content-Type: "+contentType), "-d "+quote(d.example(m)))
		}
	}
	return strings.Join(append([]string{head}, lines...), " \\\n  ")
}

// quote makes one word of a shell's command line.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// objects gives the schemas that stand under a name of their own, but the lists,
// which are all alike.
func (d *description) objects() []object {
	var out []object
	each(d.Components.Schemas, func(name string, n *yaml.Node) {
		if strings.HasSuffix(name, "List") {
			return
		}
		var s schema
		decodeNode(n, &s)
		out = append(out, object{name, prose(s.Description), d.fields(s)})
	})
	return out
}

func (d *description) fields(s schema) []fieldView {
	var out []fieldView
	each(s.Properties, func(name string, n *yaml.Node) {
		var p schema
		decodeNode(n, &p)
		v := fieldView{
			Name: name, Kind: p.kind(), Limits: p.limits(), Text: prose(p.Description), Required: slices.Contains(s.Required, name),
		}
		switch {
		case p.Ref != "":
			v.Schema = refName(p.Ref)
		case p.Items != nil && p.Items.Ref != "":
			v.Schema = refName(p.Items.Ref)
		}
		out = append(out, v)
		for _, inner := range d.fields(p) {
			inner.Name = name + "." + inner.Name
			out = append(out, inner)
		}
	})
	return out
}

// prose is the little of Markdown that the description uses: paragraphs,
// **strong** and `code`.
func prose(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if paragraph == "" {
			continue
		}
		b.WriteString("<p>" + spans(spans(template.HTMLEscapeString(paragraph), "**", "strong"), "`", "code") + "</p>")
	}
	return template.HTML(b.String())
}

func spans(text, mark, element string) string {
	parts := strings.Split(text, mark)
	for i := range parts {
		if i%2 == 1 && i+1 < len(parts) {
			parts[i] = "<" + element + ">" + parts[i] + "</" + element + ">"
		}
	}
	return strings.Join(parts, "")
}
