package pipeline

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"buzon/internal/blob"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// MaxBody is the longest webhook body of a Gupshup channel (contract section 2).
const MaxBody = 1 << 20

// Reasons of quarantine that the pipeline itself gives.
const (
	reasonTooLong         = "event_too_long"
	reasonIDCollision     = "id_collision"
	reasonUnstorable      = "unstorable"
	reasonTemplateUnknown = "template_unknown"
	reasonDeadLetter      = "dead_letter"
)

// Routes serves the addresses that providers call.
//
//	POST /webhooks/gupshup/{channel}/{secret}             Gupshup: messages, statuses, everything
//	POST /callbacks/templates/gupshup/{channel}/{secret}  Gupshup: template events subscribed apart
//
// 200 with an empty body: every event is durable. 404: wrong channel or secret,
// the same bytes for both. 413: too long. 503: a durable write failed; come again.
func (w *Webhook) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /webhooks/gupshup/{channel}/{secret}", w.gupshup)
	mux.HandleFunc("POST /callbacks/templates/gupshup/{channel}/{secret}", w.gupshup)
}

func (w *Webhook) gupshup(rw http.ResponseWriter, r *http.Request) {
	c, ch, err := w.channelOf(r.Context(), "gupshup", r.PathValue("channel"), r.PathValue("secret"))
	if errors.Is(err, fault.NotFound) {
		http.NotFound(rw, r)
		return
	}
	if err != nil {
		w.unavailable(rw, err)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, MaxBody))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		rw.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		rw.WriteHeader(http.StatusBadRequest) // the caller went away
		return
	}
	if err := w.take(r.Context(), c, ch, body, ""); err != nil {
		w.unavailable(rw, err)
		return
	}
	rw.WriteHeader(http.StatusOK)
}

func (w *Webhook) unavailable(rw http.ResponseWriter, err error) {
	w.Log.Error("webhook not taken", "error", err)
	rw.Header().Set("Retry-After", "5")
	rw.WriteHeader(http.StatusServiceUnavailable)
	var missing *fault.Missing
	if errors.As(err, &missing) {
		fmt.Fprintln(rw, missing) // whoever sets the channel up sees it at the provider
	}
}

// channelOf finds the channel that a webhook address names and checks the secret
// in it; fault.NotFound for a wrong one of either, after the same work.
func (w *Webhook) channelOf(ctx context.Context, provider, id, secret string) (store.Company, desk.Channel, error) {
	var ch desk.Channel
	tenant, known := store.TenantOf(id)
	c := w.Store.In(tenant)
	if known {
		var err error
		if ch, err = c.Channel(ctx, id); err != nil && !errors.Is(err, fault.NotFound) {
			return c, ch, err
		}
	}
	hash := []byte(store.SecretHash(secret))
	current := subtle.ConstantTimeCompare(hash, []byte(ch.SecretHash)) == 1
	old := subtle.ConstantTimeCompare(hash, []byte(ch.OldSecretHash)) == 1 && w.Now().Before(ch.OldSecretUntil)
	if ch.ID == "" || ch.Provider != provider || !current && !old {
		return c, ch, fmt.Errorf("webhook: %w", fault.NotFound)
	}
	return c, ch, nil
}

// take makes every event of a body durable. salt is empty for a provider's
// call; a replay gives a fresh one, so that queues take the events once more.
func (w *Webhook) take(ctx context.Context, c store.Company, ch desk.Channel, body []byte, salt string) error {
	batch := w.Providers[ch.Provider].Parse(ch, body)
	for _, m := range batch.Messages {
		if err := w.message(ctx, c, ch, m, salt); err != nil {
			return err
		}
	}
	for _, r := range batch.Receipts {
		if err := w.receipt(ctx, c, ch, r, salt); err != nil {
			return err
		}
	}
	for _, v := range batch.Consents {
		v.Channel, v.At = ch.ID, w.plausible(v.At)
		if err := c.SaveConsent(ctx, v); err != nil {
			return err
		}
	}
	for _, v := range batch.Verdicts {
		if err := w.verdict(ctx, c, ch, v, body, salt); err != nil {
			return err
		}
	}
	for kind, n := range batch.Ignored {
		w.Log.Debug("event ignored", "channel", ch.ID, "kind", kind, "count", n)
	}
	if batch.Rejected == "" {
		return nil
	}
	w.Log.Warn("body quarantined", "channel", ch.ID, "reason", batch.Rejected, "bytes", len(body))
	return w.quarantine(ctx, c, ch, "webhook", batch.Rejected, body)
}

