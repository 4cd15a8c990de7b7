package engine

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// stopGrace is how long an engine may take to end when it is asked to.
	stopGrace = 5 * time.Second
	// probeEvery and probeLimit are of the question whether an engine is up.
	probeEvery = 50 * time.Millisecond
	probeLimit = 2 * time.Second
	// lastShown is how many lines of a log an error shows.
	lastShown = 15
)

// process is an engine under way. It is in a group of its own, so that Ctrl-C at
// the terminal does not reach it before whoever uses it.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string // path
	ended chan struct{}
	err   error // how it ended
}

// spawn starts a process whose output goes to the file log.
func spawn(name string, cmd *exec.Cmd, log string) (*process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // the process has its own
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = EndsWithUs(syscall.SIGKILL)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// await waits until the address gives any answer.
func (p *process) await(ctx context.Context, address string) error {
	client := &http.Client{Timeout: probeLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := time.NewTicker(probeEvery)
	defer ask.Stop()
	for {
		select {
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("%s: no answer at %s: %w\n%s", p.name, address, ctx.Err(), p.tail())
		case <-ask.C:
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(r)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		select {
		case <-p.ended: // then somebody else has the port
			return p.failure()
		default:
			return nil
		}
	}
}

// failure tells how a process ended that should not have.
func (p *process) failure() error {
	how := "ended"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s: %s\n%s", p.name, how, p.tail())
}

func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(b))
}

// stop ends the process and all that it started, and returns when it has ended.
func (p *process) stop() {
	pid := p.cmd.Process.Pid
	_ = killGroup(pid, syscall.SIGTERM) // it may have ended by itself
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-p.ended:
	case <-grace.C:
		_ = killGroup(pid, syscall.SIGKILL)
		<-p.ended
	}
}

// killGroup sends a signal to a process that leads a group, and to its group.
func killGroup(pid int, s syscall.Signal) error { return syscall.Kill(-pid, s) }

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-lastShown):], "\n")
}
