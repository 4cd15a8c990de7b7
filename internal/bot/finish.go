package bot

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"buzon/internal/desk"
)

// UnidentifiedTemplate stands in the answer when the Create Case template can not
// be used (S1-30), in every language.
const UnidentifiedTemplate = "Create unidentified case template"

// linkRoom is what a text that ends in desk.FormLinkMark leaves for the link.
const linkRoom = 512

// maxParam is how much of a name goes into a parameter of a template: three of
// them stay within the 1024 characters of its body.
const maxParam = 200

// finish ends the dialogue after the category with what opens the form (S1-28):
// the Create Case template if the settings name one, else a text whose last
// thing is the link.
func (d *dialogue) finish(category option) {
	pick, ok := picked(d.w.Offered, d.s, category.id)
	if !ok {
		d.end("bot.no_services")
		return
	}
	name := strings.TrimSpace(d.w.Settings.CreateCaseTemplate)
	if name == "" {
		d.say(d.formText(pick))
	} else {
		t, problem := createCase(d.w.Templates, name, d.s.Lang)
		if problem != "" {
			d.say(UnidentifiedTemplate + "\n\n" + d.text("bot.template_error"))
			d.running = false
			return
		}
		d.replies = append(d.replies, desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{
			ProviderID: t.ProviderID, Name: t.Name, Language: t.Language, Template: t.ID,
			Params: params(t, pick), URLs: t.URLButtons(),
		}})
	}
	d.replies[len(d.replies)-1].FormKey = d.w.FormKey
	d.form = &pick
	d.running = false
}

// picked looks up what the person chose; false if a part of it is not offered any
// more.
func picked(c desk.Catalogue, s state, category string) (Pick, bool) {
	p := Pick{Language: s.Lang}
	found := 0
	for _, x := range c.Projects {
		if x.ID == s.Project {
			p.Project = x
			found |= 1
		}
	}
	for _, x := range c.Services {
		if x.ID == s.Service && x.Project == s.Project {
			p.Service = x
			found |= 2
		}
	}
	for _, x := range c.Categories {
		if x.ID == category && x.Service == s.Service {
			p.Category = x
			found |= 4
		}
	}
	return p, found == 1|2|4
}

// formText is the closing text. A mark that a name or the company's own text
// holds is dropped: the link stands once, at the end.
func (d *dialogue) formText(p Pick) string {
	body := d.text("bot.form", "project", p.Project.Name, "service", p.Service.Name, "category", p.Category.Name,
		"hours", strconv.Itoa(formHours(d.w.Settings)))
	return cut(strings.TrimSpace(withoutMarks(body)), desk.MaxText-linkRoom) + "\n" + desk.FormLinkMark
}

func withoutMarks(s string) string {
	// Again until nothing changes: dropping one mark may put another together.
	for {
		t := strings.NewReplacer(desk.FormLinkMark, "", desk.FormSecretMark, "").Replace(s)
		if t == s {
			return s
		}
		s = t
	}
}

var placeholder = regexp.MustCompile(`\{\{\s*(\d{1,2})\s*\}\}`)

// params fills the placeholders of the template's body: {{1}} the service, {{2}}
// the category, {{3}} the project, any further one "-". After them comes the one
// of the Create Case button's address, PUBLIC_URL/c/{{1}}.
func params(t desk.Template, p Pick) []string {
	n := 0
	for _, m := range placeholder.FindAllStringSubmatch(t.Body, -1) {
		k, _ := strconv.Atoi(m[1]) // two digits
		n = max(n, k)
	}
	values := []string{p.Service.Name, p.Category.Name, p.Project.Name}
	var out []string
	for i := range n {
		v := ""
		if i < len(values) {
			v = oneLine(withoutMarks(values[i]), maxParam) // no line break in a parameter
		}
		out = append(out, cmp.Or(v, "-"))
	}
	for range max(len(t.URLButtons()), 1) {
		out = append(out, desk.FormSecretMark)
	}
	return out
}

// The codes of [Problems].
const (
	ProblemNoProjects          = "no_projects"                // nothing is open to anonymous access
	ProblemProjectCodeUnknown  = "project_code_unknown"       // the settings' code names no offered project
	ProblemNoServices          = "no_services"                // an offered project offers no service
	ProblemNoCategories        = "no_categories"              // an offered service offers no category
	ProblemTemplateMissing     = "case_template_missing"      // no template has the settings' name
	ProblemTemplateInactive    = "case_template_inactive"     // it is approved and switched off
	ProblemTemplateNotApproved = "case_template_not_approved" // it is not approved, or the provider paused it
	ProblemMenuWithoutCase     = "menu_without_case"          // registered people can not reach anonymous access
)

// createCase finds the template by its name (S1-31): of those that can be sent
// the one in the language, else in a variant of it ("es_MX"), else the first. If
// none can be sent the problem says why (Q9).
func createCase(all []desk.Template, name, lang string) (t desk.Template, problem string) {
	best := 0
	problem = ProblemTemplateMissing
	for _, c := range all {
		if c.Name != name {
			continue
		}
		fit := 1
		switch {
		case !c.Sendable():
			if approved := c.Status == desk.TemplateApproved && c.ProviderState == "approved"; approved {
				problem = ProblemTemplateInactive
			} else if problem == ProblemTemplateMissing {
				problem = ProblemTemplateNotApproved
			}
			continue
		case c.Language == lang:
			fit = 3
		case baseLanguage(c.Language) == lang:
			fit = 2
		}
		if fit > best {
			best, t = fit, c
		}
	}
	if best > 0 {
		return t, ""
	}
	return desk.Template{}, problem
}

// Problems lists, for administrators, why dialogues can not end in a form as the
// settings want it (Q9): codes, each once, sorted; nil: none.
func Problems(w World) []string {
	var codes []string
	add := func(code string, wrong bool) {
		if wrong {
			codes = append(codes, code)
		}
	}
	code := strings.TrimSpace(w.Settings.ProjectCode)
	_, known := projectByCode(w.Offered, code)
	add(ProblemNoProjects, len(w.Offered.Projects) == 0)
	add(ProblemProjectCodeUnknown, code != "" && !known)
	for _, p := range w.Offered.Projects {
		add(ProblemNoServices, len(servicesOf(w.Offered, p.ID)) == 0)
	}
	for _, s := range w.Offered.Services {
		add(ProblemNoCategories, len(options(w.Offered, state{Step: stepCategory, Service: s.ID})) == 0)
	}
	if name := strings.TrimSpace(w.Settings.CreateCaseTemplate); name != "" {
		_, problem := createCase(w.Templates, name, language(w))
		add(problem, problem != "")
	}
	add(ProblemMenuWithoutCase, !slices.ContainsFunc(menu(w.Settings), func(m desk.MenuItem) bool { return m.Action == desk.ActionAnonymousCase }))
	slices.Sort(codes)
	return slices.Compact(codes)
}
