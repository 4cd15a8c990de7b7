package dynamo

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/table"
)

func TestBodyBecomesNativeAttributes(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"nothing", `{}`, `{}`},
		{"white space", " {\n\"b\" : 1 , \"a\":2 } ", `{"a":2,"b":1}`},
		{"texts", `{"":"x","a":"","b":"\u0000<&>\u2028ñ😀\"\\"}`, `{"":"x","a":"","b":"\u0000<&>\u2028ñ😀\"\\"}`},
		{"truth and nothing", `{"a":true,"b":false,"c":null}`, `{"a":true,"b":false,"c":null}`},
		{"lists and maps", `{"a":[1,"x",[],{},[null,{"b":{}}]]}`, `{"a":[1,"x",[],{},[null,{"b":{}}]]}`},
		{"the last of two fields further in", `{"a":{"x":1,"x":2}}`, `{"a":{"x":2}}`},
		{"numbers stay as they are spelled", `{"a":0,"b":-1.50,"c":9223372036854775807}`, `{"a":0,"b":-1.50,"c":9223372036854775807}`},
		{"exponents and long ones do not", `{"a":15e-1,"b":0e999}`, `{"a":15E-1,"b":0}`},
		{"half a surrogate pair", `{"a":"\ud800"}`, "{\"a\":\"\uFFFD\"}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := encodeBody([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeBody(a)
			if err != nil || string(got) != c.want {
				t.Errorf("%s (%v), want %s", got, err, c.want)
			}
		})
	}
	for _, body := range []string{``, `[]`, `{"a":`, `"x"`} {
		if _, err := encodeBody([]byte(body)); err == nil {
			t.Errorf("%q is taken", body)
		}
	}
}

func TestPlainNumber(t *testing.T) {
	nines := strings.Repeat("9", table.MaxDigits)
	zeros := strings.Repeat("0", 100)
	for _, c := range []struct{ given, want string }{
		{"0", "0"}, {"-0", "-0"}, {"-12.50", "-12.50"}, {nines, nines}, {"-0." + nines[1:], "-0." + nines[1:]},
		{"1" + zeros, "1E100"}, {"-0." + zeros + "12", "-12E-102"}, {"1.5" + zeros, "15E-1"},
		{"1e5", "1E5"}, {"-1.25E+7", "-125E5"}, {"120e-3", "12E-2"}, {"9." + nines[1:] + "e125", nines + "E88"}, {"1e-130", "1E-130"},
		{"0e99999999999999999999", "0"}, {"-0.000E-7", "0"}, {"0." + zeros, "0"}, {"100" + zeros + "e-102", "1E0"},
	} {
		if got := plainNumber(c.given); got != c.want {
			t.Errorf("%s: %s, want %s", c.given, got, c.want)
		}
		if c.want == "0" {
			continue // its exponent may be one that big.Rat does not take
		}
		given, ok1 := new(big.Rat).SetString(c.given)
		got, ok2 := new(big.Rat).SetString(plainNumber(c.given))
		if !ok1 || !ok2 || given.Cmp(got) != 0 {
			t.Errorf("%s is another number than %s", plainNumber(c.given), c.given)
		}
	}
}

