package cloudapi

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
	MaxID     = 512     // bytes of a message or template id
	MaxWords  = 200     // characters of a provider's explanation
	MaxCode   = 32      // characters of an error code or of a status
	maxPerson = 150     // bytes of a person's id
	maxRaw    = 8 << 10 // bytes of content kept as it came
)

// lastTime is the last that time.Time can write as JSON: the end of year 9999.
const lastTime = 253_402_300_799

// Event reads the fields of one event and remembers the first reason why it
// cannot be used. Its methods return zero values for what they refuse.
type Event struct {
	Bad string // one of channel's Reject codes; empty: nothing is wrong so far
}

// Fail notes why the event cannot be used, unless a reason is known already.
func (e *Event) Fail(code string) {
	if e.Bad == "" {
		e.Bad = code
	}
}

// Need reads a string that has to be there: absent and null are refused with
// missing, another type as wrong.
func (e *Event) Need(v strictjson.Value, missing string) string {
	switch v.Kind() {
	case strictjson.String:
		s, _ := v.Text()
		return s
	case strictjson.Ambiguous, strictjson.Long:
		e.Part(v)
	case strictjson.Missing, strictjson.Null:
		e.Fail(missing)
	default:
		e.Fail(channel.RejectWrongType)
	}
	return ""
}

// Word is Need for a string that says what the rest is: blank counts as missing.
func (e *Event) Word(v strictjson.Value, missing string) string {
	s := e.Need(v, missing)
	if strings.TrimSpace(s) == "" {
		e.Fail(missing)
	}
	return s
}

// Part passes on a part of the event that we can do without, unless its key is
// ambiguous or it is too long: what is read is read whole or not at all.
func (e *Event) Part(v strictjson.Value) strictjson.Value {
	switch v.Kind() {
	case strictjson.Ambiguous:
		e.Fail(channel.RejectAmbiguous)
	case strictjson.Long:
		e.Fail(channel.RejectTooLong)
	}
	return v
}

// Object requires an object: absent and null are refused with missing.
func (e *Event) Object(v strictjson.Value, missing string) {
	switch e.Part(v).Kind() {
	case strictjson.Object:
	case strictjson.Missing, strictjson.Null:
		e.Fail(missing)
	default:
		e.Fail(channel.RejectWrongType)
	}
}

// ID reads a string that names something: not blank, and short enough for a key.
func (e *Event) ID(v strictjson.Value) string {
	s := strings.TrimSpace(e.Need(v, channel.RejectNoID))
	switch {
	case s == "":
		e.Fail(channel.RejectNoID)
	case len(s) > MaxID:
		e.Fail(channel.RejectWrongType)
		return ""
	}
	return s
}

// Maybe reads a string that we can do without: every other type is nothing.
func (e *Event) Maybe(v strictjson.Value) string {
	s, _ := e.Part(v).Text()
	return s
}

// MaybeID is Maybe for an id or code, also written as a number.
func (e *Event) MaybeID(v strictjson.Value) string {
	s, _ := e.Part(v).Token()
	if s = strings.TrimSpace(s); len(s) > MaxID {
		return ""
	}
	return s
}

// First is the first of v's keys that holds a text with something in it.
func (e *Event) First(v strictjson.Value, keys ...string) string {
	for _, k := range keys {
		if s := e.Maybe(v.Get(k)); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

// Person reads whom an event concerns: a number, given in digits, or WhatsApp's
// business-scoped id.
func (e *Event) Person(v strictjson.Value) string {
	p := Person(e.Need(v, channel.RejectNoSender))
	if p == "" {
		e.Fail(channel.RejectNoSender)
	}
	return p
}

var (
	scopedID   = regexp.MustCompile(`^[A-Z]{2}\.[A-Za-z0-9.]+$`)
	separators = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "")
)

// Person is a number's digits without plus sign and separators, or a
// business-scoped id as it is; empty for anything else.
func Person(s string) string {
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

// Time reads a moment in seconds or milliseconds, a number or a string; zero if
// there is none. What is no moment is refused.
func (e *Event) Time(v strictjson.Value) time.Time {
	t, ok := moment(e.Part(v))
	if !ok {
		e.Fail(channel.RejectWrongType)
	}
	return t
}

// moment is the time that v tells, zero if v is absent, empty or nought; false if
// it tells none. From 1e12 on it is in milliseconds.
func moment(v strictjson.Value) (time.Time, bool) {
	if blank(v) {
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

// FirstMoment is the first of values that tells a moment; zero if none does.
func (e *Event) FirstMoment(values ...strictjson.Value) time.Time {
	for _, v := range values {
		if t, ok := moment(e.Part(v)); ok && !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// Name reads a person's name, cut to what we keep.
func (e *Event) Name(v strictjson.Value) string {
	return CutRunes(strings.TrimSpace(e.Maybe(v)), desk.MaxName)
}

// CutRunes is the beginning of s, of at most most characters.
func CutRunes(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}
