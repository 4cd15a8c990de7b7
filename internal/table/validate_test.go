package table

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/fault"
	"buzon/internal/fuzztest"
)

var goodItem = Item{Key: Key{"p", "s"}, Body: []byte(`{}`)}

func with(change func(*Item)) Item {
	it := goodItem
	change(&it)
	return it
}

func body(text string) Item { return with(func(it *Item) { it.Body = []byte(text) }) }

// wide is a body whose one field is a text of n bytes.
func wide(n int) []byte { return []byte(`{"x":"` + strings.Repeat("x", n) + `"}`) }

// roomy is the text that fills goodItem at version 1 to the limit: what is left
// after PK, SK, Version, and the field's name.
const roomy = MaxItemBytes - (2 + 1) - (2 + 1) - (7 + 2) - 1

func many(n int, op func(i int) Op) []Op {
	var ops []Op
	for i := range n {
		ops = append(ops, op(i))
	}
	return ops
}

func numbered(i int) Item {
	return with(func(it *Item) { it.SK = fmt.Sprint(i) })
}

func nested(depth int) string {
	return `{"x":` + strings.Repeat(`[`, depth-1) + strings.Repeat(`]`, depth-1) + `}`
}

func fields(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(`"f%d":1`, i))
	}
	return "{" + strings.Join(names, ",") + "}"
}

