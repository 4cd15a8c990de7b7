package desk

import (
	"fmt"
	"strings"
	"testing"
)

// The moves of a case, from the row to the column: whoever changes them changes
// this table.
const caseMatrix = `
            new in_progress waiting resolved closed
new           .           x       x        x      x
in_progress   .           .       x        x      x
waiting       .           x       .        x      x
resolved      .           x       .        .      x
closed        .           .       .        .      .
`

func TestCaseMoves(t *testing.T) {
	var got strings.Builder
	got.WriteString("\n           ")
	for _, to := range CaseStates() {
		fmt.Fprintf(&got, " %s", to)
	}
	for _, from := range CaseStates() {
		fmt.Fprintf(&got, "\n%-11s", from)
		for _, to := range CaseStates() {
			mark := "."
			if CanMove(from, to) {
				mark = "x"
			}
			fmt.Fprintf(&got, " %*s", len(to), mark)
		}
	}
	if got.String()+"\n" != caseMatrix {
		t.Errorf("moves are%s", got.String())
	}
	for _, other := range []CaseState{"", "New", "deleted"} {
		if CanMove(other, CaseClosed) || CanMove(CaseNew, other) {
			t.Errorf("%q is no state", other)
		}
	}
}

func TestOpenCases(t *testing.T) {
	for s, open := range map[CaseState]bool{CaseNew: true, CaseInProgress: true, CaseWaiting: true, CaseResolved: false, CaseClosed: false} {
		if s.Open() != open {
			t.Errorf("%s: %t", s, s.Open())
		}
	}
}
