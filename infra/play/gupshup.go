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
	empty                   // 400: the wallet is empty
	cut                     // drop the connection and take nothing: as lost as the answer
	renege                  // 202, and then a failed receipt: the wallet is empty
	prove                   // 202, and then a receipt of sent
)

// slowness is how long a slow answer takes.
const slowness = 700 * time.Millisecond

// gupshup stands in for the provider: it takes sends as the real one does, keeps
// to its documented limits, and can have bad days.
type gupshup struct {
	*outbox
	server   *http.Server
	listener net.Listener
	client   *http.Client

	mu         sync.Mutex
	accounts   map[string]*account // by app
	refused    map[string]int      // sends, by app
	violations []string
	judge      func(app, to string) outcome // nil: accept
	receipts   bool                         // tell the webhook that a send is enqueued
	telling    sync.WaitGroup               // receipts on their way
}

func startGupshup(call time.Duration, out *outbox) (*gupshup, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("stand-in: %w", err)
	}
	g := &gupshup{
		outbox:   out,
		listener: l,
		client:   &http.Client{Timeout: call, Transport: &http.Transport{DialContext: dialLoopback, MaxIdleConnsPerHost: 8}},
		accounts: map[string]*account{}, refused: map[string]int{}, receipts: true,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /wa/api/v1/msg", g.take)
	mux.HandleFunc("POST /wa/api/v1/template/msg", g.take)
	mux.HandleFunc("GET /wa/app/{app}/template", g.list)
	mux.HandleFunc("POST /wa/app/{app}/template", g.submit)
	mux.HandleFunc("POST /wa/{app}/wa/media/v2", g.upload)
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
func (g *gupshup) know(lines ...line) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range lines {
		g.accounts[l.App] = &account{line: l, key: l.APIKey, old: map[string]bool{}, files: map[string]file{}, calls: map[string]int{}}
	}
}

// account is that of an app, by its name.
func (g *gupshup) account(app string) *account {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.accounts[app]
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
	a := g.account(s.App)
	g.mu.Lock()
	judge, receipts := g.judge, g.receipts
	g.mu.Unlock()
	o := accept
	switch {
	case a == nil:
		problems = append(problems, fmt.Sprintf("src.name %q is no app", s.App))
	case !a.takes(r.Header.Get("apikey")):
		if o = forbid; !a.took(r.Header.Get("apikey")) {
			problems = append(problems, "apikey is not the channel's")
		}
	case r.PostForm.Get("source") != a.line.Identifier:
		problems = append(problems, fmt.Sprintf("source %q is not the channel's number", r.PostForm.Get("source")))
	}
	if s.Kind == "template" && a != nil {
		problems = append(problems, a.sendable(s)...)
	}
	if len(problems) > 0 {
		g.violate("send to %s: %s\n%s", s.To, strings.Join(problems, "; "), s.Raw)
	}
	if judge != nil && o == accept {
		o = judge(s.App, s.To)
	}
	if !meet(w, o, func() (int, any) {
		s.Lost, s.Failed = o == lose, o == renege
		s = g.keep(s, "9c0f0000-0000-4000-8000-")
		switch {
		case a == nil:
		case o == renege:
			g.telling.Go(func() { g.tellLater(a.line, s, "failed") })
		case o == prove:
			g.telling.Go(func() { g.tellLater(a.line, s, "sent") })
		case receipts:
			g.telling.Go(func() { g.tellUntilHeard(a.line, statusEvent(a.line, s, "enqueued", s.At)) })
		}
		return http.StatusAccepted, object{"status": "submitted", "messageId": s.ID}
	}) {
		g.mu.Lock()
		g.refused[s.App]++
		g.mu.Unlock()
	}
}

// meet does with a request what the day has in store for it; take takes it and gives
// the answer. It tells whether it was taken.
func meet(w http.ResponseWriter, o outcome, take func() (status int, body any)) bool {
	drop := func() {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close() // the connection is to be lost
		}
	}
	switch o {
	case throttle:
		http.Error(w, "Too Many Requests", http.StatusTooManyRequests)
	case fail:
		answer(w, http.StatusInternalServerError, object{"status": "error", "message": "Internal Error"})
	case unwell:
		http.Error(w, "<html>Service Unavailable</html>", http.StatusServiceUnavailable)
	case forbid:
		answer(w, http.StatusUnauthorized, object{"status": "error", "message": object{"message": "Authentication Failed"}})
	case decline:
		answer(w, http.StatusBadRequest, object{"status": "error", "message": "Invalid Destination"})
	case empty:
		answer(w, http.StatusBadRequest, object{"status": "error", "code": 1003, "message": "Wallet balance is low"})
	case cut:
		drop()
	default:
		status, body := take()
		if o == slow {
			time.Sleep(slowness)
		}
		if o == lose {
			drop()
		} else {
			answer(w, status, body)
		}
		return true
	}
	return false
}

// tellUntilHeard tells the webhook of a channel something, again until it is heard.
func (g *gupshup) tellUntilHeard(l line, body []byte) {
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
