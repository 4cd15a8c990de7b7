// Package sqsconsumer feeds a queue on SQS to a worker in a process of ours: what
// the event source mapping is on AWS, with the promises of the embedded queues'
// consumer, for a run whose clock can be moved.
package sqsconsumer

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
	// Hold is how long a record stays hidden from others if this process dies.
	// While it lives it extends that, for records under way and for those that
	// pause: so none of them depends on the clock of SQS.
	Hold = 10 * time.Second
	// holdEvery is how often it is extended.
	holdEvery = Hold / 4
	// minPoll is the least time from one empty receive to the next.
	minPoll = 100 * time.Millisecond
	// maxIdle bounds how long pauses are not looked at: the run's clock may be
	// moved without a Wake.
	maxIdle = time.Second
	// DefaultGrace is how long records under way may still take after the end.
	DefaultGrace = 8 * time.Second
	// settleLimit bounds the requests that end a batch.
	settleLimit = 5 * time.Second
	// abreast is how many requests are made side by side to extend or hand back.
	abreast = 8
)

// Queue is the receiving side of a queue on SQS; see package sqs for what its
// methods hold. Receive may wait for a first record.
type Queue interface {
	Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Received, error)
	Delete(ctx context.Context, receipt string) error
	ChangeVisibility(ctx context.Context, receipt string, after time.Duration) error
}

// Consumer is the loop that feeds one queue to a worker.
type Consumer struct {
	Queue  Queue
	Name   string // of the queue, for the log
	Worker *queue.Worker
	// Visibility is the longest that a batch may take, and that a record pauses
	// after an error.
	Visibility time.Duration
	// Batch is the most records of a batch; 0 means queue.MaxBatch. A batch is
	// settled when all of it is done, so with 1 no group waits for another's.
	Batch int
	// Concurrency is how many batches are handled at once; 0 means 1. No two of
	// them hold records of the same group. Above 1, or with several consumers in a
	// process, the worker needs a Gate.
	Concurrency int
	// Grace is how long records under way may still take when Run's context
	// ends; 0 means DefaultGrace.
	Grace time.Duration
	// Now is the clock that pauses follow; nil: the machine's. It may be moved
	// forward; call Wake then.
	Now func() time.Time
	// Log gets what goes wrong with the queue itself; nil: nothing.
	Log *slog.Logger

	mu     sync.Mutex
	groups map[string][]*held // under way or pausing
	woken  chan struct{}
}

// held is a record that this process has.
type held struct {
	queue.Received
	due time.Time // of a pause; zero: under way

	turn chan struct{} // holds one thing while a request about the record is made
	gone bool          // settled, or taken by others; whose turn it is may look
}

// Run receives and handles until ctx ends. Then no further record is begun,
// those under way may finish within Grace, after which their contexts end, and
// it returns nil once all have, and the receive under way. What was received and
// not finished is visible in the queue then.
//
// A record that failed comes again after a pause that grows from a second to
// Visibility, one handed back untried at once, and its whole group with it. What
// this process has when it is killed comes again within Hold.
//
// It is a fault.Invalid if Visibility is less than two steps of the worker,
// which would then never begin a record.
func (c *Consumer) Run(ctx context.Context) error {
	step := cmp.Or(c.Worker.Step, queue.DefaultStep)
	if c.Visibility < 2*step || c.Visibility > queue.MaxVisibility {
		return fmt.Errorf("consumer %s: visibility %s with steps of %s: %w", c.Name, c.Visibility, step, fault.Invalid)
	}
	c.mu.Lock()
	c.groups, c.woken = map[string][]*held{}, make(chan struct{}, 1)
	c.mu.Unlock()
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

	keeping, enough := context.WithCancel(context.WithoutCancel(ctx))
	var keeper, batches sync.WaitGroup
	keeper.Go(func() { c.keep(keeping) })
	defer c.giveBack(context.WithoutCancel(ctx))
	defer func() { batches.Wait(); enough(); keeper.Wait() }()

	slots := make(chan struct{}, max(c.Concurrency, 1))
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		from := time.Now()
		// Not ctx: what SQS gives to a request that is gone stays hidden for a Hold.
		received, err := c.Queue.Receive(working, cmp.Or(c.Batch, queue.MaxBatch), Hold)
		records := c.take(ctx, received)
		if len(records) > 0 {
			batches.Go(func() {
				defer func() { <-slots }()
				c.batch(working, ctx, records)
			})
			continue
		}
		<-slots
		if ctx.Err() != nil {
			return nil
		}
		pause := minPoll - time.Since(from)
		if err != nil {
			c.log().ErrorContext(ctx, "queue not readable", "queue", c.Name, "error", err.Error())
			pause = maxIdle
		}
		sleep(ctx, pause)
	}
}

// Wake makes the consumer look at its pauses, as after moving the clock.
func (c *Consumer) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.woken <- struct{}{}:
	default: // it does not run, or is about to look
	}
}

// take holds what was received. A group that this process has already, which is
// possible when it did not come to extend its hold in time, is left alone: its
// records come again when that of this receive runs out.
func (c *Consumer) take(ctx context.Context, received []queue.Received) []*held {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := map[string]bool{}
	var out []*held
	for _, r := range received {
		if len(c.groups[r.Group]) > 0 && !fresh[r.Group] {
			c.log().WarnContext(ctx, "record came again while its group is handled", "queue", c.Name, "record", r.ID)
			continue
		}
		fresh[r.Group] = true
		h := &held{Received: r, turn: make(chan struct{}, 1)}
		c.groups[r.Group] = append(c.groups[r.Group], h)
		out = append(out, h)
	}
	return out
}

