package wording

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

// draft is a request without a problem, of this body and these names.
func draft(body string, params ...string) Draft {
	return Draft{
		Name: "a", DisplayName: "A", Language: "es", Category: desk.CategoryUtility, Type: desk.TemplateText,
		Body: body, Params: params,
	}
}

func TestSamples(t *testing.T) {
	url := func(address string) []desk.TemplateButton {
		return []desk.TemplateButton{{Kind: desk.ButtonPhone, Text: "Llamar", Phone: "+573001234567"}, {Kind: desk.ButtonURL, Text: "Ver", URL: address}}
	}
	for _, c := range []struct {
		say   string
		draft func(*Draft)
		want  []string
	}{
		{"by their names", func(*Draft) {}, []string{"Ana", "A-100", "5 de mayo"}},
		{"in English", func(d *Draft) { d.Language, d.Params = "en", []string{"name", "order", "date"} }, []string{"Ana", "A-100", "May 5"}},
		{"by their places, where names say nothing", func(d *Draft) { d.Params = []string{"x", "y", "z"} }, []string{"Ana", "A-100", "A-101"}},
		{"no two alike", func(d *Draft) { d.Params = []string{"nombre", "nombre 2", "nombre 3"} }, []string{"Ana", "Ana 2", "Ana 3"}},
		{"not like given ones either", func(d *Draft) { d.Samples = map[string]string{"fecha": "Ana"} }, []string{"Ana 2", "A-100", "Ana"}},
		{"given ones are trimmed", func(d *Draft) { d.Samples = map[string]string{"nombre": " Luz\n"} }, []string{"Luz", "A-100", "5 de mayo"}},
		{"a value for the address", func(d *Draft) { d.Buttons = url("https://ejemplo.com/p/{{1}}") }, []string{"Ana", "A-100", "5 de mayo", "A-100"}},
		{"the value given", func(d *Draft) {
			d.Buttons, d.Samples = url("https://ejemplo.com/p/{{1}}"), map[string]string{"button[1]": "B-7"}
		}, []string{"Ana", "A-100", "5 de mayo", "B-7"}},
		{"the whole address given", func(d *Draft) {
			d.Buttons, d.Samples = url("https://ejemplo.com/p/{{1}}"), map[string]string{"button[1]": "https://ejemplo.com/p/B-7"}
		}, []string{"Ana", "A-100", "5 de mayo", "B-7"}},
		{"an address without a variable has none", func(d *Draft) { d.Buttons = url("https://ejemplo.com/p") }, []string{"Ana", "A-100", "5 de mayo"}},
		{"a code", func(d *Draft) { *d = draft(""); d.Category = desk.CategoryAuthentication }, []string{"123456"}},
	} {
		d := draft("Hola, {{1}}, su pedido número {{2}} llega el día {{3}} por la tarde.", "nombre", "pedido", "fecha")
		c.draft(&d)
		tpl, problems := Check(d, must(desk.ProviderGupshup), Options{})
		if diff := cmp.Diff(c.want, tpl.Samples); diff != "" || len(problems) > 0 {
			t.Errorf("%s: %v (-want +got):\n%s", c.say, problems, diff)
		}
		ready(t, c.say, tpl)
	}
}

// TestExampleFits: samples of ours never make a body too long that fits by itself.
func TestExampleFits(t *testing.T) {
	const start = "Hola {{1}} y {{2}} "
	longer := len([]rune("Bogotá5 de mayo")) - len("{{1}}{{2}}")
	for _, c := range []struct {
		say   string
		room  int
		first string
	}{
		{"exactly room for them", longer, "Bogotá"},
		{"one character less", longer - 1, "1"},
		{"no room", 0, "1"},
	} {
		d := draft(start+strings.Repeat("ñ", MaxBody-len(start)-c.room), "ciudad", "fecha")
		tpl, problems := Check(d, must(desk.ProviderMeta), Options{})
		if len(problems) > 0 || slices.Contains(warningCodes(tpl.Warnings), "samples example_too_long") {
			t.Fatalf("%s: %v %v", c.say, problems, tpl.Warnings)
		}
		if n := len([]rune(Fill(tpl.Body, tpl.Samples))); n > MaxBody || tpl.Samples[0] != c.first {
			t.Errorf("%s: %d characters with %q", c.say, n, tpl.Samples)
		}
	}
}

// TestCheckKeepsItsInput: what was given is not written into.
func TestCheckKeepsItsInput(t *testing.T) {
	d := draft(" Hola, {{1}}, su pedido ya salió. ", "nombre")
	d.Buttons = []desk.TemplateButton{{Kind: desk.ButtonQuickReply, Text: " Sí "}}
	tpl, _ := Check(d, must(desk.ProviderGupshup), Options{})
	tpl.Params[0], tpl.Buttons[0].Text = "x", "x"
	if d.Params[0] != "nombre" || d.Buttons[0].Text != " Sí " {
		t.Errorf("%+v", d)
	}
}
