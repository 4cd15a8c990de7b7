// Package tabletest is what tests of and on the table need: the contract suite
// that every implementation passes, a throw-away table, a wrapper as hostile as
// DynamoDB, and a meter of what DynamoDB would bill.
package tabletest

import (
	"path/filepath"
	"testing"

	"buzon/internal/table/embedded"
)

// Open gives an empty table that lasts as long as the test.
func Open(tb testing.TB) *embedded.Table {
	tb.Helper()
	t, err := embedded.Open(filepath.Join(tb.TempDir(), "table.db"), embedded.Options{NoSync: true})
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
