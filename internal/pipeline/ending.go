package pipeline

import (
	"context"
	"errors"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// sendEnded asks inbound to end what is under way on a channel that was switched
// off or deleted.
func sendEnded(ctx context.Context, q queue.Queue, c store.Company, channel, dedup string) error {
	e := desk.InboundEvent{Ended: channel}
	body, err := queue.Seal(desk.StageInbound, c.Tenant, e)
	if err != nil {
		return err
	}
	return q.Send(ctx, queue.Message{Group: groupOf(c.Tenant, e), Dedup: dedup, Body: body})
}

// ended closes what a channel that is off has open and lets outbound cancel what it
// has not sent (S3-12, S3-16, Q32). Of one that answers again it is what was under way
// when it was switched off; what began since goes on. Run again it ends what is left.
// What takes longer than a step goes on with the next.
func (s *Inbound) ended(ctx context.Context, c store.Company, id, event string) error {
	for {
		upTo := s.Now()
		ch, err := c.FreshChannel(ctx, id)
		answers := !ch.Deleted && ch.State.Answers()
		if errors.Is(err, fault.NotFound) || err == nil && answers && ch.EndedAt.IsZero() {
			return nil
		}
		if err != nil {
			return err
		}
		if answers {
			upTo = ch.EndedAt
		}
		closed, err := c.EndInteractions(ctx, id, ch.EndedBy, upTo, s.Now())
		if closed > 0 && ctx.Err() != nil {
			return queue.Again(time.Second)
		}
		if err != nil {
			return err
		}
		if closed == 0 {
			return s.wakeAll(ctx, c, id, event)
		}
	}
}

// freed lets a channel go whose interruption somebody has ended, as by a new
// credential.
func (s *Inbound) freed(ctx context.Context, c store.Company, id, event string) error {
	err := store.Retry(func() error {
		wait, err := c.ChannelWait(ctx, id)
		if err != nil || !desk.Interrupts(wait.Cause) {
			return err
		}
		return c.SaveChannelWait(ctx, id, s.freedFrom(wait))
	})
	if err != nil {
		return err
	}
	return s.wakeAll(ctx, c, id, event)
}

// wakeAll has outbound look anew at every conversation of a channel that holds
// unsent replies, once for each event.
func (s *Inbound) wakeAll(ctx context.Context, c store.Company, channel, event string) error {
	holding, err := c.Holding(ctx, channel)
	if err != nil {
		return err
	}
	for _, conv := range holding {
		w := desk.Wake{Conversation: conv.ID, Fresh: true}
		if err := sendWake(ctx, s.Outbound, c, w, store.Hash("fresh", c.Tenant, conv.ID, event)); err != nil {
			return err
		}
	}
	return nil
}

// failure applies a failed delivery: to its message; to the channel, when the
// provider refuses all of it; to the person, when they want nothing from us.
func (s *Inbound) failure(ctx context.Context, c store.Company, r desk.Receipt) error {
	if err := c.SaveReceipt(ctx, r); err != nil {
		return err
	}
	if desk.Interrupts(r.Cause) {
		if err := s.interrupt(ctx, c, r); err != nil {
			return err
		}
	}
	if v, said := optOut(r); said {
		return s.consent(ctx, c, v)
	}
	return nil
}
