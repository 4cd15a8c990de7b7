package embedded

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buzon/internal/secret"
	"buzon/internal/secret/secrettest"
)

const name = "/buzon/demo/x"

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	must(t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSuite(t *testing.T) {
	secrettest.Suite(t, func(t *testing.T) secret.Store { return open(t, filepath.Join(t.TempDir(), "secrets")) })
}

func TestSecretsSurviveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	must(t, open(t, path).Put(t.Context(), name, "canary"))
	if v, err := open(t, path).Get(t.Context(), name); v != "canary" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
}

func TestFilesAreTheOwnersAndHoldNoValue(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secrets")
	s := open(t, path)
	must(t, s.Put(t.Context(), name, "canary"))
	must(t, s.Put(t.Context(), name+"2", "canary"))
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("files %v", entries)
	}
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), info.Mode().Perm())
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		if bytes.Contains(text, []byte("canary")) {
			t.Errorf("%s holds a value", e.Name())
		}
	}
	if bytes.Equal(s.sealed[name], s.sealed[name+"2"]) {
		t.Error("the same value looks the same twice")
	}
}

func TestAWrongKeyIsSaidAndNothingElse(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "secrets"), filepath.Join(t.TempDir(), "secrets")
	must(t, open(t, one).Put(t.Context(), name, "canary"))
	open(t, two)
	good, err := os.ReadFile(KeyPath(one))
	must(t, err)
	other, err := os.ReadFile(KeyPath(two))
	must(t, err)
	for _, c := range []struct {
		why  string
		key  []byte
		says string
	}{
		{"of another file", other, "is not the key"},
		{"empty", nil, "holds no key"},
		{"cut", good[:20], "holds no key"},
		{"a byte short", []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="), "holds no key"},
		{"no text of a key", []byte("not base64!"), "holds no key"},
	} {
		must(t, os.WriteFile(KeyPath(one), c.key, 0o600))
		_, err := Open(one)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", c.why, err)
		}
		if key := strings.TrimSpace(string(c.key)); err != nil && key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("%s: the key is in the error", c.why)
		}
	}
	must(t, os.Remove(KeyPath(one)))
	if _, err := Open(one); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("without a key: %v", err)
	}
	must(t, os.WriteFile(KeyPath(one), good, 0o600))
	if v, err := open(t, one).Get(t.Context(), name); v != "canary" || err != nil {
		t.Errorf("with the right key again: %q, %v", v, err)
	}
}

func TestAValueUnderAnotherNameIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	s := open(t, path)
	must(t, s.Put(t.Context(), "/a", "canary"))
	must(t, s.Put(t.Context(), "/b", "other"))
	s.sealed["/b"] = s.sealed["/a"]
	if v, err := s.Get(t.Context(), "/b"); err == nil || v != "" || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %q, %v", v, err)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	must(t, open(t, path).Put(t.Context(), name, "canary"))
	whole, err := os.ReadFile(path)
	must(t, err)
	for _, text := range [][]byte{nil, whole[:len(whole)/2], []byte("{}"), []byte("null"), []byte("canary")} {
		must(t, os.WriteFile(path, text, 0o600))
		if _, err := Open(path); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", text, err)
		}
	}
	var sealed map[string][]byte
	must(t, json.Unmarshal(whole, &sealed))
	sealed[name][len(sealed[name])-1] ^= 1
	text, err := json.Marshal(sealed)
	must(t, err)
	must(t, os.WriteFile(path, text, 0o600))
	if v, err := open(t, path).Get(t.Context(), name); err == nil || v != "" {
		t.Errorf("a flipped bit: %q, %v", v, err)
	}
}

func TestAWriteThatFailsChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	must(t, os.Mkdir(dir, 0o700))
	s := open(t, filepath.Join(dir, "secrets"))
	must(t, s.Put(t.Context(), name, "first"))
	must(t, os.RemoveAll(dir))
	if err := s.Put(t.Context(), name, "second"); err == nil || strings.Contains(err.Error(), "second") {
		t.Errorf("put: %v", err)
	}
	if v, err := s.Get(t.Context(), name); v != "first" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
}
