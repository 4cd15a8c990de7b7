package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"buzon/infra/containers/observe"
	"buzon/infra/containers/template"
)

// containerHost is this machine's name in the containers (sam --add-host).
const containerHost = "host.docker.internal"

// ways are the ways of the functions to the engines and to the provider: each is a
// port of this machine that only containers and this machine reach.
type ways struct {
	host    netip.Addr // that containers reach
	record  *observe.Record
	over    *http.Transport // to engines, provider and SAM
	log     *slog.Logger
	servers []*http.Server
	// queues are the ways of functions to SQS from this machine, by function:
	// what is done for a function with its role goes there too.
	queues map[string]string
}

// reachable is the address on which containers reach this machine: the gateway of
// their network if this machine has it; else the loopback address, to which Docker
// Desktop hands what goes to containerHost.
func reachable(gateway netip.Addr) (netip.Addr, error) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == gateway {
			return gateway, nil
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
}

// listen serves h on a free port of an address and gives that port.
func (w *ways) listen(ctx context.Context, host netip.Addr, h http.Handler) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		return "", fmt.Errorf("a way for containers: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	w.servers = append(w.servers, s)
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			w.log.Error("a way for containers ended", "error", err)
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// close ends all ways at once.
func (w *ways) close() error {
	var all error
	for _, s := range w.servers {
		all = errors.Join(all, s.Close())
	}
	w.over.CloseIdleConnections()
	return all
}

// environment gives the settings of a function: engines are what leads to the
// engines from this machine, other what else is set. A name that neither has keeps
// what the template says.
func (w *ways) environment(ctx context.Context, f template.Function, engines, other map[string]string) (map[string]string, error) {
	env := map[string]string{}
	for _, name := range f.Env {
		service, isEndpoint := strings.CutPrefix(name, "AWS_ENDPOINT_URL_")
		var err error
		switch {
		case isEndpoint:
			env[name], err = w.way(ctx, f.ID, observe.Service(strings.ToLower(service)), engines[name])
		case name == "FILES_URL":
			env[name], err = w.filesWay(ctx, f.ID, engines["AWS_ENDPOINT_URL_S3"])
		default:
			for _, from := range []map[string]string{engines, other} {
				if v, ok := from[name]; ok {
					env[name] = v
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", f.ID, name, err)
		}
	}
	return env, nil
}

// way opens the way of a function to a service and gives its address as a container
// sees it.
func (w *ways) way(ctx context.Context, function string, service observe.Service, engine string) (string, error) {
	relay, err := w.relay(function, service, engine)
	if err != nil {
		return "", err
	}
	port, err := w.listen(ctx, w.host, relay)
	if service == observe.SQS {
		w.queues[function] = "http://" + net.JoinHostPort(w.host.String(), port)
	}
	return "http://" + net.JoinHostPort(containerHost, port), err
}

// filesWay opens the way of links that a function signs: people follow them with
// its rights.
func (w *ways) filesWay(ctx context.Context, function, engine string) (string, error) {
	relay, err := w.relay(function, observe.S3, engine)
	if err != nil {
		return "", err
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	port, err := w.listen(ctx, loopback, relay)
	return "http://" + net.JoinHostPort(loopback.String(), port), err
}

func (w *ways) relay(function string, service observe.Service, engine string) (http.Handler, error) {
	target, err := url.Parse(engine)
	if err != nil || target.Host == "" {
		return nil, fmt.Errorf("no engine for %s", service)
	}
	return observe.Relay(service, target, w.over, w.record.Note(function), w.log), nil
}

// saveEnvironments writes what sam local reads with --env-vars. The owner alone may
// read it.
func saveEnvironments(path string, all map[string]map[string]string) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}
