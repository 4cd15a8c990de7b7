package meta

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// The largest files that Meta takes (providers.md 2.4).
const (
	maxImage    = 5 << 20
	maxAudio    = 16 << 20
	maxVideo    = 16 << 20
	maxDocument = 100 << 20
	maxSticker  = 500 << 10
)

// uploadTimeout bounds the handing over of a file.
const uploadTimeout = 60 * time.Second

// Upload implements channel.Provider. Meta keeps the file for 30 days. One that is
// not of its size, or whose body breaks off, is never made of less. As nobody sees
// an uploaded file, a lost answer is Later.
func (p Provider) Upload(ctx context.Context, a channel.Account, kind string, f channel.File) (desk.MediaLink, error) {
	if _, _, err := mime.ParseMediaType(f.ContentType); err != nil {
		return desk.MediaLink{}, cloudapi.Impossible("unsupported_type")
	}
	most := map[string]int64{"image": maxImage, "audio": maxAudio, "video": maxVideo, "file": maxDocument, "document": maxDocument, "sticker": maxSticker}[kind]
	switch {
	case a.Channel.PhoneNumberID == "" || a.Credentials.AccessToken == "":
		return desk.MediaLink{}, httpsend.Unconfigured()
	case most == 0:
		return desk.MediaLink{}, cloudapi.Impossible("unsupported_type")
	case f.Size <= 0 || f.Body == nil:
		return desk.MediaLink{}, cloudapi.Impossible("media_missing")
	case f.Size > most:
		return desk.MediaLink{}, cloudapi.Impossible("media_size")
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	body := &whole{from: f.Body, left: f.Size}
	got, bad := p.call(ctx, a, uploadCall(at(a.Channel.PhoneNumberID, "media"), f, body))
	switch {
	case body.broken.Load():
		return desk.MediaLink{}, &channel.Error{Verdict: channel.Later, Code: channel.CodeNotSent, Reason: "media_unreadable", Cause: desk.WaitUnavailable}
	case bad != nil:
		return desk.MediaLink{}, httpsend.Harmless(bad)
	}
	doc, _ := strictjson.Parse(got.Body)
	if !got.OK() || doc.Get("error").Given() {
		return desk.MediaLink{}, p.refusal(got, a)
	}
	id, _ := doc.Get("id").Token()
	if id = strings.TrimSpace(id); id == "" || len(id) > cloudapi.MaxID {
		return desk.MediaLink{}, httpsend.Harmless(httpsend.Unknown(strconv.Itoa(got.Status)))
	}
	return desk.MediaLink{Kind: kind, ID: id, ContentType: f.ContentType, Name: f.Name}, nil
}

// uploadCall is a form of a known length around the file, which is not copied.
func uploadCall(path string, f channel.File, body io.Reader) request {
	var head, tail bytes.Buffer
	form := multipart.NewWriter(&head) // writes to memory: no errors
	_ = form.WriteField("messaging_product", "whatsapp")
	_ = form.WriteField("type", f.ContentType)
	_, _ = form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", cmp.Or(f.Name, "file"))},
		"Content-Type":        {f.ContentType},
	})
	tail.WriteString("\r\n--" + form.Boundary() + "--\r\n")
	return request{
		method: http.MethodPost, path: path, contentType: form.FormDataContentType(),
		size: int64(head.Len()) + f.Size + int64(tail.Len()),
		body: io.MultiReader(&head, body, &tail),
	}
}

// whole reads exactly left bytes: fewer or more are an error, which cuts the
// request off.
type whole struct {
	from   io.Reader
	left   int64
	broken atomic.Bool
}

var errSize = errors.New("file: not of the size that was announced")

func (w *whole) Read(b []byte) (int, error) {
	n, err := w.read(b)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader returns io.EOF itself
		w.broken.Store(true)
	}
	return n, err
}

func (w *whole) read(b []byte) (int, error) {
	if w.left == 0 {
		if _, err := io.ReadFull(w.from, make([]byte, 1)); !errors.Is(err, io.EOF) {
			return 0, errSize
		}
		return 0, io.EOF
	}
	n, err := w.from.Read(b[:min(int64(len(b)), w.left)])
	w.left -= int64(n)
	if errors.Is(err, io.EOF) {
		if err = nil; w.left > 0 { // else the next call looks whether there is more
			err = errSize
		}
	}
	return n, err
}
