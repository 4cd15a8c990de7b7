package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// alone expects that exactly the given number of things was sent to the person
// after a probe: Cancel is answered last, since replies leave in order.
func (x *person) alone(want int) error {
	if err := x.say("Cancelar"); err != nil {
		return err
	}
	for range want {
		if _, err := x.next(); err != nil {
			return err
		}
	}
	s, err := x.next()
	if err != nil {
		return err
	}
	if s.Kind != "text" || strings.Contains(s.Text, "Ciudad de Ejemplo") {
		return fmt.Errorf("after %d replies comes %q, not the end", want, s.Text)
	}
	if all := x.p.to(x.line.App, x.number); len(all) != x.read {
		return fmt.Errorf("%d things sent, want %d", len(all), x.read)
	}
	return nil
}

// copies plays a provider that says everything more than once.
func copies(ctx context.Context, p *play) {
	p.check("the same message as v2 and as v3 has one effect, whichever comes first (R2, T6)", func() error {
		for _, order := range []string{"23", "32", "2323", "3232"} {
			x := p.newPerson(ctx)
			m := x.message("Hola", "")
			for _, c := range order {
				body := m.v2(x.line)
				if c == '3' {
					body = m.v3(x.line)
				}
				if err := p.deliver(ctx, x.line, body); err != nil {
					return err
				}
			}
			if _, err := x.nextList(); err != nil {
				return err
			}
			t := x.message(x.list.Rows[0].Title, x.list.Rows[0].ID)
			for _, body := range [][]byte{t.v3(x.line), t.v2(x.line)} {
				if err := p.deliver(ctx, x.line, body); err != nil {
					return err
				}
			}
			if err := x.alone(1); err != nil {
				return fmt.Errorf("order %s: %w", order, err)
			}
		}
		return nil
	})
	p.check("the same message sixteen times at once has one effect (R2)", func() error {
		x := p.newPerson(ctx)
		m := x.message("Hola", "")
		if err := p.sixteen(ctx, x.line, m); err != nil {
			return err
		}
		return x.alone(2)
	})
	p.needs(moves).check("a copy that comes after the dialogue went on, or after minutes, changes nothing (R2)", func() error {
		x := p.newPerson(ctx)
		m := x.message("Hola", "")
		if err := x.send(m); err != nil {
			return err
		}
		if _, err := x.nextList(); err != nil {
			return err
		}
		if err := x.choose("Salud"); err != nil {
			return err
		}
		if _, err := x.nextList(); err != nil {
			return err
		}
		if err := x.send(m); err != nil {
			return err
		}
		if err := p.advance(ctx, 7*time.Minute); err != nil { // beyond a queue's memory of five
			return err
		}
		if err := p.deliver(ctx, x.line, m.v3(x.line)); err != nil {
			return err
		}
		return x.alone(0)
	})
	p.check("several messages in one body all count, in their order", func() error {
		x := p.newPerson(ctx)
		var messages []any
		for _, text := range []string{"Hola", "Salud", "Atención médica"} {
			m := x.message(text, "")
			messages = append(messages, object{"from": m.From, "id": m.ID, "timestamp": fmt.Sprint(m.At.Unix()), "type": "text", "text": object{"body": text}})
		}
		body := v3Body(x.line, object{
			"messaging_product": "whatsapp",
			"metadata":          object{"display_phone_number": x.line.Identifier, "phone_number_id": x.line.PhoneID},
			"contacts":          []any{object{"profile": object{"name": x.name}, "wa_id": x.number}},
			"messages":          messages,
		})
		if err := p.deliver(ctx, x.line, body); err != nil {
			return err
		}
		for range 3 {
			if _, err := x.nextList(); err != nil {
				return err
			}
		}
		if !shows(x.list.Rows[0].Title, "Citas en centros de salud") {
			return fmt.Errorf("last list is %v, want the services of the clinic", x.list.Rows)
		}
		return nil
	})
}

// sixteen delivers a message sixteen times at once, as v2 and as v3.
func (p *play) sixteen(ctx context.Context, l line, m said) error {
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			body := m.v2(l)
			if i%2 == 1 {
				body = m.v3(l)
			}
			errs[i] = p.deliver(ctx, l, body)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
