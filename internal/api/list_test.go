package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/store"
)

// TestListQuery: the query of every list.
func TestListQuery(t *testing.T) {
	play(t, seed(t), []step{
		{say: "the least", call: "GET /v1/projects?limit=1", want: "200"},
		{say: "the most", call: "GET /v1/clients?limit=100", want: "200"},
		{say: "none", call: "GET /v1/projects?limit=0", want: "422 limit out_of_range"},
		{say: "too many", call: "GET /v1/cases?limit=101", want: "422 limit out_of_range"},
		{say: "less than none", call: "GET /v1/projects?limit=-1", want: "422 limit out_of_range"},
		{say: "no number", call: "GET /v1/projects?limit=ten", want: "422 limit out_of_range"},
		{say: "nothing", call: "GET /v1/projects?limit=", want: "422 limit out_of_range"},
		{say: "a number that overflows", call: "GET /v1/projects?limit=99999999999999999999", want: "422 limit out_of_range"},
		{say: "twice", call: "GET /v1/projects?limit=1&limit=2", want: "422 limit twice"},
		{say: "a parameter that is not known", call: "GET /v1/cases?owned=me&stat=new", want: "422 owned unknown_parameter, stat unknown_parameter"},
		{say: "several things wrong at once", call: "GET /v1/cases?limit=0&state=open&source=fax&project=a/b", want: "422 limit out_of_range, state not_one_of, project invalid, source not_one_of"},
		{say: "an empty filter chooses everything", call: "GET /v1/cases?state=&project=&source=&q=&owner=&queue=&contact=", want: "200"},
		{say: "nothing has an owner, so nothing is found", call: "GET /v1/cases?owner=somebody", want: "200"},
		{say: "a query that is none", call: "GET /v1/projects?%zz", want: "422 query invalid"},
		{say: "bytes that are no text", call: "GET /v1/clients?q=%ff", want: "422 q invalid"},
	})
}

// TestBadCursors: a cursor that a list did not give is refused by each list.
func TestBadCursors(t *testing.T) {
	s := seed(t)
	lists := []string{
		"/v1/projects", "/v1/projects/{project}/services", "/v1/clients", "/v1/specialists", "/v1/specialists/{agent}/tokens", "/v1/channels",
		"/v1/channels/{channel}/templates", "/v1/quarantine", "/v1/conversations", "/v1/conversations/{conversation}/messages", "/v1/cases",
		"/v1/cases/{case}/history",
	}
	var steps []step
	for _, path := range lists {
		for _, cursor := range []string{"x", "%00", "eyJwIjp0cnVlLCJuIjoieCJ9", strings.Repeat("A", 4097)} {
			steps = append(steps, step{say: "a cursor of nobody's", call: "GET " + path + "?cursor=" + cursor, want: "422 cursor invalid"})
		}
	}
	play(t, s, steps)
}

// pages walks a list to its end and gives the value of a field of each item.
func (w *world) pages(path, field string, limit int, between func()) []string {
	w.t.Helper()
	var out []string
	for cursor := ""; ; {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		a := w.ok(200, "GET", fmt.Sprintf("%s%slimit=%d%s", path, sep, limit, cursor), "")
		items, _ := a.get("items").([]any)
		if len(items) > limit {
			w.t.Fatalf("%s: %d items, limit %d", path, len(items), limit)
		}
		for i := range items {
			out = append(out, fmt.Sprint(a.get(fmt.Sprintf("items.%d.%s", i, field))))
		}
		next, _ := a.get("next_cursor").(string)
		if next == "" {
			return out
		}
		if len(out) > 1000 {
			w.t.Fatalf("%s does not end", path)
		}
		cursor = "&cursor=" + next
		between()
	}
}

