package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/locale"
	"buzon/internal/web"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// edge is a handler around mux with its log.
func edge(mux *http.ServeMux) (http.Handler, *bytes.Buffer) {
	log := &bytes.Buffer{}
	now, ids := start, 0
	return web.Handler(mux, web.Options{
		Log:   slog.New(slog.NewJSONHandler(log, nil)),
		NewID: func() string { ids++; return fmt.Sprintf("r%d", ids) },
		Now:   func() time.Time { now = now.Add(7 * time.Millisecond); return now },
	}), log
}

func input() error {
	var in fault.Input
	in.Add("name", "too_long", "max", "200")
	in.Add("menu[0].text", "required")
	return in.Err()
}

// TestVerdicts: every kind of fault has its status, bare or wrapped; everything
// else is a 500 that says nothing and is logged once.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   string
		errors int
		header string // name: value
	}{
		{"input shows all its problems", input(), 422, "see_errors", 2, ""},
		{"wrapped input is still input", fmt.Errorf("project: %w", input()), 422, "see_errors", 2, ""},
		{"invalid without fields", fmt.Errorf("item: %w", fault.Invalid), 422, "invalid", 0, ""},
		{"not found", fmt.Errorf("case 7f3: %w", fault.NotFound), 404, "not_found", 0, ""},
		{"conflict", fault.Conflict, 409, "conflict", 0, ""},
		{"forbidden", fault.Forbidden, 403, "forbidden", 0, ""},
		{"busy says when to come again", fault.Busy, 503, "busy", 0, "Retry-After: 2"},
		{"what the installation lacks is named ", fmt.Errorf("api: %w", &fault.Missing{What: "table buzon-prod"}), 503, "not_set_up", 0, "Retry-After: 2"},
		{"refused as it says", &web.Refused{Status: 412, Code: "stale"}, 412, "stale", 0, ""},
		{"no credential names the scheme", &web.Refused{Status: 401, Code: "unauthenticated"}, 401, "unauthenticated", 0, "WWW-Authenticate: Bearer"},
		{"a new kind is internal", fault.Kind("tired"), 500, "internal", 0, ""},
		{"anything else is internal", errors.New("key hunter2 in /etc"), 500, "internal", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /x/{id}", func(w http.ResponseWriter, r *http.Request) { web.Fail(w, r, c.err) })
			h, log := edge(mux)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/x/secret-id", nil))
			var p web.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || p.Status != c.status || p.Code != c.code || len(p.Errors) != c.errors {
				t.Errorf("%d %+v, want %d %s with %d errors", w.Code, p, c.status, c.code, c.errors)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
			if p.RequestID != "r1" || w.Header().Get("X-Request-Id") != "r1" {
				t.Errorf("request ids %q and %q", p.RequestID, w.Header().Get("X-Request-Id"))
			}
			if strings.HasPrefix(p.Title, "problem.") || strings.HasPrefix(p.Detail, "problem.") {
				t.Errorf("no text for %+v", p)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && w.Header().Get(name) != value {
				t.Errorf("%s: %q, want %q", name, w.Header().Get(name), value)
			}
			internal := strings.Count(log.String(), "internal error")
			if want := map[bool]int{true: 1, false: 0}[c.status == 500]; internal != want {
				t.Errorf("logged %d times, want %d: %s", internal, want, log)
			}
			if missing := c.code == "not_set_up"; strings.Contains(log.String(), "not set up") != missing || missing != strings.Contains(p.Detail, "table buzon-prod") {
				t.Errorf("answered %q, logged %s", p.Detail, log)
			}
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("shows what is internal: %s", w.Body)
			}
			if strings.Contains(log.String(), "secret-id") {
				t.Errorf("logs a path (T12): %s", log)
			}
		})
	}
}

// TestProblemLanguages: sentences follow Accept-Language, codes do not.
func TestProblemLanguages(t *testing.T) {
	for _, c := range []struct{ accept, lang, title, detail string }{
		{"es-CO", "es", "Hay datos por corregir", "Es demasiado largo: el máximo es 200."},
		{"en", "en", "Some values need correction", "It is too long: the maximum is 200."},
		{"pt-BR,en;q=0.5", "pt", "", ""},
		{"", "es", "", ""},
	} {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { web.Fail(w, r, input()) })
		h, _ := edge(mux)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", c.accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var p web.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		texts := locale.For(c.lang)
		want := []web.FieldProblem{
			{Field: "name", Code: "too_long", Detail: texts.Text("problem.too_long", "max", "200")},
			{Field: "menu[0].text", Code: "required", Detail: texts.Text("problem.required")},
		}
		if d := cmp.Diff(want, p.Errors); d != "" {
			t.Errorf("%q:\n%s", c.accept, d)
		}
		if p.Title != texts.Text("problem.title.422") || w.Header().Get("Content-Language") != c.lang {
			t.Errorf("%q: title %q in %q", c.accept, p.Title, w.Header().Get("Content-Language"))
		}
		if c.lang == "en" && (p.Title != c.title || p.Errors[0].Detail != c.detail) {
			t.Errorf("%q: %q %q", c.accept, p.Title, p.Errors[0].Detail)
		}
	}
}

// TestCodesHaveTexts: every code that this package answers with has a sentence
// in each language; so has the title of its status.
func TestCodesHaveTexts(t *testing.T) {
	code := regexp.MustCompile(`(?:Code: |Add\([a-z]+, |verdict\{http\.\w+, )"([a-z_]+)"`)
	n := 0
	for _, name := range []string{"decode.go", "handler.go", "object.go", "problem.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, lang := range desk.Languages {
			texts := locale.For(lang)
			for _, m := range code.FindAllStringSubmatch(string(b), -1) {
				n++
				if key := "problem." + m[1]; !texts.Has(key) {
					t.Errorf("%s: no text for %s in %s", name, key, lang)
				}
			}
		}
	}
	if n < 20*len(desk.Languages) {
		t.Errorf("found only %d codes: does the pattern still match?", n)
	}
}
