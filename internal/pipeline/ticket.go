package pipeline

import (
	"cmp"
	"context"
	"strings"
	"unicode/utf8"

	"buzon/internal/desk"
	"buzon/internal/locale"
	"buzon/internal/store"
)

// tapped makes the ticket of a tap on a template's button, with its turn: a new one
// each time, once per message (S3-46, Q31). The bot says nothing and its dialogue is
// as before. Whether the channel still answers is read strongly, since what a
// channel that is off has open was ended. references is how many names are taken.
func (s *Inbound) tapped(ctx context.Context, c store.Company, conv desk.Conversation, turn desk.Turn, references int) (store.Commit, error) {
	ch, err := c.FreshChannel(ctx, conv.Channel)
	if err != nil {
		return store.Commit{}, err
	}
	if ch.Deleted || !ch.State.Answers() {
		turn.Note = noteInactive
		return s.recorded(ctx, c, conv, turn)
	}
	settings, err := s.settings(ctx, c)
	if err != nil {
		return store.Commit{}, err
	}
	said := turn.Message.Content
	message, of, err := answered(ctx, c, conv, said.Quoted)
	if err != nil {
		return store.Commit{}, err
	}
	now := s.Now()
	k := desk.Case{
		ID: store.TicketID(conv.ID, turn.ID), State: desk.CaseNew, Source: desk.SourceWhatsApp,
		Type: settings.DefaultCaseType, Priority: desk.PriorityMedium,
		Contact: conv.Contact, Conversation: conv.ID, Message: message,
		Conversations: []string{conv.ID}, Channels: []string{conv.Channel},
		Language: desk.Languages[0], CreatedAt: now, ChangedAt: now,
	}
	if of != conv.ID {
		k.Conversations = append(k.Conversations, of)
	}
	if locale.For(settings.Language) != nil {
		k.Language = settings.Language
	}
	k.Reference = store.Reference(k.ID, references)
	text := cmp.Or(strings.TrimSpace(said.Text), strings.TrimSpace(said.ReplyID), k.Reference)
	if k.Title = cutRunes(text, desk.MaxCaseTitle); k.Title != text {
		k.Description = cutRunes(text, desk.MaxCaseDescription)
	}
	commit, err := s.recorded(ctx, c, conv, turn)
	commit.Ticket = &k
	return commit, err
}

// answered is our message that a tap quotes, and the conversation it stands in: the
// tap's own, or that of the person's number in another spelling, as somebody wrote it
// who sent the template. The ticket is the tap's: there the person can be answered.
// Not found, it is empty, in the tap's own.
func answered(ctx context.Context, c store.Company, conv desk.Conversation, quoted string) (id, of string, err error) {
	if quoted == "" {
		return "", conv.ID, nil
	}
	id, of, err = c.SentMessage(ctx, conv.ID, quoted)
	if other := desk.OtherSpelling(conv.Person); err == nil && id == "" && other != "" {
		id, of, err = c.SentMessage(ctx, store.ConversationID(conv.Channel, other), quoted)
	}
	return id, cmp.Or(of, conv.ID), err
}

// cutRunes is the beginning of s, of at most most characters.
func cutRunes(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}
