package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// What changes between two pages: see lister.
func TestListsThatChangeBetweenPages(t *testing.T) {
	for _, e := range []struct {
		why    string
		change func(c Company)
		want   string // the rest of the list after o3 o2 were given
	}{
		{"nothing", func(Company) {}, "o1 o0 x1 x0"},
		{"a new case is not in the way", func(c Company) { putCase(t, c, "n", desk.CaseNew, 50) }, "o1 o0 x1 x0"},
		{"a new closed case comes where it belongs", func(c Company) { putCase(t, c, "xn", desk.CaseClosed, 50) }, "o1 o0 xn x1 x0"},
		{"one that was given is closed: again", func(c Company) { putCase(t, c, "o3", desk.CaseClosed, 60) }, "o1 o0 o3 x1 x0"},
		{"the last given is closed: its place stays", func(c Company) { putCase(t, c, "o2", desk.CaseClosed, 60) }, "o1 o0 o2 x1 x0"},
		{"one to come is closed: later", func(c Company) { putCase(t, c, "o1", desk.CaseClosed, 60) }, "o0 o1 x1 x0"},
		{"one to come changes: it was moved to the front", func(c Company) { putCase(t, c, "o0", desk.CaseNew, 60) }, "o1 x1 x0"},
	} {
		s, _ := openPlain(t)
		c := s.In("acme")
		for i := range 4 {
			putCase(t, c, fmt.Sprint("o", i), desk.CaseNew, i)
		}
		putCase(t, c, "x0", desk.CaseClosed, 0)
		putCase(t, c, "x1", desk.CaseClosed, 1)
		_, cursor, err := c.Cases(t.Context(), CaseFilter{}, 2, "")
		must(t, err)
		e.change(c)
		var rest []string
		for cursor != "" {
			var page []desk.Case
			page, cursor, err = c.Cases(t.Context(), CaseFilter{}, 1, cursor)
			must(t, err)
			rest = append(rest, page[0].ID)
		}
		if got := strings.Join(rest, " "); got != e.want {
			t.Errorf("%s: %s", e.why, got)
		}
	}
}

// putCase stores a case, changed and closed at that minute.
func putCase(tb testing.TB, c Company, id string, state desk.CaseState, minute int) {
	tb.Helper()
	k, err := c.Case(tb.Context(), id)
	if err != nil {
		want(tb, err, fault.NotFound)
		k = desk.Case{ID: id, CreatedAt: noon.Add(time.Duration(minute) * time.Minute)}
	}
	k.State, k.ChangedAt = state, noon.Add(time.Duration(minute)*time.Minute)
	if !state.Open() {
		k.ClosedAt = k.ChangedAt
	}
	must(tb, c.Table.Write(tb.Context(), table.Save(c.caseItem(k))))
}

// A past list goes on behind the last item given, whatever came before it.
func TestPlainListsThatGrowBetweenPages(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	for i := range 5 {
		must(t, c.SaveToken(ctx, desk.Token{ID: fmt.Sprint("t", i), Specialist: "sp"}, nil))
	}
	_, cursor, err := c.Tokens(ctx, "sp", 2, "") // t4 t3
	must(t, err)
	must(t, c.SaveToken(ctx, desk.Token{ID: "t9", Specialist: "sp"}, nil))
	gone := got[desk.Token](t)(c.Token(ctx, "t4"))
	gone.RevokedAt = noon
	must(t, c.SaveToken(ctx, gone, nil))
	rest, next, err := c.Tokens(ctx, "sp", 9, cursor)
	must(t, err)
	if len(rest) != 3 || rest[0].ID != "t2" || next != "" {
		t.Errorf("%+v", rest)
	}
}

