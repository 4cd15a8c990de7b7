package api

import (
	"io"
	"net/http"
	"time"

	"buzon/internal/queue"
	"buzon/internal/store"
)

// API serves the JSON API. All fields are set by who wires it.
type API struct {
	Store   *store.Store
	Inbound queue.Queue // quarantined items that are replayed go here
	Now     func() time.Time
	NewID   func() string // sortable by time, unique, of [0-9a-z]
	Random  io.Reader     // of secrets: crypto/rand.Reader
	// PublicURL is the address of links handed to people, without a slash at the
	// end, for a request that came in.
	PublicURL func(*http.Request) string
	Version   string // of the program, for /health
}

// now is the run's time as it is stored and shown: UTC, in milliseconds.
func (a *API) now() time.Time { return a.Now().UTC().Truncate(time.Millisecond) }
