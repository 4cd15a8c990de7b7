package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// dialogue plays what people do besides choosing.
func dialogue(ctx context.Context, p *play) {
	words := []string{"Cancel", "CANCELAR", "  cancelar ", "cancel."}
	for steps, where := range []string{"the projects", "the service groups", "the services", "the categories"} {
		p.check("Cancel at "+where+" ends the dialogue; what comes next begins anew (S1-19)", func() error {
			x := p.newPerson(ctx)
			if err := x.begin(); err != nil {
				return err
			}
			if steps > 0 {
				if err := x.chooseAll(clinic[:steps]...); err != nil {
					return err
				}
				if _, err := x.nextList(); err != nil {
					return err
				}
			}
			if err := x.say(words[steps]); err != nil {
				return err
			}
			goodbye, err := x.next()
			if err != nil {
				return err
			}
			if goodbye.Kind != "text" {
				return fmt.Errorf("answer to %q is a %s", words[steps], goodbye.Kind)
			}
			if err := x.say("otra vez"); err != nil {
				return err
			}
			again, err := x.next()
			if err != nil {
				return err
			}
			if !strings.Contains(again.Text, "Ciudad de Ejemplo") {
				return fmt.Errorf("after Cancel comes %q, no greeting", again.Text)
			}
			_, err = x.nextList()
			return err
		})
	}
	p.check("Cancel at the menu of a registered person ends the dialogue (S1-19)", func() error {
		x := p.person(ctx, p.demo.Channels["whatsapp"], p.demo.People.Registered.Number)
		if err := x.say("Hola"); err != nil {
			return err
		}
		if _, err := x.next(); err != nil {
			return err
		}
		if err := x.say("Cancelar"); err != nil {
			return err
		}
		if _, err := x.next(); err != nil {
			return err
		}
		if err := x.say("Hola"); err != nil {
			return err
		}
		menu, err := x.next()
		if err != nil {
			return err
		}
		if !strings.Contains(menu.Text, "5. ") {
			return fmt.Errorf("after Cancel comes %q, no menu", menu.Text)
		}
		return x.say("Cancelar")
	})
	p.check("a tap on an old list changes nothing and says how to begin again (S1-18, Q6)", func() error {
		x := p.newPerson(ctx)
		if err := x.begin(); err != nil {
			return err
		}
		projects := x.list
		if err := x.choose("Salud"); err != nil {
			return err
		}
		groups, err := x.nextList()
		if err != nil {
			return err
		}
		for _, r := range projects.Rows {
			if r.Title != "Salud" {
				if err := x.tap(r); err != nil {
					return err
				}
				break
			}
		}
		if err := x.nextText("Cancelar"); err != nil {
			return err
		}
		if err := x.tap(groups.Rows[0]); err != nil {
			return err
		}
		services, err := x.nextList()
		if err != nil {
			return err
		}
		if !shows(services.Rows[0].Title, "Citas en centros de salud") {
			return fmt.Errorf("services are %v, not those of the project chosen first", services.Rows)
		}
		return nil
	})
	p.check("the third wrong input in a row ends the dialogue (Q5)", func() error {
		x := p.newPerson(ctx)
		if err := x.begin(); err != nil {
			return err
		}
		for range 2 {
			if err := x.say("¿cómo dice?"); err != nil {
				return err
			}
			if _, err := x.nextList(); err != nil {
				return err
			}
		}
		if err := x.say("no entiendo"); err != nil {
			return err
		}
		last, err := x.next()
		if err != nil {
			return err
		}
		if last.Kind != "text" {
			return fmt.Errorf("third answer is a %s", last.Kind)
		}
		return x.begin()
	})
	for _, c := range []struct{ language, hello, next, cancel string }{
		{"en", "I am", "Following", "cancel"},
		{"pt", "Sou", "Seguinte", "cancelar"},
		{"es", "Soy", "Siguiente", "cancelar"},
	} {
		p.check("the company's language is spoken to whom it does not know: "+c.language+" (S1-01)", func() error {
			if err := p.changeBot(ctx, object{"language": c.language}); err != nil {
				return err
			}
			x := p.newPerson(ctx)
			if err := x.begin(); err != nil {
				return err
			}
			if err := x.chooseAll(toLighting...); err != nil {
				return err
			}
			list, err := x.nextList()
			if err != nil {
				return err
			}
			if more, ok := following(list); !ok || more.Title != c.next {
				return fmt.Errorf("last row is %q, want %q", more.Title, c.next)
			}
			// Typed, the word does the same as the tap (S1-14, Q2).
			if err := x.say(c.next); err != nil {
				return err
			}
			if _, err := x.nextList(); err != nil {
				return err
			}
			return x.say(c.cancel)
		})
	}
	p.check("a project's code in the settings chooses the project (S1-10)", func() error {
		if err := p.changeBot(ctx, object{"project_code": "SALUD"}); err != nil {
			return err
		}
		x := p.newPerson(ctx)
		if err := x.begin(); err != nil {
			return err
		}
		if x.list.Rows[0].Title != "Atención médica" {
			return fmt.Errorf("first list is %v, want the service groups of Salud", x.list.Rows)
		}
		return p.changeBot(ctx, object{"project_code": ""})
	})
}

// changeBot changes some of the bot's settings and keeps the others.
func (p *play) changeBot(ctx context.Context, change object) error {
	settings := object{}
	if err := p.api(ctx, http.MethodGet, "/v1/bot", nil, &settings); err != nil {
		return err
	}
	delete(settings, "version")
	for k, v := range change {
		settings[k] = v
	}
	if err := p.api(ctx, http.MethodPut, "/v1/bot", settings, nil); err != nil {
		return err
	}
	return p.settled(ctx)
}
