package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// reply is an answer of the JSON API.
type reply struct {
	asked  string // method and path
	status int
	text   string
}

// ask calls the JSON API whatever it answers.
func (p *play) ask(ctx context.Context, token, method, path string, in any) (reply, error) {
	var body io.Reader
	if in != nil {
		raw, ok := in.(json.RawMessage)
		if !ok {
			raw = encode(in)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.demo.BaseURL+path, body)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	status, _, text, err := p.do(req)
	return reply{method + " " + path, status, text}, err
}

// problem is the body of an error.
type problem struct {
	Code   string
	Errors []struct{ Field, Code string }
}

// codes are what is wrong, as "field code", sorted.
func (v problem) codes() []string {
	codes := []string{}
	for _, e := range v.Errors {
		codes = append(codes, e.Field+" "+e.Code)
	}
	slices.Sort(codes)
	return codes
}

// refuses calls the API and expects a refusal: its status and, unless empty, its code
// or the "field code" of the first thing that is wrong.
func (p *play) refuses(ctx context.Context, token, method, path string, in any, status int, code string) error {
	r, err := p.ask(ctx, token, method, path, in)
	if err != nil {
		return err
	}
	var v problem
	_ = json.Unmarshal([]byte(r.text), &v) // what cannot be read has no code
	said := v.Code
	if codes := v.codes(); len(codes) > 0 && v.Code != code {
		said = codes[0]
	}
	if r.status != status || code != "" && said != code {
		return fmt.Errorf("%s: %d %s, want %d %s", r.asked, r.status, r.text, status, code)
	}
	return nil
}

// until waits until something holds, at most as long as a reply may take. what says
// it; the last error or "no" is told if it never does.
func (p *play) until(ctx context.Context, what string, holds func() (bool, error)) error {
	for limit := time.Now().Add(p.limits.reply); ; p.nap(20 * time.Millisecond) {
		ok, err := holds()
		if ok && err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(limit) {
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return fmt.Errorf("not within %s: %s\n%s", p.limits.reply, what, p.log.String())
		}
	}
}

// untilMoving is until, with the run's clock moved on by step when it does not hold,
// at most so many times.
func (p *play) untilMoving(ctx context.Context, what string, step time.Duration, times int, holds func() (bool, error)) error {
	wait := p.patience / 6 // it may hold already
	for n := 0; ; n++ {
		var err error
		for limit := time.Now().Add(wait); time.Now().Before(limit); p.nap(20 * time.Millisecond) {
			var ok bool
			if ok, err = holds(); ok && err == nil {
				return nil
			}
		}
		if n == times {
			return fmt.Errorf("not after %d times %s: %s: %w\n%s", times, step, what, cmp.Or(err, errNever), p.log.String())
		}
		if err := p.advance(ctx, step); err != nil {
			return err
		}
		wait = p.patience
	}
}

var errNever = errors.New("never")

// seenChannel is a channel as the API shows it; null is empty.
type seenChannel struct {
	ID, Kind, Provider, State, Cause, Identifier string
	Version                                      int64
	Company                                      struct{ Name string }
	Requester                                    struct{ Name, Email, Phone string }
	Settings                                     struct {
		PerSecond  int  `json:"messages_per_second"`
		MixButtons bool `json:"mixed_buttons"`
	}
	Rejection   *struct{ Reason string }
	Evaluation  *struct{ From, To time.Time }
	Waiting     *struct{ Cause string }
	Queues      []string
	WebhookURL  string    `json:"webhook_url"`
	CallbackURL string    `json:"callback_url"`
	CreatedAt   time.Time `json:"created_at"`
	LastSync    *seenSync `json:"last_sync"`
	Impact      impact
}

type seenSync struct {
	At                     time.Time
	OK                     bool
	Seen, Changed, Missing int
	Error                  string
}

type impact struct{ Cases, Queues, Replies int }

// seenTemplate is a template as the API shows it; null is empty.
type seenTemplate struct {
	ID, Channel, Name, Language, Category, Type, Body, Status, Reason, Quality string
	Version                                                                    int64
	ProviderID                                                                 string `json:"provider_id"`
	State                                                                      string `json:"provider_state"`
	Next                                                                       string `json:"next_category"`
	Active, Sendable                                                           bool
	Params                                                                     []string
	Warnings                                                                   []struct{ Field, Code string }
	Submission                                                                 *struct{ Cause string }
}

func (t seenTemplate) String() string {
	return fmt.Sprintf("%s: %s, provider says %q (%s), active %t, sendable %t", t.Name, t.Status, t.State, t.Reason, t.Active, t.Sendable)
}

// channelOf reads a channel.
func (p *play) channelOf(ctx context.Context, l line) (seenChannel, error) {
	var v seenChannel
	err := p.apiAs(ctx, l.admin(p), http.MethodGet, "/v1/channels/"+l.ID, nil, &v)
	return v, err
}

// channelBecomes waits until a channel is in a state for a cause.
func (p *play) channelBecomes(ctx context.Context, l line, state, cause string) error {
	var v seenChannel
	err := p.until(ctx, "channel "+state+" "+cause, func() (ok bool, err error) {
		v, err = p.channelOf(ctx, l)
		return v.State == state && v.Cause == cause, err
	})
	if err != nil {
		return fmt.Errorf("channel is %s %s: %w", v.State, v.Cause, err)
	}
	return nil
}

// templateOf reads a template of a channel.
func (p *play) templateOf(ctx context.Context, l line, id string) (seenTemplate, error) {
	var v seenTemplate
	err := p.apiAs(ctx, l.admin(p), http.MethodGet, "/v1/templates/"+id, nil, &v)
	return v, err
}

// becomes waits until a template is what is wanted.
func (p *play) becomes(ctx context.Context, l line, id, what string, fits func(seenTemplate) bool) (seenTemplate, error) {
	var v seenTemplate
	err := p.until(ctx, what, func() (ok bool, err error) {
		v, err = p.templateOf(ctx, l, id)
		return fits(v), err
	})
	if err != nil {
		err = fmt.Errorf("%v: %w", v, err)
	}
	return v, err
}
