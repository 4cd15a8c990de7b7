package tabletest_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// clock goes on by step at each look, so that what waits for time gets on.
type clock struct {
	ticks atomic.Int64
	step  time.Duration
}

func (c *clock) now() time.Time {
	return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.ticks.Add(1)) * c.step)
}

func frozen() *clock { return &clock{} }

var (
	keyA = table.Key{PK: "p", SK: "a"}
	keyB = table.Key{PK: "p", SK: "b"}
)

func itemAt(k table.Key, index string) table.Item {
	it := table.Item{Key: k, Body: []byte(`{}`)}
	if index != "" {
		it.Index = table.Key{PK: "i", SK: index}
	}
	return it
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keysOf(t *testing.T, tab table.Table, q table.Q) []string {
	t.Helper()
	keys := []string{}
	for range 1000 {
		page, err := tab.Query(t.Context(), q)
		must(t, err)
		for _, it := range page.Items {
			keys = append(keys, fmt.Sprintf("%s@%d", it.SK, it.Version))
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return keys
		}
	}
	t.Fatalf("%+v: no end", q)
	return nil
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestSuiteHoldsBehindFaultsThatLoseNoAnswer(t *testing.T) {
	rates := tabletest.Typical()
	rates.Lost, rates.Dropped = 0, 0
	c := &clock{step: 15 * time.Second}
	tabletest.Suite(t, func(t *testing.T) table.Table {
		return tabletest.Hostile(tabletest.Open(t), 1, c.now, rates)
	})
}

func TestSuiteHoldsBehindTheMeterAndInCalm(t *testing.T) {
	tabletest.Suite(t, func(t *testing.T) table.Table {
		h := tabletest.Hostile(tabletest.Counting(tabletest.Open(t)), 1, frozen().now, tabletest.Rates{
			Throttle: 1, Conflict: 1, Lost: 1, Dropped: 1, Stale: 1, Short: 1, Empty: 1, Swept: 1,
		})
		h.Calm()
		return h
	})
}

func TestRefusalForTheMomentChangesNothing(t *testing.T) {
	for kind, rates := range map[string]tabletest.Rates{"throttle": {Throttle: 1}, "conflict": {Conflict: 1}} {
		inner := tabletest.Open(t)
		h := tabletest.Hostile(inner, 1, frozen().now, rates)
		if err := h.Write(t.Context(), table.Create(itemAt(keyA, ""))); !errors.Is(err, fault.Busy) {
			t.Errorf("%s: error %v", kind, err)
		}
		want(t, kind+" stored", keysOf(t, inner, table.Q{PK: "p"}), []string{})
		want(t, "hits", h.Hits(), map[string]int{kind: 1})
	}
}

func TestThrottledReadsAreBusy(t *testing.T) {
	h := tabletest.Hostile(tabletest.Open(t), 1, frozen().now, tabletest.Rates{Throttle: 1})
	_, getErr := h.Get(t.Context(), keyA)
	_, queryErr := h.Query(t.Context(), table.Q{PK: "p"})
	if !errors.Is(getErr, fault.Busy) || !errors.Is(queryErr, fault.Busy) {
		t.Errorf("get %v, query %v", getErr, queryErr)
	}
	h.Calm()
	_, getErr = h.Get(t.Context(), keyA)
	_, queryErr = h.Query(t.Context(), table.Q{PK: "p"})
	must(t, errors.Join(getErr, queryErr))
}

func TestUnknownOutcome(t *testing.T) {
	for _, c := range []struct {
		kind   string
		rates  tabletest.Rates
		stored []string
	}{
		{"lost", tabletest.Rates{Lost: 1}, []string{"a@1", "b@1"}},
		{"dropped", tabletest.Rates{Dropped: 1}, []string{}},
	} {
		inner := tabletest.Open(t)
		h := tabletest.Hostile(inner, 1, frozen().now, c.rates)
		err := h.Write(t.Context(), table.Create(itemAt(keyA, "")), table.Create(itemAt(keyB, "")))
		for _, kind := range []fault.Kind{fault.Busy, fault.Conflict, fault.Invalid} {
			if !errors.Is(err, tabletest.ErrUnknown) || errors.Is(err, kind) {
				t.Errorf("%s: error %v", c.kind, err)
			}
		}
		want(t, c.kind+" stored", keysOf(t, inner, table.Q{PK: "p"}), c.stored)
		want(t, "hits", h.Hits(), map[string]int{c.kind: 1})
		if err := h.Write(t.Context()); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: a wrong write is answered %v", c.kind, err)
		}
	}
}

func TestAfterAnUnknownErrorTheItemIsOldOrNew(t *testing.T) {
	h := tabletest.Hostile(tabletest.Open(t), 7, frozen().now, tabletest.Rates{Lost: 0.3, Dropped: 0.3})
	it := itemAt(keyA, "")
	for range 200 {
		err := h.Write(t.Context(), table.Save(it))
		items, getErr := h.Get(t.Context(), keyA)
		must(t, getErr)
		now := items[0].Version
		switch {
		case err == nil && now != it.Version+1:
			t.Fatalf("written at %d, stored at %d", it.Version, now)
		case err != nil && !errors.Is(err, tabletest.ErrUnknown):
			t.Fatal(err)
		case now != it.Version && now != it.Version+1:
			t.Fatalf("after an unknown error at version %d it is at %d", it.Version, now)
		}
		it.Version = now
	}
	if hits := h.Hits(); hits["lost"] == 0 || hits["dropped"] == 0 {
		t.Errorf("hits %v", hits)
	}
}

// gate is a table whose writes wait until they are let through.
type gate struct {
	table.Table
	entered, open chan struct{}
}

func (g *gate) Write(ctx context.Context, ops ...table.Op) error {
	g.entered <- struct{}{}
	<-g.open
	return g.Table.Write(ctx, ops...)
}

func TestOfTwoWritesInFlightOnOneItemOneIsBusy(t *testing.T) {
	update := func(keys ...table.Key) (ops []table.Op) {
		for _, k := range keys {
			it := itemAt(k, "")
			it.Version = 1
			ops = append(ops, table.Update(it))
		}
		return ops
	}
	keyC := table.Key{PK: "p", SK: "c"}
	for _, c := range []struct {
		name        string
		first, then []table.Op
		busy        bool
	}{
		{"two transactions with an item in common", update(keyA, keyB), update(keyB, keyC), true},
		{"a transaction and a single write", update(keyA, keyB), update(keyA), true},
		{"a single write and a transaction", update(keyA), update(keyA, keyB), true},
		{"a transaction that only checks", []table.Op{table.Check(keyA, 1), table.Check(keyB, 1)}, update(keyA), true},
		{"nothing in common", update(keyA, keyB), update(keyC), false},
		{"two single writes wait for each other", update(keyA), update(keyA), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := tabletest.Open(t)
			must(t, inner.Write(t.Context(), table.Create(itemAt(keyA, "")), table.Create(itemAt(keyB, "")), table.Create(itemAt(keyC, ""))))
			g := &gate{inner, make(chan struct{}), make(chan struct{})}
			h := tabletest.Hostile(g, 1, frozen().now, tabletest.Rates{})
			var group sync.WaitGroup
			group.Go(func() {
				if err := h.Write(t.Context(), c.first...); err != nil {
					t.Error(err)
				}
			})
			<-g.entered
			if c.busy {
				if err := h.Write(t.Context(), c.then...); !errors.Is(err, fault.Busy) {
					t.Errorf("error %v, want busy", err)
				}
				want(t, "hits", h.Hits(), map[string]int{"overlap": 1})
				g.open <- struct{}{}
				group.Wait()
			} else {
				g.open <- struct{}{}
			}
			// Once the first is over the items are free.
			group.Go(func() {
				err := h.Write(t.Context(), c.then...)
				if err != nil && !errors.Is(err, fault.Conflict) {
					t.Error(err)
				}
			})
			<-g.entered
			g.open <- struct{}{}
			group.Wait()
		})
	}
}

