package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	absent := tool{[]string{"", "no-such-program"}, "a program that is not there", nil}
	broken := tool{nil, "a daemon that does not answer", func() bool { return false }}
	well := tool{nil, "a daemon that answers", func() bool { return true }}
	goes := func(context.Context, settings) error { return nil }
	breaks := func(context.Context, settings) error { return errors.New("it broke") }
	part := func(_ context.Context, s settings) error { s.skip("half of it", "no tool"); return nil }
	for _, c := range []struct {
		say    string
		steps  []step
		names  []string
		strict bool
		code   int
		last   string
		says   string
	}{
		{"all pass", []step{{"a", nil, goes}, {"b", nil, goes}}, nil, true, 0, "steps: 2 passed, 0 failed", ""},
		{"one fails, the next still runs", []step{{"a", nil, breaks}, {"b", nil, goes}}, nil, false, 1, "steps: 1 passed, 1 failed", "it broke"},
		{"a missing tool leaves a step out", []step{{"a", []tool{absent}, breaks}, {"b", nil, goes}}, nil, false, 0, "steps: 1 passed, 0 failed", "a: a program that is not there"},
		{"so does one that does not work", []step{{"a", []tool{broken}, breaks}}, nil, false, 0, "steps: 0 passed, 0 failed", "a: a daemon that does not answer"},
		{"and one that works does not", []step{{"a", []tool{well}, goes}}, nil, true, 0, "steps: 1 passed, 0 failed", ""},
		{"which is a failure in CI", []step{{"a", []tool{absent}, goes}, {"b", nil, goes}}, nil, true, 1, "steps: 1 passed, 1 failed", "a: a program that is not there"},
		{"and when the step was asked for", []step{{"a", []tool{absent}, goes}}, []string{"a"}, false, 1, "steps: 0 passed, 1 failed", ""},
		{"so is a part of a step in CI", []step{{"a", nil, part}}, nil, true, 1, "steps: 1 passed, 1 failed", "half of it: no tool"},
		{"only what is asked for runs", []step{{"a", nil, breaks}, {"b", nil, goes}}, []string{"b"}, false, 0, "steps: 1 passed, 0 failed", ""},
		{"a name that is unknown", []step{{"a", nil, goes}}, []string{"z"}, false, 2, "steps [z]: not all known; there are a", ""},
	} {
		var out strings.Builder
		code := check(t.Context(), c.steps, c.names, 0, c.strict, &out)
		text := strings.TrimSpace(out.String())
		if code != c.code || !strings.HasSuffix(text, c.last) || !strings.Contains(text, c.says) {
			t.Errorf("%s: exit %d, want %d, and %q, %q in\n%s", c.say, code, c.code, c.says, c.last, text)
		}
	}
}

func TestFuzzTargets(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"a/a_test.go":          "package a\n\nfunc FuzzOne(f *testing.F) {}\nfunc FuzzTwo(f *testing.F) {}\n",
		"a/a.go":               "package a\n\nfunc FuzzNot(f int) {}\n",
		"a/testdata/x_test.go": "func FuzzSample(f *testing.F) {}\n",
		".cache/b/b_test.go":   "func FuzzCached(f *testing.F) {}\n",
		"c/c_test.go":          "package c\n\n// func FuzzComment(\nfunc TestFuzz(t *testing.T) {}\nfunc TestEngine(t *testing.T) {}\nfunc TestEngineTwo(t *testing.T) {}\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := fuzzTargets(root)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := holding(root, engineTest)
	if err != nil || len(packages) != 1 || packages[0] != "./c" {
		t.Errorf("engine tests in %q, %v", packages, err)
	}
	want := []target{{"a", "FuzzOne"}, {"a", "FuzzTwo"}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(target{})); d != "" {
		t.Error(d)
	}
}
