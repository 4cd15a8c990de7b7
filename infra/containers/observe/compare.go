package observe

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"buzon/infra/containers/template"
)

// Line is one action of one function, seen or granted.
type Line struct {
	Function, Action string
	Granted          bool
	Times            int    // how often it was seen
	Why              string // the sentence for not having been seen
	Problem          string // empty: all is well
}

// The problems that [Compare] finds.
const (
	NotGranted = "used, but its role does not allow it"
	NeverUsed  = "allowed and never used: take it away, or say why under Metadata: Buzon: Unseen"
	NoGrant    = "a sentence under Unseen, but its role does not allow it"
	Unknown    = "observed, but the template has no such function"
)

// Compare holds what was seen against what the roles of the functions allow, in
// the order of functions and actions. A role is as small as can be when no line
// has a problem.
func Compare(functions []template.Function, seen Seen) []Line {
	var lines []Line
	known := map[string]bool{}
	for _, f := range functions {
		known[f.ID] = true
		lines = append(lines, compare(f, seen[f.ID])...)
	}
	for function, actions := range seen {
		for action, n := range actions {
			if !known[function] {
				lines = append(lines, Line{Function: function, Action: action, Times: n, Problem: Unknown})
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b Line) int {
		return strings.Compare(a.Function+" "+a.Action, b.Function+" "+b.Action)
	})
	return lines
}

func compare(f template.Function, seen map[string]int) []Line {
	var lines []Line
	for _, grant := range f.Grants {
		l := Line{Function: f.ID, Action: grant, Granted: true, Why: f.Unseen[grant]}
		for action, n := range seen {
			if allows(grant, action) {
				l.Times += n
			}
		}
		if l.Times == 0 && l.Why == "" {
			l.Problem = NeverUsed
		}
		lines = append(lines, l)
	}
	for action, n := range seen {
		if !slices.ContainsFunc(f.Grants, func(grant string) bool { return allows(grant, action) }) {
			lines = append(lines, Line{Function: f.ID, Action: action, Times: n, Problem: NotGranted})
		}
	}
	for action, why := range f.Unseen {
		if !slices.Contains(f.Grants, action) {
			lines = append(lines, Line{Function: f.ID, Action: action, Why: why, Problem: NoGrant})
		}
	}
	return lines
}

// allows tells whether a grant covers an action, as IAM reads it: letters of any
// case, * and ? for any text and any letter.
func allows(grant, action string) bool {
	if strings.ContainsAny(grant, `[\`) {
		return false
	}
	ok, err := path.Match(strings.ToLower(grant), strings.ToLower(action))
	return err == nil && ok
}

// String is the line of a table.
func (l Line) String() string {
	mark, note := "✓", l.Problem
	if l.Problem != "" {
		mark = "✗"
	} else if l.Times == 0 {
		note = l.Why
	}
	return strings.TrimRight(fmt.Sprintf("  %s %-18s %-32s %6d  %s", mark, l.Function, l.Action, l.Times, note), " ")
}