func TestIndexIsUpToAMinuteOld(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	h := tabletest.Hostile(tabletest.Open(t), 1, func() time.Time { return now }, tabletest.Rates{Stale: 1})
	index := table.Q{PK: "i", Index: true}
	must(t, h.Write(t.Context(), table.Create(itemAt(keyA, "1")), table.Create(itemAt(keyB, "2"))))
	want(t, "just created", keysOf(t, h, index), []string{})
	want(t, "base table", keysOf(t, h, table.Q{PK: "p"}), []string{"a@1", "b@1"})
	now = now.Add(tabletest.IndexLag)
	want(t, "a minute later", keysOf(t, h, index), []string{"a@1", "b@1"})

	moved := itemAt(keyA, "3")
	moved.Version = 1
	must(t, h.Write(t.Context(), table.Update(moved), table.Delete(keyB, 1)))
	want(t, "just moved and deleted", keysOf(t, h, index), []string{})
	want(t, "reverse", keysOf(t, h, table.Q{PK: "i", Index: true, Reverse: true, Limit: 1}), []string{})
	want(t, "where it was", keysOf(t, h, table.Q{PK: "i", Index: true, To: "2"}), []string{})
	want(t, "where it will be", keysOf(t, h, table.Q{PK: "i", Index: true, From: "3"}), []string{})
	page, err := h.Query(t.Context(), table.Q{PK: "i", Index: true, Limit: 1})
	must(t, err)
	if len(page.Items) != 0 || page.Next == "" {
		t.Errorf("a page of one left out entry has %d items and next %q", len(page.Items), page.Next)
	}
	if h.Hits()["stale"] == 0 {
		t.Error("no hit is counted")
	}
	h.Calm()
	want(t, "in calm", keysOf(t, h, index), []string{"a@2"})
}

