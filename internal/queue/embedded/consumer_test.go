package embedded

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/queue"
)

// bench runs a consumer in a bubble, where time passes only while all sleep.
type bench struct {
	*testing.T
	all   *Queues
	q     *Queue
	moved atomic.Int64 // how far the queue's clock was moved forward
	stop  func()       // ends the run and waits for it

	mu  sync.Mutex
	log []string
}

func (b *bench) note(began time.Time, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf("%s %s", time.Since(began), what))
}

func consume(t *testing.T, c *Consumer, w *queue.Worker, test func(*bench)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "queues")
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t}
		all, err := Open(path, Options{NoSync: true, Now: func() time.Time {
			return time.Now().Add(time.Duration(b.moved.Load()))
		}})
		must(t, err)
		defer func() { must(t, all.Close()) }()
		b.all, b.q = all, all.Queue("q")
		c.Queues, c.Name, c.Worker = all, "q", w
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
		test(b)
	})
}

func (b *bench) depth(visible, inFlight int) {
	b.Helper()
	v, f, dead, err := b.q.Depth()
	must(b.T, err)
	if v != visible || f != inFlight || dead != 0 {
		b.Errorf("%d visible, %d in flight, %d dead; want %d, %d, 0", v, f, dead, visible, inFlight)
	}
}

func TestConsumerHandlesAllInOrderWithGroupsApart(t *testing.T) {
	var mu sync.Mutex
	busy := map[string]bool{}
	order := map[string]string{}
	var running, most atomic.Int32
	w := &queue.Worker{Gate: queue.NewGate(), Handle: func(_ context.Context, r queue.Record) error {
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
	}}
	consume(t, &Consumer{Visibility: time.Minute, Concurrency: 4}, w, func(b *bench) {
		for n := range 4 {
			for g := range 30 {
				must(t, b.q.Send(t.Context(), queue.Message{Group: fmt.Sprint(g), Dedup: fmt.Sprint(n), Body: []byte(fmt.Sprint(n))}))
			}
		}
		time.Sleep(time.Second)
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
	var b *bench
	began := time.Time{}
	w := &queue.Worker{Step: time.Second, Handle: func(_ context.Context, r queue.Record) error {
		b.note(began, string(r.Body))
		if string(r.Body) == "bad" && r.Receives < 6 {
			return errors.New("table unreachable")
		}
		return nil
	}}
	consume(t, &Consumer{Visibility: 5 * time.Second}, w, func(here *bench) {
		b, began = here, time.Now()
		send(t, b.q, "g", "bad")
		send(t, b.q, "g", "next")
		time.Sleep(time.Minute)
		b.depth(0, 0)
	})
	want := []string{"0s bad", "1s bad", "3s bad", "7s bad", "12s bad", "17s bad", "17s next"}
	if diff := cmp.Diff(want, b.log); diff != "" {
		t.Error(diff)
	}
}

func TestConsumerKeepsPauses(t *testing.T) {
	var b *bench
	began := time.Time{}
	w := &queue.Worker{Handle: func(_ context.Context, r queue.Record) error {
		b.note(began, string(r.Body))
		if r.Receives == 1 && string(r.Body) == "waits" {
			return queue.Again(time.Hour)
		}
		return nil
	}}
	consume(t, &Consumer{Visibility: time.Minute}, w, func(here *bench) {
		b, began = here, time.Now()
		send(t, b.q, "g", "waits")
		send(t, b.q, "g", "mate")
		send(t, b.q, "h", "other")
		time.Sleep(2 * time.Hour)
	})
	if diff := cmp.Diff([]string{"0s waits", "0s other", "1h0m0s waits", "1h0m0s mate"}, b.log); diff != "" {
		t.Error(diff)
	}
}

func TestConsumerFollowsAMovedClock(t *testing.T) {
	var b *bench
	began := time.Time{}
	w := &queue.Worker{Handle: func(_ context.Context, r queue.Record) error {
		b.note(began, string(r.Body))
		if r.Receives == 1 {
			return queue.Again(time.Hour)
		}
		return nil
	}}
	consume(t, &Consumer{Visibility: time.Minute}, w, func(here *bench) {
		b, began = here, time.Now()
		send(t, b.q, "g", "woken")
		time.Sleep(time.Second)
		b.moved.Add(int64(time.Hour))
		b.all.Wake()
		synctest.Wait()
		send(t, b.q, "h", "unnoticed")
		time.Sleep(500 * time.Millisecond)
		b.moved.Add(int64(time.Hour))
		time.Sleep(2 * time.Second)
	})
	if diff := cmp.Diff([]string{"0s woken", "1s woken", "1s unnoticed", "2s unnoticed"}, b.log); diff != "" {
		t.Error(diff)
	}
}

func TestConsumerHoldsItsGroupsWhenTheClockMovesOn(t *testing.T) {
	var inside, calls atomic.Int32
	w := &queue.Worker{Handle: func(context.Context, queue.Record) error {
		calls.Add(1)
		if inside.Add(1) > 1 {
			t.Error("the group is handled twice at once")
		}
		time.Sleep(4 * time.Second)
		inside.Add(-1)
		return nil
	}}
	consume(t, &Consumer{Visibility: time.Minute, Concurrency: 3}, w, func(b *bench) {
		send(t, b.q, "g", "slow")
		time.Sleep(time.Second)
		b.moved.Add(int64(time.Hour))
		b.all.Wake()
		time.Sleep(10 * time.Second)
		b.depth(0, 0)
	})
	if calls.Load() != 1 {
		t.Errorf("handled %d times", calls.Load())
	}
}

func TestConsumerEndsAfterWhatIsUnderWay(t *testing.T) {
	var b *bench
	began := time.Time{}
	w := &queue.Worker{Handle: func(ctx context.Context, r queue.Record) error {
		time.Sleep(3 * time.Second)
		b.note(began, string(r.Body))
		return ctx.Err()
	}}
	consume(t, &Consumer{Visibility: time.Minute}, w, func(here *bench) {
		b, began = here, time.Now()
		send(t, b.q, "g", "first")
		synctest.Wait()
		send(t, b.q, "h", "second")
		time.Sleep(time.Second)
		b.stop()
		b.note(began, "stopped")
		b.depth(1, 0)
	})
	if diff := cmp.Diff([]string{"3s first", "3s stopped"}, b.log); diff != "" {
		t.Error(diff)
	}
}

func TestConsumerHandsBackTheRestOfABatchAtItsEnd(t *testing.T) {
	w := &queue.Worker{Handle: func(context.Context, queue.Record) error { time.Sleep(3 * time.Second); return nil }}
	consume(t, &Consumer{Visibility: time.Hour}, w, func(b *bench) {
		send(t, b.q, "a", "blocker")
		synctest.Wait()
		for i := range 5 {
			send(t, b.q, "g", fmt.Sprint(i))
		}
		time.Sleep(4 * time.Second) // the first of the five is under way
		b.depth(0, 5)
		b.stop()
		b.depth(4, 0)
	})
}

func TestConsumerEndsWithinItsGrace(t *testing.T) {
	w := &queue.Worker{Step: time.Minute, Handle: func(ctx context.Context, _ queue.Record) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	consume(t, &Consumer{Visibility: time.Hour, Grace: 2 * time.Second}, w, func(b *bench) {
		send(t, b.q, "g", "hangs")
		synctest.Wait()
		began := time.Now()
		b.stop()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("ended after %s", d)
		}
		b.depth(0, 1)
		must(t, b.all.ReleaseInFlight())
		b.depth(1, 0)
	})
}

func TestConsumerGivesABatchItsVisibility(t *testing.T) {
	var left time.Duration
	w := &queue.Worker{Step: time.Hour, Now: func() time.Time { return time.Time{} }, Handle: func(ctx context.Context, _ queue.Record) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	}}
	consume(t, &Consumer{Visibility: 3 * time.Hour}, w, func(b *bench) {
		send(t, b.q, "g", "1")
		synctest.Wait()
	})
	if left != time.Hour {
		t.Errorf("a record had %s", left)
	}
}

func TestConsumerRefusesAVisibilityThatBeginsNothing(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	all, _ := fresh(t)
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
		consumer := &Consumer{Queues: all, Name: "q", Worker: &queue.Worker{Step: c.step}, Visibility: c.visibility}
		if err := consumer.Run(ended); (err == nil) != c.ok || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("visibility %s, step %s: %v", c.visibility, c.step, err)
		}
	}
}

