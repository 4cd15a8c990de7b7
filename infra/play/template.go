package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// unidentified is what is said when the Create Case template cannot be used, in
// every language (S1-30).
const unidentified = "Create unidentified case template"

// createCase is the template of the demo's channel.
const createCase = "create_case"

// template plays the last step with a template in place of the text.
func template(ctx context.Context, p *play) {
	field := "create_case_" + "template"
	walk := func() (*person, error) {
		x := p.newPerson(ctx)
		if err := x.begin(); err != nil {
			return x, err
		}
		return x, x.chooseAll(clinic...)
	}
	p.check("a template that does not exist gives the error that names it (S1-30)", func() error {
		if err := p.changeBot(ctx, object{field: "no_such_template"}); err != nil {
			return err
		}
		x, err := walk()
		if err != nil {
			return err
		}
		return x.nextText(unidentified)
	})
	p.check("the Create Case template goes out with the link's end as its last parameter (S1-28, S1-32)", func() error {
		if err := p.changeBot(ctx, object{field: createCase}); err != nil {
			return err
		}
		x, err := walk()
		if err != nil {
			return err
		}
		s, _, err := x.until("the template", func(s sent) bool { return s.Kind == "template" })
		if err != nil {
			return err
		}
		if !strings.HasSuffix(s.Path, "/template/msg") || len(s.Params) < 1 {
			return fmt.Errorf("sent to %s with %q", s.Path, s.Params)
		}
		link := p.demo.BaseURL + "/c/" + s.Params[len(s.Params)-1]
		fields, err := p.openForm(ctx, link)
		if err != nil {
			return fmt.Errorf("last parameter %q leads to no form: %w", s.Params[len(s.Params)-1], err)
		}
		tracking, err := p.submit(ctx, link, fields, "Por plantilla", "Con el botón de la plantilla.")
		if err != nil {
			return err
		}
		_, err = p.track(ctx, tracking, "Por plantilla")
		return err
	})
	p.check("the same template switched off gives the error (S1-31)", func() error {
		t, err := p.templateNamed(ctx, createCase)
		if err != nil {
			return err
		}
		if err := p.api(ctx, http.MethodPut, "/v1/templates/"+t.ID+"/active", object{"active": false}, nil); err != nil {
			return err
		}
		if err := p.settled(ctx); err != nil {
			return err
		}
		x, err := walk()
		if err != nil {
			return err
		}
		if err := x.nextText(unidentified); err != nil {
			return err
		}
		return p.api(ctx, http.MethodPut, "/v1/templates/"+t.ID+"/active", object{"active": true}, nil)
	})
	p.check("what the provider's list says after a verdict counts, from either address; one that allows it alone is only a hint (R12)", func() error {
		was, err := p.templateNamed(ctx, createCase)
		if err != nil {
			return err
		}
		l := p.demo.Channels["whatsapp"]
		// Verdicts on one template keep their order: when the third counts, the second did.
		for _, v := range []struct{ address, status, list, then string }{
			{l.CallbackURL, "rejected", "rejected", "rejected"}, {l.WebhookURL, "approved", "rejected", "rejected"}, {l.WebhookURL, "disabled", "disabled", "disabled"},
		} {
			p.account(l).put(theirs{ID: was.ProviderID, Name: createCase, Language: "es", Category: "UTILITY", State: strings.ToUpper(v.list)})
			to := l
			to.WebhookURL = v.address
			if err := p.deliver(ctx, to, templateEvent(l, was.ProviderID, v.status, time.Now())); err != nil {
				return err
			}
			if err := p.templateBecomes(ctx, createCase, v.then); err != nil {
				return fmt.Errorf("after %s: %w", v.status, err)
			}
		}
		if err := p.settled(ctx); err != nil {
			return err
		}
		x, err := walk()
		if err != nil {
			return err
		}
		return x.nextText(unidentified)
	})
	p.check("without a template the text with the link is back (S1-28)", func() error {
		if err := p.changeBot(ctx, object{field: ""}); err != nil {
			return err
		}
		x, err := walk()
		if err != nil {
			return err
		}
		_, err = x.nextForm()
		return err
	})
}

// listedTemplate is a template as the API shows it.
type listedTemplate struct {
	ID, Name   string
	ProviderID string `json:"provider_id"`
	State      string `json:"provider_state"`
}

// templateNamed finds a template of the demo's channel.
func (p *play) templateNamed(ctx context.Context, name string) (listedTemplate, error) {
	all, err := listed[listedTemplate](ctx, p, "/v1/channels/"+p.demo.Channels["whatsapp"].ID+"/templates")
	if err != nil {
		return listedTemplate{}, err
	}
	for _, t := range all {
		if t.Name == name {
			return t, nil
		}
	}
	return listedTemplate{}, fmt.Errorf("no template %s in %v", name, all)
}

// templateBecomes waits until the provider's state of a template is this.
func (p *play) templateBecomes(ctx context.Context, name, state string) error {
	for limit := time.Now().Add(p.reply); ; p.nap(20 * time.Millisecond) {
		is, err := p.templateNamed(ctx, name)
		if err != nil || is.State == state {
			return err
		}
		if time.Now().After(limit) {
			return fmt.Errorf("template %s is %s, not %s", name, is.State, state)
		}
	}
}
