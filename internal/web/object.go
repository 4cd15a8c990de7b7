package web

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"buzon/internal/fault"
)

// Object is a JSON object that a caller sent. Each reader leaves its target as
// it is when the field is absent, so that one function reads both what creates
// and what changes (JSON merge patch, RFC 7396): null clears where nothing
// requires a value. Whatever is wrong is gathered and told at once by [Object.Err].
type Object struct {
	fields map[string]json.RawMessage
	read   map[string]bool
	body   []byte // of the whole request
	path   string // of this object, "" or "menu[0]."
	in     *fault.Input
}

// Text says what a text may be. Its ends are trimmed; characters are counted in
// code points (Q12).
type Text struct {
	Required bool
	Max      int      // characters; 0: no limit of its own
	OneOf    []string // if any: the values there are
	// Check, if any, gives the code of what is wrong with a text, or nothing.
	Check func(string) (code string)
	Lines bool // line ends are allowed
}

// Body is the request that o was read from, for a package that has rules of its
// own for all of it: it names what is unknown too, so [Object.Err] is not asked.
func (o *Object) Body() []byte { return o.body }

// Has tells whether the caller sent the field.
func (o *Object) Has(name string) bool {
	_, ok := o.fields[name]
	return ok
}

// Null tells whether the caller sent the field as null.
func (o *Object) Null(name string) bool { return string(o.fields[name]) == "null" }

