package desk

import (
	"slices"
	"testing"
	"time"
)

// Every constant of limits.go beside the figure of its rule.
func TestLimitsAreTheFiguresOfTheirRules(t *testing.T) {
	for _, c := range []struct {
		rule      string
		got, want any
	}{
		{"S2-06: maximum of 128 characters", MaxCaseTitle, 128},
		{"S2-08: maximum of 20,000 characters", MaxCaseDescription, 20000},
		{"S2-08: a later message may be as long as the description", MaxCaseMessage, MaxCaseDescription},
		{"contract section 2: the optional contact of the form", MaxContactField, 200},
		{"S1-13: up to 10 are listed on one page", ListRows, 10},
		{"S1-13: of more than 10, 9 are listed before Following", ListPageRows, 9},
		{"A8: list row title 24", MaxListTitle, 24},
		{"A8: list row description 72", MaxListDescription, 72},
		{"A8: list row id 200", MaxRowID, 200},
		{"A8: list body 1,024, the lower of two printed limits", MaxListBody, 1024},
		{"A8: list button 20", MaxListButton, 20},
		{"S3-45, providers.md 1.9: 3 buttons", MaxButtons, 3},
		{"providers.md 1.9: button title 20", MaxButtonTitle, 20},
		{"providers.md 1.9: text 4,096", MaxText, 4096},
		{"names of things and people", MaxName, 200},
		{"Q5: re-prompt, max 3 then end", MaxWrongInputs, 3},
		{"Q11: default 60 minutes", DefaultDialogueTimeout, time.Hour},
		{"contract section 2: a form expires after 24 h", DefaultFormLife, 24 * time.Hour},
		{"design section 4: form rows stay 90 days after expiry", FormKeptAfterExpiry, 2160 * time.Hour},
		{"contract section 2: a message more than 24 h old is late", LateAfter, 24 * time.Hour},
		{"contract section 2: the 3 s trap", MinFormTime, 3 * time.Second},
		{"Q44: a token lives at most 365 days", MaxTokenLife, 8760 * time.Hour},
		{"S1-01, S5-04: three languages, Spanish first", Languages, [...]string{"es", "en", "pt"}},
		{"a quarantined body of at most 64 KiB is kept in the table itself", MaxQuarantineInline, 65536},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v", c.rule, c.got)
		}
	}
}

// The page arithmetic that S1-13, S1-15, S1-23 and S1-27 derive: the last page
// holds no more than ListRows and every other one ListPageRows and Following.
func TestS1_13APageHasRoomForFollowing(t *testing.T) {
	if ListPageRows+1 != ListRows {
		t.Errorf("%d rows and Following are not %d", ListPageRows, ListRows)
	}
}

// Words that are written into rows and answers: they must not change.
func TestWordsOfTheContract(t *testing.T) {
	for _, c := range []struct {
		rule      string
		got, want []string
	}{
		{
			"S3-09, contract: channel", strs(ChannelPending, ChannelActive, ChannelInterrupted, ChannelInactive),
			[]string{"pending", "active", "interrupted", "inactive"},
		},
		{
			"contract: conversation", strs(ConversationActive, ConversationWaiting, ConversationIdle),
			[]string{"active", "waiting", "idle"},
		},
		{"S3-20: template", strs(TemplatePending, TemplateApproved, TemplateRejected), []string{"pending", "approved", "rejected"}},
		{"contract: case", strs(CaseStates()...), []string{"new", "in_progress", "waiting", "resolved", "closed"}},
		{"S2-11: priority", []string{PriorityLow, PriorityMedium, PriorityHigh, PriorityCritical}, []string{"low", "medium", "high", "critical"}},
		{
			"S2-12, Q15: source", []string{SourceVoice, SourceWhatsApp, SourceWeb, SourceEmail, SourceViber},
			[]string{"voice", "whatsapp", "web", "email", "viber"},
		},
		{"contract: roles", []string{RoleAdmin, RoleAgent}, []string{"admin", "agent"}},
		{"contract section 2: quarantine", strs(Held, Replayed), []string{"held", "replayed"}},
		{"Q1: actions of the menu", []string{ActionAnonymousCase, ActionText}, []string{"anonymous_case", "text"}},
		{"design section 1: stages", []string{StageInbound, StageOutbound, StageApprovals}, []string{"inbound", "outbound", "approvals"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q", c.rule, c.got)
		}
	}
}

func strs[S ~string](words ...S) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}
