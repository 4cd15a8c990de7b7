package queuetest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"buzon/internal/queue"
)

// Driver runs workers on queues in memory, one step at a time: which step comes
// next is drawn from its seed, so the same seed and the same handlers give the
// same run. Batches are coroutines: a handler that calls [Yield] before each
// effect lets other batches, also of the same group after its visibility ran
// out, happen in between. Time stands still while anything can be done, then
// jumps to when something can.
//
// Set the rates before the first Queue or Add. It is not safe for use by
// several goroutines.
type Driver struct {
	// StallRate is the probability that a batch that stands at a Yield, or is
	// about to answer, goes on only after its visibility ran out.
	StallRate float64
	// KillRate is the probability that the process of a batch dies there.
	KillRate float64
	// HostileRate is that of each fault of the queues; see [Hostile].
	HostileRate float64

	seed   uint64
	rng    *rand.Rand
	clock  *Clock
	names  []string // in the order of their first mention
	stages map[string]*stage
	runs   []*run
	hits   map[string]int
}

type stage struct {
	memory     *Memory
	hostile    *Hostile
	worker     *queue.Worker // nil: nobody receives
	visibility time.Duration
}

// run is a batch under way. It and the driver take turns: exactly one of them
// is running.
type run struct {
	stage    *stage
	records  []queue.Received
	due      time.Time // when its visibility runs out
	goesOn   time.Time // not before
	stalled  bool
	resume   chan bool     // from the driver: go on, or die
	paused   chan struct{} // from the batch: stands at a Yield, or is over
	over     bool
	failures []queue.Failure
	answers  bool // over by returning, not by dying
}

// The names under which Hits counts a driver's own faults.
const (
	Stalled = "stalled"
	Killed  = "killed"
)

// NewDriver makes a driver without queues.
func NewDriver(seed uint64, clock *Clock) *Driver {
	return &Driver{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), clock: clock,
		stages: map[string]*stage{}, hits: map[string]int{},
	}
}

func (d *Driver) stage(name string) *stage {
	s := d.stages[name]
	if s == nil {
		m := &Memory{Now: d.clock.Now, Strict: true}
		s = &stage{memory: m, hostile: NewHostile(Pair{m, m}, d.seed+uint64(len(d.names))<<32, d.HostileRate)}
		d.stages[name] = s
		d.names = append(d.names, name)
	}
	return s
}

// Queue is the sending side of a queue; it need not have a worker yet.
func (d *Driver) Queue(name string) queue.Queue { return d.stage(name).hostile }

// Memory is the queue itself, without faults, to look at.
func (d *Driver) Memory(name string) *Memory { return d.stage(name).memory }

// Add lets a worker handle the records of a queue. The worker is used with one
// group at a time and without its deadlines, which are real time.
func (d *Driver) Add(name string, w *queue.Worker, visibility time.Duration) {
	s := d.stage(name)
	alone := *w
	alone.Parallel, alone.Deadline, alone.Step, alone.Gate = 1, nil, queue.MaxVisibility, nil
	s.worker, s.visibility = &alone, visibility
}

// Calm ends all faults; batches that are stalled stay so.
func (d *Driver) Calm() {
	d.StallRate, d.KillRate, d.HostileRate = 0, 0, 0
	for _, s := range d.stages {
		s.hostile.Calm()
	}
}

// Hits counts the faults of the driver and of all its queues.
func (d *Driver) Hits() map[string]int {
	sum := maps.Clone(d.hits)
	for _, s := range d.stages {
		for fault, n := range s.hostile.Hits() {
			sum[fault] += n
		}
	}
	return sum
}

// Step does one thing; false when nothing is left to do, now or later.
func (d *Driver) Step() bool {
	now := d.clock.Now()
	var can []func()
	var next time.Time
	later := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, r := range d.runs {
		if r.goesOn.After(now) {
			later(r.goesOn)
		} else {
			can = append(can, func() { d.goOn(r) })
		}
	}
	for _, name := range d.names {
		s := d.stages[name]
		at, ok := s.memory.NextVisible()
		switch {
		case s.worker == nil || !ok:
		case at.After(now):
			later(at)
		default:
			can = append(can, func() { d.receive(s) })
		}
	}
	if len(can) > 0 {
		can[d.rng.IntN(len(can))]()
		return true
	}
	if next.IsZero() {
		return false
	}
	d.clock.Advance(next.Sub(now))
	return true
}

