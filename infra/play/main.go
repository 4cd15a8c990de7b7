// Command play plays the main ways through the system from outside: it builds
// and starts the local run as a process of its own, stands in for Gupshup and for
// Meta, and does what people, admins, a provider on a bad day and a failing machine
// do. It sees only what they see: webhooks, sends, pages and the JSON API.
//
//	go run ./infra/play          everything once
//	go run ./infra/play -quick   fewer conversations, for make test
//	go run ./infra/play -soak    more of them, more crashes
//
// With -program it starts that program instead, which must keep the local run's
// contract: it takes PORT, DATA, GUPSHUP_URL and META_URL from the environment, writes
// DATA/demo.json, then answers GET /health, and ends at an interrupt. Slower ones
// get more time by -slow, and what they cannot do is left out by -without:
//
//	go run ./infra/play -quick -program bin/other -slow 4 -settle 31s -without clock,kill -people 5
//
// Every line is one sentence: ✓ it is so, ✗ it is not, and why, – it was left out;
// these stand at the end once more. All that is left to chance follows from -seed. Everything stays on this machine's loopback
// address and ends by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// size is how much of everything is played.
type size struct {
	people int // conversations at once in the disturbed run
	kills  int // of the process during it
	rounds int // of what is crashed once at each moment
	limit  time.Duration
}

var (
	quick = size{people: 20, kills: 3, rounds: 1, limit: 8 * time.Minute}
	whole = size{people: 200, kills: 12, rounds: 4, limit: 15 * time.Minute}
	soak  = size{people: 1000, kills: 60, rounds: 24, limit: 60 * time.Minute}
)

func main() {
	isQuick := flag.Bool("quick", false, "fewer conversations")
	isSoak := flag.Bool("soak", false, "more conversations, more crashes")
	seed := flag.Uint64("seed", 1, "what everything left to chance follows from")
	only := flag.String("only", "", "play only the chapters whose name contains this")
	keep := flag.Bool("v", false, "show what the system logs")
	program := flag.String("program", "", "start this instead of building the local run")
	slow := flag.Int("slow", 1, "wait so many times as long")
	lacks := flag.String("without", "", "leave out what needs these of the program: clock, kill")
	settle := flag.Duration("settle", 0, "how long a change of settings may take to count everywhere; on AWS 30s")
	people := flag.Int("people", 0, "conversations at once in the disturbed run; 0: as many as the size says")
	flag.Parse()
	without, err := parseNeeds(*lacks)
	if err != nil || *slow < 1 || *people < 0 || *settle < 0 {
		fmt.Fprintln(os.Stderr, "play: -without takes clock and kill, -slow a number from 1, -people one from 0")
		os.Exit(2)
	}
	s := whole
	switch {
	case *isQuick:
		s = quick
	case *isSoak:
		s = soak
	}
	signal.Ignore(syscall.SIGPIPE) // a closed pipe must not leave the system running
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *people > 0 {
		s.people = *people
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit*time.Duration(*slow))
	defer cancel()
	p := &play{size: s, seed: *seed, without: without, out: os.Stdout}
	err = p.all(ctx, *program, limitsFor(*slow, *settle, *program != ""), *only, *keep)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stdout, "play:", err)
	}
	if err != nil || p.failed > 0 {
		os.Exit(1)
	}
}

// chapter is a group of sentences that share what they need.
type chapter struct {
	name string
	play func(context.Context, *play)
}

// chapters in their order: later ones crash the system and move its clock.
var chapters = []chapter{
	{"spine", spine},
	{"lists", lists},
	{"dialogue", dialogue},
	{"template", template},
	{"copies", copies},
	{"statuses", statuses},
	{"webhook", webhook},
	{"form", form},
	{"sending", sending},
	{"channels", channels},
	{"requests", requests},
	{"approvals", approvals},
	{"provider's list", listing},
	{"workspace", workspace},
	{"taps", taps},
	{"switching off", ending},
	{"meta", metas},
	{"two companies", tenants},
	{"clock", clock},
	{"outage", outage},
	{"an hour's refusal", refusal},
	{"failures told later", later},
	{"crashes", crashes},
	{"crashes of channels", channelCrashes},
	{"end", end},
}

// play is one run with what all chapters use.
type play struct {
	*system
	*outbox
	gupshup *gupshup
	meta    *meta
	size    size
	seed    uint64
	out     io.Writer

	without        map[need]bool
	leftOut        []string // sentences, with the reason
	passed, failed int
	lastNumber     int
	lastLine       int
	messages       atomic.Int64 // of people, so far: no two have the same id
}

// all plays the chapters whose name contains only.
func (p *play) all(ctx context.Context, program string, l limits, only string, verbose bool) error {
	out := newOutbox()
	g, err := startGupshup(l.call, out)
	if err != nil {
		return err
	}
	defer g.close()
	m, err := startMeta(l.call, out)
	if err != nil {
		return err
	}
	defer m.close()
	sys, err := build(ctx, program, g.address(), m.address(), l, verbose)
	if err != nil {
		return err
	}
	defer sys.remove()
	from := time.Now()
	if err := sys.start(ctx); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "seed %d; up after %.1f s\n", p.seed, time.Since(from).Seconds())
	for _, lines := range []map[string]line{sys.demo.Channels, sys.demo.Other.Channels} {
		g.know(lines["whatsapp"])
	}
	p.system, p.outbox, p.gupshup, p.meta = sys, out, g, m
	for _, c := range chapters {
		if !strings.Contains(c.name, only) && c.name != "end" {
			continue
		}
		fmt.Fprintf(p.out, "%s\n", c.name)
		c.play(ctx, p)
		if ctx.Err() != nil {
			return fmt.Errorf("out of time or interrupted in %s", c.name)
		}
	}
	if len(p.leftOut) > 0 {
		fmt.Fprintf(p.out, "\nleft out:\n  %s\n", strings.Join(p.leftOut, "\n  "))
	}
	fmt.Fprintf(p.out, "\nplay: %d passed, %d failed, %d left out\n", p.passed, p.failed, len(p.leftOut))
	return nil
}

// check plays one sentence and tells whether it holds.
func (p *play) check(sentence string, f func() error) bool {
	from := time.Now()
	err := f()
	took := time.Since(from).Seconds()
	if err != nil {
		p.failed++
		fmt.Fprintf(p.out, "  ✗ %s (%.1f s)\n      %s\n", sentence, took, strings.ReplaceAll(err.Error(), "\n", "\n      "))
		return false
	}
	p.passed++
	fmt.Fprintf(p.out, "  ✓ %s (%.1f s)\n", sentence, took)
	return true
}
