// Package simulator plays the world around a local run: the phones of people and
// the provider between them and the system. A person uses it on a page, a script
// by a small API (contract section 4); both reach the system only by real
// webhooks over HTTP.
//
//	gupshup.go  stands in for Gupshup's API: what the system sends
//	tell.go     what became of it, told to the webhook
//	phone.go    what people send, and what they were sent
//	payload.go  the webhooks' bodies, in both of Gupshup's formats
//	log.go      the traffic, kept in a file
//	page.go     the page
//
// Everything but the stand-in itself is for the person at this machine: package
// loopback guards it.
package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"buzon/infra/local/loopback"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/web"
)

// Line is a channel of the demo as its provider knows it.
type Line struct {
	ID         string // of the channel
	Key        string // the channel's name in demo.json; the first line with it has it
	Company    string
	App        string
	AppID      string
	APIKey     string
	Identifier string // the number that people write to
	// PhoneNumberID is Meta's id of the number.
	PhoneNumberID string
	WebhookURL    string
}

// Person is somebody whose phone the page offers to play.
type Person struct {
	Number, Name, Note string
}

// postTimeout bounds a webhook: Gupshup waits 10 s (providers.md 1.1).
const postTimeout = 10 * time.Second

// maxIdle connections to the webhooks are kept.
const maxIdle = 16

// Simulator is made by [New] from its Options.
type Simulator struct {
	Options
	client *http.Client
	kick   chan struct{} // holds one token when there is something to tell
}

// Options of a Simulator. All are required but External.
type Options struct {
	Lines  []Line
	People []Person
	Phones *Log
	Log    *slog.Logger
	// Now is real time, in which providers live.
	Now func() time.Time
	// Channel finds a channel that is not among Lines, by its id.
	Channel func(ctx context.Context, id string) (desk.Channel, error)
	// Template finds a template by the provider's id, on the channel of a line.
	Template func(ctx context.Context, line Line, providerID string) (desk.Template, error)
	// PublicURL begins the addresses of template buttons.
	PublicURL string
	// Clock is the run's time, and Advance moves it: it returns once what became
	// due has been set going.
	Clock   func() time.Time
	Advance func(ctx context.Context, d time.Duration) (time.Time, error)
	// External is where the provider is instead of here; empty: here.
	External string
}

// New makes a simulator.
func New(o Options) *Simulator {
	return &Simulator{
		Options: o,
		client:  &http.Client{Timeout: postTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: maxIdle}},
		kick:    make(chan struct{}, 1),
	}
}

// Routes adds the page and its API to a mux.
func (s *Simulator) Routes(mux *http.ServeMux) {
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { web.Fail(w, r, fault.Forbidden) }))
	handle := func(pattern string, h func(w http.ResponseWriter, r *http.Request) error) {
		mux.Handle(pattern, loopback.Only(sameOrigin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				web.Fail(w, r, err)
			}
		}))))
	}
	handle("GET /simulator", s.page)
	handle("GET /simulator/phone.css", asset("phone.css"))
	handle("GET /simulator/phone.js", asset("phone.js"))
	handle("GET /simulator/clock", s.clock)
	handle("POST /simulator/clock", s.advance)
	handle("GET /simulator/notices", s.notices)
	handle("POST /simulator/gupshup/templates/{template}/verdict", s.verdict)
	handle("GET /simulator/{channel}/messages", s.messages)
	handle("POST /simulator/{channel}/messages", s.say)
	handle("GET /simulator/{channel}/chat", s.chat)
	handle("POST /simulator/{channel}/seen", s.seen)
}

// line finds a line by the channel's id or key.
func (s *Simulator) line(name string) (Line, bool) {
	for _, l := range s.Lines {
		if l.ID == name || l.Key == name {
			return l, true
		}
	}
	return Line{}, false
}

func (s *Simulator) lineOfApp(app string) (Line, bool) {
	for _, l := range s.Lines {
		if l.App == app {
			return l, true
		}
	}
	return Line{}, false
}

// wake makes [Simulator.Tell] look again.
func (s *Simulator) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// owed is readable when there may be something to tell.
func (s *Simulator) owed() <-chan struct{} { return s.kick }

// post sends a webhook and gives the status of the answer.
func (s *Simulator) post(ctx context.Context, address string, payload map[string]any) (int, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return 0, fmt.Errorf("webhook: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "buzon-simulator")
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("webhook: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16)) // so that the connection can be used again
	return answer.StatusCode, nil
}

// clock tells the run's time.
func (s *Simulator) clock(w http.ResponseWriter, _ *http.Request) error {
	web.JSON(w, http.StatusOK, map[string]time.Time{"now": s.Clock()})
	return nil
}

// advance moves the run's clock forward.
func (s *Simulator) advance(w http.ResponseWriter, r *http.Request) error {
	o, err := web.ReadObject(w, r)
	if err != nil {
		return err
	}
	var text string
	o.Text("advance", &text, web.Text{Required: true, Max: 64})
	d, bad := time.ParseDuration(text)
	switch {
	case text == "":
	case bad != nil:
		o.Add("advance", "invalid")
	case d <= 0 || d > MaxAdvance:
		o.Add("advance", "out_of_range", "min", "1ns", "max", MaxAdvance.String())
	}
	if err := o.Err(); err != nil {
		return err
	}
	now, err := s.Advance(r.Context(), d)
	if err != nil {
		return err
	}
	web.JSON(w, http.StatusOK, map[string]time.Time{"now": now})
	return nil
}

// notices lists e-mails and SMS to somebody: this system sends none.
func (s *Simulator) notices(w http.ResponseWriter, r *http.Request) error {
	web.JSON(w, http.StatusOK, list{Items: []any{}})
	return nil
}

// list is a page of a list.
type list struct {
	Items      any     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// verdicts are the states that Gupshup tells of a template.
var verdicts = []string{"approved", "rejected", "deleted", "disabled", "in_appeal", "paused"}

// maxReason is the longest reason of a verdict, in characters.
const maxReason = 500

// verdict plays the provider's reviewer.
func (s *Simulator) verdict(w http.ResponseWriter, r *http.Request) error {
	o, err := web.ReadObject(w, r)
	if err != nil {
		return err
	}
	var status, reason string
	o.Text("status", &status, web.Text{Required: true, OneOf: verdicts})
	o.Text("reason", &reason, web.Text{Max: maxReason, Lines: true})
	if err := o.Err(); err != nil {
		return err
	}
	id := r.PathValue("template")
	for _, line := range s.Lines {
		t, err := s.Template(r.Context(), line, id)
		if err != nil {
			continue
		}
		status, err := s.post(r.Context(), line.WebhookURL, verdict(line, id, t.Name, t.Language, status, reason, s.Now()))
		if err != nil {
			return err
		}
		web.JSON(w, http.StatusAccepted, map[string]int{"status": status})
		return nil
	}
	return fmt.Errorf("template %s: %w", id, fault.NotFound)
}

// Close lets go of connections that are kept for further webhooks.
func (s *Simulator) Close() { s.client.CloseIdleConnections() }
