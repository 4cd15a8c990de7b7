package meta_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/meta"
	"buzon/internal/desk"
)

// lister answers for a list of n templates, 100 a page, as Meta does.
func lister(t *testing.T, n int) (http.HandlerFunc, *[]string) {
	var asked []string
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, r.Method+" "+r.URL.Path+" "+q.Get("limit")+" "+q.Get("after"))
		if r.Header.Get("Authorization") != "Bearer "+token {
			t.Error("no token")
		}
		from := 0
		fmt.Sscanf(q.Get("after"), "c%d", &from)
		to := min(from+100, n)
		var items []string
		for i := from; i < to; i++ {
			items = append(items, fmt.Sprintf(`{"id":"%d","name":"t%d","language":"es","category":"UTILITY","status":"APPROVED","rejected_reason":"NONE","quality_score":{"score":"GREEN","date":1}}`, i, i))
		}
		next := ""
		if to < n {
			next = `,"next":"http://127.0.0.1:1/steal?access_token=x"`
		}
		fmt.Fprintf(w, `{"data":[%s],"paging":{"cursors":{"before":"b","after":"c%d"}%s}}`, strings.Join(items, ","), to, next)
	}, &asked
}

func TestListReadsToTheEnd(t *testing.T) {
	for n, pages := range map[int]int{0: 1, 1: 1, 100: 1, 101: 2, 250: 3, 10_000: 100} {
		answer, asked := lister(t, n)
		var got []channel.Listed
		if err := sender(t, answer).List(t.Context(), account, func(page []channel.Listed) error { got = append(got, page...); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != n || len(*asked) != pages {
			t.Errorf("%d templates: %d in %d pages", n, len(got), len(*asked))
		}
		if n == 250 {
			want := []string{"GET /v25.0/100000000000001/message_templates 100 ", "GET /v25.0/100000000000001/message_templates 100 c100", "GET /v25.0/100000000000001/message_templates 100 c200"}
			if diff := cmp.Diff(want, *asked); diff != "" {
				t.Error(diff)
			}
			last := channel.Listed{ProviderID: "249", Name: "t249", Language: "es", Category: "utility", State: "approved", Quality: "green"}
			if diff := cmp.Diff(last, got[249]); diff != "" {
				t.Error(diff)
			}
		}
	}
	answer, _ := lister(t, 10_001)
	err := sender(t, answer).List(t.Context(), account, func([]channel.Listed) error { return nil })
	if e := asError(t, err); e.Verdict != channel.Refused || e.Code != "too_many_templates" {
		t.Errorf("beyond 100 pages: %v", err)
	}
}

func TestListItems(t *testing.T) {
	for _, tc := range []struct {
		why, item string
		want      channel.Listed
	}{
		{"a rejected one", `{"id":"5000000000000000013","name":"n","language":"en","status":"REJECTED","category":"MARKETING","rejected_reason":"INVALID_FORMAT"}`,
			channel.Listed{ProviderID: "5000000000000000013", Name: "n", Language: "en", Category: "marketing", State: "rejected", Reason: "INVALID_FORMAT"}},
		{"an id that is a number keeps every digit", `{"id":5000000000000000013,"name":"n","language":"en","status":"IN_APPEAL"}`,
			channel.Listed{ProviderID: "5000000000000000013", Name: "n", Language: "en", State: "in_appeal"}},
		{"a category of tomorrow", `{"id":"5","name":"n","language":"en","status":"PAUSED","category":"Service","quality_score":{"score":"UNKNOWN"}}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "en", Category: "Service", State: "paused", Quality: "unknown"}},
		{"an announced category", `{"id":"5","name":"n","language":"en","status":"APPROVED","category":"UTILITY","correct_category":"MARKETING"}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "en", Category: "utility", State: "approved", NextCategory: "marketing"}},
		{"one that is the same", `{"id":"5","name":"n","language":"en","status":"APPROVED","category":"UTILITY","correct_category":"UTILITY"}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "en", Category: "utility", State: "approved"}},
	} {
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"data":[`+tc.item+`]}`) })
		var got []channel.Listed
		if err := p.List(t.Context(), account, func(page []channel.Listed) error { got = append(got, page...); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]channel.Listed{tc.want}, got); diff != "" {
			t.Errorf("%s: %s", tc.why, diff)
		}
	}
}

