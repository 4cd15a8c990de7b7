package desk

import "testing"

func TestChannelStatesThatAnswer(t *testing.T) {
	for s, answers := range map[ChannelState]bool{
		ChannelPending: false, ChannelActive: true, ChannelInterrupted: true, ChannelInactive: false, "": false,
	} {
		if s.Answers() != answers {
			t.Errorf("%q: %t", s, s.Answers())
		}
	}
}

// S1-31 and Q23: all three must hold.
func TestS1_31SendableTemplates(t *testing.T) {
	for _, status := range []TemplateStatus{TemplatePending, TemplateApproved, TemplateRejected, ""} {
		for _, active := range []bool{true, false} {
			for _, provider := range []string{"approved", "paused", "disabled", "deleted", "rejected", "pending", ""} {
				got := Template{Status: status, Active: active, ProviderState: provider}.Sendable()
				if want := status == "approved" && active && provider == "approved"; got != want {
					t.Errorf("Q23: %q, active %t, at the provider %q: sendable %t", status, active, provider, got)
				}
			}
		}
	}
}
