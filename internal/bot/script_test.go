package bot

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/locale"
)

// phone plays a person against Decide, by a script of lines:
//
//	> hola          the person types; {cancel} and {next} are the language's words
//	tap Agua        taps the row of that title in the newest list that has it; → is Following
//	tap Agua @2     the same in the second list that came
//	tap id bz1.x    a tap with that id
//	wait 10m        the clock goes on
//	timeout         the dialogue's time-out fires
//	drop Agua       that project is offered no more
//	< …             what the bot answers, one line a reply, as told by show
//	= over          no dialogue runs; "= project" it runs and that step waits
type phone struct {
	t     *testing.T
	w     World
	lang  string
	now   time.Time
	state json.RawMessage
	until time.Time
	turn  int
	lists []desk.Outgoing
	last  Decision
}

func newPhone(t *testing.T, w World, lang string) *phone {
	return &phone{t: t, w: w, lang: lang, now: begin}
}

// do plays one line and gives what came of it.
func (p *phone) do(line string) []desk.Outgoing {
	verb, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch verb {
	case ">":
		word := strings.NewReplacer("{cancel}", map[string]string{"es": "Cancelar", "en": "Cancel", "pt": "Cancelar"}[p.lang],
			"{next}", word(p.lang, "bot.list.next"), `\u00a0`, "\u00a0", `""`, "")
		return p.hear(&desk.Content{Type: desk.Text, Text: word.Replace(rest)})
	case "tap":
		if id, ok := strings.CutPrefix(rest, "id "); ok {
			return p.hear(&desk.Content{Type: desk.ListReply, ReplyID: id, Text: "?"})
		}
		row := p.row(rest)
		return p.hear(&desk.Content{Type: desk.ListReply, Text: row.Title, ReplyID: row.ID})
	case "timeout":
		return p.hear(nil)
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			p.t.Fatal(err)
		}
		p.now = p.now.Add(d)
	case "drop":
		all := p.w.Offered
		p.w.Offered = desk.Catalogue{}
		keep := desk.Catalogue{Groups: all.Groups, Services: all.Services, Categories: all.Categories}
		for _, x := range all.Projects {
			if x.Name != rest {
				keep.Projects = append(keep.Projects, x)
			}
		}
		p.w.Offered = keep.Offered()
	default:
		p.t.Fatalf("no such line: %q", line)
	}
	return nil
}

func (p *phone) row(title string) desk.Row {
	title, number, old := strings.Cut(title, " @")
	for i := len(p.lists) - 1; i >= 0; i-- {
		if old && fmt.Sprint(i+1) != number {
			continue
		}
		for _, r := range p.lists[i].Rows {
			if r.Title == title || title == "→" && strings.Contains(r.ID, ".n") {
				return r
			}
		}
	}
	p.t.Fatalf("no row %q in the lists", title)
	return desk.Row{}
}

func (p *phone) hear(c *desk.Content) []desk.Outgoing {
	p.turn++
	d := Decide(p.w, p.state, Input{Message: c, ID: fmt.Sprintf("turn-%d", p.turn), Now: p.now})
	p.state, p.until, p.last = d.State, d.TimeoutAt, d
	for _, r := range d.Replies {
		if r.Type == desk.ReplyList {
			p.lists = append(p.lists, r)
		}
	}
	checkDecision(p.t, p.w, d)
	return d.Replies
}

// step is the question that waits; "over" without a dialogue.
func (p *phone) step() string {
	s, ok := readState(p.state)
	if !ok {
		return "over"
	}
	return string(s.Step)
}

// told are the texts that show names by their key.
var told = []string{"bot.auto", "bot.cancelled", "bot.chosen", "bot.chosen_already", "bot.expired", "bot.form", "bot.gone",
	"bot.greeting.unregistered", "bot.greeting.registered", "bot.menu.prompt", "bot.menu.wrong", "bot.no_categories",
	"bot.no_projects", "bot.no_services", "bot.prompt.category", "bot.prompt.group", "bot.prompt.group_or_service",
	"bot.prompt.project", "bot.prompt.service", "bot.template_error", "bot.wrong", "bot.wrong_end"}

var hole = regexp.MustCompile(`\\\{[a-z]+\\\}`)

// show tells a reply in one line and no language: the keys of its texts (without
// "bot."), what was echoed, and the titles of a list's rows.
func show(lang string, o desk.Outgoing) string {
	if o.Type == desk.ReplyTemplate {
		return fmt.Sprintf("template %s %s %q", o.Template.Name, o.Template.Language, o.Template.Params)
	}
	var said []string
	rest := o.Text
	for _, key := range told {
		pattern := "(?s)(?:^|\n)" + hole.ReplaceAllString(regexp.QuoteMeta(word(lang, key)), `[^\n]*?`) + "(?:$|\n)"
		if at := regexp.MustCompile(pattern).FindStringIndex(rest); at != nil {
			said = append(said, strings.TrimPrefix(key, "bot."))
			rest = rest[:at[0]] + "\n" + rest[at[1]:]
		}
	}
	line := strings.Join(said, " + ")
	if o.Type == desk.ReplyList {
		return line + ": " + titles(lang, o.Rows)
	}
	for _, l := range strings.Split(rest, "\n") {
		if label, name, ok := strings.Cut(l, ": "); ok { // an echo
			for _, kind := range []string{"project", "group", "service"} {
				if label == word(lang, "bot.label."+kind) {
					line += " " + kind + "=" + name
				}
			}
			continue
		}
		if l = strings.TrimSpace(l); l != "" {
			line += " | " + l
		}
	}
	return line
}

