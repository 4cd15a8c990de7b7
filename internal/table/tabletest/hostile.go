package tabletest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"buzon/internal/fault"
	"buzon/internal/table"
)

const (
	// IndexLag is the oldest that an entry of a hostile index gets.
	IndexLag = 60 * time.Second
	// sweepHorizon is the age from which DynamoDB never deletes an expired item.
	sweepHorizon = 5 * 365 * 24 * time.Hour
)

// ErrUnknown is the answer of a hostile table to a Write whose outcome the
// caller cannot know. It is none of the kinds of fault.
var ErrUnknown = errors.New("table: no answer")

// Rates tells how often each fault comes, from 0 (never) to 1 (always).
type Rates struct {
	Throttle float64 // any call: Busy, nothing happened
	Conflict float64 // Write: Busy, as if another transaction held one of its items
	Lost     float64 // Write: judged and applied, but answered with ErrUnknown
	Dropped  float64 // Write: nothing happened, but answered with ErrUnknown
	Stale    float64 // change of an item: its index entry follows up to IndexLag late
	Short    float64 // Query: a page of at most one item
	Empty    float64 // Query: a page of none with a cursor, never twice running
	Swept    float64 // share of the items that go as soon as they expired; the others never go
}

// Typical are rates at which a run still gets somewhere.
func Typical() Rates {
	return Rates{
		Throttle: 0.03, Conflict: 0.03, Lost: 0.02, Dropped: 0.01,
		Stale: 0.5, Short: 0.2, Empty: 0.1, Swept: 0.5,
	}
}

// HostileTable is a table that behaves as badly as DynamoDB may. Make it with
// [Hostile].
type HostileTable struct {
	inner table.Table
	seed  uint64
	now   func() time.Time
	rates Rates

	turn sync.Mutex // held around the work on inner, so that history is exact

	mu        sync.Mutex // guards what follows; never held during a call of inner
	rng       *rand.Rand
	calm      bool
	lastEmpty bool
	hits      map[string]int
	inFlight  map[table.Key]holders
	history   map[table.Key][]indexChange // oldest first
}

var _ table.Table = (*HostileTable)(nil)

// holders are the Writes in flight on one item: one transaction, or single ones.
type holders struct {
	count       int
	transaction bool
}

// indexChange is a write that the index may not show yet.
type indexChange struct {
	before  table.Key // the item's place in the index; zero: not in it
	visible time.Time
}

// Hostile puts the faults of DynamoDB around a table: refusals for the moment,
// lost answers, a late index, thin pages, an arbitrary broom. Faults depend only
// on the seed, the clock and the sequence of calls. Besides the rates, of two
// Writes in flight that touch one item, at least one of them a transaction of
// several operations, the later is always refused as Busy. All writes must pass
// through the wrapper; those that do not are seen in the index at once.
func Hostile(inner table.Table, seed uint64, now func() time.Time, rates Rates) *HostileTable {
	return &HostileTable{
		inner: inner, seed: seed, now: now, rates: rates,
		rng:      rand.New(rand.NewPCG(seed, 0)),
		hits:     map[string]int{},
		inFlight: map[table.Key]holders{},
		history:  map[table.Key][]indexChange{},
	}
}

// Calm ends all faults; the index is up to date from now on.
func (h *HostileTable) Calm() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calm = true
}

// Hits counts the faults so far by kind: throttle, conflict, overlap, lost,
// dropped, stale, short, empty, swept. A kind that never came is missing.
func (h *HostileTable) Hits() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.hits)
}

// draw decides on one fault; it draws in calm as well. The caller holds mu.
func (h *HostileTable) draw(rate float64) bool {
	return h.rng.Float64() < rate && !h.calm
}

func (h *HostileTable) hit(kind string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hits[kind]++
}

// throttled draws for a call that reads.
func (h *HostileTable) throttled() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.draw(h.rates.Throttle) {
		return nil
	}
	h.hits["throttle"]++
	return fmt.Errorf("table: throttled: %w", fault.Busy)
}

// Get is [table.Table.Get] with throttling and the broom.
func (h *HostileTable) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := table.ValidateKeys(keys); err != nil {
		return nil, err
	}
	if err := h.throttled(); err != nil {
		return nil, err
	}
	h.turn.Lock()
	defer h.turn.Unlock()
	return h.get(ctx, keys)
}

