package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/dynamo"
)

func attributesOf(k table.Key) string { return fmt.Sprintf(`"PK":{"S":%q},"SK":{"S":%q}`, k.PK, k.SK) }

// storedItem is an item as DynamoDB answers with it.
func storedItem(k, index table.Key, more string) string {
	s := `{` + attributesOf(k) + `,"Version":{"N":"3"}`
	if index.PK != "" {
		s += fmt.Sprintf(`,"IndexPK":{"S":%q},"IndexSK":{"S":%q}`, index.PK, index.SK)
	}
	return s + more + `}`
}

func entry(k, index table.Key) string {
	return fmt.Sprintf(`{%s,"IndexPK":{"S":%q},"IndexSK":{"S":%q}}`, attributesOf(k), index.PK, index.SK)
}

func batch(items []string, left ...table.Key) answer {
	unprocessed := ""
	if len(left) > 0 {
		var keys []string
		for _, k := range left {
			keys = append(keys, `{`+attributesOf(k)+`}`)
		}
		unprocessed = fmt.Sprintf(`"buzon-test":{"ConsistentRead":true,"Keys":[%s]}`, strings.Join(keys, ","))
	}
	return ok(fmt.Sprintf(`{"Responses":{"buzon-test":[%s]},"UnprocessedKeys":{%s}}`, strings.Join(items, ","), unprocessed))
}

func key(sk string) table.Key { return table.Key{PK: "p", SK: sk} }

func TestGetOfOneIsAStrongGetItem(t *testing.T) {
	tab, s := canned(t, ok(`{"Item":`+storedItem(key("a"), table.Key{PK: "i", SK: "k"}, `,"Expires":{"N":"77"},"x":{"BOOL":true}`)+`}`), ok(`{}`))
	items, err := tab.Get(t.Context(), key("a"))
	want := table.Item{
		Key: key("a"), Version: 3, Index: table.Key{PK: "i", SK: "k"}, Expires: time.Unix(77, 0).UTC(), Body: []byte(`{"x":true}`),
	}
	if diff := cmp.Diff([]table.Item{want}, items); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	wanted := object(t, `{"TableName":"buzon-test","ConsistentRead":true,"Key":{"PK":{"S":"p"},"SK":{"S":"a"}}}`)
	if diff := cmp.Diff(wanted, s.sent[0].body); diff != "" || s.sent[0].action != "GetItem" {
		t.Errorf("%s (-want +got)\n%s", s.sent[0].action, diff)
	}
	items, err = tab.Get(t.Context(), key("a"))
	if diff := cmp.Diff([]table.Item{{Key: key("a")}}, items); err != nil || diff != "" {
		t.Errorf("not there: %v (-want +got)\n%s", err, diff)
	}
}

func TestGetOfSeveralIsAStrongBatch(t *testing.T) {
	tab, s := canned(t, batch([]string{storedItem(key("c"), table.Key{}, ``), storedItem(key("a"), table.Key{}, ``)}))
	items, err := tab.Get(t.Context(), key("a"), key("b"), key("c"))
	want := []table.Item{
		{Key: key("a"), Version: 3, Body: []byte(`{}`)}, {Key: key("b")}, {Key: key("c"), Version: 3, Body: []byte(`{}`)},
	}
	if diff := cmp.Diff(want, items); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	wanted := object(t, `{"RequestItems":{"buzon-test":{"ConsistentRead":true,"Keys":[
		{"PK":{"S":"p"},"SK":{"S":"a"}},{"PK":{"S":"p"},"SK":{"S":"b"}},{"PK":{"S":"p"},"SK":{"S":"c"}}]}}}`)
	if diff := cmp.Diff(wanted, s.sent[0].body); diff != "" || !slices.Equal(s.actions(), []string{"BatchGetItem"}) {
		t.Errorf("%v (-want +got)\n%s", s.actions(), diff)
	}
	if items, err := tab.Get(t.Context()); err != nil || len(items) != 0 || len(s.sent) != 1 {
		t.Errorf("no key: %v (%v), sent %v", items, err, s.actions())
	}
}

