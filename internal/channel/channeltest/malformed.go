package channeltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"buzon/internal/channel"
)

// Case is a body that is broken in one way.
type Case struct {
	Break string // drop, null, blank, long, retype, twice, variant, or a word about the whole
	Path  string // of the broken field, as payload.sender.phone or entry.0.changes; empty: the whole
	Body  []byte
	// Want is the code with which every parser has to refuse the whole body; empty
	// where it depends on whether the field is needed.
	Want string
}

func (c Case) String() string { return c.Break + " " + c.Path }

// Malformed breaks a good body, a JSON object, in every way that is systematic: each
// field dropped, null, blank, of another type, too long, given twice and given again
// in another case; and the whole cut, continued, badly encoded, nested too deep and
// with a key that is too long.
func Malformed(good []byte) []Case {
	var root any
	if err := json.Unmarshal(good, &root); err != nil {
		panic(fmt.Sprintf("channeltest: %v", err))
	}
	var cases []Case
	long := `"` + strings.Repeat("7", channel.MaxString+1) + `"`
	for _, path := range paths(root, nil) {
		add := func(kind, want string, e edit) {
			var b strings.Builder
			write(&b, root, path, e)
			cases = append(cases, Case{kind, strings.Join(path, "."), []byte(b.String()), want})
		}
		add("drop", "", edit{drop: true})
		add("null", "", edit{with: "null"})
		add("blank", "", edit{with: `" "`})
		add("long", "", edit{with: long})
		for _, other := range []string{"7", `{"a":1}`, `["a"]`, "true"} {
			add("retype to "+other, "", edit{with: other})
		}
		if _, index := strconv.Atoi(path[len(path)-1]); index != nil {
			add("twice", channel.RejectAmbiguous, edit{twice: true})
			add("variant", "", edit{variant: true})
		}
	}
	whole := func(kind, want, body string) {
		cases = append(cases, Case{Break: kind, Body: []byte(body), Want: want})
	}
	s := string(good)
	for i := range 20 {
		cut := i * len(s) / 20
		want := channel.RejectNotJSON
		for cut > 0 && s[cut]&0xC0 == 0x80 { // not inside a character: that is another fault
			cut--
		}
		whole(fmt.Sprintf("cut after %d bytes", cut), want, s[:cut])
	}
	head := s[:strings.IndexByte(s, '{')+1]
	rest := s[len(head):]
	whole("a second document", channel.RejectAmbiguous, s+s)
	whole("a letter after it", channel.RejectAmbiguous, s+"x")
	whole("a NUL after it", channel.RejectAmbiguous, s+"\x00")
	whole("invalid UTF-8", channel.RejectAmbiguous, head+"\"z\":\"\xff\","+rest)
	whole("half a surrogate pair", channel.RejectAmbiguous, head+`"z":"\ud83d",`+rest)
	whole("nested too deep", channel.RejectTooDeep, head+`"z":`+strings.Repeat("[", channel.MaxDepth)+strings.Repeat("]", channel.MaxDepth)+","+rest)
	whole("too long a key", channel.RejectTooLong, head+long+":1,"+rest)
	whole("an array", channel.RejectWrongType, "["+s+"]")
	whole("a string", channel.RejectWrongType, strconv.Quote("x"))
	whole("null", channel.RejectWrongType, "null")
	whole("an empty object", channel.RejectUnknownEvent, "{}")
	return cases
}

// paths are the ways to every member and element under v.
func paths(v any, at []string) [][]string {
	var all [][]string
	step := func(key string, child any) {
		path := append(slices.Clone(at), key)
		all = append(append(all, path), paths(child, path)...)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			step(k, v[k])
		}
	case []any:
		for i, e := range v {
			step(strconv.Itoa(i), e)
		}
	}
	return all
}

// edit is what happens to the one field.
type edit struct {
	drop, twice, variant bool
	with                 string // JSON that replaces it
}

// write is v as JSON with the edit at the end of path.
func write(b *strings.Builder, v any, path []string, e edit) {
	here := func(key string) (rest []string, on, at bool) {
		if len(path) == 0 || path[0] != key {
			return nil, false, false
		}
		return path[1:], true, len(path) == 1
	}
	comma := ""
	member := func(prefix, key string, child any) {
		rest, on, at := here(key)
		if at && e.drop {
			return
		}
		b.WriteString(comma + prefix)
		comma = ","
		switch {
		case at && e.with != "":
			b.WriteString(e.with)
		case at && (e.twice || e.variant):
			name := key
			if e.variant {
				if name = strings.ToUpper(key); name == key {
					name = strings.ToLower(key)
				}
			}
			write(b, child, nil, edit{})
			b.WriteString("," + strconv.Quote(name) + ":")
			write(b, child, nil, edit{})
		case on:
			write(b, child, rest, e)
		default:
			write(b, child, nil, edit{})
		}
	}
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for _, k := range slices.Sorted(maps.Keys(v)) {
			member(strconv.Quote(k)+":", k, v[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, c := range v {
			member("", strconv.Itoa(i), c)
		}
		b.WriteByte(']')
	default:
		leaf, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("channeltest: %v", err))
		}
		b.Write(leaf)
	}
}
