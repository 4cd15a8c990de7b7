package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"buzon/infra/containers/template"
)

var functions = []template.Function{
	{ID: "ApiFunction", Routes: []template.Route{{Method: "ANY", Path: "/"}, {Method: "ANY", Path: "/docs"}, {Method: "ANY", Path: "/v1/{proxy+}"}}},
	{ID: "PortalFunction", Routes: []template.Route{{Method: "ANY", Path: "/c/{proxy+}"}, {Method: "GET", Path: "/t/{tracking}"}}},
	{ID: "OtherFunction", Routes: []template.Route{{Method: "ANY", Path: "/c/help"}, {Method: "POST", Path: "/t/{proxy+}"}}},
}

func TestOwnerOfAPath(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/", "ApiFunction"},
		{"GET", "/docs", "ApiFunction"},
		{"GET", "/docs/", "ApiFunction"}, // SAM takes both
		{"GET", "/docs/x", ""},
		{"GET", "/v1/me", "ApiFunction"},
		{"GET", "/v1/cases/7/comments", "ApiFunction"},
		{"GET", "/v1", ""},
		{"GET", "/v1/", ""}, // proxy+ is one part at least
		{"GET", "/v10/me", ""},
		{"POST", "/c/form", "PortalFunction"},
		{"POST", "/c/help", "OtherFunction"}, // written out before any text
		{"GET", "/t/x", "PortalFunction"},
		{"GET", "/t/x/messages", ""},
		{"POST", "/t/x/messages", "OtherFunction"},
		{"GET", "/nothing", ""},
		{"GET", "//", "ApiFunction"},
	} {
		got, ok := owner(functions, c.method, c.path)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s %s: %q %v, want %q", c.method, c.path, got, ok, c.want)
		}
	}
}

func TestFront(t *testing.T) {
	var inside, most atomic.Int32
	gate := make(chan struct{})
	f := &front{
		functions: functions,
		beside:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "simulator") }),
		api: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			most.Store(max(most.Load(), inside.Add(1)))
			defer inside.Add(-1)
			if strings.HasPrefix(r.URL.Path, "/v1/") {
				<-gate
			}
			_, _ = io.WriteString(w, r.Host)
		}),
	}
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:3000"+path, http.NoBody))
		return w.Code, w.Body.String()
	}
	if code, _ := ask("/docs"); code != http.StatusServiceUnavailable {
		t.Errorf("before all is ready: %d, want 503", code)
	}
	f.ready.Store(true)
	for _, c := range []struct {
		sentence, path string
		code           int
		body           string
	}{
		{"a function's path is handed on, Host and all", "/docs", 200, "127.0.0.1:3000"},
		{"a path of nobody's is refused as the HTTP API does it", "/nothing", 404, `{"message":"Not Found"}`},
		{"the simulator's page is beside", "/simulator", 200, "simulator"},
		{"and what is below it", "/simulator/clock", 200, "simulator"},
		{"what only begins like it is not", "/simulators", 404, `{"message":"Not Found"}`},
	} {
		if code, body := ask(c.path); code != c.code || body != c.body {
			t.Errorf("%s: %d %q", c.sentence, code, body)
		}
	}
	most.Store(0)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { ask("/v1/me") })
	}
	if code, _ := ask("/c/form"); code != 200 { // another function goes on meanwhile
		t.Errorf("another function: %d", code)
	}
	close(gate)
	wg.Wait()
	if most.Load() > 2 {
		t.Errorf("%d requests at once in two functions", most.Load())
	}
}
