package embedded

import (
	"bytes"
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"buzon/internal/table"
)

// Query is [table.Table.Query]. A page ends at the limit or after about 1 MB;
// Next is set only if there is a further item. Items with equal index keys come
// in the order of their own keys.
func (t *Table) Query(ctx context.Context, q table.Q) (table.Page, error) {
	if err := table.ValidateQuery(q); err != nil {
		return table.Page{}, err
	}
	after, err := q.After()
	if err != nil {
		return table.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Page{}, fmt.Errorf("table query: %w", err)
	}
	var page table.Page
	err = t.db.View(func(tx *bolt.Tx) error {
		page, err = read(tx, q, after)
		return err
	})
	if err != nil {
		return table.Page{}, t.wrap(err)
	}
	return page, nil
}

func read(tx *bolt.Tx, q table.Q, after table.Item) (table.Page, error) {
	var page table.Page
	limit := q.Limit
	if limit == 0 {
		limit = table.MaxPage
	}
	bucket := bucketItems
	if q.Index {
		bucket = bucketIndex
	}
	walk := walker{Cursor: tx.Bucket([]byte(bucket)).Cursor(), reverse: q.Reverse}
	walk.from, walk.to = bounds(q)
	if after.Key != (table.Key{}) {
		walk.skipTo(place(q, after))
	}
	size := 0
	for k, v := walk.first(); k != nil; k, v = walk.next() {
		if len(page.Items) == limit || size >= maxPageBytes {
			page.Next = q.CursorAfter(page.Items[len(page.Items)-1])
			break
		}
		if q.Index {
			k = v
		}
		key, err := splitItemKey(k)
		if err != nil {
			return page, err
		}
		it, err := load(tx, key)
		if err != nil {
			return page, err
		}
		if !it.Exists() {
			return page, fmt.Errorf("item %s: in the index only", key.Redacted())
		}
		page.Items = append(page.Items, it)
		size += len(k) + len(it.Body)
	}
	return page, nil
}

// bounds of the question as bucket keys: from <= key < to.
func bounds(q table.Q) (from, to []byte) {
	text := func(sk string) []byte {
		b := partition(q.PK)
		if q.Index {
			return append(b, escape(sk)...)
		}
		return append(b, sk...)
	}
	if q.Prefix != "" {
		return text(q.Prefix), successor(text(q.Prefix))
	}
	from, to = text(q.From), successor(partition(q.PK))
	if q.To != "" {
		to = text(q.To)
	}
	return from, to
}

// place is the bucket key of an item in the answer to q.
func place(q table.Q, it table.Item) []byte {
	if q.Index {
		return indexKey(it.Index, it.Key)
	}
	return itemKey(it.Key)
}

// walker goes through the keys of a bucket between two bounds.
type walker struct {
	*bolt.Cursor
	from, to []byte // from <= key < to
	reverse  bool
}

// skipTo leaves out the key and all that come before it on the way.
func (w *walker) skipTo(key []byte) {
	if w.reverse {
		w.to = key
		return
	}
	w.from = append(key, 0) // the next key possible
}

func (w *walker) first() (k, v []byte) {
	if !w.reverse {
		return w.within(w.Seek(w.from))
	}
	if k, _ := w.Seek(w.to); k == nil {
		return w.within(w.Last())
	}
	return w.within(w.Prev())
}

func (w *walker) next() (k, v []byte) {
	if w.reverse {
		return w.within(w.Prev())
	}
	return w.within(w.Next())
}

func (w *walker) within(k, v []byte) ([]byte, []byte) {
	if k == nil || bytes.Compare(k, w.from) < 0 || bytes.Compare(k, w.to) >= 0 {
		return nil, nil
	}
	return k, v
}
