package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// DefaultStep is how long one record may take if the worker does not say.
	DefaultStep = 5 * time.Second
	// MaxDeaths: a record during which, alone, the process died this often in
	// a row is quarantined.
	MaxDeaths = 3
	// FirstAfter: a suspect received more often than this goes before its
	// innocent batch-mates, so that slow ones cannot use up its time for ever.
	FirstAfter = 10
	// KilledProcess is the quarantine reason of such a record.
	KilledProcess = "killed_process"
)

// Suspects is the small durable memory of records that are being handled alone.
// What was not cleared may be forgotten once no queue holds it any more (14 days).
type Suspects interface {
	// Mark notes durably that the record is about to be handled and returns how
	// often it was marked before without a Clear: each time the process died.
	Mark(ctx context.Context, id string) (deaths int, err error)
	// Clear forgets the record: its handler returned, whatever the outcome.
	Clear(ctx context.Context, id string) error
}

// Worker handles batches of one FIFO queue. The zero value of every field but
// Handle and Quarantine is usable.
type Worker struct {
	// Handle does the work of one record. It may be called again for a record
	// that was finished before. An error means "again", an [Again] means
	// "again, later", an [Unreadable] means "quarantine".
	Handle func(ctx context.Context, r Record) error
	// Quarantine keeps a record that nobody shall handle; when it returns nil
	// the record is done. It may be called again for the same record.
	Quarantine func(ctx context.Context, r Record, reason string) error
	// Alone remembers suspects; nil: they run alone, but what kills the process
	// goes on doing so until the queue's dead letters take it.
	Alone Suspects
	// Gate is set when the process handles several batches at once.
	Gate *Gate
	// AloneAfter is how often a record is received before it is a suspect; 0
	// means the constant of that name. A handler that often asks to see a record
	// again sets it above what that takes.
	AloneAfter int
	// Parallel is how many groups of a batch run side by side; 0 means 1.
	Parallel int
	// Step is the longest that one record may take: its context ends then. With
	// less than two of them left, a record is handed back untried (B2.4).
	Step time.Duration
	// Deadline tells when the batch must be answered; nil: the context's own.
	Deadline func(ctx context.Context) (time.Time, bool)
	// Now is the clock of these deadlines; nil: the machine's.
	Now func() time.Time
	// Log gets one line for each error and each quarantine, never a body; nil: none.
	Log *slog.Logger
}

func (w *Worker) aloneAfter() int {
	if w.AloneAfter > 0 {
		return w.AloneAfter
	}
	return AloneAfter
}

// Work handles a batch of at most MaxBatch records and returns those that are
// not finished, in the order of the batch; all others are done and may be
// deleted. Errors in it have been logged.
//
// Records of a group are handled in order. When one is not finished, by an
// error, a panic, an [Again] or for want of time, the later ones of its group
// are handed back untried with the same After; other groups go on.
//
// A record received more than AloneAfter times is a suspect: it may be what
// kills the process, and receive counts of a batch rise together, so most
// suspects are innocent. Innocent records go first, then the suspects one by
// one with nobody beside them, each marked in Alone while it runs. If the
// process dies, only the marked one is blamed; at MaxDeaths it is quarantined
// unseen. So a batch that is full of suspects still drains in one delivery,
// and a killer costs its mates AloneAfter+MaxDeaths deliveries at most.
func (w *Worker) Work(ctx context.Context, records []Record) []Failure {
	b := &batch{Worker: w, ctx: ctx, records: records, failures: make([]*Failure, len(records))}
	for i, r := range records {
		b.failures[i] = &Failure{ID: r.ID}
	}
	groups := byGroup(records, b.aloneAfter())
	for _, g := range groups {
		if records[g.members[0]].Receives > max(FirstAfter, b.aloneAfter()) {
			b.run(g, len(g.members))
		}
	}
	b.sideBySide(groups)
	for _, g := range groups {
		b.run(g, len(g.members))
	}
	var out []Failure
	for _, f := range b.failures {
		if f != nil {
			out = append(out, *f)
		}
	}
	return out
}

// batch is one call of Work.
type batch struct {
	*Worker
	ctx      context.Context
	records  []Record
	failures []*Failure // by record: untried at first, nil once it is done
}

// group lists the records of one group by their places in the batch.
type group struct {
	members []int
	calm    int  // so many of them come before the first suspect
	next    int  // so many of them are done
	stopped bool // the next one was not finished
}

func byGroup(records []Record, aloneAfter int) []*group {
	var groups []*group
	known := map[string]*group{}
	for i, r := range records {
		g := known[r.Group]
		if g == nil {
			g = &group{}
			known[r.Group] = g
			groups = append(groups, g)
		}
		if g.calm == len(g.members) && r.Receives <= aloneAfter {
			g.calm++
		}
		g.members = append(g.members, i)
	}
	return groups
}

// sideBySide runs the calm part of every group, Parallel at a time.
func (b *batch) sideBySide(groups []*group) {
	if b.Parallel <= 1 {
		for _, g := range groups {
			b.run(g, g.calm)
		}
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, b.Parallel)
	for _, g := range groups {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			b.run(g, g.calm)
		})
	}
	wg.Wait()
}

