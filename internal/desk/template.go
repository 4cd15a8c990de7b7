package desk

import (
	"slices"
	"strings"
	"time"
)

// TemplateStatus is one of the three of S3-20.
type TemplateStatus string

// The template states.
const (
	TemplatePending  TemplateStatus = "pending"
	TemplateApproved TemplateStatus = "approved"
	TemplateRejected TemplateStatus = "rejected"
)

// The categories of templates (S3-26).
const (
	CategoryMarketing      = "marketing"
	CategoryUtility        = "utility"
	CategoryAuthentication = "authentication"
)

// The types of templates (S3-27).
const (
	TemplateText     = "text"
	TemplateImage    = "image"
	TemplateDocument = "document"
	TemplateVideo    = "video"
)

// The kinds of button: quick replies, calls to action (a phone number or a web
// site, S3-42), and the one of Authentication (Q26).
const (
	ButtonQuickReply = "quick_reply"
	ButtonPhone      = "phone"
	ButtonURL        = "url"
	ButtonOTP        = "otp_copy_code"
)

// TemplateButton is a button of a template.
type TemplateButton struct {
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Phone string `json:"phone,omitempty"` // of a phone button: + and digits
	URL   string `json:"url,omitempty"`   // of a url button; may end with {{1}}
}

// The words of TemplateState that are ours, beside those of the providers, which
// are kept as they are, in lower case.
const (
	ProviderApproved = "approved" // the only one in which a template is sent (Q23)
	ProviderPending  = "pending"
	ProviderMissing  = "missing" // in no full list any more: drift
	ProviderRefused  = "refused" // the request itself was refused; there is no id
)

// Template is a message that the provider has to approve.
type Template struct {
	ID          string `json:"id"`
	Channel     string `json:"channel"`
	ProviderID  string `json:"provider_id,omitempty"` // empty until the provider has it
	Name        string `json:"name"`                  // technical (S3-23)
	DisplayName string `json:"display_name,omitempty"`
	Language    string `json:"language"` // en, es
	Category    string `json:"category,omitempty"`
	Type        string `json:"type,omitempty"`
	// Body holds {{1}}, {{2}} … in order; of Authentication the seed's text.
	Body    string           `json:"body"`
	Params  []string         `json:"params,omitempty"` // the names of {{1}}, {{2}} … (S3-39)
	Buttons []TemplateButton `json:"buttons,omitempty"`
	// Samples are values for the provider's reviewer, one for each of Params and
	// then one for each variable in a button's address (the value alone, as it is
	// sent too); never empty ones.
	Samples  []string  `json:"samples,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`

	Status TemplateStatus `json:"status"`
	// ProviderState is the provider's own word, in lower case, or one of ours:
	// ProviderMissing, ProviderRefused.
	ProviderState string `json:"provider_state,omitempty"`
	Reason        string `json:"reason,omitempty"` // why it was rejected, paused …
	Quality       string `json:"quality,omitempty"`
	// NextCategory is the category that the provider has announced.
	NextCategory string `json:"next_category,omitempty"`
	// QualityAt and NextCategoryAt are the provider's times of the callbacks that
	// said so; zero: its list did.
	QualityAt      time.Time `json:"quality_at,omitzero"`
	NextCategoryAt time.Time `json:"next_category_at,omitzero"`
	// Active is the company's own switch (S3-21).
	Active bool `json:"active"`
	// Hint is the newest unconfirmed word of the provider that forbids sending;
	// nil: the provider's list has been read since.
	Hint *Hint `json:"hint,omitempty"`
	// Said is the newest callback about its state, whatever it said: the reason of a
	// state that the list does not explain. Nil: none came.
	Said *Hint `json:"said,omitempty"`
	// ConfirmedAt is when the reading began of the last list that held it, to the
	// hour if that list said nothing new; zero: none has.
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`

	// Campaigns and Queues it is assigned to (S3-50).
	Campaigns []string `json:"campaigns,omitempty"`
	Queues    []string `json:"queues,omitempty"`

	Submission *Submission `json:"submission,omitempty"`
	CreatedAt  time.Time   `json:"created_at"`

	Versioned
}

// Warning is something that the provider may refuse or that may surprise; it
// does not hold a request up.
type Warning struct {
	Field  string            `json:"field"`
	Code   string            `json:"code"` // locale key "problem."+Code
	Params map[string]string `json:"params,omitempty"`
}

// Hint is what an unconfirmed callback said (R12).
type Hint struct {
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"` // the provider's time
	// ReceivedAt is when it came, by our clock, or a later one that it outweighs.
	ReceivedAt time.Time `json:"received_at,omitzero"`
}

