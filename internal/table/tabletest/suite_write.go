package tabletest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/fault"
	"buzon/internal/table"
)

// longAgo is an expiry so old that DynamoDB's broom leaves it alone (it only
// takes what expired within five years), so the item is surely still there.
var longAgo = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// item is short for one in the partition of the case.
func item(sk string, version int64, body string) table.Item {
	return table.Item{Key: table.Key{SK: sk}, Version: version, Body: []byte(body)}
}

func indexed(it table.Item, pk, sk string) table.Item {
	it.Index = table.Key{PK: pk, SK: sk}
	return it
}

func expiring(it table.Item, at time.Time) table.Item {
	it.Expires = at
	return it
}

func at(sk string) table.Key { return table.Key{SK: sk} }

type writeCase struct {
	name    string
	given   []table.Op // each written by itself
	ops     []table.Op
	refused []int        // indexes of Refused; nil: the Write holds
	want    []table.Item // what is stored then of all keys named; the others: nothing
}

var writeCases = []writeCase{
	{
		name: "create stores the item at version 1",
		ops:  []table.Op{table.Create(item("a", 0, `{"x":1}`))},
		want: []table.Item{item("a", 1, `{"x":1}`)},
	}, {
		name:    "create of an item that is there is refused and changes nothing",
		given:   []table.Op{table.Create(item("a", 0, `{"x":1}`))},
		ops:     []table.Op{table.Create(item("a", 0, `{"x":2}`))},
		refused: []int{0},
		want:    []table.Item{item("a", 1, `{"x":1}`)},
	}, {
		name:    "an item that has expired but was not yet swept is still there",
		given:   []table.Op{table.Create(expiring(item("a", 0, `{"x":1}`), longAgo))},
		ops:     []table.Op{table.Create(item("a", 0, `{"x":2}`))},
		refused: []int{0},
		want:    []table.Item{expiring(item("a", 1, `{"x":1}`), longAgo)},
	}, {
		name: "an item that was deleted is created again at version 1",
		given: []table.Op{
			table.Create(item("a", 0, `{}`)), table.Update(item("a", 1, `{}`)), table.Delete(at("a"), 2),
		},
		ops:  []table.Op{table.Create(item("a", 0, `{"x":2}`))},
		want: []table.Item{item("a", 1, `{"x":2}`)},
	}, {
		name:  "update replaces the item with all that belongs to it, at the next version",
		given: []table.Op{table.Create(indexed(expiring(item("a", 0, `{"x":1,"y":{"z":1}}`), longAgo), "i", "k"))},
		ops:   []table.Op{table.Update(item("a", 1, `{"y":{}}`))},
		want:  []table.Item{item("a", 2, `{"y":{}}`)},
	}, {
		name:    "update at an older version than stored is refused",
		given:   []table.Op{table.Create(item("a", 0, `{"x":1}`)), table.Update(item("a", 1, `{"x":2}`))},
		ops:     []table.Op{table.Update(item("a", 1, `{"x":3}`))},
		refused: []int{0},
		want:    []table.Item{item("a", 2, `{"x":2}`)},
	}, {
		name:    "update at a newer version than stored is refused",
		given:   []table.Op{table.Create(item("a", 0, `{"x":1}`))},
		ops:     []table.Op{table.Update(item("a", 2, `{"x":3}`))},
		refused: []int{0},
		want:    []table.Item{item("a", 1, `{"x":1}`)},
	}, {
		name:    "update of nothing is refused and stores nothing",
		ops:     []table.Op{table.Update(item("a", 1, `{"x":3}`))},
		refused: []int{0},
	}, {
		name:  "delete removes the item at that version",
		given: []table.Op{table.Create(item("a", 0, `{}`)), table.Create(item("b", 0, `{}`))},
		ops:   []table.Op{table.Delete(at("a"), 1)},
		want:  []table.Item{item("b", 1, `{}`)},
	}, {
		name:    "delete at another version is refused",
		given:   []table.Op{table.Create(item("a", 0, `{}`))},
		ops:     []table.Op{table.Delete(at("a"), 2)},
		refused: []int{0},
		want:    []table.Item{item("a", 1, `{}`)},
	}, {
		name:    "delete of nothing is refused",
		ops:     []table.Op{table.Delete(at("a"), 1)},
		refused: []int{0},
	}, {
		name:  "check at the stored version changes nothing and lets the others through",
		given: []table.Op{table.Create(item("a", 0, `{"x":1}`))},
		ops:   []table.Op{table.Check(at("a"), 1), table.Create(item("b", 0, `{}`))},
		want:  []table.Item{item("a", 1, `{"x":1}`), item("b", 1, `{}`)},
	}, {
		name:    "check at another version refuses the whole Write",
		given:   []table.Op{table.Create(item("a", 0, `{"x":1}`))},
		ops:     []table.Op{table.Check(at("a"), 2), table.Create(item("b", 0, `{}`))},
		refused: []int{0},
		want:    []table.Item{item("a", 1, `{"x":1}`)},
	}, {
		name: "check at version 0 holds if there is none, and makes none",
		ops:  []table.Op{table.Check(at("a"), 0), table.Create(item("b", 0, `{}`))},
		want: []table.Item{item("b", 1, `{}`)},
	}, {
		name:    "check at version 0 is refused if there is one",
		given:   []table.Op{table.Create(item("a", 0, `{}`))},
		ops:     []table.Op{table.Create(item("b", 0, `{}`)), table.Check(at("a"), 0)},
		refused: []int{1},
		want:    []table.Item{item("a", 1, `{}`)},
	}, {
		name:    "check of nothing at a version is refused",
		ops:     []table.Op{table.Check(at("a"), 1)},
		refused: []int{0},
	}, {
		name:  "a Write of one check alone is one",
		given: []table.Op{table.Create(item("a", 0, `{}`))},
		ops:   []table.Op{table.Check(at("a"), 1)},
		want:  []table.Item{item("a", 1, `{}`)},
	}, {
		name: "raise stores its number where there is nothing",
		ops:  []table.Op{table.Raise(item("a", 40, `{"x":1}`))},
		want: []table.Item{item("a", 40, `{"x":1}`)},
	}, {
		name:  "raise stores a higher number",
		given: []table.Op{table.Raise(item("a", 40, `{"x":1}`))},
		ops:   []table.Op{table.Raise(item("a", 41, `{"x":2}`))},
		want:  []table.Item{item("a", 41, `{"x":2}`)},
	}, {
		name:    "raise to the stored number is refused",
		given:   []table.Op{table.Raise(item("a", 40, `{"x":1}`))},
		ops:     []table.Op{table.Raise(item("a", 40, `{"x":2}`))},
		refused: []int{0},
		want:    []table.Item{item("a", 40, `{"x":1}`)},
	}, {
		name:    "raise to a lower number is refused",
		given:   []table.Op{table.Raise(item("a", 40, `{"x":1}`))},
		ops:     []table.Op{table.Raise(item("a", 39, `{"x":2}`))},
		refused: []int{0},
		want:    []table.Item{item("a", 40, `{"x":1}`)},
	}, {
		name:  "raise sets top-level fields whole, other stored fields stay",
		given: []table.Op{table.Raise(item("a", 1, `{"x":{"deep":1},"y":[1,2],"z":null}`))},
		ops:   []table.Op{table.Raise(item("a", 2, `{"x":{"other":2},"new":true}`))},
		want:  []table.Item{item("a", 2, `{"x":{"other":2},"y":[1,2],"z":null,"new":true}`)},
	}, {
		name:  "raise without fields raises the number alone",
		given: []table.Op{table.Raise(item("a", 1, `{"x":1}`))},
		ops:   []table.Op{table.Raise(item("a", 2, `{}`))},
		want:  []table.Item{item("a", 2, `{"x":1}`)},
	}, {
		name:  "raise leaves index and expiry when it has none",
		given: []table.Op{table.Raise(indexed(expiring(item("a", 1, `{}`), longAgo), "i", "k"))},
		ops:   []table.Op{table.Raise(item("a", 2, `{}`))},
		want:  []table.Item{indexed(expiring(item("a", 2, `{}`), longAgo), "i", "k")},
	}, {
		name:  "raise replaces index and expiry when it has them",
		given: []table.Op{table.Raise(indexed(expiring(item("a", 1, `{}`), longAgo), "i", "k"))},
		ops:   []table.Op{table.Raise(indexed(expiring(item("a", 2, `{}`), longAgo.Add(time.Hour)), "j", "l"))},
		want:  []table.Item{indexed(expiring(item("a", 2, `{}`), longAgo.Add(time.Hour)), "j", "l")},
	}, {
		name:  "raise acts on a created item by its version",
		given: []table.Op{table.Create(item("a", 0, `{"x":1}`))},
		ops:   []table.Op{table.Raise(item("a", 2, `{"y":1}`))},
		want:  []table.Item{item("a", 2, `{"x":1,"y":1}`)},
	}, {
		name:  "update of a raised item counts from the raised number",
		given: []table.Op{table.Raise(item("a", 40, `{"x":1}`))},
		ops:   []table.Op{table.Update(item("a", 40, `{"x":2}`))},
		want:  []table.Item{item("a", 41, `{"x":2}`)},
	}, {
		name: "save of an item never read creates it",
		ops:  []table.Op{table.Save(item("a", 0, `{"x":1}`))},
		want: []table.Item{item("a", 1, `{"x":1}`)},
	}, {
		name:  "save of an item that was read updates it",
		given: []table.Op{table.Create(item("a", 0, `{"x":1}`))},
		ops:   []table.Op{table.Save(item("a", 1, `{"x":2}`))},
		want:  []table.Item{item("a", 2, `{"x":2}`)},
	}, {
		name: "operations of every kind take place together",
		given: []table.Op{
			table.Create(item("b", 0, `{}`)), table.Create(item("c", 0, `{}`)), table.Create(item("d", 0, `{}`)),
		},
		ops: []table.Op{
			table.Create(item("a", 0, `{}`)), table.Update(item("b", 1, `{"x":1}`)), table.Delete(at("c"), 1),
			table.Check(at("d"), 1), table.Raise(item("e", 7, `{}`)),
		},
		want: []table.Item{
			item("a", 1, `{}`), item("b", 2, `{"x":1}`), item("d", 1, `{}`), item("e", 7, `{}`),
		},
	}, {
		name:  "one condition that does not hold stops all, and Refused names it",
		given: []table.Op{table.Create(item("b", 0, `{"x":1}`)), table.Create(item("c", 0, `{}`))},
		ops: []table.Op{
			table.Create(item("a", 0, `{}`)), table.Update(item("b", 1, `{"x":2}`)), table.Delete(at("c"), 2),
			table.Raise(item("d", 5, `{}`)),
		},
		refused: []int{2},
		want:    []table.Item{item("b", 1, `{"x":1}`), item("c", 1, `{}`)},
	}, {
		name: "Refused names every operation whose condition does not hold, ascending",
		given: []table.Op{
			table.Create(item("a", 0, `{}`)), table.Create(item("c", 0, `{}`)), table.Raise(item("e", 5, `{}`)),
		},
		ops: []table.Op{
			table.Create(item("a", 0, `{}`)), table.Create(item("b", 0, `{}`)), table.Update(item("c", 9, `{}`)),
			table.Delete(at("d"), 1), table.Raise(item("e", 5, `{}`)), table.Check(at("f"), 0), table.Check(at("g"), 1),
		},
		refused: []int{0, 2, 3, 4, 6},
		want:    []table.Item{item("a", 1, `{}`), item("c", 1, `{}`), item("e", 5, `{}`)},
	},
}

