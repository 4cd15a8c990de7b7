package pipeline

import (
	"context"
	"errors"
	"fmt"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/quarantine"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// Quarantine keeps an inbound event that can never work, with a tombstone where
// its turn would be, so that it is never also applied (R5).
func (s *Inbound) Quarantine(ctx context.Context, r queue.Record, reason string) error {
	tenant, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, r.Body)
	c, q, keepErr := quarantine.Item(ctx, s.Store, s.Blobs, desk.StageInbound, tenant, r.Body, reason)
	if keepErr != nil {
		return keepErr
	}
	q.Channel = channelIn(e)
	if err != nil || e.Message == nil || reason == reasonIDCollision {
		return store.Retry(func() error { return c.Quarantine(ctx, q) })
	}
	id := store.ConversationID(e.Message.Channel, e.Message.Person)
	applied := false
	err = store.Retry(func() (err error) {
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

// replay sends a quarantined item on its way again, of a webhook's body the part that
// begins with that event. What still cannot be handled comes back to quarantine as held.
func (s *Inbound) replay(ctx context.Context, c store.Company, id string, from int) error {
	q, err := c.Quarantined(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := quarantine.Whole(ctx, s.Blobs, q, MaxSignedBody)
	if err != nil {
		return err
	}
	err = store.Retry(func() error {
		q, err := c.Quarantined(ctx, id)
		if err != nil || q.State == desk.Replayed || from > 0 && q.Reason != channel.RejectTooMany {
			return err // what was refused in the first part stays held
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
	return s.Webhook.take(ctx, c, ch, body, part{from: from, salt: fresh})
}

func (s *Inbound) replayInbound(ctx context.Context, c store.Company, body []byte, fresh string) error {
	_, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, body)
	group := groupOf(c.Tenant, e)
	if err != nil || group == "" {
		group = store.Hash("replay", fresh)
	}
	if err == nil && e.Message != nil {
		id := store.ConversationID(e.Message.Channel, e.Message.Person)
		err = store.Retry(func() error { return c.ReleaseTurn(ctx, id, store.TurnID(e.Message.ProviderID)) })
		if err != nil {
			return err
		}
	}
	return s.Webhook.Inbound.Send(ctx, queue.Message{Group: group, Dedup: store.Hash(fresh), Body: body})
}

// hold puts a replayed item back.
func (s *Inbound) hold(ctx context.Context, c store.Company, q desk.Quarantined, body []byte) error {
	if err := quarantine.Body(ctx, s.Blobs, c, &q, body); err != nil {
		return err
	}
	return store.Retry(func() error { return c.Quarantine(ctx, q) })
}
