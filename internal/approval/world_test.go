package approval_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/approval"
	"buzon/internal/blob"
	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// visibility is so short that a batch which stands until twice that long, as the driver
// makes some, comes back before the clock has read past the timers that it writes. A
// function is killed long before.
const visibility = 200 * time.Second

// world is the approvals stage with its queue, timers, a provider and a clock.
type world struct {
	t        testing.TB
	clock    *queuetest.Clock
	driver   *queuetest.Driver
	plain    table.Table // without faults, to look at
	eyes     *store.Store
	stage    *approval.Approvals
	work     *queue.Worker
	provider *reviewer
	secrets  secrets
	plan     *crashtest.Plan
	log      *bytes.Buffer
	calm     func()
	sent     int
}

// options choose what a world is made of; the zero value is a calm one.
type options struct {
	seed    uint64
	hostile bool // the table and the queue are as AWS may be
	yield   bool // others may happen before each effect
	plan    *crashtest.Plan
	mutant  func(*seams)
}

// seams is what a mutant may break.
type seams struct {
	table    table.Table
	provider channel.Templates
	handler  func(*queue.Worker)
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, clock: queuetest.NewClock(), plan: o.plan, log: &bytes.Buffer{}, secrets: secrets{}}
	w.driver = queuetest.NewDriver(o.seed, w.clock)
	if o.hostile {
		w.driver.HostileRate, w.driver.StallRate, w.driver.KillRate = 0.02, 0.02, 0.01
	}
	w.plain = tabletest.Open(t)
	w.eyes = &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "eyes" }}
	w.provider = &reviewer{now: w.clock.Now, plan: o.plan, yield: o.yield, accounts: map[string]*account{}}
	s := &seams{table: w.plain, provider: w.provider, handler: func(*queue.Worker) {}}
	var hostile *tabletest.HostileTable
	if o.hostile {
		hostile = tabletest.Hostile(w.plain, o.seed, w.clock.Now, tabletest.Typical())
		s.table = hostile
	}
	if o.plan != nil {
		s.table = crashtest.Table{Table: s.table, Plan: o.plan}
	}
	if o.mutant != nil {
		o.mutant(s)
	}
	if o.yield {
		s.table = yieldTable{s.table}
	}
	w.calm = func() {
		w.driver.Calm()
		if hostile != nil {
			hostile.Calm()
		}
	}
	ids := 0
	newID := func() string { ids++; return fmt.Sprintf("id%08d", ids) }
	w.stage = &approval.Approvals{
		Store: &store.Store{Table: s.table, Now: w.clock.Now, NewID: newID, CacheFor: 30 * time.Second},
		Blobs: noBlobs{}, Secrets: w.secrets, Providers: map[string]channel.Templates{desk.ProviderGupshup: s.provider},
		Now: w.clock.Now, NewID: newID, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	w.work = w.stage.Worker()
	s.handler(w.work)
	w.driver.Add(desk.StageApprovals, w.work, visibility)
	t.Cleanup(w.driver.Close)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func channelID(tenant string) string { return tenant + "-whatsapp" }

// company makes an active channel with credentials and gives its account at the
// provider.
func (w *world) company(tenant string) *account {
	w.t.Helper()
	c := w.eyes.In(tenant)
	ch := desk.Channel{
		ID: channelID(tenant), Kind: desk.KindWhatsApp, Provider: desk.ProviderGupshup, State: desk.ChannelActive,
		App: "DemoApp", AppID: "app-" + tenant,
	}
	must(w.t, c.SaveChannel(w.t.Context(), ch, nil))
	w.secrets[c.CredentialsName(ch)] = `{"api_key":"k"}`
	return w.provider.account("app-" + tenant)
}

// setChannel changes a channel as the API does.
func (w *world) setChannel(tenant string, change func(*desk.Channel)) {
	w.t.Helper()
	ch := w.channel(tenant)
	change(&ch)
	must(w.t, w.eyes.In(tenant).SaveChannel(context.Background(), ch, nil))
}

func (w *world) channel(tenant string) desk.Channel {
	w.t.Helper()
	ch, err := w.eyes.In(tenant).FreshChannel(context.Background(), channelID(tenant))
	must(w.t, err)
	return ch
}

// pid is an id as Gupshup gives it.
func pid(n int) string { return fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n) }

// known stores a template that the provider has had for long.
func (w *world) known(tenant, id, providerID, state string) {
	w.t.Helper()
	t := desk.Template{
		ID: id, Channel: channelID(tenant), ProviderID: providerID, Name: "t_" + id, Language: "es", Category: desk.CategoryUtility,
		Body: "Hola", Status: desk.TemplatePending, ProviderState: state, Active: true, CreatedAt: w.clock.Now().Add(-24 * time.Hour),
		Submission:  &desk.Submission{Done: true, Attempts: 1, SentAt: w.clock.Now().Add(-24 * time.Hour)},
		ConfirmedAt: w.clock.Now().Add(-12 * time.Hour),
	}
	if state == desk.ProviderApproved {
		t.Status = desk.TemplateApproved
	}
	must(w.t, w.eyes.In(tenant).SaveTemplate(context.Background(), t, nil))
}

