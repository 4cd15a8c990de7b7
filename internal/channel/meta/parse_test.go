package meta_test

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
	"buzon/internal/channel/meta"
	"buzon/internal/channel/meta/metatest"
	"buzon/internal/desk"
	"buzon/internal/fuzztest"
)

var (
	now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at  = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

	demo = desk.Channel{
		ID: "demo-2", CompanyName: "Demo", Identifier: "15550000001",
		PhoneNumberID: "200000000000001", AccountID: "100000000000001",
	}
	ana = metatest.Phone{Channel: demo, Number: "491700000001", Name: "Ana Öz"}
)

const scoped = "US.00000000000000000001"

// longest is how many bytes of a body the webhook takes.
const longest = 3 << 20

func provider() meta.Provider {
	return meta.Provider{Now: func() time.Time { return now }}
}

func text(s string) desk.Content { return desk.Content{Type: desk.Text, Text: s} }

func TestGolden(t *testing.T) { channeltest.Golden(t, provider(), "testdata") }

// contents draws what a message can say.
func contents(t *rapid.T) desk.Content {
	word := rapid.StringMatching(`[ -~áñ👋]{1,30}`)
	name := rapid.StringMatching(`[a-z0-9]{1,12}`)
	switch typ := rapid.SampledFrom([]desk.ContentType{
		desk.Text, desk.ListReply, desk.ButtonReply, desk.QuickReply, desk.Image, desk.Video, desk.File, desk.Audio, desk.Sticker,
		desk.Location, desk.Contacts, desk.Reaction, desk.Order, desk.FlowReply, desk.Unsupported,
	}).Draw(t, "type"); typ {
	case desk.Text:
		return text(word.Draw(t, "text"))
	case desk.ListReply, desk.ButtonReply, desk.QuickReply:
		return desk.Content{Type: typ, Text: word.Draw(t, "title"), ReplyID: name.Draw(t, "row")}
	case desk.Image, desk.Video, desk.File:
		return desk.Content{Type: typ, Text: rapid.SampledFrom([]string{"", "caption ñ"}).Draw(t, "caption"), Media: &desk.Media{ID: name.Draw(t, "id"), Type: "a/b", Name: name.Draw(t, "name")}}
	case desk.Audio, desk.Sticker:
		return desk.Content{Type: typ, Media: &desk.Media{ID: name.Draw(t, "id"), Type: "a/b"}}
	case desk.Location:
		return desk.Content{Type: typ, Place: &desk.Place{
			Longitude: rapid.Float64Range(-180, 180).Draw(t, "lon"), Latitude: rapid.Float64Range(-90, 90).Draw(t, "lat"), Name: name.Draw(t, "name"),
		}}
	case desk.Contacts:
		return desk.Content{Type: typ, Raw: json.RawMessage(`[{"name":{"formatted_name":"Bo"}}]`)}
	case desk.Reaction:
		return desk.Content{Type: typ, Text: rapid.SampledFrom([]string{"", "👍"}).Draw(t, "emoji"), Quoted: "wamid.Q"}
	case desk.Order:
		return desk.Content{Type: typ, Raw: json.RawMessage(`{"catalog_id":"4"}`)}
	case desk.FlowReply:
		return desk.Content{Type: typ, Text: "Sent", Raw: json.RawMessage(`{"age":32}`)}
	default:
		return desk.Content{Type: desk.Unsupported}
	}
}

