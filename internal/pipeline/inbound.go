package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buzon/internal/bot"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/link"
	"buzon/internal/locale"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// inboundStep is the longest that one inbound event may take.
const inboundStep = 15 * time.Second

// Why a message got no answer, as its turn says.
const (
	noteLate      = "late"
	noteInactive  = "channel_inactive"
	noteNotForBot = "not_for_bot"
	noteUnsent    = "too_many_unsent"
)

// Worker handles the inbound queue.
func (s *Inbound) Worker() *queue.Worker {
	locale.Load()
	return &queue.Worker{
		Handle:     s.handle,
		Quarantine: s.Quarantine,
		Alone:      store.Suspects{Store: s.Store, Queue: desk.StageInbound},
		Step:       inboundStep,
		Log:        s.Log,
	}
}

func (s *Inbound) handle(ctx context.Context, r queue.Record) error {
	tenant, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, r.Body)
	if err != nil {
		return err
	}
	c := s.Store.In(tenant)
	switch {
	case !store.ValidTenant(tenant):
		return &queue.Unreadable{Reason: "bad_tenant"}
	case e.Message != nil:
		return s.message(ctx, c, *e.Message, r)
	case e.Failure != nil:
		return s.failure(ctx, c, *e.Failure)
	case e.Timer != nil:
		return s.timer(ctx, c, *e.Timer)
	case e.Consent != nil:
		return s.consent(ctx, c, *e.Consent)
	case e.Ended != "":
		return s.ended(ctx, c, e.Ended, r.ID)
	case e.Freed != "":
		return s.freed(ctx, c, e.Freed, r.ID)
	case e.Replay != "":
		return s.replay(ctx, c, e.Replay, e.From)
	}
	return &queue.Unreadable{Reason: "empty_event"}
}

// message makes the one turn of a person's message, however often it comes.
func (s *Inbound) message(ctx context.Context, c store.Company, m desk.Incoming, r queue.Record) error {
	id, turnID := store.ConversationID(m.Channel, m.Person), store.TurnID(m.ProviderID)
	var stored store.StoredTurn // as far as known
	references := 0             // of a ticket, that were taken
	for range maxTries {
		conv, err := c.Conversation(ctx, id)
		if err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
		commit, err := s.answer(ctx, c, conv, m, turnID, references)
		if err != nil {
			return err
		}
		commit.Turn.Versioned = stored.Versioned
		err = c.Commit(ctx, commit)
		if err == nil {
			return s.wake(ctx, c, commit.Conversation)
		}
		if errors.Is(err, store.ErrReferenceTaken) {
			references++
			continue
		}
		if errors.Is(err, fault.Busy) {
			continue
		}
		if errors.Is(err, fault.Invalid) {
			return s.Quarantine(ctx, r, reasonUnstorable)
		}
		if !errors.Is(err, fault.Conflict) {
			return err
		}
		conv, stored, err = c.Exchange(ctx, id, turnID)
		switch {
		case err != nil:
			return err
		case stored.Version == 0 || stored.Kind == desk.TurnQuarantined && stored.Released:
			continue // the conversation moved on
		case stored.Kind == desk.TurnQuarantined:
			return nil // its cause lies in quarantine
		case stored.Message == nil || !stored.Message.Content.Same(m.Content):
			return s.Quarantine(ctx, r, reasonIDCollision)
		}
		return s.wake(ctx, c, conv)
	}
	return fmt.Errorf("conversation %s: %w", id, fault.Busy)
}

// answer decides what a message does to its conversation. references is how many
// names of a ticket are taken.
func (s *Inbound) answer(ctx context.Context, c store.Company, conv desk.Conversation, m desk.Incoming, turnID string, references int) (store.Commit, error) {
	turn := desk.Turn{ID: turnID, Kind: desk.TurnMessage, Message: &m, At: m.SentAt, Made: s.Now()}
	if conv.Version == 0 {
		var err error
		if conv, err = newConversation(ctx, c, m); err != nil {
			return store.Commit{}, err
		}
	}
	conv = heard(conv, m)
	switch {
	case m.Late:
		turn.Note = noteLate
	case m.Unanswered:
		turn.Note = noteInactive
	case m.Content.Type == desk.QuickReply:
		return s.tapped(ctx, c, conv, turn, references)
	case !forBot(m.Content.Type):
		turn.Note = noteNotForBot
	case len(conv.Unsent) >= desk.MaxUnsent:
		turn.Note = noteUnsent
	default:
		world, err := s.world(ctx, c, conv)
		if err != nil {
			return store.Commit{}, err
		}
		d := bot.Decide(world, conv.Dialogue, bot.Input{Message: &m.Content, ID: turnID, Now: s.Now()})
		return s.decided(ctx, c, conv, turn, d)
	}
	return s.recorded(ctx, c, conv, turn)
}