func TestValidate(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name string
		ops  []Op
		want string // part of the error; empty: valid
	}{
		{"no operation", nil, "0 operations"},
		{"one operation", []Op{Create(goodItem)}, ""},
		{"as many operations as allowed", many(MaxOps, func(i int) Op { return Create(numbered(i)) }), ""},
		{"one operation more", many(MaxOps+1, func(i int) Op { return Create(numbered(i)) }), "101 operations"},
		{"two operations on one item", []Op{Create(numbered(1)), Create(goodItem), Check(goodItem.Key, 0)},
			"operations 1 and 2 are on one item"},
		{"the same sort key in two partitions", []Op{Create(goodItem), Create(with(func(it *Item) { it.PK = "q" }))}, ""},

		{"an empty partition key", []Op{Create(with(func(it *Item) { it.PK = "" }))}, "key PK is empty"},
		{"an empty sort key", []Op{Check(Key{PK: "p"}, 0)}, "key SK is empty"},
		{"the longest partition key", []Op{Check(Key{long(MaxPKBytes), "s"}, 0)}, ""},
		{"a longer partition key", []Op{Check(Key{long(MaxPKBytes + 1), "s"}, 0)}, "key PK of 2049 bytes"},
		{"the longest sort key", []Op{Delete(Key{"p", long(MaxSKBytes)}, 1)}, ""},
		{"a longer sort key", []Op{Delete(Key{"p", long(MaxSKBytes + 1)}, 1)}, "key SK of 1025 bytes"},
		{"a partition key that is not UTF-8", []Op{Check(Key{"\xc3", "s"}, 0)}, "key PK is not UTF-8"},
		{"a sort key that is not UTF-8", []Op{Check(Key{"p", "a\xff"}, 0)}, "key SK is not UTF-8"},
		{"any UTF-8 in a key", []Op{Check(Key{"\x00\U0010FFFF", "ñ\n"}, 0)}, ""},

		{"an index key", []Op{Create(with(func(it *Item) { it.Index = Key{long(MaxPKBytes), long(MaxSKBytes)} }))}, ""},
		{"an index key without a sort key", []Op{Create(with(func(it *Item) { it.Index.PK = "i" }))}, "index key SK is empty"},
		{"an index key without a partition", []Op{Raise(with(func(it *Item) { it.Version, it.Index.SK = 1, "i" }))}, "index key PK is empty"},
		{"an index partition too long", []Op{Create(with(func(it *Item) { it.Index = Key{long(MaxPKBytes + 1), "s"} }))}, "index key PK of"},
		{"an index sort key too long", []Op{Create(with(func(it *Item) { it.Index = Key{"p", long(MaxSKBytes + 1)} }))}, "index key SK of"},
		{"an index key that is not UTF-8", []Op{Create(with(func(it *Item) { it.Index = Key{"p", "\xff"} }))}, "index key SK is not UTF-8"},

		{"an update without a version", []Op{Update(goodItem)}, "version 0"},
		{"an update at a negative version", []Op{Update(with(func(it *Item) { it.Version = -1 }))}, "version -1"},
		{"an update at version 1", []Op{Update(with(func(it *Item) { it.Version = 1 }))}, ""},
		{"an update that has no next version", []Op{Update(with(func(it *Item) { it.Version = math.MaxInt64 }))}, "version 9223372036854775807"},
		{"a delete without a version", []Op{Delete(goodItem.Key, 0)}, "version 0"},
		{"a check of nothing", []Op{Check(goodItem.Key, 0)}, ""},
		{"a check at a negative version", []Op{Check(goodItem.Key, -1)}, "version -1"},
		{"a raise to 0", []Op{Raise(goodItem)}, "raise wants a positive number"},
		{"a raise to 1", []Op{Raise(with(func(it *Item) { it.Version = 1 }))}, ""},
		{"a raise of as many fields as allowed", []Op{Raise(with(func(it *Item) {
			it.Version, it.Body = 1, []byte(fields(MaxRaiseFields))
		}))}, ""},
		{"a raise of one field more", []Op{Raise(with(func(it *Item) {
			it.Version, it.Body = 1, []byte(fields(MaxRaiseFields+1))
		}))}, "201 fields to raise"},
		{"a create of more fields", []Op{Create(body(fields(MaxRaiseFields + 1)))}, ""},
		{"an operation without a kind", []Op{{Item: goodItem}}, "kind 0"},
		{"the second operation is wrong", []Op{Create(goodItem), Delete(Key{"p", "t"}, 0)}, "operation 1: version 0"},

		{"the largest item", []Op{Create(with(func(it *Item) { it.Body = wide(roomy) }))}, ""},
		{"a larger item", []Op{Create(with(func(it *Item) { it.Body = wide(roomy + 1) }))}, "item of 409601 bytes"},
		{"an item that is too large only with its index key and expiry", []Op{Create(with(func(it *Item) {
			it.Body, it.Index, it.Expires = wide(roomy-(7+1+7+1)-(7+6)+1), Key{"i", "k"}, time.Unix(1234567891, 0)
		}))}, "item of 409601 bytes"},
		{"the largest item with index key and expiry", []Op{Create(with(func(it *Item) {
			it.Body, it.Index, it.Expires = wide(roomy-(7+1+7+1)-(7+6)), Key{"i", "k"}, time.Unix(1234567891, 0)
		}))}, ""},
		{"a body of a delete does not count", []Op{Delete(goodItem.Key, 1), {OpCheck, with(func(it *Item) {
			it.SK, it.Body = "t", []byte("no JSON")
		})}}, ""},
		{"the largest Write", many(MaxOps, func(i int) Op {
			return Create(with(func(it *Item) { it.SK, it.Body = fmt.Sprintf("%02d", i), wide(MaxWriteBytes/MaxOps-17) }))
		}), ""},
		{"a larger Write", many(MaxOps, func(i int) Op {
			return Create(with(func(it *Item) { it.SK, it.Body = fmt.Sprintf("%02d", i), wide(MaxWriteBytes/MaxOps-16) }))
		}), "bytes, want at most 4194304"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, Validate(c.ops), c.want) })
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	switch {
	case part == "" && err != nil:
		t.Error(err)
	case part != "" && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), part)):
		t.Errorf("error %v, want an invalid with %q", err, part)
	}
}

