// Package httpsend makes one request to a provider and says of a missing answer
// whether the request may have arrived: only what surely did not may be sent again.
package httpsend

import (
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// Timeout bounds a request that sends a message (contract of channel.Provider).
const Timeout = 20 * time.Second

// MaxAnswer is how many bytes an answer to a single request may have.
const MaxAnswer = 64 << 10

// maxAfter is the longest pause that is believed.
const maxAfter = 24 * time.Hour

// Answer is what came back for a request.
type Answer struct {
	Status int
	Header http.Header
	// Body is empty if the answer broke off: then the status alone has to do.
	Body []byte
	Cut  bool // there was more of the body than was to be read
}

// OK tells whether the status is one of success.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Do makes a request, bounded by its context, and reads up to most bytes of the
// answer. client may be nil. A redirect is never followed, for it would carry the
// credential to another host; it is an answer like any other. The error is Later if
// the request surely had no effect, else Unknown. The transport's own error is not
// passed on: it holds the address.
func Do(client *http.Client, req *http.Request, most int64) (Answer, *channel.Error) {
	c := http.Client{}
	if client != nil {
		c = *client
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var progress progress
	resp, err := c.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), progress.trace())))
	if err != nil {
		return Answer{}, progress.failed()
	}
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	a.Body, err = io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		a.Body = nil
	}
	if int64(len(a.Body)) > most {
		a.Body, a.Cut = a.Body[:most], true
	}
	return a, nil
}

// progress notes how far a request came.
type progress struct{ connected, cutOff atomic.Bool }

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			p.connected.Store(true)
			p.cutOff.Store(false)
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err != nil {
				p.cutOff.Store(true)
			}
		},
	}
}

// failed judges a request without an answer. Only one that never got a connection,
// or could not be written whole, has surely not been acted upon.
func (p *progress) failed() *channel.Error {
	if !p.connected.Load() || p.cutOff.Load() {
		return &channel.Error{Verdict: channel.Later, Code: "no_connection", Reason: "provider_unreachable", Cause: desk.WaitUnavailable}
	}
	return Unknown("no_answer")
}

// Unknown is the error of a request that went out and whose answer says nothing.
func Unknown(code string) *channel.Error {
	return &channel.Error{Verdict: channel.Unknown, Code: code, Reason: desk.ReasonUnknown}
}

// Harmless is e for a request that changes nothing, or nothing that would show:
// whether it arrived is all the same, so that Unknown becomes Later.
func Harmless(e *channel.Error) *channel.Error {
	if e != nil && e.Verdict == channel.Unknown {
		return &channel.Error{Verdict: channel.Later, Code: e.Code, Reason: "unexpected_answer", Cause: desk.WaitUnavailable}
	}
	return e
}

// Unconfigured is the error of a channel that lacks what a request needs.
func Unconfigured() *channel.Error {
	return &channel.Error{Verdict: channel.ChannelDown, Code: channel.CodeNotSent, Reason: "channel_not_configured", Cause: desk.WaitCredential}
}

// After is the pause that an answer asks for, at most a day; zero if it names none.
func After(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After", "X-Rate-Limit-Retry-After-Seconds"} {
		v := strings.TrimSpace(h.Get(name))
		if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 {
			return time.Duration(math.Ceil(min(s, maxAfter.Seconds()))) * time.Second
		}
		if at, err := http.ParseTime(v); err == nil && at.After(now) {
			return min(at.Sub(now), maxAfter)
		}
	}
	return 0
}
