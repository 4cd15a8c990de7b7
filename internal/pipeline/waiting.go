package pipeline

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// heldBack is errHeld while the conversation or its channel waits.
func (d *drain) heldBack(ctx context.Context) error {
	now := d.Now()
	if w := d.conv.Wait; w != nil && !w.ByChannel && now.Before(w.NotBefore) {
		return d.hold(ctx, *w)
	}
	if d.wait.Cause != "" && now.Before(d.wait.NotBefore) {
		return d.holdByChannel(ctx)
	}
	return nil
}

// probe makes this pass the one that tries a channel whose wait is over: the first
// that has something to send. All others wait for what becomes of it.
func (d *drain) probe(ctx context.Context) error {
	if d.wait.Cause == "" || d.probes {
		return nil
	}
	probe := d.wait
	probe.NotBefore = d.Now().Add(LeaseTime)
	if err := d.c.SaveChannelWait(ctx, d.ch.ID, probe); err != nil {
		return err // somebody else probes: read again
	}
	d.wait, d.probes = probe, true
	d.wait.Version++
	return nil
}

// holdByChannel waits for the channel, at a moment of the conversation's own.
func (d *drain) holdByChannel(ctx context.Context) error {
	h := fnv.New32a()
	h.Write([]byte(d.conv.ID))
	spread := time.Duration(h.Sum32()) % WaitSpread
	return d.hold(ctx, desk.Wait{Cause: d.wait.Cause, NotBefore: d.wait.NotBefore.Add(spread), ByChannel: true})
}

// hold arms the conversation's timer for the end of the wait, if none is armed,
// shows the wait and says errHeld.
func (d *drain) hold(ctx context.Context, w desk.Wait) error {
	next := d.conv
	next.Wait = &w
	var timers []store.Timer
	tooLate := d.conv.ArmedWake.After(w.NotBefore.Add(WaitSpread))
	if d.fired || tooLate || !desk.Armed(d.conv.ArmedWake, d.Now()) {
		t := d.c.NewTimer(store.WakeOutbound, d.conv, w.NotBefore)
		next.ArmedWake = t.Due
		timers = append(timers, t)
	} else if d.conv.Wait != nil && *d.conv.Wait == w {
		return errHeld
	}
	if err := d.c.SaveConversation(ctx, settled(d.conv, next, d.Now()), timers...); err != nil {
		return err
	}
	return errHeld
}

// pause asks for the wake-up again after a short while; for longer, or where one was
// handed back often, it is done and a timer takes its place.
func (d *drain) pause(ctx context.Context, after time.Duration, cause string) error {
	if d.receives < maxHandbacks && after <= MaxPause {
		return queue.Again(after)
	}
	return d.hold(ctx, desk.Wait{Cause: cause, NotBefore: d.Now().Add(after)})
}

// later puts a reply that was not sent back: for a short pause with the wake-up
// itself, for anything longer by a wait of the conversation or the channel.
func (d *drain) later(ctx context.Context, t *store.StoredTurn, r *desk.Reply, e *channel.Error) error {
	pause := e.After
	if pause == 0 {
		pause = min(FirstPause<<r.Pauses, MaxPause)
	}
	if e.Verdict == channel.Later && pause <= MaxPause && r.Pauses < MaxPauses && !d.probes && !d.tripped {
		r.Pauses++
		if err := d.record(ctx, t); err != nil {
			return err
		}
		return d.pause(ctx, pause, e.Cause)
	}
	r.Pauses = 0
	if err := d.record(ctx, t); err != nil {
		return err
	}
	if !e.Pair {
		return d.channelWaits(ctx, e.Cause, e.After)
	}
	var before time.Duration
	if d.conv.Wait != nil && !d.conv.Wait.ByChannel {
		before = d.conv.Wait.Step
	}
	return d.hold(ctx, d.longer(before, e.Cause, e.After))
}

// longer is the wait that follows one whose step was before: twice as long, or until
// the moment that the provider gave.
func (d *drain) longer(before time.Duration, cause string, after time.Duration) desk.Wait {
	if after > MaxPause {
		return desk.Wait{Cause: cause, NotBefore: d.Now().Add(after), Step: before}
	}
	step := min(max(2*before, FirstWait), MaxWait)
	return desk.Wait{Cause: cause, NotBefore: d.Now().Add(max(step, after)), Step: step}
}

// channelWaits lets the channel wait, longer than the last time, and this
// conversation with it. What a person has to mend is shown first: once the channel
// waits nobody comes this way for a while.
func (d *drain) channelWaits(ctx context.Context, cause string, after time.Duration) error {
	if desk.Interrupts(cause) {
		d.show(ctx, desk.ChannelInterrupted, cause)
	}
	next := store.StoredWait{Wait: d.longer(d.wait.Step, cause, after), Versioned: d.wait.Versioned}
	if err := d.c.SaveChannelWait(ctx, d.ch.ID, next); err != nil {
		return err // somebody else has just said so: read again
	}
	d.wait = next
	d.streaks.over(d.ch.ID)
	return d.holdByChannel(ctx)
}

// goes clears the wait of a channel on which a send has just succeeded, and its
// interruption.
func (d *drain) goes(ctx context.Context) error {
	interrupted := d.ch.State == desk.ChannelInterrupted || desk.Interrupts(d.wait.Cause)
	if d.wait.Cause != "" {
		cleared := store.StoredWait{Versioned: d.wait.Versioned}
		err := d.c.SaveChannelWait(ctx, d.ch.ID, cleared)
		if errors.Is(err, fault.Conflict) {
			return nil // another reply found out before us
		}
		if err != nil {
			return err
		}
		d.wait, d.probes = cleared, false
		d.wait.Version++
	}
	if interrupted {
		d.show(ctx, desk.ChannelActive, "")
	}
	return nil
}

// show puts what sending has found out into the channel's state (S3-09): interrupted
// by a cause, or active again. One that is neither is let be. If that fails whatever
// is tried, the next send that fails or succeeds does it again.
func (d *drain) show(ctx context.Context, state desk.ChannelState, cause string) {
	var err error
	for range maxTries {
		if err = d.setState(ctx, state, cause); err == nil {
			break
		}
	}
	if err != nil {
		d.Log.Warn("channel state not written", "channel", d.ch.ID, "state", state, "error", err.Error())
		return
	}
	d.ch.State, d.ch.Cause = state, cause
}

func (d *drain) setState(ctx context.Context, state desk.ChannelState, cause string) error {
	ch, err := d.c.RefreshChannel(ctx, d.ch.ID)
	if err != nil || ch.Deleted || !ch.State.Answers() || ch.State == state && ch.Cause == cause {
		return err
	}
	ch.State, ch.Cause = state, cause
	return d.c.SaveChannel(ctx, ch, nil)
}
