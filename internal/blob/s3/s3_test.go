package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"buzon/internal/blob"
	"buzon/internal/fault"
	"buzon/internal/signed"
)

// bucket is S3 with one object at most, in the words of AWS. It does what is
// planned for its next requests first.
type bucket struct {
	mu       sync.Mutex
	plan     []answer
	body     []byte
	header   http.Header // of the put that stored it
	requests int
	chunked  bool // objects come without a length
}

// answer to a request instead of the one it should get; with status 0 the
// connection ends without one.
type answer struct {
	applied bool // but the request has its effect
	status  int
	code    string
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	if len(b.plan) == 0 {
		b.serve(w, r)
		return
	}
	next := b.plan[0]
	b.plan = b.plan[1:]
	if next.applied {
		b.serve(httptest.NewRecorder(), r)
	}
	if next.status == 0 {
		panic(http.ErrAbortHandler)
	}
	refuse(w, next.status, next.code)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "4442587FB7D0A2F9")
	w.WriteHeader(status)
	if code != "" {
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>text of S3</Message><Resource>/files/a</Resource></Error>`, code)
	}
}

func (b *bucket) serve(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPut:
		body, err := io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		switch {
		case err != nil || r.ContentLength != int64(len(body)):
			refuse(w, 400, "IncompleteBody")
		case r.Header.Get("X-Amz-Checksum-Sha256") != base64.StdEncoding.EncodeToString(sum[:]):
			refuse(w, 400, "BadDigest")
		case r.Header.Get("If-None-Match") == "*" && b.header != nil:
			refuse(w, 412, "PreconditionFailed")
		default:
			b.body, b.header = body, r.Header
		}
	case http.MethodGet:
		if b.header == nil {
			refuse(w, 404, "NoSuchKey")
			return
		}
		w.Header().Set("Content-Type", b.header.Get("Content-Type"))
		if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
			w.Header().Set("X-Amz-Checksum-Sha256", b.header.Get("X-Amz-Checksum-Sha256"))
		}
		if b.chunked {
			w.(http.Flusher).Flush()
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(len(b.body)))
		}
		w.Write(b.body)
	case http.MethodDelete:
		b.body, b.header = nil, nil
		w.WriteHeader(http.StatusNoContent)
	}
}

// open starts the bucket, and a store.
func open(t *testing.T, b *bucket, secure bool) *Store {
	t.Helper()
	server := httptest.NewUnstartedServer(b)
	server.Config.ErrorLog = nil
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	at := service(server.URL, keys)
	at.HTTP = server.Client()
	at.Pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return New(at, "files", Options{PathStyle: true})
}

var keys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "session"}, nil
})

// TestRefusals holds what S3 answers to what the caller is told.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		say    string
		status int
		code   string
		want   error // nil: none of the kinds
	}{
		{"no such bucket", 404, "NoSuchBucket", &fault.Missing{What: "bucket files"}},
		{"slow down", 503, "SlowDown", fault.Busy},
		{"not there for the moment", 503, "ServiceUnavailable", fault.Busy},
		{"too many requests", 429, "TooManyRequests", fault.Busy},
		{"throttled", 400, "ThrottlingException", fault.Busy},
		{"there is one", 412, "PreconditionFailed", fault.Conflict},
		{"another operation is under way, again and again", 409, "ConditionalRequestConflict", fault.Busy},
		{"not allowed, or not there and listing not allowed", 403, "AccessDenied", nil},
		{"an unknown outcome", 500, "InternalError", nil},
		{"no words at all", 500, "", nil},
		{"a conflict of another sort", 409, "OperationAborted", nil},
		{"another thing that is not there", 404, "NoSuchUpload", nil},
	} {
		b := &bucket{}
		s := open(t, b, false)
		for what, do := range map[string]func() error{
			"put":    func() error { return s.Put(t.Context(), "a", "", strings.NewReader("canary")) },
			"delete": func() error { return s.Delete(t.Context(), "a") },
			"get":    func() error { _, _, err := s.Get(t.Context(), "a"); return err },
		} {
			b.plan = slices.Repeat([]answer{{status: c.status, code: c.code}}, maxPuts)
			err := do()
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %s: error %v", c.say, what, err)
				continue
			}
			var gone, wanted *fault.Missing
			isMissing, wantMissing := errors.As(err, &gone), errors.As(c.want, &wanted)
			if isMissing != wantMissing || isMissing && *gone != *wanted {
				t.Errorf("%s: %s: error %v, want %v", c.say, what, err, c.want)
			}
			for _, kind := range []fault.Kind{fault.Busy, fault.Conflict, fault.Invalid, fault.NotFound, fault.Forbidden} {
				if want := c.want != nil && errors.Is(c.want, kind); errors.Is(err, kind) != want {
					t.Errorf("%s: %s: error %v, %s: want %v", c.say, what, err, kind, want)
				}
			}
		}
	}
}

// TestPutUnderWay: what S3 does not answer cleanly ends as the contract says.
func TestPutUnderWay(t *testing.T) {
	for _, c := range []struct {
		say    string
		plan   []answer
		want   error
		stored string
		puts   int
	}{
		{"412 after one's own write, whose answer was lost", []answer{{applied: true}}, fault.Conflict, "mine", 2},
		{"likewise after a 500", []answer{{applied: true, status: 500, code: "InternalError"}}, fault.Conflict, "mine", 2},
		{"answers that are lost, all of them", slices.Repeat([]answer{{}}, signed.MaxAttempts), io.EOF, "", signed.MaxAttempts},
		{"another operation was under way: again, whole", []answer{{status: 409, code: "ConditionalRequestConflict"}}, nil, "mine", 2},
		{"and it was somebody's put", []answer{{status: 409, code: "ConditionalRequestConflict", applied: true}}, fault.Conflict, "mine", 2},
		{"under way for long", slices.Repeat([]answer{{status: 409, code: "ConditionalRequestConflict"}}, maxPuts), fault.Busy, "", maxPuts},
		{"almost too long", slices.Repeat([]answer{{status: 409, code: "ConditionalRequestConflict"}}, maxPuts-1), nil, "mine", maxPuts},
		{"slow down, once", []answer{{status: 503, code: "SlowDown"}}, nil, "mine", 2},
	} {
		b := &bucket{plan: c.plan}
		s := open(t, b, false)
		err := s.Put(t.Context(), "a", "text/plain", strings.NewReader("mine"))
		b.mu.Lock()
		if !errors.Is(err, c.want) || string(b.body) != c.stored || b.requests != c.puts {
			t.Errorf("%s: %v, %q stored by %d puts", c.say, err, b.body, b.requests)
		}
		b.mu.Unlock()
		if errors.Is(c.want, io.EOF) && (errors.Is(err, fault.Busy) || errors.Is(err, fault.Conflict)) {
			t.Errorf("%s: %v, which says too much", c.say, err)
		}
	}
}

// TestOnTheWire holds what is sent over http and https: a known length, no
// chunks, the hash for S3 to check, no header of encryption.
func TestOnTheWire(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 1<<20)
	for _, secure := range []bool{false, true} {
		b := &bucket{}
		s := open(t, b, secure)
		if err := s.Put(t.Context(), "a", "text/plain", bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.body, body) || b.header.Get("Content-Type") != "text/plain" {
			t.Errorf("secure %v: %d bytes, %v", secure, len(b.body), b.header)
		}
		for name := range b.header {
			if strings.HasPrefix(name, "X-Amz-Server-Side") || name == "X-Amz-Trailer" || name == "Content-Encoding" || name == "X-Amz-Acl" {
				t.Errorf("secure %v: header %s", secure, name)
			}
		}
		r, info, err := s.Get(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, body) || info != (blob.Info{Size: 1 << 20, SHA256: sha256.Sum256(body), ContentType: "text/plain"}) {
			t.Errorf("secure %v: %d bytes, %+v, %v", secure, len(got), info, err)
		}
		r.Close()
	}
}

func TestDamageIsAnError(t *testing.T) {
	b := &bucket{}
	s := open(t, b, false)
	if err := s.Put(t.Context(), "a", "", strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	b.body = []byte("jello")
	r, _, err := s.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); err == nil {
		t.Error("other bytes were read without an error")
	}
}

func TestAnObjectWithoutALengthIsAnError(t *testing.T) {
	b := &bucket{chunked: true}
	s := open(t, b, false)
	if err := s.Put(t.Context(), "a", "", strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	if _, info, err := s.Get(t.Context(), "a"); err == nil {
		t.Errorf("%+v", info)
	}
}

func TestAnObjectWithoutAHashIsAnError(t *testing.T) {
	for _, sum := range []string{"", "c2hvcnQ=", "3zZq5OfE7nGmjiDh1kVQXIpgwgZO1pCxRbNzCBLa2Eo=-3", "%"} {
		b := &bucket{body: []byte("x"), header: http.Header{"X-Amz-Checksum-Sha256": {sum}}}
		_, _, err := open(t, b, false).Get(t.Context(), "a")
		if err == nil || errors.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", sum, err)
		}
	}
}

// TestLinks holds where a link leads and what it says.
func TestLinks(t *testing.T) {
	inside, outside := service("http://172.17.0.1:7070", keys), service("https://files.example.com", keys)
	for _, c := range []struct {
		say  string
		link *signed.Service
		d    blob.Download
		want string // the address
		life string
		name string
		kind []string
	}{
		{"the public address, if there is another", outside, blob.Download{FileName: "Número.pdf", ContentType: "application/pdf", Expires: blob.MaxLink},
			"https://files.example.com/files/t/a(1)", "300", "Número.pdf", []string{"application/pdf"}},
		{"else the store's own", nil, blob.Download{FileName: "a.txt", Expires: time.Second}, "http://172.17.0.1:7070/files/t/a(1)", "1", "a.txt", nil},
		{"a part of a second is a whole one", nil, blob.Download{FileName: "a.txt", Expires: time.Minute + 1}, "http://172.17.0.1:7070/files/t/a(1)", "61", "a.txt", nil},
		{"less than a second is one", nil, blob.Download{FileName: "a.txt", Expires: 1}, "http://172.17.0.1:7070/files/t/a(1)", "1", "a.txt", nil},
	} {
		address, err := New(inside, "files", Options{Links: c.link, PathStyle: true}).Link(t.Context(), "t/a(1)", c.d)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if got := u.Scheme + "://" + u.Host + u.Path; got != c.want || q.Get("X-Amz-Expires") != c.life ||
			q.Get("response-content-disposition") != blob.Attachment(c.name) || !slices.Equal(q["response-content-type"], c.kind) {
			t.Errorf("%s: %s", c.say, address)
		}
		if q.Get("X-Amz-SignedHeaders") != "host" || q.Get("X-Amz-Security-Token") != "session" || strings.Contains(address, "secret") {
			t.Errorf("%s: %s: a browser could not use it", c.say, address)
		}
	}
}
