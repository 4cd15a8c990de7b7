package wording

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"buzon/internal/desk"
)

// maxKeys is how many samples are looked at: as many as there can be variables.
const maxKeys = MaxParams + MaxButtons

// samples checks the values that were given for the provider's reviewer and
// supplies the others: after it, if there is no problem at all, there is one for
// each of Params, then one for each variable in a button's address.
func (c *check) samples(given map[string]string) {
	if len(given) > maxKeys {
		c.Add("samples", "too_many", "max", strconv.Itoa(maxKeys))
		return
	}
	urls := c.t.URLButtons()
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		at, value := "samples."+cut(name, MaxParamName), tidy(given[name])
		place := slices.IndexFunc(urls, func(i int) bool { return ButtonParam(i) == name })
		switch {
		case place < 0 && !slices.Contains(c.t.Params, name):
			c.Add(at, "unknown_parameter")
		case !c.required(at, value):
		case place >= 0:
			value = c.urlValue(at, c.t.Buttons[urls[place]].URL, value)
		case c.value(at, value):
			most := MaxSample
			if c.t.Category == desk.CategoryAuthentication {
				most = MaxCode
			}
			c.short(at, value, most)
		}
		values[name] = value
	}
	if len(c.Problems) > 0 {
		return
	}
	c.t.Samples = supply(c.t, values)
	for _, i := range urls {
		c.t.Samples = append(c.t.Samples, cmp.Or(values[ButtonParam(i)], sampleNumber))
	}
	if utf8.RuneCountInString(Fill(c.t.Body, c.t.Samples)) > MaxBody {
		c.warn("samples", "example_too_long", "max", strconv.Itoa(MaxBody))
	}
}

// urlValue checks a value for the variable at the end of an address, or the whole
// address with it, and gives the value alone.
func (c *check) urlValue(at, address, value string) string {
	fixed, _ := FixedPart(address)
	for fixed != "" && strings.HasPrefix(value, fixed) {
		value = value[len(fixed):]
	}
	_, err := url.Parse(fixed + value)
	switch {
	case value == "":
		c.Add(at, "required")
	case err != nil || !urlText(value):
		c.Add(at, "url_value")
	default:
		c.short(at, fixed+value, MaxURL)
	}
	return value
}

func (c *check) value(at, value string) bool {
	code := valueCode(value)
	if code == "one_line" {
		c.Add(at, code, "max", strconv.Itoa(MaxSpaces))
	} else if code != "" {
		c.Add(at, code)
	}
	return code == ""
}

// valueCode is what is wrong with the value of a variable: Meta refuses line
// ends, tabs and more than four spaces in a row.
func valueCode(value string) string {
	switch {
	case strings.ContainsAny(value, "\n\r\t\u2028\u2029") || strings.Contains(value, strings.Repeat(" ", MaxSpaces+1)):
		return "one_line"
	case !clean(value, false):
		return "control_character"
	}
	return ""
}

const (
	sampleNumber = "A-100"
	sampleCode   = "123456"
)

// hint is a sample for parameters whose name holds one of the words.
type hint struct {
	words  []string
	es, en string
}

// hints go from the more telling words to the less.
var hints = []hint{
	{[]string{"hora", "time"}, "10:30", "10:30"},
	{[]string{"fecha", "date", "día", "dia"}, "5 de mayo", "May 5"},
	{[]string{"descuento", "discount", "porcentaje", "percent"}, "20 %", "20%"},
	{[]string{"precio", "price", "monto", "amount", "valor", "total", "saldo", "balance"}, "$50.000", "$50"},
	{[]string{"ciudad", "city", "lugar", "place", "sede"}, "Bogotá", "Boston"},
	{[]string{"dirección", "direccion", "address"}, "Calle 10 # 5-20", "10 Main Street"},
	{[]string{"empresa", "company", "tienda", "store"}, "La Esquina", "Corner Shop"},
	{[]string{"producto", "product", "servicio", "service"}, "café molido", "ground coffee"},
	{[]string{"pedido", "order", "número", "numero", "number", "caso", "case", "ticket", "guía", "factura", "invoice"}, sampleNumber, sampleNumber},
	{[]string{"código", "codigo", "code"}, sampleCode, sampleCode},
	{[]string{"nombre", "name", "cliente", "customer", "usuario", "user"}, "Ana", "Ana"},
}

// supply gives a value to each of Params: the given one, else one that its name
// suggests; no supplied one is like another. All supplied ones together never
// make the body too long.
func supply(t desk.Template, given map[string]string) []string {
	samples := make([]string, len(t.Params))
	used := map[string]bool{}
	for i, name := range t.Params {
		samples[i] = given[name]
		used[samples[i]] = true
	}
	fill := func(suggest func(i int) string) []string {
		out, used := slices.Clone(samples), maps.Clone(used)
		for i := range out {
			if out[i] != "" {
				continue
			}
			value := suggest(i)
			for n := 2; used[value]; n++ {
				value = suggest(i) + " " + strconv.Itoa(n)
			}
			out[i], used[value] = value, true
		}
		return out
	}
	full := fill(func(i int) string { return suggestion(t, i) })
	if utf8.RuneCountInString(Fill(t.Body, full)) > MaxBody {
		return fill(func(i int) string { return strconv.Itoa(i + 1) }) // shorter than {{1}}
	}
	return full
}

func suggestion(t desk.Template, i int) string {
	if t.Category == desk.CategoryAuthentication {
		return sampleCode
	}
	name := strings.ToLower(t.Params[i])
	for _, h := range hints {
		if slices.ContainsFunc(h.words, func(w string) bool { return strings.Contains(name, w) }) {
			if t.Language == "en" {
				return h.en
			}
			return h.es
		}
	}
	if i == 0 {
		return "Ana"
	}
	return "A-" + strconv.Itoa(99+i)
}
