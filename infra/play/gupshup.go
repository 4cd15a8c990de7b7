package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// outcome is what the stand-in does with a send.
type outcome int

const (
	accept   outcome = iota // 202 with an id
	lose                    // take it and drop the connection: the answer is lost
	throttle                // 429
	fail                    // 500
	unwell                  // 503
	forbid                  // 401: the credential is dead
	decline                 // 400: this message will never go
	slow                    // take it, answer after a while
)

// slowness is how long a slow answer takes.
const slowness = 700 * time.Millisecond

// sent is one message that reached the stand-in and was taken.
type sent struct {
	Number int // of all, in order
	At     time.Time
	App    string
	To     string
	ID     string // the stand-in's id for it
	Lost   bool   // the answer never reached the system
	Path   string
	Raw    string
	Kind   string // text, list, quick_reply, template
	Text   string
	Rows   []row
	Params []string
}

// row is one choice of a list.
type row struct{ Title, ID string }

// gupshup stands in for the provider: it takes sends as the real one does, keeps
// to its documented limits, and can have bad days.
type gupshup struct {
	server   *http.Server
	listener net.Listener
	client   *http.Client

	mu         sync.Mutex
	lines      map[string]line // by app
	taken      []sent
	refused    map[string]int // by app
	violations []string
	next       int
	changed    chan struct{}                // closed at every change
	judge      func(app, to string) outcome // nil: accept
	receipts   bool                         // tell the webhook that a send is enqueued
	telling    sync.WaitGroup               // receipts on their way
}

func startGupshup(call time.Duration) (*gupshup, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("stand-in: %w", err)
	}
	g := &gupshup{
		listener: l,
		client:   &http.Client{Timeout: call, Transport: &http.Transport{DialContext: dialLoopback, MaxIdleConnsPerHost: 8}},
		lines:    map[string]line{}, refused: map[string]int{}, changed: make(chan struct{}), receipts: true,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /wa/api/v1/msg", g.take)
	mux.HandleFunc("POST /wa/api/v1/template/msg", g.take)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.violate("%s %s is not a path that is documented", r.Method, r.URL.Path)
		http.NotFound(w, r)
	})
	g.server = &http.Server{Handler: mux, ReadHeaderTimeout: call}
	go func() { _ = g.server.Serve(l) }() // ends with close
	return g, nil
}

func (g *gupshup) address() string { return "http://" + g.listener.Addr().String() }

func (g *gupshup) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = g.server.Shutdown(ctx) // what is still open ends with this process
}

// know learns which channels exist, with their keys.
func (g *gupshup) know(d demo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, lines := range []map[string]line{d.Channels, d.Other.Channels} {
		for _, l := range lines {
			g.lines[l.App] = l
		}
	}
}

// behave sets what happens to sends from now on; nil: all is well.
func (g *gupshup) behave(judge func(app, to string) outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.judge = judge
}

// tell sets whether the webhook is told of every send that it is enqueued.
func (g *gupshup) tell(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.receipts = on
}

// once behaves so for the next n sends to a number and is well to all others.
func (g *gupshup) once(to string, outcomes ...outcome) {
	var mu sync.Mutex
	g.behave(func(_, number string) outcome {
		mu.Lock()
		defer mu.Unlock()
		if number != to || len(outcomes) == 0 {
			return accept
		}
		o := outcomes[0]
		outcomes = outcomes[1:]
		return o
	})
}

func (g *gupshup) violate(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.violations = append(g.violations, fmt.Sprintf(format, args...))
}

// take handles one send as the documentation prints it (providers.md 1.9).
func (g *gupshup) take(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		g.violate("form: %v", err)
		answer(w, http.StatusBadRequest, map[string]any{"status": "error", "message": "Invalid Request"})
		return
	}
	s, problems := read(r)
	g.mu.Lock()
	l, known := g.lines[s.App]
	judge, receipts := g.judge, g.receipts
	g.mu.Unlock()
	switch {
	case !known:
		problems = append(problems, fmt.Sprintf("src.name %q is no app", s.App))
	case r.Header.Get("apikey") != l.APIKey:
		problems = append(problems, "apikey is not the channel's")
	case r.PostForm.Get("source") != l.Identifier:
		problems = append(problems, fmt.Sprintf("source %q is not the channel's number", r.PostForm.Get("source")))
	}
	if len(problems) > 0 {
		g.violate("send to %s: %s\n%s", s.To, strings.Join(problems, "; "), s.Raw)
	}
	o := accept
	if judge != nil {
		o = judge(s.App, s.To)
	}
	switch o {
	case throttle:
		g.refuse(s.App, func() { http.Error(w, "Too Many Requests", http.StatusTooManyRequests) })
		return
	case fail:
		g.refuse(s.App, func() {
			answer(w, http.StatusInternalServerError, map[string]any{"status": "error", "message": "Internal Error"})
		})
		return
	case unwell:
		g.refuse(s.App, func() { http.Error(w, "<html>Service Unavailable</html>", http.StatusServiceUnavailable) })
		return
	case forbid:
		g.refuse(s.App, func() {
			answer(w, http.StatusUnauthorized, map[string]any{"status": "error", "message": map[string]string{"message": "Authentication Failed"}})
		})
		return
	case decline:
		g.refuse(s.App, func() {
			answer(w, http.StatusBadRequest, map[string]any{"status": "error", "message": "Invalid Destination"})
		})
		return
	}
	s.Lost = o == lose
	s = g.keep(s)
	if receipts && known {
		g.telling.Go(func() { g.enqueued(l, s) })
	}
	if o == slow {
		time.Sleep(slowness)
	}
	if s.Lost {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close() // the connection is to be lost
		}
		return
	}
	answer(w, http.StatusAccepted, map[string]any{"status": "submitted", "messageId": s.ID})
}

func (g *gupshup) refuse(app string, answer func()) {
	g.mu.Lock()
	g.refused[app]++
	g.mu.Unlock()
	answer()
}

func (g *gupshup) keep(s sent) sent {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	s.Number, s.At = g.next, time.Now()
	s.ID = fmt.Sprintf("9c0f0000-0000-4000-8000-%012d", g.next)
	g.taken = append(g.taken, s)
	close(g.changed)
	g.changed = make(chan struct{})
	return s
}

// enqueued tells the webhook that the message is taken, again until it is heard.
func (g *gupshup) enqueued(l line, s sent) {
	body := statusEvent(l, s, "enqueued", s.At)
	for try := range 40 {
		resp, err := g.client.Post(l.WebhookURL, "application/json", bytes.NewReader(body))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(min(time.Duration(try+1)*50*time.Millisecond, time.Second))
	}
}

// to lists what was taken for a number from an app, in order.
func (g *gupshup) to(app, number string) []sent {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []sent
	for _, s := range g.taken {
		if s.App == app && s.To == number {
			out = append(out, s)
		}
	}
	return out
}

// change is closed when something is taken.
func (g *gupshup) change() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

func (g *gupshup) refusals(app string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused[app]
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that is gone needs no answer
}
