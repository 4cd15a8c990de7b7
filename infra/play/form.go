package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

const formType = "application/x-www-form-urlencoded"

// form plays what happens to a link once it is out of our hands.
func form(ctx context.Context, p *play) {
	p.check("a hundred link previews change nothing (T40)", func() error {
		link, err := p.newPerson(ctx).toForm()
		if err != nil {
			return err
		}
		for range 100 {
			if _, err := p.openForm(ctx, link); err != nil {
				return err
			}
		}
		return p.oneCase(ctx, link, "Tras cien vistas")
	})
	p.check("a form sent eight times at once is one case with one address (R8)", func() error {
		link, err := p.newPerson(ctx).toForm()
		if err != nil {
			return err
		}
		fields, err := p.openForm(ctx, link)
		if err != nil {
			return err
		}
		tracking, errs := make([]string, 8), make([]error, 8)
		var wg sync.WaitGroup
		for i := range tracking {
			wg.Go(func() { tracking[i], errs[i] = p.submit(ctx, link, fields, "Enviado ocho veces", "Un solo caso.") })
		}
		wg.Wait()
		for i := range tracking {
			if errs[i] != nil {
				return errs[i]
			}
			if tracking[i] != tracking[0] {
				return fmt.Errorf("two addresses: %s and %s", tracking[0], tracking[i])
			}
		}
		return p.casesAre(ctx, "Enviado ocho veces", 1)
	})
	p.check("two browsers with the same link are one case; what the second wrote is added to it", func() error {
		link, err := p.newPerson(ctx).toForm()
		if err != nil {
			return err
		}
		first, err := p.openForm(ctx, link)
		if err != nil {
			return err
		}
		second, err := p.openForm(ctx, link)
		if err != nil {
			return err
		}
		a, err := p.submit(ctx, link, first, "Desde el teléfono", "Lo escribí en el teléfono.")
		if err != nil {
			return err
		}
		b, err := p.submit(ctx, link, second, "Desde la computadora", "Lo escribí en la computadora.")
		if err != nil {
			return err
		}
		if a != b {
			return fmt.Errorf("two addresses: %s and %s", a, b)
		}
		_, err = p.track(ctx, a, "Desde el teléfono", "Lo escribí en el teléfono.", "Lo escribí en la computadora.")
		return err
	})
	p.check("a link that was used says so and does not show the tracking link", func() error {
		link, err := p.newPerson(ctx).toForm()
		if err != nil {
			return err
		}
		fields, err := p.openForm(ctx, link)
		if err != nil {
			return err
		}
		tracking, err := p.submit(ctx, link, fields, "Usado", "Ya enviado.")
		if err != nil {
			return err
		}
		status, page, err := p.get(ctx, link)
		if err != nil {
			return err
		}
		secret := strings.TrimSuffix(tracking[strings.LastIndex(tracking, "/t/")+3:], "?created=1")
		if status != http.StatusOK || strings.Contains(page, "<textarea") || strings.Contains(page, secret) {
			return fmt.Errorf("%d; shows the form: %v; shows the tracking link: %v", status, strings.Contains(page, "<textarea"), strings.Contains(page, secret))
		}
		return nil
	})
	p.check("a form with a mistake comes back with everything that was written", func() error {
		link, err := p.newPerson(ctx).toForm()
		if err != nil {
			return err
		}
		fields, err := p.openForm(ctx, link)
		if err != nil {
			return err
		}
		fields.Set("title", "")
		fields.Set("description", "Se conserva esto")
		fields.Set("contact", "ana@example.com")
		status, page, err := p.post(ctx, link, formType, fields.Encode())
		if err != nil {
			return err
		}
		if status != http.StatusUnprocessableEntity || !strings.Contains(page, "Se conserva esto") || !strings.Contains(page, "ana@example.com") {
			return fmt.Errorf("%d, text kept: %v", status, strings.Contains(page, "Se conserva esto"))
		}
		return p.oneCase(ctx, link, "Corregido")
	})
	p.check("a message on the tracking page is added to the case", func() error {
		link, err := p.newPerson(ctx).toForm()
		if err != nil {
			return err
		}
		fields, err := p.openForm(ctx, link)
		if err != nil {
			return err
		}
		tracking, err := p.submit(ctx, link, fields, "Con mensaje", "Primero esto.")
		if err != nil {
			return err
		}
		kept, err := p.track(ctx, tracking)
		if err != nil {
			return err
		}
		status, _, err := p.post(ctx, kept+"/messages", formType, url.Values{"text": {"Y luego esto & más."}}.Encode())
		if err != nil {
			return err
		}
		if status != http.StatusSeeOther {
			return fmt.Errorf("message posted: %d", status)
		}
		_, err = p.track(ctx, kept, "Primero esto.", "Y luego esto & más.")
		return err
	})
	p.check("links that nobody made are 404", func() error {
		for _, way := range []string{"/c/", "/t/"} {
			for _, secret := range []string{"x", "demo-" + strings.Repeat("A", 43), "other-" + strings.Repeat("A", 43), strings.Repeat("y", 500), "%2e%2e"} {
				status, _, err := p.get(ctx, p.demo.BaseURL+way+secret)
				if err != nil {
					return err
				}
				if status != http.StatusNotFound {
					return fmt.Errorf("%s%s: %d", way, secret, status)
				}
			}
		}
		return nil
	})
}

// oneCase sends the form and expects one case of this title.
func (p *play) oneCase(ctx context.Context, link, title string) error {
	fields, err := p.openForm(ctx, link)
	if err != nil {
		return err
	}
	if _, err := p.submit(ctx, link, fields, title, "Descripción de "+title+"."); err != nil {
		return err
	}
	return p.casesAre(ctx, title, 1)
}

func (p *play) casesAre(ctx context.Context, words string, want int) error {
	n, err := p.cases(ctx, words)
	if err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%d cases called %q, want %d", n, words, want)
	}
	return nil
}
