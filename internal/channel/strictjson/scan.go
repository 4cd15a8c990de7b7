package strictjson

import (
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"buzon/internal/channel"
)

// Parse reads body, which must hold one JSON value and nothing else. reject is
// empty, or one of these codes of package channel and v is Missing: RejectNotJSON;
// RejectAmbiguous for invalid UTF-8, an escape that is half a surrogate pair, two
// equal keys in an object, or bytes after the value; RejectTooDeep above
// channel.MaxDepth; RejectTooLong for a key above channel.MaxString. A string above
// it is a value of the kind Long.
func Parse(body []byte) (v Value, reject string) {
	if len(body) > math.MaxUint32 {
		return Value{}, channel.RejectTooLong
	}
	if !utf8.Valid(body) {
		return Value{}, channel.RejectAmbiguous
	}
	p := parser{document: document{body: body, nodes: make([]node, 0, len(body)/16+4)}}
	p.space()
	p.parse(0)
	if p.space(); p.reject == "" && p.pos < len(body) {
		p.reject = channel.RejectAmbiguous
	}
	if p.reject != "" {
		return Value{}, p.reject
	}
	return p.value(0), ""
}

type parser struct {
	document
	pos    int
	reject string // the first refusal; stops everything
}

func (p *parser) fail(code string) {
	if p.reject == "" {
		p.reject = code
	}
}

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.body) {
		return p.body[p.pos]
	}
	return 0
}

