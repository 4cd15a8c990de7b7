package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What Gupshup documents of the request of a template (providers.md 1.10).
var (
	elementName  = regexp.MustCompile(`^[a-z0-9_]{1,180}$`)
	templateForm = []string{
		"appId", "elementName", "languageCode", "category", "templateType", "vertical", "content", "example", "enableSample",
		"allowTemplateCategoryChange", "buttons", "mediaId", "mediaUrl", "addSecurityRecommendation", "codeExpirationMinutes",
	}
	templateTypes = []string{"TEXT", "IMAGE", "DOCUMENT", "VIDEO"}
	categories    = []string{"MARKETING", "UTILITY", "AUTHENTICATION"}
	mark          = regexp.MustCompile(`\{\{[0-9]+\}\}`)
)

// maxPage is the most templates that a page of the list has.
const maxPage = 100

// app finds the account that a path names and checks the key; nil: it has answered.
func (g *gupshup) app(w http.ResponseWriter, r *http.Request) *account {
	var found *account
	g.mu.Lock()
	for _, a := range g.accounts {
		if a.line.AppID == r.PathValue("app") {
			found = a
		}
	}
	g.mu.Unlock()
	if found == nil || !found.takes(r.Header.Get("apikey")) {
		answer(w, http.StatusUnauthorized, object{"status": "error", "message": object{"message": "Authentication Failed"}})
		return nil
	}
	return found
}

// list answers a page of the list of templates.
func (g *gupshup) list(w http.ResponseWriter, r *http.Request) {
	a := g.app(w, r)
	if a == nil {
		return
	}
	page, err1 := strconv.Atoi(r.URL.Query().Get("pageNo"))
	size, err2 := strconv.Atoi(r.URL.Query().Get("pageSize"))
	if err1 != nil || err2 != nil || page < 0 || size < 1 || size > maxPage {
		g.violate("list of templates: %s", r.URL.RawQuery)
	}
	c := call{kind: "list", page: page}
	if size == 1 {
		c.kind = "check"
	}
	meet(w, a.meets(c), func() (int, any) {
		items := []any{}
		list, _ := a.page(page*size, size)
		for _, t := range list {
			items = append(items, t.gupshup(a.line))
		}
		return http.StatusOK, object{"status": "success", "templates": items}
	})
}

// gupshup is a template as Gupshup shows it.
func (t theirs) gupshup(l line) object {
	meta := object{"appId": l.AppID, "data": t.Body}
	if t.Next != "" {
		meta["correctCategory"] = t.Next
	}
	o := object{
		"id": t.ID, "appId": l.AppID, "elementName": t.Name, "languageCode": t.Language, "category": t.Category, "status": t.State,
		"templateType": cmp.Or(t.Type, "TEXT"), "data": t.Data, "containerMeta": string(encode(meta)), "createdOn": 1700000000000,
	}
	for key, value := range map[string]string{"reason": t.Reason, "quality": t.Quality} {
		if value != "" {
			o[key] = value
		}
	}
	return o
}

// submit takes the request of a template.
func (g *gupshup) submit(w http.ResponseWriter, r *http.Request) {
	a := g.app(w, r)
	if a == nil {
		return
	}
	if err := r.ParseForm(); err != nil {
		g.violate("template: %v", err)
	}
	f := r.PostForm
	if problems := a.requestable(f); len(problems) > 0 {
		g.violate("template %s: %s", f.Get("elementName"), strings.Join(problems, "; "))
		answer(w, http.StatusBadRequest, object{"status": "error", "message": "Invalid Request"})
		return
	}
	name := f.Get("elementName")
	meet(w, a.meets(call{kind: "submit", name: name}), func() (int, any) {
		id := g.uuid("b")
		t := theirs{ID: id, Name: name, Language: f.Get("languageCode"), Category: f.Get("category"), Type: f.Get("templateType"), Body: f.Get("content")}
		t.Data = t.Body
		var buttons []struct{ Text string }
		_ = json.Unmarshal([]byte(f.Get("buttons")), &buttons) // requestable has read them
		for _, b := range buttons {
			t.Data += " | [" + b.Text + "]"
		}
		if !a.accept(asked{ID: id, Name: name, Form: f}, t) {
			return http.StatusBadRequest, object{"status": "error", "message": "Template Already exists with same namespace and elementName and languageCode"}
		}
		t.State = "PENDING"
		return http.StatusOK, object{"status": "success", "template": t.gupshup(a.line)}
	})
}

