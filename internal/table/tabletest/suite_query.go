package tabletest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"buzon/internal/table"
)

// sortKeys hold what tells an order by UTF-8 bytes from any other.
var sortKeys = []string{
	"\x00", "\x00\x00", "\x00\x01", "A", "B", "a", "a\x00", "a\x00b", "a\x01", "aa", "ab", "b", "\x7f",
	"é", "e\u0301", "ÿ", "\uffff", "\U0001F600", "\U0010FFFF",
}

// questions about a partition with the sort keys above.
var questions = []table.Q{
	{},
	{From: "a"},
	{To: "b"},
	{From: "a", To: "b"},
	{From: "a\x00", To: "a\x00b"},
	{From: "aab", To: "zz"},
	{From: "\U0010FFFF"},
	{To: "\x00"},
	{Prefix: "a"},
	{Prefix: "a\x00"},
	{Prefix: "\x00"},
	{Prefix: "\U0010FFFF"},
	{Prefix: "e"},
	{Prefix: "none"},
}

func answer(q table.Q, items []table.Item, order func(a, b table.Item) int, sk func(table.Item) string) []table.Item {
	items = slices.DeleteFunc(sorted(items, order), func(it table.Item) bool { return !q.Holds(sk(it)) })
	if q.Reverse {
		slices.Reverse(items)
	}
	return items
}

func testQuestions(b *bench) {
	var items []table.Item
	for _, sk := range sortKeys {
		it := table.Item{Key: b.key("p", sk), Body: fmt.Appendf(nil, `{"sk":%d}`, len(sk))}
		b.write(table.Create(it))
		it.Version = 1
		items = append(items, it)
	}
	for _, neighbour := range []string{"", "o", "p\x00", "p0", "pa", "q"} {
		b.write(table.Create(table.Item{Key: b.key(neighbour, "a"), Body: []byte(`{}`)}))
	}
	for _, q := range questions {
		for _, q.Reverse = range []bool{false, true} {
			q.PK = b.run + "p"
			want := answer(q, items, bySK, func(it table.Item) string { return it.SK })
			for _, q.Limit = range []int{0, 1, 2, 3, max(1, len(want)), len(want) + 1} {
				if diff := compare(want, b.pages(q)); diff != "" {
					b.Errorf("%+v (-want +got)\n%s", q, diff)
				}
			}
		}
	}
}

func testInvalidQueries(b *bench) {
	for _, c := range []struct {
		name string
		q    table.Q
	}{
		{"no partition", table.Q{}},
		{"nothing between from and to", table.Q{PK: "p", From: "b", To: "b"}},
		{"from behind to", table.Q{PK: "p", From: "b", To: "a"}},
		{"prefix with from", table.Q{PK: "p", Prefix: "a", From: "a"}},
		{"prefix with to", table.Q{PK: "p", Prefix: "a", To: "b"}},
		{"limit below 0", table.Q{PK: "p", Limit: -1}},
		{"limit above a page", table.Q{PK: "p", Limit: table.MaxPage + 1}},
		{"a cursor that is none", table.Q{PK: "p", Cursor: "none"}},
	} {
		for _, c.q.Index = range []bool{false, true} {
			b.T.Run(c.name, func(t *testing.T) {
				_, err := b.Query(t.Context(), c.q)
				wantInvalid(&bench{T: t}, err)
			})
		}
	}
}

func testFullPage(b *bench) {
	var ops []table.Op
	for i := range table.MaxPage + 1 {
		ops = append(ops, table.Create(table.Item{Key: b.key("", fmt.Sprintf("%04d", i)), Body: []byte(`{}`)}))
	}
	for part := range slices.Chunk(ops, table.MaxOps) {
		b.write(part...)
	}
	for _, limit := range []int{0, table.MaxPage} {
		page, err := b.Query(b.Context(), table.Q{PK: b.run, Limit: limit})
		if err != nil {
			b.Fatal(err)
		}
		if len(page.Items) > table.MaxPage || page.Next == "" {
			b.Errorf("limit %d: %d items, next %q", limit, len(page.Items), page.Next)
		}
		if all := b.pages(table.Q{PK: b.run, Limit: limit}); len(all) != len(ops) {
			b.Errorf("limit %d: %d items in all, want %d", limit, len(all), len(ops))
		}
	}
}

