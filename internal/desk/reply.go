package desk

import (
	"slices"
	"strings"
	"time"
)

// ReplyType is the form in which a reply leaves.
type ReplyType string

// The reply types.
const (
	ReplyText     ReplyType = "text"
	ReplyList     ReplyType = "list"
	ReplyButtons  ReplyType = "buttons"
	ReplyMedia    ReplyType = "media"
	ReplyTemplate ReplyType = "template"
)

// Row is one choice of a list.
type Row struct {
	ID          string `json:"id"`    // comes back in the tap; at most MaxRowID bytes
	Title       string `json:"title"` // full; the channel cuts it to what it can show
	Description string `json:"description,omitempty"`
}

// TemplateUse is a sendable template with its parameters in order.
type TemplateUse struct {
	ProviderID string `json:"provider_id"`
	Name       string `json:"name"`
	Language   string `json:"language"`
	// Params are its values. The one-time code of Authentication is in clear until the
	// outcome of its send is recorded, then MaskedCode.
	Params []string `json:"params,omitempty"`
	// Template is our id of it; empty where an older version wrote this.
	Template string `json:"template,omitempty"`
	// OTP: it is of Authentication, whose code stands in its button too.
	OTP bool `json:"otp,omitempty"`
	// URLs are the places, from 0, of the buttons whose address ends with a
	// variable: the last of Params, one each.
	URLs []int `json:"urls,omitempty"`
	// Taps: its quick replies make tickets, so that the send has to be found again
	// by the provider's id (S3-46).
	Taps bool `json:"taps,omitempty"`
}

// MaskedCode stands in the place of a one-time code wherever it is shown, and where
// it is kept once it is not needed any more.
const MaskedCode = "••••••"

// Masked is u without its code, if it is of Authentication; else u itself. u keeps
// what it has.
func (u TemplateUse) Masked() TemplateUse {
	if u.OTP {
		u.Params = slices.Repeat([]string{MaskedCode}, len(u.Params))
	}
	return u
}

// Secret tells whether u holds a one-time code in clear.
func (u TemplateUse) Secret() bool {
	return u.OTP && slices.ContainsFunc(u.Params, func(p string) bool { return p != MaskedCode })
}

// MediaLink is a file to be sent: of ours (Blob), or where the provider finds it
// (URL or ID). What is ours is handed to the provider before it is sent.
type MediaLink struct {
	Kind        string `json:"kind"` // image, video, audio, file, sticker
	URL         string `json:"url,omitempty"`
	ID          string `json:"id,omitempty"`   // the provider's id of the file
	Blob        string `json:"blob,omitempty"` // key in the file store
	ContentType string `json:"content_type,omitempty"`
	Name        string `json:"name,omitempty"`
}

// The two marks that stand in a stored reply where the secret of a form belongs,
// so that nobody who reads a conversation can open the form. Outbound fills them
// in when it sends.
const (
	FormLinkMark   = "{form_link}"   // PUBLIC_URL/c/<secret>
	FormSecretMark = "{form_secret}" // what follows PUBLIC_URL/c/
)

// Outgoing is what a reply says, before it has a number.
type Outgoing struct {
	Type     ReplyType    `json:"type"`
	Text     string       `json:"text,omitempty"` // body of a list or buttons, caption of media
	Button   string       `json:"button,omitempty"`
	Rows     []Row        `json:"rows,omitempty"` // of a list, or the buttons (title and id)
	Template *TemplateUse `json:"template,omitempty"`
	Media    *MediaLink   `json:"media,omitempty"`
	// FormKey is the id of the key from which the form's secret derives; set on
	// the one reply that carries a form.
	FormKey string `json:"form_key,omitempty"`
}

// WithForm is o with the marks replaced by the link and its secret.
func (o Outgoing) WithForm(publicURL, secret string) Outgoing {
	fill := strings.NewReplacer(FormLinkMark, publicURL+"/c/"+secret, FormSecretMark, secret)
	o.Text = fill.Replace(o.Text)
	if o.Template != nil {
		t := *o.Template
		t.Params = append([]string(nil), t.Params...)
		for i := range t.Params {
			t.Params[i] = fill.Replace(t.Params[i])
		}
		o.Template = &t
	}
	return o
}

