package pipeline

import "sync"

// BreakerFailures is how many sends in a row must fail for reasons that are not the
// message's, over the conversations of a channel, for the channel to wait.
const BreakerFailures = 5

// streaks counts, for each channel, the failures in a row that this process saw. The
// zero value is ready.
type streaks struct {
	mu sync.Mutex
	of map[string]streak
}

type streak struct {
	failures     int
	conversation string // the first one's
	several      bool   // another one's as well
}

// failed notes a failure and tells whether the channel is to wait. While it is one
// conversation's alone, the growing pauses of that one are enough (contract section
// 2), and end in the same wait; an outcome that is unknown has no such pauses.
func (s *streaks) failed(channel, conversation string, unknown bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]streak{}
	}
	k := s.of[channel]
	if k.failures == 0 {
		k.conversation = conversation
	}
	k.failures++
	k.several = k.several || k.conversation != conversation
	s.of[channel] = k
	return k.failures >= BreakerFailures && (k.several || unknown)
}

// over ends the streak of a channel whose provider has just answered, or that waits
// from now on.
func (s *streaks) over(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, channel)
}