// Submission is how far a template's request has come on its way to the
// provider; nil: it never had to go there.
type Submission struct {
	// Done: the provider has it, or has refused it.
	Done     bool `json:"done,omitempty"`
	Attempts int  `json:"attempts,omitempty"` // claims
	// Lease is the claim on one attempt. Expired without a result, or Unknown,
	// the provider may have it: its list is looked through before another.
	Lease   *Lease `json:"lease,omitempty"`
	Unknown bool   `json:"unknown,omitempty"`
	// Cause says why it waits, NotBefore until when; Step is the pause that led
	// here.
	Cause     string        `json:"cause,omitempty"`
	NotBefore time.Time     `json:"not_before,omitzero"`
	Step      time.Duration `json:"step,omitempty"`
	SentAt    time.Time     `json:"sent_at,omitzero"` // when the provider took it
}

// Sendable is approved and active and approved by the provider (Q23).
func (t Template) Sendable() bool {
	return t.Status == TemplateApproved && t.Active && t.ProviderState == ProviderApproved
}

// Marketing tells whether who wants no marketing does not want this template.
func (t Template) Marketing() bool { return ProviderWord(t.Category) == CategoryMarketing }

// AssignedTo tells whether agents see the template under these filters of the
// workspace: both hold when both are given; without any it has to be assigned to
// something (S3-49, S3-50, Q30).
func (t Template) AssignedTo(campaign, queue string) bool {
	return len(t.Campaigns)+len(t.Queues) > 0 &&
		(campaign == "" || slices.Contains(t.Campaigns, campaign)) &&
		(queue == "" || slices.Contains(t.Queues, queue))
}

// URLButtons are the places, from 0, of the buttons whose address ends with a
// variable: their values follow those of the body, in this order.
func (t Template) URLButtons() []int {
	var places []int
	for i, b := range t.Buttons {
		if b.Kind == ButtonURL && strings.HasSuffix(b.URL, "{{1}}") {
			places = append(places, i)
		}
	}
	return places
}

// HasQuickReplies tells whether a tap on the template makes a ticket (S3-46).
func (t Template) HasQuickReplies() bool {
	return slices.ContainsFunc(t.Buttons, func(b TemplateButton) bool { return b.Kind == ButtonQuickReply })
}

// providerStates are the words for the state of a template that we know (providers.md
// 1.10, 2.5), each with the status that it means; empty: the status stays.
var providerStates = map[string]TemplateStatus{
	ProviderApproved: TemplateApproved,
	"paused":         TemplateApproved,
	"disabled":       TemplateApproved,
	"deactivated":    TemplateApproved,
	"desactivated":   TemplateApproved, // seen in the wild
	"locked":         TemplateApproved,
	"flagged":        TemplateApproved,
	"archived":       TemplateApproved,
	"reinstated":     TemplateApproved,

	"rejected": TemplateRejected,
	"failed":   TemplateRejected,

	ProviderPending:     TemplatePending,
	"submitted":         TemplatePending,
	"in_review":         TemplatePending,
	"in_appeal":         TemplatePending,
	"appealed":          TemplatePending,
	"sandbox_requested": TemplatePending,

	"deleted":       "",
	ProviderMissing: "",
	ProviderRefused: "",
}

// KnownProviderState tells whether a provider's word for the state of a template is
// one of those that we know. The others are shown as they are and leave the status.
func KnownProviderState(word string) bool {
	_, ok := providerStates[word]
	return ok
}

// MaxProviderWord is the most bytes that are kept of a provider's word for a state,
// a quality or a category.
const MaxProviderWord = 64

