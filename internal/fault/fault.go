// Package fault holds the few kinds of error that a caller must tell apart,
// and the one error that is written to be shown to people.
//
// A kind is compared with [errors.Is]; everything that is none of the kinds is
// internal and its text is withheld from callers. In a queue handler any error
// means "try again now": a final refusal is state, not an error.
package fault

import "strings"

// Kind is one of the errors that a caller branches on.
type Kind string

func (k Kind) Error() string { return string(k) }

const (
	// NotFound: nothing is stored under that name for this company.
	NotFound = Kind("not found")
	// Conflict: the stored state is not the one the caller acted on. Read
	// again and look: it may be the caller's own write whose answer was lost.
	Conflict = Kind("conflict")
	// Forbidden: the caller is known and may not do this.
	Forbidden = Kind("forbidden")
	// Invalid: the request can never work as it is.
	Invalid = Kind("invalid")
	// Busy: refused for the moment; the same call may work shortly.
	Busy = Kind("busy")
)

// Missing tells that something the installation itself needs is not there: a
// table, a queue, a bucket, a key. Nothing happened, and the same call works once
// an operator has made it; so it is a [Busy]. What may be shown: it names things,
// never their content.
type Missing struct{ What string } // "table buzon-prod"

func (e *Missing) Error() string { return e.What + ": not there" }

// Unwrap makes errors.Is(err, Busy) hold.
func (e *Missing) Unwrap() error { return Busy }

// Problem is one thing that is wrong with what somebody sent.
type Problem struct {
	// Field is the path of the field, as the sender spelled it: "buttons[2].text".
	Field string
	// Code is stable and never translated: "required", "too_long". Its sentence
	// in each language is the locale key "problem." + Code.
	Code string
	// Params fill the sentence: {"max": "128"}.
	Params map[string]string
}

// Input lists all that is wrong with what somebody sent. It is written for its
// reader and may be shown. It is an [Invalid].
type Input struct{ Problems []Problem }

// Add appends a problem; params are pairs of name and value.
func (e *Input) Add(field, code string, params ...string) {
	p := Problem{Field: field, Code: code}
	for i := 0; i+1 < len(params); i += 2 {
		if p.Params == nil {
			p.Params = map[string]string{}
		}
		p.Params[params[i]] = params[i+1]
	}
	e.Problems = append(e.Problems, p)
}

// Err is e as an error, or nil when there is no problem.
func (e *Input) Err() error {
	if e == nil || len(e.Problems) == 0 {
		return nil
	}
	return e
}

func (e *Input) Error() string {
	var b strings.Builder
	b.WriteString("invalid")
	for i, p := range e.Problems {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + p.Field + " " + p.Code)
	}
	return b.String()
}

// Unwrap makes errors.Is(err, Invalid) hold.
func (e *Input) Unwrap() error { return Invalid }
