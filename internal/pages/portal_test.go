package pages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/locale"
	"buzon/internal/table"
)

// visits are a request for every page and status that the portal has.
func visits(w *world) map[string]func() *httptest.ResponseRecorder {
	fresh, used, old := w.form("es"), w.form("es"), w.form("es")
	path := w.mustCreate(used, text("a", "b"))
	closed := w.mustCreate(w.form("es"), text("a", "b"))
	w.move(closed, desk.CaseClosed)
	get := func(target string) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return w.get(target) }
	}
	post := func(target string, f url.Values, headers ...string) func() *httptest.ResponseRecorder {
		return func() *httptest.ResponseRecorder { return w.send("POST", target, f, headers...) }
	}
	return map[string]func() *httptest.ResponseRecorder{
		"200 form":    get("/c/" + fresh),
		"200 used":    get("/c/" + used),
		"200 created": get(path + "?created=1"),
		"200 case":    get(path),
		"200 closed":  get(closed),
		"200 record":  get(path + "/record.txt"),
		"200 asset":   get(assetURL("portal.css")),
		"200 switch": func() *httptest.ResponseRecorder {
			return w.send("POST", "/c/"+fresh, url.Values{"switch": {or(w.lang, "en")}})
		},
		"303 form":    post("/c/"+used, text("a", "b")),
		"303 message": post(path+"/messages", say("x")),
		"404 form":    get("/c/demo-x"),
		"404 case":    get("/t/demo-x"),
		"404 deeper":  get("/c/a/b"),
		"404 asset":   get("/assets/portal.css"),
		"405 form":    func() *httptest.ResponseRecorder { return w.send("PUT", "/c/"+fresh, nil) },
		"405 case":    post(path, text("a", "b")),
		"405 message": get(path + "/messages"),
		"405 asset":   post(assetURL("portal.css"), nil),
		"409 closed":  post(closed+"/messages", say("x")),
		"410 form": func() *httptest.ResponseRecorder {
			w.pass(desk.DefaultFormLife)
			defer w.pass(-desk.DefaultFormLife)
			return w.get("/c/" + old)
		},
		"413 form":    post("/c/"+fresh, text("a", strings.Repeat("x", maxBody))),
		"413 message": post(path+"/messages", say(strings.Repeat("x", maxBody))),
		"415 form":    post("/c/"+fresh, text("a", "b"), "Content-Type", "multipart/form-data; boundary=x"),
		"415 message": post(path+"/messages", say("x"), "Content-Type", "application/json"),
		"422 form":    post("/c/"+fresh, url.Values{}),
		"422 message": post(path+"/messages", url.Values{}),
		"429 page": func() *httptest.ResponseRecorder {
			w.portal.Limits.PerMinute = 1
			defer func() { w.portal.Limits.PerMinute = 0 }()
			w.get("/c/" + fresh)
			return w.get("/c/" + fresh)
		},
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// TestHeaders_T39_T49: the same guard on every page and every error.
func TestHeaders_T39_T49(t *testing.T) {
	w := newWorld(t, nil)
	w.public = "https://portal.example"
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Cache-Control":             "no-store",
		"Permissions-Policy":        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
		"Referrer-Policy":           "no-referrer",
		"Strict-Transport-Security": "max-age=63072000",
		"X-Content-Type-Options":    "nosniff",
		"X-Robots-Tag":              "noindex, nofollow",
	}
	all := visits(w)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		rec := all[name]()
		if code := fmt.Sprint(rec.Code); code != name[:3] {
			t.Errorf("%s: %s", name, code)
		}
		got := map[string]string{}
		for h := range want {
			got[h] = rec.Header().Get(h)
		}
		expected := maps.Clone(want)
		if name == "200 asset" {
			expected["Cache-Control"] = "public, max-age=31536000, immutable"
		}
		if d := cmp.Diff(expected, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if rec.Header().Get("Set-Cookie") != "" || rec.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: a cookie or an opening for other sites", name)
		}
		if rec.Code >= 400 && rec.Code != 422 && !strings.Contains(rec.Body.String(), rec.Header().Get("X-Request-Id")) {
			t.Errorf("%s: no id for support on the page", name)
		}
		if (rec.Code == 429 || rec.Code == 503) != (rec.Header().Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", name, rec.Header().Get("Retry-After"))
		}
		if (rec.Code == 405) != (rec.Header().Get("Allow") != "") {
			t.Errorf("%s: Allow %q", name, rec.Header().Get("Allow"))
		}
	}
	w.public = "http://127.0.0.1:3000"
	if got := w.get("/c/x").Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS without TLS: %q", got)
	}
}

