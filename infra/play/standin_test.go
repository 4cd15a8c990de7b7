package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestTable: the table of requests is where the command finds it from the root.
func TestTable(t *testing.T) {
	good, bad, err := readTable("../../" + requestTable)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, a := range good {
		var w wanted
		if err := json.Unmarshal(a.Request, &w); err != nil || w.Name == "" || names[a.Provider+w.Name+w.Language] {
			t.Errorf("%s: %v, or a name that comes twice", a.Say, err)
		}
		names[a.Provider+w.Name+w.Language] = true
	}
	for _, a := range append(good, bad...) {
		if a.Provider != "gupshup" && a.Provider != providerMeta || !slices.IsSorted(a.Problems) || !slices.IsSorted(a.Warnings) {
			t.Errorf("%s: provider %q, problems %q, warnings %q", a.Say, a.Provider, a.Problems, a.Warnings)
		}
	}
	if _, _, err := readTable("../../go.mod"); err == nil {
		t.Error("what is no table was read")
	}
}

// formOf is a request as Gupshup is to get it.
func formOf(change ...string) url.Values {
	f := url.Values{
		"appId": {"app-1"}, "elementName": {"aviso"}, "languageCode": {"es"}, "category": {"UTILITY"}, "templateType": {"TEXT"},
		"vertical": {"Aviso"}, "content": {"Hola, {{1}}, su pedido ya salió."}, "example": {"Hola, Ana, su pedido ya salió."},
		"enableSample": {"true"}, "allowTemplateCategoryChange": {"false"},
		"buttons": {`[{"type":"URL","text":"Ver","url":"https://ejemplo.com/p/{{1}}","example":["https://ejemplo.com/p/A-1"]}]`},
	}
	for i := 0; i < len(change); i += 2 {
		f.Set(change[i], change[i+1])
	}
	return f
}

// TestGupshupRequest: the stand-in and the comparison see what is wrong with a form.
func TestGupshupRequest(t *testing.T) {
	a := &account{line: line{AppID: "app-1"}, files: map[string]file{"f-1": {ID: "f-1"}}}
	var w wanted
	if err := json.Unmarshal([]byte(`{"name":"aviso","display_name":"Aviso","language":"es","category":"utility","type":"text",
		"body":" Hola, {{1}}, su pedido ya salió. ","params":["nombre"],"samples":{"nombre":"Ana"},
		"buttons":[{"kind":"url","text":"Ver","url":"https://ejemplo.com/p/{{1}}"}]}`), &w); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		say           string
		change        []string
		taken, wanted bool
	}{
		{"as it is to be", nil, true, true},
		{"another app", []string{"appId", "app-2"}, false, true},
		{"another name", []string{"elementName", "otro"}, true, false},
		{"a name that cannot be", []string{"elementName", "Otro"}, false, false},
		{"another language", []string{"languageCode", "en"}, true, false},
		{"another category", []string{"category", "MARKETING"}, true, false},
		{"a type with a file that is not there", []string{"templateType", "IMAGE", "mediaId", "f-2"}, false, false},
		{"a file on a text", []string{"mediaId", "f-1"}, false, true},
		{"a field that is not documented", []string{"color", "rojo"}, false, false},
		{"an empty field", []string{"vertical", ""}, false, false},
		{"another text", []string{"content", "Adiós, {{1}}, ya salió.", "example", "Adiós, Ana, ya salió."}, true, false},
		{"an example of another text", []string{"example", "Adiós, Ana."}, false, false},
		{"an example with a variable", []string{"example", "Hola, {{1}}, su pedido ya salió."}, false, false},
		{"another sample than was given", []string{"example", "Hola, Eva, su pedido ya salió."}, true, false},
		{"a change of category allowed", []string{"allowTemplateCategoryChange", "true"}, true, false},
		{"another address", []string{"buttons", `[{"type":"URL","text":"Ver","url":"https://ejemplo.com/q/{{1}}","example":["https://ejemplo.com/q/A-1"]}]`}, true, false},
		{"an address without a sample", []string{"buttons", `[{"type":"URL","text":"Ver","url":"https://ejemplo.com/p/{{1}}","example":["https://ejemplo.com/p/"]}]`}, true, false},
		{"a button too many", []string{"buttons", `[{"type":"URL","text":"Ver","url":"https://ejemplo.com/p/{{1}}","example":["https://ejemplo.com/p/A-1"]},{"type":"QUICK_REPLY","text":"No"}]`}, true, false},
		{"a button without a text", []string{"buttons", `[{"type":"QUICK_REPLY","text":""}]`}, false, false},
	} {
		f := formOf(c.change...)
		if problems := a.requestable(f); (len(problems) == 0) != c.taken {
			t.Errorf("%s: stand-in: %q", c.say, problems)
		}
		if err := w.atGupshup(f); (err == nil) != c.wanted {
			t.Errorf("%s: compared: %v", c.say, err)
		}
	}
}

// TestMetaRequest: the comparison sees what is wrong with a request to Meta.
func TestMetaRequest(t *testing.T) {
	var w wanted
	if err := json.Unmarshal([]byte(`{"name":"aviso","language":"es","category":"utility","type":"video","body":"Hola, {{1}}.","params":["nombre"],
		"buttons":[{"kind":"phone","text":"Llamar","phone":"+525555550100"}]}`), &w); err != nil {
		t.Fatal(err)
	}
	const good = `{"name":"aviso","language":"es","category":"UTILITY","components":[
		{"type":"HEADER","format":"VIDEO","example":{"header_handle":["4::1"]}},
		{"type":"BODY","text":"Hola, {{1}}.","example":{"body_text":[["Ana"]]}},
		{"type":"BUTTONS","buttons":[{"type":"PHONE_NUMBER","text":"Llamar","phone_number":"+525555550100"}]}]}`
	for _, c := range []struct {
		say, old, new string
		ok            bool
	}{
		{"as it is to be", "", "", true},
		{"another name", `"aviso"`, `"otro"`, false},
		{"another type", "VIDEO", "IMAGE", false},
		{"no sample on top", `["4::1"]`, "[]", false},
		{"another text", "Hola", "Adiós", false},
		{"an empty sample", `"Ana"`, `""`, false},
		{"a sample too many", `"Ana"`, `"Ana","Eva"`, false},
		{"another number", "0100", "0101", false},
		{"something more", `"language"`, `"color":"rojo","language"`, false},
	} {
		var o object
		if err := json.Unmarshal([]byte(strings.Replace(good, c.old, c.new, 1)), &o); err != nil {
			t.Fatal(err)
		}
		if err := w.atMeta(o); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.say, err)
		}
	}
}

// TestMetaLimits: the stand-in takes what Meta documents and sees what is beyond it.
func TestMetaLimits(t *testing.T) {
	const head = `{"messaging_product":"whatsapp","recipient_type":"individual","biz_opaque_callback_data":"r1",`
	list := func(rows string) string {
		return head + `"to":"5215550000001","type":"interactive","interactive":{"type":"list","body":{"text":"Elija"},"action":{"button":"Ver","sections":[{"rows":[` + rows + `]}]}}}`
	}
	for _, c := range []struct{ say, message, problem string }{
		{"a text", head + `"to":"5215550000001","type":"text","text":{"body":"Hola"}}`, ""},
		{"to a business-scoped id", head + `"recipient":"MX.0001","type":"text","text":{"body":"Hola"}}`, ""},
		{"a business-scoped id as a number", head + `"to":"MX.0001","type":"text","text":{"body":"Hola"}}`, "to"},
		{"a number as a business-scoped id", head + `"recipient":"5215550000001","type":"text","text":{"body":"Hola"}}`, "recipient"},
		{"to both", head + `"to":"5215550000001","recipient":"MX.0001","type":"text","text":{"body":"Hola"}}`, "and recipient"},
		{"to nobody", head + `"type":"text","text":{"body":"Hola"}}`, "and recipient"},
		{"no reference", strings.Replace(head, `"r1"`, `""`, 1) + `"to":"5215550000001","type":"text","text":{"body":"Hola"}}`, "biz_opaque"},
		{"an empty text", head + `"to":"5215550000001","type":"text","text":{"body":""}}`, "text of 0"},
		{"a list", list(`{"id":"1","title":"A"},{"id":"2","title":"B"}`), ""},
		{"rows that look alike", list(`{"id":"1","title":"A"},{"id":"2","title":"A"}`), "look alike"},
		{"a row of 25", list(`{"id":"1","title":"` + strings.Repeat("ñ", maxTitle+1) + `"}`), "row"},
		{"no rows", list(""), "0 rows"},
		{"a template", head + `"to":"5215550000001","type":"template","template":{"name":"aviso","language":{"code":"es"}}}`, ""},
		{"a template without a language", head + `"to":"5215550000001","type":"template","template":{"name":"aviso"}}`, "template"},
		{"a type that is not documented", head + `"to":"5215550000001","type":"poll"}`, "type"},
		{"no JSON", "hola", "invalid"},
	} {
		_, problems := readMeta([]byte(c.message))
		if got := strings.Join(problems, "; "); (c.problem == "") != (got == "") || !strings.Contains(got, c.problem) {
			t.Errorf("%s: %q, want %q", c.say, got, c.problem)
		}
	}
}

