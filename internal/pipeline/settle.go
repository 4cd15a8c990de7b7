package pipeline

import (
	"context"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/store"
)

// settle ends a reply whose outcome is unknown, if it can be learnt: by a receipt
// that names it, as Meta's do, or the provider's for that number and time which no
// other reply owns. While a receipt of an earlier attempt may still come, one of the
// latter proves nothing. Without proof a text is tried once more, a template never.
func (d *drain) settle(ctx context.Context, t *store.StoredTurn, i int, recent []string) (bool, error) {
	r := &t.Replies[i]
	known, err := d.c.Deliveries(ctx, d.ch.ID, []string{r.ID})
	if err != nil {
		return false, err
	}
	if got := known[r.ID]; got.Status == desk.Failed {
		r.Status, r.Done, r.ProviderID, r.Lease, r.Reason = desk.Failed, true, got.MessageID, nil, got.Reason
		return true, d.record(ctx, t)
	} else if got.Status >= desk.Accepted {
		return true, d.wentOut(ctx, t, r, got.MessageID)
	}
	ids, err := d.c.Enqueued(ctx, d.ch.ID, d.conv.Person, r.Lease.From, d.Now().Add(time.Second))
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if slices.Contains(recent, shortID(id)) || d.Now().Before(d.strayUntil) {
			continue
		}
		return true, d.wentOut(ctx, t, r, id)
	}
	if rest := r.Lease.From.Add(ReceiptGrace).Sub(d.Now()); rest > 0 {
		return true, d.pause(ctx, rest, desk.WaitUnavailable)
	}
	if r.Type != desk.ReplyTemplate && r.Attempts < MaxAttempts {
		return false, nil
	}
	r.Done, r.Reason, r.Lease = true, desk.ReasonUnknown, nil
	return true, d.record(ctx, t)
}

// wentOut ends a reply that was sent after all.
func (d *drain) wentOut(ctx context.Context, t *store.StoredTurn, r *desk.Reply, providerID string) error {
	r.Status, r.Done, r.ProviderID, r.SentAt, r.Lease, r.Reason = desk.Accepted, true, providerID, r.Lease.From, nil, ""
	if err := d.record(ctx, t); err != nil {
		return err
	}
	return d.goes(ctx, *r)
}

// stray tells whether an attempt to send the reply may have gone out without
// anybody learning of it.
func stray(r desk.Reply) bool {
	return r.Attempts > 1 || r.Reason == desk.ReasonUnknown || r.Reason == desk.ReasonDeactivated && r.Attempts > 0
}