// An item that the index shows in two parts at once is given once, as it is now.
func TestAnItemThatMovesIsGivenOnce(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	for i := range 3 {
		must(t, c.SaveConversation(t.Context(), desk.Conversation{ID: fmt.Sprint("v", i), Dialogue: []byte(`{}`), LastMessageAt: noon}))
	}
	moves := func(to desk.Conversation) *hooked {
		h := &hooked{Table: c.Table}
		h.beforeQuery = func() { // the active ones
			h.beforeQuery = func() { // the waiting ones
				conv := got[desk.Conversation](t)(c.Conversation(t.Context(), "v1"))
				to.ID, to.Version, to.LastMessageAt = conv.ID, conv.Version, noon
				must(t, c.SaveConversation(t.Context(), to))
			}
		}
		return h
	}
	for why, to := range map[string]desk.Conversation{
		"from active to waiting": {Wait: &desk.Wait{}, Unsent: []desk.Unsent{{Turn: "t"}}, Name: "now"},
		"from active to idle":    {},
	} {
		view := Store{Table: moves(to), Now: s.Now}
		ids := walk(t, 100, func(v desk.Conversation) string { return v.ID }, func(limit int, cursor string) ([]desk.Conversation, string, error) {
			items, next, err := view.In("acme").Conversations(t.Context(), ConversationFilter{}, limit, cursor)
			if to.Name != "" && (len(items) != 3 || items[1].Name != "now") {
				t.Errorf("%s: %+v", why, items)
			}
			return items, next, err
		})
		if got := strings.Join(ids, " "); got != "v2 v1 v0" {
			t.Errorf("%s: %s", why, got)
		}
		conv := got[desk.Conversation](t)(c.Conversation(t.Context(), "v1"))
		conv.Dialogue, conv.Wait, conv.Unsent = []byte(`{}`), nil, nil
		must(t, c.SaveConversation(t.Context(), conv))
	}
}

func TestBadCursors(t *testing.T) {
	s, _ := openPlain(t)
	ctx := t.Context()
	c := s.In("acme")
	for i := range 4 {
		putCase(t, c, fmt.Sprint("o", i), desk.CaseNew, i)
		putCase(t, c, fmt.Sprint("x", i), desk.CaseClosed, i)
		must(t, c.SaveToken(ctx, desk.Token{ID: fmt.Sprint("t", i), Specialist: "sp"}, nil))
		putTurn(t, c, desk.Turn{ID: fmt.Sprint(i), Conversation: "co", At: noon})
	}
	cursorOf := func(list func(limit int, cursor string) ([]string, string, error), n int) string {
		_, next, err := list(n, "")
		must(t, err)
		if next == "" {
			t.Fatal("no cursor")
		}
		return next
	}
	cases := func(c Company, f CaseFilter) func(int, string) ([]string, string, error) {
		return idsOf(func(limit int, cursor string) ([]desk.Case, string, error) { return c.Cases(ctx, f, limit, cursor) }, caseID)
	}
	tokens := idsOf(func(limit int, cursor string) ([]desk.Token, string, error) {
		return c.Tokens(ctx, "sp", limit, cursor)
	},
		func(v desk.Token) string { return v.ID })
	history := idsOf(func(limit int, cursor string) ([]desk.Turn, string, error) {
		return c.History(ctx, "co", limit, cursor)
	},
		func(v desk.Turn) string { return v.ID })
	live, past := cursorOf(cases(c, CaseFilter{}), 2), cursorOf(cases(c, CaseFilter{}), 6)
	token, turn := cursorOf(tokens, 2), cursorOf(history, 2)
	sealed := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	id := lister[desk.Case]{live: []string{c.pk("CASES", "open")}, past: c.pk("CASES", "closed")}.id()
	for why, cursor := range map[string]string{
		"no base64":                    "*",
		"padding":                      live + "=",
		"cut":                          live[:len(live)-3],
		"longer":                       live + "AAAA",
		"no JSON":                      sealed("hola"),
		"JSON of another shape":        sealed(`[1]`),
		"a number too large":           sealed(`{"l":"` + id + `","a":1e30}`),
		"no list":                      sealed(`{}`),
		"a part that does not exist":   sealed(`{"l":"` + id + `","p":3}`),
		"a part before the first":      sealed(`{"l":"` + id + `","p":-1}`),
		"a place inside that is none":  sealed(`{"l":"` + id + `","p":2,"n":"zzz"}`),
		"of another question":          sealed(`{"l":"` + id + `","p":2,"n":"` + turn + `"}`),
		"of another list":              token,
		"of a history":                 turn,
		"of another state":             cursorOf(cases(c, CaseFilter{State: desk.CaseClosed}), 1),
		"of another company's list":    cursorOfOther(t, s, cases),
		"that was given, in two parts": live + "." + past,
	} {
		_, _, err := cases(c, CaseFilter{})(2, cursor)
		var shown *fault.Input
		if !errors.Is(err, fault.Invalid) || !errors.As(err, &shown) || shown.Error() != "invalid: cursor invalid" {
			t.Errorf("%s: %v", why, err)
		}
	}
	for _, good := range []string{live, past} {
		if _, _, err := cases(c, CaseFilter{})(2, good); err != nil {
			t.Error(err)
		}
	}
	for why, list := range map[string]func(int, string) ([]string, string, error){"tokens": tokens, "history": history} {
		for _, cursor := range []string{"*", live, past} {
			if _, _, err := list(2, cursor); !errors.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", why, err)
			}
		}
	}
	// A past that the filter does not have.
	_, _, err := cases(c, CaseFilter{State: desk.CaseNew})(2, past)
	want(t, err, fault.Invalid)
}

