package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// tellLater tells the webhook that a message was taken, and then what became of it:
// word is sent, or failed for want of money.
func (g *gupshup) tellLater(l line, s sent, word string) {
	g.tellUntilHeard(l, statusEvent(l, s, "enqueued", s.At))
	if word == "failed" {
		g.tellUntilHeard(l, walletEvent(l, s, time.Now()))
		return
	}
	g.tellUntilHeard(l, statusEvent(l, s, word, time.Now()))
}

// walletEvent is a message that failed because the wallet is empty (1.11).
func walletEvent(l line, s sent, at time.Time) []byte {
	payload := object{"type": "failed", "destination": s.To, "id": wamid(s), "gsId": s.ID,
		"payload": object{"ts": at.Unix(), "code": 1003, "reason": "Message sending failed as wallet balance is low"}}
	return encode(object{"app": l.App, "timestamp": at.UnixMilli(), "version": 2, "type": "message-event", "payload": payload})
}

// later plays a provider that takes what it cannot send and tells so afterwards.
func later(ctx context.Context, p *play) {
	const people = 6
	const most = 2 + 5 // the first dialogue, then probes after 1, 2, 4 and 8 minutes and one to spare
	begin := []string{"text", "list"}
	var l line
	if !p.check("a channel of a company", func() (err error) {
		l, err = p.newLine(ctx, p.demo.AdminToken, "gupshup")
		return err
	}) {
		return
	}
	judged := func(o outcome) {
		p.gupshup.behave(func(app, _ string) outcome {
			if app == l.App {
				return o
			}
			return accept
		})
	}
	defer p.gupshup.behave(nil)
	judged(renege)
	crowd := []*person{p.caller(ctx, l)}
	if !p.check("the wallet is empty and sends are accepted all the same: failed receipts interrupt the channel", func() error {
		if err := crowd[0].begin(); err != nil {
			return err
		}
		return p.channelBecomes(ctx, l, "interrupted", "wallet")
	}) {
		return
	}
	p.needs(moves).check("a quarter of an hour of it: one probe a wait, all the rest waits, the channel never flaps (R15)", func() error {
		for range people {
			x := p.caller(ctx, l)
			crowd = append(crowd, x)
			if err := x.say("Hola"); err != nil {
				return err
			}
		}
		for m := range 15 {
			for limit := time.Now().Add(p.patience / 4); time.Now().Before(limit); p.nap(50 * time.Millisecond) {
				v, err := p.channelOf(ctx, l)
				if err != nil {
					return err
				}
				if v.State != "interrupted" || v.Cause != "wallet" {
					return fmt.Errorf("after %d minutes the channel is %s %s", m, v.State, v.Cause)
				}
			}
			if err := p.advance(ctx, time.Minute); err != nil {
				return err
			}
		}
		n := 0
		for _, x := range crowd {
			n += len(p.to(l.App, x.number))
		}
		if n < 4 || n > most {
			return fmt.Errorf("%d messages were given to it, want 4 to %d", n, most)
		}
		return nil
	})
	judged(prove)
	p.needs(moves).check("well again: a proven probe makes the channel active, and everything goes, once and in order", func() error {
		err := p.untilMoving(ctx, "every reply", time.Minute, 40, func() (bool, error) {
			for _, x := range crowd {
				if len(p.to(l.App, x.number)) < len(begin) {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		for _, x := range crowd {
			var kinds []string
			for _, s := range p.to(l.App, x.number) {
				kinds = append(kinds, s.Kind)
			}
			if got := strings.Join(kinds, " "); got != strings.Join(begin, " ") {
				return fmt.Errorf("%s got %s", x.number, got)
			}
		}
		return p.channelBecomes(ctx, l, "active", "")
	})
	p.needs(moves).check("what failed says why; all the rest has left", func() error {
		failed := map[string]bool{} // by the provider's id
		for _, x := range crowd {
			for _, s := range p.to(l.App, x.number) {
				failed[s.ID] = s.Failed
			}
		}
		return p.until(ctx, "every status", func() (bool, error) {
			for _, x := range crowd {
				messages, err := x.messages()
				if err != nil {
					return false, err
				}
				for _, m := range messages {
					want := "sent "
					if failed[m.ProviderID] {
						want = "failed wallet_empty"
					}
					if m.Direction == "out" && m.Status+" "+m.Reason != want {
						return false, fmt.Errorf("a message is %s %s, want %s", m.Status, m.Reason, want)
					}
				}
			}
			return true, nil
		})
	})
}
