package wording

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/locale"
)

// request is a row of testdata/requests.json: a request for a template, and what
// is to be said of it, as "field code", sorted. The script that plays the system
// from outside posts the same rows.
type request struct {
	Say        string          `json:"say"`
	Provider   string          `json:"provider"`
	MixButtons bool            `json:"mix_buttons"`
	Request    json.RawMessage `json:"request"`
	Problems   []string        `json:"problems"`
	Warnings   []string        `json:"warnings"`
}

func requests(t testing.TB) []request {
	b, err := os.ReadFile("testdata/requests.json")
	var rows []request
	if err == nil {
		err = json.Unmarshal(b, &rows)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func (r request) check(t testing.TB) (desk.Template, []fault.Problem) {
	p, ok := ProfileOf(r.Provider)
	if !ok {
		t.Fatalf("%s: %s has no templates", r.Say, r.Provider)
	}
	return CheckJSON(r.Request, p, Options{MixButtons: r.MixButtons})
}

// TestRequests: S3-23 … S3-47, Q24 … Q29.
func TestRequests(t *testing.T) {
	good, bad := 0, 0
	for _, r := range requests(t) {
		tpl, problems := r.check(t)
		if d := cmp.Diff(r.Problems, codes(problems)); d != "" {
			t.Errorf("%s: problems (-want +got):\n%s", r.Say, d)
		}
		if d := cmp.Diff(r.Warnings, warningCodes(tpl.Warnings)); d != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", r.Say, d)
		}
		if len(r.Problems) == 0 {
			good++
			ready(t, r.Say, tpl)
		} else {
			bad++
		}
		explained(t, r.Say, problems)
		for _, w := range tpl.Warnings {
			explained(t, r.Say, []fault.Problem{fault.Problem(w)})
		}
	}
	if good < 40 || bad < 60 {
		t.Errorf("%d good requests and %d bad ones, want 40 and 60 at least", good, bad)
	}
}

// TestNameTakenRejected: the one warning that is given elsewhere has a sentence too.
func TestNameTakenRejected(t *testing.T) {
	w := NameTakenRejected()
	if w.Field != "name" || w.Code != CodeNameTakenRejected {
		t.Errorf("%+v", w)
	}
	explained(t, w.Code, []fault.Problem{fault.Problem(w)})
}

func codes(problems []fault.Problem) []string {
	out := []string{}
	for _, p := range problems {
		out = append(out, p.Field+" "+p.Code)
	}
	slices.Sort(out)
	return out
}

func warningCodes(warnings []desk.Warning) []string {
	out := []string{}
	for _, w := range warnings {
		out = append(out, w.Field+" "+w.Code)
	}
	slices.Sort(out)
	return out
}

// explained: each has a sentence in every language, whose parameters are those
// that it is given.
func explained(t *testing.T, say string, problems []fault.Problem) {
	t.Helper()
	for _, p := range problems {
		for _, lang := range desk.Languages {
			l := locale.For(lang)
			if !l.Has("problem." + p.Code) {
				t.Errorf("%s: %s: no sentence for %s", say, lang, p.Code)
				continue
			}
			bare := l.Text("problem." + p.Code)
			for name := range p.Params {
				if !strings.Contains(bare, "{"+name+"}") {
					t.Errorf("%s: %s: %q does not say %s", say, lang, bare, name)
				}
				bare = strings.ReplaceAll(bare, "{"+name+"}", "")
			}
			if strings.ContainsAny(bare, "{}") {
				t.Errorf("%s: %s: %q wants more than %v", say, lang, bare, p.Params)
			}
		}
	}
}

// ready: what a template holds that had no problem.
func ready(t testing.TB, say string, tpl desk.Template) {
	t.Helper()
	urls := tpl.URLButtons()
	if len(tpl.Params) != Count(tpl.Body) || len(tpl.Samples) != len(tpl.Params)+len(urls) {
		t.Errorf("%s: %d variables, %d names, %d addresses, %d samples", say, Count(tpl.Body), len(tpl.Params), len(urls), len(tpl.Samples))
		return
	}
	if strings.TrimSpace(tpl.Body) == "" {
		t.Errorf("%s: no body", say)
	}
	for i, s := range tpl.Samples {
		if s == "" || strings.TrimSpace(s) != s || valueCode(s) != "" {
			t.Errorf("%s: sample %d: %q", say, i, s)
		}
	}
	for i, place := range urls {
		fixed, _ := FixedPart(tpl.Buttons[place].URL)
		whole := fixed + tpl.Samples[len(tpl.Params)+i]
		leads, err := url.Parse(whole)
		if site, bad := url.Parse(fixed); err != nil || bad != nil || !urlText(whole) || leads.Scheme != site.Scheme || leads.Host != site.Host {
			t.Errorf("%s: the sample makes %q of %q", say, whole, tpl.Buttons[place].URL)
		}
	}
	if got, want := Fill(tpl.Body, tpl.Samples), replaced(tpl.Body, tpl.Samples); got != want {
		t.Errorf("%s: the example is %q, want %q", say, got, want)
	}
	if (tpl.Category == desk.CategoryAuthentication) != (len(tpl.Buttons) == 1 && tpl.Buttons[0].Kind == desk.ButtonOTP) {
		t.Errorf("%s: buttons %+v", say, tpl.Buttons)
	}
}

// replaced fills a body without looking for variables as Fill does: it goes
// through the values.
func replaced(body string, values []string) string {
	out := ""
	for i := range Count(body) {
		before, after, _ := strings.Cut(body, variable(i+1))
		out, body = out+before+values[i], after
	}
	return out + body
}
