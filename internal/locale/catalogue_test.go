package locale

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

var update = flag.Bool("update", false, "rewrite the catalogues sorted, one key a line")

// TestFiles: a catalogue is sorted, one key a line, no key twice, so that two
// people who add texts meet in a readable diff.
func TestFiles(t *testing.T) {
	for _, lang := range desk.Languages {
		name := lang + ".json"
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		if err := json.Unmarshal(got, &texts); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(texts); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if d := cmp.Diff(want.String(), string(got)); d != "" {
			t.Errorf("%s is not sorted, one key a line (run with -update):\n%s", name, d)
		}
	}
}

var (
	keyShape = regexp.MustCompile(`^[a-z][a-z_]*(\.[a-z0-9_]+)+$`)
	holder   = regexp.MustCompile(`\{([a-z_]+)\}`)
)

// holders lists the parameters of a text, sorted, each once.
func holders(text string) []string {
	var names []string
	for _, m := range holder.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestCatalogues: the same keys with the same parameters in each language, and a
// text for each.
func TestCatalogues(t *testing.T) {
	first := For(desk.Languages[0])
	for _, lang := range desk.Languages {
		l := For(lang)
		if d := cmp.Diff(first.Keys(), l.Keys()); d != "" {
			t.Errorf("keys of %s and %s differ:\n%s", first.Lang(), lang, d)
		}
		for _, key := range l.Keys() {
			text := l.Text(key)
			if !keyShape.MatchString(key) {
				t.Errorf("%s: a key is words with dots between them", key)
			}
			if strings.TrimSpace(text) == "" || strings.TrimSpace(text) != text {
				t.Errorf("%s %s: %q is empty or has space around it", lang, key, text)
			}
			if rest := holder.ReplaceAllString(text, ""); strings.ContainsAny(rest, "{}") {
				t.Errorf("%s %s: a brace that is no parameter: %q", lang, key, text)
			}
			if d := cmp.Diff(holders(first.Text(key)), holders(text)); d != "" {
				t.Errorf("%s: parameters of %s and %s differ:\n%s", key, first.Lang(), lang, d)
			}
		}
	}
}

// TestLimits: the texts that stand in a list fit what WhatsApp shows (A8).
func TestLimits(t *testing.T) {
	for _, lang := range desk.Languages {
		l := For(lang)
		for key, limit := range map[string]int{"bot.list.button": desk.MaxListButton, "bot.list.next": desk.MaxListTitle} {
			if n := len([]rune(l.Text(key))); n > limit {
				t.Errorf("%s %s: %d characters, at most %d", lang, key, n, limit)
			}
		}
	}
}
