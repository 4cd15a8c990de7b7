package system

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/queue"
)

const somebody = "12025550144"

// TestTheWholeWay goes from a message to a case that can be followed, and finds
// everything again after a stop and a start.
func TestTheWholeWay(t *testing.T) {
	data := folder(t)
	r := start(t, data, nil)
	last := r.choose(somebody, r.say(somebody, `"type":"text","text":"Hola"`))
	link := formLink.FindString(last.Message.Text)
	if link == "" || !strings.HasPrefix(link, r.BaseURL()+"/c/demo-") {
		t.Fatalf("the dialogue ended with %+v", last)
	}
	tracking := r.fill(link, "Farol apagado")
	if !strings.HasPrefix(tracking, r.BaseURL()+"/t/demo-") {
		t.Errorf("tracking link %s", tracking)
	}
	r.eventually("all is delivered", func() bool {
		for _, m := range r.sent(somebody) {
			if m.Status != "delivered" {
				return false
			}
		}
		return true
	})
	sent := len(r.sent(somebody))
	r.want(200, "POST", "/simulator/clock", "", `{"advance":"3h"}`, nil)
	before := r.clock.Now()
	began := time.Now()
	r.end()
	if took := time.Since(began); took > StopWithin {
		t.Errorf("stopping took %s", took)
	}

	again := start(t, data, nil)
	if again.demo.AdminToken != r.demo.AdminToken || again.demo.Channels["whatsapp"].ID != r.demo.Channels["whatsapp"].ID {
		t.Error("demo.json names other tokens or channels than before")
	}
	if again.clock.Now().Before(before) {
		t.Errorf("the clock went back from %s to %s", before, again.clock.Now())
	}
	var cases struct {
		Items []struct{ Title string }
	}
	again.want(200, "GET", "/v1/cases", again.demo.AdminToken, "", &cases)
	if len(cases.Items) != 1 || cases.Items[0].Title != "Farol apagado" {
		t.Errorf("cases %+v", cases)
	}
	if n := len(again.sent(somebody)); n != sent {
		t.Errorf("the simulator lists %d messages, had %d", n, sent)
	}
	path := strings.TrimPrefix(tracking, r.BaseURL())
	if status, page, _ := again.call("GET", path, "", ""); status != 200 || !strings.Contains(page, "Farol apagado") {
		t.Errorf("tracking page after the start: %d %s", status, page)
	}
	again.want(404, "GET", "/t/demo-x", "", "", nil)
}

func TestRegisteredPeopleGetTheMenuAndATemplateEndsTheDialogue(t *testing.T) {
	r := start(t, folder(t), nil)
	var bot map[string]any
	r.want(200, "GET", "/v1/bot", r.demo.AdminToken, "", &bot)
	bot["create_case_template"] = "create_case"
	body, err := json.Marshal(bot)
	if err != nil {
		t.Fatal(err)
	}
	r.want(200, "PUT", "/v1/bot", r.demo.AdminToken, string(body), nil)
	number := r.demo.People.Registered.Number
	menu := r.say(number, `"type":"text","text":"Hola"`)
	if !strings.Contains(menu.Message.Text, r.demo.People.Registered.Name) || !strings.Contains(menu.Message.Text, "5.") {
		t.Fatalf("menu %+v", menu)
	}
	last := r.choose(number, r.say(number, `"type":"text","text":"5"`))
	if last.Path != "/wa/api/v1/template/msg" || len(last.Message.Template.Params) == 0 {
		t.Fatalf("the dialogue ended with %+v", last)
	}
	var chat struct {
		Items []struct {
			Text    string
			Buttons []struct{ Title, Link string }
		}
	}
	r.want(200, "GET", "/simulator/whatsapp/chat?number="+number, "", "", &chat)
	shown := chat.Items[len(chat.Items)-1]
	if !strings.Contains(shown.Text, "Alumbrado") || len(shown.Buttons) != 1 {
		t.Fatalf("shown %+v", shown)
	}
	r.fill(shown.Buttons[0].Link, "Poste caído")
}

