package bot

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buzon/internal/desk"
)

// TestPages: S1-13, S1-15, S1-23, S1-27 with the exact splits; each number is the
// options on a page.
func TestPages(t *testing.T) {
	nines := func(n int, last int) []int {
		var all []int
		for range n {
			all = append(all, 9)
		}
		return append(all, last)
	}
	for _, c := range []struct {
		n    int
		want []int
	}{
		{1, []int{1}},
		{9, []int{9}},
		{10, []int{10}},
		{11, []int{9, 2}},
		{19, []int{9, 10}},
		{20, []int{9, 9, 2}},
		{28, []int{9, 9, 10}},
		{29, []int{9, 9, 9, 2}},
		{31, []int{9, 9, 9, 4}},
		{100, nines(10, 10)},
		{101, nines(11, 2)},
	} {
		var got []int
		for page := 1; page <= Pages(c.n); page++ {
			from, to := span(c.n, page)
			got = append(got, to-from)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%d options (-want +got):\n%s", c.n, d)
		}
	}
}

// TestPagesCover: every option stands on exactly one page, in order; only the
// last page has ten, and never fewer than two unless it is the only one.
func TestPagesCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2000).Draw(t, "options")
		at := 0
		for page := 1; page <= Pages(n); page++ {
			from, to := span(n, page)
			size := to - from
			last := page == Pages(n)
			if from != at || !last && size != desk.ListPageRows || size > desk.ListRows || size < 1 || size < 2 && n > 1 {
				t.Fatalf("page %d of %d options: %d to %d", page, n, from, to)
			}
			at = to
		}
		if at != n {
			t.Fatalf("%d of %d options listed", at, n)
		}
	})
}
