package api

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"buzon/internal/bot"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/locale"
	"buzon/internal/web"
)

// Limits of the settings of the dialogue.
const (
	MaxMenuItems      = 20
	MaxMenuNumber     = 99
	MaxTimeoutMinutes = 23 * 60 // WhatsApp lets us write for 24 hours (Q11)
	MaxFormHours      = 30 * 24
	MaxTemplateName   = 512 // Meta (Q24)
)

type botView struct {
	Version            int64                        `json:"version"`
	Language           string                       `json:"language"`
	Menu               []menuItemView               `json:"menu"`
	Texts              map[string]map[string]string `json:"texts"`
	ProjectCode        string                       `json:"project_code"`
	CreateCaseTemplate string                       `json:"create_case_template"`
	AnonymousUser      string                       `json:"anonymous_user"`
	TimeoutMinutes     int                          `json:"timeout_minutes"`
	FormHours          int                          `json:"form_hours"`
	DefaultCaseType    string                       `json:"default_case_type"`
}

type menuItemView struct {
	Number int               `json:"number"`
	Label  map[string]string `json:"label"`
	Action string            `json:"action"`
	Text   map[string]string `json:"text"` // null but for the action text
}

func viewBot(v desk.BotSettings) any {
	out := botView{
		v.Version, v.Language, []menuItemView{}, v.Texts, v.ProjectCode, v.CreateCaseTemplate, v.AnonymousUser,
		v.TimeoutMinutes, v.FormHours, v.DefaultCaseType,
	}
	for _, m := range v.Menu {
		out.Menu = append(out.Menu, menuItemView{m.Number, m.Label, m.Action, m.Text})
	}
	if out.Texts == nil {
		out.Texts = map[string]map[string]string{}
	}
	return out
}

// botSettings reads the settings; a company that never set any has those that
// ship, at version 0.
func (c *call) botSettings() (desk.BotSettings, error) {
	v, err := c.company.FreshBot(c.ctx())
	if errors.Is(err, fault.NotFound) {
		return bot.DefaultSettings(desk.Languages[0]), nil
	}
	return v, err
}

func getBot(c *call) error {
	v, err := c.botSettings()
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", etag(v.Version))
	return c.ok(v.Version, viewBot(v))
}

// putBot replaces the settings; what is not sent is as it ships.
func putBot(c *call) error {
	return change(c, c.botSettings, viewBot,
		func(o *web.Object, v *desk.BotSettings) error {
			lang := ""
			o.Text("language", &lang, oneWord(desk.Languages[:]...))
			stored := v.Versioned
			*v = bot.DefaultSettings(lang)
			v.Versioned = stored
			readMenu(o, v)
			readTexts(o, v)
			o.Text("project_code", &v.ProjectCode, web.Text{Max: MaxCode})
			o.Text("create_case_template", &v.CreateCaseTemplate, web.Text{Max: MaxTemplateName})
			o.Text("anonymous_user", &v.AnonymousUser, web.Text{Max: desk.MaxName})
			o.Int("timeout_minutes", &v.TimeoutMinutes, 1, MaxTimeoutMinutes)
			o.Int("form_hours", &v.FormHours, 1, MaxFormHours)
			o.Text("default_case_type", &v.DefaultCaseType, web.Text{Max: MaxCode})
			return checkProjectCode(c, o, v.ProjectCode)
		},
		func(_ desk.BotSettings, v *desk.BotSettings) error { return c.company.SaveBot(c.ctx(), *v) })
}

// botFields are the settings that a problem of the dialogue is about; those of the
// catalogue are not here.
var botFields = map[string]string{
	bot.ProblemProjectCodeUnknown:  "project_code",
	bot.ProblemTemplateMissing:     "create_case_template",
	bot.ProblemTemplateInactive:    "create_case_template",
	bot.ProblemTemplateNotApproved: "create_case_template",
	bot.ProblemMenuWithoutCase:     "menu",
}