// titles tells rows: the first and last of many; → for Following.
func titles(lang string, rows []desk.Row) string {
	next := ""
	if n := len(rows); n > 0 && rows[n-1].Title == word(lang, "bot.list.next") {
		rows, next = rows[:n-1], " →"
	}
	if len(rows) > 4 {
		return fmt.Sprintf("%s…%s (%d)%s", rows[0].Title, rows[len(rows)-1].Title, len(rows), next)
	}
	var all []string
	for _, r := range rows {
		all = append(all, r.Title)
	}
	return strings.Join(all, ", ") + next
}

// play runs a script and compares every answer.
func play(t *testing.T, w World, lang, script string) {
	t.Helper()
	p := newPhone(t, w, lang)
	var done, got []string
	for _, line := range strings.Split(strings.TrimSpace(script), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "<"):
			done = append(done, line)
		case strings.HasPrefix(line, "="):
			done = append(done, line)
			got = append(got, "= "+p.step())
		default:
			done, got = append(done, line), append(got, line)
			for _, r := range p.do(line) {
				got = append(got, "< "+show(lang, r))
			}
		}
	}
	if d := cmp.Diff(strings.Join(done, "\n"), strings.Join(got, "\n")); d != "" {
		t.Errorf("script and what happened differ (-script +happened):\n%s", d)
	}
}

// checkDecision holds for whatever the bot decides.
func checkDecision(t interface {
	Helper()
	Errorf(string, ...any)
}, w World, d Decision) {
	t.Helper()
	if len(d.State) > 1024 {
		t.Errorf("state of %d bytes", len(d.State))
	}
	if (d.State == nil) != d.TimeoutAt.IsZero() {
		t.Errorf("state %s with time-out %v", d.State, d.TimeoutAt)
	}
	if d.State != nil {
		s, ok := readState(d.State)
		if !ok {
			t.Errorf("a state that can not be read: %s", d.State)
		}
		if !s.Until.Equal(d.TimeoutAt) {
			t.Errorf("time-out %v, state says %v", d.TimeoutAt, s.Until)
		}
	}
	if len(d.Replies) > 4 {
		t.Errorf("%d replies", len(d.Replies))
	}
	for i, r := range d.Replies {
		checkReply(t.Errorf, r)
		isForm := d.Form != nil && i == len(d.Replies)-1
		if (r.FormKey != "") != (isForm && w.FormKey != "") {
			t.Errorf("reply %d: form key %q, form %v", i, r.FormKey, d.Form != nil)
		}
		if !isForm && strings.Contains(r.Text, desk.FormLinkMark) {
			t.Errorf("reply %d: a link mark without a form: %q", i, r.Text)
		}
	}
	if d.Form != nil && d.State != nil {
		t.Errorf("a form, and the dialogue goes on")
	}
}

func checkReply(errorf func(string, ...any), r desk.Outgoing) {
	switch r.Type {
	case desk.ReplyText:
		if r.Text == "" || utf16Len(r.Text) > desk.MaxText || len(r.Rows) > 0 {
			errorf("text of %d characters, %d rows", utf16Len(r.Text), len(r.Rows))
		}
	case desk.ReplyList:
		if r.Text == "" || utf16Len(r.Text) > desk.MaxListBody || r.Button == "" || utf16Len(r.Button) > desk.MaxListButton {
			errorf("list of %d characters, button %q", utf16Len(r.Text), r.Button)
		}
		if len(r.Rows) == 0 || len(r.Rows) > desk.ListRows {
			errorf("list of %d rows", len(r.Rows))
		}
		ids := map[string]bool{}
		for _, row := range r.Rows {
			if _, ok := parseRowID(row.ID); !ok || len(row.ID) > desk.MaxRowID || ids[row.ID] || row.Title == "" {
				errorf("row %+v", row)
			}
			ids[row.ID] = true
		}
	case desk.ReplyTemplate:
		if r.Template == nil || len(r.Template.Params) == 0 || r.Template.Params[len(r.Template.Params)-1] != desk.FormSecretMark {
			errorf("template %+v", r.Template)
		}
	default:
		errorf("reply of type %q", r.Type)
	}
}

// eachLanguage runs a test in es, en and pt.
func eachLanguage(t *testing.T, run func(t *testing.T, lang string)) {
	for _, lang := range desk.Languages {
		t.Run(locale.For(lang).Lang(), func(t *testing.T) { run(t, lang) })
	}
}

// fill puts the language and its words into a script.
func fill(script, lang string) string {
	label := word(lang, "bot.menu.anonymous_case")
	return strings.NewReplacer("{case}", label, "{CASE}", strings.ToUpper(label), "{lang}", lang).Replace(script)
}
