package api

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/locale"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// TestTokens: integration tokens (S5-16 … S5-19, Q44, Q45). The clock stands at
// a few milliseconds after 09:30 when these calls are made.
func TestTokens(t *testing.T) {
	s := seed(t)
	const path = "/v1/specialists/{agent}/tokens"
	play(t, s, []step{
		{say: "description and date are mandatory", call: "POST " + path, body: `{}`, want: "422 description required, expires_at required"},
		{say: "a date without a zone", call: "POST " + path, body: `{"description":"x","expires_at":"2026-04-01"}`, want: "422 expires_at invalid_time"},
		{say: "no date", call: "POST " + path, body: `{"description":"x","expires_at":null}`, want: "422 expires_at required"},
		{say: "a date that is over", call: "POST " + path, body: `{"description":"x","expires_at":"2026-03-01T09:30:00Z"}`, want: "422 expires_at past"},
		{say: "365 days", call: "POST " + path, body: `{"description":"x","expires_at":"2027-03-01T09:30:00Z"}`, want: `201 expires_at="2027-03-01T09:30:00Z"`, as: "year"},
		{say: "more", call: "POST " + path, body: `{"description":"x","expires_at":"2027-03-01T09:30:10Z"}`, want: "422 expires_at too_far"},
		{say: "times are told in UTC", call: "POST " + path, body: `{"description":"y","expires_at":"2026-04-01T00:00:00-05:00"}`, want: `201 expires_at="2026-04-01T05:00:00Z"`, as: "y"},
		{say: "nobody's token", call: "POST /v1/specialists/none/tokens", body: `{"description":"x","expires_at":"2026-04-01T00:00:00Z"}`, want: "404 not_found: "},
		{say: "the list has no values", call: "GET " + path, want: `200 items.0.id="{y}"; items.0.token=null; items.1.id="{year}"`},
		{say: "a token of another specialist", call: "DELETE /v1/specialists/{admin}/tokens/{y}", want: "404 not_found: "},
		{say: "a token that is not there", call: "DELETE " + path + "/zzzzzzzz", want: "404 not_found: "},
		{say: "revoke", call: "DELETE " + path + "/{y}", want: "204"},
		{say: "it leaves the list", call: "GET " + path, want: `200 items.0.id="{year}"`},
		{say: "once", call: "DELETE " + path + "/{y}", want: "404 not_found: "},
	})
}

// TestExpiryEdge: a token is good until its time, and not at it.
func TestExpiryEdge(t *testing.T) {
	for _, c := range []struct {
		name   string
		ahead  time.Duration
		status int
	}{
		{"a second before its time", time.Second, 200},
		{"at its time", 0, 401},
	} {
		w := newWorld(t)
		token := must(w.api.MakeToken(t.Context(), "demo", w.adminID, "x", time.Hour))
		_, id, _ := parseToken(token)
		expires := must(w.demo.Token(t.Context(), id)).ExpiresAt
		w.advance(expires.Sub(w.at) - c.ahead - time.Millisecond)
		if a := w.do(token, "GET", "/v1/me", ""); a.status != c.status {
			t.Errorf("%s: %d %s", c.name, a.status, a.text)
		}
	}
}

// TestConversations: what an agent reads, and what nobody may read.
func TestConversations(t *testing.T) {
	s := seed(t)
	contact := store.ContactID("whatsapp", "573001234567")
	play(t, s, []step{
		{say: "one conversation", call: "GET /v1/conversations/{conversation}", token: s.agent, want: `200 channel="{channel}"; person="573001234567"; state="idle"; waiting=null; last_message_at="2026-03-01T09:30:00Z"`},
		{say: "by contact", call: "GET /v1/conversations?contact=" + contact, want: `200 items.0.id="{conversation}"; items.1=null`},
		{say: "by state", call: "GET /v1/conversations?state=active", want: `200 items=[]`},
		{say: "by channel", call: "GET /v1/conversations?channel=none", want: `200 items=[]`},
		{say: "by a state that there is not", call: "GET /v1/conversations?state=open", want: "422 state not_one_of"},
		{say: "messages in and out", call: "GET /v1/conversations/{conversation}/messages", token: s.agent,
			want: `200 items.0.direction="in"; items.0.text="Hola"; items.0.status=null; items.0.provider_id="m1"; items.0.received_at="2026-03-01T09:30:01Z"; ` +
				`items.1.direction="out"; items.1.text="Abra https://example.com/c/…"; items.1.status="accepted"; items.1.provider_id="gs1"; items.1.sent_at="2026-03-01T09:30:00Z"; items.2=null`},
		{say: "messages of nothing", call: "GET /v1/conversations/none/messages", want: "404 not_found: "},
	})
}

