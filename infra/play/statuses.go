package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// lattice is the order in which a delivery status grows.
var lattice = []string{"queued", "accepted", "sent", "failed", "delivered", "read"}

// orders lists every order of every choice of at least one of the words.
func orders(words []string) [][]string {
	var all [][]string
	var grow func(sofar []string)
	grow = func(sofar []string) {
		if len(sofar) > 0 {
			all = append(all, slices.Clone(sofar))
		}
		for _, w := range words {
			if !slices.Contains(sofar, w) {
				grow(append(sofar, w))
			}
		}
	}
	grow(nil)
	return all
}

// status reads a send's delivery status as the API shows it, once the system has
// noted the answer to the send.
func (x *person) status(s sent) (message, error) {
	for limit := time.Now().Add(x.p.reply); ; {
		messages, err := x.messages()
		if err != nil {
			return message{}, err
		}
		if i := slices.IndexFunc(messages, func(m message) bool { return m.ProviderID == s.ID }); i >= 0 {
			return messages[i], nil
		}
		if time.Now().After(limit) {
			return message{}, fmt.Errorf("no message of %s with the provider's id %s", x.number, s.ID)
		}
		x.p.nap(10 * time.Millisecond)
	}
}

// statuses plays delivery statuses in every order.
func statuses(ctx context.Context, p *play) {
	p.check("delivery statuses in every order end at the highest", func() error {
		for i, order := range orders([]string{"sent", "delivered", "read", "failed"}) {
			x := p.newPerson(ctx)
			if err := x.begin(); err != nil {
				return err
			}
			s := x.list
			want := "accepted"
			for k, status := range order {
				body := statusEvent(x.line, s, status, time.Now())
				if (i+k)%2 == 1 {
					body = statusEventV3(x.line, s, status, time.Now())
				}
				if err := p.deliver(ctx, x.line, body); err != nil {
					return err
				}
				if slices.Index(lattice, status) > slices.Index(lattice, want) {
					want = status
				}
			}
			got, err := x.status(s)
			if err != nil {
				return err
			}
			if got.Status != want {
				return fmt.Errorf("after %s: %s, want %s", strings.Join(order, ", "), got.Status, want)
			}
		}
		return nil
	})
	p.check("a status that overtakes the answer to its send counts", func() error {
		x := p.newPerson(ctx)
		p.gupshup.once(x.number, slow)
		defer p.gupshup.behave(nil)
		if err := x.say("Hola"); err != nil {
			return err
		}
		s, err := x.next() // taken, not yet answered
		if err != nil {
			return err
		}
		if err := p.deliver(ctx, x.line, statusEvent(x.line, s, "read", time.Now())); err != nil {
			return err
		}
		if _, err := x.nextList(); err != nil { // so the first was answered
			return err
		}
		got, err := x.status(s)
		if err != nil {
			return err
		}
		if got.Status != "read" {
			return fmt.Errorf("status is %s", got.Status)
		}
		return nil
	})
}
