package approval

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// The times and limits of reading a provider's list.
const (
	syncEvery     = 6 * time.Hour    // a list that nobody asks for
	doubtAfter    = time.Minute      // a list that did not say what a callback said
	overdueAfter  = 15 * time.Minute // a request whose time has come so long ago is armed again
	firstWait     = time.Minute      // of what failed, doubled each time
	maxWait       = time.Hour        // likewise
	maxListed     = 10_000           // templates in a list
	confirmGrain  = time.Hour        // a confirmation that says nothing new is written no more often
	minRead       = 10 * time.Second // left of a step, to begin a reading
	recordTimeout = 5 * time.Second  // of writing a result, whatever is left of the step
	recordTries   = 5                // of writing a result
	overtakenWait = 5 * time.Second  // of a reading that another has overtaken
)

// The reasons why a list was not read that no provider gives.
const (
	reasonTimeout = "timeout"
	reasonTooMany = "too_many_templates"
	reasonOther   = "provider_error"
)

// errOvertaken ends a reading when another of the same list has begun, or is waited for.
var errOvertaken = errors.New("another reading of the list has begun")

// question is why a list is asked for.
type question struct {
	// since: a reading that began after it answers the question.
	since time.Time
	// timer: it comes from the channel's timer, which fired at since.
	timer bool
	// person: somebody waits for it, so it is asked whatever the provider wants.
	person bool
	// patient: a reading that is under way is waited for, also one that cannot answer it.
	patient bool
}

// sync reads the list for a person or for the channel's timer. A channel that is not
// in use is not read, and its timers end: its activation sets them going again.
func (s *Approvals) sync(ctx context.Context, c store.Company, e desk.SyncEvent) error {
	ch, err := c.FreshChannel(ctx, e.Channel)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if e.Timer {
		known, err := c.ChannelSync(ctx, e.Channel)
		// A later one is armed: this is one too many, left over from a wait that
		// ended sooner. To heed it would make two chains of one.
		if err != nil || known.Armed.After(e.Asked) {
			return err
		}
	}
	_, err = s.read(ctx, c, ch, question{since: e.Asked, timer: e.Timer, person: !e.Timer})
	return err
}

// arm has the channel's timer fire at due, unless it does so sooner. spent: the one
// that is noted has fired.
func (s *Approvals) arm(ctx context.Context, c store.Company, id string, known desk.ChannelSync, due time.Time, spent bool) error {
	next, timers := s.armed(c, id, known, due, spent)
	if len(timers) == 0 {
		return nil
	}
	return c.SaveChannelSync(ctx, id, next, timers...)
}

func (s *Approvals) armed(c store.Company, id string, known desk.ChannelSync, due time.Time, spent bool) (desk.ChannelSync, []store.Timer) {
	if !spent && desk.Armed(known.Armed, s.Now()) && !known.Armed.After(due) {
		return known, nil
	}
	t := c.ChannelTimer(store.WakeSync, id, known.Version, due)
	known.Armed = t.Due
	return known, []store.Timer{t}
}

// reading is one reading of a provider's list.
type reading struct {
	*Approvals
	c  store.Company
	ch desk.Channel
	q  question
	// known is the channel's sync as this reading wrote it last.
	known desk.ChannelSync
	// failed is why the list could not be read; nil: it was, or was not asked.
	failed *channel.Error

	ours    []desk.Template
	byID    map[string]*desk.Template
	byName  map[string][]*desk.Template
	seen    map[string]bool // the provider's ids
	held    map[string]bool // our ids of templates that are in the list
	changed int
	missing int
}

// read asks the provider for the list, unless it need not or may not be asked, and
// does to our templates what it says. When it returns, known says what is known; a
// list that could not be read is no error: a timer asks again.
func (s *Approvals) read(ctx context.Context, c store.Company, ch desk.Channel, q question) (*reading, error) {
	r := &reading{Approvals: s, c: c, ch: ch, q: q}
	if !inUse(ch) {
		return r, nil
	}
	if left, bounded := queue.Remaining(ctx); bounded && left < minRead+recordTimeout {
		return r, queue.Again(time.Second)
	}
	began, err := r.begin(ctx)
	if began && err == nil {
		err = r.run(ctx)
	}
	if errors.Is(err, errOvertaken) {
		return r, queue.Again(overtakenWait)
	}
	return r, err
}

