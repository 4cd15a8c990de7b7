package tabletest_test

import (
	"errors"
	"strings"
	"testing"

	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// writeKB is the size of an entry of the index that costs one unit.
const writeKB = 1 << 10

// longPlace is an index sort key that makes the entry of keyA so many bytes.
func longPlace(size int) string {
	return strings.Repeat("k", size-len("PK"+"p"+"SK"+"a"+"IndexPK"+"i"+"IndexSK"))
}

func TestCounting(t *testing.T) {
	// sized is an item of a little less than so many KB.
	sized := func(k table.Key, index string, version int64, kb int) table.Item {
		it := itemAt(k, index)
		it.Version, it.Body = version, []byte(`{"x":"`+strings.Repeat("x", kb<<10-100)+`"}`)
		return it
	}
	ask := func(call func(table.Table) error) func(table.Table) error { return call }
	write := func(ops ...table.Op) func(table.Table) error {
		return ask(func(tab table.Table) error { return tab.Write(t.Context(), ops...) })
	}
	get := func(keys ...table.Key) func(table.Table) error {
		return ask(func(tab table.Table) error { _, err := tab.Get(t.Context(), keys...); return err })
	}
	query := func(q table.Q) func(table.Table) error {
		return ask(func(tab table.Table) error { _, err := tab.Query(t.Context(), q); return err })
	}
	for _, c := range []struct {
		name        string
		given       []table.Op
		call        func(table.Table) error
		read, write float64
		err         error
	}{
		{name: "a create", call: write(table.Create(sized(keyA, "", 0, 1))), write: 1},
		{name: "a create of 3 KB", call: write(table.Create(sized(keyA, "", 0, 3))), write: 3},
		{name: "two creates cost double", call: write(table.Create(sized(keyA, "", 0, 1)), table.Create(sized(keyB, "", 0, 3))), write: 8},
		{name: "a message: turn in the index, conversation",
			given: []table.Op{table.Create(sized(keyB, "", 0, 1))},
			call:  write(table.Create(sized(keyA, "k", 0, 1)), table.Update(sized(keyB, "", 1, 1))), write: 5},
		{name: "an update costs the larger of both",
			given: []table.Op{table.Create(sized(keyA, "", 0, 4))}, call: write(table.Update(sized(keyA, "", 1, 2))), write: 4},
		{name: "a delete costs what goes",
			given: []table.Op{table.Create(sized(keyA, "", 0, 4))}, call: write(table.Delete(keyA, 1)), write: 4},
		{name: "a check costs like a write",
			given: []table.Op{table.Create(sized(keyA, "", 0, 2))},
			call:  write(table.Check(keyA, 1), table.Check(keyB, 0)), write: 6},
		{name: "a condition that does not hold costs the same",
			given: []table.Op{table.Create(sized(keyA, "k", 0, 2))}, call: write(table.Update(sized(keyA, "l", 5, 1))),
			write: 2, err: fault.Conflict},
		{name: "a lone check is a transaction", call: write(table.Check(keyA, 0)), write: 2},
		{name: "into the index", call: write(table.Create(sized(keyA, "k", 0, 2))), write: 2 + 1},
		{name: "in its place in the index",
			given: []table.Op{table.Create(sized(keyA, "k", 0, 2))}, call: write(table.Update(sized(keyA, "k", 1, 1))), write: 2},
		{name: "a move within the index",
			given: []table.Op{table.Create(sized(keyA, "k", 0, 2))}, call: write(table.Update(sized(keyA, "l", 1, 1))), write: 2 + 2},
		{name: "out of the index",
			given: []table.Op{table.Create(sized(keyA, "k", 0, 2))}, call: write(table.Delete(keyA, 1)), write: 2 + 1},
		{name: "a raise that leaves the place in the index",
			given: []table.Op{table.Raise(sized(keyA, "k", 1, 1))}, call: write(table.Raise(sized(keyA, "", 2, 1))), write: 1},
		{name: "an entry of exactly a KB", call: write(table.Create(sized(keyA, longPlace(writeKB), 0, 2))), write: 3 + 1},
		{name: "an entry of a byte more", call: write(table.Create(sized(keyA, longPlace(writeKB+1), 0, 2))), write: 3 + 2},
		{name: "a wrong write", call: write(), err: fault.Invalid},
		{name: "a get of a small item", given: []table.Op{table.Create(sized(keyA, "", 0, 1))}, call: get(keyA), read: 1},
		{name: "a get of nothing", call: get(keyA), read: 1},
		{name: "a get counts each item by itself",
			given: []table.Op{table.Create(sized(keyA, "", 0, 1)), table.Create(sized(keyB, "", 0, 9))}, call: get(keyA, keyB), read: 1 + 3},
		{name: "a query counts the page as a whole",
			given: []table.Op{table.Create(sized(keyA, "", 0, 1)), table.Create(sized(keyB, "", 0, 5))}, call: query(table.Q{PK: "p"}), read: 2},
		{name: "a query of the index costs half for the keys, and each item by itself",
			given: []table.Op{table.Create(sized(keyA, "k", 0, 1)), table.Create(sized(keyB, "k", 0, 5))},
			call:  query(table.Q{PK: "i", Index: true}), read: 0.5 + 1 + 2},
		{name: "a query without an answer", call: query(table.Q{PK: "p"}), read: 1},
		{name: "a query of the index without an answer", call: query(table.Q{PK: "i", Index: true}), read: 0.5},
		{name: "a wrong query", call: query(table.Q{}), err: fault.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := tabletest.Open(t)
			for _, op := range c.given {
				must(t, inner.Write(t.Context(), op))
			}
			meter := tabletest.Counting(inner)
			if err := c.call(meter); !errors.Is(err, c.err) || (err != nil) != (c.err != nil) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if read, write := meter.Units(); read != c.read || write != c.write {
				t.Errorf("%v read and %v write units, want %v and %v", read, write, c.read, c.write)
			}
		})
	}
}

func TestCountingDoesNotBillWhatWasRefusedForTheMoment(t *testing.T) {
	meter := tabletest.Counting(tabletest.Hostile(tabletest.Open(t), 1, frozen().now, tabletest.Rates{Conflict: 1}))
	if err := meter.Write(t.Context(), table.Create(itemAt(keyA, ""))); !errors.Is(err, fault.Busy) {
		t.Fatalf("error %v", err)
	}
	if read, write := meter.Units(); read != 0 || write != 0 {
		t.Errorf("%v read and %v write units", read, write)
	}
}