// TestMessages: every kind of content, and statuses from receipts.
func TestMessages(t *testing.T) {
	s := seed(t)
	reply := func(id, sent string, status desk.Delivery, reason string) desk.Reply {
		return desk.Reply{ID: id, ProviderID: sent, Status: status, Reason: reason, Done: true, Outgoing: desk.Outgoing{Type: desk.ReplyText, Text: id}}
	}
	at := start.Add(time.Hour)
	s.say("m2", at, desk.Content{Type: desk.Image, Text: "foto", Media: &desk.Media{ID: "f1", URL: "https://files.example.com/1", Type: "image/png"}},
		reply("delivered", "gs2", desk.Accepted, ""), reply("failed", "gs3", desk.Accepted, ""), reply("unknown", "", desk.Queued, desk.ReasonUnknown),
		reply("refused", "gs5", desk.Failed, "window_closed"), reply("learnt", "gs4", desk.Queued, desk.ReasonUnknown), reply("byref", "", desk.Queued, ""))
	s.say("m3", at.Add(time.Minute), desk.Content{Type: desk.Location, Place: &desk.Place{Longitude: -74.1, Latitude: 4.6}},
		desk.Reply{ID: "list", Status: desk.Queued, Outgoing: desk.Outgoing{
			Type: desk.ReplyList, Text: "Elija", Button: "Elegir", Rows: []desk.Row{{ID: "1", Title: "Uno", Description: "El uno"}},
		}},
		desk.Reply{ID: "template", Status: desk.Queued, Outgoing: desk.Outgoing{
			Type: desk.ReplyTemplate, FormKey: "k1", Template: &desk.TemplateUse{Name: "create_case", Language: "es", Params: []string{desk.FormSecretMark}},
		}},
		desk.Reply{ID: "media", Status: desk.Queued, Outgoing: desk.Outgoing{
			Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "image", URL: "https://example.com/x.png"},
		}})
	s.say("m4", at.Add(2*time.Minute), desk.Content{Type: desk.ListReply, Text: "Uno", ReplyID: "1", Quoted: "wamid1"})
	s.say("m5", at.Add(3*time.Minute), desk.Content{Type: desk.Unsupported, Raw: []byte(`{"kind":"poll"}`)})
	late := desk.Turn{
		ID: store.TurnID("m6"), Conversation: s.conversation, Kind: desk.TurnMessage, At: at.Add(4 * time.Minute), Note: "late",
		Message: &desk.Incoming{ProviderID: "m6", Content: desk.Content{Type: desk.Text, Text: "tarde"}},
	}
	s.commit(late)
	for _, r := range []desk.Receipt{
		{SendID: "gs2", Status: desk.SentOut}, {SendID: "gs2", MessageID: "wamid2", Status: desk.Delivered},
		{SendID: "gs3", Status: desk.Failed, Code: "131049"}, {SendID: "gs4", Status: desk.Read}, {SendID: "gs5", Status: desk.Failed, Code: "131047"},
		{Ref: "byref", Status: desk.SentOut},
	} {
		r.Channel, r.At = s.channel, at
		check(t, s.demo.SaveReceipt(t.Context(), r))
	}
	play(t, s, []step{
		{say: "a picture, and what became of each reply", call: "GET /v1/conversations/{conversation}/messages?limit=9", want: `200 items.2.type="image"; items.2.text="foto"; ` +
			`items.2.media={"kind":null,"type":"image/png","name":null,"url":"https://files.example.com/1"}; items.3.status="delivered"; items.3.reason=null; ` +
			`items.4.status="failed"; items.4.reason="131049"; items.5.status="queued"; items.5.reason="outcome_unknown"; ` +
			`items.6.status="failed"; items.6.reason="window_closed"; items.7.status="read"; items.7.reason=null; items.8.status="sent"`},
		{say: "all other kinds", call: "GET /v1/conversations/{conversation}/messages", want: `200 items.9.place={"longitude":-74.1,"latitude":4.6}; items.9.text=null; ` +
			`items.10.button="Elegir"; items.10.rows=[{"id":"1","title":"Uno","description":"El uno"}]; ` +
			`items.11.type="template"; items.11.template={"name":"create_case","language":"es","params":["…"]}; ` +
			`items.12.media={"kind":"image","type":null,"name":null,"url":"https://example.com/x.png"}; ` +
			`items.13.type="list_reply"; items.13.reply_id="1"; items.13.quoted="wamid1"; items.14.raw={"kind":"poll"}; items.15.text="tarde"; items.15.reason="late"; items.16=null`},
	})
	a := s.ok(200, "GET", "/v1/conversations/"+s.conversation+"/messages", "")
	for _, mark := range []string{desk.FormLinkMark, desk.FormSecretMark, "form_key"} {
		if strings.Contains(a.text, mark) {
			t.Errorf("the answer holds %q", mark)
		}
	}
}

