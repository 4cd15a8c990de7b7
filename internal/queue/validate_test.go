package queue

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"buzon/internal/fault"
)

func TestValidate(t *testing.T) {
	ok := Message{Group: "g", Dedup: "d", Body: []byte("{}")}
	with := func(change func(*Message)) Message {
		m := ok
		change(&m)
		return m
	}
	for _, c := range []struct {
		name  string
		m     Message
		valid bool
	}{
		{"the shortest of everything", with(func(m *Message) { m.Body = []byte("1") }), true},
		{"no group", with(func(m *Message) { m.Group = "" }), false},
		{"a group of MaxID", with(func(m *Message) { m.Group = strings.Repeat("g", MaxID) }), true},
		{"a group of one more", with(func(m *Message) { m.Group = strings.Repeat("g", MaxID+1) }), false},
		{"no deduplication id", with(func(m *Message) { m.Dedup = "" }), false},
		{"a deduplication id of MaxID", with(func(m *Message) { m.Dedup = strings.Repeat("d", MaxID) }), true},
		{"a deduplication id of one more", with(func(m *Message) { m.Dedup = strings.Repeat("d", MaxID+1) }), false},
		{"the first and last allowed character of an id", with(func(m *Message) { m.Group, m.Dedup = "!~", "~!" }), true},
		{"the character before the first: a space", with(func(m *Message) { m.Group = "a b" }), false},
		{"the character after the last: delete", with(func(m *Message) { m.Dedup = "\x7f" }), false},
		{"an id that is not ASCII", with(func(m *Message) { m.Group = "é" }), false},
		{"no body", with(func(m *Message) { m.Body = nil }), false},
		{"a body of MaxBody", with(func(m *Message) { m.Body = []byte(strings.Repeat("x", MaxBody)) }), true},
		{"a body of one more", with(func(m *Message) { m.Body = []byte(strings.Repeat("x", MaxBody+1)) }), false},
		{"the first and last allowed character of a body", with(func(m *Message) { m.Body = []byte(" ~") }), true},
		{"T9: a control character", with(func(m *Message) { m.Body = []byte("\x1f") }), false},
		{"T9: delete", with(func(m *Message) { m.Body = []byte("\x7f") }), false},
		{"T9: a character that is not ASCII", with(func(m *Message) { m.Body = []byte(`"é"`) }), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := Validate(c.m); (err == nil) != c.valid || err != nil && !errors.Is(err, fault.Invalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEncodeLimit(t *testing.T) {
	if b, err := Encode(strings.Repeat("x", MaxBody-2)); err != nil || len(b) != MaxBody {
		t.Errorf("MaxBody: %d bytes, %v", len(b), err)
	}
	for name, v := range map[string]any{
		"one byte more":              strings.Repeat("x", MaxBody-1),
		"six times as long escaped":  strings.Repeat("é", MaxBody/6+1),
		"no JSON has this number":    math.NaN(),
		"no JSON has this at all":    func() {},
		"raw text that is not JSON":  json.RawMessage("{"),
		"raw text that is two JSONs": json.RawMessage("1 2"),
	} {
		if _, err := Encode(v); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func TestEncodeEscapes(t *testing.T) {
	for in, want := range map[string]string{
		"plain <&>":    `"plain <&>"`,
		"ñ":            `"\u00f1"`,
		"😀":            `"\ud83d\ude00"`,
		"\U0010ffff":   `"\udbff\udfff"`,
		"\uffff":       `"\uffff"`,
		"\x00\x1f\x7f": `"\u0000\u001f\u007f"`,
		"\u2028":       `"\u2028"`,
		"\xff":         `"\ufffd"`,
	} {
		if got, err := Encode(in); err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v; want %s", in, got, err, want)
		}
	}
}

// anyJSON draws a value as json.Unmarshal would give it.
func anyJSON(depth int) *rapid.Generator[any] {
	text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune{0, '\n', '"', '\\', 0x7f, 0x80, 0xfffd, 0xffff, 0x10000, 0x10ffff, '<'})))
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Float64Range(-1e300, 1e300).AsAny(), text.AsAny(),
	}
	if depth > 0 {
		inner := anyJSON(depth - 1)
		leaves = append(leaves, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(text, inner, 0, 4).AsAny())
	}
	return rapid.OneOf(leaves...)
}

func TestT9AnyValueSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyJSON(3).Draw(t, "value")
		body, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := Validate(Message{Group: "g", Dedup: "d", Body: body}); err != nil {
			t.Fatal(err)
		}
		var back any
		if err := json.Unmarshal(body, &back); err != nil || !reflect.DeepEqual(back, v) {
			t.Fatalf("%#v became %#v, %v", v, back, err)
		}
	})
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "a", "\xff\xfe", "\xed\xa0\x80", "é😀", "\x00\x7f", `{"a":"é"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		began := time.Now()
		for _, v := range []any{s, map[string]string{s: s}, json.RawMessage(s)} {
			body, err := Encode(v)
			if err != nil {
				if !errors.Is(err, fault.Invalid) {
					t.Fatal(err)
				}
				continue
			}
			if err := Validate(Message{Group: "g", Dedup: "d", Body: body}); err != nil {
				t.Fatal(err)
			}
			var back string
			if _, plain := v.(string); plain && utf8.ValidString(s) && (json.Unmarshal(body, &back) != nil || back != s) {
				t.Fatalf("%q became %q", s, back)
			}
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("%d bytes took %s", len(s), d)
		}
	})
}
