package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// The times of sending (contract section 2, "Sending"; design section 1).
const (
	LeaseTime     = 60 * time.Second // a claim without a result is an unknown outcome after this
	SendTimeout   = 20 * time.Second // of one call to a provider
	StrayLife     = 24 * time.Hour   // a receipt of an attempt whose outcome was never learnt may come this late
	ReceiptGrace  = 10 * time.Second // a receipt may take this long, also where a dead process's lease ends sooner
	FirstPause    = 5 * time.Second  // doubled with each further one
	MaxPause      = 60 * time.Second // a longer one is a wait
	MaxPauses     = 5                // short pauses in a row
	FirstWait     = time.Minute      // of a cause without a date, doubled each time
	MaxWait       = time.Hour
	WaitSpread    = time.Minute      // conversations of a waiting channel wake within this
	MaxAttempts   = 2                // of a text whose outcome stays unknown
	recentSends   = 12               // provider ids remembered against a receipt taken twice
	outboundStep  = 45 * time.Second // one wake-up: a whole call to a provider and what is quick
	maxRounds     = 50               // changes of a conversation met while one wake-up is handled
	maxHandbacks  = 10               // receives of one wake-up; then its pauses are waits with a timer
	recordTimeout = 5 * time.Second  // of writing a result, whatever is left of the step
)

// Worker handles the outbound queue.
func (s *Outbound) Worker() *queue.Worker {
	return &queue.Worker{
		Handle: func(ctx context.Context, r queue.Record) error {
			tenant, w, err := queue.Open[desk.Wake](desk.StageOutbound, r.Body)
			if err != nil {
				return err
			}
			if !store.ValidTenant(tenant) {
				return &queue.Unreadable{Reason: "bad_tenant"}
			}
			return s.wake(ctx, s.Store.In(tenant), w, r.Receives)
		},
		Quarantine: func(ctx context.Context, r queue.Record, reason string) error {
			return quarantineRecord(ctx, s.Store, s.Blobs, desk.StageOutbound, r, reason)
		},
		Alone: store.Suspects{Store: s.Store, Queue: desk.StageOutbound},
		// What was only paused is no suspect.
		AloneAfter: maxHandbacks + queue.AloneAfter,
		Step:       outboundStep,
		Log:        s.Log,
	}
}

// reasonDeactivated ends replies of a channel that was switched off meanwhile.
const reasonDeactivated = "channel_deactivated"

// errHeld ends a pass over a conversation that waits: its timer is armed.
var errHeld = errors.New("held")

// wake sends what a conversation holds unsent, in the order of the numbers,
// until nothing is left, or something holds it back. receives counts how often
// the wake-up was received. A pass whose conversation has changed meanwhile
// begins again; what is committed after its last write has a wake-up of its own
// behind this one, so nothing is read to look for it.
func (s *Outbound) wake(ctx context.Context, c store.Company, w desk.Wake, receives int) error {
	for range maxRounds {
		conv, err := c.Conversation(ctx, w.Conversation)
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(conv.Unsent) == 0 {
			return nil
		}
		d := &drain{Outbound: s, c: c, conv: conv, fired: w.Fired, receives: receives}
		err = d.run(ctx)
		if errors.Is(err, errHeld) {
			return nil
		}
		if !errors.Is(err, fault.Conflict) {
			return err
		}
	}
	return fmt.Errorf("conversation %s: %w", w.Conversation, fault.Busy)
}

// drain is one pass over a conversation as it was read.
type drain struct {
	*Outbound
	c        store.Company
	conv     desk.Conversation
	fired    bool // the conversation's timer is armed no more
	receives int
	ch       desk.Channel
	wait     store.StoredWait
	// strayUntil is the conversation's StrayUntil with the attempts of this pass.
	strayUntil time.Time
}

