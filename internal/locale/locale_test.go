package locale

import (
	"slices"
	"strings"
	"testing"

	"buzon/internal/desk"
	"buzon/internal/fuzztest"
)

func TestFor(t *testing.T) {
	for _, lang := range desk.Languages {
		if l := For(lang); l == nil || l.Lang() != lang || l.Text("bot.list.next") == "bot.list.next" {
			t.Errorf("For(%q) is not its catalogue", lang)
		}
	}
	for _, lang := range []string{"", "ES", "es-CO", "fr"} {
		l := For(lang)
		if l != nil {
			t.Errorf("For(%q) = %q, want none", lang, l.Lang())
		}
		if got := l.Text("bot.hello"); got != "bot.hello" || l.Has("bot.hello") || l.Keys() != nil || l.Lang() != "" {
			t.Errorf("no locale: Text = %q, want the key and nothing known", got)
		}
	}
}

func TestText(t *testing.T) {
	es := For("es")
	for _, c := range []struct{ name, got, want string }{
		{"a parameter is filled in", es.Text("problem.too_long", "max", "128"), "Es demasiado largo: el máximo es 128."},
		{"an unknown key answers with itself", es.Text("problem.no_such"), "problem.no_such"},
		{"a parameter that is not given stays", es.Text("problem.too_long"), "Es demasiado largo: el máximo es {max}."},
		{"a map does as well as pairs", es.TextWith("problem.out_of_range", map[string]string{"min": "1", "max": "9"}), "Debe estar entre 1 y 9."},
		{"braces in a value are text", Fill("{a} {b}", "a", "{b}", "b", "x"), "{b} x"},
		{"a name without a value is left out", Fill("{a} {b}", "a", "1", "b"), "1 {b}"},
		{"a text may be used twice", Fill("{a}{a}", "a", "1"), "11"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct{ name, header, fallback, want string }{
		{"exact", "pt", "es", "pt"},
		{"a region counts as its language", "pt-BR,pt;q=0.9,en;q=0.8", "es", "pt"},
		{"the heaviest goes first, wherever it stands", "en;q=0.3, es-CO;q=0.9", "pt", "es"},
		{"what we do not speak is passed over", "de-DE, en;q=0.5", "es", "en"},
		{"nothing that we speak: the fallback", "de, ja", "pt", "pt"},
		{"weight zero is a refusal", "en;q=0", "pt", "pt"},
		{"anything will do", "*", "pt", "pt"},
		{"no header", "", "en", "en"},
		{"damaged", "en;q=x;;=", "pt", "pt"},
		{"a fallback that we do not speak", "", "fr", "es"},
		{"1000 bytes are read", "pt" + strings.Repeat(" ", 998), "es", "pt"},
		{"1001 bytes are not", "pt" + strings.Repeat(" ", 999), "es", "es"},
	} {
		if got := Match(c.header, c.fallback); got != c.want {
			t.Errorf("%s: Match(%.40q, %q) = %q, want %q", c.name, c.header, c.fallback, got, c.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"", "es-CO,es;q=0.9", "*", "x-y-z;q=9", "en_US", strings.Repeat("a-", 500), "zh-Hant-TW-u-co-stroke;q=0.1,pt"} {
		f.Add(s, "en")
	}
	f.Fuzz(func(t *testing.T, header, fallback string) {
		var got string
		fuzztest.Limit{Memory: 1 << 20, PerByte: 200}.Check(t, len(header), func() { got = Match(header, fallback) })
		if !slices.Contains(desk.Languages[:], got) {
			t.Fatalf("Match(%q, %q) = %q", header, fallback, got)
		}
		if n := testing.AllocsPerRun(1, func() { Match(header, fallback) }); n > 20*maxAccept {
			t.Fatalf("%v allocations for %d bytes", n, len(header))
		}
	})
}
