package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

type conversationView struct {
	ID            string     `json:"id"`
	Version       int64      `json:"version"`
	Channel       string     `json:"channel"`
	Contact       string     `json:"contact"`
	Person        string     `json:"person"`
	Name          *string    `json:"name"`
	State         string     `json:"state"`
	Waiting       *waitView  `json:"waiting"`
	LastMessageAt *time.Time `json:"last_message_at"` // of the person
	OptedOut      bool       `json:"opted_out"`
	Marketing     bool       `json:"opted_out_marketing"`
	CreatedAt     *time.Time `json:"created_at"`
}

type waitView struct {
	Cause     string     `json:"cause"`
	NotBefore *time.Time `json:"not_before"`
}

func viewConversation(v desk.Conversation) conversationView {
	out := conversationView{
		ID: v.ID, Version: v.Version, Channel: v.Channel, Contact: v.Contact, Person: v.Person, Name: optional(v.Name),
		State: string(v.State()), LastMessageAt: when(v.LastMessageAt),
		OptedOut: v.OptedOut, Marketing: v.OptedOutMarketing, CreatedAt: when(v.CreatedAt),
	}
	if v.State() == desk.ConversationWaiting {
		out.Waiting = &waitView{v.Wait.Cause, when(v.Wait.NotBefore)}
	}
	return out
}

func listConversations(c *call) error {
	q := c.query("channel", "state", "contact")
	f := store.ConversationFilter{
		Channel: q.id("channel"),
		Contact: q.id("contact"),
		State: desk.ConversationState(q.oneOf("state", string(desk.ConversationActive),
			string(desk.ConversationWaiting), string(desk.ConversationIdle))),
	}
	if err := q.err(); err != nil {
		return err
	}
	items, next, err := c.company.Conversations(c.ctx(), f, q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, viewConversation)
}

func (c *call) conversation() (desk.Conversation, error) {
	id, err := c.id("id")
	if err != nil {
		return desk.Conversation{}, err
	}
	return c.company.Conversation(c.ctx(), id)
}

func getConversation(c *call) error {
	v, err := c.conversation()
	if err != nil {
		return err
	}
	return c.ok(v.Version, viewConversation(v))
}

// messageView is one message of a person or one of ours.
type messageView struct {
	ID         string     `json:"id"`
	Direction  string     `json:"direction"` // in, out
	Type       string     `json:"type"`
	Text       *string    `json:"text"`
	Status     *string    `json:"status"` // of ours; null for a person's
	Reason     *string    `json:"reason"` // why it failed, or why it got no answer
	ProviderID *string    `json:"provider_id"`
	SentAt     *time.Time `json:"sent_at"`
	ReceivedAt *time.Time `json:"received_at"`

	ReplyID  *string         `json:"reply_id"` // what was tapped
	Quoted   *string         `json:"quoted"`
	Media    *mediaView      `json:"media"`
	Place    *desk.Place     `json:"place"`
	Raw      json.RawMessage `json:"raw"` // what came in a form that has no fields here
	Button   *string         `json:"button"`
	Rows     []desk.Row      `json:"rows"`
	Template *templateUse    `json:"template"`
}

type mediaView struct {
	Kind *string `json:"kind"`
	Type *string `json:"type"`
	Name *string `json:"name"`
	URL  *string `json:"url"`
}

type templateUse struct {
	Name     string   `json:"name"`
	Language string   `json:"language"`
	Params   []string `json:"params"` // a one-time code is masked: desk.MaskedCode
}

func viewIncoming(t desk.Turn) messageView {
	m := t.Message
	out := messageView{
		ID: t.ID, Direction: "in", Type: string(m.Content.Type), Text: optional(m.Content.Text), Reason: optional(t.Note),
		ProviderID: optional(m.ProviderID), SentAt: when(m.SentAt), ReceivedAt: when(m.ReceivedAt),
		ReplyID: optional(m.Content.ReplyID), Quoted: optional(m.Content.Quoted), Place: m.Content.Place, Raw: m.Content.Raw,
		Rows: []desk.Row{},
	}
	if f := m.Content.Media; f != nil {
		out.Media = &mediaView{Type: optional(f.Type), Name: optional(f.Name), URL: optional(f.URL)}
	}
	return out
}

// shownSecret stands where the secret of a form's link was sent: who reads a
// conversation must not be able to open the form.
const shownSecret = "…"