func TestUnprocessedKeysAreAskedAgain(t *testing.T) {
	a, b, c := storedItem(key("a"), table.Key{}, ``), storedItem(key("b"), table.Key{}, ``), storedItem(key("c"), table.Key{}, ``)
	tab, s := canned(t, batch([]string{b}, key("a"), key("c")), batch([]string{}, key("a"), key("c")), batch([]string{c, a}))
	var waited pauses
	tab.Pause = waited.pause
	items, err := tab.Get(t.Context(), key("a"), key("b"), key("c"))
	if err != nil || len(items) != 3 || items[0].SK != "a" || items[1].SK != "b" || items[2].SK != "c" {
		t.Errorf("%+v (%v)", items, err)
	}
	if want := (pauses{25 * time.Millisecond, 50 * time.Millisecond}); !slices.Equal(waited, want) {
		t.Errorf("waited %v, want %v", waited, want)
	}
	left := object(t, `{"RequestItems":{"buzon-test":{"ConsistentRead":true,"Keys":[{"PK":{"S":"p"},"SK":{"S":"a"}},{"PK":{"S":"p"},"SK":{"S":"c"}}]}}}`)
	for _, r := range s.sent[1:] {
		if diff := cmp.Diff(left, r.body); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestKeysThatStayUnprocessedAreBusy(t *testing.T) {
	tab, s := canned(t, batch(nil, secretKey, otherKey))
	var waited pauses
	tab.Pause = waited.pause
	_, err := tab.Get(t.Context(), secretKey, otherKey)
	wantKind(t, err, fault.Busy)
	if len(s.sent) != 8 || len(waited) != 7 || waited[6] != 1600*time.Millisecond {
		t.Errorf("sent %d, waited %v", len(s.sent), waited)
	}

	ctx, end := context.WithCancel(t.Context())
	tab.Pause = func(ctx context.Context, _ time.Duration) error {
		end()
		return ctx.Err()
	}
	_, err = tab.Get(ctx, secretKey, otherKey)
	wantKind(t, err, errNone)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestPauseIsOverWithItsContext(t *testing.T) {
	tab := dynamo.New(client(&service{t: t}), "buzon-test")
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := tab.Pause(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := tab.Pause(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

func TestErrorsOfReads(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []answer
		want    error
	}{
		{"throttled", []answer{refusal("ThrottlingException")}, fault.Busy},
		{"beyond the table's throughput", []answer{refusal("ProvisionedThroughputExceededException")}, fault.Busy},
		{"beyond the account's throughput", []answer{refusal("RequestLimitExceeded")}, fault.Busy},
		{"an internal error", []answer{fails(500)}, fault.Busy},
		{"the connection breaks", []answer{dropped()}, fault.Busy},
		{"the connection breaks within the answer", []answer{{status: 200, body: `{"Item":{"PK":{"S":"secret`, cut: true}}, fault.Busy},
		{"an answer that is no JSON", []answer{ok(`<secret>`)}, fault.Busy},
		{"an answer at which the SDK panics", []answer{ok(`{"Item":{"":[,0,"Responses":{"":[,0`)}, fault.Busy},
		{"not what DynamoDB takes", []answer{refusal("ValidationException")}, fault.Invalid},
		{"not allowed", []answer{refusal("AccessDeniedException")}, errNone},
		{"an error without a name", []answer{{status: 400, body: `{}`}}, errNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, read := range reads {
				tab, _ := canned(t, c.answers...)
				t.Log(name)
				wantKind(t, read(t.Context(), tab), c.want)
			}
		})
	}
}

// reads are the calls that read; all of secret keys.
var reads = map[string]func(context.Context, table.Table) error{
	"get of one": func(ctx context.Context, tab table.Table) error { _, err := tab.Get(ctx, secretKey); return err },
	"get of two": func(ctx context.Context, tab table.Table) error {
		_, err := tab.Get(ctx, secretKey, otherKey)
		return err
	},
	"query": func(ctx context.Context, tab table.Table) error {
		_, err := tab.Query(ctx, table.Q{PK: secretKey.PK})
		return err
	},
	"query of the index": func(ctx context.Context, tab table.Table) error {
		_, err := tab.Query(ctx, table.Q{PK: secretKey.PK, Index: true})
		return err
	},
}

func TestReadWhoseTimeIsUp(t *testing.T) {
	for name, read := range reads {
		tab, s := canned(t)
		ctx, end := context.WithCancel(t.Context())
		s.respond = func(request) answer {
			end()
			return answer{err: ctx.Err()}
		}
		t.Log(name)
		err := read(ctx, tab)
		wantKind(t, err, errNone)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
}

func TestMissingIndexIsNamed(t *testing.T) {
	tab, _ := canned(t, answer{status: 400, body: `{"__type":"com.amazon.coral.validate#ValidationException","message":"The table does not have the specified index: Index"}`})
	_, err := tab.Query(t.Context(), table.Q{PK: "p", Index: true})
	var missing *fault.Missing
	if !errors.As(err, &missing) || missing.What != "index Index of table buzon-test" {
		t.Errorf("error %v", err)
	}
}

func TestDamagedItemIsAnErrorThatNamesWhatIsWrong(t *testing.T) {
	const pk, sk, version = `"PK":{"S":"secret-pk"}`, `"SK":{"S":"KIND#secret"}`, `"Version":{"N":"1"}`
	for _, c := range []struct{ name, item, want string }{
		{"no partition key", sk + `,` + version, "attribute PK: no text"},
		{"a sort key that is no text", pk + `,"SK":{"N":"1"},` + version, "attribute SK: no text"},
		{"no version", pk + `,` + sk, "item KIND dce91648: attribute Version: no number"},
		{"a version that is no number", pk + `,` + sk + `,"Version":{"S":"secret"}`, "attribute Version: no number"},
		{"a version of 0", pk + `,` + sk + `,"Version":{"N":"0"}`, "attribute Version: not positive"},
		{"a version beyond 64 bits", pk + `,` + sk + `,"Version":{"N":"9223372036854775808"}`, "attribute Version: no whole number"},
		{"a version that is not whole", pk + `,` + sk + `,"Version":{"N":"1.5"}`, "attribute Version: no whole number"},
		{"half an index key", pk + `,` + sk + `,` + version + `,"IndexPK":{"S":"secret"}`, "attribute IndexSK: no text"},
		{"an expiry that is no number", pk + `,` + sk + `,` + version + `,"Expires":{"S":"secret"}`, "attribute Expires: no number"},
		{"a type that JSON has not", pk + `,` + sk + `,` + version + `,"secret":{"SS":["secret"]}`, "attribute of type"},
		{"that further in", pk + `,` + sk + `,` + version + `,"x":{"L":[{"M":{"y":{"B":"c2VjcmV0"}}}]}`, "attribute of type"},
		{"a number that is none", pk + `,` + sk + `,` + version + `,"x":{"N":"secret"}`, "no JSON"},
		{"nested too deep", pk + `,` + sk + `,` + version + `,"x":` + strings.Repeat(`{"L":[`, 40) + strings.Repeat(`]}`, 40), "nested deeper than 32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, _ := canned(t, ok(`{"Item":{`+c.item+`}}`))
			_, err := tab.Get(t.Context(), secretKey)
			wantKind(t, err, errNone)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			for _, a := range []answer{batch([]string{`{` + c.item + `}`}), ok(`{"Items":[{` + c.item + `}]}`)} {
				tab, _ := canned(t, a)
				_, err := tab.Get(t.Context(), secretKey, otherKey)
				if strings.HasPrefix(a.body, `{"Items"`) {
					_, err = tab.Query(t.Context(), table.Q{PK: "p"})
				}
				wantKind(t, err, errNone)
			}
		})
	}
}

// FuzzAnswer: whatever DynamoDB says, a read gives items or an error, in time
// and memory in proportion.
func FuzzAnswer(f *testing.F) {
	for _, a := range []answer{
		ok(`{"Item":` + storedItem(key("a"), place("k"), `,"x":{"M":{"y":{"L":[{"NULL":true},{"N":"1e5"}]}}}`) + `}`),
		batch([]string{storedItem(key("a"), place("k"), ``)}, key("b")),
		page(entry(key("a"), place("k")), storedItem(key("a"), place("k"), ``)),
		ok(`{"Item":{"PK":` + strings.Repeat(`{"L":[`, 1000) + strings.Repeat(`]}`, 1000) + `}}`),
		ok(`{"Items":[null,{"PK":null}],"LastEvaluatedKey":{"PK":{"S":1}}}`),
		ok(`{"Responses":{"buzon-test":null},"UnprocessedKeys":{"buzon-test":{"Keys":[{}]}}}`),
		ok(`{"UnprocessedKeys":{"buzon-test":{"Keys":[{"0":{}}]}0}`),
		ok(`{"Responses":{"":[,0`), // smithy-go 1.28.8 panics
		refusal("ValidationException"), cancelled("None", "TransactionConflict"), fails(500),
	} {
		f.Add(a.status, []byte(a.body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		tab, _ := canned(t, answer{status: status, body: string(body)})
		for name, read := range map[string]func() ([]table.Item, error){
			"get of one": func() ([]table.Item, error) { return tab.Get(t.Context(), key("a")) },
			"get of two": func() ([]table.Item, error) { return tab.Get(t.Context(), key("a"), key("b")) },
			"query": func() ([]table.Item, error) {
				page, err := tab.Query(t.Context(), table.Q{PK: "p"})
				return page.Items, err
			},
			"query of the index": func() ([]table.Item, error) {
				page, err := tab.Query(t.Context(), table.Q{PK: "i", Index: true})
				return page.Items, err
			},
		} {
			dynamo.Bounded(t, 20*len(body), func() { // a call sends up to 8 requests
				items, err := read()
				for _, it := range items {
					if err != nil || it.Exists() && !json.Valid(it.Body) {
						t.Errorf("%s: %+v (%v)", name, it, err)
					}
				}
			})
		}
	})
}
