package desk

import (
	"encoding/json"
	"reflect"
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

// What a person says of some messages changes nothing of the others.
func TestToldChangesItsScopeAlone(t *testing.T) {
	for was := range 4 {
		conv := Conversation{ID: "co", OptedOut: was&1 > 0, OptedOutMarketing: was&2 > 0}
		for _, in := range []bool{false, true} {
			want := conv
			want.OptedOut = !in
			if got := conv.Told(Consent{OptedIn: in}); !reflect.DeepEqual(got, want) {
				t.Errorf("%d, all %t: %+v", was, in, got)
			}
			want = conv
			want.OptedOutMarketing = !in
			if got := conv.Told(Consent{Scope: ScopeMarketing, OptedIn: in}); !reflect.DeepEqual(got, want) {
				t.Errorf("%d, marketing %t: %+v", was, in, got)
			}
			if got := conv.Told(Consent{Scope: "of tomorrow", OptedIn: in}); !reflect.DeepEqual(got, conv) {
				t.Errorf("%d, a scope that we do not know: %+v", was, got)
			}
		}
	}
}

// A receipt is the probe's under whichever of its names it comes.
func TestAProbesReceipts(t *testing.T) {
	probe := Probe{Reply: "r-1", ProviderID: "gs-1", At: time.Unix(1, 0)}
	for _, test := range []struct {
		say   string
		probe Probe
		of    Receipt
		want  bool
	}{
		{"our reference", probe, Receipt{Ref: "r-1"}, true},
		{"the provider's id for the send", probe, Receipt{SendID: "gs-1"}, true},
		{"the network's id, where the provider gives no other", probe, Receipt{MessageID: "gs-1"}, true},
		{"another send", probe, Receipt{Ref: "r-2", SendID: "gs-2", MessageID: "wamid"}, false},
		{"no probe is out", Probe{}, Receipt{SendID: "gs-1"}, false},
		{"nothing in common but what is not there", Probe{Reply: "r-1"}, Receipt{SendID: "gs-1"}, false},
	} {
		if got := test.probe.Is(test.of); got != test.want {
			t.Errorf("%s: %t", test.say, got)
		}
	}
	if (Probe{}).Out() || !probe.Out() || (Wait{}).NeedsProof() || !(Wait{ProofAfter: time.Unix(1, 0)}).NeedsProof() {
		t.Error("nothing is awaited of nothing")
	}
}
