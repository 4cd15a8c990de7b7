package sam

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fake puts a shell in the place of SAM's Python: what it runs stands in the
// arguments after "-c program".
func fake(t *testing.T) *CLI {
	t.Helper()
	// A test that runs in the background of a script ignores the signal of Ctrl-C, and
	// so would all that it starts.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	t.Cleanup(func() { signal.Stop(interrupts) })
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

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// exists tells whether a file is there.
func exists(file string) func() bool {
	return func() bool {
		_, err := os.Stat(file)
		return err == nil
	}
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
	s, err := c.Start(t.Context(), filepath.Join(folder, "x.log"), exists(mark), "local", "touch "+mark+"; exec sleep 60")
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

// A server that does not end when it is asked to is killed once no time is left, and
// what it started too: both hold a pipe open as long as they live.
func TestServerThatDoesNotEnd(t *testing.T) {
	for _, test := range []struct {
		name  string
		asked string // what it says when it is asked
	}{
		{"it is asked and goes on", "asked\n"},
		{"no time is left to ask it", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, folder := fake(t), t.TempDir()
			pipe, mark := filepath.Join(folder, "pipe"), filepath.Join(folder, "up")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			said, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer said.Close()
			if err := said.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			script := "exec 3>" + pipe + "; trap 'echo asked >&3' INT; sleep 60 & touch " + mark + "; while :; do wait; done"
			s, err := c.Start(t.Context(), filepath.Join(folder, "x.log"), exists(mark), "local", script)
			if err != nil {
				t.Fatal(err)
			}
			ctx, noTime := context.WithCancel(t.Context())
			heard := make(chan string)
			if test.asked == "" {
				noTime()
			}
			go func() {
				b := make([]byte, len("asked\n"))
				n, _ := io.ReadFull(said, b)
				noTime()
				heard <- string(b[:n])
			}()
			s.Stop(ctx)
			select {
			case <-s.Ended():
			default:
				t.Error("it is still there")
			}
			if got := <-heard; got != test.asked {
				t.Errorf("it said %q, want %q", got, test.asked)
			}
			if _, err := said.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("what it started is still there: %v", err)
			}
		})
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
