package embedded

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	bolt "go.etcd.io/bbolt"

	"buzon/internal/fault"
	"buzon/internal/table"
)

var errClosed = errors.New("closed")

// write is one call of Write on its way through the commit loop.
type write struct {
	ops    []table.Op
	answer chan error // buffered: the loop never waits for a caller who left
}

// Write is [table.Table.Write]. When it returns nil the operations are on disk.
// Calls that come while another one is being committed share the next commit,
// each judged on what the ones before it left. If ctx ends while it waits, the
// outcome is unknown.
func (t *Table) Write(ctx context.Context, ops ...table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("table write: %w", err)
	}
	w := &write{ops: ops, answer: make(chan error, 1)}
	select {
	case t.writes <- w:
	case <-t.stop:
		return t.wrap(errClosed)
	case <-ctx.Done():
		return fmt.Errorf("table write: %w", ctx.Err())
	}
	select {
	case err := <-w.answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("table write: %w", ctx.Err())
	}
}

// commitLoop is the one writer of the file.
func (t *Table) commitLoop() {
	defer close(t.done)
	for {
		select {
		case w := <-t.writes:
			t.commit(t.gather(w))
		case <-t.stop:
			return
		}
	}
}

// gather takes the writes that are waiting now.
func (t *Table) gather(first *write) []*write {
	group := []*write{first}
	runtime.Gosched() // lets those who were just answered come with their next
	for len(group) < maxGroup {
		select {
		case w := <-t.writes:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// commit performs a group in one transaction of the file and answers each of
// its writes. A write that is refused changes nothing and leaves the others
// alone; if the file fails, none has taken place and all are answered so.
func (t *Table) commit(group []*write) {
	refused := make([]error, len(group))
	err := t.db.Update(func(tx *bolt.Tx) error {
		for i, w := range group {
			changes, err := judge(tx, w.ops)
			if errors.Is(err, fault.Conflict) || errors.Is(err, fault.Invalid) {
				refused[i] = err
				continue
			}
			if err == nil {
				err = apply(tx, changes)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	for i, w := range group {
		switch {
		case err != nil:
			w.answer <- t.wrap(err)
		default:
			w.answer <- refused[i]
		}
	}
}

// change replaces a stored item; one of the two may not exist.
type change struct{ before, after table.Item }

// judge looks at the conditions of all operations and gives the changes to make
// if every one holds.
func judge(tx *bolt.Tx, ops []table.Op) ([]change, error) {
	var changes []change
	var refused []int
	merged := 0 // size of the largest item that a raise makes: Validate knew only its part
	for i, op := range ops {
		old, err := load(tx, op.Item.Key)
		if err != nil {
			return nil, err
		}
		after := op.Item
		after.Expires = wholeSeconds(after.Expires)
		var holds bool
		switch op.Kind {
		case table.OpCreate:
			holds, after.Version = !old.Exists(), 1
		case table.OpRaise:
			holds = old.Version < after.Version
		default:
			holds, after.Version = old.Version == op.Item.Version, op.Item.Version+1
		}
		switch {
		case !holds:
			refused = append(refused, i)
			continue
		case op.Kind == table.OpCheck:
			continue
		case op.Kind == table.OpDelete:
			after = table.Item{Key: op.Item.Key}
		case op.Kind == table.OpRaise:
			if after, err = merge(old, after); err != nil {
				return nil, err
			}
			merged = max(merged, table.Size(after))
		}
		changes = append(changes, change{old, after})
	}
	if refused != nil {
		return nil, &table.Refused{Ops: refused}
	}
	if merged > table.MaxItemBytes {
		return nil, fmt.Errorf("table write: item of %d bytes after raise, want at most %d: %w",
			merged, table.MaxItemBytes, fault.Invalid)
	}
	return changes, nil
}

func wholeSeconds(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return time.Unix(at.Unix(), 0).UTC()
}

// apply makes the changes in all three buckets.
func apply(tx *bolt.Tx, changes []change) error {
	items := tx.Bucket([]byte(bucketItems))
	for _, c := range changes {
		key := itemKey(c.after.Key)
		var err error
		if c.after.Exists() {
			err = items.Put(key, encode(c.after))
		} else {
			err = items.Delete(key)
		}
		if err == nil {
			err = move(tx.Bucket([]byte(bucketIndex)), indexPlace(c.before), indexPlace(c.after), key)
		}
		if err == nil {
			err = move(tx.Bucket([]byte(bucketExpires)), expiresPlace(c.before), expiresPlace(c.after), key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// move takes an entry from one key to another; nil is no place.
func move(b *bolt.Bucket, from, to, value []byte) error {
	if string(from) == string(to) {
		return nil
	}
	if from != nil {
		if err := b.Delete(from); err != nil {
			return err
		}
	}
	if to == nil {
		return nil
	}
	return b.Put(to, value)
}

func indexPlace(it table.Item) []byte {
	if it.Index == (table.Key{}) {
		return nil
	}
	return indexKey(it.Index, it.Key)
}

func expiresPlace(it table.Item) []byte {
	if it.Expires.IsZero() {
		return nil
	}
	return expiresKey(it.Expires, it.Key)
}
