package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/desk"
)

// talk is one person's conversation with the system.
type talk struct {
	*world
	person gupshuptest.Phone
	said   int
	last   []sent
	steps  []step
}

const (
	betweenMessages = 12 * time.Second
	batchOfOne      = 1
)

func (w *world) talk(number string) *talk {
	return &talk{world: w, person: gupshuptest.Phone{Channel: line, Number: number, Name: "Ana María Pérez"}}
}

// say sends a message and lets the system answer; four statuses come for each
// reply.
func (t *talk) say(ctx context.Context, name string, c desk.Content) error {
	t.said++
	t.pass(betweenMessages)
	id := fmt.Sprintf("wamid.HBgNNTIxNTU1MDA%sFQIAEhgUM0E%012d", t.person.Number, t.said)
	body := t.person.V2(id, t.clock(), c)
	s := step{Name: name}
	var err error
	s.Taken, err = t.measured(1, func() error {
		if err := t.post(ctx, body); err != nil {
			return err
		}
		return drain(ctx, t.inbound, t.in, batchOfOne)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	before := len(t.phone.since(0))
	s.Sent, err = t.measured(0, func() error { return drain(ctx, t.outbound, t.out, batchOfOne) })
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	t.last = t.phone.since(before)
	s.Sent.Events = len(t.last)
	if len(t.last) == 0 {
		return fmt.Errorf("%s: no reply", name)
	}
	for _, reply := range t.last {
		for _, kind := range []string{"enqueued", "sent", "delivered", "read"} {
			one, err := t.status(ctx, reply, kind)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", name, kind, err)
			}
			s.Statuses = s.Statuses.plus(one)
		}
	}
	t.steps = append(t.steps, s)
	return nil
}

// status tells the webhook what became of a reply.
func (t *talk) status(ctx context.Context, reply sent, kind string) (counts, error) {
	body := gupshuptest.V2Status(line, gupshuptest.Status{
		Kind: kind, SendID: reply.id, MessageID: "wamid.HBgNNTIxNTU1MDAFQIAERgSMUE" + reply.id, Destination: t.person.Number, At: t.clock(),
		Code: 131026, Reason: "Message undeliverable",
	})
	return t.measured(1, func() error { return t.post(ctx, body) })
}

// choose taps the row of the last list that fits.
func (t *talk) choose(ctx context.Context, name string, fits func(rows []row) row) error {
	rows := t.last[len(t.last)-1].rows
	if len(rows) == 0 {
		return fmt.Errorf("%s: %q is no list", name, t.last[len(t.last)-1].text)
	}
	r := fits(rows)
	return t.say(ctx, name, gupshuptest.ListReply(r.title, r.id))
}

func firstRow(rows []row) row { return rows[0] }
func lastRow(rows []row) row  { return rows[len(rows)-1] }

// visit asks for a page.
func (t *talk) visit(ctx context.Context, name, target string, fields url.Values, want int) (string, error) {
	t.pass(betweenMessages)
	var status int
	var location string
	c, _ := t.measured(1, func() error {
		status, location = t.page(ctx, target, fields)
		return nil
	})
	if status != want {
		return "", fmt.Errorf("%s: status %d, want %d", name, status, want)
	}
	t.steps = append(t.steps, step{Name: name, Page: c})
	return location, nil
}

// whole is a conversation from the first word to the tracking page.
func (t *talk) whole(ctx context.Context) error {
	if err := t.toForm(ctx); err != nil {
		return err
	}
	link := formLink.FindString(t.last[len(t.last)-1].text)
	if link == "" {
		return fmt.Errorf("no link in %q", t.last[len(t.last)-1].text)
	}
	if _, err := t.visit(ctx, "form opened", link, nil, http.StatusOK); err != nil {
		return err
	}
	to, err := t.visit(ctx, "form sent: the case", link, url.Values{
		"title": {"Farola apagada frente a la escuela"}, "description": {strings.Repeat("Desde el lunes, toda la noche, sin aviso. ", 6)},
	}, http.StatusSeeOther)
	if err != nil {
		return err
	}
	_, err = t.visit(ctx, "tracking page", to, nil, http.StatusOK)
	return err
}

// toForm is the dialogue up to the link of the form.
func (t *talk) toForm(ctx context.Context) error {
	if err := t.say(ctx, "first message: greeting, projects", gupshuptest.Text("Buenas tardes")); err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		fits func([]row) row
	}{
		{"tap: project", firstRow},
		{"tap: service group", firstRow},
		{"tap: service", firstRow},
		{"tap: following", lastRow},
		{"tap: following", lastRow},
		{"tap: following", lastRow},
		{"tap: category, link to the form", firstRow},
	} {
		if err := t.choose(ctx, c.name, c.fits); err != nil {
			return err
		}
	}
	return nil
}
