package queuetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
)

func subject(strict bool) func(*testing.T) queuetest.Subject {
	return func(*testing.T) queuetest.Subject {
		clock := queuetest.NewClock()
		m := &queuetest.Memory{Now: clock.Now, Strict: strict}
		return queuetest.Subject{Pair: queuetest.Pair{Queue: m, Receiver: m}, Advance: clock.Advance, Patience: time.Hour}
	}
}

func TestMemory(t *testing.T)       { queuetest.Suite(t, subject(false)) }
func TestMemoryStrict(t *testing.T) { queuetest.Suite(t, subject(true)) }

func TestACalmHostileQueueIsAQueue(t *testing.T) {
	queuetest.Suite(t, func(t *testing.T) queuetest.Subject {
		s := subject(true)(t)
		h := queuetest.NewHostile(s.Pair, 1, 1)
		h.Calm()
		s.Pair = queuetest.Pair{Queue: h, Receiver: h}
		return s
	})
}

// traceOf runs a worker that yields, fails, pauses and sends on, and tells what
// happened and when.
func traceOf(t *testing.T, seed uint64) []string {
	t.Helper()
	clock := queuetest.NewClock()
	d := queuetest.NewDriver(seed, clock)
	d.StallRate, d.KillRate, d.HostileRate = 0.1, 0.05, 0.1
	var trace []string
	note := func(what string, r queue.Record) {
		trace = append(trace, fmt.Sprint(clock.Now().Unix(), " ", what, " ", r.Group, " ", string(r.Body), " ", r.Receives))
	}
	d.Add("first", &queue.Worker{Handle: func(ctx context.Context, r queue.Record) error {
		note("begin", r)
		queuetest.Yield(ctx)
		if r.Receives == 1 {
			return queue.Again(time.Minute)
		}
		queuetest.Yield(ctx)
		note("send", r)
		return d.Queue("second").Send(ctx, queue.Message{Group: r.Group, Dedup: string(r.Body), Body: r.Body})
	}}, 30*time.Second)
	d.Add("second", &queue.Worker{Handle: func(_ context.Context, r queue.Record) error {
		note("end", r)
		return nil
	}}, time.Minute)
	for i := range 12 {
		m := queue.Message{Group: fmt.Sprint("g", i%4), Dedup: fmt.Sprint(i), Body: []byte(fmt.Sprint(i))}
		for d.Queue("first").Send(t.Context(), m) != nil {
			trace = append(trace, "sent again")
		}
	}
	for range 200 {
		d.Step()
	}
	d.Calm()
	if err := d.Drain(5000); err != nil {
		t.Fatal(err)
	}
	return trace
}

func TestTheSameSeedGivesTheSameRun(t *testing.T) {
	different := 0
	for seed := range uint64(20) {
		first := traceOf(t, seed)
		if diff := cmp.Diff(first, traceOf(t, seed)); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
		if !cmp.Equal(first, traceOf(t, seed+1)) {
			different++
		}
	}
	if different == 0 {
		t.Error("all seeds give the same run")
	}
}

