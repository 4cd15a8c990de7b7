package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// Options of the edge.
type Options struct {
	Log   *slog.Logger
	NewID func() string
	Now   func() time.Time
	// Quiet: the line of a request that was answered below 400 is written at
	// debug. For webhooks, which are many and are counted by their front.
	Quiet bool
}

// level is that of a request's line.
func (o Options) level(status int) slog.Level {
	if o.Quiet && status < http.StatusBadRequest {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// edge is what the edge knows of a request, for what runs inside it.
type edge struct {
	id  string
	log *slog.Logger
}

type edgeKey struct{}

// edgeOf is the edge of a request; outside of a [Handler] there is no id and
// errors go to the default log.
func edgeOf(r *http.Request) edge {
	e, ok := r.Context().Value(edgeKey{}).(edge)
	if !ok {
		return edge{log: slog.Default()}
	}
	return e
}

// RequestID is the id under which this request stands in the log; empty outside
// of a [Handler].
func RequestID(r *http.Request) string { return edgeOf(r).id }

// Handler is the edge around the routes of mux. Every answer carries
// X-Request-Id and the headers that suit JSON, which a page may replace. A panic
// becomes a 500. A path that no route has is a problem 404, a method that a path
// does not have a problem 405 with Allow.
//
// It writes one line a request: method, the pattern of the route, status,
// milliseconds and bytes. Paths, queries and bodies are never logged: they hold
// secrets and names (T12, T48).
func Handler(mux *http.ServeMux, o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := o.Now()
		e := edge{o.NewID(), o.Log}
		r = r.WithContext(context.WithValue(r.Context(), edgeKey{}, e))
		out := &meter{ResponseWriter: w}
		h := out.Header()
		h.Set("X-Request-Id", e.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		defer func() {
			cause := recover()
			cut := cause != nil && out.status != 0             // too late for another answer
			if cause != nil && cause != http.ErrAbortHandler { //nolint:errorlint // what was panicked with, never wrapped
				o.Log.Error("panic", "request_id", e.id, "route", route(r), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			}
			if cause != nil && !cut {
				writeProblem(out, r, verdict{http.StatusInternalServerError, codeInternal}, nil)
			}
			o.Log.Log(r.Context(), o.level(out.status), "request", "request_id", e.id, "method", r.Method, "route", route(r), "status", out.status,
				"ms", o.Now().Sub(began).Milliseconds(), "bytes", out.bytes)
			if cut {
				panic(http.ErrAbortHandler)
			}
		}()
		if unmatched, pattern := mux.Handler(r); pattern == "" {
			refuse(out, r, unmatched)
			return
		}
		mux.ServeHTTP(out, r)
		if out.status == 0 {
			out.WriteHeader(http.StatusOK)
		}
	})
}

// route is the pattern that serves the request.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// refuse answers a request that no route takes; unmatched is the mux's own
// answer to it, which knows which of 404 and 405 it is.
func refuse(w http.ResponseWriter, r *http.Request, unmatched http.Handler) {
	var its sink
	unmatched.ServeHTTP(&its, r)
	if its.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", its.Header().Get("Allow"))
		Fail(w, r, &Refused{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
		return
	}
	Fail(w, r, &Refused{Status: http.StatusNotFound, Code: "no_such_path"})
}

// meter counts what passes through it.
type meter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (m *meter) WriteHeader(status int) {
	if m.status == 0 && status >= 200 {
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

func (m *meter) Write(b []byte) (int, error) {
	if m.status == 0 {
		m.status = http.StatusOK
	}
	n, err := m.ResponseWriter.Write(b)
	m.bytes += int64(n)
	return n, err
}

// Unwrap is for [http.ResponseController].
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// sink takes an answer that nobody reads.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header {
	if s.header == nil {
		s.header = http.Header{}
	}
	return s.header
}

func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