func TestConsumerIsWokenNotPolling(t *testing.T) {
	const chain = 200
	var b *bench
	done := make(chan struct{})
	w := &queue.Worker{Gate: queue.NewGate(), Handle: func(ctx context.Context, r queue.Record) error {
		n := len(r.Body)
		if n == chain {
			close(done)
			return nil
		}
		next := append([]byte("x"), r.Body...)
		return b.q.Send(ctx, queue.Message{Group: r.Group, Dedup: fmt.Sprint(n), Body: next})
	}}
	consume(t, &Consumer{Visibility: time.Minute, Concurrency: 2}, w, func(here *bench) {
		b = here
		began := time.Now()
		send(t, b.q, "g", "x")
		<-done
		if d := time.Since(began); d != 0 {
			t.Errorf("a chain of %d records took %s", chain, d)
		}
	})
}

func TestConsumerWithBatchesOfOneLetsNoGroupWaitForAnother(t *testing.T) {
	var b *bench
	began := time.Time{}
	w := &queue.Worker{Gate: queue.NewGate(), Handle: func(_ context.Context, r queue.Record) error {
		if string(r.Body) == "slow" {
			time.Sleep(20 * time.Second)
		}
		b.note(began, string(r.Body))
		return nil
	}}
	consume(t, &Consumer{Visibility: time.Minute, Concurrency: 2, Batch: 1}, w, func(here *bench) {
		b, began = here, time.Now()
		send(t, b.q, "g", "slow")
		send(t, b.q, "h", "quick")
		time.Sleep(time.Second)
		send(t, b.q, "h", "next")
		time.Sleep(time.Minute)
		b.depth(0, 0)
	})
	if diff := cmp.Diff([]string{"0s quick", "1s next", "20s slow"}, b.log); diff != "" {
		t.Error(diff)
	}
}
