package bot

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

// finished plays a dialogue to its end: Salud, Vacunas, C02.
func finished(t *testing.T, w World, lang string) Decision {
	t.Helper()
	p := newPhone(t, w, lang)
	for _, line := range []string{"> hola", "tap Salud", "tap Vacunas", "tap C02"} {
		p.do(line)
	}
	return p.last
}

// TestForm: S1-28, S1-32: what the end carries, and that nobody else's project,
// service or category is in it.
func TestForm(t *testing.T) {
	eachLanguage(t, func(t *testing.T, lang string) {
		d := finished(t, town(lang), lang)
		if d.Form == nil || d.State != nil || !d.TimeoutAt.IsZero() || len(d.Replies) != 1 {
			t.Fatalf("%+v", d)
		}
		got := []string{d.Form.Project.Name, d.Form.Service.Name, d.Form.Category.ID, d.Form.Language, d.Replies[0].FormKey}
		if diff := cmp.Diff([]string{"Salud", "Vacunas", "pSalud-sVacunas-c1", lang, "k1"}, got); diff != "" {
			t.Error(diff)
		}
		text := d.Replies[0].WithForm("https://x", "secret").Text
		if !strings.HasSuffix(text, "\nhttps://x/c/secret") || !strings.Contains(text, "Salud › Vacunas › C02") || !strings.Contains(text, " 24 h") {
			t.Errorf("%q", text)
		}
	})
}

// TestFormText: the link is the last thing and stands once, whatever a company
// writes or calls its projects.
func TestFormText(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*World)
	}{
		{"a text of the company's own", own("bot.form", "Pulse aquí:")},
		{"a text that holds the marks", own("bot.form", "{form_link} {form_secret} {form_{form_link}link}")},
		{"a text that is too long", own("bot.form", strings.Repeat("ñ", 9000))},
		{"a project that is called like a mark", func(w *World) { w.Offered.Projects[1].Name = "{form_secret}" }},
		{"names of the greatest length", func(w *World) { w.Offered.Projects[1].Name = strings.Repeat("😀", desk.MaxName) }},
	} {
		w := town("es")
		c.change(&w)
		p := newPhone(t, w, "es")
		p.do("> hola")
		p.do("tap " + w.Offered.Projects[1].Name)
		p.do("tap Vacunas")
		p.do("tap C02")
		text := p.last.Replies[0].Text
		secret := "demo-" + strings.Repeat("x", 43)
		sent := p.last.Replies[0].WithForm("https://"+strings.Repeat("h", 400), secret).Text
		if !strings.HasSuffix(text, "\n"+desk.FormLinkMark) || strings.Count(sent, secret) != 1 || utf16Len(sent) > desk.MaxText {
			t.Errorf("%s: %.80q … of %d characters when sent", c.name, text, utf16Len(sent))
		}
	}
}