// viewReply shows one of our messages; known is what receipts say of it. The
// higher of the two statuses counts, with its reason. A one-time code is never shown;
// it stands in no stored text either.
func viewReply(r desk.Reply, known store.Delivered, publicURL string) messageView {
	o := r.WithForm(publicURL, shownSecret)
	out := messageView{
		ID: r.ID, Direction: "out", Type: string(o.Type), Text: optional(o.Text), ProviderID: optional(r.ProviderID),
		SentAt: when(r.SentAt), Button: optional(o.Button), Rows: append([]desk.Row{}, o.Rows...),
	}
	status, reason := r.Status, r.Reason
	if known.Status > status {
		status, reason = known.Status, known.Reason
	}
	out.Status, out.Reason = optional(status.String()), optional(reason)
	if o.Media != nil {
		out.Media = &mediaView{Kind: optional(o.Media.Kind), Name: optional(o.Media.Name), URL: optional(o.Media.URL)}
	}
	if o.Template != nil {
		out.Template = &templateUse{o.Template.Name, o.Template.Language, texts(o.Template.Masked().Params)}
	}
	return out
}

// said is a turn's message or one of its replies.
type said struct {
	turn  desk.Turn
	reply int // index; -1: what the person said
}

func saidIn(t desk.Turn) []said {
	var out []said
	if t.Message != nil {
		out = append(out, said{t, -1})
	}
	for i := range t.Replies {
		out = append(out, said{t, i})
	}
	return out
}

// historyPlace is where a page of messages ended: so many messages of a turn
// that lies behind a cursor of the store were given.
type historyPlace struct {
	Cursor string `json:"c,omitempty"`
	Turn   string `json:"t"`
	Given  int    `json:"n"`
}

func (p historyPlace) encode() string {
	b, _ := json.Marshal(p) // plain data
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeHistoryPlace(cursor string) (historyPlace, error) {
	var p historyPlace
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Given < 1 || p.Turn == "" {
		var in fault.Input
		in.Add("cursor", "invalid")
		return historyPlace{}, in.Err()
	}
	return p, nil
}

// listMessages lists what was said, oldest first by the provider's time (R4): a
// turn's message, then its replies in their order.
func listMessages(c *call) error {
	conv, err := c.conversation()
	if err != nil {
		return err
	}
	q := c.query()
	if err := q.err(); err != nil {
		return err
	}
	var from historyPlace
	if q.cursor != "" {
		if from, err = decodeHistoryPlace(q.cursor); err != nil {
			return err
		}
	}
	items, next, err := c.messages(conv.ID, from, q.limit)
	if err != nil {
		return q.badCursor(err)
	}
	known, err := c.company.Deliveries(c.ctx(), conv.Channel, sendIDs(items))
	if err != nil {
		return err
	}
	publicURL := c.PublicURL(c.r)
	return answerList(c, items, next, func(s said) messageView {
		if s.reply < 0 {
			return viewIncoming(s.turn)
		}
		r := s.turn.Replies[s.reply]
		best := known[r.ID]
		if by := known[r.ProviderID]; by.Status > best.Status {
			best = by
		}
		return viewReply(r, best, publicURL)
	})
}

// messages reads a page, and where it ended if there is more.
func (c *call) messages(conversation string, from historyPlace, limit int) ([]said, string, error) {
	var out []said
	last := from
	skipping := from.Turn != ""
	for cursor := from.Cursor; ; {
		turns, next, err := c.company.History(c.ctx(), conversation, limit, cursor)
		if err != nil {
			return nil, "", fmt.Errorf("messages: %w", err)
		}
		for _, t := range turns {
			given := 0
			if skipping {
				if t.ID != from.Turn {
					continue
				}
				skipping, given = false, from.Given
			}
			for i, s := range saidIn(t) {
				if i < given {
					continue
				}
				if len(out) == limit {
					return out, last.encode(), nil
				}
				out = append(out, s)
				last = historyPlace{Cursor: cursor, Turn: t.ID, Given: i + 1}
			}
		}
		if next == "" {
			return out, "", nil
		}
		cursor = next
	}
}

// sendIDs are the ids under which receipts of the replies may lie: our own
// reference, which some providers return, and the provider's id for the send.
func sendIDs(items []said) []string {
	var ids []string
	for _, s := range items {
		if s.reply < 0 {
			continue
		}
		r := s.turn.Replies[s.reply]
		ids = append(ids, r.ID)
		if r.ProviderID != "" {
			ids = append(ids, r.ProviderID)
		}
	}
	return ids
}
