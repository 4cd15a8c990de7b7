package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// send brings one reply to its end, or returns why it cannot end now.
func (d *drain) send(ctx context.Context, t *store.StoredTurn, i int, recent []string) error {
	r := &t.Replies[i]
	if r.Done {
		return d.recall(ctx, *r)
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
	reason, err := d.refusal(ctx, t.Turn, *r)
	if err != nil {
		return err
	}
	if reason != "" {
		return d.refuse(ctx, t, r, reason)
	}
	if !timeFor(ctx, needed(*r)) {
		return d.pause(ctx, time.Second, desk.WaitUnavailable)
	}
	if err := d.probe(ctx); err != nil {
		return err
	}
	if toUpload(*r) {
		if failed := d.upload(ctx, r); failed != nil {
			return d.notSent(ctx, t, r, failed)
		}
	}
	if err := d.inTurn(ctx, t, *r); err != nil {
		return err
	}
	if reason, err = d.meanwhile(ctx, t.Turn, *r); err != nil {
		return err
	}
	if reason != "" {
		return d.refuse(ctx, t, r, reason)
	}
	if err := d.undisturbed(ctx); err != nil {
		return err
	}
	if err := d.claim(ctx, t, i); err != nil {
		return err
	}
	r = &t.Replies[i]
	if d.Now().Add(SendTimeout).After(r.Lease.Until) {
		return d.tooLate(ctx, t, r)
	}
	sent, failed := d.call(ctx, *r)
	switch {
	case failed == nil:
		r.Status, r.Done, r.ProviderID, r.SentAt = desk.Accepted, true, sent.ProviderID, d.Now()
		r.Lease, r.Pauses, r.Reason, r.Elsewhere = nil, 0, "", d.elsewhere(*r, sent)
		if err := d.record(ctx, t); err != nil {
			return err
		}
		return d.goes(ctx, *r)
	case failed.Verdict == channel.Unknown:
		return d.unknown(ctx, t, r, failed)
	case failed.Verdict != channel.Refused:
		r.Attempts-- // nothing went out
	}
	return d.notSent(ctx, t, r, failed)
}

// elsewhere is the conversation in which taps on a reply come, where the network has
// another id for the person than we (providers.md 2.5); empty: in this one.
func (d *drain) elsewhere(r desk.Reply, sent channel.Sent) string {
	if r.Template == nil || !r.Template.Taps || sent.Person == "" || sent.Person == d.conv.Person {
		return ""
	}
	return store.ConversationID(d.ch.ID, sent.Person)
}

// refuse ends a reply that must not be sent. What an earlier attempt may have sent is
// called unknown, unless it is the channel's end that ends it (S3-12).
func (d *drain) refuse(ctx context.Context, t *store.StoredTurn, r *desk.Reply, reason string) error {
	r.Done, r.Lease = true, nil
	if r.Attempts > 0 && reason != desk.ReasonDeactivated {
		r.Reason = desk.ReasonUnknown
	} else {
		r.Status, r.Reason = desk.Failed, reason
	}
	return d.record(ctx, t)
}

// notSent deals with a reply that the provider, or what we need for it, did not take.
func (d *drain) notSent(ctx context.Context, t *store.StoredTurn, r *desk.Reply, e *channel.Error) error {
	d.tell(*r, e)
	r.Lease = nil
	if e.Verdict != channel.Refused {
		return d.later(ctx, t, r, e)
	}
	r.Status, r.Done, r.Reason = desk.Failed, true, e.Reason
	if scope, said := optOutOf(e.Reason); said && e.Code != channel.CodeNotSent {
		if err := d.optOut(ctx, scope); err != nil {
			return err
		}
	}
	if err := d.record(ctx, t); err != nil || e.Code == channel.CodeNotSent {
		return err
	}
	return d.goes(ctx, *r) // it refuses this message: so it answers
}

// optOut keeps that the provider says the person wants nothing of that scope from
// this channel, under either spelling of their number: what else of it is unsent to
// them ends too.
func (d *drain) optOut(ctx context.Context, scope desk.ConsentScope) error {
	v := desk.Consent{Channel: d.ch.ID, Person: d.conv.Person, Scope: scope, At: d.RealNow()}
	if err := d.c.SaveConsent(ctx, v); err != nil {
		return err
	}
	d.conv = d.conv.Told(v) // written at the end of the pass
	if v.Person = desk.OtherSpelling(v.Person); v.Person == "" {
		return nil
	}
	return keepConsent(ctx, d.c, v)
}

// unknown notes that nobody knows whether the reply went out. Its lease stays until
// its end.
func (d *drain) unknown(ctx context.Context, t *store.StoredTurn, r *desk.Reply, e *channel.Error) error {
	d.tell(*r, e)
	r.Reason = desk.ReasonUnknown
	if err := d.record(ctx, t); err != nil {
		return err
	}
	if d.probes || d.tripped {
		return d.channelWaits(ctx, desk.WaitUnavailable, 0)
	}
	return d.pause(ctx, LeaseTime, desk.WaitUnavailable)
}

func (d *drain) tell(r desk.Reply, e *channel.Error) {
	d.Log.Info("send not accepted", "channel", d.ch.ID, "reply", r.ID, "code", e.Code, "verdict", int(e.Verdict))
}

// needed is how long sending the reply may take: calls that our own deadline cuts
// off have an unknown outcome.
func needed(r desk.Reply) time.Duration {
	if toUpload(r) {
		return UploadTimeout + SendTimeout + recordTimeout
	}
	return SendTimeout + recordTimeout
}

// timeFor tells whether more than d is left of the step.
func timeFor(ctx context.Context, d time.Duration) bool {
	left, bounded := queue.Remaining(ctx)
	return !bounded || left > d
}

// inTurn waits until the channel's rate lets the reply go, for a moment on the spot,
// for longer with the wake-up. What was uploaded for it is kept.
func (d *drain) inTurn(ctx context.Context, t *store.StoredTurn, r desk.Reply) error {
	most := maxInPlace
	if left, bounded := queue.Remaining(ctx); bounded {
		most = min(most, left-needed(r))
	}
	wait, taken, cause := time.Second, false, desk.WaitUnavailable
	if most > 0 {
		rate := float64(d.ch.Settings.Rate()) / float64(max(d.Share, 1))
		wait, taken = d.rates.take(d.ch.ID, rate, d.Now(), most)
		cause = desk.WaitRateLimited
	}
	if taken {
		if wait > 0 {
			d.Sleep(ctx, wait)
			d.aged = true
		}
		return nil
	}
	if r.Uploaded != nil {
		if err := d.save(ctx, t); err != nil {
			return err
		}
	}
	return d.pause(ctx, max(wait, time.Second), cause)
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

// account opens the channel's provider with its credentials.
func (d *drain) account(ctx context.Context) (channel.Provider, channel.Account, *channel.Error) {
	account := channel.Account{Channel: d.ch}
	provider, ok := d.Providers[d.ch.Provider]
	if !ok {
		return nil, account, &channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: "provider_unknown"}
	}
	read := d.Secrets.Get
	if d.fresh { // perhaps by new credentials
		read = d.Secrets.Fresh
	}
	value, now, err := d.c.ReadCredentials(ctx, d.ch, read)
	account.Channel = now
	if errors.Is(err, fault.NotFound) || err == nil && json.Unmarshal([]byte(value), &account.Credentials) != nil {
		return nil, account, &channel.Error{Verdict: channel.ChannelDown, Code: "no_credentials", Reason: "credentials_missing", Cause: desk.WaitCredential}
	}
	if err != nil {
		d.Log.Error("credentials not read", "channel", d.ch.ID, "error", err.Error())
		return nil, account, ours("secret_store", "secret_store_unavailable")
	}
	return provider, account, nil
}

// ours is an error of what we need ourselves for a send: nothing went out.
func ours(code, reason string) *channel.Error {
	return &channel.Error{Verdict: channel.Later, Code: code, Reason: reason, Cause: desk.WaitUnavailable}
}

// call makes the provider's call with the final text.
func (d *drain) call(ctx context.Context, r desk.Reply) (channel.Sent, *channel.Error) {
	d.aged = true
	provider, account, failed := d.account(ctx)
	if failed != nil {
		return channel.Sent{}, failed
	}
	out := r.Outgoing
	if out.FormKey != "" {
		secret, err := d.Keys.Form(ctx, d.c.Tenant, out.FormKey, r.ID)
		if err != nil {
			d.Log.Error("form not linked", "channel", d.ch.ID, "error", err.Error())
			return channel.Sent{}, ours("link_keys", "keys_unavailable")
		}
		out = out.WithForm(d.PublicURL(), secret)
	}
	out.Media = found(r)
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	sent, err := provider.Send(ctx, account, d.conv.Person, out, r.ID)
	return sent, d.judged(err)
}

// judged is the verdict of a call to the provider: one without a verdict has an
// unknown outcome. It counts for the channel.
func (d *drain) judged(err error) *channel.Error {
	var failed *channel.Error
	switch {
	case err == nil:
	case !errors.As(err, &failed):
		failed = &channel.Error{Verdict: channel.Unknown, Code: "unclassified"}
	case failed.Code == channel.CodeNotSent:
		return failed // nobody was asked
	}
	if failed == nil || failed.Verdict != channel.Unknown && failed.Cause != desk.WaitUnavailable {
		d.streaks.over(d.ch.ID)
		return failed
	}
	d.tripped = d.streaks.failed(d.ch.ID, d.conv.ID, failed.Verdict == channel.Unknown)
	return failed
}

// save writes what became of the turn's replies at its version.
func (d *drain) save(ctx context.Context, t *store.StoredTurn) error {
	err := d.c.SaveSent(ctx, *t)
	if err == nil {
		*t = t.Recorded()
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