// TestTimePassesAtOnce: what becomes due by an advance of the clock happens then
// (Q11), not an hour later.
func TestTimePassesAtOnce(t *testing.T) {
	r := start(t, folder(t), nil)
	r.say(somebody, `"type":"text","text":"Hola"`)
	before := len(r.sent(somebody))
	var was, is struct{ Now time.Time }
	r.want(200, "GET", "/simulator/clock", "", "", &was)
	r.want(200, "POST", "/simulator/clock", "", `{"advance":"61m"}`, &is)
	if passed := is.Now.Sub(was.Now); passed < 61*time.Minute || passed > 62*time.Minute {
		t.Errorf("%s passed", passed)
	}
	m := r.after(somebody, before)
	if !strings.Contains(m.Message.Text, "cerramos esta conversación") {
		t.Errorf("after an hour: %+v", m)
	}
}

// TestDeadLettersEndInQuarantine: what no handler ever finished is kept.
func TestDeadLettersEndInQuarantine(t *testing.T) {
	data := folder(t)
	r := start(t, data, nil)
	r.end()
	// Nobody handles the queue meanwhile: the record is received until it is dead.
	cfg := Config{Settings: Settings{Data: data}, Now: time.Now, Log: slog.New(slog.DiscardHandler), NoSync: true}
	s := &System{config: cfg}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	body, err := queue.Seal(desk.StageInbound, "demo", map[string]any{"message": map[string]any{"person": somebody, "provider_id": "wamid.dead"}})
	if err != nil {
		t.Fatal(err)
	}
	q := s.engine.(*embedded).queues.Queue(desk.StageInbound)
	if err := q.Send(t.Context(), queue.Message{Group: "g", Dedup: "d", Body: body}); err != nil {
		t.Fatal(err)
	}
	for range queue.MaxReceives + 1 {
		got, err := q.Receive(t.Context(), 1, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range got {
			if err := q.ChangeVisibility(t.Context(), one.Receipt, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, dead, err := q.Depth(); err != nil || dead != 1 {
		t.Fatalf("%d dead letters, %v", dead, err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, data, nil)
	again.atRest("the dead letter is kept", func() bool {
		var list struct {
			Items []struct{ Reason string }
		}
		again.want(200, "GET", "/v1/quarantine", again.demo.AdminToken, "", &list)
		return len(list.Items) == 1 && list.Items[0].Reason == "dead_letter"
	})
}

// TestAProviderElsewhere: with GUPSHUP_URL set, sends go there and the simulator
// lists nothing; starting calls nobody.
func TestAProviderElsewhere(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, r.Method+" "+r.URL.Path+" "+r.Header.Get("apikey")+" "+r.FormValue("src.name")+" "+r.FormValue("destination"))
		w.WriteHeader(http.StatusAccepted)
		if _, err := io.WriteString(w, fmt.Sprintf(`{"status":"submitted","messageId":"00000000-0000-4000-8000-%012d"}`, len(calls))); err != nil {
			t.Error(err)
		}
	}))
	defer provider.Close()
	seen := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return calls
	}
	r := start(t, folder(t), func(c *Config) { c.GupshupURL, c.PublicURL = provider.URL, "https://buzon.example" })
	if got := seen(); len(got) != 0 {
		t.Fatalf("starting called %v", got)
	}
	r.want(202, "POST", "/simulator/whatsapp/messages", "", `{"from":"`+somebody+`","type":"text","text":"Hola"}`, nil)
	r.atRest("the answer is sent", func() bool { return len(seen()) > 0 })
	want := "POST /wa/api/v1/msg " + r.demo.Channels["whatsapp"].APIKey + " BuzonDemo " + somebody
	for _, got := range seen() {
		if got != want {
			t.Errorf("called %q, want %q", got, want)
		}
	}
	if got := r.sent(somebody); len(got) != 0 {
		t.Errorf("the simulator lists %+v", got)
	}
	if _, page, _ := r.call("GET", "/", "", ""); !strings.Contains(page, provider.URL) || !strings.Contains(page, "https://buzon.example") {
		t.Errorf("start page does not tell where messages and links go: %s", page)
	}
}