// TestWhatAPhoneSendsIsRead: every content, of a person with a number, with a
// business-scoped id, and with both.
func TestWhatAPhoneSendsIsRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := ana
		if rapid.Bool().Draw(rt, "scoped") {
			p.UserID = scoped
			if rapid.Bool().Draw(rt, "hidden") {
				p.Number = ""
			}
		}
		c := contents(rt)
		if c.Type != desk.Reaction && rapid.Bool().Draw(rt, "answers") {
			c.Quoted = "wamid.Q"
		}
		body := p.Message("wamid.1", at, c)
		b := channeltest.Parse(t, provider(), demo, body)
		want := channel.Batch{Changes: []channel.Change{{Number: demo.PhoneNumberID, Account: demo.AccountID, Messages: []desk.Incoming{{
			ProviderID: "wamid.1", Person: p.Number, Name: p.Name, SentAt: at, Content: c,
		}}}}}
		if p.Number == "" {
			want.Changes[0].Messages[0].Person = scoped
		}
		if c.Type == desk.Unsupported && len(b.Changes) == 1 && len(b.Changes[0].Messages) == 1 {
			b.Changes[0].Messages[0].Content.Raw = nil
		}
		if diff := cmp.Diff(want, b); diff != "" {
			rt.Fatalf("%s\n-sent +read\n%s", body, diff)
		}
	})
}