func TestValidateBody(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"an empty object", `{}`, ""},
		{"white space around", " \n{ } \t", ""},
		{"nothing", ``, "not one JSON value"},
		{"null", `null`, "not a JSON object"},
		{"an array", `[]`, "not a JSON object"},
		{"a text", `"{}"`, "not a JSON object"},
		{"a cut object", `{"x":1`, "not one JSON value"},
		{"a trailing comma", `{"x":1,}`, "not one JSON value"},
		{"two objects", `{}{}`, "not one JSON value"},
		{"something behind", `{} x`, "not one JSON value"},
		{"not UTF-8", "{\"x\":\"\xff\"}", "not UTF-8"},
		{"a field twice", `{"x":1,"y":2,"x":3}`, `field "x": twice`},
		{"a field twice in two spellings", `{"x":1,"\u0078":3}`, `field "x": twice`},
		{"a field twice further in is the last one", `{"a":{"x":1,"x":2}}`, ""},
		{"a field without a name", `{"":1}`, "without a name"},
		{"a field without a name further in", `{"x":[{"":1}]}`, "without a name"},
		{"the longest name", `{"` + strings.Repeat("n", MaxNameBytes) + `":1}`, ""},
		{"a longer name", `{"` + strings.Repeat("n", MaxNameBytes+1) + `":1}`, "field name of 65536 bytes"},
		{"PK", `{"PK":1}`, "field PK: the name is taken"},
		{"SK", `{"SK":1}`, "taken"},
		{"Version", `{"Version":1}`, "taken"},
		{"IndexPK", `{"IndexPK":1}`, "taken"},
		{"IndexSK", `{"IndexSK":1}`, "taken"},
		{"Expires", `{"\u0045xpires":1}`, "taken"},
		{"a taken name in lower case", `{"pk":1,"version":2}`, ""},
		{"a taken name further in", `{"x":{"PK":1}}`, ""},
		{"as deep as allowed", nested(MaxDepth), ""},
		{"deeper", nested(MaxDepth + 1), "nested deeper than 32"},
		{"very deep", nested(100_000), "invalid"},
		{"as many digits as allowed", `{"x":` + strings.Repeat("9", MaxDigits) + `}`, ""},
		{"more digits", `{"x":` + strings.Repeat("9", MaxDigits+1) + `}`, "39 significant digits"},
		{"digits around the point", `{"x":-0.00` + strings.Repeat("9", MaxDigits) + `e5}`, ""},
		{"more digits around the point", `{"x":9.` + strings.Repeat("9", MaxDigits) + `}`, "39 significant digits"},
		{"zeros are not significant", `{"x":1` + strings.Repeat("0", 100) + `,"y":0.` + strings.Repeat("0", 100) + `1}`, ""},
		{"the largest number", `{"x":9.9999999999999999999999999999999999999e125}`, ""},
		{"a larger number", `{"x":1e126}`, "number beyond"},
		{"a larger number by its zeros", `{"x":-1` + strings.Repeat("0", 126) + `}`, "number beyond"},
		{"the smallest number", `{"x":1e-130}`, ""},
		{"a smaller number", `{"x":9e-131}`, "number beyond"},
		{"a smaller number by its zeros", `{"x":0.` + strings.Repeat("0", 130) + `1}`, "number beyond"},
		{"an exponent beyond all", `{"x":1e99999999999999999999}`, "number beyond"},
		{"a negative exponent beyond all", `{"x":1e-99999999999999999999}`, "number beyond"},
		{"zero with any exponent", `{"x":0e99999999999999999999}`, ""},
		{"a number wrong further in", `{"x":[{"y":1e126}]}`, `field "x": field "y": number beyond`},
		{"much white space", `{` + strings.Repeat(" ", maxBodyText-2) + `}`, ""},
		{"too much white space", `{` + strings.Repeat(" ", maxBodyText-1) + `}`, "bytes of JSON"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, Validate([]Op{Create(body(c.body))}), c.want) })
	}
}

func TestValidateKeys(t *testing.T) {
	keys := func(n int) (list []Key) {
		for i := range n {
			list = append(list, Key{"p", fmt.Sprint(i)})
		}
		return list
	}
	for _, c := range []struct {
		name string
		keys []Key
		want string
	}{
		{"no key", nil, ""},
		{"as many keys as allowed", keys(MaxOps), ""},
		{"one key more", keys(MaxOps + 1), "101 keys"},
		{"a key twice", append(keys(3), Key{"p", "1"}), "keys 1 and 3 are the same"},
		{"an empty key", append(keys(1), Key{}), "key 1: key PK is empty"},
		{"a key too long", []Key{{"p", strings.Repeat("x", MaxSKBytes+1)}}, "key SK of 1025 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, ValidateKeys(c.keys), c.want) })
	}
}

func TestValidateQuery(t *testing.T) {
	longest := strings.Repeat("x", MaxSKBytes)
	for _, c := range []struct {
		name string
		q    Q
		want string
	}{
		{"a partition", Q{PK: "p"}, ""},
		{"no partition", Q{}, "partition is empty"},
		{"a partition too long", Q{PK: strings.Repeat("x", MaxPKBytes+1)}, "partition of 2049 bytes"},
		{"the longest bounds", Q{PK: "p", From: longest[1:], To: longest}, ""},
		{"from too long", Q{PK: "p", From: longest + "x"}, "from of 1025 bytes"},
		{"to too long", Q{PK: "p", To: longest + "x"}, "to of 1025 bytes"},
		{"the longest prefix", Q{PK: "p", Prefix: longest}, ""},
		{"prefix too long", Q{PK: "p", Prefix: longest + "x"}, "prefix of 1025 bytes"},
		{"prefix not UTF-8", Q{PK: "p", Prefix: "ñ"[:1]}, "prefix is not UTF-8"},
		{"to behind from", Q{PK: "p", From: "a", To: "a\x00"}, ""},
		{"to at from", Q{PK: "p", From: "a", To: "a"}, "nothing lies between"},
		{"to before from", Q{PK: "p", From: "b", To: "a"}, "nothing lies between"},
		{"prefix with from", Q{PK: "p", Prefix: "a", From: "a"}, "prefix together with"},
		{"prefix with to", Q{PK: "p", Prefix: "a", To: "b"}, "prefix together with"},
		{"the largest page", Q{PK: "p", Limit: MaxPage}, ""},
		{"a larger page", Q{PK: "p", Limit: MaxPage + 1}, "limit 1001"},
		{"a negative page", Q{PK: "p", Limit: -1}, "limit -1"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, ValidateQuery(c.q), c.want) })
	}
}

