package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// moment is when the process is killed, seen from a call to the provider.
type moment int

const (
	atOnce  moment = iota // as soon as the API has answered
	before                // when the call comes, before it takes effect
	between               // it took effect, and the answer is not given
	after                 // just after the answer
)

func (m moment) String() string {
	return []string{"at once", "before the call", "during the call", "after the call"}[m]
}

// dies has the process killed at a moment of the next call of a kind, and started
// again; run makes that call happen. An error of run is what a kill may bring.
func (p *play) dies(ctx context.Context, a *account, kind string, m moment, pause time.Duration, run func() error) error {
	reached, killed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	a.has(func(c call) outcome {
		o := accept
		if c.kind == kind && m != atOnce {
			once.Do(func() {
				switch m {
				case before:
					close(reached)
					<-killed
					o = cut
				case between:
					o = lose // it takes effect; whoever called is gone
					time.AfterFunc(pause, func() { close(reached) })
				case after:
					time.AfterFunc(pause+5*time.Millisecond, func() { close(reached) })
				}
			})
		}
		return o
	})
	defer a.has(nil)
	ran := run()
	if m != atOnce && ran == nil {
		select {
		case <-reached:
		case <-time.After(p.limits.reply):
			close(killed)
			return fmt.Errorf("no call %s", kind)
		}
	} else {
		time.Sleep(pause)
	}
	err := errors.Join(ran, p.kill())
	close(killed)
	if err != nil {
		return err
	}
	return p.start(ctx)
}

// channelCrashes kills the process while templates are submitted, lists read and
// channels switched off.
func channelCrashes(ctx context.Context, p *play) {
	rounds := p.size.rounds
	chance := rand.New(rand.NewPCG(p.seed, 17))
	pause := func() time.Duration { return time.Duration(chance.IntN(30)) * time.Millisecond }
	var b *bench
	bad := p.needs(moves, kills)
	if bad.lacking() == "" && !p.check("a channel whose process is to be killed", func() (err error) {
		b, err = p.newBench(ctx, "gupshup")
		return err
	}) {
		return
	}
	at := []moment{before, between}
	if rounds > 1 {
		at = append(at, atOnce, after)
	}
	bad.check(fmt.Sprintf("killed %d times while a template is submitted: it is at the provider once, and we know it (R6)", rounds*len(at)), func() error {
		for round := range rounds {
			for _, m := range at {
				var v seenTemplate
				err := p.dies(ctx, b.account, "submit", m, pause(), func() error {
					return p.api(ctx, http.MethodPost, "/v1/channels/"+b.line.ID+"/templates", notice(fmt.Sprintf("interrumpida_%d_%d", round, m)), &v)
				})
				if err == nil {
					err = p.untilMoving(ctx, "the provider has it", lease, 8, func() (ok bool, err error) {
						v, err = b.now(v)
						return v.ProviderID != "" && v.Status == "pending", err
					})
				}
				if err == nil {
					err = p.isOnce(ctx, b.line, v)
				}
				if n := b.account.count(tries(v.Name)); err == nil && n > 1 && (m == between || m == after) {
					err = fmt.Errorf("sent %d times: the list was not looked at first", n)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", m, err)
				}
			}
		}
		return nil
	})
	bad.check(fmt.Sprintf("killed %d times while the list is read: then everything is as the list says", rounds*len(at)), func() error {
		all, err := b.approved(3)
		if err != nil {
			return err
		}
		for range rounds {
			for i, m := range at {
				word := []string{"paused", "approved"}[i%2]
				for _, v := range all {
					b.account.becomes(v.ProviderID, word, "")
				}
				was, err := p.channelOf(ctx, b.line)
				if err == nil {
					err = p.dies(ctx, b.account, "list", m, pause(), func() error {
						return p.api(ctx, http.MethodPost, "/v1/channels/"+b.line.ID+"/templates/sync", nil, nil)
					})
				}
				if err == nil {
					err = p.untilMoving(ctx, "the list is read", time.Minute, 8, func() (bool, error) {
						is, err := p.channelOf(ctx, b.line)
						return err == nil && is.LastSync.OK && is.LastSync.At.After(was.LastSync.At), err
					})
				}
				for _, v := range all {
					if err == nil {
						_, err = p.becomes(ctx, b.line, v.ID, word, func(v seenTemplate) bool { return v.State == word && v.Sendable == (word == "approved") })
					}
				}
				if err != nil {
					return fmt.Errorf("%s: %w", m, err)
				}
			}
		}
		return nil
	})
	bad.check(fmt.Sprintf("killed %d times while a channel is switched off: cases, queue and replies end as on a good day", rounds), func() error {
		for range rounds {
			if err := p.offWhileDying(ctx, chance); err != nil {
				return err
			}
		}
		return nil
	})
}

// offWhileDying switches a channel off, kills the process meanwhile, and asks again
// until there is an answer, as an admin does.
func (p *play) offWhileDying(ctx context.Context, chance *rand.Rand) error {
	defer p.gupshup.behave(nil)
	t, err := p.newTown(ctx)
	if err != nil {
		return err
	}
	off := func() error {
		var v seenChannel
		err := p.api(ctx, http.MethodPut, "/v1/channels/"+t.line.ID+"/state", object{"state": "inactive"}, &v)
		if err == nil && v.State != "inactive" {
			err = fmt.Errorf("state %s", v.State)
		}
		return err
	}
	asked := make(chan error, 1)
	go func() { asked <- off() }()
	time.Sleep(time.Duration(chance.IntN(12_000)) * time.Microsecond)
	err = p.kill()
	if answered := <-asked; answered != nil && strings.Contains(answered.Error(), " 4") { // a refusal, no lost answer
		return answered
	}
	if err == nil {
		err = p.start(ctx)
	}
	if err == nil {
		err = off()
	}
	if err == nil {
		err = p.advance(ctx, 3*time.Minute)
	}
	if err != nil {
		return err
	}
	return t.ended()
}
