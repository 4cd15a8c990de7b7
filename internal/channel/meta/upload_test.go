package meta_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

func TestUpload(t *testing.T) {
	png := channel.File{Name: `a "b"` + "\r\n.png", ContentType: "image/png", Size: 3, Body: strings.NewReader("abc")}
	var path, product, typ, fileType, name, content string
	p := sender(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.Method + " " + r.URL.String()
		if r.ContentLength <= 0 {
			t.Error("no length")
		}
		product, typ = r.FormValue("messaging_product"), r.FormValue("type")
		f, h, err := r.FormFile("file")
		if err != nil {
			t.Error(err)
			return
		}
		b, _ := io.ReadAll(f)
		name, fileType, content = h.Filename, h.Header.Get("Content-Type"), string(b)
		io.WriteString(w, `{"id":"3000"}`)
	})
	got, err := p.Upload(t.Context(), account, "image", png)
	if err != nil {
		t.Fatal(err)
	}
	want := desk.MediaLink{Kind: "image", ID: "3000", ContentType: "image/png", Name: png.Name}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if path != "POST /v25.0/200000000000001/media" || product != "whatsapp" || typ != "image/png" || fileType != "image/png" || content != "abc" || !strings.Contains(name, ".png") {
		t.Errorf("%s %q %q %q %q %q", path, product, typ, fileType, name, content)
	}
}

// zeros is a file of n bytes that nobody has to hold.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(b []byte) (int, error) { return len(b), nil }

