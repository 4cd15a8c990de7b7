package pipeline_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"buzon/internal/channel"
	"buzon/internal/channel/meta"
	"buzon/internal/channel/meta/metatest"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// town is a world whose webhook reads what Gupshup and Meta post, with channels of
// both in both companies.
type town struct {
	*world
	vault    *vault
	channels map[string]desk.Channel // by a name of ours
	webhook  *pipeline.Webhook
}

// The app secrets of the town. Two companies have the same: nothing follows from it.
const (
	appA = "app-secret-a"
	appB = "app-secret-b"
)

// secretOf is the app secret of each Meta channel.
var secretOf = map[string]string{
	"acme one": appA, "acme two": appA, "acme off": appA, "acme gone": appA,
	"acme other": appB,
	"bolt one":   appA,
}

func newTown(t testing.TB, o options) *town {
	t.Helper()
	w, _ := realWorld(t, o)
	v := &town{world: w, vault: &vault{values: map[string]string{}}, channels: map[string]desk.Channel{}, webhook: w.in.Webhook}
	v.webhook.Secrets = v.vault
	v.webhook.Providers[desk.ProviderMeta] = meta.Provider{BaseURL: "http://127.0.0.1:1", Now: w.clock.Now}
	ctx := context.Background()
	for i, name := range []string{"acme one", "acme two", "acme off", "acme gone", "acme other", "bolt one"} {
		tenant, short, _ := strings.Cut(name, " ")
		account := "waba-" + tenant
		ch := desk.Channel{
			ID: tenant + "-" + short, Kind: desk.KindWhatsApp, Provider: desk.ProviderMeta, State: desk.ChannelActive,
			Identifier: "57300000010" + string(rune('0'+i)), PhoneNumberID: "10000000000000" + string(rune('0'+i)), AccountID: account,
			MetaApp: store.Hash(secretOf[name]),
		}
		c := v.plainStore().In(tenant)
		must(t, c.ConnectChannel(ctx, desk.Channel{}, ch, nil))
		v.vault.keep(c.CredentialsName(ch), channel.Credentials{AccessToken: "t", AppSecret: secretOf[name], VerifyToken: "verify-" + short})
		v.channels[name] = ch
	}
	v.change("acme off", func(ch *desk.Channel) { ch.State = desk.ChannelInactive })
	v.change("acme gone", func(ch *desk.Channel) { ch.Deleted = true })
	for _, tenant := range companies {
		ch, err := v.plainStore().In(tenant).FreshChannel(ctx, channelID(tenant))
		must(t, err)
		was := ch
		ch.App, ch.AppID, ch.PhoneNumberID = tenant+"App", "app-"+tenant, "gs-phone-"+tenant
		must(t, v.plainStore().In(tenant).ConnectChannel(ctx, was, ch, nil))
		v.vault.keep(v.store.In(tenant).CredentialsName(ch), channel.Credentials{APIKey: "k", AppSecret: appA, VerifyToken: "verify-one"})
		v.channels[tenant+" gupshup"] = ch
	}
	if o.plan != nil {
		o.plan.Seen = nil
	}
	return v
}

// plainStore reads and writes past all faults and caches.
func (w *world) plainStore() *store.Store {
	return &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "plain" }}
}

// change writes a channel as the API does.
func (v *town) change(name string, do func(*desk.Channel)) {
	v.t.Helper()
	was := v.channels[name]
	tenant, _ := store.TenantOf(was.ID)
	was, err := v.store.In(tenant).FreshChannel(context.Background(), was.ID)
	must(v.t, err)
	is := was
	do(&is)
	must(v.t, v.store.In(tenant).ConnectChannel(context.Background(), was, is, nil))
	is.Version++
	v.channels[name] = is
}

// signed posts a body to the address of a Meta channel.
func (v *town) signed(id, secret string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/whatsapp/"+id, strings.NewReader(string(body)))
	for k, values := range metatest.Sign(secret, body) {
		r.Header[k] = values
	}
	rec := httptest.NewRecorder()
	v.mux.ServeHTTP(rec, r)
	return rec
}

// heardOn tells on which channels there is a conversation with a person.
func (v *town) heardOn(person string) (names []string) {
	v.t.Helper()
	must(v.t, v.driver.Drain(10_000))
	for name, ch := range v.channels {
		tenant, _ := store.TenantOf(ch.ID)
		_, err := v.plainStore().In(tenant).Conversation(context.Background(), store.ConversationID(ch.ID, person))
		if err == nil {
			names = append(names, name)
		}
	}
	return names
}

// verdicts takes what was queued for the approvals.
func (w *world) verdicts() (out []queue.Received, events []desk.ApprovalEvent) {
	w.t.Helper()
	m := w.driver.Memory(desk.StageApprovals)
	for {
		records, err := m.Receive(context.Background(), queue.MaxBatch, queue.MaxVisibility)
		must(w.t, err)
		if len(records) == 0 {
			return out, events
		}
		for _, r := range records {
			_, e, err := queue.Open[desk.ApprovalEvent](desk.StageApprovals, r.Body)
			must(w.t, err)
			out, events = append(out, r), append(events, e)
			must(w.t, m.Delete(context.Background(), r.Receipt))
		}
	}
}

// vault is a secret store in memory.
type vault struct {
	mu     sync.Mutex
	values map[string]string
	broken error // what every reading gives
	reads  int
}

func (s *vault) keep(name string, c channel.Credentials) {
	raw, _ := json.Marshal(c)
	_ = s.Put(context.Background(), name, string(raw))
}

func (s *vault) Get(_ context.Context, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	v, ok := s.values[name]
	if s.broken != nil {
		return "", s.broken
	}
	if !ok {
		return "", fault.NotFound
	}
	return v, nil
}

func (s *vault) Fresh(ctx context.Context, name string) (string, error) { return s.Get(ctx, name) }

func (s *vault) Put(_ context.Context, name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[name] = value
	return nil
}

func (s *vault) Create(ctx context.Context, name, value string) error { return s.Put(ctx, name, value) }

func (s *vault) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, name)
	return nil
}
