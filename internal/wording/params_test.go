package wording

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

// TestParams: S3-36, the values of a send by name.
func TestParams(t *testing.T) {
	order := desk.Template{
		Body: "Hola, {{1}}, su pedido {{2}} ya salió.", Params: []string{"nombre", "número"},
		Buttons: []desk.TemplateButton{
			{Kind: desk.ButtonPhone, Text: "Llamar", Phone: "+573001234567"},
			{Kind: desk.ButtonURL, Text: "Ver", URL: "https://ejemplo.com/p/{{1}}"},
		},
	}
	code := desk.Template{Body: presetES, Params: []string{"código"}, Category: desk.CategoryAuthentication}
	full := func(change ...string) map[string]string {
		given := map[string]string{"nombre": "Ana", "número": "B-7", "button[1]": "77"}
		for i := 0; i < len(change); i += 2 {
			given[change[i]] = change[i+1]
		}
		return given
	}
	room := MaxBody - len([]rune(Fill(order.Body, []string{"", "B-7"})))
	for _, c := range []struct {
		say      string
		template desk.Template
		given    map[string]string
		values   []string // if there is no problem
		problems []string
	}{
		{"in their order", order, full(), []string{"Ana", "B-7", "77"}, nil},
		{"trimmed, and else as they are", order, full("nombre", " {{2}}  & \\n ñ "), []string{"{{2}}  & \\n ñ", "B-7", "77"}, nil},
		{"nothing given", order, nil, nil, []string{"params.button[1] required", "params.nombre required", "params.número required"}},
		{"one is empty", order, full("número", " "), nil, []string{"params.número required"}},
		{"one is not known", order, full("fecha", "hoy"), nil, []string{"params.fecha unknown_parameter"}},
		{"a line end", order, full("nombre", "Ana\nLuz"), nil, []string{"params.nombre one_line"}},
		{"a tab", order, full("nombre", "Ana\tLuz"), nil, []string{"params.nombre one_line"}},
		{"four spaces", order, full("nombre", "Ana    Luz"), []string{"Ana    Luz", "B-7", "77"}, nil},
		{"five spaces", order, full("nombre", "Ana     Luz"), nil, []string{"params.nombre one_line"}},
		{"a control character", order, full("nombre", "Ana\u0007"), nil, []string{"params.nombre control_character"}},
		{"no UTF-8", order, full("nombre", "Ana\xff"), nil, []string{"params.nombre control_character"}},
		{"exactly as long as it may be", order, full("nombre", strings.Repeat("ñ", room)), []string{strings.Repeat("ñ", room), "B-7", "77"}, nil},
		{"one character more", order, full("nombre", strings.Repeat("ñ", room+1)), nil, []string{"params filled_too_long"}},
		{"the whole address of a button", order, full("button[1]", "https://ejemplo.com/p/77"), []string{"Ana", "B-7", "77"}, nil},
		{"the address without a value", order, full("button[1]", "https://ejemplo.com/p/"), nil, []string{"params.button[1] required"}},
		{"another address is a value", order, full("button[1]", "https://otro.com/"), []string{"Ana", "B-7", "https://otro.com/"}, nil},
		{"a space in an address", order, full("button[1]", "7 7"), nil, []string{"params.button[1] url_value"}},
		{"a percent sign that encodes nothing", order, full("button[1]", "100%"), nil, []string{"params.button[1] url_value"}},
		{"the address twice is the address", order, full("button[1]", "https://ejemplo.com/p/https://ejemplo.com/p/77"), []string{"Ana", "B-7", "77"}, nil},
		{"an address that becomes too long", order, full("button[1]", strings.Repeat("7", MaxURL)), nil, []string{"params.button[1] too_long"}},
		{"the button that has no variable", order, full("button[0]", "7"), nil, []string{"params.button[0] unknown_parameter"}},
		{"a code of 15", code, map[string]string{"código": "123456789012345"}, []string{"123456789012345"}, nil},
		{"a code of 16", code, map[string]string{"código": "1234567890123456"}, nil, []string{"params.código too_long"}},
		{"a template without names has numbers", desk.Template{Body: "a {{1}} b {{2}} c"}, map[string]string{"2": "y", "1": "x"}, []string{"x", "y"}, nil},
		{"a template without variables", desk.Template{Body: "Hola."}, nil, []string{}, nil},
	} {
		values, problems := Params(c.template, c.given)
		if d := cmp.Diff(append([]string{}, c.problems...), codes(problems)); d != "" {
			t.Errorf("%s: problems (-want +got):\n%s", c.say, d)
		}
		if d := cmp.Diff(c.values, values); len(problems) == 0 && d != "" {
			t.Errorf("%s: values (-want +got):\n%s", c.say, d)
		}
		explained(t, c.say, problems)
	}
}

func TestUnknownParamsThatAreTold(t *testing.T) {
	for n, want := range map[int]int{maxMistakes: maxMistakes, maxMistakes + 1: maxMistakes} {
		given := map[string]string{}
		for i := range n {
			given[strings.Repeat("x", i+1)] = "y"
		}
		if _, problems := Params(desk.Template{Body: "Hola."}, given); len(problems) != want {
			t.Errorf("%d unknown ones: %d are told", n, len(problems))
		}
	}
}
