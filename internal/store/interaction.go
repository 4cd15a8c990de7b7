package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// interaction is the item that lists an open case of a channel. Since is when it came
// to be one: the case was made, opened again or linked to the channel then.
type interaction struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since,omitzero"`
	desk.Versioned
}

// interactionOps move the items that list the open cases of a channel, from what
// the case was to what it is.
func (c Company) interactionOps(was, is desk.Case) []table.Op {
	open := func(k desk.Case) []string {
		if !k.State.Open() {
			return nil
		}
		return k.Channels
	}
	var ops []table.Op
	for _, ch := range open(is) {
		if !slices.Contains(open(was), ch) {
			ops = append(ops, table.Create(plain(c.interactionKey(ch, is.ID), interaction{ID: is.ID, Since: is.ChangedAt})))
		}
	}
	for _, ch := range open(was) {
		if !slices.Contains(open(is), ch) {
			ops = append(ops, table.Delete(c.interactionKey(ch, is.ID), 1))
		}
	}
	return ops
}

// newCaseOps are what makes a case that belongs to a person: it, its first line of
// history, its reference, and its place among the channel's open ones. The first
// is the reference.
func (c Company) newCaseOps(k desk.Case) []table.Op {
	created := desk.CaseEvent{ID: Hash("created", k.ID), Case: k.ID, Kind: desk.CaseCreated, To: k.State, At: k.CreatedAt}
	ops := []table.Op{
		table.Create(plain(c.referenceKey(k.Reference), struct {
			Case string `json:"case"`
		}{k.ID})),
		table.Create(c.caseItem(k)),
		table.Create(plain(c.caseEventKey(k.ID, created.ID), created)),
	}
	return append(ops, c.interactionOps(desk.Case{}, k)...)
}

// TicketID is the id of the one case that a turn makes (S3-46, Q31).
func TicketID(conversation, turn string) string { return Hash("ticket", conversation, turn) }

// Interactions reads the open cases of a channel strongly, whatever other channels
// they have (Q32).
func (c Company) Interactions(ctx context.Context, channel string) ([]desk.Case, error) {
	return c.interactions(ctx, channel, func(interaction) bool { return true })
}

// interactions reads those of a channel's open cases whose item wanted takes.
func (c Company) interactions(ctx context.Context, channel string, wanted func(interaction) bool) ([]desk.Case, error) {
	list, err := all[interaction](ctx, c.Table, c.interactionKey(channel, "").PK, interactionPrefix)
	if err != nil {
		return nil, fmt.Errorf("channel %s: cases: %w", channel, err)
	}
	list = slices.DeleteFunc(list, func(v interaction) bool { return !wanted(v) })
	var cases []desk.Case
	for chunk := range slices.Chunk(list, table.MaxOps) {
		keys := make([]table.Key, len(chunk))
		for i, p := range chunk {
			keys[i] = c.caseKey(p.ID)
		}
		items, err := c.Table.Get(ctx, keys...)
		if err != nil {
			return nil, fmt.Errorf("channel %s: cases: %w", channel, err)
		}
		for _, it := range items {
			if !it.Exists() {
				continue
			}
			k, err := decode[desk.Case](it)
			if err != nil {
				return nil, err
			}
			if k.State.Open() && slices.Contains(k.Channels, channel) {
				cases = append(cases, k)
			}
		}
	}
	return cases, nil
}

// EndInteractions closes the open cases that belong to this channel alone and have
// done so since upTo or before, because it was switched off or deleted, and gives how
// many it closed (S3-12). Run again it closes what is left. A case that somebody
// changes meanwhile is read again. by is the specialist who did that, for the history.
func (c Company) EndInteractions(ctx context.Context, channel, by string, upTo, now time.Time) (int, error) {
	due := func(v interaction) bool { return !v.Since.After(upTo) }
	cases, err := c.interactions(ctx, channel, due)
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, k := range cases {
		for k.EndsWith(channel) {
			was := k
			k.State, k.ClosingReason, k.ClosedAt, k.ChangedAt = desk.CaseClosed, desk.ReasonDeactivated, now, now
			line := desk.CaseEvent{
				ID: Hash("ended", k.ID, millis(now)), Case: k.ID, Kind: desk.CaseMoved,
				Text: desk.ReasonDeactivated, From: was.State, To: k.State, By: by, At: now,
			}
			err := c.AddToCase(ctx, was, k, line)
			if err == nil {
				ended++
				break
			}
			if !errors.Is(err, fault.Conflict) && !errors.Is(err, fault.Busy) {
				return ended, err
			}
			v, err := get[interaction](ctx, c.Table, c.interactionKey(channel, k.ID), "case "+k.ID)
			if errors.Is(err, fault.NotFound) || err == nil && !due(v) { // closed, or opened again
				break
			}
			if err == nil {
				k, err = c.Case(ctx, was.ID)
			}
			if err != nil {
				return ended, err
			}
		}
	}
	return ended, nil
}

// Holding reads the conversations of a channel that hold replies not yet sent. It
// reads the index: one that has just come to hold some may be missing for a minute.
func (c Company) Holding(ctx context.Context, channel string) ([]desk.Conversation, error) {
	var out []desk.Conversation
	for _, state := range []desk.ConversationState{desk.ConversationActive, desk.ConversationWaiting} {
		q := table.Q{PK: c.pk("CONVS", string(state)), Index: true}
		for {
			page, err := c.Table.Query(ctx, q)
			if err != nil {
				return nil, fmt.Errorf("channel %s: conversations: %w", channel, err)
			}
			for _, it := range page.Items {
				v, err := decode[desk.Conversation](it)
				if err != nil {
					return nil, err
				}
				if v.Channel == channel && len(v.Unsent) > 0 {
					out = append(out, v)
				}
			}
			if page.Next == "" {
				break
			}
			q.Cursor = page.Next
		}
	}
	return out, nil
}

// Impact counts what switching a channel off would end now.
func (c Company) Impact(ctx context.Context, ch desk.Channel) (desk.Impact, error) {
	impact := desk.Impact{Queues: len(ch.Queues)}
	cases, err := c.Interactions(ctx, ch.ID)
	if err != nil {
		return impact, err
	}
	for _, k := range cases {
		if k.EndsWith(ch.ID) {
			impact.Cases++
		}
	}
	holding, err := c.Holding(ctx, ch.ID)
	if err != nil {
		return impact, err
	}
	for _, conv := range holding {
		ids := make([]string, len(conv.Unsent))
		for i, u := range conv.Unsent {
			ids[i] = u.Turn
		}
		turns, err := c.Turns(ctx, conv.ID, ids...)
		if err != nil {
			return impact, err
		}
		for _, t := range turns {
			for _, r := range t.Replies {
				if !r.Done {
					impact.Replies++
				}
			}
		}
	}
	return impact, nil
}

// sentMessage leads from a provider's id to a reply of ours.
type sentMessage struct {
	ID           string `json:"id"`
	Conversation string `json:"conversation,omitempty"` // that it is of, where it is kept in another
	desk.Versioned
}

// SentMessage gives the id of our reply that the provider knows by that id, if it
// was kept in the conversation (see [Company.SaveSent]); empty if not. of is the
// conversation that the reply stands in.
func (c Company) SentMessage(ctx context.Context, conversation, providerID string) (id, of string, err error) {
	v, err := get[sentMessage](ctx, c.Table, c.sentMessageKey(conversation, providerID), "message")
	if errors.Is(err, fault.NotFound) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return v.ID, cmp.Or(v.Conversation, conversation), nil
}
