package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"buzon/internal/fault"
	"buzon/internal/table"
)

// MaxLive is the most open items that a list reads whole and sorts.
const MaxLive = 1000

// lister describes a list whose live part is sorted by activity in code, so
// that the index need not change with every message, and whose past part is
// read in the order of the index.
type lister[T any] struct {
	pks    []string // index partitions of the live part
	past   string   // index partition of the past part; empty: none
	recent func(T) (time.Time, string)
	keep   func(T) bool
}

// place is where a page ended: after a live item, or inside the past.
type place struct {
	At   int64  `json:"a,omitempty"` // ms of the last live item
	ID   string `json:"i,omitempty"`
	Past bool   `json:"p,omitempty"`
	Next string `json:"n,omitempty"` // the table's cursor inside the past
	Skip int    `json:"s,omitempty"` // items of that page already given
}

func (p place) encode() string {
	b, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodePlace(cursor string) (place, error) {
	var p place
	if cursor == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Skip < 0 || p.Skip > table.MaxPage {
		return place{}, fmt.Errorf("cursor: %w", badCursor())
	}
	return p, nil
}

// badCursor is what a cursor gets that this list did not give.
func badCursor() error {
	var in fault.Input
	in.Add("cursor", "invalid")
	return in.Err()
}

func list[T any, P versioned[T]](ctx context.Context, t table.Table, l lister[T], limit int, cursor string) ([]T, string, error) {
	at, err := decodePlace(cursor)
	if err != nil {
		return nil, "", err
	}
	var out []T
	if !at.Past {
		live, err := liveItems[T, P](ctx, t, l)
		if err != nil {
			return nil, "", err
		}
		for _, v := range live {
			when, id := l.recent(v)
			if cursor != "" && !(when.UnixMilli() < at.At || when.UnixMilli() == at.At && id < at.ID) {
				continue
			}
			if len(out) == limit {
				when, id := l.recent(out[limit-1])
				return out, place{At: when.UnixMilli(), ID: id}.encode(), nil
			}
			out = append(out, v)
		}
		at = place{Past: true}
		if len(out) == limit && l.past != "" {
			return out, at.encode(), nil
		}
	}
	if l.past == "" {
		return out, "", nil
	}
	return pastItems[T, P](ctx, t, l, out, limit, at)
}

// pastItems fills out from the past part, following pages to their end.
func pastItems[T any, P versioned[T]](ctx context.Context, t table.Table, l lister[T], out []T, limit int, at place) ([]T, string, error) {
	for {
		page, err := t.Query(ctx, table.Q{PK: l.past, Index: true, Reverse: true, Limit: 100, Cursor: at.Next})
		if err != nil {
			return nil, "", fmt.Errorf("list %s: %w", l.past, err)
		}
		for i, it := range page.Items {
			if i < at.Skip {
				continue
			}
			v, err := decode[T, P](it)
			if err != nil {
				return nil, "", err
			}
			if !l.keep(v) {
				continue
			}
			if len(out) == limit {
				at.Skip = i
				return out, at.encode(), nil
			}
			out = append(out, v)
		}
		if page.Next == "" {
			return out, "", nil
		}
		at.Next, at.Skip = page.Next, 0
	}
}

func liveItems[T any, P versioned[T]](ctx context.Context, t table.Table, l lister[T]) ([]T, error) {
	var live []T
	for _, pk := range l.pks {
		q := table.Q{PK: pk, Index: true, Reverse: true}
		for read := 0; read < MaxLive; {
			page, err := t.Query(ctx, q)
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", pk, err)
			}
			read += len(page.Items)
			for _, it := range page.Items {
				v, err := decode[T, P](it)
				if err != nil {
					return nil, err
				}
				if l.keep(v) {
					live = append(live, v)
				}
			}
			if page.Next == "" {
				break
			}
			q.Cursor = page.Next
		}
	}
	slices.SortFunc(live, func(a, b T) int {
		at, aid := l.recent(a)
		bt, bid := l.recent(b)
		if d := bt.UnixMilli() - at.UnixMilli(); d != 0 {
			if d > 0 {
				return 1
			}
			return -1
		}
		return strings.Compare(bid, aid)
	})
	return live, nil
}

// newestFirst gives a page of an index partition, newest first.
func newestFirst[T any, P versioned[T]](ctx context.Context, t table.Table, pk string, keep func(T) bool, limit int, cursor string) ([]T, string, error) {
	at, err := decodePlace(cursor)
	if err != nil {
		return nil, "", err
	}
	return pastItems[T, P](ctx, t, lister[T]{past: pk, keep: keep}, nil, limit, at)
}
