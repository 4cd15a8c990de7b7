package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/store"
)

// working is a world with two channels that work, a queue of both, and on the first
// three open cases, one of which the second has too, and two replies not yet sent.
type working struct {
	*seeded
	one, two string
	cases    []string // alone, alone, of both
}

func newWorking(s *seeded) *working {
	w := &working{seeded: s}
	for i, id := range []*string{&w.one, &w.two} {
		*id = s.make("/v1/channels", requestBody)
		s.ok(200, "POST", "/v1/channels/"+*id+"/approval", strings.Replace(gupshupBody, "2222", fmt.Sprint("222", i), 1))
		s.ok(200, "PUT", "/v1/channels/"+*id+"/queues", `{"queues":["`+s.queue+`"]}`)
	}
	for i := range 3 {
		w.cases = append(w.cases, w.ticket(w.one, fmt.Sprint("57300000000", i), i < 2))
	}
	w.link(w.cases[2], w.conversationOf(w.two, "573009999999"))
	return w
}

// ticket records a message that opens a case, with a reply if that is asked for.
func (w *working) ticket(channel, person string, reply bool) string {
	w.t.Helper()
	id := store.ConversationID(channel, person)
	at := w.now()
	turn := desk.Turn{
		ID: store.TurnID("m" + person), Conversation: id, Kind: desk.TurnMessage, At: at, Made: at,
		Message: &desk.Incoming{Channel: channel, ProviderID: "m" + person, Person: person, SentAt: at, ReceivedAt: at, Content: desk.Content{Type: desk.Text, Text: "Sí"}},
	}
	conv := desk.Conversation{ID: id, Channel: channel, Person: person, Contact: store.ContactID("whatsapp", person), CreatedAt: at, StateSince: at, LastMessageAt: at}
	if reply {
		turn.Replies = []desk.Reply{{Number: 1, ID: "r" + person, Status: desk.Queued, Outgoing: desk.Outgoing{Type: desk.ReplyText, Text: "Ya va"}}}
		conv.LastNumber, conv.Unsent = 1, []desk.Unsent{{Turn: turn.ID, First: 1, Last: 1}}
	}
	k := desk.Case{
		ID: store.TicketID(id, turn.ID), Title: "Sí", State: desk.CaseNew, Source: desk.SourceWhatsApp, Priority: desk.PriorityMedium, Language: "es",
		Contact: conv.Contact, Conversation: id, Message: "sent-" + person, Conversations: []string{id}, Channels: []string{channel}, CreatedAt: at, ChangedAt: at,
	}
	k.Reference = store.Reference(k.ID, 0)
	check(w.t, w.demo.Commit(w.t.Context(), store.Commit{Conversation: conv, Turn: store.StoredTurn{Turn: turn}, Ticket: &k}))
	return k.ID
}

// conversationOf records a message without a case.
func (w *working) conversationOf(channel, person string) string {
	w.t.Helper()
	id, at := store.ConversationID(channel, person), w.now()
	turn := desk.Turn{ID: store.TurnID("m" + person), Conversation: id, Kind: desk.TurnMessage, At: at, Made: at}
	conv := desk.Conversation{ID: id, Channel: channel, Person: person, CreatedAt: at, StateSince: at, LastMessageAt: at}
	check(w.t, w.demo.Commit(w.t.Context(), store.Commit{Conversation: conv, Turn: store.StoredTurn{Turn: turn}}))
	return id
}

func (w *working) link(theCase, conversation string) {
	w.t.Helper()
	w.ok(200, "POST", "/v1/cases/"+theCase+"/conversations", `{"conversation":"`+conversation+`"}`)
}

// states are the states of the three cases.
func (w *working) states() string {
	var out []string
	for _, id := range w.cases {
		k := must(w.demo.Case(w.t.Context(), id))
		out = append(out, strings.TrimSpace(string(k.State)+" "+k.ClosingReason))
	}
	return strings.Join(out, ", ")
}

const (
	allOpen   = "new, new, new"
	aloneDone = "closed channel_deactivated, closed channel_deactivated, new"
)

