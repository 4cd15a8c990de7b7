package table

import (
	"fmt"
	"math"
	"unicode/utf8"

	"buzon/internal/fault"
)

// Further limits of DynamoDB (Developer Guide, "Constraints"), enforced here so
// that both implementations refuse the same.
const (
	MaxWriteBytes  = 4 << 20   // sum of the item sizes of one Write
	MaxDepth       = 32        // objects and arrays inside each other, the Body itself counted
	MaxDigits      = 38        // significant digits of a number
	MaxNameBytes   = 1<<16 - 1 // a field's name
	MaxRaiseFields = 200       // top-level fields of a [Raise]: an update expression holds 300 operators
)

// Validate refuses with a [fault.Invalid] what can never be written: no or too
// many operations, an item named twice, keys or index keys that are empty, too
// long or not UTF-8, an update or delete that names no version, a raise to no
// positive number, a Body that is not one JSON object within the limits, an
// item or a whole Write that is too large. What a [Raise] merges is measured by
// the implementation, since only it knows the stored fields.
func Validate(ops []Op) error {
	if len(ops) == 0 || len(ops) > MaxOps {
		return fmt.Errorf("table write: %d operations, want 1 to %d: %w", len(ops), MaxOps, fault.Invalid)
	}
	seen := make(map[Key]int, len(ops))
	total := 0
	for i, op := range ops {
		size, err := checkOp(op)
		if err != nil {
			return fmt.Errorf("table write: operation %d: %w", i, err)
		}
		if first, twice := seen[op.Item.Key]; twice {
			return fmt.Errorf("table write: operations %d and %d are on one item: %w", first, i, fault.Invalid)
		}
		seen[op.Item.Key] = i
		total += size
	}
	if total > MaxWriteBytes {
		return fmt.Errorf("table write: %d bytes, want at most %d: %w", total, MaxWriteBytes, fault.Invalid)
	}
	return nil
}

// ValidateKeys refuses with a [fault.Invalid] keys that can never be read in
// one Get: more than MaxOps, one twice, one empty, too long or not UTF-8. No
// key at all is an empty question, not a wrong one.
func ValidateKeys(keys []Key) error {
	if len(keys) > MaxOps {
		return fmt.Errorf("table get: %d keys, want at most %d: %w", len(keys), MaxOps, fault.Invalid)
	}
	seen := make(map[Key]int, len(keys))
	for i, k := range keys {
		if err := checkKey("key", k); err != nil {
			return fmt.Errorf("table get: key %d: %w", i, err)
		}
		if first, twice := seen[k]; twice {
			return fmt.Errorf("table get: keys %d and %d are the same: %w", first, i, fault.Invalid)
		}
		seen[k] = i
	}
	return nil
}

// ValidateQuery refuses with a [fault.Invalid] a question without an answer:
// a bad partition, bounds that are too long, not UTF-8, empty between them or
// mixed with a prefix, or a limit outside 0 to MaxPage. The cursor is judged by
// [Q.After].
func ValidateQuery(q Q) error {
	if err := checkPart("partition", q.PK, MaxPKBytes); err != nil {
		return fmt.Errorf("table query: %w", err)
	}
	for _, bound := range []struct{ name, text string }{{"from", q.From}, {"to", q.To}, {"prefix", q.Prefix}} {
		if bound.text == "" {
			continue
		}
		if err := checkPart(bound.name, bound.text, MaxSKBytes); err != nil {
			return fmt.Errorf("table query: %w", err)
		}
	}
	if q.Prefix != "" && (q.From != "" || q.To != "") {
		return fmt.Errorf("table query: prefix together with from or to: %w", fault.Invalid)
	}
	if q.To != "" && q.To <= q.From {
		return fmt.Errorf("table query: nothing lies between from and to: %w", fault.Invalid)
	}
	if q.Limit < 0 || q.Limit > MaxPage {
		return fmt.Errorf("table query: limit %d, want 0 to %d: %w", q.Limit, MaxPage, fault.Invalid)
	}
	return nil
}

// checkOp gives the bytes that the operation counts for in a transaction.
func checkOp(op Op) (int, error) {
	it := op.Item
	if err := checkKey("key", it.Key); err != nil {
		return 0, err
	}
	switch op.Kind {
	case OpCreate:
	case OpUpdate, OpDelete:
		if it.Version <= 0 || it.Version == math.MaxInt64 {
			return 0, fmt.Errorf("version %d: update and delete name the version read: %w", it.Version, fault.Invalid)
		}
	case OpCheck:
		if it.Version < 0 {
			return 0, fmt.Errorf("version %d: %w", it.Version, fault.Invalid)
		}
	case OpRaise:
		if it.Version <= 0 {
			return 0, fmt.Errorf("version %d: raise wants a positive number: %w", it.Version, fault.Invalid)
		}
	default:
		return 0, fmt.Errorf("kind %d: %w", op.Kind, fault.Invalid)
	}
	if op.Kind == OpDelete || op.Kind == OpCheck {
		return keySize(it.Key), nil
	}
	switch op.Kind {
	case OpCreate:
		it.Version = 1
	case OpUpdate:
		it.Version++
	}
	return checkItem(it, op.Kind == OpRaise)
}

// checkItem judges an item as it will be stored.
func checkItem(it Item, raise bool) (int, error) {
	if it.Index != (Key{}) {
		if err := checkKey("index key", it.Index); err != nil {
			return 0, err
		}
	}
	if len(it.Body) > maxBodyText {
		return 0, fmt.Errorf("body: %d bytes of JSON: %w", len(it.Body), fault.Invalid)
	}
	body, err := inspect(it.Body)
	if err != nil {
		return 0, fmt.Errorf("body: %w", err)
	}
	if raise && body.fields > MaxRaiseFields {
		return 0, fmt.Errorf("body: %d fields to raise, want at most %d: %w", body.fields, MaxRaiseFields, fault.Invalid)
	}
	size := systemSize(it) + body.bytes
	if size > MaxItemBytes {
		return 0, fmt.Errorf("item of %d bytes, want at most %d: %w", size, MaxItemBytes, fault.Invalid)
	}
	return size, nil
}

func checkKey(what string, k Key) error {
	if err := checkPart(what+" PK", k.PK, MaxPKBytes); err != nil {
		return err
	}
	return checkPart(what+" SK", k.SK, MaxSKBytes)
}

func checkPart(what, text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("%s is empty: %w", what, fault.Invalid)
	case len(text) > most:
		return fmt.Errorf("%s of %d bytes, want at most %d: %w", what, len(text), most, fault.Invalid)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s is not UTF-8: %w", what, fault.Invalid)
	}
	return nil
}
