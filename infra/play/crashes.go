package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// abreast is how many people talk at once in the disturbed run.
const abreast = 24

// crashes plays many conversations on a bad day of everything: copies and copies
// out of order, sends refused and answers lost, and the process killed again and
// again. Then it counts. Where the process cannot be killed or the clock not be moved,
// the day has copies and slow answers alone.
func crashes(ctx context.Context, p *play) {
	var want []string
	if !p.check("a good day, to compare with", func() (err error) {
		want, err = p.undisturbed(ctx)
		return err
	}) {
		return
	}
	before, err := listed[held](ctx, p, "/v1/quarantine")
	if err != nil {
		p.check("what is quarantined before", func() error { return err })
		return
	}
	times, bad := p.size.kills, p.needs(moves, kills)
	calm := bad.lacking() != ""
	if calm {
		bad.leaveOut("the same while sends are refused, answers lost and the process killed (R1, R6)")
		times = 0
	}
	people := make([]*person, p.size.people)
	for i := range people {
		people[i] = p.newPerson(ctx)
	}
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(p.seed, 7))
	lost := map[string]int{} // by number
	app := p.demo.Channels["whatsapp"].App
	p.gupshup.behave(func(_, to string) outcome {
		mu.Lock()
		defer mu.Unlock()
		switch n := chance.IntN(100); {
		case calm && n >= 3:
			return accept
		case calm:
			return slow
		case n < 5:
			return fail
		case n < 8:
			return throttle
		case n < 11:
			lost[to]++
			return lose
		case n < 14:
			return slow
		}
		return accept
	})
	defer p.gupshup.behave(nil)

	sentence := fmt.Sprintf("%d conversations, every message one to five times and out of order", len(people))
	if !calm {
		sentence += fmt.Sprintf(", while the process is killed %d times", times)
	}
	p.check(sentence, func() error {
		k := p.killer(len(people)*len(script), times)
		err := crowdOf(people, abreast, func(x *person) error { return x.babble(ctx, k) })
		return errors.Join(err, k.done())
	})
	p.gupshup.behave(nil)
	p.check("nothing is lost: every conversation comes to its form (R1, R6)", func() error {
		complete := func() bool {
			return !slices.ContainsFunc(people, func(x *person) bool { return !x.hasForm() })
		}
		for range 20 { // less than the hour after which a dialogue ends
			if p.eventually(ctx, p.patience, complete) {
				return nil
			}
			if calm {
				continue
			}
			if err := p.advance(ctx, 2*time.Minute); err != nil {
				return err
			}
		}
		for _, x := range people {
			unknown, err := x.unknown()
			if err != nil {
				return err
			}
			// Two kills may end both attempts before they reach the provider.
			if !x.hasForm() && len(unknown) == 0 {
				return fmt.Errorf("%s has no form; got %d of %d replies", x.number, len(p.to(app, x.number)), len(want))
			}
		}
		return nil
	})
	p.check("replies are those of the good day, in order; a second send only after an unknown outcome, and none is missing unless it says so (R2, R3, R6, R7)", func() error {
		for _, x := range people {
			var got []string
			for _, s := range p.to(app, x.number) {
				got = append(got, looks(s))
			}
			// A kill may hide one outcome a conversation.
			repeats := lost[x.number] + times
			if compare(got, want, repeats, nil) == nil {
				continue
			}
			unknown, err := x.unknown()
			if err != nil {
				return err
			}
			if err := compare(got, want, repeats, unknown); err != nil {
				return fmt.Errorf("%s: %w", x.number, err)
			}
		}
		return nil
	})
	people = slices.DeleteFunc(people, func(x *person) bool { return !x.hasForm() })
	p.check("every form, sent again and again while the process is killed, is one case (R8)", func() error {
		k := p.killer(len(people), times)
		err := crowdOf(people, 8, func(x *person) error { return x.insist(ctx, k) })
		if err := errors.Join(err, k.done()); err != nil {
			return err
		}
		return p.casesAre(ctx, "Mal día", len(people))
	})
	p.check("nothing ended in quarantine", func() error {
		all, err := listed[held](ctx, p, "/v1/quarantine")
		if err != nil {
			return err
		}
		for _, h := range all {
			if !slices.ContainsFunc(before, func(b held) bool { return b.ID == h.ID }) {
				return fmt.Errorf("quarantined: %+v", h)
			}
		}
		return nil
	})
}

// killer kills and restarts the process at steps of a run that follow from the
// seed.
type killer struct {
	p      *play
	mu     sync.Mutex
	chance *rand.Rand
	at     map[int]bool
	step   int
	left   int
	busy   sync.Mutex // one kill at a time
}

// killer will kill so many times in a run of so many steps.
func (p *play) killer(steps, kills int) *killer {
	k := &killer{p: p, chance: rand.New(rand.NewPCG(p.seed, 11)), at: map[int]bool{}, left: kills}
	for _, step := range k.chance.Perm(steps)[:min(kills, steps)] {
		k.at[step] = true
	}
	return k
}

