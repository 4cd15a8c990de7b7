// Package s3 keeps files in a bucket of Amazon S3.
package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"buzon/internal/blob"
	"buzon/internal/fault"
	"buzon/internal/signed"
)

// maxPuts is how often a Put is tried while S3 tells of another operation under
// way on the same key.
const maxPuts = 3

// Options of New.
type Options struct {
	// Links signs links, where their address is not the one that the store itself
	// uses; nil: the store's service. Nothing is sent by it.
	Links *signed.Service
	// PathStyle: the bucket is the first part of the path, as engines want it; else
	// the services' addresses hold it, "https://<bucket>.s3.<region>.amazonaws.com".
	PathStyle bool
}

// Store is one bucket. Objects are encrypted as the bucket says. It is safe for
// use by several goroutines.
//
// Its role needs s3:ListBucket on the bucket besides what it does to objects:
// without it S3 answers for an object that is not there as for one that is
// forbidden.
//
// Every method gives a *fault.Missing if there is no such bucket and a
// fault.Busy if S3 refused for the moment.
type Store struct {
	service, links *signed.Service
	bucket         string
	pathStyle      bool
}

var _ blob.Store = (*Store)(nil)

// New is the store in that bucket.
func New(service *signed.Service, bucket string, o Options) *Store {
	return &Store{service: service, links: cmp.Or(o.Links, service), bucket: bucket, pathStyle: o.PathStyle}
}

func (s *Store) path(key string) string {
	if s.pathStyle {
		return "/" + s.bucket + "/" + key
	}
	return "/" + key
}

// Put implements [blob.Store]. It reads body twice: for the hash, by which S3
// checks what arrives, and to send it. The largest body is 5 GiB, one PutObject.
func (s *Store) Put(ctx context.Context, key, contentType string, body io.ReadSeeker) error {
	if err := blob.ValidKey(key); err != nil {
		return err
	}
	contentType = cmp.Or(contentType, blob.DefaultType)
	if err := blob.ValidType(contentType); err != nil {
		return err
	}
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("object %s: %w", key, err)
	}
	rest := &from{body, start}
	digest := sha256.New()
	if _, err := io.Copy(digest, body); err != nil {
		return fmt.Errorf("object %s: %w", key, err)
	}
	sum := digest.Sum(nil)
	call := signed.Call{Method: http.MethodPut, Path: s.path(key), Body: rest, SHA256: sum, Header: http.Header{
		"Content-Type":          {contentType},
		"If-None-Match":         {"*"},
		"X-Amz-Checksum-Sha256": {base64.StdEncoding.EncodeToString(sum)},
	}}
	for tries := 1; ; tries++ {
		resp, err := s.service.Do(ctx, call)
		if err == nil {
			return resp.Body.Close()
		}
		if !crossed(err) || tries == maxPuts {
			return s.explain(key, "put", err)
		}
	}
}

// from is what follows start in a body.
type from struct {
	io.ReadSeeker
	start int64
}

func (f *from) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		offset += f.start
	}
	at, err := f.ReadSeeker.Seek(offset, whence)
	return at - f.start, err
}

// crossed tells that another operation on the key was under way, such as its
// deletion: nothing was stored, and there need not be an object. The same Put
// again ends as stored or as 412 (S3 user guide, "conditional-writes").
func crossed(err error) bool {
	var refusal *signed.Error
	return errors.As(err, &refusal) && refusal.Code == "ConditionalRequestConflict"
}

// Get implements [blob.Store]. A body that does not have its hash ends in an
// error instead of io.EOF.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if err := blob.ValidKey(key); err != nil {
		return nil, blob.Info{}, err
	}
	resp, err := s.service.Do(ctx, signed.Call{
		Method: http.MethodGet, Path: s.path(key), Header: http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}},
	})
	if err != nil {
		return nil, blob.Info{}, s.explain(key, "get", err)
	}
	info := blob.Info{Size: resp.ContentLength, ContentType: resp.Header.Get("Content-Type")}
	body := &checked{ReadCloser: resp.Body}
	sum := resp.Header.Get("X-Amz-Checksum-Sha256")
	if sum != "" {
		body.hash = sha256.New()
	} else {
		sum, body.hash = resp.Header.Get("X-Amz-Checksum-Crc64nvme"), crc64.New(nvme)
	}
	body.want, err = base64.StdEncoding.DecodeString(sum)
	if err != nil || len(body.want) != body.hash.Size() || info.Size < 0 {
		return nil, blob.Info{}, errors.Join(fmt.Errorf("object %s: stored without its size or hash", key), resp.Body.Close())
	}
	if len(body.want) == len(info.SHA256) {
		info.SHA256 = [sha256.Size]byte(body.want)
	}
	return body, info, nil
}

