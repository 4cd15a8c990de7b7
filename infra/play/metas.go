package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The vectors of Meta's signature (providers.md 7): M1 is signed; M2 is the same as a
// re-serialiser writes it, under M1's signature.
const (
	vectorSecret  = "test_app_secret_0123456789abcdef"
	vectorNumber  = "200000000000001"
	vectorAccount = "100000000000001"
	vectorPerson  = "491700000001"
	vectorM1      = `{"object":"whatsapp_business_account","entry":[{"id":"100000000000001","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550000001","phone_number_id":"200000000000001"},"contacts":[{"profile":{"name":"Ana \u00d6z"},"wa_id":"491700000001"}],"messages":[{"from":"491700000001","id":"wamid.TESTAAAA0001","timestamp":"1700000000","type":"text","text":{"body":"hi \ud83d\udc4b"}}]},"field":"messages"}]}]}`
	signatureM1   = "sha256=bbc016247f53943058f1aec3d1c27dd11067f4a386d52400b0900465b417b273"
)

var vectorM2 = strings.NewReplacer(`\u00d6`, "Ö", `\ud83d\udc4b`, "👋").Replace(vectorM1)

// app is two numbers of one Meta app, each with an account of its own.
type app struct{ main, second line }

func (p *play) newApp(ctx context.Context, admin string) (a app, err error) {
	if a.main, err = p.newLine(ctx, admin, providerMeta); err != nil {
		return a, err
	}
	if a.second, err = p.requestLine(ctx, admin, providerMeta); err != nil {
		return a, err
	}
	a.second.Secret = a.main.Secret
	a.second, err = p.approveLine(ctx, a.second)
	return a, err
}

