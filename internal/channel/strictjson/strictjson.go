// Package strictjson reads JSON from outside in exactly one way, or refuses it
// (T7, T8).
//
// encoding/json chooses silently where a document is ambiguous: the last of two
// equal keys wins, "ID" fills the field id, broken UTF-8 turns into U+FFFD and
// bytes after the document are dropped. Here each of these is a refusal, named by
// a Reject code of package channel. What Parse accepts, encoding/json decodes to
// the same values.
//
// A document is kept as one flat list of nodes of 16 bytes, so that memory stays
// within a small multiple of the body however it is nested; strings are decoded
// when they are asked for, and those that are too long not at all.
package strictjson

import (
	"bytes"
	"iter"
	"math"
	"strconv"
	"strings"
)

// Kind says what a Value is.
type Kind uint8

// The kinds. Missing is the zero Value: a key that is not there. Ambiguous is a
// key that stands in the object beside another which differs only in case; no
// accessor accepts it. Long is a string above channel.MaxString: it costs whoever
// needs it, and nobody else (R5); of the accessors Raw alone accepts it.
const (
	Missing Kind = iota
	Ambiguous
	Null
	Bool
	Number
	String
	Array
	Object
	Long
)

// Value is one value of a parsed document. It refers to the body: do not change
// the body while a Value is in use. Every accessor may be called on every kind.
type Value struct {
	doc  *document
	at   uint32
	kind Kind
}

// document is a body and its nodes in the order of the text: an object's members
// are pairs of key and value.
type document struct {
	body  []byte
	nodes []node
}

// node is a value or key: body[start:end], with the next node after its children.
type node struct {
	start, end, next uint32
	kind             Kind
	escaped          bool // a string that holds a backslash
}

// Kind of v.
func (v Value) Kind() Kind { return v.kind }

// Given tells whether v is there and not null.
func (v Value) Given() bool { return v.kind != Missing && v.kind != Null }

func (d *document) value(at uint32) Value { return Value{doc: d, at: at, kind: d.nodes[at].kind} }

// Get is the member of an object under exactly this key: Missing if v is no
// object or has none, Ambiguous if another of its keys differs only in case.
func (v Value) Get(key string) Value {
	if v.kind != Object {
		return Value{}
	}
	var found Value
	variant := false
	d := v.doc
	for k := v.at + 1; k < d.nodes[v.at].next; k = d.nodes[k+1].next {
		raw := d.body[d.nodes[k].start+1 : d.nodes[k].end-1]
		if d.nodes[k].escaped {
			raw = []byte(unescape(raw))
		}
		if string(raw) == key {
			found = d.value(k + 1)
		} else if mayFold(raw, key) && bytes.EqualFold(raw, []byte(key)) {
			variant = true
		}
	}
	if found.kind != Missing && variant {
		found.kind = Ambiguous
	}
	return found
}

// mayFold is false where two keys differ in more than case already in their first
// letter.
func mayFold(a []byte, b string) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	return a[0]|b[0] >= 0x80 || (a[0]^b[0])&^0x20 == 0
}

// Path is Get along several keys.
func (v Value) Path(keys ...string) Value {
	for _, k := range keys {
		if v = v.Get(k); v.kind == Ambiguous {
			return v
		}
	}
	return v
}

// Elems are the values of an array; none for another kind.
func (v Value) Elems() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.kind != Array {
			return
		}
		d := v.doc
		for e := v.at + 1; e < d.nodes[v.at].next; e = d.nodes[e].next {
			if !yield(d.value(e)) {
				return
			}
		}
	}
}

// Members are the keys and values of an object; none for another kind.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.kind != Object {
			return
		}
		d := v.doc
		for k := v.at + 1; k < d.nodes[v.at].next; k = d.nodes[k+1].next {
			if !yield(d.text(k), d.value(k+1)) {
				return
			}
		}
	}
}

// Len counts the values of an array or the members of an object.
func (v Value) Len() int {
	n := 0
	for range v.Elems() {
		n++
	}
	for range v.Members() {
		n++
	}
	return n
}

// Raw is v as it stands in the body; nil for Missing and Ambiguous. It shares the
// body's memory.
func (v Value) Raw() []byte {
	if v.kind <= Ambiguous {
		return nil
	}
	n := v.doc.nodes[v.at]
	return v.doc.body[n.start:n.end:n.end]
}

// Text is a string's text; false for every other kind.
func (v Value) Text() (string, bool) {
	if v.kind != String {
		return "", false
	}
	return v.doc.text(v.at), true
}

// Token is a string's text or a number as it is written: for ids and codes that
// come as either, without loss above 2^53.
func (v Value) Token() (string, bool) {
	if v.kind == Number {
		return string(v.Raw()), true
	}
	return v.Text()
}

// Int is a number, or a string that holds one, if it is whole and fits.
func (v Value) Int() (int64, bool) {
	s, ok := v.Token()
	if s = strings.TrimSpace(s); !ok || !isNumber(s) {
		return 0, false
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// Float is a finite number, or a string that holds one.
func (v Value) Float() (float64, bool) {
	s, ok := v.Token()
	if s = strings.TrimSpace(s); !ok || !isNumber(s) {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// Bool is true or false, and whether v is either.
func (v Value) Bool() (value, ok bool) {
	return v.kind == Bool && v.Raw()[0] == 't', v.kind == Bool
}

// isNumber tells whether s is a number in JSON's spelling, which excludes NaN,
// infinities and hexadecimal.
func isNumber(s string) bool {
	end, ok := scanNumber([]byte(s), 0)
	return ok && end == len(s)
}

// text decodes the string or key at node at.
func (d *document) text(at uint32) string {
	n := d.nodes[at]
	raw := d.body[n.start+1 : n.end-1]
	if n.escaped {
		return unescape(raw)
	}
	return string(raw)
}
