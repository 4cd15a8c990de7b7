package dynamo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"buzon/internal/fault"
	"buzon/internal/table"
)

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func integer(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func keyAttributes(k table.Key) attributes {
	return attributes{"PK": text(k.PK), "SK": text(k.SK)}
}

// placeAttributes is what DynamoDB starts a page of a question after.
func placeAttributes(it table.Item) attributes {
	a := keyAttributes(it.Key)
	if it.Index != (table.Key{}) {
		a["IndexPK"], a["IndexSK"] = text(it.Index.PK), text(it.Index.SK)
	}
	return a
}

// encodeItem gives all attributes of an item that passed [table.Validate].
func encodeItem(it table.Item) (attributes, error) {
	a, err := encodeBody(it.Body)
	if err != nil {
		return nil, fmt.Errorf("item %s: %w", it.Redacted(), err)
	}
	a["PK"], a["SK"], a["Version"] = text(it.PK), text(it.SK), integer(it.Version)
	if it.Index != (table.Key{}) {
		a["IndexPK"], a["IndexSK"] = text(it.Index.PK), text(it.Index.SK)
	}
	if !it.Expires.IsZero() {
		a["Expires"] = integer(it.Expires.Unix())
	}
	return a, nil
}

// encodeBody turns the fields of a JSON object into attributes.
func encodeBody(body []byte) (attributes, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("body: not a JSON object: %w", fault.Invalid)
	}
	return encodeFields(fields), nil
}

func encodeFields(fields map[string]any) attributes {
	a := make(attributes, len(fields))
	for name, v := range fields {
		a[name] = encodeValue(v)
	}
	return a
}

func encodeValue(v any) types.AttributeValue {
	switch v := v.(type) {
	case map[string]any:
		return &types.AttributeValueMemberM{Value: encodeFields(v)}
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i := range v {
			list[i] = encodeValue(v[i])
		}
		return &types.AttributeValueMemberL{Value: list}
	case string:
		return text(v)
	case json.Number:
		return &types.AttributeValueMemberN{Value: plainNumber(v.String())}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	}
	return &types.AttributeValueMemberNULL{Value: true}
}

// longestNumber is a text that is sent as it stands: a sign, MaxDigits and a point.
const longestNumber = table.MaxDigits + 2

// plainNumber spells a number that passed [table.Validate] so that DynamoDB
// takes it: JSON allows any number of zeros in front of the first digit, behind
// the last and in the exponent.
func plainNumber(n string) string {
	at := strings.IndexAny(n, "eE")
	if at < 0 && len(n) <= longestNumber {
		return n
	}
	digits, negative := strings.CutPrefix(n, "-")
	exponent := 0
	if at >= 0 {
		digits, _, _ = strings.Cut(digits, n[at:at+1])
		// Fails only far beyond DynamoDB's range, so only for a zero.
		exponent, _ = strconv.Atoi(n[at+1:])
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	exponent -= len(fraction)
	digits = strings.TrimLeft(whole+fraction, "0")
	significant := strings.TrimRight(digits, "0")
	if significant == "" {
		return "0"
	}
	exponent += len(digits) - len(significant)
	if negative {
		significant = "-" + significant
	}
	return significant + "E" + strconv.Itoa(exponent)
}

// decodeItem reads the attributes of a stored item. Its error names the item
// and the attribute that is wrong, no value.
func decodeItem(a attributes) (table.Item, error) {
	it, err := decodePlace(a)
	if err != nil {
		return it, err
	}
	damaged := func(err error) (table.Item, error) {
		return table.Item{}, fmt.Errorf("item %s: %w", it.Redacted(), err)
	}
	if it.Version, err = decodeInteger(a, "Version"); err != nil {
		return damaged(err)
	}
	if it.Version <= 0 {
		return damaged(errors.New("attribute Version: not positive"))
	}
	if a["Expires"] != nil {
		seconds, err := decodeInteger(a, "Expires")
		if err != nil {
			return damaged(err)
		}
		it.Expires = time.Unix(seconds, 0).UTC()
	}
	if it.Body, err = decodeBody(a); err != nil {
		return damaged(err)
	}
	return it, nil
}

// decodePlace reads the keys of an item or of an entry of the index.
func decodePlace(a attributes) (table.Item, error) {
	var it table.Item
	parts := []struct {
		name string
		into *string
	}{{"PK", &it.PK}, {"SK", &it.SK}, {"IndexPK", &it.Index.PK}, {"IndexSK", &it.Index.SK}}
	if a["IndexPK"] == nil && a["IndexSK"] == nil {
		parts = parts[:2]
	}
	for _, part := range parts {
		s, ok := a[part.name].(*types.AttributeValueMemberS)
		if !ok || s.Value == "" {
			return table.Item{}, fmt.Errorf("item %s: attribute %s: no text", it.Redacted(), part.name)
		}
		*part.into = s.Value
	}
	return it, nil
}

func decodeInteger(a attributes, name string) (int64, error) {
	n, ok := a[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("attribute %s: no number", name)
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("attribute %s: no whole number", name)
	}
	return i, nil
}

// decodeBody turns the attributes that are the item's fields into a JSON object,
// its names sorted.
func decodeBody(a attributes) ([]byte, error) {
	fields := make(map[string]any, len(a))
	for name, v := range a {
		if reserved(name) {
			continue
		}
		field, err := decodeValue(v, 1)
		if err != nil {
			return nil, err
		}
		fields[name] = field
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		return nil, errors.New("attribute that is no JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func reserved(name string) bool {
	switch name {
	case "PK", "SK", "Version", "IndexPK", "IndexSK", "Expires":
		return true
	}
	return false
}

// decodeValue gives the value in the form that encoding/json writes; depth is
// the number of objects and arrays that it lies in.
func decodeValue(v types.AttributeValue, depth int) (any, error) {
	if depth > table.MaxDepth {
		return nil, fmt.Errorf("attribute nested deeper than %d", table.MaxDepth)
	}
	var err error
	switch v := v.(type) {
	case *types.AttributeValueMemberM:
		fields := make(map[string]any, len(v.Value))
		for name, field := range v.Value {
			if fields[name], err = decodeValue(field, depth+1); err != nil {
				return nil, err
			}
		}
		return fields, nil
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for i := range v.Value {
			if list[i], err = decodeValue(v.Value[i], depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case *types.AttributeValueMemberS:
		return v.Value, nil
	case *types.AttributeValueMemberN:
		return json.Number(v.Value), nil
	case *types.AttributeValueMemberBOOL:
		return v.Value, nil
	case *types.AttributeValueMemberNULL:
		return nil, nil
	}
	return nil, fmt.Errorf("attribute of type %T", v)
}
