package desk

import "time"

// CaseState is one of five.
type CaseState string

// The case states.
const (
	CaseNew        CaseState = "new"
	CaseInProgress CaseState = "in_progress"
	CaseWaiting    CaseState = "waiting"
	CaseResolved   CaseState = "resolved"
	CaseClosed     CaseState = "closed"
)

// caseMoves says which state may follow which. A closed case stays closed but
// for a person's new message, which is not a move.
var caseMoves = map[CaseState][]CaseState{
	CaseNew:        {CaseInProgress, CaseWaiting, CaseResolved, CaseClosed},
	CaseInProgress: {CaseWaiting, CaseResolved, CaseClosed},
	CaseWaiting:    {CaseInProgress, CaseResolved, CaseClosed},
	CaseResolved:   {CaseInProgress, CaseClosed},
	CaseClosed:     {},
}

// CaseStates lists all states in their order.
func CaseStates() []CaseState {
	return []CaseState{CaseNew, CaseInProgress, CaseWaiting, CaseResolved, CaseClosed}
}

// CanMove tells whether a case may go from one state to another.
func CanMove(from, to CaseState) bool {
	for _, s := range caseMoves[from] {
		if s == to {
			return true
		}
	}
	return false
}

// Open tells whether somebody still has to act.
func (s CaseState) Open() bool { return s != CaseResolved && s != CaseClosed }

// Priorities and sources (S2-11, S2-12; email and viber beyond the seed, Q15).
const (
	PriorityLow      = "low"
	PriorityMedium   = "medium"
	PriorityHigh     = "high"
	PriorityCritical = "critical"

	SourceVoice    = "voice"
	SourceWhatsApp = "whatsapp"
	SourceWeb      = "web"
	SourceEmail    = "email"
	SourceViber    = "viber"
)

// Case is what a person wants done. An anonymous one leads to nobody: no
// contact, no conversation, and nothing in it comes from the number (Q10, Q20).
type Case struct {
	ID          string    `json:"id"`
	Reference   string    `json:"reference"` // what people say on the phone: "K3F9-2QXM"
	Title       string    `json:"title"`
	Description string    `json:"description"`
	State       CaseState `json:"state"`
	Source      string    `json:"source"`
	Type        string    `json:"type,omitempty"`
	Priority    string    `json:"priority"`

	Project      string `json:"project,omitempty"`
	Service      string `json:"service,omitempty"`
	Category     string `json:"category,omitempty"`
	ProjectName  string `json:"project_name,omitempty"` // as they were called when the case was made
	ServiceName  string `json:"service_name,omitempty"`
	CategoryName string `json:"category_name,omitempty"`

	// Contact, Conversation and Message say who it is for, where it began and by
	// which message of ours (a template's, S3-46); empty on an anonymous case.
	Contact      string `json:"contact,omitempty"`
	Conversation string `json:"conversation,omitempty"`
	Message      string `json:"message,omitempty"`
	// Conversations are all that belong to it, Channels those of these: what the
	// case is an interaction of (Q32).
	Conversations []string `json:"conversations,omitempty"`
	Channels      []string `json:"channels,omitempty"`

	GivenContact  string    `json:"given_contact,omitempty"` // what the person wrote into the form's contact field
	Anonymous     bool      `json:"anonymous,omitempty"`
	Suspected     bool      `json:"suspected,omitempty"` // honeypot or time trap
	Language      string    `json:"language"`
	ClosingReason string    `json:"closing_reason,omitempty"`
	TrackingKey   string    `json:"tracking_key,omitempty"` // id of the key the tracking secret derives from
	CreatedAt     time.Time `json:"created_at"`
	ChangedAt     time.Time `json:"changed_at"`
	ClosedAt      time.Time `json:"closed_at,omitzero"`

	Versioned
}

// MaxCaseConversations is how many conversations may belong to one case.
const MaxCaseConversations = 50

// CaseEventKind says what a line of a case's history is.
type CaseEventKind string

// The kinds of line.
const (
	CaseCreated CaseEventKind = "created"
	CaseMessage CaseEventKind = "message" // the person wrote
	CaseMoved   CaseEventKind = "moved"   // the state changed, or the closing reason alone
	CaseLinked  CaseEventKind = "linked"  // another conversation belongs to it
)

// CaseEvent is one line of a case's history. The person who holds the tracking
// link sees all of them. Text of a move is the closing reason that came with it: an
// agent's words to that person, or ReasonDeactivated, which nobody is shown.
type CaseEvent struct {
	ID   string        `json:"id"`
	Case string        `json:"case"`
	Kind CaseEventKind `json:"kind"`
	Text string        `json:"text,omitempty"`
	From CaseState     `json:"from,omitempty"`
	To   CaseState     `json:"to,omitempty"`
	By   string        `json:"by,omitempty"` // specialist id; empty: the person, or the system
	At   time.Time     `json:"at"`
}

// Form is the pending form of an anonymous case, kept under the hash of its
// secret. It never holds conversation, contact, turn or number.
type Form struct {
	Hash         string    `json:"hash"` // SHA-256 in hex of the form secret
	Project      string    `json:"project"`
	Service      string    `json:"service"`
	Category     string    `json:"category"`
	ProjectName  string    `json:"project_name"`
	ServiceName  string    `json:"service_name"`
	CategoryName string    `json:"category_name"`
	CaseType     string    `json:"case_type,omitempty"`
	Language     string    `json:"language"`
	Expires      time.Time `json:"expires"`
	Case         string    `json:"case,omitempty"` // set once the form was used

	Versioned
}
