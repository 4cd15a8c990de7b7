package gupshup_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/channeltest"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/desk"
)

var (
	demo = desk.Channel{
		ID: "demo-1", Identifier: "15550000001", App: "DemoApp",
		AppID: "22222222-0000-4000-8000-000000000001", PhoneNumberID: "200000000000001",
	}
	ana = gupshuptest.Phone{Channel: demo, Number: "491700000001", Name: "Ana Öz"}
	at  = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
)

const gsID = "11111111-2222-4333-8444-555555555555"

// What may be broken in a good body. Every other break of a field must cost the
// event: needed means that each of drop, null, blank, another type and a second
// spelling is refused.
type fragile struct {
	name string
	body []byte
	// needed fields, and all that stands above them.
	needed     []string
	exceptions map[string]bool // breaks, as Case.String writes them, that do no harm
}

func samples() []fragile {
	v2 := []string{"type", "payload.id", "payload.type", "payload.sender.phone", "payload.source"}
	const change = "entry.0.changes.0.value."
	v3 := []string{change + "messages.0.id", change + "messages.0.from", change + "messages.0.type"}
	with := func(base []string, more ...string) []string { return append(slices.Clone(base), more...) }
	// Of the two fields that name the sender either will do, unless it is broken.
	sender := func(more ...string) map[string]bool {
		except := map[string]bool{}
		for _, c := range append(more, "drop payload.source", "drop payload.sender.phone", `retype to {"a":1} payload.sender`) {
			except[c] = true
		}
		return except
	}
	numbers := sender("retype to 7 payload.payload.latitude", "retype to 7 payload.payload.longitude")
	text := sender("blank payload.payload.text")
	tap := sender("blank payload.payload.title", // without a postback text the id has to do
		"drop payload.payload.postbackText", "null payload.payload.postbackText", "blank payload.payload.postbackText")
	return []fragile{
		{"v2 text", ana.V2("wamid.1", at, gupshuptest.Text("hi")), with(v2, "payload.payload.text"), text},
		{"v2 list reply", ana.V2("wamid.1", at, gupshuptest.ListReply("Row", "row_a")), with(v2, "payload.payload.title", "payload.payload.postbackText"), tap},
		{"v2 image", ana.V2("wamid.1", at, desk.Content{Type: desk.Image, Media: &desk.Media{ID: "m", Type: "image/png"}}), with(v2, "payload.payload.url"), sender()},
		{"v2 location", ana.V2("wamid.1", at, desk.Content{Type: desk.Location, Place: &desk.Place{Longitude: 1.5, Latitude: 2.5}}), with(v2, "payload.payload.latitude", "payload.payload.longitude"), numbers},
		{"v2 sent", gupshuptest.V2Status(demo, gupshuptest.Status{Kind: "sent", SendID: gsID, MessageID: "wamid.O", Destination: "49", At: at}), []string{"type", "payload.type"}, nil},
		{"v2 enqueued", gupshuptest.V2Status(demo, gupshuptest.Status{Kind: "enqueued", SendID: gsID, MessageID: "wamid.O", Destination: "49", At: at}), []string{"type", "payload.type", "payload.destination"}, nil},
		{"v2 consent", gupshuptest.Consent(demo, "491700000001", true, at), []string{"type", "payload.type", "payload.phone"}, nil},
		{"v2 template", gupshuptest.Template(demo, desk.Verdict{ProviderID: "t", Event: "status-update", State: "approved", Name: "n", Language: "es", At: at}), []string{"type", "payload.id", "payload.status"}, nil},
		{"v3 text", ana.V3("wamid.1", at, gupshuptest.Text("hi")), with(v3, change+"messages.0.text.body"), map[string]bool{"blank " + change + "messages.0.text.body": true}},
		{"v3 list reply", ana.V3("wamid.1", at, gupshuptest.ListReply("Row", "row_a")), with(v3, change+"messages.0.interactive.type", change+"messages.0.interactive.list_reply.id", change+"messages.0.interactive.list_reply.title"), map[string]bool{"blank " + change + "messages.0.interactive.list_reply.title": true}},
		{"v3 delivered", gupshuptest.V3Status(demo, gupshuptest.Status{Kind: "delivered", SendID: gsID, MessageID: "wamid.O", Destination: "49", At: at}), []string{change + "statuses.0.status"}, nil},
	}
}

