package s3

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash/crc64"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"buzon/internal/blob"
	"buzon/internal/blob/blobtest"
)

// poster is what S3 is to forms: it checks their policy as the developer guide
// says ("POST Policy", "Calculating a Signature"), in words that S3 was seen to
// use, and takes a form that is used again.
type poster struct {
	mu      sync.Mutex
	now     time.Time
	objects map[string]kept // by key
}

type kept struct {
	body   []byte
	header http.Header
}

func (p *poster) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *poster) advance(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

func (p *poster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/files/")
	object, ok := p.objects[key]
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/files":
		if status, code := p.post(r); code != "" {
			refuse(w, status, code)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut && ok:
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case r.Method == http.MethodGet && !ok:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	case r.Method == http.MethodGet:
		maps.Copy(w.Header(), object.header)
		w.Header().Set("Content-Length", strconv.Itoa(len(object.body)))
		w.Write(object.body)
	case r.Method == http.MethodDelete:
		delete(p.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	}
}

// post stores the file of a form, or says why not.
func (p *poster) post(r *http.Request) (int, string) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "multipart/form-data" {
		return http.StatusPreconditionFailed, "PreconditionFailed"
	}
	fields, file, err := parts(r)
	if err != nil {
		return http.StatusBadRequest, "MalformedPOSTRequest"
	}
	absent := 0
	proof := []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}
	for _, name := range proof {
		if _, ok := fields[name]; !ok {
			absent++
		}
	}
	switch _, hasKey := fields["key"]; {
	case !hasKey || absent > 0 && absent < len(proof):
		return http.StatusBadRequest, "InvalidArgument"
	case absent > 0:
		return http.StatusForbidden, "AccessDenied"
	}
	scope := strings.Split(fields["x-amz-credential"], "/")
	if len(scope) != 5 || scope[0] != "AKID" || fields["x-amz-algorithm"] != "AWS4-HMAC-SHA256" {
		return http.StatusForbidden, "InvalidAccessKeyId"
	}
	sum := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	signing := sum(sum(sum(sum([]byte("AWS4secret"), scope[1]), scope[2]), scope[3]), scope[4])
	if hex.EncodeToString(sum(signing, fields["policy"])) != fields["x-amz-signature"] {
		return http.StatusForbidden, "SignatureDoesNotMatch"
	}
	if status, code := p.evaluate(fields, int64(len(file))); code != "" {
		return status, code
	}
	check := binary.BigEndian.AppendUint64(nil, crc64.Checksum(file, crc64.MakeTable(0x9a6c9329ac4bc9b5)))
	p.objects[fields["key"]] = kept{file, http.Header{
		"Content-Type": {fields["content-type"]}, "X-Amz-Checksum-Crc64nvme": {base64.StdEncoding.EncodeToString(check)}, "X-Amz-Checksum-Type": {"FULL_OBJECT"},
	}}
	return http.StatusNoContent, ""
}

// parts reads a form to the end of its file.
func parts(r *http.Request) (fields map[string]string, file []byte, err error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, nil, err
	}
	fields = map[string]string{}
	for {
		part, err := form.NextPart()
		if err != nil {
			return nil, nil, err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, nil, err
		}
		if part.FormName() == "file" {
			return fields, value, nil
		}
		fields[strings.ToLower(part.FormName())] = string(value)
	}
}

// evaluate holds a form to its policy.
func (p *poster) evaluate(fields map[string]string, size int64) (int, string) {
	text, err := base64.StdEncoding.DecodeString(fields["policy"])
	var policy struct {
		Expiration time.Time
		Conditions []json.RawMessage
	}
	if err != nil || json.Unmarshal(text, &policy) != nil {
		return http.StatusBadRequest, "InvalidPolicyDocument"
	}
	if !p.now.Before(policy.Expiration) {
		return http.StatusForbidden, "AccessDenied"
	}
	covered := map[string]bool{"policy": true, "x-amz-signature": true}
	given := maps.Clone(fields)
	given["bucket"] = "files"
	for _, condition := range policy.Conditions {
		var pair map[string]string
		var list []any
		if json.Unmarshal(condition, &pair) == nil && len(pair) == 1 {
			for name, want := range pair {
				covered[name] = true
				if got, ok := given[name]; !ok || got != want {
					return http.StatusForbidden, "AccessDenied"
				}
			}
			continue
		}
		if json.Unmarshal(condition, &list) != nil || len(list) != 3 || list[0] != "content-length-range" {
			return http.StatusBadRequest, "InvalidPolicyDocument"
		}
		switch {
		case size < int64(list[1].(float64)):
			return http.StatusBadRequest, "EntityTooSmall"
		case size > int64(list[2].(float64)):
			return http.StatusBadRequest, "EntityTooLarge"
		}
	}
	for name := range fields {
		if !covered[name] {
			return http.StatusForbidden, "AccessDenied"
		}
	}
	return http.StatusOK, ""
}

