package dynamo

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"buzon/internal/table"
)

// Conditions of the operations.
const (
	ifAbsent        = "attribute_not_exists(PK)"
	ifAtVersion     = "Version = :stored"
	ifAbsentOrLower = "attribute_not_exists(PK) OR Version < :Version"
)

// Write is [table.Table.Write]. A write that the SDK sent again, since no answer came,
// is not refused by its own first attempt. When it returns nil the operations took place
// and every later Get and Query of the base table sees them.
func (t *Table) Write(ctx context.Context, ops ...table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("table write: %w", err)
	}
	statements := make([]statement, len(ops))
	for i, op := range ops {
		var err error
		if statements[i], err = newStatement(op); err != nil {
			return fmt.Errorf("table write: operation %d: %w", i, err)
		}
	}
	var seen attempts
	var err error
	if len(ops) == 1 && ops[0].Kind != table.OpCheck {
		err = t.single(ctx, statements[0], guarded, seen.watch)
		if seen.unclear && statements[0].stands(err) {
			return nil
		}
	} else {
		err = t.transaction(ctx, statements, guarded, seen.watch)
	}
	if err != nil {
		return t.writeError(ctx, err, seen)
	}
	return nil
}

// statement is an operation in DynamoDB's terms.
type statement struct {
	kind      table.Kind
	key       attributes // of the item; in item, if there is one
	item      attributes // what is put or raised
	condition string
	update    *string
	names     map[string]string
	values    attributes
}

func newStatement(op table.Op) (statement, error) {
	it := op.Item
	s := statement{kind: op.Kind, key: keyAttributes(it.Key), condition: ifAbsent}
	if stored := it.Version; stored > 0 && (op.Kind == table.OpUpdate || op.Kind == table.OpDelete || op.Kind == table.OpCheck) {
		s.condition, s.values = ifAtVersion, attributes{":stored": integer(stored)}
	}
	var err error
	switch op.Kind {
	case table.OpCreate:
		it.Version = 1
		s.item, err = encodeItem(it)
	case table.OpUpdate:
		it.Version++
		s.item, err = encodeItem(it)
	case table.OpRaise:
		err = s.raise(it)
	}
	return s, err
}

// raise sets every attribute that the item has.
func (s *statement) raise(it table.Item) error {
	all, err := encodeItem(it)
	if err != nil {
		return err
	}
	s.item, s.condition = all, ifAbsentOrLower
	s.names, s.values = map[string]string{}, attributes{}
	var sets []string
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		switch {
		case name == "PK" || name == "SK":
		case reserved(name):
			s.values[":"+name] = all[name]
			sets = append(sets, name+" = :"+name)
		default:
			s.names[fmt.Sprint("#", i)], s.values[fmt.Sprint(":", i)] = name, all[name]
			sets = append(sets, fmt.Sprintf("#%d = :%d", i, i))
		}
	}
	if len(s.names) == 0 {
		s.names = nil // DynamoDB refuses an empty map
	}
	s.update = aws.String("SET " + strings.Join(sets, ", "))
	return nil
}

// stands tells whether err refuses the statement though what it says is what is
// stored: then an earlier attempt, of which no clear answer came, was it. A
// transaction needs no such look, since it carries a token.
func (s statement) stands(err error) bool {
	var refusal *types.ConditionalCheckFailedException
	if !errors.As(err, &refusal) {
		return false
	}
	if s.kind == table.OpDelete {
		return len(refusal.Item) == 0
	}
	for name, value := range s.item {
		if !reflect.DeepEqual(refusal.Item[name], value) {
			return false
		}
	}
	return s.kind == table.OpRaise || len(refusal.Item) == len(s.item)
}

// tellStored makes a refusal show what is stored.
const tellStored = types.ReturnValuesOnConditionCheckFailureAllOld

type option = func(*sdk.Options)

// single performs a statement by itself. A Check is none: it is a transaction.
func (t *Table) single(ctx context.Context, s statement, opts ...option) error {
	var err error
	switch s.kind {
	case table.OpDelete:
		_, err = t.client.DeleteItem(ctx, &sdk.DeleteItemInput{
			TableName: &t.name, Key: s.key,
			ReturnValuesOnConditionCheckFailure: tellStored,
			ConditionExpression:                 &s.condition, ExpressionAttributeValues: s.values,
		}, opts...)
	case table.OpRaise:
		_, err = t.client.UpdateItem(ctx, &sdk.UpdateItemInput{
			TableName: &t.name, Key: s.key, UpdateExpression: s.update,
			ReturnValuesOnConditionCheckFailure: tellStored,
			ConditionExpression:                 &s.condition, ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values,
		}, opts...)
	default:
		_, err = t.client.PutItem(ctx, &sdk.PutItemInput{
			TableName: &t.name, Item: s.item,
			ReturnValuesOnConditionCheckFailure: tellStored,
			ConditionExpression:                 &s.condition, ExpressionAttributeValues: s.values,
		}, opts...)
	}
	return err
}

// transaction performs all statements or none. The SDK adds the token.
func (t *Table) transaction(ctx context.Context, statements []statement, opts ...option) error {
	items := make([]types.TransactWriteItem, len(statements))
	for i, s := range statements {
		switch s.kind {
		case table.OpCheck:
			items[i].ConditionCheck = &types.ConditionCheck{
				TableName: &t.name, Key: s.key,
				ConditionExpression: &s.condition, ExpressionAttributeValues: s.values,
			}
		case table.OpDelete:
			items[i].Delete = &types.Delete{
				TableName: &t.name, Key: s.key,
				ConditionExpression: &s.condition, ExpressionAttributeValues: s.values,
			}
		case table.OpRaise:
			items[i].Update = &types.Update{
				TableName: &t.name, Key: s.key, UpdateExpression: s.update,
				ConditionExpression: &s.condition, ExpressionAttributeNames: s.names, ExpressionAttributeValues: s.values,
			}
		default:
			items[i].Put = &types.Put{
				TableName: &t.name, Item: s.item,
				ConditionExpression: &s.condition, ExpressionAttributeValues: s.values,
			}
		}
	}
	_, err := t.client.TransactWriteItems(ctx, &sdk.TransactWriteItemsInput{TransactItems: items}, opts...)
	return err
}