func TestReceipts(t *testing.T) {
	R := func(kind string, code int) desk.Receipt {
		body := metatest.Status{Kind: kind, MessageID: "wamid.O", Ref: "ref-1", Destination: "491700000001", At: at, Code: code, Title: "its words"}.Body(demo)
		b := channeltest.Parse(t, provider(), demo, body)
		if len(b.Changes) != 1 || len(b.Changes[0].Receipts) != 1 || b.Rejected != "" {
			t.Fatalf("%s: %+v", body, b)
		}
		return b.Changes[0].Receipts[0]
	}
	for kind, step := range map[string]desk.Delivery{"sent": desk.SentOut, "delivered": desk.Delivered, "read": desk.Read} {
		want := desk.Receipt{Ref: "ref-1", MessageID: "wamid.O", Status: step, Destination: "491700000001", At: at}
		if diff := cmp.Diff(want, R(kind, 0)); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
	for _, tc := range []struct {
		code          int
		reason, cause string
	}{
		{131026, "undeliverable", ""},
		{131047, "outside_window", ""},
		{131050, "marketing_opted_out", ""},
		{131049, "marketing_limit", ""},
		{131048, "spam_limited", ""}, // of the moment: the channel is not down
		{190, "token_expired", desk.WaitCredential},
		{10, "permission_missing", desk.WaitCredential},
		{299, "permission_missing", desk.WaitCredential},
		{368, "policy_block", desk.WaitSuspended},
		{131031, "account_locked", desk.WaitSuspended},
		{131042, "payment_missing", desk.WaitWallet},
		{7, "its words", ""},
	} {
		got := R("failed", tc.code)
		if got.Status != desk.Failed || got.Code != fmt.Sprint(tc.code) || got.Reason != tc.reason || got.Cause != tc.cause {
			t.Errorf("%d: %+v, want %s, cause %q", tc.code, got, tc.reason, tc.cause)
		}
	}
}

// TestConsents: a person's word on marketing, and what is no such word.
func TestConsents(t *testing.T) {
	hidden := metatest.Phone{Channel: demo, UserID: scoped, Name: "Ana"}
	known := metatest.Phone{Channel: demo, Number: "+49 170 0000001", UserID: scoped}
	for _, tc := range []struct {
		say  string
		body []byte
		want desk.Consent
	}{
		{"stopped", ana.Marketing(false, at), desk.Consent{Person: ana.Number, Scope: desk.ScopeMarketing, At: at}},
		{"resumed", ana.Marketing(true, at), desk.Consent{Person: ana.Number, Scope: desk.ScopeMarketing, OptedIn: true, At: at}},
		{"by a person who hides the number", hidden.Marketing(false, at), desk.Consent{Person: scoped, Scope: desk.ScopeMarketing, At: at}},
		{"with both ids the number counts, as it does of their messages", known.Marketing(false, at), desk.Consent{Person: "491700000001", Scope: desk.ScopeMarketing, At: at}},
		{"without a time it is of now", ana.Marketing(false, time.Unix(0, 0)), desk.Consent{Person: ana.Number, Scope: desk.ScopeMarketing, At: provider().Now()}},
	} {
		want := channel.Batch{Changes: []channel.Change{{Number: demo.PhoneNumberID, Account: demo.AccountID, Consents: []desk.Consent{tc.want}}}}
		if diff := cmp.Diff(want, channeltest.Parse(t, provider(), demo, tc.body)); diff != "" {
			t.Errorf("%s: %s", tc.say, diff)
		}
	}
	for say, tc := range map[string]struct{ from, to, reason string }{
		"another wish":     {`"stop"`, `"pause"`, channel.RejectUnknownEvent},
		"another category": {`"marketing_messages"`, `"utility_messages"`, channel.RejectUnknownEvent},
		"nobody's":         {`"wa_id":"` + ana.Number + `"`, `"wa_id":null`, channel.RejectNoSender},
		"of no number":     {`"phone_number_id"`, `"phone_number"`, channel.RejectNoID},
		"no list":          {`"user_preferences":[`, `"user_preference":[`, channel.RejectWrongType},
	} {
		body := strings.ReplaceAll(string(ana.Marketing(false, at)), tc.from, tc.to)
		if got := channeltest.Parse(t, provider(), demo, []byte(body)); got.Rejected != tc.reason || channeltest.Events(got) != 0 {
			t.Errorf("%s: %+v, want %s", say, got, tc.reason)
		}
	}
}

// TestReferenceAtBothEdges: what is longer than Meta gives back is not ours.
func TestReferenceAtBothEdges(t *testing.T) {
	for n, want := range map[int]int{512: 512, 513: 0} {
		body := metatest.Status{Kind: "sent", MessageID: "wamid.O", Ref: strings.Repeat("r", n), Destination: "49", At: at}.Body(demo)
		b := channeltest.Parse(t, provider(), demo, body)
		if len(b.Changes) != 1 || len(b.Changes[0].Receipts[0].Ref) != want {
			t.Errorf("%d bytes: %+v", n, b)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, v := range []desk.Verdict{
		{ProviderID: "9007199254740993", Event: "status-update", State: "rejected", Name: "n", Language: "es", Reason: "INVALID_FORMAT", At: at},
		{ProviderID: "9223372036854775807", Event: "status-update", State: "approved", At: at},
		{ProviderID: "1", Event: "quality-update", State: "red", At: at},
		{ProviderID: "1", Event: "category-update", State: "marketing", At: at},
		{ProviderID: "1", Event: "category-update", State: "marketing", Reason: "announced", At: at},
	} {
		sent := v
		sent.State = strings.ToUpper(v.State)
		want := channel.Batch{Changes: []channel.Change{{Account: demo.AccountID, Verdicts: []desk.Verdict{v}}}}
		if diff := cmp.Diff(want, channeltest.Parse(t, provider(), demo, metatest.Template(demo, sent))); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	for n, want := range map[int]int{200: 200, 201: 200} {
		b := channeltest.Parse(t, provider(), demo, metatest.Template(demo, desk.Verdict{ProviderID: "1", State: "REJECTED", Reason: strings.Repeat("ñ", n), At: at}))
		if got := b.Changes[0].Verdicts[0].Reason; got != strings.Repeat("ñ", want) {
			t.Errorf("a reason of %d characters: %d", n, len([]rune(got)))
		}
	}
	for n, want := range map[int]int{desk.MaxProviderWord: desk.MaxProviderWord, desk.MaxProviderWord + 1: desk.MaxProviderWord} {
		b := channeltest.Parse(t, provider(), demo, metatest.Template(demo, desk.Verdict{ProviderID: "1", State: strings.Repeat("Q", n), At: at}))
		if got := b.Changes[0].Verdicts[0].State; got != strings.Repeat("q", want) {
			t.Errorf("a state of %d characters: %d", n, len(got))
		}
	}
}

// TestNothingDependsOnTheChannel: one address serves all numbers of an app; whose a
// change is, its caller decides.
func TestNothingDependsOnTheChannel(t *testing.T) {
	body := metatest.Batch(ana.Message("wamid.1", at, text("x")), metatest.Template(demo, desk.Verdict{ProviderID: "1", State: "PAUSED", At: at}))
	want := channeltest.Parse(t, provider(), demo, body)
	if n := channeltest.Events(want); n != 2 {
		t.Fatalf("%d events", n)
	}
	for _, ch := range []desk.Channel{{}, {PhoneNumberID: "9", AccountID: "8"}} {
		if diff := cmp.Diff(want, channeltest.Parse(t, provider(), ch, body)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestT8EventsAtBothEdges(t *testing.T) {
	one := strings.TrimSuffix(strings.TrimPrefix(string(ana.Message("wamid.1", at, text("x"))), `{"entry":[`), `],"object":"whatsapp_business_account"}`)
	inMany := func(n int) []byte {
		return []byte(`{"object":"whatsapp_business_account","entry":[` + one + strings.Repeat(","+one, n-1) + `]}`)
	}
	message := `{"from":"49","id":"w","type":"text","text":{"body":"x"}},`
	inOne := func(n int) []byte {
		return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"messages":[` +
			strings.TrimSuffix(strings.Repeat(message, n-1), ",") + `],"statuses":[{"id":"w","recipient_id":"49","status":"sent"}]}}]}]}`)
	}
	for name, body := range map[string]func(n int) []byte{
		"in many entries": inMany,
		"in one change":   inOne,
	} {
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

// bounds of what reads bytes from outside.
var bounds = fuzztest.Limit{Memory: 256 << 10, PerByte: 512}

func FuzzParse(f *testing.F) {
	for _, s := range samples() {
		f.Add(s.body)
	}
	f.Add(metatest.Batch(ana.Message("wamid.1", at, text("x")), metatest.Template(demo, desk.Verdict{ProviderID: "1", State: "PAUSED", At: at})))
	f.Add([]byte(`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[{},{"from":"49","id":"w","type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"response_json":"[1]"}}}]}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		bounds.Check(t, len(body), func() { provider().Parse(demo, body) })
		channeltest.Parse(t, provider(), demo, body)
	})
}

// TestT8HostileShapesStayQuick guards against work that grows with the square of a
// body of the largest size; the limit leaves room for a slow machine.
func TestT8HostileShapesStayQuick(t *testing.T) {
	limit := fuzztest.Limit{Time: 5 * time.Second, Memory: 256 << 10, PerByte: 512}
	const head, tail = `{"object":"whatsapp_business_account","entry":[`, `]}`
	messages := strings.TrimSuffix(strings.Repeat(`{"from":"49","id":"w","type":"text","text":{"body":"x"}},`, channel.MaxEvents-1), ",")
	keys := func() string {
		var b strings.Builder
		for i := 0; b.Len() < longest/2; i++ {
			fmt.Fprintf(&b, `"k%d":0,`, i)
		}
		return b.String()
	}()
	bodies := map[string]string{
		"many contacts":                 head + `{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"2"},"contacts":[` + strings.Repeat(`{"wa_id":"1"},`, longest/30) + `{}],"messages":[` + messages + `]}}]}` + tail,
		"many keys beside the changes":  head + `{` + keys + `"changes":[` + strings.Repeat(`{"field":"x","value":{}},`, channel.MaxEvents-2) + `{}]}` + tail,
		"many keys beside the messages": head + `{"id":"1","changes":[{"field":"messages","value":{` + keys + `"metadata":{"phone_number_id":"2"},"messages":[` + messages + `]}}]}` + tail,
		"many empty entries":            head + strings.Repeat(`{},`, longest/4) + `{}` + tail,
		"many empty changes":            head + strings.Repeat(`{"changes":[]},`, longest/16) + `{"changes":[]}` + tail,
		"many numbers":                  head + strings.Repeat(`0,`, longest/3) + `0` + tail,
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
