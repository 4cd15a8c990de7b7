// Package approval is the life of message templates at their providers: requests
// are submitted, verdicts noted, the provider's list read.
//
// Callbacks are not signed, so a verdict is a hint: what forbids stops sending at
// once, what allows changes nothing, and the provider's list is read after every one.
// The list is the truth. The verdicts and readings of a channel share a group of the
// queue, its requests another. Where two handlers meet, the list that was asked last
// wins, and every write is made at the version read; a request that needs the list lets
// a reading end that is under way.
package approval

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"buzon/internal/blob"
	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/quarantine"
	"buzon/internal/queue"
	"buzon/internal/secret"
	"buzon/internal/store"
)

// Approvals handles the approvals queue.
type Approvals struct {
	Store     *store.Store
	Blobs     blob.Store
	Secrets   secret.Store
	Providers map[string]channel.Templates // by name: gupshup, meta
	Now       func() time.Time
	NewID     func() string
	// Epoch names this process in a local run, where a lease of another process
	// is a dead one; empty: leases end by time alone.
	Epoch string
	Log   *slog.Logger
}

// The reasons to quarantine an event.
const (
	reasonTemplateUnknown = "template_unknown"
	reasonNoTemplate      = "no_template"
	reasonBadTenant       = "bad_tenant"
)

// step is how long one event may take: a list of 60 pages. A function needs two.
const step = 45 * time.Second

// maxAhead is how far a provider's time may be ahead of ours and be believed.
const maxAhead = 24 * time.Hour

// Worker handles the approvals queue.
func (s *Approvals) Worker() *queue.Worker {
	return &queue.Worker{
		Handle: s.handle,
		Quarantine: func(ctx context.Context, r queue.Record, reason string) error {
			return quarantine.Keep(ctx, s.Store, s.Blobs, desk.StageApprovals, r.Body, reason)
		},
		Alone: store.Suspects{Store: s.Store, Queue: desk.StageApprovals},
		Step:  step,
		Log:   s.Log,
	}
}

func (s *Approvals) handle(ctx context.Context, r queue.Record) error {
	tenant, e, err := queue.Open[desk.ApprovalEvent](desk.StageApprovals, r.Body)
	if err != nil {
		return err
	}
	if !store.ValidTenant(tenant) {
		return &queue.Unreadable{Reason: reasonBadTenant}
	}
	c := s.Store.In(tenant)
	switch {
	case e.Submit != "":
		return s.submit(ctx, c, e.Submit)
	case e.Sync != nil:
		return s.sync(ctx, c, *e.Sync)
	case e.Verdict.ProviderID == "":
		return &queue.Unreadable{Reason: reasonNoTemplate}
	}
	return s.verdict(ctx, c, e.Verdict)
}

// verdict notes what a callback says and asks the provider whether it is true. One
// that speaks of a template which nobody knows, even then, goes to quarantine, unless
// it may be one whose request is under way. It is sought at the channel that it came for,
// then at its mates.
func (s *Approvals) verdict(ctx context.Context, c store.Company, v desk.Verdict) error {
	if v.ReceivedAt.IsZero() { // written by the release before (R16)
		v.ReceivedAt = s.Now()
	}
	if v.At.After(v.ReceivedAt.Add(maxAhead)) {
		v.At = v.ReceivedAt
	}
	ch, err := c.FreshChannel(ctx, v.Channel)
	if errors.Is(err, fault.NotFound) {
		return &queue.Unreadable{Reason: reasonTemplateUnknown}
	}
	if err != nil {
		return err
	}
	err = s.heard(ctx, c, ch, v)
	var unknown *queue.Unreadable
	if !errors.As(err, &unknown) {
		return err
	}
	others, readErr := mates(ctx, c, ch, v)
	if readErr != nil {
		return readErr
	}
	for _, mate := range others {
		v.Channel = mate.ID
		if again := s.heard(ctx, c, mate, v); !errors.As(again, &unknown) {
			return again
		}
	}
	return err
}