// batch handles one batch and settles it. It must not be stopped by the end of
// run, only start nothing more.
func (c *Consumer) batch(ctx, run context.Context, batch []*held) {
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
	records := make([]queue.Record, len(batch))
	for i, h := range batch {
		records[i] = h.Record
	}
	failures := w.Work(limited, records)
	c.settle(context.WithoutCancel(ctx), batch, queue.Pauses(records, failures, c.Visibility))
}

// settle deletes what is done. What is not is handed back when its pause is over.
func (c *Consumer) settle(ctx context.Context, batch []*held, pauses map[int]time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	now := c.now()
	var done, back []*held
	for i, h := range batch {
		after, failed := pauses[i]
		switch {
		case !failed:
			done = append(done, h)
		case after <= 0:
			back = append(back, h)
		default:
			c.mu.Lock()
			h.due = now.Add(after)
			c.mu.Unlock()
		}
	}
	c.forget(done) // before the next of their groups can be received
	for _, h := range done {
		c.end(ctx, h, "record not deleted", func() error { return c.Queue.Delete(ctx, h.Receipt) })
	}
	c.handBack(ctx, back)
	c.Wake() // there may be pauses to look at
}

// handBack makes records visible, the last of a group first, so that a group comes
// in one piece.
func (c *Consumer) handBack(ctx context.Context, all []*held) {
	byGroup := map[string][]*held{}
	for _, h := range all {
		byGroup[h.Group] = append(byGroup[h.Group], h)
	}
	var groups [][]*held
	for _, g := range byGroup {
		groups = append(groups, g)
	}
	sideBySide(groups, func(g []*held) {
		for i := len(g) - 1; i >= 0; i-- {
			if i == 0 {
				c.forget(g) // before it can be received again
			}
			c.end(ctx, g[i], "record not handed back", func() error { return c.Queue.ChangeVisibility(ctx, g[i].Receipt, 0) })
		}
	})
}

// end is the last request about a record. If it fails the record comes again by
// itself, within Hold.
func (c *Consumer) end(ctx context.Context, h *held, problem string, request func() error) {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	if h.gone {
		return
	}
	h.gone = true
	err := request()
	switch {
	case errors.Is(err, fault.Conflict):
		c.log().WarnContext(ctx, "record came again while it was handled", "queue", c.Name, "record", h.ID)
	case err != nil:
		c.log().ErrorContext(ctx, problem, "queue", c.Name, "record", h.ID, "error", err.Error())
	}
}

// forget frees groups of records that this process no longer has.
func (c *Consumer) forget(all []*held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, gone := range all {
		var left []*held
		for _, h := range c.groups[gone.Group] {
			if h != gone {
				left = append(left, h)
			}
		}
		if len(left) == 0 {
			delete(c.groups, gone.Group)
		} else {
			c.groups[gone.Group] = left
		}
	}
}

// keep extends the hold of all records and hands back those whose pause is over,
// until ctx ends.
func (c *Consumer) keep(ctx context.Context) {
	extended := time.Now()
	for {
		timer := time.NewTimer(c.untilDue())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-c.woken:
		case <-timer.C:
		}
		timer.Stop()
		all, due := c.all()
		c.handBack(ctx, due)
		if time.Since(extended) >= holdEvery {
			extended = time.Now()
			sideBySide(all, func(h *held) { c.extend(ctx, h) })
		}
	}
}

// untilDue is how long nothing has to be done.
func (c *Consumer) untilDue() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait, now := maxIdle, c.now()
	for _, g := range c.groups {
		for _, h := range g {
			if !h.due.IsZero() {
				wait = min(wait, h.due.Sub(now))
			}
		}
	}
	return max(wait, 0)
}

// all gives the records that this process has, and those of them whose pause is over.
func (c *Consumer) all() (all, due []*held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for _, g := range c.groups {
		for _, h := range g {
			if !h.due.IsZero() && !now.Before(h.due) {
				due = append(due, h)
			} else {
				all = append(all, h)
			}
		}
	}
	return all, due
}

// extend hides a record for another Hold. One that is no longer ours is forgotten
// if it only pauses: it comes again by itself.
func (c *Consumer) extend(ctx context.Context, h *held) {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	if h.gone {
		return
	}
	err := c.Queue.ChangeVisibility(ctx, h.Receipt, Hold)
	if err == nil || ctx.Err() != nil {
		return
	}
	c.log().WarnContext(ctx, "record not held", "queue", c.Name, "record", h.ID, "error", err.Error())
	c.mu.Lock()
	pauses := !h.due.IsZero()
	c.mu.Unlock()
	if pauses && errors.Is(err, fault.Conflict) {
		h.gone = true
		c.forget([]*held{h})
	}
}

// giveBack makes everything visible that this process still has.
func (c *Consumer) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	all, due := c.all()
	c.handBack(ctx, append(all, due...))
}

func (c *Consumer) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

func (c *Consumer) log() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.New(slog.DiscardHandler)
}

// sideBySide does f for all, some at a time.
func sideBySide[T any](all []T, f func(T)) {
	slots := make(chan struct{}, abreast)
	var wg sync.WaitGroup
	for _, v := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(v)
		})
	}
	wg.Wait()
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
