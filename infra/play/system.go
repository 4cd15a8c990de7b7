package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// logKept is how many bytes of the system's log an error shows from.
const logKept = 64 << 10

// system is the local run, or another program with the same contract, as a process
// of its own.
type system struct {
	limits
	folder, binary    string
	home              string // where it is started; empty: in its folder
	provider, metaURL string // base addresses of the stand-ins
	verbose           bool
	client            *http.Client

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan error
	port string
	log  tail
	demo demo
}

// demo is what the local run says of itself in demo.json.
type demo struct {
	BaseURL    string          `json:"base_url"`
	Tenant     string          `json:"tenant"`
	AdminToken string          `json:"admin_token"`
	AgentToken string          `json:"agent_token"`
	Channels   map[string]line `json:"channels"`
	People     struct {
		Registered struct{ Number, Name, Culture string }
		Inactive   struct{ Number string }
	} `json:"people"`
	Projects []struct{ ID, Name string } `json:"projects"`
	Other    struct {
		AdminToken string          `json:"admin_token"`
		Channels   map[string]line `json:"channels"`
	} `json:"other"`
}

// line is a company's channel.
type line struct {
	ID          string `json:"id"`
	WebhookURL  string `json:"webhook_url"`
	CallbackURL string `json:"callback_url"`
	Identifier  string `json:"identifier"`
	App         string `json:"app"`
	AppID       string `json:"app_id"`
	PhoneID     string `json:"phone_number_id"`
	APIKey      string `json:"api_key"`

	// Of a channel that was requested here; else empty.
	Provider string // empty: Gupshup
	Admin    string // token of its company
	// Of Meta's.
	Account, Token, Secret, Verify string
}

// admin is the token of the channel's company.
func (l line) admin(p *play) string { return cmp.Or(l.Admin, p.demo.AdminToken) }

// build builds the local run into a new folder of its own, or takes the program
// that is named.
func build(ctx context.Context, program, provider, meta string, l limits, verbose bool) (*system, error) {
	folder, err := os.MkdirTemp("", "buzon-play-")
	if err != nil {
		return nil, err
	}
	s := &system{limits: l, folder: folder, binary: filepath.Join(folder, "buzon"), provider: provider, metaURL: meta, verbose: verbose, port: "0"}
	s.client = &http.Client{
		Timeout:       l.call,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DialContext: dialLoopback, MaxIdleConnsPerHost: 32, ResponseHeaderTimeout: l.call},
	}
	if program != "" {
		if s.home, err = os.Getwd(); err == nil {
			s.binary, err = filepath.Abs(program)
		}
		if err != nil {
			s.remove()
			return nil, err
		}
		return s, nil
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./infra/local").CombinedOutput()
	if err != nil {
		s.remove()
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	return s, nil
}

// dialLoopback refuses every address that is not on this machine.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("address %s is not on this machine", address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// start starts the process and waits until it answers. The first start takes a
// free port; later ones take it again.
func (s *system) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := exec.Command(s.binary)
	cmd.Dir = cmp.Or(s.home, s.folder)
	cmd.Env = append(os.Environ(), "PORT="+s.port, "DATA="+s.data(), "GUPSHUP_URL="+s.provider, "META_URL="+s.metaURL, "PUBLIC_URL=", "LOG_LEVEL=info")
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if s.verbose {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	s.cmd, s.done = cmd, make(chan error, 1)
	go func(done chan error) { done <- cmd.Wait() }(s.done)
	for limit := time.Now().Add(s.limits.start); time.Now().Before(limit); {
		select {
		case err := <-s.done:
			s.done <- err
			return fmt.Errorf("start: ended at once: %w\n%s", err, s.log.String())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if s.up() {
			return nil
		}
	}
	return fmt.Errorf("start: not up after %s\n%s", s.limits.start, s.log.String())
}

// up reads demo.json and asks for the health of what it names.
func (s *system) up() bool {
	b, err := os.ReadFile(filepath.Join(s.data(), "demo.json"))
	if err != nil {
		return false
	}
	var d demo
	if json.Unmarshal(b, &d) != nil {
		return false
	}
	u, err := url.Parse(d.BaseURL)
	if err != nil {
		return false
	}
	resp, err := s.client.Get(d.BaseURL + "/health")
	if err != nil {
		return false
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false
	}
	s.port, s.demo = u.Port(), d
	return true
}

func (s *system) data() string { return filepath.Join(s.folder, "data") }

// kill ends the process at once, as a power cut does.
func (s *system) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	var exit *exec.ExitError
	if err := <-s.done; err != nil && !errors.As(err, &exit) {
		return err
	}
	s.cmd = nil
	s.client.CloseIdleConnections()
	return nil
}

// stop asks the process to drain and end, as Ctrl-C does, and gives the time it took.
func (s *system) stop() (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return 0, err
	}
	select {
	case err := <-s.done:
		s.cmd = nil
		s.client.CloseIdleConnections()
		return time.Since(from), err
	case <-time.After(2 * s.drain):
		return time.Since(from), fmt.Errorf("still running after %s", 2*s.drain)
	}
}

// remove ends the process and takes its folder away.
func (s *system) remove() {
	_ = s.kill() // it may have ended by itself
	_ = os.RemoveAll(s.folder)
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - logKept; over > 0 {
		t.b = append([]byte(nil), t.b[over:]...)
	}
	return len(p), nil
}

// String is the last lines that are more than a note of a request that went well.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(string(t.b)) {
		if !strings.Contains(line, "level=INFO") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