// nvme is the table of the checksum that S3 makes of an object that came without
// one, as from a form (S3 user guide, "checking object integrity").
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// checked is a body that ends in an error if it does not have its hash.
type checked struct {
	io.ReadCloser
	hash hash.Hash
	want []byte
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.hash.Write(p[:n])
	if errors.Is(err, io.EOF) && !bytes.Equal(c.hash.Sum(nil), c.want) {
		return n, errors.New("object is not what was stored: its hash differs")
	}
	return n, err
}

// Delete implements [blob.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := blob.ValidKey(key); err != nil {
		return err
	}
	resp, err := s.service.Do(ctx, signed.Call{Method: http.MethodDelete, Path: s.path(key)})
	if err == nil {
		return resp.Body.Close()
	}
	if err = s.explain(key, "delete", err); errors.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Link implements [blob.Store]. It asks nobody: the object need not be there.
// S3 counts whole seconds, of which a part is one. A link ends with the
// credentials that signed it, should they end before.
func (s *Store) Link(ctx context.Context, key string, d blob.Download) (string, error) {
	if err := blob.ValidKey(key); err != nil {
		return "", err
	}
	if err := d.Valid(); err != nil {
		return "", fmt.Errorf("link to %s: %w", key, err)
	}
	q := url.Values{"response-content-disposition": {blob.Attachment(d.FileName)}}
	if d.ContentType != "" {
		q.Set("response-content-type", d.ContentType)
	}
	life := (d.Expires + time.Second - 1).Truncate(time.Second)
	address, err := s.links.Address(ctx, signed.Call{Method: http.MethodGet, Path: s.path(key), Query: q}, life)
	if err != nil {
		return "", fmt.Errorf("link to %s: %w", key, err)
	}
	return address, nil
}

// Form implements [blob.Store]. It asks nobody. A form ends with the credentials
// that signed it, should they end before; their role needs s3:PutObject.
func (s *Store) Form(ctx context.Context, key string, u blob.Upload) (blob.Form, error) {
	if err := blob.ValidKey(key); err != nil {
		return blob.Form{}, err
	}
	if err := u.Valid(); err != nil {
		return blob.Form{}, fmt.Errorf("form for %s: %w", key, err)
	}
	own := map[string]string{"key": key, "content-type": u.ContentType, "success_action_status": "204"}
	conditions := []any{map[string]string{"bucket": s.bucket}, []any{"content-length-range", u.MinBytes, u.MaxBytes}}
	for _, name := range []string{"key", "content-type", "success_action_status"} {
		conditions = append(conditions, map[string]string{name: own[name]})
	}
	until := s.links.Now().Add(u.Expires).UTC().Truncate(time.Millisecond)
	fields, err := s.links.Form(ctx, until, conditions)
	if err != nil {
		return blob.Form{}, fmt.Errorf("form for %s: %w", key, err)
	}
	maps.Copy(fields, own)
	address := s.links.Endpoint + "/"
	if s.pathStyle {
		address += s.bucket
	}
	return blob.Form{URL: address, Fields: fields, ExpiresAt: until}, nil
}

// explain is err in the words of package fault.
func (s *Store) explain(key, what string, err error) error {
	if err == nil {
		return nil
	}
	var refusal *signed.Error
	if !errors.As(err, &refusal) {
		return fmt.Errorf("object %s: %s: %w", key, what, err)
	}
	switch {
	case refusal.Code == "NoSuchBucket":
		return &fault.Missing{What: "bucket " + s.bucket}
	case refusal.Code == "NoSuchKey":
		return fmt.Errorf("object %s: %w", key, fault.NotFound)
	case refusal.Status == http.StatusPreconditionFailed:
		return fmt.Errorf("object %s: %w", key, fault.Conflict)
	case refusal.Busy(), crossed(err):
		return fmt.Errorf("object %s: %s: %s: %w", key, what, refusal.Code, fault.Busy)
	}
	return fmt.Errorf("object %s: %s: %w", key, what, refusal)
}
