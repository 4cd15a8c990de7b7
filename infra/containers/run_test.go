package main

import (
	"bytes"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/infra/containers/observe"
	"buzon/infra/containers/template"
)

func TestSettings(t *testing.T) {
	folder := t.TempDir()
	below := filepath.Join(folder, "a", "b")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, templateFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sentence string
		set      map[string]string
		clock    time.Duration
		data     string
		problem  string
	}{
		{"nothing but the folder", map[string]string{"CHECKOUT": folder}, defaultClock, filepath.Join(folder, ".cache", "containers", "data"), ""},
		{"a clock and a folder of one's own", map[string]string{"CHECKOUT": folder, "CLOCK_EVERY": "1m", "DATA": "x"}, time.Minute, "x", ""},
		{"the fastest clock", map[string]string{"CHECKOUT": folder, "CLOCK_EVERY": "1s", "DATA": "x"}, time.Second, "x", ""},
		{"a clock too fast", map[string]string{"CHECKOUT": folder, "CLOCK_EVERY": "999ms"}, 0, "", `setting CLOCK_EVERY: "999ms" is not a time from 1s on`},
		{"a clock in words", map[string]string{"CHECKOUT": folder, "CLOCK_EVERY": "often"}, 0, "", `setting CLOCK_EVERY: "often" is not a time from 1s on`},
		{"a folder without a template", map[string]string{"CHECKOUT": below}, 0, "", "setting CHECKOUT: no template.yaml in " + below},
		{"what the local run refuses", map[string]string{"CHECKOUT": folder, "PORT": "x"}, 0, "", "setting PORT"},
	} {
		s, err := read(func(name string) string { return c.set[name] })
		switch {
		case c.problem != "":
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: %v, want %s", c.sentence, err, c.problem)
			}
		case err != nil || s.clock != c.clock || s.Data != c.data || s.checkout != folder:
			t.Errorf("%s: %+v, %v", c.sentence, s, err)
		}
	}
	t.Chdir(below)
	if got, err := checkout(""); err != nil || !same(t, got, folder) {
		t.Errorf("from below: %s, %v", got, err)
	}
}

// same tells whether two paths lead to one folder.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(x, y)
}

func TestOneRunOfACheckout(t *testing.T) {
	s := settings{checkout: t.TempDir()}
	first, err := s.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.lock(); err == nil || !strings.Contains(err.Error(), "another run has this checkout") {
		t.Errorf("a second run: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := s.lock()
	if err != nil {
		t.Fatalf("after the first: %v", err)
	}
	_ = again.Close()
}

// Each function reaches each service by a way of its own, and what it asks for is
// taken down under its name.
func TestEnvironmentsAndWays(t *testing.T) {
	served := 0
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	defer service.Close()
	w := &ways{
		host: netip.MustParseAddr("127.0.0.1"), record: &observe.Record{}, over: observe.Transport(),
		log: slog.New(slog.DiscardHandler), queues: map[string]string{},
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	engines := map[string]string{
		"TABLE": "buzon-local", "INBOUND_QUEUE": "http://127.0.0.1:1/q",
		"AWS_ENDPOINT_URL_SQS": service.URL, "AWS_ENDPOINT_URL_S3": service.URL,
	}
	other := map[string]string{"PUBLIC_URL": "http://127.0.0.1:3000"}
	seen := map[string]bool{}
	for _, id := range []string{"AFunction", "BFunction"} {
		f := template.Function{ID: id, Env: []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "FILES_URL", "GOMAXPROCS", "INBOUND_QUEUE", "PUBLIC_URL", "TABLE"}}
		env, err := w.environment(t.Context(), f, engines, other)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "FILES_URL"} {
			u, err := url.Parse(env[name])
			if err != nil || seen[u.Port()] {
				t.Errorf("%s: %s is %q, a way that another has", id, name, env[name])
			}
			seen[u.Port()] = true
			if want := map[bool]string{true: "127.0.0.1", false: containerHost}[name == "FILES_URL"]; u.Hostname() != want {
				t.Errorf("%s: %s leads to %s, not to %s", id, name, u.Hostname(), want)
			}
			ask(t, "http://"+net.JoinHostPort("127.0.0.1", u.Port()))
			delete(env, name)
		}
		want := map[string]string{"INBOUND_QUEUE": "http://127.0.0.1:1/q", "PUBLIC_URL": "http://127.0.0.1:3000", "TABLE": "buzon-local"}
		if d := cmp.Diff(want, env); d != "" {
			t.Errorf("%s: settings (-want +got):\n%s", id, d)
		}
		ask(t, w.queues[id]) // for the source
	}
	want := observe.Seen{"AFunction": {"s3:GetObject": 2, "sqs:SendMessage": 2}, "BFunction": {"s3:GetObject": 2, "sqs:SendMessage": 2}}
	if d := cmp.Diff(want, w.record.Seen()); d != "" || served != 8 {
		t.Errorf("taken down of %d requests (-want +got):\n%s", served, d)
	}
	if _, err := w.environment(t.Context(), template.Function{ID: "A", Env: []string{"AWS_ENDPOINT_URL_KMS"}}, engines, other); err == nil {
		t.Error("no error for a service without an engine")
	}
}

func ask(t *testing.T, base string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/bucket/key", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestReachable(t *testing.T) {
	for host, want := range map[string]string{"127.0.0.1": "127.0.0.1", "203.0.113.7": "127.0.0.1"} { // the latter is Docker Desktop's
		if got, err := reachable(netip.MustParseAddr(host)); err != nil || got.String() != want {
			t.Errorf("gateway %s: %s, %v; want %s", host, got, err, want)
		}
	}
}

// Nothing of the person's reaches the functions or leads anything to AWS.
func TestEnvironmentOfSAM(t *testing.T) {
	for name, value := range map[string]string{"AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": "mine", "TABLE": "mine", "SAM_CLI_BETA": "1", "HTTP_PROXY": "http://x", "BUZON_TEST_KEPT": "1"} {
		t.Setenv(name, value)
	}
	g := &ground{settings: settings{checkout: t.TempDir()}, functions: []template.Function{{Env: []string{"TABLE"}}}}
	got := map[string]string{}
	for _, e := range g.environ() {
		name, value, _ := strings.Cut(e, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s twice", name)
		}
		got[name] = value
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "TABLE", "SAM_CLI_BETA"} {
		if v, there := got[name]; there {
			t.Errorf("%s=%s is there", name, v)
		}
	}
	for name, want := range map[string]string{"BUZON_TEST_KEPT": "1", "NO_PROXY": "*", "SAM_CLI_TELEMETRY": "0", "AWS_CONFIG_FILE": os.DevNull, "ARCH": architecture()} {
		if got[name] != want {
			t.Errorf("%s=%s, want %s", name, got[name], want)
		}
	}
}

func TestSampleAnswers(t *testing.T) {
	http200, queued := sample{status: 200, body: true}, sample{}
	for _, c := range []struct {
		sentence string
		sample   sample
		answer   string
		problem  string
	}{
		{"what is wanted", http200, `{"statusCode":200,"body":"{}"}` + "\n", ""},
		{"another status", http200, `{"statusCode":503,"body":"{}"}`, "status 503, not 200"},
		{"no body", http200, `{"statusCode":200}`, "a body of 0 bytes"},
		{"a body that should not be", sample{status: 200}, `{"statusCode":200,"body":"x"}`, "a body of 1 bytes"},
		{"all records done", queued, `{"batchItemFailures":[]}`, ""},
		{"one not done", queued, `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`, "not that all records are done"},
		{"no list", queued, `{}`, "not that all records are done"},
		{"an error", queued, `{"errorMessage":"boom","errorType":"x"}`, "it ended with an error: boom"},
		{"no answer", queued, ``, "cannot be read"},
		{"null", sample{nothing: true}, "null\n", ""},
		{"something instead of null", sample{nothing: true}, `{"errorMessage":"x"}`, "not null"},
	} {
		err := c.sample.check([]byte(c.answer))
		if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%s: %v, want %q", c.sentence, err, c.problem)
		}
	}
}

