package main

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestNeeds(t *testing.T) {
	for _, c := range []struct {
		list string
		want map[need]bool
		ok   bool
	}{
		{"", map[need]bool{}, true},
		{"clock", map[need]bool{moves: true}, true},
		{"kill,clock", map[need]bool{moves: true, kills: true}, true},
		{"clock,sleep", nil, false},
	} {
		got, err := parseNeeds(c.list)
		if (err == nil) != c.ok || c.ok && !maps.Equal(got, c.want) {
			t.Errorf("%q: %v, %v; want %v", c.list, got, err, c.want)
		}
	}
}

// TestWhatIsLeftOutIsCountedAndNamed: and is not played.
func TestWhatIsLeftOutIsCountedAndNamed(t *testing.T) {
	var out bytes.Buffer
	p := &play{out: &out, without: map[need]bool{kills: true}}
	played := ""
	sentence := func(name string, err error) func() error {
		return func() error { played += name; return err }
	}
	p.check("plain", sentence("a", nil))
	p.needs(moves).check("waits", sentence("b", nil))
	p.needs(moves, kills).check("dies", sentence("c", nil))
	p.needs().check("fails", sentence("d", errors.New("so it is")))
	if played != "abd" || p.passed != 2 || p.failed != 1 || strings.Join(p.leftOut, "|") != "dies: kills or restarts the process" {
		t.Errorf("played %q, %d passed, %d failed, left out %q", played, p.passed, p.failed, p.leftOut)
	}
	for _, want := range []string{"  ✓ plain (", "  ✓ waits (", "  – dies\n", "  ✗ fails (", "      so it is\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
}

func TestSlowMakesEveryLimitLonger(t *testing.T) {
	one, four := limitsFor(1, time.Second, false), limitsFor(4, time.Second, false)
	for name, pair := range map[string][2]time.Duration{
		"start": {one.start, four.start}, "drain": {one.drain, four.drain}, "call": {one.call, four.call},
		"reply": {one.reply, four.reply}, "patience": {one.patience, four.patience}, "swift": {one.swift, four.swift},
	} {
		if pair[0] <= 0 || pair[1] != 4*pair[0] {
			t.Errorf("%s: %s, four times slower %s", name, pair[0], pair[1])
		}
	}
	if one.settle != time.Second || four.settle != time.Second {
		t.Errorf("settle: %s and %s, want what was said", one.settle, four.settle)
	}
	if other := limitsFor(1, 0, true); other.start < time.Minute {
		t.Errorf("another program may take %s to start", other.start)
	}
}