// Reply is one message of ours in a turn.
type Reply struct {
	// Number is the reply's place in its conversation, from 1: replies leave in
	// this order.
	Number int64  `json:"n"`
	ID     string `json:"id"` // hash of the turn's cause and the index: our reference
	Outgoing

	Status     Delivery  `json:"status"`                // as far as sending knows: Queued, Accepted, Failed
	Done       bool      `json:"done,omitempty"`        // no further attempt
	Reason     string    `json:"reason,omitempty"`      // of a failure; ReasonUnknown
	ProviderID string    `json:"provider_id,omitempty"` // the provider's id for the send
	SentAt     time.Time `json:"sent_at,omitzero"`
	// Elsewhere is the conversation in which taps on it come, where the network has
	// another id for the person than we (providers.md 2.5); empty: its own.
	Elsewhere string `json:"elsewhere,omitempty"`
	// Attempts counts the claims: more than one only after an unknown outcome.
	Attempts int `json:"attempts,omitempty"`
	// Pauses counts the short pauses taken since the last wait.
	Pauses int    `json:"pauses,omitempty"`
	Lease  *Lease `json:"lease,omitempty"`
	// Uploaded is where the provider keeps the file of ours that the reply sends:
	// URL or ID; nil: it has none of us yet.
	Uploaded *MediaLink `json:"uploaded,omitempty"`
}

// Lease is the claim on one attempt to send. Expired without a result it is an
// unknown outcome.
type Lease struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Epoch string    `json:"epoch,omitempty"` // the process that holds it, in a local run
	Owner string    `json:"owner,omitempty"` // the attempt; no two have the same
}

// Why a reply was refused by ourselves.
const (
	ReasonOptedOut = "opted_out"
	// ReasonOptedOutMarketing: a template of category marketing, which alone the person
	// does not want. Meta's 131050 has the same name.
	ReasonOptedOutMarketing = "marketing_opted_out"
	// A template that was rejected, stopped by its provider, or switched off since.
	ReasonTemplateStopped = "template_stopped"
	ReasonTemplateOff     = "template_inactive"

	ReasonWindow = "outside_window" // more than 24 hours since the person wrote; it takes a template
)

// ReasonUnknown marks a reply whose outcome could not be learnt.
const ReasonUnknown = "outcome_unknown"

// TurnKind says what caused a turn.
type TurnKind string

// The causes of a turn.
const (
	TurnMessage     TurnKind = "message"     // a person's message
	TurnTimer       TurnKind = "timer"       // the dialogue ran out of time
	TurnAgent       TurnKind = "agent"       // an agent wrote
	TurnQuarantined TurnKind = "quarantined" // tombstone: the cause lies in quarantine
)

// Turn is what was said and what we answer: the one row that makes a cause take
// effect exactly once.
type Turn struct {
	ID           string   `json:"id"` // hash of the cause
	Conversation string   `json:"conversation"`
	Kind         TurnKind `json:"kind"`
	// Message is what the person said; nil when the turn has another cause. Its
	// SentAt is At. That of a stored turn has no Channel, Person and Name: they are
	// the conversation's.
	Message *Incoming `json:"message,omitempty"`
	// At orders the display: the provider's time of the message.
	At      time.Time `json:"at"`
	Made    time.Time `json:"made"` // when it was decided
	Replies []Reply   `json:"replies,omitempty"`
	// Note says why a message got no answer: late, channel_inactive, not_for_bot.
	Note string `json:"note,omitempty"`
	// Quarantine is the id of the quarantined item, of a tombstone; Released:
	// it was replayed and its cause may take effect.
	Quarantine string `json:"quarantine,omitempty"`
	Released   bool   `json:"released,omitempty"`
}
