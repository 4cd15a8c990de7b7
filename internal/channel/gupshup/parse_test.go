package gupshup_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buzon/internal/channel"
	"buzon/internal/channel/channeltest"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/desk"
	"buzon/internal/fuzztest"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func provider() gupshup.Provider {
	return gupshup.Provider{Now: func() time.Time { return now }}
}

func TestGolden(t *testing.T) { channeltest.Golden(t, provider(), "testdata") }

// contents draws what a message of either format can say.
func contents(t *rapid.T) desk.Content {
	word := rapid.StringMatching(`[ -~áñ👋]{1,30}`)
	name := rapid.StringMatching(`[a-z0-9]{1,12}`)
	media := func(typ desk.ContentType, caption bool) desk.Content {
		c := desk.Content{Type: typ, Media: &desk.Media{ID: name.Draw(t, "media"), Type: "image/webp"}}
		if caption {
			c.Text = word.Draw(t, "caption")
		}
		return c
	}
	switch rapid.SampledFrom([]string{"text", "list", "button", "quick", "image", "file", "audio", "sticker", "location", "contact", "reaction", "order", "other"}).Draw(t, "type") {
	case "text":
		return gupshuptest.Text(word.Draw(t, "text"))
	case "list":
		return gupshuptest.ListReply(word.Draw(t, "title"), name.Draw(t, "row"))
	case "button":
		return gupshuptest.ButtonReply(word.Draw(t, "title"), name.Draw(t, "row"))
	case "quick":
		return gupshuptest.QuickReply(word.Draw(t, "text"))
	case "image":
		return media(desk.Image, rapid.Bool().Draw(t, "with caption"))
	case "file":
		c := media(desk.File, true)
		c.Media.Name = name.Draw(t, "file")
		return c
	case "audio":
		return media(desk.Audio, false)
	case "sticker":
		return media(desk.Sticker, false)
	case "location":
		return desk.Content{Type: desk.Location, Place: &desk.Place{
			Longitude: rapid.Float64Range(-180, 180).Draw(t, "lon"), Latitude: rapid.Float64Range(-90, 90).Draw(t, "lat"), Name: name.Draw(t, "name"),
		}}
	case "contact":
		return desk.Content{Type: desk.Contacts, Raw: json.RawMessage(`[{"name":{"formatted_name":"Bo"}}]`)}
	case "reaction":
		return desk.Content{Type: desk.Reaction, Text: rapid.SampledFrom([]string{"", "👍"}).Draw(t, "emoji"), Quoted: "wamid.Q"}
	case "order":
		return desk.Content{Type: desk.Order, Raw: json.RawMessage(`{"catalog_id":"4"}`)}
	}
	return desk.Content{Type: desk.Unsupported}
}

// TestT6BothCopiesOfAMessageAreOne: what a phone sends reads back as it was, and a
// v2 and a v3 copy have the same digest, id and person.
func TestT6BothCopiesOfAMessageAreOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := contents(rt)
		id := "wamid." + rapid.StringMatching(`[A-Z0-9]{8}`).Draw(rt, "id")
		if c.Type != desk.Reaction && rapid.Bool().Draw(rt, "answers") {
			c.Quoted = gsID
		}
		var got [2]desk.Incoming
		for i, body := range [][]byte{ana.V2(id, at, c), ana.V3(id, at, c)} {
			b := channeltest.Parse(t, provider(), demo, body)
			if len(b.Messages) != 1 || b.Rejected != "" {
				rt.Fatalf("%s gives %+v", body, b)
			}
			got[i] = b.Messages[0]
			want := c
			read := got[i].Content
			if c.Type == desk.Unsupported {
				read.Raw = nil
			}
			if c.Media != nil {
				m := *read.Media
				m.URL = ""
				read.Media = &m
			}
			if diff := cmp.Diff(want, read); diff != "" {
				rt.Fatalf("%s\n-sent +read\n%s", body, diff)
			}
			if got[i].ProviderID != id || got[i].Person != ana.Number || got[i].Name != ana.Name || !got[i].SentAt.Equal(at) {
				rt.Fatalf("%s gives %+v", body, got[i])
			}
		}
		if got[0].Digest() != got[1].Digest() {
			rt.Fatalf("digests differ:\n%+v\n%+v", got[0], got[1])
		}
	})
}