// placed gives the operations of a case the partition of the test. Index
// partitions get it as well, since the index is shared too.
func (b *bench) placed(ops []table.Op) []table.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i].Item = b.placedItem(ops[i].Item)
	}
	return ops
}

func (b *bench) placedItem(it table.Item) table.Item {
	it.PK = b.run + it.PK
	if it.Index.PK != "" {
		it.Index.PK = b.run + it.Index.PK
	}
	return it
}

func testWrite(b *bench) {
	for _, c := range writeCases {
		b.sub(c.name, func(b *bench) {
			for _, op := range b.placed(c.given) {
				b.write(op)
			}
			ops := b.placed(c.ops)
			err := b.Write(b.Context(), ops...)
			var refused *table.Refused
			switch {
			case c.refused == nil && err != nil:
				b.Fatal(err)
			case c.refused != nil && (!errors.As(err, &refused) || !slices.Equal(refused.Ops, c.refused)):
				b.Fatalf("error %v, want refused %v", err, c.refused)
			case c.refused != nil && !errors.Is(err, fault.Conflict):
				b.Fatalf("%v is not a conflict", err)
			}
			b.stored(append(b.placed(c.given), ops...), c.want)
		})
	}
}

// stored compares all items that the operations name with those wanted.
func (b *bench) stored(ops []table.Op, want []table.Item) {
	b.Helper()
	wanted := map[table.Key]table.Item{}
	for _, it := range want {
		it = b.placedItem(it)
		wanted[it.Key] = it
	}
	for _, op := range ops {
		expect := table.Item{Key: op.Item.Key}
		if it, ok := wanted[op.Item.Key]; ok {
			expect = it
		}
		if diff := compare([]table.Item{expect}, b.get(op.Item.Key)); diff != "" {
			b.Errorf("stored (-want +got)\n%s", diff)
		}
	}
}

