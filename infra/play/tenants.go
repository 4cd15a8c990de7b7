package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
)

// estate is what a company has that another must not reach: a channel, somebody who
// talks on it, what was sent there, and a template.
type estate struct {
	*bench
	person   *person
	last     sent
	template seenTemplate
}

func (p *play) newEstate(ctx context.Context, admin, provider string) (*estate, error) {
	l, err := p.newLine(ctx, admin, provider)
	if err != nil {
		return nil, err
	}
	e := &estate{bench: &bench{p: p, ctx: ctx, line: l, account: p.account(l)}}
	if err := p.listRead(ctx, l); err != nil {
		return nil, err
	}
	if e.template, err = p.approved(ctx, l, notice("propia")); err != nil {
		return nil, err
	}
	e.person = p.caller(ctx, l)
	if err := e.person.begin(); err != nil {
		return nil, err
	}
	e.last = e.person.list
	_, err = e.person.status(e.last)
	return e, err
}

// volatile is what changes of itself in what is shown.
var volatile = regexp.MustCompile(`"(last_sync":\{[^}]*\}|confirmed_at":"[^"]*")`)

// picture is all that the company sees of it, and all that the provider got.
func (e *estate) picture() (string, error) {
	all := fmt.Sprintf("%d sent\n", len(e.p.to(e.line.App, e.person.number)))
	conversation, err := e.person.conversation()
	if err != nil {
		return "", err
	}
	for _, path := range []string{
		"/v1/channels/" + e.line.ID, "/v1/channels/" + e.line.ID + "/templates", "/v1/conversations?channel=" + e.line.ID,
		"/v1/conversations/" + conversation + "/messages", "/v1/channels/" + e.line.ID + "/impact", "/v1/cases",
	} {
		r, err := e.p.ask(e.ctx, e.line.admin(e.p), http.MethodGet, path, nil)
		if err != nil || r.status != http.StatusOK {
			return "", fmt.Errorf("%s: %d: %w", path, r.status, err)
		}
		all += volatile.ReplaceAllString(r.text, "") + "\n"
	}
	return all, nil
}

// still is the picture once it no longer changes by what was done before.
func (e *estate) still() (string, error) {
	was := ""
	err := e.p.until(e.ctx, "nothing is under way", func() (bool, error) {
		is, err := e.picture()
		same := is == was
		was = is
		e.p.nap(100 * time.Millisecond)
		return same, err
	})
	return was, err
}

// bodies are what an attacker posts, in the name of what it has, about what is the
// victim's.
func (e *estate) bodies(victim *estate) map[string][]byte {
	v, now := victim, time.Now()
	said := func() said { return v.person.message("Me metí aquí", "") }
	all := map[string][]byte{}
	if e.line.Provider == providerMeta {
		app := v.line
		all["the victim's number and account"] = said().body(app)
		app.Account = e.line.Account
		all["the victim's number, an account of one's own"] = said().body(app)
		app = e.line
		app.Account = v.line.Account
		all["a number of one's own, the victim's account"] = said().body(app)
		all["a failed delivery of the victim's"] = metaStatus(v.line, v.last, "failed")
		all["the same over a number of one's own"] = metaStatus(e.line, v.last, "failed")
		all["the victim's template disabled"] = metaVerdict(v.line, v.template, "disabled")
		all["the same over an account of one's own"] = metaVerdict(e.line, v.template, "disabled")
		return all
	}
	m := said()
	all["a message v2 of the victim's app"], all["a message v3"] = m.v2(v.line), m.v3(v.line)
	mixed := e.line
	mixed.PhoneID, mixed.Identifier = v.line.PhoneID, v.line.Identifier
	all["a message v3 with the victim's number under one's own app"] = said().v3(mixed)
	all["a failed delivery"], all["the same v3"] = statusEvent(v.line, v.last, "failed", now), statusEventV3(v.line, v.last, "failed", now)
	all["a failed delivery under one's own app"] = statusEvent(e.line, v.last, "failed", now)
	all["the victim's template disabled"] = templateEvent(v.line, v.template.ProviderID, "disabled", now)
	all["the same under one's own app"] = templateEvent(e.line, v.template.ProviderID, "disabled", now)
	all["an opt-out"] = consentEvent(v.line, v.person.number, "opted-out", now)
	return all
}

// tenants plays two companies at each provider, each of which names what is the
// other's with good secrets and signatures of its own.
func tenants(ctx context.Context, p *play) {
	for _, provider := range []string{"gupshup", providerMeta} {
		var a, b *estate
		if !p.check(provider+": a channel, a conversation and a template of two companies each", func() (err error) {
			if a, err = p.newEstate(ctx, p.demo.AdminToken, provider); err != nil {
				return err
			}
			b, err = p.newEstate(ctx, p.demo.Other.AdminToken, provider)
			return err
		}) {
			continue
		}
		for _, pair := range []struct{ from, to *estate }{{a, b}, {b, a}} {
			p.trespass(ctx, provider, pair.from, pair.to)
		}
	}
}

