package desk

import "time"

// The stages of the pipeline: one word each, the same for folder, function,
// queue and envelope.
const (
	StageInbound   = "inbound"
	StageOutbound  = "outbound"
	StageApprovals = "approvals"
)

// InboundEvent is what the inbound queue carries: exactly one field is set, beside From.
type InboundEvent struct {
	Message *Incoming `json:"message,omitempty"`
	// Failure is a failed delivery: the channel or the person may have to be told.
	Failure *Receipt `json:"failure,omitempty"`
	// Timer: the dialogue of a conversation may have run out of time.
	Timer *TimerEvent `json:"timer,omitempty"`
	// Consent is a person's opt-in or opt-out, of everything or of its scope.
	Consent *Consent `json:"consent,omitempty"`
	// Ended is the id of a channel that was switched off or deleted: what is under
	// way on it ends.
	Ended string `json:"ended,omitempty"`
	// Freed is the id of a channel whose wait somebody has ended, as by a new
	// credential: what waits on it may go.
	Freed string `json:"freed,omitempty"`
	// Replay is the id of a quarantined item that is to be tried again.
	Replay string `json:"replay,omitempty"`
	// From is where the part of the item's body begins that Replay is about: the
	// number of its first event, from 0.
	From int `json:"from,omitempty"`
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
	// Fresh: the channel has just been changed, so it is read anew, and a wait is
	// looked at again before its time.
	Fresh bool `json:"fresh,omitempty"`
}

// ApprovalEvent is what the approvals queue carries: exactly one field is set.
type ApprovalEvent struct {
	// Verdict is a callback. One that names no template is empty: older versions
	// wrote every event with it.
	Verdict Verdict `json:"verdict,omitzero"`
	// Submit is the id of a template whose request is to go to the provider.
	Submit string `json:"submit,omitempty"`
	// Sync asks for the provider's list of templates.
	Sync *SyncEvent `json:"sync,omitempty"`
}

// SyncEvent asks for the provider's list of a channel's templates.
type SyncEvent struct {
	Channel string `json:"channel"`
	// Asked is when: a reading that began since then answers it.
	Asked time.Time `json:"asked"`
	// Timer: it comes from the channel's own timer, which is armed no more.
	Timer bool `json:"timer,omitempty"`
}