// run sends all that is unsent and takes it off the conversation with one
// write at the version read, which fails if anything came meanwhile.
func (d *drain) run(ctx context.Context) error {
	var err error
	if d.ch, err = d.c.Channel(ctx, d.conv.Channel); err != nil {
		return err
	}
	if d.wait, err = d.c.ChannelWait(ctx, d.ch.ID); err != nil {
		return err
	}
	if err := d.heldBack(ctx); err != nil {
		return err
	}
	recent := slices.Clone(d.conv.Recent)
	d.strayUntil = d.conv.StrayUntil
	for _, u := range d.conv.Unsent {
		turns, err := d.c.Turns(ctx, d.conv.ID, u.Turn)
		if err != nil {
			return err
		}
		t := turns[0]
		for i := range t.Replies {
			if err := d.send(ctx, &t, i, recent); err != nil {
				return err
			}
			r := t.Replies[i]
			if r.ProviderID != "" {
				recent = append(recent, shortID(r.ProviderID))
			}
			if stray(r) {
				d.strayUntil = d.Now().Add(StrayLife)
			}
		}
	}
	next := d.conv
	next.Unsent, next.Wait = nil, nil
	next.Recent, next.StrayUntil = recent[max(0, len(recent)-recentSends):], d.strayUntil
	return d.c.SaveConversation(ctx, settled(d.conv, next, d.Now()))
}

// stray tells whether an attempt to send the reply may have gone out without
// anybody learning of it.
func stray(r desk.Reply) bool {
	return r.Attempts > 1 || r.Reason == desk.ReasonUnknown || r.Reason == reasonDeactivated && r.Attempts > 0
}

func shortID(providerID string) string { return store.Hash(providerID)[:10] }

