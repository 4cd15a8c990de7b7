package main

import (
	"context"
	"sort"
	"strings"
	"sync"

	"buzon/internal/queue"
	"buzon/internal/table"
)

// memoryTable is a table that answers at once: what is measured above it is the
// system's own work. It keeps conditions, and neither limits nor the index.
type memoryTable struct {
	mu    sync.Mutex
	items map[table.Key]table.Item
}

func newMemoryTable() *memoryTable { return &memoryTable{items: map[table.Key]table.Item{}} }

// Get implements [table.Table].
func (t *memoryTable) Get(_ context.Context, keys ...table.Key) ([]table.Item, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]table.Item, len(keys))
	for i, k := range keys {
		out[i] = t.items[k]
		out[i].Key = k
	}
	return out, nil
}

// Query implements [table.Table] for a partition of the table itself, in one page.
func (t *memoryTable) Query(_ context.Context, q table.Q) (table.Page, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var page table.Page
	for k, it := range t.items {
		if k.PK == q.PK && strings.HasPrefix(k.SK, q.Prefix) && k.SK >= q.From && (q.To == "" || k.SK < q.To) {
			page.Items = append(page.Items, it)
		}
	}
	sort.Slice(page.Items, func(i, j int) bool { return page.Items[i].SK < page.Items[j].SK })
	return page, nil
}

// Write implements [table.Table].
func (t *memoryTable) Write(_ context.Context, ops ...table.Op) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var refused table.Refused
	for i, op := range ops {
		if !holds(op, t.items[op.Item.Key].Version) {
			refused.Ops = append(refused.Ops, i)
		}
	}
	if len(refused.Ops) > 0 {
		return &refused
	}
	for _, op := range ops {
		it := op.Item
		switch op.Kind {
		case table.OpCreate:
			it.Version = 1
		case table.OpUpdate:
			it.Version++
		case table.OpDelete:
			delete(t.items, it.Key)
			continue
		case table.OpCheck:
			continue
		}
		t.items[it.Key] = it
	}
	return nil
}

// holds tells whether an operation's condition holds on what is stored.
func holds(op table.Op, stored int64) bool {
	switch op.Kind {
	case table.OpCreate:
		return stored == 0
	case table.OpRaise:
		return stored < op.Item.Version
	}
	return stored == op.Item.Version
}

// sink is a queue that takes everything and keeps nothing.
type sink struct{}

func (sink) Send(context.Context, queue.Message) error { return nil }