// TestOptedOut: a conversation says what its person does not want from the channel.
func TestOptedOut(t *testing.T) {
	s := seed(t)
	for _, c := range []struct {
		all, marketing bool
		want           string
	}{
		{false, false, `opted_out=false; opted_out_marketing=false`},
		{true, false, `opted_out=true; opted_out_marketing=false`},
		{false, true, `opted_out=false; opted_out_marketing=true`},
	} {
		conv := must(s.demo.Conversation(t.Context(), s.conversation))
		conv.OptedOut, conv.OptedOutMarketing = c.all, c.marketing
		check(t, s.demo.SaveConversation(t.Context(), conv))
		play(t, s, []step{
			{say: "read", call: "GET /v1/conversations/{conversation}", token: s.agent, want: "200 " + c.want},
			{say: "listed", call: "GET /v1/conversations?contact=" + conv.Contact, token: s.agent, want: "200 items.0." + strings.Replace(c.want, "; ", "; items.0.", 1)},
		})
	}
}

// TestWaiting: a conversation whose replies wait says why and until when.
func TestWaiting(t *testing.T) {
	s := seed(t)
	conv := must(s.demo.Conversation(t.Context(), s.conversation))
	conv.Unsent = []desk.Unsent{{Turn: "t", First: 1, Last: 1}}
	conv.Wait = &desk.Wait{Cause: desk.WaitWallet, NotBefore: start.Add(time.Hour)}
	check(t, s.demo.SaveConversation(t.Context(), conv))
	play(t, s, []step{{
		say: "waiting for the wallet", call: "GET /v1/conversations?state=waiting",
		want: `200 items.0.state="waiting"; items.0.waiting={"cause":"wallet","not_before":"2026-03-01T10:30:00Z"}`,
	}})
}

// TestCaseMoves: every state by every state, as desk allows.
func TestCaseMoves(t *testing.T) {
	s := seed(t)
	way := map[desk.CaseState]string{desk.CaseInProgress: "in_progress", desk.CaseWaiting: "waiting", desk.CaseResolved: "resolved", desk.CaseClosed: "closed"}
	for _, from := range desk.CaseStates() {
		for _, to := range desk.CaseStates() {
			id := s.openCase(string(from) + " to " + string(to))
			if from != desk.CaseNew {
				s.ok(200, "PATCH", "/v1/cases/"+id, `{"state":"`+way[from]+`"}`)
			}
			lines := len(s.pages("/v1/cases/"+id+"/history", "kind", 100, func() {}))
			a := s.do(s.agent, "PATCH", "/v1/cases/"+id, `{"state":"`+string(to)+`"}`)
			want, more := 409, 0
			switch {
			case from == to:
				want = 200
			case desk.CanMove(from, to):
				want, more = 200, 1
			}
			if a.status != want {
				t.Errorf("%s to %s: %d, want %d", from, to, a.status, want)
			}
			if want == 409 && (a.get("code") != "invalid_state" || a.problems() != "state invalid_state") {
				t.Errorf("%s to %s: %s", from, to, a.text)
			}
			if want == 200 && (a.get("closed_at") == nil) != to.Open() {
				t.Errorf("%s to %s: closed_at %v", from, to, a.get("closed_at"))
			}
			if got := len(s.pages("/v1/cases/"+id+"/history", "kind", 100, func() {})); got != lines+more {
				t.Errorf("%s to %s: %d lines of history, want %d", from, to, got, lines+more)
			}
		}
	}
}

