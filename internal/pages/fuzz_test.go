package pages

import (
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// FuzzForm: whatever is posted to a form, the answer is one that was written for
// its reader, quickly, in bounded memory, and there is at most one case.
func FuzzForm(f *testing.F) {
	for _, body := range []string{
		"", "title=a&description=b", "title=a&description=b&contact=c&lang=pt", "switch=en&title=x", "title=%ff%fe&description=%00",
		"title=%u0041&description=%", "&&&===", "title=a&title=b&description=c&opened=1.x&website=y",
		"title=" + strings.Repeat("%F0%9F%9A%A8", 128) + "&description=" + strings.Repeat("%0D%0A", 2000) + "x",
		url.Values{"title": {"<script>"}, "description": {"\u202e\u0000{{.}}"}}.Encode(),
		strings.Repeat("a=1&", 1000),
	} {
		f.Add([]byte(body), "application/x-www-form-urlencoded")
	}
	f.Add([]byte("--b\r\n\r\n--b--"), "multipart/form-data; boundary=b")
	f.Add([]byte("{}"), "application/json;;;")
	w := newWorld(f, nil)
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		if len(body) > 2*maxBody {
			return
		}
		w.t = t
		cases := w.cases()
		secret := w.form("es")
		for range 2 {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/c/"+secret, strings.NewReader(string(body)))
			r.Header["Content-Type"] = []string{kind}
			rec := httptest.NewRecorder()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			w.mux.ServeHTTP(rec, r)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			switch rec.Code {
			case 200, 303, 413, 415, 422:
			default:
				t.Fatalf("%d for %q", rec.Code, body)
			}
			if took > 2*time.Second {
				t.Fatalf("took %v for %d bytes", took, len(body))
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Fatalf("%d bytes allocated for %d", used, len(body))
			}
			if rec.Body.Len() > 64<<10+8*len(body) {
				t.Fatalf("a page of %d bytes for %d", rec.Body.Len(), len(body))
			}
		}
		if n := w.cases() - cases; n > 1 {
			t.Fatalf("%d cases of one form", n)
		}
	})
}