// TestS3_12Deactivate: exactly what belongs to the channel alone ends, the number
// leaves its queues, and the answer says what the counts before said.
func TestS3_12Deactivate(t *testing.T) {
	w := newWorking(seed(t))
	path := "/v1/channels/" + w.one
	const impact = `{"cases":2,"queues":1,"replies":2}`
	events[desk.InboundEvent](t, w.inbound, desk.StageInbound, "")
	w.due(0)
	play(t, w.seeded, []step{
		{say: "what it would end", call: "GET " + path + "/impact", want: `200 cases=2; queues=1; replies=2`},
		{say: "which changes nothing", call: "GET " + path, want: `200 state="active"; version=3; queues=["{queue}"]`},
		{say: "at an old version", call: "PUT " + path + "/state", body: `{"state":"inactive"}`, headers: []string{`If-Match: "2"`}, want: "412 stale: If-Match stale"},
		{say: "switched off", call: "PUT " + path + "/state", body: `{"state":"inactive"}`, headers: []string{`If-Match: "3"`},
			want: `200 state="inactive"; queues=[]; impact=` + impact + `; version=4`},
	})
	if got := w.states(); got != aloneDone {
		t.Errorf("cases: %s", got)
	}
	ch := must(w.demo.FreshChannel(t.Context(), w.one))
	if ch.EndedAt.IsZero() || ch.Identifier == "" || ch.SecretHash == "" {
		t.Errorf("stored %+v", ch)
	}
	ended := events[desk.InboundEvent](t, w.inbound, desk.StageInbound, store.Hash("demo", w.one, "ended"))
	if len(ended) != 1 || ended[0].Ended != w.one {
		t.Errorf("events %+v", ended)
	}
	if early, late := w.due(time.Minute), w.due(2*time.Minute+time.Second); len(early) > 0 || !cmp.Equal(late, []string{store.WakeEnding + " " + w.one}) {
		t.Errorf("timers %v, then %v", early, late)
	}
	play(t, w.seeded, []step{
		{say: "the queue has one number left", call: "GET /v1/queues/{queue}", want: `200 channels=["` + w.two + `"]`},
		{say: "off again ends nothing; as every PUT it raises the version", call: "PUT " + path + "/state", body: `{"state":"inactive"}`, want: `200 impact={"cases":0,"queues":0,"replies":0}; version=5`},
		{say: "nothing is left to end", call: "GET " + path + "/impact", want: `200 cases=0; queues=0; replies=0`},
		{say: "the history says why", call: "GET /v1/cases/" + w.cases[0] + "/history", want: `200 items.1.kind="moved"; items.1.to="closed"; items.1.text="channel_deactivated"; items.1.by="{admin}"`},
		{say: "switched off it works in no queue", call: "PUT " + path + "/queues", body: `{"queues":["{queue}"]}`, want: "409 channel_off: "},
		{say: "on again", call: "PUT " + path + "/state", body: `{"state":"active"}`, want: `200 state="active"; cause=null; queues=[]; impact={"cases":0,"queues":0,"replies":0}; version=6`},
		{say: "on already", call: "PUT " + path + "/state", body: `{"state":"active"}`, want: `200 version=7`},
		{say: "what it has with the other channel ends with neither of them", call: "GET /v1/channels/" + w.two + "/impact", want: `200 cases=0; queues=1; replies=0`},
	})
	if left := events[desk.InboundEvent](t, w.inbound, desk.StageInbound, ""); len(left) > 0 {
		t.Errorf("events of what changed nothing: %+v", left)
	}
}

// TestS3_11Switch: every state by both positions of the switch.
func TestS3_11Switch(t *testing.T) {
	for _, c := range []struct {
		from, to desk.ChannelState
		want     string
	}{
		{desk.ChannelPending, desk.ChannelActive, "409 pending: "},
		{desk.ChannelPending, desk.ChannelInactive, "409 pending: "},
		{desk.ChannelActive, desk.ChannelActive, `200 state="active"; version=2`},
		{desk.ChannelActive, desk.ChannelInactive, `200 state="inactive"; version=2`},
		{desk.ChannelInterrupted, desk.ChannelActive, "409 interrupted: "},
		{desk.ChannelInterrupted, desk.ChannelInactive, `200 state="inactive"; cause=null; version=2`},
		{desk.ChannelInactive, desk.ChannelActive, `200 state="active"; version=2`},
		{desk.ChannelInactive, desk.ChannelInactive, `200 state="inactive"; version=2`},
	} {
		s := seed(t)
		id := s.demo.OutsideID()
		ch := desk.Channel{ID: id, Kind: "whatsapp", Provider: "gupshup", State: c.from, Identifier: "5215550009999", CreatedAt: start}
		if c.from == desk.ChannelInterrupted {
			ch.Cause = desk.WaitWallet
		}
		check(t, s.demo.SaveChannel(t.Context(), ch, nil))
		play(t, s, []step{{say: string(c.from) + " to " + string(c.to), call: "PUT /v1/channels/" + id + "/state", body: `{"state":"` + string(c.to) + `"}`, want: c.want}})
	}
	play(t, seed(t), []step{
		{say: "a state that the system alone gives", call: "PUT /v1/channels/{channel}/state", body: `{"state":"interrupted"}`, want: "422 state not_one_of"},
		{say: "none", call: "PUT /v1/channels/{channel}/state", body: `{}`, want: "422 state required"},
		{say: "a channel of nobody's", call: "PUT /v1/channels/none/state", body: `{"state":"active"}`, want: "404 not_found: "},
	})
}

