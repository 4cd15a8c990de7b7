package desk

import (
	"encoding/json"
	"time"
)

// ConversationState is one of active, waiting, idle.
type ConversationState string

// The conversation states: a dialogue runs; replies wait for the provider;
// neither.
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
	// StateSince is when the conversation came into its state: lists sort the
	// idle ones by it, so that the index changes only with the state.
	StateSince time.Time `json:"state_since"`

	Versioned
}

// Unsent is a turn with replies to send: their first and last number.
type Unsent struct {
	Turn  string `json:"t"`
	First int64  `json:"f"`
	Last  int64  `json:"l"`
}

// Wait is why sending waits and until when.
type Wait struct {
	Cause     string    `json:"cause"` // rate_limited, unavailable, credential, wallet, pair_limit
	NotBefore time.Time `json:"not_before"`
	// Step is the pause that led here; a cause without a date doubles it from
	// one minute to an hour.
	Step time.Duration `json:"step,omitempty"`
	// ByChannel: it is the channel that waits; the conversation only shows it.
	ByChannel bool `json:"by_channel,omitempty"`
}

// The causes of a wait.
const (
	WaitRateLimited = "rate_limited"
	WaitUnavailable = "unavailable"
	WaitCredential  = "credential"
	WaitWallet      = "wallet"
	WaitPair        = "pair_limit"
)

// Armed tells whether a timer set for at is still to fire at now.
func Armed(at, now time.Time) bool { return now.Before(at) }

// State of the conversation, derived.
func (c Conversation) State() ConversationState {
	switch {
	case c.Wait != nil && len(c.Unsent) > 0:
		return ConversationWaiting
	case len(c.Dialogue) > 0:
		return ConversationActive
	}
	return ConversationIdle
}