func testManyOps(b *bench) {
	var ops []table.Op
	for i := range table.MaxOps {
		ops = append(ops, table.Create(table.Item{Key: b.key("", fmt.Sprint("k", i)), Body: []byte(`{}`)}))
	}
	more := append(slices.Clone(ops), table.Create(table.Item{Key: b.key("", "more"), Body: []byte(`{}`)}))
	wantInvalid(b, b.Write(b.Context(), more...))
	last := len(ops) - 1
	b.write(ops[last])
	var refused *table.Refused
	if err := b.Write(b.Context(), ops...); !errors.As(err, &refused) || !slices.Equal(refused.Ops, []int{last}) {
		b.Fatalf("error %v, want refused [%d]", err, last)
	}
	if items := b.pages(table.Q{PK: b.run}); len(items) != 1 {
		b.Fatalf("%d items after a refused Write, want the one before", len(items))
	}
	b.write(ops[:last]...)
	if items := b.pages(table.Q{PK: b.run}); len(items) != table.MaxOps {
		b.Fatalf("%d items, want %d", len(items), table.MaxOps)
	}
}

func testInvalidWrites(b *bench) {
	good := table.Item{Key: b.key("", "a"), Body: []byte(`{}`)}
	with := func(change func(*table.Item)) table.Item {
		it := good
		change(&it)
		return it
	}
	large := `{"x":"` + strings.Repeat("x", table.MaxItemBytes) + `"}`
	merged := with(func(it *table.Item) {
		it.SK, it.Version = "merged", 1
		it.Body = []byte(`{"x":"` + strings.Repeat("x", table.MaxItemBytes-1<<10) + `"}`)
	})
	b.write(table.Raise(merged))
	for _, c := range []struct {
		name string
		ops  []table.Op
	}{
		{"no operation", nil},
		{"two operations on one item", []table.Op{table.Create(good), table.Check(good.Key, 0)}},
		{"an empty partition key", []table.Op{table.Create(with(func(it *table.Item) { it.PK = "" }))}},
		{"an empty sort key", []table.Op{table.Create(with(func(it *table.Item) { it.SK = "" }))}},
		{"a sort key too long", []table.Op{table.Create(with(func(it *table.Item) {
			it.SK = strings.Repeat("x", table.MaxSKBytes+1)
		}))}},
		{"a key that is not UTF-8", []table.Op{table.Create(with(func(it *table.Item) { it.SK = "\xff" }))}},
		{"half an index key", []table.Op{table.Create(with(func(it *table.Item) { it.Index.PK = "x" }))}},
		{"a body that is no object", []table.Op{table.Create(with(func(it *table.Item) { it.Body = []byte(`[]`) }))}},
		{"a name that is taken", []table.Op{table.Create(with(func(it *table.Item) { it.Body = []byte(`{"PK":"x"}`) }))}},
		{"an item too large", []table.Op{table.Create(with(func(it *table.Item) { it.Body = []byte(large) }))}},
		{"an update without a version", []table.Op{table.Update(good)}},
		{"a delete without a version", []table.Op{table.Delete(good.Key, 0)}},
		{"a raise to no number", []table.Op{table.Raise(good)}},
		{"a raise that makes the stored item too large", []table.Op{table.Raise(table.Item{
			Key: merged.Key, Version: 2, Body: []byte(`{"y":"` + strings.Repeat("y", 2<<10) + `"}`),
		})}},
		{"one of two wrong", []table.Op{table.Create(good), table.Delete(b.key("", "b"), -1)}},
	} {
		b.T.Run(c.name, func(t *testing.T) {
			wantInvalid(&bench{T: t}, b.Write(t.Context(), c.ops...))
		})
	}
	if diff := compare([]table.Item{merged}, b.pages(table.Q{PK: b.run})); diff != "" {
		b.Errorf("stored (-want +got)\n%s", diff)
	}
}

