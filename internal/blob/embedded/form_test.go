package embedded

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"buzon/internal/blob"
	"buzon/internal/blob/blobtest"
	"buzon/internal/fault"
)

const (
	edge     = "--edge\r\n"
	multi    = "multipart/form-data; boundary=edge"
	fileHead = edge + "Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"
	formEnd  = "\r\n--edge--\r\n"
)

func field(name, value string) string {
	return edge + "Content-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

// picture is a form for 3 to 5 bytes under the key a, as it is written.
func picture(t testing.TB, s *Store) string {
	t.Helper()
	f, err := s.Form(context.Background(), "a", blob.Upload{ContentType: "image/png", MinBytes: 3, MaxBytes: 5, Expires: time.Minute})
	must(t, err)
	text := ""
	for _, name := range []string{keyField, typeField, statusField, policyField, signatureField} {
		text += field(name, f.Fields[name])
	}
	return text
}

// TestFormsOverHTTP: with a server and a client between, which stop reading and
// sending at other times.
func TestFormsOverHTTP(t *testing.T) {
	blobtest.Forms(t, func(t *testing.T) blobtest.Subject {
		c, base := newClock(), ""
		s, err := Open(t.TempDir(), Options{Key: signingKey, Now: c.Now, NoSync: true, BaseURL: func() string { return base }})
		must(t, err)
		server := httptest.NewServer(s.Handler())
		t.Cleanup(server.Close)
		base = server.URL
		return blobtest.Subject{Store: s, Client: server.Client(), Advance: c.Advance}
	})
}

// counted counts what is read of a body.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counted) Close() error { return nil }

func send(s *Store, contentType string, body io.Reader) (*httptest.ResponseRecorder, int64) {
	c := &counted{Reader: body}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, prefix, nil)
	r.Body = c
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w, c.n
}

// TestPostedForms: what a form says besides what it has to, and forms that are none.
func TestPostedForms(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), c)
	good := picture(t, s)
	fill := func(length int) string {
		bare := good + field("x-ignore-a", "") + fileHead
		return good + field("x-ignore-a", strings.Repeat("x", length-len(bare))) + fileHead + "1234" + formEnd
	}
	signed := func(policy string) string {
		text := base64.StdEncoding.EncodeToString([]byte(policy))
		return field(keyField, "a") + field(policyField, text) + field(signatureField, base64.RawURLEncoding.EncodeToString(s.sign("form", text))) + fileHead + "1234" + formEnd
	}
	for _, tt := range []struct {
		say, kind, body, code string // no code: it is stored
	}{
		{"a form", multi, good + fileHead + "1234" + formEnd, ""},
		{"what follows the file is ignored", multi, good + fileHead + "1234\r\n" + field("x-amz-meta-a", "b") + "rubbish", ""},
		{"fields that are to be ignored", multi, good + field("X-Ignore-b", "c") + fileHead + "1234" + formEnd, ""},
		{"text before the form, which MIME allows", multi, "hello\r\n" + good + fileHead + "1234" + formEnd, ""},
		{"a file without a name", multi, good + field("file", "1234") + "--edge--\r\n", ""},
		{"a boundary in quotes", `multipart/form-data; charset=utf-8; boundary="edge"`, good + fileHead + "1234" + formEnd, ""},
		{"as many bytes before the file as may be", multi, fill(maxFields), ""},
		{"a byte more", multi, fill(maxFields + 1), "MaxPostPreDataLengthExceededError"},
		{"a field twice", multi, good + field("KEY", "a") + fileHead + "1234" + formEnd, "MalformedPOSTRequest"},
		{"a part without a name", multi, good + edge + "Content-Type: text/plain\r\n\r\nx\r\n" + fileHead + "1234" + formEnd, "MalformedPOSTRequest"},
		{"no file", multi, good + "--edge--\r\n", "IncorrectNumberOfFilesInPostRequest"},
		{"no file before the end of the body", multi, good, "MalformedPOSTRequest"},
		{"the file first", multi, fileHead + "1234\r\n" + good + "--edge--\r\n", "InvalidArgument"},
		{"nothing", multi, "", "IncorrectNumberOfFilesInPostRequest"},
		{"no boundary", "multipart/form-data", good + fileHead + "1234" + formEnd, "PreconditionFailed"},
		{"another kind of parts", "multipart/mixed; boundary=edge", good + fileHead + "1234" + formEnd, "PreconditionFailed"},
		{"no kind", "", good + fileHead + "1234" + formEnd, "PreconditionFailed"},
		{"a policy that is signed and none of ours", multi, signed("[]"), "InternalError"},
		{"one without an end", multi, signed(`{"fields":{"key":"a"},"max_bytes":5}`), "AccessDenied"},
	} {
		w, _ := send(s, tt.kind, strings.NewReader(tt.body))
		r, info, err := s.Get(t.Context(), "a")
		if tt.code == "" {
			if w.Code != http.StatusNoContent || err != nil || info != (blob.Info{Size: 4, ContentType: "image/png"}) {
				t.Errorf("%s: %d %s, %+v, %v", tt.say, w.Code, w.Body, info, err)
				continue
			}
			must(t, r.Close())
			must(t, s.Delete(t.Context(), "a"))
			continue
		}
		if !strings.Contains(w.Body.String(), "<Code>"+tt.code+"</Code>") || w.Code < 400 || w.Header().Get("Content-Type") != "application/xml" {
			t.Errorf("%s: %d %s", tt.say, w.Code, w.Body)
		}
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: stored: %v", tt.say, err)
		}
	}
	nothingUnfinished(t, s)
}

