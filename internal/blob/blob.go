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

// DefaultType is that of an object that is put without one.
const DefaultType = "application/octet-stream"

// Info describes a stored object.
type Info struct {
	Size        int64
	SHA256      [32]byte
	ContentType string
}

// Download says how a browser is to receive an object: always as an attachment.
type Download struct {
	FileName    string        // shown to the person; any UTF-8, made safe by the store
	ContentType string        // empty: the object's own
	Expires     time.Duration // at most MaxLink
}

// Store keeps objects under keys of [0-9A-Za-z!_.*'()/-], at most 1,024 bytes.
// A key is written once and never changes.
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
}
