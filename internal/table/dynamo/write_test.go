package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/table"
)

func TestWriteRequests(t *testing.T) {
	full := table.Item{
		Key: table.Key{PK: "p", SK: "s"}, Version: 4, Index: table.Key{PK: "i", SK: "k"},
		Expires: time.Unix(1234567890, 999), Body: []byte(`{"b":"B","a":[1]}`),
	}
	bare := table.Item{Key: table.Key{PK: "p", SK: "s"}, Version: 4, Body: []byte(`{}`)}
	const (
		key      = `"Key":{"PK":{"S":"p"},"SK":{"S":"s"}}`
		atFour   = `"ConditionExpression":"Version = :stored","ExpressionAttributeValues":{":stored":{"N":"4"}}`
		absent   = `"ConditionExpression":"attribute_not_exists(PK)"`
		ifLower  = `"ConditionExpression":"attribute_not_exists(PK) OR Version < :Version"`
		fields   = `"PK":{"S":"p"},"SK":{"S":"s"},"a":{"L":[{"N":"1"}]},"b":{"S":"B"},"IndexPK":{"S":"i"},"IndexSK":{"S":"k"},"Expires":{"N":"1234567890"}`
		raised   = `"UpdateExpression":"SET Expires = :Expires, IndexPK = :IndexPK, IndexSK = :IndexSK, Version = :Version, #6 = :6, #7 = :7","ExpressionAttributeNames":{"#6":"a","#7":"b"},"ExpressionAttributeValues":{":Expires":{"N":"1234567890"},":IndexPK":{"S":"i"},":IndexSK":{"S":"k"},":Version":{"N":"4"},":6":{"L":[{"N":"1"}]},":7":{"S":"B"}}`
		inTable  = `"TableName":"buzon-test"`
		transact = "TransactWriteItems"
	)
	for _, c := range []struct {
		name   string
		ops    []table.Op
		action string
		body   string
	}{
		{"a create is a put if there is none", []table.Op{table.Create(full)}, "PutItem",
			`{` + inTable + `,"Item":{` + fields + `,"Version":{"N":"1"}},` + absent + `}`},
		{"an update is a put at that version", []table.Op{table.Update(full)}, "PutItem",
			`{` + inTable + `,"Item":{` + fields + `,"Version":{"N":"5"}},` + atFour + `}`},
		{"an item has no attribute that it does not need", []table.Op{table.Create(bare)}, "PutItem",
			`{` + inTable + `,"Item":{"PK":{"S":"p"},"SK":{"S":"s"},"Version":{"N":"1"}},` + absent + `}`},
		{"a delete is one at that version", []table.Op{table.Delete(full.Key, 4)}, "DeleteItem",
			`{` + inTable + `,` + key + `,` + atFour + `}`},
		{"a raise sets what it has, if lower or absent", []table.Op{table.Raise(full)}, "UpdateItem",
			`{` + inTable + `,` + key + `,` + ifLower + `,` + raised + `}`},
		{"a raise without fields has no names", []table.Op{table.Raise(bare)}, "UpdateItem",
			`{` + inTable + `,` + key + `,` + ifLower + `,"UpdateExpression":"SET Version = :Version","ExpressionAttributeValues":{":Version":{"N":"4"}}}`},
		{"a lone check is a transaction", []table.Op{table.Check(full.Key, 4)}, transact,
			`{"TransactItems":[{"ConditionCheck":{` + inTable + `,` + key + `,` + atFour + `}}]}`},
		{"a lone check for none likewise", []table.Op{table.Check(full.Key, 0)}, transact,
			`{"TransactItems":[{"ConditionCheck":{` + inTable + `,` + key + `,` + absent + `}}]}`},
		{"several are a transaction in their order", []table.Op{
			table.Raise(full), table.Delete(table.Key{PK: "p", SK: "d"}, 4), table.Create(table.Item{Key: table.Key{PK: "p", SK: "c"}, Body: []byte(`{}`)}),
		}, transact, `{"TransactItems":[
			{"Update":{` + inTable + `,` + key + `,` + ifLower + `,` + raised + `}},
			{"Delete":{` + inTable + `,"Key":{"PK":{"S":"p"},"SK":{"S":"d"}},` + atFour + `}},
			{"Put":{` + inTable + `,"Item":{"PK":{"S":"p"},"SK":{"S":"c"},"Version":{"N":"1"}},` + absent + `}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, s := canned(t, ok(`{}`))
			if err := tab.Write(t.Context(), c.ops...); err != nil {
				t.Fatal(err)
			}
			if len(s.sent) != 1 || s.sent[0].action != c.action {
				t.Fatalf("sent %v, want one %s", s.actions(), c.action)
			}
			body := s.sent[0].body
			if token, _ := body["ClientRequestToken"].(string); (token != "") != (c.action == transact) {
				t.Errorf("token %q", token)
			}
			delete(body, "ClientRequestToken")
			if shown := body["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"; shown == (c.action == transact) {
				t.Errorf("a refusal shows what is stored: %v", shown)
			}
			delete(body, "ReturnValuesOnConditionCheckFailure")
			if diff := cmp.Diff(object(t, c.body), body); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWriteThatCannotWorkIsNotSent(t *testing.T) {
	tab, s := canned(t, ok(`{}`))
	if err := tab.Write(t.Context(), table.Update(secretItem(0))); !errors.Is(err, fault.Invalid) {
		t.Errorf("error %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := tab.Write(ended, table.Create(secretItem(0))); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := s.actions(); len(got) != 0 {
		t.Errorf("sent %v", got)
	}
}

// kinds are what the caller of a Write tells apart.
var kinds = []error{fault.Conflict, fault.Busy, fault.Invalid, fault.NotFound, fault.Forbidden}

// wantKind checks that an error is of one kind and no other; errNone is for those
// of no kind. It never shows a key.
func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, k := range kinds {
		if errors.Is(err, k) != errors.Is(kind, k) {
			t.Errorf("error %q, want %v", err, kind)
		}
	}
	if shows(err) {
		t.Errorf("error %q shows what it must not", err)
	}
}

func TestErrorsOfASingleWrite(t *testing.T) {
	again := attemptsOfSDK
	for _, c := range []struct {
		name    string
		answers []answer
		want    error
		text    string
		sent    int
	}{
		{"the condition does not hold", []answer{refusal("ConditionalCheckFailedException")}, fault.Conflict, "conditions [0]", 1},
		{"a transaction holds the item", []answer{refusal("TransactionConflictException")}, fault.Busy, "TransactionConflictException (request R1)", 1},
		{"throttled", []answer{refusal("ThrottlingException")}, fault.Busy, "ThrottlingException", again},
		{"beyond the table's throughput", []answer{refusal("ProvisionedThroughputExceededException")}, fault.Busy, "Provisioned", again},
		{"beyond the account's throughput", []answer{refusal("RequestLimitExceeded")}, fault.Busy, "RequestLimit", again},
		{"throttled, then done", []answer{refusal("ThrottlingException"), ok(`{}`)}, nil, "", 2},
		{"throttled, then the condition does not hold", []answer{refusal("ThrottlingException"), refusal("ConditionalCheckFailedException")}, fault.Conflict, "", 2},
		{"not what DynamoDB takes, as an item too large", []answer{refusal("ValidationException")}, fault.Invalid, "ValidationException", 1},
		{"no table", []answer{refusal("ResourceNotFoundException")}, fault.Busy, "table buzon-test: not there", 1},
		{"not allowed", []answer{refusal("AccessDeniedException")}, errNone, "AccessDeniedException", 1},
		{"an error without a name", []answer{{status: 400, body: `{}`}}, errNone, "outcome unknown: status 400", 1},
		{"an internal error", []answer{fails(500)}, errNone, "outcome unknown: status 500", again},
		{"the service is not available", []answer{fails(503)}, errNone, "outcome unknown: status 503", again},
		{"an internal error, then done", []answer{fails(500), ok(`{}`)}, nil, "", 2},
		{"the connection breaks", []answer{dropped()}, errNone, "outcome unknown: request send failed", again},
		{"the connection breaks, then throttled: it may be done",
			[]answer{dropped(), refusal("ThrottlingException")}, errNone, "outcome unknown: ThrottlingException after", again},
		{"an internal error, then a transaction holds the item: it may be done",
			[]answer{fails(500), refusal("TransactionConflictException")}, errNone, "outcome unknown", 2},
		{"an answer that is no JSON", []answer{ok(`secret`)}, errNone, "outcome unknown", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, op := range []table.Op{
				table.Create(secretItem(0)), table.Update(secretItem(2)), table.Delete(secretKey, 2), table.Raise(secretItem(2)),
			} {
				tab, s := canned(t, c.answers...)
				err := tab.Write(t.Context(), op)
				if sent := len(s.sent); sent != c.sent {
					t.Errorf("sent %d times, want %d", sent, c.sent)
				}
				if c.want == nil {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				wantKind(t, err, c.want)
				if err != nil && !strings.Contains(err.Error(), c.text) {
					t.Errorf("error %q, want %q in it", err, c.text)
				}
				var refused *table.Refused
				if is := errors.As(err, &refused); is != errors.Is(c.want, fault.Conflict) || is && !slices.Equal(refused.Ops, []int{0}) {
					t.Errorf("refused %+v", refused)
				}
			}
		})
	}
}

// TestOwnWrites: R2, a single write whose first attempt took place and got no answer
// is done when the repeat of it is refused; another's write stays in its way.
func TestOwnWrites(t *testing.T) {
	stored := func(version int, name string) string {
		return fmt.Sprintf(`{"PK":{"S":%q},"SK":{"S":%q},"Version":{"N":"%d"},"name":{"S":%q}}`, secretKey.PK, secretKey.SK, version, name)
	}
	for _, c := range []struct {
		say    string
		first  answer
		op     table.Op
		stored string // what the refusal shows; empty: nothing
		done   bool
	}{
		{"a create finds itself", dropped(), table.Create(secretItem(0)), stored(1, "secret-name"), true},
		{"also after a 500", fails(500), table.Create(secretItem(0)), stored(1, "secret-name"), true},
		{"a create finds another", dropped(), table.Create(secretItem(0)), stored(1, "other"), false},
		{"a create finds itself, changed since", dropped(), table.Create(secretItem(0)), stored(2, "secret-name"), false},
		{"an update finds itself", dropped(), table.Update(secretItem(2)), stored(3, "secret-name"), true},
		{"an update finds what was there before", dropped(), table.Update(secretItem(3)), stored(3, "secret-name"), false},
		{"an update finds nothing", dropped(), table.Update(secretItem(2)), "", false},
		{"a delete finds nothing", dropped(), table.Delete(secretKey, 2), "", true},
		{"a delete finds another version", dropped(), table.Delete(secretKey, 2), stored(3, "x"), false},
		{"a raise finds itself, among more", dropped(), table.Raise(table.Item{Key: secretKey, Version: 2, Body: []byte(`{}`)}), stored(2, "more"), true},
		{"a raise finds a higher one", dropped(), table.Raise(secretItem(2)), stored(3, "secret-name"), false},
		{"without a lost answer it was another", answer{}, table.Create(secretItem(0)), stored(1, "secret-name"), false},
	} {
		t.Run(c.say, func(t *testing.T) {
			body := `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"secret"}`
			if c.stored != "" {
				body = `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"secret","Item":` + c.stored + `}`
			}
			answers := []answer{c.first, {status: 400, body: body}}
			if c.first == (answer{}) {
				answers = answers[1:]
			}
			tab, _ := canned(t, answers...)
			err := tab.Write(t.Context(), c.op)
			if c.done != (err == nil) {
				t.Errorf("error %v", err)
			}
			if err != nil {
				wantKind(t, err, fault.Conflict)
			}
		})
	}
}

func TestErrorsOfATransaction(t *testing.T) {
	const failed = "ConditionalCheckFailed"
	again := attemptsOfSDK
	for _, c := range []struct {
		name    string
		answers []answer
		want    error
		refused []int
		sent    int
	}{
		{"one condition does not hold", []answer{cancelled("None", failed, "None")}, fault.Conflict, []int{1}, 1},
		{"two do not hold", []answer{cancelled(failed, "None", failed)}, fault.Conflict, []int{0, 2}, 1},
		{"another transaction holds an item", []answer{cancelled("None", "None", "TransactionConflict")}, fault.Busy, nil, 1},
		{"an item is throttled", []answer{cancelled("ThrottlingError", "None", "None")}, fault.Busy, nil, 1},
		{"the table's throughput is used up", []answer{cancelled("None", "ProvisionedThroughputExceeded", "None")}, fault.Busy, nil, 1},
		{"a condition does not hold and an item was not judged: the list would not be whole",
			[]answer{cancelled(failed, "TransactionConflict", "None")}, fault.Busy, nil, 1},
		{"likewise throttled", []answer{cancelled("ThrottlingError", "None", failed)}, fault.Busy, nil, 1},
		{"a raise makes an item too large", []answer{cancelled("None", "ValidationError", "None")}, fault.Invalid, nil, 1},
		{"that, and a condition does not hold: first look again", []answer{cancelled(failed, "ValidationError", "None")}, fault.Conflict, []int{0}, 1},
		{"that, and an item was not judged", []answer{cancelled("ValidationError", "TransactionConflict", "None")}, fault.Busy, nil, 1},
		{"a reason that we do not know", []answer{cancelled("None", "ItemCollectionSizeLimitExceeded", failed)}, errNone, nil, 1},
		{"no reason", []answer{cancelled()}, errNone, nil, 1},
		{"reasons that give none", []answer{cancelled("None", "None", "None")}, errNone, nil, 1},
		{"throttled as a whole", []answer{refusal("ThrottlingException")}, fault.Busy, nil, again},
		{"not what DynamoDB takes", []answer{refusal("ValidationException")}, fault.Invalid, nil, 1},
		{"no table", []answer{refusal("ResourceNotFoundException")}, fault.Busy, nil, 1},
		{"the token was used for something else", []answer{refusal("IdempotentParameterMismatchException")}, errNone, nil, 1},
		{"an attempt of this very call is not over: it may be done", []answer{refusal("TransactionInProgressException")}, errNone, nil, again},
		{"an internal error", []answer{fails(500)}, errNone, nil, again},
		{"the connection breaks", []answer{dropped()}, errNone, nil, again},
		{"the connection breaks, then done", []answer{dropped(), ok(`{}`)}, nil, nil, 2},
		{"the connection breaks, then a condition does not hold", []answer{dropped(), cancelled(failed, "None", "None")}, fault.Conflict, []int{0}, 2},
		{"the connection breaks, then another transaction holds an item: it may be done",
			[]answer{dropped(), cancelled("None", "TransactionConflict", "None")}, errNone, nil, 2},
		{"an internal error, then throttled: it may be done", []answer{fails(500), refusal("ThrottlingException")}, errNone, nil, again},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, s := canned(t, c.answers...)
			err := tab.Write(t.Context(), table.Update(secretItem(2)), table.Check(otherKey, 1), table.Check(table.Key{PK: "p", SK: "s"}, 1))
			if sent := len(s.sent); sent != c.sent {
				t.Errorf("sent %d times, want %d", sent, c.sent)
			}
			for _, r := range s.sent {
				if r.body["ClientRequestToken"] != s.sent[0].body["ClientRequestToken"] {
					t.Error("the attempts of one call have different tokens")
				}
			}
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantKind(t, err, c.want)
			var refused *table.Refused
			if is := errors.As(err, &refused); is != (c.refused != nil) || is && !slices.Equal(refused.Ops, c.refused) {
				t.Errorf("error %v, want refused %v", err, c.refused)
			}
		})
	}
}

func TestMissingTableIsNamed(t *testing.T) {
	tab, _ := canned(t, refusal("ResourceNotFoundException"))
	_, getErr := tab.Get(t.Context(), secretKey)
	_, manyErr := tab.Get(t.Context(), secretKey, otherKey)
	_, queryErr := tab.Query(t.Context(), table.Q{PK: "p"})
	for _, err := range []error{
		tab.Write(t.Context(), table.Create(secretItem(0))), tab.Write(t.Context(), table.Check(secretKey, 1)), getErr, manyErr, queryErr,
	} {
		var missing *fault.Missing
		if !errors.As(err, &missing) || missing.What != "table buzon-test" {
			t.Errorf("error %v", err)
		}
	}
}

func TestWriteWhoseTimeIsUp(t *testing.T) {
	tab, s := canned(t)
	ctx, end := context.WithCancel(t.Context())
	s.respond = func(request) answer {
		end()
		return answer{err: ctx.Err()}
	}
	err := tab.Write(ctx, table.Create(secretItem(0)))
	wantKind(t, err, errNone)
	if !errors.Is(err, context.Canceled) || len(s.sent) != 1 {
		t.Errorf("error %v after %v", err, s.actions())
	}
}
