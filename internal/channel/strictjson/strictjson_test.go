package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/fuzztest"
)

func TestT7RefusesWhatParsersDisagreeOn(t *testing.T) {
	tests := []struct{ why, in, want string }{
		{"an empty body is no document", ``, channel.RejectNotJSON},
		{"nor is space alone", " \n\t", channel.RejectNotJSON},
		{"a byte order mark is not JSON", "\ufeff{}", channel.RejectNotJSON},
		{"a cut object", `{"id":"a"`, channel.RejectNotJSON},
		{"a cut string", `{"id":"a`, channel.RejectNotJSON},
		{"a cut escape", `"\`, channel.RejectNotJSON},
		{"a cut word", `tru`, channel.RejectNotJSON},
		{"a comma too many in an object", `{"id":"a",}`, channel.RejectNotJSON},
		{"a comma too many in an array", `[1,]`, channel.RejectNotJSON},
		{"a comma too few", `[1 2]`, channel.RejectNotJSON},
		{"a key without quotes", `{id:1}`, channel.RejectNotJSON},
		{"a key without a value", `{"id"}`, channel.RejectNotJSON},
		{"single quotes", `{'id':1}`, channel.RejectNotJSON},
		{"a comment", `{/**/}`, channel.RejectNotJSON},
		{"a control character in a string", "\"a\nb\"", channel.RejectNotJSON},
		{"an unknown escape", `"\x41"`, channel.RejectNotJSON},
		{"an escape with three digits", `"\u041"`, channel.RejectNotJSON},
		{"NaN", `NaN`, channel.RejectNotJSON},
		{"a leading zero leaves bytes over", `01`, channel.RejectAmbiguous},
		{"a plus sign", `+1`, channel.RejectNotJSON},
		{"a bare point", `1.`, channel.RejectNotJSON},
		{"a bare exponent", `1e`, channel.RejectNotJSON},
		{"a bare minus", `-`, channel.RejectNotJSON},
		{"a second document", `{}{}`, channel.RejectAmbiguous},
		{"a byte after the document", `{"id":1}x`, channel.RejectAmbiguous},
		{"a NUL after the document", "{}\x00", channel.RejectAmbiguous},
		{"a key twice", `{"id":1,"id":2}`, channel.RejectAmbiguous},
		{"a key twice, once escaped", `{"id":1,"\u0069d":2}`, channel.RejectAmbiguous},
		{"a key twice deep inside", `[{"a":{"b":1,"b":1}}]`, channel.RejectAmbiguous},
		{"invalid UTF-8 in a string", "{\"id\":\"\xff\"}", channel.RejectAmbiguous},
		{"invalid UTF-8 outside", "{}\xff", channel.RejectAmbiguous},
		{"an encoded surrogate", "\"\xed\xa0\x80\"", channel.RejectAmbiguous},
		{"half a surrogate pair", `"\ud83d"`, channel.RejectAmbiguous},
		{"the second half alone", `"\udc4b"`, channel.RejectAmbiguous},
		{"two first halves", `"\ud83d\ud83d"`, channel.RejectAmbiguous},
		{"half a pair in a key", `{"\ud83d":1}`, channel.RejectAmbiguous},
		{"a whole pair is a character", `"\ud83d\udc4b"`, ""},
		{"the replacement character itself is one", `"\ufffd"`, ""},
		{"case variants are for the reader to judge", `{"id":1,"ID":2}`, ""},
		{"space around it is none of our business", " {} \n", ""},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			v, got := Parse([]byte(tc.in))
			if got != tc.want {
				t.Fatalf("Parse(%q) rejects with %q, want %q", tc.in, got, tc.want)
			}
			if (got == "") == (v.Kind() == Missing) {
				t.Errorf("Parse(%q) = kind %d with code %q", tc.in, v.Kind(), got)
			}
		})
	}
}

func TestT8LimitsAtBothEdges(t *testing.T) {
	nested := func(n int, open, end string) string {
		return strings.Repeat(open, n) + "1" + strings.Repeat(end, n)
	}
	str := func(n int) string { return `"` + strings.Repeat("a", n) + `"` }
	tests := []struct{ why, in, want string }{
		{"arrays at the limit", nested(channel.MaxDepth, "[", "]"), ""},
		{"one array deeper", nested(channel.MaxDepth+1, "[", "]"), channel.RejectTooDeep},
		{"objects at the limit", nested(channel.MaxDepth, `{"a":`, "}"), ""},
		{"one object deeper", nested(channel.MaxDepth+1, `{"a":`, "}"), channel.RejectTooDeep},
		{"a million open brackets", strings.Repeat("[", 1_000_000), channel.RejectTooDeep},
		{"a key at the limit", `{` + str(channel.MaxString) + `:1}`, ""},
		{"a key of a byte more", `{` + str(channel.MaxString+1) + `:1}`, channel.RejectTooLong},
		{"a key of a byte more behind another", `{"a":` + str(channel.MaxString+1) + `,` + str(channel.MaxString+1) + `:1}`, channel.RejectTooLong},
		{"a string of a byte more costs nobody else", `{"a":` + str(channel.MaxString+1) + `,"b":1}`, ""},
		{"a string of a byte more is still read to its end", str(channel.MaxString+1) + `x`, channel.RejectAmbiguous},
		{"and without one is none", `"` + strings.Repeat("a", channel.MaxString+1), channel.RejectNotJSON},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			if _, got := Parse([]byte(tc.in)); got != tc.want {
				t.Errorf("rejects with %q, want %q", got, tc.want)
			}
		})
	}
}