// TestListThatIsNotWhole: a page that is not what it should be is an error, after
// those that were.
func TestListThatIsNotWhole(t *testing.T) {
	const one = `{"id":"1","name":"n","language":"es","status":"APPROVED"}`
	broken := channel.Error{Verdict: channel.Later, Code: "200", Reason: "unexpected_answer", Cause: desk.WaitUnavailable}
	for _, tc := range []struct {
		why    string
		status int
		body   string
		want   channel.Error
	}{
		{"no JSON", 200, `<html>`, broken},
		{"nothing", 200, ``, broken},
		{"an array", 200, `[]`, broken},
		{"no data", 200, `{}`, broken},
		{"data that is no list", 200, `{"data":{}}`, broken},
		{"data twice", 200, `{"data":[],"data":[]}`, broken},
		{"data in two spellings", 200, `{"data":[],"Data":[]}`, broken},
		{"a template without id", 200, `{"data":[` + one + `,{"name":"n","language":"es","status":"APPROVED"}]}`, broken},
		{"a template without name", 200, `{"data":[{"id":"1","language":"es","status":"APPROVED"}]}`, broken},
		{"a template without language", 200, `{"data":[{"id":"1","name":"n","status":"APPROVED"}]}`, broken},
		{"a template without state", 200, `{"data":[{"id":"1","name":"n","language":"es"}]}`, broken},
		{"a template that is a text", 200, `{"data":["x"]}`, broken},
		{"paging that is a text", 200, `{"data":[],"paging":"x"}`, broken},
		{"a next page without a cursor", 200, `{"data":[],"paging":{"next":"https://x"}}`, broken},
		{"a next page that is a number", 200, `{"data":[],"paging":{"next":7,"cursors":{"after":"c"}}}`, broken},
		{"a next page in two spellings", 200, `{"data":[],"paging":{"next":"x","Next":"y","cursors":{"after":"c"}}}`, broken},
		{"a cursor that is a number", 200, `{"data":[],"paging":{"next":"x","cursors":{"after":7}}}`, broken},
		{"a cursor that is too long", 200, `{"data":[],"paging":{"next":"x","cursors":{"after":"` + strings.Repeat("c", 4<<10+1) + `"}}}`, broken},
		{"more than a page may have", 200, `{"data":[` + strings.Repeat(one+",", 2<<20/len(one)) + one + `]}`, broken},
		{"a page that leads to itself", 200, `{"data":[],"paging":{"next":"x","cursors":{"after":"1"}}}`,
			channel.Error{Verdict: channel.Later, Code: "same_page_again", Reason: "unexpected_answer", Cause: desk.WaitUnavailable}},
		{"an error with 200", 200, `{"error":{"code":190}}`, channel.Error{Verdict: channel.ChannelDown, Code: "190", Reason: "token_expired", Cause: desk.WaitCredential}},
		{"an error", 500, `{"error":{"code":2}}`, channel.Error{Verdict: channel.Later, Code: "2", Reason: "provider_error", Cause: desk.WaitUnavailable}},
		{"a redirect", 302, ``, channel.Error{Verdict: channel.Later, Code: "302", Reason: "provider_error", Cause: desk.WaitUnavailable}},
	} {
		t.Run(tc.why, func(t *testing.T) {
			pages := 0
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("after") == "" {
					io.WriteString(w, `{"data":[`+one+`],"paging":{"next":"https://x","cursors":{"after":"1"}}}`)
					return
				}
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			err := p.List(t.Context(), account, func([]channel.Listed) error { pages++; return nil })
			if diff := cmp.Diff(&tc.want, asError(t, err)); diff != "" {
				t.Error(diff)
			}
			if pages == 0 {
				t.Error("the first page was not given")
			}
		})
	}
	stop := errors.New("stop")
	answer, asked := lister(t, 300)
	if err := sender(t, answer).List(t.Context(), account, func([]channel.Listed) error { return stop }); !errors.Is(err, stop) || len(*asked) != 1 {
		t.Errorf("what the caller returned: %v after %d pages", err, len(*asked))
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"data":[{"id":"1","name":"n","language":"es","status":"APPROVED","quality_score":{"score":"GREEN"}}]}`))
	f.Add([]byte(`{"data":[],"paging":{"cursors":{"after":"c"},"next":"https://x"}}`))
	f.Add([]byte(`{"error":{"code":190}}`))
	f.Add([]byte(`{"data":[{"id":5e3,"name":"n","language":"es","status":"x"}],"paging":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := meta.Provider{BaseURL: "http://127.0.0.1:1", Now: func() time.Time { return now }, HTTP: &http.Client{Transport: canned{200, "", body}}}
		pages := 0
		var err error
		bounded(t, 3*len(body)+64<<10, func() {
			err = p.List(t.Context(), account, func(page []channel.Listed) error {
				pages++
				for _, l := range page {
					if l.ProviderID == "" || l.Name == "" || l.Language == "" || l.State == "" || l.State != strings.ToLower(l.State) || len([]rune(l.Reason)) > 200 {
						t.Errorf("%+v", l)
					}
				}
				return nil
			})
		})
		// A page that names a next one comes twice and is then known again.
		if pages > 2 || err == nil && pages != 1 || err != nil && asError(t, err).Verdict == channel.Unknown {
			t.Errorf("%d pages, %v", pages, err)
		}
	})
}
