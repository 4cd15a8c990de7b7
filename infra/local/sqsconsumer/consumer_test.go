package sqsconsumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
)

// bench runs a consumer in a bubble, where time passes only while all sleep. The
// queue has the machine's clock, the consumer's pauses one that can be moved.
type bench struct {
	*testing.T
	q     *queuetest.Memory
	c     *Consumer
	moved atomic.Int64
	cut   atomic.Bool   // no request reaches the queue any more
	late  time.Duration // how long answers to Delete and ChangeVisibility take
	began time.Time
	stop  func() // ends the run and waits for it

	mu  sync.Mutex
	log []string
}

// Receive, Delete and ChangeVisibility are those of the queue until it is cut off.
func (b *bench) Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Received, error) {
	if b.cut.Load() {
		return nil, errCut
	}
	return b.q.Receive(ctx, limit, visibility)
}

func (b *bench) Delete(ctx context.Context, receipt string) error {
	if b.cut.Load() {
		return errCut
	}
	defer time.Sleep(b.late)
	return b.q.Delete(ctx, receipt)
}

func (b *bench) ChangeVisibility(ctx context.Context, receipt string, after time.Duration) error {
	if b.cut.Load() {
		return errCut
	}
	defer time.Sleep(b.late)
	return b.q.ChangeVisibility(ctx, receipt, after)
}

var errCut = errors.New("cut off")

// note writes down what happened, to the second: the queue is polled.
func (b *bench) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf("%s %s", time.Since(b.began).Truncate(time.Second), what))
}

func (b *bench) send(group string, bodies ...string) {
	b.Helper()
	for _, body := range bodies {
		if err := b.q.Send(b.Context(), queue.Message{Group: group, Dedup: body, Body: []byte(body)}); err != nil {
			b.Fatal(err)
		}
	}
}

func (b *bench) depth(visible, inFlight int) {
	b.Helper()
	v, f, dead := b.q.Depth()
	if v != visible || f != inFlight || dead != 0 {
		b.Errorf("%d visible, %d in flight, %d dead; want %d, %d, 0", v, f, dead, visible, inFlight)
	}
}

func (b *bench) want(log ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(log, b.log); diff != "" {
		b.Error(diff)
	}
}

// consume runs the consumer with this handler while test says what happens.
func consume(t *testing.T, c *Consumer, w *queue.Worker, handle func(*bench, context.Context, queue.Record) error, test func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, q: &queuetest.Memory{Now: time.Now, Strict: true}, c: c, began: time.Now()}
		w.Handle = func(ctx context.Context, r queue.Record) error { return handle(b, ctx, r) }
		c.Queue, c.Name, c.Worker = b, "q", w
		c.Now = func() time.Time { return time.Now().Add(time.Duration(b.moved.Load())) }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		b.stop = func() { cancel(); <-ended }
		defer b.stop()
		// The consumer polls on the beat, the test acts off it: never both at once.
		time.Sleep(minPoll / 2)
		test(b)
	})
}

func TestConsumerHandlesAllInOrderWithGroupsApart(t *testing.T) {
	var mu sync.Mutex
	busy := map[string]bool{}
	order := map[string]string{}
	var running, most atomic.Int32
	handle := func(_ *bench, _ context.Context, r queue.Record) error {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		mu.Lock()
		if busy[r.Group] {
			t.Errorf("group %s is handled twice at once", r.Group)
		}
		busy[r.Group] = true
		order[r.Group] += string(r.Body)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		busy[r.Group] = false
		mu.Unlock()
		return nil
	}
	consume(t, &Consumer{Visibility: time.Minute, Concurrency: 4}, &queue.Worker{Gate: queue.NewGate()}, handle, func(b *bench) {
		for n := range 4 {
			for g := range 30 {
				b.send(fmt.Sprint(g), fmt.Sprint(n))
			}
		}
		time.Sleep(2 * time.Second)
		b.depth(0, 0)
	})
	for g, got := range order {
		if got != "0123" {
			t.Errorf("group %s: %s", g, got)
		}
	}
	if len(order) != 30 || most.Load() < 2 || most.Load() > 4 {
		t.Errorf("%d groups, %d records at once", len(order), most.Load())
	}
}

