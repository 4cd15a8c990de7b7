package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
)

// suspects is a memory of suspects that outlives the processes.
type suspects map[string]int

func (s suspects) Mark(ctx context.Context, id string) (int, error) {
	queuetest.Yield(ctx)
	s[id]++
	queuetest.Yield(ctx)
	return s[id] - 1, nil
}

func (s suspects) Clear(ctx context.Context, id string) error {
	queuetest.Yield(ctx)
	delete(s, id)
	return nil
}

// world is a queue, its worker, and what their runs left behind.
type world struct {
	*queuetest.Driver
	clock       *queuetest.Clock
	order       map[string][]string // bodies by group, as first applied
	applied     map[string]bool
	quarantined map[string]string
	receives    map[string]int // most of each
	deaths      int
}

func newWorld(seed uint64, alone bool, set func(*queuetest.Driver)) *world {
	w := &world{
		clock: queuetest.NewClock(), order: map[string][]string{}, applied: map[string]bool{},
		quarantined: map[string]string{}, receives: map[string]int{},
	}
	w.Driver = queuetest.NewDriver(seed, w.clock)
	set(w.Driver)
	worker := &queue.Worker{Handle: w.handle, Quarantine: w.quarantine}
	if alone {
		worker.Alone = suspects{}
	}
	w.Add("q", worker, time.Minute)
	return w
}

// kind leaves a driver without faults.
func kind(*queuetest.Driver) {}

func (w *world) handle(ctx context.Context, r queue.Record) error {
	queuetest.Yield(ctx)
	body := string(r.Body)
	w.receives[body] = max(w.receives[body], r.Receives)
	if body[0] == 'K' {
		w.deaths++
		queuetest.Die()
	}
	if body[0] == 'p' && r.Receives < 3 {
		return queue.Again(90 * time.Second)
	}
	if _, gone := w.quarantined[body]; !gone && !w.applied[body] {
		w.applied[body] = true
		w.order[r.Group] = append(w.order[r.Group], body)
	}
	return nil
}

func (w *world) quarantine(_ context.Context, r queue.Record, reason string) error {
	if !w.applied[string(r.Body)] {
		w.quarantined[string(r.Body)] = reason
	}
	return nil
}

func (w *world) send(t *testing.T, group, body string) {
	t.Helper()
	for {
		err := w.Queue("q").Send(t.Context(), queue.Message{Group: group, Dedup: body, Body: []byte(body)})
		if err == nil {
			return
		}
		if errors.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
	}
}

// TestR5AKillerHarmsNobody: records that kill the process ("K…") among innocent
// ones, whose receive counts rise with theirs.
func TestR5AKillerHarmsNobody(t *testing.T) {
	for _, c := range []struct {
		name             string
		killers, others  int
		groups, trickled int
		mostReceives     int
	}{
		{"one killer in a batch", 1, 9, 10, 0, queue.AloneAfter + queue.MaxDeaths + 2},
		{"one killer in a crowd", 1, 60, 20, 0, queue.AloneAfter + queue.MaxDeaths + 2},
		{"a killer with mates in its own group", 1, 12, 2, 0, queue.AloneAfter + queue.MaxDeaths + 2},
		{"three killers in a crowd that goes on writing", 3, 20, 12, 40, queue.MaxReceives},
		{"a batch of killers", 10, 20, 30, 0, queue.MaxReceives},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(60) {
				w := newWorld(seed, true, kind)
				sent := map[string][]string{}
				add := func(i int, body string) {
					group := fmt.Sprint("g", i%c.groups)
					w.send(t, group, body)
					if body[0] != 'K' {
						sent[group] = append(sent[group], body)
					}
				}
				for i := range c.others + c.killers {
					if i < c.killers {
						add(i, fmt.Sprint("K", i))
					} else {
						add(i, fmt.Sprint("i", i))
					}
				}
				for i := range c.trickled {
					for range 5 {
						w.Step()
					}
					add(i, fmt.Sprint("t", i))
				}
				if err := w.Drain(20000); err != nil {
					t.Fatal(err)
				}
				w.check(t, seed, sent)
				if len(w.quarantined) != c.killers {
					t.Fatalf("seed %d: quarantined %v", seed, w.quarantined)
				}
				for body, n := range w.receives {
					if n > c.mostReceives {
						t.Fatalf("seed %d: %s was received %d times", seed, body, n)
					}
				}
			}
		})
	}
}

// check: all innocent records were applied, in order, and none is anywhere else.
func (w *world) check(t *testing.T, seed uint64, sent map[string][]string) {
	t.Helper()
	for group, bodies := range sent {
		if fmt.Sprint(bodies) != fmt.Sprint(w.order[group]) {
			t.Fatalf("seed %d: R3: %s applied %v, sent %v", seed, group, w.order[group], bodies)
		}
	}
	for body, reason := range w.quarantined {
		if body[0] != 'K' || reason != queue.KilledProcess {
			t.Fatalf("seed %d: R5: %s was quarantined as %s", seed, body, reason)
		}
	}
	if dead, err := w.Memory("q").DeadLetters(t.Context(), 1); len(dead) > 0 || err != nil {
		t.Fatalf("seed %d: dead letters %+v, %v", seed, dead, err)
	}
}

// TestWithoutMemoryTheDeadLettersTakeAKiller shows what Alone is for, and that
// the innocent still drain.
func TestWithoutMemoryTheDeadLettersTakeAKiller(t *testing.T) {
	w := newWorld(1, false, kind)
	w.send(t, "a", "K")
	w.send(t, "b", "i")
	if err := w.Drain(20000); err != nil {
		t.Fatal(err)
	}
	dead, err := w.Memory("q").DeadLetters(t.Context(), 10)
	if err != nil || len(dead) != 1 || string(dead[0].Body) != "K" || w.deaths != queue.MaxReceives || !w.applied["i"] {
		t.Errorf("dead letters %+v, %v; %d deaths, applied %v", dead, err, w.deaths, w.applied)
	}
}

// TestR1R3UnderAHostileQueue: with every fault of the queue, stalls beyond the
// visibility and random deaths, an idempotent handler applies every record
// exactly once and in order, and none is lost or quarantined for others.
func TestR1R3UnderAHostileQueue(t *testing.T) {
	hits := map[string]int{}
	for seed := range uint64(150) {
		w := newWorld(seed, true, func(d *queuetest.Driver) {
			d.StallRate, d.KillRate, d.HostileRate = 0.03, 0.01, 0.05
		})
		sent := map[string][]string{}
		for i := range 40 {
			group := fmt.Sprint("g", i%7)
			body := fmt.Sprint([]string{"i", "i", "p"}[i%3], i)
			w.send(t, group, body)
			sent[group] = append(sent[group], body)
			w.Step()
		}
		for range 300 {
			w.Step()
		}
		w.Calm()
		if err := w.Drain(20000); err != nil {
			t.Fatal(err)
		}
		w.check(t, seed, sent)
		for fault, n := range w.Hits() {
			hits[fault] += n
		}
	}
	for _, fault := range append([]string{queuetest.Stalled, queuetest.Killed}, queuetest.Faults...) {
		if hits[fault] < 20 {
			t.Errorf("%s was hit %d times only: the test proves little", fault, hits[fault])
		}
	}
}
