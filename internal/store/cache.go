package store

import (
	"context"
	"sync"
	"time"
)

// cache keeps what is read at every message and changes rarely. A write through
// the same Store drops its entry; one that was being read meanwhile is not kept.
type cache struct {
	mu      sync.Mutex
	entries map[string]cached
	changes map[string]int64 // by name, so that a slow read cannot bring back the past
}

type cached struct {
	value any
	until time.Time
}

// cachedRead gives the kept value of name, or reads and keeps it.
func cachedRead[T any](ctx context.Context, s *Store, name string, read func(context.Context) (T, error)) (T, error) {
	now := s.Now()
	s.cache.mu.Lock()
	e, ok := s.cache.entries[name]
	before := s.cache.changes[name]
	s.cache.mu.Unlock()
	if ok && now.Before(e.until) {
		return e.value.(T), nil
	}
	v, err := read(ctx)
	if err != nil {
		return v, err
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.entries == nil {
		s.cache.entries, s.cache.changes = map[string]cached{}, map[string]int64{}
	}
	if s.cache.changes[name] == before {
		s.cache.entries[name] = cached{v, now.Add(s.CacheFor)}
	}
	return v, nil
}

// forget drops name, before and after a write of it.
func (s *Store) forget(name string) {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.entries == nil {
		s.cache.entries, s.cache.changes = map[string]cached{}, map[string]int64{}
	}
	delete(s.cache.entries, name)
	s.cache.changes[name]++
}
