package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// report is what a run measured.
type report struct {
	Machine  string    `json:"machine"`
	Quick    bool      `json:"quick"` // everything once: the figures show that it works, not more
	Sections []section `json:"sections"`
}

// section is one measure: a table to read, the goals that it answers, and Data,
// the same for programs.
type section struct {
	Name  string     `json:"name"`
	Title string     `json:"title"`
	Head  []string   `json:"-"`
	Rows  [][]string `json:"-"`
	Notes []string   `json:"notes,omitempty"`
	Goals []goal     `json:"goals"`
	Data  any        `json:"data,omitempty"`
}

// goal is one line of the page of goals.
type goal struct {
	Number  int     `json:"goal"`
	What    string  `json:"what"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	Unit    string  `json:"unit"`
	AtLeast bool    `json:"at_least,omitempty"` // Value is to be Limit or more; else Limit or less
	Reached bool    `json:"reached"`
}

// atMost and atLeast judge a value.
func atMost(number int, what string, value, limit float64, unit string) goal {
	return goal{number, what, value, limit, unit, false, value <= limit}
}

func atLeast(number int, what string, value, limit float64, unit string) goal {
	return goal{number, what, value, limit, unit, true, value >= limit}
}

func (s section) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n\n", strings.ToUpper(s.Name), s.Title)
	lines := append(aligned(append([][]string{s.Head}, s.Rows...)), "")
	lines = append(lines, s.Notes...)
	if len(s.Notes) > 0 {
		lines = append(lines, "")
	}
	var goals [][]string
	for _, g := range s.Goals {
		sign, word := "≤", "reached"
		if g.AtLeast {
			sign = "≥"
		}
		if !g.Reached {
			word = "MISSED"
		}
		goals = append(goals, []string{fmt.Sprintf("goal %d", g.Number), g.What, strings.TrimSpace(short(g.Value) + " " + g.Unit), sign + " " + short(g.Limit), word})
	}
	for _, l := range append(lines, aligned(goals)...) {
		fmt.Fprintln(&b, strings.TrimRight("  "+l, " "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// aligned sets rows out in columns.
func aligned(rows [][]string) []string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // a strings.Builder takes everything
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// short prints a number with what matters of it.
func short(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.1f", v)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
}
