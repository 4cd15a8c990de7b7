package observe

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// maxNoted is the longest body that is read before it is passed on: a request of
// DynamoDB with what JSON adds. Files are passed on as they come.
const maxNoted = 32 << 20

// patience is how long a service may take to begin its answer: longer than it
// holds a request for messages that are not there yet.
const patience = 2 * time.Minute

// Relay passes requests on to a service, body, Host and signature untouched, so
// that a service that checks them still can, and tells note of each what it asks
// for. target has scheme and host only. What cannot be passed on is answered 502.
func Relay(service Service, target *url.URL, over http.RoundTripper, note func(actions []string), log *slog.Logger) http.Handler {
	proxy := Pass(target, over, log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		if service != S3 {
			var err error
			if body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxNoted)); err != nil {
				http.Error(w, "request not read", http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		if actions := Actions(service, r, body); len(actions) > 0 {
			note(actions)
		}
		proxy.ServeHTTP(w, r)
	})
}

// Transport is what requests are passed on over: it adds nothing to them. Close its
// idle connections before the services end: some wait for that.
func Transport() *http.Transport {
	return &http.Transport{
		DisableCompression:    true, // the caller's headers are signed
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: patience,
	}
}

// Pass passes requests on to target as they are.
func Pass(target *url.URL, over http.RoundTripper, log *slog.Logger) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
		Transport: over,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				log.Warn("not passed on", "to", target.Host, "method", r.Method, "error", err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}
