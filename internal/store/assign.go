package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// leavingField marks the item of a queue or campaign that is being deleted, until when.
// Nothing is assigned to it while the mark counts, and who finds one that does not takes
// it away, which ends its deletion: so one that has seen nothing assigned removes nothing
// that is. Assigning only checks the item, so many may be assigned to one at a time. A
// change of the queue or campaign takes the mark away too.
const leavingField = "leaving"

// leavingMark is that part of an item.
type leavingMark struct {
	Leaving time.Time `json:"leaving,omitzero"`
	desk.Versioned
}

// WhileThere are the operations that hold a write to these queues and campaigns being
// there, one for each. fault.Conflict: one is gone or being deleted.
func (c Company) WhileThere(ctx context.Context, queues, campaigns []string) (Also, error) {
	var keys []table.Key
	for _, id := range queues {
		keys = append(keys, c.queueKey(id))
	}
	for _, id := range campaigns {
		keys = append(keys, c.campaignKey(id))
	}
	var also Also
	for chunk := range slices.Chunk(keys, table.MaxOps) {
		items, err := c.Table.Get(ctx, chunk...)
		if err != nil {
			return nil, fmt.Errorf("look-up: %w", err)
		}
		for _, it := range items {
			mark, err := decode[leavingMark](it)
			switch {
			case !it.Exists() || err == nil && c.Now().Before(mark.Leaving):
				return nil, fmt.Errorf("item %s: gone or going: %w", it.Redacted(), fault.Conflict)
			case err != nil:
				return nil, err
			case mark.Leaving.IsZero():
				also = append(also, table.Check(it.Key, it.Version))
			default:
				it.Body = marked(it.Body, time.Time{})
				also = append(also, table.Update(it))
			}
		}
	}
	return also, nil
}

// marked is the body of an item with the mark until then; zero: without.
func marked(body []byte, until time.Time) []byte {
	var fields map[string]json.RawMessage
	err := json.Unmarshal(body, &fields)
	delete(fields, leavingField)
	if !until.IsZero() {
		fields[leavingField] = plain(table.Key{}, until).Body
	}
	out, failed := json.Marshal(fields)
	if err = errors.Join(err, failed); err != nil {
		panic(fmt.Sprintf("store: a mark: %v", err)) // unreachable: bodies are JSON objects
	}
	return out
}

// deleteUnassigned removes a queue or campaign, as stored, and frees its name, if assigned
// tells that nothing is assigned to it, else ErrInUse.
func (c Company) deleteUnassigned(ctx context.Context, it table.Item, owner string, name rename, assigned func() (bool, error)) error {
	free := func() error {
		used, err := assigned()
		if err == nil && used {
			err = fmt.Errorf("item %s: %w", it.Redacted(), ErrInUse)
		}
		return err
	}
	if err := free(); err != nil {
		return err
	}
	leaves := it
	leaves.Body = marked(it.Body, c.Now().Add(leavingFor))
	if err := c.Table.Write(ctx, table.Update(leaves)); err != nil {
		return fmt.Errorf("item %s: %w", it.Redacted(), err)
	}
	it.Version++
	err := free()
	if err == nil {
		err = c.saveNamed(ctx, table.Delete(it.Key, it.Version), nil, owner, name)
	}
	if errors.Is(err, ErrInUse) {
		_ = c.Table.Write(ctx, table.Update(it)) // if not, the mark ends by itself
	}
	return err
}