// listBotWarnings tells why dialogues cannot end in a form as the settings want it
// (Q9), on any channel that is switched on.
func listBotWarnings(c *call) error {
	q := c.query()
	if err := q.err(); err != nil {
		return err
	}
	settings, err := c.botSettings()
	if err != nil {
		return err
	}
	cat, err := c.company.FreshCatalogue(c.ctx())
	if err != nil {
		return err
	}
	templates, err := c.company.AllTemplates(c.ctx())
	if err != nil {
		return err
	}
	on, err := c.answeringChannels()
	if err != nil {
		return err
	}
	var codes []string
	for _, id := range on {
		own := filter(templates, func(t desk.Template) bool { return t.Channel == id })
		codes = append(codes, bot.Problems(bot.World{Settings: settings, Offered: cat.Offered(), Templates: own})...)
	}
	slices.Sort(codes)
	codes, next, err := page(q, slices.Compact(codes), oldestFirst, func(code string) (time.Time, string) { return time.Time{}, code })
	if err != nil {
		return err
	}
	words := c.words()
	return answerList(c, codes, next, func(code string) web.FieldProblem {
		return web.FieldProblem{Field: botFields[code], Code: code, Detail: words.Text("problem." + code)}
	})
}

// checkProjectCode: a code names one of the company's projects (S1-07).
func checkProjectCode(c *call, o *web.Object, code string) error {
	if code == "" {
		return nil
	}
	cat, err := c.company.FreshCatalogue(c.ctx())
	if err == nil && !slices.ContainsFunc(cat.Projects, func(p desk.Project) bool { return strings.EqualFold(p.Code, code) }) {
		o.Add("project_code", "not_found")
	}
	return err
}

func readMenu(o *web.Object, v *desk.BotSettings) {
	if !o.Has("menu") {
		return
	}
	v.Menu = nil
	seen := map[int]bool{}
	o.Objects("menu", MaxMenuItems, func(n int) { v.Menu = make([]desk.MenuItem, n) }, func(i int, o *web.Object) {
		m := &v.Menu[i]
		if !o.Has("number") {
			o.Add("number", "required")
		}
		o.Int("number", &m.Number, 1, MaxMenuNumber)
		if m.Number > 0 && seen[m.Number] {
			o.Add("number", "twice")
		}
		seen[m.Number] = true
		o.Text("action", &m.Action, oneWord(desk.ActionAnonymousCase, desk.ActionText))
		readLanguages(o, "label", &m.Label, true, web.Text{Max: desk.MaxName})
		readLanguages(o, "text", &m.Text, m.Action == desk.ActionText, web.Text{Max: desk.MaxText, Lines: true})
		if m.Action == desk.ActionAnonymousCase && len(m.Text) > 0 {
			o.Add("text", "not_allowed")
		}
	})
	if v.Menu != nil && len(v.Menu) == 0 {
		o.Add("menu", "required")
	}
}

// readLanguages reads one text by language: {"es":"…","pt":"…"}.
func readLanguages(o *web.Object, name string, dst *map[string]string, required bool, rule web.Text) {
	some := false
	o.Object(name, func(o *web.Object) {
		for _, lang := range desk.Languages {
			if !o.Has(lang) {
				continue
			}
			text := ""
			o.Text(lang, &text, web.Text{Required: true, Max: rule.Max, Lines: rule.Lines})
			if *dst == nil {
				*dst = map[string]string{}
			}
			(*dst)[lang], some = text, true
		}
	})
	if required && !some {
		o.Add(name, "required")
	}
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// readTexts reads texts that replace shipped ones: each has a key that ships and
// takes no value that the shipped text does not.
func readTexts(o *web.Object, v *desk.BotSettings) {
	o.Object("texts", func(o *web.Object) {
		for _, lang := range desk.Languages {
			o.Object(lang, func(o *web.Object) {
				for _, key := range o.Names() {
					family, _, _ := strings.Cut(key, ".")
					if family != "bot" || !locale.For(lang).Has(key) {
						continue // unknown
					}
					text := ""
					o.Text(key, &text, web.Text{Max: desk.MaxText, Lines: true})
					for _, name := range placeholder.FindAllString(text, -1) {
						if !strings.Contains(locale.For(lang).Text(key), name) {
							o.Add(key, "unknown_placeholder", "name", name)
						}
					}
					if text == "" {
						continue
					}
					if v.Texts == nil {
						v.Texts = map[string]map[string]string{}
					}
					if v.Texts[lang] == nil {
						v.Texts[lang] = map[string]string{}
					}
					v.Texts[lang][key] = text
				}
			})
		}
	})
}
