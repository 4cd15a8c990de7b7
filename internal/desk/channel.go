package desk

import (
	"cmp"
	"slices"
	"time"
)

// ChannelState is one of the four of S3-09.
type ChannelState string

// The channel states.
const (
	ChannelPending     ChannelState = "pending" // requested, or the request was rejected (Q21)
	ChannelActive      ChannelState = "active"
	ChannelInterrupted ChannelState = "interrupted" // entered by the system only (Q21)
	ChannelInactive    ChannelState = "inactive"    // switched off
)

// Answers tells whether a person who writes to a channel in this state gets an
// answer: while it is active, or interrupted by the provider (the reply waits).
func (s ChannelState) Answers() bool { return s == ChannelActive || s == ChannelInterrupted }

// The kinds of channel and their providers.
const (
	KindWhatsApp = "whatsapp"
	KindViber    = "viber"

	ProviderGupshup = "gupshup"
	ProviderMeta    = "meta"
)

// Channel is a company's number or account at a provider.
type Channel struct {
	ID       string       `json:"id"`   // "<tenant>-<random>": carries the tenant
	Kind     string       `json:"kind"` // whatsapp, viber
	Provider string       `json:"provider"`
	State    ChannelState `json:"state"`
	// Cause says why it is interrupted (one of the Wait… words), or pending
	// after all: CauseRejected.
	Cause string `json:"cause,omitempty"`
	// Rejection is why the request was refused; nil: it was not.
	Rejection *Rejection `json:"rejection,omitempty"`

	CompanyName string          `json:"company_name"` // what people see on the profile (S3-03)
	Requester   Requester       `json:"requester"`
	Settings    ChannelSettings `json:"settings,omitzero"`
	// Queues are the queues in which this number works (S3-13).
	Queues []string `json:"queues,omitempty"`

	// Identifier is the number in digits; empty while pending (S3-07).
	Identifier    string `json:"identifier,omitempty"`
	App           string `json:"app,omitempty"`             // Gupshup
	AppID         string `json:"app_id,omitempty"`          // Gupshup
	PhoneNumberID string `json:"phone_number_id,omitempty"` // Meta's id of the number
	AccountID     string `json:"account_id,omitempty"`      // Meta's WhatsApp business account
	// MetaApp is a hash of the app secret: channels with the same one belong to
	// the same Meta app, which signs for all of them.
	MetaApp string `json:"meta_app,omitempty"`
	// Credentials names its secrets among all that were ever kept for it, which are
	// never changed; empty: those kept under the channel's own name, if any.
	Credentials string `json:"credentials,omitempty"`

	// SecretHash is the SHA-256 in hex of the secret in the webhook address;
	// OldSecretHash stays valid until OldSecretUntil while it is rotated.
	SecretHash     string    `json:"secret_hash,omitempty"`
	OldSecretHash  string    `json:"old_secret_hash,omitempty"`
	OldSecretUntil time.Time `json:"old_secret_until,omitzero"`

	CreatedAt time.Time `json:"created_at"`
	// EndedAt is when it was last switched off or deleted; what was under way
	// then is ended (S3-12, S3-16).
	EndedAt time.Time `json:"ended_at,omitzero"`
	// EndedBy is the specialist who did that; empty where an older version wrote this.
	EndedBy string `json:"ended_by,omitempty"`
	Deleted bool   `json:"deleted,omitempty"` // tombstone (Q33)

	Versioned
}

// CauseRejected marks a pending channel whose request was refused.
const CauseRejected = "rejected"

// ReasonDeactivated is why a case was closed, or a reply not sent, when its
// channel was switched off or deleted (S3-12, Q32).
const ReasonDeactivated = "channel_deactivated"

// Rejection of a request for a channel.
type Rejection struct {
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Requester is the contact person for support; not shown to people (S3-04).
type Requester struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// Limits of a channel's settings.
const (
	DefaultPerSecond = 80   // messages a second that a number may send (providers.md 2.6)
	MaxPerSecond     = 1000 // likewise
	MaxChannelQueues = 50   // queues in which one number works
)

// ChannelSettings are what an admin may set of a channel.
type ChannelSettings struct {
	// PerSecond is how many messages may leave a second; 0: DefaultPerSecond.
	PerSecond int `json:"per_second,omitempty"`
	// MixButtons lets one template have both kinds of button (Q29).
	MixButtons bool `json:"mix_buttons,omitempty"`
}

// Rate is how many messages may leave a second.
func (s ChannelSettings) Rate() int { return cmp.Or(s.PerSecond, DefaultPerSecond) }

// The estimate of a request's evaluation: 1.5 to 2 weeks (S3-06).
const (
	EvaluationFrom = 252 * time.Hour
	EvaluationTo   = 14 * 24 * time.Hour
)

// Impact is what switching a channel off ends (S3-12, S3-13, Q32).
type Impact struct {
	Cases   int // open cases that belong to this channel alone
	Queues  int // queues that lose the number
	Replies int // replies not yet sent
}

// ChannelSync is what is known of the provider's list of templates: when it was
// asked, what came of it, when it will be asked again.
type ChannelSync struct {
	// Began is when the last reading began; it is under way, or died, if At is
	// before it.
	Began time.Time `json:"began,omitzero"`
	// For is when the question came for which the last reading began: who asks it again
	// while it is under way finds a reading of its own, that has died.
	For     time.Time `json:"for,omitzero"`
	At      time.Time `json:"at,omitzero"` // when the last one ended; zero: never asked
	OK      bool      `json:"ok,omitempty"`
	Seen    int       `json:"seen,omitempty"`    // templates in the provider's list
	Changed int       `json:"changed,omitempty"` // of ours that changed by it
	Missing int       `json:"missing,omitempty"` // of ours that are not in it
	Error   string    `json:"error,omitempty"`   // why it could not be read: a code
	// Failures are the tries by timer in a row that failed; the next waits longer.
	Failures int `json:"failures,omitempty"`
	// NotBefore is until when the provider asked not to be asked.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Armed is when the timer fires that asks again.
	Armed time.Time `json:"armed,omitzero"`

	Versioned
}

// Covers tells whether a reading has ended that began after then, so that it has seen
// whatever a callback that came then speaks of.
func (s ChannelSync) Covers(then time.Time) bool {
	return s.Began.After(then) && !s.At.Before(s.Began)
}

// Queue is a group of people who work on cases (S2-18), with the numbers that
// lead into it. Which numbers these are is kept on the channels.
type Queue struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Members   []string  `json:"members,omitempty"` // specialist ids
	CreatedAt time.Time `json:"created_at"`
	Versioned
}

// Campaign is a reason to write to people; templates are assigned to it (S3-50).
type Campaign struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Versioned
}

// EndsWith tells whether the case ends when the channel is switched off: it is
// open, and belongs to no other channel.
func (k Case) EndsWith(channel string) bool {
	return k.State.Open() && len(k.Channels) > 0 && !slices.ContainsFunc(k.Channels, func(c string) bool { return c != channel })
}
