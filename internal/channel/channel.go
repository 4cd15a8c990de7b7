// Package channel says what a messaging provider must do: read what it posts
// (Parse) and send (Send). One folder per provider; package channeltest runs
// their golden cases.
//
// A provider only translates. Finding the channel of a request, limits, queues,
// retries and states are the pipeline's.
package channel

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"buzon/internal/desk"
)

// Limits of a webhook body (T8). What exceeds them is a Rejection.
const (
	MaxEvents = 10_000   // single events in one body
	MaxDepth  = 64       // nesting of the JSON
	MaxString = 64 << 10 // bytes of one string; a longer one costs its event alone
)

// Batch is what one webhook body holds, taken apart. A body may hold good
// events and a reason to quarantine it: the good ones count.
type Batch struct {
	Messages []desk.Incoming // Channel and ReceivedAt are the caller's to set
	Receipts []desk.Receipt  // likewise Channel
	Consents []desk.Consent
	Verdicts []desk.Verdict
	// Changes are events that say themselves which number or account they are for.
	// One body of Meta's may speak of several channels of an app.
	Changes []Change `json:",omitempty"`
	// Ignored counts, by kind, what is known and kept nowhere: ping,
	// set_callback, connectivity_check, billing, onboarding, account.
	Ignored map[string]int
	// Rejected is the first reason to quarantine the body: one of the Reject
	// codes; empty: none.
	Rejected string
}

// Change is a part of a body that names whom it is for: the caller finds the
// channel. At least one of Number and Account is set.
type Change struct {
	Number   string          `json:",omitempty"` // the provider's id of the number: Meta's phone_number_id
	Account  string          `json:",omitempty"` // the provider's id of the account: Meta's WABA
	Messages []desk.Incoming `json:",omitempty"`
	Receipts []desk.Receipt  `json:",omitempty"`
	Consents []desk.Consent  `json:",omitempty"`
	Verdicts []desk.Verdict  `json:",omitempty"`
}

// The reasons to quarantine a body.
const (
	RejectNotJSON      = "not_json"
	RejectAmbiguous    = "ambiguous_json" // duplicate or case-variant keys, invalid UTF-8, trailing bytes (T7)
	RejectTooDeep      = "too_deep"
	RejectTooMany      = desk.ReasonTooMany
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
	APIKey       string `json:"api_key,omitempty"`       // Gupshup
	PartnerToken string `json:"partner_token,omitempty"` // Gupshup
	AccessToken  string `json:"access_token,omitempty"`  // Meta
	AppSecret    string `json:"app_secret,omitempty"`    // Meta: signs webhooks
	VerifyToken  string `json:"verify_token,omitempty"`  // Meta: the handshake
}

// File is a file on its way to a provider.
type File struct {
	Name        string
	ContentType string
	Size        int64
	Body        io.Reader
}

// Sent is a provider's word that it has taken a message.
type Sent struct {
	ProviderID string // its id for the send; what receipts name
	// Person is the network's own id of whom it went to, which may be another
	// spelling of the number (Mexico's 521…, Brazil's 9); empty: it did not say.
	Person string
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

// Listed is a template as its provider has it.
type Listed struct {
	ProviderID   string
	Name         string
	Language     string
	Category     string // marketing, utility, authentication; another word as it came
	State        string // the provider's word in lower case, never empty
	Reason       string // of a rejection; at most 200 characters
	Quality      string // in lower case
	NextCategory string // announced
	// Body is the text as the provider has it, its variables as {{n}}: ours but for
	// white space at the ends and the ends of lines; of Authentication the provider's
	// own. Empty: the provider does not say.
	Body string
	// Type is desk.TemplateText, …Image, …Document or …Video, by what stands on top;
	// another word as it came, in lower case; empty: the provider does not say.
	Type string
}

// CodeNameTaken is the Code of an Error of Submit when the provider already has a
// template of this name and language, even a rejected one.
const CodeNameTaken = "name_taken"

// Templates is what a provider does that has message templates.
type Templates interface {
	// Submit requests a template, with one call or with several of which only the
	// last makes it. The error is a *Error; after Unknown the template may be there.
	Submit(ctx context.Context, a Account, t desk.Template) (Listed, error)
	// List reads the whole list of the account, page by page to its end, and gives
	// each page to each. The error is a *Error, or what each returned: then the
	// list is not whole. A template that cannot be identified, or of which the
	// provider does not say the state, is left out: the others are given, and the
	// error says so after the last page.
	List(ctx context.Context, a Account, each func([]Listed) error) error
}

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
	// Upload gives the provider a file that is to be sent, bounded by ctx. What it
	// gives back has a URL or an ID and goes into Outgoing.Media. The error is a *Error.
	Upload(ctx context.Context, a Account, kind string, f File) (desk.MediaLink, error)
	// Check asks the provider for something that changes nothing, to see whether
	// the credentials work: nil; a *Error with ChannelDown: refused; with another
	// verdict: it could not be learnt.
	Check(ctx context.Context, a Account) error
}

// Signed is a provider that signs the bodies it posts, and that first asks whether
// an address is ours (Meta). Both run before anything of the request is believed.
type Signed interface {
	Provider
	// Verify tells whether the raw bytes of a body were signed with the app secret,
	// in constant time; false without a secret, whatever is signed (T3).
	Verify(c Credentials, header http.Header, body []byte) bool
	// Handshake gives what to answer a request that asks whether the address is
	// ours; false if its token is not the verify token, or there is none.
	Handshake(c Credentials, query url.Values) (challenge string, ok bool)
}
