package wording

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDigits   = 3  // of a variable's number: MaxParams has as many
	maxFound    = 20 // characters of a mistake that are shown
	maxMistakes = 10 // mistakes of one kind in one field that are told
)

// hole is a variable in a text: {{1}}.
type hole struct {
	from, to int // in bytes
	number   int
}

func (h hole) String() string { return variable(h.number) }

func variable(n int) string { return "{{" + strconv.Itoa(n) + "}}" }

// holes finds the variables of a text in their order, and what has braces
// without being one, each once, as many as are told. It takes time in proportion
// to the text.
func holes(s string) (found []hole, mistakes []string) {
	for i := 0; i < len(s); {
		next := strings.IndexAny(s[i:], "{}")
		if next < 0 {
			break
		}
		i += next
		if h, ok := holeAt(s, i); ok {
			found = append(found, h)
			i = h.to
			continue
		}
		end := mistakeAt(s, i)
		if m := cut(s[i:end], maxFound); len(mistakes) < maxMistakes && !slices.Contains(mistakes, m) {
			mistakes = append(mistakes, m)
		}
		i = end
	}
	return found, mistakes
}

// holeAt reads a variable that begins at i, where no brace stands before it:
// two braces on each side, a number from 1 without leading zeros, nothing else.
func holeAt(s string, i int) (hole, bool) {
	inner, ok := strings.CutPrefix(s[i:], "{{")
	if !ok {
		return hole{}, false
	}
	n := 0
	for n < len(inner) && n <= maxDigits && '0' <= inner[n] && inner[n] <= '9' {
		n++
	}
	if n == 0 || n > maxDigits || inner[0] == '0' || !strings.HasPrefix(inner[n:], "}}") || strings.HasPrefix(inner[n:], "}}}") {
		return hole{}, false
	}
	number, err := strconv.Atoi(inner[:n])
	return hole{i, i + n + len("{{}}"), number}, err == nil
}

// mistakeAt is the end of what somebody may have meant as a variable: from the
// brace at i to the braces that close it on the same line, else of the first
// braces alone.
func mistakeAt(s string, i int) int {
	open := i + run(s[i:], '{')
	if open == i {
		return i + run(s[i:], '}')
	}
	end := open + strings.IndexAny(s[open:]+"\n", "{}\n")
	if end < len(s) && s[end] == '}' && end-open <= maxFound {
		return end + run(s[end:], '}')
	}
	return open
}

func run(s string, b byte) int { return len(s) - len(strings.TrimLeft(s, string(b))) }

// cut shortens a text to so many characters, the last of them an ellipsis.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// Count is how many values a body takes: the highest number of its variables.
// What has other braces takes none.
func Count(body string) int {
	most := 0
	found, _ := holes(body)
	for _, h := range found {
		most = max(most, h.number)
	}
	return most
}

// Fill puts the first value in the place of {{1}}, the second in that of {{2}}
// and so on. All else stays as it is (S3-31), and so does a variable without a
// value; what looks like a variable in a value is text.
func Fill(body string, values []string) string {
	found, _ := holes(body)
	var b strings.Builder
	at := 0
	for _, h := range found {
		if h.number > len(values) {
			continue
		}
		b.WriteString(body[at:h.from])
		b.WriteString(values[h.number-1])
		at = h.to
	}
	return b.String() + body[at:]
}

// body: required, at most 1024, its parameters numbered from 1 in their order and
// none twice (S3-37), a name for each (S3-39).
func (c *check) body() {
	if !c.required("body", c.t.Body) {
		c.params(-1)
		return
	}
	well := c.clean("body", c.t.Body, true)
	c.short("body", c.t.Body, MaxBody)
	found, mistakes := holes(c.t.Body)
	for _, m := range mistakes {
		c.Add("body", "bad_variable", "found", m, "example", variable(1))
	}
	if !c.numbered(found) || len(mistakes) > 0 {
		c.params(-1)
		return
	}
	c.params(len(found))
	if well {
		c.adviseBody(found)
	}
}

// numbered tells whether variables are {{1}}, {{2}} … and says where they are not.
func (c *check) numbered(found []hole) bool {
	well, expected, told := true, 1, 0
	seen := map[int]int{}
	for _, h := range found {
		seen[h.number]++
		switch {
		case seen[h.number] == 2 && told < maxMistakes:
			c.Add("body", "variable_repeated", "variable", h.String())
			told++
		case seen[h.number] > 1:
		case h.number != expected && well:
			c.Add("body", "variable_not_consecutive", "found", h.String(), "expected", variable(expected))
			expected = h.number + 1
		default:
			expected = h.number + 1
			continue
		}
		well = false
	}
	return well
}

// params: a name for each of so many variables; -1: how many is not known.
func (c *check) params(variables int) {
	names := c.t.Params
	if len(names) > MaxParams {
		c.Add("params", "too_many", "max", strconv.Itoa(MaxParams))
		return
	}
	if variables >= 0 && len(names) != variables {
		c.Add("params", "params_count", "want", strconv.Itoa(variables), "got", strconv.Itoa(len(names)))
	}
	for i, name := range names {
		at := "params[" + strconv.Itoa(i) + "]"
		switch {
		case !c.required(at, name) || !c.short(at, name, MaxParamName):
		case !paramPattern.MatchString(name):
			c.Add(at, "param_name")
		case slices.Contains(names[:i], name):
			c.Add(at, "twice")
		}
	}
}