// TestS3_16Delete: the same consequences, credentials gone, what was recorded stays.
func TestS3_16Delete(t *testing.T) {
	w := newWorking(seed(t))
	path := "/v1/channels/" + w.one
	conv := store.ConversationID(w.one, "573000000000")
	name := w.demo.CredentialsName(must(w.demo.FreshChannel(t.Context(), w.one)))
	play(t, w.seeded, []step{
		{say: "at an old version", call: "DELETE " + path, headers: []string{`If-Match: "1"`}, want: "412 stale: If-Match stale"},
		{say: "deleted", call: "DELETE " + path, want: "204"},
		{say: "once", call: "DELETE " + path, want: "404 not_found: "},
		{say: "it is not found", call: "GET " + path, want: "404 not_found: "},
		{say: "nor its impact", call: "GET " + path + "/impact", want: "404 not_found: "},
		{say: "it cannot be changed", call: "PATCH " + path, body: `{}`, want: "404 not_found: "},
		{say: "nor switched on", call: "PUT " + path + "/state", body: `{"state":"active"}`, want: "404 not_found: "},
		{say: "nor approved", call: "POST " + path + "/approval", body: gupshupBody, want: "404 not_found: "},
		{say: "nor get credentials", call: "PUT " + path + "/credentials", body: `{"credentials":{}}`, want: "404 not_found: "},
		{say: "nor queues", call: "PUT " + path + "/queues", body: `{"queues":[]}`, want: "404 not_found: "},
		{say: "nor addresses", call: "POST " + path + "/secret", want: "404 not_found: "},
		{say: "it is in no list", call: "GET /v1/channels?state=inactive", want: `200 items=[]`},
		{say: "nor in its queue", call: "GET /v1/queues", want: `200 items.0.channels=["` + w.two + `"]`},
		{say: "what was recorded reads on", call: "GET /v1/conversations/" + conv + "/messages", want: `200 items.0.text="Sí"`},
		{say: "another channel may have the number", call: "POST /v1/channels", body: requestBody, want: "201", as: "next"},
		{say: "(it has)", call: "POST /v1/channels/{next}/approval", body: strings.Replace(gupshupBody, "2222", "2220", 1), want: `200 identifier="5215550002220"`},
		{say: "a pending one goes too", call: "POST /v1/channels", body: requestBody, want: "201", as: "pending"},
		{say: "without a word", call: "DELETE /v1/channels/{pending}", want: "204"},
	})
	if got := w.states(); got != aloneDone {
		t.Errorf("cases: %s", got)
	}
	if left := w.secretsOf(w.one); len(left) > 0 {
		t.Errorf("credentials after the deletion: %v", left)
	}
	if ch := must(w.demo.FreshChannel(t.Context(), w.one)); !ch.Deleted || ch.State != desk.ChannelInactive || ch.EndedAt.IsZero() || ch.SecretHash == "" {
		t.Errorf("stored %+v", ch)
	}
	// A call that broke off before the credentials were gone is finished by the next.
	check(t, w.secrets.Put(t.Context(), name, "{}"))
	w.do(w.admin, "DELETE", path, "")
	if left := w.secretsOf(w.one); len(left) > 0 {
		t.Errorf("credentials after the second deletion: %v", left)
	}
}

