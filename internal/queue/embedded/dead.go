package embedded

import (
	"context"
	"time"

	"buzon/internal/queue"
)

// Dead is the receiving side of the queue's dead letters. One call at a time:
// nothing is hidden from a second one.
func (q *Queue) Dead() queue.DeadLetters { return deadLetters{q} }

type deadLetters struct{ *Queue }

func (d deadLetters) Receive(ctx context.Context, limit int, _ time.Duration) ([]queue.Received, error) {
	return d.DeadLetters(ctx, limit)
}

func (d deadLetters) Delete(ctx context.Context, receipt string) error {
	return d.DeleteDead(ctx, receipt)
}
