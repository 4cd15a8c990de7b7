package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// lease is how long an attempt to send may stay without a result.
const lease = 61 * time.Second

// nextMoving waits for the next thing sent to this person and moves the run's
// clock on by step while nothing comes, at most so many times. Where the clock
// cannot be moved it waits for as long.
func (x *person) nextMoving(step time.Duration, times int) (sent, error) {
	if x.p.without[moves] {
		return x.nextWithin(time.Duration(times)*step + x.p.reply)
	}
	for range times {
		s, err := x.nextWithin(x.p.patience)
		if err == nil || !errors.Is(err, errSilence) {
			return s, err
		}
		if err := x.p.advance(x.ctx, step); err != nil {
			return sent{}, err
		}
	}
	return x.next()
}

// greeted says hello and expects greeting and list, and nothing twice, whatever
// happens to the first send; extra is how many more copies may come.
func (x *person) greeted(step time.Duration, times, extra int) error {
	if err := x.say("Hola"); err != nil {
		return err
	}
	var got []string
	for {
		s, err := x.nextMoving(step, times)
		if err != nil {
			return fmt.Errorf("after %q: %w", got, err)
		}
		got = append(got, s.Kind)
		if s.Kind == "list" {
			break
		}
	}
	want := strings.Repeat("text ", 1+extra) + "list"
	if strings.Join(got, " ") != want {
		return fmt.Errorf("sent: %q, want %s", got, want)
	}
	return x.alone(0)
}

// sending plays single sends that go wrong.
func sending(ctx context.Context, p *play) {
	for _, c := range []struct {
		what     string
		outcomes []outcome
		extra    int
		receipts bool
		step     time.Duration
		needs    []need
	}{
		{"a lost answer that a receipt explains: not sent again", []outcome{lose}, 0, true, lease, []need{moves}},
		{"an answer that takes a while", []outcome{slow}, 0, true, 5 * time.Second, nil},
		{"a 500 and then well: nothing is lost, nothing twice", []outcome{fail}, 0, true, 5 * time.Second, nil},
		{"a 503 from a gateway twice, then well", []outcome{unwell, unwell}, 0, true, 10 * time.Second, nil},
		{"a 429 and then well", []outcome{throttle}, 0, true, 10 * time.Second, nil},
		{"a lost answer that nothing explains: sent once more (R6)", []outcome{lose}, 1, false, lease, []need{moves}},
		{"two lost answers: not sent a third time (R6)", []outcome{lose, lose}, 1, false, lease, []need{moves}},
	} {
		p.needs(c.needs...).check(c.what, func() error {
			x := p.newPerson(ctx)
			p.gupshup.tell(c.receipts)
			p.gupshup.once(x.number, c.outcomes...)
			defer p.gupshup.tell(true)
			defer p.gupshup.behave(nil)
			return x.greeted(c.step, 6, c.extra)
		})
	}
	p.check("a reply that is refused for good ends with its reason, and the next one goes", func() error {
		x := p.newPerson(ctx)
		p.gupshup.once(x.number, decline)
		defer p.gupshup.behave(nil)
		if err := x.say("Hola"); err != nil {
			return err
		}
		s, err := x.next()
		if err != nil {
			return err
		}
		if s.Kind != "list" {
			return fmt.Errorf("first comes a %s, want the list", s.Kind)
		}
		messages, err := x.messages()
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Direction == "out" && m.Type == "text" && m.Status == "failed" && m.Reason != "" {
				return nil
			}
		}
		return fmt.Errorf("no failed message with a reason in %+v", messages)
	})
	p.needs(moves).check("a reply whose outcome stays unknown says so", func() error {
		x := p.newPerson(ctx)
		p.gupshup.tell(false)
		p.gupshup.once(x.number, lose, lose)
		defer p.gupshup.tell(true)
		defer p.gupshup.behave(nil)
		if err := x.greeted(lease, 6, 1); err != nil {
			return err
		}
		messages, err := x.messages()
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Direction == "out" && m.Reason == "outcome_unknown" {
				return nil
			}
		}
		return fmt.Errorf("no message with that reason in %+v", messages)
	})
	p.needs(moves).check("a dead credential makes the channel wait; when it is well again everything goes, and the other company never waits", func() error {
		demo := p.demo.Channels["whatsapp"].App
		p.gupshup.behave(func(app, _ string) outcome {
			if app == demo {
				return forbid
			}
			return accept
		})
		defer p.gupshup.behave(nil)
		x, y := p.newPerson(ctx), p.newPerson(ctx)
		for _, z := range []*person{x, y} {
			if err := z.say("Hola"); err != nil {
				return err
			}
			if s, err := z.nextWithin(p.patience); err == nil {
				return fmt.Errorf("got %q although the key is dead", s.Text)
			} else if !errors.Is(err, errSilence) {
				return err
			}
		}
		c := p.newCustomer(ctx)
		if err := c.say("Hola"); err != nil {
			return err
		}
		if _, err := c.nextWithin(p.patience); err != nil {
			return fmt.Errorf("the other company's customer: %w", err)
		}
		p.gupshup.behave(nil)
		for _, z := range []*person{x, y} {
			for _, want := range []string{"text", "list"} {
				s, err := z.nextMoving(time.Minute, 8)
				if err != nil {
					return err
				}
				if s.Kind != want {
					return fmt.Errorf("got a %s, want a %s", s.Kind, want)
				}
			}
		}
		return nil
	})
}