func TestIndexGivesItemsAsTheyAreStoredNow(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	h := tabletest.Hostile(tabletest.Open(t), 1, func() time.Time { return now }, tabletest.Rates{Stale: 1})
	it := itemAt(keyA, "1")
	must(t, h.Write(t.Context(), table.Create(it)))
	now = now.Add(tabletest.IndexLag)
	for range 10 {
		it.Version++
		must(t, h.Write(t.Context(), table.Update(it)))
		want(t, "changed in its place", keysOf(t, h, table.Q{PK: "i", Index: true}), []string{fmt.Sprintf("a@%d", it.Version+1)})
	}
	if hits := h.Hits()["stale"]; hits != 0 {
		t.Errorf("%d hits, but no entry changed", hits)
	}
}

func TestIndexGivesAnItemAtItsPlaceOrNotAtAll(t *testing.T) {
	const step = 7 * time.Second // between two moves
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	h := tabletest.Hostile(tabletest.Open(t), 3, func() time.Time { return now }, tabletest.Rates{Stale: 0.5})
	index := table.Q{PK: "i", Index: true}
	seen, missed := 0, 0
	for i := range 200 {
		it := itemAt(keyA, fmt.Sprint(i))
		it.Version = int64(i)
		must(t, h.Write(t.Context(), table.Save(it)))
		now = now.Add(step)
		page, err := h.Query(t.Context(), index)
		must(t, err)
		switch {
		case len(page.Items) == 0:
			missed++
		case len(page.Items) == 1 && page.Items[0].Index == it.Index && page.Items[0].Version == it.Version+1:
			seen++
		default:
			t.Fatalf("move %d: the index gives %+v", i, page.Items)
		}
	}
	if seen == 0 || missed == 0 {
		t.Errorf("seen %d times, missed %d times", seen, missed)
	}
	now = now.Add(tabletest.IndexLag)
	want(t, "a minute later", keysOf(t, h, index), []string{"a@200"})
}

