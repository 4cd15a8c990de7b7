// Package clock is the time of a local run: the machine's clock and an offset
// that only grows, kept in a file, so that a tester can let an hour pass at once
// and the next start goes on from there.
package clock

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"buzon/infra/local/atomicfile"
	"buzon/internal/fault"
)

// MaxAdvance is the furthest that the clock moves at once; MaxOffset the
// furthest from the machine's clock that it ever gets.
const (
	MaxAdvance = 366 * 24 * time.Hour
	MaxOffset  = 10 * MaxAdvance
)

// Clock tells the run's time. It is safe for use by several goroutines.
type Clock struct {
	path string
	real func() time.Time

	mu     sync.Mutex
	offset time.Duration
	last   time.Time
}

// stored is the content of the file.
type stored struct {
	Offset string `json:"offset"` // as time.Duration prints it
}

// Open reads the offset from the file at path; without a file it is zero. real
// is the machine's clock.
func Open(path string, real func() time.Time) (*Clock, error) {
	c := &Clock{path: path, real: real}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("clock: %w", err)
	}
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("clock %s: %w", path, err)
	}
	c.offset, err = time.ParseDuration(s.Offset)
	if err != nil || c.offset < 0 || c.offset > MaxOffset {
		return nil, fmt.Errorf("clock %s: offset %q: %w", path, s.Offset, fault.Invalid)
	}
	return c, nil
}

// Now is the run's time in UTC. It never goes back while the process runs, even
// if the machine's clock does.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	now := c.real().UTC().Round(0).Add(c.offset)
	if now.Before(c.last) {
		return c.last
	}
	c.last = now
	return now
}

// Advance moves the clock forward by d, which is above 0 and at most
// MaxAdvance, else a fault.Invalid, and gives the new time. When it returns nil
// the move is durable; after another error the clock did not move.
func (c *Clock) Advance(d time.Duration) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d <= 0 || d > MaxAdvance || c.offset+d > MaxOffset {
		return time.Time{}, fmt.Errorf("clock: advance by %s: %w", d, fault.Invalid)
	}
	data, err := json.Marshal(stored{Offset: (c.offset + d).String()})
	if err != nil {
		return time.Time{}, fmt.Errorf("clock: %w", err)
	}
	if err := atomicfile.Write(c.path, data); err != nil {
		return time.Time{}, fmt.Errorf("clock: %w", err)
	}
	c.offset += d
	return c.now(), nil
}
