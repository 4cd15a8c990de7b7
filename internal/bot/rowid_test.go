package bot

import (
	"strings"
	"testing"

	"buzon/internal/desk"
	"buzon/internal/fuzztest"
)

func TestRowID(t *testing.T) {
	name := dialogueName("turn-1")
	for _, c := range []struct {
		id   string
		want bool
	}{
		{"bz1." + name + ".project0.p01JABC", true},
		{"bz1." + name + ".category12.n2", true},
		{"bz1." + name + ".service999.s" + strings.Repeat("a", 64), true},
		{"bz1." + name + ".service1000.sa", false},
		{"bz1." + name + ".service1.s" + strings.Repeat("a", 65), false},
		{"bz1." + name + ".service1.s~" + strings.Repeat("0f", 16), true},
		{"bz1." + name + ".service1.s~" + strings.Repeat("0f", 15), false},
		{"bz1." + name + ".service1.s~" + strings.Repeat("0F", 16), false},
		{"bz1." + name + ".category1.n99999", true},
		{"bz1." + name + ".category1.n100000", false},
		{"bz1." + name + ".category1.n02", false},
		{"bz1." + name + ".category1.n-2", false},
		{"bz1." + name + ".category01.n2", false},
		{"bz1." + name + ".category.n2", false},
		{"bz1." + name + ".menu0.p1", false},
		{"bz1." + name + ".project0.x1", false},
		{"bz1." + name + ".project0.p", false},
		{"bz1." + name + ".project0.pá", false},
		{"bz1." + name + ".project0", false},
		{"bz1." + name + ".project0.pa.b", false},
		{"bz1." + name[1:] + ".project0.pa", false},
		{"bz1." + strings.ToUpper(name) + "X.project0.pa", false},
		{"bz2." + name + ".project0.pa", false},
		{"bz1." + name + ".project0.pa ", false},
		{"", false},
		{"row_a", false},
		{strings.Repeat("a", 1<<20), false},
	} {
		r, ok := parseRowID(c.id)
		if ok != c.want {
			t.Errorf("parseRowID(%.80q) = %v, want %v", c.id, ok, c.want)
		}
		if ok && r.String() != c.id {
			t.Errorf("%q comes back as %q", c.id, r)
		}
	}
}

// TestRowIDLimit: A8, whatever ids the catalogue has.
func TestRowIDLimit(t *testing.T) {
	for _, id := range []string{"a", strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("ñ", 500), "a.b", "a b", "", "~"} {
		r := rowID{dialogue: dialogueName("x"), step: stepCategory, version: maxVersion, kind: kindCategory, key: optionKey(id)}
		if n := len(r.String()); n > maxRowIDLength || n > desk.MaxRowID {
			t.Errorf("option %.20q: row id of %d bytes", id, n)
		}
		if got, ok := parseRowID(r.String()); !ok || got != r {
			t.Errorf("option %.20q: %q is read as %+v", id, r, got)
		}
	}
	if optionKey(strings.Repeat("a", 65)) == optionKey(strings.Repeat("a", 66)) {
		t.Error("two long ids have one key")
	}
}

// TestStaleTap: Q6: a tap counts only if dialogue, step and version are those that
// wait; of any other the state keeps all but the time of its end.
func TestStaleTap(t *testing.T) {
	p := newPhone(t, town("es"), "es")
	p.do("> hola")
	current, ok := parseRowID(p.row("Salud").ID)
	if !ok {
		t.Fatal("a row id that can not be read")
	}
	for _, c := range []struct {
		name   string
		change func(*rowID)
		stale  bool
	}{
		{"another dialogue", func(r *rowID) { r.dialogue = dialogueName("other") }, true},
		{"another step", func(r *rowID) { r.step = stepGroup }, true},
		{"a later version", func(r *rowID) { r.version++ }, true},
		{"an earlier version", func(r *rowID) { r.version-- }, true},
		{"the one that waits", func(*rowID) {}, false},
	} {
		r := current
		c.change(&r)
		before := p.s()
		replies := p.do("tap id " + r.String())
		if stale := replies[0].Text == word("es", "bot.chosen_already"); stale != c.stale {
			t.Errorf("%s: %q", c.name, replies[0].Text)
		}
		if c.stale && p.s() != before {
			t.Errorf("%s: the state was %+v and is %+v", c.name, before, p.s())
		}
	}
}

// bounds of a parser of what a tap brings back.
var bounds = fuzztest.Limit{Memory: 1 << 20, PerByte: 64}

func FuzzRowID(f *testing.F) {
	name := dialogueName("turn-1")
	for _, s := range []string{"", "bz1", "bz1." + name + ".project0.pa", "bz1." + name + ".category7.n3", "bz1." + name + ".group1.g~" + strings.Repeat("0f", 16), "....", "bz1." + name + ".0.pa"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bounds.Check(t, len(s), func() {
			r, ok := parseRowID(s)
			if ok && (r.String() != s || len(s) > maxRowIDLength) {
				t.Fatalf("%q comes back as %q", s, r)
			}
			if ok && r.kind == kindNext && r.String() != s {
				t.Fatalf("page %d of %q", r.page(), s)
			}
		})
	})
}
