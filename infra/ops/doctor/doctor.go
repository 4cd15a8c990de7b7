// Package doctor looks at everything that a deployment, or a local run, needs,
// and names the command that mends what is wrong. It changes nothing.
package doctor

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"buzon/infra/ops/trouble"
)

// State of what was looked at.
type State string

const (
	// Good: as it should be.
	Good State = "good"
	// Bad: mend it.
	Bad State = "bad"
	// Unseen: it could not be looked at, for a reason that another finding names.
	Unseen State = "unseen"
)

var marks = map[State]string{Good: "✓", Bad: "✗", Unseen: "–"}

// Finding is one sentence about one thing.
type Finding struct {
	Part  string `json:"part"`
	State State  `json:"state"`
	Text  string `json:"text"`
	Mend  string `json:"mend,omitempty"` // the command that mends it, if it is bad
}

// Report collects findings in the order in which they were made.
type Report struct{ Findings []Finding }

func (r *Report) good(part, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{part, Good, fmt.Sprintf(format, args...), ""})
}

func (r *Report) bad(part, mend, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{part, Bad, fmt.Sprintf(format, args...), mend})
}

func (r *Report) unseen(part, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{part, Unseen, fmt.Sprintf(format, args...), ""})
}

// err notes an error of AWS or of the network about a thing.
func (r *Report) err(part string, err error) {
	e := trouble.Of(err)
	mend := e.Mend
	if mend == "" {
		mend = "try again; then make logs"
	}
	r.bad(part, mend, "%s", e.Text)
}

// same notes that a thing has the settings it should have, or which it has not.
func (r *Report) same(part, thing string, wants []want) {
	var right []string
	for _, w := range wants {
		if w.is == w.should {
			right = append(right, w.say)
			continue
		}
		mend := w.mend
		if mend == "" {
			mend = trouble.Deploy
		}
		r.bad(part, mend, "%s: %s: %s instead of %s", thing, w.name, orNone(w.is), w.should)
	}
	if len(right) == len(wants) {
		r.good(part, "%s: %s", thing, strings.Join(right, ", "))
	}
}

// want is a setting as it is and as it should be.
type want struct {
	name, is, should string
	say              string // how to tell of it when it is right
	// mend changes this setting alone: deploying again does not, since to
	// CloudFormation nothing has changed. Empty: only deploying can.
	mend string
}

// Well tells whether nothing is bad.
func (r *Report) Well() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.State == Bad })
}

// Print writes the findings by part, with the command below each that is bad, and
// the counts at the end.
func (r *Report) Print(w io.Writer) {
	part, counts := "", map[State]int{}
	for _, f := range r.Findings {
		if f.Part != part {
			part = f.Part
			fmt.Fprintln(w, part)
		}
		counts[f.State]++
		fmt.Fprintf(w, "  %s %s\n", marks[f.State], f.Text)
		if f.Mend != "" {
			fmt.Fprintf(w, "      → %s\n", f.Mend)
		}
	}
	fmt.Fprintf(w, "\ndoctor: %d ✓, %d ✗", counts[Good], counts[Bad])
	if n := counts[Unseen]; n > 0 {
		fmt.Fprintf(w, ", %d – not looked at", n)
	}
	fmt.Fprintln(w)
}