// recorded leaves the dialogue as it is.
func (s *Inbound) recorded(ctx context.Context, c store.Company, conv desk.Conversation, turn desk.Turn) (store.Commit, error) {
	return s.decided(ctx, c, conv, turn, bot.Decision{State: conv.Dialogue, TimeoutAt: conv.TimeoutAt})
}

// newConversation is that of a person who writes for the first time. What they have
// said of wanting messages is read here and nowhere else: later it is on the
// conversation.
func newConversation(ctx context.Context, c store.Company, m desk.Incoming) (desk.Conversation, error) {
	ch, err := c.Channel(ctx, m.Channel)
	if err != nil {
		return desk.Conversation{}, err
	}
	conv := desk.Conversation{
		ID: store.ConversationID(m.Channel, m.Person), Channel: m.Channel, Person: m.Person,
		Contact: store.ContactID(ch.Kind, m.Person), CreatedAt: m.ReceivedAt,
	}
	// Nothing of this person is handled beside it, so the condition is not needed.
	conv, _, err = c.WithConsents(ctx, conv)
	return conv, err
}

// heard notes on the conversation who wrote and when, also of a message that came
// late: the window in which we may write counts from the newest.
func heard(conv desk.Conversation, m desk.Incoming) desk.Conversation {
	if m.Name != "" {
		conv.Name = m.Name
	}
	if conv.HeardAt.IsZero() {
		conv.HeardAt = conv.LastMessageAt // of before it was kept
	}
	at := m.HeardAt
	if at.IsZero() { // of an older version
		at = m.SentAt
	}
	if at.After(conv.HeardAt) {
		conv.HeardAt = at
	}
	if m.ReceivedAt.After(conv.LastMessageAt) {
		conv.LastMessageAt = m.ReceivedAt
	}
	return conv
}

func forBot(t desk.ContentType) bool {
	return t == desk.Text || t == desk.ListReply || t == desk.ButtonReply
}

// decided puts a decision into the conversation and its turn.
func (s *Inbound) decided(ctx context.Context, c store.Company, was desk.Conversation, turn desk.Turn, d bot.Decision) (store.Commit, error) {
	conv := was
	turn.Conversation = conv.ID
	conv.Dialogue, conv.TimeoutAt = d.State, d.TimeoutAt
	commit := store.Commit{}
	for i, out := range d.Replies {
		conv.LastNumber++
		r := desk.Reply{Number: conv.LastNumber, ID: store.ReplyID(conv.ID, turn.ID, i), Outgoing: out, Status: desk.Queued}
		if d.Form != nil && out.FormKey != "" {
			f, err := s.form(ctx, c, *d.Form, out.FormKey, r.ID)
			if err != nil {
				return commit, err
			}
			commit.Form = &f
		}
		turn.Replies = append(turn.Replies, r)
	}
	if n := len(turn.Replies); n > 0 {
		first := turn.Replies[0].Number
		unsent := append([]desk.Unsent(nil), conv.Unsent...)
		conv.Unsent = append(unsent, desk.Unsent{Turn: turn.ID, First: first, Last: conv.LastNumber})
	}
	now := s.Now()
	if !conv.TimeoutAt.IsZero() && (!desk.Armed(conv.ArmedTimeout, now) || conv.ArmedTimeout.After(conv.TimeoutAt)) {
		t := c.NewTimer(store.WakeInbound, conv, conv.TimeoutAt)
		conv.ArmedTimeout = t.Due
		commit.Timers = append(commit.Timers, t)
	}
	commit.Conversation, commit.Turn = settled(was, conv, now), store.StoredTurn{Turn: turn}
	return commit, nil
}

// settled notes since when the conversation is in its state.
func settled(was, is desk.Conversation, now time.Time) desk.Conversation {
	if was.Version == 0 || was.State() != is.State() {
		is.StateSince = now
	}
	return is
}

