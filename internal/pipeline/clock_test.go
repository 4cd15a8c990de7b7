package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// letters is a dead-letter queue in memory, which hides what it gave until show.
type letters struct {
	waiting []queue.Received
	given   int
	deny    int // so many of the first are never deleted
}

func (l *letters) show() { l.given = 0 }

func (l *letters) Receive(_ context.Context, limit int, _ time.Duration) ([]queue.Received, error) {
	out := l.waiting[l.given:min(l.given+limit, len(l.waiting))]
	l.given += len(out)
	return out, nil
}

func (l *letters) Delete(_ context.Context, receipt string) error {
	for i := range min(l.deny, len(l.waiting)) {
		if l.waiting[i].Receipt == receipt {
			return errors.New("not now")
		}
	}
	for i, r := range l.waiting {
		if r.Receipt == receipt {
			l.waiting = append(append([]queue.Received(nil), l.waiting[:i]...), l.waiting[i+1:]...)
			l.given--
			break
		}
	}
	return nil
}

// TestClockRunDrains: R1, a dead letter ends in quarantine, and those that cannot be
// moved now, as many as a batch holds, stand in the way of no other.
func TestClockRunDrains(t *testing.T) {
	w := newWorld(t, options{})
	inbound, approvals := &letters{deny: queue.MaxBatch}, &letters{}
	for i := range queue.MaxBatch + 5 {
		inbound.waiting = append(inbound.waiting, letter(desk.StageInbound, i))
	}
	for i := range 25 {
		approvals.waiting = append(approvals.waiting, letter(desk.StageApprovals, i))
	}
	w.clerk.Dead = map[string]queue.DeadLetters{desk.StageInbound: inbound, desk.StageApprovals: approvals}
	if err := w.clerk.Run(t.Context()); err == nil {
		t.Error("nobody is told of the letters that could not be moved")
	}
	if len(approvals.waiting) != 0 || len(inbound.waiting) != queue.MaxBatch {
		t.Errorf("%d and %d letters are left, want 0 and %d", len(approvals.waiting), len(inbound.waiting), queue.MaxBatch)
	}
	inbound.deny = 0
	inbound.show()
	must(t, w.clerk.Run(t.Context()))
	if len(inbound.waiting) != 0 {
		t.Errorf("%d letters are left", len(inbound.waiting))
	}
}

// TestClockRunEndsInTime: when its time is up a run has drained the dead letters and
// leaves timers to the next one.
func TestClockRunEndsInTime(t *testing.T) {
	w := newWorld(t, options{})
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	must(t, w.driver.Drain(1000))
	must(t, w.clerk.Run(t.Context()))
	w.clock.Advance(2 * time.Hour)
	dead := &letters{waiting: []queue.Received{letter(desk.StageInbound, 1)}}
	w.clerk.Dead = map[string]queue.DeadLetters{desk.StageInbound: dead}
	idle := func() bool { return w.conversation("5700").State() == desk.ConversationIdle }
	short, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	must(t, w.clerk.Run(short))
	must(t, w.driver.Drain(1000))
	if len(dead.waiting) != 0 || idle() {
		t.Errorf("%d letters are left; the dialogue ended: %v", len(dead.waiting), idle())
	}
	must(t, w.clerk.Run(t.Context()))
	must(t, w.driver.Drain(1000))
	if !idle() {
		t.Error("the timer that was left never came again")
	}
}

func letter(stage string, n int) queue.Received {
	return queue.Received{
		Record:  queue.Record{ID: fmt.Sprintf("%s-%d", stage, n), Group: "g", Body: fmt.Appendf(nil, `not json %d`, n), Receives: queue.MaxReceives},
		Receipt: fmt.Sprintf("%s %d", stage, n),
	}
}

// TestTimersWakeTheirStage: a due timer of a channel or template queues what it is
// about, once, in the group in which the rest of that channel's waits; requests have
// one of their own.
func TestTimersWakeTheirStage(t *testing.T) {
	w := newWorld(t, options{})
	w.clerk.Approvals = w.driver.Queue(desk.StageApprovals)
	c := w.store.In("acme")
	tpl, err := c.Template(t.Context(), "acme-t1")
	must(t, err)
	due := w.clock.Now().Add(time.Minute)
	gone := desk.Template{ID: "gone"}
	sync := desk.ChannelSync{Armed: due}
	must(t, c.SaveChannelSync(t.Context(), tpl.Channel, sync,
		c.ChannelTimer(store.WakeSync, tpl.Channel, 1, due), c.SubmitTimer(tpl, due), c.SubmitTimer(gone, due),
		c.ChannelTimer(store.WakeEnding, tpl.Channel, 1, due)))
	must(t, w.clerk.Tick(t.Context()))
	if early := len(w.take(desk.StageApprovals)) + len(w.take(desk.StageInbound)); early != 0 {
		t.Errorf("%d events before their time", early)
	}
	w.clock.Advance(time.Minute)
	must(t, w.clerk.Tick(t.Context()))
	must(t, w.clerk.Tick(t.Context()))
	records, events := w.verdicts()
	var got []string
	for i, e := range events {
		group := store.ApprovalGroup("acme", tpl.Channel)
		if e.Submit != "" {
			group = store.SubmitGroup("acme", tpl.Channel)
		}
		if records[i].Group != group {
			t.Errorf("%+v in group %s", e, records[i].Group)
		}
		if e.Sync != nil {
			got = append(got, fmt.Sprintf("sync %s %t %t", e.Sync.Channel, e.Sync.Timer, e.Sync.Asked.Equal(w.clock.Now())))
			continue
		}
		got = append(got, "submit "+e.Submit)
	}
	slices.Sort(got)
	if want := []string{"submit acme-t1", "sync acme-whatsapp true true"}; !slices.Equal(got, want) {
		t.Errorf("approvals were told %v, want %v", got, want)
	}
	inbound := w.take(desk.StageInbound)
	if len(inbound) != 1 {
		t.Fatalf("inbound was told %d events", len(inbound))
	}
	if _, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, inbound[0].Body); err != nil || e.Ended != tpl.Channel {
		t.Errorf("inbound was told %+v, %v", e, err)
	}
}
