package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	// maxWebhook is the longest body that a webhook takes.
	maxWebhook = 1 << 20
	// longHeld is a body that no item of a table takes.
	longHeld = 500 << 10
)

// held is an item of the quarantine.
type held struct {
	ID, Reason, State string
	Times             int
}

// webhook plays bodies that are not what is documented.
func webhook(ctx context.Context, p *play) {
	l := p.demo.Channels["whatsapp"]
	x := p.newPerson(ctx)
	good := func() string { return string(x.message("Hola", "").v2(l)) }
	for _, c := range []struct{ what, body string }{
		{"not JSON", "hola"},
		{"nothing", ""},
		{"JSON cut in the middle", good()[:60]},
		{"an array", `[{"type":"message"}]`},
		{"null", "null"},
		{"a key twice", strings.Replace(good(), `"version":2`, `"version":2,"app":"`+l.App+`"`, 1)},
		{"bytes after the end", good() + "x"},
		{"a sender without a number", strings.ReplaceAll(good(), `"`+x.number+`"`, "null")},
		{"a message without an id", strings.Replace(good(), `"id":"wamid`, `"no":"wamid`, 1)},
		{"a type of event that is unknown", `{"app":"` + l.App + `","timestamp":1,"version":2,"type":"surprise-event","payload":{}}`},
		{"another app's message", strings.Replace(good(), l.App, "SomebodyElse", 1)},
		{"a payload of another kind", `{"app":"` + l.App + `","version":2,"type":"message","payload":"hola"}`},
		{"a text that is a number", strings.Replace(good(), `"text":"Hola"`, `"text":7`, 1)},
	} {
		p.check(c.what+": 200, nothing said, held once with a reason however often it comes", func() error {
			before, err := listed[held](ctx, p, "/v1/quarantine")
			if err != nil {
				return err
			}
			for range 3 {
				if err := p.deliver(ctx, l, []byte(c.body)); err != nil {
					return err
				}
			}
			after, err := listed[held](ctx, p, "/v1/quarantine")
			if err != nil {
				return err
			}
			fresh := slices.DeleteFunc(after, func(h held) bool {
				return slices.ContainsFunc(before, func(b held) bool { return b.ID == h.ID })
			})
			if len(fresh) != 1 || fresh[0].Reason == "" || fresh[0].Times != 3 {
				return fmt.Errorf("held: %+v, want one item, three times", fresh)
			}
			return nil
		})
	}
	p.check("a body too long for the table is held as well, and whole: it can be replayed and is recognised", func() error {
		before, err := listed[held](ctx, p, "/v1/quarantine")
		if err != nil {
			return err
		}
		if err := p.deliver(ctx, l, []byte(strings.Repeat("hola ", longHeld/len("hola ")))); err != nil {
			return err
		}
		fresh := func() (held, error) {
			after, err := listed[held](ctx, p, "/v1/quarantine")
			if err != nil {
				return held{}, err
			}
			after = slices.DeleteFunc(after, func(h held) bool {
				return slices.ContainsFunc(before, func(b held) bool { return b.ID == h.ID })
			})
			if len(after) != 1 {
				return held{}, fmt.Errorf("held: %+v, want one item", after)
			}
			return after[0], nil
		}
		was, err := fresh()
		if err != nil {
			return err
		}
		if err := p.api(ctx, http.MethodPost, "/v1/quarantine/"+was.ID+"/replay", nil, nil); err != nil {
			return err
		}
		// Its id is that of its bytes: had one been lost, there would be two items.
		for limit := time.Now().Add(p.reply); ; p.nap(20 * time.Millisecond) {
			is, err := fresh()
			if err != nil {
				return err
			}
			if is.State == "held" && is.Times == was.Times+1 {
				return nil
			}
			if time.Now().After(limit) {
				return fmt.Errorf("replayed: %+v, was %+v", is, was)
			}
		}
	})
	p.check("none of them was answered", func() error { return x.silentTill("Hola") })
	p.check("pings and what is known to need nothing: 200, nothing kept", func() error {
		before, err := listed[held](ctx, p, "/v1/quarantine")
		if err != nil {
			return err
		}
		for _, body := range []string{
			`{"app":"` + l.App + `","timestamp":1700000000000,"version":2,"type":"user-event","payload":{"phone":"callbackSetPhone","type":"sandbox-start"}}`,
			`{"type":"platform-event","payload":{"type":"connectivity-check","initiator":"gupshup"}}`,
			`{"type":"billing-event","payload":{"deductions":{"type":"regular","model":"PMP","source":"whatsapp","billable":true,"category":"marketing"},"references":{"id":"wamid.T","gsId":"1111","destination":"491700000001","conversationId":"c"}}}`,
			`{"type":"onboarding-event","payload":{"type":"docker-status-event","payload":{"status":"live","waId":"491700000009","namespace":"ns_1"}}}`,
			`{"gs_app_id":"` + l.AppID + `","object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messaging_product":"whatsapp","statuses":[{"type":"set-callback"}]}}]}]}`,
		} {
			if err := p.deliver(ctx, l, []byte(body)); err != nil {
				return fmt.Errorf("%s: %w", body, err)
			}
		}
		after, err := listed[held](ctx, p, "/v1/quarantine")
		if err != nil {
			return err
		}
		if len(after) != len(before) {
			return fmt.Errorf("held: %+v", after[:len(after)-len(before)])
		}
		return nil
	})
	p.check("a wrong channel and a wrong secret get the same 404, byte by byte (T3)", func() error {
		u, err := url.Parse(l.WebhookURL)
		if err != nil {
			return err
		}
		var answers []string
		for _, changed := range []string{
			path.Dir(u.Path) + "/" + strings.Repeat("x", len(path.Base(u.Path))),
			path.Dir(path.Dir(u.Path)) + "/demo-nobody/" + path.Base(u.Path),
			path.Dir(path.Dir(u.Path)) + "/" + p.demo.Other.Channels["whatsapp"].ID + "/" + path.Base(u.Path),
			path.Dir(path.Dir(u.Path)) + "/%00/x",
		} {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.demo.BaseURL+changed, strings.NewReader(good()))
			if err != nil {
				return err
			}
			status, header, text, err := p.do(req)
			if err != nil {
				return err
			}
			if status != http.StatusNotFound {
				return fmt.Errorf("%s: %d", changed, status)
			}
			header.Del("Date")
			header.Del("X-Request-Id")
			answers = append(answers, fmt.Sprint(header, text))
		}
		for _, a := range answers[:3] {
			if a != answers[0] {
				return fmt.Errorf("answers differ:\n%s\n%s", answers[0], a)
			}
		}
		return nil
	})
	p.check("a body of 1 MiB is taken, one byte more is 413", func() error {
		body := []byte(good())
		padded := append(append([]byte("{"), bytes.Repeat([]byte(" "), maxWebhook-len(body))...), body[1:]...)
		if err := p.deliver(ctx, l, padded); err != nil {
			return err
		}
		status, _, err := p.post(ctx, l.WebhookURL, "application/json", string(padded[:1])+" "+string(padded[1:]))
		if err != nil {
			return err
		}
		if status != http.StatusRequestEntityTooLarge {
			return fmt.Errorf("one byte more: %d", status)
		}
		_, err = x.nextWithin(p.reply)
		return err
	})
	p.check("a message more than a day old is kept and not answered", func() error {
		y := p.newPerson(ctx)
		m := y.message("de ayer", "")
		m.At = time.Now().Add(-25 * time.Hour)
		if err := y.send(m); err != nil {
			return err
		}
		if err := y.silentTill("Hola"); err != nil {
			return err
		}
		messages, err := y.messages()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(messages, func(m message) bool { return m.Text == "de ayer" && m.Reason == "late" }) {
			return fmt.Errorf("not kept as late: %+v", messages)
		}
		return nil
	})
}

// silentTill says something that is answered and expects that the answer, a
// greeting, is the first thing that this person gets.
func (x *person) silentTill(text string) error {
	if err := x.say(text); err != nil {
		return err
	}
	first, err := x.next()
	if err != nil {
		return err
	}
	if !strings.Contains(first.Text, "Ciudad de Ejemplo") {
		return fmt.Errorf("first comes %q, no greeting", first.Text)
	}
	if _, err := x.nextList(); err != nil {
		return err
	}
	return x.alone(0)
}
