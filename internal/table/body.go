package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"buzon/internal/fault"
)

const (
	// maxBodyText bounds the JSON text of a Body before it is read. An item of
	// MaxItemBytes with every byte spelled \u00XX is six times as long; what is
	// more than that is white space.
	maxBodyText = 8 * MaxItemBytes

	// Powers of ten between which DynamoDB stores a number other than zero.
	minExponent, maxExponent = -130, 125
)

// Size is what DynamoDB takes an item for, close enough to bill and to refuse
// by: names and values in UTF-8, a byte for two digits of a number and one
// more, a byte for true, false and null, 3 for a list or map and 1 for each of
// its elements (Developer Guide, "Item sizes and formats"). An item that does
// not exist has no size; a Body that is not a JSON object counts by its length.
func Size(it Item) int {
	if !it.Exists() {
		return 0
	}
	body, err := inspect(it.Body)
	if err != nil {
		body.bytes = len(it.Body)
	}
	return systemSize(it) + body.bytes
}

func keySize(k Key) int { return len("PK") + len(k.PK) + len("SK") + len(k.SK) }

// systemSize is the size of what is not Body.
func systemSize(it Item) int {
	n := keySize(it.Key) + len("Version") + integerSize(it.Version)
	if it.Index != (Key{}) {
		n += len("IndexPK") + len(it.Index.PK) + len("IndexSK") + len(it.Index.SK)
	}
	if !it.Expires.IsZero() {
		n += len("Expires") + integerSize(it.Expires.Unix())
	}
	return n
}

func integerSize(n int64) int {
	size, _ := numberSize(strconv.FormatInt(n, 10)) // an int64 has 19 digits: never refused
	return size
}

func reserved(name string) bool {
	switch name {
	case "PK", "SK", "Version", "IndexPK", "IndexSK", "Expires":
		return true
	}
	return false
}

// facts of a Body.
type facts struct {
	bytes  int // size as attributes of an item
	fields int // at the top level
}

// inspect reads a Body once and refuses what cannot be stored as attributes.
func inspect(body []byte) (facts, error) {
	if !utf8.Valid(body) {
		return facts{}, fmt.Errorf("not UTF-8: %w", fault.Invalid)
	}
	if !json.Valid(body) {
		return facts{}, fmt.Errorf("not one JSON value: %w", fault.Invalid)
	}
	s := scanner{json.NewDecoder(bytes.NewReader(body))}
	s.UseNumber()
	tok, err := s.Token()
	if err != nil {
		return facts{}, fmt.Errorf("%w: %w", err, fault.Invalid)
	}
	if tok != json.Delim('{') {
		return facts{}, fmt.Errorf("not a JSON object: %w", fault.Invalid)
	}
	return s.object(1)
}

// scanner sums up sizes over the tokens of a valid JSON text.
type scanner struct{ *json.Decoder }

// object reads the fields of an object that has been opened; depth is the
// number of objects and arrays now open.
func (s scanner) object(depth int) (facts, error) {
	var f facts
	var seen map[string]bool
	if depth == 1 {
		seen = map[string]bool{}
	}
	for s.More() {
		tok, err := s.Token()
		if err != nil {
			return f, fmt.Errorf("%w: %w", err, fault.Invalid)
		}
		name, _ := tok.(string)
		switch {
		case name == "":
			return f, fmt.Errorf("field without a name: %w", fault.Invalid)
		case len(name) > MaxNameBytes:
			return f, fmt.Errorf("field name of %d bytes, want at most %d: %w", len(name), MaxNameBytes, fault.Invalid)
		case depth == 1 && reserved(name):
			return f, fmt.Errorf("field %s: the name is taken: %w", name, fault.Invalid)
		case depth == 1 && seen[name]:
			return f, fmt.Errorf("field %q: twice: %w", cut(name), fault.Invalid)
		case depth == 1:
			seen[name] = true
		}
		n, err := s.value(depth)
		if err != nil {
			return f, fmt.Errorf("field %q: %w", cut(name), err)
		}
		f.fields++
		f.bytes += len(name) + n
	}
	_, err := s.Token()
	return f, err
}

func (s scanner) value(depth int) (int, error) {
	tok, err := s.Token()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", err, fault.Invalid)
	}
	switch v := tok.(type) {
	case string:
		return len(v), nil
	case json.Number:
		return numberSize(v.String())
	case json.Delim:
		if depth++; depth > MaxDepth {
			return 0, fmt.Errorf("nested deeper than %d: %w", MaxDepth, fault.Invalid)
		}
		if v == '[' {
			return s.array(depth)
		}
		f, err := s.object(depth)
		return 3 + f.fields + f.bytes, err
	}
	return 1, nil // true, false, null
}

func (s scanner) array(depth int) (int, error) {
	size := 3
	for s.More() {
		n, err := s.value(depth)
		if err != nil {
			return 0, err
		}
		size += 1 + n
	}
	_, err := s.Token()
	return size, err
}

// numberSize measures a JSON number and refuses one that DynamoDB would round
// or cannot hold.
func numberSize(text string) (int, error) {
	digits, negative := strings.CutPrefix(text, "-")
	exponent := 0
	if at := strings.IndexAny(digits, "eE"); at >= 0 {
		// An exponent beyond int is beyond DynamoDB's in any case.
		n, err := strconv.Atoi(digits[at+1:])
		if err != nil {
			n = 1 << 30
			if digits[at+1] == '-' {
				n = -n
			}
		}
		digits, exponent = digits[:at], n
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	significant := strings.TrimLeft(whole+fraction, "0")
	exponent += len(significant) - 1 - len(fraction) // of the first digit
	significant = strings.TrimRight(significant, "0")
	switch n := len(significant); {
	case n == 0:
		return 1, nil // zero
	case n > MaxDigits:
		return 0, fmt.Errorf("number of %d significant digits, want at most %d: %w", n, MaxDigits, fault.Invalid)
	case exponent < minExponent || exponent > maxExponent:
		return 0, fmt.Errorf("number beyond 1e%d to 1e%d: %w", minExponent, maxExponent+1, fault.Invalid)
	}
	size := (len(significant)+1)/2 + 1
	if negative {
		size++
	}
	return size, nil
}

// cut keeps names out of error texts when they are long.
func cut(name string) string {
	if len(name) <= 40 {
		return name
	}
	return strings.ToValidUTF8(name[:40], "") + "…"
}
