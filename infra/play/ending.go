package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// deactivated is why cases and replies end with their channel.
const deactivated = "channel_deactivated"

// town is what is under way on a channel when it is switched off: three open cases,
// one of which also belongs to another channel, a queue, and replies that wait.
type town struct {
	*bench
	other   line
	queue   string
	people  []*person // each with a case; the last one's belongs to both channels
	cases   []string  // in the order of people
	waiting *person   // has replies that wait
	waits   int       // so many
}

func (p *play) newTown(ctx context.Context) (*town, error) {
	b, err := p.newBench(ctx, "gupshup")
	if err != nil {
		return nil, err
	}
	t := &town{bench: b}
	if t.other, err = p.newLine(ctx, p.demo.AdminToken, "gupshup"); err != nil {
		return nil, err
	}
	v, err := p.approved(ctx, b.line, invitation("visita"))
	if err != nil {
		return nil, err
	}
	var queue struct{ ID string }
	if err := p.api(ctx, http.MethodPost, "/v1/queues", object{"name": "Turno " + b.line.App, "channels": []string{b.line.ID, t.other.ID}}, &queue); err != nil {
		return nil, err
	}
	t.queue = queue.ID
	for range 3 {
		x := p.caller(ctx, b.line)
		s, err := x.invited(v)
		if err != nil {
			return nil, err
		}
		if err := x.send(x.tapOn(s, "Confirmo mi cita")); err != nil {
			return nil, err
		}
		all, err := x.ticketed(1)
		if err != nil {
			return nil, err
		}
		t.people, t.cases = append(t.people, x), append(t.cases, all[0].ID)
	}
	elsewhere := p.caller(ctx, t.other)
	if err := elsewhere.begin(); err != nil {
		return nil, err
	}
	id, err := elsewhere.conversation()
	if err != nil {
		return nil, err
	}
	if err := p.api(ctx, http.MethodPost, "/v1/cases/"+t.cases[2]+"/conversations", object{"conversation": id}, nil); err != nil {
		return nil, err
	}
	b.refuses(throttle)
	t.waiting, t.waits = p.caller(ctx, b.line), 2
	if err := t.waiting.say("Hola"); err != nil {
		return nil, err
	}
	return t, t.waiting.has(func(all []message) bool { return len(all) == 1+t.waits })
}

// ended expects what is left once the channel is off.
func (t *town) ended() error {
	for i, id := range t.cases {
		var k ticket
		err := t.p.until(t.ctx, "cases ended", func() (bool, error) {
			err := t.p.api(t.ctx, http.MethodGet, "/v1/cases/"+id, nil, &k)
			if i == 2 {
				return k.State == "new" && k.Reason == "", err
			}
			return k.State == "closed" && k.Reason == deactivated, err
		})
		if err != nil {
			return fmt.Errorf("case %d of 3 is %s %q: %w", i+1, k.State, k.Reason, err)
		}
	}
	var q struct{ Channels []string }
	if err := t.p.api(t.ctx, http.MethodGet, "/v1/queues/"+t.queue, nil, &q); err != nil {
		return err
	}
	if !slices.Equal(q.Channels, []string{t.other.ID}) {
		return fmt.Errorf("channels of the queue: %q", q.Channels)
	}
	if err := t.waiting.has(func(all []message) bool {
		n := 0
		for _, m := range all {
			if m.Direction == "out" && m.Status == "failed" && m.Reason == deactivated {
				n++
			}
		}
		return n == t.waits && len(all) == 1+t.waits
	}); err != nil {
		return err
	}
	if got := t.p.to(t.line.App, t.waiting.number); len(got) > 0 {
		return fmt.Errorf("%d sent that were cancelled", len(got))
	}
	return nil
}

// ending plays what ends with a channel (S3-12, S3-13, S3-16, Q32).
func ending(ctx context.Context, p *play) {
	var t *town
	defer p.gupshup.behave(nil)
	if !p.check("three open cases, one of which also has another channel; a queue; replies that wait", func() (err error) {
		t, err = p.newTown(ctx)
		return err
	}) {
		return
	}
	at := "/v1/channels/" + t.line.ID
	p.check("the impact that is told before is the one that switching off answers: 2 cases, 1 queue, 2 replies", func() error {
		var told impact
		if err := p.api(ctx, http.MethodGet, at+"/impact", nil, &told); err != nil {
			return err
		}
		var v seenChannel
		if err := p.api(ctx, http.MethodPut, at+"/state", object{"state": "inactive"}, &v); err != nil {
			return err
		}
		if told != (impact{2, 1, 2}) || v.Impact != told || v.State != "inactive" {
			return fmt.Errorf("told %+v, answered %+v, %s", told, v.Impact, v.State)
		}
		if err := p.api(ctx, http.MethodPut, at+"/state", object{"state": "inactive"}, &v); err != nil {
			return err
		}
		if v.Impact != (impact{}) {
			return fmt.Errorf("switched off again: %+v", v.Impact)
		}
		return nil
	})
	p.check("two cases are closed with the reason, the third is open; the queue has lost the number; the replies are cancelled", func() error {
		if !p.without[moves] { // the pause of those that were refused ends sooner
			if err := p.advance(ctx, 10*time.Second); err != nil {
				return err
			}
		}
		return t.ended()
	})
	p.check("what is written to it is recorded and not answered; nothing can be sent or requested on it", func() error {
		if err := p.settled(ctx); err != nil {
			return err
		}
		p.gupshup.behave(nil)
		x := t.people[0]
		if err := x.say("¿Siguen ahí?"); err != nil {
			return err
		}
		if err := x.has(func(all []message) bool {
			return slices.ContainsFunc(all, func(m message) bool { return m.Text == "¿Siguen ahí?" && m.Reason != "" })
		}); err != nil {
			return err
		}
		v, err := t.now(t.marker)
		if err != nil {
			return err
		}
		return errors.Join(
			p.refuses(ctx, p.demo.AdminToken, http.MethodPost, at+"/templates", notice("tarde"), 409, "channel_off"),
			p.refuses(ctx, p.demo.AdminToken, http.MethodPost, "/v1/templates/"+v.ID+"/messages", object{"number": x.number, "params": object{"nombre": "Ana", "pedido": "1"}}, 409, ""),
			p.refuses(ctx, p.demo.AdminToken, http.MethodPut, at+"/queues", object{"queues": []string{t.queue}}, 409, "channel_off"),
		)
	})
	p.check("switched on it answers again, and what was cancelled stays so", func() error {
		var v seenChannel
		if err := p.api(ctx, http.MethodPut, at+"/state", object{"state": "active"}, &v); err != nil {
			return err
		}
		if v.State != "active" || len(v.Queues) > 0 {
			return fmt.Errorf("switched on: %+v", v)
		}
		if err := p.settled(ctx); err != nil {
			return err
		}
		if err := p.caller(ctx, t.line).begin(); err != nil {
			return err
		}
		if err := t.people[0].silentTill("Hola"); err != nil {
			return err
		}
		return t.ended()
	})
	p.needs(moves).check("the timer that ends what is left touches nothing of a channel that is on again", func() error {
		if err := p.advance(ctx, 3*time.Minute); err != nil {
			return err
		}
		if err := p.caller(ctx, t.line).begin(); err != nil {
			return err
		}
		return t.ended()
	})
}
