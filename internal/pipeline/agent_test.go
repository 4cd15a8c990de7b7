package pipeline_test

import (
	"context"
	"errors"
	"fmt"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// aside is acme's data as another process sees it, whose writes no cache here learns of.
func (w *world) aside() store.Company { return w.plainStore().In("acme") }

// commit puts one turn of ours into acme's conversation with a number, as an agent's
// call does, and gives its id. change is done to the conversation with it.
func (w *world) commit(number string, change func(*desk.Conversation), outs ...desk.Outgoing) string {
	w.t.Helper()
	ctx, c := context.Background(), w.aside()
	id := store.ConversationID(channelID("acme"), number)
	conv, err := c.Conversation(ctx, id)
	if errors.Is(err, fault.NotFound) {
		conv = desk.Conversation{ID: id, Channel: channelID("acme"), Person: number, HeardAt: w.clock.Now(), StateSince: w.clock.Now()}
	} else {
		must(w.t, err)
	}
	turn := desk.Turn{ID: store.TurnID(fmt.Sprint("agent ", conv.LastNumber)), Conversation: id, Kind: desk.TurnAgent, At: w.clock.Now(), Made: w.clock.Now()}
	first := conv.LastNumber + 1
	for i, out := range outs {
		conv.LastNumber++
		turn.Replies = append(turn.Replies, desk.Reply{
			Number: conv.LastNumber, ID: store.ReplyID(id, turn.ID, i), Outgoing: out, Status: desk.Queued,
		})
	}
	conv.Unsent = append(conv.Unsent, desk.Unsent{Turn: turn.ID, First: first, Last: conv.LastNumber})
	if change != nil {
		change(&conv)
	}
	must(w.t, c.Commit(ctx, store.Commit{Conversation: conv, Turn: store.StoredTurn{Turn: turn}}))
	return turn.ID
}

// alter changes acme's conversation with a number.
func (w *world) alter(number string, change func(*desk.Conversation)) {
	w.t.Helper()
	c := w.aside()
	conv, err := c.Conversation(context.Background(), store.ConversationID(channelID("acme"), number))
	must(w.t, err)
	change(&conv)
	must(w.t, c.SaveConversation(context.Background(), conv))
}

// alterChannel changes acme's channel where no cache here learns of it.
func (w *world) alterChannel(change func(*desk.Channel)) {
	w.t.Helper()
	c := w.aside()
	ch, err := c.FreshChannel(context.Background(), channelID("acme"))
	must(w.t, err)
	change(&ch)
	must(w.t, c.SaveChannel(context.Background(), ch, nil))
}

// channel is acme's as it is stored.
func (w *world) channel() desk.Channel {
	w.t.Helper()
	ch, err := w.aside().FreshChannel(context.Background(), channelID("acme"))
	must(w.t, err)
	return ch
}

// wake handles a wake-up of acme's conversation with a number, received so often.
func (w *world) wake(ctx context.Context, number string, fresh bool, receives int) error {
	w.t.Helper()
	wake := desk.Wake{Conversation: store.ConversationID(channelID("acme"), number), Fresh: fresh}
	raw, err := queue.Seal(desk.StageOutbound, "acme", wake)
	must(w.t, err)
	return w.out.Worker().Handle(ctx, queue.Record{ID: "r", Body: raw, Receives: receives})
}

// queueWake puts such a wake-up into the queue.
func (w *world) queueWake(number string, fresh bool) {
	w.t.Helper()
	id := store.ConversationID(channelID("acme"), number)
	raw, err := queue.Seal(desk.StageOutbound, "acme", desk.Wake{Conversation: id, Fresh: fresh})
	must(w.t, err)
	must(w.t, w.driver.Queue(desk.StageOutbound).Send(context.Background(), queue.Message{
		Group: store.Hash("acme", id), Dedup: store.Hash(id, w.clock.Now().String(), fmt.Sprint(fresh)), Body: raw,
	}))
}

// outcomes are the replies of acme's conversation with a number, in the order of
// their numbers.
func (w *world) outcomes(number string) (replies []desk.Reply) {
	w.t.Helper()
	conv := w.conversation(number)
	replies = make([]desk.Reply, conv.LastNumber)
	for _, turn := range w.turns("acme", conv.ID) {
		for _, r := range turn.Replies {
			replies[r.Number-1] = r
		}
	}
	return replies
}

func text(s string) desk.Outgoing { return desk.Outgoing{Type: desk.ReplyText, Text: s} }

func template() desk.Outgoing {
	return desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "tpl-1", Name: "create_case", Language: "es"}}
}