// form is the pending form that a reply carries.
func (s *Inbound) form(ctx context.Context, c store.Company, pick bot.Pick, keyID, replyID string) (desk.Form, error) {
	secret, err := s.Keys.Form(ctx, c.Tenant, keyID, replyID)
	if err != nil {
		return desk.Form{}, err
	}
	settings, err := s.settings(ctx, c)
	if err != nil {
		return desk.Form{}, err
	}
	life := desk.DefaultFormLife
	if settings.FormHours > 0 {
		life = time.Duration(settings.FormHours) * time.Hour
	}
	return desk.Form{
		Hash:    link.Hash(secret),
		Project: pick.Project.ID, Service: pick.Service.ID, Category: pick.Category.ID,
		ProjectName: pick.Project.Name, ServiceName: pick.Service.Name, CategoryName: pick.Category.Name,
		CaseType: pick.Category.CaseType, Language: pick.Language, Expires: s.Now().Add(life),
	}, nil
}

func (s *Inbound) settings(ctx context.Context, c store.Company) (desk.BotSettings, error) {
	v, err := c.Bot(ctx)
	if errors.Is(err, fault.NotFound) {
		return bot.DefaultSettings(desk.Languages[0]), nil
	}
	return v, err
}

// world gathers what the bot decides by. Who writes matters only when a
// dialogue begins.
func (s *Inbound) world(ctx context.Context, c store.Company, conv desk.Conversation) (bot.World, error) {
	var w bot.World
	self, err := c.Self(ctx)
	if err != nil {
		return w, err
	}
	w.Company = self.Name
	if w.Settings, err = s.settings(ctx, c); err != nil {
		return w, err
	}
	cat, err := c.Catalogue(ctx)
	if err != nil {
		return w, err
	}
	w.Offered = cat.Offered()
	if w.Templates, err = c.Templates(ctx, conv.Channel); err != nil {
		return w, err
	}
	if w.FormKey, err = s.Keys.Current(ctx); err != nil {
		return w, err
	}
	if len(conv.Dialogue) > 0 && s.Now().Before(conv.TimeoutAt) {
		return w, nil
	}
	w.Person.Name = conv.Name
	client, err := c.ClientByPhone(ctx, conv.Person)
	if errors.Is(err, fault.NotFound) {
		return w, nil
	}
	if err == nil && client.Active {
		w.Person = bot.Person{Registered: true, Name: client.Name, Culture: client.Culture}
	}
	return w, err
}

// timer ends a dialogue whose time ran out, or arms the timer again.
func (s *Inbound) timer(ctx context.Context, c store.Company, e desk.TimerEvent) error {
	return store.Retry(func() error {
		conv, err := c.Conversation(ctx, e.Conversation)
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(conv.Dialogue) == 0 || conv.TimeoutAt.IsZero() {
			return s.wake(ctx, c, conv) // perhaps by this very timer, whose wake-up was lost
		}
		now := s.Now()
		if now.Before(conv.TimeoutAt) {
			if conv.ArmedTimeout.After(e.Due) { // another timer is armed
				return nil
			}
			t := c.NewTimer(store.WakeInbound, conv, conv.TimeoutAt)
			conv.ArmedTimeout = t.Due
			return c.SaveConversation(ctx, conv, t)
		}
		world, err := s.world(ctx, c, conv)
		if err != nil {
			return err
		}
		turnID := store.TurnID("timer " + e.ID)
		d := bot.Decide(world, conv.Dialogue, bot.Input{ID: turnID, Now: now})
		turn := desk.Turn{ID: turnID, Kind: desk.TurnTimer, At: now, Made: now}
		commit, err := s.decided(ctx, c, conv, turn, d)
		if err != nil {
			return err
		}
		if err := c.Commit(ctx, commit); err != nil {
			return err
		}
		return s.wake(ctx, c, commit.Conversation)
	})
}

// wake asks outbound to look at a conversation that holds unsent replies. The
// same highest number is the same wake-up.
func (s *Inbound) wake(ctx context.Context, c store.Company, conv desk.Conversation) error {
	if len(conv.Unsent) == 0 {
		return nil
	}
	last := conv.Unsent[len(conv.Unsent)-1].Last
	return sendWake(ctx, s.Outbound, c, desk.Wake{Conversation: conv.ID}, store.WakeID(c.Tenant, conv.ID, last))
}

func sendWake(ctx context.Context, q queue.Queue, c store.Company, w desk.Wake, dedup string) error {
	body, err := queue.Seal(desk.StageOutbound, c.Tenant, w)
	if err != nil {
		return err
	}
	return q.Send(ctx, queue.Message{Group: store.Hash(c.Tenant, w.Conversation), Dedup: dedup, Body: body})
}
