package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
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
		templates, err := listed[struct{ ID, Name string }](ctx, p, "/v1/channels/"+p.demo.Channels["whatsapp"].ID+"/templates")
		if err != nil {
			return err
		}
		for _, t := range templates {
			if t.Name != createCase {
				continue
			}
			if err := p.api(ctx, http.MethodPut, "/v1/templates/"+t.ID+"/active", object{"active": false}, nil); err != nil {
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
		}
		return fmt.Errorf("no template %s in %v", createCase, templates)
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
