package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// answerTime is how long before the function's end a request's context ends, so that
// the caller gets an answer, and the log a line, of what took too long.
const answerTime = 500 * time.Millisecond

// Bridge runs a handler as a Lambda function behind an API Gateway HTTP API or a
// function URL: both send the payload format 2.0 (API Gateway Developer Guide,
// "Working with AWS Lambda proxy integrations for HTTP APIs").
//
// What the gateway says it was asked by https has a TLS state, without details.
// A body in base64 is decoded; an answer that is not UTF-8 goes back in base64.
// Cookies travel in their own list both ways; a header that stands several times
// in an answer is joined with commas, since the format has no place for it. The
// returned error is of an event that is no request at all.
func Bridge(h http.Handler) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		if deadline, bounded := ctx.Deadline(); bounded {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-answerTime))
			defer cancel()
		}
		r, err := fromEvent(ctx, e)
		if err != nil {
			return events.APIGatewayV2HTTPResponse{}, err
		}
		out := &answer{header: http.Header{}}
		out.run(h, r)
		return out.event(r.Method == http.MethodHead), nil
	}
}

// fromEvent is the request that a server would have read from the wire.
func fromEvent(ctx context.Context, e events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, fmt.Errorf("event body: %w", err)
		}
	}
	raw := withoutStage(e.RawPath, e.RequestContext.Stage)
	uri := raw
	if e.RawQueryString != "" {
		uri += "?" + e.RawQueryString
	}
	r := (&http.Request{
		Method:        e.RequestContext.HTTP.Method,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		URL:           &url.URL{RawQuery: e.RawQueryString},
		RequestURI:    uri,
		Header:        make(http.Header, len(e.Headers)+1),
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Host:          e.RequestContext.DomainName,
		RemoteAddr:    net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0"),
	}).WithContext(ctx)
	// A path that is no valid encoding came decoded: it is taken as it stands.
	r.URL.Path = raw
	if path, err := url.PathUnescape(raw); err == nil {
		r.URL.Path = path
		if r.URL.EscapedPath() != raw {
			r.URL.RawPath = raw
		}
	}
	for name, value := range e.Headers {
		r.Header.Set(textproto.CanonicalMIMEHeaderKey(name), value)
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	r.Header.Del("Host")
	if r.Header.Get("X-Forwarded-Proto") == "https" {
		r.TLS = &tls.ConnectionState{} // the gateway ended it
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return r, nil
}

// withoutStage takes off the name of a stage, which stands before the path
// unless the stage is $default.
func withoutStage(path, stage string) string {
	rest, ok := strings.CutPrefix(path, "/"+stage)
	switch {
	case stage == "" || stage == "$default" || !ok:
		return path
	case rest == "":
		return "/"
	case rest[0] != '/':
		return path
	}
	return rest
}

// answer collects what a handler writes.
type answer struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
}

// run calls the handler; one that gives up in the middle leaves a bare 500.
func (a *answer) run(h http.Handler, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			*a = answer{header: http.Header{}}
			a.WriteHeader(http.StatusInternalServerError)
			if p != http.ErrAbortHandler { //nolint:errorlint // what was panicked with, never wrapped
				panic(p)
			}
		}
	}()
	h.ServeHTTP(a, r)
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status, a.sent = status, a.header.Clone()
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *answer) event(head bool) events.APIGatewayV2HTTPResponse {
	a.WriteHeader(http.StatusOK)
	if a.body.Len() > 0 && a.sent.Get("Content-Type") == "" {
		a.sent.Set("Content-Type", http.DetectContentType(a.body.Bytes()))
	}
	e := events.APIGatewayV2HTTPResponse{StatusCode: a.status, Headers: map[string]string{}}
	for name, values := range a.sent {
		if name == "Set-Cookie" {
			e.Cookies = values
			continue
		}
		e.Headers[name] = strings.Join(values, ", ")
	}
	switch {
	case head || a.status == http.StatusNoContent || a.status == http.StatusNotModified:
		if head && a.body.Len() > 0 && a.sent.Get("Content-Length") == "" {
			e.Headers["Content-Length"] = strconv.Itoa(a.body.Len())
		}
	case utf8.Valid(a.body.Bytes()):
		e.Body = a.body.String()
	default:
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(a.body.Bytes()), true
	}
	return e
}