func cursorOfOther(t *testing.T, s *Store, cases func(Company, CaseFilter) func(int, string) ([]string, string, error)) string {
	bolt := s.In("bolt")
	for i := range 3 {
		putCase(t, bolt, fmt.Sprint("o", i), desk.CaseNew, i)
	}
	_, next, err := cases(bolt, CaseFilter{})(1, "")
	must(t, err)
	return next
}

func TestListErrors(t *testing.T) {
	s, _, _ := openHostile(t, 1, tabletest.Rates{Throttle: 1})
	c := s.In("acme")
	for why, list := range map[string]func() error{
		"cases":         func() error { _, _, err := c.Cases(t.Context(), CaseFilter{}, 1, ""); return err },
		"closed cases":  func() error { _, _, err := c.Cases(t.Context(), CaseFilter{State: desk.CaseClosed}, 1, ""); return err },
		"conversations": func() error { _, _, err := c.Conversations(t.Context(), ConversationFilter{}, 1, ""); return err },
		"history":       func() error { _, _, err := c.History(t.Context(), "co", 1, ""); return err },
		"tokens":        func() error { _, _, err := c.Tokens(t.Context(), "sp", 1, ""); return err },
	} {
		if err := list(); !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), "list T#acme") {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	s, _ := openPlain(f)
	c := s.In("acme")
	for i := range 4 {
		putCase(f, c, fmt.Sprint("o", i), desk.CaseNew, i)
		putCase(f, c, fmt.Sprint("x", i), desk.CaseClosed, i)
	}
	for n := 1; n < 8; n++ {
		_, next, err := c.Cases(f.Context(), CaseFilter{}, n, "")
		must(f, err)
		f.Add(next)
		if b, err := base64.RawURLEncoding.DecodeString(next); err == nil {
			f.Add(base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(b), `"a":`, `"a":-`, 1))))
		}
	}
	for _, seed := range []string{"", "e30", "*", strings.Repeat("A", 4096), base64.RawURLEncoding.EncodeToString([]byte(`{"l":"","p":9223372036854775807}`))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		start := time.Now()
		items, _, err := c.Cases(context.Background(), CaseFilter{}, 3, cursor)
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s for %d bytes", took, len(cursor))
		}
		if err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", cursor, err)
		}
		if len(items) > 3 || err != nil && items != nil {
			t.Errorf("%q: %d items, %v", cursor, len(items), err)
		}
		l := lister[desk.Case]{past: "x"}
		if allocs := testing.AllocsPerRun(1, func() { _, _ = l.decode(cursor) }); allocs > 60 {
			t.Errorf("%v allocations for %d bytes", allocs, len(cursor))
		}
	})
}
