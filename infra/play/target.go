package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// limits are how long things may take before they count as broken.
type limits struct {
	start    time.Duration
	drain    time.Duration // a run that is asked to stop (contract section 1)
	call     time.Duration
	reply    time.Duration // of the run's real time, without a provider's pause
	patience time.Duration // a reply, before the run's clock is moved on
	swift    time.Duration // a reply that nobody else may hold up
	slow     int           // so many times as long as for the local run
	settle   time.Duration // until a change of settings counts everywhere
}

// limitsFor are the limits of the local run, or of another program, slow times as
// long, but for settle.
func limitsFor(slow int, settle time.Duration, other bool) limits {
	d := time.Duration(slow)
	l := limits{
		start: d * 30 * time.Second, drain: d * 10 * time.Second, call: d * 15 * time.Second, reply: d * 15 * time.Second,
		patience: d * 1200 * time.Millisecond, swift: d * 3 * time.Second, slow: slow, settle: settle,
	}
	if other {
		l.start = d * 5 * time.Minute // it may have much to start
	}
	return l
}

// nap waits before the next look.
func (l limits) nap(d time.Duration) { time.Sleep(time.Duration(l.slow) * d) }

// settled waits until a change of settings counts everywhere.
func (l limits) settled(ctx context.Context) error {
	if l.settle == 0 {
		return nil
	}
	timer := time.NewTimer(l.settle)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// need is something that a sentence asks of the program and that some cannot do.
type need string

const (
	moves need = "clock" // the run's clock can be moved
	kills need = "kill"  // the process can be killed and restarted, and finds everything
)

// reasons say what a sentence does that needs this.
var reasons = map[need]string{moves: "moves the clock", kills: "kills or restarts the process"}

// parseNeeds reads a list of needs with commas between.
func parseNeeds(list string) (map[need]bool, error) {
	all := map[need]bool{}
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		if reasons[need(word)] == "" {
			return nil, fmt.Errorf("%q is not known", word)
		}
		all[need(word)] = true
	}
	return all, nil
}

// demanding plays sentences that need something.
type demanding struct {
	p     *play
	needs []need
}

func (p *play) needs(all ...need) demanding { return demanding{p, all} }

// check is that of play if the program can do what the sentence needs; else the
// sentence is left out, and does not hold.
func (d demanding) check(sentence string, f func() error) bool {
	if d.lacking() == "" {
		return d.p.check(sentence, f)
	}
	d.leaveOut(sentence)
	return false
}

// lacking is what the program cannot do of what is needed; empty: it can do all.
func (d demanding) lacking() string {
	var why []string
	for _, n := range d.needs {
		if d.p.without[n] {
			why = append(why, reasons[n])
		}
	}
	return strings.Join(why, " and ")
}

func (d demanding) leaveOut(sentence string) {
	d.p.leftOut = append(d.p.leftOut, sentence+": "+d.lacking())
	fmt.Fprintf(d.p.out, "  – %s\n", sentence)
}
