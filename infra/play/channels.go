package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The estimate of a request's evaluation: 1.5 to 2 weeks (S3-06).
const (
	estimateFrom = 252 * time.Hour
	estimateTo   = 14 * 24 * time.Hour
)

// channels plays a channel from its request to its end.
func channels(ctx context.Context, p *play) {
	admin := p.demo.AdminToken
	var l line
	at := func(path string) string { return "/v1/channels/" + l.ID + path }
	if !p.check("a request is pending, without identifier, with an estimate of 1.5 to 2 weeks; its addresses are shown once (S3-06, S3-07)", func() (err error) {
		if l, err = p.requestLine(ctx, admin, "gupshup"); err != nil {
			return err
		}
		v, err := p.channelOf(ctx, l)
		if err != nil {
			return err
		}
		if v.State != "pending" || v.Identifier != "" || v.Cause != "" || v.Evaluation == nil {
			return fmt.Errorf("request: %+v", v)
		}
		if from, to := v.Evaluation.From.Sub(v.CreatedAt), v.Evaluation.To.Sub(v.CreatedAt); from != estimateFrom || to != estimateTo {
			return fmt.Errorf("estimate from %s to %s", from, to)
		}
		if v.WebhookURL+v.CallbackURL != "" {
			return fmt.Errorf("addresses are shown again")
		}
		return nil
	}) {
		return
	}
	p.check("while pending it is only viewed: no edit, switch, queues, credentials or templates; what is written to it gets no answer (S3-11, S3-15)", func() error {
		x := p.caller(ctx, l)
		if err := x.say("Hola"); err != nil {
			return err
		}
		return errors.Join(
			p.refuses(ctx, admin, http.MethodPatch, at(""), object{"settings": object{"messages_per_second": 5}}, 409, "pending"),
			p.refuses(ctx, admin, http.MethodPut, at("/state"), object{"state": "active"}, 409, "pending"),
			p.refuses(ctx, admin, http.MethodPut, at("/queues"), object{"queues": []string{}}, 409, "pending"),
			p.refuses(ctx, admin, http.MethodPut, at("/credentials"), object{"credentials": l.credentials()}, 409, "pending"),
			p.refuses(ctx, admin, http.MethodPost, at("/templates"), notice("pronto"), 409, "channel_off"),
			p.refuses(ctx, admin, http.MethodPut, at("/state"), object{"state": "interrupted"}, 409, ""),
		)
	})
	p.check("a rejection leaves it pending with its reason, and may be followed by an approval (Q21)", func() error {
		var v seenChannel
		if err := p.api(ctx, http.MethodPost, at("/rejection"), object{"reason": "Falta el registro de la empresa."}, &v); err != nil {
			return err
		}
		if v.State != "pending" || v.Cause != "rejected" || v.Rejection == nil || v.Rejection.Reason != "Falta el registro de la empresa." {
			return fmt.Errorf("rejected: %+v", v)
		}
		return nil
	})
	p.check("an approval with a key that the provider refuses is 422 and changes nothing", func() error {
		p.gupshup.know(l)
		before, err := p.channelOf(ctx, l)
		if err != nil {
			return err
		}
		wrong := l
		wrong.APIKey = "sk_wrong"
		err = p.refuses(ctx, admin, http.MethodPost, at("/approval"), object{"identifier": l.Identifier, "credentials": wrong.credentials()}, 422, "credentials refused_by_provider")
		if err != nil {
			return err
		}
		after, err := p.channelOf(ctx, l)
		if err == nil && (after.Version != before.Version || after.State != "pending" || after.Identifier != "") {
			err = fmt.Errorf("before %+v, after %+v", before, after)
		}
		return err
	})
	p.check("the approval makes it active with its number as identifier, and what people write is answered (S3-08)", func() (err error) {
		if l, err = p.approveLine(ctx, l); err != nil {
			return err
		}
		if err := p.refuses(ctx, admin, http.MethodPost, at("/approval"), object{"identifier": l.Identifier, "credentials": l.credentials()}, 409, "not_pending"); err != nil {
			return err
		}
		if err := p.listRead(ctx, l); err != nil {
			return err
		}
		r, err := p.ask(ctx, admin, http.MethodGet, at(""), nil)
		if err != nil {
			return err
		}
		if strings.Contains(r.text, l.APIKey) {
			return fmt.Errorf("the key is shown: %s", r.text)
		}
		return p.caller(ctx, l).begin()
	})
	p.check("a number that a channel has is not given to another; Meta's is asked for its credentials too", func() error {
		other, err := p.requestLine(ctx, admin, "gupshup")
		if err != nil {
			return err
		}
		p.gupshup.know(other)
		in := object{"identifier": l.Identifier, "credentials": other.credentials()}
		if err := p.refuses(ctx, admin, http.MethodPost, "/v1/channels/"+other.ID+"/approval", in, 422, "identifier taken"); err != nil {
			return err
		}
		m, err := p.requestLine(ctx, admin, providerMeta)
		if err != nil {
			return err
		}
		p.meta.know(m)
		wrong := m
		wrong.Token = "EAAwrong"
		in = object{"identifier": m.Identifier, "credentials": wrong.credentials()}
		if err := p.refuses(ctx, admin, http.MethodPost, "/v1/channels/"+m.ID+"/approval", in, 422, "credentials refused_by_provider"); err != nil {
			return err
		}
		_, err = p.approveLine(ctx, m)
		return err
	})
	p.check("channels are filtered by kind and state (S3-09, S3-10)", func() error {
		for _, c := range []struct {
			query string
			there bool
		}{
			{"state=active", true}, {"state=pending", false}, {"state=inactive", false}, {"state=interrupted", false},
			{"kind=whatsapp", true}, {"kind=viber", false}, {"kind=whatsapp&state=active", true}, {"", true},
		} {
			all, err := listed[seenChannel](ctx, p, "/v1/channels?"+c.query)
			if err != nil {
				return err
			}
			if there := slices.ContainsFunc(all, func(v seenChannel) bool { return v.ID == l.ID }); there != c.there {
				return fmt.Errorf("%q: there %t, want %t", c.query, there, c.there)
			}
		}
		return p.refuses(ctx, admin, http.MethodGet, "/v1/channels?state=rejected", nil, 422, "")
	})
	p.check("everything is edited but the name of the company (S3-14); another company's admin finds no channel", func() error {
		var v seenChannel
		in := object{"requester": object{"name": "Marta Ríos", "email": "marta@example.com"}, "settings": object{"messages_per_second": 40}}
		if err := p.api(ctx, http.MethodPatch, at(""), in, &v); err != nil {
			return err
		}
		if v.Requester.Name != "Marta Ríos" || v.Settings.PerSecond != 40 {
			return fmt.Errorf("edited: %+v", v)
		}
		return errors.Join(
			p.refuses(ctx, admin, http.MethodPatch, at(""), object{"company": object{"name": "Otra"}}, 422, ""),
			p.refuses(ctx, admin, http.MethodPatch, at(""), object{"settings": object{"messages_per_second": 0}}, 422, ""),
			p.refuses(ctx, admin, http.MethodPatch, at(""), object{"settings": object{"messages_per_second": 1001}}, 422, ""),
			p.refuses(ctx, p.demo.Other.AdminToken, http.MethodGet, at(""), nil, 404, "not_found"),
			p.refuses(ctx, p.demo.AgentToken, http.MethodGet, at(""), nil, 403, "forbidden"),
		)
	})
	p.needs(moves).check("new addresses keep the old ones for as many minutes as asked, then these are 404", func() error {
		old := l
		var v seenChannel
		if err := p.api(ctx, http.MethodPost, at("/secret"), object{"keep_old_minutes": 10}, &v); err != nil {
			return err
		}
		if v.WebhookURL == "" || v.WebhookURL == old.WebhookURL || v.CallbackURL == old.CallbackURL {
			return fmt.Errorf("new addresses %q, %q", v.WebhookURL, v.CallbackURL)
		}
		l.WebhookURL, l.CallbackURL = v.WebhookURL, v.CallbackURL
		if err := p.caller(ctx, old).begin(); err != nil {
			return fmt.Errorf("old address: %w", err)
		}
		if err := p.caller(ctx, l).begin(); err != nil {
			return fmt.Errorf("new address: %w", err)
		}
		if err := p.advance(ctx, 11*time.Minute); err != nil {
			return err
		}
		if err := p.gone(ctx, old); err != nil {
			return err
		}
		return p.caller(ctx, l).begin()
	})
	p.check("new addresses without minutes end the old ones at once", func() error {
		old := l
		var v seenChannel
		if err := p.api(ctx, http.MethodPost, at("/secret"), nil, &v); err != nil {
			return err
		}
		l.WebhookURL, l.CallbackURL = v.WebhookURL, v.CallbackURL
		if err := p.settled(ctx); err != nil {
			return err
		}
		if err := p.gone(ctx, old); err != nil {
			return err
		}
		return p.caller(ctx, l).begin()
	})
	p.interruptions(ctx, l)
	p.check("switched off it takes in what comes and answers nothing; switched on it answers again (S3-11)", func() error {
		if err := p.until(ctx, "nothing is under way", func() (bool, error) {
			var is impact
			err := p.api(ctx, http.MethodGet, at("/impact"), nil, &is)
			return is == impact{}, err
		}); err != nil {
			return err
		}
		var v seenChannel
		if err := p.api(ctx, http.MethodPut, at("/state"), object{"state": "inactive"}, &v); err != nil {
			return err
		}
		if v.State != "inactive" || v.Impact != (impact{}) {
			return fmt.Errorf("switched off: %+v", v)
		}
		if err := p.settled(ctx); err != nil {
			return err
		}
		x := p.caller(ctx, l)
		if err := x.say("¿Hay alguien?"); err != nil {
			return err
		}
		if err := p.api(ctx, http.MethodPut, at("/state"), object{"state": "active"}, &v); err != nil {
			return err
		}
		if err := p.settled(ctx); err != nil {
			return err
		}
		return x.silentTill("Hola")
	})
	p.check("deleted it is gone, its number free, and what was said on it still there (S3-16, Q33)", func() error {
		x := p.caller(ctx, l)
		if err := x.begin(); err != nil {
			return err
		}
		if err := p.api(ctx, http.MethodDelete, at(""), nil, nil); err != nil {
			return err
		}
		if err := errors.Join(
			p.refuses(ctx, admin, http.MethodGet, at(""), nil, 404, "not_found"),
			p.refuses(ctx, admin, http.MethodDelete, at(""), nil, 404, "not_found"),
			p.refuses(ctx, admin, http.MethodPut, at("/state"), object{"state": "active"}, 404, "not_found"),
			p.refuses(ctx, admin, http.MethodGet, at("/templates"), nil, 404, "not_found"),
		); err != nil {
			return err
		}
		if messages, err := x.messages(); err != nil || len(messages) < 3 {
			return fmt.Errorf("%d messages are left: %w", len(messages), err)
		}
		again, err := p.requestLine(ctx, admin, "gupshup")
		if err != nil {
			return err
		}
		again.Identifier = l.Identifier
		_, err = p.approveLine(ctx, again)
		return err
	})
}

