// Package fuzztest bounds the time and the memory that a parser of bytes from outside
// may take. It is for tests only.
package fuzztest

import (
	"runtime"
	"testing"
	"time"
)

// Tries is how often what was too much is measured again: a slow algorithm is slow each
// time, one that had to wait for a busy machine is not.
const Tries = 3

// Limit is what reading a text may take.
type Limit struct {
	Time    time.Duration // of the clock on the wall; zero: a second
	Memory  uint64        // bytes allocated, whatever the size
	PerByte uint64        // bytes allocated for each byte that is read
}

// Check runs read, which reads size bytes and may run several times, and is an error
// of t if it takes more than the limit each time.
func (l Limit) Check(t testing.TB, size int, read func()) {
	t.Helper()
	longest, most := l.Time, l.Memory+l.PerByte*uint64(size)
	if longest == 0 {
		longest = time.Second
	}
	var took time.Duration
	var used uint64
	for range Tries {
		if took, used = measure(read); took <= longest && used <= most || t.Failed() {
			return
		}
	}
	t.Errorf("%d bytes took %s and %d bytes of memory, want %s and %d at most", size, took, used, longest, most)
}

func measure(do func()) (took time.Duration, used uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	from := time.Now()
	do()
	took = time.Since(from)
	runtime.ReadMemStats(&after)
	return took, after.TotalAlloc - before.TotalAlloc
}
