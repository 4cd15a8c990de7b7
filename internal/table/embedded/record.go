package embedded

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"buzon/internal/table"
)

// Keys of the three buckets sort as the table does:
//
//	items    len(PK) PK SK                          -> record
//	index    len(IndexPK) IndexPK esc(IndexSK) item -> item, a key of items
//	expires  seconds item                           -> item
//
// len is two bytes; esc replaces 00 by 00 FF and ends with 00 01, so that what
// follows never decides between two different sort keys.

func partition(pk string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(pk))) // at most MaxPKBytes
	return append(b, pk...)
}

func itemKey(k table.Key) []byte { return append(partition(k.PK), k.SK...) }

func splitItemKey(b []byte) (table.Key, error) {
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return table.Key{}, errors.New("key is damaged")
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	return table.Key{PK: string(b[2:n]), SK: string(b[n:])}, nil
}

func escape(text string) []byte {
	return bytes.ReplaceAll([]byte(text), []byte{0}, []byte{0, 0xFF})
}

func indexKey(index, item table.Key) []byte {
	b := append(partition(index.PK), escape(index.SK)...)
	return append(append(b, 0, 1), itemKey(item)...)
}

func expiresKey(at time.Time, item table.Key) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(at.Unix())^1<<63) // negative ones first
	return append(b, itemKey(item)...)
}

const (
	hasIndex   = 1 << iota // the record has an index key
	hasExpires             // the record has an expiry
)

var errRecord = errors.New("record is damaged")

// encode gives what is stored of an item besides its key.
func encode(it table.Item) []byte {
	var flags byte
	if it.Index != (table.Key{}) {
		flags |= hasIndex
	}
	if !it.Expires.IsZero() {
		flags |= hasExpires
	}
	b := make([]byte, 0, 32+len(it.Index.PK)+len(it.Index.SK)+len(it.Body))
	b = binary.AppendUvarint(append(b, flags), uint64(it.Version))
	if flags&hasIndex != 0 {
		for _, part := range []string{it.Index.PK, it.Index.SK} {
			b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
		}
	}
	if flags&hasExpires != 0 {
		b = binary.AppendVarint(b, it.Expires.Unix())
	}
	return append(b, it.Body...)
}

// decode reads a record into an item that shares no memory with it.
func decode(k table.Key, b []byte) (table.Item, error) {
	it := table.Item{Key: k}
	if len(b) == 0 {
		return it, errRecord
	}
	flags, b := b[0], b[1:]
	version, n := binary.Uvarint(b)
	if n <= 0 || int64(version) <= 0 {
		return it, errRecord
	}
	it.Version, b = int64(version), b[n:]
	if flags&hasIndex != 0 {
		for _, part := range []*string{&it.Index.PK, &it.Index.SK} {
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return it, errRecord
			}
			*part, b = string(b[n:n+int(size)]), b[n+int(size):]
		}
	}
	if flags&hasExpires != 0 {
		seconds, n := binary.Varint(b)
		if n <= 0 {
			return it, errRecord
		}
		it.Expires, b = time.Unix(seconds, 0).UTC(), b[n:]
	}
	it.Body = bytes.Clone(b)
	return it, nil
}

// merge is what a raise makes of the stored item.
func merge(old, raise table.Item) (table.Item, error) {
	if !old.Exists() {
		return raise, nil
	}
	fields := map[string]json.RawMessage{}
	for _, body := range [][]byte{old.Body, raise.Body} {
		if err := json.Unmarshal(body, &fields); err != nil {
			return raise, fmt.Errorf("raise: %w", err)
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return raise, fmt.Errorf("raise: %w", err)
	}
	raise.Body = body
	if raise.Index == (table.Key{}) {
		raise.Index = old.Index
	}
	if raise.Expires.IsZero() {
		raise.Expires = old.Expires
	}
	return raise, nil
}

// successor is the first key after all that begin with prefix. No prefix here
// is all FF: a partition begins with the length of a key part.
func successor(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
