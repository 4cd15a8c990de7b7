package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// ConversationID is the id of the one conversation of a person on a channel.
func ConversationID(channel, person string) string { return Hash("conversation", channel, person) }

// ContactID is the id of a person as a kind of channel knows them.
func ContactID(kind, person string) string { return Hash("contact", kind, person) }

// Conversation reads a conversation strongly; fault.NotFound without one.
func (c Company) Conversation(ctx context.Context, id string) (desk.Conversation, error) {
	return get[desk.Conversation](ctx, c.Table, c.conversationKey(id), "conversation "+id)
}

// Exchange reads what deciding a turn needs, strongly and in one call: the
// conversation and the turn of that id. What does not exist is zero.
func (c Company) Exchange(ctx context.Context, conversation, turn string) (desk.Conversation, StoredTurn, error) {
	items, err := c.Table.Get(ctx, c.conversationKey(conversation), c.turnKey(conversation, turn), c.sentKey(conversation, turn))
	if err != nil {
		return desk.Conversation{}, StoredTurn{}, fmt.Errorf("conversation %s: %w", conversation, err)
	}
	var conv desk.Conversation
	var t StoredTurn
	if items[0].Exists() {
		if conv, err = decode[desk.Conversation](items[0]); err != nil {
			return conv, t, err
		}
	}
	if items[1].Exists() {
		if t, err = turnOf(conversation, items[1]); err == nil {
			err = t.join(items[2])
		}
	}
	return conv, t, err
}

// person is who a contact is on a channel.
type person struct {
	Person string `json:"person"`
	desk.Versioned
}

// PersonOf gives the person whom a contact of a channel is, read strongly;
// fault.NotFound for one who has no conversation with it.
func (c Company) PersonOf(ctx context.Context, channel, contact string) (string, error) {
	v, err := get[person](ctx, c.Table, c.contactKey(contact, channel), "contact "+contact)
	return v.Person, err
}

// Commit is one turn with all that takes effect with it, in one transaction.
type Commit struct {
	Conversation desk.Conversation // as it is to be, Version as read
	Turn         StoredTurn        // Version 0, or that of the released tombstone it replaces
	Form         *desk.Form        // the pending form that its last reply carries
	Timers       []Timer           // armed in Conversation
	Ticket       *desk.Case        // that it opens
	Also         Also              // what else belongs to it
}

// Commit writes a turn, and with the first one of a conversation who its contact is.
// fault.Conflict: the conversation moved on, or the turn
// is there already; ErrReferenceTaken: that of the ticket is, try the next.
func (c Company) Commit(ctx context.Context, m Commit) error {
	ops := []table.Op{table.Save(c.conversationItem(m.Conversation)), table.Save(c.turnItem(m.Turn))}
	if v := m.Conversation; v.Version == 0 && v.Contact != "" {
		ops = append(ops, table.Create(plain(c.contactKey(v.Contact, v.Channel), person{Person: v.Person})))
	}
	if m.Form != nil {
		ops = append(ops, table.Create(c.formItem(*m.Form)))
	}
	for _, t := range m.Timers {
		ops = append(ops, table.Create(t.item()))
	}
	reference := -1
	if m.Ticket != nil {
		reference = len(ops)
		ops = append(ops, c.newCaseOps(*m.Ticket)...)
	}
	err := c.Table.Write(ctx, append(ops, m.Also...)...)
	var refused *table.Refused
	if errors.As(err, &refused) && len(refused.Ops) == 1 && refused.Ops[0] == reference {
		err = ErrReferenceTaken
	}
	if err != nil {
		return fmt.Errorf("conversation %s: turn %s: %w", m.Conversation.ID, m.Turn.ID, err)
	}
	return nil
}

// SaveConversation writes the conversation at its version, with new timers.
func (c Company) SaveConversation(ctx context.Context, conv desk.Conversation, timers ...Timer) error {
	ops := []table.Op{table.Save(c.conversationItem(conv))}
	for _, t := range timers {
		ops = append(ops, table.Create(t.item()))
	}
	if err := c.Table.Write(ctx, ops...); err != nil {
		return fmt.Errorf("conversation %s: %w", conv.ID, err)
	}
	return nil
}

func (c Company) conversationItem(v desk.Conversation) table.Item {
	it := item(c.conversationKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("CONVS", string(v.State())), SK: millis(v.StateSince) + "#" + v.ID}
	return it
}

// ConversationFilter chooses conversations; empty fields choose all.
type ConversationFilter struct {
	Channel, Contact string
	State            desk.ConversationState
}

// Conversations lists conversations, the active and waiting ones first by their
// last message, then the idle ones by when they became so; newest first. The
// index may be a minute late; what changes between two pages: see lister.
func (c Company) Conversations(ctx context.Context, f ConversationFilter, limit int, cursor string) ([]desk.Conversation, string, error) {
	states := []desk.ConversationState{desk.ConversationActive, desk.ConversationWaiting}
	l := lister[desk.Conversation]{
		most:   MaxLive,
		recent: func(v desk.Conversation) (time.Time, string) { return v.LastMessageAt, v.ID },
		keep: func(v desk.Conversation) bool {
			return (f.Channel == "" || v.Channel == f.Channel) && (f.Contact == "" || v.Contact == f.Contact) &&
				(f.State == "" || v.State() == f.State)
		},
		past: c.pk("CONVS", string(desk.ConversationIdle)),
	}
	for _, s := range states {
		if f.State == "" || f.State == s {
			l.live = append(l.live, c.pk("CONVS", string(s)))
		}
	}
	if f.State != "" && f.State != desk.ConversationIdle {
		l.past = ""
	}
	return list(ctx, c.Table, l, limit, cursor)
}

// ChannelWait reads a channel's wait strongly; a channel that never waited has
// none.
func (c Company) ChannelWait(ctx context.Context, channel string) (StoredWait, error) {
	w, err := get[StoredWait](ctx, c.Table, c.waitKey(channel), "channel "+channel+": wait")
	if errors.Is(err, fault.NotFound) {
		return StoredWait{}, nil
	}
	return w, err
}

// StoredWait is a channel's wait; zero Wait.Cause: sending goes.
type StoredWait struct {
	desk.Wait
	// WellAt is when the newest send was accepted of which it is known that the channel
	// went, or when somebody mended it: a failure of what was accepted until then says
	// nothing of it any more. Zero: never so far.
	WellAt time.Time `json:"well_at,omitzero"`
	desk.Versioned
}

// SaveChannelWait writes a channel's wait at its version, while what also says holds.
func (c Company) SaveChannelWait(ctx context.Context, channel string, w StoredWait, also ...table.Op) error {
	if err := c.Table.Write(ctx, append(c.KeepWait(channel, w), also...)...); err != nil {
		return fmt.Errorf("channel %s: wait: %w", channel, err)
	}
	return nil
}

// WhileWait holds a write to a channel's wait being what it was when w was read or
// written: what a channel shows never contradicts a wait that began or ended meanwhile.
func (c Company) WhileWait(channel string, w StoredWait) Also {
	return Also{table.Check(c.waitKey(channel), w.Version)}
}

// KeepWait is the operation that writes a channel's wait at its version.
func (c Company) KeepWait(channel string, w StoredWait) Also {
	return Also{table.Save(item(c.waitKey(channel), w))}
}