func (p *parser) space() {
	for p.pos < len(p.body) {
		switch p.body[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// parse reads the value at pos and the space after it; depth counts the arrays
// and objects around it.
func (p *parser) parse(depth int) {
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if depth == channel.MaxDepth {
			p.fail(channel.RejectTooDeep)
			return
		}
		if c == '{' {
			p.object(depth + 1)
		} else {
			p.array(depth + 1)
		}
	case c == '"':
		p.str()
	case c == 't':
		p.word("true", Bool)
	case c == 'f':
		p.word("false", Bool)
	case c == 'n':
		p.word("null", Null)
	default:
		end, ok := scanNumber(p.body, p.pos)
		if !ok {
			p.fail(channel.RejectNotJSON)
			return
		}
		p.leaf(Number, end, false)
	}
	p.space()
}

// leaf adds the node body[pos:end] and moves behind it.
func (p *parser) leaf(k Kind, end int, escaped bool) {
	p.nodes = append(p.nodes, node{start: uint32(p.pos), end: uint32(end), next: uint32(len(p.nodes) + 1), kind: k, escaped: escaped})
	p.pos = end
}

func (p *parser) word(w string, k Kind) {
	if end := p.pos + len(w); end <= len(p.body) && string(p.body[p.pos:end]) == w {
		p.leaf(k, end, false)
		return
	}
	p.fail(channel.RejectNotJSON)
}

// open adds the node of an object or array; close sets its ends.
func (p *parser) open(k Kind) int {
	p.leaf(k, p.pos+1, false)
	p.space()
	return len(p.nodes) - 1
}

func (p *parser) close(at int) {
	p.pos++
	p.nodes[at].end = uint32(p.pos)
	p.nodes[at].next = uint32(len(p.nodes))
}

func (p *parser) array(depth int) {
	at := p.open(Array)
	if p.peek() == ']' {
		p.close(at)
		return
	}
	for p.reject == "" {
		if p.parse(depth); p.reject != "" {
			return
		}
		switch p.peek() {
		case ',':
			p.pos++
			p.space()
		case ']':
			p.close(at)
			return
		default:
			p.fail(channel.RejectNotJSON)
		}
	}
}

func (p *parser) object(depth int) {
	at := p.open(Object)
	if p.peek() == '}' {
		p.close(at)
		return
	}
	for p.reject == "" {
		if p.peek() != '"' {
			p.fail(channel.RejectNotJSON)
			return
		}
		if p.str(); p.nodes[len(p.nodes)-1].kind == Long {
			p.fail(channel.RejectTooLong)
			return
		}
		p.space()
		if p.peek() != ':' {
			p.fail(channel.RejectNotJSON)
			return
		}
		p.pos++
		p.space()
		if p.parse(depth); p.reject != "" {
			return
		}
		switch p.peek() {
		case ',':
			p.pos++
			p.space()
		case '}':
			p.close(at)
			p.unique(uint32(at))
			return
		default:
			p.fail(channel.RejectNotJSON)
		}
	}
}

// fewKeys is up to how many keys are compared in pairs; above, with a set.
const fewKeys = 16

// unique refuses an object with two equal keys.
func (p *parser) unique(at uint32) {
	var few [fewKeys]uint32
	n := 0
	var seen map[string]struct{}
	for k := at + 1; k < p.nodes[at].next; k = p.nodes[k+1].next {
		if n < fewKeys {
			for _, other := range few[:n] {
				if p.sameKey(k, other) {
					p.fail(channel.RejectAmbiguous)
					return
				}
			}
			few[n] = k
			n++
			continue
		}
		if seen == nil {
			seen = make(map[string]struct{})
			for _, other := range few {
				seen[p.text(other)] = struct{}{}
			}
		}
		name := p.text(k)
		if _, twice := seen[name]; twice {
			p.fail(channel.RejectAmbiguous)
			return
		}
		seen[name] = struct{}{}
	}
}

func (p *parser) sameKey(a, b uint32) bool {
	x, y := p.nodes[a], p.nodes[b]
	if !x.escaped && !y.escaped {
		return string(p.body[x.start:x.end]) == string(p.body[y.start:y.end])
	}
	return p.text(a) == p.text(b)
}

// str reads a string or key. The limit is on its decoded bytes.
func (p *parser) str() {
	escaped, saved := false, 0 // saved: bytes by which the text is shorter than its spelling
	i := p.pos + 1
	for ; i < len(p.body) && p.body[i] != '"'; i++ {
		c := p.body[i]
		if c < ' ' {
			p.fail(channel.RejectNotJSON)
			return
		}
		if c != '\\' {
			continue
		}
		escaped = true
		r, size, code := scanEscape(p.body[i:])
		if code != "" {
			p.fail(code)
			return
		}
		saved += size - utf8.RuneLen(r)
		i += size - 1
	}
	if i >= len(p.body) {
		p.fail(channel.RejectNotJSON)
		return
	}
	kind := String
	if i-p.pos-1-saved > channel.MaxString {
		kind = Long
	}
	p.leaf(kind, i+1, escaped)
}

// scanEscape reads the escape at the start of b: its character, its length, and a
// Reject code if it is none or half of a surrogate pair.
func scanEscape(b []byte) (r rune, size int, reject string) {
	if len(b) < 2 {
		return 0, 0, channel.RejectNotJSON
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2, ""
	case 'b':
		return '\b', 2, ""
	case 'f':
		return '\f', 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	case 'u':
		r, ok := hex4(b[2:])
		if !ok {
			return 0, 0, channel.RejectNotJSON
		}
		if !utf16.IsSurrogate(r) {
			return r, 6, ""
		}
		if len(b) < 8 || b[6] != '\\' || b[7] != 'u' {
			return 0, 0, channel.RejectAmbiguous
		}
		low, ok := hex4(b[8:])
		if !ok {
			return 0, 0, channel.RejectNotJSON
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return 0, 0, channel.RejectAmbiguous
		}
		return r, 12, ""
	}
	return 0, 0, channel.RejectNotJSON
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape decodes the inside of a string that has been scanned.
func unescape(raw []byte) string {
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b.WriteByte(raw[i])
			i++
			continue
		}
		r, size, _ := scanEscape(raw[i:])
		b.WriteRune(r)
		i += size
	}
	return b.String()
}

// scanNumber finds the end of the number that starts at i.
func scanNumber(b []byte, i int) (end int, ok bool) {
	digits := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return i, false
		}
	}
	return i, true
}
