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
// and the new item, twice that in a Write of several operations, a check as
// much as a write, and the same if the conditions do not hold. The index costs a
// unit for each KB begun of every entry put or removed, a move being both. A
// strong read costs a unit for each 4 KB begun of an item, or of a page as a
// whole; the index half of that. The old items are read without being counted,
// so that the count is exact only if no other call changes them meanwhile.
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
	size := 0
	for _, it := range page.Items {
		size += table.Size(it)
	}
	cost := units(size, readUnit)
	if q.Index {
		cost /= 2
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
		if len(ops) > 1 {
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
	in := func(it table.Item) bool { return it.Index != (table.Key{}) }
	switch {
	case before.Version == after.Version:
		return 0
	case in(before) && before.Index == after.Index:
		return units(max(table.Size(before), table.Size(after)), writeUnit)
	}
	cost := 0.0
	for _, it := range []table.Item{before, after} {
		if in(it) {
			cost += units(table.Size(it), writeUnit)
		}
	}
	return cost
}

// units rounds up; nothing at all costs one.
func units(size, unit int) float64 {
	return float64(max(1, (size+unit-1)/unit))
}
