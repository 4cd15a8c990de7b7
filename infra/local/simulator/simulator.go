// Package simulator plays the world around a local run: the phones of people and
// the providers between them and the system. A person uses it on a page, a script
// by a small API (contract section 4); both reach the system only by real
// webhooks over HTTP.
//
//	gupshup.go, template.go   stand in for Gupshup's API: what the system sends, its templates
//	meta.go, metatemplate.go, metamessage.go   the same for Meta's
//	tell.go      what became of it, told to the webhook
//	review.go    what the providers' reviewers say of templates
//	phone.go     what people send, and what they were sent
//	payload.go, metapayload.go   the webhooks' bodies, in Gupshup's two formats and Meta's
//	log.go, book.go   the traffic and the templates, kept in a file
//	page.go      the page
//
// Everything but the stand-ins themselves is for the person at this machine: package
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
	Provider   string // desk.ProviderGupshup, desk.ProviderMeta
	Company    string
	Identifier string // the number that people write to
	// PhoneNumberID is Meta's id of the number.
	PhoneNumberID string
	WebhookURL    string

	App, AppID, APIKey string // of Gupshup

	AccountID, AccessToken, AppSecret string // of Meta
}

// app is what the log calls the channel.
func (l Line) app() string {
	if l.Provider == desk.ProviderMeta {
		return metaApp(l.PhoneNumberID)
	}
	return l.App
}

// account is whose templates the channel has.
func (l Line) account() string {
	if l.Provider == desk.ProviderMeta {
		return l.AccountID
	}
	return l.AppID
}

// ProviderName is the provider's name for people.
func (l Line) ProviderName() string { return providerNames[l.Provider] }

var providerNames = map[string]string{desk.ProviderGupshup: "Gupshup", desk.ProviderMeta: "Meta"}

// metaApp is what the log calls a number of Meta's.
func metaApp(phoneNumberID string) string { return "meta:" + phoneNumberID }

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

// Options of a Simulator. All are required but Templates and External.
type Options struct {
	Lines  []Line
	People []Person
	Phones *Log
	Log    *slog.Logger
	// Now is real time, in which providers live.
	Now func() time.Time
	// Channel finds a channel that is not among Lines, by its id.
	Channel func(ctx context.Context, id string) (desk.Channel, error)
	// Templates were approved before the simulator ran: those of the demo.
	Templates []Template
	// Template finds a template of the system's by the provider's id, on the channel
	// of a line.
	Template func(ctx context.Context, line Line, providerID string) (desk.Template, error)
	// PublicURL begins the addresses of template buttons.
	PublicURL string
	// Clock is the run's time, and Advance moves it: it returns once what became
	// due has been set going.
	Clock   func() time.Time
	Advance func(ctx context.Context, d time.Duration) (time.Time, error)
	// External is where providers are instead of here, by name; without one: here.
	External map[string]string
}

// New makes a simulator. The log gets what it lacks of Templates.
func New(o Options) (*Simulator, error) {
	if err := o.Phones.Seed(o.Templates); err != nil {
		return nil, err
	}
	return &Simulator{
		Options: o,
		client:  &http.Client{Timeout: postTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: maxIdle}},
		kick:    make(chan struct{}, 1),
	}, nil
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
	handle("GET /simulator/reviewer.js", asset("reviewer.js"))
	handle("GET /simulator/clock", s.clock)
	handle("POST /simulator/clock", s.advance)
	handle("GET /simulator/notices", s.notices)
	handle("GET /simulator/templates", s.templates)
	handle("POST /simulator/{provider}/templates/{template}/verdict", s.verdict)
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

// lineOfApp finds a line by what the log calls it.
func (s *Simulator) lineOfApp(app string) (Line, bool) {
	for _, l := range s.Lines {
		if l.app() == app {
			return l, true
		}
	}
	return Line{}, false
}

// lineOfAccount finds a line by whose templates it has.
func (s *Simulator) lineOfAccount(provider, account string) (Line, bool) {
	for _, l := range s.Lines {
		if l.Provider == provider && l.account() == account {
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

// post sends a webhook to a line, signed if its provider signs, and gives the status
// of the answer.
func (s *Simulator) post(ctx context.Context, line Line, payload map[string]any) (int, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return 0, fmt.Errorf("webhook: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"buzon-simulator"}}
	if line.Provider == desk.ProviderMeta {
		body = ascii(body)
		header.Set("X-Hub-Signature-256", signature(line.AppSecret, body))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, line.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("webhook: %w", err)
	}
	r.Header = header
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

// Close lets go of connections that are kept for further webhooks.
func (s *Simulator) Close() { s.client.CloseIdleConnections() }
