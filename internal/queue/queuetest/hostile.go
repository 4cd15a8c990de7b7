package queuetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"buzon/internal/fault"
	"buzon/internal/queue"
)

// The faults of a [Hostile], as they are counted by Hits.
const (
	SendRefused   = "send_refused"    // fault.Busy, nothing sent
	SendUnknown   = "send_unknown"    // sent, answered with an error
	BatchLost     = "batch_lost"      // received by someone who died at once: the counts of all rise
	DeleteLost    = "delete_lost"     // answered as done, yet it comes once more after its visibility
	DeleteUnknown = "delete_unknown"  // done, answered with an error
	DeleteStale   = "delete_stale"    // refused: the visibility ran out while it was handled
	DeliveredLate = "delivered_again" // a deleted record comes once more, after later ones of its group
	HandbackLost  = "handback_lost"   // answered as done, yet it comes only when its visibility runs out
)

// Faults lists them all.
var Faults = []string{SendRefused, SendUnknown, BatchLost, DeleteLost, DeleteUnknown, DeleteStale, DeliveredLate, HandbackLost}

// late begins the receipts of records that were deleted before.
const late = "late."

// errUnknown is an answer that was lost.
var errUnknown = errors.New("connection reset by peer")

// Hostile is a queue that does to its users what SQS may do, each fault with
// the same probability at each call that allows it. The same seed and the same
// calls give the same faults. It is safe for use by several goroutines.
type Hostile struct {
	inner Pair

	mu    sync.Mutex
	rng   *rand.Rand
	rate  float64
	hits  map[string]int
	lost  map[string]bool           // ids whose delete was lost once
	held  map[string]queue.Received // by receipt
	again []queue.Received          // deleted, to be delivered once more
}

// NewHostile wraps a queue.
func NewHostile(inner Pair, seed uint64, rate float64) *Hostile {
	return &Hostile{
		inner: inner, rng: rand.New(rand.NewPCG(seed, 0)), rate: rate,
		hits: map[string]int{}, lost: map[string]bool{}, held: map[string]queue.Received{},
	}
}

// Calm ends all faults.
func (h *Hostile) Calm() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rate, h.again = 0, nil
}

// Hits counts the faults so far.
func (h *Hostile) Hits() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.hits)
}

// strikes decides whether the fault happens now.
func (h *Hostile) strikes(fault string) bool {
	if h.rate == 0 || h.rng.Float64() >= h.rate {
		return false
	}
	h.hits[fault]++
	return true
}

// Send implements [queue.Queue].
func (h *Hostile) Send(ctx context.Context, m queue.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.strikes(SendRefused) {
		return fmt.Errorf("send: %w", fault.Busy)
	}
	if err := h.inner.Send(ctx, m); err != nil {
		return err
	}
	if h.strikes(SendUnknown) {
		return fmt.Errorf("send: %w", errUnknown)
	}
	return nil
}

// Receive implements [Receiver].
func (h *Hostile) Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Received, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.again) > 0 && h.strikes(DeliveredLate) {
		r := h.again[0]
		h.again = h.again[1:]
		r.Receives++
		r.Receipt = late + r.Receipt
		return []queue.Received{r}, nil
	}
	got, err := h.inner.Receive(ctx, limit, visibility)
	if err != nil {
		return nil, err
	}
	if len(got) > 0 && h.strikes(BatchLost) {
		return nil, nil
	}
	for _, r := range got {
		h.held[r.Receipt] = r
	}
	return got, nil
}

// Delete implements [Receiver].
func (h *Hostile) Delete(ctx context.Context, receipt string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, held := h.held[receipt]
	if !held {
		if strings.HasPrefix(receipt, late) {
			return nil
		}
		return h.inner.Delete(ctx, receipt)
	}
	if !h.lost[r.ID] && h.strikes(DeleteLost) {
		h.lost[r.ID] = true
		return nil
	}
	if h.strikes(DeleteStale) {
		return fmt.Errorf("delete: %w", fault.Conflict)
	}
	if err := h.inner.Delete(ctx, receipt); err != nil {
		return err
	}
	delete(h.held, receipt)
	if h.rate > 0 {
		h.again = append(h.again, r)
	}
	if h.strikes(DeleteUnknown) {
		return fmt.Errorf("delete: %w", errUnknown)
	}
	return nil
}

// ChangeVisibility implements [Receiver].
func (h *Hostile) ChangeVisibility(ctx context.Context, receipt string, after time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, held := h.held[receipt]; !held && strings.HasPrefix(receipt, late) {
		return fmt.Errorf("hide: %w", fault.Conflict)
	}
	if h.strikes(HandbackLost) {
		return nil
	}
	return h.inner.ChangeVisibility(ctx, receipt, after)
}

// DeadLetters implements [Receiver].
func (h *Hostile) DeadLetters(ctx context.Context, limit int) ([]queue.Received, error) {
	return h.inner.DeadLetters(ctx, limit)
}
