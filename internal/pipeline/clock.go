package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"buzon/internal/blob"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// Tick queues the owner of every timer that is due, until too little is left of the
// time that ctx gives. On AWS it runs every minute, in a local run every second.
func (k *Clock) Tick(ctx context.Context) error {
	return k.Store.DueTimers(ctx, k.Now(), func(t store.Timer) error {
		if left, bounded := queue.Remaining(ctx); bounded && left < runMargin {
			return store.ErrEnough
		}
		c := k.Store.In(t.Tenant)
		if t.Stage == store.WakeOutbound {
			return sendWake(ctx, k.Outbound, c, desk.Wake{Conversation: t.Conversation, Fired: true}, store.Hash("timer", t.ID, k.NewID()))
		}
		e := desk.InboundEvent{Timer: &desk.TimerEvent{ID: t.ID, Conversation: t.Conversation, Due: t.Due}}
		body, err := queue.Seal(desk.StageInbound, t.Tenant, e)
		if err != nil {
			return err
		}
		conv, err := c.Conversation(ctx, t.Conversation)
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return k.Inbound.Send(ctx, queue.Message{
			Group: store.Hash(t.Tenant, conv.Channel, conv.Person), Dedup: store.Hash("timer", t.ID), Body: body,
		})
	})
}

// drainBatches bounds the dead letters of a stage that one run moves, ten a batch;
// deadVisibility hides them from a run that overlaps.
const (
	drainBatches   = 10
	deadVisibility = time.Minute
)

// runMargin is how long before a run's deadline no further timer is fired: what is
// left is the next run's, and the cursor is still saved.
const runMargin = 10 * time.Second

// Run is what the clock does each time: it moves dead letters into quarantine, so
// many at most, and then fires due timers, till its time is up. What goes wrong with
// one does not hold up the others; the error holds all of it, and the next run tries
// again.
func (k *Clock) Run(ctx context.Context) error {
	var all []error
	for stage, dead := range k.Dead {
		if err := k.drainAll(ctx, stage, dead); err != nil {
			all = append(all, fmt.Errorf("dead letters of %s: %w", stage, err))
		}
	}
	return errors.Join(append(all, k.Tick(ctx))...)
}

func (k *Clock) drainAll(ctx context.Context, stage string, dead queue.DeadLetters) error {
	var all []error
	for range drainBatches {
		letters, err := dead.Receive(ctx, queue.MaxBatch, deadVisibility)
		if err != nil {
			return errors.Join(append(all, err)...)
		}
		for _, r := range letters {
			err := k.Drain(ctx, stage, r.Record)
			if err == nil {
				err = dead.Delete(ctx, r.Receipt)
			}
			if err != nil {
				all = append(all, fmt.Errorf("record %s: %w", r.ID, err))
			}
		}
		if len(letters) == 0 {
			break
		}
	}
	return errors.Join(all...)
}

// Drain moves one dead letter of a stage's queue into quarantine; on nil it may
// be deleted. What took effect long ago is not kept; its wake-up is sent again.
func (k *Clock) Drain(ctx context.Context, stage string, r queue.Record) error {
	if stage == desk.StageInbound {
		in := Inbound{Store: k.Store, Blobs: k.Blobs, Outbound: k.Outbound, Now: k.Now, NewID: k.NewID, Log: k.Log}
		return in.Quarantine(ctx, r, reasonDeadLetter)
	}
	if err := quarantineRecord(ctx, k.Store, k.Blobs, stage, r, reasonDeadLetter); err != nil || stage != desk.StageOutbound {
		return err
	}
	tenant, w, err := queue.Open[desk.Wake](stage, r.Body)
	var unreadable *queue.Unreadable
	if errors.As(err, &unreadable) || !store.ValidTenant(tenant) {
		return nil // there is nobody to wake
	}
	return k.lookAgain(ctx, k.Store.In(tenant), w.Conversation)
}

// lookAgain arms a conversation whose wake-up died: what it holds unsent must
// not depend on somebody writing again.
func (k *Clock) lookAgain(ctx context.Context, c store.Company, id string) error {
	return retry(func() error {
		conv, err := c.Conversation(ctx, id)
		if errors.Is(err, fault.NotFound) || err == nil && len(conv.Unsent) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		t := c.NewTimer(store.WakeOutbound, conv, k.Now().Add(MaxWait))
		conv.ArmedWake = t.Due
		return c.SaveConversation(ctx, conv, t)
	})
}

// quarantineRecord keeps a message of a stage that makes no turn.
func quarantineRecord(ctx context.Context, st *store.Store, blobs blob.Store, stage string, r queue.Record, reason string) error {
	tenant, _, _ := queue.Open[struct{}](stage, r.Body)
	c, q, err := quarantined(ctx, st, blobs, stage, tenant, r, reason)
	if err != nil {
		return err
	}
	if _, e, err := queue.Open[desk.ApprovalEvent](desk.StageApprovals, r.Body); err == nil {
		q.Channel = e.Verdict.Channel
	}
	return retry(func() error { return c.Quarantine(ctx, q) })
}

// forbidding are the provider's states in which no template may be sent.
var forbidding = []string{"rejected", "paused", "disabled", "deleted", "failed", "deactivated", "locked"}

// Worker handles the approvals queue.
func (s *Approvals) Worker() *queue.Worker {
	return &queue.Worker{
		Handle: s.handle,
		Quarantine: func(ctx context.Context, r queue.Record, reason string) error {
			return quarantineRecord(ctx, s.Store, s.Blobs, desk.StageApprovals, r, reason)
		},
		Alone: store.Suspects{Store: s.Store, Queue: desk.StageApprovals},
		Log:   s.Log,
	}
}

// handle notes a verdict. Callbacks are not signed: what forbids is believed at
// once, what allows never is.
func (s *Approvals) handle(ctx context.Context, r queue.Record) error {
	tenant, e, err := queue.Open[desk.ApprovalEvent](desk.StageApprovals, r.Body)
	if err != nil {
		return err
	}
	if !store.ValidTenant(tenant) {
		return &queue.Unreadable{Reason: "bad_tenant"}
	}
	c, v := s.Store.In(tenant), e.Verdict
	return retry(func() error {
		t, err := c.TemplateByProviderID(ctx, v.Channel, v.ProviderID)
		if errors.Is(err, fault.NotFound) {
			return quarantineRecord(ctx, s.Store, s.Blobs, desk.StageApprovals, r, reasonTemplateUnknown)
		}
		if err != nil {
			return err
		}
		if !slices.Contains(forbidding, v.State) || t.ProviderState == v.State {
			return nil
		}
		t.ProviderState = v.State
		return c.SaveTemplate(ctx, t, nil)
	})
}
