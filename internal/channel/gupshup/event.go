package gupshup

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"buzon/internal/channel"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// Limits of what is taken from an event, beside those of package channel.
const (
	maxID     = 512     // bytes of a message or template id
	maxPerson = 150     // bytes of a person's id
	maxRaw    = 8 << 10 // bytes of content kept as it came
	maxWords  = 200     // characters of a provider's explanation
	maxCode   = 32      // characters of an error code or of a status
)

// lastTime is the last that time.Time can write as JSON: the end of year 9999.
const lastTime = 253_402_300_799

// event reads the fields of one event and remembers the first reason why it
// cannot be used. Its methods return zero values for what they refuse.
type event struct{ bad string }

func (e *event) fail(code string) {
	if e.bad == "" {
		e.bad = code
	}
}

// need reads a string that has to be there: absent and null are refused with
// missing, another type as wrong.
func (e *event) need(v strictjson.Value, missing string) string {
	switch v.Kind() {
	case strictjson.String:
		s, _ := v.Text()
		return s
	case strictjson.Ambiguous:
		e.fail(channel.RejectAmbiguous)
	case strictjson.Missing, strictjson.Null:
		e.fail(missing)
	default:
		e.fail(channel.RejectWrongType)
	}
	return ""
}

// word is need for a string that says what the rest is: blank counts as missing.
func (e *event) word(v strictjson.Value, missing string) string {
	s := e.need(v, missing)
	if strings.TrimSpace(s) == "" {
		e.fail(missing)
	}
	return s
}

// part passes on a part of the event that we can do without, unless its key is
// ambiguous.
func (e *event) part(v strictjson.Value) strictjson.Value {
	if v.Kind() == strictjson.Ambiguous {
		e.fail(channel.RejectAmbiguous)
	}
	return v
}

// object requires an object: absent and null are refused with missing.
func (e *event) object(v strictjson.Value, missing string) {
	switch e.part(v).Kind() {
	case strictjson.Object:
	case strictjson.Missing, strictjson.Null:
		e.fail(missing)
	default:
		e.fail(channel.RejectWrongType)
	}
}

// id reads a string that names something: not blank, and short enough for a key.
func (e *event) id(v strictjson.Value) string {
	s := strings.TrimSpace(e.need(v, channel.RejectNoID))
	switch {
	case s == "":
		e.fail(channel.RejectNoID)
	case len(s) > maxID:
		e.fail(channel.RejectWrongType)
		return ""
	}
	return s
}

// maybe reads a string that we can do without: every other type is nothing.
func (e *event) maybe(v strictjson.Value) string {
	s, _ := e.part(v).Text()
	return s
}

// maybeID is maybe for an id or code, also written as a number.
func (e *event) maybeID(v strictjson.Value) string {
	s, _ := e.part(v).Token()
	if s = strings.TrimSpace(s); len(s) > maxID {
		return ""
	}
	return s
}

// first is the first of v's keys that holds a text with something in it.
func (e *event) first(v strictjson.Value, keys ...string) string {
	for _, k := range keys {
		if s := e.maybe(v.Get(k)); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

// person reads whom an event concerns: a number, given in digits, or WhatsApp's
// business-scoped id.
func (e *event) person(v strictjson.Value) string {
	s := e.need(v, channel.RejectNoSender)
	p := person(s)
	if p == "" {
		e.fail(channel.RejectNoSender)
	}
	return p
}

var (
	scopedID   = regexp.MustCompile(`^[A-Z]{2}\.[A-Za-z0-9.]+$`)
	separators = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "")
)

// person is a number's digits without plus sign and separators, or a
// business-scoped id as it is; empty for anything else.
func person(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxPerson {
		return ""
	}
	if scopedID.MatchString(s) {
		return s
	}
	s = separators.Replace(strings.TrimPrefix(s, "+"))
	for _, r := range s {
		if r < '0' || r > '9' {
			return ""
		}
	}
	return s
}

// time reads a moment in seconds or milliseconds, a number or a string; zero if
// there is none. What is no moment is refused.
func (e *event) time(v strictjson.Value) time.Time {
	t, ok := moment(e.part(v))
	if !ok {
		e.fail(channel.RejectWrongType)
	}
	return t
}

// moment is the time that v tells, zero if v is absent, empty or nought; false if
// it tells none. From 1e12 on it is in milliseconds.
func moment(v strictjson.Value) (time.Time, bool) {
	if s, text := v.Text(); !v.Given() || text && strings.TrimSpace(s) == "" {
		return time.Time{}, true
	}
	n, ok := v.Int()
	switch {
	case !ok || n < 0 || n > lastTime*1000:
		return time.Time{}, false
	case n == 0:
		return time.Time{}, true
	case n >= 1e12:
		return time.UnixMilli(n).UTC(), true
	case n > lastTime:
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}

// firstMoment is the first of values that tells a moment; zero if none does.
func (e *event) firstMoment(values ...strictjson.Value) time.Time {
	for _, v := range values {
		if t, ok := moment(e.part(v)); ok && !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// name reads a person's name, cut to what we keep.
func (e *event) name(v strictjson.Value) string {
	return cutRunes(strings.TrimSpace(e.maybe(v)), desk.MaxName)
}

func cutRunes(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}
