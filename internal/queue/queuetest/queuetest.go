// Package queuetest holds what tests of queues share: the contract as a suite,
// a model of a FIFO queue in memory, a hostile wrapper that behaves like the
// worst that SQS may do, and a driver that runs workers on such queues
// deterministically, from a seed, in virtual time.
package queuetest

import (
	"context"
	"sync"
	"time"

	"buzon/internal/queue"
)

// Receiver is the receiving side of one FIFO queue. All errors but
// fault.Invalid (what was asked for can never be) and fault.Conflict (the
// record is no longer held by that receipt) leave the outcome unknown.
type Receiver interface {
	// Receive gives up to limit (1 to MaxBatch) records and hides them for
	// visibility (above 0, at most MaxVisibility). A group of which a record is
	// hidden gives none. What was received MaxReceives times already becomes a
	// dead letter instead.
	Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Received, error)
	// Delete finishes a record. No error if that was done before; fault.Conflict
	// if it was received again since.
	Delete(ctx context.Context, receipt string) error
	// ChangeVisibility hides a held record for after from now; 0: it is visible.
	ChangeVisibility(ctx context.Context, receipt string, after time.Duration) error
	// DeadLetters gives up to limit of the oldest dead letters.
	DeadLetters(ctx context.Context, limit int) ([]queue.Received, error)
}

// Pair is both sides of one queue.
type Pair struct {
	queue.Queue
	Receiver
}

// Clock is a clock that moves only when told to. It is safe for use by several
// goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at a fixed time.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// Now is the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
