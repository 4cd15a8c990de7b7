package approval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// The times and limits of a request.
const (
	leaseTime   = 60 * time.Second // a claim without a result is an unknown outcome after this
	callTimeout = 20 * time.Second // of the call to the provider
	listedAfter = 60 * time.Second // a list shows a request that went out this long ago
	early       = 5 * time.Second  // an event that is less early than this waits; clocks differ
	maxRounds   = 5                // changes of a template met while one event is handled
	maxTaken    = 3                // attempts after which a name that is taken is believed to be another's
)

// Why a request waits whose channel is not in use.
const (
	WaitChannelPending  = "channel_pending"  // it is not approved yet
	WaitChannelInactive = "channel_inactive" // it is switched off
)

func waitsForChannel(cause string) bool {
	return cause == WaitChannelPending || cause == WaitChannelInactive
}

// submit takes a template's request to its provider, or arms a timer that asks again.
// An event too many finds nothing to do.
func (s *Approvals) submit(ctx context.Context, c store.Company, id string) error {
	for range maxRounds {
		t, err := c.Template(ctx, id)
		if errors.Is(err, fault.NotFound) || err == nil && (t.Submission == nil || t.Submission.Done) {
			return nil
		}
		if err != nil {
			return err
		}
		ch, err := c.FreshChannel(ctx, t.Channel)
		if err != nil {
			return err
		}
		a := &attempt{Approvals: s, c: c, ch: ch, t: t}
		if err = a.run(ctx); !errors.Is(err, fault.Conflict) {
			return err
		}
	}
	return fmt.Errorf("template %s: %w", id, fault.Busy)
}

// attempt is one try to submit a template as it was read.
type attempt struct {
	*Approvals
	c  store.Company
	ch desk.Channel
	t  desk.Template
}

func (a *attempt) run(ctx context.Context) error {
	sub := *a.t.Submission
	switch {
	case a.ch.Deleted:
		return a.save(ctx, func(t *desk.Template) { *t = t.Refused(desk.ReasonDeactivated) })
	case a.live(sub.Lease):
		return queue.Again(max(sub.Lease.Until.Sub(a.Now()), time.Second))
	case a.holds(sub):
		if rest := sub.NotBefore.Sub(a.Now()); rest <= early {
			return queue.Again(rest)
		}
		return nil // its timer is armed
	case a.ch.State == desk.ChannelPending:
		return a.hold(ctx, WaitChannelPending)
	case a.ch.State == desk.ChannelInactive:
		return a.hold(ctx, WaitChannelInactive)
	}
	if a.unsettled(sub) {
		if settled, err := a.settle(ctx); settled || err != nil {
			return err
		}
	}
	if left, bounded := queue.Remaining(ctx); bounded && left < callTimeout+recordTimeout {
		return queue.Again(time.Second)
	}
	if err := a.claim(ctx); err != nil {
		return err
	}
	if a.Now().Add(callTimeout).After(a.t.Submission.Lease.Until) { // somebody may take it over during the call
		if err := a.record(ctx, time.Time{}, giveBack); err != nil {
			return err
		}
		return queue.Again(time.Second)
	}
	listed, failed := a.call(ctx)
	if failed == nil {
		if err := a.record(ctx, time.Time{}, func(t *desk.Template) { *t = t.Submitted(listing(listed), a.Now()) }); err != nil {
			return err
		}
		a.noticed(desk.Template{}, a.t)
		return a.answered(ctx, a.c, a.ch, nil)
	}
	a.Log.Info("template not taken", "template", a.t.ID, "channel", a.ch.ID, "code", failed.Code, "verdict", int(failed.Verdict))
	return a.failed(ctx, failed)
}

// holds tells whether a request still waits: its time has not come, and what it waits
// for has not happened. A channel that was approved or switched on, or whose
// interruption has ended, may be tried at once.
func (a *attempt) holds(sub desk.Submission) bool {
	switch {
	case !a.Now().Before(sub.NotBefore):
		return false
	case waitsForChannel(sub.Cause):
		return !a.ch.State.Answers()
	case desk.Interrupts(sub.Cause):
		return a.ch.State == desk.ChannelInterrupted
	}
	return true
}