// run reads the list that is noted as begun, and writes what came of it.
func (r *reading) run(ctx context.Context) error {
	if err := r.list(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := r.answered(ctx, r.c, r.ch, r.failed); err != nil {
		return err
	}
	return r.finish(ctx)
}

// begin notes that the list is being read: whoever reads it already stops. One whose
// reading would answer the question is waited for instead, lest two overtake each other
// for ever. False if the question is answered, or the provider wants to be left alone for
// now.
func (r *reading) begin(ctx context.Context) (bool, error) {
	began := false
	err := store.Retry(func() error {
		known, err := r.c.ChannelSync(ctx, r.ch.ID)
		if err != nil {
			return err
		}
		r.known = known
		if known.Covers(r.q.since) {
			return nil
		}
		if underWay(known, r.Now()) && !known.For.Equal(r.q.since) && (r.q.patient || known.Began.After(r.q.since)) {
			return errOvertaken
		}
		if r.Now().Before(known.NotBefore) && !r.q.person {
			return r.arm(ctx, r.c, r.ch.ID, known, known.NotBefore, r.spent())
		}
		known.Began, known.For = r.Now(), r.q.since
		if err := r.c.SaveChannelSync(ctx, r.ch.ID, known); err != nil {
			return err
		}
		known.Version++
		r.known, began = known, true
		return nil
	})
	return began, err
}

// underWay tells whether somebody may be reading the list now.
func underWay(known desk.ChannelSync, now time.Time) bool {
	return known.At.Before(known.Began) && now.Sub(known.Began) < step+recordTimeout
}

// spent tells whether it was the armed timer that fired.
func (r *reading) spent() bool { return r.q.timer && !r.known.Armed.After(r.q.since) }

// list reads the list and writes what it says. Its error is not the provider's.
func (r *reading) list(ctx context.Context) error {
	provider, account, refused := r.account(ctx, r.c, r.ch)
	if refused != nil {
		r.failed = refused
		return nil
	}
	ours, err := r.c.FreshTemplates(ctx, r.ch.ID)
	if err != nil {
		return err
	}
	if err := r.overdue(ctx, ours); err != nil {
		return err
	}
	r.ours = ours
	r.index()
	limited := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		limited, cancel = context.WithDeadline(ctx, deadline.Add(-recordTimeout))
		defer cancel()
	}
	own, err := r.whole(limited, provider, account)
	switch {
	case err == nil:
		return r.absent(ctx)
	case limited.Err() != nil:
		r.failed = &channel.Error{Verdict: channel.Later, Code: reasonTimeout, Reason: reasonTimeout, Cause: desk.WaitUnavailable}
	case own == nil:
		r.failed = classified(err)
	case !errors.As(own, &r.failed):
		return own
	}
	r.Log.Info("list of templates not read", "channel", r.ch.ID, "code", r.failed.Code, "verdict", int(r.failed.Verdict))
	return nil
}

// whole reads the list to its end, twice if some of ours seem to be gone. Where pages
// have numbers, one that is taken off the list moves all behind it up, and the one that
// moves over the end of a page is on none. It stands on an earlier page from then on,
// so the second time it is seen. Where the second fails and the reading before failed
// too, the first counts. own is the part of the error that is not the provider's.
func (r *reading) whole(ctx context.Context, provider channel.Templates, account channel.Account) (own, err error) {
	for _, last := range []bool{false, true} {
		seen := r.seen
		r.seen = map[string]bool{}
		err = provider.List(ctx, account, func(page []channel.Listed) error {
			own = r.page(ctx, page)
			return own
		})
		if err != nil && last && own == nil && r.known.Failures > 0 {
			// The provider may allow no two passes in a row, ever: the first was whole.
			r.seen = seen
			return nil, nil
		}
		if err != nil || last || !r.loses() {
			break
		}
	}
	return own, err
}

// loses tells whether one of ours would be marked as missing now.
func (r *reading) loses() bool {
	return slices.ContainsFunc(r.ours, func(t desk.Template) bool {
		gone := t.Absent(r.known.Began)
		return !r.held[t.ID] && gone.ProviderState != t.ProviderState
	})
}

// overdue arms timers for requests that should have gone long ago: theirs, or the event
// that began them, was lost; and for those that waited for the channel to be in use.
func (r *reading) overdue(ctx context.Context, ours []desk.Template) error {
	for i, t := range ours {
		if t.Submission == nil || t.Submission.Done {
			continue
		}
		sub := *t.Submission
		due := t.CreatedAt
		if sub.NotBefore.After(due) {
			due = sub.NotBefore
		}
		if sub.Lease != nil && sub.Lease.Until.After(due) {
			due = sub.Lease.Until
		}
		freed := waitsForChannel(sub.Cause) && r.Now().Before(sub.NotBefore)
		if r.known.Began.Sub(due) < overdueAfter && !freed {
			continue
		}
		timer := r.c.SubmitTimer(t, r.Now())
		sub.NotBefore, t.Submission = timer.Due, &sub
		err := r.c.SaveTemplate(ctx, t, timer.Also())
		if errors.Is(err, fault.Conflict) {
			continue // somebody is at it
		}
		if err != nil {
			return err
		}
		t.Version++
		ours[i] = t
	}
	return nil
}