func TestFlowAnswersComeInV3Alone(t *testing.T) {
	c := desk.Content{Type: desk.FlowReply, Text: "Sent", Raw: json.RawMessage(`{"age":32}`)}
	if ana.V2("wamid.1", at, c) != nil {
		t.Error("a v2 flow answer")
	}
	b := channeltest.Parse(t, provider(), demo, ana.V3("wamid.1", at, c))
	if len(b.Messages) != 1 {
		t.Fatalf("%+v", b)
	}
	if diff := cmp.Diff(c, b.Messages[0].Content); diff != "" {
		t.Error(diff)
	}
}

func TestReceiptIDs(t *testing.T) {
	const other = "99999999-2222-4333-8444-555555555555"
	tests := []struct {
		why, kind, id, gs, wa string
		send, message         string
	}{
		{"enqueued: id is Gupshup's", "enqueued", gsID, "", "wamid.O", gsID, "wamid.O"},
		{"enqueued in v3: both are Gupshup's", "enqueued", gsID, gsID, "", gsID, ""},
		{"enqueued with WhatsApp's id beside Gupshup's", "enqueued", "wamid.O", gsID, "", gsID, "wamid.O"},
		{"failed at once: id is Gupshup's", "failed", gsID, "", "", gsID, ""},
		{"failed at once with an id of unknown shape", "failed", "odd-1", "", "", "odd-1", ""},
		{"failed later", "failed", "wamid.O", gsID, "", gsID, "wamid.O"},
		{"failed after a week: WhatsApp's by its shape", "failed", "wamid.O", "", "", "", "wamid.O"},
		{"failed, an old id of WhatsApp's", "failed", "gBEGkYiEB1VX", "", "", "", "gBEGkYiEB1VX"},
		{"failed, another old one", "failed", "ABEGkYiEB1VX", "", "", "", "ABEGkYiEB1VX"},
		{"sent", "sent", "wamid.O", gsID, "", gsID, "wamid.O"},
		{"read after a week", "read", "wamid.O", "", "", "", "wamid.O"},
		{"delivered in v3 under Gupshup's id", "delivered", gsID, "", "", gsID, ""},
		{"delivered in v3 with both the same", "delivered", gsID, gsID, "", gsID, ""},
		{"a sandbox's message id is a UUID too", "sent", other, gsID, "", gsID, other},
		{"sent with an id of unknown shape", "sent", "odd-1", "", "", "", "odd-1"},
		{"only gsId", "sent", "", gsID, "", gsID, ""},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			ids := fmt.Sprintf(`"id":%q,"gsId":%q,"destination":"49"`, tc.id, tc.gs)
			ids = strings.Replace(ids, `"gsId":""`, `"gsId":null`, 1)
			v2 := fmt.Sprintf(`{"type":"message-event","payload":{%s,"type":%q,"payload":{"whatsappMessageId":%q}}}`, ids, tc.kind, tc.wa)
			v3 := fmt.Sprintf(`{"entry":[{"changes":[{"value":{"statuses":[{"id":%q,"gs_id":%q,"meta_msg_id":%q,"recipient_id":"49","status":%q}]}}]}]}`, tc.id, tc.gs, tc.wa, tc.kind)
			for _, body := range []string{v2, v3} {
				b := channeltest.Parse(t, provider(), demo, []byte(body))
				if len(b.Receipts) != 1 || b.Rejected != "" {
					t.Fatalf("%s: %+v", body, b)
				}
				if r := b.Receipts[0]; r.SendID != tc.send || r.MessageID != tc.message || !r.At.Equal(now) {
					t.Errorf("%s: send %q message %q, want %q and %q", body, r.SendID, r.MessageID, tc.send, tc.message)
				}
			}
		})
	}
}

