package gupshup_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"
	"unicode/utf8"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/desk"
	"buzon/internal/fuzztest"
)

// canned answers every request with the same body.
type canned struct {
	status int
	body   []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c.body)), Request: r}, nil
}

// bounded runs what reads body and checks the time and memory that it takes, and
// that its error is one of ours that tells nothing secret.
func bounded(t *testing.T, status uint16, body []byte, read func(gupshup.Provider) error) {
	t.Helper()
	code := 200 + int(status)%400
	p := gupshup.Provider{BaseURL: "http://127.0.0.1", HTTP: &http.Client{Transport: canned{code, body}}, Now: func() time.Time { return now }}
	var err error
	fuzztest.Limit{Memory: 512 << 10, PerByte: 512}.Check(t, len(body), func() { err = read(p) })
	if err == nil {
		return
	}
	var e *channel.Error
	if !errors.As(err, &e) || e.Verdict == 0 || e.Code == "" || e.Reason == "" || utf8.RuneCountInString(e.Reason) > 200 {
		t.Errorf("%#v", err)
	}
	if bytes.Contains([]byte(e.Error()), []byte(apiKey)) {
		t.Errorf("tells a secret: %s", e)
	}
}

// wholesome checks what every template that is told of must have.
func wholesome(t *testing.T, l channel.Listed) {
	t.Helper()
	if l.ProviderID == "" || l.State == "" || utf8.RuneCountInString(l.Reason) > 200 || !utf8.ValidString(l.State+l.Reason+l.Name) {
		t.Errorf("%+v", l)
	}
}

func FuzzListPage(f *testing.F) {
	f.Add(uint16(0), gupshuptest.Page(gupshuptest.Items(3), 0, 100))
	f.Add(uint16(0), gupshuptest.Page([]gupshuptest.ListItem{{ID: "t", State: "X", NextCategory: "MARKETING", Reason: "NONE"}}, 0, 1))
	f.Add(uint16(0), []byte(`{"status":"success","templates":[{"id":"t","status":"A","containerMeta":"{\"correctCategory\":\"{\"}"}]}`))
	f.Add(uint16(0), []byte(`{"status":"success","templates":[{"id":"t","status":"A","data":"H | [x] | [y]"},{},{"id":"t"}]}`))
	f.Add(uint16(201), []byte(`{"status":"error","message":{"message":"Authentication Failed sk-secret-key-123"}}`))
	f.Add(uint16(229), []byte(`"Too Many Requests"`))
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		bounded(t, status, body, func(p gupshup.Provider) error {
			pages, enough := 0, &channel.Error{Verdict: channel.Refused, Code: "enough", Reason: "enough"}
			return p.List(t.Context(), owner, func(list []channel.Listed) error {
				for _, l := range list {
					wholesome(t, l)
				}
				if len(list) == 0 {
					t.Error("an empty page")
				}
				if pages++; len(list) >= 100 {
					return enough
				}
				return nil
			})
		})
	})
}

func FuzzSubmitAnswer(f *testing.F) {
	f.Add(uint16(0), gupshuptest.Requested(gupshuptest.Items(1)[0]))
	f.Add(uint16(0), []byte(`{"status":"success","template":{"id":"t"}}`))
	f.Add(uint16(200), gupshuptest.Refused(gupshuptest.NameTaken))
	f.Add(uint16(200), []byte(`{"status":"error","code":1003,"message":"your wallet, sk-secret-key-123"}`))
	f.Add(uint16(302), []byte(`<html>already exists</html>`))
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		bounded(t, status, body, func(p gupshup.Provider) error {
			got, err := p.Submit(t.Context(), owner, requested(nil))
			if err == nil {
				wholesome(t, got)
			}
			return err
		})
	})
}

func FuzzUploadAnswer(f *testing.F) {
	f.Add(uint16(0), gupshuptest.Uploaded("a.png", "m", "https://x.example/m"))
	f.Add(uint16(0), []byte(`{"status":"success","media":{"id":7,"url":"file:///x"}}`))
	f.Add(uint16(200), gupshuptest.Refused("Invalid file sk-secret-key-123"))
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		bounded(t, status, body, func(p gupshup.Provider) error {
			got, err := p.Upload(t.Context(), owner, "image", file("a.png", "image/png", []byte("x")))
			if err == nil && (got.URL == "" && got.ID == "" || got.Kind != "image" || got == desk.MediaLink{}) {
				t.Errorf("%+v", got)
			}
			var e *channel.Error
			if errors.As(err, &e) && e.Verdict == channel.Unknown {
				t.Error("a harmless request with an unknown outcome")
			}
			return err
		})
	})
}
