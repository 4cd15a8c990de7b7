// Package embedded is durable FIFO queues in one file, for a local run: what
// SQS is on AWS. One process has the file open at a time.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"go.etcd.io/bbolt"

	"buzon/internal/fault"
	"buzon/internal/queue"
)

// lockWait is how long Open waits for another process to let go of the file.
const lockWait = 2 * time.Second

// Options of Open; the zero value is usable.
type Options struct {
	// Now is the clock of visibility and deduplication; nil: the machine's. It
	// may be moved forward; call Wake then, so that consumers look at once.
	Now func() time.Time
	// NewID gives record ids; nil: ULIDs.
	NewID func() string
	// NoSync leaves out the wait for the disk, for tests.
	NoSync bool
}

// Queues are all queues of a file. It is safe for use by several goroutines.
type Queues struct {
	db      *bbolt.DB
	now     func() time.Time
	newID   func() string
	commits committer

	mu      sync.Mutex
	changed map[string]chan struct{}
}

// Open opens the file and makes it if there is none.
func Open(path string, o Options) (*Queues, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait, NoSync: o.NoSync, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, fmt.Errorf("queues %s: %w", path, err)
	}
	q := &Queues{db: db, now: o.Now, newID: o.NewID, changed: map[string]chan struct{}{}}
	if q.now == nil {
		q.now = time.Now
	}
	if q.newID == nil {
		q.newID = func() string { return ulid.Make().String() }
	}
	return q, nil
}

// Close closes the file; calls under way are finished first.
func (q *Queues) Close() error { return q.db.Close() }

// Queue is the queue of that name; it need not exist before.
func (q *Queues) Queue(name string) *Queue { return &Queue{all: q, name: name} }

// Wake makes every consumer look at its queue, as after moving the clock.
func (q *Queues) Wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, c := range q.changed {
		close(c)
		delete(q.changed, name)
	}
}

// ReleaseInFlight makes all records visible that were received and neither
// deleted nor came back yet, and their receipts void. For the start of a
// process, when whoever received them is gone.
func (q *Queues) ReleaseInFlight() error {
	now := q.now()
	err := q.commits.do(q.db, func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			b, err := openBuckets(tx, string(name))
			if err != nil {
				return err
			}
			return b.releaseAll(now)
		})
	})
	if err != nil {
		return fmt.Errorf("queues: release: %w", err)
	}
	q.Wake()
	return nil
}

// Queue is one FIFO queue of a file.
type Queue struct {
	all  *Queues
	name string
}

var _ queue.Queue = (*Queue)(nil)

// Send implements [queue.Queue].
func (q *Queue) Send(ctx context.Context, m queue.Message) error {
	if err := queue.Validate(m); err != nil {
		return fmt.Errorf("queue %s: %w", q.name, err)
	}
	now := q.all.now()
	return q.update(ctx, func(b *buckets) error { return b.send(m, q.all.newID(), now) })
}

// Receive gives up to limit (1 to queue.MaxBatch) records and hides them for
// visibility (above 0, at most queue.MaxVisibility). Groups come in the order
// in which they became receivable, and of each as many as fit. A group of which
// a record is hidden gives none. What was received queue.MaxReceives times
// already becomes a dead letter instead.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Received, error) {
	return q.receive(ctx, limit, visibility, func(string) bool { return false })
}

