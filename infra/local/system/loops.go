package system

import (
	"context"
	"errors"
	"net/http"
	"time"

	"buzon/internal/approval"
	"buzon/internal/cloud"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
)

const (
	// concurrency is how many batches of a queue are handled at once. Outbound
	// has batches of one: a slow provider holds up nobody but its own people.
	concurrency         = 8
	outboundConcurrency = 32
	// stepsInVisibility: a batch is hidden for so many times the longest step, as
	// AWS advises for functions.
	stepsInVisibility = 6
	// tickEvery is the grain of timers in a local run (design section 4).
	tickEvery = time.Second
	// sweepEvery is how often expired items are removed.
	sweepEvery = time.Minute
	// tickWait is how long an advance of the clock waits for what became due.
	tickWait = 5 * time.Second

	// shutdownGrace and batchGrace are how long requests and records under way may
	// still take after Stop; they run side by side and end within StopWithin.
	shutdownGrace = 5 * time.Second
	batchGrace    = 7 * time.Second
)

// StopWithin is the longest that [System.Stop] takes.
const StopWithin = 10 * time.Second

// stages are the queues of the system.
var stages = [...]string{desk.StageInbound, desk.StageOutbound, desk.StageApprovals}

// wireStages makes the stages and starts their loops. epoch names this process.
func (s *System) wireStages(epoch string) {
	log, now, st := s.config.Log, s.clock.Now, s.store
	inbound, outbound, approvals := s.engine.queue(desk.StageInbound), s.engine.queue(desk.StageOutbound), s.engine.queue(desk.StageApprovals)
	dead := map[string]queue.DeadLetters{}
	for _, stage := range stages {
		dead[stage] = s.engine.dead(stage)
	}
	s.webhook = &pipeline.Webhook{
		Store: st, Blobs: s.blobs, Secrets: s.secrets, Inbound: inbound, Approvals: approvals, Providers: s.providers,
		Now: now, RealNow: s.config.Now, Log: log,
	}
	s.timers = &pipeline.Clock{
		Store: st, Inbound: inbound, Outbound: outbound, Approvals: approvals, Dead: dead, Blobs: s.blobs, Now: now, NewID: s.ids, Log: log,
	}
	in := pipeline.Inbound{
		Store: st, Keys: s.keys, Blobs: s.blobs, Outbound: outbound, Webhook: s.webhook, Now: now, NewID: s.ids, Log: log,
	}
	out := pipeline.Outbound{
		Store: st, Blobs: s.blobs, Secrets: s.secrets, Keys: s.keys, Providers: s.providers, PublicURL: s.publicURL,
		Now: now, RealNow: s.config.Now, Sleep: cloud.Sleep, Epoch: epoch, Log: log,
	}
	verdicts := approval.Approvals{
		Store: st, Blobs: s.blobs, Secrets: s.secrets, Providers: s.templates, Now: now, NewID: s.ids, Epoch: epoch, Log: log,
	}

	ctx, end := context.WithCancel(context.Background())
	s.end = end
	gate := queue.NewGate()
	for stage, worker := range map[string]*queue.Worker{
		desk.StageInbound: in.Worker(), desk.StageOutbound: out.Worker(), desk.StageApprovals: verdicts.Worker(),
	} {
		worker.Gate, worker.Parallel = gate, queue.MaxBatch
		step := worker.Step
		if step == 0 {
			step = queue.DefaultStep
		}
		f := feed{worker: worker, visibility: stepsInVisibility * step, concurrency: concurrency}
		if stage == desk.StageOutbound {
			f.batch, f.concurrency = 1, outboundConcurrency
		}
		s.loops.Go(func() { s.complain(ctx, "queue not consumed", s.engine.consume(ctx, stage, f)) })
	}
	s.loops.Go(func() { s.tickLoop(ctx) })
	s.loops.Go(func() { s.simulator.Tell(ctx) })
}

// serve answers requests from now on.
func (s *System) serve() {
	s.server = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
	}
	s.loops.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.config.Log.Error("server ended", "error", err)
		}
	})
}

// Stop takes no more requests and records, lets those under way finish, and
// closes everything, within StopWithin. What was not finished goes on after the
// next start. A second call waits for the first.
func (s *System) Stop() error {
	s.stop.Do(func() {
		s.end()
		ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		err := s.server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = s.server.Close() // whoever is still connected sees it end
		}
		s.loops.Wait()
		s.simulator.Close()
		s.stopped = errors.Join(err, s.close())
	})
	return s.stopped
}

// close closes what was opened, the last first.
func (s *System) close() error {
	var all []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		all = append(all, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(all...)
}

// tickLoop fires timers, drains dead letters and sweeps.
func (s *System) tickLoop(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	var swept time.Time
	for {
		var done chan<- struct{}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case done = <-s.ticks:
		}
		s.tick(ctx)
		if done != nil {
			close(done)
		}
		if now := s.config.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			s.sweep(ctx)
		}
	}
}

func (s *System) tick(ctx context.Context) {
	s.complain(ctx, "clock did not do all", s.timers.Run(ctx))
}

func (s *System) sweep(ctx context.Context) {
	s.complain(ctx, "expired items not removed", s.engine.sweep(ctx, s.clock.Now()))
}

// complain logs an error of a loop; the end of the run is none.
func (s *System) complain(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		s.config.Log.Error(what, "error", err)
	}
}

// advance moves the run's clock and sets going what became due by it.
func (s *System) advance(ctx context.Context, d time.Duration) (time.Time, error) {
	now, err := s.clock.Advance(d)
	if err != nil {
		return now, err
	}
	s.engine.wake()
	ctx, cancel := context.WithTimeout(ctx, tickWait)
	defer cancel()
	done := make(chan struct{})
	select {
	case s.ticks <- done:
	case <-ctx.Done():
		return s.clock.Now(), nil // the next tick is a second away
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	return s.clock.Now(), nil
}