// ProviderWord is a provider's word as it is kept: in lower case, cut.
func ProviderWord(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) > MaxProviderWord {
		s = strings.ToValidUTF8(s[:MaxProviderWord], "")
	}
	return s
}

// What a verdict is about: its Event, in the words of the providers' callbacks.
const (
	VerdictStatus   = "status-update"
	VerdictQuality  = "quality-update"
	VerdictCategory = "category-update"
)

// Hinted is t after an unsigned callback (R12). A state stops sending whatever it is,
// but for the approval, which changes nothing; quality and category are notes. Of
// several callbacks the one with the newest provider time counts, of those with the
// same time the greatest word: so their order does not matter. listed: the provider's
// list has been read since the callback came and has said what t is: a state then
// changes nothing, and a note only what no list has said.
func (t Template) Hinted(v Verdict, listed bool) Template {
	word := ProviderWord(v.State)
	switch {
	case word == "":
	case v.Event == VerdictQuality:
		if said := t.Quality != "" && t.QualityAt.IsZero(); !(said && listed) && later(v.At, word, t.QualityAt, t.Quality) {
			t.Quality, t.QualityAt = word, v.At
		}
	case v.Event == VerdictCategory:
		said := t.NextCategory != "" && t.NextCategoryAt.IsZero()
		if word != ProviderWord(t.Category) && !(said && listed) && later(v.At, word, t.NextCategoryAt, t.NextCategory) {
			t.NextCategory, t.NextCategoryAt = word, v.At
		}
	default:
		h := Hint{State: word, Reason: v.Reason, At: v.At, ReceivedAt: v.ReceivedAt}
		explained := t.Reason != "" && t.Reason != t.Said.reason(t.ProviderState)
		t.Said = t.Said.or(h)
		if word != ProviderApproved && !listed {
			t.Hint = t.Hint.or(h)
			t.ProviderState, t.Reason = t.Hint.State, t.Hint.Reason
		} else if t.Hint == nil && !explained {
			t.Reason = t.Said.reason(t.ProviderState)
		}
	}
	return t
}

// or is the newer of h and other, received when the later of them was.
func (h *Hint) or(other Hint) *Hint {
	if h == nil {
		return &other
	}
	newest := *h
	if later(other.At, other.State+" "+other.Reason, h.At, h.State+" "+h.Reason) {
		newest = other
	}
	if other.ReceivedAt.After(h.ReceivedAt) {
		newest.ReceivedAt = other.ReceivedAt
	} else {
		newest.ReceivedAt = h.ReceivedAt
	}
	return &newest
}

// reason is what h says of why a template is in that state, if it speaks of it.
func (h *Hint) reason(state string) string {
	if h == nil || h.State != state {
		return ""
	}
	return h.Reason
}

// later tells whether what was said then goes before what had been said.
func later(at time.Time, word string, than time.Time, said string) bool {
	return at.After(than) || at.Equal(than) && word > said
}

// Listing is what a provider says of a template to somebody who asks with its
// credentials: in its list, or in its answer to the request.
type Listing struct {
	ProviderID   string
	State        string // its word; empty: the state stays
	Category     string // empty: it stays
	Reason       string
	Quality      string // empty: it stays
	NextCategory string
}

// announcedFor is how long a category stays announced that only a callback spoke of:
// it is to hold from the first of the next month on.
const announcedFor = 62 * 24 * time.Hour

// Confirmed is t after a list in which it is, whose reading began then. What the list
// says is true, and the hint is dropped. A confirmed change to rejected switches t
// off; only a person switches it on again (S3-21). A list that was asked before the
// newest hint came changes nothing.
func (t Template) Confirmed(l Listing, began time.Time) Template {
	if t.outdated(began) {
		return t
	}
	if t.ProviderID == "" && t.Submission != nil {
		sent := began
		if t.Submission.Lease != nil {
			sent = t.Submission.Lease.From
		}
		t = t.accepted(l.ProviderID, sent)
	}
	t = t.told(l, began)
	t.Hint, t.ConfirmedAt = nil, began
	return t
}