// Names lists the fields that were sent, sorted.
func (o *Object) Names() []string {
	names := make([]string, 0, len(o.fields))
	for name := range o.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Add notes a problem with a field of o.
func (o *Object) Add(field, code string, params ...string) {
	o.in.Add(cut(o.path+field), code, params...)
}

// Told tells whether a problem with the field is noted already.
func (o *Object) Told(field string) bool {
	at := cut(o.path + field)
	return slices.ContainsFunc(o.in.Problems, func(p fault.Problem) bool { return p.Field == at })
}

// Err is all that is wrong, with the fields that nobody read; nil if nothing is.
func (o *Object) Err() error {
	o.unknown()
	return o.in.Err()
}

func (o *Object) unknown() {
	for _, name := range o.Names() {
		if !o.read[name] {
			o.Add(name, "unknown_field")
		}
	}
}

// take gives the text of a field: null tells that it is to be cleared.
func (o *Object) take(name string) (raw json.RawMessage, null, ok bool) {
	raw, ok = o.fields[name]
	if !ok {
		return nil, false, false
	}
	if o.read == nil {
		o.read = map[string]bool{}
	}
	o.read[name] = true
	return raw, string(raw) == "null", true
}

// typed reads the field as the JSON type of that name, whose values begin with
// one of the bytes in first; false: absent, null or of another type. A null is a
// problem: what reads a field that can be cleared asks for it before.
func (o *Object) typed(name, kind, first string) (json.RawMessage, bool) {
	raw, null, ok := o.take(name)
	switch {
	case !ok:
		return nil, false
	case null:
		o.Add(name, "required")
		return nil, false
	case strings.IndexByte(first, raw[0]) < 0:
		o.Add(name, "wrong_type", "type", kind)
		return nil, false
	}
	return raw, true
}

const digits = "-0123456789"

// Text reads a text. A required one is checked even when it was not sent: a
// target that is still empty is a problem.
func (o *Object) Text(name string, dst *string, rule Text) {
	raw, null, _ := o.take(name)
	switch {
	case null:
		*dst = ""
	case raw != nil && raw[0] != '"':
		o.Add(name, "wrong_type", "type", "string")
		return
	case raw != nil:
		var s string
		if json.Unmarshal(raw, &s) != nil { // unreachable: the body is valid JSON
			o.Add(name, "wrong_type", "type", "string")
			return
		}
		if !o.check(name, &s, rule) {
			return
		}
		*dst = s
	}
	if rule.Required && *dst == "" {
		o.Add(name, "required")
	}
}

// Raw reads a text as it is: for what has rules of its own. It gives an empty one
// where there is none.
func (o *Object) Raw(name string) string {
	raw, ok := o.typed(name, "string", `"`)
	var s string
	if ok && json.Unmarshal(raw, &s) != nil { // unreachable: the body is valid JSON
		o.Add(name, "wrong_type", "type", "string")
	}
	return s
}

// check trims s and tells whether it is as the rule wants it; empty is.
func (o *Object) check(name string, s *string, rule Text) bool {
	*s = strings.TrimSpace(strings.ReplaceAll(*s, "\r\n", "\n"))
	for _, c := range *s {
		if unicode.IsControl(c) && !(rule.Lines && (c == '\n' || c == '\t')) {
			o.Add(name, "control_character")
			return false
		}
	}
	if n := utf8.RuneCountInString(*s); rule.Max > 0 && n > rule.Max {
		o.Add(name, "too_long", "max", strconv.Itoa(rule.Max))
		return false
	}
	if len(rule.OneOf) > 0 && *s != "" && !slices.Contains(rule.OneOf, *s) {
		o.Add(name, "not_one_of", "values", strings.Join(rule.OneOf, ", "))
		return false
	}
	if rule.Check != nil && *s != "" {
		if code := rule.Check(*s); code != "" {
			o.Add(name, code)
			return false
		}
	}
	return true
}

// Bool reads a truth value.
func (o *Object) Bool(name string, dst *bool) {
	if raw, ok := o.typed(name, "boolean", "tf"); ok {
		*dst = raw[0] == 't'
	}
}

// Int reads a whole number from low to high. 1.0 and 1e0 are whole numbers too.
func (o *Object) Int(name string, dst *int, low, high int) {
	raw, ok := o.typed(name, "integer", digits)
	if !ok {
		return
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err == nil && f != math.Trunc(f):
		o.Add(name, "wrong_type", "type", "integer")
	case err != nil || f < float64(low) || f > float64(high):
		o.Add(name, "out_of_range", "min", strconv.Itoa(low), "max", strconv.Itoa(high))
	default:
		*dst = int(f)
	}
}

// Time reads an RFC 3339 time; the target is in UTC.
func (o *Object) Time(name string, dst *time.Time) {
	raw, ok := o.typed(name, "string", `"`)
	if !ok {
		return
	}
	var s string
	err := json.Unmarshal(raw, &s)
	t, bad := time.Parse(time.RFC3339, s)
	if err != nil || bad != nil {
		o.Add(name, "invalid_time")
		return
	}
	*dst = t.UTC()
}

// Texts reads a list of at most max texts, none twice and none empty. Null is
// the empty list.
func (o *Object) Texts(name string, dst *[]string, max int, rule Text) {
	items, ok := o.list(name, max)
	if !ok {
		return
	}
	out := make([]string, 0, len(items))
	for i, raw := range items {
		at := name + "[" + strconv.Itoa(i) + "]"
		var s string
		switch {
		case raw[0] != '"' || json.Unmarshal(raw, &s) != nil:
			o.Add(at, "wrong_type", "type", "string")
		case !o.check(at, &s, rule):
		case s == "":
			o.Add(at, "required")
		case slices.Contains(out, s):
			o.Add(at, "twice")
		default:
			out = append(out, s)
		}
	}
	*dst = out
}

// Peek gives the texts of a list as they were sent, unjudged and at most max, to look
// up what [Object.Texts] is then to check. Nil for more, and for what is no list.
func (o *Object) Peek(name string, max int) []string {
	var items []any
	if json.Unmarshal(o.fields[name], &items) != nil || len(items) > max {
		return nil
	}
	var all []string
	for _, v := range items {
		if s, ok := v.(string); ok {
			all = append(all, strings.TrimSpace(s))
		}
	}
	return all
}

// Object reads an object with each; null: each is called with an empty one.
func (o *Object) Object(name string, each func(*Object)) {
	raw, null, ok := o.take(name)
	if !ok {
		return
	}
	if !null && raw[0] != '{' {
		o.Add(name, "wrong_type", "type", "object")
		return
	}
	o.inner(name, raw, each)
}

// Objects reads a list of at most max objects; first is told how many there are,
// then each reads one. Null is the empty list.
func (o *Object) Objects(name string, max int, first func(n int), each func(i int, item *Object)) {
	items, ok := o.list(name, max)
	if !ok {
		return
	}
	first(len(items))
	for i, raw := range items {
		at := name + "[" + strconv.Itoa(i) + "]"
		if raw[0] != '{' {
			o.Add(at, "wrong_type", "type", "object")
			continue
		}
		o.inner(at, raw, func(item *Object) { each(i, item) })
	}
}

func (o *Object) inner(name string, raw json.RawMessage, each func(*Object)) {
	in := &Object{path: o.path + name + ".", in: o.in}
	if json.Unmarshal(raw, &in.fields) != nil { // unreachable: the body is valid JSON
		o.Add(name, "wrong_type", "type", "object")
		return
	}
	each(in)
	in.unknown()
}

func (o *Object) list(name string, max int) ([]json.RawMessage, bool) {
	raw, null, ok := o.take(name)
	if !ok || null {
		return nil, ok
	}
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		o.Add(name, "wrong_type", "type", "array")
		return nil, false
	}
	if len(items) > max {
		o.Add(name, "too_many", "max", strconv.Itoa(max))
		return nil, false
	}
	return items, true
}

// Choice reads a field that is either one word or something else: it tells
// whether the word was sent. Else the field is left for another reader.
func (o *Object) Choice(name, word string) bool {
	raw, ok := o.fields[name]
	var s string
	if !ok || json.Unmarshal(raw, &s) != nil || s != word {
		return false
	}
	o.take(name)
	return true
}

// ReadOnly takes note of the fields of the resource as it is answered. One that
// nobody reads from the body may come back with its present value, so that what
// was read can be sent again with a change; with another value it is a problem.
// Call it after the readers.
func (o *Object) ReadOnly(resource any) {
	b, err := json.Marshal(resource)
	var shown map[string]json.RawMessage
	if err != nil || json.Unmarshal(b, &shown) != nil {
		panic("web: a resource is a JSON object") // unreachable
	}
	for _, name := range o.Names() {
		was, ok := shown[name]
		if !ok || o.read[name] {
			continue
		}
		raw, _, _ := o.take(name)
		if !equal(raw, was) {
			o.Add(name, "read_only")
		}
	}
}

// equal compares two JSON values, whatever their spelling.
func equal(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