// receive is Receive without the groups that skip names.
func (q *Queue) receive(ctx context.Context, limit int, visibility time.Duration, skip func(group string) bool) ([]queue.Received, error) {
	if limit < 1 || limit > queue.MaxBatch || visibility <= 0 || visibility > queue.MaxVisibility {
		return nil, fmt.Errorf("queue %s: receive %d for %s: %w", q.name, limit, visibility, fault.Invalid)
	}
	now := q.all.now()
	if next, ok, err := q.nextVisible(skip); err != nil || !ok || next.After(now) {
		return nil, err // spares an empty queue the write
	}
	var out []queue.Received
	err := q.update(ctx, func(b *buckets) (err error) {
		out, err = b.receive(now, limit, visibility, skip)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Delete finishes a record. No error if that was done before; fault.Conflict if
// it was received again, or released, since.
func (q *Queue) Delete(ctx context.Context, receipt string) error {
	return q.settle(ctx, []settlement{{receipt: receipt, done: true}})
}

// ChangeVisibility hides a held record for after (0 to queue.MaxVisibility)
// from now; 0: it is visible. fault.Conflict if it is no longer hidden.
func (q *Queue) ChangeVisibility(ctx context.Context, receipt string, after time.Duration) error {
	return q.settle(ctx, []settlement{{receipt: receipt, after: after}})
}

// settlement is the end of one delivery.
type settlement struct {
	receipt string
	done    bool
	after   time.Duration // of one that is not done
}

// settle ends deliveries, all in one commit. Those that can be are, and the
// others are reported together as fault.Conflict.
func (q *Queue) settle(ctx context.Context, all []settlement) error {
	seqs := make([]uint64, len(all))
	for i, s := range all {
		seq, ok := receiptSeq(s.receipt)
		if !ok {
			return fmt.Errorf("queue %s: receipt of no record: %w", q.name, fault.Invalid)
		}
		if s.after < 0 || s.after > queue.MaxVisibility {
			return fmt.Errorf("queue %s: hide for %s: %w", q.name, s.after, fault.Invalid)
		}
		seqs[i] = seq
	}
	now := q.all.now()
	var stale []error
	err := q.update(ctx, func(b *buckets) error {
		stale = nil
		for i, s := range all {
			ok, err := b.settle(seqs[i], s, now)
			if err != nil {
				return err
			}
			if !ok {
				stale = append(stale, fmt.Errorf("queue %s: record %d: no longer held: %w", q.name, seqs[i], fault.Conflict))
			}
		}
		return nil
	})
	return errors.Join(err, errors.Join(stale...))
}

// DeadLetters gives up to limit of the oldest dead letters. Receives is how
// often each was received; its receipt is for DeleteDead.
func (q *Queue) DeadLetters(_ context.Context, limit int) (out []queue.Received, err error) {
	err = q.view(func(b *buckets) error {
		out, err = b.deadLetters(limit)
		return err
	})
	return out, err
}

// DeleteDead removes a dead letter; no error if there is none.
func (q *Queue) DeleteDead(ctx context.Context, receipt string) error {
	seq, ok := receiptSeq(receipt)
	if !ok {
		return fmt.Errorf("queue %s: receipt of no dead letter: %w", q.name, fault.Invalid)
	}
	return q.update(ctx, func(b *buckets) error { return b.deleteDead(seq) })
}

// Depth counts the records: those in flight are hidden; visible are all others,
// also those that wait for their group.
func (q *Queue) Depth() (visible, inFlight, dead int, err error) {
	now := q.all.now()
	err = q.view(func(b *buckets) error {
		inFlight = b.inFlight(now)
		visible = int(b.count("live")) - inFlight
		dead = int(b.count("dead"))
		return nil
	})
	return visible, inFlight, dead, err
}

// nextVisible is when a record of a group that is not skipped can be received next, in
// the past if one can be now; false if there is none.
func (q *Queue) nextVisible(skip func(group string) bool) (at time.Time, ok bool, err error) {
	err = q.view(func(b *buckets) error {
		at, ok = b.nextReady(skip)
		return nil
	})
	return at, ok, err
}

// Changed gives a channel that is closed at the next change of the queue. Get
// it before looking at the queue, so that no change is missed.
func (q *Queue) Changed() <-chan struct{} {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	c := q.all.changed[q.name]
	if c == nil {
		c = make(chan struct{})
		q.all.changed[q.name] = c
	}
	return c
}

func (q *Queue) notify() {
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	if c := q.all.changed[q.name]; c != nil {
		close(c)
		delete(q.all.changed, q.name)
	}
}

// update runs a change of the queue and returns once it is durable.
func (q *Queue) update(ctx context.Context, change func(*buckets) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("queue %s: %w", q.name, err)
	}
	err := q.all.commits.do(q.all.db, func(tx *bbolt.Tx) error {
		b, err := openBuckets(tx, q.name)
		if err != nil {
			return err
		}
		return change(b)
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", q.name, err)
	}
	q.notify()
	return nil
}

// view runs a reader; it is not called when the queue was never used.
func (q *Queue) view(read func(*buckets) error) error {
	err := q.all.db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(q.name)) == nil {
			return nil
		}
		b, err := openBuckets(tx, q.name)
		if err != nil {
			return err
		}
		return read(b)
	})
	if err != nil {
		return fmt.Errorf("queue %s: %w", q.name, err)
	}
	return nil
}

// A receipt is the record's number and how often it was received: "17.3".
func receipt(seq uint64, receives int) string { return fmt.Sprintf("%d.%d", seq, receives) }

func receiptSeq(receipt string) (uint64, bool) {
	number, _, ok := strings.Cut(receipt, ".")
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, ok && err == nil
}

// committer makes the changes that wait at the same time durable with one write
// to the disk. A change that fails takes the others of its commit with it, so a
// change fails only when the storage does.
type committer struct {
	mu      sync.Mutex
	waiting []*change
	writing sync.Mutex
}

type change struct {
	run  func(*bbolt.Tx) error
	seen bool
	err  error
}

var errAbandoned = errors.New("commit abandoned")

func (c *committer) do(db *bbolt.DB, run func(*bbolt.Tx) error) error {
	mine := &change{run: run, err: errAbandoned}
	c.mu.Lock()
	c.waiting = append(c.waiting, mine)
	c.mu.Unlock()

	c.writing.Lock()
	defer c.writing.Unlock()
	if mine.seen {
		return mine.err
	}
	c.mu.Lock()
	all := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	for _, ch := range all {
		ch.seen = true
	}
	err := db.Update(func(tx *bbolt.Tx) error {
		for _, ch := range all {
			if err := ch.run(tx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, ch := range all {
		ch.err = err
	}
	return mine.err
}
