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
// has not sent (S3-12, S3-16, Q32), unless it answers again meanwhile. Run again it
// ends what is left. What takes longer than a step goes on with the next.
func (s *Inbound) ended(ctx context.Context, c store.Company, id, event string) error {
	for {
		ch, err := c.FreshChannel(ctx, id)
		if errors.Is(err, fault.NotFound) || err == nil && !ch.Deleted && ch.State.Answers() {
			return nil
		}
		if err != nil {
			return err
		}
		closed, err := c.EndInteractions(ctx, id, s.Now())
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
		return c.SaveChannelWait(ctx, id, store.StoredWait{Versioned: wait.Versioned})
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
		if err := s.interrupt(ctx, c, r.Channel, r.Cause); err != nil {
			return err
		}
	}
	if optsOut(r) {
		return s.consent(ctx, c, desk.Consent{Channel: r.Channel, Person: r.Destination, At: r.At})
	}
	return nil
}

// interrupt makes a channel that answers wait and shows why (S3-09, Q21). The first
// send that succeeds ends it. Failures come in numbers: while it waits for such a
// cause the wait does not grow.
func (s *Inbound) interrupt(ctx context.Context, c store.Company, id, cause string) error {
	return store.Retry(func() error {
		ch, err := c.FreshChannel(ctx, id)
		if errors.Is(err, fault.NotFound) || err == nil && (ch.Deleted || !ch.State.Answers()) {
			return nil
		}
		if err != nil {
			return err
		}
		wait, err := c.ChannelWait(ctx, id)
		if err != nil {
			return err
		}
		if now := s.Now(); !desk.Interrupts(wait.Cause) || !now.Before(wait.NotBefore) {
			step := min(max(2*wait.Step, FirstWait), MaxWait)
			until := now.Add(step)
			if wait.NotBefore.After(until) {
				until = wait.NotBefore
			}
			wait.Wait = desk.Wait{Cause: cause, NotBefore: until, Step: step}
			if err := c.SaveChannelWait(ctx, id, wait); err != nil {
				return err
			}
		}
		if ch.State == desk.ChannelInterrupted && ch.Cause == wait.Cause {
			return nil
		}
		ch.State, ch.Cause = desk.ChannelInterrupted, wait.Cause
		return c.SaveChannel(ctx, ch, nil)
	})
}
