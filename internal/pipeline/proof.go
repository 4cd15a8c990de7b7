package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// A provider may accept what it cannot send, with an empty wallet or a suspended
// number, and tell so later by a failed receipt (providers.md 1.11). Then an accepted
// send proves nothing, and what waits in the channel would be burnt one after the
// other. So a wait that a receipt began sends one probe at a time, and ends when one
// is proven by a receipt of sent or higher (desk.Wait.ProofAfter, Probe).
const (
	// FirstLook is how long after it was accepted a probe is looked at first; while
	// nothing is known of it, again after twice as long.
	FirstLook = time.Minute
	// ProofPatience is how long a receipt of the probe is waited for. Without any by
	// then the provider tells nothing, of failures neither: the channel counts as going.
	ProofPatience = 10 * time.Minute
)

// onlyLooks tells whether the conversation has nothing to send: it was woken to look
// at what became of its probe.
func (d *drain) onlyLooks() bool { return len(d.conv.Unsent) == 0 }

// stillLooks lets a conversation that waits for its channel look at the probe that is
// out, which may have been its own, though its person now wants nothing any more.
func (d *drain) stillLooks(ctx context.Context) error {
	if d.off() || d.conv.Wait == nil || !d.conv.Wait.ByChannel {
		return nil
	}
	wait, err := d.c.ChannelWait(ctx, d.ch.ID)
	if err == nil && wait.Probe.Out() {
		d.wait, d.proving = wait, true
	}
	return err
}

// undisturbed holds while no wait is known of that this pass does not know. Where the
// channel is shown as interrupted one may have begun since: then the pass begins
// again.
func (d *drain) undisturbed(ctx context.Context) error {
	if d.wait.Cause != "" || d.ch.State != desk.ChannelInterrupted {
		return nil
	}
	var err error
	if d.wait, err = d.c.ChannelWait(ctx, d.ch.ID); err == nil && d.wait.Cause != "" {
		err = fmt.Errorf("channel %s: waits since: %w", d.ch.ID, fault.Conflict)
	}
	return err
}

// tried notes what the provider's answer to a reply means for a channel that needs
// proof: one that was accepted is the probe, and nothing more goes until it is proven;
// one that was refused for its own sake leaves its place to the next.
func (d *drain) tried(ctx context.Context, r desk.Reply) error {
	next := d.wait
	switch {
	case next.Probe.Out() || !d.probes && !r.SentAt.After(next.ProofAfter):
		return nil // it is no answer to what failed
	case r.Status == desk.Accepted:
		next.Probe = desk.Probe{Reply: r.ID, ProviderID: r.ProviderID, At: r.SentAt}
		next.NotBefore = d.Now().Add(FirstLook)
	default:
		next.NotBefore = d.Now()
	}
	if err := d.keep(ctx, next); err != nil {
		return err
	}
	d.probes, d.proving = false, next.Probe.Out()
	return nil
}

// recall makes a reply the probe that was accepted by a pass which died before it
// could note so.
func (d *drain) recall(ctx context.Context, r desk.Reply) error {
	if !d.wait.NeedsProof() || r.Status != desk.Accepted {
		return nil
	}
	return d.tried(ctx, r)
}

// look learns what became of the probe of a channel, if one is out: the channel goes
// again, or waits longer, or for what is still to come. One that failed for its own
// sake leaves its place to the next.
func (d *drain) look(ctx context.Context) error {
	p := d.wait.Probe
	if !p.Out() {
		return nil
	}
	known, err := d.c.Deliveries(ctx, d.ch.ID, p.Names())
	if err != nil {
		return err
	}
	var got store.Delivered
	for _, v := range known {
		if v.Status > got.Status {
			got = v
		}
	}
	next := d.wait
	age := d.Now().Sub(p.At)
	switch {
	case got.Status == desk.Failed:
		next.ProofAfter, next.Probe = d.Now(), desk.Probe{}
		if desk.Interrupts(got.Cause) {
			d.wait = next
			return d.channelWaits(ctx, got.Cause, 0)
		}
		return d.keep(ctx, next)
	case got.Status >= desk.SentOut, age >= ProofPatience:
		return d.clear(ctx)
	}
	next.NotBefore = d.Now().Add(min(max(age, FirstLook), ProofPatience-age))
	if err := d.keep(ctx, next); err != nil {
		return err
	}
	return d.holdByChannel(ctx)
}

