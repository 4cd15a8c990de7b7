package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"buzon/internal/fault"
	"buzon/internal/table"
)

const (
	// MaxLive is the most open items of one kind that a list reads whole and
	// sorts by activity. Those beyond, the oldest, follow in the order of the index.
	MaxLive = 1000
	// MaxScan is about the most items that one page looks through for those
	// that its filter keeps; then it ends short, with a cursor.
	MaxScan = 5000

	scanPage   = 100 // items in one read of a part
	listIDSize = 8   // letters of the name of a list in its cursors
)

// lister describes a list of up to two parts: a live one that is sorted by
// activity in code, so that the index need not change with every message, and a
// past one in the order of the table. Both newest first.
//
// A cursor is the place after the last item given, so while nothing changes each
// item is given exactly once, however thin the pages of the table are. One that
// is made or changed meanwhile moves to the front of the live part: it is given
// again if it was given, and not at all if it was yet to come, until the list is
// read from its beginning. One that moves from the live part into the past is
// given again there.
type lister[T any] struct {
	live   []string // index partitions of the live part
	past   string   // partition of the past part; empty: none
	base   bool     // past is of the table itself, not of its index
	most   int      // items of each live partition that are read whole
	recent func(T) (time.Time, string)
	keep   func(T) bool
}

// id names the list in its cursors, so that those of another one, and of
// another company, are refused.
func (l lister[T]) id() string {
	return Hash(append(slices.Clone(l.live), "past", l.past)...)[:listIDSize]
}

// place is where a page ended: after a live item, or inside a further part.
type place struct {
	List string `json:"l"`
	At   int64  `json:"a,omitempty"` // ms of the last live item
	ID   string `json:"i,omitempty"`
	// Part is 0 in the live part, n in the rest of the n-th live partition, and
	// the number after that in the past.
	Part int    `json:"p,omitempty"`
	Next string `json:"n,omitempty"` // the table's cursor inside the part
}

