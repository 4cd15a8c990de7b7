package desk

import "time"

// ChannelState is one of the four of S3-09.
type ChannelState string

// The channel states.
const (
	ChannelPending     ChannelState = "pending"
	ChannelActive      ChannelState = "active"
	ChannelInterrupted ChannelState = "interrupted" // entered by the system only (Q21)
	ChannelInactive    ChannelState = "inactive"
)

// Answers tells whether a person who writes to a channel in this state gets an
// answer: while it is active, or interrupted by the provider (the reply waits).
func (s ChannelState) Answers() bool { return s == ChannelActive || s == ChannelInterrupted }

// Channel is a company's number or account at a provider.
type Channel struct {
	ID       string       `json:"id"`   // "<tenant>-<random>": carries the tenant
	Kind     string       `json:"kind"` // whatsapp, viber
	Provider string       `json:"provider"`
	State    ChannelState `json:"state"`
	Cause    string       `json:"cause,omitempty"`

	CompanyName string    `json:"company_name"`
	Requester   Requester `json:"requester"`

	// Identifier is the number in digits; empty while pending (S3-07).
	Identifier    string `json:"identifier,omitempty"`
	App           string `json:"app,omitempty"`
	AppID         string `json:"app_id,omitempty"`
	PhoneNumberID string `json:"phone_number_id,omitempty"`

	// SecretHash is the SHA-256 in hex of the secret in the webhook address;
	// OldSecretHash stays valid until OldSecretUntil while it is rotated.
	SecretHash     string    `json:"secret_hash,omitempty"`
	OldSecretHash  string    `json:"old_secret_hash,omitempty"`
	OldSecretUntil time.Time `json:"old_secret_until,omitzero"`

	CreatedAt time.Time `json:"created_at"`
	Deleted   bool      `json:"deleted,omitempty"` // tombstone (Q33)

	Versioned
}

// Requester is the contact person for support; not shown to people (S3-04).
type Requester struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// TemplateStatus is one of the three of S3-20.
type TemplateStatus string

// The template states.
const (
	TemplatePending  TemplateStatus = "pending"
	TemplateApproved TemplateStatus = "approved"
	TemplateRejected TemplateStatus = "rejected"
)

// Template is a message that the provider has to approve.
type Template struct {
	ID            string         `json:"id"`
	Channel       string         `json:"channel"`
	ProviderID    string         `json:"provider_id"`
	Name          string         `json:"name"`
	Language      string         `json:"language"`
	Body          string         `json:"body"`
	Status        TemplateStatus `json:"status"`
	ProviderState string         `json:"provider_state,omitempty"`
	Active        bool           `json:"active"`
	CreatedAt     time.Time      `json:"created_at"`

	Versioned
}

// Sendable is approved and active and approved by the provider (Q23).
func (t Template) Sendable() bool {
	return t.Status == TemplateApproved && t.Active && t.ProviderState == "approved"
}