func TestT7ManyKeysAreStillCompared(t *testing.T) {
	for n := 2; n < 3*fewKeys; n++ {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":%d,`, i, i)
		}
		unique := "{" + strings.TrimSuffix(b.String(), ",") + "}"
		if _, got := Parse([]byte(unique)); got != "" {
			t.Fatalf("%d different keys are refused: %s", n, got)
		}
		for i := range n {
			twice := "{" + b.String() + fmt.Sprintf(`"k%d":0}`, i)
			if _, got := Parse([]byte(twice)); got != channel.RejectAmbiguous {
				t.Fatalf("key %d of %d twice: %q", i, n, got)
			}
		}
	}
}

func TestT8AStringThatIsTooLongIsNotRead(t *testing.T) {
	tests := []struct {
		why, unit string
		n         int
		want      Kind
	}{
		{"at the limit", "a", channel.MaxString, String},
		{"a byte more", "a", channel.MaxString + 1, Long},
		{"escapes count as what they mean", `\u0041`, channel.MaxString, String},
		{"and no less", `\u0041`, channel.MaxString + 1, Long},
		{"a pair counts four bytes", `\ud83d\udc4b`, channel.MaxString / 4, String},
		{"a pair more is too much", `\ud83d\udc4b`, channel.MaxString/4 + 1, Long},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			in := `"` + strings.Repeat(tc.unit, tc.n) + `"`
			doc, reject := Parse([]byte(`{"before":1,"it":` + in + `,"after":"x"}`))
			v := doc.Get("it")
			if reject != "" || v.Kind() != tc.want || !v.Given() || string(v.Raw()) != in {
				t.Errorf("kind %d with code %q, want %d", v.Kind(), reject, tc.want)
			}
			text, isText := v.Text()
			token, isToken := v.Token()
			if read := tc.want == String; isText != read || isToken != read || (text+token != "") != read {
				t.Errorf("is text: %t, is a token: %t", isText, isToken)
			}
			if after, _ := doc.Get("after").Text(); after != "x" {
				t.Errorf("what follows reads %q", after)
			}
		})
	}
}

func TestT7GetTellsCaseVariants(t *testing.T) {
	v, reject := Parse([]byte(`{"id":1,"ID":2,"Name":3,"\u212Aey":4,"key":5,"ſum":6,"sum":7,"other":8,"":9}`))
	if reject != "" {
		t.Fatal(reject)
	}
	tests := []struct {
		why, key string
		want     Kind
	}{
		{"two spellings of one key", "id", Ambiguous},
		{"seen from the other side", "ID", Ambiguous},
		{"another spelling alone is another key", "name", Missing},
		{"exactly as written", "Name", Number},
		{"the Kelvin sign folds to k", "key", Ambiguous},
		{"the long s folds to s", "sum", Ambiguous},
		{"nothing beside it", "other", Number},
		{"not there", "absent", Missing},
		{"the empty key is a key", "", Number},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			if got := v.Get(tc.key).Kind(); got != tc.want {
				t.Errorf("Get(%q) has kind %d, want %d", tc.key, got, tc.want)
			}
		})
	}
	if got := v.Path("id", "deeper"); got.Kind() != Ambiguous {
		t.Errorf("a path through an ambiguous key has kind %d", got.Kind())
	}
}

