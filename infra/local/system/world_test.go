package system

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience bounds how long a test waits for what happens by itself.
const patience = 20 * time.Second

// run is a running system and who calls it.
type run struct {
	t *testing.T
	*System
	client *http.Client
	demo   demoFile
}

// demoFile is what the tests read of demo.json.
type demoFile struct {
	BaseURL    string `json:"base_url"`
	AdminToken string `json:"admin_token"`
	AgentToken string `json:"agent_token"`
	Channels   map[string]struct {
		ID          string
		WebhookURL  string `json:"webhook_url"`
		App         string
		APIKey      string `json:"api_key"`
		Identifier  string
		AppSecret   string `json:"app_secret"`
		VerifyToken string `json:"verify_token"`
		AccessToken string `json:"access_token"`
	}
	People struct {
		Registered, Inactive struct{ Number, Name string }
	}
	Other struct {
		AdminToken string `json:"admin_token"`
	}
}

// start starts a system on the folder and stops it with the test.
func start(t *testing.T, folder string, change func(*Config)) *run {
	t.Helper()
	cfg := Config{Settings: Settings{Data: folder}, NoSync: true, Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError}))}
	if change != nil {
		change(&cfg)
	}
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, System: s, client: &http.Client{
		Timeout: patience, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(r.end)
	data, err := os.ReadFile(s.DemoFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &r.demo); err != nil || r.demo.BaseURL != s.BaseURL() {
		t.Fatalf("demo.json: %v, base %q, want %q", err, r.demo.BaseURL, s.BaseURL())
	}
	return r
}

func (r *run) end() {
	r.client.CloseIdleConnections()
	if err := r.Stop(); err != nil {
		r.t.Error(err)
	}
}

// testLog fails the test at what the system calls an error.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Errorf("log: %s", bytes.TrimSpace(b))
	return len(b), nil
}

// call makes a request and gives status, body and where it leads.
func (r *run) call(method, address, token, body string) (status int, answer, location string) {
	r.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = r.BaseURL() + address
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	switch {
	case strings.HasPrefix(body, "{"):
		req.Header.Set("Content-Type", "application/json")
	case body != "":
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header.Get("Location")
}

// want is a call that has to be answered with the status; v takes its JSON.
func (r *run) want(status int, method, address, token, body string, v any) {
	r.t.Helper()
	got, answer, _ := r.call(method, address, token, body)
	if got != status {
		r.t.Fatalf("%s %s: %d %s, want %d", method, address, got, answer, status)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(answer), v); err != nil {
		r.t.Fatalf("%s %s: %s: %v", method, address, answer, err)
	}
}

// message is one that the system sent, as the tests read it.
type message struct {
	Path    string
	Status  string
	Message struct {
		Type, Text, Body string
		Items            []struct {
			Options []struct{ Title, PostbackText string }
		}
		Template struct{ Params []string }
	}
}

// sent lists what the system sent to a number by Gupshup.
func (r *run) sent(number string) []message {
	r.t.Helper()
	return listed[message](r, "whatsapp", number)
}

// listed lists what the system sent to a number by a line.
func listed[M any](r *run, line, number string) []M {
	r.t.Helper()
	var page struct{ Items []M }
	r.want(200, "GET", "/simulator/"+line+"/messages?limit=100&to="+number, "", "", &page)
	return page.Items
}

// eventually waits until ok.
func (r *run) eventually(what string, ok func() bool) {
	r.t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline.C:
			r.t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// after waits until more than n messages were sent and everything is quiet, and
// gives the last.
func (r *run) after(number string, n int) message {
	r.t.Helper()
	return lastOf(r, fmt.Sprintf("message %d to %s", n+1, number), n, func() []message { return r.sent(number) })
}

// atRest waits until everything is quiet and ok. What ok looks at is read once it is
// quiet: read before, it may lack what came last.
func (r *run) atRest(what string, ok func() bool) {
	r.t.Helper()
	r.eventually(what, func() bool { return r.idle() && ok() })
}

// lastOf waits until everything is quiet and the list is longer than n, and gives its
// last.
func lastOf[M any](r *run, what string, n int, list func() []M) M {
	r.t.Helper()
	var all []M
	r.atRest(what, func() bool {
		all = list()
		return len(all) > n
	})
	return all[len(all)-1]
}

// idle tells whether no queue holds anything. The queues are looked at in the order
// in which a message goes through them.
func (r *run) idle() bool {
	for _, stage := range stages {
		visible, inFlight, dead, err := r.engine.(*embedded).queues.Queue(stage).Depth()
		if err != nil {
			r.t.Fatal(err)
		}
		if visible+inFlight+dead > 0 {
			return false
		}
	}
	return true
}

// say sends a person's message and gives the answer to it.
func (r *run) say(number, fields string) message {
	r.t.Helper()
	before := len(r.sent(number))
	var answer struct{ Status int }
	r.want(202, "POST", "/simulator/whatsapp/messages", "", `{"from":"`+number+`","name":"Eva",`+fields+`}`, &answer)
	if answer.Status != 200 {
		r.t.Fatalf("webhook answered %d", answer.Status)
	}
	return r.after(number, before)
}

// choose taps the first row of lists until the dialogue ends.
func (r *run) choose(number string, m message) message {
	r.t.Helper()
	for range 8 {
		if m.Message.Type != "list" {
			return m
		}
		row := m.Message.Items[0].Options[0]
		m = r.say(number, fmt.Sprintf(`"type":"list_reply","text":%q,"reply_id":%q`, row.Title, row.PostbackText))
	}
	r.t.Fatalf("still choosing: %+v", m)
	return m
}

var (
	formLink     = regexp.MustCompile(`http://[^\s"]+/c/[^\s"]+`)
	hiddenInput  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	trackingLink = regexp.MustCompile(`name="tracking_link" value="([^"]*)"`)
)

// fill opens the form and sends it; it gives the tracking link.
func (r *run) fill(link, title string) string {
	r.t.Helper()
	status, page, _ := r.call("GET", link, "", "")
	if status != 200 {
		r.t.Fatalf("form %s: %d %s", link, status, page)
	}
	form := url.Values{"title": {title}, "description": {"Desde ayer."}}
	for _, m := range hiddenInput.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	status, page, location := r.call("POST", link, "", form.Encode())
	if status != 303 || !strings.HasSuffix(location, "?created=1") {
		r.t.Fatalf("form sent: %d to %q: %s", status, location, page)
	}
	status, page, _ = r.call("GET", location, "", "")
	found := trackingLink.FindStringSubmatch(page)
	if status != 200 || found == nil {
		r.t.Fatalf("tracking page: %d %s", status, page)
	}
	return html.UnescapeString(found[1])
}

// folder is the data folder of a test.
func folder(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }
