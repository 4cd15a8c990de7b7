package simulator

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"buzon/internal/fuzztest"
)

// FuzzStandIn: whatever stands in a form, the stand-in keeps valid JSON or says
// what is wrong, quickly and in memory that the form bounds.
// bounds of what reads a request of the system.
var bounds = fuzztest.Limit{Time: 2 * time.Second, Memory: 1 << 20, PerByte: 400}

func FuzzStandIn(f *testing.F) {
	for _, seed := range []string{
		`{"type":"text","text":"Hola"}`, listMessage(10, "Fila", "Detalle"), buttonMessage(3, "?", "Sí"),
		`{"type":"image","originalUrl":"https://x.example","caption":null}`, `{"type":"location","longitude":1e999,"latitude":"2"}`,
		`{"id":"t-1","params":["a"]}`, `{"id":1}`, `{"params":null}`, "", "null", "[]", "{", "\xff", `{"type":"list","items":null}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, message string) {
		bounds.Check(t, len(message), func() {
			for field, read := range map[string]func(map[string][]string) ([]byte, string){
				"message":  func(form map[string][]string) ([]byte, string) { return sessionMessage(form) },
				"template": func(form map[string][]string) ([]byte, string) { return templateMessage(form) },
			} {
				raw, problem := read(map[string][]string{field: {message}})
				if problem == "" && (len(raw) == 0 || !utf8.Valid(raw)) {
					t.Errorf("%s %q is kept as %q", field, message, raw)
				}
				e := Entry{ID: "x", Message: raw}
				if problem == "" {
					if tap := findTap(e, "row_0"); tap != nil && tap.index < 1 {
						t.Errorf("tap %+v", tap)
					}
				}
			}
		})
	})
}

// FuzzGraph: whatever stands in a body for Meta, it can be checked and shown, quickly
// and in memory that the body bounds.
func FuzzGraph(f *testing.F) {
	for _, seed := range []string{
		`{"messaging_product":"whatsapp","to":"12025550111","type":"text","text":{"body":"Hola"}}`,
		`{"messaging_product":"whatsapp","to":"1",` + metaList(3, "Fila", "") + `}`, `{` + metaButtons(2, "Sí") + `}`,
		`{"type":"template","template":{"name":"a","language":{"code":"es"},"components":[{"type":"header","parameters":[{"type":"image","image":{"id":"1"}}]},{"type":"body","parameters":[{"type":"text","text":"x"}]}]}}`,
		`{"name":"a_1","language":"es","category":"UTILITY","components":[{"type":"BODY","text":"Hola {{1}}.","example":{"body_text":[["Ana"]]}}]}`,
		`{"type":"image","image":null}`, `{"components":[{}]}`, "", "null", "[]", "{",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		bounds.Check(t, len(body), func() {
			var m metaMessage
			if json.Unmarshal([]byte(body), &m) == nil {
				var c checks
				m.check(&c)
				if c.problem == "" && m.person() == "" {
					t.Errorf("%s is for nobody", body)
				}
			}
			e := Entry{ID: "x", Path: metaPath, Message: json.RawMessage(body)}
			if tap := findTap(e, "row_0"); tap != nil && tap.index < 1 {
				t.Errorf("tap %+v", tap)
			}
			if u, ok := e.template(); ok && m.Type != "template" {
				t.Errorf("%s uses %+v", body, u)
			}
			var r metaRequest
			if json.Unmarshal([]byte(body), &r) == nil {
				if v, problem := r.template(); problem == "" && (v.Name == "" || v.Body == "") {
					t.Errorf("%s asks for %+v", body, v)
				}
			}
		})
	})
}

// FuzzRequest: whatever stands in a request for a template, it is one or has a
// problem, quickly and in memory that the form bounds.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"aviso_1", "Hola {{1}}.", "Hola Ana.", `[{"type":"QUICK_REPLY","text":"Sí"}]`},
		{"", "{{1}}{{2}}", "ab", `[{"type":"URL","url":"https://x/{{1}}","example":["https://x/1"]}]`},
		{"a", "{{", "}}", "null"}, {"a", "\xff", "(", `[{"type":1}]`},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, name, content, example, buttons string) {
		form := goodRequest()
		form.Set("elementName", name)
		form.Set("content", content)
		form.Set("example", example)
		form.Set("buttons", buttons)
		bounds.Check(t, len(name)+len(content)+len(example)+len(buttons), func() {
			v, problem := readRequest(form)
			if problem != "" {
				return
			}
			if least, most := v.params(); least > most || utf8.RuneCountInString(v.Body) > maxTemplateBody || v.Name == "" {
				t.Errorf("%q is taken as %+v", content, v)
			}
			if b, err := json.Marshal(gupshupItem(v)); err != nil || !json.Valid(b) {
				t.Errorf("%+v is listed as %s, %v", v, b, err)
			}
		})
	})
}
