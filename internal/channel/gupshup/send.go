package gupshup

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

const (
	sendTimeout = 20 * time.Second // contract of channel.Provider
	maxAnswer   = 64 << 10         // bytes read of an answer
	maxAfter    = 24 * time.Hour   // longest pause that is believed
)

// Send implements channel.Provider. Gupshup knows no idempotency key: two calls
// are two messages. It returns ref with a tap on a list or buttons only.
func (p Provider) Send(ctx context.Context, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	path, form, bad := encode(a, to, out, ref)
	if bad != nil {
		return channel.Sent{}, bad
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	var progress progress
	ctx = httptrace.WithClientTrace(ctx, progress.trace())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(p.BaseURL, "/")+path, strings.NewReader(form.Encode()))
	if err != nil {
		return channel.Sent{}, &channel.Error{Verdict: channel.ChannelDown, Code: channel.CodeNotSent, Reason: "channel_not_configured", Cause: desk.WaitCredential}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("apikey", a.Credentials.APIKey)

	resp, err := p.client().Do(req)
	if err != nil {
		return channel.Sent{}, progress.failed()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		body = nil // the status alone has to do
	}
	sent, failure := p.judge(resp, body, a.Credentials.APIKey, a.Credentials.PartnerToken, to)
	if failure != nil {
		return channel.Sent{}, failure
	}
	return sent, nil
}

// client is the provider's client without redirects, which would carry the key to
// another host.
func (p Provider) client() *http.Client {
	c := http.Client{}
	if p.HTTP != nil {
		c = *p.HTTP
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
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
// or could not be written whole, has surely not been acted upon. The transport's
// error is not passed on: it holds the address.
func (p *progress) failed() *channel.Error {
	if !p.connected.Load() || p.cutOff.Load() {
		return &channel.Error{Verdict: channel.Later, Code: "no_connection", Reason: "provider_unreachable", Cause: desk.WaitUnavailable}
	}
	return unknown("no_answer")
}

func unknown(code string) *channel.Error {
	return &channel.Error{Verdict: channel.Unknown, Code: code, Reason: desk.ReasonUnknown}
}

// judge reads an answer. The body decides before the status: Gupshup reports
// errors with status 200 too. private is what no reason may repeat.
func (p Provider) judge(resp *http.Response, body []byte, private ...string) (channel.Sent, *channel.Error) {
	doc, unreadable := strictjson.Parse(body)
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	word, _ := doc.Get("status").Text()
	if ok && word != "error" {
		id, _ := doc.Get("messageId").Text()
		if id = strings.TrimSpace(id); id == "" || len(id) > maxID || word != "submitted" && word != "success" {
			return channel.Sent{}, unknown(strconv.Itoa(resp.StatusCode))
		}
		return channel.Sent{ProviderID: id}, nil
	}

	code, said := explanation(doc)
	if unreadable != "" {
		said = string(body)
	}
	known, r, found := find(code, said)
	if code == "" && resp.StatusCode >= 500 { // a gateway's page: its words are not Gupshup's
		found = false
	}
	if !found && !ok {
		known = strconv.Itoa(resp.StatusCode)
		r, found = statusRule(resp.StatusCode)
	}
	e := &channel.Error{Verdict: r.verdict, Code: known, Reason: r.reason, Cause: r.cause, Pair: r.pair}
	if !found {
		e.Verdict, e.Reason = channel.Refused, clean(said, private...)
	}
	if code != "" {
		e.Code = code
	}
	if e.Code = cutRunes(clean(e.Code, private...), maxCode); e.Code == "" {
		e.Code = strconv.Itoa(resp.StatusCode)
	}
	if e.Reason == "" {
		e.Reason = "refused"
	}
	if e.Verdict == channel.Later {
		e.After = after(resp.Header, p.Now())
	}
	return channel.Sent{}, e
}

// statusRule is the rule of an HTTP status that came without a known code.
func statusRule(status int) (rule, bool) {
	if status < 400 || status >= 500 { // a redirect is no answer of the API: nothing was taken
		return rules["500"], true
	}
	r, ok := rules[strconv.Itoa(status)]
	return r, ok
}

// explanation finds code and words in an error's body. message may be text or an
// object; Meta's errors may stand in it as they came.
func explanation(doc strictjson.Value) (code, said string) {
	places := []strictjson.Value{doc, doc.Get("message"), doc.Get("error"), doc.Path("message", "error")}
	for _, v := range places {
		if code == "" {
			for _, key := range []string{"code", "errorCode", "error_code"} {
				if c, ok := v.Get(key).Token(); ok && code == "" {
					code = strings.TrimSpace(c)
				}
			}
		}
		if said == "" {
			for _, key := range []string{"message", "reason", "error"} {
				if s, ok := v.Get(key).Text(); ok && said == "" {
					said = s
				}
			}
		}
	}
	return code, said
}

// after is the pause that an answer asks for, zero if it names none.
func after(h http.Header, now time.Time) time.Duration {
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