// TestChannelQueues: in which queues a number works.
func TestChannelQueues(t *testing.T) {
	s := seed(t)
	var ids []string
	for i := range desk.MaxChannelQueues {
		ids = append(ids, `"`+s.make("/v1/queues", fmt.Sprintf(`{"name":"q%d"}`, i))+`"`)
	}
	pending := s.make("/v1/channels", requestBody)
	all := strings.Join(ids, ",")
	const path = "PUT /v1/channels/{channel}/queues"
	play(t, s, []step{
		{say: "one", call: path, body: `{"queues":["{queue}"]}`, headers: []string{`If-Match: "1"`}, want: `200 queues=["{queue}"]; version=2`},
		{say: "it raised the version", call: path, body: `{"queues":[]}`, headers: []string{`If-Match: "1"`}, want: "412 stale: If-Match stale"},
		{say: "so does the same again", call: path, body: `{"queues":["{queue}"]}`, want: "200 version=3"},
		{say: "50", call: path, body: `{"queues":[` + all + `]}`, want: "200 version=4"},
		{say: "51", call: path, body: `{"queues":[` + all + `,"{queue}"]}`, want: "422 queues too_many"},
		{say: "one that there is not, one twice, one that cannot be", call: path, body: `{"queues":["none","{queue}","{queue}","a/b",1]}`,
			want: "422 queues[0] not_found, queues[2] twice, queues[3] not_found, queues[4] wrong_type"},
		{say: "another company's", call: path, token: s.other, body: `{"queues":[]}`, want: "404 not_found: "},
		{say: "nothing", call: path, body: `{}`, want: "422 queues required"},
		{say: "none of them", call: path, body: `{"queues":null}`, want: "200 queues=[]; version=5"},
		{say: "a pending channel works nowhere", call: "PUT /v1/channels/" + pending + "/queues", body: `{"queues":["{queue}"]}`, want: "409 pending: "},
	})
}

// TestSwitchAndPatchAtOnce_R11: of changes of one channel at the same time none is lost.
func TestSwitchAndPatchAtOnce_R11(t *testing.T) {
	w := newWorking(seed(t))
	path := "/v1/channels/" + w.one
	done := make(chan answer, 2)
	go func() { done <- w.do(w.admin, "PUT", path+"/state", `{"state":"inactive"}`) }()
	go func() { done <- w.do(w.admin, "PATCH", path, `{"settings":{"messages_per_second":7}}`) }()
	for range 2 {
		if a := <-done; a.status != 200 {
			t.Errorf("%d %s", a.status, a.text)
		}
	}
	a := w.ok(200, "GET", path, "")
	if a.get("state") != "inactive" || a.get("settings.messages_per_second") != 7.0 || a.get("version") != 5.0 {
		t.Errorf("in the end %s", a.text)
	}
}

// TestADeletedMetaChannelKeepsWhatVerifies: what is posted afterwards is still
// recorded; nothing can be sent.
func TestADeletedMetaChannelKeepsWhatVerifies(t *testing.T) {
	w := newWorking(seed(t))
	id := w.make("/v1/channels", strings.Replace(requestBody, "gupshup", "meta", 1))
	w.ok(200, "POST", "/v1/channels/"+id+"/approval", metaBody)
	before := must(w.demo.FreshChannel(t.Context(), id))
	for range 2 { // the second is of a call that was repeated
		w.do(w.admin, "DELETE", "/v1/channels/"+id, "")
		var creds channel.Credentials
		check(t, json.Unmarshal([]byte(w.kept(id)), &creds))
		if creds.AppSecret == "" || creds.VerifyToken == "" || creds.AccessToken != "" {
			t.Errorf("kept: app secret %t, verify token %t, access token %t", creds.AppSecret != "", creds.VerifyToken != "", creds.AccessToken != "")
		}
	}
	if after := must(w.demo.FreshChannel(t.Context(), id)); !after.Deleted || after.MetaApp != before.MetaApp {
		t.Errorf("%+v", after)
	}
}

// TestSwitchingOnEndsAWait: who switches a channel on does not wait for what held it
// back before.
func TestSwitchingOnEndsAWait(t *testing.T) {
	w := newWorking(seed(t))
	path := "/v1/channels/" + w.one + "/state"
	w.ok(200, "PUT", path, `{"state":"inactive"}`)
	held := must(w.demo.ChannelWait(t.Context(), w.one))
	held.Wait = desk.Wait{Cause: desk.WaitWallet, NotBefore: start.Add(24 * time.Hour), Step: time.Hour}
	check(t, w.demo.SaveChannelWait(t.Context(), w.one, held))
	w.ok(200, "PUT", path, `{"state":"active"}`)
	if wait := must(w.demo.ChannelWait(t.Context(), w.one)); wait.Cause != "" || wait.Step != 0 || wait.WellAt.IsZero() {
		t.Errorf("%+v", wait)
	}
}
