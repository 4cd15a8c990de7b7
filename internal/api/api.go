package api

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"buzon/internal/blob"
	"buzon/internal/channel"
	"buzon/internal/queue"
	"buzon/internal/secret"
	"buzon/internal/store"
)

// API serves the JSON API. All fields are set by who wires it.
type API struct {
	Store   *store.Store
	Blobs   blob.Store   // files that come by upload forms
	Secrets secret.Store // the credentials of channels
	// Inbound takes quarantined items that are replayed, and channels that were
	// switched off or whose wait was ended; Outbound conversations that hold
	// something to send; Approvals what concerns templates.
	Inbound, Outbound, Approvals queue.Queue
	Providers                    map[string]channel.Provider // by name: gupshup, meta
	Now                          func() time.Time
	NewID                        func() string // sortable by time, unique, of [0-9a-z]
	Random                       io.Reader     // of secrets: crypto/rand.Reader
	// Log takes what went wrong after the answer was decided; never what people
	// wrote, numbers or secrets. Nil: nowhere.
	Log *slog.Logger
	// PublicURL is the address of links handed to people, without a slash at the
	// end, for a request that came in.
	PublicURL func(*http.Request) string
	Version   string // of the program, for /health
}

// now is the run's time as it is stored and shown: UTC, in milliseconds.
func (a *API) now() time.Time { return a.Now().UTC().Truncate(time.Millisecond) }