// TestT7Malformed breaks good bodies in every systematic way.
func TestT7Malformed(t *testing.T) {
	tried := 0
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			good := channeltest.Parse(t, provider(), demo, s.body)
			if good.Rejected != "" || channeltest.Events(good) != 1 {
				t.Fatalf("the good body gives %+v", good)
			}
			for _, c := range channeltest.Malformed(s.body) {
				tried++
				got := channeltest.Parse(t, provider(), demo, c.Body)
				n := channeltest.Events(got)
				if c.Want != "" {
					if got.Rejected != c.Want || n > 0 {
						t.Errorf("%s: %d events, code %q, want %q\n%s", c, n, got.Rejected, c.Want, c.Body)
					}
					continue
				}
				if n > 0 && got.Rejected != "" {
					t.Errorf("%s: an event and code %q of one event", c, got.Rejected)
				}
				harmful := s.needs(c) && !s.exceptions[c.String()]
				if harmful && (n > 0 || got.Rejected == "") {
					t.Errorf("%s: is accepted: %+v\n%s", c, got, c.Body)
				}
				if s.exceptions[c.String()] && n != 1 {
					t.Errorf("%s: costs the event: %+v\n%s", c, got, c.Body)
				}
			}
		})
	}
	if tried < 400 {
		t.Errorf("only %d malformed bodies were tried", tried)
	}
}

// needs tells whether c breaks a needed field or what stands above one.
func (s fragile) needs(c channeltest.Case) bool {
	return slices.ContainsFunc(s.needed, func(field string) bool {
		above := strings.HasPrefix(field, c.Path+".")
		return field == c.Path || above && c.Break != "blank"
	})
}

