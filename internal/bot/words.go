package bot

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/rivo/uniseg"
	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// maxTyped is the longest text, in bytes, that is compared with options: a name
// has at most 200 characters of up to 4 bytes.
const maxTyped = 1000

// fold brings what people write to one form: case, accents, full-width and
// keycap digits and the space around and between words do not count. A text
// longer than maxTyped folds to nothing.
func fold(s string) string {
	if len(s) > maxTyped {
		return ""
	}
	marks := runes.Predicate(func(r rune) bool { return unicode.In(r, unicode.Mn, unicode.Me) })
	folded, _, _ := transform.String(transform.Chain(norm.NFKD, runes.Remove(marks), cases.Fold()), s) // none of the three fails
	return strings.Join(strings.Fields(folded), " ")
}

// bare is fold without the quotes, stars and full stops that people put around a
// word that they were asked to type.
func bare(s string) string { return strings.Trim(fold(s), " .,:;!?¡¿()*_~\"'`«»“”‘’") }

// isCancel: the word Cancel in any of the languages (S1-19, Q3).
func isCancel(s string) bool {
	switch bare(s) {
	case "cancel", "cancelar":
		return true
	}
	return false
}

// typedNumber reads what stands for a menu number: "5", "5.", " 5 ", "5️⃣", "５".
func typedNumber(s string) (int, bool) {
	s = bare(s)
	if s == "" || len(s) > 9 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// oneLine is s with every run of space as one blank, cut to limit.
func oneLine(s string, limit int) string { return cut(strings.Join(strings.Fields(s), " "), limit) }

// cut shortens s to at most limit UTF-16 units, the narrowest way in which a
// provider may count characters, between two graphemes; "…" shows that it did.
func cut(s string, limit int) string {
	if utf16Len(s) <= limit {
		return s
	}
	end, used, state := 0, 0, -1
	for rest := s; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		used += utf16Len(cluster)
		if used > limit-1 {
			break
		}
		end += len(cluster)
	}
	return strings.TrimRightFunc(s[:end], unicode.IsSpace) + "…"
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