func TestConsumerPausesGrow(t *testing.T) {
	handle := func(b *bench, _ context.Context, r queue.Record) error {
		b.note(string(r.Body))
		if string(r.Body) == "bad" && r.Receives < 6 {
			return errors.New("table unreachable")
		}
		return nil
	}
	consume(t, &Consumer{Visibility: 5 * time.Second}, &queue.Worker{Step: time.Second}, handle, func(b *bench) {
		b.send("g", "bad", "next")
		time.Sleep(time.Minute)
		b.depth(0, 0)
		b.want("0s bad", "1s bad", "3s bad", "7s bad", "12s bad", "17s bad", "17s next")
	})
}

// TestConsumerKeepsPauses: longer than a hold, and only for the group.
func TestConsumerKeepsPauses(t *testing.T) {
	handle := func(b *bench, _ context.Context, r queue.Record) error {
		b.note(string(r.Body))
		if r.Receives == 1 && string(r.Body) == "waits" {
			return queue.Again(time.Hour)
		}
		return nil
	}
	consume(t, &Consumer{Visibility: time.Minute}, &queue.Worker{}, handle, func(b *bench) {
		b.send("g", "waits", "mate")
		b.send("h", "other")
		time.Sleep(2 * time.Hour)
		b.depth(0, 0)
		b.want("0s waits", "0s other", "1h0m0s waits", "1h0m0s mate")
	})
}

func TestConsumerFollowsAMovedClock(t *testing.T) {
	handle := func(b *bench, _ context.Context, r queue.Record) error {
		b.note(string(r.Body))
		if r.Receives == 1 {
			return queue.Again(time.Hour)
		}
		return nil
	}
	consume(t, &Consumer{Visibility: time.Minute}, &queue.Worker{}, handle, func(b *bench) {
		b.send("g", "woken")
		time.Sleep(20 * time.Second)
		b.moved.Add(int64(time.Hour))
		b.c.Wake()
		time.Sleep(10 * time.Second)
		b.send("h", "unnoticed")
		time.Sleep(500 * time.Millisecond)
		b.moved.Add(int64(time.Hour))
		time.Sleep(2 * time.Second)
		b.depth(0, 0)
		b.want("0s woken", "20s woken", "30s unnoticed", "31s unnoticed")
	})
}

// TestTheNextOfAGroupIsTakenBeforeTheAnswerToADelete, or to a hand-back: SQS may
// give it as soon as it has the request.
func TestTheNextOfAGroupIsTakenBeforeTheAnswerToADelete(t *testing.T) {
	handle := func(b *bench, _ context.Context, r queue.Record) error {
		b.note(string(r.Body))
		if string(r.Body) == "back" && r.Receives == 1 {
			return queue.Again(0)
		}
		return nil
	}
	consume(t, &Consumer{Visibility: time.Minute, Concurrency: 5, Batch: 1}, &queue.Worker{Gate: queue.NewGate()}, handle, func(b *bench) {
		b.late = 3 * time.Second
		b.send("g", "done", "back", "next")
		time.Sleep(time.Minute)
		b.depth(0, 0)
		b.want("0s done", "0s back", "0s back", "0s next")
	})
}

func TestConsumerHoldsWhatTakesLong(t *testing.T) {
	var inside, calls atomic.Int32
	handle := func(*bench, context.Context, queue.Record) error {
		calls.Add(1)
		if inside.Add(1) > 1 {
			t.Error("the group is handled twice at once")
		}
		time.Sleep(5 * Hold)
		inside.Add(-1)
		return nil
	}
	consume(t, &Consumer{Visibility: 4 * time.Minute, Concurrency: 3}, &queue.Worker{Step: 2 * time.Minute}, handle, func(b *bench) {
		b.send("g", "slow")
		time.Sleep(time.Second)
		b.moved.Add(int64(time.Hour))
		b.c.Wake()
		time.Sleep(6 * Hold)
		b.depth(0, 0)
	})
	if calls.Load() != 1 {
		t.Errorf("handled %d times", calls.Load())
	}
}

