// Package queue is SQS FIFO as this system uses it: a Queue to send to, and
// [Work], which runs a batch of received records with the discipline that FIFO
// groups, poison messages and partial answers need.
//
// The embedded queues of a local run (package embedded) and the SQS adapter
// pass the suite of package queuetest.
package queue

import (
	"context"
	"errors"
	"time"
)

// Limits that every implementation enforces with a fault.Invalid.
const (
	// MaxBody is the largest body in bytes. SQS takes 1 MiB; 256 KiB keeps ten
	// records inside one Lambda event.
	MaxBody = 256 << 10
	// MaxID is the longest group and deduplication id in bytes.
	MaxID = 128
	// DedupWindow: a message with a deduplication id sent within this time to
	// the same group is accepted and dropped, even after the first was deleted.
	DedupWindow = 5 * time.Minute
	// MaxReceives: a record received more often than this goes to the dead letters.
	MaxReceives = 50
	// MaxBatch is the most records handed over at once.
	MaxBatch = 10
	// AloneAfter: a record received more often than this is handled alone.
	AloneAfter = 3
	// MaxVisibility is the longest time a record can be handed back for.
	MaxVisibility = 12 * time.Hour
)

// Message is what is sent. Body is printable ASCII (JSON with all else
// escaped), since SQS refuses many characters; Group and Dedup are 1 to MaxID
// bytes of [0-9A-Za-z!-/:-@[-`{-~].
type Message struct {
	Group string
	Dedup string
	Body  []byte
}

// Queue is the sending side of one FIFO queue.
type Queue interface {
	// Send returns once the message is durable. An error other than
	// fault.Invalid leaves the outcome unknown: send again with the same Dedup.
	Send(ctx context.Context, m Message) error
}

// Record is a received message.
type Record struct {
	ID       string // of this message, the same at every receive
	Group    string
	Body     []byte
	Receives int // this one included
	Sent     time.Time
}

// Failure is a record that was not finished: it comes again after After (zero:
// when the queue's visibility runs out or at once, as the queue sees fit).
type Failure struct {
	ID    string
	After time.Duration
	Err   error // nil: handed back without having been tried
}

// again hands a record back for a while without calling it a failure.
type again struct{ after time.Duration }

func (a again) Error() string { return "again after " + a.after.String() }

// Again is what a handler returns to see the record again after d: a pause,
// not a failure. Its group waits with it. d is at most MaxVisibility.
func Again(d time.Duration) error { return again{d} }

// AgainAfter tells whether err is an [Again] and after which time.
func AgainAfter(err error) (time.Duration, bool) {
	var a again
	ok := errors.As(err, &a)
	return a.after, ok
}

// Remaining is how long the handler of a record may still take; false: as long as
// it likes.
func Remaining(ctx context.Context) (time.Duration, bool) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, false
	}
	return time.Until(deadline), true
}
