package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/internal/blob"
	"buzon/internal/channel"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/link"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// world is the whole pipeline with a provider, companies and a clock that all
// obey one seed.
type world struct {
	t      testing.TB
	clock  *queuetest.Clock
	driver *queuetest.Driver
	phone  *phone
	plain  table.Table // without faults, to look at
	store  *store.Store
	mux    *http.ServeMux
	clerk  *pipeline.Clock
	in     *pipeline.Inbound
	out    *pipeline.Outbound
	blobs  *memoryBlobs
	calm   func()
	plan   *crashtest.Plan
	// seq counts what happens; offSince is since when outbound knows of a company's
	// channel that it is off, and until when (0: it still is).
	seq      int
	offSince map[string][]span
	wasOff   map[string]bool // companies whose channel was off at any time
}

// span is a time in events: from one to before another; 0: without end.
type span struct{ from, to int }

// holds tells whether all that was done between two events was done within it.
func (s span) holds(began, ended int) bool { return s.from < began && (s.to == 0 || ended < s.to) }

// options choose what a world is made of; the zero value is a calm one.
type options struct {
	seed    uint64
	hostile bool            // the table and the queues are as AWS may be
	yield   bool            // others may happen before each effect
	plan    *crashtest.Plan // effects that go wrong
	mutant  func(w *seams)  // a seeded bug
}

// seams is what a mutant may break.
type seams struct {
	table    table.Table
	inbound  queue.Queue
	outbound queue.Queue
	handler  func(*queue.Worker) // changes a worker before it is used
	provider channel.Provider
}

// The companies of the world, each with a channel, and the secret of its address.
var companies = []string{"acme", "bolt"}

const secret = "s3cret-in-the-path"

func channelID(tenant string) string { return tenant + "-whatsapp" }

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, clock: queuetest.NewClock(), plan: o.plan, offSince: map[string][]span{}, wasOff: map[string]bool{}}
	w.driver = queuetest.NewDriver(o.seed, w.clock)
	if o.hostile {
		w.driver.HostileRate, w.driver.StallRate, w.driver.KillRate = 0.02, 0.01, 0.01
	}
	w.plain = tabletest.Open(t)
	w.phone = &phone{rng: rand.New(rand.NewPCG(o.seed, 7)), now: w.clock.Now, seq: func() int { return w.seq }, yield: o.yield, plan: o.plan}
	s := &seams{
		table: w.plain, inbound: w.driver.Queue(desk.StageInbound), outbound: w.driver.Queue(desk.StageOutbound),
		handler: func(*queue.Worker) {}, provider: w.phone,
	}
	approvals := w.driver.Queue(desk.StageApprovals)
	var hostile *tabletest.HostileTable
	w.seed()
	if o.hostile {
		hostile = tabletest.Hostile(w.plain, o.seed, w.clock.Now, tabletest.Typical())
		s.table = hostile
	}
	if o.plan != nil {
		s.table = crashtest.Table{Table: s.table, Plan: o.plan}
		s.inbound = crashtest.Queue{Name: "inbound", Queue: s.inbound, Plan: o.plan}
		s.outbound = crashtest.Queue{Name: "outbound", Queue: s.outbound, Plan: o.plan}
		approvals = crashtest.Queue{Name: "approvals", Queue: approvals, Plan: o.plan}
	}
	s.table = watched{s.table, w}
	if o.mutant != nil {
		o.mutant(s)
	}
	if o.yield {
		s.table, s.inbound, s.outbound = yieldTable{s.table}, yieldQueue{s.inbound}, yieldQueue{s.outbound}
	}
	w.calm = func() {
		w.driver.Calm()
		w.phone.mood, w.phone.moods = well, nil
		if hostile != nil {
			hostile.Calm()
		}
	}
	w.wire(s, approvals)
	t.Cleanup(w.driver.Close)
	return w
}

