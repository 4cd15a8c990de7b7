package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/link"
	"buzon/internal/pages"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	secrets "buzon/internal/secret/embedded"
	"buzon/internal/store"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
	"buzon/internal/web"
)

// world is the whole system with a meter on every seam. Its clock stands still
// unless it is moved, and its ids come from a fixed seed, so that two runs count
// the same.
type world struct {
	now       atomic.Int64             // Unix milliseconds
	table     *tabletest.CountingTable // nil: not counted
	sizes     *sizes                   // nil likewise
	inbound   *countingQueue
	outbound  *countingQueue
	approvals *countingQueue
	blobs     *countingBlobs
	lines     atomic.Int64 // of the log, from INFO on
	phone     *phone
	mux       *http.ServeMux
	in        *queue.Worker
	out       *queue.Worker
}

// began is when a world's time begins.
var began = time.Date(2026, 11, 21, 9, 0, 0, 123000000, time.UTC)

// kept is how long a world keeps what it reads of channels and settings: far longer
// than a conversation takes.
const kept = time.Hour

// newWorld founds the company on a table and makes the system work on it, through a
// meter if counted. What it keeps besides lies in folder.
func newWorld(ctx context.Context, folder string, t table.Table, counted bool) (*world, error) {
	w := &world{phone: &phone{}, blobs: &countingBlobs{}, mux: http.NewServeMux()}
	w.now.Store(began.UnixNano())
	own, err := secrets.Open(filepath.Join(folder, "secrets.json"))
	if err != nil {
		return nil, err
	}
	if err := link.Ensure(ctx, own); err != nil {
		return nil, err
	}
	newID := store.IDs(w.clock, rand.NewChaCha8([32]byte{}))
	if err := found(ctx, &store.Store{Table: t, Now: w.clock, NewID: newID}, own); err != nil {
		return nil, err
	}
	st := &store.Store{Table: t, Now: w.clock, NewID: newID, CacheFor: kept}
	if counted {
		w.table = tabletest.Counting(t)
		w.sizes = &sizes{Table: w.table}
		st.Table = w.sizes
	}
	w.wire(st, own, newID)
	return w, nil
}

func (w *world) wire(st *store.Store, own *secrets.Store, newID func() string) {
	line := func() *countingQueue { return &countingQueue{Memory: &queuetest.Memory{Now: w.clock}} }
	w.inbound, w.outbound, w.approvals = line(), line(), line()
	log := slog.New(countingLog{&w.lines})
	keys := &link.Keys{Secrets: own}
	provider := gupshup.Provider{BaseURL: gupshup.BaseURL, HTTP: &http.Client{Transport: w.phone}, Now: w.clock}
	providers := map[string]channel.Provider{"gupshup": provider}
	public := func() string { return "https://buzon.example" }
	webhook := &pipeline.Webhook{
		Store: st, Blobs: w.blobs, Inbound: w.inbound, Approvals: w.approvals, Providers: providers, Now: w.clock, RealNow: w.clock, Log: log,
	}
	in := pipeline.Inbound{
		Store: st, Keys: keys, Blobs: w.blobs, Outbound: w.outbound, Webhook: webhook, Now: w.clock, NewID: newID, Log: log,
	}
	out := pipeline.Outbound{
		Store: st, Blobs: w.blobs, Secrets: own, Keys: keys, Providers: providers, PublicURL: public,
		Now: w.clock, RealNow: w.clock, Sleep: func(_ context.Context, d time.Duration) { w.pass(d) }, Log: log,
	}
	w.in, w.out = in.Worker(), out.Worker()
	edge := web.Options{Log: log, NewID: newID, Now: w.clock}
	quiet := edge
	quiet.Quiet = true
	hooks, portal := http.NewServeMux(), http.NewServeMux()
	webhook.Routes(hooks)
	(&pages.Portal{Store: st, Keys: keys, Now: w.clock, NewID: newID, PublicURL: public, Log: log}).Routes(portal)
	w.mux.Handle("/webhooks/", web.Handler(hooks, quiet))
	w.mux.Handle("/", web.Handler(portal, edge))
}

func (w *world) clock() time.Time { return time.Unix(0, w.now.Load()).UTC() }

func (w *world) pass(d time.Duration) { w.now.Add(int64(d)) }

// post posts a body to the channel's webhook.
func (w *world) post(ctx context.Context, body []byte) error {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, webhookPath, strings.NewReader(string(body)))
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		return fmt.Errorf("webhook answered %d: %s", rec.Code, rec.Body)
	}
	return nil
}

// page asks for a page, or posts fields to it, and gives the status and where a
// 303 leads.
func (w *world) page(ctx context.Context, target string, fields url.Values) (int, string) {
	method := http.MethodGet
	if fields != nil {
		method = http.MethodPost
	}
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec.Code, rec.Header().Get("Location")
}

// drain lets a stage work until its queue is empty, a batch of most at a time.
func drain(ctx context.Context, q *countingQueue, worker *queue.Worker, most int) error {
	for {
		more, err := q.work(ctx, worker, most)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if visible, flying, dead := q.Depth(); visible+flying+dead > 0 {
		return fmt.Errorf("queue is not empty: %d visible, %d in flight, %d dead", visible, flying, dead)
	}
	return nil
}

// inFolder runs f with a folder of its own, which it removes.
func inFolder(f func(folder string) error) error {
	folder, err := os.MkdirTemp("", "buzon-bench-")
	if err != nil {
		return err
	}
	return errors.Join(f(folder), os.RemoveAll(folder))
}
