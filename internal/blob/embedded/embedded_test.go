package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/internal/blob"
	"buzon/internal/blob/blobtest"
	"buzon/internal/fault"
)

var signingKey = []byte("0123456789abcdef0123456789abcdef")

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func open(t testing.TB, dir string, c *clock) *Store {
	t.Helper()
	s, err := Open(dir, Options{Key: signingKey, Now: c.Now, NoSync: true, BaseURL: func() string { return "http://files.test" }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// direct is a client whose requests go to a handler without a network.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

func subject(t *testing.T) blobtest.Subject {
	c := newClock()
	s := open(t, t.TempDir(), c)
	return blobtest.Subject{Store: s, Client: &http.Client{Transport: direct{s.Handler()}}, Advance: c.Advance}
}

func TestSuite(t *testing.T) { blobtest.Suite(t, subject) }

func TestACalmHostileStoreIsAStore(t *testing.T) {
	blobtest.Suite(t, func(t *testing.T) blobtest.Subject {
		s := subject(t)
		h := blobtest.NewHostile(s.Store, 1, 1)
		h.Calm()
		s.Store = h
		return s
	})
}

// TestFinding16UnderAHostileStore: who reads back after an error, as the
// contract says, ends with his object stored and knows its hash.
func TestFinding16UnderAHostileStore(t *testing.T) {
	ctx := t.Context()
	hits := map[string]int{}
	for seed := range uint64(40) {
		h := blobtest.NewHostile(open(t, t.TempDir(), newClock()), seed, 0.25)
		for _, key := range []string{"a", "b", "c"} {
			for {
				err := h.Put(ctx, key, "text/plain", strings.NewReader("body of "+key))
				if err == nil || errors.Is(err, fault.Conflict) {
					break
				}
			}
			for {
				r, _, err := h.Get(ctx, key)
				if err != nil {
					if errors.Is(err, fault.NotFound) {
						t.Fatalf("seed %d: %s was never stored", seed, key)
					}
					continue
				}
				body, err := io.ReadAll(r)
				must(t, r.Close())
				if err == nil {
					if string(body) != "body of "+key {
						t.Fatalf("seed %d: %s holds %q", seed, key, body)
					}
					break
				}
			}
			for h.Delete(ctx, key) != nil {
				continue
			}
		}
		h.Calm()
		if _, _, err := h.Get(ctx, "a"); !errors.Is(err, fault.NotFound) {
			t.Fatalf("seed %d: after the delete: %v", seed, err)
		}
		for fault, n := range h.Hits() {
			hits[fault] += n
		}
	}
	for _, fault := range blobtest.Faults {
		if hits[fault] < 5 {
			t.Errorf("%s struck %d times only", fault, hits[fault])
		}
	}
}

func TestObjectsSurviveTheProcessAndHalvesDoNot(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(dir, Options{Key: signingKey})
	must(t, err)
	must(t, first.Put(t.Context(), "a", "text/plain", strings.NewReader("x")))
	must(t, os.WriteFile(filepath.Join(dir, "unfinished", "put-1"), []byte("half"), 0o600))
	second := open(t, dir, newClock())
	r, info, err := second.Get(t.Context(), "a")
	must(t, err)
	must(t, r.Close())
	if info.Size != 1 {
		t.Errorf("size %d", info.Size)
	}
	files := 0
	must(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			files++
		}
		return err
	}))
	if files != 1 {
		t.Errorf("%d files are left", files)
	}
}