func TestUploadRefusals(t *testing.T) {
	unreadable := channel.Error{Verdict: channel.Later, Code: channel.CodeNotSent, Reason: "media_unreadable", Cause: desk.WaitUnavailable}
	refused := func(reason string) channel.Error {
		return channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: reason}
	}
	for _, tc := range []struct {
		why, kind, typ string
		size, has      int64
		want           channel.Error // zero: taken
	}{
		{"an image at the limit", "image", "image/png", 5 << 20, 5 << 20, channel.Error{}},
		{"an image beyond it", "image", "image/png", 5<<20 + 1, 5<<20 + 1, refused("media_size")},
		{"a video at the limit", "video", "video/mp4", 16 << 20, 16 << 20, channel.Error{}},
		{"a video beyond it", "video", "video/mp4", 16<<20 + 1, 0, refused("media_size")},
		{"a sound beyond it", "audio", "audio/ogg; codecs=opus", 16<<20 + 1, 0, refused("media_size")},
		{"a document beyond it", "file", "application/pdf", 100<<20 + 1, 0, refused("media_size")},
		{"a sticker at the limit", "sticker", "image/webp", 500 << 10, 500 << 10, channel.Error{}},
		{"a sticker beyond it", "sticker", "image/webp", 500<<10 + 1, 0, refused("media_size")},
		{"nothing", "image", "image/png", 0, 0, refused("media_missing")},
		{"a kind of tomorrow", "hologram", "image/png", 1, 1, refused("unsupported_type")},
		{"a type that is none", "image", "image/png\r\nX: y", 1, 1, refused("unsupported_type")},
		{"less than announced", "image", "image/png", 10, 9, unreadable},
		{"more than announced", "image", "image/png", 10, 11, unreadable},
	} {
		t.Run(tc.why, func(t *testing.T) {
			whole := false
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				if n, err := io.Copy(io.Discard, r.Body); err == nil && n == r.ContentLength {
					whole = true
				}
				io.WriteString(w, `{"id":"3000"}`)
			})
			_, err := p.Upload(t.Context(), account, tc.kind, channel.File{Name: "f", ContentType: tc.typ, Size: tc.size, Body: zeros(tc.has)})
			if tc.want.Verdict == 0 {
				if err != nil || !whole {
					t.Errorf("%v, whole %v", err, whole)
				}
				return
			}
			if diff := cmp.Diff(&tc.want, asError(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUploadAnswers(t *testing.T) {
	odd := channel.Error{Verdict: channel.Later, Code: "200", Reason: "unexpected_answer", Cause: desk.WaitUnavailable}
	for body, want := range map[string]channel.Error{
		`{}`:         odd,
		`ok`:         odd,
		`{"id":" "}`: odd,
		`{"id":"` + strings.Repeat("1", 513) + `"}`: odd,
		`{"error":{"code":131053}}`:                 {Verdict: channel.Refused, Code: "131053", Reason: "media_refused"},
		`{"error":{"code":190}}`:                    {Verdict: channel.ChannelDown, Code: "190", Reason: "token_expired", Cause: desk.WaitCredential},
	} {
		p := sender(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); io.WriteString(w, body) })
		_, err := p.Upload(t.Context(), account, "image", channel.File{Name: "f", ContentType: "image/png", Size: 1, Body: zeros(1)})
		if diff := cmp.Diff(&want, asError(t, err)); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

func TestCheck(t *testing.T) {
	down := func(code, reason string) channel.Error {
		return channel.Error{Verdict: channel.ChannelDown, Code: code, Reason: reason, Cause: desk.WaitCredential}
	}
	for _, tc := range []struct {
		why, body string
		status    int
		want      channel.Error // zero: they work
	}{
		{"the number itself", `{"id":"200000000000001"}`, 200, channel.Error{}},
		{"a number for an id", `{"id":200000000000001}`, 200, channel.Error{}},
		{"another number", `{"id":"9"}`, 200, channel.Error{Verdict: channel.Later, Code: "200", Reason: "unexpected_answer", Cause: desk.WaitUnavailable}},
		{"no JSON", `ok`, 200, channel.Error{Verdict: channel.Later, Code: "200", Reason: "unexpected_answer", Cause: desk.WaitUnavailable}},
		{"a dead token", `{"error":{"code":190}}`, 401, down("190", "token_expired")},
		{"401", ``, 401, down("401", "credential_refused")},
		{"a number that is not there or not the token's", `{"error":{"code":100,"error_subcode":33}}`, 400, down("100", "account_not_found")},
		{"suspended: the token is good", `{"error":{"code":368}}`, 403, channel.Error{Verdict: channel.Later, Code: "368", Reason: "policy_block", Cause: desk.WaitSuspended}},
		{"an error of the service", ``, 503, channel.Error{Verdict: channel.Later, Code: "503", Reason: "provider_error", Cause: desk.WaitUnavailable}},
		{"too often", `{"error":{"code":4}}`, 400, channel.Error{Verdict: channel.Later, Code: "4", Reason: "rate_limited", Cause: desk.WaitRateLimited}},
	} {
		t.Run(tc.why, func(t *testing.T) {
			asked := ""
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				asked = r.Method + " " + r.URL.String() + " " + r.Header.Get("Authorization")
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			err := p.Check(t.Context(), account)
			if want := "GET /v25.0/200000000000001?fields=id Bearer " + token; asked != want {
				t.Errorf("asks %s", asked)
			}
			if tc.want.Verdict == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if diff := cmp.Diff(&tc.want, asError(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestIdsStayInTheirPlace: an id with other characters is no other path.
func TestIdsStayInTheirPlace(t *testing.T) {
	a := account
	a.Channel.PhoneNumberID, a.Channel.AccountID = "1/../2?x=y#z", "3/4"
	var asked []string
	p := sender(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		asked = append(asked, strings.SplitN(r.RequestURI, "?", 2)[0])
		io.WriteString(w, `{}`)
	})
	everyCall(t, p, a)
	for _, path := range asked {
		if !strings.HasPrefix(path, "/v25.0/1%2F..%2F2%3Fx=y%23z") && !strings.HasPrefix(path, "/v25.0/3%2F4/") {
			t.Error(path)
		}
	}
	if len(asked) != 5 {
		t.Errorf("%d requests", len(asked))
	}
}
