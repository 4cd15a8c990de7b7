package desk

import (
	"encoding/json"
	"testing"
	"time"
)

func TestArmedUntilAQuarterOfAnHourAfter(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		why   string
		at    time.Time
		now   time.Time
		armed bool
	}{
		{"no timer", time.Time{}, at, false},
		{"long before it is due", at, at.Add(-time.Hour), true},
		{"a moment before it is due", at, at.Add(-1), true},
		{"when it is due it may have fired", at, at, false},
		{"long after", at, at.Add(time.Hour), false},
	} {
		if got := Armed(c.at, c.now); got != c.armed {
			t.Errorf("%s: %t", c.why, got)
		}
	}
}

func TestConversationState(t *testing.T) {
	dialogue, wait, unsent := json.RawMessage(`{}`), &Wait{Cause: WaitWallet}, []Unsent{{Turn: "t", First: 1, Last: 1}}
	for _, c := range []struct {
		why  string
		conv Conversation
		want ConversationState
	}{
		{"nothing going on", Conversation{}, ConversationIdle},
		{"replies on their way", Conversation{Unsent: unsent}, ConversationActive},
		{"a dialogue", Conversation{Dialogue: dialogue}, ConversationActive},
		{"a dialogue with replies on their way", Conversation{Dialogue: dialogue, Unsent: unsent}, ConversationActive},
		{"replies held back", Conversation{Wait: wait, Unsent: unsent}, ConversationWaiting},
		{"replies of a dialogue held back", Conversation{Dialogue: dialogue, Wait: wait, Unsent: unsent}, ConversationWaiting},
		{"a wait that holds nothing back", Conversation{Wait: wait}, ConversationIdle},
		{"the same within a dialogue", Conversation{Dialogue: dialogue, Wait: wait}, ConversationActive},
	} {
		if got := c.conv.State(); got != c.want {
			t.Errorf("%s: %s", c.why, got)
		}
	}
}