// live tells whether somebody may still be submitting under the lease. In a local run
// a lease of another process is a dead one.
func (s *Approvals) live(l *desk.Lease) bool {
	return l != nil && l.Epoch == s.Epoch && s.Now().Before(l.Until)
}

// unsettled tells whether a request may have gone out without anybody's having learnt
// what became of it.
func (s *Approvals) unsettled(sub desk.Submission) bool {
	return wentOut(&sub) && (sub.Unknown || !s.live(sub.Lease))
}

// wentOut tells whether a request may have gone out, or goes out now, and no answer to it
// is recorded.
func wentOut(sub *desk.Submission) bool { return sub != nil && (sub.Unknown || sub.Lease != nil) }

// settle looks for a request whose outcome is unknown in the provider's list: read
// whole, and not before the request must show in it. False: it is not there, and may
// be submitted again.
func (a *attempt) settle(ctx context.Context) (bool, error) {
	since := a.t.Submission.Lease.From.Add(listedAfter)
	if a.Now().Before(since) {
		return true, a.saveArmed(ctx, since, unknown)
	}
	r, err := a.read(ctx, a.c, a.ch, question{since: since, patient: true})
	if err != nil {
		return true, err
	}
	stored, err := a.c.Template(ctx, a.t.ID)
	if err != nil || stored.Submission.Done {
		return true, err
	}
	a.t = stored
	if !r.known.OK || r.known.Began.Before(since) {
		cause := desk.WaitUnavailable
		if r.failed != nil && r.failed.Cause != "" {
			cause = r.failed.Cause
		}
		return true, a.hold(ctx, cause)
	}
	return false, nil
}

// claim takes the lease under which the request is submitted. What is written may be
// refused by an earlier attempt of the same write, whose answer was lost: the claim
// holds if it is the one that is stored.
func (a *attempt) claim(ctx context.Context) error {
	owner, now := a.NewID(), a.Now()
	err := a.save(ctx, func(t *desk.Template) {
		t.Submission.Lease = &desk.Lease{From: now, Until: now.Add(leaseTime), Epoch: a.Epoch, Owner: owner}
		t.Submission.Unknown = false
		t.Submission.Attempts++
	})
	if err == nil {
		return nil
	}
	stored, again := a.c.Template(ctx, a.t.ID)
	if again != nil || !owns(stored, owner) {
		return err
	}
	a.t = stored
	return nil
}

func owns(t desk.Template, owner string) bool {
	return t.Submission != nil && t.Submission.Lease != nil && t.Submission.Lease.Owner == owner
}

