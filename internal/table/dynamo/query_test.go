package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/table"
)

// page is an answer to a Query; last is the LastEvaluatedKey, if any.
func page(last string, items ...string) answer {
	body := `{"Items":[` + strings.Join(items, ",") + `]`
	if last != "" {
		body += `,"LastEvaluatedKey":` + last
	}
	return ok(body + `}`)
}

func place(sk string) table.Key { return table.Key{PK: "i", SK: sk} }

func TestQueryRequests(t *testing.T) {
	const base = `"TableName":"buzon-test","ConsistentRead":true,"ScanIndexForward":true`
	longest := strings.Repeat("\U0010FFFF", (table.MaxSKBytes-4)/4) + "\uFFFF" // behind "a"
	after := table.Q{PK: "p", Prefix: "a"}
	after.Cursor = after.CursorAfter(table.Item{Key: key("aa")})
	inIndex := table.Q{PK: "i", Index: true, From: "k", Reverse: true, Limit: 7}
	inIndex.Cursor = inIndex.CursorAfter(table.Item{Key: key("s"), Index: place("kk")})
	beginning := table.Q{PK: "p"}
	beginning.Cursor = beginning.CursorAfter(table.Item{})
	for _, c := range []struct {
		name string
		q    table.Q
		body string
	}{
		{"a partition", table.Q{PK: "p"},
			`{` + base + `,"Limit":1000,"KeyConditionExpression":"PK = :pk","ExpressionAttributeValues":{":pk":{"S":"p"}}}`},
		{"from", table.Q{PK: "p", From: "a", Limit: 1},
			`{` + base + `,"Limit":1,"KeyConditionExpression":"PK = :pk AND SK >= :from","ExpressionAttributeValues":{":pk":{"S":"p"},":from":{"S":"a"}}}`},
		{"to", table.Q{PK: "p", To: "b", Limit: 1000},
			`{` + base + `,"Limit":1000,"KeyConditionExpression":"PK = :pk AND SK < :to","ExpressionAttributeValues":{":pk":{"S":"p"},":to":{"S":"b"}}}`},
		{"from and to are between from and the last before to", table.Q{PK: "p", From: "a", To: "b"},
			`{` + base + `,"Limit":1000,"KeyConditionExpression":"PK = :pk AND SK BETWEEN :from AND :last","ExpressionAttributeValues":{":pk":{"S":"p"},":from":{"S":"a"},":last":{"S":"a` + longest + `"}}}`},
		{"a prefix after a place", after,
			`{` + base + `,"Limit":1000,"KeyConditionExpression":"PK = :pk AND begins_with(SK, :prefix)","ExpressionAttributeValues":{":pk":{"S":"p"},":prefix":{"S":"a"}},
			"ExclusiveStartKey":{"PK":{"S":"p"},"SK":{"S":"aa"}}}`},
		{"a cursor of the beginning", beginning,
			`{` + base + `,"Limit":1000,"KeyConditionExpression":"PK = :pk","ExpressionAttributeValues":{":pk":{"S":"p"}}}`},
		{"the index is not asked strongly, which DynamoDB refuses", inIndex,
			`{"TableName":"buzon-test","IndexName":"Index","ScanIndexForward":false,"Limit":7,"KeyConditionExpression":"IndexPK = :pk AND IndexSK >= :from",
			"ExpressionAttributeValues":{":pk":{"S":"i"},":from":{"S":"k"}},
			"ExclusiveStartKey":{"PK":{"S":"p"},"SK":{"S":"s"},"IndexPK":{"S":"i"},"IndexSK":{"S":"kk"}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, s := canned(t, page(""))
			got, err := tab.Query(t.Context(), c.q)
			if err != nil || len(got.Items) != 0 || got.Next != "" {
				t.Errorf("%+v (%v)", got, err)
			}
			if diff := cmp.Diff(object(t, c.body), s.sent[0].body); diff != "" || len(s.sent) != 1 {
				t.Errorf("%v (-want +got)\n%s", s.actions(), diff)
			}
		})
	}
}

func TestQueryThatCannotWorkIsNotSent(t *testing.T) {
	tab, s := canned(t, page(""))
	for _, q := range []table.Q{{}, {PK: "p", Limit: table.MaxPage + 1}, {PK: "p", Cursor: "none"}} {
		if _, err := tab.Query(t.Context(), q); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: error %v", q, err)
		}
	}
	if len(s.sent) != 0 {
		t.Errorf("sent %v", s.actions())
	}
}

func TestPageOfTheBaseTable(t *testing.T) {
	q := table.Q{PK: "p"}
	a, b := storedItem(key("a"), table.Key{}, ``), storedItem(key("b"), table.Key{}, ``)
	for _, c := range []struct {
		name string
		page answer
		want []string
		next string
	}{
		{"the last", page("", a, b), []string{"a", "b"}, ""},
		{"one that ends at the limit", page(`{`+attributesOf(key("b"))+`}`, a, b), []string{"a", "b"}, q.CursorAfter(table.Item{Key: key("b")})},
		{"one without items that has more behind it", page(`{` + attributesOf(key("m")) + `}`), nil, q.CursorAfter(table.Item{Key: key("m")})},
	} {
		tab, _ := canned(t, c.page)
		got, err := tab.Query(t.Context(), q)
		if err != nil || !slices.Equal(sortKeys(got), c.want) || got.Next != c.next {
			t.Errorf("%s: %v, next %q (%v)", c.name, sortKeys(got), got.Next, err)
		}
	}
	tab, _ := canned(t, page(`{"PK":{"S":"secret"}}`, a))
	_, err := tab.Query(t.Context(), q)
	wantKind(t, err, errNone)
}

func sortKeys(p table.Page) []string {
	var list []string
	for _, it := range p.Items {
		list = append(list, it.SK)
	}
	return list
}

func TestPageOfTheIndexHoldsWhatIsStoredNow(t *testing.T) {
	q := table.Q{PK: "i", Index: true}
	next := func(sk, at string) string { return q.CursorAfter(table.Item{Key: key(sk), Index: place(at)}) }
	here := func(sk, at string) string { return storedItem(key(sk), place(at), ``) }
	for _, c := range []struct {
		name    string
		entries answer
		items   answer
		want    []string
		next    string
		sent    int
	}{
		{"the items come in the order of their entries",
			page("", entry(key("b"), place("1")), entry(key("a"), place("2"))), batch([]string{here("a", "2"), here("b", "1")}), []string{"b", "a"}, "", 2},
		{"an item that is gone is left out, and the cursor follows the entries",
			page(entry(key("b"), place("2")), entry(key("a"), place("1")), entry(key("b"), place("2"))), batch([]string{here("a", "1")}), []string{"a"}, next("b", "2"), 2},
		{"an item that moved on is left out",
			page("", entry(key("a"), place("1")), entry(key("b"), place("2"))), batch([]string{here("a", "9"), here("b", "2")}), []string{"b"}, "", 2},
		{"an item that left the index is left out",
			page("", entry(key("a"), place("1"))), batch([]string{storedItem(key("a"), table.Key{}, ``)}), nil, "", 2},
		{"an item that moved to another partition is left out",
			page("", entry(key("a"), place("1"))), batch([]string{storedItem(key("a"), table.Key{PK: "j", SK: "1"}, ``)}), nil, "", 2},
		{"an item with two entries is asked for once, and given where it is",
			page("", entry(key("a"), place("1")), entry(key("b"), place("2")), entry(key("a"), place("3"))),
			batch([]string{here("a", "3"), here("b", "2")}), []string{"b", "a"}, "", 2},
		{"all gone", page(entry(key("a"), place("1")), entry(key("a"), place("1"))), batch(nil), nil, next("a", "1"), 2},
		{"no entries and more behind them", page(entry(key("m"), place("5"))), batch(nil), nil, next("m", "5"), 1},
		{"no entries at all", page(""), batch(nil), nil, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, s := canned(t, c.entries, c.items)
			got, err := tab.Query(t.Context(), q)
			if err != nil || !slices.Equal(sortKeys(got), c.want) || got.Next != c.next {
				t.Errorf("%v, next %q (%v), want %v, next %q", sortKeys(got), got.Next, err, c.want, c.next)
			}
			if len(s.sent) != c.sent {
				t.Errorf("sent %v", s.actions())
			}
		})
	}
	tab, _ := canned(t, page("", `{`+attributesOf(secretKey)+`}`), batch([]string{storedItem(secretKey, table.Key{}, ``)}))
	if got, err := tab.Query(t.Context(), q); err != nil || len(got.Items) != 1 {
		t.Errorf("%+v (%v)", got, err)
	}
}

// many answers a question to the index with so many entries, and reads with
// items that have a text of so many bytes.
func many(t *testing.T, entries, bytes int) (respond func(request) answer) {
	var list []string
	for i := range entries {
		list = append(list, entry(key(fmt.Sprintf("%04d", i)), place(fmt.Sprintf("%04d", i))))
	}
	text := fmt.Sprintf(`,"x":{"S":%q}`, strings.Repeat("x", bytes))
	return func(r request) answer {
		if r.action == "Query" {
			return page("", list...)
		}
		asked := r.body["RequestItems"].(map[string]any)["buzon-test"].(map[string]any)
		if asked["ConsistentRead"] != true {
			t.Error("the items are not read strongly")
		}
		var items []string
		for _, k := range asked["Keys"].([]any) {
			sk := k.(map[string]any)["SK"].(map[string]any)["S"].(string)
			items = append(items, storedItem(key(sk), place(sk), text))
		}
		if len(items) > table.MaxOps {
			t.Errorf("%d keys in a batch", len(items))
		}
		return batch(items)
	}
}

func TestPageOfTheIndexIsReadAHundredAtATime(t *testing.T) {
	for entries, reads := range map[int]int{1: 1, 100: 1, 101: 2, 1000: 10} {
		tab, s := canned(t)
		s.respond = many(t, entries, 10)
		got, err := tab.Query(t.Context(), table.Q{PK: "i", Index: true})
		if err != nil || len(got.Items) != entries || got.Next != "" || len(s.sent) != 1+reads {
			t.Errorf("%d entries: %d items, next %q (%v), %d calls", entries, len(got.Items), got.Next, err, len(s.sent))
		}
		if !slices.IsSorted(sortKeys(got)) {
			t.Errorf("%d entries: out of order", entries)
		}
	}
}

func TestPageOfTheIndexEndsWithTheRoundThatMakesAMegabyte(t *testing.T) {
	q := table.Q{PK: "i", Index: true}
	const entries, round = 1000, 400
	empty := table.Size(table.Item{Key: key("0000"), Index: place("0000"), Version: 3, Body: []byte(`{"x":""}`)})
	megabyte := func(items int) int { return (1<<20+items-1)/items - empty } // bytes of text, so that no fewer items make one
	for _, c := range []struct{ bytes, items int }{
		{megabyte(round), round},
		{megabyte(round) - 1, 2 * round},
		{megabyte(2 * round), 2 * round},
		{megabyte(2*round) - 1, entries},
	} {
		tab, s := canned(t)
		s.respond = many(t, entries, c.bytes)
		got, err := tab.Query(t.Context(), q)
		next := ""
		if c.items < entries {
			last := fmt.Sprintf("%04d", c.items-1)
			next = q.CursorAfter(table.Item{Key: key(last), Index: place(last)})
		}
		if err != nil || len(got.Items) != c.items || got.Next != next {
			t.Errorf("%d bytes: %d items, want %d; next %q (%v)", c.bytes, len(got.Items), c.items, got.Next, err)
		}
	}
}

func TestOneReadOfThePageThatFailsFailsThePage(t *testing.T) {
	good := many(t, 250, 10)
	reads := 0
	tab, s := canned(t)
	s.respond = func(r request) answer {
		if r.action == "BatchGetItem" {
			if reads++; reads > 1 {
				return refusal("ProvisionedThroughputExceededException")
			}
		}
		return good(r)
	}
	_, err := tab.Query(t.Context(), table.Q{PK: "i", Index: true})
	wantKind(t, err, fault.Busy)
}
