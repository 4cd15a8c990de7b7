package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/bot"
	"buzon/internal/desk"
	"buzon/internal/store"
)

// talk lets a person say one thing after the other and gives all that reached them.
func (w *world) talk(number string, said ...string) []sentMessage {
	w.t.Helper()
	for i, text := range said {
		w.deliver("acme", body(w.message(fmt.Sprintf("wamid.%s.%d", number, i), number, text)))
		w.settle(0)
	}
	return w.phone.sentTo("acme", number)
}

func TestRegisteredAndUnregisteredReachAForm_S1_03(t *testing.T) {
	for _, test := range []struct {
		name, number string
		said         []string
	}{
		{"S1-03: a registered person, by option 5", "5491", []string{"hola", "5", "Lighting acme", "Broken"}},
		{"S1-03: a person nobody knows", "5492", []string{"hola", "Lighting acme", "Broken"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := newWorld(t, options{}).talk(test.number, test.said...)
			if last := got[len(got)-1].out.Text; !strings.Contains(last, "https://buzon.example/c/acme-") {
				t.Errorf("the last message is %q", last)
			}
		})
	}
}

func TestInactiveClientCountsAsUnregistered_S1_08(t *testing.T) {
	w := newWorld(t, options{})
	c := w.store.In("acme")
	client, err := c.ClientByPhone(t.Context(), "5491")
	must(t, err)
	was := client
	client.Active = false
	must(t, c.SaveClient(t.Context(), was, client, nil))
	got := w.talk("5491", "hola")
	if last := got[len(got)-1].out; last.Type != desk.ReplyList {
		t.Errorf("an inactive client got %q instead of the first list", last.Text)
	}
}

func TestBotSettingsDecide_S1_11(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings func(*desk.BotSettings)
		template func(*desk.Template)
		want     func(desk.Outgoing) bool
	}{
		{"S1-11: no template set: a text that ends in the link", nil, nil, func(o desk.Outgoing) bool {
			return o.Type == desk.ReplyText && strings.Contains(o.Text, "/c/acme-")
		}},
		{"S1-11: a template set and sendable: its last parameter is the part after /c/", func(s *desk.BotSettings) { s.CreateCaseTemplate = "create_case" }, nil, func(o desk.Outgoing) bool {
			return o.Type == desk.ReplyTemplate && strings.HasPrefix(o.Template.Params[len(o.Template.Params)-1], "acme-")
		}},
		{"S1-31: the template is inactive: the named error", func(s *desk.BotSettings) { s.CreateCaseTemplate = "create_case" }, func(tpl *desk.Template) { tpl.Active = false }, func(o desk.Outgoing) bool {
			return strings.Contains(o.Text, "Create unidentified case template") && !strings.Contains(o.Text, "/c/")
		}},
		{"S1-31: the name is another: the named error", func(s *desk.BotSettings) { s.CreateCaseTemplate = "create_cases" }, nil, func(o desk.Outgoing) bool {
			return strings.Contains(o.Text, "Create unidentified case template") && !strings.Contains(o.Text, "/c/")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			c := w.store.In("acme")
			s := bot.DefaultSettings("es")
			if test.settings != nil {
				test.settings(&s)
			}
			must(t, c.SaveBot(t.Context(), s))
			if test.template != nil {
				tpl, err := c.Template(t.Context(), "acme-t1")
				must(t, err)
				test.template(&tpl)
				must(t, c.SaveTemplate(t.Context(), tpl, nil))
			}
			got := w.talk("5492", script("acme")...)
			if last := got[len(got)-1].out; !test.want(last) {
				t.Errorf("the last message is %+v", last)
			}
		})
	}
}

func TestTimeoutEndsADialogueOnce_Q11(t *testing.T) {
	w := newWorld(t, options{})
	before := len(w.talk("5492", "hola"))
	w.settle(50 * time.Minute)
	if got := len(w.phone.sentTo("acme", "5492")); got != before {
		t.Fatalf("something was sent before the hour was over: %d, was %d", got, before)
	}
	w.settle(5 * time.Hour)
	if got := len(w.phone.sentTo("acme", "5492")); got != before+1 {
		t.Errorf("%d messages after the time-out, want %d", got, before+1)
	}
	conv, err := w.store.In("acme").Conversation(t.Context(), store.ConversationID(channelID("acme"), "5492"))
	must(t, err)
	if conv.State() != desk.ConversationIdle {
		t.Errorf("the conversation is %s", conv.State())
	}
}
