package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/queue"
)

// letters is a dead-letter queue in memory.
type letters struct {
	waiting []queue.Received
	deny    string // a receipt that is never deleted
}

func (l *letters) Receive(_ context.Context, limit int, _ time.Duration) ([]queue.Received, error) {
	return l.waiting[:min(limit, len(l.waiting))], nil
}

func (l *letters) Delete(_ context.Context, receipt string) error {
	if receipt == l.deny {
		return errors.New("not now")
	}
	for i, r := range l.waiting {
		if r.Receipt == receipt {
			l.waiting = append(append([]queue.Received(nil), l.waiting[:i]...), l.waiting[i+1:]...)
			break
		}
	}
	return nil
}

// TestClockRunDrains: R1, a dead letter ends in quarantine, and one that cannot be
// moved now holds up neither its neighbours nor another stage.
func TestClockRunDrains(t *testing.T) {
	w := newWorld(t, options{})
	inbound, approvals := &letters{deny: "inbound 1"}, &letters{}
	for i := range 3 {
		inbound.waiting = append(inbound.waiting, letter(desk.StageInbound, i))
	}
	for i := range 25 {
		approvals.waiting = append(approvals.waiting, letter(desk.StageApprovals, i))
	}
	w.clerk.Dead = map[string]queue.DeadLetters{desk.StageInbound: inbound, desk.StageApprovals: approvals}
	if err := w.clerk.Run(t.Context()); err == nil {
		t.Error("nobody is told of the letter that could not be moved")
	}
	if len(approvals.waiting) != 0 || len(inbound.waiting) != 1 {
		t.Errorf("%d and %d letters are left, want 0 and 1", len(approvals.waiting), len(inbound.waiting))
	}
	inbound.deny = ""
	must(t, w.clerk.Run(t.Context()))
	if len(inbound.waiting) != 0 {
		t.Errorf("%d letters are left", len(inbound.waiting))
	}
}

func letter(stage string, n int) queue.Received {
	return queue.Received{
		Record:  queue.Record{ID: fmt.Sprintf("%s-%d", stage, n), Group: "g", Body: fmt.Appendf(nil, `not json %d`, n), Receives: queue.MaxReceives},
		Receipt: fmt.Sprintf("%s %d", stage, n),
	}
}
