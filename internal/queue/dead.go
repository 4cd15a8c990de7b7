package queue

import (
	"context"
	"time"
)

// DeadLetters is the receiving side of a dead-letter queue, which nobody sends to
// but the queue it belongs to. Its errors are those of any receiving.
type DeadLetters interface {
	// Receive gives up to limit (1 to MaxBatch) dead letters and hides them for
	// visibility from other calls, as far as the queue can.
	Receive(ctx context.Context, limit int, visibility time.Duration) ([]Received, error)
	// Delete finishes a dead letter. No error if that was done before.
	Delete(ctx context.Context, receipt string) error
}
