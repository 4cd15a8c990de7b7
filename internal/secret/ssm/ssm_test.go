package ssm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
	"buzon/internal/secret"
	"buzon/internal/secret/secrettest"
	"buzon/internal/signed"
)

// fake is Parameter Store, as far as the adapter uses it, in the words of AWS.
type fake struct {
	mu     sync.Mutex
	values map[string]string
	asked  int    // requests so far
	during func() // called while a request is answered, once
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o struct {
		Name, Value, Type         string
		Overwrite, WithDecryption bool
	}
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		refuse(w, 400, "SerializationException", "")
		return
	}
	f.mu.Lock()
	old, there := f.values[o.Name]
	f.asked++
	out := map[string]any{}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case action == "PutParameter" && o.Type != "SecureString":
		out = nil
	case action == "PutParameter" && there && !o.Overwrite:
		refuse(w, 400, "ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
		out = nil
	case action == "PutParameter":
		f.values[o.Name] = o.Value
		out["Version"] = 1
	case action == "GetParameter" && there && o.WithDecryption:
		out["Parameter"] = map[string]any{"Name": o.Name, "Type": "SecureString", "Value": old}
	case action == "DeleteParameter" && there:
		delete(f.values, o.Name)
	default:
		refuse(w, 400, "ParameterNotFound", "")
		out = nil
	}
	during := f.during
	f.during = nil
	f.mu.Unlock()
	if during != nil {
		during()
	}
	if out != nil {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		json.NewEncoder(w).Encode(out)
	}
}

func refuse(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": text})
}

// direct answers requests with a handler.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

func serviceOf(rt http.RoundTripper) *signed.Service {
	s := service("http://ssm.test")
	s.HTTP = &http.Client{Transport: rt}
	return s
}

func TestSuite(t *testing.T) {
	for name, cacheFor := range map[string]time.Duration{"asking": 0, "cached": time.Hour} {
		t.Run(name, func(t *testing.T) {
			secrettest.Suite(t, func(*testing.T) secret.Store {
				return New(serviceOf(direct{&fake{values: map[string]string{}}}), "/buzon-test", Options{CacheFor: cacheFor})
			})
		})
	}
}

const name = "/buzon/demo/channels/x"

// clock is moved by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// cachedStore is a store with a cache of a minute.
func cachedStore() (*Store, *fake, *clock) {
	f, c := &fake{values: map[string]string{}}, &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	return New(serviceOf(direct{f}), "/p", Options{Now: c.Now, CacheFor: time.Minute}), f, c
}