// metas plays Meta's Cloud API.
func metas(ctx context.Context, p *play) {
	var a app
	if !p.check("two numbers of one Meta app", func() (err error) {
		a, err = p.newApp(ctx, p.demo.AdminToken)
		return err
	}) {
		return
	}
	unknown := p.demo.BaseURL + "/webhooks/whatsapp/demo-nobody"
	p.check("the handshake gives the challenge back; with a wrong token, mode or channel it is 403", func() error {
		for _, c := range []struct {
			address, mode, token string
			status               int
		}{
			{a.main.WebhookURL, "subscribe", a.main.Verify, 200},
			{a.main.WebhookURL, "subscribe", "wrong", 403},
			{a.main.WebhookURL, "subscribe", "", 403},
			{a.main.WebhookURL, "unsubscribe", a.main.Verify, 403},
			{a.second.WebhookURL, "subscribe", a.main.Verify, 403},
			{unknown, "subscribe", a.main.Verify, 403},
		} {
			q := url.Values{"hub.mode": {c.mode}, "hub.verify_token": {c.token}, "hub.challenge": {"1158201444"}}
			status, text, err := p.get(ctx, c.address+"?"+q.Encode())
			if err != nil || status != c.status || (text == "1158201444") != (status == 200) {
				return fmt.Errorf("%s with %q: %d %q, want %d: %w", c.mode, c.token, status, text, c.status, err)
			}
		}
		return nil
	})
	p.check("a wrong signature, one of another app, none, and an unknown channel get the same 401, byte by byte (T3)", func() error {
		body := p.caller(ctx, a.main).message("Hola", "").body(a.main)
		var first string
		for i, c := range []struct{ address, secret string }{
			{a.main.WebhookURL, "wrong"}, {a.main.WebhookURL, ""}, {unknown, a.main.Secret}, {unknown, ""},
			{p.demo.BaseURL + "/webhooks/whatsapp/" + p.demo.Channels["whatsapp"].ID, a.main.Secret},
		} {
			status, header, text, err := p.postWith(ctx, c.address, body, c.secret)
			if err != nil || status != http.StatusUnauthorized {
				return fmt.Errorf("answer %d is %d: %w", i, status, err)
			}
			header.Del("Date")
			header.Del("X-Request-Id")
			if got := fmt.Sprint(header, text); first == "" {
				first = got
			} else if got != first {
				return fmt.Errorf("answers differ:\n%s\n%s", first, got)
			}
		}
		return nil
	})
	p.check("the vector M1 is taken as its bytes are signed; re-serialised, M2, it is 401", func() error {
		l, err := p.requestLine(ctx, p.demo.AdminToken, providerMeta)
		if err != nil {
			return err
		}
		l.Secret, l.PhoneID, l.Account = vectorSecret, vectorNumber, vectorAccount
		if l, err = p.approveLine(ctx, l); err != nil {
			return err
		}
		for body, want := range map[string]int{vectorM1: 200, vectorM2: 401} {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.WebhookURL, strings.NewReader(body))
			if err != nil {
				return err
			}
			req.Header.Set(signatureHeader, signatureM1)
			status, _, _, err := p.do(req)
			if err != nil || status != want {
				return fmt.Errorf("%d, want %d: %w", status, want, err)
			}
		}
		return p.person(ctx, l, vectorPerson).has(func(all []message) bool { return len(all) == 1 && all[0].Text == "hi 👋" })
	})
	p.check("the whole way to a case over Meta, with taps on lists (S1-08 … S1-34)", func() error {
		x := p.caller(ctx, a.main)
		if err := x.begin(); err != nil {
			return err
		}
		return p.lightingCase(ctx, x, "Farola rota en la calle Sur")
	})
	p.check("a batch of entries, changes and messages reaches each number of the app; a foreign number is held, and nobody is held up by it", func() error { return p.batch(ctx, a) })
	p.check("an app that speaks of a number or account of another app, though of the same company, is held and has no effect", func() error { return p.otherApp(ctx, a) })
	p.check("statuses count by our own reference, which comes back with them; in any order the highest stands", func() error {
		x := p.caller(ctx, a.main)
		if err := x.begin(); err != nil {
			return err
		}
		for _, status := range []string{"read", "sent", "delivered"} {
			if err := p.deliver(ctx, a.main, metaStatus(a.main, x.list, status)); err != nil {
				return err
			}
		}
		if x.list.Ref == "" {
			return fmt.Errorf("sent without a reference")
		}
		return x.has(func(all []message) bool {
			return slices.ContainsFunc(all, func(m message) bool { return m.ProviderID == x.list.ID && m.Status == "read" })
		})
	})
	p.needs(moves).check("a lost answer that a status with our reference explains is not sent again", func() error {
		x := p.caller(ctx, a.main)
		first := true
		p.account(a.main).has(func(c call) outcome {
			if c.kind == "send" && first {
				first = false
				return lose
			}
			return accept
		})
		defer p.account(a.main).has(nil)
		if err := x.say("Hola"); err != nil {
			return err
		}
		s, err := x.next()
		if err != nil {
			return err
		}
		if err := p.deliver(ctx, a.main, metaStatus(a.main, s, "sent")); err != nil {
			return err
		}
		again, err := x.nextMoving(lease, 6)
		if err != nil || again.Kind != "list" {
			return fmt.Errorf("then comes a %s: %w", again.Kind, err)
		}
		return nil
	})
	p.check("a person without a number, by a business-scoped id, is answered by it", func() error {
		x := p.person(ctx, a.main, "MX.00000000000000000001"+strconv.FormatInt(p.messages.Add(1), 10))
		link, err := x.toForm()
		if err != nil {
			return err
		}
		if _, err := p.openForm(ctx, link); err != nil {
			return err
		}
		for _, s := range p.to(a.main.App, x.number) {
			if !strings.Contains(s.Raw, `"recipient":"`+x.number+`"`) || strings.Contains(s.Raw, `"to":`) {
				return fmt.Errorf("sent as %s", s.Raw)
			}
		}
		return nil
	})
	p.check("who stops marketing messages gets no marketing template, 409 by its own name, and all else; resumed they get it; older and repeated words change nothing", func() error {
		return p.marketing(ctx, a.main)
	})
	p.check("a one-time code reaches the person and is shown to nobody else", func() error { return p.code(ctx, a.main) })
	p.check("webhooks about templates name the account alone and come to the app's address: they reach the number of that account", func() error {
		v, err := p.request(ctx, a.second, invitation("de_la_segunda"))
		if err != nil {
			return err
		}
		p.account(a.second).becomes(v.ProviderID, "approved", "")
		app := a.second
		app.WebhookURL = a.main.WebhookURL
		if err := p.verdict(ctx, app, v, "approved", time.Now()); err != nil {
			return err
		}
		if v, err = p.becomes(ctx, a.second, v.ID, "approved", func(v seenTemplate) bool { return v.Sendable }); err != nil {
			return err
		}
		x := p.caller(ctx, a.second)
		s, err := x.invited(v)
		if err != nil {
			return err
		}
		if s.Text != "de_la_segunda" || !slices.Equal(s.Params, []string{"Ana", "A-100"}) {
			return fmt.Errorf("sent %q with %q", s.Text, s.Params)
		}
		if err := x.send(x.tapOn(s, "No puedo ir")); err != nil {
			return err
		}
		_, err = x.ticketed(1)
		return err
	})
}

