package store

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/table"
)

// filled sets everything that v holds, so that a field which the stored form
// forgets is seen.
func filled(tb testing.TB, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = noon.Add(time.Hour + 123456789)
		return
	case *json.RawMessage:
		*x = json.RawMessage(`{"a":[1,"ñ"]}`)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			filled(tb, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(tb, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(tb, v.Index(0))
		filled(tb, v.Index(1))
	case reflect.String:
		v.SetString("text of " + v.Type().String())
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(-3.25)
	case reflect.Bool:
		v.SetBool(true)
	default:
		tb.Fatalf("a %s", v.Type())
	}
}

func TestTheStoredFormOfATurnLosesNothing(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	for why, change := range map[string]func(*desk.Turn){
		"everything set":               func(*desk.Turn) {},
		"nothing set":                  func(v *desk.Turn) { *v = desk.Turn{ID: v.ID} },
		"no message":                   func(v *desk.Turn) { v.Message = nil },
		"no replies":                   func(v *desk.Turn) { v.Replies = nil },
		"an id of another making":      func(v *desk.Turn) { v.Replies[0].ID = "r" },
		"the usual id":                 func(v *desk.Turn) { v.Replies[1].ID = ReplyID("co", "tu", 1) },
		"queued":                       func(v *desk.Turn) { v.Replies[1] = desk.Reply{Number: 9, ID: "r", Status: desk.Queued} },
		"queued, and claimed":          func(v *desk.Turn) { v.Replies[1] = desk.Reply{Number: 9, ID: "r", Status: desk.Queued, Attempts: 1} },
		"no status":                    func(v *desk.Turn) { v.Replies[1] = desk.Reply{Number: 9, ID: "r"} },
		"no rows":                      func(v *desk.Turn) { v.Replies[0].Rows = nil },
		"one row":                      func(v *desk.Turn) { v.Replies[0].Rows = v.Replies[0].Rows[:1] },
		"rows that begin alike":        func(v *desk.Turn) { v.Replies[0].Rows = rowsOf("bz1.d.a1.p1", "bz1.d.a1.p2", "bz1.d.a1.n2") },
		"rows that have nothing alike": func(v *desk.Turn) { v.Replies[0].Rows = rowsOf("a", "b", "") },
		"one is how the other begins":  func(v *desk.Turn) { v.Replies[0].Rows = rowsOf("ab", "a", "abc") },
		"letters that begin alike":     func(v *desk.Turn) { v.Replies[0].Rows = rowsOf("añá", "añé", "añ") },
		"halves of a letter alike":     func(v *desk.Turn) { v.Replies[0].Rows = rowsOf("é", "è") },
	} {
		v := StoredTurn{Versioned: desk.Versioned{Version: 4}}
		filled(t, reflect.ValueOf(&v.Turn).Elem())
		v.ID, v.Conversation = "tu", "co"
		if change(&v.Turn); v.Conversation == "" {
			v.Conversation = "co"
		}
		given := string(got[[]byte](t)(json.Marshal(v)))
		read := got[StoredTurn](t)(turnOf("co", c.turnItem(v)))
		if after := string(got[[]byte](t)(json.Marshal(v))); given != after {
			t.Errorf("%s: what was given to be stored has changed", why)
		}
		if v.Message != nil { // said by the turn and by the conversation
			v.Message.SentAt, v.Message.Channel, v.Message.Person, v.Message.Name = v.At, "", "", ""
			v.Message.HeardAt = time.Time{}
		}
		if diff := cmp.Diff(v, read); diff != "" {
			t.Errorf("%s: %s", why, diff)
		}
	}
}

func rowsOf(ids ...string) []desk.Row {
	rows := make([]desk.Row, len(ids))
	for i, id := range ids {
		rows[i] = desk.Row{ID: id, Title: "title of " + id}
	}
	return rows
}

func TestWhatRowsBeginWithIsStoredOnce(t *testing.T) {
	for _, c := range []struct {
		ids  []string
		want string
	}{
		{nil, ""},
		{[]string{"alone"}, ""},
		{[]string{"bz1.d.a1.p1", "bz1.d.a1.p2", "bz1.d.a1.n2"}, "bz1.d.a1."},
		{[]string{"same", "same"}, "same"},
		{[]string{"a", "ab"}, "a"},
		{[]string{"a", "b"}, ""},
		{[]string{"xé", "xè"}, "x"}, // whole letters only
	} {
		if begin := commonBegin(rowsOf(c.ids...)); begin != c.want {
			t.Errorf("%q: %q, want %q", c.ids, begin, c.want)
		}
	}
	s, _ := openPlain(t)
	co := s.In("acme")
	it := co.turnItem(StoredTurn{Turn: desk.Turn{ID: "tu", Conversation: "co", Replies: []desk.Reply{
		{Outgoing: desk.Outgoing{Rows: rowsOf("bz1.d.a1.p1", "bz1.d.a1.p2")}},
	}}})
	if n := strings.Count(string(it.Body), "bz1.d.a1.p"); n != 3 { // once, and in two titles
		t.Errorf("%d times: %s", n, it.Body)
	}
}

// Turns of one moment are shown in one order, each once.
func TestR4TurnsOfOneMoment(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	for _, id := range []string{"b", "c", "a"} {
		putTurn(t, c, desk.Turn{ID: id, Conversation: "co", At: noon, Made: noon})
	}
	list := func(limit int, cursor string) ([]desk.Turn, string, error) {
		return c.History(t.Context(), "co", limit, cursor)
	}
	for _, limit := range []int{1, 2, 3} {
		ids := walk(t, limit, func(v desk.Turn) string { return v.ID }, list)
		if diff := cmp.Diff([]string{"a", "b", "c"}, ids); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
	if it := got[[]table.Item](t)(s.Table.Get(t.Context(), c.turnKey("co", "a")))[0]; it.Index.SK != millis(noon)+"#"+millis(noon) {
		t.Errorf("index key %q", it.Index.SK)
	}
}
