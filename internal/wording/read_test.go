package wording

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

// TestCheckJSON: what can be wrong with the JSON itself; what it says is in
// testdata/requests.json.
func TestCheckJSON(t *testing.T) {
	const rest = `"name":"a","display_name":"A","language":"es","category":"utility","type":"text"`
	for _, c := range []struct {
		say, body string
		want      []string
	}{
		{"a request", `{` + rest + `,"body":"Hola."}`, nil},
		{"space around it", " \n{" + rest + `,"body":"Hola."}` + "\n ", nil},
		{"null is as good as nothing", `{` + rest + `,"body":"Hola.","params":null,"buttons":null,"samples":null}`, nil},
		{"null where a value has to be", `{` + rest + `,"body":null}`, []string{"body required"}},
		{"nothing", ``, []string{" not_json"}},
		{"cut off", `{"name":"a"`, []string{" not_json"}},
		{"more behind it", `{} {}`, []string{" not_json"}},
		{"no UTF-8", "{\"name\":\"\xff\"}", []string{" not_json"}},
		{"a list", `[{}]`, []string{" wrong_type"}},
		{"null", `null`, []string{" wrong_type"}},
		{"another type", `{` + rest + `,"body":["Hola."]}`, []string{"body wrong_type"}},
		{"a field twice", `{` + rest + `,"body":"Hola.","body":"Adiós."}`, []string{"body duplicate_name"}},
		{"a field in capitals", `{` + rest + `,"body":"Hola.","Body":"Adiós."}`, []string{"Body unknown_field"}},
		{"a list of the wrong things", `{` + rest + `,"body":"Hola.","params":[1,null],"buttons":[null,[]]}`, []string{
			"buttons[0] wrong_type", "buttons[1] wrong_type", "params params_count", "params[0] wrong_type", "params[1] required",
		}},
		{"samples of the wrong things", `{` + rest + `,"body":"Hola, {{1}}, gracias.","params":["a"],"samples":{"a":1}}`, []string{"samples.a wrong_type"}},
	} {
		_, problems := CheckJSON([]byte(c.body), must(desk.ProviderGupshup), Options{})
		if d := cmp.Diff(append([]string{}, c.want...), codes(problems)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.say, d)
		}
		explained(t, c.say, problems)
	}
}

func TestUnknownFieldsThatAreTold(t *testing.T) {
	for n, want := range map[int]int{maxMistakes: maxMistakes, maxMistakes + 1: maxMistakes} {
		var fields []string
		for i := range n {
			fields = append(fields, fmt.Sprintf(`"x%d":1`, i))
		}
		_, problems := CheckJSON([]byte("{"+strings.Join(fields, ",")+"}"), must(desk.ProviderMeta), Options{})
		if got := strings.Count(strings.Join(codes(problems), "\n"), "unknown_field"); got != want {
			t.Errorf("%d unknown fields: %d are told", n, got)
		}
	}
}
