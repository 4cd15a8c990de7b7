package cloudapi

import (
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
)

// ellipsis marks a title that was cut.
const ellipsis = "…"

// CutTitles shortens titles to at most max characters each, never inside what a
// reader sees as one character. A title that fits stays as it is; one that does not
// ends in an ellipsis, and in a number after it where the cut title stands in the
// list already. So titles that differ still differ. max is at least 8.
//
// Characters are counted as UTF-16 units: whether WhatsApp counts these or code
// points is not documented, and this is the stricter of the two.
func CutTitles(titles []string, max int) []string {
	out := make([]string, len(titles))
	taken := make(map[string]bool, len(titles))
	for i, t := range titles {
		if width(t) <= max {
			out[i], taken[t] = t, true
		}
	}
	for i, t := range titles {
		if width(t) <= max {
			continue
		}
		short := cutTo(t, max-1) + ellipsis
		for n := 2; taken[short]; n++ {
			mark := ellipsis + " " + strconv.Itoa(n)
			short = cutTo(t, max-width(mark)) + mark
		}
		out[i], taken[short] = short, true
	}
	return out
}

// width counts UTF-16 units.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += units(r)
	}
	return n
}

func units(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}

// Cut is s if it fits into max, else its beginning with an ellipsis.
func Cut(s string, max int) string {
	if width(s) <= max {
		return s
	}
	return cutTo(s, max-1) + ellipsis
}

// cutTo is the longest beginning of s that fits into max, of whole grapheme
// clusters, without space at its end. A single cluster that does not fit is cut
// between its code points.
func cutTo(s string, max int) string {
	end, used := 0, 0
	g := uniseg.NewGraphemes(s)
	for g.Next() {
		w := width(g.Str())
		if used+w > max {
			break
		}
		used += w
		_, end = g.Positions()
	}
	if end == 0 {
		for i, r := range s {
			if used += units(r); used > max {
				break
			}
			end = i + len(string(r))
		}
	}
	return strings.TrimRight(s[:end], " \t\n")
}
