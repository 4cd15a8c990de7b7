package wording

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const good = `{"name":"pedido_enviado","display_name":"Pedido","language":"es","category":"utility","type":"text","body":"Su pedido ya salió."}`

func linter(t *testing.T, lang string) Linter {
	l, err := New("gupshup", false, lang)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestPrint(t *testing.T) {
	l := linter(t, "en")
	var b strings.Builder
	bad := strings.Replace(strings.Replace(good, "pedido_enviado", "Pedido", 1), "Su pedido", "{{1}}", 1)
	requests := append(l.Look("a.json", []byte(good)), l.Look("b.json", []byte(" ["+bad+","+strings.Replace(good, "text", "image", 1)+"]\n"))...)
	requests = append(requests, l.Look("-", []byte("nothing"))...)
	Print(&b, requests)
	want := `✓ a.json: "pedido_enviado"
✗ b.json 1: "Pedido"
    ✗ name: Use lower-case letters without accents, digits and one underscore between words, like pedido_enviado. (template_name)
    ✗ params: Each parameter of the text has a name: parameters, 1; names, 0. (params_count)
    ! body: The text begins or ends with {{1}}: Gupshup and Meta usually refuse that. Put text before and after. (variable_at_edge)
    ! body: The text is short for its parameters: it has 3 words, counting them, and Meta usually refuses fewer than 4. (too_many_variables)
✓ b.json 2: "pedido_enviado"
    ! type: The file is not loaded now: who sends uploads it before each sending (JPG, JPEG, PNG, up to 2 MB). (media_at_sending)
✗ -
    ✗ The body is not valid JSON in UTF-8. (not_json)

lint-template: 2 ✓, 2 ✗, 3 ! to know
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	if Well(requests) || !Well(requests[:1]) || !Well(nil) {
		t.Error("well is what has no problem")
	}
}

func TestLanguagesAndProviders(t *testing.T) {
	for lang, want := range map[string]string{"es": "Es obligatorio.", "en": "It is required.", "pt": "É obrigatório."} {
		got := linter(t, lang).Look("a", []byte(`{}`))[0].Problems[0]
		if got.Code != "required" || got.Text != want {
			t.Errorf("%s: %+v", lang, got)
		}
	}
	long := []byte(strings.Replace(good, "pedido_enviado", strings.Repeat("a", 181), 1))
	meta, err := New("meta", false, "en")
	if err != nil || !Well(meta.Look("a", long)) || Well(linter(t, "en").Look("a", long)) {
		t.Errorf("a name of 181 characters is for Meta alone: %v", err)
	}
	both := []byte(strings.Replace(good, `}`, `,"buttons":[{"kind":"quick_reply","text":"Sí"},{"kind":"url","text":"Ver","url":"https://ejemplo.com/"}]}`, 1))
	mixed, err := New("gupshup", true, "en")
	if err != nil || !Well(mixed.Look("a", both)) || Well(linter(t, "en").Look("a", both)) {
		t.Errorf("both kinds of button are for who allows it: %v", err)
	}
	for _, c := range [][2]string{{"viber", "en"}, {"gupshup", "fr"}} {
		if _, err := New(c[0], false, c[1]); err == nil {
			t.Errorf("%v: taken", c)
		}
	}
}
