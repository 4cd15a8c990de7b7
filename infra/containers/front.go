package main

import (
	"net/http"
	"strings"
	"sync/atomic"

	"buzon/infra/containers/poll"
	"buzon/infra/containers/template"
)

// front is what people, providers and programs reach: it hands requests to the
// function whose path it is, to each function one at a time, as its one container
// takes them, and answers 503 until all is ready.
type front struct {
	functions []template.Function
	beside    http.Handler // what is below /simulator
	api       http.Handler // sam local start-api
	turns     poll.Turns
	ready     atomic.Bool
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.ready.Load() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	if path := r.URL.Path; path == "/simulator" || strings.HasPrefix(path, "/simulator/") {
		f.beside.ServeHTTP(w, r)
		return
	}
	function, ok := owner(f.functions, r.Method, r.URL.Path)
	if !ok { // as the HTTP API says it
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"message":"Not Found"}`))
		return
	}
	done, err := f.turns.Take(r.Context(), function)
	if err != nil {
		return // who asked has gone
	}
	defer done()
	f.api.ServeHTTP(w, r)
}

// owner is the function whose route takes a request: the most specific one, as
// the HTTP API chooses.
func owner(functions []template.Function, method, path string) (id string, ok bool) {
	best := -1
	for _, f := range functions {
		for _, route := range f.Routes {
			if route.Method != "ANY" && route.Method != method {
				continue
			}
			if n := matches(route.Path, path); n > best {
				best, id = n, f.ID
			}
		}
	}
	return id, best >= 0
}

// matches tells how closely a route's path fits: by the number of its parts that
// are written out, and a whole path more than one that ends in any text; -1: it
// does not.
func matches(route, path string) int {
	want, got := strings.Split(strings.Trim(route, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	score := 0
	for i, part := range want {
		switch {
		case strings.HasSuffix(part, "+}"):
			if i < len(got) && got[i] != "" {
				return 2 * score
			}
			return -1
		case i >= len(got):
			return -1
		case strings.HasPrefix(part, "{"):
		case part != got[i]:
			return -1
		default:
			score++
		}
	}
	if len(got) != len(want) {
		return -1
	}
	return 2*score + 1
}
