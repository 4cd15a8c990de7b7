package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// toLighting are the choices to the service with the most categories.
var toLighting = []string{"Servicios públicos", "Calles y espacios públicos", "Alumbrado"}

// spine plays the one way that everything else serves.
func spine(ctx context.Context, p *play) {
	p.check("a person writes, is greeted, pages to the 31st category, gets a link, sends the form and follows the case (S1-08 … S1-34)", func() error {
		x := p.newPerson(ctx)
		if err := x.say("Buenas tardes"); err != nil {
			return err
		}
		greeting, err := x.next()
		if err != nil {
			return err
		}
		if greeting.Kind != "text" || !strings.Contains(greeting.Text, "Ciudad de Ejemplo") {
			return fmt.Errorf("first reply is %s %q, no greeting", greeting.Kind, greeting.Text)
		}
		if _, err := x.nextList(); err != nil {
			return err
		}
		return p.lightingCase(ctx, x, "Farola apagada frente a la escuela")
	})
	p.check("a registered person gets the menu, writes 5 and comes to the same form (S1-04, S1-05)", func() error {
		x := p.person(ctx, p.demo.Channels["whatsapp"], p.demo.People.Registered.Number)
		if err := x.say("Hola"); err != nil {
			return err
		}
		menu, err := x.next()
		if err != nil {
			return err
		}
		if menu.Kind != "text" || !strings.Contains(menu.Text, "5. ") {
			return fmt.Errorf("first reply is %s %q, no menu with entry 5", menu.Kind, menu.Text)
		}
		if err := x.say("5"); err != nil {
			return err
		}
		if _, err := x.nextList(); err != nil {
			return err
		}
		return p.lightingCase(ctx, x, "Farola que parpadea")
	})
	p.check("a number of a user who is not active is treated as unknown (S1-08)", func() error {
		x := p.person(ctx, p.demo.Channels["whatsapp"], p.demo.People.Inactive.Number)
		return x.begin()
	})
}

// lightingCase goes from the list of projects to a case, and looks at every side
// of it.
func (p *play) lightingCase(ctx context.Context, x *person, title string) error {
	if err := x.chooseAll(toLighting...); err != nil {
		return err
	}
	var sizes []int
	list, err := x.nextList()
	if err != nil {
		return err
	}
	for {
		sizes = append(sizes, len(list.Rows))
		more, ok := following(list)
		if !ok {
			break
		}
		if err := x.tap(more); err != nil {
			return err
		}
		if list, err = x.nextList(); err != nil {
			return err
		}
	}
	if want := []int{10, 10, 10, 4}; !slices.Equal(sizes, want) {
		return fmt.Errorf("lists of categories have %v rows, want %v", sizes, want)
	}
	if err := x.choose("Categoría 31"); err != nil {
		return err
	}
	link, err := x.nextForm()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(link, p.demo.BaseURL+"/c/") {
		return fmt.Errorf("link %s does not lead to this system", link)
	}
	fields, err := p.openForm(ctx, link)
	if err != nil {
		return err
	}
	description := "Desde el lunes, <b>toda</b> la noche & sin aviso."
	tracking, err := p.submit(ctx, link, fields, title, description)
	if err != nil {
		return err
	}
	if _, err := p.track(ctx, tracking, title, description, "Alumbrado", "Categoría 31"); err != nil {
		return err
	}
	found, err := listed[object](ctx, p, "/v1/cases?q="+url.QueryEscape(title))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d cases called %q", len(found), title)
	}
	c := found[0]
	if c["contact"] != nil || c["conversation"] != nil {
		return fmt.Errorf("the case leads to contact %v, conversation %v", c["contact"], c["conversation"])
	}
	if all := string(encode(c)); strings.Contains(all, x.number) {
		return fmt.Errorf("the case holds the number: %s", all)
	}
	messages, err := x.messages()
	if err != nil {
		return err
	}
	secret := link[strings.LastIndexByte(link, '/')+1:]
	if all := string(encode(messages)); strings.Contains(all, secret) {
		return fmt.Errorf("who reads the conversation can open the form")
	}
	return nil
}
