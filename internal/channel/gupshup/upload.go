package gupshup

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// Limits of a file that is handed to Gupshup, and of what it says of it.
const (
	maxUpload = 16 << 20 // bytes: WhatsApp's limit for video (providers.md 2.4)
	maxURL    = 2048     // bytes of an address
)

// Upload implements channel.Provider: the self-serve media upload (providers.md
// 1.10). The file is read whole first, so that one that breaks off is never half
// sent. Nobody sees a file that was uploaded twice, so a lost answer is Later.
func (p Provider) Upload(ctx context.Context, a channel.Account, kind string, f channel.File) (desk.MediaLink, error) {
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	m, err := p.upload(ctx, a, f)
	if err != nil {
		return desk.MediaLink{}, err
	}
	m.Kind, m.Name, m.ContentType = kind, f.Name, f.ContentType
	return m, nil
}

func (p Provider) upload(ctx context.Context, a channel.Account, f channel.File) (desk.MediaLink, *channel.Error) {
	if a.Channel.AppID == "" || a.Credentials.APIKey == "" {
		return desk.MediaLink{}, httpsend.Unconfigured()
	}
	contentType, body, bad := multipartFile(f)
	if bad != nil {
		return desk.MediaLink{}, bad
	}
	path := "/wa/" + url.PathEscape(a.Channel.AppID) + "/wa/media/v2"
	got, bad := p.call(ctx, a, http.MethodPost, path, contentType, body, httpsend.MaxAnswer)
	if bad != nil {
		return desk.MediaLink{}, httpsend.Harmless(bad)
	}
	m, bad := p.uploaded(got, a)
	return m, httpsend.Harmless(bad)
}

// multipartFile is a form with the one field that Gupshup takes, file.
func multipartFile(f channel.File) (contentType string, body []byte, err *channel.Error) {
	switch {
	case f.Size <= 0:
		return "", nil, cloudapi.Impossible("media_missing")
	case f.Size > maxUpload:
		return "", nil, cloudapi.Impossible("media_size")
	}
	var b bytes.Buffer
	b.Grow(int(f.Size) + 1<<10)
	w := multipart.NewWriter(&b)
	part, _ := w.CreatePart(textproto.MIMEHeader{ // a bytes.Buffer takes everything
		"Content-Disposition": {multipart.FileContentDisposition("file", cmp.Or(f.Name, "file"))},
		"Content-Type":        {cmp.Or(f.ContentType, "application/octet-stream")},
	})
	n, failed := io.Copy(part, io.LimitReader(f.Body, f.Size+1))
	if failed != nil || n != f.Size {
		return "", nil, &channel.Error{Verdict: channel.Later, Code: channel.CodeNotSent, Reason: "media_unreadable", Cause: desk.WaitUnavailable}
	}
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes(), nil
}

// uploaded is where Gupshup has put a file.
func (p Provider) uploaded(got httpsend.Answer, a channel.Account) (desk.MediaLink, *channel.Error) {
	doc, _ := strictjson.Parse(got.Body)
	status, _ := doc.Get("status").Text()
	if !got.OK() || status == "error" {
		return desk.MediaLink{}, p.refusal(got, a, "")
	}
	link, _ := doc.Path("media", "url").Text()
	id, _ := doc.Path("media", "id").Token()
	m := desk.MediaLink{URL: strings.TrimSpace(link), ID: strings.TrimSpace(id)}
	if len(m.ID) > cloudapi.MaxID {
		m.ID = ""
	}
	if u, err := url.Parse(m.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(m.URL) > maxURL {
		m.URL = ""
	}
	if status != "success" || m.URL == "" && m.ID == "" {
		return desk.MediaLink{}, httpsend.Unknown(strconv.Itoa(got.Status))
	}
	return m, nil
}
