package pipeline

import (
	"context"
	"hash/fnv"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// heldBack is errHeld while the conversation or its channel waits.
func (d *drain) heldBack(ctx context.Context) error {
	now := d.Now()
	if w := d.conv.Wait; w != nil && !w.ByChannel && now.Before(w.NotBefore) {
		return d.hold(ctx, *w)
	}
	if d.wait.Cause != "" && now.Before(d.wait.NotBefore) && (d.wait.Probe.Out() || !d.onlyLooks()) {
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
	if d.Now().Before(d.wait.NotBefore) { // what this pass has sent is to be proven first
		return d.holdByChannel(ctx)
	}
	probe := d.wait
	probe.NotBefore = d.Now().Add(LeaseTime)
	if err := d.keep(ctx, probe); err != nil {
		return err // somebody else probes: read again
	}
	d.probes = true
	return nil
}

// keep writes the channel's wait at its version.
func (d *drain) keep(ctx context.Context, next store.StoredWait) error {
	if err := d.c.SaveChannelWait(ctx, d.ch.ID, next); err != nil {
		return err
	}
	d.wait = next
	d.wait.Version++
	return nil
}

// holdByChannel waits for the channel.
func (d *drain) holdByChannel(ctx context.Context) error { return d.hold(ctx, d.byChannel()) }

// byChannel is the channel's wait for this conversation: until a moment of its own,
// but for the one that looks at what became of its probe.
func (d *drain) byChannel() desk.Wait {
	w := desk.Wait{Cause: d.wait.Cause, NotBefore: d.wait.NotBefore, ByChannel: true}
	if !d.proving && !d.onlyLooks() {
		h := fnv.New32a()
		h.Write([]byte(d.conv.ID))
		w.NotBefore = w.NotBefore.Add(time.Duration(h.Sum32()) % WaitSpread)
	}
	return w
}

// hold arms the conversation's timer for the end of the wait, if none is armed,
// shows the wait and says errHeld.
func (d *drain) hold(ctx context.Context, w desk.Wait) error {
	next, timers := d.until(d.conv, w)
	if len(timers) == 0 && d.conv.Wait != nil && *d.conv.Wait == w {
		return errHeld
	}
	if err := d.c.SaveConversation(ctx, settled(d.conv, next, d.Now()), timers...); err != nil {
		return err
	}
	return errHeld
}

// until is the conversation with the wait, and the timer of its end if none is armed
// that fires soon enough.
func (d *drain) until(conv desk.Conversation, w desk.Wait) (desk.Conversation, []store.Timer) {
	conv.Wait = &w
	tooLate := conv.ArmedWake.After(w.NotBefore.Add(WaitSpread))
	if !d.fired && !tooLate && desk.Armed(conv.ArmedWake, d.Now()) {
		return conv, nil
	}
	t := d.c.NewTimer(store.WakeOutbound, conv, w.NotBefore)
	conv.ArmedWake = t.Due
	return conv, []store.Timer{t}
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
	return d.hold(ctx, longer(d.Now(), before, e.Cause, e.After))
}

// longer is the wait that follows one whose step was before: twice as long, or until
// the moment that the provider gave.
func longer(now time.Time, before time.Duration, cause string, after time.Duration) desk.Wait {
	if after > MaxPause {
		return desk.Wait{Cause: cause, NotBefore: now.Add(after), Step: before}
	}
	step := min(max(2*before, FirstWait), MaxWait)
	return desk.Wait{Cause: cause, NotBefore: now.Add(max(step, after)), Step: step}
}

// channelWaits lets the channel wait, longer than the last time, and this
// conversation with it. What a person has to mend is shown first: once the channel
// waits nobody comes this way for a while. What needed proof still does, and a probe
// that could not be tried is no other cause.
func (d *drain) channelWaits(ctx context.Context, cause string, after time.Duration) error {
	if desk.Interrupts(cause) {
		d.show(ctx, desk.ChannelInterrupted, cause)
	} else if d.wait.NeedsProof() {
		cause = d.wait.Cause
	}
	next := d.wait
	next.Wait = longer(d.Now(), d.wait.Step, cause, after)
	next.ProofAfter = d.wait.ProofAfter
	if err := d.keep(ctx, next); err != nil {
		return err // somebody else has just said so: read again
	}
	d.streaks.over(d.ch.ID)
	return d.holdByChannel(ctx)
}

// goes draws the consequence of a reply to which the provider has just given its
// answer: the channel goes again, unless that has to be proven.
func (d *drain) goes(ctx context.Context, r desk.Reply) error {
	if d.wait.NeedsProof() {
		return d.tried(ctx, r)
	}
	return d.clear(ctx)
}

// clear ends the wait of a channel that goes, and its interruption. What is shown
// comes first, as with its beginning: who dies in between leaves a wait, which is
// looked at again.
func (d *drain) clear(ctx context.Context) error {
	if d.ch.State == desk.ChannelInterrupted || desk.Interrupts(d.wait.Cause) {
		d.show(ctx, desk.ChannelActive, "")
	}
	if d.wait.Cause == "" {
		return nil
	}
	cleared := store.StoredWait{WellAt: d.wait.WellAt, Versioned: d.wait.Versioned}
	if p := d.wait.Probe; p.Out() {
		cleared.WellAt = p.At
	}
	d.probes = false
	return d.keep(ctx, cleared) // at a conflict another reply found out before us: read again
}

// show puts what sending has found out into the channel's state (S3-09): interrupted
// by a cause, or active again. One that is neither is let be, and so is one whose wait
// has changed meanwhile. If that fails whatever is tried, the next send that fails or
// succeeds does it again.
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
	return d.c.SaveChannel(ctx, ch, d.c.WhileWait(d.ch.ID, d.wait))
}
