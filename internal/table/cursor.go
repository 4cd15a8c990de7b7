package table

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"buzon/internal/fault"
)

// A cursor is base64url of a sum and a position. The sum covers the position
// and the question (all of [Q] but Limit), so a cursor of another question and
// a damaged one are refused. It is not secret and not signed: whoever forges one
// gains another place within the partition and bounds that the caller chose, no
// more. It shows the keys of an item to who decodes it; a surface that must hide
// them seals it.
const (
	sumBytes       = 12
	maxCursorBytes = 8 << 10
)

// Holds tells whether a sort key lies within the bounds of the question.
func (q Q) Holds(sk string) bool {
	return strings.HasPrefix(sk, q.Prefix) && sk >= q.From && (q.To == "" || sk < q.To)
}

// CursorAfter is the cursor that continues the question after an item of its
// answer, or from its beginning after the zero Item. Both implementations use
// it, so that a cursor means the same to both.
func (q Q) CursorAfter(it Item) string {
	var position []byte
	if it.Key != (Key{}) {
		if q.Index {
			position = appendText(position, it.Index.SK)
			position = appendText(position, it.PK)
		}
		position = appendText(position, it.SK)
	}
	return base64.RawURLEncoding.EncodeToString(append(q.sum(position), position...))
}

// After is the place that q.Cursor stands for: an Item with its Key and, in a
// question to the index, its Index. The zero Item is the beginning. A cursor
// that this question never gave is a [fault.Invalid].
func (q Q) After() (Item, error) {
	if q.Cursor == "" {
		return Item{}, nil
	}
	if len(q.Cursor) > maxCursorBytes {
		return Item{}, fmt.Errorf("table query: cursor of %d bytes: %w", len(q.Cursor), fault.Invalid)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
	if err != nil || len(raw) < sumBytes {
		return Item{}, fmt.Errorf("table query: cursor is damaged: %w", fault.Invalid)
	}
	position := raw[sumBytes:]
	if string(q.sum(position)) != string(raw[:sumBytes]) {
		return Item{}, fmt.Errorf("table query: cursor is of another question: %w", fault.Invalid)
	}
	if len(position) == 0 {
		return Item{}, nil
	}
	it, ok := q.position(position)
	if !ok {
		return Item{}, fmt.Errorf("table query: cursor is damaged: %w", fault.Invalid)
	}
	return it, nil
}

// position reads what CursorAfter wrote and insists on a place that the answer
// could have.
func (q Q) position(b []byte) (it Item, ok bool) {
	it.PK = q.PK
	if q.Index {
		it.Index.PK = q.PK
		if it.Index.SK, b, ok = takeText(b); !ok {
			return it, false
		}
		if it.PK, b, ok = takeText(b); !ok {
			return it, false
		}
	}
	if it.SK, b, ok = takeText(b); !ok || len(b) > 0 {
		return it, false
	}
	at := it.SK
	if q.Index {
		at = it.Index.SK
		if checkKey("index key", it.Index) != nil {
			return it, false
		}
	}
	return it, checkKey("key", it.Key) == nil && q.Holds(at)
}

func (q Q) sum(position []byte) []byte {
	flags := byte(0)
	if q.Index {
		flags |= 1
	}
	if q.Reverse {
		flags |= 2
	}
	b := []byte{flags}
	for _, text := range []string{q.PK, q.From, q.To, q.Prefix, string(position)} {
		b = appendText(b, text)
	}
	sum := sha256.Sum256(b)
	return sum[:sumBytes]
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func takeText(b []byte) (text string, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return "", nil, false
	}
	b = b[used:]
	return string(b[:n]), b[n:], true
}