func testLargeItems(b *bench) {
	var want []table.Item
	body := `{"x":"` + strings.Repeat("x", 350<<10) + `"}`
	for i := range 4 {
		it := table.Item{Key: b.key("", fmt.Sprint(i)), Body: []byte(body)}
		b.write(table.Create(it))
		it.Version = 1
		want = append(want, it)
	}
	for _, reverse := range []bool{false, true} {
		if got := b.pages(table.Q{PK: b.run, Reverse: reverse}); compare(want, got) != "" {
			b.Errorf("reverse %v: %d items are not the %d stored ones in order", reverse, len(got), len(want))
		}
		slices.Reverse(want)
	}
}

func testQueryIsStrong(b *bench) {
	it := table.Item{Key: b.key("", "a"), Body: []byte(`{}`)}
	for i := range 50 {
		b.write(table.Save(it))
		it.Version++
		got := b.pages(table.Q{PK: b.run})
		if diff := compare([]table.Item{it}, got); diff != "" {
			b.Fatalf("after write %d (-want +got)\n%s", i, diff)
		}
	}
	b.write(table.Delete(it.Key, it.Version))
	if got := b.pages(table.Q{PK: b.run}); len(got) != 0 {
		b.Errorf("%d items after the delete", len(got))
	}
}

func testCursors(b *bench) {
	var items []table.Item
	for _, sk := range []string{"a", "b", "c", "d", "e"} {
		it := table.Item{Key: b.key("p", sk), Index: b.key("i", sk), Body: []byte(`{}`)}
		b.write(table.Create(it))
		it.Version = 1
		items = append(items, it)
	}
	asked := table.Q{PK: b.run + "p", From: "a", To: "z", Limit: 2}
	// begin asks until a page has items, for a page may be empty.
	begin := func(b *bench, q table.Q) table.Page {
		for {
			page, err := b.Query(b.Context(), q)
			if err != nil {
				b.Fatal(err)
			}
			if len(page.Items) > 0 || page.Next == "" {
				return page
			}
			q.Cursor = page.Next
		}
	}
	first := begin(b, asked)
	indexQ := table.Q{PK: b.run + "i", Index: true, Limit: 1}
	inIndex := b.indexBegins(indexQ)

	b.sub("of another question is invalid", func(b *bench) {
		for name, change := range map[string]func(q *table.Q){
			"partition": func(q *table.Q) { q.PK += "x" },
			"from":      func(q *table.Q) { q.From = "" },
			"to":        func(q *table.Q) { q.To = "y" },
			"prefix":    func(q *table.Q) { q.From, q.To, q.Prefix = "", "", "a" },
			"reverse":   func(q *table.Q) { q.Reverse = true },
			"index":     func(q *table.Q) { q.Index = true },
		} {
			q := asked
			change(&q)
			q.Cursor = first.Next
			if _, err := b.Query(b.Context(), q); err == nil {
				b.Errorf("another %s: the cursor is taken", name)
			} else {
				wantInvalid(b, err)
			}
		}
		q := indexQ
		q.Index, q.Cursor = false, inIndex.Next
		_, err := b.Query(b.Context(), q)
		wantInvalid(b, err)
	})
	b.sub("that was changed is invalid", func(b *bench) {
		for _, c := range []struct {
			q    table.Q
			next string
		}{{asked, first.Next}, {indexQ, inIndex.Next}} {
			for i := range c.next {
				other := byte('A')
				if c.next[i] == other {
					other = 'B'
				}
				c.q.Cursor = c.next[:i] + string(other) + c.next[i+1:]
				_, err := b.Query(b.Context(), c.q)
				wantInvalid(b, err)
			}
			for _, cursor := range []string{c.next[:len(c.next)-1], c.next + "A", "?", strings.Repeat("A", 100_000)} {
				c.q.Cursor = cursor
				_, err := b.Query(b.Context(), c.q)
				wantInvalid(b, err)
			}
		}
	})
	b.sub("goes on with another limit", func(b *bench) {
		q := asked
		q.Cursor, q.Limit = first.Next, 0
		if diff := compare(items[len(first.Items):], b.pages(q)); diff != "" {
			b.Errorf("(-want +got)\n%s", diff)
		}
	})
	b.sub("outlives the item that it stands on, and meets new ones", func(b *bench) {
		last := first.Items[len(first.Items)-1]
		b.write(table.Delete(last.Key, last.Version))
		added := table.Item{Key: table.Key{PK: last.PK, SK: "dd"}, Body: []byte(`{}`)}
		b.write(table.Create(added))
		added.Version = 1
		want := sorted(append(slices.Clone(items[len(first.Items):]), added), bySK)
		q := asked
		q.Cursor = first.Next
		if diff := compare(want, b.pages(q)); diff != "" {
			b.Errorf("(-want +got)\n%s", diff)
		}
	})
}
