package gupshup_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/desk"
)

func file(name, contentType string, content []byte) channel.File {
	return channel.File{Name: name, ContentType: contentType, Size: int64(len(content)), Body: bytes.NewReader(content)}
}

// TestUploadWritesWhatIsDocumented: one part, named file, with its name and type.
func TestUploadWritesWhatIsDocumented(t *testing.T) {
	tests := []struct {
		why               string
		name, contentType string
		disposition, kind string // as they arrive
	}{
		{"an image", "a.png", "image/png", `form-data; name="file"; filename="a.png"`, "image/png"},
		{"a name with quotes and lines", "a\"\r\nb.png", "image/png", `form-data; name="file"; filename="a\"%0D%0Ab.png"`, "image/png"},
		{"neither name nor type", "", "", `form-data; name="file"; filename="file"`, "application/octet-stream"},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			content := bytes.Repeat([]byte("\x00\xff\r\n--"), 1000)
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.URL.RequestURI() != pathUpload || r.Header.Get("apikey") != apiKey || r.ContentLength <= 0 {
					t.Errorf("%s %s, %d bytes", r.Method, r.URL.RequestURI(), r.ContentLength)
				}
				parts, err := r.MultipartReader()
				if err != nil {
					t.Error(err)
					return
				}
				part, err := parts.NextRawPart()
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := io.ReadAll(part)
				if !bytes.Equal(got, content) {
					t.Errorf("%d bytes arrive of %d", len(got), len(content))
				}
				if diff := cmp.Diff([]string{tc.disposition, tc.kind}, []string{part.Header.Get("Content-Disposition"), part.Header.Get("Content-Type")}); diff != "" {
					t.Error(diff)
				}
				if _, err := parts.NextPart(); err != io.EOF {
					t.Errorf("another part: %v", err)
				}
				w.Write(gupshuptest.Uploaded(tc.name, "m-1", "https://files.example/m-1"))
			})
			got, err := p.Upload(t.Context(), owner, "image", file(tc.name, tc.contentType, content))
			want := desk.MediaLink{Kind: "image", URL: "https://files.example/m-1", ID: "m-1", Name: tc.name, ContentType: tc.contentType}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// TestUploadSizes: from one byte to 16 MiB, and only what has the size it says.
func TestUploadSizes(t *testing.T) {
	const most = 16 << 20
	unreadable := &channel.Error{Verdict: channel.Later, Code: channel.CodeNotSent, Reason: "media_unreadable", Cause: desk.WaitUnavailable}
	refused := func(reason string) *channel.Error {
		return &channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: reason}
	}
	tests := []struct {
		why  string
		size int64
		body io.Reader
		want *channel.Error
	}{
		{"the smallest", 1, strings.NewReader("x"), nil},
		{"the largest", most, bytes.NewReader(make([]byte, most)), nil},
		{"too large", most + 1, strings.NewReader(""), refused("media_size")},
		{"empty", 0, strings.NewReader(""), refused("media_missing")},
		{"negative", -1, strings.NewReader(""), refused("media_missing")},
		{"shorter than it says", 3, strings.NewReader("xx"), unreadable},
		{"longer than it says", 3, strings.NewReader("xxxx"), unreadable},
		{"it breaks off", 3, iotest.ErrReader(errors.New("gone")), unreadable},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			arrived := int64(-1)
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				parts, err := r.MultipartReader()
				if err != nil {
					t.Error(err)
					return
				}
				part, err := parts.NextPart()
				if err != nil {
					t.Error(err)
					return
				}
				arrived, _ = io.Copy(io.Discard, part)
				w.Write(gupshuptest.Uploaded("x", "m", ""))
			})
			_, err := p.Upload(t.Context(), owner, "video", channel.File{Name: "x", Size: tc.size, Body: tc.body})
			if tc.want == nil {
				if err != nil || arrived != tc.size {
					t.Errorf("%d bytes arrived, %v", arrived, err)
				}
				return
			}
			if diff := cmp.Diff(tc.want, asError(t, err)); diff != "" || arrived >= 0 {
				t.Errorf("%d bytes arrived\n%s", arrived, diff)
			}
		})
	}
}

// TestUploadAnswers: address or id will do; a lost answer does no harm.
func TestUploadAnswers(t *testing.T) {
	media := func(fields string) string { return `{"status":"success","media":{` + fields + `}}` }
	odd := channel.Error{Verdict: channel.Later, Code: "200", Reason: "unexpected_answer", Cause: desk.WaitUnavailable}
	long := "https://x.example/" + strings.Repeat("a", 2048-len("https://x.example/"))
	tests := []struct {
		why     string
		status  int
		body    string
		url, id string
		want    channel.Error
	}{
		{"both", 200, media(`"fileName":"x","id":"m","url":"https://x.example/m"`), "https://x.example/m", "m", channel.Error{}},
		{"an address alone", 200, media(`"url":"http://x.example/m"`), "http://x.example/m", "", channel.Error{}},
		{"an id alone", 200, media(`"id":"m"`), "", "m", channel.Error{}},
		{"an id that is a number", 200, media(`"id":12345678901234567890`), "", "12345678901234567890", channel.Error{}},
		{"an address as long as it may be", 200, media(`"url":"` + long + `"`), long, "", channel.Error{}},
		{"a longer one", 200, media(`"url":"` + long + `a"`), "", "", odd},
		{"an id as long as it may be", 200, media(`"id":"` + strings.Repeat("m", 512) + `"`), "", strings.Repeat("m", 512), channel.Error{}},
		{"a longer one", 200, media(`"id":"` + strings.Repeat("m", 513) + `"`), "", "", odd},
		{"an address of another kind", 200, media(`"url":"file:///etc/passwd","id":"m"`), "", "m", channel.Error{}},
		{"an address without a host", 200, media(`"url":"https:///m"`), "", "", odd},
		{"an address that is none", 200, media(`"url":"https://x.example/%zz"`), "", "", odd},
		{"neither", 200, media(``), "", "", odd},
		{"blank ones", 200, media(`"url":" ","id":" "`), "", "", odd},
		{"no media", 200, `{"status":"success"}`, "", "", odd},
		{"no success", 200, `{"media":{"id":"m"}}`, "", "", odd},
		{"no JSON", 200, `OK`, "", "", odd},
		{"an error with 200", 200, `{"status":"error","message":"Invalid file"}`, "", "", channel.Error{Verdict: channel.Refused, Code: "200", Reason: "Invalid file"}},
		{"a file it cannot take", 400, `{"status":"error","code":1011,"message":"x"}`, "", "", channel.Error{Verdict: channel.Refused, Code: "1011", Reason: "media_size"}},
		{"401", 401, ``, "", "", channel.Error{Verdict: channel.ChannelDown, Code: "401", Reason: "credential_refused", Cause: desk.WaitCredential}},
		{"500", 500, ``, "", "", channel.Error{Verdict: channel.Later, Code: "500", Reason: "provider_error", Cause: desk.WaitUnavailable}},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			})
			got, err := p.Upload(t.Context(), owner, "file", file("x.pdf", "application/pdf", []byte("%PDF")))
			if tc.want.Verdict == 0 {
				want := desk.MediaLink{Kind: "file", URL: tc.url, ID: tc.id, Name: "x.pdf", ContentType: "application/pdf"}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%v\n%s", err, diff)
				}
				return
			}
			if diff := cmp.Diff(&tc.want, asError(t, err)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
