package web_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/fuzztest"
	"buzon/internal/web"
)

// thing has a field for each reader.
type thing struct {
	Name, Note, Color string
	Active            bool
	Count             int
	At                time.Time
	Tags              []string
	Company           string
	Rows              []string
}

// readThing reads a thing as a resource is read.
func readThing(body string, v *thing) error {
	o, err := web.ParseObject([]byte(body))
	if err != nil {
		return err
	}
	o.Text("name", &v.Name, web.Text{Required: true, Max: 5})
	o.Text("note", &v.Note, web.Text{Lines: true})
	o.Text("color", &v.Color, web.Text{OneOf: []string{"red", "blue"}})
	o.Bool("active", &v.Active)
	o.Int("count", &v.Count, -1, 3)
	o.Time("at", &v.At)
	o.Texts("tags", &v.Tags, 2, web.Text{Max: 3, Check: func(s string) string {
		if s == "bad" {
			return "not_found"
		}
		return ""
	}})
	o.Object("company", func(o *web.Object) { o.Text("name", &v.Company, web.Text{Max: 3}) })
	o.Objects("rows", 2, func(n int) { v.Rows = make([]string, n) }, func(i int, o *web.Object) {
		o.Text("title", &v.Rows[i], web.Text{Required: true})
	})
	o.ReadOnly(map[string]any{"id": "t1", "version": 3})
	return o.Err()
}