// TestFormOfNothing: what is not offered any more gets no form, even if a part of
// it still is.
func TestFormOfNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		gone func(*desk.Catalogue)
	}{
		{"the project", func(c *desk.Catalogue) { c.Projects = nil }},
		{"the service", func(c *desk.Catalogue) { c.Services = nil }},
		{"the category", func(c *desk.Catalogue) { c.Categories = nil }},
	} {
		w := town("es")
		p := newPhone(t, w, "es")
		for _, line := range []string{"> hola", "tap Salud", "tap Vacunas"} {
			p.do(line)
		}
		c.gone(&p.w.Offered)
		p.do("tap C02")
		if d := p.last; d.Form != nil || d.State != nil || len(d.Replies) != 1 || !strings.HasPrefix(d.Replies[0].Text, "Lo sentimos.") {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

// TestFormHours: the setting is told.
func TestFormHours(t *testing.T) {
	for hours, want := range map[int]string{-1: " 24 h", 0: " 24 h", 1: " 1 h", 72: " 72 h"} {
		w := town("es")
		w.Settings.FormHours = hours
		if text := finished(t, w, "es").Replies[0].Text; !strings.Contains(text, want) {
			t.Errorf("%d hours: %q", hours, text)
		}
	}
}

// TestTemplateError: S1-30: the literal words, the Administrator, no link, no form.
func TestTemplateError(t *testing.T) {
	eachLanguage(t, func(t *testing.T, lang string) {
		for _, change := range []func(*World){func(*World) {}, own("bot.template_error", "Ligue 123")} {
			w := town(lang)
			w.Settings.CreateCaseTemplate = "create_case"
			change(&w)
			d := finished(t, w, lang)
			if len(d.Replies) != 1 || d.Form != nil || d.State != nil {
				t.Fatalf("%+v", d)
			}
			r := d.Replies[0]
			if !strings.Contains(r.Text, "Create unidentified case template") || strings.Contains(r.Text, "{form") || r.FormKey != "" || r.Template != nil {
				t.Errorf("%+v", r)
			}
			if w.Settings.Texts == nil && !strings.Contains(r.Text, "Administra") {
				t.Errorf("no Administrator: %q", r.Text)
			}
		}
	})
}

// TestTemplateChoice: S1-31: the name decides, then the language.
func TestTemplateChoice(t *testing.T) {
	lang := func(l string) desk.Template { return createCaseTemplate(l, "") }
	off := func(t desk.Template) desk.Template { t.Active = false; return t }
	pending := func(t desk.Template) desk.Template {
		t.Status, t.ProviderState = desk.TemplatePending, "pending"
		return t
	}
	paused := func(t desk.Template) desk.Template { t.ProviderState = "paused"; return t }
	other := lang("es")
	other.Name = "other"
	for _, c := range []struct {
		name          string
		templates     []desk.Template
		want, problem string // language of the template, or the problem
	}{
		{"the language itself goes before a variant", []desk.Template{lang("en"), lang("es_MX"), lang("es")}, "es", ""},
		{"a variant goes before another language", []desk.Template{lang("en"), lang("pt"), lang("es_MX")}, "es_MX", ""},
		{"the first, if none is in the language", []desk.Template{lang("pt_BR"), lang("en")}, "pt_BR", ""},
		{"one that can be sent goes before the language", []desk.Template{off(lang("es")), lang("en")}, "en", ""},
		{"none at all", nil, "", ProblemTemplateMissing},
		{"none of that name", []desk.Template{other}, "", ProblemTemplateMissing},
		{"switched off", []desk.Template{off(lang("es"))}, "", ProblemTemplateInactive},
		{"not approved", []desk.Template{pending(lang("es"))}, "", ProblemTemplateNotApproved},
		{"paused by the provider", []desk.Template{paused(lang("es"))}, "", ProblemTemplateNotApproved},
		{"not approved and switched off", []desk.Template{off(pending(lang("es")))}, "", ProblemTemplateNotApproved},
		{"one off, one pending: switching on is what helps", []desk.Template{pending(lang("en")), off(lang("es"))}, "", ProblemTemplateInactive},
		{"the same the other way round", []desk.Template{off(lang("es")), pending(lang("en"))}, "", ProblemTemplateInactive},
	} {
		got, problem := createCase(c.templates, "create_case", "es")
		if got.Language != c.want || problem != c.problem {
			t.Errorf("%s: %q, %q, want %q, %q", c.name, got.Language, problem, c.want, c.problem)
		}
	}
}

func TestTemplateParams(t *testing.T) {
	pick := Pick{Project: desk.Project{Name: "P"}, Service: desk.Service{Name: "S\n 1"}, Category: desk.Category{Name: "C{form_secret}"}}
	for _, c := range []struct {
		body string
		want []string
	}{
		{"", nil},
		{"Hola", nil},
		{"{{1}}", []string{"S 1"}},
		{"{{ 2 }} {{1}} {{1}}", []string{"S 1", "C"}},
		{"{{1}} {{2}} {{3}}", []string{"S 1", "C", "P"}},
		{"{{4}}", []string{"S 1", "C", "P", "-"}},
		{"{{0}} {1} {{x}} {{100}}", nil},
	} {
		if d := cmp.Diff(append(c.want, desk.FormSecretMark), params(desk.Template{Body: c.body}, pick)); d != "" {
			t.Errorf("%q:\n%s", c.body, d)
		}
	}
	link := desk.TemplateButton{Kind: desk.ButtonURL, URL: "https://cases.example/c/{{1}}"}
	still := desk.TemplateButton{Kind: desk.ButtonURL, URL: "https://cases.example/"}
	two := desk.Template{Body: "{{1}}", Buttons: []desk.TemplateButton{link, still, link}}
	if d := cmp.Diff([]string{"S 1", desk.FormSecretMark, desk.FormSecretMark}, params(two, pick)); d != "" {
		t.Errorf("the link on two buttons:\n%s", d)
	}
	pick.Service.Name = strings.Repeat("a", maxParam+1)
	if got := params(desk.Template{Body: "{{1}}"}, pick)[0]; utf16Len(got) != maxParam {
		t.Errorf("a parameter of %d characters", utf16Len(got))
	}
	pick.Service.Name = " "
	if got := params(desk.Template{Body: "{{1}}"}, pick)[0]; got != "-" {
		t.Errorf("an empty name fills %q", got)
	}
}

// TestProblems: Q9: what an administrator is told.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name  string
		world func(string) World
		want  []string
	}{
		{"nothing is wrong", town, nil},
		{"nothing is wrong with a template", templated(func(*desk.Template) {}), nil},
		{"no project", of(), []string{ProblemNoProjects}},
		{"a project without services and a service without categories, each told once",
			of(project("A"), project("B"), project("C", service{"S", 0}, service{"T", 0})), []string{ProblemNoCategories, ProblemNoServices}},
		{"a code that names nothing", with(town, func(w *World) { w.Settings.ProjectCode = "X" }), []string{ProblemProjectCodeUnknown}},
		{"a code that names a project", with(town, func(w *World) { w.Settings.ProjectCode = "Agua-code" }), nil},
		{"no such template", with(town, func(w *World) { w.Settings.CreateCaseTemplate = "create_case" }), []string{ProblemTemplateMissing}},
		{"a template that is off", templated(func(t *desk.Template) { t.Active = false }), []string{ProblemTemplateInactive}},
		{"a template that is rejected", templated(func(t *desk.Template) { t.Status = desk.TemplateRejected }), []string{ProblemTemplateNotApproved}},
		{"a menu that leads nowhere", with(town, func(w *World) {
			w.Settings.Menu = []desk.MenuItem{{Number: 1, Action: desk.ActionText}}
		}), []string{ProblemMenuWithoutCase}},
	} {
		if d := cmp.Diff(c.want, Problems(c.world("es"))); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