func TestPagesAreThin(t *testing.T) {
	inner := tabletest.Open(t)
	must(t, inner.Write(t.Context(), table.Create(itemAt(keyA, "1")), table.Create(itemAt(keyB, "2"))))
	for _, q := range []table.Q{{PK: "p"}, {PK: "i", Index: true}, {PK: "p", Reverse: true, From: "a"}} {
		h := tabletest.Hostile(inner, 1, frozen().now, tabletest.Rates{Short: 1, Empty: 1})
		var sizes []int
		for {
			page, err := h.Query(t.Context(), q)
			must(t, err)
			sizes = append(sizes, len(page.Items))
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		want(t, "pages", sizes, []int{0, 1, 0, 1})
		want(t, "hits", h.Hits(), map[string]int{"empty": 2, "short": 2})
	}
}

func TestExpiredItemsGoAtOnceOrNever(t *testing.T) {
	c := frozen()
	h := tabletest.Hostile(tabletest.Open(t), 1, c.now, tabletest.Rates{Swept: 0.5})
	var keys []table.Key
	expires := map[string]time.Time{
		"expired": c.now(), "later": c.now().Add(time.Second), "years ago": c.now().Add(-6 * 365 * 24 * time.Hour),
	}
	for name, at := range expires {
		for i := range 40 {
			it := itemAt(table.Key{PK: name, SK: fmt.Sprint(i)}, "")
			it.Expires = at
			must(t, h.Write(t.Context(), table.Create(it)))
			keys = append(keys, it.Key)
		}
	}
	for name := range expires {
		first := keysOf(t, h, table.Q{PK: name})
		want(t, name+" on a second look", keysOf(t, h, table.Q{PK: name}), first)
		if all := len(first) == 40; all != (name != "expired") || len(first) == 0 {
			t.Errorf("%s: %d of 40 left", name, len(first))
		}
	}
	left := 0
	for _, k := range keys {
		items, err := h.Get(t.Context(), k)
		must(t, err)
		if items[0].Exists() {
			left++
		}
	}
	want(t, "swept", h.Hits(), map[string]int{"swept": len(keys) - left})
	gone := itemAt(table.Key{PK: "again", SK: "a"}, "")
	gone.Expires = c.now()
	swept := 0
	for i := range 20 {
		gone.SK = fmt.Sprint(i)
		must(t, h.Write(t.Context(), table.Create(gone)))
		if err := h.Write(t.Context(), table.Create(gone)); err == nil {
			swept++
		} else if !errors.Is(err, fault.Conflict) {
			t.Error(err)
		}
	}
	if swept == 0 || swept == 20 {
		t.Errorf("%d of 20 expired items made room for a create", swept)
	}
}

// play makes the same calls and tells what came of each.
func play(t *testing.T, seed uint64) []string {
	c := &clock{step: time.Second}
	h := tabletest.Hostile(tabletest.Open(t), seed, c.now, tabletest.Typical())
	var log []string
	for i := range 300 {
		it := itemAt(table.Key{PK: "p", SK: fmt.Sprint(i % 10)}, fmt.Sprint(i%3))
		it.Version, it.Expires = int64(i/10), c.now().Add(20*time.Second)
		err := h.Write(t.Context(), table.Save(it), table.Check(table.Key{PK: "q", SK: "none"}, 0))
		items, getErr := h.Get(t.Context(), it.Key)
		page, queryErr := h.Query(t.Context(), table.Q{PK: "i", Index: true, Limit: 3})
		log = append(log, fmt.Sprint(err, items, getErr, page, queryErr))
	}
	return append(log, fmt.Sprint(h.Hits()))
}

func TestFaultsDependOnSeedAndCallsOnly(t *testing.T) {
	first := play(t, 5)
	want(t, "the same seed", play(t, 5), first)
	if reflect.DeepEqual(play(t, 6), first) {
		t.Error("another seed gives the same faults")
	}
}

func TestTypicalRatesBringEveryFault(t *testing.T) {
	c := &clock{step: 100 * time.Millisecond}
	h := tabletest.Hostile(tabletest.Open(t), 11, c.now, tabletest.Typical())
	for i := range 400 {
		it := itemAt(table.Key{PK: "p", SK: fmt.Sprint(i)}, fmt.Sprint(i))
		it.Expires = c.now()
		for _, err := range []error{
			h.Write(t.Context(), table.Create(it)),
			func() error { _, err := h.Query(t.Context(), table.Q{PK: "p", Limit: 2}); return err }(),
			func() error { _, err := h.Query(t.Context(), table.Q{PK: "i", Index: true, Limit: 2}); return err }(),
		} {
			if err != nil && !errors.Is(err, fault.Busy) && !errors.Is(err, tabletest.ErrUnknown) {
				t.Fatal(err)
			}
		}
	}
	hits := h.Hits()
	for _, kind := range []string{"throttle", "conflict", "lost", "dropped", "stale", "short", "empty", "swept"} {
		if hits[kind] == 0 {
			t.Errorf("no %s among %v", kind, hits)
		}
	}
}
