package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// maskedCode stands wherever a one-time code would be shown.
const maskedCode = "••••••"

// preferenceEvent tells that a person stopped or resumed marketing messages (Meta,
// "user_preferences webhook reference").
func preferenceEvent(l line, number, wish string, at time.Time) []byte {
	return metaEntries(metaEntry("user_preferences", object{
		"messaging_product": "whatsapp", "metadata": object{"display_phone_number": l.Identifier, "phone_number_id": l.PhoneID},
		"contacts": []any{object{"profile": object{"name": "Ana"}, "wa_id": number}},
		"user_preferences": []any{object{
			"wa_id": number, "detail": "User requested to " + wish + " marketing messages", "category": "marketing_messages", "value": wish, "timestamp": at.Unix(),
		}},
	}, l))
}

// marketing plays a person who stops marketing messages, and resumes them.
func (p *play) marketing(ctx context.Context, l line) error {
	wanted := notice("novedades")
	wanted["category"] = "marketing"
	offer, err := p.approved(ctx, l, wanted)
	if err != nil {
		return err
	}
	order, err := p.approved(ctx, l, notice("aviso_de_envio"))
	if err != nil {
		return err
	}
	x := p.caller(ctx, l) // their first word is one about marketing
	send := func(v seenTemplate) (reply, error) {
		return p.ask(ctx, p.demo.AdminToken, http.MethodPost, "/v1/templates/"+v.ID+"/messages",
			object{"number": x.number, "params": object{"nombre": "Ana", "pedido": "A-100"}})
	}
	now := time.Now()
	for _, say := range []struct {
		wish string
		at   time.Time
		goes bool
	}{{"stop", now, false}, {"resume", now.Add(-time.Minute), false}, {"resume", now.Add(time.Second), true}} {
		for range 2 { // the same again changes nothing
			if err := p.deliver(ctx, l, preferenceEvent(l, x.number, say.wish, say.at)); err != nil {
				return err
			}
		}
		if err := x.say("Hola"); err != nil { // it is done once this is answered
			return err
		}
		if _, err := x.nextList(); err != nil {
			return err
		}
		r, err := send(offer)
		if goes := r.status == http.StatusCreated; err != nil || goes != say.goes || !goes && (r.status != http.StatusConflict || !strings.Contains(r.text, "marketing_opted_out")) {
			return fmt.Errorf("marketing after %s: %d %s: %w", say.wish, r.status, r.text, err)
		}
		if r, err := send(order); err != nil || r.status != http.StatusCreated {
			return fmt.Errorf("utility after %s: %d %s: %w", say.wish, r.status, r.text, err)
		}
		if s, err := x.next(); err != nil || s.Kind != "template" {
			return fmt.Errorf("after %s comes a %s: %w", say.wish, s.Kind, err)
		}
		if say.goes {
			if s, err := x.next(); err != nil || s.Kind != "template" {
				return fmt.Errorf("after %s comes a %s alone: %w", say.wish, s.Kind, err)
			}
		}
	}
	return nil
}

// code plays a one-time code: the person gets it, nobody reads it.
func (p *play) code(ctx context.Context, l line) error {
	const code = "739164"
	v, err := p.approved(ctx, l, object{
		"name": "codigo", "display_name": "Código", "language": "es", "category": "authentication", "type": "text", "params": []string{"código"},
	})
	if err != nil {
		return err
	}
	x := p.caller(ctx, l)
	r, err := p.ask(ctx, p.demo.AdminToken, http.MethodPost, "/v1/templates/"+v.ID+"/messages", object{"number": x.number, "params": object{"código": code}})
	if err != nil || r.status != http.StatusCreated || strings.Contains(r.text, code) || !strings.Contains(r.text, maskedCode) {
		return fmt.Errorf("answered %d %s: %w", r.status, r.text, err)
	}
	if s, err := x.next(); err != nil || len(s.Params) == 0 || s.Params[0] != code {
		return fmt.Errorf("sent with %q: %w", s.Params, err)
	}
	return x.has(func(all []message) bool {
		return len(all) == 1 && all[0].Status == "accepted" && strings.Contains(all[0].Text, maskedCode) && !strings.Contains(all[0].Text, code)
	})
}