// heard is verdict for one channel; a *queue.Unreadable: the template is none of its.
func (s *Approvals) heard(ctx context.Context, c store.Company, ch desk.Channel, v desk.Verdict) error {
	noted := s.note(ctx, c, v, false)
	if noted != nil && !errors.Is(noted, fault.NotFound) {
		return noted
	}
	// Of a request whose outcome is unknown the list may say the id.
	r, err := s.read(ctx, c, ch, question{since: v.ReceivedAt})
	if err != nil {
		return err
	}
	if noted != nil {
		if noted = s.note(ctx, c, v, r.known.OK && !r.known.Began.Before(v.ReceivedAt)); errors.Is(noted, fault.NotFound) {
			return s.ahead(ctx, c, ch, v)
		}
		if noted != nil {
			return noted
		}
	}
	return s.doubt(ctx, c, ch, v)
}

// note writes what a callback changes by itself; fault.NotFound: there is no such
// template. read: the list has just been read for it.
func (s *Approvals) note(ctx context.Context, c store.Company, v desk.Verdict, read bool) error {
	return store.Retry(func() error {
		known, err := c.ChannelSync(ctx, v.Channel)
		if err != nil {
			return err
		}
		t, err := c.TemplateByProviderID(ctx, v.Channel, v.ProviderID)
		if err != nil {
			return err
		}
		listed := read || known.OK && known.Covers(v.ReceivedAt)
		next := t.Hinted(v, listed && !t.ConfirmedAt.IsZero())
		if reflect.DeepEqual(next, t) {
			return nil
		}
		if err := c.SaveTemplate(ctx, next, nil); err != nil {
			return err
		}
		s.noticed(t, next)
		return nil
	})
}

// ahead keeps a callback that came before the answer to its request was written: it is
// noted on the request of that name, and the list is asked when there is an answer, or
// it is known that none comes. Without such a request it goes to quarantine.
func (s *Approvals) ahead(ctx context.Context, c store.Company, ch desk.Channel, v desk.Verdict) error {
	return store.Retry(func() error {
		all, err := c.AllTemplates(ctx)
		if err != nil {
			return err
		}
		// One that another channel has is sought there, whoever awaits its name here.
		if slices.ContainsFunc(all, func(t desk.Template) bool { return t.ProviderID == v.ProviderID && t.Channel != v.Channel }) {
			return &queue.Unreadable{Reason: reasonTemplateUnknown}
		}
		all = slices.DeleteFunc(all, func(t desk.Template) bool { return t.Channel != v.Channel })
		slices.Reverse(all)
		i := slices.IndexFunc(all, func(t desk.Template) bool {
			return t.ProviderID == v.ProviderID || t.Name == v.Name && t.Language == v.Language && t.ProviderID == "" && wentOut(t.Submission)
		})
		if i < 0 {
			return &queue.Unreadable{Reason: reasonTemplateUnknown}
		}
		t := all[i]
		if next := t.Hinted(v, t.ProviderID == ""); !reflect.DeepEqual(next, t) {
			if err := c.SaveTemplate(ctx, next, nil); err != nil {
				return err
			}
		}
		known, err := c.ChannelSync(ctx, v.Channel)
		if err != nil || !inUse(ch) {
			return err
		}
		return s.arm(ctx, c, v.Channel, known, s.Now().Add(doubtAfter), false)
	})
}

// doubt has the list asked once more when it does not say what a callback said: it
// may lag behind.
func (s *Approvals) doubt(ctx context.Context, c store.Company, ch desk.Channel, v desk.Verdict) error {
	if v.Event == desk.VerdictQuality || v.Event == desk.VerdictCategory || !inUse(ch) {
		return nil
	}
	return store.Retry(func() error {
		t, err := c.TemplateByProviderID(ctx, v.Channel, v.ProviderID)
		if err != nil {
			return err
		}
		known, err := c.ChannelSync(ctx, v.Channel)
		if err != nil || !known.OK || t.ProviderState == desk.ProviderWord(v.State) && t.Hint == nil {
			return err
		}
		return s.arm(ctx, c, v.Channel, known, s.Now().Add(doubtAfter), false)
	})
}

// noticed logs, once for a template and state, a word that we do not know.
func (s *Approvals) noticed(was, is desk.Template) {
	word := is.ProviderState
	if word == "" || word == was.ProviderState || desk.KnownProviderState(word) {
		return
	}
	if !plain(word) { // it may be anything
		word = ""
	}
	s.Log.Warn("template state not known", "template", is.ID, "state", word)
}

// inUse tells whether a channel's provider is asked for anything.
func inUse(ch desk.Channel) bool { return !ch.Deleted && ch.State.Answers() }