// next is called at each step, in no order, by whoever takes it.
func (k *killer) next(ctx context.Context) error {
	k.mu.Lock()
	now, pause := k.at[k.step], time.Duration(k.chance.IntN(40))*time.Millisecond
	k.step++
	k.mu.Unlock()
	if !now {
		return nil
	}
	k.busy.Lock()
	defer k.busy.Unlock()
	time.Sleep(pause) // somewhere within what the others do
	if err := k.p.kill(); err != nil {
		return err
	}
	k.left--
	return k.p.start(ctx)
}

// done tells whether all kills took place.
func (k *killer) done() error {
	if k.left > 0 {
		return fmt.Errorf("%d kills did not take place", k.left)
	}
	return nil
}

// babble says the script as a provider with a bad memory passes it on: the first
// copy of each message in order, up to four more of any earlier one in between.
func (x *person) babble(ctx context.Context, k *killer) error {
	chance := rand.New(rand.NewPCG(x.p.seed, hash(x.number)))
	var saidSoFar []said
	for _, text := range script {
		saidSoFar = append(saidSoFar, x.message(text, ""))
		copies := []said{saidSoFar[len(saidSoFar)-1]}
		for range chance.IntN(5) {
			copies = append(copies, saidSoFar[chance.IntN(len(saidSoFar))])
		}
		for _, m := range copies {
			body := m.v2(x.line)
			if chance.IntN(2) == 0 {
				body = m.v3(x.line)
			}
			if err := x.p.deliver(ctx, x.line, body); err != nil {
				return fmt.Errorf("%s: %w", x.number, err)
			}
		}
		if err := k.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// insist sends the person's form several times, again while there is no answer,
// and expects the same address every time.
func (x *person) insist(ctx context.Context, k *killer) error {
	if err := k.next(ctx); err != nil {
		return err
	}
	link := ""
	for _, s := range x.p.to(x.line.App, x.number) {
		if l := formLink.FindString(s.Text); l != "" {
			if link != "" && l != link {
				return fmt.Errorf("%s has two links", x.number)
			}
			link = l
		}
	}
	address := ""
	for range 2 + hash(x.number)%2 {
		got, err := x.p.submitUntil(ctx, link, "Mal día de "+x.number)
		if err != nil {
			return fmt.Errorf("%s: %w", x.number, err)
		}
		if address != "" && got != address {
			return fmt.Errorf("%s: two addresses for one form: %s and %s", x.number, address, got)
		}
		address = got
	}
	_, err := x.p.trackUntil(ctx, address, "Mal día de "+x.number)
	return err
}

// submitUntil sends the form until there is an answer.
func (p *play) submitUntil(ctx context.Context, link, title string) (string, error) {
	var last error
	for range 200 {
		got, err := p.submit(ctx, link, nil, title, "Lo mismo cada vez.")
		if err == nil {
			return got, nil
		}
		last = err
		if strings.Contains(err.Error(), "form posted: 4") || ctx.Err() != nil {
			return "", err
		}
		p.nap(50 * time.Millisecond)
	}
	return "", last
}

// trackUntil opens the tracking page until there is an answer.
func (p *play) trackUntil(ctx context.Context, address, words string) (string, error) {
	var last error
	for range 200 {
		got, err := p.track(ctx, address, words)
		if err == nil {
			return got, nil
		}
		last = err
		if ctx.Err() != nil {
			return "", err
		}
		p.nap(50 * time.Millisecond)
	}
	return "", last
}

// unknown are the beginnings of the replies of which the API says that their
// outcome is unknown.
func (x *person) unknown() ([]string, error) {
	messages, err := x.messages()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, m := range messages {
		if m.Direction == "out" && m.Reason == "outcome_unknown" {
			first, _, _ := strings.Cut(strings.ReplaceAll(m.Text, "Persona "+x.number, "Persona"), "\n")
			all = append(all, first)
		}
	}
	return all, nil
}

// hasForm tells whether the link to the form was sent to this person.
func (x *person) hasForm() bool {
	return slices.ContainsFunc(x.p.to(x.line.App, x.number), func(s sent) bool { return formLink.MatchString(s.Text) })
}

func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(s) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// end looks back at the whole run.
func end(ctx context.Context, p *play) {
	p.gupshup.telling.Wait()
	p.check("every call kept to what the providers document", func() error {
		p.gupshup.mu.Lock()
		defer p.gupshup.mu.Unlock()
		p.meta.mu.Lock()
		defer p.meta.mu.Unlock()
		all := slices.Concat(p.gupshup.violations, p.meta.violations)
		if n := len(all); n > 0 {
			return fmt.Errorf("%d that did not; the first:\n%s", n, all[0])
		}
		return nil
	})
	p.check(fmt.Sprintf("asked to stop, the run drains and ends within %.0f s", p.drain.Seconds()), func() error {
		took, err := p.stop()
		if err == nil && took > p.drain {
			err = fmt.Errorf("took %s", took)
		}
		return err
	})
}
