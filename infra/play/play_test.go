package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestLimits: the stand-in takes what the provider documents and sees what is
// beyond it.
func TestLimits(t *testing.T) {
	rows := func(n int, title string) string {
		var all []string
		for i := range n {
			all = append(all, `{"type":"text","title":"`+title+string(rune('a'+i))+`","postbackText":"id`+string(rune('a'+i))+`"}`)
		}
		return strings.Join(all, ",")
	}
	list := func(body, button, rows string) string {
		return `{"type":"list","title":"","body":"` + body + `","globalButtons":[{"type":"text","title":"` + button + `"}],"items":[{"title":"x","options":[` + rows + `]}]}`
	}
	good := list("Elija", "Elegir", rows(10, "Fila "))
	for _, c := range []struct {
		say, message string
		change       func(url.Values)
		problem      string
	}{
		{"a text", `{"type":"text","text":"Hola"}`, nil, ""},
		{"the longest text", `{"type":"text","text":"` + strings.Repeat("ñ", maxText) + `"}`, nil, ""},
		{"a text too long", `{"type":"text","text":"` + strings.Repeat("ñ", maxText+1) + `"}`, nil, "text of 4097 characters"},
		{"an empty text", `{"type":"text","text":""}`, nil, "text of 0 characters"},
		{"ten rows", good, nil, ""},
		{"eleven rows", list("Elija", "Elegir", rows(11, "Fila ")), nil, "11 rows"},
		{"no rows", list("Elija", "Elegir", ""), nil, "0 rows"},
		{"a row of 24 characters", list("Elija", "Elegir", rows(1, strings.Repeat("ñ", maxTitle-1))), nil, ""},
		{"a row of 25", list("Elija", "Elegir", rows(1, strings.Repeat("ñ", maxTitle))), nil, "row"},
		{"rows that look alike", list("Elija", "Elegir", `{"title":"A","postbackText":"1"},{"title":"A","postbackText":"2"}`), nil, "look alike"},
		{"rows with one id", list("Elija", "Elegir", `{"title":"A","postbackText":"1"},{"title":"B","postbackText":"1"}`), nil, "same id"},
		{"a row id of 201 bytes", list("Elija", "Elegir", `{"title":"A","postbackText":"`+strings.Repeat("x", maxRowID+1)+`"}`), nil, "row id"},
		{"a body of 1025", list(strings.Repeat("x", maxBody+1), "Elegir", rows(1, "A")), nil, "body of 1025"},
		{"a button of 21", list("Elija", strings.Repeat("x", maxButton+1), rows(1, "A")), nil, "button"},
		{"a type that is not documented", `{"type":"poll"}`, nil, `type "poll"`},
		{"no JSON", `hola`, nil, "message"},
		{"a number with a plus", good, func(f url.Values) { f.Set("destination", "+5215550000001") }, "destination"},
		{"another channel", good, func(f url.Values) { f.Set("channel", "sms") }, "channel"},
	} {
		form := url.Values{"channel": {"whatsapp"}, "destination": {"5215550000001"}, "src.name": {"App"}, "message": {c.message}}
		if c.change != nil {
			c.change(form)
		}
		r := httptest.NewRequest(http.MethodPost, "/wa/api/v1/msg", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := r.ParseForm(); err != nil {
			t.Fatal(err)
		}
		_, problems := read(r)
		if got := strings.Join(problems, "; "); (c.problem == "") != (got == "") || !strings.Contains(got, c.problem) {
			t.Errorf("%s: %q, want %q", c.say, got, c.problem)
		}
	}
}

func TestCompare(t *testing.T) {
	day := []string{"a", "b", "c"}
	for _, c := range []struct {
		say, got string
		repeats  int
		unknown  []string
		fails    bool
	}{
		{"the good day", "a b c", 0, nil, false},
		{"one is missing", "a c", 0, nil, true},
		{"the last is missing", "a b", 9, nil, true},
		{"one is missing and says so", "a c", 0, []string{"b"}, false},
		{"another is missing", "a c", 0, []string{"a"}, true},
		{"one twice without a reason", "a b b c", 0, nil, true},
		{"one twice with a reason", "a b b c", 1, nil, false},
		{"two twice with one reason", "a a b b c", 1, nil, true},
		{"out of order", "b a c", 9, nil, true},
		{"a repeat that comes late", "a b a c", 9, nil, true},
		{"something more", "a b c d", 9, nil, true},
	} {
		if err := compare(strings.Fields(c.got), day, c.repeats, c.unknown); (err != nil) != c.fails {
			t.Errorf("%s: %v", c.say, err)
		}
	}
}

func TestOrders(t *testing.T) {
	all := orders([]string{"a", "b", "c", "d"})
	if len(all) != 4+12+24+24 {
		t.Errorf("%d orders, want 64", len(all))
	}
	seen := map[string]bool{}
	for _, o := range all {
		sorted := slices.Sorted(slices.Values(o))
		if len(slices.Compact(sorted)) != len(o) || seen[strings.Join(o, "")] {
			t.Errorf("order %v holds a word twice, or comes twice", o)
		}
		seen[strings.Join(o, "")] = true
	}
}
