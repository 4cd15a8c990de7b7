package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestInstance: a function built as for a deployment starts, takes events and is
// ended.
func TestInstance(t *testing.T) {
	top, err := topFolder()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := build(t.Context(), top, folder, runtime.GOARCH, false, hello); err != nil {
		t.Fatal(err)
	}
	if err := evict(bootstrap(folder, hello)); err != nil {
		t.Fatal(err)
	}
	i, init, err := launch(t.Context(), bootstrap(folder, hello), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.stop()
	if init <= 0 {
		t.Errorf("started in %s", init)
	}
	for range 2 {
		body, cpu, err := i.invoke([]byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		if string(body) != `"hello"` || cpu <= 0 {
			t.Errorf("answer %s with %s of processor time", body, cpu)
		}
	}
}

// TestInstanceThatDoesNotStart: what a program said before it ended is in the error.
func TestInstanceThatDoesNotStart(t *testing.T) {
	program := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho setting TABLE is missing\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, _, err := launch(t.Context(), program, nil)
	if err == nil || !strings.Contains(err.Error(), "TABLE is missing") {
		t.Errorf("error %v", err)
	}
}