// interrupt makes a channel that answers wait for what a failed receipt told, and
// shows why (S3-09, Q21).
func (s *Inbound) interrupt(ctx context.Context, c store.Company, r desk.Receipt) error {
	return store.Retry(func() error {
		ch, err := c.FreshChannel(ctx, r.Channel)
		if errors.Is(err, fault.NotFound) || err == nil && (ch.Deleted || !ch.State.Answers()) {
			return nil
		}
		if err != nil {
			return err
		}
		was, err := c.ChannelWait(ctx, r.Channel)
		if err != nil {
			return err
		}
		wait, err := s.told(ctx, c, was, r)
		if err != nil {
			return err
		}
		shown := !desk.Interrupts(wait.Cause) || ch.State == desk.ChannelInterrupted && ch.Cause == wait.Cause
		switch {
		case wait == was && shown:
			return nil
		case shown:
			return c.SaveChannelWait(ctx, r.Channel, wait, c.WhileChannel(ch)...)
		}
		ch.State, ch.Cause = desk.ChannelInterrupted, wait.Cause
		if wait == was {
			return c.SaveChannel(ctx, ch, c.WhileWait(r.Channel, wait))
		}
		return c.SaveChannel(ctx, ch, c.KeepWait(r.Channel, wait))
	})
}

// told is the wait of a channel after a failed receipt that concerns all of it. Such
// receipts come in numbers, twice and late: while the channel waits for proof only the
// probe's own makes the wait longer, and once it is proven those of what was accepted
// before change nothing.
func (s *Inbound) told(ctx context.Context, c store.Company, was store.StoredWait, r desk.Receipt) (store.StoredWait, error) {
	if was.NeedsProof() {
		if !was.Probe.Is(r) {
			return was, nil
		}
	} else if old, err := overtaken(ctx, c, was, r); old || err != nil {
		return was, err
	}
	now, next := s.Now(), was
	if desk.Interrupts(was.Cause) && now.Before(was.NotBefore) && !was.NeedsProof() {
		next.ProofAfter = now // it waits as long as the answer to a send has made it
		return next, nil
	}
	next.Wait = longer(now, was.Step, r.Cause, 0)
	next.ProofAfter = now
	if was.NotBefore.After(next.NotBefore) {
		next.NotBefore = was.NotBefore
	}
	return next, nil
}

// overtaken tells whether a failure is of a message that was accepted before the one
// by which the channel is known to go. Where no acknowledgement of the message is
// kept, the failure has to be older itself.
func overtaken(ctx context.Context, c store.Company, wait store.StoredWait, r desk.Receipt) (bool, error) {
	if wait.WellAt.IsZero() {
		return false, nil
	}
	if !r.FailedAt.IsZero() && !r.FailedAt.After(wait.WellAt) {
		return true, nil
	}
	at, err := c.EnqueuedAt(ctx, r.Channel, r.Destination, r.Key())
	return !at.IsZero() && !at.After(wait.WellAt), err
}

// freedFrom is the wait of a channel for which somebody has done something: none, or
// the next probe at once.
func (s *Inbound) freedFrom(wait store.StoredWait) store.StoredWait {
	now, cause := s.Now(), wait.Cause
	needed := wait.NeedsProof()
	wait.Wait = desk.Wait{}
	if needed {
		wait.Wait = desk.Wait{Cause: cause, NotBefore: now, ProofAfter: now}
	}
	return wait
}
