package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// handshake answers Meta's question whether the address is ours.
func (w *Webhook) handshake(rw http.ResponseWriter, r *http.Request) {
	meta, signs := w.Providers[desk.ProviderMeta].(channel.Signed)
	s, err := w.signerOf(r.Context(), desk.ProviderMeta, r.PathValue("channel"))
	if err != nil {
		w.unavailable(rw, err)
		return
	}
	challenge, ok := "", false
	if signs {
		challenge, ok = meta.Handshake(s.credentials, r.URL.Query())
	}
	if !ok || !s.known {
		rw.WriteHeader(http.StatusForbidden)
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(rw, challenge)
}

// signed takes in what a Meta app posts. The body is read first, as far as the
// limit, since the signature is over its raw bytes.
func (w *Webhook) signed(rw http.ResponseWriter, r *http.Request) {
	body, ok := read(rw, r, MaxSignedBody)
	if !ok {
		return
	}
	s, err := w.signerOf(r.Context(), desk.ProviderMeta, r.PathValue("channel"))
	if err != nil {
		w.unavailable(rw, err)
		return
	}
	meta, signs := w.Providers[desk.ProviderMeta].(channel.Signed)
	if !signs || !meta.Verify(s.credentials, r.Header, body) || !s.known {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err := w.take(r.Context(), s.company, s.channel, body, part{}); err != nil {
		w.unavailable(rw, err)
		return
	}
	rw.WriteHeader(http.StatusOK)
}

// signer is the channel that an address names, with the secrets of its app.
type signer struct {
	company     store.Company
	channel     desk.Channel
	credentials channel.Credentials
	known       bool // else credentials are the decoy's
}

// decoy is checked against where there is no channel or it has no credentials, so
// that this takes the same work. What it lets through is refused.
var decoy = channel.Credentials{AppSecret: "nobody has this app secret", VerifyToken: "nobody has this verify token"}

// signerOf finds whose secrets a request to a provider's address is checked
// against. Also a channel that is off or deleted has some: what is posted for it is
// recorded.
func (w *Webhook) signerOf(ctx context.Context, provider, id string) (signer, error) {
	tenant, known := store.TenantOf(id)
	s := signer{company: w.Store.In(tenant), credentials: decoy}
	if !known {
		return s, nil
	}
	ch, err := s.company.Channel(ctx, id)
	if errors.Is(err, fault.NotFound) || err == nil && ch.Provider != provider {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	creds, ch, found, err := w.credentialsOf(ctx, s.company, ch)
	if err != nil || !found {
		return s, err
	}
	s.channel, s.credentials, s.known = ch, creds, true
	return s, nil
}

// credentialCache keeps credentials by channel, for as long as the store keeps what
// it reads, and not beyond the version of the channel with which they were read:
// new ones raise it.
type credentialCache struct {
	mu   sync.Mutex
	kept map[string]keptCredentials
}

type keptCredentials struct {
	version int64
	until   time.Time
	value   channel.Credentials
	found   bool
}

// credentialsOf gives a channel's secrets and the channel as it was when it had them;
// false if it has none.
func (w *Webhook) credentialsOf(ctx context.Context, c store.Company, ch desk.Channel) (channel.Credentials, desk.Channel, bool, error) {
	now := w.Now()
	w.credentials.mu.Lock()
	k := w.credentials.kept[ch.ID]
	w.credentials.mu.Unlock()
	if k.version == ch.Version && now.Before(k.until) {
		return k.value, ch, k.found, nil
	}
	value, ch, err := c.ReadCredentials(ctx, ch, w.Secrets.Fresh)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return channel.Credentials{}, ch, false, err
	}
	k = keptCredentials{version: ch.Version, until: now.Add(w.Store.CacheFor)}
	if k.found = err == nil; k.found && json.Unmarshal([]byte(value), &k.value) != nil {
		k.value, k.found = channel.Credentials{}, false
		w.Log.Error("credentials not readable", "channel", ch.ID) // the decoder's error could quote them
	}
	w.credentials.mu.Lock()
	defer w.credentials.mu.Unlock()
	if w.credentials.kept == nil {
		w.credentials.kept = map[string]keptCredentials{}
	}
	w.credentials.kept[ch.ID] = k
	return k.value, ch, k.found, nil
}