func (p place) encode() string {
	b, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (l lister[T]) decode(cursor string) (place, error) {
	p := place{List: l.id()}
	if cursor == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil {
		p = place{}
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.List != l.id() || p.Part < 0 || p.Part > len(l.live)+1 || p.Part > len(l.live) && l.past == "" {
		return place{}, badCursor()
	}
	return p, nil
}

// badCursor is what a cursor gets that this list did not give.
func badCursor() error {
	var in fault.Input
	in.Add("cursor", "invalid")
	return in.Err()
}

// list gives a page. The cursor is empty at the end and only there: a page that
// looked through MaxScan items may be short, even empty, and have one. A cursor
// that this list did not give is a *fault.Input.
func list[T any, P versioned[T]](ctx context.Context, t table.Table, l lister[T], limit int, cursor string) ([]T, string, error) {
	at, err := l.decode(cursor)
	if err != nil {
		return nil, "", err
	}
	w := scan[T]{table: t, read: decode[T, P], keep: l.keep, limit: max(limit, 1)}
	var rests []string
	if at.Part == 0 && len(l.live) > 0 {
		var live []T
		if live, rests, err = liveItems[T, P](ctx, t, l); err != nil {
			return nil, "", err
		}
		given := map[string]bool{}
		last := at
		for _, v := range live {
			when, id := l.recent(v)
			here := place{List: at.List, At: when.UnixMilli(), ID: id}
			given[id] = true
			if cursor != "" && !here.after(at) {
				continue
			}
			if len(w.out) == w.limit {
				return w.out, last.encode(), nil
			}
			w.out, last = append(w.out, v), here
		}
		w.keep = func(v T) bool {
			_, id := l.recent(v)
			return !given[id] && l.keep(v)
		}
	}
	at.At, at.ID = 0, ""
	for at.Part = max(at.Part, 1); at.Part <= len(l.live)+1; at.Part, at.Next = at.Part+1, "" {
		q := table.Q{PK: l.past, Index: !l.base, Reverse: true}
		if rest := at.Part - 1; rest < len(l.live) {
			q.PK, q.Index = l.live[rest], true
			if at.Next == "" && rests == nil {
				if _, rests, err = liveItems[T, P](ctx, t, l); err != nil {
					return nil, "", err
				}
			}
			if at.Next == "" {
				at.Next = rests[rest]
			}
			if at.Next == "" {
				continue
			}
		}
		if q.PK == "" {
			continue
		}
		q.Cursor = at.Next
		next, more, err := w.fill(ctx, q)
		if err != nil {
			return nil, "", err
		}
		if more {
			at.Next = next
			return w.out, at.encode(), nil
		}
	}
	return w.out, "", nil
}

// after tells whether p comes after o, newest first.
func (p place) after(o place) bool {
	return p.At < o.At || p.At == o.At && p.ID < o.ID
}

// scan gathers the items of a page.
type scan[T any] struct {
	table table.Table
	read  func(table.Item) (T, error)
	keep  func(T) bool
	limit int
	out   []T
	seen  int
}

// fill appends what the answer to q holds, until the page is full. If anything
// is left it gives the cursor from which the answer goes on.
func (s *scan[T]) fill(ctx context.Context, q table.Q) (next string, more bool, err error) {
	outside := q.Cursor // the one that a caller may have made up
	q.Limit = scanPage
	before := q.Cursor
	for {
		page, err := s.table.Query(ctx, q)
		if errors.Is(err, fault.Invalid) && q.Cursor != "" && q.Cursor == outside {
			return "", false, badCursor()
		}
		if err != nil {
			return "", false, fmt.Errorf("list %s: %w", q.PK, err)
		}
		for _, it := range page.Items {
			v, err := s.read(it)
			if err != nil {
				return "", false, err
			}
			if s.keep(v) {
				if len(s.out) == s.limit {
					return before, true, nil
				}
				s.out = append(s.out, v)
			}
			before = q.CursorAfter(it)
		}
		if page.Next == "" {
			return "", false, nil
		}
		if s.seen += len(page.Items); s.seen >= MaxScan {
			return page.Next, true, nil
		}
		q.Cursor = page.Next
	}
}

// liveItems reads the newest of each live partition and sorts them by activity.
// rests are the cursors after those, empty where there is no more.
func liveItems[T any, P versioned[T]](ctx context.Context, t table.Table, l lister[T]) (live []T, rests []string, err error) {
	byID := map[string]int{}
	for _, pk := range l.live {
		items, rest, err := head(ctx, t, pk, l.most)
		if err != nil {
			return nil, nil, err
		}
		rests = append(rests, rest)
		for _, it := range items {
			v, err := decode[T, P](it)
			if err != nil {
				return nil, nil, err
			}
			if !l.keep(v) {
				continue
			}
			_, id := l.recent(v)
			i, twice := byID[id] // the index may show an item that moves in two parts
			switch {
			case !twice:
				byID[id] = len(live)
				live = append(live, v)
			case P(&v).StoredVersion() > P(&live[i]).StoredVersion():
				live[i] = v
			}
		}
	}
	slices.SortFunc(live, func(a, b T) int {
		at, aid := l.recent(a)
		bt, bid := l.recent(b)
		return cmp.Or(cmp.Compare(bt.UnixMilli(), at.UnixMilli()), strings.Compare(bid, aid))
	})
	return live, rests, nil
}

// head reads the newest items of an index partition, at most most; rest is the
// cursor after them if there are more.
func head(ctx context.Context, t table.Table, pk string, most int) (items []table.Item, rest string, err error) {
	q := table.Q{PK: pk, Index: true, Reverse: true}
	for {
		q.Limit = min(most-len(items)+1, table.MaxPage)
		page, err := t.Query(ctx, q)
		if err != nil {
			return nil, "", fmt.Errorf("list %s: %w", pk, err)
		}
		if items = append(items, page.Items...); len(items) > most {
			return items[:most], q.CursorAfter(items[most-1]), nil
		}
		if page.Next == "" {
			return items, "", nil
		}
		q.Cursor = page.Next
	}
}

// newestFirst gives a page of an index partition, newest first.
func newestFirst[T any, P versioned[T]](ctx context.Context, t table.Table, pk string, keep func(T) bool, limit int, cursor string) ([]T, string, error) {
	return list[T, P](ctx, t, lister[T]{past: pk, keep: keep}, limit, cursor)
}
