package embedded

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
)

func open(t testing.TB, path string, clock *queuetest.Clock) *Queues {
	t.Helper()
	q, err := Open(path, Options{Now: clock.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func fresh(t testing.TB) (*Queues, *queuetest.Clock) {
	clock := queuetest.NewClock()
	return open(t, filepath.Join(t.TempDir(), "queues"), clock), clock
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func send(t testing.TB, q *Queue, group, body string) {
	t.Helper()
	must(t, q.Send(t.Context(), queue.Message{Group: group, Dedup: body, Body: []byte(body)}))
}

func receive(t testing.TB, q *Queue, want int) []queue.Received {
	t.Helper()
	got, err := q.Receive(t.Context(), queue.MaxBatch, time.Minute)
	must(t, err)
	if len(got) != want {
		t.Fatalf("received %d records, want %d", len(got), want)
	}
	return got
}

func TestSuite(t *testing.T) {
	queuetest.Suite(t, func(t *testing.T) queuetest.Subject {
		all, clock := fresh(t)
		q := all.Queue("inbound")
		return queuetest.Subject{Pair: queuetest.Pair{Queue: q, Receiver: q}, Advance: clock.Advance, Patience: time.Hour}
	})
}

// Any calls give the same as on the model, as long as a batch holds all that
// can be received: which groups come first is each queue's own affair.
func TestLikeTheModel(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		clock := queuetest.NewClock()
		path := filepath.Join(dir, fmt.Sprint(runs))
		all := open(t, path, clock)
		defer func() { _ = all.Close() }()
		q := all.Queue("q")
		model := &queuetest.Memory{Now: clock.Now}
		var held [][2]string // receipts here and there
		live := func() int { v, f, _ := model.Depth(); return v + f }
		rt.Repeat(map[string]func(*rapid.T){
			"send": func(rt *rapid.T) {
				if live() == queue.MaxBatch {
					return
				}
				m := queue.Message{Group: rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(rt, "group"), Dedup: rapid.StringMatching("[a-f]").Draw(rt, "dedup")}
				m.Body = []byte(m.Group + m.Dedup)
				if err := errors.Join(q.Send(t.Context(), m), model.Send(t.Context(), m)); err != nil {
					rt.Fatal(err)
				}
			},
			"receive": func(rt *rapid.T) {
				vis := time.Duration(rapid.IntRange(1, 60).Draw(rt, "visibility")) * time.Second
				got, err1 := q.Receive(t.Context(), queue.MaxBatch, vis)
				want, err2 := model.Receive(t.Context(), queue.MaxBatch, vis)
				if err := errors.Join(err1, err2); err != nil {
					rt.Fatal(err)
				}
				byGroup := func(all []queue.Received) map[string][]string {
					out := map[string][]string{}
					for _, r := range all {
						out[r.Group] = append(out[r.Group], fmt.Sprintf("%s %d %s", r.Body, r.Receives, r.Sent.UTC()))
					}
					return out
				}
				if diff := cmp.Diff(byGroup(want), byGroup(got)); diff != "" {
					rt.Fatalf("received (-model +here):\n%s", diff)
				}
				places := map[string]int{}
				for i, r := range got {
					places[r.Group+" "+string(r.Body)+r.Sent.UTC().String()] = i
				}
				for _, r := range want {
					held = append(held, [2]string{got[places[r.Group+" "+string(r.Body)+r.Sent.UTC().String()]].Receipt, r.Receipt})
				}
			},
			"delete": func(rt *rapid.T) {
				if len(held) > 0 {
					r := rapid.SampledFrom(held).Draw(rt, "receipt")
					same(rt, q.Delete(t.Context(), r[0]), model.Delete(t.Context(), r[1]))
				}
			},
			"hide": func(rt *rapid.T) {
				if len(held) > 0 {
					r := rapid.SampledFrom(held).Draw(rt, "receipt")
					d := time.Duration(rapid.IntRange(0, 90).Draw(rt, "after")) * time.Second
					same(rt, q.ChangeVisibility(t.Context(), r[0], d), model.ChangeVisibility(t.Context(), r[1], d))
				}
			},
			"wait":   func(rt *rapid.T) { clock.Advance(time.Duration(rapid.IntRange(0, 200).Draw(rt, "wait")) * time.Second) },
			"reopen": func(rt *rapid.T) { must(t, all.Close()); all = open(t, path, clock); q = all.Queue("q") },
			"": func(rt *rapid.T) {
				v, f, d, err := q.Depth()
				must(t, err)
				mv, mf, md := model.Depth()
				if v != mv || f != mf || d != md {
					rt.Fatalf("depth %d %d %d, model %d %d %d", v, f, d, mv, mf, md)
				}
				at, ok, err := q.nextVisible(func(string) bool { return false })
				must(t, err)
				mat, mok := model.NextVisible()
				if now := clock.Now(); ok != mok || ok && later(at, now) != later(mat, now) {
					rt.Fatalf("next visible %v %v, model %v %v", at, ok, mat, mok)
				}
			},
		})
	})
}

// later is t, or now if t is past: a queue need not know since when.
func later(t, now time.Time) time.Time {
	if t.After(now) {
		return t.UTC()
	}
	return now
}

func same(rt *rapid.T, got, want error) {
	if errors.Is(got, fault.Conflict) != errors.Is(want, fault.Conflict) || (got == nil) != (want == nil) {
		rt.Fatalf("got %v, model %v", got, want)
	}
}

func TestSurvivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queues")
	clock := queuetest.NewClock()
	first, err := Open(path, Options{Now: clock.Now})
	must(t, err)
	q := first.Queue("q")
	send(t, q, "g", "done")
	must(t, q.Delete(t.Context(), receive(t, q, 1)[0].Receipt))
	send(t, q, "g", "flying")
	stale := receive(t, q, 1)[0].Receipt
	send(t, q, "h", "waiting")
	must(t, first.Close())

	second := open(t, path, clock)
	q = second.Queue("q")
	must(t, second.ReleaseInFlight())
	if err := q.Delete(t.Context(), stale); !errors.Is(err, fault.Conflict) {
		t.Errorf("a receipt of the process before: %v, want a conflict", err)
	}
	got := map[string]int{}
	for _, r := range receive(t, q, 2) {
		got[string(r.Body)] = r.Receives
	}
	if diff := cmp.Diff(map[string]int{"flying": 2, "waiting": 1}, got); diff != "" {
		t.Error(diff)
	}
	send(t, q, "g", "done")
	receive(t, q, 0) // deduplication is remembered too
}

func TestASecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queues")
	open(t, path, queuetest.NewClock())
	if _, err := Open(path, Options{}); err == nil {
		t.Error("the file was opened twice")
	}
}

