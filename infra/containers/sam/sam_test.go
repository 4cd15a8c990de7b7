package sam

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fake puts a shell in the place of SAM's Python: what it runs stands in the
// arguments after "-c program".
func fake(t *testing.T) *CLI {
	t.Helper()
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nshift 2\nexec sh -c \"$2\"\n" // arguments: a name, the script
	if err := os.WriteFile(filepath.Join(folder, "bin", "python"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &CLI{Folder: folder, Dir: folder, Env: os.Environ()}
}

func TestRunGivesTheAnswerAndKeepsTheLog(t *testing.T) {
	c := fake(t)
	log := filepath.Join(t.TempDir(), "x.log")
	out, err := c.Run(t.Context(), log, "local", "echo answer; echo told >&2")
	if err != nil || string(out) != "answer\n" {
		t.Errorf("%q, %v", out, err)
	}
	if told, _ := os.ReadFile(log); string(told) != "told\n" {
		t.Errorf("log %q", told)
	}
	_, err = c.Run(t.Context(), log, "build", "echo no such function >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "sam build: exit status 3") || !strings.Contains(err.Error(), "no such function") {
		t.Errorf("%v, want the code and the log's end", err)
	}
}

func TestServerComesUp(t *testing.T) {
	c := fake(t)
	folder := t.TempDir()
	mark := filepath.Join(folder, "up")
	there := func() bool {
		_, err := os.Stat(mark)
		return err == nil
	}
	s, err := c.Start(t.Context(), filepath.Join(folder, "x.log"), there, "local", "touch "+mark+"; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Ended():
		t.Error("it ended")
	default:
	}
	s.Stop(t.Context())
	<-s.Ended()
}

func TestServerThatDoesNotComeUp(t *testing.T) {
	c := fake(t)
	never := func() bool { return false }
	log := filepath.Join(t.TempDir(), "x.log")
	if _, err := c.Start(t.Context(), log, never, "local", "echo port taken; exit 1"); err == nil || !strings.Contains(err.Error(), "ended\nport taken") {
		t.Errorf("one that ends: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Start(ctx, log, never, "local", "exec sleep 60"); err == nil || !strings.Contains(err.Error(), "not up: context deadline exceeded") {
		t.Errorf("one that takes too long: %v", err)
	}
}

// A server that does not end when it is asked to is killed, and what it started too.
func TestServerThatDoesNotEnd(t *testing.T) {
	c := fake(t)
	s, err := c.Start(t.Context(), filepath.Join(t.TempDir(), "x.log"), func() bool { return true }, "local", "trap '' INT; sleep 60; sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no time is left
	s.Stop(ctx)
	select {
	case <-s.Ended():
	default:
		t.Error("it is still there")
	}
}

func TestInstalledWholeOrNotAtAll(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "sam")
	if Installed(folder) {
		t.Error("an absent folder counts")
	}
	t.Setenv("PATH", t.TempDir()) // without python3
	if err := Install(t.Context(), folder, io.Discard); err == nil || !strings.Contains(err.Error(), "apt-get install python3-venv") {
		t.Errorf("without Python: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if Installed(folder) {
		t.Error("a half one counts")
	}
	if err := os.WriteFile(filepath.Join(folder, proof), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !Installed(folder) {
		t.Error("a whole one does not")
	}
	if err := Install(t.Context(), folder, io.Discard); err != nil { // nothing to do
		t.Error(err)
	}
}

func TestLastLines(t *testing.T) {
	for n, want := range map[int]int{1: 1, lastShown: lastShown, lastShown + 1: lastShown} {
		if got := strings.Count(lastLines(strings.Repeat("x\n", n)), "x"); got != want {
			t.Errorf("%d lines: %d shown, want %d", n, got, want)
		}
	}
}