func (w *world) wire(s *seams, approvals queue.Queue) {
	ids := 0
	newID := func() string { ids++; return fmt.Sprintf("id%08d", ids) }
	w.store = &store.Store{Table: s.table, Now: w.clock.Now, NewID: newID, CacheFor: 30 * time.Second}
	keys := &link.Keys{Secrets: linkSecrets}
	w.blobs = &memoryBlobs{}
	var blobs blob.Store = w.blobs
	if w.plan != nil {
		blobs = crashtest.Blobs{Store: blobs, Plan: w.plan}
	}
	log := slog.New(slog.DiscardHandler)
	providers := map[string]channel.Provider{"gupshup": s.provider}
	webhook := &pipeline.Webhook{
		Store: w.store, Blobs: blobs, Inbound: s.inbound, Approvals: approvals, Providers: providers,
		Now: w.clock.Now, RealNow: w.clock.Now, Log: log,
	}
	w.in = &pipeline.Inbound{
		Store: w.store, Keys: keys, Blobs: blobs, Outbound: s.outbound, Webhook: webhook,
		Now: w.clock.Now, NewID: newID, Log: log,
	}
	w.out = &pipeline.Outbound{
		Store: w.store, Blobs: blobs, Secrets: credentials{}, Keys: keys, Providers: providers,
		PublicURL: func() string { return "https://buzon.example" }, Now: w.clock.Now, RealNow: w.clock.Now, Log: log,
		Sleep: func(context.Context, time.Duration) {},
	}
	w.clerk = &pipeline.Clock{
		Store: w.store, Inbound: s.inbound, Outbound: s.outbound, Blobs: blobs, Now: w.clock.Now, NewID: newID, Log: log,
	}
	for name, worker := range map[string]*queue.Worker{
		desk.StageInbound: w.in.Worker(), desk.StageOutbound: w.out.Worker(),
	} {
		s.handler(worker)
		if handle := worker.Handle; name == desk.StageOutbound {
			worker.Handle = func(ctx context.Context, r queue.Record) error {
				w.seq++
				return handle(context.WithValue(ctx, beganKey{}, w.seq), r)
			}
		}
		w.driver.Add(name, worker, 90*time.Second)
	}
	w.mux = http.NewServeMux()
	webhook.Routes(w.mux)
}

// seed stores the companies: each has one project, two services and categories
// of its own, a channel, an approved template and one registered client.
func (w *world) seed() {
	w.t.Helper()
	st := &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "seed" }}
	ctx := w.t.Context()
	for _, tenant := range companies {
		c := st.In(tenant)
		must(w.t, c.MakeTenant(ctx, desk.Tenant{ID: tenant, Name: "Company " + tenant}))
		must(w.t, c.SaveChannel(ctx, desk.Channel{
			ID: channelID(tenant), Kind: "whatsapp", Provider: "gupshup", State: desk.ChannelActive,
			Identifier: "573000000000", SecretHash: store.SecretHash(secret),
		}, nil))
		must(w.t, c.SaveProject(ctx, desk.Project{}, desk.Project{ID: "p1", Name: "Project", Active: true,
			Access: desk.Access{Enabled: true, AllServices: true, AllCategories: true}}, nil))
		for _, service := range []string{"Lighting", "Water"} {
			must(w.t, c.SaveService(ctx, desk.Service{ID: service, Project: "p1", Name: service + " " + tenant}, nil))
			for _, k := range []string{"Broken", "Missing"} {
				must(w.t, c.SaveCategory(ctx, desk.Category{ID: service + k, Service: service, Name: k}, nil))
			}
		}
		must(w.t, c.SaveTemplate(ctx, desk.Template{ID: tenant + "-t1", Channel: channelID(tenant), ProviderID: "tpl-1",
			Name: "create_case", Language: "es", Status: desk.TemplateApproved, ProviderState: "approved", Active: true}, nil))
		must(w.t, c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "c1", Name: "Ana", UserName: "ana", Phone: "5491", Active: true, Culture: "en"}, nil))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// body is what the provider posts: a channel.Batch as JSON.
func body(b channel.Batch) []byte {
	raw, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return raw
}