func get(t *testing.T, s *Store, name string) string {
	t.Helper()
	v, err := s.Get(t.Context(), name)
	if errors.Is(err, fault.NotFound) {
		return "none"
	}
	must(t, err)
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCache(t *testing.T) {
	s, f, c := cachedStore()
	var seen []string
	look := func(what string) { seen = append(seen, fmt.Sprint(what, ": ", get(t, s, name), " ", f.asked)) }
	look("nothing there")
	f.values["/p"+name] = "first" // by somebody else
	look("that nothing was there is not remembered")
	f.values["/p"+name] = "second"
	c.now = c.now.Add(time.Minute - 1)
	look("a value is")
	c.now = c.now.Add(1)
	look("for a minute")
	must(t, s.Put(t.Context(), name, "third"))
	look("a put takes effect at once")
	f.values["/p"+name] = "fourth"
	c.now = c.now.Add(time.Minute)
	look("and is remembered as long")
	must(t, s.Delete(t.Context(), name))
	look("a deletion takes effect at once")
	must(t, s.Create(t.Context(), name, "fifth"))
	look("so does a creation")
	if s.Create(t.Context(), name, "sixth") == nil {
		t.Error("created twice")
	}
	f.values["/p"+name] = "seventh"
	look("after a write that was refused it is asked")
	want := []string{
		"nothing there: none 1",
		"that nothing was there is not remembered: first 2",
		"a value is: first 2",
		"for a minute: second 3",
		"a put takes effect at once: third 4",
		"and is remembered as long: fourth 5",
		"a deletion takes effect at once: none 7",
		"so does a creation: fifth 8",
		"after a write that was refused it is asked: seventh 10",
	}
	if d := cmp.Diff(want, seen); d != "" {
		t.Error(d)
	}
}

// TestFreshReadsPastTheCache, and what it brings is remembered.
func TestFreshReadsPastTheCache(t *testing.T) {
	s, f, _ := cachedStore()
	must(t, s.Put(t.Context(), name, "old"))
	if got := get(t, s, name); got != "old" {
		t.Fatal(got)
	}
	f.values["/p"+name] = "new" // by another process
	fresh, err := s.Fresh(t.Context(), name)
	must(t, err)
	if kept := get(t, s, name); fresh != "new" || kept != "new" {
		t.Errorf("fresh %s, then %s", fresh, kept)
	}
}

// TestAnOldValueIsNotRemembered: what a read brings home may be older than a
// write that began or ended meanwhile.
func TestAnOldValueIsNotRemembered(t *testing.T) {
	for say, write := range map[string]func(*Store) error{
		"put":    func(s *Store) error { return s.Put(t.Context(), name, "new") },
		"delete": func(s *Store) error { return s.Delete(t.Context(), name) },
	} {
		s, f, _ := cachedStore()
		f.values["/p"+name] = "old"
		f.during = func() { must(t, write(s)) }
		if got := get(t, s, name); got != "old" {
			t.Errorf("%s: read %s", say, got)
		}
		if got := get(t, s, name); got == "old" {
			t.Errorf("%s: the old value is still given", say)
		}
	}
}

// TestCrossingWrites: of two writes at once, the cache believes neither.
func TestCrossingWrites(t *testing.T) {
	s, f, _ := cachedStore()
	f.during = func() { must(t, s.Put(t.Context(), name, "second")) }
	must(t, s.Put(t.Context(), name, "first"))
	if got := get(t, s, name); got != "second" {
		t.Errorf("got %s, stored is %s", got, f.values["/p"+name])
	}
}

func TestWithoutACacheNothingIsRemembered(t *testing.T) {
	f := &fake{values: map[string]string{}}
	s := New(serviceOf(direct{f}), "/p", Options{})
	must(t, s.Put(t.Context(), name, "v"))
	for range 2 {
		if got := get(t, s, name); got != "v" {
			t.Errorf("got %s", got)
		}
	}
	if f.asked != 3 || len(s.cached) > 0 {
		t.Errorf("asked %d times, %d values in memory", f.asked, len(s.cached))
	}
}

func TestCacheIsBounded(t *testing.T) {
	s, f, _ := cachedStore()
	for i := range maxCached + 1 {
		must(t, s.Put(t.Context(), fmt.Sprint("/n", i), "v"))
		if want := min(i+1, maxCached); i < maxCached && len(s.cached) != want {
			t.Fatalf("%d values cached, want %d", len(s.cached), want)
		}
	}
	if len(s.cached) != 1 || len(f.values) != maxCached+1 {
		t.Errorf("%d values cached of %d", len(s.cached), len(f.values))
	}
}

func TestCacheIsSafeForManyAtOnce(t *testing.T) {
	s, _, _ := cachedStore()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			own := fmt.Sprint("/own", i)
			for n := range 20 {
				must(t, s.Put(t.Context(), "/shared", "v"))
				must(t, s.Put(t.Context(), own, fmt.Sprint(n)))
				if got := get(t, s, own); got != fmt.Sprint(n) {
					t.Errorf("%s: got %s, want %d", own, got, n)
				}
				get(t, s, "/shared")
			}
		})
	}
	wg.Wait()
}

// TestWholeNames: the limits of SSM hold for the prefix and the name together.
func TestWholeNames(t *testing.T) {
	for _, c := range []struct {
		say, prefix, name string
		ok                bool
	}{
		{"as many parts as there may be", "/p", strings.Repeat("/n", secret.MaxParts-1), true},
		{"one more", "/p", strings.Repeat("/n", secret.MaxParts), false},
		{"as long as it may be", "/p", "/" + strings.Repeat("n", secret.MaxName-3), true},
		{"longer", "/p", "/" + strings.Repeat("n", secret.MaxName-2), false},
		{"no prefix", "", "/n", true},
		{"a prefix that is none", "p", "/n", false},
	} {
		s := New(serviceOf(direct{&fake{values: map[string]string{}}}), c.prefix, Options{})
		err := s.Put(t.Context(), c.name, "v")
		if (err == nil) != c.ok || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", c.say, err)
		}
	}
}