func TestDamagedFilesAreAnErrorNotAnObject(t *testing.T) {
	s := open(t, t.TempDir(), newClock())
	must(t, s.Put(t.Context(), "a", "text/plain", strings.NewReader("some body")))
	path := s.path("a")
	whole, err := os.ReadFile(path)
	must(t, err)
	for cut := range whole {
		must(t, os.WriteFile(path, whole[:cut], 0o600))
		if _, _, err := s.Get(t.Context(), "a"); !errors.Is(err, errDamaged) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
	must(t, os.WriteFile(path, append(bytes.Clone(whole), 0), 0o600))
	if _, _, err := s.Get(t.Context(), "a"); !errors.Is(err, errDamaged) {
		t.Errorf("a byte more: %v", err)
	}
	must(t, os.MkdirAll(filepath.Dir(s.path("b")), 0o700))
	must(t, os.Rename(path, s.path("b")))
	must(t, os.WriteFile(s.path("b"), whole, 0o600))
	if _, _, err := s.Get(t.Context(), "b"); !errors.Is(err, errDamaged) {
		t.Errorf("the file of another key: %v", err)
	}
}

func TestShortKeysAreRefused(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 31: false, 32: true} {
		if _, err := Open(t.TempDir(), Options{Key: make([]byte, n)}); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestLinkAnswers(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), c)
	must(t, s.Put(t.Context(), "a", "image/png", strings.NewReader("bytes")))
	link, err := s.Link(t.Context(), "a", blob.Download{FileName: "b\u202e\r\n.html", Expires: time.Minute})
	must(t, err)
	u, err := url.Parse(link)
	must(t, err)
	other := open(t, t.TempDir(), c)
	other.key = bytes.ToUpper(signingKey)
	for _, want := range []struct {
		why, method, target string
		handler             http.Handler
		status              int
		body                string
	}{
		{"a link", "GET", u.RequestURI(), s.Handler(), 200, "bytes"},
		{"its head", "HEAD", u.RequestURI(), s.Handler(), 200, ""},
		{"nothing is uploaded", "POST", u.RequestURI(), s.Handler(), 405, "only GET and HEAD\n"},
		{"no signature", "GET", "/files/a", s.Handler(), 403, "this link is not valid\n"},
		{"another place", "GET", "/elsewhere?" + u.RawQuery, s.Handler(), 403, "this link is not valid\n"},
		{"signed with another key", "GET", u.RequestURI(), other.Handler(), 403, "this link is not valid\n"},
	} {
		w := httptest.NewRecorder()
		want.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), want.method, want.target, nil))
		if w.Code != want.status || want.method != "HEAD" && w.Body.String() != want.body {
			t.Errorf("%s: %d %q", want.why, w.Code, w.Body)
		}
		h := w.Header()
		for name, value := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Cache-Control":           "no-store",
			"Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
			"Referrer-Policy":         "no-referrer",
		} {
			if h.Get(name) != value {
				t.Errorf("%s: %s is %q", want.why, name, h.Get(name))
			}
		}
		if w.Code == 200 {
			if d := h.Get("Content-Disposition"); d != `attachment; filename="b.html"; filename*=UTF-8''b.html` || h.Get("Content-Type") != "image/png" {
				t.Errorf("%s: %q, %q", want.why, d, h.Get("Content-Type"))
			}
		} else if h.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: type %q", want.why, h.Get("Content-Type"))
		}
	}
	c.Advance(time.Minute)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", u.RequestURI(), nil))
	if w.Code != 403 || w.Body.String() != "this link has expired\n" {
		t.Errorf("expired: %d %q", w.Code, w.Body)
	}
}

// FuzzHandler: no request that was not signed gets more than a refusal.
func FuzzHandler(f *testing.F) {
	s := open(f, f.TempDir(), newClock())
	must(f, s.Put(context.Background(), "a", "text/plain", strings.NewReader("secret")))
	link, err := s.Link(context.Background(), "a", blob.Download{FileName: "x", Expires: time.Minute})
	must(f, err)
	signed, err := url.Parse(link)
	must(f, err)
	f.Add("/files/a", signed.RawQuery+"&expires=1")
	f.Add("/files/../a", signed.RawQuery)
	f.Add("/files/a", strings.Replace(signed.RawQuery, "signature=", "signature=%0D%0A", 1))
	f.Add("/files//a", "expires=99999999999999&name=x&type=&signature=AAAA")
	f.Add("", "%zz;&=")
	handler := s.Handler()
	f.Fuzz(func(t *testing.T, path, query string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}}
		w := httptest.NewRecorder()
		began := time.Now()
		handler.ServeHTTP(w, r)
		if d := time.Since(began); d > time.Second || w.Body.Len() > 1000 {
			t.Errorf("took %s, answered %d bytes", d, w.Body.Len())
		}
		q, mine := r.URL.Query(), signed.Query()
		same := path == signed.Path
		for name := range mine {
			same = same && q.Get(name) == mine.Get(name)
		}
		if want := map[bool]int{true: 200, false: 403}[same]; w.Code != want {
			t.Errorf("%q %q: %d, want %d", path, query, w.Code, want)
		}
	})
}
