package fuzztest

import (
	"fmt"
	"testing"
	"time"
)

// witness notes what a check says.
type witness struct {
	testing.TB
	said []string
}

func (w *witness) Helper()      {}
func (w *witness) Failed() bool { return false }
func (w *witness) Errorf(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

var kept [][]byte

func TestCheck(t *testing.T) {
	l := Limit{Time: time.Hour, Memory: 1 << 20, PerByte: 10}
	for _, c := range []struct {
		say    string
		limit  Limit
		size   int
		takes  []int // memory of each run
		wants  int   // runs
		errors int
	}{
		{"little of all", l, 0, []int{1000}, 1, 0},
		{"as much as the text allows", l, 1 << 20, []int{8 << 20}, 1, 0},
		{"too much once", l, 0, []int{2 << 20, 1000}, 2, 0},
		{"too much twice", l, 0, []int{2 << 20, 2 << 20, 1000}, 3, 0},
		{"too much each time", l, 0, []int{2 << 20, 2 << 20, 2 << 20}, 3, 1},
		{"no time at all", Limit{Time: 1, Memory: 1 << 20}, 0, []int{1000, 1000, 1000}, 3, 1},
	} {
		t.Run(c.say, func(t *testing.T) {
			w := &witness{TB: t}
			runs := 0
			c.limit.Check(w, c.size, func() {
				kept = append(kept[:0], make([]byte, c.takes[runs]))
				runs++
			})
			if runs != c.wants || len(w.said) != c.errors {
				t.Errorf("%d runs, said %q", runs, w.said)
			}
		})
	}
}