// get reads after the broom went over the items. The caller holds turn.
func (h *HostileTable) get(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	items, err := h.inner.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for i, it := range items {
		gone, err := h.sweep(ctx, it)
		if err != nil {
			return nil, err
		}
		if gone {
			items[i] = table.Item{Key: it.Key}
		}
	}
	return items, nil
}

// sweep removes an item that has expired if it is one of those that go. The
// caller holds turn.
func (h *HostileTable) sweep(ctx context.Context, it table.Item) (gone bool, err error) {
	now := h.now()
	if !it.Exists() || it.Expires.IsZero() || it.Expires.After(now) || now.Sub(it.Expires) > sweepHorizon {
		return false, nil
	}
	sum := fnv.New64a()
	fmt.Fprintf(sum, "%d %q %q", h.seed, it.PK, it.SK)
	share := float64(rand.New(rand.NewPCG(sum.Sum64(), 1)).Uint64N(1000)) / 1000
	h.mu.Lock()
	goes := !h.calm && share < h.rates.Swept
	h.mu.Unlock()
	if !goes {
		return false, nil
	}
	if err := h.inner.Write(ctx, table.Delete(it.Key, it.Version)); err != nil {
		return false, err
	}
	h.remember([]table.Item{it})
	h.hit("swept")
	return true, nil
}

// Write is [table.Table.Write] with refusals for the moment and lost answers.
func (h *HostileTable) Write(ctx context.Context, ops ...table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	unknown, err := h.admit(ops)
	if err != nil {
		return err
	}
	defer h.release(ops)
	h.turn.Lock()
	defer h.turn.Unlock()
	keys := make([]table.Key, len(ops))
	for i, op := range ops {
		keys[i] = op.Item.Key
	}
	before, err := h.get(ctx, keys)
	if err != nil {
		return err
	}
	err = h.inner.Write(ctx, ops...)
	if !errors.Is(err, fault.Conflict) && !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Busy) {
		changed := before[:0]
		for i, op := range ops {
			if op.Kind != table.OpCheck {
				changed = append(changed, before[i])
			}
		}
		h.remember(changed)
	}
	if unknown && !errors.Is(err, fault.Invalid) {
		h.hit("lost")
		return ErrUnknown
	}
	return err
}

// admit draws the faults of a Write and, if it may go on, holds its items.
func (h *HostileTable) admit(ops []table.Op) (unknown bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	throttle, conflict := h.draw(h.rates.Throttle), h.draw(h.rates.Conflict)
	dropped, lost := h.draw(h.rates.Dropped), h.draw(h.rates.Lost)
	switch {
	case throttle:
		h.hits["throttle"]++
		return false, fmt.Errorf("table: throttled: %w", fault.Busy)
	case conflict:
		h.hits["conflict"]++
		return false, fmt.Errorf("table write: transaction conflict: %w", fault.Busy)
	case dropped:
		h.hits["dropped"]++
		return false, ErrUnknown
	}
	for _, op := range ops {
		other := h.inFlight[op.Item.Key]
		// Single writes on one item wait for each other; a transaction does not.
		if !h.calm && other.count > 0 && (other.transaction || len(ops) > 1) {
			h.hits["overlap"]++
			return false, fmt.Errorf("table write: transaction conflict: %w", fault.Busy)
		}
	}
	for _, op := range ops {
		held := h.inFlight[op.Item.Key]
		h.inFlight[op.Item.Key] = holders{held.count + 1, len(ops) > 1}
	}
	return lost, nil
}

func (h *HostileTable) release(ops []table.Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, op := range ops {
		held := h.inFlight[op.Item.Key]
		if held.count--; held.count == 0 {
			delete(h.inFlight, op.Item.Key)
			continue
		}
		h.inFlight[op.Item.Key] = held
	}
}

// remember keeps what items were before a change that the index is late to show.
func (h *HostileTable) remember(before []table.Item) {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, it := range before {
		stale, lag := h.draw(h.rates.Stale), time.Duration(h.rng.Int64N(int64(IndexLag)))
		old := h.history[it.Key]
		if !stale && len(old) == 0 {
			continue
		}
		visible := now
		if stale {
			visible = now.Add(lag)
		}
		h.history[it.Key] = append(old, indexChange{it.Index, visible})
	}
}

