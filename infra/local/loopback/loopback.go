// Package loopback keeps what a local run offers without a token to the person
// at this machine: the start page and the simulator.
package loopback

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Only passes on requests from this machine to this machine: both the caller's
// address and the Host are loopback, and no proxy says that it forwards for
// somebody else. All others are answered 404, as if nothing were there: a tunnel
// that hands the webhooks to a provider opens nothing else, and no page of
// another site reaches in under a name of its own (DNS rebinding).
func Only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !caller(r.RemoteAddr) || !host(r.Host) || forwarded(r.Header) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func caller(remote string) bool {
	ap, err := netip.ParseAddrPort(remote)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

func host(h string) bool {
	name := h
	if n, port, err := net.SplitHostPort(h); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		name = n
	}
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return true
	}
	if len(name) > 2 && name[0] == '[' && name[len(name)-1] == ']' {
		name = name[1 : len(name)-1]
	}
	addr, err := netip.ParseAddr(name)
	// No browser sends a zone, in which almost anything could stand.
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

func forwarded(h http.Header) bool {
	for name := range h {
		if name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}
