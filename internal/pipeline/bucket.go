package pipeline

import (
	"sync"
	"time"
)

// maxInPlace is how long a wake-up waits on the spot for its turn to send.
const maxInPlace = 2 * time.Second

// rates holds the token buckets of a process, one a channel: so many messages a
// second, of which one second's worth, one at least, may leave at once. The zero
// value is ready, its buckets are full.
type rates struct {
	mu sync.Mutex
	of map[string]*bucket
}

// bucket holds two moments, each of which moves on by what one message takes.
type bucket struct {
	next time.Time // when the bucket is full again
	line time.Time // until when those are to stay away who got nothing
}

// take takes a token for a message that leaves after wait, at most most from now.
// If that is too soon nothing is taken, and wait is for how long to stay away: who is
// sent away is given a moment of its own, behind those sent away before.
func (s *rates) take(channel string, perSecond float64, now time.Time, most time.Duration) (wait time.Duration, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]*bucket{}
	}
	b := s.of[channel]
	if b == nil {
		b = &bucket{}
		s.of[channel] = b
	}
	each := time.Duration(float64(time.Second) / perSecond)
	if b.next.Before(now) {
		b.next = now
	}
	if wait = max(0, b.next.Sub(now)-max(0, time.Second-each)); wait <= most {
		b.next = b.next.Add(each)
		return wait, true
	}
	if soonest := now.Add(wait); b.line.Before(soonest) {
		b.line = soonest
	}
	b.line = b.line.Add(each)
	return b.line.Sub(now), false
}