// gone expects that a webhook's address is not found.
func (p *play) gone(ctx context.Context, l line) error {
	for _, address := range []string{l.WebhookURL, l.CallbackURL} {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		status, _, err := p.post(ctx, p.demo.BaseURL+u.Path, "application/json", "{}")
		if err != nil {
			return err
		}
		if status != http.StatusNotFound {
			return fmt.Errorf("old address: %d, want 404", status)
		}
	}
	return nil
}

// interruptions plays what the system finds out about a channel (S3-09, Q21).
func (p *play) interruptions(ctx context.Context, l line) {
	put := func(key string, status int, code string) error {
		renewed := l
		renewed.APIKey = key
		in := object{"credentials": renewed.credentials()}
		if status == 0 {
			return p.apiAs(ctx, l.admin(p), http.MethodPut, "/v1/channels/"+l.ID+"/credentials", in, nil)
		}
		return p.refuses(ctx, l.admin(p), http.MethodPut, "/v1/channels/"+l.ID+"/credentials", in, status, code)
	}
	p.check("a dead key interrupts it; a wrong new one is refused; the right one is tried, it is active, and what waited leaves", func() error {
		p.account(l).renew("sk_second")
		x := p.caller(ctx, l)
		if err := x.say("Hola"); err != nil {
			return err
		}
		if err := p.channelBecomes(ctx, l, "interrupted", "credential"); err != nil {
			return err
		}
		if err := p.refuses(ctx, l.admin(p), http.MethodPut, "/v1/channels/"+l.ID+"/state", object{"state": "active"}, 409, "interrupted"); err != nil {
			return err
		}
		if err := put("sk_wrong", 422, "credentials refused_by_provider"); err != nil {
			return err
		}
		if got := p.to(l.App, x.number); len(got) > 0 {
			return fmt.Errorf("%d sent meanwhile", len(got))
		}
		if err := put("sk_second", 0, ""); err != nil {
			return err
		}
		if err := p.channelBecomes(ctx, l, "active", ""); err != nil {
			return err
		}
		if s, err := x.next(); err != nil || s.Kind != "text" {
			return fmt.Errorf("first comes a %s: %w", s.Kind, err)
		}
		_, err := x.nextList()
		return err
	})
	p.needs(moves).check("an empty wallet interrupts it; the next send that succeeds ends that, and nothing is lost", func() error {
		p.gupshup.behave(func(app, _ string) outcome {
			if app == l.App {
				return empty
			}
			return accept
		})
		defer p.gupshup.behave(nil)
		x := p.caller(ctx, l)
		if err := x.say("Hola"); err != nil {
			return err
		}
		if err := p.channelBecomes(ctx, l, "interrupted", "wallet"); err != nil {
			return err
		}
		p.gupshup.behave(nil)
		for _, want := range []string{"text", "list"} {
			if s, err := x.nextMoving(time.Minute, 8); err != nil || s.Kind != want {
				return fmt.Errorf("got a %s, want a %s: %w", s.Kind, want, err)
			}
		}
		return p.channelBecomes(ctx, l, "active", "")
	})
}
