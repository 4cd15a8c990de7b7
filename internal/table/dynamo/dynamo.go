// Package dynamo is the table on DynamoDB.
//
// An operation by itself is a PutItem, UpdateItem or DeleteItem with its
// condition, half the price of a transaction; several, or a lone Check, are one
// TransactWriteItems. The index holds keys only: a question to it reads the
// entries, then the items themselves, strongly.
//
// The SDK repeats a call whose answer was lost. What that means for a write:
//   - A transaction carries a token of the SDK, the same in every attempt of one
//     call, so that a repeat of one that took place is answered as done.
//   - A single write has none. Its repeat finds what the first attempt wrote and
//     is refused; the refusal shows what is stored, and if that is what the write
//     says, it is done. Else it is a [fault.Conflict], which after an error of
//     unknown outcome may still be the caller's own write, as package table says.
//   - Once an attempt was left without a clear answer, a later refusal for the
//     moment no longer means that nothing happened: such a Write is not a
//     [fault.Busy] but an error of unknown outcome.
//
// No error holds a key or a value: of what DynamoDB says only the code and the
// request's id are passed on, since its messages may quote what was sent.
package dynamo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"buzon/internal/fault"
	"buzon/internal/table"
)

const (
	// maxAsks is how often a BatchGetItem is sent for the keys that are left. One
	// answer holds up to 16 MB, so that 100 of the largest items need three.
	maxAsks = 8
	// firstPause bounds the pause before the second ask; each further bound is
	// twice the one before. All together are at most 3.2 s.
	firstPause = 25 * time.Millisecond
)

// Table is a [table.Table] on a DynamoDB table of the shape of [Schema]. Make it
// with [New].
type Table struct {
	// Pause waits for a part of longest, or until ctx ends, which is its error.
	// New sets a pause of random length (full jitter).
	Pause func(ctx context.Context, longest time.Duration) error

	client *sdk.Client
	name   string
}

var _ table.Table = (*Table)(nil)

// New is the table of that name. It makes no call: a table that is not there is
// the [fault.Missing] of the first one.
func New(client *sdk.Client, name string) *Table {
	return &Table{Pause: pause, client: client, name: name}
}

func pause(ctx context.Context, longest time.Duration) error {
	timer := time.NewTimer(rand.N(longest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get is [table.Table.Get]. Each item is read strongly, but not all at one
// moment.
func (t *Table) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := table.ValidateKeys(keys); err != nil {
		return nil, err
	}
	switch len(keys) {
	case 0:
		return []table.Item{}, nil
	case 1:
		it, err := t.getOne(ctx, keys[0])
		if err != nil {
			return nil, err
		}
		return []table.Item{it}, nil
	}
	found, err := t.getMany(ctx, "get", keys)
	if err != nil {
		return nil, err
	}
	items := make([]table.Item, len(keys))
	for i, k := range keys {
		it, ok := found[k]
		if !ok {
			it.Key = k
		}
		items[i] = it
	}
	return items, nil
}

func (t *Table) getOne(ctx context.Context, k table.Key) (table.Item, error) {
	out, err := t.client.GetItem(ctx, &sdk.GetItemInput{
		TableName:      &t.name,
		Key:            keyAttributes(k),
		ConsistentRead: aws.Bool(true),
	}, guarded)
	switch {
	case err != nil:
		return table.Item{}, t.readError(ctx, "get", err)
	case len(out.Item) == 0:
		return table.Item{Key: k}, nil
	}
	return decodeItem(out.Item)
}

// getMany reads up to MaxOps different keys strongly; what is not there is not
// in the answer.
func (t *Table) getMany(ctx context.Context, verb string, keys []table.Key) (map[table.Key]table.Item, error) {
	found := make(map[table.Key]table.Item, len(keys))
	left := make([]attributes, len(keys))
	for i, k := range keys {
		left[i] = keyAttributes(k)
	}
	longest := firstPause
	for ask := 1; ; ask++ {
		out, err := t.client.BatchGetItem(ctx, &sdk.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{
				t.name: {Keys: left, ConsistentRead: aws.Bool(true)},
			},
		}, guarded)
		if err != nil {
			return nil, t.readError(ctx, verb, err)
		}
		for _, attributes := range out.Responses[t.name] {
			it, err := decodeItem(attributes)
			if err != nil {
				return nil, err
			}
			found[it.Key] = it
		}
		left = left[:0]
		for _, attributes := range out.UnprocessedKeys[t.name].Keys {
			place, err := decodePlace(attributes)
			if err != nil {
				return nil, err
			}
			left = append(left, keyAttributes(place.Key))
		}
		if len(left) == 0 {
			return found, nil
		}
		if ask == maxAsks {
			return nil, fmt.Errorf("table %s: %d of %d keys left after %d asks: %w", verb, len(left), len(keys), ask, fault.Busy)
		}
		if err := t.Pause(ctx, longest); err != nil {
			return nil, fmt.Errorf("table %s: %w", verb, err)
		}
		longest *= 2
	}
}