// otherApp has an app speak of a number of the same company that belongs to another.
func (p *play) otherApp(ctx context.Context, a app) error {
	l, err := p.newLine(ctx, p.demo.AdminToken, providerMeta)
	if err != nil {
		return err
	}
	b := &bench{p: p, ctx: ctx, line: l, account: p.account(l)}
	v, err := p.approved(ctx, l, notice("de_otra_app"))
	if err != nil {
		return err
	}
	before, err := listed[held](ctx, p, "/v1/quarantine")
	if err != nil {
		return err
	}
	b.account.has(func(c call) outcome { // so that a hint would stay
		if c.kind == "list" {
			return fail
		}
		return accept
	})
	defer b.account.has(nil)
	x := p.caller(ctx, l)
	said := x.message("Hola", "")
	for _, body := range [][]byte{said.body(l), metaVerdict(l, v, "disabled")} {
		app := l
		app.WebhookURL, app.Secret = a.main.WebhookURL, a.main.Secret
		if err := p.deliver(ctx, app, body); err != nil {
			return err
		}
	}
	if err := p.caller(ctx, a.main).begin(); err != nil { // both are done by then
		return err
	}
	after, err := listed[held](ctx, p, "/v1/quarantine")
	if err != nil {
		return err
	}
	for _, h := range after[:max(0, len(after)-len(before))] {
		if h.Reason != "other_app" {
			return fmt.Errorf("held: %+v", h)
		}
	}
	if is, err := b.now(v); err != nil || !is.Sendable || len(after) != len(before)+2 {
		return fmt.Errorf("%d more held, template %v: %w", len(after)-len(before), is, err)
	}
	if got := p.to(l.App, x.number); len(got) > 0 {
		return fmt.Errorf("answered %q", got[0].Text)
	}
	return nil
}

// metaStatus is what Meta tells of a send (2.3).
func metaStatus(l line, s sent, status string) []byte {
	v := object{
		"id": s.ID, "status": status, "timestamp": strconv.FormatInt(time.Now().Unix(), 10), "recipient_id": s.To,
		"biz_opaque_callback_data": s.Ref,
	}
	return metaBody(object{
		"messaging_product": "whatsapp", "metadata": object{"display_phone_number": l.Identifier, "phone_number_id": l.PhoneID}, "statuses": []any{v},
	}, l)
}

// batch posts one body for both numbers of an app and one that is not its.
func (p *play) batch(ctx context.Context, a app) error {
	before, err := listed[held](ctx, p, "/v1/quarantine")
	if err != nil {
		return err
	}
	one, two, three := p.caller(ctx, a.main), p.caller(ctx, a.main), p.caller(ctx, a.second)
	foreign := p.caller(ctx, line{PhoneID: "29999999999999", Account: "49999999999999", Identifier: "12025559999"})
	hello := func(x *person, texts ...string) object {
		value := x.message(texts[0], "").value(x.line, providerMeta)
		for _, text := range texts[1:] {
			more := x.message(text, "").value(x.line, providerMeta)
			value["messages"] = append(value["messages"].([]any), more["messages"].([]any)...)
		}
		return value
	}
	first := metaEntry("messages", hello(one, "Hola", clinic[0]), a.main)
	first["changes"] = append(first["changes"].([]any), object{"field": "messages", "value": hello(two, "Hola")})
	body := metaEntries(first, metaEntry("messages", hello(foreign, "Hola"), foreign.line), metaEntry("messages", hello(three, "Hola"), a.second))
	for range 2 { // the same again changes nothing
		if err := p.deliver(ctx, a.main, body); err != nil {
			return err
		}
	}
	for x, lists := range map[*person]int{one: 2, two: 1, three: 1} {
		for range lists {
			if _, err := x.nextList(); err != nil {
				return err
			}
		}
		if err := x.alone(0); err != nil {
			return err
		}
	}
	after, err := listed[held](ctx, p, "/v1/quarantine")
	if err != nil {
		return err
	}
	if len(after) != len(before)+1 || after[0].Reason != "other_app" {
		return fmt.Errorf("held: %d more, %+v", len(after)-len(before), after[:min(1, len(after))])
	}
	return nil
}
