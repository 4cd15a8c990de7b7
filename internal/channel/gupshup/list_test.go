package gupshup_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/desk"
)

// reading is what came of reading a list.
type reading struct {
	pages []string // what was asked for
	sizes []int    // of the pages that were given
	ids   map[string]int
	err   error
}

// readAll lists all that a server answers, given the page asked for.
func readAll(t *testing.T, answer func(w http.ResponseWriter, page, size int)) reading {
	t.Helper()
	got := reading{ids: map[string]int{}}
	var asked sync.Mutex // an answer that is dropped orders nothing
	p := sender(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != pathSubmit || r.Header.Get("apikey") != apiKey {
			t.Errorf("asked %s %s", r.Method, r.URL.Path)
		}
		asked.Lock()
		got.pages = append(got.pages, r.URL.RawQuery)
		asked.Unlock()
		page, _ := strconv.Atoi(r.FormValue("pageNo"))
		size, _ := strconv.Atoi(r.FormValue("pageSize"))
		answer(w, page, size)
	})
	got.err = p.List(t.Context(), owner, func(list []channel.Listed) error {
		got.sizes = append(got.sizes, len(list))
		for _, l := range list {
			got.ids[l.ProviderID]++
		}
		return nil
	})
	asked.Lock()
	defer asked.Unlock()
	return got
}

// TestListReadsToTheEnd: page by page, from 0, until a page that is not full.
func TestListReadsToTheEnd(t *testing.T) {
	tests := []struct {
		n       int
		queries int
		sizes   []int
	}{
		{0, 1, nil},
		{1, 1, []int{1}},
		{99, 1, []int{99}},
		{100, 2, []int{100}},
		{101, 2, []int{100, 1}},
		{250, 3, []int{100, 100, 50}},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprint(tc.n), func(t *testing.T) {
			items := gupshuptest.Items(tc.n)
			got := readAll(t, func(w http.ResponseWriter, page, size int) { w.Write(gupshuptest.Page(items, page, size)) })
			if got.err != nil || len(got.ids) != tc.n {
				t.Errorf("%d templates, %v", len(got.ids), got.err)
			}
			if diff := cmp.Diff(tc.sizes, got.sizes); diff != "" {
				t.Error(diff)
			}
			var asked []string
			for i := range tc.queries {
				asked = append(asked, fmt.Sprintf("pageNo=%d&pageSize=100", i))
			}
			if diff := cmp.Diff(asked, got.pages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A provider that gives more than it was asked for has not come to the end.
func TestListOfPagesTooLong(t *testing.T) {
	items := gupshuptest.Items(104)
	got := readAll(t, func(w http.ResponseWriter, page, _ int) { w.Write(gupshuptest.Page(items, page, 101)) })
	if got.err != nil || len(got.ids) != 104 || len(got.pages) != 2 {
		t.Errorf("%d templates in %d pages, %v", len(got.ids), len(got.pages), got.err)
	}
}

// TestListBound: 10,000 templates are a list, one more is none.
func TestListBound(t *testing.T) {
	for n, want := range map[int]bool{10_000: true, 10_001: false} {
		items := gupshuptest.Items(n)
		got := readAll(t, func(w http.ResponseWriter, page, size int) { w.Write(gupshuptest.Page(items, page, size)) })
		if len(got.pages) != 101 || len(got.ids) != 10_000 || (got.err == nil) != want {
			t.Errorf("%d: %d pages, %d templates, %v", n, len(got.pages), len(got.ids), got.err)
		}
		if !want && asError(t, got.err).Code != "too_many_templates" {
			t.Error(got.err)
		}
	}
}

// TestListThatIsNotWhole: a page that cannot be read is an error, never an end.
func TestListThatIsNotWhole(t *testing.T) {
	items := gupshuptest.Items(250)
	later := func(code, reason, cause string) *channel.Error {
		return &channel.Error{Verdict: channel.Later, Code: code, Reason: reason, Cause: cause}
	}
	odd := later("200", "unexpected_answer", desk.WaitUnavailable)
	body := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	tests := []struct {
		why    string
		second http.HandlerFunc
		want   *channel.Error
	}{
		{"an error of the service", body(500, `{"status":"error","message":"Internal server error"}`), later("500", "provider_error", desk.WaitUnavailable)},
		{"an error with 200", body(200, `{"status":"error","message":"Something"}`), &channel.Error{Verdict: channel.Refused, Code: "200", Reason: "Something"}},
		{"no credentials any more", body(401, `{"status":"error","message":"Authentication Failed"}`),
			&channel.Error{Verdict: channel.ChannelDown, Code: "401", Reason: "credential_refused", Cause: desk.WaitCredential}},
		{"throttled", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Rate-Limit-Retry-After-Seconds", "9")
			w.WriteHeader(http.StatusTooManyRequests)
		}, &channel.Error{Verdict: channel.Later, Code: "429", Reason: "rate_limited", Cause: desk.WaitRateLimited, After: 9 * time.Second}},
		{"not JSON", body(200, `<html>soon back</html>`), odd},
		{"nothing", body(200, ``), odd},
		{"no list", body(200, `{"status":"success"}`), odd},
		{"a list that is null", body(200, `{"status":"success","templates":null}`), odd},
		{"a list that is none", body(200, `{"status":"success","templates":{}}`), odd},
		{"a list in two spellings", body(200, `{"status":"success","templates":[],"Templates":[]}`), odd},
		{"a list without success", body(200, `{"templates":[]}`), odd},
		{"more than a page may be", body(200, `{"status":"success","templates":[]}`+strings.Repeat(" ", 8<<20-34)), odd},
		{"an answer that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"status":"success","templates":[]`)
		}, odd},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, later("no_answer", "unexpected_answer", desk.WaitUnavailable)},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			got := readAll(t, func(w http.ResponseWriter, page, size int) {
				if page == 1 {
					tc.second(w, nil)
					return
				}
				w.Write(gupshuptest.Page(items, page, size))
			})
			if diff := cmp.Diff(tc.want, asError(t, got.err)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if len(got.pages) != 2 || len(got.ids) != 100 {
				t.Errorf("asked %v, %d templates", got.pages, len(got.ids))
			}
		})
	}
}