// Query is [table.Table.Query] with throttling, thin pages and a late index.
func (h *HostileTable) Query(ctx context.Context, q table.Q) (table.Page, error) {
	if err := table.ValidateQuery(q); err != nil {
		return table.Page{}, err
	}
	after, err := q.After()
	if err != nil {
		return table.Page{}, err
	}
	if err := h.throttled(); err != nil {
		return table.Page{}, err
	}
	h.mu.Lock()
	short, empty := h.draw(h.rates.Short), h.draw(h.rates.Empty) && !h.lastEmpty
	h.lastEmpty = empty
	h.mu.Unlock()
	if empty {
		h.hit("empty")
		return table.Page{Next: q.CursorAfter(after)}, nil
	}
	if short && q.Limit != 1 {
		h.hit("short")
		q.Limit = 1
	}
	h.turn.Lock()
	defer h.turn.Unlock()
	if q.Index {
		return h.queryIndex(ctx, q, after)
	}
	page, err := h.inner.Query(ctx, q)
	if err != nil {
		return table.Page{}, err
	}
	page.Items, err = h.unswept(ctx, page.Items)
	return page, err
}

func (h *HostileTable) unswept(ctx context.Context, items []table.Item) ([]table.Item, error) {
	var left []table.Item
	for _, it := range items {
		gone, err := h.sweep(ctx, it)
		if err != nil {
			return nil, err
		}
		if !gone {
			left = append(left, it)
		}
	}
	return left, nil
}

// queryIndex answers from the entries of the index as they were: the present
// ones of the partition, with those that changed a short while ago put back. The
// items are as they are stored now; an entry whose item is gone or has another
// place by now is left out.
func (h *HostileTable) queryIndex(ctx context.Context, q table.Q, after table.Item) (table.Page, error) {
	entries, err := h.entries(ctx, q.PK)
	if err != nil {
		return table.Page{}, err
	}
	h.putBack(q.PK, entries)

	var sorted []table.Item
	for key, index := range entries {
		if q.Holds(index.SK) {
			sorted = append(sorted, table.Item{Key: key, Index: index})
		}
	}
	order := byIndex
	if q.Reverse {
		order = func(a, b table.Item) int { return byIndex(b, a) }
	}
	slices.SortFunc(sorted, order)
	if after.Key != (table.Key{}) {
		sorted = slices.DeleteFunc(sorted, func(it table.Item) bool { return order(it, after) <= 0 })
	}
	var page table.Page
	if limit := cmp.Or(q.Limit, table.MaxPage); len(sorted) > limit {
		sorted, page.Next = sorted[:limit], q.CursorAfter(sorted[limit-1])
	}
	for part := range slices.Chunk(sorted, table.MaxOps) {
		keys := make([]table.Key, len(part))
		for i, entry := range part {
			keys[i] = entry.Key
		}
		items, err := h.get(ctx, keys)
		if err != nil {
			return table.Page{}, err
		}
		for i, it := range items {
			if it.Exists() && it.Index == part[i].Index {
				page.Items = append(page.Items, it)
			}
		}
	}
	return page, nil
}

// entries are the present entries of an index partition.
func (h *HostileTable) entries(ctx context.Context, pk string) (map[table.Key]table.Key, error) {
	entries := map[table.Key]table.Key{}
	q := table.Q{PK: pk, Index: true}
	for {
		page, err := h.inner.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		left, err := h.unswept(ctx, page.Items)
		if err != nil {
			return nil, err
		}
		for _, it := range left {
			entries[it.Key] = it.Index
		}
		if q.Cursor = page.Next; page.Next == "" {
			return entries, nil
		}
	}
}

// putBack gives the entries of one index partition the places that the index
// still shows, and forgets changes that it shows by now.
func (h *HostileTable) putBack(pk string, entries map[table.Key]table.Key) {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calm {
		return
	}
	for key, changes := range h.history {
		seen := len(changes)
		for seen > 0 && changes[seen-1].visible.After(now) {
			seen--
		}
		if changes = changes[seen:]; len(changes) == 0 {
			delete(h.history, key)
			continue
		}
		h.history[key] = changes
		shown := changes[0].before
		if shown.PK != pk {
			shown = table.Key{}
		}
		if shown != entries[key] {
			h.hits["stale"]++
		}
		delete(entries, key)
		if shown != (table.Key{}) {
			entries[key] = shown
		}
	}
}

func byIndex(a, b table.Item) int {
	for _, c := range []int{
		strings.Compare(a.Index.SK, b.Index.SK), strings.Compare(a.PK, b.PK), strings.Compare(a.SK, b.SK),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}