func TestObject(t *testing.T) {
	was := thing{Name: "old", Note: "n", Color: "red", Active: true, Count: 1, Tags: []string{"a"}}
	with := func(change func(*thing)) thing { v := was; change(&v); return v }
	for _, c := range []struct {
		name, body string
		want       thing
		problems   string // field code, …
	}{
		{"absent leaves all as it is", `{}`, was, ""},
		{"what is sent is set", `{"name":"new","active":false,"count":3,"tags":["x","y"]}`,
			with(func(v *thing) { v.Name, v.Active, v.Count, v.Tags = "new", false, 3, []string{"x", "y"} }), ""},
		{"null clears what may be empty", `{"note":null,"color":null,"tags":null,"company":null}`,
			with(func(v *thing) { v.Note, v.Color, v.Tags = "", "", []string{} }), ""},
		{"null for what is required", `{"name":null}`, thing{}, "name required"},
		{"null for a truth value, a number, a time", `{"active":null,"count":null,"at":null}`, thing{}, "active required, count required, at required"},
		{"blank counts as empty", `{"name":"  "}`, thing{}, "name required"},
		{"ends are trimmed", `{"name":" abc\t"}`, with(func(v *thing) { v.Name = "abc" }), ""},
		{"five characters are five code points", `{"name":"ñandú"}`, with(func(v *thing) { v.Name = "ñandú" }), ""},
		{"six are too many", `{"name":"ñandús"}`, thing{}, "name too_long"},
		{"a line end where it may be", `{"note":"a\r\nb"}`, with(func(v *thing) { v.Note = "a\nb" }), ""},
		{"a line end where it may not be", `{"name":"a\nb"}`, thing{}, "name control_character"},
		{"a NUL", `{"note":"a\u0000"}`, thing{}, "note control_character"},
		{"a value that is not in the list", `{"color":"green"}`, thing{}, "color not_one_of"},
		{"case counts", `{"color":"Red"}`, thing{}, "color not_one_of"},
		{"lower edge of a number", `{"count":-1}`, with(func(v *thing) { v.Count = -1 }), ""},
		{"below it", `{"count":-2}`, thing{}, "count out_of_range"},
		{"upper edge of a number", `{"count":3.0}`, with(func(v *thing) { v.Count = 3 }), ""},
		{"above it", `{"count":4}`, thing{}, "count out_of_range"},
		{"far above it", `{"count":1e999}`, thing{}, "count out_of_range"},
		{"half a number", `{"count":1.5}`, thing{}, "count wrong_type"},
		{"a time in another zone", `{"at":"2026-01-02T03:04:05-05:00"}`, with(func(v *thing) { v.At = time.Date(2026, 1, 2, 8, 4, 5, 0, time.UTC) }), ""},
		{"a time without a zone", `{"at":"2026-01-02T03:04:05"}`, thing{}, "at invalid_time"},
		{"wrong types are all named", `{"name":1,"note":[],"active":"yes","count":"1","at":5,"tags":"x","company":[],"rows":{}}`, thing{},
			"name wrong_type, note wrong_type, active wrong_type, count wrong_type, at wrong_type, tags wrong_type, company wrong_type, rows wrong_type"},
		{"a list at its limit", `{"tags":["a","b"]}`, with(func(v *thing) { v.Tags = []string{"a", "b"} }), ""},
		{"a list above it", `{"tags":["a","b","c"]}`, thing{}, "tags too_many"},
		{"wrong items are named by their place", `{"tags":["aaaa",7]}`, thing{}, "tags[0] too_long, tags[1] wrong_type"},
		{"a text that its check refuses", `{"tags":["a","bad"]}`, thing{}, "tags[1] not_found"},
		{"an item twice", `{"tags":["a","a "]}`, thing{}, "tags[1] twice"},
		{"an empty item", `{"tags":[""]}`, thing{}, "tags[0] required"},
		{"an object inside", `{"company":{"name":"abc"}}`, with(func(v *thing) { v.Company = "abc" }), ""},
		{"problems inside an object", `{"company":{"name":"abcd","x":1}}`, thing{}, "company.name too_long, company.x unknown_field"},
		{"objects in a list", `{"rows":[{"title":"a"},{"title":"b"}]}`, with(func(v *thing) { v.Rows = []string{"a", "b"} }), ""},
		{"problems inside a list", `{"rows":[{},5]}`, thing{}, "rows[0].title required, rows[1] wrong_type"},
		{"unknown fields are all named, sorted, with the other problems", `{"z":1,"b":{},"name":""}`, thing{}, "name required, b unknown_field, z unknown_field"},
		{"names are taken as written", `{"Name":"x"}`, thing{}, "Name unknown_field"},
		{"what cannot be changed may come back", `{"id":"t1","version":3.0,"name":"x"}`, with(func(v *thing) { v.Name = "x" }), ""},
		{"and not be changed", `{"id":"t2","version":4}`, thing{}, "id read_only, version read_only"},
		{"a long name is cut in the answer", `{"` + strings.Repeat("é", 150) + `":1}`, thing{}, strings.Repeat("é", 100) + "… unknown_field"},
		{"an array is no object", `[]`, thing{}, " wrong_type"},
		{"null is no object", `null`, thing{}, " wrong_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := was
			err := readThing(c.body, &got)
			if c.problems == "" {
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Error(d)
				}
				return
			}
			var in *fault.Input
			if !errors.As(err, &in) {
				t.Fatalf("%v, want problems", err)
			}
			var problems []string
			for _, p := range in.Problems {
				problems = append(problems, p.Field+" "+p.Code)
			}
			if d := cmp.Diff(c.problems, strings.Join(problems, ", ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestChoice(t *testing.T) {
	for _, c := range []struct {
		body string
		all  bool
		ids  int
		err  string
	}{
		{`{"services":"all"}`, true, 0, ""},
		{`{"services":["a"]}`, false, 1, ""},
		{`{"services":"some"}`, false, 0, "invalid: services wrong_type"},
		{`{}`, false, 0, ""},
	} {
		o, err := web.ParseObject([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		all := o.Choice("services", "all")
		if !all {
			o.Texts("services", &ids, 10, web.Text{})
		}
		text := ""
		if err := o.Err(); err != nil {
			text = err.Error()
		}
		if all != c.all || len(ids) != c.ids || text != c.err {
			t.Errorf("%s: %v %v %q", c.body, all, ids, text)
		}
	}
}

// TestLookAhead: what tells of a field without reading it.
func TestLookAhead(t *testing.T) {
	for _, c := range []struct {
		body string
		null bool
		peek []string
	}{
		{`{"tags":["a"," b ",1,null,["c"]]}`, false, []string{"a", "b"}},
		{`{"tags":["a","b","c","d","e"]}`, false, []string{"a", "b", "c", "d", "e"}},
		{`{"tags":["a","b","c","d","e","f"]}`, false, nil},
		{`{"tags":"a"}`, false, nil},
		{`{"tags":null}`, true, nil},
		{`{"tags": null }`, true, nil},
		{`{}`, false, nil},
	} {
		o, err := web.ParseObject([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if null, peek := o.Null("tags"), o.Peek("tags", 5); null != c.null || !cmp.Equal(peek, c.peek) {
			t.Errorf("%s: null %v, texts %q", c.body, null, peek)
		}
		if err := o.Err(); (err != nil) != o.Has("tags") {
			t.Errorf("%s: looked at only, yet %v", c.body, err)
		}
	}
}

// TestParseObject: what is no strict JSON is a 400 that says why.
func TestParseObject(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n-1) + `{}` + strings.Repeat(`}`, n-1) }
	for _, c := range []struct{ name, body, code, field string }{
		{"nothing", "", "not_json", ""},
		{"half an object", `{"a":`, "not_json", ""},
		{"something behind it", `{} {}`, "not_json", ""},
		{"a comma too many", `{"a":1,}`, "not_json", ""},
		{"a comment", `{} // x`, "not_json", ""},
		{"NaN", `{"a":NaN}`, "not_json", ""},
		{"a byte order mark", "\ufeff{}", "not_json", ""},
		{"not UTF-8", "{\"a\":\"\xff\"}", "not_json", ""},
		{"a name twice", `{"a":1,"b":2,"a":3}`, "duplicate_name", "a"},
		{"a name twice in another spelling", `{"a":1,"\u0061":3}`, "duplicate_name", "a"},
		{"a name twice deep inside", `{"menu":[[],[0,{"x":{"a":1,"a":1}}]]}`, "duplicate_name", "menu[1][1].x.a"},
		{"as deep as may be", deep(web.MaxDepth), "", ""},
		{"one deeper", deep(web.MaxDepth + 1), "too_deep", ""},
		{"white space around it", " \n{}\t", "", ""},
	} {
		_, err := web.ParseObject([]byte(c.body))
		var refused *web.Refused
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.code != "" && (!errors.As(err, &refused) || refused.Status != 400 || refused.Code != c.code):
			t.Errorf("%s: %v, want 400 %s", c.name, err, c.code)
		case c.field != "" && (len(refused.Problems) != 1 || refused.Problems[0].Field != c.field):
			t.Errorf("%s: %v, want %s", c.name, refused.Problems, c.field)
		}
	}
}

// TestReadObject: media types and the length of a body.
func TestReadObject(t *testing.T) {
	fill := func(n int) io.Reader { return strings.NewReader(`{"a":"` + strings.Repeat("x", n-8) + `"}`) }
	for _, c := range []struct {
		name, contentType string
		body              io.Reader
		status            int
	}{
		{"JSON", "application/json", fill(20), 0},
		{"JSON with its charset", "Application/JSON; charset=UTF-8", fill(20), 0},
		{"another charset", "application/json; charset=latin1", fill(20), 415},
		{"a form", "application/x-www-form-urlencoded", fill(20), 415},
		{"no type", "", fill(20), 415},
		{"a damaged type", "application/json; charset", fill(20), 415},
		{"1 MiB", "application/json", fill(web.MaxBody), 0},
		{"a byte more", "application/json", fill(web.MaxBody + 1), 413},
		{"a body that breaks off", "application/json", io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)), 400},
	} {
		r := httptest.NewRequest("POST", "/", c.body)
		r.Header.Set("Content-Type", c.contentType)
		_, err := web.ReadObject(httptest.NewRecorder(), r)
		var refused *web.Refused
		if c.status == 0 && err != nil || c.status != 0 && (!errors.As(err, &refused) || refused.Status != c.status) {
			t.Errorf("%s: %v, want %d", c.name, err, c.status)
		}
	}
	r := httptest.NewRequest("PATCH", "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/merge-patch+json")
	if _, err := web.ReadBody(httptest.NewRecorder(), r, "application/merge-patch+json"); err != nil {
		t.Errorf("a type that the caller takes: %v", err)
	}
}

// FuzzObject: whatever the body, reading ends in time, in bounded memory, with a
// value, a list of problems or a 400; and never writes a target out of bounds.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, `{"name":"x","rows":[{"title":"a"}],"tags":["a"],"at":"2026-01-02T03:04:05Z","count":1e0}`,
		`{"a":1,"a":2}`, `{"` + strings.Repeat("n", 3000) + `":[` + strings.Repeat("0,", 3000) + `0]}`,
		strings.Repeat(`[`, 5000), strings.Repeat(`{"a":`, 5000), `{"name":"\ud800"}`, `{"count":-0}`, `{"count":1e-400}`,
		`{"id":{"a":[1,2]},"version":3}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > web.MaxBody {
			return // ReadBody does not let it through
		}
		var v thing
		var err error
		fuzztest.Limit{Time: 3 * time.Second, Memory: 1 << 20, PerByte: 400}.Check(t, len(body), func() {
			v = thing{Name: "old"}
			err = readThing(string(body), &v)
		})
		var refused *web.Refused
		if err != nil && !errors.As(err, &refused) && !errors.Is(err, fault.Invalid) {
			t.Fatalf("%v is no answer", err)
		}
		if err == nil && (len(v.Name) == 0 || v.Count < -1 || v.Count > 3 || len(v.Tags) > 2 || len(v.Rows) > 2) {
			t.Fatalf("%+v passed", v)
		}
		w := httptest.NewRecorder()
		if err != nil {
			web.Fail(w, httptest.NewRequest("POST", "/", nil), err)
			if w.Code == http.StatusInternalServerError {
				t.Fatalf("%v is a 500", err)
			}
		}
	})
}

// ExampleObject_ReadOnly shows that what was read can be sent back.
func ExampleObject_ReadOnly() {
	o, _ := web.ParseObject([]byte(`{"id":"p1","name":"Salud"}`))
	name := ""
	o.Text("name", &name, web.Text{Required: true})
	o.ReadOnly(map[string]string{"id": "p1", "name": "Movilidad"})
	fmt.Println(name, o.Err())
	// Output: Salud <nil>
}