// absent marks those of ours that a whole list did not hold.
func (r *reading) absent(ctx context.Context) error {
	for i := range r.ours {
		t := &r.ours[i]
		if !r.held[t.ID] {
			if err := r.write(ctx, t, func(t desk.Template) desk.Template { return t.Absent(r.known.Began) }); err != nil {
				return err
			}
		}
		if t.ProviderState == desk.ProviderMissing {
			r.missing++
		}
	}
	return nil
}

// write changes a template at its version, as long as no other reading has begun.
// Somebody may switch or assign it meanwhile: then it is read again.
func (r *reading) write(ctx context.Context, t *desk.Template, change func(desk.Template) desk.Template) error {
	first := true
	return store.Retry(func() error {
		if !first {
			if err := r.reread(ctx, t); err != nil {
				return err
			}
		}
		first = false
		next := change(*t)
		if unchanged(*t, next) {
			return nil
		}
		if err := r.c.SaveTemplate(ctx, next, r.c.WhileSync(r.ch.ID, r.known)); err != nil {
			return err
		}
		if visible(*t) != visible(next) {
			r.changed++
		}
		r.noticed(*t, next)
		next.Version++
		*t = next
		return nil
	})
}

func (r *reading) reread(ctx context.Context, t *desk.Template) error {
	known, err := r.c.ChannelSync(ctx, r.ch.ID)
	if err != nil {
		return err
	}
	if known.Version != r.known.Version {
		return errOvertaken
	}
	stored, err := r.c.Template(ctx, t.ID)
	if err == nil {
		*t = stored
	}
	return err
}

// unchanged tells whether a confirmation says nothing that is worth a write.
func unchanged(t, next desk.Template) bool {
	fresh := next.ConfirmedAt.Sub(t.ConfirmedAt) < confirmGrain
	next.ConfirmedAt = t.ConfirmedAt
	return fresh && reflect.DeepEqual(t, next)
}

// seenOf is what people see of a template that a list may change.
type seenOf struct {
	providerID, state, reason, category, quality, next string
	status                                             desk.TemplateStatus
	active                                             bool
}

func visible(t desk.Template) seenOf {
	return seenOf{t.ProviderID, t.ProviderState, t.Reason, t.Category, t.Quality, t.NextCategory, t.Status, t.Active}
}

// finish writes what came of the reading and when the list is asked again.
func (r *reading) finish(ctx context.Context) error {
	next := r.known
	next.At, next.OK, next.Error = r.Now(), r.failed == nil, code(r.failed)
	next.Seen, next.Changed, next.Missing = len(r.seen), r.changed, r.missing
	next.NotBefore = time.Time{}
	due := r.doubted(next.At.Add(syncEvery))
	if r.failed != nil {
		due = next.At.Add(max(wait(next.Failures+1), r.failed.After))
		if r.failed.After > 0 {
			next.NotBefore = next.At.Add(r.failed.After)
		}
	}
	next, timers := r.armed(r.c, r.ch.ID, next, due, r.spent())
	switch {
	case r.failed == nil:
		next.Failures = 0
	case len(timers) > 0:
		next.Failures++
	}
	err := r.c.SaveChannelSync(ctx, r.ch.ID, next, timers...)
	for try := 1; try < recordTries && errors.Is(err, fault.Busy); try++ {
		err = r.c.SaveChannelSync(ctx, r.ch.ID, next, timers...)
	}
	if errors.Is(err, fault.Conflict) {
		return errOvertaken
	}
	next.Version++
	r.known = next
	return err
}

// doubted is when the list is asked again, by due: sooner while it does not say what the
// newest callback about one of ours said, for it may lag behind. The pauses double: they
// are as long as the callback is old, until nobody has to ask sooner.
func (r *reading) doubted(due time.Time) time.Time {
	now := r.Now()
	for _, t := range r.ours {
		if t.ProviderID == "" || t.Said == nil || t.Said.State == t.ProviderState {
			continue
		}
		if again := now.Add(max(doubtAfter, now.Sub(t.Said.ReceivedAt))); again.Before(due) {
			due = again
		}
	}
	return due
}

// wait is the pause after so many failures: 1, 2, 4 … 60 minutes.
func wait(failures int) time.Duration {
	w := firstWait
	for n := 1; n < failures && w < maxWait; n++ {
		w *= 2
	}
	return min(w, maxWait)
}

// code is why a list could not be read, in lower snake English.
func code(e *channel.Error) string {
	switch {
	case e == nil:
		return ""
	case !plain(e.Reason):
		return reasonOther
	}
	return e.Reason
}

// plain tells whether s is a word of lower snake English, which holds nothing private.
func plain(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return s != ""
}
