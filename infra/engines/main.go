// Command engines runs a command with what stands in for AWS beside it: DynamoDB
// Local, ElasticMQ, versitygw and moto, on this machine alone.
//
//	go run ./infra/engines install           put them under .cache/engines
//	go run ./infra/engines COMMAND [ARG…]    start them, run COMMAND, end them
//
// COMMAND finds a table, a bucket, queues and the addresses of the engines in its
// environment, under the names that package cloud documents, and DATA, a folder
// that is empty at the start: .cache/engines/run, or one of its own while another
// run has that. A DATA that is set stays. The exit code is COMMAND's.
//
// The engines are installed first if they are not there. They listen on 127.0.0.1
// alone, on free ports, and forget everything at the end. An interrupt is passed
// on to COMMAND and what it started, once; the engines end after it. COMMAND
// cannot read from the terminal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"buzon/infra/engines/engine"
)

// failure is the exit code when it was not COMMAND that failed.
const failure = 1

func main() {
	if len(os.Args) < 2 || os.Args[1] == "-h" || os.Args[1] == "--help" {
		fmt.Fprintln(os.Stderr, "usage: engines install\n       engines COMMAND [ARG…]")
		os.Exit(2)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE) // a closed pipe must not leave the engines running
	code, err := run(os.Args[1:], signals)
	if err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
	}
	os.Exit(code)
}

func run(args []string, signals <-chan os.Signal) (code int, err error) {
	if len(args) == 1 && args[0] == "install" {
		return prepare(signals, func(ctx context.Context) error { return engine.Install(ctx, "", os.Stdout) })
	}
	var r *engine.Running
	from := time.Now()
	code, err = prepare(signals, func(ctx context.Context) (err error) {
		if !engine.Installed(engine.DefaultCache) {
			if err := engine.Install(ctx, "", os.Stderr); err != nil {
				return err
			}
			from = time.Now()
		}
		r, err = engine.Start(ctx, engine.Options{})
		return err
	})
	if err != nil {
		return code, err
	}
	defer func() { err = errors.Join(err, r.Stop()) }()
	fmt.Fprintf(os.Stderr, "engines: ready after %.1f s\n", time.Since(from).Seconds())
	env := append(os.Environ(), r.Env()...)
	if os.Getenv("DATA") == "" {
		data, done, err := dataFolder(r)
		if err != nil {
			return failure, err
		}
		defer done()
		env = append(env, "DATA="+data)
	}
	return accompany(args, env, signals, r.Failed())
}

// prepare runs f, which an interrupt ends.
func prepare(signals <-chan os.Signal, f func(context.Context) error) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return exitOf(err), err
	case s := <-signals:
		cancel()
		return codeOf(s), errors.Join(fmt.Errorf("%s", s), <-done)
	}
}

func exitOf(err error) int {
	if err != nil {
		return failure
	}
	return 0
}

// codeOf is how a shell reports an end by a signal.
func codeOf(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return failure
}

// dataFolder gives an empty folder for COMMAND: the one with the fixed name unless
// another run has it.
func dataFolder(r *engine.Running) (folder string, done func(), err error) {
	folder, err = filepath.Abs(filepath.Join(engine.DefaultCache, "run"))
	if err != nil {
		return "", nil, err
	}
	lock, err := os.OpenFile(folder+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, err
	}
	done = func() { _ = lock.Close() } // which lets go of it
	switch err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return filepath.Join(r.Folder(), "run"), done, nil
	case err != nil:
		done()
		return "", nil, fmt.Errorf("%s: %w", lock.Name(), err)
	}
	if err := os.RemoveAll(folder); err != nil {
		done()
		return "", nil, err
	}
	return folder, done, nil
}

// accompany runs a command until it ends and gives its exit code. Signals are passed
// on to the command and what it started: it is a group of its own, so that none
// reaches it twice. When an engine fails it is asked to end.
func accompany(args, env []string, signals <-chan os.Signal, failed <-chan error) (int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, os.Stdout, os.Stderr
	if !isTerminal(os.Stdin) {
		cmd.Stdin = os.Stdin
	}
	cmd.SysProcAttr = engine.EndsWithUs(syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		return failure, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	pass := func(s syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, s) } // it may have ended just now
	var broken error
	for {
		select {
		case s := <-signals:
			if n, ok := s.(syscall.Signal); ok {
				pass(n)
			}
		case err := <-failed:
			broken = err
			pass(syscall.SIGTERM)
		case err := <-ended:
			pass(syscall.SIGTERM) // to what it left behind
			return result(err, broken)
		}
	}
}

// result is the exit code of a command, and the error if it was not the command's.
func result(err, broken error) (int, error) {
	var exit *exec.ExitError
	switch {
	case broken != nil:
		return failure, broken
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return failure, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return codeOf(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