// TestClosingReason: each new reason stands on one line of history; what repeats or
// removes it adds none, and none but a move changes when the case was closed.
func TestClosingReason(t *testing.T) {
	s := seed(t)
	id := s.openCase("Farola")
	for _, c := range []struct{ say, body, lines, closed string }{
		{"resolved without one", `{"state":"resolved"}`, "resolved", "09:31"},
		{"given later", `{"closing_reason":"Listo"}`, "resolved, resolved Listo", "09:31"},
		{"the same", `{"closing_reason":"Listo"}`, "resolved, resolved Listo", "09:31"},
		{"closed with the same", `{"state":"closed","closing_reason":"Listo"}`, "resolved, resolved Listo, closed", "09:34"},
		{"removed", `{"closing_reason":null}`, "resolved, resolved Listo, closed", "09:34"},
		{"given again", `{"closing_reason":"Hecho"}`, "resolved, resolved Listo, closed, closed Hecho", "09:34"},
	} {
		s.advance(time.Minute)
		a := s.ok(200, "PATCH", "/v1/cases/"+id, c.body)
		if got, _ := a.get("closed_at").(string); !strings.HasPrefix(got, "2026-03-01T"+c.closed+":00") {
			t.Errorf("%s: closed at %s, want %s", c.say, got, c.closed)
		}
		var lines []string
		for _, e := range must(s.demo.CaseHistory(t.Context(), id)) {
			if e.Kind == desk.CaseMoved {
				lines = append(lines, strings.TrimSpace(string(e.To)+" "+e.Text))
			}
		}
		if got := strings.Join(lines, ", "); got != c.lines {
			t.Errorf("%s: lines %q, want %q", c.say, got, c.lines)
		}
	}
}