// TestSignature: the stand-in signs as the vector says (providers.md 7).
func TestSignature(t *testing.T) {
	if got := signature(vectorSecret, []byte(vectorM1)); got != signatureM1 {
		t.Errorf("signature %s", got)
	}
	if got := signature(vectorSecret, []byte(vectorM2)); got != "sha256=0b99d85ea73fc5e374496b435a6f8bc346ec4dc3753c365346d24024dbbedae5" {
		t.Errorf("signature of M2 %s", got)
	}
}

// TestAccount: a list keeps its order, a name is taken once, old keys are known.
func TestAccount(t *testing.T) {
	a := &account{key: "one", old: map[string]bool{}}
	for _, id := range []string{"1", "2", "3"} {
		if !a.accept(asked{ID: id, Name: "n" + id}, theirs{ID: id, Name: "n" + id, Language: "es"}) {
			t.Errorf("%s is not taken", id)
		}
	}
	if a.accept(asked{Name: "n2"}, theirs{Name: "n2", Language: "es"}) || !a.accept(asked{Name: "n2"}, theirs{ID: "4", Name: "n2", Language: "en"}) {
		t.Error("a name is taken once in each language")
	}
	a.becomes("2", "approved", "")
	a.drop("1")
	page, more := a.page(0, 2)
	if len(page) != 2 || page[0].ID != "2" || page[0].State != "APPROVED" || page[0].Name != "n2" || !more {
		t.Errorf("page %+v, more %t", page, more)
	}
	if page, more := a.page(2, 2); len(page) != 1 || more {
		t.Errorf("last page %+v, more %t", page, more)
	}
	if page, more := a.page(9, 2); len(page) != 0 || more {
		t.Errorf("page after the last %+v, more %t", page, more)
	}
	a.renew("two")
	if a.takes("one") || !a.takes("two") || !a.took("one") || a.took("three") {
		t.Error("keys")
	}
	if problems := a.sendable(sent{Text: "3"}); len(problems) != 1 {
		t.Errorf("a pending template: %q", problems)
	}
	if problems := a.sendable(sent{Text: "2", File: "x"}); len(problems) != 1 {
		t.Errorf("a file that is not there: %q", problems)
	}
}

// TestTurns: callbacks about a template keep their order.
func TestTurns(t *testing.T) {
	var posts []callback
	for template := range 5 {
		for range 6 {
			posts = append(posts, callback{template: template})
		}
	}
	mixed := inTurns(posts, rand.New(rand.NewPCG(1, 1)))
	last := map[int]int{}
	for _, i := range mixed {
		if was, ok := last[posts[i].template]; ok && was >= i {
			t.Fatalf("%d after %d", i, was)
		}
		last[posts[i].template] = i
	}
	if len(mixed) != len(posts) || slices.IsSorted(mixed) {
		t.Errorf("not mixed: %v", mixed)
	}
}

func TestAlike(t *testing.T) {
	const list = `{"items":[{"id":"a","version":1}],"next_cursor":null}`
	for _, c := range []struct {
		say, before, after string
		alike              bool
	}{
		{"nothing changed", "x\n" + list, "x\n" + list, true},
		{"one more in a list", list, `{"items":[{"id":"b"},{"id":"a","version":1}],"next_cursor":null}`, true},
		{"one changed in a list", list, `{"items":[{"id":"b"},{"id":"a","version":2}],"next_cursor":null}`, false},
		{"one gone from a list", list, `{"items":[],"next_cursor":null}`, false},
		{"something changed", "1 sent", "2 sent", false},
		{"a line more", "x", "x\ny", false},
	} {
		if got, err := alike(c.before, c.after); got != c.alike || (err == nil) != got {
			t.Errorf("%s: %t, %v", c.say, got, err)
		}
	}
}

func TestHeaderFile(t *testing.T) {
	for message, want := range map[string]string{
		`{"type":"image","image":{"link":"https://files.example.com/a/c1"}}`:                        "c1",
		`{"type":"video","video":{"id":"c2"}}`:                                                      "c2",
		`{"type":"document","document":{"link":"https://files.example.com/c3","filename":"a.pdf"}}`: "c3",
		`{"type":"image","image":{"id":"c4","link":"https://files.example.com/c4"}}`:                "",
		`{"type":"image","video":{"id":"c5"}}`:                                                      "",
		`{"type":"audio","audio":{"id":"c6"}}`:                                                      "",
		`hola`:                                                                                      "",
	} {
		if got, ok := headerFile(message); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", message, got, ok)
		}
	}
}