func TestAccessors(t *testing.T) {
	type reading struct {
		Text, Token                    string
		TextOK, TokenOK, IntOK, FltOK  bool
		Int                            int64
		Float                          float64
		Bool, BoolOK, Given, HasRawOut bool
		Len                            int
	}
	read := func(v Value) (r reading) {
		r.Text, r.TextOK = v.Text()
		r.Token, r.TokenOK = v.Token()
		r.Int, r.IntOK = v.Int()
		r.Float, r.FltOK = v.Float()
		r.Bool, r.BoolOK = v.Bool()
		r.Given, r.HasRawOut, r.Len = v.Given(), v.Raw() != nil, v.Len()
		return r
	}
	tests := []struct {
		why, in string
		want    reading
	}{
		{"a string is text", `"a\n\u00e9"`, reading{Text: "a\né", TextOK: true, Token: "a\né", TokenOK: true, Given: true, HasRawOut: true}},
		{"a string may hold a number", `" 12 "`, reading{Text: " 12 ", TextOK: true, Token: " 12 ", TokenOK: true, Int: 12, IntOK: true, Float: 12, FltOK: true, Given: true, HasRawOut: true}},
		{"a string of digits beyond int64 has no Int", `"99999999999999999999"`, reading{Text: "99999999999999999999", TextOK: true, Token: "99999999999999999999", TokenOK: true, Float: 1e20, FltOK: true, Given: true, HasRawOut: true}},
		{"an id above 2^53 keeps its digits", `5741311803571721087`, reading{Token: "5741311803571721087", TokenOK: true, Int: 5741311803571721087, IntOK: true, Float: 5741311803571721087, FltOK: true, Given: true, HasRawOut: true}},
		{"a whole number in floating spelling is an Int", `1.7e9`, reading{Token: "1.7e9", TokenOK: true, Int: 1_700_000_000, IntOK: true, Float: 1.7e9, FltOK: true, Given: true, HasRawOut: true}},
		{"a fraction is not", `0.5`, reading{Token: "0.5", TokenOK: true, Float: 0.5, FltOK: true, Given: true, HasRawOut: true}},
		{"no float above its range", `1e999`, reading{Token: "1e999", TokenOK: true, Float: 0, Given: true, HasRawOut: true}},
		{"NaN in a string is no number", `"NaN"`, reading{Text: "NaN", TextOK: true, Token: "NaN", TokenOK: true, Given: true, HasRawOut: true}},
		{"nor is hexadecimal", `"0x1p-2"`, reading{Text: "0x1p-2", TextOK: true, Token: "0x1p-2", TokenOK: true, Given: true, HasRawOut: true}},
		{"true", `true`, reading{Bool: true, BoolOK: true, Given: true, HasRawOut: true}},
		{"false", `false`, reading{BoolOK: true, Given: true, HasRawOut: true}},
		{"null is there and not given", `null`, reading{HasRawOut: true}},
		{"an array has a length", `[1,[2,3],{}]`, reading{Given: true, HasRawOut: true, Len: 3}},
		{"an object too", `{"a":{"b":1},"c":2}`, reading{Given: true, HasRawOut: true, Len: 2}},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			v, reject := Parse([]byte(tc.in))
			if reject != "" {
				t.Fatal(reject)
			}
			got := read(v)
			if !got.FltOK {
				got.Float = 0
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(reading{}, read(Value{})); diff != "" {
		t.Errorf("Missing reads as nothing: %s", diff)
	}
	doc, _ := Parse([]byte(`{"A":"1","a":"1"}`))
	if diff := cmp.Diff(reading{Given: true}, read(doc.Get("a"))); diff != "" {
		t.Errorf("no accessor takes Ambiguous: %s", diff)
	}
}

// toAny is v as encoding/json with UseNumber would decode it.
func toAny(v Value) any {
	switch v.Kind() {
	case Bool:
		b, _ := v.Bool()
		return b
	case Number:
		s, _ := v.Token()
		return json.Number(s)
	case String:
		s, _ := v.Text()
		return s
	case Long:
		var s string
		_ = json.Unmarshal(v.Raw(), &s)
		return s
	case Array:
		list := []any{}
		for e := range v.Elems() {
			list = append(list, toAny(e))
		}
		return list
	case Object:
		m := map[string]any{}
		for k, e := range v.Members() {
			m[k] = toAny(e)
		}
		return m
	}
	return nil
}

// FuzzParse compares with encoding/json: what is accepted means the same there,
// what is refused as not JSON is not JSON there either; and it holds the bounds on
// time and memory of T8.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-0.5e+3,"x\"\\\/\b\f\n\r\t\u00e9\ud83d\udc4b",true,false,null,{"b":{}}]}`,
		`{"id":1,"ID":2}`, `{"id":1,"id":2}`, `[[[[]]]]`, `["` + strings.Repeat("a", channel.MaxString+1) + `",1]`, `"\ud83d"`, "{}\x00", "\xff", `01`, `{"\u0069d":1}`, ` [ ] `, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := bytes.Clone(body)
		var v Value
		var reject string
		fuzztest.Limit{Memory: 64 << 10, PerByte: 128}.Check(t, len(body), func() { v, reject = Parse(body) })
		if !bytes.Equal(body, kept) {
			t.Error("the body was changed")
		}
		if reject != "" {
			if reject == channel.RejectNotJSON && json.Valid(body) {
				t.Errorf("refused as not JSON, which it is: %q", body)
			}
			return
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("accepted %q: %v", body, err)
		}
		if diff := cmp.Diff(want, toAny(v)); diff != "" {
			t.Errorf("%q: -encoding/json +strictjson\n%s", body, diff)
		}
		if !bytes.Equal(v.Raw(), bytes.Trim(body, " \t\r\n")) {
			t.Errorf("Raw of %q is %q", body, v.Raw())
		}
	})
}

func TestT8MemoryStaysNearTheBody(t *testing.T) {
	const size = 1 << 20
	bodies := map[string][]byte{
		"numbers": []byte("[" + strings.Repeat("0,", size/2) + "0]"),
		"objects": []byte("[" + strings.Repeat("{},", size/3) + "{}]"),
		"strings": []byte("[" + strings.Repeat(`"",`, size/3) + `""]`),
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			v, reject := Parse(body)
			runtime.ReadMemStats(&after)
			if reject != "" {
				t.Fatal(reject)
			}
			if v.Len() < size/3 {
				t.Errorf("%d elements", v.Len())
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Errorf("%d MiB allocated in all", used>>20)
			}
		})
	}
}
