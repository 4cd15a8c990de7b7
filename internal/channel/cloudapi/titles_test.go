package cloudapi_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buzon/internal/channel/cloudapi"
)

func TestCutTitles(t *testing.T) {
	tests := []struct {
		why      string
		max      int
		in, want []string
	}{
		{"a title at the limit stays", 8, []string{"12345678"}, []string{"12345678"}},
		{"one more is cut", 8, []string{"123456789"}, []string{"1234567…"}},
		{"no space before the ellipsis", 8, []string{"123456 89"}, []string{"123456…"}},
		{"two that begin alike are numbered", 24,
			[]string{"Permiso de construcción tipo A", "Permiso de construcción tipo B", "Permiso de construcción tipo C"},
			[]string{"Permiso de construcción…", "Permiso de construcci… 2", "Permiso de construcci… 3"}},
		{"one that looks like a cut one keeps its own", 8, []string{"123456789", "1234567…"}, []string{"12345… 2", "1234567…"}},
		{"equal short titles stay equal", 8, []string{"a", "a"}, []string{"a", "a"}},
		{"a family is not taken apart", 12, []string{"familia 👨‍👩‍👧‍👦 grande"}, []string{"familia…"}},
		{"accents of their own stay on their letter", 8, []string{strings.Repeat("e\u0301", 8)}, []string{strings.Repeat("e\u0301", 3) + "…"}},
		{"a character that is too long alone is cut all the same", 8, []string{"e" + strings.Repeat("\u0301", 20)}, []string{"e" + strings.Repeat("\u0301", 6) + "…"}},
		{"none", 8, nil, []string{}},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, cloudapi.CutTitles(tc.in, tc.max)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestCutTitlesAlways(t *testing.T) {
	units := func(s string) int { return len(utf16.Encode([]rune(s))) }
	rapid.Check(t, func(rt *rapid.T) {
		max := rapid.IntRange(8, 30).Draw(rt, "max")
		title := rapid.OneOf(
			rapid.StringMatching(`(Permiso de construcción ){0,2}[ab]{0,3}`),
			rapid.StringMatching(`[a…23 ]{0,12}`),
			rapid.StringOfN(rapid.RuneFrom([]rune("aé👨\u200d👩🇪🇸\u0301ñ…")), 0, 40, -1),
		)
		in := rapid.SliceOfN(title, 0, 12).Draw(rt, "titles")
		got := cloudapi.CutTitles(in, max)
		if len(got) != len(in) {
			rt.Fatalf("%d titles of %d", len(got), len(in))
		}
		for i, s := range got {
			if units(s) > max || utf8.RuneCountInString(s) > max || !utf8.ValidString(s) {
				rt.Errorf("%q has %d units, at most %d", s, units(s), max)
			}
			if units(in[i]) <= max && s != in[i] {
				rt.Errorf("%q fits and became %q", in[i], s)
			}
			for j := range i {
				if in[j] != in[i] && got[j] == s {
					rt.Errorf("%q and %q both became %q", in[j], in[i], s)
				}
			}
		}
		if !slices.Equal(got, cloudapi.CutTitles(in, max)) {
			rt.Error("not the same twice")
		}
	})
}
