package tabletest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/table"
)

// Suite is the contract of [table.Table] as tests; every implementation passes
// it, and so does one behind [Hostile] as long as no answer is lost. open gives
// a table that may be shared with other tests and may hold anything: the suite
// writes only to partitions of its own, new in every run. It waits for the index
// up to indexWait, and it repeats what was refused as Busy.
func Suite(t *testing.T, open func(t *testing.T) table.Table) {
	run := rand.Text()
	for _, part := range []struct {
		name string
		test func(*bench)
	}{
		{"Write", testWrite},
		{"Write/is all or none up to the limit of operations", testManyOps},
		{"Write/invalid", testInvalidWrites},
		{"Body", testBodies},
		{"Expires is kept to the second", testExpires},
		{"Get", testGet},
		{"Query/answers as a sorted list would", testQuestions},
		{"Query/invalid", testInvalidQueries},
		{"Query/a page is at most MaxPage items", testFullPage},
		{"Query/large items", testLargeItems},
		{"Query/sees a write at once", testQueryIsStrong},
		{"Cursor", testCursors},
		{"Index/answers as a sorted list would", testIndexQuestions},
		{"Index/follows the item", testIndexMoves},
		{"Race/one of 40 creates wins", testRacingCreates},
		{"Race/no update is lost", testRacingUpdates},
		{"Race/a transaction is never half visible", testRacingTransactions},
	} {
		t.Run(part.name, func(t *testing.T) {
			part.test(&bench{T: t, Table: patient{open(t)}, run: run + "/" + part.name + "/"})
		})
	}
}

// indexWait is how long the suite waits for an index to show a write.
const indexWait = 90 * time.Second

// bench is one test with its table and the beginning of its partitions' names.
type bench struct {
	*testing.T
	table.Table
	run string
}

// sub is a test within the test, with partitions of its own.
func (b *bench) sub(name string, test func(*bench)) {
	b.T.Run(name, func(t *testing.T) {
		test(&bench{T: t, Table: b.Table, run: b.run + name + "/"})
	})
}

func (b *bench) key(partition, sk string) table.Key {
	return table.Key{PK: b.run + partition, SK: sk}
}

func (b *bench) write(ops ...table.Op) {
	b.Helper()
	if err := b.Write(b.Context(), ops...); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) get(keys ...table.Key) []table.Item {
	b.Helper()
	items, err := b.Get(b.Context(), keys...)
	if err != nil {
		b.Fatal(err)
	}
	return items
}

// pages follows the cursors of a question to its end.
func (b *bench) pages(q table.Q) []table.Item {
	b.Helper()
	var items []table.Item
	for range 10_000 {
		page, err := b.Query(b.Context(), q)
		if err != nil {
			b.Fatalf("%+v: %v", q, err)
		}
		if q.Limit > 0 && len(page.Items) > q.Limit {
			b.Fatalf("%+v: %d items in a page", q, len(page.Items))
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		q.Cursor = page.Next
	}
	b.Fatalf("%+v: no end", q)
	return nil
}

// indexShows waits until a question to the index is answered as wanted.
func (b *bench) indexShows(q table.Q, want []table.Item) {
	b.Helper()
	q.Index = true
	b.untilIndex(q, func(q table.Q) string { return compare(want, b.pages(q)) })
}

// untilIndex waits until nothing is wrong with an answer of the index. This is
// the only place where the suite bears with a stale one.
func (b *bench) untilIndex(q table.Q, wrong func(table.Q) string) {
	b.Helper()
	end := time.Now().Add(indexWait)
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		diff := wrong(q)
		if diff == "" {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("%+v (-want +got)\n%s", q, diff)
		}
		wait(b.Context(), pause)
	}
}

// indexBegins waits for a first page of the index that is not empty and can be
// continued.
func (b *bench) indexBegins(q table.Q) (page table.Page) {
	b.Helper()
	b.untilIndex(q, func(q table.Q) string {
		var err error
		if page, err = b.Query(b.Context(), q); err != nil {
			b.Fatal(err)
		}
		if len(page.Items) == 0 || page.Next == "" {
			return "no page to continue"
		}
		return ""
	})
	return page
}

func wantInvalid(b *bench, err error) {
	b.Helper()
	if !errors.Is(err, fault.Invalid) {
		b.Errorf("error %v, want an invalid", err)
	}
}

// shown is an item in a form to compare: its body by meaning, not by spelling.
type shown struct {
	Key, Index table.Key
	Version    int64
	Expires    string
	Body       string
}

func compare(want, got []table.Item) string {
	return cmp.Diff(show(want), show(got))
}

func show(items []table.Item) []shown {
	list := []shown{}
	for _, it := range items {
		s := shown{Key: it.Key, Index: it.Index, Version: it.Version}
		if !it.Expires.IsZero() {
			s.Expires = it.Expires.UTC().Format(time.RFC3339Nano)
		}
		if it.Exists() || it.Body != nil {
			s.Body = meaning(it.Body)
		}
		list = append(list, s)
	}
	return list
}

// meaning is JSON in one spelling: fields sorted, numbers by their value, so that
// 1.50 and 15e-1 are the same. (A text, because cmp takes twice as long for each
// level of nested values.)
func meaning(body []byte) string {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Sprintf("%q: %v", body, err)
	}
	text, err := json.Marshal(byValue(v))
	if err != nil {
		return fmt.Sprintf("%q: %v", body, err)
	}
	return string(text)
}

func byValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = byValue(v[name])
		}
	case []any:
		for i := range v {
			v[i] = byValue(v[i])
		}
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return "number " + r.RatString()
		}
	}
	return v
}

// bySK is the order of a partition: UTF-8 bytes.
func bySK(a, b table.Item) int { return strings.Compare(a.SK, b.SK) }

func sorted(items []table.Item, order func(a, b table.Item) int) []table.Item {
	items = slices.Clone(items)
	slices.SortFunc(items, order)
	return items
}

// patient repeats what is refused for the moment, as the contract allows.
type patient struct{ table.Table }

// patience is how often; with pauses up to maxPause it is about half a minute.
const (
	patience = 300
	maxPause = 100 * time.Millisecond
)

func again(ctx context.Context, call func() error) error {
	var err error
	for i := range patience {
		if err = call(); !errors.Is(err, fault.Busy) {
			return err
		}
		if i > 10 {
			wait(ctx, min(time.Duration(i)*time.Millisecond, maxPause))
		}
	}
	return err
}

func (p patient) Get(ctx context.Context, keys ...table.Key) (items []table.Item, err error) {
	err = again(ctx, func() error {
		items, err = p.Table.Get(ctx, keys...)
		return err
	})
	return items, err
}

func (p patient) Query(ctx context.Context, q table.Q) (page table.Page, err error) {
	err = again(ctx, func() error {
		page, err = p.Table.Query(ctx, q)
		return err
	})
	return page, err
}

func (p patient) Write(ctx context.Context, ops ...table.Op) error {
	return again(ctx, func() error { return p.Table.Write(ctx, ops...) })
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
