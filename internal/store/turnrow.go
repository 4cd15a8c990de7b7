package store

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"buzon/internal/desk"
	"buzon/internal/table"
)

// turnRow is the stored form of a [desk.Turn]. What its key, its conversation or
// another of its fields says is left out, so that a turn with a usual list stays
// within the one KB that a write unit pays for:
//
//	left out                               found again in
//	id, conversation                       the key
//	message: channel, person, name         the conversation (not put back)
//	message: heard_at                      the conversation, of the newest (not put back)
//	message: sent_at                       at
//	reply: id                              ReplyID, unless it is another
//	reply: how the ids of its rows begin   rows_begin, once
//	reply: what became of it               queued, unless it is another; then the item beside it
type turnRow struct {
	Kind       desk.TurnKind `json:"kind"`
	At         time.Time     `json:"at"`
	Made       time.Time     `json:"made"`
	Message    *messageRow   `json:"message,omitempty"`
	Replies    []replyRow    `json:"replies,omitempty"`
	Note       string        `json:"note,omitempty"`
	Quarantine string        `json:"quarantine,omitempty"`
	Released   bool          `json:"released,omitempty"`
	desk.Versioned
}

// messageRow is the stored form of a [desk.Incoming].
type messageRow struct {
	ProviderID string    `json:"provider_id"`
	ReceivedAt time.Time `json:"received_at"`
	Late       bool      `json:"late,omitempty"`
	Unanswered bool      `json:"unanswered,omitempty"`
	desk.Content
}

// replyRow is the stored form of a [desk.Reply].
type replyRow struct {
	Number int64  `json:"n"`
	ID     string `json:"id,omitempty"`
	desk.Outgoing
	RowsBegin string   `json:"rows_begin,omitempty"`
	Outcome   *outcome `json:"outcome,omitempty"`
}

// ReplyID is the id of the i-th reply, from 0, of a turn.
func ReplyID(conversation, turn string, i int) string {
	return Hash("reply", conversation, turn, fmt.Sprint(i))
}

func (c Company) turnItem(t StoredTurn) table.Item {
	row := turnRow{
		Kind: t.Kind, At: t.At, Made: t.Made, Note: t.Note, Quarantine: t.Quarantine, Released: t.Released, Versioned: t.Versioned,
	}
	if m := t.Message; m != nil {
		row.Message = &messageRow{m.ProviderID, m.ReceivedAt, m.Late, m.Unanswered, m.Content}
	}
	for i, r := range t.Replies {
		row.Replies = append(row.Replies, rowOfReply(r, ReplyID(t.Conversation, t.ID, i)))
	}
	it := item(c.turnKey(t.Conversation, t.ID), row)
	it.Index = table.Key{PK: c.pk("TURNS", t.Conversation), SK: millis(t.At) + "#" + millis(t.Made)}
	return it
}

// turnOf reads the stored form of a conversation's turn back.
func turnOf(conversation string, it table.Item) (StoredTurn, error) {
	row, err := decode[turnRow](it)
	if err != nil {
		return StoredTurn{}, err
	}
	t := StoredTurn{Versioned: row.Versioned, Turn: desk.Turn{
		ID: turnIDIn(it.Key), Conversation: conversation, Kind: row.Kind, At: row.At, Made: row.Made,
		Note: row.Note, Quarantine: row.Quarantine, Released: row.Released,
	}}
	if m := row.Message; m != nil {
		t.Message = &desk.Incoming{
			ProviderID: m.ProviderID, SentAt: row.At, ReceivedAt: m.ReceivedAt, Late: m.Late, Unanswered: m.Unanswered, Content: m.Content,
		}
	}
	for i, r := range row.Replies {
		t.Replies = append(t.Replies, r.reply(ReplyID(conversation, t.ID, i)))
	}
	return t, nil
}

// rowOfReply is the stored form of a reply; id is the one that it is to have.
func rowOfReply(r desk.Reply, id string) replyRow {
	row := replyRow{Number: r.Number, ID: r.ID, Outgoing: r.Outgoing, RowsBegin: commonBegin(r.Rows)}
	if r.ID == id {
		row.ID = ""
	}
	if o := outcomeOf(r); o != (outcome{Number: r.Number, Status: desk.Queued}) {
		row.Outcome = &o
	}
	row.Rows = slices.Clone(r.Rows)
	for i := range row.Rows {
		row.Rows[i].ID = strings.TrimPrefix(row.Rows[i].ID, row.RowsBegin)
	}
	return row
}

func (row replyRow) reply(id string) desk.Reply {
	r := desk.Reply{Number: row.Number, ID: row.ID, Outgoing: row.Outgoing, Status: desk.Queued}
	if r.ID == "" {
		r.ID = id
	}
	if row.Outcome != nil {
		row.Outcome.into(&r)
	}
	for i := range r.Rows {
		r.Rows[i].ID = row.RowsBegin + r.Rows[i].ID
	}
	return r
}

// commonBegin is what the ids of all rows begin with; nothing for less than two.
func commonBegin(rows []desk.Row) string {
	if len(rows) < 2 {
		return ""
	}
	begin := rows[0].ID
	for _, r := range rows[1:] {
		for !strings.HasPrefix(r.ID, begin) {
			_, last := utf8.DecodeLastRuneInString(begin)
			begin = begin[:len(begin)-last]
		}
	}
	return begin
}