func testBodies(b *bench) {
	for i, body := range []string{
		`{}`,
		`{"text":"","spaces":"  ","unicode":"añ😀\u0000\u001f\"\\","html":"<&>"}`,
		`{"yes":true,"no":false,"nothing":null}`,
		`{"zero":0,"minus":-1,"fraction":0.125,"exponent":15e-1,"int64":9223372036854775807}`,
		`{"digits":12345678901234567890123456789012345678,"small":1e-130,"large":9e125}`,
		`{"list":[1,"two",[],{},[null,{"a":[3]}]],"map":{"a":{"b":{}}}}`,
		`{"deep":` + strings.Repeat(`[`, table.MaxDepth-1) + strings.Repeat(`]`, table.MaxDepth-1) + `}`,
		` { "spaced" : [ 1 , 2 ] } `,
		`{"pk":"lower case is free","name with spaces.and[0]#:":1,"ñ":2}`,
		`{"much":"` + strings.Repeat("x", table.MaxItemBytes-2<<10) + `"}`,
	} {
		it := table.Item{Key: b.key("", fmt.Sprint(i)), Body: []byte(body)}
		b.write(table.Create(it))
		it.Version = 1
		if diff := compare([]table.Item{it}, b.get(it.Key)); diff != "" {
			b.Errorf("body %.80s (-want +got)\n%s", body, diff)
		}
	}
}