func TestSize(t *testing.T) {
	const system = (2 + 1) + (2 + 1) + (7 + 2) // PK p, SK s, Version 1
	for _, c := range []struct {
		body string
		want int
	}{
		{`{}`, 0},
		{`{"ab":"ñ\u00f1"}`, 2 + 4},
		{`{"a":true,"b":null}`, 2 + 2},
		{`{"a":0}`, 1 + 1},
		{`{"a":7}`, 1 + 2},
		{`{"a":-12345}`, 1 + 3 + 1 + 1},
		{`{"a":1000000}`, 1 + 2},
		{`{"a":[]}`, 1 + 3},
		{`{"a":["x",1,{}]}`, 1 + 3 + (1 + 1) + (1 + 2) + (1 + 3)},
		{`{"a":{"bc":"d","e":""}}`, 1 + 3 + (1 + 2 + 1) + (1 + 1)},
		{`no JSON`, 7},
	} {
		it := body(c.body)
		it.Version = 1
		if got := Size(it); got != system+c.want {
			t.Errorf("%s: %d bytes, want %d", c.body, got, system+c.want)
		}
	}
	if got := Size(Item{Key: goodItem.Key}); got != 0 {
		t.Errorf("an item that does not exist: %d bytes", got)
	}
}

// bounds of what reads a text.
var bounds = fuzztest.Limit{Memory: 1 << 20, PerByte: 200}

// FuzzBody: no text panics, what is refused is an invalid, and reading takes
// time and memory in proportion to the text.
func FuzzBody(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":[1,2.5e-7,{"b":null}],"ñ":"\ud800"}`, `{"a":1,"a":2}`, nested(MaxDepth + 1), `{"x":1e999}`, "{\"\xff\":1}", `[`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var err error
		bounds.Check(t, len(text), func() { err = Validate([]Op{Create(body(string(text)))}) })
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("error %v is not an invalid", err)
		}
	})
}

func TestCursorStandsForItsPlace(t *testing.T) {
	last := Item{Key: Key{"p", "s"}, Index: Key{"i", "k"}, Version: 3, Body: []byte(`{}`)}
	longest := Item{
		Key:   Key{strings.Repeat("p", MaxPKBytes), strings.Repeat("s", MaxSKBytes)},
		Index: Key{strings.Repeat("i", MaxPKBytes), strings.Repeat("k", MaxSKBytes)},
	}
	for _, c := range []struct {
		name       string
		q          Q
		last, want Item
	}{
		{"in a partition", Q{PK: "p"}, last, Item{Key: last.Key}},
		{"in the index", Q{PK: "i", Index: true}, last, Item{Key: last.Key, Index: last.Index}},
		{"the longest keys", Q{PK: longest.Index.PK, Index: true}, longest, longest},
		{"the beginning", Q{PK: "p"}, Item{}, Item{}},
		{"the beginning of the index", Q{PK: "p", Index: true}, Item{}, Item{}},
	} {
		c.q.Cursor = c.q.CursorAfter(c.last)
		c.q.Limit = 7 // is no part of the question
		got, err := c.q.After()
		if err != nil || got.Key != c.want.Key || got.Index != c.want.Index || got.Exists() {
			t.Errorf("%s: %+v (%v), want %+v", c.name, got, err, c.want)
		}
	}
	if got, err := (Q{PK: "p"}).After(); err != nil || got.Key != (Key{}) {
		t.Errorf("no cursor: %+v (%v)", got, err)
	}
}