// requestable tells what Gupshup would not take of the request of a template.
func (a *account) requestable(f url.Values) []string {
	var problems []string
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	for key, values := range f {
		expect(slices.Contains(templateForm, key) && len(values) == 1 && values[0] != "", "field %s %q", key, values)
	}
	expect(f.Get("appId") == a.line.AppID, "appId %q", f.Get("appId"))
	expect(elementName.MatchString(f.Get("elementName")), "elementName")
	expect(f.Get("languageCode") == "es" || f.Get("languageCode") == "en", "languageCode %q", f.Get("languageCode"))
	expect(slices.Contains(categories, f.Get("category")), "category %q", f.Get("category"))
	expect(slices.Contains(templateTypes, f.Get("templateType")), "templateType %q", f.Get("templateType"))
	expect(f.Get("vertical") != "" && length(f.Get("vertical")) <= 180, "vertical %q", f.Get("vertical"))
	expect(f.Get("content") != "" && length(f.Get("content")) <= maxBody, "content of %d", length(f.Get("content")))
	expect(fills(f.Get("content"), f.Get("example")), "example %q of %q", f.Get("example"), f.Get("content"))
	expect(f.Get("enableSample") == "true", "enableSample %q", f.Get("enableSample"))
	if f.Has("buttons") {
		var list []struct{ Type, Text string }
		err := json.Unmarshal([]byte(f.Get("buttons")), &list)
		expect(err == nil && len(list) >= 1 && len(list) <= 10, "buttons %q", f.Get("buttons"))
		for _, b := range list {
			expect(b.Text != "" && length(b.Text) <= 25, "button %q", b.Text)
		}
	}
	if f.Get("templateType") == "TEXT" {
		expect(!f.Has("mediaId") && !f.Has("mediaUrl"), "a file on top of a text")
	} else {
		_, ok := a.file(f.Get("mediaId"))
		expect(ok, "mediaId %q", f.Get("mediaId"))
	}
	return problems
}

// fills tells whether an example is the content with something in place of each
// variable and all else as it is.
func fills(content, example string) bool {
	parts := mark.Split(content, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	ok, err := regexp.MatchString(`(?s)^`+strings.Join(parts, `.+`)+`$`, example)
	return err == nil && ok && !mark.MatchString(example)
}

// maxFile is the most that is read of a file.
const maxFile = 16 << 20

// upload takes a file.
func (g *gupshup) upload(w http.ResponseWriter, r *http.Request) {
	a := g.app(w, r)
	if a == nil {
		return
	}
	f, err := readFile(r)
	if err != nil {
		g.violate("upload: %v", err)
		answer(w, http.StatusBadRequest, object{"status": "error", "message": "Invalid Request"})
		return
	}
	meet(w, a.meets(call{kind: "upload"}), func() (int, any) {
		f.ID = g.uuid("c")
		a.store(f)
		return http.StatusOK, object{"status": "success", "media": object{
			"fileName": f.Name, "id": f.ID, "url": "https://files.example.com/" + a.line.AppID + "/" + f.ID,
		}}
	})
}

// readFile reads the one file of a form.
func readFile(r *http.Request) (file, error) {
	r.Body = http.MaxBytesReader(nil, r.Body, maxFile+1<<16)
	body, head, err := r.FormFile("file")
	if err != nil {
		return file{}, err
	}
	defer func() { _ = body.Close() }() // it was only read
	b, err := io.ReadAll(body)
	if err == nil && len(b) == 0 {
		err = io.ErrUnexpectedEOF
	}
	return file{Name: head.Filename, Type: head.Header.Get("Content-Type"), Size: len(b), Begin: string(b[:min(len(b), 16)])}, err
}
