package queuetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"buzon/internal/fault"
	"buzon/internal/queue"
)

// Memory is a FIFO queue in memory: the model that implementations are compared
// with, and what simulations run on. It gives the oldest records first. It is
// safe for use by several goroutines.
type Memory struct {
	// Now is the queue's clock.
	Now func() time.Time
	// Strict refuses a receipt as soon as its visibility ran out, as SQS FIFO
	// queues do, and not only when the record was received again.
	Strict bool

	mu    sync.Mutex
	sent  int
	live  []*stored // in the order of sending
	dead  []*stored
	dedup map[dedupKey]time.Time // until when
}

type stored struct {
	queue.Record
	nonce   int // of the last receipt
	visible time.Time
}

type dedupKey struct{ group, id string }

// Send implements [queue.Queue].
func (m *Memory) Send(_ context.Context, msg queue.Message) error {
	if err := queue.Validate(msg); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now, key := m.Now(), dedupKey{msg.Group, msg.Dedup}
	if now.Before(m.dedup[key]) {
		return nil
	}
	if m.dedup == nil {
		m.dedup = map[dedupKey]time.Time{}
	}
	m.dedup[key] = now.Add(queue.DedupWindow)
	m.sent++
	m.live = append(m.live, &stored{
		Record:  queue.Record{ID: "m" + strconv.Itoa(m.sent), Group: msg.Group, Body: append([]byte(nil), msg.Body...), Sent: now},
		visible: now,
	})
	return nil
}

// Receive implements [Receiver].
func (m *Memory) Receive(_ context.Context, limit int, visibility time.Duration) ([]queue.Received, error) {
	if limit < 1 || limit > queue.MaxBatch || visibility <= 0 || visibility > queue.MaxVisibility {
		return nil, fmt.Errorf("receive %d for %s: %w", limit, visibility, fault.Invalid)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.Now()
	blocked := m.blocked(now)
	var out []queue.Received
	kept := make([]*stored, 0, len(m.live))
	for _, s := range m.live {
		if len(out) == limit || blocked[s.Group] {
			kept = append(kept, s)
			continue
		}
		if s.Receives >= queue.MaxReceives {
			m.dead = append(m.dead, s)
			continue
		}
		s.Receives++
		s.nonce++
		s.visible = now.Add(visibility)
		out = append(out, queue.Received{Record: s.Record, Receipt: fmt.Sprintf("%s.%d", s.ID, s.nonce)})
		kept = append(kept, s)
	}
	m.live = kept
	return out, nil
}

// blocked tells which groups have a record in flight.
func (m *Memory) blocked(now time.Time) map[string]bool {
	blocked := map[string]bool{}
	for _, s := range m.live {
		if now.Before(s.visible) {
			blocked[s.Group] = true
		}
	}
	return blocked
}

// held finds the record that a receipt stands for; -1 if there is none.
func (m *Memory) held(receipt string) (int, error) {
	for i, s := range m.live {
		if receipt == fmt.Sprintf("%s.%d", s.ID, s.nonce) {
			if m.Strict && !m.Now().Before(s.visible) {
				return -1, fmt.Errorf("receipt of %s: visibility ran out: %w", s.ID, fault.Conflict)
			}
			return i, nil
		}
		if len(receipt) > len(s.ID) && receipt[:len(s.ID)+1] == s.ID+"." {
			return -1, fmt.Errorf("receipt of %s: received again: %w", s.ID, fault.Conflict)
		}
	}
	return -1, nil
}

// Delete implements [Receiver].
func (m *Memory) Delete(_ context.Context, receipt string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.held(receipt)
	if err == nil && i >= 0 {
		m.live = append(m.live[:i:i], m.live[i+1:]...)
	}
	return err
}

// ChangeVisibility implements [Receiver].
func (m *Memory) ChangeVisibility(_ context.Context, receipt string, after time.Duration) error {
	if after < 0 || after > queue.MaxVisibility {
		return fmt.Errorf("hide for %s: %w", after, fault.Invalid)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.held(receipt)
	if err != nil {
		return err
	}
	if i < 0 || !m.Now().Before(m.live[i].visible) {
		return fmt.Errorf("receipt: not held: %w", fault.Conflict)
	}
	m.live[i].visible = m.Now().Add(after)
	return nil
}

// DeadLetters implements [Receiver].
func (m *Memory) DeadLetters(_ context.Context, limit int) ([]queue.Received, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []queue.Received
	for _, s := range m.dead[:min(limit, len(m.dead))] {
		out = append(out, queue.Received{Record: s.Record, Receipt: s.ID})
	}
	return out, nil
}

// Depth counts the records by their state.
func (m *Memory) Depth() (visible, inFlight, dead int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.live {
		if m.Now().Before(s.visible) {
			inFlight++
		} else {
			visible++
		}
	}
	return visible, inFlight, len(m.dead)
}

// NextVisible is when a record can be received next; false if there is none.
func (m *Memory) NextVisible() (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	byGroup := map[string]time.Time{}
	for _, s := range m.live {
		if s.visible.After(byGroup[s.Group]) {
			byGroup[s.Group] = s.visible
		}
	}
	var next time.Time
	for _, t := range byGroup {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	return next, len(byGroup) > 0
}
