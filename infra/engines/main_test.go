package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// script runs a shell script as COMMAND.
func script(t *testing.T, text string, signals chan os.Signal, failed chan error) (int, error) {
	t.Helper()
	return accompany([]string{"sh", "-c", text}, append(os.Environ(), "FOLDER="+t.TempDir()), signals, failed)
}

func TestTheExitCodeIsThatOfTheCommand(t *testing.T) {
	for text, want := range map[string]int{"true": 0, "exit 7": 7, "kill -TERM $$": 128 + 15, "kill -KILL $$": 128 + 9} {
		if code, err := script(t, text, nil, nil); code != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", text, code, err, want)
		}
	}
	if code, err := accompany([]string{"/no/such/command"}, nil, nil, nil); code != failure || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no command: %d, %v", code, err)
	}
}

// TestAnInterruptReachesTheCommandOnce: it counts those that it gets, and ends when
// a second signal, of another kind, says so.
func TestAnInterruptReachesTheCommandOnce(t *testing.T) {
	signals := make(chan os.Signal, 2)
	pipe := filepath.Join(t.TempDir(), "ready")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := os.ReadFile(pipe); err != nil { // until it listens
			t.Error(err)
		}
		signals <- os.Interrupt
	}()
	code, err := script(t, `n=0; trap 'n=$((n+1)); echo > `+pipe+`.got' INT; echo > `+pipe+`
		while [ ! -e `+pipe+`.got ]; do sleep 0.01; done; sleep 0.2; exit $((40+n))`, signals, nil)
	if code != 41 || err != nil {
		t.Errorf("%d, %v; want 41: one interrupt", code, err)
	}
}

func TestAnEngineThatFailsEndsTheCommand(t *testing.T) {
	failed := make(chan error, 1)
	failed <- errors.New("dynamodb: exit status 1")
	code, err := script(t, "sleep 100", nil, failed)
	if code != failure || err == nil || !strings.Contains(err.Error(), "dynamodb") {
		t.Errorf("%d, %v", code, err)
	}
}
