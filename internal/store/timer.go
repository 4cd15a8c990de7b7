package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// The stages that a timer can wake.
const (
	WakeInbound  = "inbound"  // the dialogue may have run out of time
	WakeOutbound = "outbound" // replies may be waiting
	WakeSubmit   = "submit"   // a template may have to be requested again
	WakeSync     = "sync"     // the provider's list of a channel's templates is to be read
	WakeEnding   = "ending"   // a channel was switched off: something on it may be left
)

// Timer is a row that says: look at this conversation, channel or template then.
// Late, double and superfluous firing are harmless, since the owner is read again.
type Timer struct {
	ID           string    `json:"id"`
	Tenant       string    `json:"tenant"`
	Stage        string    `json:"stage"`
	Conversation string    `json:"conversation,omitempty"` // of WakeInbound, WakeOutbound
	Channel      string    `json:"channel,omitempty"`      // of WakeSync, WakeEnding
	Template     string    `json:"template,omitempty"`     // of WakeSubmit
	Due          time.Time `json:"due"`
}

// NewTimer makes the timer of a conversation; conv is the state it is armed in.
// One that is due already is due now: the clock does not look far back.
func (c Company) NewTimer(stage string, conv desk.Conversation, due time.Time) Timer {
	t := c.timer(stage, conv.ID, conv.Version, due)
	t.Conversation = conv.ID
	return t
}

// ChannelTimer makes a timer of a channel; version is that of what it is armed in.
func (c Company) ChannelTimer(stage, channel string, version int64, due time.Time) Timer {
	t := c.timer(stage, channel, version, due)
	t.Channel = channel
	return t
}

// SubmitTimer makes the timer of a template's request; v is the state it is armed in.
func (c Company) SubmitTimer(v desk.Template, due time.Time) Timer {
	t := c.timer(WakeSubmit, v.ID, v.Version, due)
	t.Template = v.ID
	return t
}

func (c Company) timer(stage, owner string, version int64, due time.Time) Timer {
	if now := c.Now(); due.Before(now) {
		due = now
	}
	due = due.UTC().Truncate(time.Millisecond)
	id := Hash(c.Tenant, stage, owner, millis(due), fmt.Sprint(version))
	return Timer{ID: id, Tenant: c.Tenant, Stage: stage, Due: due}
}

// Arm writes a timer of its own; one that is there already is as good.
func (c Company) Arm(ctx context.Context, t Timer) error {
	err := c.Table.Write(ctx, t.Also()...)
	if err == nil || errors.Is(err, fault.Conflict) {
		return nil
	}
	return fmt.Errorf("timer %s: %w", t.ID, err)
}

// Also is the operation that arms the timer.
func (t Timer) Also() Also { return Also{table.Create(t.item())} }

func (t Timer) key() table.Key {
	shard := int(t.ID[0]) % clockShards
	return table.Key{PK: clockPK(t.Due.Truncate(time.Minute), shard), SK: millis(t.Due) + "#" + t.ID}
}

func (t Timer) item() table.Item { return plain(t.key(), t) }

// ClockReread is how far behind its cursor the clock reads again, for rows that
// were written late.
const ClockReread = 10 * time.Minute

// Limits of one run of the clock.
const (
	// TimerRetry is how much later a timer comes again for which each failed.
	TimerRetry = time.Minute
	// MaxTimerFailures ends a run: it is not the timers that are broken.
	MaxTimerFailures = 10
	// clockTries is how often one read of the clock is tried while the table is busy.
	clockTries = 3
	// clockWrites is about how often a clock that is far behind writes its cursor
	// on the way.
	clockWrites = 50
)

// ErrEnough is what each returns to [Store.DueTimers] to end the run: this timer and
// the later ones are left for the next.
var ErrEnough = errors.New("enough timers for one run")

