package pipeline

import (
	"context"
	"errors"
	"slices"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
)

// route adds the events of a batch, each to the channel that it is for. false: some
// are for none, and have no effect.
func (in *intake) route(ctx context.Context, ch desk.Channel, b channel.Batch) (bool, error) {
	in.events(ch, channel.Change{Messages: b.Messages, Receipts: b.Receipts, Consents: b.Consents, Verdicts: b.Verdicts})
	all := true
	for _, change := range b.Changes {
		known, err := in.change(ctx, ch, change)
		if err != nil {
			return false, err
		}
		all = all && known
	}
	return all, nil
}

// change hands a part of a body to the channel that it names. false: some of it
// names none that the signature of from's app may speak for (T5), and had no effect.
func (in *intake) change(ctx context.Context, from desk.Channel, change channel.Change) (bool, error) {
	reach, err := in.reach(ctx, from, change)
	if err != nil || len(reach) == 0 {
		return false, err
	}
	for _, v := range change.Verdicts {
		ch, err := in.channelOfTemplate(ctx, reach, v)
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

// channelOfTemplate is the one of channels that has the template; if none has it, the
// one that waits for the outcome of a request for it, else the first that is in use,
// whose list is read then.
func (in *intake) channelOfTemplate(ctx context.Context, channels []desk.Channel, v desk.Verdict) (desk.Channel, error) {
	if len(channels) == 1 {
		return channels[0], nil
	}
	if in.holders == nil {
		all, err := in.c.AllTemplates(ctx)
		if err != nil {
			return channels[0], err
		}
		in.holders = holdersOf(all)
	}
	inUse := func(ch desk.Channel) bool { return !ch.Deleted && ch.State.Answers() }
	for _, is := range []func(desk.Channel) bool{
		func(ch desk.Channel) bool { return slices.Contains(in.holders.of[v.ProviderID], ch.ID) },
		func(ch desk.Channel) bool { return inUse(ch) && in.holders.await(ch.ID, v) },
		inUse,
	} {
		if i := slices.IndexFunc(channels, is); i >= 0 {
			return channels[i], nil
		}
	}
	return channels[0], nil
}

// holders are the channels of a company that have templates: read once for all the
// verdicts of a body, of which there may be very many.
type holders struct {
	of      map[string][]string // their ids, by the provider's id of the template
	awaited []desk.Template     // whose requests are not done
}

func holdersOf(all []desk.Template) *holders {
	h := &holders{of: map[string][]string{}}
	for _, t := range all {
		if t.ProviderID != "" {
			h.of[t.ProviderID] = append(h.of[t.ProviderID], t.Channel)
		} else if t.Submission != nil && !t.Submission.Done {
			h.awaited = append(h.awaited, t)
		}
	}
	return h
}

// await tells whether the verdict may be about a request of the channel whose answer
// is not known yet.
func (h *holders) await(ch string, v desk.Verdict) bool {
	return slices.ContainsFunc(h.awaited, func(t desk.Template) bool {
		return t.Channel == ch && t.Name == v.Name && (v.Language == "" || t.Language == v.Language)
	})
}