var rawKey = regexp.MustCompile(`\bpage\.[a-z0-9_]+`)

// TestPages: every page in every language has all its texts, one main heading,
// no inline code, nothing from elsewhere, and is small.
func TestPages(t *testing.T) {
	w := newWorld(t, nil)
	for _, lang := range desk.Languages {
		all := visits(w)
		w.lang = lang
		for _, name := range slices.Sorted(maps.Keys(all)) {
			rec := all[name]()
			if !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") {
				continue
			}
			page := rec.Body.String()
			has(t, page, `<html lang="`+lang+`">`, `<main id="main"`, `id="privacy"`)
			if key := rawKey.FindString(page); key != "" {
				t.Errorf("%s %s: a key in place of a text: %s", name, lang, key)
			}
			hasNot(t, page, "{n}", "{max}", "{over}", "{company}", "{reference}", "style=", "onclick", "http://www", "ZgotmplZ")
			if n := strings.Count(page, "<h1"); n != 1 {
				t.Errorf("%s %s: %d main headings", name, lang, n)
			}
			if n := len(page) + len(assets["portal.css"].body) + len(assets["portal.js"].body) + len(assets["favicon.svg"].body); n > 30<<10 {
				t.Errorf("%s %s: %d bytes with all it loads, at most 30 KB", name, lang, n)
			}
			if t.Failed() {
				return
			}
		}
	}
	if n := len(assets["portal.js"].body); n > 4<<10 {
		t.Errorf("script of %d bytes, at most 4 KB", n)
	}
}

func TestHead(t *testing.T) {
	w := newWorld(t, nil)
	secret := w.form("es")
	path := w.mustCreate(w.form("es"), text("a", "b"))
	for _, target := range []string{"/c/" + secret, path, path + "/record.txt", "/c/x", assetURL("portal.js")} {
		rec := w.send("HEAD", target, nil)
		if get := w.get(target); rec.Code != get.Code || rec.Body.Len() != 0 || rec.Header().Get("Content-Type") != get.Header().Get("Content-Type") {
			t.Errorf("HEAD %s: %d with %d bytes, GET %d", target, rec.Code, rec.Body.Len(), get.Code)
		}
	}
}