// TestRefusals holds what SSM answers to what the caller is told.
func TestRefusals(t *testing.T) {
	const denied = "User: arn:aws:sts::1:assumed-role/canary is not authorized to perform: %s on resource: arn:aws:ssm:us-east-1:1:parameter/canary"
	for _, c := range []struct {
		say    string
		status int
		kind   string
		text   string
		want   error  // nil: none of the kinds
		holds  string // by the error's text
	}{
		{"throttled", 400, "ThrottlingException", "Rate exceeded", fault.Busy, "ThrottlingException"},
		{"too many updates at once", 400, "com.amazonaws.ssm#TooManyUpdates", "", fault.Busy, "TooManyUpdates"},
		{"not there for the moment", 503, "ServiceUnavailable", "", fault.Busy, ""},
		{"too many requests", 429, "", "", fault.Busy, ""},
		{"a name that does not fit", 400, "ParameterPatternMismatchException", "canary", fault.Invalid, "parameter /p/n"},
		{"a value that does not fit", 400, "ValidationException", "Parameter value canary can't nest another parameter", fault.Invalid, "ValidationException"},
		{"too many parts", 400, "HierarchyLevelLimitExceededException", "", fault.Invalid, ""},
		{"no permission", 400, "AccessDeniedException", fmt.Sprintf(denied, "ssm:PutParameter"), nil, "parameter /p/n: the role lacks ssm:PutParameter"},
		{"no permission for the key", 400, "AccessDeniedException", fmt.Sprintf(denied, "kms:Decrypt"), nil, "parameter /p/n: the role lacks kms:Decrypt"},
		{"no permission, and no words", 400, "AccessDeniedException", "", nil, "parameter /p/n: the role lacks ssm:"},
		{"a key that is none", 400, "InvalidKeyId", "canary", nil, "InvalidKeyId"},
		{"an unknown outcome", 500, "InternalServerError", "canary", nil, "status 500"},
		{"no words at all", 500, "", "", nil, "status 500"},
	} {
		s := New(serviceOf(direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, c.status, c.kind, c.text) })}), "/p", Options{})
		_, got := s.Get(t.Context(), "/n")
		for what, err := range map[string]error{
			"get": got, "put": s.Put(t.Context(), "/n", "canary"), "create": s.Create(t.Context(), "/n", "canary"), "delete": s.Delete(t.Context(), "/n"),
		} {
			if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), c.holds) || !strings.Contains(err.Error(), "secret /n") {
				t.Errorf("%s: %s: error %v", c.say, what, err)
				continue
			}
			for _, kind := range []fault.Kind{fault.Busy, fault.Conflict, fault.Invalid, fault.NotFound, fault.Forbidden} {
				if errors.Is(err, kind) != errors.Is(c.want, kind) {
					t.Errorf("%s: %s: error %v, %s: want %v", c.say, what, err, kind, c.want)
				}
			}
		}
	}
}

// cut is a connection that breaks off.
type cut struct{ err error }

func (c cut) RoundTrip(*http.Request) (*http.Response, error) { return nil, c.err }

func TestABrokenConnectionLeavesTheOutcomeUnknown(t *testing.T) {
	gone := errors.New("connection reset")
	s := New(serviceOf(cut{gone}), "/p", Options{})
	err := s.Put(t.Context(), "/n", "canary")
	if !errors.Is(err, gone) || errors.Is(err, fault.Busy) || errors.Is(err, fault.Conflict) || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerWithoutAValueIsAnError(t *testing.T) {
	s := New(serviceOf(direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"Parameter":{"Name":"/p/n"}}`)) })}), "/p", Options{})
	if v, err := s.Get(t.Context(), "/n"); err == nil || errors.Is(err, fault.NotFound) {
		t.Errorf("%q, %v", v, err)
	}
}
