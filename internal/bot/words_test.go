package bot

import (
	"strings"
	"testing"
)

func TestCancelWords(t *testing.T) {
	for _, c := range []struct {
		typed string
		want  bool
	}{
		{"Cancel", true}, {"cancel", true}, {"CANCELAR", true}, {"Cancelar", true}, {" cancelar ", true},
		{"cancelar.", true}, {"Cancel!", true}, {"¡Cancelar!", true}, {"*Cancelar*", true}, {"«cancelar»", true},
		{"\u00a0cancelar\n", true}, {"ｃａｎｃｅｌ", true}, {"cáncelar", true}, {"cancelar", true},
		{"", false}, {"!", false}, {"cancelado", false}, {"no cancelar", false}, {"can cel", false}, {"cancela", false},
		{"cancel" + strings.Repeat(" ", maxTyped), false},
	} {
		if got := isCancel(c.typed); got != c.want {
			t.Errorf("S1-19 Q3: isCancel(%.40q) = %v, want %v", c.typed, got, c.want)
		}
	}
}

func TestTypedNumber(t *testing.T) {
	for _, c := range []struct {
		typed string
		n     int
		ok    bool
	}{
		{"5", 5, true}, {"5.", 5, true}, {" 5 ", 5, true}, {"5)", 5, true}, {"*5*", 5, true}, {"5️⃣", 5, true}, {"５", 5, true},
		{"05", 5, true}, {"0", 0, true}, {"10", 10, true}, {"１０", 10, true}, {"999999999", 999999999, true},
		{"", 0, false}, {".", 0, false}, {"-5", 0, false}, {"+5", 0, false}, {"5 5", 0, false}, {"5,5", 0, false},
		{"cinco", 0, false}, {"0x5", 0, false}, {"1234567890", 0, false},
	} {
		if n, ok := typedNumber(c.typed); n != c.n || ok != c.ok {
			t.Errorf("S1-05: typedNumber(%q) = %d, %v, want %d, %v", c.typed, n, ok, c.n, c.ok)
		}
	}
}

func TestCut(t *testing.T) {
	family := "👨‍👩‍👧" // one grapheme, 8 UTF-16 units
	for _, c := range []struct {
		s     string
		limit int
		want  string
	}{
		{"hola", 4, "hola"},
		{"holas", 4, "hol…"},
		{"uno dos", 5, "uno…"},
		{"ab" + family, 10, "ab" + family},
		{"abc" + family, 10, "abc…"},
		{"año", 3, "año"},
		{"ano\u0303s", 4, "an…"},
	} {
		if got := cut(c.s, c.limit); got != c.want || utf16Len(got) > c.limit {
			t.Errorf("cut(%q, %d) = %q, want %q", c.s, c.limit, got, c.want)
		}
	}
}

// TestFoldLimit: the longest text that is compared, and one byte more.
func TestFoldLimit(t *testing.T) {
	if got := fold(strings.Repeat("Á", maxTyped/2)); got != strings.Repeat("a", maxTyped/2) {
		t.Errorf("%d bytes fold to %d", maxTyped, len(got))
	}
	if got := fold(strings.Repeat("a", maxTyped+1)); got != "" {
		t.Errorf("%d bytes fold to %d", maxTyped+1, len(got))
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Año", "5️⃣", "ﷺ", "İ", "\xff\xfe", strings.Repeat("ﷺ", 300), "a\u0300\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bounds.Check(t, len(s), func() {
			if got := fold(s); len(got) > 20*maxTyped {
				t.Fatalf("%d bytes fold to %d", len(s), len(got))
			}
			if got := cut(s, 20); utf16Len(got) > 20 {
				t.Fatalf("cut to %d", utf16Len(got))
			}
			typedNumber(s)
			isCancel(s)
		})
	})
}