func (w *world) message(id, person, text string) channel.Batch {
	return channel.Batch{Messages: []desk.Incoming{{
		ProviderID: id, Person: person, SentAt: w.clock.Now(), Content: desk.Content{Type: desk.Text, Text: text},
	}}}
}

// post delivers a body once and gives the answer; 0: the process died under it.
func (w *world) post(tenant string, body []byte) int {
	rec := httptest.NewRecorder()
	done := make(chan bool)
	go func() {
		finished := false
		defer func() { done <- finished }()
		path := "/webhooks/gupshup/" + channelID(tenant) + "/" + secret
		w.mux.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body))))
		finished = true
	}()
	if !<-done {
		return 0
	}
	return rec.Code
}

// deliver posts a body until it is taken, as a provider does.
func (w *world) deliver(tenant string, body []byte) {
	w.t.Helper()
	for range 50 {
		if code := w.post(tenant, body); code == http.StatusOK {
			return
		}
	}
	w.t.Fatal("the webhook never took the body")
}

// restless is how long after its time a world may still be busy.
const restless = 48 * time.Hour

// settle lets everything happen until nothing is left to do: queues, timers,
// dead letters, in as many simulated hours as it takes. Time goes in fifteen steps, so
// that timers are late, or as pause says.
func (w *world) settle(horizon time.Duration) {
	w.t.Helper()
	end := w.clock.Now().Add(horizon)
	step := max(horizon/15, time.Minute)
	for {
		if err := w.driver.Drain(200_000); err != nil {
			w.t.Fatal(err)
		}
		w.drainDead()
		for _, p := range w.phone.takePosts() {
			w.deliver(p.tenant, p.body)
		}
		w.tick()
		if visible, flying := w.depth(); visible+flying > 0 {
			if w.clock.Now().After(end.Add(restless)) {
				w.t.Fatal("it never comes to rest")
			}
			continue
		}
		if w.clock.Now().After(end) {
			return
		}
		w.clock.Advance(w.pause(step, end.Add(time.Millisecond)))
	}
}

// pause is how long the clock need not run: a step, and where effects are counted until
// the next timer is due or the end, whichever is first. Each of its runs is an effect
// there, and one that finds nothing due is as good as another.
func (w *world) pause(step time.Duration, end time.Time) time.Duration {
	if w.plan == nil {
		return step
	}
	now, next := w.clock.Now(), end
	st := store.Store{Table: tabletest.Dry{Table: w.plain}, Now: w.clock.Now}
	for at := now; at.Before(next); { // a clock that has not run yet looks back so far
		at = at.Add(store.ClockReread)
		must(w.t, st.DueTimers(context.Background(), at, func(t store.Timer) error {
			if now.After(t.Due) {
				t.Due = now
			}
			if t.Due = t.Due.Add(time.Millisecond); t.Due.Before(next) { // as fine as timers are
				next = t.Due
			}
			return nil
		}))
	}
	return next.Sub(now)
}

func (w *world) depth() (visible, flying int) {
	for _, name := range []string{desk.StageInbound, desk.StageOutbound} {
		v, f, _ := w.driver.Memory(name).Depth()
		visible, flying = visible+v, flying+f
	}
	return visible, flying
}

// tick runs the clock as its function is run: again if it failed, its process
// may die.
func (w *world) tick() {
	for range 50 {
		done := make(chan error, 1)
		go func() {
			err := fmt.Errorf("died")
			defer func() { done <- err }()
			err = w.clerk.Tick(context.Background())
		}()
		if <-done == nil {
			return
		}
	}
	w.t.Fatal("the clock never got through")
}

func (w *world) drainDead() {
	w.t.Helper()
	for _, name := range []string{desk.StageInbound, desk.StageOutbound} {
		dead, err := w.driver.Memory(name).DeadLetters(context.Background(), 100)
		must(w.t, err)
		for _, r := range dead {
			for range 50 {
				if err = w.clerk.Drain(context.Background(), name, r.Record); err == nil {
					break
				}
			}
			must(w.t, err)
			must(w.t, w.driver.Memory(name).Delete(context.Background(), r.Receipt))
		}
	}
}