// TestCases: what an agent may change, and how cases are found.
func TestCases(t *testing.T) {
	s := seed(t)
	long := strings.Repeat("x", MaxClosingReason)
	play(t, s, []step{
		{say: "an anonymous case leads to nobody", call: "GET /v1/cases/{case}", token: s.agent,
			want: `200 anonymous=true; contact=null; conversation=null; title="Fuga en la calle 5"; state="new"; version=1; closing_reason=null`},
		{say: "priority alone writes no history", call: "PATCH /v1/cases/{case}", token: s.agent, body: `{"priority":"critical"}`, want: `200 priority="critical"; version=2`},
		{say: "no change raises no version", call: "PATCH /v1/cases/{case}", body: `{"priority":"critical","state":"new"}`, want: `200 version=2`},
		{say: "an open case has no closing reason", call: "PATCH /v1/cases/{case}", body: `{"state":"waiting","closing_reason":"x"}`, want: "422 closing_reason not_allowed"},
		{say: "the longest reason", call: "PATCH /v1/cases/{case}", token: s.agent, body: `{"state":"resolved","closing_reason":"` + long + `"}`,
			want: `200 state="resolved"; closing_reason="` + long + `"; version=3`},
		{say: "one longer", call: "PATCH /v1/cases/{case}", body: `{"closing_reason":"` + long + `x"}`, want: "422 closing_reason too_long"},
		{say: "the reason is corrected", call: "PATCH /v1/cases/{case}", body: `{"closing_reason":"Listo"}`, want: `200 closing_reason="Listo"; version=4`},
		{say: "opened again it has none", call: "PATCH /v1/cases/{case}", body: `{"state":"in_progress"}`, want: `200 closing_reason=null; closed_at=null; version=5`},
		{say: "the history tells the moves, who made them and why it was closed", call: "GET /v1/cases/{case}/history", token: s.agent,
			want: `200 items.0.kind="created"; items.0.by=null; items.1.from="new"; items.1.to="resolved"; items.1.text="` + long + `"; items.1.by="{agent}"; ` +
				`items.2.kind="moved"; items.2.from="resolved"; items.2.to="resolved"; items.2.text="Listo"; items.3.to="in_progress"; items.3.text=null; items.4=null`},
		{say: "words that there are not", call: "PATCH /v1/cases/{case}", body: `{"state":"open","priority":"urgent","title":"x"}`, want: "422 state not_one_of, priority not_one_of, title read_only"},
		{say: "null for a state", call: "PATCH /v1/cases/{case}", body: `{"state":null,"priority":null}`, want: "422 state required, priority required"},
		{say: "at an old version", call: "PATCH /v1/cases/{case}", body: `{"priority":"low"}`, headers: []string{`If-Match: "1"`}, want: "412 stale: If-Match stale"},
		{say: "by text", call: "GET /v1/cases?q=FUGA", want: `200 items.0.id="{case}"; items.1=null`},
		{say: "by state, project and source", call: "GET /v1/cases?state=in_progress&project={project}&source=whatsapp", want: `200 items.0.id="{case}"`},
		{say: "by another project", call: "GET /v1/cases?project=none", want: `200 items=[]`},
		{say: "by another source", call: "GET /v1/cases?source=web", want: `200 items=[]`},
		{say: "nothing leads to the tracking link", call: "GET /v1/cases/{case}", want: `200 tracking_key=null`},
	})
	if a := s.ok(200, "GET", "/v1/cases/"+s.theCase, ""); strings.Contains(a.text, "tracking") {
		t.Errorf("the case shows its tracking key: %s", a.text)
	}
}

// TestChannelsAndTemplates: read, filtered, switched.
func TestChannelsAndTemplates(t *testing.T) {
	s := seed(t)
	check(t, s.demo.SaveChannel(t.Context(), desk.Channel{ID: "demo-gone", Kind: "viber", State: desk.ChannelInactive, Deleted: true}, nil))
	play(t, s, []step{
		{say: "a channel without its secrets", call: "GET /v1/channels/{channel}", want: `200 kind="whatsapp"; webhook_url=null; callback_url=null; company={"name":"Ciudad Demo"}; requester={"name":null,"email":null,"phone":null}; app="BuzonDemo"`},
		{say: "deleted ones are not listed", call: "GET /v1/channels", want: `200 items.0.id="{channel}"; items.1=null`},
		{say: "nor found", call: "GET /v1/channels/demo-gone", want: "404 not_found: "},
		{say: "nor are their templates", call: "GET /v1/channels/demo-gone/templates", want: "404 not_found: "},
		{say: "by kind and state", call: "GET /v1/channels?kind=whatsapp&state=active", want: `200 items.0.id="{channel}"`},
		{say: "by another state", call: "GET /v1/channels?state=pending", want: `200 items=[]`},
		{say: "by words that there are not", call: "GET /v1/channels?kind=fax&state=on", want: "422 kind not_one_of, state not_one_of"},
		{say: "templates", call: "GET /v1/channels/{channel}/templates?status=approved&active=true", want: `200 items.0.id="{template}"; items.0.sendable=true`},
		{say: "of another status", call: "GET /v1/channels/{channel}/templates?status=rejected", want: `200 items=[]`},
		{say: "a category that is not known of any", call: "GET /v1/channels/{channel}/templates?category=utility", want: `200 items=[]`},
		{say: "filters are words", call: "GET /v1/channels/{channel}/templates?category=x&status=x&active=yes", want: "422 category not_one_of, status not_one_of, active not_one_of"},
		{say: "switched off it is not sendable (Q23)", call: "PUT /v1/templates/{template}/active", body: `{"active":false}`, headers: []string{`If-Match: "1"`}, want: `200 active=false; sendable=false; version=2`},
		{say: "switched off it is read", call: "GET /v1/templates/{template}", want: `200 active=false; version=2`},
		{say: "and found", call: "GET /v1/channels/{channel}/templates?active=false", want: `200 items.0.id="{template}"`},
		{say: "at an old version", call: "PUT /v1/templates/{template}/active", body: `{"active":true}`, headers: []string{`If-Match: "1"`}, want: "412 stale: If-Match stale"},
		{say: "without the switch", call: "PUT /v1/templates/{template}/active", body: `{}`, want: "422 active required"},
		{say: "no such template", call: "PUT /v1/templates/none/active", body: `{"active":true}`, want: "404 not_found: "},
	})
	if a := s.ok(200, "GET", "/v1/channels/"+s.channel, ""); strings.Contains(a.text, "hash-of-the-secret") {
		t.Errorf("the channel shows the hash of its secret: %s", a.text)
	}
}

