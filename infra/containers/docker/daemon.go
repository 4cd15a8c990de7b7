package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	daemonLimit = 40 * time.Second // until a daemon answers that was just started
	daemonGrace = 10 * time.Second // until one ends that was asked to
	probeEvery  = 100 * time.Millisecond
	hint        = "start Docker, or apt-get install docker.io and run this as root"
)

// Daemon is a daemon that this process started; nil if one was there before.
type Daemon struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// Ensure finds a daemon or starts one, which only root can, with its log in a file
// in folder. attr says how it is started: it has to be a group of its own.
func Ensure(ctx context.Context, c *Client, folder string, attr *syscall.SysProcAttr) (*Daemon, error) {
	err := c.Ping(ctx)
	if err == nil || !errors.Is(err, ErrAbsent) {
		return nil, err
	}
	if strings.Contains(err.Error(), "permission denied") {
		return nil, fmt.Errorf("%w: join the group docker, or run this as root", err)
	}
	path, missing := exec.LookPath("dockerd")
	if missing != nil || os.Geteuid() != 0 || os.Getenv("DOCKER_HOST") != "" {
		return nil, fmt.Errorf("%w: %s", err, hint)
	}
	log, err := os.Create(filepath.Join(folder, "dockerd.log"))
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	defer func() { _ = log.Close() }() // the daemon has its own
	d := &Daemon{cmd: exec.Command(path), ended: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.SysProcAttr = log, log, attr
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	go func() {
		_ = d.cmd.Wait() // whether it should have ended is seen by who waits
		close(d.ended)
	}()
	if err := d.await(ctx, c); err != nil {
		d.Stop()
		return nil, fmt.Errorf("docker: daemon started and not ready: %w; its log is %s", err, log.Name())
	}
	return d, nil
}

func (d *Daemon) await(ctx context.Context, c *Client) error {
	ctx, cancel := context.WithTimeout(ctx, daemonLimit)
	defer cancel()
	ask := time.NewTicker(probeEvery)
	defer ask.Stop()
	for {
		select {
		case <-d.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-ask.C:
		}
		if c.Ping(ctx) == nil {
			return nil
		}
	}
}

// Stop ends the daemon by its process id; a nil Daemon is somebody else's and stays.
func (d *Daemon) Stop() {
	if d == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	t := time.NewTimer(daemonGrace)
	defer t.Stop()
	select {
	case <-d.ended:
	case <-t.C:
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
		<-d.ended
	}
}