// yieldTable and yieldQueue let others happen before each effect.
type yieldTable struct{ table.Table }

func (y yieldTable) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	queuetest.Yield(ctx)
	return y.Table.Get(ctx, keys...)
}

func (y yieldTable) Write(ctx context.Context, ops ...table.Op) error {
	queuetest.Yield(ctx)
	return y.Table.Write(ctx, ops...)
}

type yieldQueue struct{ queue.Queue }

func (y yieldQueue) Send(ctx context.Context, m queue.Message) error {
	queuetest.Yield(ctx)
	return y.Queue.Send(ctx, m)
}

// beganKey is where a context holds when outbound began to handle a wake-up.
type beganKey struct{}

// watched notes when outbound learns that a channel is off.
type watched struct {
	table.Table
	w *world
}

func (t watched) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	items, err := t.Table.Get(ctx, keys...)
	for _, it := range items {
		var ch desk.Channel
		if ctx.Value(beganKey{}) == nil || it.SK != "CHANNEL" || !it.Exists() || decodeJSON(it.Body, &ch) != nil || ch.State != desk.ChannelInactive {
			continue
		}
		tenant, _ := store.TenantOf(ch.ID)
		if known := t.w.offSince[tenant]; len(known) == 0 || known[len(known)-1].to > 0 {
			t.w.seq++
			t.w.offSince[tenant] = append(known, span{from: t.w.seq})
		}
	}
	return items, err
}

// credentials gives every channel the same.
type credentials struct{}

func (credentials) Get(context.Context, string) (string, error)   { return `{"api_key":"k"}`, nil }
func (credentials) Fresh(context.Context, string) (string, error) { return `{"api_key":"k"}`, nil }
func (credentials) Put(context.Context, string, string) error     { return nil }
func (credentials) Create(context.Context, string, string) error  { return nil }
func (credentials) Delete(context.Context, string) error          { return nil }

// linkSecrets holds one key set.
var linkSecrets = fixedSecret(`{"current":"k1","keys":{"k1":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}}`)

type fixedSecret string

func (s fixedSecret) Get(context.Context, string) (string, error)   { return string(s), nil }
func (s fixedSecret) Fresh(context.Context, string) (string, error) { return string(s), nil }
func (fixedSecret) Put(context.Context, string, string) error       { return nil }
func (fixedSecret) Create(context.Context, string, string) error    { return fault.Conflict }
func (fixedSecret) Delete(context.Context, string) error            { return nil }

// memoryBlobs keeps objects in memory.
type memoryBlobs struct {
	blob.Store
	mu      sync.Mutex
	objects map[string][]byte
	types   map[string]string
}

func (b *memoryBlobs) Put(_ context.Context, key, contentType string, r io.ReadSeeker) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.objects[key]; ok {
		return fault.Conflict
	}
	if b.objects == nil {
		b.objects, b.types = map[string][]byte{}, map[string]string{}
	}
	b.objects[key], b.types[key] = raw, contentType
	return nil
}

func (b *memoryBlobs) Get(_ context.Context, key string) (io.ReadCloser, blob.Info, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	raw, ok := b.objects[key]
	if !ok {
		return nil, blob.Info{}, fault.NotFound
	}
	return io.NopCloser(strings.NewReader(string(raw))), blob.Info{Size: int64(len(raw)), ContentType: b.types[key]}, nil
}

// request is one HTTP call to the webhook's addresses.
func (w *world) request(method, path string, body []byte) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(string(body))))
	return rec
}

func decodeJSON(raw []byte, v any) error { return json.Unmarshal(raw, v) }

func encodeJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func replayMessage(t testing.TB, tenant, id, fresh string) queue.Message {
	t.Helper()
	raw, err := queue.Seal(desk.StageInbound, tenant, desk.InboundEvent{Replay: id})
	must(t, err)
	return queue.Message{Group: store.Hash("replay", id), Dedup: store.Hash(fresh), Body: raw}
}
