package desk

import "time"

// Limits of the business, each from the rule that is named. Characters are
// Unicode code points (Q12).
const (
	MaxCaseTitle       = 128    // S2-06
	MaxCaseDescription = 20_000 // S2-08
	MaxContactField    = 200    // the optional contact of an anonymous case
	MaxCaseMessage     = 20_000 // a person's later message on a case; as S2-08

	ListRows     = 10 // S1-13: more than this is paged
	ListPageRows = 9  // S1-13: rows of a page before Following

	MaxListTitle       = 24   // A8: title of a WhatsApp list row
	MaxListDescription = 72   // A8
	MaxRowID           = 200  // A8
	MaxListBody        = 1024 // A8: the lower of the two printed limits
	MaxListButton      = 20   // A8
	MaxButtons         = 3    // providers.md 1.9
	MaxButtonTitle     = 20   // providers.md 1.9
	MaxText            = 4096 // providers.md 1.9

	MaxName = 200 // names of projects, groups, services, categories, people

	MaxWrongInputs = 3 // Q5: the third wrong input in a row ends the dialogue

	DefaultDialogueTimeout = 60 * time.Minute // Q11
	DefaultFormLife        = 24 * time.Hour   // contract section 2
	FormKeptAfterExpiry    = 90 * 24 * time.Hour

	// LateAfter: a message older than this by the provider's time is recorded
	// and not answered (contract section 2).
	LateAfter = 24 * time.Hour

	// MinFormTime: a form posted sooner after it was shown marks the case as
	// suspected (contract section 2).
	MinFormTime = 3 * time.Second

	// MaxUnsent is how many turns of a conversation may hold unsent replies, so that
	// its item stays small. Beyond it messages are recorded and not answered, and
	// nothing more is taken to be sent.
	MaxUnsent = 200

	MaxTokenLife = 365 * 24 * time.Hour // Q44
)

// Languages in which the product speaks (S1-01, S5-04), the first is the default.
var Languages = [...]string{"es", "en", "pt"}
