package pipeline

import (
	"context"
	"errors"
	"fmt"

	"buzon/internal/blob"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// SystemTenant is where a queue message is kept that names no company. It is no
// valid short id, so no company can have it and read what is there.
const SystemTenant = "-system"

// Quarantine keeps an inbound event that can never work, with a tombstone where
// its turn would be, so that it is never also applied (R5).
func (s *Inbound) Quarantine(ctx context.Context, r queue.Record, reason string) error {
	tenant, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, r.Body)
	c, q, keepErr := quarantined(ctx, s.Store, s.Blobs, desk.StageInbound, tenant, r, reason)
	if keepErr != nil {
		return keepErr
	}
	if err != nil || e.Message == nil || reason == reasonIDCollision {
		if e.Message != nil {
			q.Channel = e.Message.Channel
		}
		return retry(func() error { return c.Quarantine(ctx, q) })
	}
	q.Channel = e.Message.Channel
	id := store.ConversationID(e.Message.Channel, e.Message.Person)
	applied := false
	err = retry(func() (err error) {
		applied, err = c.QuarantineTurn(ctx, q, id, store.TurnID(e.Message.ProviderID))
		return err
	})
	if err != nil || !applied {
		return err
	}
	conv, err := c.Conversation(ctx, id)
	if err != nil {
		return err
	}
	return s.wake(ctx, c, conv) // applied long ago; its wake-up may be what failed
}

// quarantined makes the item of a queue message.
func quarantined(ctx context.Context, st *store.Store, blobs blob.Store, stage, tenant string, r queue.Record, reason string) (store.Company, desk.Quarantined, error) {
	if !store.ValidTenant(tenant) {
		tenant = SystemTenant
	}
	c := st.In(tenant)
	q := desk.Quarantined{Stage: stage, Reason: reason, ReceivedAt: st.Now()}
	return c, q, keepBody(ctx, blobs, c, &q, r.Body)
}

// replay sends a quarantined item on its way again. What still cannot be handled
// comes back to quarantine as held.
func (s *Inbound) replay(ctx context.Context, c store.Company, id string) error {
	q, err := c.Quarantined(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := wholeBody(ctx, s.Blobs, q)
	if err != nil {
		return err
	}
	err = retry(func() error {
		q, err := c.Quarantined(ctx, id)
		if err != nil || q.State == desk.Replayed {
			return err
		}
		return c.MarkReplayed(ctx, q)
	})
	if err != nil {
		return err
	}
	fresh := s.NewID()
	switch q.Stage {
	case desk.StageInbound:
		return s.replayInbound(ctx, c, body, fresh)
	case desk.StageOutbound:
		_, w, err := queue.Open[desk.Wake](desk.StageOutbound, body)
		if err != nil {
			return s.hold(ctx, c, q, body)
		}
		return sendWake(ctx, s.Outbound, c, w, store.Hash("replay", fresh))
	case desk.StageApprovals:
		return s.Webhook.Approvals.Send(ctx, queue.Message{Group: store.Hash("replay", id), Dedup: store.Hash(fresh), Body: body})
	}
	ch, err := c.FreshChannel(ctx, q.Channel)
	if err != nil {
		return fmt.Errorf("quarantined %s: %w", id, err)
	}
	return s.Webhook.take(ctx, c, ch, body, fresh)
}

func (s *Inbound) replayInbound(ctx context.Context, c store.Company, body []byte, fresh string) error {
	group := store.Hash("replay", fresh)
	_, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, body)
	if err == nil && e.Message != nil {
		group = store.Hash(c.Tenant, e.Message.Channel, e.Message.Person)
		id := store.ConversationID(e.Message.Channel, e.Message.Person)
		err = retry(func() error { return c.ReleaseTurn(ctx, id, store.TurnID(e.Message.ProviderID)) })
		if err != nil {
			return err
		}
	}
	return s.Webhook.Inbound.Send(ctx, queue.Message{Group: group, Dedup: store.Hash(fresh), Body: body})
}

// hold puts a replayed item back.
func (s *Inbound) hold(ctx context.Context, c store.Company, q desk.Quarantined, body []byte) error {
	if err := keepBody(ctx, s.Blobs, c, &q, body); err != nil {
		return err
	}
	return retry(func() error { return c.Quarantine(ctx, q) })
}
