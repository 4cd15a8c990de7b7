package link_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"buzon/internal/fault"
	"buzon/internal/link"
	"buzon/internal/secret"
	"buzon/internal/secret/embedded"
)

func open(t *testing.T) *embedded.Store {
	s, err := embedded.Open(filepath.Join(t.TempDir(), "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// holding is a store with these keys, each 32 times one byte.
func holding(t *testing.T, current string, keys map[string]byte) secret.Store {
	s := open(t)
	put(t, s, current, keys)
	return s
}

func put(t *testing.T, s secret.Store, current string, keys map[string]byte) {
	set := struct {
		Current string            `json:"current"`
		Keys    map[string][]byte `json:"keys"`
	}{current, map[string][]byte{}}
	for id, b := range keys {
		set.Keys[id] = bytes.Repeat([]byte{b}, 32)
	}
	value, err := json.Marshal(set)
	if err == nil {
		err = s.Put(t.Context(), link.KeyName, string(value))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Links that are out there must stay what they are. The secrets were made with
// openssl dgst -sha256 -mac HMAC over "form\nacme\nreply-1" and the like.
func TestVectors(t *testing.T) {
	keys := &link.Keys{Secrets: holding(t, "k1", map[string]byte{"k1": 1})}
	form := must[string](t)(keys.Form(t.Context(), "acme", "k1", "reply-1"))
	if want := "acme-t7iqh3_-p1GnlMkRVFG6XXlLhwdZQenSaSB6yH7U-mg"; form != want {
		t.Errorf("form %s", form)
	}
	tracking := must[string](t)(keys.Tracking(t.Context(), "acme", "k1", form))
	if want := "acme-r4ACETCV6UgxlZiCWHyDn3sdmeMgSIn4hAVEgdE5M54"; tracking != want {
		t.Errorf("tracking %s", tracking)
	}
	if got, want := link.Hash(form), "823ba5917aa7ba215509049788ea523285cc277f742b9ab47a7c72edc5be2516"; got != want {
		t.Errorf("hash %s", got)
	}
}

func TestR8SecretsDeriveFromTheirCauseAlone(t *testing.T) {
	ctx := t.Context()
	keys := &link.Keys{Secrets: holding(t, "k1", map[string]byte{"k1": 1, "k2": 2})}
	form := must[string](t)(keys.Form(ctx, "acme", "k1", "r"))
	again := &link.Keys{Secrets: keys.Secrets}
	seen := map[string]string{must[string](t)((&link.Keys{Secrets: holding(t, "k1", map[string]byte{"k1": 1})}).Form(ctx, "acme", "k1", "r")): "the same cause and key"}
	if seen[form] == "" || must[string](t)(again.Form(ctx, "acme", "k1", "r")) != form {
		t.Error("the same cause makes another secret")
	}
	for why, make := range map[string]func() (string, error){
		"another reply":             func() (string, error) { return keys.Form(ctx, "acme", "k1", "r2") },
		"another key":               func() (string, error) { return keys.Form(ctx, "acme", "k2", "r") },
		"another company":           func() (string, error) { return keys.Form(ctx, "bolt", "k1", "r") },
		"the tracking link":         func() (string, error) { return keys.Tracking(ctx, "acme", "k1", "r") },
		"the tracking of this form": func() (string, error) { return keys.Tracking(ctx, "acme", "k1", form) },
		"letters moved between two": func() (string, error) { return keys.Form(ctx, "acm", "k1", "er") },
	} {
		s := must[string](t)(make())
		if other, there := seen[s]; there {
			t.Errorf("%s makes the secret of %s", why, other)
		}
		seen[s] = why
	}
	for s, why := range seen {
		if tenant, ok := link.Tenant(s); !ok || !strings.HasPrefix(s, tenant+"-") {
			t.Errorf("%s: %s is not of our shape", why, s)
		}
	}
}

func TestRotationKeepsOldLinks(t *testing.T) {
	ctx := t.Context()
	s := holding(t, "k1", map[string]byte{"k1": 1})
	running := &link.Keys{Secrets: s}
	before := must[string](t)(running.Form(ctx, "acme", must[string](t)(running.Current(ctx)), "r"))

	put(t, s, "k2", map[string]byte{"k1": 1, "k2": 2})
	if got := must[string](t)(running.Form(ctx, "acme", "k2", "r")); got == before {
		t.Error("a process that runs does not learn of the new key")
	}
	if got := must[string](t)(running.Current(ctx)); got != "k2" {
		t.Errorf("having read again it signs with %s", got)
	}
	fresh := &link.Keys{Secrets: s}
	if got := must[string](t)(fresh.Form(ctx, "acme", "k1", "r")); got != before {
		t.Error("the old link is dead")
	}
	if got := must[string](t)(fresh.Current(ctx)); got != "k2" {
		t.Errorf("current is %s", got)
	}
}

func TestEnsureNeverOverwrites(t *testing.T) {
	ctx := t.Context()
	s := open(t)
	var wait sync.WaitGroup
	var seen [8]string
	for i := range seen {
		wait.Go(func() {
			if err := link.Ensure(ctx, s); err != nil {
				t.Error(err)
				return
			}
			v, err := s.Get(ctx, link.KeyName)
			if err != nil {
				t.Error(err)
			}
			seen[i] = v
		})
	}
	wait.Wait()
	for i, v := range seen {
		if v == "" || v != seen[0] {
			t.Fatalf("call %d sees other keys", i)
		}
	}
	keys := &link.Keys{Secrets: s}
	if id := must[string](t)(keys.Current(ctx)); id != "k1" {
		t.Errorf("current is %s", id)
	}
	other := open(t)
	if err := link.Ensure(ctx, other); err != nil {
		t.Fatal(err)
	}
	if must[string](t)(other.Get(ctx, link.KeyName)) == seen[0] {
		t.Error("two systems have the same key")
	}
}

// broken answers everything with one error.
type broken struct {
	secret.Store
	err error
}

func (b broken) Get(context.Context, string) (string, error)  { return "", b.err }
func (b broken) Create(context.Context, string, string) error { return b.err }

func TestErrorsNameTheParameterAndNoValue(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	short := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 31))
	for _, c := range []struct{ why, value string }{
		{"no JSON", "hunter2 " + key},
		{"another shape", `["` + key + `"]`},
		{"no current key", `{"keys":{"k1":"` + key + `"}}`},
		{"the current key is missing", `{"current":"k2","keys":{"k1":"` + key + `"}}`},
		{"the current key is short", `{"current":"k1","keys":{"k1":"` + short + `"}}`},
		{"an old key is empty: it would sign what anybody can", `{"current":"k1","keys":{"k1":"` + key + `","k0":""}}`},
		{"no base64", `{"current":"k1","keys":{"k1":"hunter2!"}}`},
	} {
		s := open(t)
		if err := s.Put(t.Context(), link.KeyName, c.value); err != nil {
			t.Fatal(err)
		}
		_, err := (&link.Keys{Secrets: s}).Current(t.Context())
		_, formErr := (&link.Keys{Secrets: s}).Form(t.Context(), "acme", "k0", "r")
		for _, err := range []error{err, formErr} {
			if err == nil {
				t.Errorf("%s: taken", c.why)
				continue
			}
			if text := err.Error(); !strings.Contains(text, link.KeyName) || strings.Contains(text, key[:8]) || strings.Contains(text, "hunter2") {
				t.Errorf("%s: %s", c.why, text)
			}
		}
	}

	s := open(t)
	_, err := (&link.Keys{Secrets: s}).Current(t.Context())
	var missing *fault.Missing
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), link.KeyName) {
		t.Errorf("no keys at all: %v", err)
	}
	_, err = (&link.Keys{Secrets: holding(t, "k1", map[string]byte{"k1": 1})}).Form(t.Context(), "acme", "k9", "r")
	if !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), link.KeyName) || !strings.Contains(err.Error(), `"k9"`) {
		t.Errorf("a key that was thrown away: %v", err)
	}
	for _, err := range []error{
		link.Ensure(t.Context(), broken{err: fault.Busy}),
		func() error {
			_, err := (&link.Keys{Secrets: broken{err: fault.Busy}}).Current(t.Context())
			return err
		}(),
	} {
		if !errors.Is(err, fault.Busy) || !strings.Contains(err.Error(), link.KeyName) {
			t.Errorf("a store that is busy: %v", err)
		}
	}
}