// TestForms: what a form of this store says is what S3 checks.
func TestForms(t *testing.T) {
	blobtest.Forms(t, func(t *testing.T) blobtest.Subject {
		p := &poster{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), objects: map[string]kept{}}
		server := httptest.NewServer(p)
		t.Cleanup(server.Close)
		at := service(server.URL, keys)
		at.HTTP, at.Now = server.Client(), p.Now
		return blobtest.Subject{Store: New(at, "files", Options{PathStyle: true}), Client: server.Client(), Advance: p.advance}
	})
}

// TestFormAddresses: where a form is posted, with which keys and until when.
func TestFormAddresses(t *testing.T) {
	plain := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
	})
	now := func() time.Time { return time.Date(2026, 3, 1, 13, 0, 0, 1_234_567, time.FixedZone("", 3600)) }
	for _, c := range []struct {
		say           string
		inside, links string
		keys          aws.CredentialsProvider
		o             Options
		want, token   string
	}{
		{"a bucket of AWS", "https://files.s3.eu-west-1.amazonaws.com", "", keys, Options{}, "https://files.s3.eu-west-1.amazonaws.com/", "session"},
		{"an engine", "http://172.17.0.1:7070", "", plain, Options{PathStyle: true}, "http://172.17.0.1:7070/files", ""},
		{"the public address, if there is another", "http://172.17.0.1:7070", "https://files.example.com", plain, Options{PathStyle: true}, "https://files.example.com/files", ""},
	} {
		at := service(c.inside, c.keys)
		at.Now = now
		if c.links != "" {
			c.o.Links = service(c.links, c.keys)
			c.o.Links.Now = now
		}
		f, err := New(at, "files", c.o).Form(t.Context(), "t/a", blob.Upload{ContentType: "image/png", MinBytes: 1, MaxBytes: 2 << 20, Expires: blob.MaxForm})
		if err != nil {
			t.Fatal(err)
		}
		token, hasToken := f.Fields["x-amz-security-token"]
		if f.URL != c.want || token != c.token || hasToken != (c.token != "") || f.Fields["success_action_status"] != "204" {
			t.Errorf("%s: %s %v", c.say, f.URL, f.Fields)
		}
		if want := time.Date(2026, 3, 1, 12, 15, 0, 1_000_000, time.UTC); !f.ExpiresAt.Equal(want) {
			t.Errorf("%s: until %s", c.say, f.ExpiresAt)
		}
		policy, err := base64.StdEncoding.DecodeString(f.Fields["policy"])
		if err != nil || !bytes.Contains(policy, []byte(`{"bucket":"files"}`)) || !bytes.Contains(policy, []byte(`["content-length-range",1,2097152]`)) || !bytes.Contains(policy, []byte(`"2026-03-01T12:15:00.001Z"`)) {
			t.Errorf("%s: %s, %v", c.say, policy, err)
		}
		for _, value := range f.Fields {
			if strings.Contains(value, "secret") {
				t.Errorf("%s: %v", c.say, f.Fields)
			}
		}
	}
}

// TestAnObjectThatCameByAFormIsChecked by the hash that S3 made of it.
func TestAnObjectThatCameByAFormIsChecked(t *testing.T) {
	for _, c := range []struct {
		say, body, sum string
		opens, whole   bool
	}{
		{"the check value of CRC-64/NVME", "123456789", "rosUhgp5mIg=", true, true},
		{"other bytes", "123456780", "rosUhgp5mIg=", true, false},
		{"a part of it", "12345678", "rosUhgp5mIg=", true, false},
		{"no hash", "123456789", "", false, false},
		{"half of one", "123456789", "rosUhg==", false, false},
		{"none that can be read", "123456789", "%", false, false},
	} {
		p := &poster{objects: map[string]kept{"a": {[]byte(c.body), http.Header{"X-Amz-Checksum-Crc64nvme": {c.sum}, "Content-Type": {"a/b"}}}}}
		server := httptest.NewServer(p)
		r, info, err := New(service(server.URL, keys), "files", Options{PathStyle: true}).Get(t.Context(), "a")
		if (err == nil) != c.opens {
			t.Errorf("%s: %v", c.say, err)
		}
		if err == nil {
			_, err = io.ReadAll(r)
			if (err == nil) != c.whole || info != (blob.Info{Size: int64(len(c.body)), ContentType: "a/b"}) {
				t.Errorf("%s: %+v, %v", c.say, info, err)
			}
			r.Close()
		}
		server.Close()
	}
}