// Submitted is t after its provider took the request, at that time.
func (t Template) Submitted(l Listing, at time.Time) Template {
	return t.accepted(l.ProviderID, at).told(l, at)
}

// Refused is t after its request has ended for good without the provider's having it.
func (t Template) Refused(reason string) Template {
	done := *t.Submission
	done.Done, done.Cause, done.NotBefore, done.Step = true, "", time.Time{}, 0
	t.Submission = &done
	t.Status, t.ProviderState, t.Reason, t.Active = TemplateRejected, ProviderRefused, reason, false
	return t
}

// NotInList is how long after its submission a template may be missing in the
// provider's list.
const NotInList = 10 * time.Minute

// Absent is t after a whole list in which it is not, whose reading began then: it is
// missing, unless no list has held it yet and it was submitted a short while ago, or
// never by us.
func (t Template) Absent(began time.Time) Template {
	known := !t.ConfirmedAt.IsZero() ||
		t.Submission != nil && !t.Submission.SentAt.IsZero() && began.Sub(t.Submission.SentAt) > NotInList
	if t.ProviderID == "" || !known || t.outdated(began) {
		return t
	}
	t.ProviderState, t.Reason, t.Hint = ProviderMissing, "", nil
	return t
}

// outdated tells whether a hint came after a list was asked.
func (t Template) outdated(began time.Time) bool {
	return t.Hint != nil && began.Before(t.Hint.ReceivedAt)
}

// accepted is t with the provider's id, its request done.
func (t Template) accepted(providerID string, at time.Time) Template {
	t.ProviderID = providerID
	t.Submission = &Submission{Done: true, Attempts: t.Submission.Attempts, SentAt: at}
	return t
}

// told is t after the provider's word about it.
func (t Template) told(l Listing, at time.Time) Template {
	if word := ProviderWord(l.State); word != "" {
		refused := t.ProviderState == ProviderRefused // by us: the provider has not rejected it yet
		t.ProviderState, t.Reason = word, l.Reason
		if l.Reason == "" {
			t.Reason = t.Said.reason(word)
		}
		status := providerStates[word]
		if status == TemplateRejected && (t.Status != TemplateRejected || refused) {
			t.Active = false
		}
		if status != "" {
			t.Status = status
		}
	}
	if l.Category != "" {
		t.Category = l.Category
	}
	if l.Quality != "" {
		t.Quality, t.QualityAt = ProviderWord(l.Quality), time.Time{}
	}
	switch {
	case l.NextCategory != "":
		t.NextCategory, t.NextCategoryAt = l.NextCategory, time.Time{}
	case at.Sub(t.NextCategoryAt) > announcedFor: // or it was a list that spoke of it
		t.NextCategory, t.NextCategoryAt = "", time.Time{}
	}
	if t.NextCategory != "" && ProviderWord(t.NextCategory) == ProviderWord(t.Category) {
		t.NextCategory, t.NextCategoryAt = "", time.Time{}
	}
	return t
}

// Limits of the files that go with a template (S3-33 … S3-35; Q17: 2^20 bytes).
const (
	MaxTemplateImage    = 2 << 20
	MaxTemplateDocument = 2 << 20
	MaxTemplateVideo    = 5 << 20
	AdviceImageSide     = 500 // recommended width and height in pixels
)

// UploadKept is how long an upload can be sent after its form was given, in whole
// days: its row goes then, and its file by the bucket's own rule, which counts from
// when the file was put there and so is never the earlier. Longer than a call is
// remembered that gave the form.
const UploadKept = 7 * 24 * time.Hour

// Upload is a file that somebody may put into the file store by a form.
type Upload struct {
	ID          string    `json:"id"`
	By          string    `json:"by"`   // specialist id
	Kind        string    `json:"kind"` // image, document, video
	Name        string    `json:"name"`
	ContentType string    `json:"content_type"`
	MaxBytes    int64     `json:"max_bytes"`
	Key         string    `json:"key"` // in the file store
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"` // of the form
	Versioned
}

// Gone tells whether the upload cannot be used any more.
func (u Upload) Gone(now time.Time) bool { return !now.Before(u.CreatedAt.Add(UploadKept)) }