// TestBody: what is read of a posted body, and what is refused.
func TestBody(t *testing.T) {
	w := newWorld(t, nil)
	pad := func(n int) string {
		head := "title=a&description=b&x="
		return head + strings.Repeat("x", n-len(head))
	}
	for _, c := range []struct {
		name, kind, body string
		code             int
	}{
		{"as a browser sends it", "application/x-www-form-urlencoded", "title=a&description=b", 303},
		{"with a charset", "Application/X-WWW-Form-URLEncoded; charset=UTF-8", "title=a&description=b", 303},
		{"256 KB", "application/x-www-form-urlencoded", pad(maxBody), 303},
		{"a byte more", "application/x-www-form-urlencoded", pad(maxBody + 1), 413},
		{"without a type", "", "title=a&description=b", 415},
		{"a damaged type", "application/x-www-form-urlencoded; charset", "title=a&description=b", 415},
		{"multipart", "multipart/form-data; boundary=b", "--b--", 415},
		{"JSON", "application/json", `{"title":"a"}`, 415},
		{"empty", "application/x-www-form-urlencoded", "", 422},
		{"a stray percent sign is text", "application/x-www-form-urlencoded", "title=100%&description=%zz;x", 303},
	} {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/c/"+w.form("es"), strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.kind)
			if chunked {
				r.ContentLength = -1
			}
			rec := httptest.NewRecorder()
			w.mux.ServeHTTP(rec, r)
			if rec.Code != c.code {
				t.Errorf("%s (chunked %v): %d, want %d", c.name, chunked, rec.Code, c.code)
			}
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/c/"+w.form("es"), &broken{})
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	if rec.Code != 400 {
		t.Errorf("a body that breaks off: %d, want 400", rec.Code)
	}
}

type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestParseFields(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       fields
	}{
		{"nothing", "", fields{}},
		{"plus and percent", "a+b=c%2Bd%20e", fields{"a b": "c+d e"}},
		{"the first of a name counts", "a=1&a=2", fields{"a": "1"}},
		{"no value", "a&b=", fields{"a": "", "b": ""}},
		{"more equal signs", "a=b=c", fields{"a": "b=c"}},
		{"a semicolon is text", "a=1;b=2", fields{"a": "1;b=2"}},
		{"percent signs that begin no code", "a=%&b=%2&c=%G1&d=%%41", fields{"a": "%", "b": "%2", "c": "%G1", "d": "%A"}},
		{"empty pairs", "&&a=1&", fields{"a": "1"}},
	} {
		if d := cmp.Diff(c.want, parseFields(c.body)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// TestRate_T41: a network gets its pages a minute, and the next when it is due.
func TestRate_T41(t *testing.T) {
	w := newWorld(t, nil)
	w.portal.Limits.PerMinute = 3
	secret := w.form("es")
	from := func(remote string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/c/"+secret, nil)
		r.RemoteAddr = remote
		rec := httptest.NewRecorder()
		w.mux.ServeHTTP(rec, r)
		return rec
	}
	for i := range 3 {
		if rec := from(fmt.Sprintf("203.0.113.%d:1", i)); rec.Code != 200 {
			t.Errorf("page %d: %d", i+1, rec.Code)
		}
	}
	rec := from("203.0.113.250:1")
	if rec.Code != 429 || rec.Header().Get("Retry-After") != "20" {
		t.Errorf("the fourth: %d, Retry-After %q; want 429 and 20", rec.Code, rec.Header().Get("Retry-After"))
	}
	has(t, rec.Body.String(), "Demasiadas solicitudes")
	for _, c := range []struct {
		remote string
		code   int
	}{
		{"203.0.114.1:1", 200}, {"[2001:db8:0:1::1]:1", 200}, {"[::ffff:203.0.113.9]:1", 429}, {"not an address", 200},
	} {
		if rec := from(c.remote); rec.Code != c.code {
			t.Errorf("%s: %d, want %d", c.remote, rec.Code, c.code)
		}
	}
	w.pass(20*time.Second - time.Millisecond)
	if rec := from("203.0.113.1:1"); rec.Code != 429 {
		t.Errorf("a millisecond early: %d", rec.Code)
	}
	w.pass(2 * time.Millisecond)
	if rec := from("203.0.113.1:1"); rec.Code != 200 {
		t.Errorf("when due: %d", rec.Code)
	}
	if rec := w.get(assetURL("portal.css")); rec.Code != 200 {
		t.Errorf("style: %d", rec.Code)
	}
}

// TestRateMemory_T41: however many networks come, the count stays bounded.
func TestRateMemory_T41(t *testing.T) {
	var b buckets
	for i := range 3 * maxBuckets {
		now := begin.Add(time.Duration(i) * time.Millisecond)
		if _, ok := b.take(now, fmt.Sprintf("%d.%d.%d.1:1", 1+i>>16, i>>8&255, i&255), 1); !ok {
			t.Fatalf("network %d refused at its first page", i)
		}
		if len(b.of) > maxBuckets {
			t.Fatalf("%d networks kept, at most %d", len(b.of), maxBuckets)
		}
	}
}

// TestLog_T12: a log line names the route, never the secret.
func TestLog_T12(t *testing.T) {
	w := newWorld(t, func(inner table.Table) table.Table {
		return &faulty{Table: inner, fail: func(int) error { return errors.New("disk on fire") }}
	})
	secret := w.form("es")
	rec := w.send("POST", "/c/"+secret, text("Título visible", "Texto visible"))
	if rec.Code != 500 {
		t.Fatalf("%d, want 500", rec.Code)
	}
	has(t, rec.Body.String(), "Título visible", "indique este código: "+rec.Header().Get("X-Request-Id"))
	hasNot(t, rec.Body.String(), "disk on fire")
	has(t, w.log.String(), `route=/c/{form}`, "request_id="+rec.Header().Get("X-Request-Id"), "disk on fire")
	hasNot(t, w.log.String(), secret, "visible")
}

// faulty fails the write number n, from 1, with fail(n): before it took place, or
// after it if the error is a lost answer.
type faulty struct {
	table.Table
	writes int
	fail   func(n int) error
}

var errLost = errors.New("no answer")

func (f *faulty) Write(ctx context.Context, ops ...table.Op) error {
	f.writes++
	err := f.fail(f.writes)
	if err == nil || errors.Is(err, errLost) {
		if done := f.Table.Write(ctx, ops...); done != nil {
			return done
		}
	}
	return err
}

// TestFaults_R8: whatever the table answers to whichever write, the person gets
// in, one case is made, and each text is in it once; or it says 503 and keeps all.
func TestFaults_R8(t *testing.T) {
	for _, c := range []struct {
		name  string
		fail  func(n int) error
		codes [2]int // of a form, and of the same with other text
	}{
		{"nothing fails", func(int) error { return nil }, [2]int{303, 303}},
		{"busy once", at1(fault.Busy), [2]int{303, 303}},
		{"busy at the second write", at2(fault.Busy), [2]int{303, 303}},
		{"an answer is lost", at1(errLost), [2]int{303, 303}},
		{"the second answer is lost", at2(errLost), [2]int{303, 303}},
		{"a write without an outcome", at1(errors.New("reset")), [2]int{303, 303}},
		{"busy all the time", func(int) error { return fault.Busy }, [2]int{503, 503}},
		{"conflict all the time", func(int) error { return fault.Conflict }, [2]int{503, 503}},
		{"broken", func(int) error { return errors.New("broken") }, [2]int{500, 500}},
		{"all answers are lost", func(int) error { return errLost }, [2]int{303, 303}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f *faulty
			w := newWorld(t, func(inner table.Table) table.Table {
				f = &faulty{Table: inner, fail: c.fail}
				return f
			})
			secret := w.form("es")
			for i, body := range []string{"uno", "dos"} {
				rec := w.send("POST", "/c/"+secret, text("Título", body))
				if rec.Code != c.codes[i] {
					t.Fatalf("form %d: %d, want %d", i+1, rec.Code, c.codes[i])
				}
				if rec.Code >= 500 {
					has(t, rec.Body.String(), body+"</textarea>", `value="Título"`, "Su caso aún no se guardó")
				}
				if (rec.Code == 503) != (rec.Header().Get("Retry-After") == "5") {
					t.Errorf("Retry-After %q", rec.Header().Get("Retry-After"))
				}
			}
			f.fail = func(int) error { return nil }
			path := w.mustCreate(secret, text("Título", "uno"))
			w.mustCreate(secret, text("Título", "dos"))
			k, _ := w.theCase(path)
			if d := cmp.Diff([]string{"Título\n\ndos"}, w.texts(path)); d != "" || k.Description != "uno" || w.cases() != 1 {
				t.Errorf("%d cases, %q, texts (-want +got):\n%s", w.cases(), k.Description, d)
			}
			f.writes, f.fail = 0, c.fail
			rec := w.send("POST", path+"/messages", url.Values{"text": {"tres"}, "key": {"k"}})
			if rec.Code != c.codes[1] {
				t.Errorf("message: %d, want %d", rec.Code, c.codes[1])
			}
			if rec.Code >= 500 {
				has(t, rec.Body.String(), "tres</textarea>")
			}
			f.fail = func(int) error { return nil }
			w.send("POST", path+"/messages", url.Values{"text": {"tres"}, "key": {"k"}})
			if got := w.texts(path); len(got) != 2 || !slices.Contains(got, "tres") {
				t.Errorf("texts %q, want tres once", got)
			}
		})
	}
}

func at1(err error) func(int) error { return nth(1, err) }
func at2(err error) func(int) error { return nth(2, err) }
func nth(n int, err error) func(int) error {
	return func(i int) error {
		if i == n {
			return err
		}
		return nil
	}
}

// unreadable refuses every read for the moment.
type unreadable struct{ table.Table }

func (unreadable) Get(context.Context, ...table.Key) ([]table.Item, error) { return nil, fault.Busy }

// TestBusyRead: when not even the form can be read, the text comes back.
func TestBusyRead(t *testing.T) {
	w := newWorld(t, func(inner table.Table) table.Table { return unreadable{inner} })
	for _, rec := range []*httptest.ResponseRecorder{
		w.send("POST", "/c/"+w.form("es"), text("Mi título", "Mi texto")),
		w.send("POST", "/t/demo-"+strings.Repeat("A", 43)+"/messages", say("Mi título\n\nMi texto")),
	} {
		if rec.Code != 503 || rec.Header().Get("Retry-After") != "5" {
			t.Errorf("%d, Retry-After %q; want 503 and 5", rec.Code, rec.Header().Get("Retry-After"))
		}
		has(t, rec.Body.String(), "Mi título\n\nMi texto</textarea>")
	}
}

// TestTexts: each status has its page in each language, and says what to do.
func TestTexts(t *testing.T) {
	for status, keys := range errorTexts {
		for _, lang := range desk.Languages {
			for _, key := range keys {
				if !locale.For(lang).Has(key) {
					t.Errorf("%d: no text %s in %s", status, key, lang)
				}
			}
		}
	}
	for _, s := range desk.CaseStates() {
		if stateLooks[s].Key == "" {
			t.Errorf("state %s has no look", s)
		}
	}
	for _, lang := range desk.Languages {
		if languageNames[lang] == "" || len(strings.Split(locale.For(lang).Text("page.date.months"), ",")) != 12 {
			t.Errorf("%s: no name, or not twelve months", lang)
		}
	}
}