func TestReceiptsKnowTheirStepTimeAndFailure(t *testing.T) {
	steps := map[string]desk.Delivery{"enqueued": desk.Accepted, "sent": desk.SentOut, "delivered": desk.Delivered, "read": desk.Read, "failed": desk.Failed}
	for kind, step := range steps {
		s := gupshuptest.Status{Kind: kind, SendID: gsID, MessageID: "wamid.O", Destination: "+49 170", At: at, Code: 1002, Reason: "Number Does Not Exists On WhatsApp"}
		for _, body := range [][]byte{gupshuptest.V2Status(demo, s), gupshuptest.V3Status(demo, s)} {
			b := channeltest.Parse(t, provider(), demo, body)
			if len(b.Receipts) != 1 {
				t.Fatalf("%s: %+v", body, b)
			}
			got := b.Receipts[0]
			got.MessageID = ""
			want := desk.Receipt{SendID: gsID, Status: step, Enqueued: kind == "enqueued", Destination: "49170", At: at}
			if kind == "failed" {
				want.Code, want.Reason = "1002", "not_on_whatsapp"
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n-want +got\n%s", body, diff)
			}
		}
	}
}

func TestStatusesThatAreNoStepAreCounted(t *testing.T) {
	for kind, want := range map[string]string{
		"deleted": "status_deleted", "mismatch": "status_mismatch", "referral": "status_referral", "played": "status_played",
		"warning": "status_warning", "x\u0000y": "status_other", strings.Repeat("a", 33): "status_other", "Sent": "status_other",
	} {
		s := gupshuptest.Status{Kind: kind, SendID: gsID, MessageID: "wamid.O", At: at}
		for _, body := range [][]byte{gupshuptest.V2Status(demo, s), gupshuptest.V3Status(demo, s)} {
			got := channeltest.Parse(t, provider(), demo, body)
			if diff := cmp.Diff(channel.Batch{Ignored: map[string]int{want: 1}}, got); diff != "" {
				t.Errorf("%q: %s", kind, diff)
			}
		}
	}
}

// preference is Meta's word for a person's word on marketing.
func preference(wish string) map[string]any {
	return map[string]any{"user_preferences": []any{map[string]any{
		"wa_id": "491700000001", "category": "marketing_messages", "value": wish, "timestamp": at.Unix(),
	}}}
}