func testExpires(b *bench) {
	it := table.Item{Key: b.key("", "a"), Body: []byte(`{}`)}
	it.Expires = longAgo.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))
	b.write(table.Create(it))
	it.Version, it.Expires = 1, longAgo
	if diff := compare([]table.Item{it}, b.get(it.Key)); diff != "" {
		b.Errorf("(-want +got)\n%s", diff)
	}
	b.write(table.Update(table.Item{Key: it.Key, Version: 1, Body: it.Body}))
	if got := b.get(it.Key)[0]; !got.Expires.IsZero() {
		b.Errorf("expires %v after an update without, want zero", got.Expires)
	}
}

func testGet(b *bench) {
	var keys []table.Key
	var want []table.Item
	for i := range table.MaxOps {
		it := table.Item{Key: b.key(fmt.Sprint(i%7), fmt.Sprint(i)), Body: fmt.Appendf(nil, `{"i":%d}`, i)}
		keys = append(keys, it.Key)
		if i%3 == 0 {
			want = append(want, table.Item{Key: it.Key})
			continue
		}
		b.write(table.Create(it))
		it.Version = 1
		want = append(want, it)
	}
	b.sub("items come in the order asked, what is not there has only its key", func(b *bench) {
		if diff := compare(want, b.get(keys...)); diff != "" {
			b.Errorf("(-want +got)\n%s", diff)
		}
		slices.Reverse(keys)
		slices.Reverse(want)
		if diff := compare(want, b.get(keys...)); diff != "" {
			b.Errorf("(-want +got)\n%s", diff)
		}
	})
	b.sub("no key is answered with no item", func(b *bench) {
		if got := b.get(); len(got) != 0 {
			b.Errorf("%d items", len(got))
		}
	})
	for _, c := range []struct {
		name string
		keys []table.Key
	}{
		{"too many keys", append(slices.Clone(keys), b.key("", "more"))},
		{"a key twice", []table.Key{keys[1], keys[0], keys[1]}},
		{"an empty key", []table.Key{{PK: "x"}}},
	} {
		b.sub(c.name, func(b *bench) {
			_, err := b.Get(b.Context(), c.keys...)
			wantInvalid(b, err)
		})
	}
}
