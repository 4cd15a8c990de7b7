package poll

import (
	"context"
	"log/slog"
	"time"
)

// Tick calls a function again and again, as a schedule does.
type Tick struct {
	Function  string // its logical id
	Scheduler bool   // EventBridge Scheduler; else a rule
	Input     string // what the function gets instead of the usual event; empty: that
	Region    string
	Every     time.Duration
	Invoke    func(ctx context.Context, function string, event []byte) ([]byte, error)
	Now       func() time.Time
	NewID     func() string
	Log       *slog.Logger
}

// Run calls the function at once and then at every interval until ctx ends; the
// call under way is then given up. A call that takes longer than the interval
// delays the next.
func (t *Tick) Run(ctx context.Context) {
	ticker := time.NewTicker(t.Every)
	defer ticker.Stop()
	for {
		if err := t.Once(ctx); err != nil && ctx.Err() == nil {
			t.Log.Warn("schedule not kept", "function", t.Function, "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Once calls the function once.
func (t *Tick) Once(ctx context.Context) error {
	event := []byte(t.Input)
	if t.Input == "" {
		var err error
		if event, err = scheduled(t.Scheduler, t.Now(), t.Region, t.NewID()); err != nil {
			return err
		}
	}
	_, err := t.Invoke(ctx, t.Function, event)
	return err
}