func TestTenant(t *testing.T) {
	sum := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32)) // holds - and _
	for _, c := range []struct {
		why, secret, tenant string
	}{
		{"a secret", "acme-" + sum, "acme"},
		{"the shortest company", "a-" + sum, "a"},
		{"16 letters", "abcdefghijklm012-" + sum, "abcdefghijklm012"},
		{"17 letters", "abcdefghijklm0123-" + sum, ""},
		{"no company", "-" + sum, ""},
		{"no separator", "acme" + sum[1:], ""},
		{"capital letters", "Acme-" + sum, ""},
		{"a letter of no key", "ac#e-" + sum, ""},
		{"a letter beyond ASCII", "acmé-" + sum, ""},
		{"one character less", "acme-" + sum[1:], ""},
		{"one more", "acme-A" + sum, ""},
		{"padding", "acme-" + sum[:42] + "=", ""},
		{"the other alphabet", "acme-" + "+/" + sum[2:], ""},
		{"a line end in it, which a lax decoder skips", "acme-" + sum[:21] + "\n" + sum[22:], ""},
		{"bits left over, which a lax decoder drops", "acme-" + sum[:42] + "t", ""},
		{"nothing", "", ""},
	} {
		tenant, ok := link.Tenant(c.secret)
		if tenant != c.tenant || ok != (c.tenant != "") {
			t.Errorf("%s: %q %t", c.why, tenant, ok)
		}
	}
}

func FuzzTenant(f *testing.F) {
	sum := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for _, seed := range []string{"acme-" + sum, "acme-" + sum + "\n", "-", "", "a-b", strings.Repeat("a", 1000), "é-" + sum} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tenant, ok := link.Tenant(s)
		if allocs := testing.AllocsPerRun(1, func() { link.Tenant(s) }); allocs > 3 {
			t.Errorf("%v allocations for %d bytes", allocs, len(s))
		}
		if !ok {
			if tenant != "" {
				t.Errorf("refused, and yet %q", tenant)
			}
			return
		}
		// What is taken has one spelling.
		raw, err := base64.RawURLEncoding.DecodeString(s[len(tenant)+1:])
		if err != nil || tenant+"-"+base64.RawURLEncoding.EncodeToString(raw) != s || len(raw) != 32 || len(tenant) > 16 {
			t.Errorf("%q taken", s)
		}
	})
}