// run handles the members up to to that are not done yet. The first that is
// not finished stops the group: it and all later ones are handed back.
func (b *batch) run(g *group, to int) {
	for ; g.next < to && !g.stopped; g.next++ {
		g.stopped = true // should it never return
		f := b.try(b.records[g.members[g.next]])
		b.failures[g.members[g.next]] = f
		if f == nil {
			g.stopped = false
			continue
		}
		for _, i := range g.members[g.next+1:] {
			b.failures[i].After = f.After
		}
	}
}

// errUntried: the record was not handled, for a reason that is not its own.
var errUntried = errors.New("untried")

// try handles one record; nil when it is done.
func (b *batch) try(r Record) *Failure {
	if b.ctx.Err() != nil || b.late() {
		return &Failure{ID: r.ID}
	}
	var err error
	if r.Receives > b.aloneAfter() {
		err = b.alone(b.ctx, r)
	} else {
		err = b.together(b.ctx, r)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, errUntried) {
		return &Failure{ID: r.ID}
	}
	if after, ok := AgainAfter(err); ok {
		return &Failure{ID: r.ID, After: min(max(after, 0), MaxVisibility), Err: err}
	}
	attrs := recordAttrs(r)
	var p *panicked
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", p.stack))
	}
	b.log().LogAttrs(b.ctx, slog.LevelError, "record failed", append(attrs, slog.String("error", err.Error()))...)
	return &Failure{ID: r.ID, Err: err}
}

// late tells whether too little time is left to begin another record.
func (b *batch) late() bool {
	deadline, ok := b.ctx.Deadline()
	if b.Deadline != nil {
		deadline, ok = b.Deadline(b.ctx)
	}
	now := time.Now
	if b.Now != nil {
		now = b.Now
	}
	return ok && deadline.Sub(now()) < 2*b.step()
}

func (w *Worker) together(ctx context.Context, r Record) error {
	if w.Gate != nil {
		if !w.Gate.enter(ctx) {
			return errUntried
		}
		defer w.Gate.leave()
	}
	return w.attempt(ctx, r)
}

// alone handles a suspect while nothing else runs. Clear must not be deferred:
// it stands for "the handler returned".
func (w *Worker) alone(ctx context.Context, r Record) error {
	if w.Gate != nil {
		wait, cancel := context.WithTimeout(ctx, w.step())
		defer cancel()
		if !w.Gate.enterAlone(wait) {
			return errUntried
		}
		defer w.Gate.leaveAlone()
	}
	if w.Alone == nil {
		return w.attempt(ctx, r)
	}
	var deaths int
	err := guard(func() (err error) {
		limited, cancel := context.WithTimeout(ctx, w.step())
		defer cancel()
		deaths, err = w.Alone.Mark(limited, r.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("record %s: mark: %w", r.ID, err)
	}
	if deaths >= MaxDeaths {
		// The mark stays: should another suspect kill this batch before it is
		// answered, the record comes again and must not be run.
		return w.quarantine(ctx, r, KilledProcess)
	}
	err = w.attempt(ctx, r)
	w.clear(ctx, r)
	return err
}

// clear is allowed to fail: the record is then one death nearer to quarantine,
// which its next run that returns makes good.
func (w *Worker) clear(ctx context.Context, r Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.step())
	defer cancel()
	err := guard(func() error { return w.Alone.Clear(ctx, r.ID) })
	if err != nil {
		w.log().LogAttrs(ctx, slog.LevelWarn, "suspect not cleared", append(recordAttrs(r), slog.String("error", err.Error()))...)
	}
}

func (w *Worker) attempt(ctx context.Context, r Record) error {
	limited, cancel := context.WithTimeout(ctx, w.step())
	defer cancel()
	err := guard(func() error { return w.Handle(limited, r) })
	var u *Unreadable
	if errors.As(err, &u) {
		return w.quarantine(ctx, r, u.Reason)
	}
	return err
}

func (w *Worker) quarantine(ctx context.Context, r Record, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, w.step())
	defer cancel()
	if err := guard(func() error { return w.Quarantine(ctx, r, reason) }); err != nil {
		return fmt.Errorf("record %s: quarantine as %s: %w", r.ID, reason, err)
	}
	w.log().LogAttrs(ctx, slog.LevelWarn, "record quarantined", append(recordAttrs(r), slog.String("reason", reason))...)
	return nil
}

// panicked is a panic as an error. Its text tells a value that the program made
// up only by its type, since it may hold a message.
type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string {
	if err, ok := p.value.(runtime.Error); ok {
		return "panic: " + err.Error()
	}
	return fmt.Sprintf("panic: %T", p.value)
}

func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, string(debug.Stack())}
		}
	}()
	return f()
}

func (w *Worker) step() time.Duration {
	if w.Step > 0 {
		return w.Step
	}
	return DefaultStep
}

func (w *Worker) log() *slog.Logger {
	if w.Log != nil {
		return w.Log
	}
	return slog.New(slog.DiscardHandler)
}

func recordAttrs(r Record) []slog.Attr {
	return []slog.Attr{slog.String("record", r.ID), slog.String("group", r.Group), slog.Int("receives", r.Receives)}
}