// Drain steps until nothing is left to do. It is an error if there still is
// after maxSteps. Dead letters and queues without a worker count as nothing.
func (d *Driver) Drain(maxSteps int) error {
	for range maxSteps {
		if !d.Step() {
			return nil
		}
	}
	var left []string
	for _, name := range d.names {
		visible, inFlight, dead := d.stages[name].memory.Depth()
		left = append(left, fmt.Sprintf("%s: %d visible, %d in flight, %d dead", name, visible, inFlight, dead))
	}
	return fmt.Errorf("seed %d: not drained after %d steps: %s", d.seed, maxSteps, strings.Join(left, "; "))
}

// Close ends the batches that still stand somewhere, as if their process died.
func (d *Driver) Close() {
	for _, r := range d.runs {
		if !r.over {
			r.turn(false)
		}
	}
	d.runs = nil
}

func (d *Driver) receive(s *stage) {
	records, err := s.hostile.Receive(context.Background(), 1+d.rng.IntN(queue.MaxBatch), s.visibility)
	if err != nil || len(records) == 0 {
		return
	}
	r := &run{
		stage: s, records: records, due: d.clock.Now().Add(s.visibility),
		resume: make(chan bool), paused: make(chan struct{}),
	}
	d.runs = append(d.runs, r)
	go r.work()
	<-r.paused
}

// work is the batch's own goroutine.
func (r *run) work() {
	defer func() {
		r.over = true
		r.paused <- struct{}{}
	}()
	batch := make([]queue.Record, len(r.records))
	for i, rec := range r.records {
		batch[i] = rec.Record
	}
	r.failures = r.stage.worker.Work(context.WithValue(context.Background(), runKey{}, r), batch)
	r.answers = true
}

// turn lets the batch go on until its next Yield or its end.
func (r *run) turn(live bool) {
	r.resume <- live
	<-r.paused
}

func (d *Driver) goOn(r *run) {
	switch {
	case r.over && !r.answers:
		d.drop(r)
	case d.chance(d.KillRate):
		d.hits[Killed]++
		if !r.over {
			r.turn(false)
		}
		d.drop(r)
	case !r.stalled && d.chance(d.StallRate):
		d.hits[Stalled]++
		r.stalled = true
		r.goesOn = r.due.Add(time.Duration(d.rng.Int64N(int64(r.stage.visibility))))
	case r.over:
		d.answer(r)
		d.drop(r)
	default:
		r.turn(true)
	}
}

func (d *Driver) chance(p float64) bool { return p > 0 && d.rng.Float64() < p }

func (d *Driver) drop(r *run) {
	d.runs = slices.DeleteFunc(d.runs, func(other *run) bool { return other == r })
}

// answer settles the batch. What the queue answers changes nothing: what was
// not deleted comes again.
func (d *Driver) answer(r *run) {
	failed := map[string]queue.Failure{}
	for _, f := range r.failures {
		failed[f.ID] = f
	}
	for _, rec := range r.records {
		f, ok := failed[rec.ID]
		switch {
		case !ok:
			_ = r.stage.hostile.Delete(context.Background(), rec.Receipt)
		case f.After > 0:
			_ = r.stage.hostile.ChangeVisibility(context.Background(), rec.Receipt, f.After)
		}
	}
}

type runKey struct{}

// Yield lets others happen before the effect that follows: the driver may go on
// with other batches first, or never, when the process dies here. Outside of a
// driver it does nothing.
func Yield(ctx context.Context) {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return
	}
	r.paused <- struct{}{}
	if !<-r.resume {
		runtime.Goexit()
	}
}

// Die is the end of the process that handles the batch: nothing of it goes on
// but deferred calls. It is for handlers that a [Driver] runs.
func Die() { runtime.Goexit() }
