package tabletest

import (
	"fmt"
	"strings"

	"buzon/internal/table"
)

// testIndexQuestions asks the index what the base table was asked. Items with
// equal index keys come in any order.
func testIndexQuestions(b *bench) {
	var items []table.Item
	for i, sk := range sortKeys {
		it := table.Item{Key: b.key(fmt.Sprint(i%3), sk), Index: b.key("i", sk), Body: fmt.Appendf(nil, `{"n":%d}`, i)}
		b.write(table.Create(it))
		it.Version = 1
		items = append(items, it)
	}
	b.write(table.Create(table.Item{Key: b.key("0", "sparse"), Body: []byte(`{}`)}))
	b.write(table.Create(table.Item{Key: b.key("0", "neighbour"), Index: b.key("i\x00", "a"), Body: []byte(`{}`)}))
	for _, q := range questions {
		for _, q.Reverse = range []bool{false, true} {
			q.PK = b.run + "i"
			want := answer(q, items, byIndex, func(it table.Item) string { return it.Index.SK })
			for _, q.Limit = range []int{0, 1, max(1, len(want)), len(want) + 1} {
				b.indexShows(q, want)
			}
		}
	}
	b.sub("equal index keys", func(b *bench) {
		var want []table.Item
		for i := range 9 {
			it := table.Item{Key: b.key(fmt.Sprint(i%2), fmt.Sprint(i)), Index: b.key("i", "same"), Body: []byte(`{}`)}
			b.write(table.Create(it))
			it.Version = 1
			want = append(want, it)
		}
		all := func(q table.Q) string { return compare(sorted(want, byIndex), sorted(b.pages(q), byIndex)) }
		for _, reverse := range []bool{false, true} {
			for limit := range len(want) + 2 {
				q := table.Q{PK: b.run + "i", Index: true, Limit: limit, Reverse: reverse}
				b.untilIndex(q, all)
			}
		}
	})
}

func testIndexMoves(b *bench) {
	it := table.Item{Key: b.key("", "a"), Body: []byte(`{"n":1}`)}
	other := table.Item{Key: b.key("", "other"), Index: b.key("one", "k"), Version: 1, Body: []byte(`{}`)}
	b.write(table.Create(other))
	one, two := table.Q{PK: b.run + "one"}, table.Q{PK: b.run + "two"}
	for _, step := range []struct {
		name  string
		index table.Key
		one   []string // sort keys in the index besides the other's
		two   []string
	}{
		{"without an index key it is not there", table.Key{}, nil, nil},
		{"it comes", b.key("one", "m"), []string{"m"}, nil},
		{"it moves behind", b.key("one", "z"), []string{"z"}, nil},
		{"it changes in its place", b.key("one", "z"), []string{"z"}, nil},
		{"it moves to another partition", b.key("two", "z"), nil, []string{"z"}},
		{"it leaves", table.Key{}, nil, nil},
		{"it comes again", b.key("one", "k2"), []string{"k2"}, nil},
	} {
		it.Index = step.index
		b.write(table.Save(it))
		it.Version++
		b.Log(step.name)
		in := func(sks []string, list ...table.Item) []table.Item {
			for range sks {
				list = append(list, it)
			}
			return list
		}
		b.indexShows(one, in(step.one, other))
		b.indexShows(two, in(step.two))
	}
	b.write(table.Raise(table.Item{Key: it.Key, Version: 100, Body: []byte(`{"m":2}`)}))
	it.Version, it.Body = 100, []byte(`{"n":1,"m":2}`)
	b.indexShows(one, []table.Item{other, it})
	b.write(table.Delete(it.Key, it.Version))
	b.indexShows(one, []table.Item{other})
	b.write(table.Create(table.Item{Key: it.Key, Body: []byte(`{}`)}))
	b.indexShows(one, []table.Item{other})
	b.sub("index keys at their longest", func(b *bench) {
		long := table.Item{Key: b.key("", "long"), Body: []byte(`{}`)}
		pk := b.run + strings.Repeat("p", table.MaxPKBytes-len(b.run))
		long.Index = table.Key{PK: pk, SK: strings.Repeat("\x00", table.MaxSKBytes)}
		b.write(table.Create(long))
		long.Version = 1
		b.indexShows(table.Q{PK: pk, Limit: 1}, []table.Item{long})
		b.indexShows(table.Q{PK: pk, From: long.Index.SK, Reverse: true}, []table.Item{long})
		b.indexShows(table.Q{PK: pk, Prefix: long.Index.SK}, []table.Item{long})
	})
}