// TestPages: each page continues where the one before ended, with new things
// made meanwhile: nothing comes twice, nothing that was there is left out.
func TestPages(t *testing.T) {
	for _, limit := range []int{1, 3, 7, 100} {
		s := seed(t)
		const n = 12
		made := 0
		add := func() {
			made++
			s.make("/v1/clients", fmt.Sprintf(`{"name":"c%d","user_name":"c%d"}`, made, made))
			s.make("/v1/projects", fmt.Sprintf(`{"name":"p%d"}`, made))
			s.make("/v1/specialists/"+s.agentID+"/tokens", fmt.Sprintf(`{"description":"t%d","expires_at":"2026-04-01T00:00:00Z"}`, made))
		}
		for range n {
			add()
		}
		for _, c := range []struct{ path, field, prefix string }{
			{"/v1/clients", "user_name", "c"},
			{"/v1/projects", "name", "p"},
			{"/v1/specialists/" + s.agentID + "/tokens", "description", "t"},
		} {
			want := ""
			for i := made; i > 0; i-- {
				want += fmt.Sprintf("%s%d ", c.prefix, i)
			}
			got := strings.Join(s.pages(c.path, c.field, limit, add), " ") + " "
			if !strings.HasPrefix(got, want) || strings.Count(got, " ") > made+2 {
				t.Errorf("%s by %d:\n%s, want\n%s…", c.path, limit, got, want)
			}
		}
	}
}

// TestMessagePages: messages come oldest first, a turn's message before its
// replies, whatever the size of the pages.
func TestMessagePages(t *testing.T) {
	s := seed(t)
	want := []string{"Hola", "Abra https://example.com/c/…"}
	for i := range 9 {
		at := start.Add(time.Duration(i+1) * time.Minute)
		var replies []desk.Reply
		want = append(want, fmt.Sprint("in", i))
		for j := range i % 4 {
			replies = append(replies, desk.Reply{ID: fmt.Sprint("r", i, j), Status: desk.Queued, Outgoing: desk.Outgoing{Type: desk.ReplyText, Text: fmt.Sprint("out", i, j)}})
			want = append(want, fmt.Sprint("out", i, j))
		}
		s.say(fmt.Sprint("n", i), at, desk.Content{Type: desk.Text, Text: fmt.Sprint("in", i)}, replies...)
		s.commit(desk.Turn{ID: store.TurnID(fmt.Sprint("stone", i)), Conversation: s.conversation, Kind: desk.TurnQuarantined, At: at, Quarantine: "q"})
	}
	early := 0
	for _, limit := range []int{1, 2, 3, 5, 8, 100} {
		got := s.pages("/v1/conversations/"+s.conversation+"/messages", "text", limit, func() {
			early++ // a late copy of an old message comes in while somebody reads
			s.commit(desk.Turn{
				ID: store.TurnID(fmt.Sprint("early", early)), Conversation: s.conversation, Kind: desk.TurnQuarantined,
				At: start.Add(-time.Duration(early) * time.Second), Quarantine: "q",
			})
		})
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("by %d:\n%q, want\n%q", limit, got, want)
		}
	}
}

// TestCasePages: open cases by their last change, then closed ones.
func TestCasePages(t *testing.T) {
	s := seed(t)
	var ids []string
	for i := range 6 {
		ids = append(ids, s.openCase(fmt.Sprint("case ", i)))
	}
	s.ok(200, "PATCH", "/v1/cases/"+ids[1], `{"state":"closed"}`)
	s.ok(200, "PATCH", "/v1/cases/"+ids[4], `{"state":"resolved"}`)
	s.ok(200, "PATCH", "/v1/cases/"+ids[0], `{"priority":"high"}`)
	want := "case 0|case 5|case 3|case 2|Fuga en la calle 5|case 4|case 1"
	for _, limit := range []int{1, 2, 5, 100} {
		if got := strings.Join(s.pages("/v1/cases", "title", limit, func() {}), "|"); got != want {
			t.Errorf("by %d: %s, want %s", limit, got, want)
		}
	}
}
