package pipeline

import (
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// drive takes n tokens at once and tells after how long each may leave; less than
// zero: that one was sent away, for so long.
func drive(s *rates, perSecond float64, at time.Time, n int) (waits []time.Duration) {
	for range n {
		wait, taken := s.take("ch", perSecond, at, maxInPlace)
		if !taken {
			wait = -wait
		}
		waits = append(waits, wait)
	}
	return waits
}

func TestTokenBucket(t *testing.T) {
	const each = time.Second / 80
	for _, e := range []struct {
		name      string
		perSecond float64
		n         int // of the taker that is looked at, from 1, all at the same moment
		want      time.Duration
	}{
		{"one second's worth leaves at once", 80, 80, 0},
		{"the next waits until a token is there", 80, 81, each},
		{"two seconds are waited on the spot", 80, 240, 2 * time.Second},
		{"who would wait longer is sent away, behind all others", 80, 241, -(2*time.Second + 2*each)},
		{"and each has a moment of its own to come back", 80, 321, -(3*time.Second + 2*each)},
		{"a slow channel has one token", 1, 1, 0},
		{"and a second between any two", 1, 2, time.Second},
		{"less than one a second: the first leaves", 0.5, 1, 0},
		{"the second after two seconds", 0.5, 2, 2 * time.Second},
		{"the third is sent away", 0.5, 3, -6 * time.Second},
	} {
		if got := drive(&rates{}, e.perSecond, noon, e.n)[e.n-1]; got != e.want {
			t.Errorf("%s: number %d at %g a second: %v, want %v", e.name, e.n, e.perSecond, got, e.want)
		}
	}
}

func TestTokenBucketFills(t *testing.T) {
	for _, e := range []struct {
		name  string
		after time.Duration
		free  int // tokens that are there
	}{
		{"a moment later nothing is there", time.Second/80 - time.Nanosecond, 0},
		{"a token takes its part of a second", time.Second / 80, 1},
		{"after a second it is full", time.Second, 80},
		{"and never fuller", time.Hour, 80},
	} {
		s := &rates{}
		drive(s, 80, noon, 80)
		free := 0
		for _, wait := range drive(s, 80, noon.Add(e.after), 200) {
			if wait == 0 {
				free++
			}
		}
		if free != e.free {
			t.Errorf("%s: %d tokens after %v, want %d", e.name, free, e.after, e.free)
		}
	}
}

func TestTokenBucketsAreApart(t *testing.T) {
	s := &rates{}
	drive(s, 1, noon, 3)
	if wait, taken := s.take("other", 1, noon, 0); wait != 0 || !taken {
		t.Errorf("another channel's message waits %v", wait)
	}
}

func TestStreaks(t *testing.T) {
	type event struct {
		conversation string // empty: the provider answers
		unknown      bool
	}
	fail := func(conversation string, unknown bool, n int) []event {
		var out []event
		for range n {
			out = append(out, event{conversation, unknown})
		}
		return out
	}
	for _, e := range []struct {
		name   string
		events []event
		want   []int // the events at which the channel is to wait, from 1
	}{
		{"five failures in a row, over two conversations", append(fail("a", false, 4), fail("b", false, 1)...), []int{5}},
		{"four are not enough", append(fail("a", false, 3), fail("b", false, 1)...), nil},
		{"one conversation's pauses are its own affair", fail("a", false, 9), nil},
		{"until another fails too", append(fail("a", false, 9), fail("b", false, 1)...), []int{10}},
		{"unknown outcomes of one conversation count", fail("a", true, 5), []int{5}},
		{"an answer ends the row", append(append(fail("a", false, 4), event{}), fail("b", false, 4)...), nil},
		{"after it the row begins anew", append(append(fail("b", false, 4), event{}), append(fail("b", false, 4), fail("a", false, 1)...)...), []int{10}},
		{"until the channel waits each further failure is one too many", append(fail("a", true, 6), fail("b", false, 1)...), []int{5, 6, 7}},
	} {
		s := &streaks{}
		var got []int
		for i, v := range e.events {
			if v.conversation == "" {
				s.over("ch")
			} else if s.failed("ch", v.conversation, v.unknown) {
				got = append(got, i+1)
			}
			if s.failed("other", "x", false) {
				t.Errorf("%s: another channel is to wait", e.name)
			}
		}
		if !slices.Equal(got, e.want) {
			t.Errorf("%s: waits at %v, want %v", e.name, got, e.want)
		}
	}
}