func TestQueuesOfAFileAreApart(t *testing.T) {
	all, _ := fresh(t)
	send(t, all.Queue("a"), "g", "1")
	receive(t, all.Queue("b"), 0)
	receive(t, all.Queue("a"), 1)
	send(t, all.Queue("b"), "g", "1")
	receive(t, all.Queue("b"), 1)
}

func TestEndedDeduplicationIdsAreForgotten(t *testing.T) {
	all, clock := fresh(t)
	q := all.Queue("q")
	for i := range 50 {
		send(t, q, "g", fmt.Sprint("old", i))
	}
	clock.Advance(queue.DedupWindow)
	for i := range 50 {
		send(t, q, "g", fmt.Sprint("new", i))
	}
	must(t, q.view(func(b *buckets) error {
		if n, m := b.dedup.Stats().KeyN, b.forget.Stats().KeyN; n != 50 || m != 50 {
			t.Errorf("%d ids and %d ends are kept, want the 50 that count", n, m)
		}
		return nil
	}))
}

func TestDeadLettersCanBeDeleted(t *testing.T) {
	all, _ := fresh(t)
	q := all.Queue("q")
	send(t, q, "g", "1")
	for range queue.MaxReceives {
		must(t, q.ChangeVisibility(t.Context(), receive(t, q, 1)[0].Receipt, 0))
	}
	receive(t, q, 0)
	dead, err := q.DeadLetters(t.Context(), 10)
	must(t, err)
	if len(dead) != 1 || dead[0].Receives != queue.MaxReceives {
		t.Fatalf("dead letters %+v", dead)
	}
	must(t, q.DeleteDead(t.Context(), dead[0].Receipt))
	must(t, q.DeleteDead(t.Context(), dead[0].Receipt))
	if _, _, n, err := q.Depth(); n != 0 || err != nil {
		t.Errorf("%d dead letters are left, %v", n, err)
	}
}

func TestReceiptsFromElsewhereAreRefused(t *testing.T) {
	all, _ := fresh(t)
	for _, receipt := range []string{"", "1", "x.1", "-1.1", "99999999999999999999.1"} {
		if err := all.Queue("q").Delete(t.Context(), receipt); !errors.Is(err, fault.Invalid) {
			t.Errorf("receipt %q: %v, want invalid", receipt, err)
		}
	}
}

func TestChangedIsClosedByASendAndByWake(t *testing.T) {
	all, _ := fresh(t)
	q := all.Queue("q")
	for name, change := range map[string]func(){
		"send": func() { send(t, q, "g", "1") },
		"wake": all.Wake,
	} {
		changed := q.Changed()
		select {
		case <-changed:
			t.Errorf("%s: closed before", name)
		default:
		}
		change()
		select {
		case <-changed:
		default:
			t.Errorf("%s: not closed after", name)
		}
	}
}

func TestManySendersAtOnceLoseNothing(t *testing.T) {
	all, _ := fresh(t)
	q := all.Queue("q")
	const senders, each = 20, 20
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for n := range each {
				if err := q.Send(t.Context(), queue.Message{Group: fmt.Sprint(s), Dedup: fmt.Sprint(n), Body: []byte(fmt.Sprint(n))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for range senders * each / queue.MaxBatch {
		for _, r := range receive(t, q, queue.MaxBatch) {
			if string(r.Body) != fmt.Sprint(next[r.Group]) {
				t.Fatalf("sender %s: %s instead of %d", r.Group, r.Body, next[r.Group])
			}
			next[r.Group]++
			must(t, q.Delete(t.Context(), r.Receipt))
		}
	}
	receive(t, q, 0)
}

// The time of a round must not grow with the groups that wait.
func BenchmarkRound(b *testing.B) {
	for _, groups := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprint(groups, " groups"), func(b *testing.B) {
			all, _ := fresh(b)
			q := all.Queue("q")
			sent := 0
			another := func(group string) {
				sent++
				must(b, q.Send(b.Context(), queue.Message{Group: group, Dedup: fmt.Sprint(sent), Body: []byte("x")}))
			}
			for g := range groups {
				another(fmt.Sprint("g", g))
			}
			for b.Loop() {
				got, err := q.Receive(b.Context(), 1, time.Second)
				must(b, err)
				must(b, q.Delete(b.Context(), got[0].Receipt))
				another(got[0].Group)
			}
		})
	}
}
