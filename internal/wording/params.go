package wording

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

// Names are the names of all values that a send of the template needs, in the
// order in which providers take them: those of the body, then ButtonParam of
// each button whose address ends with a variable. Where a template that was not
// requested here has no names, the numbers of the variables stand for them.
func Names(t desk.Template) []string {
	names := make([]string, Count(t.Body))
	for i := range names {
		names[i] = strconv.Itoa(i + 1)
		if i < len(t.Params) {
			names[i] = t.Params[i]
		}
	}
	for _, i := range t.URLButtons() {
		names = append(names, ButtonParam(i))
	}
	return names
}

// Params puts the values of a send, given by name, into the order of [Names].
// They are trimmed and otherwise left as they are. The value of a button is what
// stands in the place of its variable; the whole address does too. Problems name the fields "params.<name>":
// missing or empty (required), unknown_parameter, one_line, too_long (an
// Authentication code), url_value; and "params" if the body would be too long
// with them (filled_too_long).
func Params(t desk.Template, given map[string]string) ([]string, []fault.Problem) {
	c := &check{t: t}
	names := Names(t)
	told := 0
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(names, name) && told < maxMistakes {
			c.Add("params."+cut(name, MaxParamName), "unknown_parameter")
			told++
		}
	}
	body, urls := Count(t.Body), t.URLButtons()
	values := make([]string, len(names))
	for i, name := range names {
		at := "params." + name
		values[i] = tidy(given[name])
		switch {
		case !c.required(at, values[i]):
		case i >= body:
			values[i] = c.urlValue(at, t.Buttons[urls[i-body]].URL, values[i])
		case c.value(at, values[i]) && t.Category == desk.CategoryAuthentication:
			c.short(at, values[i], MaxCode)
		}
	}
	if len(c.Problems) == 0 && utf8.RuneCountInString(Fill(t.Body, values)) > MaxBody {
		c.Add("params", "filled_too_long", "max", strconv.Itoa(MaxBody))
	}
	return values, c.Problems
}
