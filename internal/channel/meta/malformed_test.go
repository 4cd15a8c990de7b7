package meta_test

import (
	"slices"
	"strings"
	"testing"

	"buzon/internal/channel"
	"buzon/internal/channel/channeltest"
	"buzon/internal/channel/meta/metatest"
	"buzon/internal/desk"
)

// fragile is a good body and what may be broken in it.
type fragile struct {
	name string
	body []byte
	// needed fields, and all that stands above them: each of drop, null, blank,
	// another type and a second spelling costs the event.
	needed     []string
	exceptions []string // breaks, as Case.String writes them, that do no harm
}

func samples() []fragile {
	const change = "entry.0.changes.0."
	const value = change + "value."
	const message, status = value + "messages.0.", value + "statuses.0."
	base := []string{"object", change + "field", value + "metadata.phone_number_id"}
	of := func(fields ...string) []string { return append(slices.Clone(base), fields...) }
	// A number may be written as one.
	number := []string{"retype to 7 " + value + "metadata.phone_number_id"}
	harmless := func(fields ...string) []string { return append(slices.Clone(number), fields...) }
	verdict := desk.Verdict{ProviderID: "17", Event: "status-update", State: "APPROVED", Name: "n", Language: "es", At: at}
	hidden := metatest.Phone{Channel: demo, UserID: scoped, Name: "Ana"}
	return []fragile{
		{"text", ana.Message("wamid.1", at, text("hi")), of(message+"id", message+"from", message+"type", message+"text.body"), harmless("blank " + message + "text.body")},
		{"text of a hidden number", hidden.Message("wamid.1", at, text("hi")), of(message+"id", message+"from_user_id", message+"type"), number},
		{"list reply", ana.Message("wamid.1", at, desk.Content{Type: desk.ListReply, Text: "Row", ReplyID: "row_a"}),
			of(message+"id", message+"interactive.type", message+"interactive.list_reply.id", message+"interactive.list_reply.title"), harmless("blank " + message + "interactive.list_reply.title")},
		{"image", ana.Message("wamid.1", at, desk.Content{Type: desk.Image, Media: &desk.Media{ID: "m", Type: "image/png"}}), of(message + "image.id"), number},
		{"delivered", metatest.Status{Kind: "delivered", MessageID: "wamid.O", Destination: "49", At: at}.Body(demo), of(status+"status", status+"id"), number},
		{"marketing stopped", ana.Marketing(false, at), of(value+"user_preferences.0.wa_id", value+"user_preferences.0.category", value+"user_preferences.0.value"), number},
		{"marketing resumed by a hidden number", hidden.Marketing(true, at), of(value+"user_preferences.0.user_id", value+"user_preferences.0.category", value+"user_preferences.0.value"), number},
		{"template", metatest.Template(demo, verdict), []string{"object", "entry.0.id", change + "field", value + "event", value + "message_template_id"},
			[]string{"retype to 7 entry.0.id", "retype to 7 " + value + "message_template_id"}},
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
				n, harmless := channeltest.Events(got), slices.Contains(s.exceptions, c.String())
				switch {
				case c.Want != "":
					if got.Rejected != c.Want || n > 0 {
						t.Errorf("%s: %d events, code %q, want %q\n%s", c, n, got.Rejected, c.Want, c.Body)
					}
				case n > 0 && got.Rejected != "":
					t.Errorf("%s: an event and code %q of one event", c, got.Rejected)
				case harmless && n != 1:
					t.Errorf("%s: costs the event: %+v\n%s", c, got, c.Body)
				case s.needs(c) && !harmless && (n > 0 || got.Rejected == ""):
					t.Errorf("%s: is accepted: %+v\n%s", c, got, c.Body)
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

// TestTheGoodOnesCount: what is broken in a batch costs itself alone.
func TestTheGoodOnesCount(t *testing.T) {
	good := func(id string) []byte { return ana.Message(id, at, text("x")) }
	other := demo
	other.PhoneNumberID = ""
	for why, tc := range map[string]struct {
		bad  []byte
		want string
	}{
		"a message without id":      {ana.Message("", at, text("x")), channel.RejectNoID},
		"a message of nobody":       {metatest.Phone{Channel: demo}.Message("w", at, text("x")), channel.RejectNoSender},
		"a message for no number":   {metatest.Phone{Channel: other, Number: "49"}.Message("w", at, text("x")), channel.RejectNoID},
		"a template without id":     {metatest.Change(demo, at, "message_template_status_update", map[string]any{"event": "APPROVED"}), channel.RejectNoID},
		"a text that is too long":   {ana.Message("w", at, text(strings.Repeat("x", channel.MaxString+1))), channel.RejectTooLong},
		"a state that is too long":  {metatest.Template(demo, desk.Verdict{ProviderID: "1", State: strings.Repeat("x", channel.MaxString+1), At: at}), channel.RejectTooLong},
		"a field that nobody knows": {metatest.Change(demo, at, "smell_update", map[string]any{}), channel.RejectUnknownEvent},
	} {
		t.Run(why, func(t *testing.T) {
			got := channeltest.Parse(t, provider(), demo, metatest.Batch(good("1"), tc.bad, good("2")))
			if got.Rejected != tc.want || channeltest.Events(got) != 2 || len(got.Changes) != 2 {
				t.Errorf("%+v, want two messages and %s", got, tc.want)
			}
		})
	}
}
