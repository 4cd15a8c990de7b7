package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// ContentType says what a person's message is, in our words for every provider.
type ContentType string

// The content types. Text, ListReply, ButtonReply and QuickReply are what the
// bot understands; everything else is recorded with its content.
const (
	Text        ContentType = "text"
	ListReply   ContentType = "list_reply"   // tap on a row of a list that we sent
	ButtonReply ContentType = "button_reply" // tap on a button of a session message
	QuickReply  ContentType = "quick_reply"  // tap on a quick-reply button of a template
	Image       ContentType = "image"
	Video       ContentType = "video"
	Audio       ContentType = "audio"
	File        ContentType = "file"
	Sticker     ContentType = "sticker"
	Location    ContentType = "location"
	Contacts    ContentType = "contact"
	Reaction    ContentType = "reaction"
	Order       ContentType = "order"
	FlowReply   ContentType = "flow_reply"
	Unsupported ContentType = "unsupported" // a type that we do not know; Raw holds it
)

// Media is a file that came with a message, as the provider announced it.
type Media struct {
	ID      string    `json:"id,omitempty"` // the provider's id of the file: equal in every copy of the message
	URL     string    `json:"url,omitempty"`
	Type    string    `json:"type,omitempty"` // content type as announced, with its parameters
	Name    string    `json:"name,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// Place is a location that a person shared.
type Place struct {
	Longitude float64 `json:"longitude"`
	Latitude  float64 `json:"latitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
}

// Content is what a message says.
type Content struct {
	Type ContentType `json:"type"`
	// Text is what was written, a caption, or the title of what was tapped.
	Text string `json:"text,omitempty"`
	// ReplyID is what a tap carries: the row's or button's id that we gave it.
	ReplyID string          `json:"reply_id,omitempty"`
	Media   *Media          `json:"media,omitempty"`
	Place   *Place          `json:"place,omitempty"`
	Raw     json.RawMessage `json:"raw,omitempty"` // contacts, orders, flows and unknown types, as they came
	// Quoted is the provider's id of the message that this one answers.
	Quoted string `json:"quoted,omitempty"`
}

// Incoming is one message of a person, taken from a webhook.
type Incoming struct {
	Channel    string    `json:"channel"`     // channel id
	ProviderID string    `json:"provider_id"` // the provider's id of the message; the same in every copy
	Person     string    `json:"person"`      // the provider's id of the person: WhatsApp's number in digits
	Name       string    `json:"name,omitempty"`
	SentAt     time.Time `json:"sent_at"` // the provider's time
	ReceivedAt time.Time `json:"received_at"`
	// HeardAt is when it was sent by the run's clock, to the second; zero where an
	// older version wrote this. It is not stored with the turn.
	HeardAt time.Time `json:"heard_at,omitzero"`
	// Late: it was older than LateAfter when it came; recorded, never answered.
	Late bool `json:"late,omitempty"`
	// Unanswered: the channel was not active when it came; recorded, no answer.
	Unanswered bool    `json:"unanswered,omitempty"`
	Content    Content `json:"content"`
}

// Same tells whether two copies of a message say the same: kind, text, reply id
// of a list or button and media id; never links, names or times, which differ
// between the copies of one message (T6).
func (c Content) Same(o Content) bool { return c.compared() == o.compared() }

// compared are kind, text, reply id and media id as far as every copy has them.
func (c Content) compared() [4]string {
	reply, media := "", ""
	if c.Type != QuickReply { // a template button's payload is not in every copy
		reply = c.ReplyID
	}
	if c.Media != nil {
		media = c.Media.ID
	}
	return [4]string{string(c.Type), c.Text, reply, media}
}

// Digest names what a person said: SHA-256 in hex over the person and all that
// [Content.Same] compares.
func (m Incoming) Digest() string {
	c := m.Content.compared()
	b, _ := json.Marshal([]string{c[0], m.Person, c[1], c[2], c[3]})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Delivery is how far a message of ours has come: a number that only grows.
type Delivery int

// The lattice of delivery. Failed lies between sent and delivered: it overrides
// only what is below it, and a later delivered or read overrides it.
const (
	Queued Delivery = iota + 1
	Accepted
	SentOut
	Failed
	Delivered
	Read
)

var deliveryNames = [...]string{"", "queued", "accepted", "sent", "failed", "delivered", "read"}

func (d Delivery) String() string {
	if d < 0 || int(d) >= len(deliveryNames) {
		return ""
	}
	return deliveryNames[d]
}

// Receipt is what a provider tells of a message of ours.
type Receipt struct {
	Channel string `json:"channel"`
	// Ref is our own reference if the provider returns it, SendID the provider's
	// id for the send (Gupshup's gsId), MessageID the network's id (wamid). At
	// least one is set; Key chooses among them in that order.
	Ref       string   `json:"ref,omitempty"`
	SendID    string   `json:"send_id,omitempty"`
	MessageID string   `json:"message_id,omitempty"`
	Status    Delivery `json:"status"`
	// Enqueued: the provider has the message and has not sent it; it answers
	// the question what became of a send whose answer was lost.
	Enqueued    bool      `json:"enqueued,omitempty"`
	Destination string    `json:"destination,omitempty"`
	At          time.Time `json:"at"`
	Code        string    `json:"code,omitempty"` // of a failure
	Reason      string    `json:"reason,omitempty"`
	// Cause is the Wait… word of a failure that concerns the whole channel, not
	// this message alone.
	Cause string `json:"cause,omitempty"`
	// FailedAt is At by the run's clock, of a failure that has a cause; zero where an
	// older version wrote this.
	FailedAt time.Time `json:"failed_at,omitzero"`
}

// Key is the id under which the receipt is kept.
func (r Receipt) Key() string {
	switch {
	case r.Ref != "":
		return r.Ref
	case r.SendID != "":
		return r.SendID
	}
	return r.MessageID
}

// Consent is a person's opt-in or opt-out on a channel. Of several of one scope the
// one with the newest provider time counts, of those with the same time the opt-out.
// No scope's word changes anything of another's.
type Consent struct {
	Channel string       `json:"channel"`
	Person  string       `json:"person"`
	Scope   ConsentScope `json:"scope,omitempty"`
	OptedIn bool         `json:"opted_in"`
	At      time.Time    `json:"at"`
}

// ConsentScope says which messages a consent is about.
type ConsentScope string

// The scopes.
const (
	ScopeAll       ConsentScope = ""          // every message
	ScopeMarketing ConsentScope = "marketing" // templates of category marketing alone (Meta, "user_preferences")
)

// Verdict is what a provider says of a template. It is a hint until the
// provider's list confirms it (R12).
type Verdict struct {
	Channel    string    `json:"channel"`
	ProviderID string    `json:"provider_id"`
	Event      string    `json:"event"` // status-update, category-update, quality-update
	State      string    `json:"state,omitempty"`
	Name       string    `json:"name,omitempty"`
	Language   string    `json:"language,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	At         time.Time `json:"at"`
	ReceivedAt time.Time `json:"received_at,omitzero"` // by our clock
}
