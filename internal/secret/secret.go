// Package secret keeps provider credentials and signing keys by name: SSM
// SecureStrings on AWS, an encrypted file in a local run (package embedded).
// Both pass the suite of package secrettest.
package secret

import "context"

// MaxValue is the longest value in bytes (an SSM standard parameter).
const MaxValue = 4096

// Store reads and writes secrets. Names are paths of [a-zA-Z0-9_.-] parts:
// "/buzon/demo/channels/x". Values are never logged or put into an error.
type Store interface {
	// Get gives the value, on AWS as it was at most half a minute ago if another
	// process has changed it; fault.NotFound if there is none.
	Get(ctx context.Context, name string) (string, error)
	// Fresh gives the value past what an implementation keeps of it, for who has just
	// learnt that it changed; fault.NotFound if there is none.
	Fresh(ctx context.Context, name string) (string, error)
	// Put sets the value, new or not.
	Put(ctx context.Context, name, value string) error
	// Create sets the value only if there is none, else fault.Conflict.
	Create(ctx context.Context, name, value string) error
	// Delete removes it; no error if there is none.
	Delete(ctx context.Context, name string) error
}
