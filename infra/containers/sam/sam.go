// Package sam installs AWS SAM CLI and runs it: a command until it ends, or one of
// its servers until it is stopped.
package sam

import (
	"context"
	_ "embed" // run.py
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"buzon/infra/engines/engine"
)

// Version of SAM CLI, from PyPI.
const Version = "1.170.0"

// program is what runs: SAM CLI, with a wait taken out.
//
//go:embed run.py
var program string

// proof is written when an installation is whole.
const proof = "installed-" + Version

// lastShown is how many lines of a log an error shows.
const lastShown = 25

// Install puts SAM CLI into a virtual environment in folder, if it is not there.
// It needs the network for that, takes about a minute and 350 MB, and is there
// whole or not at all.
func Install(ctx context.Context, folder string, out io.Writer) error {
	if Installed(folder) {
		fmt.Fprintf(out, "sam %s: there\n", Version)
		return nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return errors.New("sam: needs python3: apt-get install python3-venv")
	}
	from := time.Now()
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("sam: %w", err)
	}
	if err := quietly(ctx, python, "-m", "venv", folder); err != nil {
		return fmt.Errorf("%w\napt-get install python3-venv has what may be missing", err)
	}
	pip := filepath.Join(folder, "bin", "python")
	if err := quietly(ctx, pip, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "aws-sam-cli=="+Version); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, proof), nil, 0o600); err != nil {
		return fmt.Errorf("sam: %w", err)
	}
	fmt.Fprintf(out, "sam %s: installed in %.1f s\n", Version, time.Since(from).Seconds())
	return nil
}

// Installed tells whether SAM CLI is in folder.
func Installed(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, proof))
	return err == nil
}

func quietly(ctx context.Context, name string, args ...string) error {
	cmd := command(ctx, name, args...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, lastLines(string(out)))
	}
	return nil
}

// command is a command in a group of its own, so that Ctrl-C at the terminal does
// not reach it; it ends with ctx, and on Linux with this process.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = engine.EndsWithUs(syscall.SIGKILL)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// CLI runs SAM CLI.
type CLI struct {
	Folder string   // where it was installed
	Dir    string   // in which it runs
	Env    []string // all of its environment
}

// Run runs a command until it ends and gives what it wrote to its standard
// output; the rest goes to the file log. An error ends with the log's last lines.
func (c *CLI) Run(ctx context.Context, log string, args ...string) ([]byte, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("sam: %w", err)
	}
	defer func() { _ = f.Close() }() // the command had its own
	cmd := c.command(ctx, args)
	cmd.Stderr = f
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return out, fmt.Errorf("sam %s: %w\n%s%s", args[0], err, tail(log), lastLines(string(out)))
	}
	return out, nil
}

func (c *CLI) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := command(ctx, filepath.Join(c.Folder, "bin", "python"), append([]string{"-c", program}, args...)...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	return cmd
}

// Server is one of SAM's servers under way.
type Server struct {
	name, log string
	cmd       *exec.Cmd
	ended     chan struct{}
}

// probeEvery is how often a server is asked whether it is up.
const probeEvery = 100 * time.Millisecond

// Start starts a server whose output goes to the file log and waits until up gives
// true, however long ctx lets it. An error ends with the log's last lines and
// leaves no process.
func (c *CLI) Start(ctx context.Context, log string, up func() bool, args ...string) (*Server, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("sam: %w", err)
	}
	defer func() { _ = f.Close() }() // the server has its own
	s := &Server{name: strings.Join(args[:2], " "), log: log, ended: make(chan struct{})}
	s.cmd = c.command(context.WithoutCancel(ctx), args)
	s.cmd.SysProcAttr = engine.EndsWithUs(syscall.SIGINT) // so that it removes its containers
	s.cmd.Stdout, s.cmd.Stderr = f, f
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("sam: %w", err)
	}
	go func() {
		_ = s.cmd.Wait() // whether it should have ended is seen by who waits
		close(s.ended)
	}()
	ask := time.NewTicker(probeEvery)
	defer ask.Stop()
	for {
		select {
		case <-s.ended:
			return nil, s.Failure()
		case <-ctx.Done():
			s.kill()
			return nil, fmt.Errorf("sam %s: not up: %w\n%s", s.name, ctx.Err(), tail(log))
		case <-ask.C:
		}
		if up() {
			return s, nil
		}
	}
}

// Ended is closed when the server has ended.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Failure says that the server ended, with the end of its log.
func (s *Server) Failure() error { return fmt.Errorf("sam %s: ended\n%s", s.name, tail(s.log)) }

// Stop asks the server to end, as Ctrl-C does, and kills it once ctx is over. It
// returns when the process has ended; containers may still be there.
func (s *Server) Stop(ctx context.Context) {
	if ctx.Err() == nil {
		_ = s.cmd.Process.Signal(syscall.SIGINT) // it may have ended by itself
	}
	select {
	case <-s.ended:
	case <-ctx.Done():
		s.kill()
	}
}

func (s *Server) kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // likewise
	<-s.ended
}

func tail(log string) string {
	data, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(data))
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-lastShown):], "\n")
}
