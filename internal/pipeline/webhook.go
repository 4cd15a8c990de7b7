package pipeline

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/quarantine"
	"buzon/internal/store"
)

// The longest webhook bodies in bytes (contract section 2).
const (
	MaxBody       = 1 << 20 // of a Gupshup channel
	MaxSignedBody = 3 << 20 // of a Meta channel
)

// Reasons of quarantine that the pipeline itself gives.
const (
	reasonTooLong     = "event_too_long"
	reasonIDCollision = "id_collision"
	reasonUnstorable  = "unstorable"
	reasonDeadLetter  = "dead_letter"
)

// Routes serves the addresses that providers call.
//
//	POST /webhooks/gupshup/{channel}/{secret}             Gupshup: messages, statuses, everything
//	POST /callbacks/templates/gupshup/{channel}/{secret}  Gupshup: template events subscribed apart
//	GET  /webhooks/whatsapp/{channel}                     Meta: asks whether the address is ours
//	POST /webhooks/whatsapp/{channel}                     Meta: signed events of a whole app
//
// 200 with an empty body: every event is durable. 413: too long. 503: a durable
// write failed; come again. Who may not post learns nothing of the channel: 404 for
// a wrong channel or secret, 401 for a wrong channel or signature, 403 for a wrong
// channel or verify token, the same bytes each, after the same work.
func (w *Webhook) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /webhooks/gupshup/{channel}/{secret}", w.gupshup)
	mux.HandleFunc("POST /callbacks/templates/gupshup/{channel}/{secret}", w.gupshup)
	mux.HandleFunc("GET /webhooks/whatsapp/{channel}", w.handshake)
	mux.HandleFunc("POST /webhooks/whatsapp/{channel}", w.signed)
}

func (w *Webhook) gupshup(rw http.ResponseWriter, r *http.Request) {
	c, ch, err := w.channelOf(r.Context(), desk.ProviderGupshup, r.PathValue("channel"), r.PathValue("secret"))
	if errors.Is(err, fault.NotFound) {
		http.NotFound(rw, r)
		return
	}
	if err != nil {
		w.unavailable(rw, err)
		return
	}
	body, ok := read(rw, r, MaxBody)
	if !ok {
		return
	}
	if err := w.take(r.Context(), c, ch, body, part{}); err != nil {
		w.unavailable(rw, err)
		return
	}
	rw.WriteHeader(http.StatusOK)
}

// read reads the body; false: it was answered, because it is longer than most, or
// the caller went away.
func read(rw http.ResponseWriter, r *http.Request, most int64) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, most))
	if err == nil {
		return body, true
	}
	status := http.StatusBadRequest
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		status = http.StatusRequestEntityTooLarge
	}
	rw.WriteHeader(status)
	return nil, false
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

// maxAhead is how far in the future a provider's time may lie, since clocks differ;
// beyond it, and before 1970, it is no time at all and ours is taken: what is said
// later must not lose against it.
const maxAhead = 5 * time.Second

func (w *Webhook) plausible(t time.Time) time.Time {
	now := w.RealNow()
	if t.Unix() <= 0 || t.After(now.Add(maxAhead)) {
		return now
	}
	return t
}

func (w *Webhook) quarantine(ctx context.Context, c store.Company, ch desk.Channel, stage, reason string, body []byte) error {
	q := desk.Quarantined{Stage: stage, Channel: ch.ID, Reason: reason, ReceivedAt: w.Now()}
	if err := quarantine.Body(ctx, w.Blobs, c, &q, body); err != nil {
		return err
	}
	return store.Retry(func() error { return c.Quarantine(ctx, q) })
}

// maxTries is how often a step is run from its read before its cause is left to
// the queue or the provider to bring again.
const maxTries = 5