// TestOneOddTemplateHidesNoOther: R5, one that cannot be identified, or whose state is
// not told, is left out. What stands beside it and behind it is given, and then the
// list is not whole: nothing must seem to be gone because it was not understood.
func TestOneOddTemplateHidesNoOther_R5(t *testing.T) {
	want := &channel.Error{Verdict: channel.Later, Code: "template_unreadable", Reason: "template_unreadable", Cause: desk.WaitUnavailable}
	for why, item := range map[string]string{
		"no id":                  `{"status":"APPROVED"}`,
		"a blank id":             `{"id":" ","status":"APPROVED"}`,
		"an id that is a number": `{"id":7,"status":"APPROVED"}`,
		"an id that is too long": `{"id":"` + strings.Repeat("i", 513) + `","status":"APPROVED"}`,
		"two ids":                `{"id":"a","Id":"b","status":"APPROVED"}`,
		"no state":               `{"id":"a","elementName":"n","languageCode":"es"}`,
		"a state that is null":   `{"id":"a","elementName":"n","languageCode":"es","status":null}`,
		"a blank state":          `{"id":"a","status":" "}`,
		"no template":            `"a"`,
		"null":                   `null`,
	} {
		for place, at := range map[string]int{"on the first page": 7, "on a later one": 123, "the last": 230} {
			t.Run(why+" "+place, func(t *testing.T) {
				items := gupshuptest.Items(231)
				items[at] = gupshuptest.ListItem{ID: "odd"}
				replaced := string(gupshuptest.Page(items, at/100, 100))
				mark := string(gupshuptest.Page(items[at:at+1], 0, 1))
				mark = mark[strings.Index(mark, "[")+1 : strings.LastIndex(mark, "]")]
				got := readAll(t, func(w http.ResponseWriter, page, size int) {
					if page == at/100 {
						io.WriteString(w, strings.Replace(replaced, mark, item, 1))
						return
					}
					w.Write(gupshuptest.Page(items, page, size))
				})
				if diff := cmp.Diff(want, asError(t, got.err)); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
				if len(got.pages) != 3 || len(got.ids) != 230 {
					t.Errorf("asked %v, %d templates", got.pages, len(got.ids))
				}
			})
		}
	}
	t.Run("a full page of them is not the end", func(t *testing.T) {
		items := gupshuptest.Items(130)
		got := readAll(t, func(w http.ResponseWriter, page, size int) {
			if page == 0 {
				fmt.Fprintf(w, `{"status":"success","templates":[%s]}`, strings.TrimSuffix(strings.Repeat("{},", size), ","))
				return
			}
			w.Write(gupshuptest.Page(items, page, size))
		})
		if diff := cmp.Diff(want, asError(t, got.err)); diff != "" || len(got.ids) != 30 {
			t.Errorf("%d templates\n%s", len(got.ids), diff)
		}
	})
}

