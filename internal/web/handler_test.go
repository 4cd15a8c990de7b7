package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"buzon/internal/web"
)

// routes of a small function.
func routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /c/{form}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private")
		io.WriteString(w, "hello")
	})
	mux.HandleFunc("POST /c/{form}", func(w http.ResponseWriter, r *http.Request) {})
	mux.HandleFunc("POST /webhooks/gupshup/{channel}/{secret}", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	mux.HandleFunc("GET /panic", func(w http.ResponseWriter, r *http.Request) { panic("case lost") })
	mux.HandleFunc("GET /half", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "half")
		panic("too late")
	})
	return mux
}

// TestHandler: each request gets an id, the headers of JSON and one line in the
// log, which names the route and never the path (T12).
func TestHandler(t *testing.T) {
	for _, c := range []struct {
		name, method, path string
		status             int
		route, body        string
		bytes              float64
		header             string
	}{
		{"a page is answered and may set its own headers", "GET", "/c/s3cret", 200, "GET /c/{form}", "hello", 5, "Cache-Control: private"},
		{"a handler that writes nothing is a 200", "POST", "/c/s3cret", 200, "POST /c/{form}", "", 0, "Cache-Control: no-store"},
		{"the status of the handler counts", "POST", "/webhooks/gupshup/ch/s3cret", 503, "POST /webhooks/gupshup/{channel}/{secret}", "", 0, ""},
		{"no such path", "GET", "/t/s3cret", 404, "none", `"code":"no_such_path"`, -1, "Content-Type: application/problem+json"},
		{"a path that exists with other methods", "DELETE", "/c/s3cret", 405, "none", `"code":"method_not_allowed"`, -1, "Allow: GET, HEAD, POST"},
		{"a panic is a 500 with nothing of it", "GET", "/panic", 500, "GET /panic", `"code":"internal"`, -1, "X-Content-Type-Options: nosniff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, log := edge(routes())
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(c.method, c.path+"?q=s3cret", strings.NewReader("s3cret body")))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) || strings.Contains(w.Body.String(), "case lost") {
				t.Errorf("%d %q", w.Code, w.Body)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && w.Header().Get(name) != value {
				t.Errorf("%s: %q, want %q", name, w.Header().Get(name), value)
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			var line struct {
				Msg, Method, Route string
				ID                 string `json:"request_id"`
				Status, MS, Bytes  float64
			}
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
				t.Fatal(err)
			}
			if line.Msg != "request" || line.Route != c.route || line.Status != float64(c.status) || line.MS != 7 || line.Method != c.method {
				t.Errorf("log line %s", lines[len(lines)-1])
			}
			if c.bytes >= 0 && line.Bytes != c.bytes {
				t.Errorf("%v bytes logged, want %v", line.Bytes, c.bytes)
			}
			if line.ID == "" || line.ID != w.Header().Get("X-Request-Id") {
				t.Errorf("request ids %q and %q", line.ID, w.Header().Get("X-Request-Id"))
			}
			if strings.Contains(log.String(), "s3cret") {
				t.Errorf("the log holds a secret: %s", log)
			}
		})
	}
}

// TestPanicAfterTheAnswerBegan: the connection is cut, so that nobody takes half
// an answer for a whole one.
func TestPanicAfterTheAnswerBegan(t *testing.T) {
	h, log := edge(routes())
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // what was panicked with, never wrapped
			t.Errorf("panicked with %v", p)
		}
		if !strings.Contains(log.String(), "too late") {
			t.Errorf("the cause is not in the log: %s", log)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/half", nil))
	t.Error("the handler went on")
}

// TestHeadIsGet: HEAD is answered as GET without its body, by a real server.
func TestHeadIsGet(t *testing.T) {
	h, _ := edge(routes())
	s := httptest.NewServer(h)
	defer s.Close()
	res, err := http.Head(s.URL + "/c/x")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || len(body) != 0 || res.StatusCode != 200 || res.ContentLength != 5 {
		t.Errorf("%v: %d, %q, length %d", err, res.StatusCode, body, res.ContentLength)
	}
}

// TestOutsideOfTheEdge: Fail works in a handler that stands alone.
func TestOutsideOfTheEdge(t *testing.T) {
	w := httptest.NewRecorder()
	web.Fail(w, httptest.NewRequest("GET", "/", nil), &web.Refused{Status: 404, Code: "no_such_path"})
	if w.Code != 404 || !strings.Contains(w.Body.String(), `"request_id":""`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestQuiet: at the level INFO a webhook that is taken leaves no line; one that is
// refused does.
func TestQuiet(t *testing.T) {
	var log bytes.Buffer
	h := web.Handler(routes(), web.Options{
		Log: slog.New(slog.NewTextHandler(&log, nil)), NewID: func() string { return "r" }, Now: func() time.Time { return start }, Quiet: true,
	})
	for _, c := range []struct {
		path  string
		lines int
	}{
		{"/c/x", 0},
		{"/webhooks/gupshup/ch/x", 1},
	} {
		log.Reset()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", c.path, nil))
		if n := strings.Count(log.String(), "\n"); n != c.lines {
			t.Errorf("POST %s: %d lines, want %d", c.path, n, c.lines)
		}
	}
}
