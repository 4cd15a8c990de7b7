// Package channel says what a messaging provider must do: read what it posts
// (Parse) and send (Send). One folder per provider; package channeltest runs
// their golden cases.
//
// A provider only translates. Finding the channel of a request, limits, queues,
// retries and states are the pipeline's.
package channel

import (
	"context"
	"time"

	"buzon/internal/desk"
)

// Limits of a webhook body (T8). What exceeds them is a Rejection.
const (
	MaxEvents = 1000     // single events in one body
	MaxDepth  = 64       // nesting of the JSON
	MaxString = 64 << 10 // bytes of one string
)

// Batch is what one webhook body holds, taken apart. A body may hold good
// events and a reason to quarantine it: the good ones count.
type Batch struct {
	Messages []desk.Incoming // Channel and ReceivedAt are the caller's to set
	Receipts []desk.Receipt  // likewise Channel
	Consents []desk.Consent
	Verdicts []desk.Verdict
	// Ignored counts, by kind, what is known and kept nowhere: ping,
	// set_callback, connectivity_check, billing, onboarding, account.
	Ignored map[string]int
	// Rejected is the first reason to quarantine the body: one of the Reject
	// codes; empty: none.
	Rejected string
}

// The reasons to quarantine a body.
const (
	RejectNotJSON      = "not_json"
	RejectAmbiguous    = "ambiguous_json" // duplicate or case-variant keys, invalid UTF-8, trailing bytes (T7)
	RejectTooDeep      = "too_deep"
	RejectTooMany      = "too_many_events"
	RejectTooLong      = "string_too_long"
	RejectWrongType    = "wrong_type" // a field that we need has another JSON type
	RejectNoSender     = "missing_sender"
	RejectNoID         = "missing_id"
	RejectUnknownEvent = "unknown_event"
	RejectOtherApp     = "other_app" // it names an app or number that is not this channel's (T5)
)

// Account is what a sender needs of a channel: its public settings and its
// secret credentials.
type Account struct {
	Channel     desk.Channel
	Credentials Credentials
}

// Credentials are a channel's secrets, kept as JSON in the secret store.
type Credentials struct {
	APIKey       string `json:"api_key,omitempty"`
	PartnerToken string `json:"partner_token,omitempty"`
}

// Sent is a provider's word that it has taken a message.
type Sent struct {
	ProviderID string // its id for the send; what receipts name
}

// Verdict of a failed send: what to do, not what happened.
type Verdict int

// The verdicts of an [Error].
const (
	// Refused: this message will never go. The next one may.
	Refused Verdict = iota + 1
	// Later: refused for the moment, nothing was sent. Try again after
	// Error.After, or with growing pauses if that is zero.
	Later
	// ChannelDown: no message of this channel will go until somebody acts
	// (credential, wallet). Error.Cause says which.
	ChannelDown
	// Unknown: the request went out and the answer is lost.
	Unknown
)

// CodeNotSent is the Code of an Error when our own check refused and no request
// was made.
const CodeNotSent = "not_sent"

// Error is a failed send.
type Error struct {
	Verdict Verdict
	Code    string // the provider's code, or the HTTP status
	// Reason is short, in lower snake English when we know it, else the
	// provider's words; at most 200 characters. Never holds secrets.
	Reason string
	// Cause is the desk.Wait… word for Later and ChannelDown.
	Cause string
	After time.Duration // what the provider asked for; zero: it did not say
	// Pair: Later concerns this person alone, not the channel.
	Pair bool
}

func (e *Error) Error() string { return "send: " + e.Code + " " + e.Reason }

// Provider translates for one provider.
type Provider interface {
	// Parse takes a body apart. It never fails: what cannot be read is in
	// Batch.Rejected. It checks that the body speaks of ch and nobody else.
	Parse(ch desk.Channel, body []byte) Batch
	// Send makes one request, bounded by ctx (20 s at most). The error is a *Error.
	// out holds its final text: marks are already replaced. ref is our
	// reference, given to providers that return one.
	Send(ctx context.Context, a Account, to string, out desk.Outgoing, ref string) (Sent, error)
}