// request stores a template as the API does, and queues its submission.
func (w *world) request(tenant, id string) {
	w.t.Helper()
	w.send(tenant, desk.ApprovalEvent{Submit: w.newRequest(tenant, id)})
}

// newRequest stores a template as the API does, without an event.
func (w *world) newRequest(tenant, id string) string {
	w.t.Helper()
	c := w.eyes.In(tenant)
	t := desk.Template{
		ID: id, Channel: channelID(tenant), Name: "t_" + id, Language: "es", Category: desk.CategoryUtility, Body: "Hola",
		Status: desk.TemplatePending, Active: true, CreatedAt: w.clock.Now(), Submission: &desk.Submission{},
	}
	must(w.t, c.CreateTemplate(context.Background(), t, "", c.SubmitTimer(t, w.clock.Now().Add(2*time.Minute)).Also()))
	return id
}

// send queues an event of the company's channel, in the group in which the API and the
// clock do.
func (w *world) send(tenant string, e desk.ApprovalEvent) {
	w.t.Helper()
	body, err := queue.Seal(desk.StageApprovals, tenant, e)
	must(w.t, err)
	group := store.ApprovalGroup(tenant, channelID(tenant))
	if e.Submit != "" {
		group = store.SubmitGroup(tenant, channelID(tenant))
	}
	w.sendIn(group, body)
}

func (w *world) sendRaw(tenant string, body []byte) {
	w.t.Helper()
	w.sendIn(store.ApprovalGroup(tenant, channelID(tenant)), body)
}

func (w *world) sendIn(group string, body []byte) {
	w.t.Helper()
	w.sent++
	must(w.t, w.driver.Memory(desk.StageApprovals).Send(context.Background(), queue.Message{Group: group, Dedup: fmt.Sprint("m", w.sent), Body: body}))
}

// callback delivers what Gupshup posts of a template, as the webhook hands it on.
func (w *world) callback(tenant, body string) {
	w.t.Helper()
	for _, v := range w.parse(tenant, body) {
		w.send(tenant, desk.ApprovalEvent{Verdict: v})
	}
}

func (w *world) parse(tenant, body string) []desk.Verdict {
	w.t.Helper()
	b := gupshup.Provider{Now: w.clock.Now}.Parse(desk.Channel{ID: channelID(tenant), App: "DemoApp"}, []byte(body))
	if b.Rejected != "" || len(b.Verdicts) == 0 {
		w.t.Fatalf("%s: rejected as %q, %d verdicts", body, b.Rejected, len(b.Verdicts))
	}
	for i := range b.Verdicts {
		b.Verdicts[i].Channel, b.Verdicts[i].ReceivedAt = channelID(tenant), w.clock.Now()
	}
	return b.Verdicts
}

// status is a callback in the shape that has a type; verdict in the one without.
func status(id, state, reason string, at time.Time) string {
	return fmt.Sprintf(`{"app":"DemoApp","timestamp":%d,"version":2,"type":"template-event","payload":{"type":"status-update","id":%q,"status":%q,"elementName":"t","languageCode":"es","description":%q}}`,
		at.UnixMilli(), id, state, reason)
}

func verdict(id, state, reason string, at time.Time) string {
	return fmt.Sprintf(`{"app":"DemoApp","timestamp":%d,"version":2,"type":"template-event","payload":{"id":%q,"status":%q,"elementName":"t","languageCode":"es","rejectedReason":%q}}`,
		at.UnixMilli(), id, state, reason)
}

func quality(id, word string, at time.Time) string {
	return fmt.Sprintf(`{"app":"DemoApp","timestamp":%d,"type":"template-event","payload":{"type":"quality-update","id":%q,"elementName":"t","languageCode":"es","quality":%q}}`,
		at.UnixMilli(), id, word)
}

func category(id, from, to, fromWord, toWord string, at time.Time) string {
	return fmt.Sprintf(`{"app":"DemoApp","timestamp":%d,"type":"template-event","payload":{"type":"category-update","id":%q,"elementName":"t","languageCode":"es","category":{%q:%q,%q:%q}}}`,
		at.UnixMilli(), id, fromWord, from, toWord, to)
}

// drain handles what is queued, as long as it takes; no timer fires.
func (w *world) drain() {
	w.t.Helper()
	if err := w.driver.Drain(100_000); err != nil {
		w.t.Fatal(err)
	}
}

// settle lets everything happen for so long, with a clock that runs every minute.
func (w *world) settle(horizon time.Duration) {
	w.t.Helper()
	w.pass(horizon, time.Minute)
}

