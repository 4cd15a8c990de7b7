// Command play plays the main ways through the system from outside: it builds
// and starts the local run as a process of its own, stands in for Gupshup, and
// does what people, a provider on a bad day and a failing machine do. It sees only
// what they see: webhooks, sends, pages and the JSON API.
//
//	go run ./infra/play          everything once
//	go run ./infra/play -quick   fewer conversations, for make test
//	go run ./infra/play -soak    more of them, more crashes
//
// Every line is one sentence: ✓ it is so, ✗ it is not, and why. All that is left
// to chance follows from -seed. Everything stays on this machine's loopback
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
	limit  time.Duration
}

var (
	quick = size{people: 20, kills: 3, limit: 3 * time.Minute}
	whole = size{people: 200, kills: 12, limit: 15 * time.Minute}
	soak  = size{people: 1000, kills: 60, limit: 60 * time.Minute}
)

func main() {
	isQuick := flag.Bool("quick", false, "fewer conversations")
	isSoak := flag.Bool("soak", false, "more conversations, more crashes")
	seed := flag.Uint64("seed", 1, "what everything left to chance follows from")
	only := flag.String("only", "", "play only the chapters whose name contains this")
	keep := flag.Bool("v", false, "show what the system logs")
	flag.Parse()
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
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	failed, err := playAll(ctx, s, *seed, *only, *keep, os.Stdout)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stdout, "play:", err)
	}
	if err != nil || failed > 0 {
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
	{"clock", clock},
	{"outage", outage},
	{"crashes", crashes},
	{"end", end},
}

// play is one run with what all chapters use.
type play struct {
	*system
	gupshup *gupshup
	size    size
	seed    uint64
	out     io.Writer

	passed, failed int
	lastNumber     int
	messages       atomic.Int64 // of people, so far: no two have the same id
}

func playAll(ctx context.Context, s size, seed uint64, only string, verbose bool, out io.Writer) (failed int, err error) {
	g, err := startGupshup()
	if err != nil {
		return 0, err
	}
	defer g.close()
	sys, err := build(ctx, g.address(), verbose)
	if err != nil {
		return 0, err
	}
	defer sys.remove()
	from := time.Now()
	if err := sys.start(ctx); err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "seed %d; up after %.1f s\n", seed, time.Since(from).Seconds())
	g.know(sys.demo)
	p := &play{system: sys, gupshup: g, size: s, seed: seed, out: out}
	for _, c := range chapters {
		if !strings.Contains(c.name, only) && c.name != "end" {
			continue
		}
		fmt.Fprintf(out, "%s\n", c.name)
		c.play(ctx, p)
		if ctx.Err() != nil {
			return p.failed, fmt.Errorf("out of time or interrupted in %s", c.name)
		}
	}
	fmt.Fprintf(out, "\nplay: %d passed, %d failed\n", p.passed, p.failed)
	return p.failed, nil
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
