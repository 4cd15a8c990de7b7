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
		if got := q.Get("fields"); got != "id,name,language,category,status,rejected_reason,quality_score,components" {
			t.Errorf("asked for %q", got)
		}
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
		{"a body and what stands on top of it", `{"id":"5","name":"n","language":"es","status":"APPROVED","components":[{"type":"HEADER","format":"IMAGE","example":{"header_handle":["https://x.example/a"]}},
			{"type":"BODY","text":"Hola {{1}},\n¿sí?","example":{"body_text":[["Ana"]]}},{"type":"FOOTER","text":"F"},{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Sí"}]}]}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "es", State: "approved", Body: "Hola {{1}},\n¿sí?", Type: "image"}},
		{"nothing on top, in any order", `{"id":"5","name":"n","language":"es","status":"APPROVED","components":[{"type":"BUTTONS"},{"type":"BODY","text":"Hola"}]}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "es", State: "approved", Body: "Hola", Type: "text"}},
		{"a line on top", `{"id":"5","name":"n","language":"es","status":"APPROVED","components":[{"type":"HEADER","format":"TEXT","text":"H"},{"type":"BODY","text":"Hola"}]}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "es", State: "approved", Body: "Hola", Type: "text"}},
		{"something that we never request", `{"id":"5","name":"n","language":"es","status":"APPROVED","components":[{"type":"BODY","text":"Hola"},{"type":"CAROUSEL","cards":[]}]}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "es", State: "approved", Body: "Hola", Type: "carousel"}},
		{"components that are none", `{"id":"5","name":"n","language":"es","status":"APPROVED","components":{"type":"BODY","text":"Hola"}}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "es", State: "approved"}},
		{"odd ones cost nothing", `{"id":"5","name":"n","language":"es","status":"APPROVED","components":["x",null,{"type":7},{"type":"BODY","text":7},{"type":"HEADER","format":[]}]}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "es", State: "approved"}},
		{"a body as long as we keep", `{"id":"5","name":"n","language":"es","status":"APPROVED","components":[{"type":"BODY","text":"` + strings.Repeat("ñ", 4096) + `"}]}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "es", State: "approved", Body: strings.Repeat("ñ", 4096), Type: "text"}},
		{"a longer one is cut", `{"id":"5","name":"n","language":"es","status":"APPROVED","components":[{"type":"BODY","text":"` + strings.Repeat("ñ", 4097) + `"}]}`,
			channel.Listed{ProviderID: "5", Name: "n", Language: "es", State: "approved", Body: strings.Repeat("ñ", 4096), Type: "text"}},
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
		{"paging that is a text", 200, `{"data":[],"paging":"x"}`, broken},
		{"a next page without a cursor", 200, `{"data":[],"paging":{"next":"https://x"}}`, broken},
		{"a next page that is a number", 200, `{"data":[],"paging":{"next":7,"cursors":{"after":"c"}}}`, broken},
		{"a next page in two spellings", 200, `{"data":[],"paging":{"next":"x","Next":"y","cursors":{"after":"c"}}}`, broken},
		{"a cursor that is a number", 200, `{"data":[],"paging":{"next":"x","cursors":{"after":7}}}`, broken},
		{"a cursor that is too long", 200, `{"data":[],"paging":{"next":"x","cursors":{"after":"` + strings.Repeat("c", 4<<10+1) + `"}}}`, broken},
		{"more than a page may have", 200, `{"data":[` + strings.Repeat(one+",", 8<<20/len(one)) + one + `]}`, broken},
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

// TestOneOddTemplateHidesNoOther: R5, one that cannot be identified, or whose state is
// not told, is left out. What stands beside it and behind it is given, and then the
// list is not whole: nothing must seem to be gone because it was not understood.
func TestOneOddTemplateHidesNoOther_R5(t *testing.T) {
	const one, two = `{"id":"1","name":"n","language":"es","status":"APPROVED"}`, `{"id":"2","name":"n","language":"en","status":"REJECTED"}`
	want := &channel.Error{Verdict: channel.Later, Code: "template_unreadable", Reason: "template_unreadable", Cause: desk.WaitUnavailable}
	for why, odd := range map[string]string{
		"no id":                  `{"name":"n","language":"es","status":"APPROVED"}`,
		"an id that is too long": `{"id":"` + strings.Repeat("1", 513) + `","name":"n","language":"es","status":"APPROVED"}`,
		"no name":                `{"id":"3","language":"es","status":"APPROVED"}`,
		"no language":            `{"id":"3","name":"n","status":"APPROVED"}`,
		"no state":               `{"id":"3","name":"n","language":"es"}`,
		"a state that is null":   `{"id":"3","name":"n","language":"es","status":null}`,
		"two states":             `{"id":"3","name":"n","language":"es","status":"APPROVED","Status":"x"}`,
		"a text":                 `"x"`,
	} {
		p := sender(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("after") == "" {
				io.WriteString(w, `{"data":[`+odd+`,`+one+`],"paging":{"next":"https://x","cursors":{"after":"1"}}}`)
				return
			}
			io.WriteString(w, `{"data":[`+two+`]}`)
		})
		var got []string
		err := p.List(t.Context(), account, func(page []channel.Listed) error {
			for _, l := range page {
				got = append(got, l.ProviderID)
			}
			return nil
		})
		if diff := cmp.Diff(want, asError(t, err)); diff != "" || fmt.Sprint(got) != "[1 2]" {
			t.Errorf("%s: %v\n%s", why, got, diff)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"data":[{"id":"1","name":"n","language":"es","status":"APPROVED","quality_score":{"score":"GREEN"}}]}`))
	f.Add([]byte(`{"data":[],"paging":{"cursors":{"after":"c"},"next":"https://x"}}`))
	f.Add([]byte(`{"data":[{"id":"1","name":"n","language":"es","status":"A","components":[{"type":"BODY","text":"Hola {{1}}"},{"type":"HEADER","format":"IMAGE"}]},{}]}`))
	f.Add([]byte(`{"error":{"code":190}}`))
	f.Add([]byte(`{"data":[{"id":5e3,"name":"n","language":"es","status":"x"}],"paging":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := meta.Provider{BaseURL: "http://127.0.0.1:1", Now: func() time.Time { return now }, HTTP: &http.Client{Transport: canned{200, "", body}}}
		pages := 0
		var err error
		bounds.Check(t, 3*len(body)+64<<10, func() {
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