// TestQuarantine: what is held is listed without its body and sent on its way.
func TestQuarantine(t *testing.T) {
	s := seed(t)
	play(t, s, []step{
		{say: "what is held", call: "GET /v1/quarantine?state=held", want: `200 items.0.id="{held}"; items.0.reason="not_json"; items.0.times=1; items.0.channel="{channel}"; items.0.body=null; items.1=null`},
		{say: "nothing was replayed yet", call: "GET /v1/quarantine?state=replayed", want: `200 items=[]`},
		{say: "a state that there is not", call: "GET /v1/quarantine?state=lost", want: "422 state not_one_of"},
		{say: "replay", call: "POST /v1/quarantine/{held}/replay", want: `202 id="{held}"`},
		{say: "replay again: a fresh message, not a duplicate", call: "POST /v1/quarantine/{held}/replay", want: `202`},
		{say: "nothing to replay", call: "POST /v1/quarantine/none/replay", want: "404 not_found: "},
	})
	for i := range 2 {
		got, err := s.inbound.Receive(t.Context(), 1, time.Minute)
		if err != nil || len(got) != 1 {
			t.Fatalf("message %d: %v %v", i, got, err)
		}
		tenant, event, err := queue.Open[desk.InboundEvent](desk.StageInbound, got[0].Body)
		if err != nil || tenant != "demo" || event.Replay != s.held || got[0].Group != "replay-"+s.held {
			t.Errorf("message %d: %s %+v in %s, %v", i, tenant, event, got[0].Group, err)
		}
		check(t, s.inbound.Delete(t.Context(), got[0].Receipt))
	}
}

// TestLogsHoldNoNames: whatever is called with, the log has routes and numbers
// only (T48).
func TestLogsHoldNoNames(t *testing.T) {
	s := seed(t)
	s.do(s.admin, "POST", "/v1/clients", `{"name":"canary-name","user_name":"canary-user","email":"canary@example.com"}`)
	s.do(s.admin, "POST", "/v1/clients", `{"name":"canary-name","user_name":"canary-user"}`)
	s.do(s.admin, "GET", "/v1/clients?q=canary-search", "")
	s.do(s.admin, "GET", "/v1/clients/canary-id", "")
	s.do("bzn_canary", "GET", "/canary-path", "")
	if log := s.log.String(); strings.Contains(log, "canary") || strings.Contains(log, s.admin) || !strings.Contains(log, "GET /v1/clients/{id}") {
		t.Errorf("log: %s", log)
	}
}

// TestLanguages: the same refusal in each language; the code stays.
func TestLanguages(t *testing.T) {
	s := seed(t)
	seen := map[any]bool{}
	for _, c := range []struct{ accept, lang string }{{"es-CO", "es"}, {"en-GB", "en"}, {"pt-BR,pt;q=0.9", "pt"}, {"", "es"}, {"de", "es"}} {
		a := s.do(s.admin, "POST", "/v1/clients", `{"name":"x","user_name":"ana"}`, "Accept-Language: "+c.accept)
		detail := a.get("errors.0.detail")
		if a.status != 422 || a.get("errors.0.code") != "taken" || detail != locale.For(c.lang).Text("problem.taken") {
			t.Errorf("%q: %s", c.accept, a.text)
		}
		seen[detail] = true
	}
	if len(seen) != len(desk.Languages) {
		t.Errorf("%d sentences for %d languages", len(seen), len(desk.Languages))
	}
}

