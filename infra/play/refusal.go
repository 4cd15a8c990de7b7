package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// refusal plays a channel whose provider refuses for an hour: its breaker opens, and
// nobody else is delayed.
func refusal(ctx context.Context, p *play) {
	const people = 12
	step := 2 * time.Minute
	if p.size.rounds == 1 {
		step *= 3
	}
	var dead, other line
	var want []string
	if !p.check("two channels of one company, and a good day to compare with", func() (err error) {
		if dead, err = p.newLine(ctx, p.demo.AdminToken, "gupshup"); err != nil {
			return err
		}
		if other, err = p.newLine(ctx, p.demo.AdminToken, "gupshup"); err != nil {
			return err
		}
		want, err = p.undisturbed(ctx)
		return err
	}) {
		return
	}
	crowd := make([]*person, people)
	for i := range crowd {
		crowd[i] = p.caller(ctx, dead)
	}
	bad := []outcome{cut, fail, unwell, fail}
	n := 0
	p.gupshup.behave(func(app, _ string) outcome { // calls come one at a time
		if app != dead.App {
			return accept
		}
		p.gupshup.mu.Lock()
		defer p.gupshup.mu.Unlock()
		n++
		return bad[min(n-1, 1+(n-1)%(len(bad)-1))]
	})
	defer p.gupshup.behave(nil)
	p.needs(moves).check("an hour of errors on one channel: webhooks are taken, nothing is lost, another channel's dialogues go on at their pace", func() error {
		var slowest time.Duration
		for m := range int(time.Hour / step) {
			for i, x := range crowd {
				if k := m - i%5; k >= 0 && k < len(script) { // not all at once
					if err := x.say(script[k]); err != nil {
						return err
					}
				}
			}
			from := time.Now()
			if m%5 == 0 {
				if _, err := p.caller(ctx, other).toForm(); err != nil {
					return fmt.Errorf("after %s: %w", time.Duration(m)*step, err)
				}
			} else if err := p.caller(ctx, other).begin(); err != nil {
				return fmt.Errorf("after %s: %w", time.Duration(m)*step, err)
			}
			slowest = max(slowest, time.Since(from))
			if err := p.advance(ctx, step); err != nil {
				return err
			}
		}
		if limit := p.swift; slowest > limit {
			return fmt.Errorf("a dialogue on the other channel took %s, more than %s", slowest, limit)
		}
		for _, x := range crowd {
			if got := p.to(dead.App, x.number); len(got) > 0 {
				return fmt.Errorf("%s got %d messages", x.number, len(got))
			}
		}
		return nil
	})
	p.needs(moves).check("the channel waits as one: the provider is asked far less than there are conversations and minutes (circuit breaker, R15)", func() error {
		if n, limit := p.gupshup.refusals(dead.App), 4*people; n == 0 || n > limit {
			return fmt.Errorf("%d calls in an hour, want 1 to %d", n, limit)
		}
		v, err := p.channelOf(ctx, dead)
		if err == nil && (v.Waiting == nil || v.Waiting.Cause != "unavailable" || v.State != "active") {
			err = fmt.Errorf("channel: %s, waiting %+v", v.State, v.Waiting)
		}
		return err
	})
	p.gupshup.behave(nil)
	p.needs(moves).check("well again: every reply goes out, once, in order", func() error {
		complete := func() bool {
			return !slices.ContainsFunc(crowd, func(x *person) bool { return len(p.to(dead.App, x.number)) < len(want) })
		}
		for range 70 {
			if p.eventually(ctx, p.patience/4, complete) {
				break
			}
			if err := p.advance(ctx, step); err != nil {
				return err
			}
		}
		for _, x := range crowd {
			var got []string
			for _, s := range p.to(dead.App, x.number) {
				got = append(got, looks(s))
			}
			if err := compare(got, want, 0, nil); err != nil {
				return fmt.Errorf("%s: %w", x.number, err)
			}
		}
		v, err := p.channelOf(ctx, dead)
		if err == nil && v.Waiting != nil {
			err = fmt.Errorf("still waiting: %+v", v.Waiting)
		}
		return err
	})
}