// nothingUnfinished holds that no upload left a file.
func nothingUnfinished(t *testing.T, s *Store) {
	t.Helper()
	left, err := os.ReadDir(s.unfinished())
	if must(t, err); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// TestFormsAreOfTheirStore: a form signed with another key is none, and a link's
// signature is no form's.
func TestFormsAreOfTheirStore(t *testing.T) {
	s, other := open(t, t.TempDir(), newClock()), open(t, t.TempDir(), newClock())
	other.key = bytes.ToUpper(signingKey)
	if w, _ := send(s, multi, strings.NewReader(picture(t, other)+fileHead+"1234"+formEnd)); !strings.Contains(w.Body.String(), "SignatureDoesNotMatch") {
		t.Errorf("another key: %d %s", w.Code, w.Body)
	}
	before, signature, _ := strings.Cut(picture(t, s), signatureField+"\"\r\n\r\n")
	broken := before + signatureField + "\"\r\n\r\n" + signature[:5] + "\n" + signature[5:]
	if w, _ := send(s, multi, strings.NewReader(broken+fileHead+"1234"+formEnd)); !strings.Contains(w.Body.String(), "SignatureDoesNotMatch") {
		t.Errorf("a line end in the signature: %d %s", w.Code, w.Body)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, prefix+"a", strings.NewReader(picture(t, s))))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("a form posted to an object: %d", w.Code)
	}
}

// TestASecondUseIsRefused, whatever it brings.
func TestASecondUseIsRefused(t *testing.T) {
	s := open(t, t.TempDir(), newClock())
	form := picture(t, s) + fileHead
	for i, want := range []int{http.StatusNoContent, http.StatusPreconditionFailed, http.StatusPreconditionFailed} {
		if w, _ := send(s, multi, strings.NewReader(form+[]string{"1234", "1234", "567"}[i]+formEnd)); w.Code != want {
			t.Errorf("use %d: %d", i+1, w.Code)
		}
	}
	nothingUnfinished(t, s)
}

// endless repeats its text without an end.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// TestT28NoMoreIsReadThanAFormAllows: of bodies without an end.
func TestT28NoMoreIsReadThanAFormAllows(t *testing.T) {
	s := open(t, t.TempDir(), newClock())
	f, err := s.Form(t.Context(), "b", blob.Upload{ContentType: "image/png", MaxBytes: 1 << 20, Expires: time.Minute})
	must(t, err)
	form := ""
	for name, value := range f.Fields {
		form += field(name, value)
	}
	for _, tt := range []struct {
		say, from, on, code string
		most                int64
	}{
		{"a file", form + fileHead, "x", "EntityTooLarge", maxFields + 1<<20 + maxTail},
		{"a file of line breaks", form + fileHead, "\r\n", "EntityTooLarge", maxFields + 1<<20 + maxTail},
		{"a file of what may be its end", form + fileHead, "\r\n--edg", "EntityTooLarge", maxFields + 1<<20 + maxTail},
		{"a field", edge + "Content-Disposition: form-data; name=\"a\"\r\n\r\n", "x", "MaxPostPreDataLengthExceededError", maxFields},
		{"a header", edge + "Content-Disposition: ", "x", "MaxPostPreDataLengthExceededError", maxFields},
		{"headers", edge, "A: b\r\n", "MaxPostPreDataLengthExceededError", maxFields},
		{"lines before the form", "", "x\r\n", "MaxPostPreDataLengthExceededError", maxFields},
		{"a form with a file that is too large and no proof", field(keyField, "b") + fileHead, "x", "AccessDenied", maxFields},
	} {
		w, n := send(s, multi, io.MultiReader(strings.NewReader(tt.from), endless(tt.on)))
		if !strings.Contains(w.Body.String(), "<Code>"+tt.code+"</Code>") || n > tt.most {
			t.Errorf("%s: %d %s after %d bytes, at most %d are read", tt.say, w.Code, w.Body, n, tt.most)
		}
	}
	nothingUnfinished(t, s)
}

// FuzzForm: whatever is posted, what is stored was allowed, and little is read and
// held for it.
func FuzzForm(f *testing.F) {
	s := open(f, f.TempDir(), newClock())
	good := picture(f, s)
	whole := good + fileHead + "1234" + formEnd
	for _, seed := range []struct{ kind, body string }{
		{multi, whole}, {multi, good + fileHead + "12345" + formEnd}, {multi, good + fileHead + "123456" + formEnd}, {multi, good},
		{multi, whole[:len(whole)-9]}, {multi, strings.Replace(whole, "image/png", "text/html", 1)}, {multi, field(keyField, "a") + whole},
		{multi, strings.ReplaceAll(whole, "\r\n", "\n")}, {`multipart/form-data; boundary="a b"`, "--a b\r\n\r\n"}, {multi, field("", "") + whole},
		{"multipart/form-data; boundary=-", strings.Repeat("--", 1000)}, {multi, strings.Repeat(edge, 3000)}, {"", ""},
	} {
		f.Add(seed.kind, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		w, n := send(s, kind, bytes.NewReader(body))
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; took > time.Second || used > 512<<10 || n > maxFields+5+maxTail {
			t.Errorf("took %s, allocated %d bytes and read %d for %d", took, used, n, len(body))
		}
		r, info, err := s.Get(t.Context(), "a")
		switch {
		case w.Code == http.StatusNoContent:
			must(t, err)
			must(t, r.Close())
			if info.Size < 3 || info.Size > 5 || info.ContentType != "image/png" {
				t.Errorf("stored: %+v", info)
			}
			must(t, s.Delete(t.Context(), "a"))
		case w.Code < 400 || w.Code >= 500 || !errors.Is(err, fault.NotFound):
			t.Errorf("%d %s, then %v", w.Code, w.Body, err)
		}
		nothingUnfinished(t, s)
	})
}