// call makes the provider's call.
func (a *attempt) call(ctx context.Context) (channel.Listed, *channel.Error) {
	provider, account, refused := a.account(ctx, a.c, a.ch)
	if refused != nil {
		return channel.Listed{}, refused
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	listed, err := provider.Submit(ctx, account, a.t)
	if err == nil && listed.ProviderID == "" {
		return listed, &channel.Error{Verdict: channel.Unknown, Code: "no_id", Reason: desk.ReasonUnknown}
	}
	return listed, classified(err)
}

// failed notes why the provider has not taken the request.
func (a *attempt) failed(ctx context.Context, e *channel.Error) error {
	if e.Code == channel.CodeNameTaken && a.t.Submission.Attempts > 1 {
		return a.taken(ctx)
	}
	switch e.Verdict {
	case channel.Refused:
		return a.record(ctx, time.Time{}, func(t *desk.Template) {
			t.Submission.Lease = nil // its outcome is known: no list is looked through for it
			*t = t.Refused(e.Reason)
		})
	case channel.Later, channel.ChannelDown:
		pause, cause := a.pause(), e.Cause
		if e.Code == channel.CodeNotSent { // the channel lacks a setting; it is not interrupted
			cause = e.Reason
		}
		err := a.record(ctx, a.Now().Add(max(pause, e.After)), func(t *desk.Template) {
			giveBack(t)
			t.Submission.Cause, t.Submission.Step = cause, pause
		})
		if err != nil {
			return err
		}
		return a.answered(ctx, a.c, a.ch, e)
	}
	pause := a.pause()
	due := a.t.Submission.Lease.From.Add(listedAfter)
	if later := a.Now().Add(pause); later.After(due) {
		due = later
	}
	return a.record(ctx, due, func(t *desk.Template) {
		unknown(t)
		t.Submission.Step = pause
	})
}

// taken ends a request that the provider refuses since it has one of that name: ours,
// it may be, from an attempt whose outcome was not learnt. The list tells; one that
// does not hold it is looked at again, for it may lag behind, but not for ever.
func (a *attempt) taken(ctx context.Context) error {
	from := a.t.Submission.Lease.From
	if err := a.record(ctx, from.Add(listedAfter), unknown); err != nil {
		return err
	}
	r, err := a.read(ctx, a.c, a.ch, question{since: from, patient: true})
	if err != nil {
		return err
	}
	stored, err := a.c.Template(ctx, a.t.ID)
	if err != nil || stored.Submission.Done || !r.known.OK || stored.Submission.Attempts < maxTaken {
		return err
	}
	a.t = stored
	return a.save(ctx, func(t *desk.Template) { *t = t.Refused(channel.CodeNameTaken) })
}

// unknown notes that the outcome of the attempt is not known: the lease stays, as the
// time of the attempt.
func unknown(t *desk.Template) {
	t.Submission.Unknown, t.Submission.Cause = true, desk.WaitUnavailable
}

// giveBack ends a claim under which nothing went out.
func giveBack(t *desk.Template) {
	t.Submission.Lease = nil
	t.Submission.Attempts--
}

// pause is how long the request waits next: from a minute, doubled each time, to an
// hour.
func (a *attempt) pause() time.Duration {
	return min(max(2*a.t.Submission.Step, firstWait), maxWait)
}

// hold has the request wait for a cause, and its timer ask again.
func (a *attempt) hold(ctx context.Context, cause string) error {
	pause := a.pause()
	return a.saveArmed(ctx, a.Now().Add(pause), func(t *desk.Template) {
		t.Submission.Cause, t.Submission.Step = cause, pause
	})
}

func (a *attempt) save(ctx context.Context, change func(*desk.Template)) error {
	return a.saveArmed(ctx, time.Time{}, change)
}

// saveArmed changes the template at its version, with a timer that fires at due
// unless that is zero.
func (a *attempt) saveArmed(ctx context.Context, due time.Time, change func(*desk.Template)) error {
	next := a.t
	sub := *a.t.Submission
	sub.Cause, sub.NotBefore = "", time.Time{}
	next.Submission = &sub
	var also store.Also
	if !due.IsZero() {
		timer := a.c.SubmitTimer(a.t, due)
		sub.NotBefore, also = timer.Due, timer.Also()
	}
	change(&next)
	if err := a.c.SaveTemplate(ctx, next, also); err != nil {
		return err
	}
	next.Version++
	a.t = next
	return nil
}

// record writes a result, trying again whatever went wrong, since what is not written
// has to be found out. The template may have been switched or assigned meanwhile, so
// it is read again; a claim that is not ours any more, or that is settled, was our own
// write whose answer was lost, or is somebody else's to end.
func (a *attempt) record(ctx context.Context, due time.Time, change func(*desk.Template)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	owner := a.t.Submission.Lease.Owner
	var err error
	for range recordTries {
		if err = a.saveArmed(ctx, due, change); err == nil {
			return nil
		}
		stored, again := a.c.Template(ctx, a.t.ID)
		if again != nil {
			continue
		}
		a.t = stored
		if !owns(stored, owner) {
			return nil
		}
	}
	return err
}
