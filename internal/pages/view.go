package pages

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"buzon/internal/desk"
	"buzon/internal/locale"
)

//go:embed templates
var templateFiles embed.FS

var templates = parseTemplates()

// parseTemplates makes one set a page: the frame, the parts and the page itself.
func parseTemplates() map[string]*template.Template {
	funcs := template.FuncMap{"asset": assetURL}
	frame := template.Must(template.New("frame").Funcs(funcs).ParseFS(templateFiles, "templates/frame.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	for _, name := range []string{"form", "used", "case", "error"} {
		t := template.Must(frame.Clone())
		all[name] = template.Must(t.ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return all
}

// render makes the whole page before any of it is sent.
func render(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := templates[name].ExecuteTemplate(&b, "frame", data); err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// page is what every template is given.
type page struct {
	Lang    string
	Company string // empty on pages that belong to nobody
	Title   string
	Failed  bool   // "Error:" stands before the title
	ID      string // of the request, for support
	// Switch are the languages; in the form of that id if SwitchForm is set, so
	// that what was typed is kept, else as links.
	Switch     []choice
	SwitchForm string

	text *locale.Locale
}

// choice is one language of the switch.
type choice struct {
	Lang, Name, URL string
	Current         bool
}

// problem is something to be put right; Field is empty if it is no field's.
type problem struct{ Field, Text string }

// T is a text of the catalogue.
func (g page) T(key string, params ...string) string { return g.text.Text(key, params...) }

// N is a number as the language writes it.
func (g page) N(n int) string { return grouped(g.text, n) }

// grouped groups the digits of a number of five or six digits; shorter ones stay together.
func grouped(t *locale.Locale, n int) string {
	s := strconv.Itoa(n)
	if len(s) > 4 {
		s = s[:len(s)-3] + t.Text("page.number.group") + s[len(s)-3:]
	}
	return s
}

// Owner is who the page is from.
func (g page) Owner() string {
	if g.Company == "" {
		return "Buzón"
	}
	return g.Company
}

// Initial is the letter of the owner's sign.
func (g page) Initial() string {
	for _, r := range g.Owner() {
		return strings.ToUpper(string(r))
	}
	return "" // unreachable: Owner is never empty
}

var languageNames = map[string]string{"es": "Español", "en": "English", "pt": "Português"}

// newPage makes what all pages have.
func (p *Portal) newPage(v *visit) page {
	t := v.text()
	g := page{Lang: t.Lang(), Company: v.name, ID: v.id, text: t}
	for _, lang := range desk.Languages {
		q := url.Values{fieldLang: {lang}}
		for _, name := range []string{"created", "earlier"} {
			if s := v.r.URL.Query().Get(name); s != "" {
				q.Set(name, s)
			}
		}
		g.Switch = append(g.Switch, choice{
			Lang: lang, Name: languageNames[lang], Current: lang == g.Lang,
			URL: strings.TrimSuffix(v.r.URL.EscapedPath(), "/messages") + "?" + q.Encode(),
		})
	}
	return g
}

// formPage is the form of a case.
type formPage struct {
	page
	Path                          []string // project, service, category
	Action                        string
	CaseTitle, Text, Contact      string
	Stamp                         string
	Problems                      []problem
	MaxTitle, MaxText, MaxContact int
}

// Wrong is the problem of a field; empty: none.
func (g formPage) Wrong(field string) string { return wrong(g.Problems, field) }

func wrong(problems []problem, field string) string {
	for _, p := range problems {
		if p.Field == field {
			return p.Text
		}
	}
	return ""
}

func (p *Portal) formView(v *visit, f desk.Form, e entry, stamp string) formPage {
	g := formPage{
		page: p.newPage(v), Path: []string{f.ProjectName, f.ServiceName, f.CategoryName}, Action: v.r.URL.EscapedPath(),
		CaseTitle: e.title, Text: e.description, Contact: e.contact,
		Stamp: stamp, Problems: e.problems,
		MaxTitle: desk.MaxCaseTitle, MaxText: desk.MaxCaseDescription, MaxContact: desk.MaxContactField,
	}
	g.Title = g.T("page.form.title")
	g.SwitchForm = "case"
	g.Failed = len(e.problems) > 0
	return g
}

// usedPage says that the form has made its case.
type usedPage struct{ page }

func (p *Portal) usedView(v *visit) usedPage {
	g := usedPage{p.newPage(v)}
	g.Title = g.T("page.used.title")
	return g
}

// stateLook is how a state is shown: the word and a sign come with the colour.
type stateLook struct{ Key, Kind string }

var stateLooks = map[desk.CaseState]stateLook{
	desk.CaseNew:        {"page.state.new", "new"},
	desk.CaseInProgress: {"page.state.in_progress", "pending"},
	desk.CaseWaiting:    {"page.state.waiting", "waiting"},
	desk.CaseResolved:   {"page.state.resolved", "done"},
	desk.CaseClosed:     {"page.state.closed", "closed"},
}

// linesShown is how many lines of history a page shows at first, the newest.
const linesShown = 50

// casePage is the tracking page.
type casePage struct {
	page
	Case       desk.Case
	Path       []string // project, service, category
	State      string   // its word
	Kind       string   // its colour and sign
	Created    bool     // the first view
	Closed     bool
	Link       string
	Record     string // address of the record
	Action     string
	Lines      []historyLine
	Earlier    string // address that shows more lines; empty: all are shown
	Changed    moment
	Version    string
	Text       string
	Key        string
	ChosenLang string
	Max        int
	Problems   []problem
}

// Wrong is the problem of a field; empty: none.
func (g casePage) Wrong(field string) string { return wrong(g.Problems, field) }

// moment is a time for people and for programs.
type moment struct{ Text, Machine string }

func at(t *locale.Locale, when time.Time) moment {
	return moment{longTime(t, when), when.UTC().Format(time.RFC3339)}
}

// historyLine is a line of history.
type historyLine struct {
	Anchor, Kind, What, Text string
	At                       moment
}

func (p *Portal) caseView(v *visit, k desk.Case, history []desk.CaseEvent, text string, problems []problem) casePage {
	g := casePage{page: p.newPage(v), Case: k}
	g.Path = []string{k.ProjectName, k.ServiceName, k.CategoryName}
	t := g.text
	g.Title = t.Text("page.case.title", "reference", k.Reference)
	look := stateLooks[k.State]
	g.State, g.Kind = t.Text(look.Key), look.Kind
	query := v.r.URL.Query()
	g.Created = query.Get("created") == "1"
	g.Closed = k.State == desk.CaseClosed
	g.Link = p.trackingLink(v)
	here := "/t/" + v.r.PathValue("tracking")
	g.Record, g.Action = here+"/record.txt", here+"/messages"
	if v.lang != "" && v.lang != k.Language {
		g.ChosenLang = v.lang
		g.Record += "?lang=" + v.lang
	}
	g.Changed = at(t, k.ChangedAt)
	g.Version = strconv.FormatInt(k.Version, 10)
	g.Text, g.Key, g.Max = text, p.NewID(), desk.MaxCaseMessage
	g.Problems, g.Failed = problems, len(problems) > 0
	if v.r.Method == http.MethodPost {
		g.SwitchForm = "add"
	}
	earlier, _ := strconv.Atoi(query.Get("earlier")) // what is no number is 0
	if from := len(history) - linesShown*(1+max(0, min(earlier, len(history)))); from > 0 {
		history = history[from:]
		g.Earlier = v.caseURL(k, url.Values{"earlier": {strconv.Itoa(max(earlier, 0) + 1)}})
	}
	for _, e := range history {
		g.Lines = append(g.Lines, newLine(t, e, v.name))
	}
	return g
}

func newLine(t *locale.Locale, e desk.CaseEvent, company string) historyLine {
	l := historyLine{Anchor: eventAnchor(e.ID), Kind: "you", Text: e.Text, At: at(t, e.At)}
	switch {
	case e.Kind == desk.CaseCreated:
		l.Kind, l.What = "new", t.Text("page.line.created")
	case e.Kind == desk.CaseMoved && e.From != e.To:
		look := stateLooks[e.To]
		l.Kind, l.What = look.Kind, t.Text("page.line.moved", "state", t.Text(look.Key))
		if e.Text == desk.ReasonDeactivated {
			l.Text = ""
		}
	case e.By == "":
		l.What = t.Text("page.line.you")
	default:
		l.Kind, l.What = "team", t.Text("page.line.team", "company", company)
	}
	return l
}

// errorPage is the page of a status.
type errorPage struct {
	page
	Text string
	Kept string
}

// errorTexts are heading and next step of each status.
var errorTexts = map[int][2]string{
	http.StatusBadRequest:            {"page.400.title", "page.400.text"},
	http.StatusNotFound:              {"page.404.title", "page.404.text"},
	http.StatusMethodNotAllowed:      {"page.405.title", "page.405.text"},
	http.StatusConflict:              {"page.409.title", "page.error.closed"},
	http.StatusGone:                  {"page.410.title", "page.410.text"},
	http.StatusRequestEntityTooLarge: {"page.413.title", "page.413.text"},
	http.StatusUnsupportedMediaType:  {"page.415.title", "page.415.text"},
	http.StatusTooManyRequests:       {"page.429.title", "page.429.text"},
	http.StatusInternalServerError:   {"page.500.title", "page.500.text"},
	http.StatusServiceUnavailable:    {"page.503.title", "page.503.text"},
}

func (p *Portal) errorView(v *visit, r *refusal) errorPage {
	texts := errorTexts[r.status]
	g := errorPage{page: p.newPage(v), Kept: r.kept}
	if r.hint != "" {
		texts[1] = r.hint
	}
	g.Title, g.Text = g.T(texts[0]), g.T(texts[1])
	return g
}

// longTime writes a time out, with its zone.
func longTime(t *locale.Locale, when time.Time) string {
	when = when.UTC()
	months := strings.Split(t.Text("page.date.months"), ",")
	return t.Text("page.date.long",
		"day", strconv.Itoa(when.Day()), "month", months[int(when.Month()-1)%len(months)],
		"year", strconv.Itoa(when.Year()), "time", when.Format("15:04"))
}