// TestListWhileItChanges: what Gupshup itself says of the end counts; a template
// may come twice.
func TestListWhileItChanges(t *testing.T) {
	items := gupshuptest.Items(250)
	t.Run("a short page in the middle ends it", func(t *testing.T) {
		got := readAll(t, func(w http.ResponseWriter, page, size int) {
			if page == 1 {
				items := items[:199]
				w.Write(gupshuptest.Page(items, page, size))
				return
			}
			w.Write(gupshuptest.Page(items, page, size))
		})
		if diff := cmp.Diff([]int{100, 99}, got.sizes); diff != "" || got.err != nil {
			t.Errorf("%v\n%s", got.err, diff)
		}
	})
	t.Run("one more is added between two pages", func(t *testing.T) {
		got := readAll(t, func(w http.ResponseWriter, page, size int) {
			if page > 0 {
				w.Write(gupshuptest.Page(append([]gupshuptest.ListItem{{ID: "new", State: "PENDING"}}, items...), page, size))
				return
			}
			w.Write(gupshuptest.Page(items, page, size))
		})
		if got.err != nil || len(got.ids) != 250 || got.ids[items[99].ID] != 2 {
			t.Errorf("%d templates, %v", len(got.ids), got.err)
		}
	})
	t.Run("a page of a full one's size is the last that can be", func(t *testing.T) {
		full := `{"status":"success","templates":[]}` + strings.Repeat(" ", 8<<20-35)
		got := readAll(t, func(w http.ResponseWriter, _, _ int) { fmt.Fprint(w, full) })
		if len(full) != 8<<20 || got.err != nil {
			t.Errorf("%d bytes: %v", len(full), got.err)
		}
	})
	t.Run("who is given a page may stop", func(t *testing.T) {
		enough, asked := errors.New("enough"), 0
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Write(gupshuptest.Page(items, 0, 100))
		})
		err := p.List(t.Context(), owner, func([]channel.Listed) error { return enough })
		if !errors.Is(err, enough) || asked != 1 {
			t.Errorf("%v after %d", err, asked)
		}
	})
}

