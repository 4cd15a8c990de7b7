package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/quarantine"
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
		switch t.Stage {
		case store.WakeOutbound:
			return sendWake(ctx, k.Outbound, c, desk.Wake{Conversation: t.Conversation, Fired: true}, store.Hash("timer", t.ID, k.NewID()))
		case store.WakeEnding:
			return sendEnded(ctx, k.Inbound, c, t.Channel, store.Hash("timer", t.ID))
		case store.WakeSync:
			return k.approval(ctx, c, desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: t.Channel, Asked: k.Now(), Timer: true}}, t)
		case store.WakeSubmit:
			return k.approval(ctx, c, desk.ApprovalEvent{Submit: t.Template}, t)
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

// approval queues what a timer of the approvals is about, in its channel's group of
// readings or of requests.
func (k *Clock) approval(ctx context.Context, c store.Company, e desk.ApprovalEvent, t store.Timer) error {
	group := store.ApprovalGroup(t.Tenant, t.Channel)
	if t.Template != "" {
		v, err := c.Template(ctx, t.Template)
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		group = store.SubmitGroup(t.Tenant, v.Channel)
	}
	body, err := queue.Seal(desk.StageApprovals, t.Tenant, e)
	if err != nil {
		return err
	}
	return k.Approvals.Send(ctx, queue.Message{Group: group, Dedup: store.Hash("timer", t.ID), Body: body})
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
		if err := in.Quarantine(ctx, r, reasonDeadLetter); err != nil {
			return err
		}
		tenant, e, err := queue.Open[desk.InboundEvent](stage, r.Body)
		if err != nil || e.Ended == "" || !store.ValidTenant(tenant) {
			return nil //nolint:nilerr // what cannot be read ends nothing
		}
		c := k.Store.In(tenant)
		return c.Arm(ctx, c.ChannelTimer(store.WakeEnding, e.Ended, 0, k.Now().Add(MaxWait)))
	}
	if err := quarantine.Keep(ctx, k.Store, k.Blobs, stage, r.Body, reasonDeadLetter); err != nil || stage != desk.StageOutbound {
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
	return store.Retry(func() error {
		conv, err := c.Conversation(ctx, id)
		if errors.Is(err, fault.NotFound) || err == nil && len(conv.Unsent) == 0 && conv.Wait == nil {
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