// The samples that are invoked are there, and name functions of the template.
func TestSamplesAreThere(t *testing.T) {
	all, err := template.Read(filepath.Join("..", "..", templateFile))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, s := range samples {
		if _, err := os.Stat(filepath.Join("..", "..", "events", filepath.FromSlash(s.event))); err != nil {
			t.Error(err)
		}
		if !slices.ContainsFunc(all, func(f template.Function) bool { return f.ID == s.function }) {
			t.Errorf("%s is not in the template", s.function)
		}
		kinds[s.function] = true
	}
	if len(kinds) < 3 {
		t.Errorf("%d functions, want 3: %v", len(kinds), slices.Sorted(maps.Keys(kinds)))
	}
}

func TestDamagedEvents(t *testing.T) {
	folder := t.TempDir()
	g := &ground{settings: settings{checkout: folder}}
	for _, path := range []string{g.work(), filepath.Join(folder, "events", "inbound")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "events", "inbound", "x.json")
	for text, want := range map[string]string{
		`{"Records":[{"body": "a","attributes":{"ApproximateReceiveCount": "1"}},{"body":"{\"v\":1}","attributes":{"ApproximateReceiveCount":"12"}}]}`://
		`{"Records":[{"body": "` + long + `","attributes":{"ApproximateReceiveCount": "40"}},{"body":"{\"v\":1}","attributes":{"ApproximateReceiveCount":"40"}}]}`,
		`{"Records":[]}`: "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := g.event(sample{event: "inbound/x.json", damaged: true})
		got, _ := os.ReadFile(file)
		if want == "" && err == nil || want != "" && (err != nil || string(got) != want) {
			t.Errorf("%.300s: %.300s, %v", text, got, err)
		}
	}
	if file, err := g.event(sample{event: "inbound/x.json"}); err != nil || file != path {
		t.Errorf("an event as it is: %s, %v", file, err)
	}
}

func TestCompareTellsAndFails(t *testing.T) {
	folder := t.TempDir()
	text := "Resources: {AFunction: {Type: AWS::Serverless::Function, Properties: {Policies: [{Statement: {Effect: Allow, Action: s3:GetObject, Resource: x}}]}}}"
	if err := os.WriteFile(filepath.Join(folder, templateFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHECKOUT", folder)
	for action, problem := range map[string]string{"s3:GetObject": "", "s3:PutObject": "roles and what functions do differ in 2 places"} {
		file := filepath.Join(t.TempDir(), "seen.json")
		if err := (observe.Seen{"AFunction": {action: 1}}).Save(file); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err := compare([]string{file}, &out)
		if problem == "" && err != nil || problem != "" && (err == nil || err.Error() != problem) || !strings.Contains(out.String(), action) {
			t.Errorf("%s: %v\n%s", action, err, &out)
		}
	}
}
