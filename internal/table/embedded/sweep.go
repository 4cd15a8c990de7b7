package embedded

import (
	"context"
	"errors"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"buzon/internal/table"
)

// Sweep is the broom: it removes at most limit items (1 to MaxOps) that expired
// before now, the oldest first, and tells how many went. An item written
// meanwhile stays. DynamoDB does the like by itself, within days.
func (t *Table) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	limit = min(max(limit, 1), table.MaxOps)
	var ops []table.Op
	err := t.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketExpires)).Cursor()
		for k, v := c.First(); k != nil && len(ops) < limit; k, v = c.Next() {
			key, err := splitItemKey(v)
			if err != nil {
				return err
			}
			it, err := load(tx, key)
			if err != nil {
				return err
			}
			if !it.Expires.Before(now) {
				return nil
			}
			ops = append(ops, table.Delete(it.Key, it.Version))
		}
		return nil
	})
	if err != nil {
		return 0, t.wrap(err)
	}
	for len(ops) > 0 {
		err := t.Write(ctx, ops...)
		var refused *table.Refused
		if !errors.As(err, &refused) {
			if err != nil {
				return 0, err
			}
			return len(ops), nil
		}
		for _, i := range slices.Backward(refused.Ops) {
			ops = slices.Delete(ops, i, i+1)
		}
	}
	return 0, nil
}
