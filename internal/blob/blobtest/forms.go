package blobtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"buzon/internal/blob"
	"buzon/internal/fault"
)

// image is a form of the cases.
var image = blob.Upload{ContentType: "image/png", MinBytes: 3, MaxBytes: 5, Expires: time.Minute}

// formKey is the key of the cases' forms.
const formKey = "t/demo/u/it's(1)"

var formCases = []suiteCase{
	{"T28: a form takes what has its type and a size between both edges", func(c *check) {
		for key, body := range map[string]string{"u/3": "\x00\xff\r", "u/5": "\r\n--\n"} {
			if status, _ := c.post(c.form(key, image), "a.png", body, nil); status != http.StatusNoContent {
				c.Errorf("%d bytes: %d", len(body), status)
			}
			c.came(key, "image/png", body)
		}
		empty, large := c.form("u/0", blob.Upload{ContentType: "text/plain; charset=utf-8", MaxBytes: 1, Expires: blob.MaxForm}), strings.Repeat("0123456789abcdef", 1<<16)
		c.post(empty, "a.txt", "", nil)
		c.came("u/0", "text/plain; charset=utf-8", "")
		c.post(c.form("u/1", blob.Upload{ContentType: "a/b", MinBytes: 1 << 20, MaxBytes: 1 << 20, Expires: time.Minute}), "a", large, nil)
		c.came("u/1", "a/b", large)
	}},
	{"T28: a form takes nothing smaller or larger", func(c *check) {
		f := c.form(formKey, image)
		c.turnedDown(f, "12", nil, http.StatusBadRequest, "EntityTooSmall")
		c.turnedDown(f, "", nil, http.StatusBadRequest, "EntityTooSmall")
		c.turnedDown(f, "123456", nil, http.StatusBadRequest, "EntityTooLarge")
		c.turnedDown(f, strings.Repeat("x", 100_000), nil, http.StatusBadRequest, "EntityTooLarge")
	}},
	{"T28: a form takes its own key and type only, and no field besides", func(c *check) {
		f := c.form(formKey, image)
		for _, changed := range []map[string]string{
			{"key": "t/demo/u/other"}, {"key": formKey + "1"}, {"key": "t/demo/u/${filename}"},
			{"content-type": "text/html"}, {"content-type": "image/png; x=y"}, {"content-type": ""}, {"content-type": gone},
			{"x-amz-meta-a": "b"}, {"content-disposition": "inline"}, {"success_action_redirect": "https://example.com/"},
		} {
			c.turnedDown(f, "1234", changed, http.StatusForbidden, "AccessDenied")
		}
		c.turnedDown(f, "1234", map[string]string{"key": gone}, http.StatusBadRequest, "InvalidArgument")
		c.missing("t/demo/u/other")
		c.missing(formKey + "1")
		c.missing("t/demo/u/file")
	}},
	{"a form whose policy or signature was changed is refused", func(c *check) {
		f := c.form(formKey, image)
		text, err := base64.StdEncoding.DecodeString(f.Fields["policy"])
		c.must(err)
		for _, changed := range []string{
			strings.Replace(string(text), formKey, "t/demo/u/it's(2)", 1), strings.Replace(string(text), "5", "500", 1),
			string(text) + " ", string(text[:len(text)-1]), "",
		} {
			c.turnedDown(f, "1234", map[string]string{"policy": base64.StdEncoding.EncodeToString([]byte(changed))}, http.StatusForbidden, "SignatureDoesNotMatch")
		}
		c.turnedDown(f, "1234", map[string]string{"policy": f.Fields["policy"] + "!"}, http.StatusForbidden, "SignatureDoesNotMatch")
		other := c.form("t/demo/u/it's(2)", image).Fields["x-amz-signature"]
		for _, changed := range []string{other, f.Fields["x-amz-signature"] + "0", f.Fields["x-amz-signature"][1:], "", "%"} {
			c.turnedDown(f, "1234", map[string]string{"x-amz-signature": changed}, http.StatusForbidden, "SignatureDoesNotMatch")
		}
		c.turnedDown(f, "1234", map[string]string{"x-amz-signature": gone}, http.StatusBadRequest, "InvalidArgument")
		c.turnedDown(f, "1234", map[string]string{"policy": gone}, http.StatusBadRequest, "InvalidArgument")
	}},
	{"a form without any proof is refused", func(c *check) {
		f := c.form(formKey, image)
		f.Fields = map[string]string{"key": formKey, "content-type": "image/png"}
		c.turnedDown(f, "1234", nil, http.StatusForbidden, "AccessDenied")
	}},
	{"an expired form is refused", func(c *check) {
		u, last := image, time.Second
		if c.Waits { // its clock has whole seconds, and goes on meanwhile
			u.Expires, last = 5*time.Second, 3*time.Second
		}
		f, late := c.form("t/demo/u/1", u), c.form("t/demo/u/2", u)
		c.Advance(u.Expires - last)
		if status, _ := c.post(f, "a.png", "1234", nil); status != http.StatusNoContent {
			c.Errorf("%s before: %d", last, status)
		}
		c.Advance(last)
		c.turnedDown(late, "1234", nil, http.StatusForbidden, "AccessDenied")
		c.missing("t/demo/u/2")
	}},
	{"a form lives for MaxForm at most and takes MaxUpload at most", func(c *check) {
		for _, u := range []blob.Upload{
			{ContentType: "a/b", MaxBytes: blob.MaxUpload, Expires: blob.MaxForm},
			{ContentType: "a/b", MinBytes: blob.MaxUpload, MaxBytes: blob.MaxUpload, Expires: 1},
		} {
			c.form("a", u)
		}
		for _, u := range []blob.Upload{
			{ContentType: "a/b", MaxBytes: 1, Expires: blob.MaxForm + 1},
			{ContentType: "a/b", MaxBytes: 1},
			{ContentType: "a/b", MaxBytes: blob.MaxUpload + 1, Expires: time.Minute},
			{ContentType: "a/b", MaxBytes: 0, Expires: time.Minute},
			{ContentType: "a/b", MinBytes: 2, MaxBytes: 1, Expires: time.Minute},
			{ContentType: "a/b", MinBytes: -1, MaxBytes: 1, Expires: time.Minute},
			{ContentType: "a/$b", MaxBytes: 1, Expires: time.Minute},
			{MaxBytes: 1, Expires: time.Minute},
		} {
			_, err := c.Form(c.Context(), "a", u)
			c.refused(err, fault.Invalid)
		}
	}},
	{"a form tells its address and end", func(c *check) {
		f := c.form("a", blob.Upload{ContentType: "a/b", MaxBytes: 1, Expires: 10 * time.Minute})
		if g := c.form("b", blob.Upload{ContentType: "a/b", MaxBytes: 1, Expires: 11 * time.Minute}); g.ExpiresAt.Sub(f.ExpiresAt).Round(time.Minute) != time.Minute || f.ExpiresAt.Location() != time.UTC {
			c.Errorf("%s, then %s", f.ExpiresAt, g.ExpiresAt)
		}
		if !strings.HasPrefix(f.URL, "http") || f.Fields["key"] != "a" || f.Fields["content-type"] != "a/b" {
			c.Errorf("%+v", f)
		}
	}},
	{"T26: the name and type of the file do not count", func(c *check) {
		for i, name := range []string{"Número 三 😀.html", "../../etc/passwd", `C:\x.exe`, "cod\u202Efdp.exe", `"; filename="x`} {
			key := "u/" + strings.Repeat("x", i+1)
			if status, _ := c.post(c.form(key, image), name, "1234", nil); status != http.StatusNoContent {
				c.Errorf("%q: %d", name, status)
			}
			c.came(key, "image/png", "1234")
		}
	}},
	{"the names of fields count in any case", func(c *check) {
		f, loud := c.form(formKey, image), map[string]string{}
		for name, value := range f.Fields {
			loud[http.CanonicalHeaderKey(name)] = value
		}
		f.Fields = loud
		if status, _ := c.post(f, "a.png", "1234", nil); status != http.StatusNoContent {
			c.Errorf("status %d", status)
		}
		c.came(formKey, "image/png", "1234")
	}},
	{"T29: a form that is used again leaves one object whole", func(c *check) {
		f := c.form(formKey, image)
		c.post(f, "a.png", "first", nil)
		c.came(formKey, "image/png", "first")
		switch status, _ := c.post(f, "a.png", "2nd", nil); status {
		case http.StatusNoContent:
			c.came(formKey, "image/png", "2nd")
		case http.StatusPreconditionFailed:
			c.came(formKey, "image/png", "first")
		default:
			c.Errorf("status %d", status)
		}
	}},
	{"T29: a form that many use at once leaves one object whole", func(c *check) {
		u := blob.Upload{ContentType: "image/png", MinBytes: 10_000, MaxBytes: 10_000, Expires: time.Minute}
		f := c.form(formKey, u)
		var wg sync.WaitGroup
		stored, errs := make([]int, 8), make([]error, 8)
		for i := range stored {
			req := c.request(f, "a.png", strings.Repeat(string(rune('0'+i)), 10_000), nil)
			wg.Go(func() { stored[i], _, _, errs[i] = c.try(req) })
		}
		wg.Wait()
		c.must(errors.Join(errs...))
		r, _, err := c.Get(c.Context(), formKey)
		c.must(err)
		body, err := io.ReadAll(r)
		c.must(errors.Join(err, r.Close()))
		if len(body) != 10_000 || strings.Trim(string(body), string(body[:1])) != "" || stored[body[0]-'0'] != http.StatusNoContent {
			c.Errorf("%d bytes of several, or of none that was stored: %d", len(body), stored)
		}
	}},
	{"R9: what came by a form is not put over", func(c *check) {
		c.post(c.form(formKey, image), "a.png", "1234", nil)
		c.refused(c.Put(c.Context(), formKey, "text/plain", strings.NewReader("other")), fault.Conflict)
		c.came(formKey, "image/png", "1234")
	}},
	{"what came by a form downloads by a link and can be deleted", func(c *check) {
		c.post(c.form(formKey, image), "a.png", "1234", nil)
		link := c.link(formKey, blob.Download{FileName: "x.png", Expires: time.Minute})
		if status, h, body := c.fetch(link); status != http.StatusOK || body != "1234" || h.Get("Content-Type") != "image/png" {
			c.Errorf("%d %q", status, body)
		}
		c.must(c.Delete(c.Context(), formKey))
		c.missing(formKey)
	}},
	{"what is no form is refused", func(c *check) {
		f := c.form(formKey, image)
		req, err := http.NewRequestWithContext(c.Context(), http.MethodPost, f.URL, strings.NewReader("key=a"))
		c.must(err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if status, _, body := c.do(req); status != http.StatusPreconditionFailed || !strings.Contains(body, "<Code>PreconditionFailed</Code>") {
			c.Errorf("%d %s", status, body)
		}
	}},
	{"a form that breaks off leaves nothing", func(c *check) {
		f := c.form(formKey, image)
		kind, whole := encode(f.Fields, "a.png", "1234")
		end := bytes.LastIndex(whole, []byte("1234"))
		for _, length := range []int{len(whole) - len("-") - len("--\r\n"), end + 10, end + 4, end + 3, end - 10, end / 2, 0} {
			req, err := http.NewRequestWithContext(c.Context(), http.MethodPost, f.URL, bytes.NewReader(whole[:length]))
			c.must(err)
			req.Header.Set("Content-Type", kind)
			if status, _, body := c.do(req); status < 400 {
				c.Errorf("%d bytes of %d: %d %s", length, len(whole), status, body)
			}
			c.missing(formKey)
		}
	}},
}

// gone stands for a field that is not sent.
const gone = "\x00gone"

func (c *check) form(key string, u blob.Upload) blob.Form {
	c.Helper()
	f, err := c.Form(c.Context(), key, u)
	c.must(err)
	return f
}

// request is the form with some fields changed, on its way.
func (c *check) request(f blob.Form, fileName, body string, changed map[string]string) *http.Request {
	c.Helper()
	fields := maps.Clone(f.Fields)
	maps.Copy(fields, changed)
	maps.DeleteFunc(fields, func(_, value string) bool { return value == gone })
	kind, text := encode(fields, fileName, body)
	req, err := http.NewRequestWithContext(c.Context(), http.MethodPost, f.URL, bytes.NewReader(text))
	c.must(err)
	req.Header.Set("Content-Type", kind)
	return req
}

func (c *check) post(f blob.Form, fileName, body string, changed map[string]string) (int, string) {
	c.Helper()
	status, _, answer := c.do(c.request(f, fileName, body, changed))
	return status, answer
}

// encode writes a form as browsers do, the file last and of another type than it
// says elsewhere.
func encode(fields map[string]string, fileName, body string) (contentType string, text []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range fields {
		// A buffer takes everything, here and below.
		_ = w.WriteField(name, value)
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, "%22").Replace(fileName)
	part, _ := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="` + quoted + `"`}, "Content-Type": {"text/html"},
	})
	_, _ = io.WriteString(part, body)
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes()
}

// turnedDown posts a form that has to be refused with that code of S3, and leaves
// nothing under its key.
func (c *check) turnedDown(f blob.Form, body string, changed map[string]string, status int, code string) {
	c.Helper()
	if got, answer := c.post(f, "file", body, changed); got != status || !strings.Contains(answer, "<Code>"+code+"</Code>") {
		c.Errorf("%d bytes, %q: %d %s, want %d %s", len(body), changed, got, answer, status, code)
	}
	c.missing(formKey)
}

// came holds what is stored to what came by a form.
func (c *check) came(key, contentType, want string) {
	c.Helper()
	r, info, err := c.Get(c.Context(), key)
	c.must(err)
	body, err := io.ReadAll(r)
	c.must(errors.Join(err, r.Close()))
	if string(body) != want || info != (blob.Info{Size: int64(len(want)), ContentType: contentType}) {
		c.Errorf("got %d bytes, %+v; want %d, %s, without a hash", len(body), info, len(want), contentType)
	}
}