// pass lets everything happen for so long, with a clock that runs every so often. Runs
// that would find nothing due are left out.
func (w *world) pass(horizon, every time.Duration) {
	w.t.Helper()
	end := w.clock.Now().Add(horizon)
	for {
		w.drain()
		w.tick()
		if visible, flying, dead := w.driver.Memory(desk.StageApprovals).Depth(); dead > 0 {
			w.t.Fatalf("%d dead letters", dead)
		} else if visible+flying > 0 {
			continue
		}
		left := end.Sub(w.clock.Now())
		if left <= 0 {
			return
		}
		idle := (w.idle(left) + every - 1).Truncate(every)
		w.clock.Advance(min(max(every, idle), left))
	}
}

// idle is how long nothing is due, most at most.
func (w *world) idle(most time.Duration) time.Duration {
	w.t.Helper()
	now, idle := w.clock.Now(), most
	dry := store.Store{Table: tabletest.Dry{Table: w.plain}, Now: w.clock.Now}
	for ahead := time.Duration(0); ahead < idle; {
		ahead = min(most, 2*ahead+store.ClockReread)
		must(w.t, dry.DueTimers(context.Background(), now.Add(ahead), func(t store.Timer) error {
			idle = min(idle, t.Due.Sub(now))
			return nil
		}))
	}
	return idle
}

// tick fires what is due, as the clock's function does.
func (w *world) tick() {
	w.t.Helper()
	must(w.t, w.eyes.DueTimers(context.Background(), w.clock.Now(), func(t store.Timer) error {
		switch t.Stage {
		case store.WakeSync:
			w.send(t.Tenant, desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: t.Channel, Asked: w.clock.Now(), Timer: true}})
		case store.WakeSubmit:
			w.send(t.Tenant, desk.ApprovalEvent{Submit: t.Template})
		default:
			w.t.Errorf("a timer of stage %s", t.Stage)
		}
		return nil
	}))
}

// timers are the times at which those of a company and stage are to fire, in order.
func (w *world) timers(tenant, stage string) (due []time.Time) {
	w.t.Helper()
	for minute := w.clock.Now(); minute.Before(w.clock.Now().Add(7 * time.Hour)); minute = minute.Add(time.Minute) {
		for shard := range 4 {
			page, err := w.plain.Query(context.Background(), table.Q{PK: fmt.Sprintf("CLOCK#%s#%d", minute.UTC().Format("200601021504"), shard)})
			must(w.t, err)
			for _, it := range page.Items {
				var t store.Timer
				must(w.t, json.Unmarshal(it.Body, &t))
				if t.Tenant == tenant && t.Stage == stage {
					due = append(due, t.Due)
				}
			}
		}
	}
	slices.SortFunc(due, time.Time.Compare)
	return due
}

func (w *world) template(tenant, id string) desk.Template {
	w.t.Helper()
	t, err := w.eyes.In(tenant).Template(context.Background(), id)
	must(w.t, err)
	return t
}

func (w *world) lastSync(tenant string) desk.ChannelSync {
	w.t.Helper()
	v, err := w.eyes.In(tenant).ChannelSync(context.Background(), channelID(tenant))
	must(w.t, err)
	return v
}

// show is what matters of a template.
func show(t desk.Template) string {
	hint := "-"
	if t.Hint != nil {
		hint = t.Hint.State
	}
	done := t.Submission == nil || t.Submission.Done
	return fmt.Sprintf("%s %s/%s reason=%q quality=%s category=%s next=%s active=%t sendable=%t hint=%s done=%t id=%s",
		t.ID, t.Status, cmp.Or(t.ProviderState, "-"), t.Reason, t.Quality, t.Category, t.NextCategory, t.Active, t.Sendable(), hint, done, t.ProviderID)
}

// quarantined lists the reasons of what a company has in quarantine.
func (w *world) quarantined(tenant string) string {
	w.t.Helper()
	kept, _, err := w.eyes.In(tenant).QuarantineList(context.Background(), "", 100, "")
	must(w.t, err)
	var reasons []string
	for _, q := range kept {
		reasons = append(reasons, q.Reason)
	}
	return strings.Join(reasons, " ")
}

// want compares what matters.
func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// secrets keeps values by name.
type secrets map[string]string

func (s secrets) Get(_ context.Context, name string) (string, error) {
	v, ok := s[name]
	if !ok {
		return "", fault.NotFound
	}
	return v, nil
}
func (s secrets) Fresh(ctx context.Context, name string) (string, error) { return s.Get(ctx, name) }
func (s secrets) Put(_ context.Context, name, value string) error        { s[name] = value; return nil }
func (s secrets) Create(context.Context, string, string) error           { return fault.Conflict }
func (s secrets) Delete(_ context.Context, name string) error            { delete(s, name); return nil }

// noBlobs has room for nothing: bodies here are short.
type noBlobs struct{ blob.Store }

// yieldTable lets others happen before each effect.
type yieldTable struct{ table.Table }

func (y yieldTable) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	queuetest.Yield(ctx)
	return y.Table.Get(ctx, keys...)
}

func (y yieldTable) Write(ctx context.Context, ops ...table.Op) error {
	queuetest.Yield(ctx)
	return y.Table.Write(ctx, ops...)
}
