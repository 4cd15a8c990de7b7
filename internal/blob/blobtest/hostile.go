package blobtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"sync"

	"buzon/internal/blob"
	"buzon/internal/fault"
)

// The faults of a [Hostile], as they are counted by Hits.
const (
	PutRefused    = "put_refused"    // fault.Busy, nothing stored
	PutUnknown    = "put_unknown"    // stored, answered with an error
	PutConflict   = "put_conflict"   // stored, answered with fault.Conflict: the client's own retry met its first write
	GetRefused    = "get_refused"    // fault.Busy
	GetCut        = "get_cut"        // the body breaks off with an error
	DeleteRefused = "delete_refused" // fault.Busy, nothing deleted
	DeleteUnknown = "delete_unknown" // deleted, answered with an error
)

// Faults lists them all.
var Faults = []string{PutRefused, PutUnknown, PutConflict, GetRefused, GetCut, DeleteRefused, DeleteUnknown}

// errUnknown is an answer that was lost.
var errUnknown = errors.New("connection reset by peer")

// Hostile is a store that does to its users what S3 may do, each fault with the
// same probability at each call that allows it. The same seed and the same
// calls give the same faults. It is safe for use by several goroutines.
type Hostile struct {
	inner blob.Store

	mu   sync.Mutex
	rng  *rand.Rand
	rate float64
	hits map[string]int
}

var _ blob.Store = (*Hostile)(nil)

// NewHostile wraps a store.
func NewHostile(inner blob.Store, seed uint64, rate float64) *Hostile {
	return &Hostile{inner: inner, rng: rand.New(rand.NewPCG(seed, 2)), rate: rate, hits: map[string]int{}}
}

// Calm ends all faults.
func (h *Hostile) Calm() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rate = 0
}

// Hits counts the faults so far.
func (h *Hostile) Hits() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.hits)
}

// strikes decides whether the fault happens now.
func (h *Hostile) strikes(fault string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rate == 0 || h.rng.Float64() >= h.rate {
		return false
	}
	h.hits[fault]++
	return true
}

// Put implements [blob.Store].
func (h *Hostile) Put(ctx context.Context, key, contentType string, body io.ReadSeeker) error {
	if h.strikes(PutRefused) {
		return fmt.Errorf("object %s: %w", key, fault.Busy)
	}
	if err := h.inner.Put(ctx, key, contentType, body); err != nil {
		return err
	}
	if h.strikes(PutUnknown) {
		return fmt.Errorf("object %s: %w", key, errUnknown)
	}
	if h.strikes(PutConflict) {
		return fmt.Errorf("object %s: %w", key, fault.Conflict)
	}
	return nil
}

// Get implements [blob.Store].
func (h *Hostile) Get(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if h.strikes(GetRefused) {
		return nil, blob.Info{}, fmt.Errorf("object %s: %w", key, fault.Busy)
	}
	r, info, err := h.inner.Get(ctx, key)
	if err == nil && h.strikes(GetCut) {
		r = &cut{r, info.Size / 2}
	}
	return r, info, err
}

// Delete implements [blob.Store].
func (h *Hostile) Delete(ctx context.Context, key string) error {
	if h.strikes(DeleteRefused) {
		return fmt.Errorf("object %s: %w", key, fault.Busy)
	}
	if err := h.inner.Delete(ctx, key); err != nil {
		return err
	}
	if h.strikes(DeleteUnknown) {
		return fmt.Errorf("object %s: %w", key, errUnknown)
	}
	return nil
}

// Link implements [blob.Store].
func (h *Hostile) Link(ctx context.Context, key string, d blob.Download) (string, error) {
	return h.inner.Link(ctx, key, d)
}

// Form implements [blob.Store].
func (h *Hostile) Form(ctx context.Context, key string, u blob.Upload) (blob.Form, error) {
	return h.inner.Form(ctx, key, u)
}

// cut breaks off after some bytes.
type cut struct {
	io.ReadCloser
	left int64
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, errUnknown
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
