package tabletest

import (
	"context"
	"errors"
	"sync"

	"buzon/internal/fault"
	"buzon/internal/table"
)

// What a unit of on-demand capacity covers, in bytes.
const (
	writeUnit = 1 << 10
	readUnit  = 4 << 10
)

// CountingTable counts what DynamoDB would bill. Make it with [Counting].
type CountingTable struct {
	inner table.Table

	mu          sync.Mutex
	read, write float64
}

var _ table.Table = (*CountingTable)(nil)

// Counting puts a meter around a table (Developer Guide, "Read and write
// operations"). A write costs a unit for each KB begun of the larger of the old
// and the new item, twice that in a transaction (a Write of several operations or
// of one check), a check as much as a write, and the same if the conditions do
// not hold. The index holds keys only: it costs a unit for each KB begun of the
// keys of every entry put or removed, a move being both, and nothing while an
// item stays in its place. A strong read costs a unit for each 4 KB begun of an
// item, or of a page of the base table as a whole. A page of the index costs half
// a unit for each 4 KB begun of its entries, and the strong read of each item;
// entries that are left out of the answer are not counted. The old items of a
// write are read without being counted, so that the count is exact only if no
// other call changes them meanwhile.
func Counting(inner table.Table) *CountingTable { return &CountingTable{inner: inner} }

// Units are the read and write units so far.
func (c *CountingTable) Units() (read, write float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read, c.write
}

func (c *CountingTable) add(read, write float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read += read
	c.write += write
}

// Get is [table.Table.Get]; an item that is not there costs a unit as well.
func (c *CountingTable) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	items, err := c.inner.Get(ctx, keys...)
	for _, it := range items {
		c.add(units(table.Size(it), readUnit), 0)
	}
	return items, err
}

// Query is [table.Table.Query].
func (c *CountingTable) Query(ctx context.Context, q table.Q) (table.Page, error) {
	page, err := c.inner.Query(ctx, q)
	if err != nil {
		return page, err
	}
	size, items := 0, 0.0
	for _, it := range page.Items {
		if q.Index {
			size += entrySize(it)
			items += units(table.Size(it), readUnit)
			continue
		}
		size += table.Size(it)
	}
	cost := units(size, readUnit)
	if q.Index {
		cost = cost/2 + items
	}
	c.add(cost, 0)
	return page, nil
}

// Write is [table.Table.Write]. What is refused before it is judged (invalid or
// busy) costs nothing.
func (c *CountingTable) Write(ctx context.Context, ops ...table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	keys := make([]table.Key, len(ops))
	for i, op := range ops {
		keys[i] = op.Item.Key
	}
	before, err := c.inner.Get(ctx, keys...)
	if err != nil {
		return err
	}
	err = c.inner.Write(ctx, ops...)
	if errors.Is(err, fault.Invalid) || errors.Is(err, fault.Busy) {
		return err
	}
	total := 0.0
	for i, op := range ops {
		after := stored(before[i], op)
		cost := units(max(table.Size(before[i]), table.Size(after)), writeUnit)
		if len(ops) > 1 || op.Kind == table.OpCheck {
			cost *= 2
		}
		if !errors.Is(err, fault.Conflict) {
			cost += indexUnits(before[i], after)
		}
		total += cost
	}
	c.add(0, total)
	return err
}

// stored is about what an operation leaves: near enough to measure.
func stored(before table.Item, op table.Op) table.Item {
	after := op.Item
	switch op.Kind {
	case table.OpCheck:
		return before
	case table.OpDelete:
		return table.Item{}
	case table.OpCreate:
		after.Version = 1
	case table.OpUpdate:
		after.Version++
	case table.OpRaise:
		if after.Index == (table.Key{}) {
			after.Index = before.Index
		}
	}
	return after
}

func indexUnits(before, after table.Item) float64 {
	if before.Index == after.Index {
		return 0
	}
	cost := 0.0
	for _, it := range []table.Item{before, after} {
		if it.Index != (table.Key{}) {
			cost += units(entrySize(it), writeUnit)
		}
	}
	return cost
}

// entrySize is the size of an item's entry in the index: its four keys.
func entrySize(it table.Item) int {
	return table.Size(table.Item{Key: it.Key, Version: 1, Index: it.Index, Body: []byte(`{}`)}) - versionSize
}

// versionSize is what a one-digit Version adds to an item.
const versionSize = len("Version") + 2

// units rounds up; nothing at all costs one.
func units(size, unit int) float64 {
	return float64(max(1, (size+unit-1)/unit))
}
