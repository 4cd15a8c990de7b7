// Package blob is the file store: S3 on AWS, a folder in a local run (package
// embedded). Both pass the suite of package blobtest.
package blob

import (
	"context"
	"io"
	"time"
)

// MaxLink is the longest life of a download link. Links are made at the click.
const MaxLink = 5 * time.Minute

const (
	// MaxForm is the longest life of an upload form.
	MaxForm = 15 * time.Minute
	// MaxUpload is the most bytes that a form can take.
	MaxUpload = 100 << 20
)

// DefaultType is that of an object that is put without one.
const DefaultType = "application/octet-stream"

// Info describes a stored object.
type Info struct {
	Size int64
	// SHA256 is zero for an object that came by a form: S3 does not know it.
	SHA256      [32]byte
	ContentType string
}

// Download says how a browser is to receive an object: always as an attachment.
type Download struct {
	FileName    string        // shown to the person; any UTF-8, made safe by the store
	ContentType string        // empty: the object's own
	Expires     time.Duration // at most MaxLink
}

// Upload says what a form takes.
type Upload struct {
	ContentType string        // of the object, exactly; without "$", which policies give a meaning
	MinBytes    int64         // both edges are taken
	MaxBytes    int64         // 1 to MaxUpload, not less than MinBytes
	Expires     time.Duration // at most MaxForm
}

// Form is what a browser posts to URL as multipart/form-data: the fields as they
// are, their names in lower case, in any order, and last one named "file", whose
// own name and type do not count. 204 tells that the object is stored, 4xx that nothing is; the reason is
// an Error of S3 in XML.
type Form struct {
	URL       string
	Fields    map[string]string
	ExpiresAt time.Time
}

// Store keeps objects under keys of [0-9A-Za-z!_.*'()/-], at most 1,024 bytes.
// A key is written once and never changes, but for what Form says.
type Store interface {
	// Put stores the object, from where body is to its end, if there is none
	// under the key; else fault.Conflict: the stored object is the truth, read it
	// back. Another error leaves the outcome unknown. An empty content type is
	// DefaultType.
	Put(ctx context.Context, key, contentType string, body io.ReadSeeker) error
	// Get opens an object; fault.NotFound if there is none.
	Get(ctx context.Context, key string) (io.ReadCloser, Info, error)
	// Delete removes an object; no error if there is none.
	Delete(ctx context.Context, key string) error
	// Link signs an address from which anyone can download the object until it
	// expires.
	Link(ctx context.Context, key string, d Download) (string, error)
	// Form signs a form by which anyone can put one object of this kind under the
	// key until it expires. It asks nobody whether there is one.
	//
	// The policy of a form cannot demand that the key is free, so S3 takes a form
	// that is used again: until it expires, another object that it allows may take
	// the first one's place, each of them whole (T29). A local run refuses that with
	// a 412. So the key is random and of this form alone, and whoever relies on the
	// object checks the very bytes that he then uses, or puts them under a key of
	// his own and checks those.
	Form(ctx context.Context, key string, u Upload) (Form, error)
}
