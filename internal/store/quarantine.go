package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// BodyID is the id of a quarantined body: its SHA-256 in hex.
func BodyID(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Quarantine keeps a body with its reason: one item per q.ID ([BodyID]), counting
// how often it came. A body longer than desk.MaxQuarantineInline is cut. Times,
// State and LastAt are set here; one that is there already keeps its ReceivedAt
// and is held again.
func (c Company) Quarantine(ctx context.Context, q desk.Quarantined) error {
	return c.quarantine(ctx, q, nil)
}

// QuarantineTurn keeps a queued message and puts a tombstone under the turn that
// it would have made, in one transaction: so it is never both applied and
// quarantined (R5). applied tells that the turn is there already and nothing was
// kept; a tombstone that is there already counts as kept.
func (c Company) QuarantineTurn(ctx context.Context, q desk.Quarantined, conversation, turn string) (applied bool, err error) {
	items, err := c.Table.Get(ctx, c.turnKey(conversation, turn))
	if err != nil {
		return false, fmt.Errorf("turn %s: %w", turn, err)
	}
	stone := StoredTurn{Turn: desk.Turn{
		ID: turn, Conversation: conversation, Kind: desk.TurnQuarantined,
		At: q.ReceivedAt, Made: c.Now(), Quarantine: q.ID,
	}}
	if items[0].Exists() {
		stored, err := turnOf(conversation, items[0])
		if err != nil {
			return false, err
		}
		if stored.Kind != desk.TurnQuarantined {
			return true, nil
		}
		stone.Versioned = stored.Versioned
	}
	err = c.quarantine(ctx, q, Also{table.Save(c.turnItem(stone))})
	return false, err
}

func (c Company) quarantine(ctx context.Context, q desk.Quarantined, also Also) error {
	if len(q.Body) > desk.MaxQuarantineInline {
		q.Body, q.Cut = q.Body[:desk.MaxQuarantineInline], true
	}
	key := c.quarantinedKey(q.ID)
	items, err := c.Table.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("quarantine %s: %w", q.ID, err)
	}
	q.Times, q.State, q.LastAt = 1, desk.Held, c.Now()
	if items[0].Exists() {
		stored, err := decode[desk.Quarantined](items[0])
		if err != nil {
			return err
		}
		if stored.State == desk.Replayed && stored.Reason == q.Reason && q.Reason == desk.ReasonTooMany {
			q.State = desk.Replayed
		}
		q.Times, q.ReceivedAt, q.Versioned = stored.Times+1, stored.ReceivedAt, stored.Versioned
	}
	if err := c.Table.Write(ctx, append([]table.Op{table.Save(c.quarantinedItem(q))}, also...)...); err != nil {
		return fmt.Errorf("quarantine %s: %w", q.ID, err)
	}
	return nil
}

func (c Company) quarantinedItem(q desk.Quarantined) table.Item {
	it := item(c.quarantinedKey(q.ID), q)
	it.Index = table.Key{PK: c.pk("QUARANTINE"), SK: millis(q.ReceivedAt) + "#" + q.ID}
	return it
}

// Quarantined reads one item; fault.NotFound without one.
func (c Company) Quarantined(ctx context.Context, id string) (desk.Quarantined, error) {
	return get[desk.Quarantined](ctx, c.Table, c.quarantinedKey(id), "quarantined "+id)
}

// QuarantineList lists what is kept, newest first.
func (c Company) QuarantineList(ctx context.Context, state desk.QuarantineState, limit int, cursor string) ([]desk.Quarantined, string, error) {
	keep := func(q desk.Quarantined) bool { return state == "" || q.State == state }
	return newestFirst(ctx, c.Table, c.pk("QUARANTINE"), keep, limit, cursor)
}

// MarkReplayed notes that a quarantined item was sent on its way again.
func (c Company) MarkReplayed(ctx context.Context, q desk.Quarantined) error {
	q.State = desk.Replayed
	if err := c.Table.Write(ctx, table.Update(c.quarantinedItem(q))); err != nil {
		return fmt.Errorf("quarantined %s: %w", q.ID, err)
	}
	return nil
}

// ReleaseTurn lets the cause of a tombstone take effect: the turn may replace
// it. Nothing happens where there is no tombstone.
func (c Company) ReleaseTurn(ctx context.Context, conversation, turn string) error {
	items, err := c.Table.Get(ctx, c.turnKey(conversation, turn))
	if err != nil {
		return fmt.Errorf("turn %s: %w", turn, err)
	}
	if !items[0].Exists() {
		return nil
	}
	t, err := turnOf(conversation, items[0])
	if err != nil || t.Kind != desk.TurnQuarantined || t.Released {
		return err
	}
	t.Released = true
	if err := c.Table.Write(ctx, table.Update(c.turnItem(t))); err != nil {
		return fmt.Errorf("turn %s: %w", turn, err)
	}
	return nil
}

// Suspects remembers which record of a queue was being handled alone, so that
// one that kills its process is known by it.
type Suspects struct {
	Store *Store
	Queue string
}

// suspectKept is how long a mark is kept: longer than a record lives in a queue.
const suspectKept = 14 * 24 * time.Hour

type storedSuspect struct {
	Deaths int `json:"deaths"`
	desk.Versioned
}

// Mark notes that the record is about to be handled alone and tells how often it
// was so marked before without a Clear.
func (s Suspects) Mark(ctx context.Context, id string) (int, error) {
	key := suspectKey(s.Queue, id)
	var v storedSuspect
	items, err := s.Store.Table.Get(ctx, key)
	if err == nil && items[0].Exists() {
		v, err = decode[storedSuspect](items[0])
		if !s.Store.Now().Before(items[0].Expires) {
			v.Deaths = 0
		}
	}
	if err != nil {
		return 0, fmt.Errorf("suspect %s: %w", id, err)
	}
	before := v.Deaths
	v.Deaths++
	it := item(key, v)
	it.Expires = s.Store.Now().Add(suspectKept)
	if err := s.Store.Table.Write(ctx, table.Save(it)); err != nil {
		return 0, fmt.Errorf("suspect %s: %w", id, err)
	}
	return before, nil
}

// Clear forgets the record: it did not kill its process.
func (s Suspects) Clear(ctx context.Context, id string) error {
	key := suspectKey(s.Queue, id)
	items, err := s.Store.Table.Get(ctx, key)
	if err == nil && items[0].Exists() {
		err = s.Store.Table.Write(ctx, table.Delete(key, items[0].Version))
	}
	if err != nil && !errors.Is(err, fault.Conflict) {
		return fmt.Errorf("suspect %s: %w", id, err)
	}
	return nil
}
