package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// person is somebody with a phone who talks to one channel.
type person struct {
	p      *play
	ctx    context.Context
	line   line
	number string
	name   string
	read   int // of what was sent to this number
	list   sent
}

// newPerson has a number that nobody else has.
func (p *play) newPerson(ctx context.Context) *person {
	p.lastNumber++
	return p.person(ctx, p.demo.Channels["whatsapp"], fmt.Sprintf("52155500%05d", p.lastNumber))
}

// caller is somebody new who talks to this channel.
func (p *play) caller(ctx context.Context, l line) *person {
	p.lastNumber++
	return p.person(ctx, l, fmt.Sprintf("52155500%05d", p.lastNumber))
}

// newCustomer is a person who talks to the other company.
func (p *play) newCustomer(ctx context.Context) *person {
	p.lastNumber++
	l := p.demo.Other.Channels["whatsapp"]
	l.Admin = p.demo.Other.AdminToken
	return p.person(ctx, l, fmt.Sprintf("52155500%05d", p.lastNumber))
}

func (p *play) person(ctx context.Context, l line, number string) *person {
	return &person{p: p, ctx: ctx, line: l, number: number, name: "Persona " + number, read: len(p.to(l.App, number))}
}

// message is the next thing that this person says.
func (x *person) message(text, row string) said {
	return said{ID: messageID(x.number, x.p.messages.Add(1)), From: x.number, Name: x.name, At: time.Now(), Text: text, Row: row}
}

// say writes a text.
func (x *person) say(text string) error { return x.send(x.message(text, "")) }

// tap taps a row.
func (x *person) tap(r row) error { return x.send(x.message(r.Title, r.ID)) }

func (x *person) send(m said) error { return x.p.deliver(x.ctx, x.line, m.body(x.line)) }

// next waits for the next thing that was sent to this person.
func (x *person) next() (sent, error) {
	s, err := x.nextWithin(x.p.reply)
	if err != nil {
		return s, fmt.Errorf("%w\n%s", err, x.p.log.String())
	}
	return s, nil
}

var errSilence = errors.New("no reply")

func (x *person) nextWithin(limit time.Duration) (sent, error) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		changed := x.p.change()
		if all := x.p.to(x.line.App, x.number); len(all) > x.read {
			x.read++
			if s := all[x.read-1]; s.Kind == "list" {
				x.list = s
			}
			return all[x.read-1], nil
		}
		select {
		case <-changed:
		case <-deadline.C:
			return sent{}, fmt.Errorf("%s: %w within %s", x.number, errSilence, limit)
		case <-x.ctx.Done():
			return sent{}, x.ctx.Err()
		}
	}
}

// until reads on until a message fits and gives it with all texts before it.
func (x *person) until(what string, fits func(sent) bool) (sent, []string, error) {
	var before []string
	for range 8 {
		s, err := x.next()
		if err != nil {
			return sent{}, nil, fmt.Errorf("waiting for %s after %q: %w", what, before, err)
		}
		if fits(s) {
			return s, before, nil
		}
		before = append(before, s.Text)
	}
	return sent{}, nil, fmt.Errorf("no %s in %q", what, before)
}

// nextList waits for a list.
func (x *person) nextList() (sent, error) {
	s, _, err := x.until("a list", func(s sent) bool { return s.Kind == "list" })
	return s, err
}

var formLink = regexp.MustCompile(`https?://[^\s/]+/c/[A-Za-z0-9_-]+`)

// nextForm waits for the link to the form.
func (x *person) nextForm() (string, error) {
	s, _, err := x.until("the form's link", func(s sent) bool { return formLink.MatchString(s.Text) })
	return formLink.FindString(s.Text), err
}

// nextText waits for a text that holds the words.
func (x *person) nextText(words string) error {
	_, _, err := x.until(fmt.Sprintf("a text with %q", words), func(s sent) bool { return s.Kind == "text" && strings.Contains(s.Text, words) })
	return err
}

// followings are the words of the row that leads to the next list.
var followings = map[string]bool{"Siguiente": true, "Following": true, "Seguinte": true}

// following is the row of a list that leads to the next one, if there is one.
func following(s sent) (row, bool) {
	last := s.Rows[len(s.Rows)-1]
	return last, followings[last.Title]
}

// shows tells whether a row's title stands for a name, which may be cut.
func shows(title, name string) bool {
	begin, cut := strings.CutSuffix(title, "…")
	return title == name || cut && strings.HasPrefix(name, begin)
}

// choose taps the row with this title on the current list, or on those after it.
func (x *person) choose(title string) error {
	for range 20 {
		for _, r := range x.list.Rows {
			if shows(r.Title, title) {
				return x.tap(r)
			}
		}
		more, ok := following(x.list)
		if !ok {
			return fmt.Errorf("no row %q in %v", title, x.list.Rows)
		}
		if err := x.tap(more); err != nil {
			return err
		}
		if _, err := x.nextList(); err != nil {
			return err
		}
	}
	return fmt.Errorf("no row %q within 20 lists", title)
}

// begin says hello and waits for the first list.
func (x *person) begin() error {
	if err := x.say("Hola"); err != nil {
		return err
	}
	_, err := x.nextList()
	return err
}

// chooseAll takes one choice after the other, each from the list that the one
// before led to; after the last it waits for nothing.
func (x *person) chooseAll(titles ...string) error {
	for i, title := range titles {
		if i > 0 {
			if _, err := x.nextList(); err != nil {
				return err
			}
		}
		if err := x.choose(title); err != nil {
			return err
		}
	}
	return nil
}

// clinic are the choices that lead to a form in few steps.
var clinic = []string{"Salud", "Atención médica", "Vacunación", "Queja o sugerencia"}

// toForm goes from hello to the link of a form.
func (x *person) toForm() (string, error) {
	if err := x.begin(); err != nil {
		return "", err
	}
	if err := x.chooseAll(clinic...); err != nil {
		return "", err
	}
	return x.nextForm()
}

// deliver posts a webhook as the provider does: again while there is no answer
// or a 5xx. A 200 must be empty.
func (p *play) deliver(ctx context.Context, l line, body []byte) error {
	var last error
	for try := range 60 {
		status, text, err := p.postSigned(ctx, l, body)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			last = err
		case status == 200 && text != "":
			return fmt.Errorf("webhook answered 200 with a body that people would be shown: %q", text)
		case status == 200:
			return nil
		case status < 500:
			return fmt.Errorf("webhook answered %d", status)
		default:
			last = fmt.Errorf("webhook answered %d", status)
		}
		p.nap(min(time.Duration(try+1)*20*time.Millisecond, 500*time.Millisecond))
	}
	return fmt.Errorf("webhook never answered 200: %w", last)
}