func TestAStalledBatchMeetsItsSuccessor(t *testing.T) {
	met := false
	for seed := uint64(0); seed < 50 && !met; seed++ {
		d := queuetest.NewDriver(seed, queuetest.NewClock())
		d.StallRate = 0.5
		running := 0
		d.Add("q", &queue.Worker{Handle: func(ctx context.Context, _ queue.Record) error {
			running++
			met = met || running == 2
			queuetest.Yield(ctx)
			queuetest.Yield(ctx)
			running--
			return nil
		}}, time.Minute)
		if err := d.Queue("q").Send(t.Context(), queue.Message{Group: "g", Dedup: "1", Body: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			d.Step()
		}
		d.Calm()
		if err := d.Drain(100); err != nil {
			t.Fatal(err)
		}
	}
	if !met {
		t.Error("no record was ever handled by two at once")
	}
}

func TestDrainSaysWhatIsLeft(t *testing.T) {
	d := queuetest.NewDriver(1, queuetest.NewClock())
	defer d.Close()
	d.Add("q", &queue.Worker{Handle: func(context.Context, queue.Record) error { return queue.Again(time.Second) }}, time.Minute)
	if err := d.Queue("q").Send(t.Context(), queue.Message{Group: "g", Dedup: "1", Body: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if err := d.Drain(10); err == nil || !strings.Contains(err.Error(), "q: ") {
		t.Errorf("got %v", err)
	}
}

func TestCloseEndsBatchesThatStand(t *testing.T) {
	d := queuetest.NewDriver(1, queuetest.NewClock())
	over, finished := false, false
	d.Add("q", &queue.Worker{Handle: func(ctx context.Context, _ queue.Record) error {
		defer func() { over = true }()
		queuetest.Yield(ctx)
		finished = true
		return nil
	}}, time.Minute)
	if err := d.Queue("q").Send(t.Context(), queue.Message{Group: "g", Dedup: "1", Body: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	d.Step()
	d.Close()
	if !over || finished {
		t.Errorf("over %v, finished %v", over, finished)
	}
}

// TestHostileFaults strikes with every fault at every call.
func TestHostileFaults(t *testing.T) {
	clock := queuetest.NewClock()
	m := &queuetest.Memory{Now: clock.Now}
	h := queuetest.NewHostile(queuetest.Pair{Queue: m, Receiver: m}, 1, 1)
	msg := queue.Message{Group: "g", Dedup: "1", Body: []byte("1")}
	if err := h.Send(t.Context(), msg); !errors.Is(err, fault.Busy) {
		t.Errorf("send: %v, want busy", err)
	}
	if v, _, _ := m.Depth(); v != 0 {
		t.Error("a refused message was sent")
	}
	if err := m.Send(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Receive(t.Context(), 1, time.Minute); len(got) > 0 || err != nil {
		t.Errorf("receive: %v, %v", got, err)
	}
	if _, f, _ := m.Depth(); f != 1 {
		t.Error("a lost batch is not in flight")
	}
	if diff := cmp.Diff(map[string]int{queuetest.SendRefused: 1, queuetest.BatchLost: 1}, h.Hits()); diff != "" {
		t.Error(diff)
	}
}

// TestHostileRecordsStillEnd: whatever is struck, each record is received at
// least once and the queue is empty in the end.
func TestHostileRecordsStillEnd(t *testing.T) {
	hits := map[string]int{}
	for seed := range uint64(30) {
		clock := queuetest.NewClock()
		m := &queuetest.Memory{Now: clock.Now, Strict: true}
		h := queuetest.NewHostile(queuetest.Pair{Queue: m, Receiver: m}, seed, 0.2)
		for i := range 10 {
			msg := queue.Message{Group: fmt.Sprint(i % 3), Dedup: fmt.Sprint(i), Body: []byte("x")}
			for h.Send(t.Context(), msg) != nil {
				continue
			}
		}
		seen := map[string]int{}
		for round := 0; ; round++ {
			if v, f, _ := m.Depth(); v+f == 0 {
				break
			}
			if round == 200 {
				t.Fatalf("seed %d: not empty after %d rounds", seed, round)
			}
			got, err := h.Receive(t.Context(), 5, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range got {
				seen[r.ID]++
				if r.Receives < seen[r.ID] {
					t.Errorf("seed %d: %s has %d receives at its delivery %d", seed, r.ID, r.Receives, seen[r.ID])
				}
				if seen[r.ID] == 1 && r.Receives == 1 {
					_ = h.ChangeVisibility(t.Context(), r.Receipt, time.Second)
				} else {
					_ = h.Delete(t.Context(), r.Receipt)
				}
			}
			clock.Advance(time.Minute)
		}
		if len(seen) != 10 {
			t.Errorf("seed %d: %d of 10 records were received", seed, len(seen))
		}
		for fault, n := range h.Hits() {
			hits[fault] += n
		}
	}
	for _, fault := range queuetest.Faults {
		if hits[fault] == 0 {
			t.Errorf("%s never struck", fault)
		}
	}
}
