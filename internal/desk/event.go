package desk

import "time"

// The stages of the pipeline: one word each, the same for folder, function,
// queue and envelope.
const (
	StageInbound   = "inbound"
	StageOutbound  = "outbound"
	StageApprovals = "approvals"
)

// InboundEvent is what the inbound queue carries: exactly one field is set.
type InboundEvent struct {
	Message *Incoming `json:"message,omitempty"`
	// Failure is a failed delivery: the channel or the person may have to be told.
	Failure *Receipt `json:"failure,omitempty"`
	// Timer: the dialogue of a conversation may have run out of time.
	Timer *TimerEvent `json:"timer,omitempty"`
	// Replay is the id of a quarantined item that is to be tried again.
	Replay string `json:"replay,omitempty"`
}

// TimerEvent is a fired timer: the conversation is read again.
type TimerEvent struct {
	ID           string    `json:"id"`
	Conversation string    `json:"conversation"`
	Due          time.Time `json:"due"` // when it was to fire
}

// Wake is what the outbound queue carries: look at this conversation. Never
// which reply to send: that is read.
type Wake struct {
	Conversation string `json:"conversation"`
	// Fired: this comes from the conversation's own timer, which is armed no more.
	Fired bool `json:"fired,omitempty"`
}

// ApprovalEvent is what the approvals queue carries.
type ApprovalEvent struct {
	Verdict Verdict `json:"verdict"`
}
