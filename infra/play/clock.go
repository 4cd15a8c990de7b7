package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// clock plays what only time brings. It moves the run's clock by days.
func clock(ctx context.Context, p *play) {
	p.needs(moves).check("a dialogue without an answer for an hour ends with a sentence, once (Q11)", func() error {
		x := p.newPerson(ctx)
		if err := x.begin(); err != nil {
			return err
		}
		if err := p.advance(ctx, 61*time.Minute); err != nil {
			return err
		}
		s, err := x.next()
		if err != nil {
			return err
		}
		if s.Kind != "text" {
			return fmt.Errorf("got a %s", s.Kind)
		}
		if err := p.advance(ctx, 2*time.Hour); err != nil {
			return err
		}
		return x.silentTill("Sigo aquí")
	})
	p.needs(moves).check("a form is 410 after a day, for GET and POST; one that was used stays used", func() error {
		fresh, err := p.newPerson(ctx).toForm()
		if err != nil {
			return err
		}
		used, err := p.newPerson(ctx).toForm()
		if err != nil {
			return err
		}
		fields, err := p.openForm(ctx, fresh)
		if err != nil {
			return err
		}
		usedFields, err := p.openForm(ctx, used)
		if err != nil {
			return err
		}
		tracking, err := p.submit(ctx, used, usedFields, "A tiempo", "Antes de que venza.")
		if err != nil {
			return err
		}
		if err := p.advance(ctx, 25*time.Hour); err != nil {
			return err
		}
		status, _, err := p.get(ctx, fresh)
		if err != nil {
			return err
		}
		fields.Set("title", "Tarde")
		fields.Set("description", "Después de que venció.")
		posted, page, err := p.post(ctx, fresh, formType, fields.Encode())
		if err != nil {
			return err
		}
		if status != http.StatusGone || posted != http.StatusGone {
			return fmt.Errorf("GET %d, POST %d, want 410", status, posted)
		}
		if !strings.Contains(page, "Después de que venció.") {
			return fmt.Errorf("the page of the refused POST lost what was written")
		}
		if status, _, err = p.get(ctx, used); err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("used link: %d", status)
		}
		again, err := p.submit(ctx, used, usedFields, "A tiempo", "Antes de que venza.")
		if err != nil {
			return err
		}
		if again != tracking {
			return fmt.Errorf("sent again leads to %s, want %s", again, tracking)
		}
		return nil
	})
	p.needs(moves).check("a receipt explains a lost answer although the run's clock is days ahead", func() error {
		x := p.newPerson(ctx)
		p.gupshup.once(x.number, lose)
		defer p.gupshup.behave(nil)
		return x.greeted(lease, 6, 0)
	})
	p.needs(moves, kills).check("Ctrl-C ends the run within 10 s; the next start finds everything, the moved clock too", func() error {
		x := p.newPerson(ctx)
		link, err := x.toForm()
		if err != nil {
			return err
		}
		fields, err := p.openForm(ctx, link)
		if err != nil {
			return err
		}
		tracking, err := p.submit(ctx, link, fields, "Antes del reinicio", "Sigue aquí.")
		if err != nil {
			return err
		}
		before := p.demo
		clockBefore, err := p.now(ctx)
		if err != nil {
			return err
		}
		took, err := p.stop()
		if err != nil {
			return err
		}
		if took > p.drain {
			return fmt.Errorf("took %s", took)
		}
		if err := p.start(ctx); err != nil {
			return err
		}
		if p.demo.AdminToken != before.AdminToken || p.demo.Channels["whatsapp"] != before.Channels["whatsapp"] {
			return fmt.Errorf("tokens or addresses changed")
		}
		if _, err := p.track(ctx, tracking, "Antes del reinicio", "Sigue aquí."); err != nil {
			return err
		}
		now, err := p.now(ctx)
		if err != nil {
			return err
		}
		if past := now.Sub(clockBefore); past < 0 || past > p.limits.start+p.drain {
			return fmt.Errorf("the clock stood at %s and is at %s", clockBefore, now)
		}
		return nil
	})
}