func (w *Webhook) message(ctx context.Context, c store.Company, ch desk.Channel, m desk.Incoming, salt string) error {
	m.Channel, m.ReceivedAt, m.SentAt = ch.ID, w.Now(), w.plausible(m.SentAt)
	m.Late = w.RealNow().Sub(m.SentAt) > desk.LateAfter
	m.Unanswered = ch.Deleted || !ch.State.Answers()
	sealed, err := queue.Seal(desk.StageInbound, c.Tenant, desk.InboundEvent{Message: &m})
	if errors.Is(err, fault.Invalid) {
		raw := fmt.Appendf(nil, "%s %s", m.ProviderID, m.Content.Text)
		return w.quarantine(ctx, c, ch, "webhook", reasonTooLong, raw)
	}
	if err != nil {
		return err
	}
	return w.Inbound.Send(ctx, queue.Message{
		Group: store.Hash(c.Tenant, ch.ID, m.Person),
		Dedup: store.Hash(c.Tenant, ch.ID, "message", m.Person, m.ProviderID, m.Digest(), salt),
		Body:  sealed,
	})
}

// receipt writes a delivery status straight to the table. A failure is queued
// first, every time it comes, since somebody may have to be told.
func (w *Webhook) receipt(ctx context.Context, c store.Company, ch desk.Channel, r desk.Receipt, salt string) error {
	r.Channel, r.At = ch.ID, w.plausible(r.At)
	if r.Enqueued {
		r.At = w.Now() // it is compared with when we sent, by our own clock
	}
	if r.Status == desk.Failed {
		sealed, err := queue.Seal(desk.StageInbound, c.Tenant, desk.InboundEvent{Failure: &r})
		if err != nil {
			return err
		}
		err = w.Inbound.Send(ctx, queue.Message{
			Group: store.Hash(c.Tenant, ch.ID, "failure", r.Key()),
			Dedup: store.Hash(c.Tenant, ch.ID, "failure", r.Key(), r.Code, salt),
			Body:  sealed,
		})
		if err != nil {
			return err
		}
	}
	return c.SaveReceipt(ctx, r)
}

func (w *Webhook) verdict(ctx context.Context, c store.Company, ch desk.Channel, v desk.Verdict, body []byte, salt string) error {
	v.Channel, v.At = ch.ID, w.plausible(v.At)
	sealed, err := queue.Seal(desk.StageApprovals, c.Tenant, desk.ApprovalEvent{Verdict: v})
	if err != nil {
		return err
	}
	return w.Approvals.Send(ctx, queue.Message{
		Group: store.Hash(c.Tenant, ch.ID, v.ProviderID),
		// The event has no id of its own: the id in it is the template's.
		Dedup: store.Hash(c.Tenant, ch.ID, "verdict", store.BodyID(body), v.ProviderID, v.Event, salt),
		Body:  sealed,
	})
}

// maxAhead is how far in the future a provider's time may lie; beyond it, and
// before 1970, it is no time at all and ours is taken.
const maxAhead = 24 * time.Hour

func (w *Webhook) plausible(t time.Time) time.Time {
	now := w.RealNow()
	if t.Unix() <= 0 || t.After(now.Add(maxAhead)) {
		return now
	}
	return t
}

func (w *Webhook) quarantine(ctx context.Context, c store.Company, ch desk.Channel, stage, reason string, body []byte) error {
	q := desk.Quarantined{Stage: stage, Channel: ch.ID, Reason: reason, ReceivedAt: w.Now()}
	if err := keepBody(ctx, w.Blobs, c, &q, body); err != nil {
		return err
	}
	return retry(func() error { return c.Quarantine(ctx, q) })
}

// keepBody puts a body into q: whole if it is short, else whole into the file
// store and cut here.
func keepBody(ctx context.Context, blobs blob.Store, c store.Company, q *desk.Quarantined, body []byte) error {
	q.ID, q.Body = store.BodyID(body), body
	if len(body) <= desk.MaxQuarantineInline {
		return nil
	}
	q.Blob = "quarantine/" + c.Tenant + "/" + q.ID
	err := blobs.Put(ctx, q.Blob, "application/octet-stream", bytes.NewReader(body))
	if err != nil && !errors.Is(err, fault.Conflict) { // there already: the same bytes
		return fmt.Errorf("quarantine %s: %w", q.ID, err)
	}
	return nil
}

// wholeBody is the body of q as it came.
func wholeBody(ctx context.Context, blobs blob.Store, q desk.Quarantined) ([]byte, error) {
	if !q.Cut {
		return q.Body, nil
	}
	f, _, err := blobs.Get(ctx, q.Blob)
	if err != nil {
		return nil, fmt.Errorf("quarantined %s: %w", q.ID, err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("quarantined %s: %w", q.ID, err)
	}
	return body, nil
}

// maxTries is how often a step is run from its read before its cause is left to
// the queue or the provider to bring again.
const maxTries = 5

// retry runs a step that reads and writes at the version read, again when
// somebody else was faster or the table was busy.
func retry(step func() error) error {
	var err error
	for range maxTries {
		if err = step(); !errors.Is(err, fault.Conflict) && !errors.Is(err, fault.Busy) {
			return err
		}
	}
	return err
}
