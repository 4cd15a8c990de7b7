package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// looks is what a person sees of a send, without what differs from one
// conversation to the next.
func looks(s sent) string {
	var rows []string
	for _, r := range s.Rows {
		rows = append(rows, r.Title)
	}
	return s.Kind + " " + formLink.ReplaceAllString(strings.ReplaceAll(s.Text, "Persona "+s.To, "Persona"), "<link>") + " " + strings.Join(rows, "|")
}

// script is a way to a form in typed words: it needs no reply to go on.
var script = append([]string{"Hola"}, clinic...)

// undisturbed plays the script on a good day and gives what it looks like.
func (p *play) undisturbed(ctx context.Context) ([]string, error) {
	x := p.newPerson(ctx)
	for _, text := range script {
		if err := x.say(text); err != nil {
			return nil, err
		}
	}
	if _, err := x.nextForm(); err != nil {
		return nil, err
	}
	var want []string
	for _, s := range p.to(x.line.App, x.number) {
		want = append(want, looks(s))
	}
	return want, nil
}

// compare checks what a person got against a good day: the same in the same
// order, with so many repeats at most in all, one right after the other. What holds
// a text of unknown may be missing.
func compare(got, want []string, repeats int, unknown []string) error {
	i := 0
	for n, w := range want {
		if i < len(got) && got[i] == w {
			for i++; i < len(got) && got[i] == w; i++ {
				repeats--
			}
		} else if !slices.ContainsFunc(unknown, func(text string) bool { return text != "" && strings.Contains(w, text) }) {
			return fmt.Errorf("reply %d of %d is not there: got\n%s\nwant\n%s", n+1, len(want), brief(got), brief(want))
		}
	}
	if i < len(got) {
		return fmt.Errorf("after all replies comes %q", got[i])
	}
	if repeats < 0 {
		return fmt.Errorf("%d repeats more than outcomes that were unknown", -repeats)
	}
	return nil
}

// brief is a line each.
func brief(replies []string) string {
	var lines []string
	for _, r := range replies {
		r = strings.ReplaceAll(r, "\n", " ")
		lines = append(lines, string([]rune(r)[:min(60, length(r))]))
	}
	return strings.Join(lines, "\n")
}

// outage plays ten minutes in which the provider takes nothing of one company.
func outage(ctx context.Context, p *play) {
	const people = 12
	const step = 30 * time.Second
	var want []string
	demo := p.demo.Channels["whatsapp"].App
	crowd := make([]*person, people)
	if !p.check("a good day, to compare with", func() (err error) {
		want, err = p.undisturbed(ctx)
		return err
	}) {
		return
	}
	p.gupshup.behave(func(app, _ string) outcome {
		if app == demo {
			return throttle
		}
		return accept
	})
	defer p.gupshup.behave(nil)
	p.needs(moves).check("ten minutes of 429: webhooks are taken, nothing is sent, the other company's people never wait", func() error {
		for i := range crowd {
			crowd[i] = p.newPerson(ctx)
		}
		var slowest time.Duration
		for m := range 10 * time.Minute / step {
			for i, x := range crowd {
				if n := int(m) - i%5; n >= 0 && n < len(script) { // not all at once
					if err := x.say(script[n]); err != nil {
						return err
					}
				}
			}
			c := p.newCustomer(ctx)
			from := time.Now()
			if err := c.say("Hola"); err != nil {
				return err
			}
			if _, err := c.next(); err != nil {
				return fmt.Errorf("after %s: %w", m*step, err)
			}
			slowest = max(slowest, time.Since(from))
			if err := p.advance(ctx, step); err != nil {
				return err
			}
		}
		if limit := p.swift; slowest > limit {
			return fmt.Errorf("a customer of the other company waited %s, more than %s", slowest, limit)
		}
		for _, x := range crowd {
			if got := p.to(demo, x.number); len(got) > 0 {
				return fmt.Errorf("%s got %d messages", x.number, len(got))
			}
		}
		return nil
	})
	p.needs(moves).check("back-pressure: the provider is not asked for every reply again and again (R15)", func() error {
		// A channel that waits is probed: some tries a conversation, then few.
		if n, limit := p.gupshup.refusals(demo), 40*people; n > limit {
			return fmt.Errorf("%d refused tries, more than %d", n, limit)
		}
		return nil
	})
	p.gupshup.behave(nil)
	p.needs(moves).check("well again: every reply goes out, once, in order", func() error {
		complete := func() bool {
			return !slices.ContainsFunc(crowd, func(x *person) bool { return len(p.to(demo, x.number)) < len(want) })
		}
		for range 40 {
			if p.eventually(ctx, p.patience, complete) {
				break
			}
			if err := p.advance(ctx, step); err != nil {
				return err
			}
		}
		for _, x := range crowd {
			var got []string
			for _, s := range p.to(demo, x.number) {
				got = append(got, looks(s))
			}
			if err := compare(got, want, 0, nil); err != nil {
				return fmt.Errorf("%s: %w", x.number, err)
			}
		}
		return nil
	})
}

// eventually waits until something holds, at most so long without anything being
// sent.
func (p *play) eventually(ctx context.Context, limit time.Duration, holds func() bool) bool {
	for {
		changed := p.change()
		if holds() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		case <-time.After(limit):
			return holds()
		}
	}
}

// crowdOf runs f for many people, some side by side, and gives the first error.
func crowdOf(people []*person, abreast int, f func(*person) error) error {
	slots := make(chan struct{}, abreast)
	errs := make(chan error, len(people))
	var wg sync.WaitGroup
	for _, x := range people {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs <- f(x)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
