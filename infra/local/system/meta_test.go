package system

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// metaMessage is one that the system sent to Meta, as the tests read it.
type metaMessage struct {
	Path, Status string
	Message      struct {
		Type        string
		Text        struct{ Body string }
		Interactive struct {
			Action struct {
				Sections []struct {
					Rows []struct{ ID, Title string }
				}
			}
		}
	}
}

// sayMeta sends a person's message by the line at Meta and gives the last of the answers.
func (r *run) sayMeta(person, fields string) metaMessage {
	r.t.Helper()
	before := len(listed[metaMessage](r, "meta", person))
	var answer struct{ Status int }
	r.want(202, "POST", "/simulator/meta/messages", "", `{"from":"`+person+`","name":"Eva",`+fields+`}`, &answer)
	if answer.Status != 200 {
		r.t.Fatalf("webhook answered %d", answer.Status)
	}
	return lastOf(r, "an answer to "+person, before, func() []metaMessage { return listed[metaMessage](r, "meta", person) })
}

// TestTheWholeWayByMeta goes from a signed message to a case, also for somebody who
// hides their number, and sees its delivery.
func TestTheWholeWayByMeta(t *testing.T) {
	r := start(t, folder(t), nil)
	for _, person := range []string{somebody, "US.00000000000000000001"} {
		m := r.sayMeta(person, `"type":"text","text":"Hola"`)
		for range 8 {
			if m.Message.Type != "interactive" {
				break
			}
			row := m.Message.Interactive.Action.Sections[0].Rows[0]
			m = r.sayMeta(person, `"type":"list_reply","reply_id":"`+row.ID+`"`)
		}
		link := formLink.FindString(m.Message.Text.Body)
		if link == "" || !strings.HasPrefix(m.Path, "/v25.0/") {
			t.Fatalf("the dialogue ended with %+v", m)
		}
		r.fill(link, "Farol apagado")
		r.atRest("all is delivered", func() bool {
			for _, m := range listed[metaMessage](r, "meta", person) {
				if m.Status != "delivered" {
					return false
				}
			}
			return true
		})
	}
	at := r.demo.Channels["meta"]
	var conversations struct {
		Items []struct{ ID, Channel string }
	}
	r.want(200, "GET", "/v1/conversations?channel="+at.ID, r.demo.AdminToken, "", &conversations)
	if len(conversations.Items) != 2 {
		t.Fatalf("conversations %+v", conversations)
	}
	var said struct {
		Items []struct{ Direction, Status string }
	}
	r.eventually("the statuses are noted", func() bool {
		r.want(200, "GET", "/v1/conversations/"+conversations.Items[0].ID+"/messages", r.demo.AdminToken, "", &said)
		for _, m := range said.Items {
			if m.Direction == "out" && m.Status != "delivered" {
				return false
			}
		}
		return len(said.Items) > 2
	})
}

// TestMetasWebhookIsGuarded: by the verify token and by the signature.
func TestMetasWebhookIsGuarded(t *testing.T) {
	r := start(t, folder(t), nil)
	at := r.demo.Channels["meta"]
	for token, want := range map[string]int{at.VerifyToken: 200, "wrong": 403} {
		query := url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {token}, "hub.challenge": {"1158201444"}}
		status, body, _ := r.call("GET", at.WebhookURL+"?"+query.Encode(), "", "")
		if status != want || (body == "1158201444") != (want == 200) {
			t.Errorf("handshake: %d %q, want %d", status, body, want)
		}
	}
	const body = `{"object":"whatsapp_business_account","entry":[]}`
	for secret, want := range map[string]int{at.AppSecret: 200, "wrong": 401} {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.WebhookURL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		res, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != want {
			t.Errorf("signed with %d bytes: %d, want %d", len(secret), res.StatusCode, want)
		}
	}
	r.want(401, "POST", at.WebhookURL, "", body, nil)
}

// TestMetaElsewhere: with META_URL set, sends go there, and only that line lists nothing.
func TestMetaElsewhere(t *testing.T) {
	var calls atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"messages":[{"id":"wamid.elsewhere"}]}`)) // a caller that is gone needs no answer
	}))
	defer provider.Close()
	r := start(t, folder(t), func(c *Config) { c.MetaURL = provider.URL })
	if n := calls.Load(); n != 0 {
		t.Fatalf("starting made %d calls", n)
	}
	r.want(202, "POST", "/simulator/meta/messages", "", `{"from":"`+somebody+`","type":"text","text":"Hola"}`, nil)
	r.atRest("the answer is sent", func() bool { return calls.Load() > 0 })
	if got := listed[metaMessage](r, "meta", somebody); len(got) != 0 {
		t.Errorf("the simulator lists %+v", got)
	}
	if m := r.say(somebody, `"type":"text","text":"Hola"`); m.Message.Type == "" {
		t.Errorf("by Gupshup: %+v", m)
	}
	if _, page, _ := r.call("GET", "/", "", ""); !strings.Contains(page, provider.URL) {
		t.Errorf("start page does not tell where messages go: %s", page)
	}
}
