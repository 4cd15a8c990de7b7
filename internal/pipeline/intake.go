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

// take makes every event of a body durable. salt is empty for a provider's
// call; a replay gives a fresh one, so that queues take the events once more.
func (w *Webhook) take(ctx context.Context, c store.Company, ch desk.Channel, body []byte, salt string) error {
	provider, ok := w.Providers[ch.Provider]
	if !ok {
		return fmt.Errorf("channel %s: provider %q is not wired", ch.ID, ch.Provider)
	}
	batch := provider.Parse(ch, body)
	in := intake{Webhook: w, c: c, body: body, salt: salt}
	in.events(ch, channel.Change{
		Messages: batch.Messages, Receipts: batch.Receipts, Consents: batch.Consents, Verdicts: batch.Verdicts,
	})
	for _, change := range batch.Changes {
		known, err := in.change(ctx, ch, change)
		if err != nil {
			return err
		}
		if !known && batch.Rejected == "" {
			batch.Rejected = channel.RejectOtherApp
		}
	}
	if err := in.run(ctx); err != nil {
		return err
	}
	for kind, n := range batch.Ignored {
		w.Log.Debug("event ignored", "channel", ch.ID, "kind", kind, "count", n)
	}
	if batch.Rejected == "" {
		return nil
	}
	w.Log.Warn("body quarantined", "channel", ch.ID, "reason", batch.Rejected, "bytes", len(body))
	return w.quarantine(ctx, c, ch, "webhook", batch.Rejected, body)
}

// intake makes the events of one body durable.
type intake struct {
	*Webhook
	c     store.Company
	body  []byte
	salt  string
	steps []step
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

// change hands a part of a body to the channel that it names. false: some of it
// names none that the signature of from's app may speak for (T5), and had no effect.
func (in *intake) change(ctx context.Context, from desk.Channel, change channel.Change) (bool, error) {
	reach, err := in.reach(ctx, from, change)
	if err != nil || len(reach) == 0 {
		return false, err
	}
	for _, v := range change.Verdicts {
		ch, err := in.channelOfTemplate(ctx, reach, v.ProviderID)
		if err != nil {
			return false, err
		}
		in.events(ch, channel.Change{Verdicts: []desk.Verdict{v}})
	}
	change.Verdicts = nil
	if len(reach) > 1 {
		// Only templates belong to a whole account; the rest is some number's.
		return len(change.Messages)+len(change.Receipts)+len(change.Consents) == 0, nil
	}
	in.events(reach[0], change)
	return true, nil
}

// reach lists the channels that a change may act on: the one with its number, or
// without a number those of its account, and of these the ones of the company that
// belong to the Meta app which signed for from. from itself answers for its own
// number and account where no other channel has them, as after its deletion.
func (in *intake) reach(ctx context.Context, from desk.Channel, change channel.Change) ([]desk.Channel, error) {
	var ids []string
	own := false
	if change.Number != "" {
		id, err := in.c.ChannelOfNumber(ctx, change.Number)
		if err != nil {
			return nil, err
		}
		if id != "" {
			ids = append(ids, id)
		}
		own = change.Number == from.PhoneNumberID
	} else if change.Account != "" {
		var err error
		if ids, err = in.c.ChannelsOfAccount(ctx, change.Account); err != nil {
			return nil, err
		}
		own = change.Account == from.AccountID
	}
	var reach []desk.Channel
	for _, id := range ids {
		ch, err := in.c.Channel(ctx, id)
		if err != nil && !errors.Is(err, fault.NotFound) {
			return nil, err
		}
		if err == nil && ch.Provider == from.Provider && sameApp(from, ch) {
			reach = append(reach, ch)
		}
	}
	if len(reach) == 0 && own && sameApp(from, from) {
		reach = append(reach, from)
	}
	return reach, nil
}

// sameApp tells whether one Meta app signs for both channels.
func sameApp(a, b desk.Channel) bool { return a.MetaApp != "" && a.MetaApp == b.MetaApp }

// channelOfTemplate is the one of channels that has the template; the first if none
// has it.
func (in *intake) channelOfTemplate(ctx context.Context, channels []desk.Channel, providerID string) (desk.Channel, error) {
	if len(channels) == 1 || providerID == "" {
		return channels[0], nil
	}
	for _, ch := range channels {
		_, err := in.c.TemplateByProviderID(ctx, ch.ID, providerID)
		if err == nil {
			return ch, nil
		}
		if !errors.Is(err, fault.NotFound) {
			return ch, err
		}
	}
	return channels[0], nil
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
	if errors.Is(err, fault.Invalid) {
		raw := fmt.Appendf(nil, "%s %s", m.ProviderID, m.Content.Text)
		return in.quarantine(ctx, in.c, ch, "webhook", reasonTooLong, raw)
	}
	return err
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
	if in.RealNow().Sub(r.At) > MaxInterruptAge {
		r.Cause = ""
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
	return in.enqueue(ctx, desk.InboundEvent{Consent: &v}, "consent", v.Person, fmt.Sprint(v.OptedIn), fmt.Sprint(v.At.UnixMilli()))
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
	case e.Failure != nil && optsOut(*e.Failure):
		return store.Hash(tenant, e.Failure.Channel, e.Failure.Destination)
	case e.Failure != nil:
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
		return err
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