// TestListed: how a template reads.
func TestListed(t *testing.T) {
	tests := []struct {
		why  string
		item string
		want channel.Listed
	}{
		{"all there is", `{"id":" t ","appId":"x","elementName":"n","languageCode":"en_US","category":"MARKETING","status":"REJECTED","reason":"INVALID_FORMAT","quality":"GREEN","createdOn":1671619377053,"containerMeta":"{\"data\":\"x\"}"}`,
			channel.Listed{ProviderID: "t", Name: "n", Language: "en_US", Category: "marketing", State: "rejected", Reason: "INVALID_FORMAT", Quality: "green", Body: "x"}},
		{"the least", `{"id":"t","status":"APPROVED"}`, channel.Listed{ProviderID: "t", State: "approved"}},
		{"words nobody knows stay", `{"id":"t","status":"DESACTIVATED","category":"TICKET_UPDATE"}`, channel.Listed{ProviderID: "t", State: "desactivated", Category: "TICKET_UPDATE"}},
		{"a state as long as we keep", `{"id":"t","status":"` + strings.Repeat("X", 32) + `"}`, channel.Listed{ProviderID: "t", State: strings.Repeat("x", 32)}},
		{"a longer one is cut", `{"id":"t","status":"` + strings.Repeat("X", 33) + `"}`, channel.Listed{ProviderID: "t", State: strings.Repeat("x", 32)}},
		{"a reason as long as we keep", `{"id":"t","status":"a","reason":"` + strings.Repeat("ñ", 200) + `"}`, channel.Listed{ProviderID: "t", State: "a", Reason: strings.Repeat("ñ", 200)}},
		{"a longer one is cut", `{"id":"t","status":"a","reason":"` + strings.Repeat("ñ", 201) + `"}`, channel.Listed{ProviderID: "t", State: "a", Reason: strings.Repeat("ñ", 200)}},
		{"Meta's word for no reason", `{"id":"t","status":"a","reason":"NONE"}`, channel.Listed{ProviderID: "t", State: "a"}},
		{"a category is announced", `{"id":"t","status":"a","category":"UTILITY","containerMeta":"{\"correctCategory\":\"MARKETING\"}"}`,
			channel.Listed{ProviderID: "t", State: "a", Category: "utility", NextCategory: "marketing"}},
		{"in an object", `{"id":"t","status":"a","category":"UTILITY","containerMeta":{"correctCategory":"MARKETING"}}`,
			channel.Listed{ProviderID: "t", State: "a", Category: "utility", NextCategory: "marketing"}},
		{"the one it has is none", `{"id":"t","status":"a","category":"UTILITY","containerMeta":"{\"correctCategory\":\"UTILITY\"}"}`, channel.Listed{ProviderID: "t", State: "a", Category: "utility"}},
		{"what cannot be read announces nothing", `{"id":"t","status":"a","containerMeta":"{\"correctCategory\":"}`, channel.Listed{ProviderID: "t", State: "a"}},
		{"odd types cost nothing", `{"id":"t","status":"a","elementName":7,"languageCode":[],"category":{},"reason":null,"quality":true,"containerMeta":7,"data":{},"templateType":[]}`, channel.Listed{ProviderID: "t", State: "a"}},
		{"a body stands by itself in containerMeta, among header, footer and buttons in data",
			`{"id":"t","status":"a","templateType":"TEXT","containerMeta":"{\"data\":\"Hola {{1}},\\n¿sí?\",\"header\":\"H\",\"footer\":\"F\"}","data":"H\nHola {{1}},\n¿sí?\nF | [Sí] | [Ver,https://x.example]"}`,
			channel.Listed{ProviderID: "t", State: "a", Type: "text", Body: "Hola {{1}},\n¿sí?"}},
		{"without it data is read", `{"id":"t","status":"a","templateType":"IMAGE","data":"Hola {{1}}"}`, channel.Listed{ProviderID: "t", State: "a", Type: "image", Body: "Hola {{1}}"}},
		{"to its buttons", `{"id":"t","status":"a","templateType":"VIDEO","containerMeta":"{}","data":"Hola | [no | [Sí] | [No]"}`, channel.Listed{ProviderID: "t", State: "a", Type: "video", Body: "Hola"}},
		{"a text that ends otherwise has none", `{"id":"t","status":"a","data":"Hola | [no"}`, channel.Listed{ProviderID: "t", State: "a", Body: "Hola | [no"}},
		{"a type nobody knows stays", `{"id":"t","status":"a","templateType":"CAROUSEL"}`, channel.Listed{ProviderID: "t", State: "a", Type: "carousel"}},
		{"a body as long as we keep", `{"id":"t","status":"a","data":"` + strings.Repeat("ñ", 4096) + `"}`, channel.Listed{ProviderID: "t", State: "a", Body: strings.Repeat("ñ", 4096)}},
		{"a longer one is cut", `{"id":"t","status":"a","data":"` + strings.Repeat("ñ", 4097) + `"}`, channel.Listed{ProviderID: "t", State: "a", Body: strings.Repeat("ñ", 4096)}},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			var got []channel.Listed
			p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"status":"success","templates":[%s]}`, tc.item)
			})
			err := p.List(t.Context(), owner, func(list []channel.Listed) error { got = append(got, list...); return nil })
			if diff := cmp.Diff([]channel.Listed{tc.want}, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
	for n, want := range map[int]bool{512: true, 513: false} {
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"status":"success","templates":[{"id":%q,"status":"a"}]}`, strings.Repeat("i", n))
		})
		if err := p.List(t.Context(), owner, func([]channel.Listed) error { return nil }); (err == nil) != want {
			t.Errorf("an id of %d: %v", n, err)
		}
	}
}

