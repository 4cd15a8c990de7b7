package observe

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The service must see what the function signed: method, path as it was written,
// query, Host, headers and body.
func TestRelayKeepsWhatIsSigned(t *testing.T) {
	type seen struct {
		Line, Host, Body string
		Signature        string
		Added            []string
	}
	var got seen
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{r.Method + " " + r.RequestURI, r.Host, string(body), r.Header.Get("Authorization"), nil}
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Forwarded") || name == "Accept-Encoding" || name == "Forwarded" {
				got.Added = append(got.Added, name)
			}
		}
		w.Header().Set("X-Amz-Crc32", "7")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "answer")
	}))
	defer service.Close()
	target, _ := url.Parse(service.URL)
	over := Transport()
	defer over.CloseIdleConnections()
	for _, c := range []struct {
		service            Service
		method, path, body string
	}{
		{S3, "PUT", "/bucket/a%20b/%C3%BC+%2B/c//d?x=1&y=%2F", strings.Repeat("file", 1<<18)},
		{S3, "GET", "/bucket/a?X-Amz-Expires=60", ""},
		{DynamoDB, "POST", "/", `{"TransactItems":[{"Put":{}}]}`},
		{SQS, "POST", "/", "{}"},
	} {
		var noted []string
		relay := httptest.NewServer(Relay(c.service, target, over, func(a []string) { noted = append(noted, a...) }, slog.New(slog.DiscardHandler)))
		r, err := http.NewRequestWithContext(t.Context(), c.method, relay.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "host.docker.internal:4566"
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x")
		r.Header.Set("X-Amz-Target", "X.SendMessage")
		client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusTeapot || string(answer) != "answer" || resp.Header.Get("X-Amz-Crc32") != "7" {
			t.Errorf("%s %s: answered %d %q", c.method, c.path, resp.StatusCode, answer)
		}
		want := seen{c.method + " " + c.path, "host.docker.internal:4566", c.body, "AWS4-HMAC-SHA256 x", nil}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-sent +seen):\n%s", c.path, d)
		}
		if len(noted) != 1 {
			t.Errorf("%s: noted %v", c.path, noted)
		}
		client.CloseIdleConnections()
		relay.Close()
	}
}

func TestRelayToNobody(t *testing.T) {
	service := httptest.NewServer(nil)
	target, _ := url.Parse(service.URL)
	service.Close()
	w := httptest.NewRecorder()
	var noted []string
	note := func(a []string) { noted = append(noted, a...) }
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "AmazonSSM.GetParameter")
	Relay(SSM, target, Transport(), note, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
	if w.Code != http.StatusBadGateway || len(noted) != 1 {
		t.Errorf("answered %d, noted %v; want 502, and the action that was tried", w.Code, noted)
	}
}

func TestRelayReadsSoMuchAndNoMore(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer service.Close()
	target, _ := url.Parse(service.URL)
	over := Transport()
	defer over.CloseIdleConnections()
	for n, want := range map[int]int{maxNoted: http.StatusOK, maxNoted + 1: http.StatusBadRequest} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", n)))
		Relay(SQS, target, over, func([]string) {}, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%d bytes: %d, want %d", n, w.Code, want)
		}
	}
}

func TestRecordsOfSeveralRunsAddUp(t *testing.T) {
	var paths []string
	for i, actions := range [][]string{{"s3:PutObject", "s3:GetObject"}, {"s3:PutObject"}} {
		var r Record
		r.Note("ApiFunction")(actions)
		path := filepath.Join(t.TempDir(), string(rune('a'+i)))
		if err := r.Seen().Save(path); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	got, err := Load(paths...)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Seen{"ApiFunction": {"s3:PutObject": 2, "s3:GetObject": 1}}, got); d != "" {
		t.Errorf("seen (-want +got):\n%s", d)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("no error for a file that is not there")
	}
}
