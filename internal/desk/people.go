package desk

import "time"

// Tenant is a company.
type Tenant struct {
	ID        string    `json:"id"` // short, of [a-z0-9]: stands in ids and links
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Versioned
}

// Client is a person whom the company serves and knows (S5-01, S5-02).
type Client struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	UserName  string    `json:"user_name"` // unique in the company
	Email     string    `json:"email,omitempty"`
	Phone     string    `json:"phone,omitempty"` // digits with country code; unique in the company
	Culture   string    `json:"culture,omitempty"`
	Active    bool      `json:"active"`
	Projects  []string  `json:"projects,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	Versioned
}

// The roles of a specialist.
const (
	RoleAdmin = "admin"
	RoleAgent = "agent"
)

// Specialist is somebody who works for the company.
type Specialist struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	UserName  string    `json:"user_name"` // unique in the company
	Email     string    `json:"email,omitempty"`
	Active    bool      `json:"active"`
	Roles     []string  `json:"roles"`
	CreatedAt time.Time `json:"created_at"`
	Versioned
}

// Has tells whether the specialist has the role.
func (s Specialist) Has(role string) bool { return contains(s.Roles, role) }

// Token is an integration token (S5-16). Its value is shown once and kept as a hash.
type Token struct {
	ID          string    `json:"id"`
	Specialist  string    `json:"specialist"`
	Description string    `json:"description"`
	Hash        string    `json:"hash"` // SHA-256 in hex of the whole token
	LastFour    string    `json:"last_four"`
	ExpiresAt   time.Time `json:"expires_at"`
	CreatedAt   time.Time `json:"created_at"`
	RevokedAt   time.Time `json:"revoked_at,omitzero"` // kept for audit (Q45)
	Versioned
}

// QuarantineState is held or replayed.
type QuarantineState string

// The states of a quarantined item.
const (
	Held     QuarantineState = "held"
	Replayed QuarantineState = "replayed"
)

// ReasonTooMany keeps a body of more events than one handling takes. They are taken in
// parts behind it, once: one whose parts were taken stays replayed when it comes again.
const ReasonTooMany = "too_many_events"

// Quarantined is something that came in and can not be handled as it is, kept
// raw with its reason so that nothing is lost.
type Quarantined struct {
	ID      string `json:"id"`    // SHA-256 in hex of the body
	Stage   string `json:"stage"` // webhook, callback, inbound, approvals
	Channel string `json:"channel,omitempty"`
	Reason  string `json:"reason"`
	// Body is what came, base64 in JSON; one longer than MaxQuarantineInline is
	// kept in the file store under Blob and cut here.
	Body       []byte          `json:"body"`
	Cut        bool            `json:"cut,omitempty"`
	Blob       string          `json:"blob,omitempty"`
	ReceivedAt time.Time       `json:"received_at"`
	LastAt     time.Time       `json:"last_at"`
	Times      int             `json:"times"`
	State      QuarantineState `json:"state"`
	Versioned
}

// MaxQuarantineInline is the longest body kept in the table itself.
const MaxQuarantineInline = 64 << 10
