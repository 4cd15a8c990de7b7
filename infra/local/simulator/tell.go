package simulator

import (
	"context"
	"time"

	"buzon/internal/desk"
)

const (
	// pace lies between two passes of telling what became of messages.
	pace = 150 * time.Millisecond
	// pauseAfterError lies between two passes when the system did not answer 2xx.
	pauseAfterError = time.Second
	// maxTries is how often one step is told in vain before the rest is given up.
	maxTries = 30
	// lastMoment is what a webhook that is under way may still take at the end.
	lastMoment = 3 * time.Second
	// perPass bounds the messages of a pass.
	perPass = 200
)

// Tell tells the webhooks what becomes of the messages that the stand-ins took, as
// the providers do: enqueued (Gupshup alone), sent, delivered, and read once the
// person has seen it. It returns when ctx ends; what is left is told after the next
// start.
func (s *Simulator) Tell(ctx context.Context) {
	for {
		told, failed := s.tellOnce(ctx)
		switch {
		case failed > 0:
			s.pause(ctx, pauseAfterError, nil)
		case told > 0:
			s.pause(ctx, pace, nil)
		default:
			s.pause(ctx, time.Minute, s.owed())
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// tellOnce tells the next step of each message; it counts what worked and what
// did not.
func (s *Simulator) tellOnce(ctx context.Context) (told, failed int) {
	entries, err := s.Phones.Owed(perPass)
	if err != nil {
		s.Log.Error("simulator: receipts not read", "error", err)
		return 0, 1
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return told, failed
		}
		line, _ := s.lineOfApp(e.App) // only messages of lines are owed
		step, payload := e.Told+1, receipt
		if line.Provider == desk.ProviderMeta {
			step, payload = max(step, toldSent), metaReceipt
		}
		status, err := s.postThrough(ctx, line, payload(line, e, step, s.Now()))
		if err != nil && ctx.Err() != nil {
			return told, failed
		}
		ok := err == nil && status/100 == 2
		if ok {
			told++
		} else {
			failed++
		}
		err = s.Phones.Change(e.Seq, func(e *Entry) {
			if ok {
				e.Told, e.Tries = step, 0
			} else {
				e.Tries++
			}
		})
		if err != nil {
			s.Log.Error("simulator: receipt not noted", "error", err)
			failed++
		}
	}
	return told, failed
}

// postThrough is post, but the end of ctx leaves a webhook that is under way a moment:
// who receives it ends too, and finishes what it has begun.
func (s *Simulator) postThrough(ctx context.Context, line Line, payload map[string]any) (int, error) {
	through, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastMoment, cancel) })()
	return s.post(through, line, payload)
}

// pause waits for d, for wake, or for the end of ctx.
func (s *Simulator) pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
	}
}
