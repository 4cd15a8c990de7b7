package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// TurnID is the id of the turn that a cause makes.
func TurnID(cause string) string { return Hash("turn", cause) }

// StoredTurn is a turn as it was read. Its row is written once, with the commit;
// what becomes of its replies lies beside it in a small item, which is all that
// sending writes. A one-time code alone is taken out of the row again, in the write
// that says what became of it.
type StoredTurn struct {
	desk.Turn
	desk.Versioned
	// SentVersion is the version of what became of the replies; 0: nothing yet.
	SentVersion int64
}

// sent is the stored form of what became of a turn's replies.
type sent struct {
	Replies []outcome `json:"replies"`
	desk.Versioned
}

// outcome is what became of one reply so far; the fields are those of [desk.Reply].
type outcome struct {
	Number     int64           `json:"n"`
	Status     desk.Delivery   `json:"status"`
	Done       bool            `json:"done,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	ProviderID string          `json:"provider_id,omitempty"`
	SentAt     time.Time       `json:"sent_at,omitzero"`
	Attempts   int             `json:"attempts,omitempty"`
	Pauses     int             `json:"pauses,omitempty"`
	Lease      *desk.Lease     `json:"lease,omitempty"`
	Uploaded   *desk.MediaLink `json:"uploaded,omitempty"`
	Elsewhere  string          `json:"elsewhere,omitempty"`
}

func outcomeOf(r desk.Reply) outcome {
	return outcome{r.Number, r.Status, r.Done, r.Reason, r.ProviderID, r.SentAt, r.Attempts, r.Pauses, r.Lease, r.Uploaded, r.Elsewhere}
}

func (o outcome) into(r *desk.Reply) {
	r.Status, r.Done, r.Reason, r.ProviderID = o.Status, o.Done, o.Reason, o.ProviderID
	r.SentAt, r.Attempts, r.Pauses, r.Lease, r.Uploaded, r.Elsewhere = o.SentAt, o.Attempts, o.Pauses, o.Lease, o.Uploaded, o.Elsewhere
}

// Turns reads turns of a conversation strongly, in the order asked; one that
// does not exist is fault.NotFound.
func (c Company) Turns(ctx context.Context, conversation string, ids ...string) ([]StoredTurn, error) {
	var out []StoredTurn
	for chunk := range slices.Chunk(ids, table.MaxOps/2) {
		var keys []table.Key
		for _, id := range chunk {
			keys = append(keys, c.turnKey(conversation, id), c.sentKey(conversation, id))
		}
		items, err := c.Table.Get(ctx, keys...)
		if err != nil {
			return nil, fmt.Errorf("turns of %s: %w", conversation, err)
		}
		for i, id := range chunk {
			if !items[2*i].Exists() {
				return nil, fmt.Errorf("turn %s of %s: %w", id, conversation, fault.NotFound)
			}
			t, err := turnOf(conversation, items[2*i])
			if err == nil {
				err = t.join(items[2*i+1])
			}
			if err != nil {
				return nil, err
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// History lists the turns of a conversation in the order of the provider's
// time, oldest first. It reads the index: the newest may be a minute late. A
// cursor that it did not give is a *fault.Input.
func (c Company) History(ctx context.Context, conversation string, limit int, cursor string) ([]desk.Turn, string, error) {
	read := func(it table.Item) (StoredTurn, error) { return turnOf(conversation, it) }
	s := scan[StoredTurn]{table: c.Table, read: read, keep: everything[StoredTurn], limit: max(limit, 1)}
	next, _, err := s.fill(ctx, table.Q{PK: c.pk("TURNS", conversation), Index: true, Cursor: cursor})
	if err != nil {
		return nil, "", err
	}
	out := make([]desk.Turn, 0, len(s.out))
	for chunk := range slices.Chunk(s.out, table.MaxOps) {
		keys := make([]table.Key, len(chunk))
		for i, t := range chunk {
			keys[i] = c.sentKey(conversation, t.ID)
		}
		items, err := c.Table.Get(ctx, keys...)
		if err != nil {
			return nil, "", fmt.Errorf("history of %s: %w", conversation, err)
		}
		for i, t := range chunk {
			if err := t.join(items[i]); err != nil {
				return nil, "", err
			}
			out = append(out, t.Turn)
		}
	}
	return out, next, nil
}

// join puts what became of the replies into the turn; an item that does not
// exist leaves them as they were committed.
func (t *StoredTurn) join(it table.Item) error {
	if !it.Exists() {
		return nil
	}
	v, err := decode[sent](it)
	if err != nil {
		return err
	}
	for i := range t.Replies {
		for _, o := range v.Replies {
			if o.Number == t.Replies[i].Number {
				o.into(&t.Replies[i])
			}
		}
	}
	t.SentVersion = v.Version
	return nil
}

// Recorded is t as it is stored once a [Company.SaveSent] of it has succeeded.
func (t StoredTurn) Recorded() StoredTurn {
	out, spent := t.withoutSpentCodes()
	if spent {
		out.Version++
	}
	out.SentVersion++
	return out
}

// withoutSpentCodes is t with the one-time codes masked whose send has ended, and
// whether there was one.
func (t StoredTurn) withoutSpentCodes() (StoredTurn, bool) {
	spent := func(r desk.Reply) bool { return r.Done && r.Template != nil && r.Template.Secret() }
	if !slices.ContainsFunc(t.Replies, spent) {
		return t, false
	}
	t.Replies = slices.Clone(t.Replies)
	for i, r := range t.Replies {
		if spent(r) {
			masked := r.Template.Masked()
			t.Replies[i].Template = &masked
		}
	}
	return t, true
}

// SaveSent writes what became of a turn's replies at its SentVersion; the turn's
// row stays as it is, but for a one-time code whose send has ended: that is masked
// in the same transaction, at the turn's Version. A reply whose taps make tickets is
// kept, once the provider has given it an id, so that [Company.SentMessage] finds it,
// in its Elsewhere too.
// What is stored then is [StoredTurn.Recorded].
func (c Company) SaveSent(ctx context.Context, t StoredTurn) error {
	v := sent{Versioned: desk.Versioned{Version: t.SentVersion}}
	for _, r := range t.Replies {
		v.Replies = append(v.Replies, outcomeOf(r))
	}
	ops := []table.Op{table.Save(item(c.sentKey(t.Conversation, t.ID), v))}
	if row, spent := t.withoutSpentCodes(); spent {
		for i := range row.Replies {
			outcome{Number: row.Replies[i].Number, Status: desk.Queued}.into(&row.Replies[i])
		}
		ops = append(ops, table.Save(c.turnItem(row)))
	}
	for _, r := range t.Replies {
		if r.ProviderID != "" && r.Template != nil && r.Template.Taps {
			keep := func(conversation string, v sentMessage) {
				it := plain(c.sentMessageKey(conversation, r.ProviderID), v)
				it.Version = t.SentVersion + 1 // it only grows
				ops = append(ops, table.Raise(it))
			}
			keep(t.Conversation, sentMessage{ID: r.ID})
			if r.Elsewhere != "" && r.Elsewhere != t.Conversation {
				keep(r.Elsewhere, sentMessage{ID: r.ID, Conversation: t.Conversation})
			}
		}
	}
	if err := c.Table.Write(ctx, ops...); err != nil {
		return fmt.Errorf("turn %s: sent: %w", t.ID, err)
	}
	return nil
}