func TestItemRoundTrip(t *testing.T) {
	for _, it := range []table.Item{
		{Key: table.Key{PK: "p", SK: "s"}, Version: 1, Body: []byte(`{}`)},
		{Key: table.Key{PK: "p\x00", SK: "ñ"}, Version: 1<<63 - 1, Index: table.Key{PK: "i", SK: "k"},
			Expires: time.Unix(-5, 0).UTC(), Body: []byte(`{"a":[1,{"PK":"inside"}],"pk":"p"}`)},
	} {
		a, err := encodeItem(it)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeItem(a)
		if diff := cmp.Diff(it, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}
}

func TestLastBefore(t *testing.T) {
	most := strings.Repeat("\U0010FFFF", table.MaxSKBytes/4)
	for _, c := range []struct{ name, to, want string }{
		{"the least has nothing before it", "\x00", ""},
		{"what ends with the least character", "ab\x00", "ab"},
		{"a letter, three bytes left over", "b", "a" + most[:1020] + "\uFFFF"},
		{"two bytes left over", "xb", "xa" + most[:1020] + "\u07FF"},
		{"one byte left over", "xyb", "xya" + most[:1020] + "\x7F"},
		{"none left over", "xyzb", "xyza" + most[:1020]},
		{"the first character of two bytes", "\u0080", "\x7F" + most[:1020] + "\uFFFF"},
		{"the first of three", "\u0800", "\u07FF" + most[:1020] + "\u07FF"},
		{"the first of four", "\U00010000", "\uFFFF" + most[:1020] + "\x7F"},
		{"the first behind the surrogates", "\uE000", "\uD7FF" + most[:1020] + "\x7F"},
		{"the longest", strings.Repeat("b", table.MaxSKBytes), strings.Repeat("b", table.MaxSKBytes-1) + "a"},
		{"the greatest", most, most[:1020] + "\U0010FFFE"},
	} {
		got := lastBefore(c.to)
		if got != c.want || got >= c.to || len(got) > table.MaxSKBytes || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes %.20q…, want %d bytes %.20q…", c.name, len(got), got, len(c.want), c.want)
		}
	}
}

// FuzzLastBefore: no sort key lies between a bound and the last before it.
func FuzzLastBefore(f *testing.F) {
	f.Add("b", "a\U0010FFFF")
	f.Add("\uE000", "\uD7FF\uFFFF")
	f.Add("a\x00", "a")
	f.Fuzz(func(t *testing.T, to, other string) {
		valid := func(s string) bool { return s != "" && len(s) <= table.MaxSKBytes && utf8.ValidString(s) }
		if !valid(to) {
			return
		}
		last := lastBefore(to)
		if last >= to || last != "" && !valid(last) {
			t.Fatalf("%q is before %q", last, to)
		}
		if valid(other) && (other < to) != (other <= last) {
			t.Errorf("%q lies between %q and %q", other, last, to)
		}
	})
}

// Bounded checks that reading n bytes takes time and memory in proportion.
func Bounded(t *testing.T, n int, read func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	read()
	if d := time.Since(start); d > time.Second {
		t.Errorf("%d bytes took %v", n, d)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > uint64(1<<20+500*n) {
		t.Errorf("%d bytes took %d bytes of memory", n, used)
	}
}

// byValue is a JSON text as Go values, its numbers by their value.
func byValue(t *testing.T, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = numbers(v[name])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if digits, _, _ := strings.Cut(strings.ToLower(v.String()), "e"); strings.Trim(digits, "-0.") == "" {
			return "0" // with any exponent, such as big.Rat does not take
		}
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return r.RatString()
		}
	}
	return v
}

// FuzzBody: a body that the table takes comes back with the same meaning.
func FuzzBody(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":[1,2.5e-7,{"b":null}],"ñ":"\ud800"}`, `{"x":{"PK":{"":1}}}`, `{"x":-0.00e99999999999,"y":1e125}`,
		`{"a":true,"b":false,"c":"","d":[],"e":{}}`, `{"deep":` + strings.Repeat(`[`, 31) + strings.Repeat(`]`, 31) + `}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		it := table.Item{Key: table.Key{PK: "p", SK: "s"}, Version: 1, Body: body}
		if table.Validate([]table.Op{table.Create(it)}) != nil {
			return
		}
		var got table.Item
		Bounded(t, len(body), func() {
			a, err := encodeItem(it)
			if err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			if got, err = decodeItem(a); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
		})
		if !reflect.DeepEqual(byValue(t, body), byValue(t, got.Body)) {
			t.Errorf("%q comes back as %q", body, got.Body)
		}
		got.Body = it.Body
		if diff := cmp.Diff(it, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
