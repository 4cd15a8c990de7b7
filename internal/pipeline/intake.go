package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// take makes the events of a body durable: all of a usual one, else those of the
// part. What a body holds beyond its first part is kept in quarantine and replayed
// from there at once, a part at a time (R1, T8).
func (w *Webhook) take(ctx context.Context, c store.Company, ch desk.Channel, body []byte, p part) error {
	provider, ok := w.Providers[ch.Provider]
	if !ok {
		return fmt.Errorf("channel %s: provider %q is not wired", ch.ID, ch.Provider)
	}
	batch := provider.Parse(ch, body)
	in := intake{Webhook: w, c: c, body: body, salt: p.salt}
	known, err := in.route(ctx, ch, p.of(batch))
	if err != nil {
		return err
	}
	if err := in.run(ctx); err != nil {
		return err
	}
	rest := p.rest(batch)
	reason := ""
	if p.from == 0 { // else the first part has said it
		for kind, n := range batch.Ignored {
			w.Log.Debug("event ignored", "channel", ch.ID, "kind", kind, "count", n)
		}
		if reason = batch.Rejected; reason == "" && len(rest) > 0 {
			reason = channel.RejectTooMany
		}
	}
	if !known && (reason == "" || reason == channel.RejectTooMany) {
		reason = channel.RejectOtherApp
	}
	if reason == "" {
		return nil
	}
	w.Log.Warn("body quarantined", "channel", ch.ID, "reason", reason, "bytes", len(body))
	if err := w.quarantine(ctx, c, ch, "webhook", reason, body); err != nil {
		return err
	}
	return in.replayParts(ctx, rest)
}

// intake makes the events of one body durable.
type intake struct {
	*Webhook
	c       store.Company
	body    []byte
	salt    string
	steps   []step
	holders *holders // nil until they are asked for
}

// step makes one event durable. Those of one group keep their order.
type step struct {
	group string
	do    func(context.Context) error
}

const (
	// fewSteps are made one after the other, as nearly every body's are.
	fewSteps = 16
	// abreast is how many groups of a longer body are made durable side by side, so
	// that 1,000 events are done before the provider's patience ends.
	abreast = 32
)