// DueTimers calls each with every timer due at now, minute by minute, deletes it
// when each returned nil and puts it off by TimerRetry when not, so that one
// which fails blocks no other (R5). It moves the cursor to now, unless it had to
// stop: then the rows that are left come again. The error joins all that failed.
func (s *Store) DueTimers(ctx context.Context, now time.Time, each func(Timer) error) error {
	items, err := s.Table.Get(ctx, cursorKey)
	if err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	cursor := storedCursor{At: now}
	if items[0].Exists() {
		if cursor, err = decode[storedCursor](items[0]); err != nil {
			return err
		}
	}
	run := clockRun{Store: s, now: now, each: each}
	saved := cursor.At
	from := saved
	if now.Before(from) { // another clock is ahead of ours
		from = now
	}
	keep := max(ClockReread, now.Sub(from)/clockWrites)
	for minute := from.Add(-ClockReread).Truncate(time.Minute); !minute.After(now); minute = minute.Add(time.Minute) {
		for shard := range clockShards {
			err := run.partition(ctx, clockPK(minute, shard))
			if errors.Is(err, ErrEnough) {
				if through := minute.Add(-time.Minute); through.After(saved) {
					err = s.saveCursor(ctx, &cursor, through)
				} else {
					err = nil
				}
				return errors.Join(append(run.failed, err)...)
			}
			if err != nil {
				return errors.Join(append(run.failed, err)...)
			}
		}
		// A clock that is far behind keeps what it has got through.
		if minute.Sub(saved) >= keep {
			if err := s.saveCursor(ctx, &cursor, minute); err != nil {
				return errors.Join(append(run.failed, err)...)
			}
			saved = minute
		}
	}
	// A cursor further ahead than is read again would hide what becomes due until then.
	if moved := now.Sub(saved); !items[0].Exists() || moved >= time.Minute || moved < -ClockReread {
		if err := s.saveCursor(ctx, &cursor, now); err != nil {
			run.failed = append(run.failed, err)
		}
	}
	return errors.Join(run.failed...)
}

// saveCursor moves the cursor. When another clock has moved it, that is as good.
func (s *Store) saveCursor(ctx context.Context, cursor *storedCursor, at time.Time) error {
	cursor.At = at
	err := s.Table.Write(ctx, table.Save(item(cursorKey, *cursor)))
	if err == nil {
		cursor.Version++
		return nil
	}
	if errors.Is(err, fault.Conflict) {
		return nil
	}
	return fmt.Errorf("clock: %w", err)
}

type storedCursor struct {
	At time.Time `json:"at"`
	desk.Versioned
}

type storedTimer struct {
	Timer
	desk.Versioned
}

// clockRun is one run of the clock.
type clockRun struct {
	*Store
	now    time.Time
	each   func(Timer) error
	failed []error // of single timers
}

// partition fires what is due in one partition. An error ends the run.
func (r *clockRun) partition(ctx context.Context, pk string) error {
	q := table.Q{PK: pk, To: millis(r.now.Add(time.Millisecond))}
	for {
		page, err := r.Table.Query(ctx, q)
		for try := 1; errors.Is(err, fault.Busy) && try < clockTries; try++ {
			page, err = r.Table.Query(ctx, q)
		}
		if err != nil {
			return fmt.Errorf("clock: %s: %w", pk, err)
		}
		for _, it := range page.Items {
			if err := r.fire(ctx, it); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

// fire calls each with one timer. An error ends the run: the timer is where it
// was and comes again.
func (r *clockRun) fire(ctx context.Context, it table.Item) error {
	t, err := decode[storedTimer](it)
	if err != nil {
		return r.fail(err)
	}
	gone := table.Delete(it.Key, it.Version)
	err = r.each(t.Timer)
	if errors.Is(err, ErrEnough) {
		return err
	}
	if err != nil {
		err = fmt.Errorf("timer %s: %w", t.ID, err)
		t.Due = r.now.Add(TimerRetry).UTC().Truncate(time.Millisecond)
		off := r.Table.Write(ctx, gone, table.Create(t.Timer.item()))
		if off != nil && !errors.Is(off, fault.Conflict) { // else another clock has it
			return errors.Join(err, off)
		}
		return r.fail(err)
	}
	// One that stays although it was fired is fired again: harmless.
	if err := r.Table.Write(ctx, gone); err != nil && !errors.Is(err, fault.Conflict) {
		return r.fail(fmt.Errorf("timer %s: %w", t.ID, err))
	}
	return nil
}

// fail notes what failed for one timer; the last that a run may have ends it.
func (r *clockRun) fail(err error) error {
	if len(r.failed) == MaxTimerFailures-1 {
		return err
	}
	r.failed = append(r.failed, err)
	return nil
}