// TestConsumerThatIsCutOffHandlesNoGroupTwiceAtOnce: what it could not hold comes
// again while it is still at work, is left alone, and is handled later.
func TestConsumerThatIsCutOffHandlesNoGroupTwiceAtOnce(t *testing.T) {
	var inside atomic.Int32
	handle := func(b *bench, _ context.Context, r queue.Record) error {
		b.note(fmt.Sprint("receive ", r.Receives))
		if inside.Add(1) > 1 {
			t.Error("the group is handled twice at once")
		}
		defer inside.Add(-1)
		if r.Receives == 1 {
			time.Sleep(40 * time.Second)
		}
		return nil
	}
	consume(t, &Consumer{Visibility: 4 * time.Minute, Concurrency: 3}, &queue.Worker{Step: 2 * time.Minute, Gate: queue.NewGate()}, handle, func(b *bench) {
		b.send("g", "slow")
		time.Sleep(time.Second)
		b.cut.Store(true)
		time.Sleep(15 * time.Second)
		b.cut.Store(false)
		time.Sleep(2 * time.Minute)
		b.depth(0, 0)
		if len(b.log) != 2 {
			t.Errorf("handled at %q", b.log)
		}
	})
}

// TestWhatAKilledProcessHadComesAgainWithinAHold: records under way and pausing.
func TestWhatAKilledProcessHadComesAgainWithinAHold(t *testing.T) {
	handle := func(b *bench, ctx context.Context, r queue.Record) error {
		if string(r.Body) == "pauses" {
			return queue.Again(time.Hour)
		}
		<-ctx.Done()
		return ctx.Err()
	}
	consume(t, &Consumer{Visibility: 4 * time.Minute}, &queue.Worker{Step: 2 * time.Minute, Parallel: 2}, handle, func(b *bench) {
		b.send("g", "pauses")
		time.Sleep(time.Second)
		b.send("h", "under-way")
		time.Sleep(time.Minute)
		b.depth(0, 2)
		b.cut.Store(true)
		time.Sleep(Hold)
		b.depth(2, 0)
	})
}

func TestConsumerEndsAfterWhatIsUnderWay(t *testing.T) {
	handle := func(b *bench, ctx context.Context, r queue.Record) error {
		time.Sleep(3 * time.Second)
		b.note(string(r.Body))
		return ctx.Err()
	}
	consume(t, &Consumer{Visibility: time.Minute}, &queue.Worker{}, handle, func(b *bench) {
		b.send("g", "first")
		time.Sleep(500 * time.Millisecond)
		b.send("h", "second")
		time.Sleep(time.Second)
		b.stop()
		b.depth(1, 0)
		b.want("3s first")
	})
}

// TestConsumerHandsBackAtItsEnd: what it did not begin and what pauses.
func TestConsumerHandsBackAtItsEnd(t *testing.T) {
	handle := func(_ *bench, _ context.Context, r queue.Record) error {
		if string(r.Body) == "pauses" {
			return queue.Again(time.Hour)
		}
		time.Sleep(3 * time.Second)
		return nil
	}
	consume(t, &Consumer{Visibility: time.Hour}, &queue.Worker{}, handle, func(b *bench) {
		b.send("p", "pauses")
		time.Sleep(time.Second)
		b.send("g", "0", "1", "2", "3", "4")
		time.Sleep(time.Second) // the first of the five is under way
		b.depth(0, 6)
		b.stop()
		b.depth(5, 0)
	})
}

func TestConsumerEndsWithinItsGrace(t *testing.T) {
	handle := func(_ *bench, ctx context.Context, _ queue.Record) error {
		<-ctx.Done()
		return ctx.Err()
	}
	consume(t, &Consumer{Visibility: time.Hour, Grace: 2 * time.Second}, &queue.Worker{Step: time.Minute}, handle, func(b *bench) {
		b.send("g", "hangs")
		time.Sleep(time.Second)
		began := time.Now()
		b.stop()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("ended after %s", d)
		}
		b.depth(1, 0)
	})
}

func TestConsumerRefusesAVisibilityThatBeginsNothing(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		visibility, step time.Duration
		ok               bool
	}{
		{2 * queue.DefaultStep, 0, true},
		{2*queue.DefaultStep - 1, 0, false},
		{2 * time.Second, time.Second, true},
		{2*time.Second - 1, time.Second, false},
		{queue.MaxVisibility, time.Second, true},
		{queue.MaxVisibility + 1, time.Second, false},
	} {
		consumer := &Consumer{Queue: &queuetest.Memory{Now: time.Now}, Name: "q", Worker: &queue.Worker{Step: c.step}, Visibility: c.visibility}
		if err := consumer.Run(ended); (err == nil) != c.ok || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("visibility %s, step %s: %v", c.visibility, c.step, err)
		}
	}
}
