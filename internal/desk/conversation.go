package desk

import (
	"encoding/json"
	"slices"
	"time"
)

// ConversationState is one of active, waiting, idle.
type ConversationState string

// The conversation states: a dialogue runs or replies are leaving; replies wait
// for the provider; none of these.
const (
	ConversationActive  ConversationState = "active"
	ConversationWaiting ConversationState = "waiting"
	ConversationIdle    ConversationState = "idle"
)

// Conversation is all that one person and one channel have said to each other.
type Conversation struct {
	ID      string `json:"id"` // hash of channel and person
	Channel string `json:"channel"`
	Person  string `json:"person"`
	Name    string `json:"name,omitempty"`
	Contact string `json:"contact"` // contact id
	// Dialogue is the bot's state; empty when no dialogue runs.
	Dialogue json.RawMessage `json:"dialogue,omitempty"`
	// TimeoutAt is when the dialogue runs out; zero without one.
	TimeoutAt time.Time `json:"timeout_at,omitzero"`
	// LastNumber is the number of the last reply decided.
	LastNumber int64 `json:"last_number"`
	// Unsent names the turns that still hold replies to send, in order.
	Unsent []Unsent `json:"unsent,omitempty"`
	// Recent are short hashes of the provider's ids of the last sends, so that a
	// receipt which belongs to one of them is not taken for another's.
	Recent []string `json:"recent,omitempty"`
	// StrayUntil: till then the receipt of an attempt may come whose outcome was never
	// learnt, and be taken for that of a later one.
	StrayUntil time.Time `json:"stray_until,omitzero"`
	// Wait holds sending back; nil: nothing does.
	Wait *Wait `json:"wait,omitempty"`
	// ArmedTimeout and ArmedWake: a timer row exists that fires then. Once that
	// time has come they count for nothing: a timer too many is harmless, one too
	// few is not.
	ArmedTimeout  time.Time `json:"armed_timeout,omitzero"`
	ArmedWake     time.Time `json:"armed_wake,omitzero"`
	CreatedAt     time.Time `json:"created_at"`
	LastMessageAt time.Time `json:"last_message_at"`
	// HeardAt is the provider's time of the person's newest message: for 24 hours
	// after it anything may be sent, then templates alone.
	HeardAt time.Time `json:"heard_at,omitzero"`
	// OptedOut: the person wants nothing from this channel.
	OptedOut bool `json:"opted_out,omitempty"`
	// OptedOutMarketing: the person wants no template of category marketing from this
	// channel; all else may be sent.
	OptedOutMarketing bool `json:"opted_out_marketing,omitempty"`
	// StateSince is when the conversation came into its state: lists sort the
	// idle ones by it, so that the index changes only with the state.
	StateSince time.Time `json:"state_since"`

	Versioned
}

// Told is c after its person's newest word about the messages of its scope.
func (c Conversation) Told(v Consent) Conversation {
	switch v.Scope {
	case ScopeAll:
		c.OptedOut = !v.OptedIn
	case ScopeMarketing:
		c.OptedOutMarketing = !v.OptedIn
	}
	return c
}

// Unsent is a turn with replies to send: their first and last number.
type Unsent struct {
	Turn  string `json:"t"`
	First int64  `json:"f"`
	Last  int64  `json:"l"`
}

// Wait is why sending waits and until when.
type Wait struct {
	Cause     string    `json:"cause"` // one of the Wait… words
	NotBefore time.Time `json:"not_before"`
	// Step is the pause that led here; a cause without a date doubles it from
	// one minute to an hour.
	Step time.Duration `json:"step,omitempty"`
	// ByChannel: it is the channel that waits; the conversation only shows it. One that
	// holds nothing unsent looks at what became of the channel's probe.
	ByChannel bool `json:"by_channel,omitempty"`
	// ProofAfter, of a channel whose cause was told by the failed receipt of a send
	// that had been accepted: what ends the wait must have been accepted after this,
	// and be proven by a receipt of sent or higher. Zero: any accepted send ends it.
	ProofAfter time.Time `json:"proof_after,omitzero"`
	// Probe is the send on which it depends whether such a channel goes again.
	Probe Probe `json:"probe,omitzero"`
}

// NeedsProof tells whether a send that is merely accepted does not end the wait.
func (w Wait) NeedsProof() bool { return !w.ProofAfter.IsZero() }

// Probe is an accepted send of which a receipt is awaited; zero: there is none.
type Probe struct {
	Reply      string    `json:"reply"`                 // our reference
	ProviderID string    `json:"provider_id,omitempty"` // the provider's id for the send
	At         time.Time `json:"at"`                    // when it was accepted
}

// Out tells whether there is one.
func (p Probe) Out() bool { return p != Probe{} }

// Names are the ids under which a receipt of the probe may be kept.
func (p Probe) Names() []string {
	if p.ProviderID == "" {
		return []string{p.Reply}
	}
	return []string{p.Reply, p.ProviderID}
}

// Is tells whether a receipt is of the probe.
func (p Probe) Is(r Receipt) bool {
	return p.Out() && slices.ContainsFunc(p.Names(), func(id string) bool {
		return id == r.Ref || id == r.SendID || id == r.MessageID
	})
}

// The causes of a wait.
const (
	WaitRateLimited = "rate_limited"
	WaitUnavailable = "unavailable"
	WaitCredential  = "credential"
	WaitWallet      = "wallet"
	WaitPair        = "pair_limit"
	WaitSuspended   = "suspended" // by the provider, or by WhatsApp
)

// Interrupts tells whether a channel that waits for this cause is interrupted:
// nothing will go until somebody acts (S3-09, Q21).
func Interrupts(cause string) bool {
	return cause == WaitCredential || cause == WaitWallet || cause == WaitSuspended
}

// Window is how long after a person's message anything may be sent to them; then
// it takes a template (WhatsApp's customer service window).
const Window = 24 * time.Hour

// InWindow tells whether anything may be sent now. What is stored from before
// HeardAt was kept counts from LastMessageAt.
func (c Conversation) InWindow(now time.Time) bool {
	heard := c.HeardAt
	if heard.IsZero() {
		heard = c.LastMessageAt
	}
	return !heard.IsZero() && now.Before(heard.Add(Window))
}

// Armed tells whether a timer set for at is still to fire at now.
func Armed(at, now time.Time) bool { return now.Before(at) }

// State of the conversation, derived.
func (c Conversation) State() ConversationState {
	switch {
	case c.Wait != nil && len(c.Unsent) > 0:
		return ConversationWaiting
	case len(c.Dialogue) > 0 || len(c.Unsent) > 0:
		return ConversationActive
	}
	return ConversationIdle
}
