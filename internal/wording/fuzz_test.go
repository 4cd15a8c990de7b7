package wording

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fuzztest"
)

var bounds = fuzztest.Limit{Memory: 8 << 20, PerByte: 1000}

// FuzzBody: S3-31, S3-37; whatever the text, what is found are variables, and
// filling leaves all else as it is.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"", "Hola, {{1}}.", "{{1}}{{2}}", "{{{1}}}", "{{ 1 }} {x} }}", "{{999}} {{1000}}", strings.Repeat("{", 300), strings.Repeat("{{1}", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var found []hole
		var mistakes []string
		bounds.Check(t, len(body), func() { found, mistakes = holes(body) })
		at, fixed := 0, ""
		for _, h := range found {
			if h.from < at || h.to > len(body) || body[h.from:h.to] != h.String() || h.number < 1 {
				t.Fatalf("%q: %+v", body, h)
			}
			fixed += body[at:h.from]
			at = h.to
		}
		fixed += body[at:]
		if got := Fill(body, make([]string, Count(body))); got != fixed {
			t.Errorf("%q: filled with nothing it is %q, want %q", body, got, fixed)
		}
		if strings.ContainsAny(fixed, "{}") != (len(mistakes) > 0) || len(mistakes) > maxMistakes {
			t.Errorf("%q: mistakes %q", body, mistakes)
		}
		for _, m := range mistakes {
			if utf8.RuneCountInString(m) > maxFound {
				t.Errorf("%q: a mistake of %d characters", body, utf8.RuneCountInString(m))
			}
		}
	})
}

// FuzzCheck: whatever is posted, it is checked in time; without a problem there
// is a sample for every variable, the example says what the body says, and the
// names and samples are what a send takes.
func FuzzCheck(f *testing.F) {
	for _, r := range requests(f) {
		f.Add([]byte(r.Request), r.MixButtons)
	}
	f.Add([]byte(`{"params":[`+strings.Repeat(`"",`, 300)+`""],"buttons":[{},{},{}],"samples":{"a":1}}`), true)
	f.Add([]byte(`[]`), false)
	f.Add([]byte(`nil`), false)
	f.Fuzz(func(t *testing.T, body []byte, mix bool) {
		for _, provider := range Providers() {
			var tpl desk.Template
			well := false
			bounds.Check(t, len(body), func() {
				got, problems := CheckJSON(body, must(provider), Options{MixButtons: mix})
				tpl, well = got, len(problems) == 0
				for _, p := range problems {
					if p.Code == "" || utf8.RuneCountInString(p.Field) > 2*MaxParamName {
						t.Errorf("problem %+v", p)
					}
				}
			})
			if !well {
				continue
			}
			ready(t, string(body), tpl)
			sendable(t, tpl)
			again, err := json.Marshal(asDraft(tpl))
			if err != nil {
				t.Fatal(err)
			}
			if _, problems := CheckJSON(again, must(provider), Options{MixButtons: mix}); len(problems) > 0 {
				t.Errorf("%s: what was made of it is refused: %v", body, problems)
			}
		}
	})
}

// sendable: the samples of a template can be sent, if the body has room for them.
func sendable(t *testing.T, tpl desk.Template) {
	given := map[string]string{}
	for i, name := range Names(tpl) {
		given[name] = tpl.Samples[i]
	}
	values, problems := Params(tpl, given)
	if len(problems) > 0 && (len(problems) > 1 || problems[0].Code != "filled_too_long") {
		t.Errorf("%+v: %v", tpl, problems)
	}
	if d := cmp.Diff(tpl.Samples, values); d != "" {
		t.Errorf("%+v: samples and values:\n%s", tpl, d)
	}
}

// asDraft is a request for the same template.
func asDraft(t desk.Template) Draft {
	d := Draft{Name: t.Name, DisplayName: t.DisplayName, Language: t.Language, Category: t.Category, Type: t.Type, Body: t.Body, Params: t.Params}
	if t.Category != desk.CategoryAuthentication {
		d.Buttons = t.Buttons
	}
	return d
}
