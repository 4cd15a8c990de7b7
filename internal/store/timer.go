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
)

// Timer is a row that says: look at this conversation then. Late, double and
// superfluous firing are harmless, since the owner is read again.
type Timer struct {
	ID           string    `json:"id"`
	Tenant       string    `json:"tenant"`
	Stage        string    `json:"stage"`
	Conversation string    `json:"conversation"`
	Due          time.Time `json:"due"`
}

// NewTimer makes the timer of a conversation; conv is the state it is armed in.
func (c Company) NewTimer(stage string, conv desk.Conversation, due time.Time) Timer {
	due = due.UTC().Truncate(time.Millisecond)
	id := Hash(c.Tenant, stage, conv.ID, millis(due), fmt.Sprint(conv.Version))
	return Timer{ID: id, Tenant: c.Tenant, Stage: stage, Conversation: conv.ID, Due: due}
}

func (t Timer) key() table.Key {
	shard := int(t.ID[0]) % clockShards
	return table.Key{PK: clockPK(t.Due.Truncate(time.Minute), shard), SK: millis(t.Due) + "#" + t.ID}
}

func (t Timer) item() table.Item { return plain(t.key(), t) }

// ClockReread is how far behind its cursor the clock reads again, for rows that
// were written late.
const ClockReread = 10 * time.Minute

// DueTimers calls each with every timer due at now, minute by minute, and
// deletes it when each returned nil. It moves the cursor to now. It stops at the
// first error; the rows that are left come again.
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
	saved := cursor.At
	for minute := cursor.At.Add(-ClockReread).Truncate(time.Minute); !minute.After(now); minute = minute.Add(time.Minute) {
		for shard := range clockShards {
			if err := s.dueIn(ctx, clockPK(minute, shard), now, each); err != nil {
				return err
			}
		}
		// A clock that is far behind keeps what it has got through.
		if minute.Sub(saved) >= ClockReread {
			if err := s.saveCursor(ctx, &cursor, minute); err != nil {
				return err
			}
			saved = minute
		}
	}
	if items[0].Exists() && now.Sub(saved) < time.Minute {
		return nil
	}
	return s.saveCursor(ctx, &cursor, now)
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

// clockTries is how often one read of the clock is tried while the table is busy.
const clockTries = 3

type storedCursor struct {
	At time.Time `json:"at"`
	desk.Versioned
}

type storedTimer struct {
	Timer
	desk.Versioned
}

func (s *Store) dueIn(ctx context.Context, pk string, now time.Time, each func(Timer) error) error {
	q := table.Q{PK: pk, To: millis(now.Add(time.Millisecond))}
	for {
		page, err := s.Table.Query(ctx, q)
		for try := 1; errors.Is(err, fault.Busy) && try < clockTries; try++ {
			page, err = s.Table.Query(ctx, q)
		}
		if err != nil {
			return fmt.Errorf("clock: %s: %w", pk, err)
		}
		for _, it := range page.Items {
			t, err := decode[storedTimer](it)
			if err != nil {
				return err
			}
			if err := each(t.Timer); err != nil {
				return fmt.Errorf("timer %s: %w", t.ID, err)
			}
			err = s.Table.Write(ctx, table.Delete(it.Key, it.Version))
			if err != nil && !errors.Is(err, fault.Conflict) {
				return fmt.Errorf("timer %s: %w", t.ID, err)
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}