// heldBack is errHeld while the conversation or its channel waits. A channel
// whose time has come is probed by the first to see it.
func (d *drain) heldBack(ctx context.Context) error {
	now := d.Now()
	if w := d.conv.Wait; w != nil && !w.ByChannel && now.Before(w.NotBefore) {
		return d.hold(ctx, *w)
	}
	if d.wait.Cause == "" {
		return nil
	}
	if now.Before(d.wait.NotBefore) {
		return d.holdByChannel(ctx)
	}
	probe := d.wait
	probe.NotBefore = now.Add(LeaseTime)
	if err := d.c.SaveChannelWait(ctx, d.ch.ID, probe); err != nil {
		return err // somebody else probes: read again
	}
	d.wait = probe
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

// pause asks for the wake-up again after a short while; one that was handed back
// often is done, and a timer takes its place.
func (d *drain) pause(ctx context.Context, after time.Duration, cause string) error {
	if d.receives < maxHandbacks {
		return queue.Again(after)
	}
	return d.hold(ctx, desk.Wait{Cause: cause, NotBefore: d.Now().Add(after)})
}

// timeToSend tells whether enough is left of the step for a whole call: one that
// is cut off by our own deadline has an unknown outcome.
func timeToSend(ctx context.Context) bool {
	left, bounded := queue.Remaining(ctx)
	return !bounded || left > SendTimeout+recordTimeout
}

// send brings one reply to its end, or returns why it cannot end now.
func (d *drain) send(ctx context.Context, t *store.StoredTurn, i int, recent []string) error {
	r := &t.Replies[i]
	if r.Done {
		return nil
	}
	if r.Lease != nil {
		if d.live(*r.Lease) {
			return d.pause(ctx, max(r.Lease.Until.Sub(d.Now()), time.Second), desk.WaitUnavailable)
		}
		ended, err := d.settle(ctx, t, i, recent)
		if ended || err != nil {
			return err
		}
	}
	if d.ch.Deleted || !d.ch.State.Answers() {
		r.Status, r.Done, r.Reason, r.Lease = desk.Failed, true, reasonDeactivated, nil
		return d.record(ctx, t)
	}
	if !timeToSend(ctx) {
		return d.pause(ctx, time.Second, desk.WaitUnavailable)
	}
	if err := d.claim(ctx, t, i); err != nil {
		return err
	}
	r = &t.Replies[i]
	if d.Now().Add(SendTimeout).After(r.Lease.Until) {
		return d.tooLate(ctx, t, r)
	}
	sent, err := d.call(ctx, *r)
	var failed *channel.Error
	if err != nil && !errors.As(err, &failed) {
		failed = &channel.Error{Verdict: channel.Unknown, Code: "unclassified"}
	}
	if failed == nil {
		r.Status, r.Done, r.ProviderID, r.SentAt = desk.Accepted, true, sent.ProviderID, d.Now()
		r.Lease, r.Pauses, r.Reason = nil, 0, ""
		if err := d.record(ctx, t); err != nil {
			return err
		}
		return d.goes(ctx)
	}
	d.Log.Info("send not accepted", "channel", d.ch.ID, "reply", r.ID, "code", failed.Code, "verdict", int(failed.Verdict))
	switch failed.Verdict {
	case channel.Refused:
		r.Status, r.Done, r.Reason, r.Lease = desk.Failed, true, failed.Reason, nil
		if err := d.record(ctx, t); err != nil || failed.Code == channel.CodeNotSent {
			return err
		}
		return d.goes(ctx) // it refuses this message: so it answers
	case channel.Later, channel.ChannelDown:
		return d.later(ctx, t, r, failed)
	}
	// Unknown: it is recorded, and the lease stays until its end.
	r.Reason = desk.ReasonUnknown
	if err := d.record(ctx, t); err != nil {
		return err
	}
	return d.pause(ctx, LeaseTime, desk.WaitUnavailable)
}

// claim takes the lease under which reply i is sent. What is written may be refused
// by an earlier attempt of the same write, whose answer was lost: the claim holds if
// it is the one that is stored.
func (d *drain) claim(ctx context.Context, t *store.StoredTurn, i int) error {
	now, owner := d.Now(), d.c.NewID()
	t.Replies[i].Lease = &desk.Lease{From: now, Until: now.Add(LeaseTime), Epoch: d.Epoch, Owner: owner}
	t.Replies[i].Attempts++
	err := d.save(ctx, t)
	if err == nil {
		return nil
	}
	stored, again := d.c.Turns(ctx, d.conv.ID, t.ID)
	if again != nil || stored[0].Replies[i].Lease == nil || stored[0].Replies[i].Lease.Owner != owner {
		return err
	}
	*t = stored[0]
	return nil
}

// tooLate gives a claim back under which a call might not end: claiming took so
// long that somebody else may take the reply over meanwhile, and send later ones
// before this.
func (d *drain) tooLate(ctx context.Context, t *store.StoredTurn, r *desk.Reply) error {
	r.Lease = nil
	r.Attempts--
	if err := d.record(ctx, t); err != nil {
		return err
	}
	return d.pause(ctx, time.Second, desk.WaitUnavailable)
}

// live tells whether somebody may still be sending under the lease. In a local
// run a lease of another process is a dead one.
func (d *drain) live(l desk.Lease) bool { return l.Epoch == d.Epoch && d.Now().Before(l.Until) }

// call makes the provider's call with the final text.
func (d *drain) call(ctx context.Context, r desk.Reply) (channel.Sent, error) {
	provider, ok := d.Providers[d.ch.Provider]
	if !ok {
		return channel.Sent{}, &channel.Error{Verdict: channel.Refused, Code: "no_provider", Reason: "provider_unknown"}
	}
	var creds channel.Credentials
	value, err := d.Secrets.Get(ctx, d.c.CredentialsName(d.ch.ID))
	if errors.Is(err, fault.NotFound) || err == nil && json.Unmarshal([]byte(value), &creds) != nil {
		return channel.Sent{}, &channel.Error{Verdict: channel.ChannelDown, Code: "no_credentials", Reason: "credentials_missing", Cause: desk.WaitCredential}
	}
	if err != nil {
		d.Log.Error("credentials not read", "channel", d.ch.ID, "error", err.Error())
		return channel.Sent{}, &channel.Error{Verdict: channel.Later, Code: "secret_store", Reason: "secret_store_unavailable", Cause: desk.WaitUnavailable}
	}
	out := r.Outgoing
	if out.FormKey != "" {
		secret, err := d.Keys.Form(ctx, d.c.Tenant, out.FormKey, r.ID)
		if err != nil {
			d.Log.Error("form not linked", "channel", d.ch.ID, "error", err.Error())
			return channel.Sent{}, &channel.Error{Verdict: channel.Later, Code: "link_keys", Reason: "keys_unavailable", Cause: desk.WaitUnavailable}
		}
		out = out.WithForm(d.PublicURL(), secret)
	}
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	account := channel.Account{Channel: d.ch, Credentials: creds}
	return provider.Send(ctx, account, d.conv.Person, out, r.ID)
}

// save writes what became of the turn's replies at its version.
func (d *drain) save(ctx context.Context, t *store.StoredTurn) error {
	err := d.c.SaveSent(ctx, *t)
	if err == nil {
		t.SentVersion++
	}
	return err
}

// record writes a result, trying again whatever went wrong, since what is not
// written has to be found out. Nobody else writes under our lease, so a conflict
// is our own write whose answer was lost: read again.
func (d *drain) record(ctx context.Context, t *store.StoredTurn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	var err error
	for range maxTries {
		if err = d.save(ctx, t); err == nil || errors.Is(err, fault.Conflict) {
			return err
		}
	}
	return err
}

// goes clears the wait of a channel on which a send has just succeeded.
func (d *drain) goes(ctx context.Context) error {
	if d.wait.Cause == "" {
		return nil
	}
	cleared := store.StoredWait{Versioned: d.wait.Versioned}
	err := d.c.SaveChannelWait(ctx, d.ch.ID, cleared)
	if err == nil {
		d.wait = cleared
		d.wait.Version++
	}
	if errors.Is(err, fault.Conflict) {
		return nil // another reply found out before us
	}
	return err
}

// later puts a reply that was not sent back: for a short pause with the wake-up
// itself, for anything longer by a wait of the conversation or the channel.
func (d *drain) later(ctx context.Context, t *store.StoredTurn, r *desk.Reply, e *channel.Error) error {
	r.Lease = nil
	r.Attempts-- // nothing went out
	pause := e.After
	if pause == 0 {
		pause = min(FirstPause<<r.Pauses, MaxPause)
	}
	probing := d.wait.Cause != ""
	if e.Verdict == channel.Later && pause <= MaxPause && r.Pauses < MaxPauses && !probing {
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
	var before time.Duration
	switch {
	case e.Pair && d.conv.Wait != nil && !d.conv.Wait.ByChannel:
		before = d.conv.Wait.Step
	case !e.Pair:
		before = d.wait.Step
	}
	w := desk.Wait{Cause: e.Cause, Step: min(max(2*before, FirstWait), MaxWait)}
	w.NotBefore = d.Now().Add(max(w.Step, e.After))
	if e.After > MaxPause {
		w.NotBefore, w.Step = d.Now().Add(e.After), before
	}
	if e.Pair {
		return d.hold(ctx, w)
	}
	next := store.StoredWait{Wait: w, Versioned: d.wait.Versioned}
	if err := d.c.SaveChannelWait(ctx, d.ch.ID, next); err != nil {
		return err // somebody else has just said so: read again
	}
	d.wait = next
	return d.holdByChannel(ctx)
}

// settle ends a reply whose outcome is unknown, if it can be learnt: the
// provider's receipt for that number and time which no other reply owns. While a
// receipt of an earlier attempt may still come, one proves nothing. Without proof a
// text is tried once more, a template never.
func (d *drain) settle(ctx context.Context, t *store.StoredTurn, i int, recent []string) (bool, error) {
	r := &t.Replies[i]
	ids, err := d.c.Enqueued(ctx, d.ch.ID, d.conv.Person, r.Lease.From, d.Now().Add(time.Second))
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if slices.Contains(recent, shortID(id)) || d.Now().Before(d.strayUntil) {
			continue
		}
		r.Status, r.Done, r.ProviderID, r.SentAt, r.Lease, r.Reason = desk.Accepted, true, id, r.Lease.From, nil, ""
		if err := d.record(ctx, t); err != nil {
			return true, err
		}
		return true, d.goes(ctx)
	}
	if rest := r.Lease.From.Add(ReceiptGrace).Sub(d.Now()); rest > 0 {
		return true, d.pause(ctx, rest, desk.WaitUnavailable)
	}
	if r.Type != desk.ReplyTemplate && r.Attempts < MaxAttempts {
		return false, nil
	}
	r.Done, r.Reason, r.Lease = true, desk.ReasonUnknown, nil
	return true, d.record(ctx, t)
}
