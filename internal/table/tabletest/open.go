// Package tabletest is what tests of and on the table need: the contract suite
// that every implementation passes, a throw-away table, a wrapper as hostile as
// DynamoDB, and a meter of what DynamoDB would bill.
package tabletest

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"buzon/internal/table/embedded"
)

// Open gives an empty table that lasts as long as the test.
func Open(tb testing.TB) *embedded.Table {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "table.db")
	file, err := empty()
	if err == nil {
		err = os.WriteFile(path, file, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
	t, err := embedded.Open(path, embedded.Options{NoSync: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Error(err)
		}
	})
	return t
}

// empty is the file of an empty table. It is made once: making one waits for the disk,
// whatever its options say, and a crash test opens a thousand.
var empty = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "buzon-empty-table-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "table.db")
	t, err := embedded.Open(path, embedded.Options{NoSync: true})
	if err == nil {
		err = t.Close()
	}
	file, readErr := os.ReadFile(path)
	return file, errors.Join(err, readErr, os.RemoveAll(folder))
})