// trespass expects that nothing of the victim's changes.
func (p *play) trespass(ctx context.Context, provider string, from, victim *estate) {
	who := "the demo"
	if from.line.Admin != p.demo.AdminToken {
		who = "the other"
	}
	bodies := from.bodies(victim)
	p.check(fmt.Sprintf("%s: %d bodies of %s with valid secrets name what is the other company's, on each address: no effect there", provider, len(bodies), who), func() error {
		before, err := victim.still()
		if err != nil {
			return err
		}
		for what, body := range bodies {
			for _, address := range []string{from.line.WebhookURL, from.line.CallbackURL} {
				status, _, text, err := p.postWith(ctx, address, body, from.line.Secret)
				if err != nil || status != http.StatusOK || text != "" {
					return fmt.Errorf("%s: %d %q: %w", what, status, text, err)
				}
			}
			if status, err := victim.knocked(from, body); err != nil || status != http.StatusNotFound && status != http.StatusUnauthorized {
				return fmt.Errorf("%s on the other's address: %d: %w", what, status, err)
			}
		}
		for _, e := range []*estate{from, victim} { // whatever is done of it is done before
			if err := p.caller(ctx, e.line).begin(); err != nil {
				return err
			}
		}
		return p.until(ctx, "the victim's estate is as before, but for the probe", func() (bool, error) {
			after, err := victim.picture()
			if err != nil {
				return false, err
			}
			return alike(before, after)
		})
	})
	p.check(provider+": the API gives nobody what is another company's", func() error {
		token := from.line.admin(p)
		channel, template := "/v1/channels/"+victim.line.ID, "/v1/templates/"+victim.template.ID
		conversation, err := victim.person.conversation()
		if err != nil {
			return err
		}
		var all []error
		for _, c := range []struct {
			method, path string
			in           any
		}{
			{"GET", channel, nil},
			{"PATCH", channel, object{"settings": object{"messages_per_second": 1}}},
			{"DELETE", channel, nil},
			{"PUT", channel + "/state", object{"state": "inactive"}},
			{"PUT", channel + "/credentials", object{"credentials": from.line.credentials()}},
			{"PUT", channel + "/queues", object{"queues": []string{}}},
			{"POST", channel + "/secret", object{}},
			{"POST", channel + "/rejection", object{"reason": "no"}},
			{"POST", channel + "/approval", object{"identifier": from.line.Identifier, "credentials": from.line.credentials()}},
			{"GET", channel + "/impact", nil},
			{"GET", channel + "/templates", nil},
			{"POST", channel + "/templates", notice("ajena")},
			{"POST", channel + "/templates/sync", nil},
			{"GET", template, nil},
			{"PUT", template + "/active", object{"active": false}},
			{"PUT", template + "/assignments", object{"campaigns": []string{}, "queues": []string{}}},
			{"POST", template + "/messages", object{"number": victim.person.number, "params": object{"nombre": "Ana", "pedido": "1"}}},
			{"GET", "/v1/conversations/" + conversation + "/messages", nil},
		} {
			all = append(all, p.refuses(ctx, token, c.method, c.path, c.in, http.StatusNotFound, "not_found"))
		}
		return errors.Join(all...)
	})
}

// knocked posts a body to the victim's address with secrets of somebody else.
func (e *estate) knocked(from *estate, body []byte) (int, error) {
	address := e.line.WebhookURL
	if from.line.Provider != providerMeta {
		u, err := url.Parse(from.line.WebhookURL)
		if err != nil {
			return 0, err
		}
		address = e.p.demo.BaseURL + path.Dir(path.Dir(u.Path)) + "/" + e.line.ID + "/" + path.Base(u.Path)
	}
	status, _, _, err := e.p.postWith(e.ctx, address, body, from.line.Secret)
	return status, err
}

// alike tells whether everything of before is in after, line by line: the probe adds a
// conversation to the list, and nothing else changes.
func alike(before, after string) (bool, error) {
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	if len(was) != len(is) {
		return false, fmt.Errorf("%d lines, then %d", len(was), len(is))
	}
	for i := range was {
		if was[i] != is[i] && !strings.Contains(is[i], strings.TrimSuffix(strings.TrimPrefix(was[i], `{"items":[`), `],"next_cursor":null}`)) {
			return false, fmt.Errorf("was\n%s\nis\n%s", was[i], is[i])
		}
	}
	return true, nil
}