// run makes all events durable; an error is that of the first that could not be.
func (in *intake) run(ctx context.Context) error {
	if len(in.steps) <= fewSteps {
		for _, s := range in.steps {
			if err := s.do(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	var order []string
	groups := map[string][]step{}
	for _, s := range in.steps {
		if groups[s.group] == nil {
			order = append(order, s.group)
		}
		groups[s.group] = append(groups[s.group], s)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	slots := make(chan struct{}, abreast)
	for _, name := range order {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			for _, s := range groups[name] {
				if context.Cause(ctx) != nil {
					return
				}
				if err := s.do(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (in *intake) add(group string, do func(context.Context) error) {
	in.steps = append(in.steps, step{group, do})
}

// events adds what concerns one channel.
func (in *intake) events(ch desk.Channel, e channel.Change) {
	for _, m := range e.Messages {
		in.add(store.Hash(ch.ID, m.Person), func(ctx context.Context) error { return in.message(ctx, ch, m) })
	}
	for _, r := range e.Receipts {
		in.add(store.Hash(ch.ID, "receipt", r.Key()), func(ctx context.Context) error { return in.receipt(ctx, ch, r) })
	}
	for _, v := range e.Consents {
		in.add(store.Hash(ch.ID, v.Person), func(ctx context.Context) error { return in.consent(ctx, ch, v) })
	}
	for _, v := range e.Verdicts {
		in.add(store.Hash(ch.ID, "verdict"), func(ctx context.Context) error { return in.verdict(ctx, ch, v) })
	}
}

func (in *intake) message(ctx context.Context, ch desk.Channel, m desk.Incoming) error {
	now := in.Now()
	m.Channel, m.ReceivedAt, m.SentAt = ch.ID, now, in.plausible(m.SentAt)
	age := max(in.RealNow().Sub(m.SentAt), 0)
	m.HeardAt, m.Late = now.Add(-age).Round(time.Second), age > desk.LateAfter
	m.Unanswered = ch.Deleted || !ch.State.Answers()
	e := desk.InboundEvent{Message: &m}
	err := in.enqueue(ctx, e, "message", m.Person, m.ProviderID, m.Digest())
	return in.orTooLong(ctx, ch, err, m.ProviderID+" "+m.Content.Text)
}

// orTooLong keeps in quarantine what no queue takes, which is what is too long for
// one: the rest of its body is not held up by it (R5). Another err is given back.
func (in *intake) orTooLong(ctx context.Context, ch desk.Channel, err error, raw string) error {
	if !errors.Is(err, fault.Invalid) {
		return err
	}
	return in.quarantine(ctx, in.c, ch, "webhook", reasonTooLong, []byte(raw))
}

// MaxInterruptAge is how old the news may be that a provider refuses all of a
// channel: a failure that comes later says nothing of how things are now.
const MaxInterruptAge = 10 * time.Minute

// receipt writes a delivery status straight to the table. A failure is queued
// first, every time it comes, since the channel or the person may be concerned.
func (in *intake) receipt(ctx context.Context, ch desk.Channel, r desk.Receipt) error {
	r.Channel, r.At = ch.ID, in.plausible(r.At)
	if r.Enqueued {
		r.At = in.Now() // it is compared with when we sent, by our own clock
	}
	if age := max(in.RealNow().Sub(r.At), 0); age > MaxInterruptAge {
		r.Cause = ""
	} else if r.Cause != "" {
		r.FailedAt = in.Now().Add(-age)
	}
	if r.Status == desk.Failed {
		if err := in.enqueue(ctx, desk.InboundEvent{Failure: &r}, "failure", r.Key(), r.Code); err != nil {
			return err
		}
	}
	return in.c.SaveReceipt(ctx, r)
}

func (in *intake) consent(ctx context.Context, ch desk.Channel, v desk.Consent) error {
	v.Channel, v.At = ch.ID, in.plausible(v.At)
	return in.enqueue(ctx, desk.InboundEvent{Consent: &v}, "consent", v.Person, string(v.Scope), fmt.Sprint(v.OptedIn), fmt.Sprint(v.At.UnixMilli()))
}

// enqueue hands an event to inbound; cause is what makes it the same when it comes
// again.
func (in *intake) enqueue(ctx context.Context, e desk.InboundEvent, cause ...string) error {
	sealed, err := queue.Seal(desk.StageInbound, in.c.Tenant, e)
	if err != nil {
		return err
	}
	ch := channelIn(e)
	return in.Inbound.Send(ctx, queue.Message{
		Group: groupOf(in.c.Tenant, e),
		Dedup: store.Hash(slices.Concat([]string{in.c.Tenant, ch}, cause, []string{in.salt})...),
		Body:  sealed,
	})
}

// channelIn is the channel that an inbound event is about; empty if it names none.
func channelIn(e desk.InboundEvent) string {
	switch {
	case e.Message != nil:
		return e.Message.Channel
	case e.Failure != nil:
		return e.Failure.Channel
	case e.Consent != nil:
		return e.Consent.Channel
	case e.Ended != "":
		return e.Ended
	}
	return e.Freed
}

// groupOf is the group in which an inbound event waits for its turn: that of the
// person whom it is about, so that what they say and want takes effect in order;
// empty for an event that is about nobody.
func groupOf(tenant string, e desk.InboundEvent) string {
	switch {
	case e.Message != nil:
		return store.Hash(tenant, e.Message.Channel, e.Message.Person)
	case e.Consent != nil:
		return store.Hash(tenant, e.Consent.Channel, e.Consent.Person)
	case e.Failure != nil:
		if v, said := optOut(*e.Failure); said {
			return store.Hash(tenant, v.Channel, v.Person)
		}
		return store.Hash(tenant, e.Failure.Channel, "failure", e.Failure.Key())
	case e.Ended != "" || e.Freed != "":
		return store.Hash(tenant, channelIn(e), "ended")
	}
	return ""
}

func (in *intake) verdict(ctx context.Context, ch desk.Channel, v desk.Verdict) error {
	v.Channel, v.At, v.ReceivedAt = ch.ID, in.plausible(v.At), in.Now()
	v.Name, v.Language = shortened(v.Name), shortened(v.Language)
	sealed, err := queue.Seal(desk.StageApprovals, in.c.Tenant, desk.ApprovalEvent{Verdict: v})
	if err != nil {
		return in.orTooLong(ctx, ch, err, v.ProviderID+" "+v.State)
	}
	return in.Approvals.Send(ctx, queue.Message{
		Group: store.ApprovalGroup(in.c.Tenant, ch.ID),
		// The event has no id of its own: the id in it is the template's.
		Dedup: store.Hash(in.c.Tenant, ch.ID, "verdict", store.BodyID(in.body), v.ProviderID, v.Event, v.State, fmt.Sprint(v.At.UnixMilli()), in.salt),
		Body:  sealed,
	})
}

// mostShown is how many characters are kept of a template's name and language in a
// verdict: they are for people alone, the id says which template it is.
const mostShown = 512

func shortened(s string) string {
	if r := []rune(s); len(r) > mostShown {
		return string(r[:mostShown])
	}
	return s
}
