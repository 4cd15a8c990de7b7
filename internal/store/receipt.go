package store

import (
	"cmp"
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

// SaveConsent keeps a person's newest word about the messages of its scope, whatever
// order they come in: of two with the same time the opt-out, so that order does not
// matter there either (Meta's times are whole seconds).
func (c Company) SaveConsent(ctx context.Context, v desk.Consent) error {
	it := plain(c.consentKey(v.Channel, v.Person, v.Scope), v)
	it.Version = max(2*v.At.UnixMilli(), 2)
	if !v.OptedIn {
		it.Version++
	}
	return raised(c.Table.Write(ctx, table.Raise(it)), "consent")
}

// Consent reads a person's word about the messages of a scope; fault.NotFound if
// they never said.
func (c Company) Consent(ctx context.Context, channel, person string, scope desk.ConsentScope) (desk.Consent, error) {
	v, err := get[struct {
		desk.Consent
		desk.Versioned
	}](ctx, c.Table, c.consentKey(channel, person, scope), "consent")
	return v.Consent, err
}

// WithConsents is a conversation that is to be made, with what its person has said
// they want, and gives the operations that let its transaction hold only while that
// is so.
func (c Company) WithConsents(ctx context.Context, conv desk.Conversation) (desk.Conversation, Also, error) {
	keys := []table.Key{
		c.consentKey(conv.Channel, conv.Person, desk.ScopeAll),
		c.consentKey(conv.Channel, conv.Person, desk.ScopeMarketing),
	}
	items, err := c.Table.Get(ctx, keys...)
	if err != nil {
		return conv, nil, fmt.Errorf("consent: %w", err)
	}
	var same Also
	for i, it := range items {
		same = append(same, table.Check(keys[i], it.Version))
		if !it.Exists() {
			continue
		}
		var v desk.Consent
		if err := json.Unmarshal(it.Body, &v); err != nil {
			return conv, nil, fmt.Errorf("consent: %w", err)
		}
		conv = conv.Told(v)
	}
	return conv, same, nil
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
	Cause     string        `json:"cause,omitempty"`
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
	v := storedReceipt{Status: r.Status, At: r.At, Code: r.Code, Reason: r.Reason, Cause: r.Cause}
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
	Cause     string // of a failure that concerns the whole channel: a desk.Wait… word
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
				out[id] = v.delivered()
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
				out[owners[i]] = v.delivered()
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

func (v storedReceipt) delivered() Delivered {
	d := Delivered{Status: v.Status}
	if v.Status == desk.Failed {
		d.Reason, d.Cause = cmp.Or(v.Reason, v.Code), v.Cause
	}
	return d
}

// EnqueuedAt is when a send's acknowledgement by the provider came, by the run's
// clock: about when it was accepted. Zero: none came, or it is forgotten.
func (c Company) EnqueuedAt(ctx context.Context, channel, destination, sendID string) (time.Time, error) {
	r, err := get[struct {
		desk.Receipt
		desk.Versioned
	}](ctx, c.Table, table.Key{PK: c.enqueuedPK(channel, destination), SK: sendID}, "enqueued of "+channel)
	if errors.Is(err, fault.NotFound) {
		return time.Time{}, nil
	}
	return r.At, err
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