// What is not needed may be missing or odd without costing the message.
func TestNotNeededFieldsCostNothing(t *testing.T) {
	tests := []struct{ why, body string }{
		{"no name", `{"app":"DemoApp","type":"message","payload":{"id":"w","source":"49","type":"text","payload":{"text":"x"},"sender":{"phone":"49"}}}`},
		{"a name that is a number", `{"type":"message","payload":{"id":"w","source":"49","type":"text","payload":{"text":"x"},"sender":{"phone":"49","name":7}}}`},
		{"a null context", `{"type":"message","payload":{"id":"w","source":"49","type":"text","payload":{"text":"x"},"sender":{"phone":"49"},"context":null}}`},
		{"a context that is a text", `{"type":"message","payload":{"id":"w","source":"49","type":"text","payload":{"text":"x"},"sender":{"phone":"49"},"context":"y"}}`},
		{"an empty app", `{"app":"","type":"message","payload":{"id":"w","source":"49","type":"text","payload":{"text":"x"},"sender":{"phone":"49"}}}`},
		{"a null app", `{"app":null,"type":"message","payload":{"id":"w","source":"49","type":"text","payload":{"text":"x"},"sender":{"phone":"49"}}}`},
		{"a caption of another type", `{"type":"message","payload":{"id":"w","source":"49","type":"image","payload":{"url":"https://x.example/a","caption":[]},"sender":{"phone":"49"}}}`},
		{"case variants of what is not read", `{"type":"message","Unread":1,"unread":2,"payload":{"id":"w","source":"49","type":"text","payload":{"text":"x"},"sender":{"phone":"49"}}}`},
		{"a contact without anything", `{"entry":[{"changes":[{"value":{"contacts":[{},7],"messages":[{"from":"49","id":"w","type":"text","text":{"body":"x"}}]}}]}]}`},
		{"no field, no metadata", `{"entry":[{"changes":[{"value":{"messages":[{"from":"49","id":"w","type":"text","text":{"body":"x"}}]}}]}]}`},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			got := channeltest.Parse(t, provider(), demo, []byte(tc.body))
			if len(got.Messages) != 1 || got.Rejected != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestTheGoodOnesCount: what is too long costs itself alone, and where nobody reads
// it nothing.
func TestTheGoodOnesCount_T8(t *testing.T) {
	long := strings.Repeat("x", channel.MaxString+1)
	good := func(id string) []byte { return ana.V3(id, at, gupshuptest.Text("x")) }
	nameless := ana
	nameless.Name = long
	for why, tc := range map[string]struct {
		bad    []byte
		events int
		want   string
	}{
		"a text that is too long":      {ana.V3("w", at, gupshuptest.Text(long)), 2, channel.RejectTooLong},
		"an id that is too long":       {ana.V3(long, at, gupshuptest.Text("x")), 2, channel.RejectTooLong},
		"a caption that is too long":   {ana.V3("w", at, desk.Content{Type: desk.Image, Text: long, Media: &desk.Media{ID: "m"}}), 2, channel.RejectTooLong},
		"a name that is too long":      {nameless.V3("w", at, gupshuptest.Text("x")), 3, ""},
		"a postback, in a list's row":  {ana.V3("w", at, gupshuptest.ListReply("Row", long)), 2, channel.RejectTooLong},
		"a field that nobody looks at": {[]byte(`{"entry":[{"note":"` + long + `","changes":[{"value":{"messages":[{"from":"49","id":"w","type":"text","text":{"body":"x"}}]}}]}]}`), 3, ""},
	} {
		t.Run(why, func(t *testing.T) {
			got := channeltest.Parse(t, provider(), demo, gupshuptest.V3Batch(good("1"), tc.bad, good("2")))
			if got.Rejected != tc.want || len(got.Messages) != tc.events {
				t.Errorf("%d messages and %q, want %d and %q", len(got.Messages), got.Rejected, tc.events, tc.want)
			}
		})
	}
}

func TestRejectionCodes(t *testing.T) {
	const v2 = `{"type":"message","timestamp":%,"payload":{"id":"w","source":"49","type":"text","payload":{"text":"x"},"sender":{"phone":"49"}}}`
	stamp := func(s string) string { return strings.Replace(v2, "%", s, 1) }
	swap := func(old, new string) string {
		s := stamp("1700000000123")
		if !strings.Contains(s, old) {
			t.Fatalf("no %s in the sample", old)
		}
		return strings.Replace(s, old, new, 1)
	}
	tests := []struct{ why, body, want string }{
		{"a good one", stamp("1700000000123"), ""},
		{"a sender without digits", swap(`"source":"49"`, `"source":"anonymous"`), channel.RejectNoSender},
		{"a sender with letters among digits", swap(`"source":"49"`, `"source":"49x1"`), channel.RejectNoSender},
		{"a blank sender", swap(`"source":"49"`, `"source":" "`), channel.RejectNoSender},
		{"a null source beside a good sender", swap(`"source":"49"`, `"source":null`), channel.RejectNoSender},
		{"a null phone beside a good source", swap(`{"phone":"49"}`, `{"phone":null}`), channel.RejectNoSender},
		{"a null sender", swap(`{"phone":"49"}`, `null`), channel.RejectNoSender},
		{"no sender at all", swap(`,"sender":{"phone":"49"}`, ``), channel.RejectNoSender},
		{"a sender in Arabic digits", swap(`"source":"49"`, `"source":"٤٩"`), channel.RejectNoSender},
		{"a number for a sender", swap(`"source":"49"`, `"source":49`), channel.RejectWrongType},
		{"a blank id", swap(`"id":"w"`, `"id":"  "`), channel.RejectNoID},
		{"an empty id", swap(`"id":"w"`, `"id":""`), channel.RejectNoID},
		{"a number for an id", swap(`"id":"w"`, `"id":7`), channel.RejectWrongType},
		{"an id at the limit", swap(`"id":"w"`, `"id":"`+strings.Repeat("w", 512)+`"`), ""},
		{"an id beyond it", swap(`"id":"w"`, `"id":"`+strings.Repeat("w", 513)+`"`), channel.RejectWrongType},
		{"an id in two spellings", swap(`"id":"w"`, `"id":"w","ID":"v"`), channel.RejectAmbiguous},
		{"a type in two spellings", swap(`"type":"message"`, `"type":"message","Type":"user-event"`), channel.RejectAmbiguous},
		{"a payload in two spellings", swap(`"payload":{"id"`, `"Payload":{},"payload":{"id"`), channel.RejectAmbiguous},
		{"a text in two spellings", swap(`{"text":"x"}`, `{"text":"x","TEXT":"y"}`), channel.RejectAmbiguous},
		{"an app in two spellings", swap(`{"type":"message"`, `{"app":"DemoApp","App":"Other","type":"message"`), channel.RejectOtherApp},
		{"a null type", swap(`"type":"message"`, `"type":null`), channel.RejectUnknownEvent},
		{"no type", swap(`"type":"message",`, ``), channel.RejectUnknownEvent},
		{"a message without a type of its own", swap(`"type":"text",`, ``), channel.RejectWrongType},
		{"a time that is a word", stamp(`"yesterday"`), channel.RejectWrongType},
		{"a time that is an object", stamp(`{}`), channel.RejectWrongType},
		{"a time before 1970", stamp(`-5`), channel.RejectWrongType},
		{"the last time that can be written", stamp(`253402300799000`), ""},
		{"a time after it", stamp(`253402300800000`), channel.RejectWrongType},
		{"a time beyond int64", stamp(`99999999999999999999`), channel.RejectWrongType},
		{"an entry that is no list", `{"entry":{}}`, channel.RejectWrongType},
		{"an entry without changes", `{"entry":[{}]}`, channel.RejectWrongType},
		{"an entry without anything", `{"entry":[]}`, channel.RejectUnknownEvent},
		{"a change without value", `{"entry":[{"changes":[{"field":"messages"}]}]}`, channel.RejectWrongType},
		{"messages that are no list", `{"entry":[{"changes":[{"value":{"messages":{}}}]}]}`, channel.RejectWrongType},
		{"a message that is a text", `{"entry":[{"changes":[{"value":{"messages":["x"]}}]}]}`, channel.RejectWrongType},
		{"no message in the list", `{"entry":[{"changes":[{"value":{"messages":[]}}]}]}`, channel.RejectUnknownEvent},
		{"a status without ids", `{"type":"message-event","payload":{"type":"sent","payload":{}}}`, channel.RejectNoID},
		{"a template of unknown event", `{"type":"template-event","payload":{"id":"t","type":"smell-update"}}`, channel.RejectUnknownEvent},
		{"another platform event", `{"type":"platform-event","payload":{"type":"outage"}}`, channel.RejectUnknownEvent},
		{"another user event", `{"type":"user-event","payload":{"type":"blocked","phone":"49"}}`, channel.RejectUnknownEvent},
		{"a place off the globe", `{"type":"message","payload":{"id":"w","source":"49","type":"location","payload":{"longitude":"13","latitude":"91"},"sender":{"phone":"49"}}}`, channel.RejectWrongType},
		{"a place that is NaN", `{"type":"message","payload":{"id":"w","source":"49","type":"location","payload":{"longitude":"13","latitude":"NaN"},"sender":{"phone":"49"}}}`, channel.RejectWrongType},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			got := channeltest.Parse(t, provider(), demo, []byte(tc.body))
			if got.Rejected != tc.want || (tc.want == "") != (channeltest.Events(got) == 1) {
				t.Errorf("%+v, want code %q", got, tc.want)
			}
		})
	}
}
