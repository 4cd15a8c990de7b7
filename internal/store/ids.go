package store

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// IDs gives a maker of ids that sort by time and, within a process, by the order
// of making: ULIDs in small letters, 80 random bits each. It is safe for use by
// several goroutines; it panics if random, which is crypto/rand.Reader, ends.
func IDs(now func() time.Time, random io.Reader) func() string {
	var mu sync.Mutex
	entropy := ulid.Monotonic(random, 0)
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.ToLower(ulid.MustNew(ulid.Timestamp(now()), entropy).String())
	}
}
