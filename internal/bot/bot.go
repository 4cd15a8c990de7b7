// Package bot is the dialogue that leads a person through project, service
// group, service and category to the form of an anonymous case (S1-01 … S1-34).
//
// It is pure: [Decide] maps a state and what the person did to the next state
// and the replies. The state is small JSON on the conversation.
package bot

import (
	"encoding/json"
	"time"

	"buzon/internal/desk"
)

// Input is one event in a dialogue.
type Input struct {
	// Message is what the person said; nil: the dialogue's time ran out.
	Message *desk.Content
	// ID is fresh and unique (the turn's id): names a dialogue that begins.
	ID string
	// Now is the run's time; it sets the next time-out.
	Now time.Time
}

// Person is what is known of who writes.
type Person struct {
	Registered bool   // the number belongs to an active user (S1-04, S1-08)
	Name       string // to greet; may be empty
	Culture    string // language of a registered person; empty: unknown
}

// World is what the dialogue decides by. Read-only.
type World struct {
	Company  string
	Settings desk.BotSettings
	Offered  desk.Catalogue // of the Anonymous principal: Catalogue.Offered
	// Templates are those of the channel; Create Case is looked up by name (S1-31).
	Templates []desk.Template
	Person    Person
	// FormKey is the id of the current form key.
	FormKey string
}

// Pick is what the person has chosen when the dialogue ends in a form.
type Pick struct {
	Project  desk.Project
	Service  desk.Service
	Category desk.Category
	Language string
}

// Decision is what to store and to send.
type Decision struct {
	// State is the next state; nil: no dialogue runs.
	State json.RawMessage
	// TimeoutAt is when to call Decide with a nil message; zero without a state.
	TimeoutAt time.Time
	Replies   []desk.Outgoing
	// Form is set when the last reply carries a form (its FormKey is set); the
	// caller writes the pending form in the same transaction.
	Form *Pick
}