// TestCodesHaveTexts: every code that this package answers with has a sentence
// in each language.
func TestCodesHaveTexts(t *testing.T) {
	code := regexp.MustCompile(`(?:Code: |badKey\(|return |Add\([^,()]+, )"([a-z]+(?:_[a-z]+)*)"`)
	files, err := filepath.Glob("*.go")
	check(t, err)
	found := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		check(t, err)
		for _, m := range code.FindAllStringSubmatch(string(b), -1) {
			found[m[1]] = true
		}
	}
	for _, not := range []string{"all", "anything"} { // words of answers
		delete(found, not)
	}
	for c := range found {
		for _, lang := range desk.Languages {
			if !locale.For(lang).Has("problem." + c) {
				t.Errorf("no text for problem.%s in %s", c, lang)
			}
		}
	}
	if len(found) < 20 {
		t.Errorf("found only %d codes: does the pattern still match?", len(found))
	}
}

// TestNormalPhone: a number is the same however it is written.
func TestNormalPhone(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"573001234567", "573001234567"},
		{"+57 (300) 123-4567", "573001234567"},
		{"0057 300 1234567", "573001234567"},
		{"(+57) 300 1234567", "573001234567"},
		{"12345678", "12345678"},
		{"1234567", ""},
		{"123456789012345", "123456789012345"},
		{"1234567890123456", ""},
		{"03001234567", ""},
		{"57+3001234567", ""},
		{"++573001234567", ""},
		{"57.300.1234567", ""},
		{"٥٧٣٠٠١٢٣٤٥٦٧", ""},
		{"", ""},
		{"+", ""},
		{"00", ""},
	} {
		if got, ok := normalPhone(c.text); got != c.want || ok != (c.want != "") {
			t.Errorf("%q: %q %v, want %q", c.text, got, ok, c.want)
		}
	}
}

// FuzzRequest: whatever stands in query and headers, an answer comes in time and
// memory, as described, and none is a 500.
func FuzzRequest(f *testing.F) {
	for _, s := range [][3]string{
		{"limit=1&cursor=x", `"1", W/"2"`, "k"}, {"q=%2B57&q=", "*", strings.Repeat("k", 300)}, {"%zz;", `"""`, "\x00"},
		{"cursor=eyJwIjp0cnVlLCJuIjoieCJ9", `"99999999999999999999"`, "ñ"}, {"cursor=eyJ0IjoieCIsIm4iOjF9", ",", ""},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, query, match, key string) {
		s := seed(t)
		calls := []struct{ method, path, body string }{
			{"GET", "/v1/clients", ""}, {"GET", "/v1/projects", ""}, {"GET", "/v1/cases", ""},
			{"GET", "/v1/conversations/" + s.conversation + "/messages", ""}, {"GET", "/v1/cases/" + s.theCase + "/history", ""},
			{"POST", "/v1/projects", `{"name":"x"}`}, {"PATCH", "/v1/projects/" + s.project, `{"name":"y"}`},
		}
		for _, c := range calls {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			r.URL.RawQuery = query
			for name, value := range map[string]string{
				"Authorization": "Bearer " + s.admin, "Content-Type": "application/json", "If-Match": match, "Idempotency-Key": key, "Accept-Language": match,
			} {
				r.Header.Set(name, value)
			}
			rec := httptest.NewRecorder()
			s.handler.ServeHTTP(rec, r)
			size := uint64(len(query) + len(match) + len(key))
			if d := time.Since(began); d > 5*time.Second {
				t.Fatalf("%s %s took %v", c.method, c.path, d)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20+500*size {
				t.Fatalf("%s %s allocated %d", c.method, c.path, n)
			}
			s.describe(c.method, c.path, answer{rec.Code, rec.Header(), rec.Body.String()})
			if rec.Code == 500 {
				t.Fatalf("%s %s?%q: %s", c.method, c.path, query, s.log)
			}
		}
	})
}