func TestCursorHasOneSpelling(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, sk := range []string{"s", "st", "str"} {
		q := Q{PK: "p"}
		cursor := q.CursorAfter(Item{Key: Key{"p", sk}})
		taken := 0
		for _, last := range alphabet {
			q.Cursor = cursor[:len(cursor)-1] + string(last)
			if _, err := q.After(); err == nil {
				taken++
			}
		}
		if taken != 1 {
			t.Errorf("%s: %d spellings are taken", sk, taken)
		}
	}
}

func TestCursorOfAPlaceOutsideTheQuestionIsInvalid(t *testing.T) {
	q := Q{PK: "p", From: "b", To: "d"}
	for sk, ok := range map[string]bool{"a": false, "b": true, "c": true, "d": false} {
		q.Cursor = q.CursorAfter(Item{Key: Key{"p", sk}})
		if _, err := q.After(); (err == nil) != ok {
			t.Errorf("%s: error %v", sk, err)
		}
	}
	for name, it := range map[string]Item{
		"half a key":     {Key: Key{PK: "p"}, Index: Key{"i", "k"}},
		"no index key":   {Key: Key{"p", "s"}},
		"bad UTF-8":      {Key: Key{"p", "\xff"}, Index: Key{"i", "k"}},
		"a key too long": {Key: Key{"p", strings.Repeat("x", MaxSKBytes+1)}, Index: Key{"i", "k"}},
	} {
		q := Q{PK: "i", Index: true}
		q.Cursor = q.CursorAfter(it)
		if _, err := q.After(); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// FuzzCursor: a cursor that is taken is exactly the one that its place gives,
// and every other text is an invalid.
func FuzzCursor(f *testing.F) {
	q := Q{PK: "p", From: "a"}
	f.Add("", "p", "a", false, false)
	f.Add(q.CursorAfter(Item{Key: Key{"p", "s"}}), "p", "a", false, false)
	f.Add(q.CursorAfter(Item{}), "p", "a", false, false)
	q.Index, q.Reverse = true, true
	f.Add(q.CursorAfter(Item{Key: Key{"q", "s"}, Index: Key{"p", "b"}}), "p", "a", true, true)
	f.Add(strings.Repeat("A", maxCursorBytes+1), "p", "", false, false)
	f.Fuzz(func(t *testing.T, cursor, pk, from string, index, reverse bool) {
		q := Q{PK: pk, From: from, Index: index, Reverse: reverse, Cursor: cursor}
		var it Item
		var err error
		bounds.Check(t, len(cursor)+len(pk)+len(from), func() { it, err = q.After() })
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("error %v is not an invalid", err)
		}
		if err == nil && cursor != "" && q.CursorAfter(it) != cursor {
			t.Errorf("cursor %q stands for %+v, which gives another", cursor, it)
		}
	})
}

func TestConstructors(t *testing.T) {
	it := Item{Key: Key{"p", "s"}, Version: 4, Body: []byte(`{}`)}
	unread := Item{Key: it.Key, Body: it.Body}
	kinds := []Kind{}
	for _, op := range []Op{Create(it), Update(it), Delete(it.Key, 4), Check(it.Key, 4), Raise(it), Save(it), Save(unread)} {
		kinds = append(kinds, op.Kind)
	}
	if want := []Kind{OpCreate, OpUpdate, OpDelete, OpCheck, OpRaise, OpUpdate, OpCreate}; !slices.Equal(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
	err := error(&Refused{Ops: []int{0, 2}})
	if !errors.Is(err, fault.Conflict) || err.Error() != "table write: conditions [0 2]: conflict" {
		t.Errorf("%v is not the conflict wanted", err)
	}
}

func TestRedactedShowsNothingOfAKey_T48(t *testing.T) {
	a := Key{PK: "T#acme#UNIQUE#phone#5491155551234", SK: "UNIQUE"}
	b := Key{PK: "T#acme#UNIQUE#phone#5491155551235", SK: "UNIQUE"}
	if got := a.Redacted(); strings.Contains(got, "5491155551234") || !strings.HasPrefix(got, "UNIQUE ") || got == b.Redacted() {
		t.Errorf("%q and %q", got, b.Redacted())
	}
}
