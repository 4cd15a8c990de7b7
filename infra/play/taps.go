package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// ticket is a case as the API shows it; null is empty.
type ticket struct {
	ID, Title, State, Source, Type, Priority, Contact, Conversation, Message string
	Conversations                                                            []string
	Reason                                                                   string `json:"closing_reason"`
}

// invitation is a request for a template with quick replies.
func invitation(name string) object {
	in := notice(name)
	in["buttons"] = []any{object{"kind": "quick_reply", "text": "Confirmo mi cita"}, object{"kind": "quick_reply", "text": "No puedo ir"}}
	return in
}

// invited sends a template to a person and gives what the provider took.
func (x *person) invited(v seenTemplate) (sent, error) {
	in := object{"number": x.number, "params": object{"nombre": "Ana", "pedido": "A-100"}}
	if err := x.p.apiAs(x.ctx, x.line.admin(x.p), http.MethodPost, "/v1/templates/"+v.ID+"/messages", in, nil); err != nil {
		return sent{}, err
	}
	s, err := x.next()
	if err == nil && s.Kind != "template" {
		err = fmt.Errorf("sent a %s", s.Kind)
	}
	if err != nil {
		return s, err
	}
	_, err = x.status(s) // the system knows the provider's id
	return s, err
}

// tapOn is a tap on the button of a template.
func (x *person) tapOn(s sent, button string) said {
	m := x.message(button, "")
	m.Quick = s.ID
	return m
}

// tickets are the cases of a person.
func (x *person) tickets() ([]ticket, error) {
	id, err := x.conversation()
	if err != nil {
		return nil, err
	}
	var conversation struct{ Contact string }
	if err := x.p.apiAs(x.ctx, x.line.admin(x.p), http.MethodGet, "/v1/conversations/"+id, nil, &conversation); err != nil {
		return nil, err
	}
	return listedAs[ticket](x.ctx, x.p, x.line.admin(x.p), "/v1/cases?contact="+url.QueryEscape(conversation.Contact))
}

// ticketed waits until a person has so many cases.
func (x *person) ticketed(n int) ([]ticket, error) {
	var all []ticket
	err := x.p.until(x.ctx, fmt.Sprintf("%d cases", n), func() (ok bool, err error) {
		all, err = x.tickets()
		return len(all) == n, err
	})
	if err != nil {
		err = fmt.Errorf("%d cases: %w", len(all), err)
	}
	return all, err
}

// taps plays taps on the buttons of templates.
func taps(ctx context.Context, p *play) {
	var b *bench
	var v seenTemplate
	if !p.check("a template with quick replies", func() (err error) {
		if b, err = p.newBench(ctx, "gupshup"); err != nil {
			return err
		}
		v, err = p.approved(ctx, b.line, invitation("cita"))
		return err
	}) {
		return
	}
	p.check("a tap makes one ticket, linked to the message, however often it comes, as v2 and v3, sixteen at once (S3-46, Q31)", func() error {
		x := p.caller(ctx, b.line)
		s, err := x.invited(v)
		if err != nil {
			return err
		}
		m := x.tapOn(s, "Confirmo mi cita")
		if err := p.sixteen(ctx, b.line, m); err != nil {
			return err
		}
		all, err := x.ticketed(1)
		if err != nil {
			return err
		}
		messages, err := x.messages()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(messages, func(m message) bool { return m.ProviderID == s.ID })
		if i < 0 {
			return fmt.Errorf("no message with the provider's id in %+v", messages)
		}
		id, err := x.conversation()
		if err != nil {
			return err
		}
		got := all[0]
		got.ID = ""
		want := ticket{
			Title: "Confirmo mi cita", State: "new", Source: "whatsapp", Priority: "medium", Contact: got.Contact,
			Conversation: id, Message: messages[i].ID, Conversations: []string{id},
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || got.Contact == "" {
			return fmt.Errorf("ticket %+v, want %+v", got, want)
		}
		if err := p.deliver(ctx, b.line, m.v3(b.line)); err != nil { // once more, later
			return err
		}
		if err := x.silentTill("Hola"); err != nil { // the tap itself is not answered
			return err
		}
		_, err = x.ticketed(1)
		return err
	})
	p.check("each tap makes a new ticket, with the company's default type, and leaves the dialogue as it is", func() error {
		if err := p.changeBot(ctx, object{"default_case_type": "cita"}); err != nil {
			return err
		}
		x := p.caller(ctx, b.line)
		if err := x.begin(); err != nil {
			return err
		}
		s, err := x.invited(v)
		if err != nil {
			return err
		}
		for i, button := range []string{"Confirmo mi cita", "No puedo ir"} {
			if err := x.send(x.tapOn(s, button)); err != nil {
				return err
			}
			all, err := x.ticketed(i + 1)
			if err != nil {
				return err
			}
			if j := slices.IndexFunc(all, func(k ticket) bool { return k.Title == button && k.Type == "cita" }); j < 0 {
				return fmt.Errorf("no %q of that type in %+v", button, all)
			}
		}
		if err := p.changeBot(ctx, object{"default_case_type": ""}); err != nil {
			return err
		}
		if err := x.chooseAll(clinic...); err != nil { // from the list of before
			return err
		}
		_, err = x.nextForm()
		return err
	})
	p.check("a call to action makes none (S3-44)", func() error {
		in := notice("llamar")
		in["buttons"] = []any{
			object{"kind": "phone", "text": "Llamar", "phone": "+525555550100"},
			object{"kind": "url", "text": "Ver", "url": "https://ejemplo.com/p/{{1}}"},
		}
		call, err := p.approved(ctx, b.line, in)
		if err != nil {
			return err
		}
		x := p.caller(ctx, b.line)
		values := object{"number": x.number, "params": object{"nombre": "Ana", "pedido": "A-100", "button[1]": "A-100"}}
		if err := p.api(ctx, http.MethodPost, "/v1/templates/"+call.ID+"/messages", values, nil); err != nil {
			return err
		}
		s, err := x.next()
		if err != nil {
			return err
		}
		if !slices.Equal(s.Params, []string{"Ana", "A-100", "A-100"}) {
			return fmt.Errorf("sent with %q", s.Params)
		}
		if err := p.deliver(ctx, b.line, statusEvent(b.line, s, "read", time.Now())); err != nil {
			return err
		}
		_, err = x.ticketed(0)
		return err
	})
}