// TestCheck: only what says that the credentials are refused is ChannelDown.
func TestCheck(t *testing.T) {
	good := string(gupshuptest.Page(gupshuptest.Items(1), 0, 1))
	tests := []struct {
		why    string
		status int
		body   string
		want   channel.Verdict // zero: they work
		cause  string
	}{
		{"they work", 200, good, 0, ""},
		{"no templates yet", 200, `{"status":"success","templates":[]}`, 0, ""},
		{"401", 401, ``, channel.ChannelDown, desk.WaitCredential},
		{"403", 403, ``, channel.ChannelDown, desk.WaitCredential},
		{"an expired token", 400, `{"status":"error","code":190,"message":"x"}`, channel.ChannelDown, desk.WaitCredential},
		{"an error with 200", 200, `{"status":"error","message":"Authentication Failed"}`, channel.ChannelDown, desk.WaitCredential},
		{"an empty wallet", 402, ``, channel.Later, desk.WaitWallet},
		{"a suspended account", 400, `{"status":"error","code":368,"message":"x"}`, channel.Later, desk.WaitSuspended},
		{"throttled", 429, ``, channel.Later, desk.WaitRateLimited},
		{"an error of the service", 500, ``, channel.Later, desk.WaitUnavailable},
		{"no JSON", 200, `OK`, channel.Later, desk.WaitUnavailable},
		{"another refusal", 400, `{"status":"error","message":"x"}`, channel.Refused, ""},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Method + " " + r.URL.RequestURI(); got != "GET "+pathSubmit+"?pageNo=0&pageSize=1" {
					t.Error(got)
				}
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			})
			err := p.Check(t.Context(), owner)
			if tc.want == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := asError(t, err); e.Verdict != tc.want || e.Cause != tc.cause {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestAppIDStaysInItsPlace: whatever an app's id holds, it is one part of a path.
func TestAppIDStaysInItsPlace(t *testing.T) {
	a := owner
	a.Channel.AppID = "../x?y=/z"
	var asked []string
	p := sender(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.EscapedPath())
		w.Write([]byte(`{"status":"success","templates":[],"template":{"id":"t"},"media":{"id":"m"}}`))
	})
	if err := p.Check(t.Context(), a); err != nil {
		t.Error(err)
	}
	if _, err := p.Submit(t.Context(), a, requested(func(t *desk.Template) { t.Type = desk.TemplateImage })); err != nil {
		t.Error(err)
	}
	const id = "..%2Fx%3Fy=%2Fz"
	if diff := cmp.Diff([]string{"/wa/app/" + id + "/template", "/wa/" + id + "/wa/media/v2", "/wa/app/" + id + "/template"}, asked); diff != "" {
		t.Error(diff)
	}
}
