package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// seeds of the hostile table.
var seeds = []uint64{1, 2, 3, 4, 5}

// harsh are rates at which every few steps meet a fault.
var harsh = tabletest.Rates{Throttle: .1, Conflict: .15, Lost: .15, Dropped: .1, Stale: .5, Short: .4, Empty: .3, Swept: .5}

// thin are rates at which only lists suffer.
var thin = tabletest.Rates{Short: .5, Empty: .4, Stale: .5}

// clock is a time that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// open gives a store on a table, with a clock at noon and ids that count.
func open(t table.Table) (*Store, *clock) {
	ck := &clock{t: noon}
	var n atomic.Int64
	return &Store{
		Table: t, Now: ck.Now, NewID: func() string { return fmt.Sprintf("id%08d", n.Add(1)) }, CacheFor: 30 * time.Second,
	}, ck
}

func openPlain(tb testing.TB) (*Store, *clock) { return open(tabletest.Open(tb)) }

// openHostile gives a store on a hostile table; its clock is the table's.
func openHostile(tb testing.TB, seed uint64, rates tabletest.Rates) (*Store, *clock, *tabletest.HostileTable) {
	s, ck := open(nil)
	h := tabletest.Hostile(tabletest.Open(tb), seed, ck.Now, rates)
	s.Table = h
	return s, ck, h
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// got is for reads that must find something.
func got[T any](tb testing.TB) func(T, error) T {
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func want(tb testing.TB, err error, kind fault.Kind) {
	tb.Helper()
	if !errors.Is(err, kind) {
		tb.Fatalf("%v, want %s", err, kind)
	}
}

// stubborn does a step as a queue would: again while the table is busy or does
// not answer. A conflict after a lost answer is its own write.
func stubborn(tb testing.TB, step func() error) {
	tb.Helper()
	lost := false
	for range 1000 {
		err := step()
		switch {
		case err == nil, lost && errors.Is(err, fault.Conflict):
			return
		case errors.Is(err, tabletest.ErrUnknown):
			lost = true
		case !errors.Is(err, fault.Busy):
			tb.Fatal(err)
		}
	}
	tb.Fatal("never done")
}

// stubbornly does a step that looks for itself whether it is done: again
// whatever the table says.
func stubbornly(tb testing.TB, step func() error) {
	tb.Helper()
	var err error
	for range 1000 {
		if err = step(); err == nil {
			return
		}
		if !errors.Is(err, fault.Busy) && !errors.Is(err, fault.Conflict) && !errors.Is(err, tabletest.ErrUnknown) {
			tb.Fatal(err)
		}
	}
	tb.Fatalf("never done: %v", err)
}

// read repeats a read while the table is busy.
func read[T any](tb testing.TB, f func() (T, error)) T {
	tb.Helper()
	for range 1000 {
		v, err := f()
		if err == nil {
			return v
		}
		if !errors.Is(err, fault.Busy) {
			tb.Fatal(err)
		}
	}
	tb.Fatal("never read")
	panic("unreachable")
}

// hooked calls before a call of the table, so that a test can come between two.
type hooked struct {
	table.Table
	beforeGet, beforeQuery, beforeWrite func()
}

func (h *hooked) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	call(&h.beforeGet)
	return h.Table.Get(ctx, keys...)
}

func (h *hooked) Query(ctx context.Context, q table.Q) (table.Page, error) {
	call(&h.beforeQuery)
	return h.Table.Query(ctx, q)
}

func (h *hooked) Write(ctx context.Context, ops ...table.Op) error {
	call(&h.beforeWrite)
	return h.Table.Write(ctx, ops...)
}

// call calls a hook once.
func call(hook *func()) {
	if f := *hook; f != nil {
		*hook = nil
		f()
	}
}

// raw counts the items of a partition.
func raw(tb testing.TB, t table.Table, pk string) int {
	tb.Helper()
	n := 0
	for q := (table.Q{PK: pk}); ; {
		page, err := t.Query(tb.Context(), q)
		must(tb, err)
		n += len(page.Items)
		if page.Next == "" {
			return n
		}
		q.Cursor = page.Next
	}
}
