package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// SaveConsent keeps a person's newest opt-in or opt-out, whatever order they come in.
func (c Company) SaveConsent(ctx context.Context, v desk.Consent) error {
	it := plain(c.consentKey(v.Channel, v.Person), v)
	it.Version = max(v.At.UnixMilli(), 1)
	return raised(c.Table.Write(ctx, table.Raise(it)), "consent")
}

// Consent reads a person's consent; fault.NotFound if they never said.
func (c Company) Consent(ctx context.Context, channel, person string) (desk.Consent, error) {
	v, err := get[struct {
		desk.Consent
		desk.Versioned
	}](ctx, c.Table, c.consentKey(channel, person), "consent")
	return v.Consent, err
}

// OptedOut tells whether a person wants nothing from a channel, for a conversation
// that is to be made, and gives the operation that lets its transaction hold only
// while that is so.
func (c Company) OptedOut(ctx context.Context, channel, person string) (bool, Also, error) {
	key := c.consentKey(channel, person)
	items, err := c.Table.Get(ctx, key)
	if err != nil {
		return false, nil, fmt.Errorf("consent: %w", err)
	}
	same := Also{table.Check(key, items[0].Version)}
	if !items[0].Exists() {
		return false, same, nil
	}
	var v desk.Consent
	if err := json.Unmarshal(items[0].Body, &v); err != nil {
		return false, nil, fmt.Errorf("consent: %w", err)
	}
	return !v.OptedIn, same, nil
}

// raised: a higher number was there already, which is as good.
func raised(err error, what string) error {
	if err == nil || errors.Is(err, fault.Conflict) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// storedReceipt is the body of a receipt item.
type storedReceipt struct {
	Status    desk.Delivery `json:"status"`
	MessageID string        `json:"message_id,omitempty"`
	At        time.Time     `json:"at"`
	Code      string        `json:"code,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	desk.Versioned
}

// Limits of how long receipts are kept.
const (
	EnqueuedKept = 7 * 24 * time.Hour
	ReceiptKept  = 30 * 24 * time.Hour // of a receipt whose message is not known
)

// SaveReceipt applies a delivery status: it only ever rises. Enqueued receipts
// are kept apart, for [Company.Enqueued].
func (c Company) SaveReceipt(ctx context.Context, r desk.Receipt) error {
	if r.Enqueued {
		it := plain(table.Key{PK: c.enqueuedPK(r.Channel, r.Destination), SK: r.Key()}, r)
		it.Expires = c.Now().Add(EnqueuedKept)
		return raised(c.Table.Write(ctx, table.Create(it)), "receipt")
	}
	v := storedReceipt{Status: r.Status, At: r.At, Code: r.Code, Reason: r.Reason}
	if r.MessageID != r.Key() {
		v.MessageID = r.MessageID
	}
	key := c.receiptKey(r.Channel, r.Key())
	it := plain(key, v)
	it.Version = int64(r.Status)
	it.Expires = c.Now().Add(ReceiptKept)
	err := c.Table.Write(ctx, table.Raise(it))
	if !errors.Is(err, fault.Conflict) || v.MessageID == "" {
		return raised(err, "receipt")
	}
	// The status came late, but it may be the one that knows the message id.
	stored, err := get[storedReceipt](ctx, c.Table, key, "receipt")
	if err != nil || stored.MessageID != "" {
		return err
	}
	link := plain(c.messageOfKey(r.Channel, r.Key()), struct {
		MessageID string `json:"message_id"`
	}{v.MessageID})
	link.Expires = it.Expires
	return raised(c.Table.Write(ctx, table.Create(link)), "receipt")
}

// Delivered is the highest status known of a send, with the reason of a failure.
type Delivered struct {
	Status    desk.Delivery
	Reason    string
	MessageID string // the network's id, if a receipt told it under the id that was asked for
}

// Deliveries reads what receipts say of sends, by the provider's id for each: the
// higher of what is kept under that id and under the message id that came with
// it. What no receipt names is missing.
func (c Company) Deliveries(ctx context.Context, channel string, sendIDs []string) (map[string]Delivered, error) {
	out := map[string]Delivered{}
	ids := slices.Compact(slices.Sorted(slices.Values(sendIDs)))
	for chunk := range slices.Chunk(ids, table.MaxOps/2) {
		var keys []table.Key
		for _, id := range chunk {
			keys = append(keys, c.receiptKey(channel, id), c.messageOfKey(channel, id))
		}
		items, err := c.Table.Get(ctx, keys...)
		if err != nil {
			return nil, fmt.Errorf("receipts of %s: %w", channel, err)
		}
		owner := map[string]string{} // message id → send id
		for i, it := range items {
			if !it.Exists() {
				continue
			}
			v, err := decode[storedReceipt](it)
			if err != nil {
				return nil, err
			}
			id := chunk[i/2]
			if v.MessageID != "" {
				owner[v.MessageID] = id
			}
			if v.Status > out[id].Status {
				out[id] = Delivered{Status: v.Status, Reason: reasonOf(v)}
			}
		}
		var messages []table.Key
		var owners []string
		for _, message := range slices.Sorted(maps.Keys(owner)) {
			messages, owners = append(messages, c.receiptKey(channel, message)), append(owners, owner[message])
		}
		if len(messages) == 0 {
			continue
		}
		if items, err = c.Table.Get(ctx, messages...); err != nil {
			return nil, fmt.Errorf("receipts of %s: %w", channel, err)
		}
		for i, it := range items {
			if !it.Exists() {
				continue
			}
			v, err := decode[storedReceipt](it)
			if err != nil {
				return nil, err
			}
			if v.Status > out[owners[i]].Status {
				out[owners[i]] = Delivered{Status: v.Status, Reason: reasonOf(v)}
			}
		}
		for message, id := range owner {
			if d, ok := out[id]; ok {
				d.MessageID = message
				out[id] = d
			}
		}
	}
	return out, nil
}

func reasonOf(v storedReceipt) string {
	if v.Status != desk.Failed {
		return ""
	}
	if v.Reason == "" {
		return v.Code
	}
	return v.Reason
}

// Enqueued lists the send ids whose acknowledgement by the provider for a number
// first came in a span of time, from included and to not, the earliest first: the
// answer to what became of a send whose answer was lost.
func (c Company) Enqueued(ctx context.Context, channel, destination string, from, to time.Time) ([]string, error) {
	var found []desk.Receipt
	q := table.Q{PK: c.enqueuedPK(channel, destination)}
	for {
		page, err := c.Table.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("enqueued of %s: %w", channel, err)
		}
		for _, it := range page.Items {
			var r desk.Receipt
			if err := json.Unmarshal(it.Body, &r); err != nil {
				return nil, fmt.Errorf("enqueued of %s: %w", channel, err)
			}
			if !r.At.Before(from) && r.At.Before(to) && c.Now().Before(it.Expires) {
				found = append(found, r)
			}
		}
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
	}
	slices.SortStableFunc(found, func(a, b desk.Receipt) int { return a.At.Compare(b.At) })
	var ids []string
	for _, r := range found {
		ids = append(ids, r.Key())
	}
	return ids, nil
}
