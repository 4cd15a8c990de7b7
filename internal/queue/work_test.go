package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory of suspects that keeps its state.
type memory struct {
	mu    sync.Mutex
	marks map[string]int
	calls []string
	fail  error // of every Mark
	deny  error // of every Clear
}

func (m *memory) Mark(_ context.Context, id string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, "mark "+id)
	if m.fail != nil {
		return 0, m.fail
	}
	if m.marks == nil {
		m.marks = map[string]int{}
	}
	m.marks[id]++
	return m.marks[id] - 1, nil
}

func (m *memory) Clear(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, "clear "+id)
	if m.deny != nil {
		return m.deny
	}
	delete(m.marks, id)
	return nil
}

// batchOf makes records from "group/id" or "group/id:receives".
func batchOf(specs ...string) []Record {
	var out []Record
	for _, s := range specs {
		r := Record{Receives: 1, Body: []byte("the body of " + s)}
		s, receives, _ := strings.Cut(s, ":")
		r.Group, r.ID, _ = strings.Cut(s, "/")
		if receives != "" {
			_, _ = fmt.Sscan(receives, &r.Receives)
		}
		out = append(out, r)
	}
	return out
}

// result writes failures as "id", "id+5s" (after), "id!" (tried).
func result(failures []Failure) string {
	var out []string
	for _, f := range failures {
		s := f.ID
		if f.Err != nil {
			s += "!"
		}
		if f.After != 0 {
			s += "+" + f.After.String()
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestWork(t *testing.T) {
	boom := errors.New("table unreachable")
	does := func(outcomes map[string]any) func(context.Context, Record) error {
		return func(_ context.Context, r Record) error {
			switch o := outcomes[r.ID].(type) {
			case error:
				return o
			case nil:
				return nil
			default:
				panic(o)
			}
		}
	}
	for _, c := range []struct {
		name        string
		batch       []Record
		outcomes    map[string]any
		tried       string
		failures    string
		quarantined string
	}{
		{"nothing to do", nil, nil, "", "", ""},
		{"all done", batchOf("a/1", "b/2", "a/3"), nil, "1 3 2", "", ""},
		{"R3: after an error the rest of the group is handed back untried", batchOf("a/1", "a/2", "a/3"), map[string]any{"2": boom}, "1 2", "2! 3", ""},
		{"R5: other groups go on", batchOf("a/1", "b/2", "a/3", "b/4"), map[string]any{"1": boom}, "1 2 4", "1! 3", ""},
		{"failures are in the order of the batch", batchOf("a/1", "b/2", "a/3", "b/4"), map[string]any{"1": boom, "2": boom}, "1 2", "1! 2! 3 4", ""},
		{"a panic is a failure of its record, and nothing after it in the group is done", batchOf("a/1", "a/2", "b/3"), map[string]any{"1": "oops"}, "1 3", "1! 2", ""},
		{"a pause holds the group and is kept by it", batchOf("a/1", "a/2", "b/3"), map[string]any{"1": Again(5 * time.Second)}, "1 3", "1!+5s 2+5s", ""},
		{"a wrapped pause is a pause", batchOf("a/1"), map[string]any{"1": fmt.Errorf("conversation c: %w", Again(time.Minute))}, "1", "1!+1m0s", ""},
		{"a pause is at most MaxVisibility", batchOf("a/1", "b/2"), map[string]any{"1": Again(MaxVisibility), "2": Again(MaxVisibility + 1)}, "1 2", "1!+12h0m0s 2!+12h0m0s", ""},
		{"a pause is not negative", batchOf("a/1"), map[string]any{"1": Again(-1)}, "1", "1!", ""},
		{"R5: what is unreadable is quarantined and its group goes on", batchOf("a/1", "a/2"), map[string]any{"1": fmt.Errorf("x: %w", &Unreadable{BadBody})}, "1 2", "", "1:bad_body"},
		{"received AloneAfter times it is no suspect yet", batchOf("a/1:3", "b/2:1"), nil, "1 2", "", ""},
		{"suspects go after the innocent", batchOf("a/1:4", "b/2", "c/3:4", "d/4"), nil, "2 4 1 3", "", ""},
		{"R3: the order inside a group stays", batchOf("a/1", "a/2:4", "a/3", "b/4"), nil, "1 4 2 3", "", ""},
		{"a suspect's error holds its group and no other suspect", batchOf("a/1:4", "a/2", "b/3:4"), map[string]any{"1": boom}, "1 3", "1! 2", ""},
		{"a failed innocent hands back the suspect behind it", batchOf("a/1", "a/2:4", "b/3"), map[string]any{"1": boom}, "1 3", "1! 2", ""},
		{"received FirstAfter times a suspect still goes last", batchOf("a/1", "b/2:10"), nil, "1 2", "", ""},
		{"received more often it goes first, its group too", batchOf("a/1", "b/2:11", "b/3"), nil, "2 3 1", "", ""},
	} {
		for _, parallel := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, %d side by side", c.name, parallel), func(t *testing.T) {
				var mu sync.Mutex
				var tried, quarantined []string
				handle := does(c.outcomes)
				w := &Worker{
					Parallel: parallel,
					Alone:    &memory{},
					Gate:     NewGate(),
					Handle: func(ctx context.Context, r Record) error {
						mu.Lock()
						tried = append(tried, r.ID)
						mu.Unlock()
						return handle(ctx, r)
					},
					Quarantine: func(_ context.Context, r Record, reason string) error {
						mu.Lock()
						defer mu.Unlock()
						quarantined = append(quarantined, r.ID+":"+reason)
						return nil
					},
				}
				got := result(w.Work(t.Context(), c.batch))
				if diff := cmp.Diff(c.failures, got); diff != "" {
					t.Errorf("failures (-want +got):\n%s", diff)
				}
				want := strings.Fields(c.tried)
				if parallel > 1 {
					slices.Sort(want)
					slices.Sort(tried)
				}
				if diff := cmp.Diff(strings.Join(want, " "), strings.Join(tried, " ")); diff != "" {
					t.Errorf("tried (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(c.quarantined, strings.Join(quarantined, " ")); diff != "" {
					t.Errorf("quarantined (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestSuspectsAreMarkedWhileTheyRun(t *testing.T) {
	boom := errors.New("boom")
	quarantined := ""
	for _, c := range []struct {
		name     string
		memory   *memory
		handle   func() error
		refuse   error // of Quarantine
		tried    bool
		failures string
		calls    []string
		kept     string
	}{
		{"done", &memory{}, func() error { return nil }, nil, true, "", []string{"mark 1", "clear 1"}, ""},
		{"an error is no death", &memory{}, func() error { return boom }, nil, true, "1!", []string{"mark 1", "clear 1"}, ""},
		{"a panic is no death", &memory{}, func() error { panic("x") }, nil, true, "1!", []string{"mark 1", "clear 1"}, ""},
		{"a pause is no death", &memory{}, func() error { return Again(time.Second) }, nil, true, "1!+1s", []string{"mark 1", "clear 1"}, ""},
		{"unmarked it is not run", &memory{fail: boom}, func() error { return nil }, nil, false, "1!", []string{"mark 1"}, ""},
		{"done it stays done when it cannot be cleared", &memory{deny: boom}, func() error { return nil }, nil, true, "", []string{"mark 1", "clear 1"}, ""},
		{"after one death less than MaxDeaths it runs", &memory{marks: map[string]int{"1": MaxDeaths - 1}}, func() error { return nil }, nil, true, "", []string{"mark 1", "clear 1"}, ""},
		{"after MaxDeaths it is quarantined without being run, and not forgotten", &memory{marks: map[string]int{"1": MaxDeaths}}, func() error { return nil }, nil, false, "", []string{"mark 1"}, KilledProcess},
		{"what cannot be quarantined is not forgotten", &memory{marks: map[string]int{"1": MaxDeaths}}, func() error { return nil }, boom, false, "1!", []string{"mark 1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tried := false
			quarantined = ""
			w := &Worker{
				Alone:  c.memory,
				Handle: func(context.Context, Record) error { tried = true; return c.handle() },
				Quarantine: func(_ context.Context, _ Record, reason string) error {
					if c.refuse == nil {
						quarantined = reason
					}
					return c.refuse
				},
			}
			failures := result(w.Work(t.Context(), batchOf("a/1:4")))
			if failures != c.failures || tried != c.tried || quarantined != c.kept {
				t.Errorf("failures %q, tried %v, quarantined %q", failures, tried, quarantined)
			}
			if diff := cmp.Diff(c.calls, c.memory.calls); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADyingProcessLeavesTheMark(t *testing.T) {
	m := &memory{}
	w := &Worker{Alone: m, Handle: func(context.Context, Record) error { runtime.Goexit(); return nil }}
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.Work(t.Context(), batchOf("a/1:4"))
	}()
	<-over
	if m.marks["1"] != 1 {
		t.Errorf("marks %v", m.marks)
	}
}

func TestAGroupWhoseHandlerNeverReturnedIsNotDone(t *testing.T) {
	w := &Worker{Parallel: 2, Handle: func(_ context.Context, r Record) error {
		if r.ID == "1" {
			runtime.Goexit()
		}
		return nil
	}}
	if got := result(w.Work(t.Context(), batchOf("a/1", "a/2", "b/3"))); got != "1 2" {
		t.Errorf("failures %q", got)
	}
}

func TestB24TimeLeft(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		left     time.Duration
		step     time.Duration
		each     time.Duration // what a record takes
		failures string
	}{
		{"two steps left: the record is begun", 2 * time.Second, time.Second, 0, ""},
		{"a bit less: all is handed back untried", 2*time.Second - 1, time.Second, 0, "1 2 3"},
		{"the default step", 2 * DefaultStep, 0, 0, ""},
		{"a bit less than two of it", 2*DefaultStep - 1, 0, 0, "1 2 3"},
		{"time that the first record used up is gone for the others", 3 * time.Second, time.Second, 2 * time.Second, "2 3"},
		{"no time left at all", -time.Hour, time.Second, 0, "1 2 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := now
			w := &Worker{
				Step:     c.step,
				Now:      func() time.Time { return at },
				Deadline: func(context.Context) (time.Time, bool) { return now.Add(c.left), true },
				Handle:   func(context.Context, Record) error { at = at.Add(c.each); return nil },
			}
			if got := result(w.Work(t.Context(), batchOf("a/1", "a/2", "b/3"))); got != c.failures {
				t.Errorf("failures %q, want %q", got, c.failures)
			}
		})
	}
}

func TestTheContextsDeadlineCounts(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	w := &Worker{Handle: func(context.Context, Record) error { return nil }}
	if got := result(w.Work(ctx, batchOf("a/1"))); got != "1" {
		t.Errorf("failures %q", got)
	}
	cancel()
	w.Step = time.Millisecond
	if got := result(w.Work(ctx, batchOf("a/1"))); got != "1" {
		t.Errorf("after the end: failures %q", got)
	}
}

func TestEachRecordHasItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left []time.Duration
		w := &Worker{Step: time.Minute, Handle: func(ctx context.Context, r Record) error {
			deadline, _ := ctx.Deadline()
			left = append(left, time.Until(deadline))
			if r.ID == "1" {
				<-ctx.Done() // hangs
			}
			return ctx.Err()
		}}
		from := time.Now()
		if got := result(w.Work(t.Context(), batchOf("a/1", "b/2"))); got != "1!" {
			t.Errorf("failures %q", got)
		}
		if took := time.Since(from); took != time.Minute || !slices.Equal(left, []time.Duration{time.Minute, time.Minute}) {
			t.Errorf("it took %v, with %v for each", took, left)
		}
	})
}

func TestT48LogHoldsErrorsOnceAndNoBody(t *testing.T) {
	var log bytes.Buffer
	w := &Worker{
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Handle: func(_ context.Context, r Record) error {
			switch r.ID {
			case "fails":
				return errors.New("table unreachable")
			case "panics":
				panic(string(r.Body))
			case "bug":
				return fmt.Errorf("%d", r.Body[len(r.Body)])
			case "waits":
				return Again(time.Second)
			case "odd":
				return &Unreadable{NotJSON}
			}
			return nil
		},
		Quarantine: func(context.Context, Record, string) error { return nil },
	}
	w.Work(t.Context(), batchOf("a/fails:2", "b/panics", "c/bug", "d/waits", "e/odd", "f/fine"))
	text := log.String()
	for want, times := range map[string]int{
		"record=fails group=a receives=2 error=\"table unreachable\"": 1,
		"record=panics":      1,
		"panic: string":      1,
		"index out of range": 1,
		"level=ERROR":        3,
		"level=WARN":         1,
		"reason=not_json":    1,
		"waits":              0,
		"fine":               0,
		"the body of":        0,
	} {
		if n := strings.Count(text, want); n != times {
			t.Errorf("%q is there %d times, want %d:\n%s", want, n, times, text)
		}
	}
}

func TestGroupsRunSideBySide(t *testing.T) {
	met := make(chan struct{})
	w := &Worker{Parallel: 2, Step: time.Minute, Handle: func(ctx context.Context, r Record) error {
		select { // each waits for the other
		case met <- struct{}{}:
		case <-met:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}
	if got := result(w.Work(t.Context(), batchOf("a/1", "b/2"))); got != "" {
		t.Errorf("failures %q", got)
	}
}

func TestAGateKeepsSuspectsAlone(t *testing.T) {
	var inside, most atomic.Int32
	gate := NewGate()
	handle := func(_ context.Context, r Record) error {
		n := inside.Add(1)
		defer inside.Add(-1)
		if r.Receives > AloneAfter && n != 1 {
			t.Errorf("suspect %s runs beside %d others", r.ID, n-1)
		}
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		runtime.Gosched()
		return nil
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				w := &Worker{Handle: handle, Gate: gate, Parallel: 3, Step: time.Minute, Alone: &memory{}}
				if got := w.Work(t.Context(), batchOf("a/1", "b/2:4", "c/3", "d/4:5", "e/5")); len(got) > 0 {
					t.Errorf("failures %s", result(got))
				}
			}
		})
	}
	wg.Wait()
	if most.Load() < 2 {
		t.Error("nothing ran side by side")
	}
}

func TestASuspectThatCannotBeAloneIsHandedBackUntried(t *testing.T) {
	gate := NewGate()
	gate.enter(t.Context()) // somebody hangs inside
	w := &Worker{Gate: gate, Step: 10 * time.Millisecond, Handle: func(context.Context, Record) error { return nil }}
	if got := result(w.Work(t.Context(), batchOf("a/1:4", "b/2"))); got != "1" {
		t.Errorf("failures %q", got)
	}
	gate.leave()
	if got := result(w.Work(t.Context(), batchOf("a/1:4"))); got != "" {
		t.Errorf("afterwards: failures %q", got)
	}
}

func TestAWorkerMayCallARecordASuspectLater(t *testing.T) {
	const after = 13
	for receives, marks := range map[int]int{after: 0, after + 1: 1} {
		s := &countingSuspects{}
		w := &Worker{
			AloneAfter: after, Alone: s,
			Handle:     func(context.Context, Record) error { return nil },
			Quarantine: func(context.Context, Record, string) error { return nil },
		}
		if left := w.Work(t.Context(), []Record{{ID: "1", Group: "g", Receives: receives}}); len(left) != 0 || s.marks != marks {
			t.Errorf("received %d times: marked %d times, want %d; %v", receives, s.marks, marks, left)
		}
	}
}

// countingSuspects counts who was handled as a suspect.
type countingSuspects struct{ marks int }

func (s *countingSuspects) Mark(context.Context, string) (int, error) { s.marks++; return 0, nil }
func (s *countingSuspects) Clear(context.Context, string) error       { return nil }

// stalling marks a suspect only when its caller gives up.
type stalling struct{ memory }

func (s *stalling) Mark(ctx context.Context, _ string) (int, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return 0, errors.New("for ever")
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

// TestAMarkThatStallsCostsAStep: and not the batch's time, which would look like a
// death of the suspect.
func TestAMarkThatStallsCostsAStep(t *testing.T) {
	ran := false
	w := &Worker{
		Handle: func(context.Context, Record) error { ran = true; return nil },
		Alone:  &stalling{}, Step: time.Millisecond,
	}
	failures := w.Work(t.Context(), batchOf("g/a:9"))
	if len(failures) != 1 || !errors.Is(failures[0].Err, context.DeadlineExceeded) || ran {
		t.Errorf("%+v, handled %v", failures, ran)
	}
}
