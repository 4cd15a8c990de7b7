package meta_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/meta"
)

func FuzzAnswer(f *testing.F) {
	f.Add(200, "", []byte(accepted))
	f.Add(400, "7", []byte(`{"error":{"message":"x","code":131056,"error_subcode":33,"is_transient":true}}`))
	f.Add(401, "-1", []byte(`<html>`))
	f.Add(200, "1e99", []byte(`{"error":{"code":{"code":1}},"messages":[{"id":"`+token+`"}]}`))
	f.Fuzz(func(t *testing.T, status int, after string, body []byte) {
		status = 200 + max(status, -status)%400
		p := meta.Provider{BaseURL: "http://127.0.0.1:1", Now: func() time.Time { return now }, HTTP: &http.Client{Transport: canned{status, after, body}}}
		var sent channel.Sent
		var err error
		bounds.Check(t, len(body)+16<<10, func() { sent, err = p.Send(t.Context(), account, person, hello, "ref") })
		if err == nil {
			if strings.TrimSpace(sent.ProviderID) == "" || status >= 300 {
				t.Errorf("%d %q: sent as %q", status, body, sent.ProviderID)
			}
			return
		}
		e := asError(t, err)
		switch {
		case e.Code == "" || e.Reason == "" || len([]rune(e.Reason)) > 200 || len([]rune(e.Code)) > 32:
			t.Errorf("%d %q: %+v", status, body, e)
		case e.After < 0 || e.After > 24*time.Hour || e.After > 0 && e.Verdict != channel.Later:
			t.Errorf("%d %q: pause %s", status, body, e.After)
		case (e.Verdict == channel.Later || e.Verdict == channel.ChannelDown) != (e.Cause != ""):
			t.Errorf("%d %q: %+v", status, body, e)
		case strings.Contains(e.Error(), token):
			t.Errorf("%d %q tells the token: %v", status, body, e)
		}
	})
}

// canned answers every request alike.
type canned struct {
	status int
	after  string
	body   []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	h := http.Header{}
	h.Set("Retry-After", c.after)
	return &http.Response{StatusCode: c.status, Header: h, Body: io.NopCloser(strings.NewReader(string(c.body))), Request: r}, nil
}