// Meta's words for what a person wants, should Gupshup pass them on.
func TestConsentToMarketing(t *testing.T) {
	for wish, in := range map[string]bool{"stop": false, "resume": true} {
		got := channeltest.Parse(t, provider(), demo, gupshuptest.V3(demo, "user_preferences", preference(wish)))
		want := channel.Batch{Consents: []desk.Consent{{Person: "491700000001", Scope: desk.ScopeMarketing, OptedIn: in, At: at}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", wish, diff)
		}
	}
	got := channeltest.Parse(t, provider(), demo, gupshuptest.V3(demo, "user_preferences", preference("maybe")))
	if got.Rejected != channel.RejectUnknownEvent {
		t.Errorf("%+v", got)
	}
}

// everyBody is one body of every kind that a builder makes, for its channel.
func everyBody(ch desk.Channel) map[string][]byte {
	p := gupshuptest.Phone{Channel: ch, Number: "491700000001", Name: "Ana"}
	s := gupshuptest.Status{Kind: "sent", SendID: gsID, MessageID: "wamid.O", Destination: "49", At: at}
	return map[string][]byte{
		"v2 message":  p.V2("wamid.1", at, gupshuptest.Text("x")),
		"v3 message":  p.V3("wamid.1", at, gupshuptest.Text("x")),
		"v2 status":   gupshuptest.V2Status(ch, s),
		"v3 status":   gupshuptest.V3Status(ch, s),
		"consent":     gupshuptest.Consent(ch, "49", true, at),
		"v3 consent":  gupshuptest.V3(ch, "user_preferences", preference("stop")),
		"template":    gupshuptest.Template(ch, desk.Verdict{ProviderID: "t", Event: "status-update", State: "approved", At: at}),
		"billing":     gupshuptest.Billing(ch, s),
		"onboarding":  gupshuptest.Onboarding(ch, at),
		"account":     gupshuptest.Account(ch, at),
		"v3 billing":  gupshuptest.V3(ch, "billing-event", map[string]any{"billing": map[string]any{}}),
		"v3 template": gupshuptest.V3(ch, "message_template_status_update", map[string]any{"event": "APPROVED", "message_template_id": 7}),
	}
}

func TestT5NothingOfAnotherAppTakesEffect(t *testing.T) {
	others := map[string]func(*desk.Channel){
		"another app":    func(c *desk.Channel) { c.App = "OtherApp"; c.AppID = "other" },
		"another number": func(c *desk.Channel) { c.App = "OtherApp"; c.PhoneNumberID = "9" },
	}
	for who, change := range others {
		ch := demo
		change(&ch)
		for what, body := range everyBody(ch) {
			t.Run(what+" of "+who, func(t *testing.T) {
				if own := channeltest.Parse(t, provider(), ch, body); own.Rejected != "" {
					t.Fatalf("on its own channel: %+v", own)
				}
				got := channeltest.Parse(t, provider(), demo, body)
				if diff := cmp.Diff(channel.Batch{Rejected: channel.RejectOtherApp}, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
	t.Run("a channel that does not know its app takes all", func(t *testing.T) {
		for what, body := range everyBody(demo) {
			if got := channeltest.Parse(t, provider(), desk.Channel{}, body); got.Rejected != "" {
				t.Errorf("%s: %+v", what, got)
			}
		}
	})
	t.Run("appId in v2 counts too", func(t *testing.T) {
		body := strings.Replace(string(ana.V2("w", at, gupshuptest.Text("x"))), `{"app"`, `{"appId":"other","app"`, 1)
		if got := channeltest.Parse(t, provider(), demo, []byte(body)); got.Rejected != channel.RejectOtherApp || len(got.Messages) > 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestPingsPassWhateverAppTheyName(t *testing.T) {
	other := desk.Channel{App: "OtherApp", AppID: "other"}
	for kind, body := range map[string][]byte{
		"ping":               gupshuptest.Ping(at),
		"set_callback":       gupshuptest.SetCallback(),
		"connectivity_check": gupshuptest.ConnectivityCheck(other, at),
	} {
		for _, ch := range []desk.Channel{demo, {}} {
			got := channeltest.Parse(t, provider(), ch, body)
			if diff := cmp.Diff(channel.Batch{Ignored: map[string]int{kind: 1}}, got); diff != "" {
				t.Errorf("%s: %s", kind, diff)
			}
		}
	}
}

func TestT8EventsAtBothEdges(t *testing.T) {
	batch := func(n int) []byte {
		const entry = `{"changes":[{"value":{"messages":[{"from":"49","id":"w","type":"text","text":{"body":"x"}}]}}]}`
		return []byte(`{"entry":[` + entry + strings.Repeat(","+entry, n-1) + `]}`)
	}
	one := func(n int) []byte {
		m := strings.Repeat(`{"from":"49","id":"w","type":"text","text":{"body":"x"}},`, n-1) + `{"id":"w","gs_id":"s","recipient_id":"49","status":"sent"}`
		i := strings.LastIndex(m, ",{\"id\"")
		return []byte(`{"entry":[{"changes":[{"value":{"messages":[` + m[:i] + `],"statuses":[` + m[i+1:] + `]}}]}]}`)
	}
	for name, body := range map[string]func(int) []byte{"in many entries": batch, "in one change": one} {
		t.Run(name, func(t *testing.T) {
			if got := provider().Parse(demo, body(channel.MaxEvents)); channeltest.Events(got) != channel.MaxEvents || got.Rejected != "" {
				t.Errorf("%d events, code %q", channeltest.Events(got), got.Rejected)
			}
			got := provider().Parse(demo, body(channel.MaxEvents+1))
			if diff := cmp.Diff(channel.Batch{Rejected: channel.RejectTooMany}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRawIsCutToValidJSON(t *testing.T) {
	const limit = 8 << 10
	raw := func(payload string) json.RawMessage {
		b := channeltest.Parse(t, provider(), demo, []byte(`{"type":"message","payload":`+payload+`}`))
		if len(b.Messages) != 1 || len(b.Messages[0].Content.Raw) > limit {
			t.Fatalf("%.80s: %d messages, %q", payload, len(b.Messages), b.Rejected)
		}
		return b.Messages[0].Content.Raw
	}
	sized := func(filler string, size int) string {
		const head, tail = `{"id":"w","source":"49","sender":{"phone":"49"},"type":"hologram","payload":"`, `"}`
		rest := size - len(head) - len(tail)
		return head + strings.Repeat(filler, rest/len(filler)) + strings.Repeat("x", rest%len(filler)) + tail
	}
	for _, filler := range []string{"a", "é", `\"`, `\u0001`, "👋"} {
		if whole := sized(filler, limit); string(raw(whole)) != whole {
			t.Errorf("%q: cut at the limit", filler)
		}
		for _, size := range []int{limit + 1, 60_000} {
			whole := sized(filler, size)
			var kept string
			if err := json.Unmarshal(raw(whole), &kept); err != nil || len(kept) < limit/4 || !strings.HasPrefix(whole, kept) {
				t.Errorf("%d of %q: %d bytes kept, %v", size, filler, len(kept), err)
			}
		}
	}
}

func TestTimesInEveryUnit(t *testing.T) {
	want := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC)
	for spelled, want := range map[string]time.Time{
		`1700000000`: want, `"1700000000"`: want, `1700000000000`: want, `"1700000000000"`: want, `1.7e9`: want,
		`null`: now, `""`: now, `0`: now,
		`999999999999`: time.Unix(0, 0), // refused: seconds far beyond year 9999
	} {
		body := `{"entry":[{"changes":[{"value":{"messages":[{"from":"49","id":"w","timestamp":` + spelled + `,"type":"text","text":{"body":"x"}}]}}]}]}`
		b := channeltest.Parse(t, provider(), demo, []byte(body))
		if want.Unix() == 0 {
			if b.Rejected != channel.RejectWrongType || len(b.Messages) > 0 {
				t.Errorf("%s: %+v", spelled, b)
			}
			continue
		}
		if len(b.Messages) != 1 || !b.Messages[0].SentAt.Equal(want) {
			t.Errorf("%s: %+v, want %s", spelled, b, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, body := range everyBody(demo) {
		f.Add(body)
	}
	for _, s := range samples() {
		f.Add(s.body)
	}
	f.Add(gupshuptest.Ping(at))
	f.Add([]byte(`{"entry":[{"changes":[{"value":{"messages":[{},{"from":"49","id":"w","type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"response_json":"[1]"}}}]}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzztest.Limit{Memory: 256 << 10, PerByte: 512}.Check(t, len(body), func() { provider().Parse(demo, body) })
		channeltest.Parse(t, provider(), demo, body)
	})
}

// TestT8HostileShapesStayQuick guards against work that grows with the square of the
// body, which takes minutes; the limit leaves room for a slow machine.
func TestT8HostileShapesStayQuick(t *testing.T) {
	const size = 1 << 20
	limit := fuzztest.Limit{Time: 5 * time.Second, Memory: 256 << 10, PerByte: 512}
	keys := func() string {
		var b strings.Builder
		for i := 0; b.Len() < size/2; i++ {
			fmt.Fprintf(&b, `"k%d":0,`, i)
		}
		return b.String()
	}()
	messages := strings.Repeat(`{"from":"49","id":"w","type":"text","text":{"body":"x"}},`, channel.MaxEvents-1)
	bodies := map[string]string{
		"many contacts":                `{"entry":[{"changes":[{"value":{"contacts":[` + strings.Repeat(`{"wa_id":"1"},`, size/30) + `{}],"messages":[` + messages[:len(messages)-1] + `]}}]}]}`,
		"many keys beside messages":    `{"entry":[{"changes":[{"value":{` + keys + `"messages":[` + messages[:len(messages)-1] + `]}}]}]}`,
		"many keys beside the changes": `{"entry":[{` + keys + `"changes":[` + strings.Repeat(`{"value":{"errors":[]}},`, channel.MaxEvents-2) + `{}]}]}`,
		"many empty entries":           `{"entry":[` + strings.Repeat(`{},`, size/3) + `{}]}`,
		"many numbers":                 `{"entry":[` + strings.Repeat(`0,`, size/2) + `0]}`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			var b channel.Batch
			limit.Check(t, len(body), func() { b = provider().Parse(demo, []byte(body)) })
			for _, wrong := range channeltest.Invariants(b) {
				t.Error(wrong)
			}
		})
	}
}

func BenchmarkParse3KB(b *testing.B) {
	body := ana.V2("wamid.1", at, gupshuptest.Text(strings.Repeat("Hola, ¿qué tal? ", 160)))
	if len(body) < 2900 || len(body) > 3300 {
		b.Fatalf("%d bytes", len(body))
	}
	p := provider()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if got := p.Parse(demo, body); len(got.Messages) != 1 {
			b.Fatal(got.Rejected)
		}
	}
}
