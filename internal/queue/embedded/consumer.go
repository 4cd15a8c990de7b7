package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"buzon/internal/fault"
	"buzon/internal/queue"
)

const (
	// maxIdle bounds how long a consumer does not look: its queue's clock may
	// be moved without a Wake.
	maxIdle = time.Second
	// DefaultGrace is how long records under way may still take after the end.
	DefaultGrace = 8 * time.Second
)

// Consumer is the loop that feeds one queue to a worker: what the event source
// mapping is on AWS.
type Consumer struct {
	Queues *Queues
	Name   string
	Worker *queue.Worker
	// Visibility hides a batch while it is handled; it is also the longest, by
	// the machine's clock, that a batch may take.
	Visibility time.Duration
	// Batch is the most records of a batch; 0 means queue.MaxBatch. A batch is
	// settled when all of it is done, so with 1 no group waits for another's.
	Batch int
	// Concurrency is how many batches are handled at once; 0 means 1. No two of
	// them hold records of the same group, even if the queue's clock is moved
	// past their visibility meanwhile. Above 1, or with several consumers in a
	// process, the worker needs a Gate.
	Concurrency int
	// Grace is how long records under way may still take when Run's context
	// ends; 0 means DefaultGrace.
	Grace time.Duration
	// Log gets what goes wrong with the queue itself; nil: nothing.
	Log *slog.Logger

	mu   sync.Mutex
	held map[string]bool // groups of the batches under way
}

// Run receives and handles until ctx ends. Then no further record is begun,
// those under way may finish within Grace, after which their contexts end, and
// it returns nil once all have. What was not begun is visible in the queue.
//
// A record that failed comes again after a pause that grows from a second to
// Visibility, one handed back untried at once, and its whole group with it.
//
// It is a fault.Invalid if Visibility is less than two steps of the worker,
// which would then never begin a record.
func (c *Consumer) Run(ctx context.Context) error {
	step := cmp.Or(c.Worker.Step, queue.DefaultStep)
	if c.Visibility < 2*step || c.Visibility > queue.MaxVisibility {
		return fmt.Errorf("consumer %s: visibility %s with steps of %s: %w", c.Name, c.Visibility, step, fault.Invalid)
	}
	q := c.Queues.Queue(c.Name)
	c.held = map[string]bool{}
	working, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	defer context.AfterFunc(ctx, func() {
		grace := time.NewTimer(cmp.Or(c.Grace, DefaultGrace))
		defer grace.Stop()
		select {
		case <-grace.C:
			abort()
		case <-working.Done():
		}
	})()

	var batches sync.WaitGroup
	defer batches.Wait()
	slots := make(chan struct{}, max(c.Concurrency, 1))
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		changed := q.Changed()
		records, err := q.receive(ctx, cmp.Or(c.Batch, queue.MaxBatch), c.Visibility, c.isHeld)
		if ctx.Err() != nil && len(records) == 0 {
			return nil
		}
		if err != nil {
			c.log().ErrorContext(ctx, "queue not readable", "queue", c.Name, "error", err.Error())
		}
		if len(records) == 0 {
			<-slots
			c.idle(ctx, q, changed, err != nil)
			continue
		}
		c.hold(records, true)
		batches.Go(func() {
			defer func() { <-slots }()
			c.batch(working, ctx, q, records)
		})
	}
}

// batch handles one batch and settles it. It must not be stopped by the end of
// run, only start nothing more.
func (c *Consumer) batch(ctx, run context.Context, q *Queue, received []queue.Received) {
	defer q.notify() // after the groups are free again
	defer c.hold(received, false)
	limited, cancel := context.WithTimeout(ctx, c.Visibility)
	defer cancel()
	w := *c.Worker
	w.Now = time.Now
	w.Deadline = func(ctx context.Context) (time.Time, bool) {
		if run.Err() != nil {
			return time.Now(), true
		}
		return ctx.Deadline()
	}
	records := make([]queue.Record, len(received))
	for i, r := range received {
		records[i] = r.Record
	}
	failures := w.Work(limited, records)
	err := q.settle(context.WithoutCancel(ctx), c.settlements(received, records, failures))
	switch {
	case errors.Is(err, fault.Conflict):
		c.log().WarnContext(ctx, "records came again while they were handled", "queue", c.Name, "error", err.Error())
	case err != nil:
		c.log().ErrorContext(ctx, "batch not settled", "queue", c.Name, "error", err.Error())
	}
}

// settlements deletes what is done and hides the rest.
func (c *Consumer) settlements(received []queue.Received, records []queue.Record, failures []queue.Failure) []settlement {
	pauses := queue.Pauses(records, failures, c.Visibility)
	out := make([]settlement, len(received))
	for i, r := range received {
		after, failed := pauses[i]
		out[i] = settlement{receipt: r.Receipt, done: !failed, after: after}
	}
	return out
}

// idle waits until there may be something to receive.
func (c *Consumer) idle(ctx context.Context, q *Queue, changed <-chan struct{}, broken bool) {
	wait := maxIdle
	if next, ok, err := q.nextVisible(c.isHeld); ok && err == nil && !broken {
		wait = min(wait, next.Sub(c.Queues.now()))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (c *Consumer) hold(records []queue.Received, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		if yes {
			c.held[r.Group] = true
		} else {
			delete(c.held, r.Group)
		}
	}
}

func (c *Consumer) isHeld(group string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held[group]
}

func (c *Consumer) log() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.New(slog.DiscardHandler)
}
