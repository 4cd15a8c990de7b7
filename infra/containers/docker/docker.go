// Package docker talks to the Docker daemon of this machine by its HTTP API, and
// starts one where there is none.
//
//	docker.go  the calls that a run in containers needs
//	daemon.go  the daemon
//	base.go    a base image from nothing but busybox
//
// API: docs.docker.com/reference/api/engine, without a version in the path, so that
// a daemon takes its own: no version suits both 20.10 and 29.
package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// DefaultSocket is where a daemon listens unless DOCKER_HOST says otherwise.
	DefaultSocket = "/var/run/docker.sock"
	// callLimit bounds one call.
	callLimit = 30 * time.Second
	// maxAnswer is the longest answer that is read.
	maxAnswer = 4 << 20
)

// ErrAbsent: no daemon listens.
var ErrAbsent = errors.New("docker: no daemon answers")

// Client calls one daemon.
type Client struct {
	base string
	http *http.Client
}

// New makes a client for the daemon at host, the value of DOCKER_HOST:
// unix:///path or tcp://host:port; "" is DefaultSocket.
func New(host string) (*Client, error) {
	if host == "" {
		host = "unix://" + DefaultSocket
	}
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("setting DOCKER_HOST: %w", err)
	}
	transport := &http.Transport{}
	base := "http://docker"
	switch {
	case u.Scheme == "unix" && u.Path != "":
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", u.Path)
		}
	case u.Scheme == "tcp" && u.Host != "" && os.Getenv("DOCKER_TLS_VERIFY") == "":
		base = "http://" + u.Host
	default:
		return nil, fmt.Errorf("setting DOCKER_HOST: %q is not unix:///path or tcp://host:port", host)
	}
	return &Client{base: base, http: &http.Client{Transport: transport, Timeout: callLimit}}, nil
}

// Close lets go of connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ping asks whether the daemon is there: ErrAbsent if not.
func (c *Client) Ping(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/_ping", nil, nil, nil)
}

// Gateway is the address of this machine in the default network of containers.
func (c *Client) Gateway(ctx context.Context) (netip.Addr, error) {
	var n struct {
		IPAM struct {
			Config []struct{ Gateway, Subnet string }
		}
	}
	if err := c.call(ctx, http.MethodGet, "/networks/bridge", nil, nil, &n); err != nil {
		return netip.Addr{}, err
	}
	for _, config := range n.IPAM.Config {
		if a, err := netip.ParseAddr(config.Gateway); err == nil && a.Is4() {
			return a, nil
		}
		// A daemon that never ran a container names the network only.
		if p, err := netip.ParsePrefix(config.Subnet); err == nil && p.Addr().Is4() {
			return p.Masked().Addr().Next(), nil
		}
	}
	return netip.Addr{}, errors.New("docker: network bridge has no IPv4 address")
}

// Import makes an image from a tar of its files; it and all containers of it carry
// the label.
func (c *Client) Import(ctx context.Context, image, label string, tar io.Reader) error {
	name, tag, _ := strings.Cut(image, ":")
	q := url.Values{"fromSrc": {"-"}, "repo": {name}, "tag": {tag}, "changes": {"LABEL " + label}}
	return c.call(ctx, http.MethodPost, "/images/create", q, tar, nil)
}

// Containers lists the ids of containers with the label, running or not.
func (c *Client) Containers(ctx context.Context, label string) ([]string, error) {
	return c.labelled(ctx, "/containers/json", label)
}

// RemoveContainers ends and removes the containers with the label.
func (c *Client) RemoveContainers(ctx context.Context, label string) error {
	ids, err := c.Containers(ctx, label)
	if err != nil {
		return err
	}
	results := make(chan error, len(ids))
	for _, id := range ids {
		go func() {
			results <- c.call(ctx, http.MethodDelete, "/containers/"+id, url.Values{"force": {"1"}, "v": {"1"}}, nil, nil)
		}()
	}
	var all error
	for range ids {
		if err := <-results; !gone(err) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// RemoveImages removes the images with the label; no container of them may be
// left. One that others are made from goes after them.
func (c *Client) RemoveImages(ctx context.Context, label string) error {
	ids, err := c.labelled(ctx, "/images/json", label)
	if err != nil {
		return err
	}
	for {
		var left []string
		var all error
		for _, id := range ids {
			if err := c.call(ctx, http.MethodDelete, "/images/"+id, url.Values{"force": {"1"}}, nil, nil); !gone(err) {
				left, all = append(left, id), errors.Join(all, err)
			}
		}
		if len(left) == 0 || len(left) == len(ids) {
			return all
		}
		ids = left
	}
}

func (c *Client) labelled(ctx context.Context, path, label string) ([]string, error) {
	filters, err := json.Marshal(map[string][]string{"label": {label}})
	if err != nil {
		return nil, err
	}
	var found []struct{ ID string }
	q := url.Values{"all": {"1"}, "filters": {string(filters)}}
	if err := c.call(ctx, http.MethodGet, path, q, nil, &found); err != nil {
		return nil, err
	}
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.ID
	}
	return ids, nil
}

// refusal is an answer of the daemon that is an error.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("docker: status %d: %s", r.status, r.text) }

// gone tells that nothing is left of what was to be removed: no error, or one that
// says that it is not there or that somebody else is removing it just now.
func gone(err error) bool {
	var r *refusal
	return err == nil || errors.As(err, &r) && (r.status == http.StatusNotFound || r.status == http.StatusConflict && strings.Contains(r.text, "in progress"))
}

func (c *Client) call(ctx context.Context, method, path string, q url.Values, body io.Reader, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path+"?"+q.Encode(), body)
	if err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("docker: %w", ctx.Err())
		}
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("docker: %s: %w", path, err)
	}
	if resp.StatusCode/100 != 2 {
		var problem struct{ Message string }
		if json.Unmarshal(data, &problem) != nil {
			problem.Message = string(data)
		}
		return &refusal{resp.StatusCode, problem.Message}
	}
	if out == nil {
		return streamed(data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("docker: %s: %w", path, err)
	}
	return nil
}

// streamed finds the error in an answer of several lines that begins with 200.
func streamed(data []byte) error {
	for line := range strings.Lines(string(data)) {
		var l struct{ Error string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Error != "" {
			return fmt.Errorf("docker: %s", l.Error)
		}
	}
	return nil
}