func TestTheStartPageTellsNoSecretAndItsLineWorks(t *testing.T) {
	r := start(t, folder(t), nil)
	status, page, _ := r.call("GET", "/", "", "")
	if status != 200 {
		t.Fatalf("%d %s", status, page)
	}
	for _, want := range []string{"/simulator", "/docs", "demo.json", "+12025550100", "+12025550101"} {
		if !strings.Contains(page, want) {
			t.Errorf("page without %q", want)
		}
	}
	at := r.demo.Channels["meta"]
	secrets := []string{at.AppSecret, at.VerifyToken, at.AccessToken, r.demo.AdminToken, r.demo.AgentToken, r.demo.Other.AdminToken, r.demo.Channels["whatsapp"].APIKey, r.plan.Demo.Channel.Secret}
	for _, secret := range secrets {
		if strings.Contains(page, secret) {
			t.Error("page with a secret")
		}
	}
	// The part of the line that finds the token, by a real shell.
	_, rest, _ := strings.Cut(r.Curl(), "Bearer $(")
	command, _, ok := strings.Cut(rest, `)" `)
	token, err := exec.CommandContext(t.Context(), "sh", "-c", command).Output()
	if !ok || err != nil || strings.TrimSpace(string(token)) != r.demo.AdminToken {
		t.Errorf("%s gives %q, %v", command, token, err)
	}
	for _, path := range []string{"/health", "/docs", "/openapi.yaml", "/home.css", "/simulator"} {
		r.want(200, "GET", path, "", "", nil)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.BaseURL()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "192.0.2.1")
	through, err := r.client.Do(req)
	if err != nil || through.StatusCode != http.StatusNotFound {
		t.Errorf("through a tunnel: %v, %v", through, err)
	} else if err := through.Body.Close(); err != nil {
		t.Error(err)
	}
	r.want(204, "GET", "/favicon.ico", "", "", nil)
	r.want(404, "GET", "/nowhere", "", "", nil)
	r.want(403, "GET", "/files/x", "", "", nil)
	r.want(200, "GET", "/v1/me", strings.TrimSpace(string(token)), "", nil)
}

func TestASecondProcessIsTurnedAway(t *testing.T) {
	data := folder(t)
	r := start(t, data, nil)
	_, err := Start(t.Context(), Config{Settings: Settings{Data: data}, NoSync: true})
	if err == nil || !strings.Contains(err.Error(), "data folder "+data) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second start on the folder: %v", err)
	}
	_, err = Start(t.Context(), Config{Settings: Settings{Data: folder(t), Port: portOf(t, r)}, NoSync: true})
	if err == nil || !strings.HasPrefix(err.Error(), "setting PORT: ") || !strings.HasSuffix(err.Error(), "PORT=0 takes a free one") {
		t.Errorf("second start on the port: %v", err)
	}
	r.want(200, "GET", "/health", "", "", nil)
}

func portOf(t *testing.T, r *run) int {
	t.Helper()
	var port int
	if _, err := fmt.Sscanf(r.BaseURL(), "http://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}

func TestAFolderThatCannotBeIsAnError(t *testing.T) {
	file := folder(t)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Config{Settings: Settings{Data: file}}); err == nil || !strings.HasPrefix(err.Error(), "data folder "+file+": ") {
		t.Errorf("a file as the folder: %v", err)
	}
}

func TestWordsForAShell(t *testing.T) {
	for path, want := range map[string]string{
		".buzon/demo.json": ".buzon/demo.json",
		"my data/x":        "'my data/x'",
		"it's":             `'it'\''s'`,
		"-x":               "'-x'",
		"":                 "''",
		"$(a)":             "'$(a)'",
	} {
		if got := quoted(path); got != want {
			t.Errorf("%q is quoted as %s, want %s", path, got, want)
		}
	}
}
