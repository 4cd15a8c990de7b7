package web

import (
	"net/http"
	"strings"
)

// Base is what links for people begin with, "https://host" without a slash at the
// end: public if it is set, else the address that the request was sent to.
func Base(public string, r *http.Request) string {
	if public != "" {
		return strings.TrimRight(public, "/")
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
