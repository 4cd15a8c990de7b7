package repo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"

	"buzon/internal/api"
	"buzon/internal/approval"
	blobs "buzon/internal/blob/embedded"
	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/meta"
	"buzon/internal/desk"
	"buzon/internal/link"
	"buzon/internal/pages"
	"buzon/internal/pipeline"
	"buzon/internal/quarantine"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/queue/sqs"
	secrets "buzon/internal/secret/embedded"
	"buzon/internal/signed"
	"buzon/internal/store"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
	"buzon/internal/web"
)

// What the samples name. Their keys and secrets open nothing but this world.
const (
	sampleTenant  = "demo"
	sampleChannel = "demo-samples"
	sampleSecret  = "samples-webhook-secret"
	sampleMeta    = "demo-meta"
	sampleWriter  = "12025550199" // has begun a dialogue and waits for the greeting
	sampleVerdict = "33333333-0000-4000-8000-000000000001"
)

// sampleNow is when the samples happen.
var sampleNow = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// sampleWorld is the system that the samples are played to: the stages as
// functions/ wires them, on engines inside the process.
type sampleWorld struct {
	t       *testing.T
	table   *countedTable
	store   *store.Store
	blobs   *blobs.Store
	secrets *secrets.Store
	queues  map[string]*sentQueue
	dead    map[string]*queuetest.Memory
	sent    *sends
	sqs     *sqs.Queue
	aws     string // address of what stands in for SQS
	partner string // and for the provider
}

// countedTable counts writes that took effect.
type countedTable struct {
	table.Table
	writes atomic.Int64
}

func (c *countedTable) Write(ctx context.Context, ops ...table.Op) error {
	err := c.Table.Write(ctx, ops...)
	if err == nil {
		c.writes.Add(1)
	}
	return err
}

// sentQueue keeps what was sent; groups of a batch send side by side.
type sentQueue struct {
	mu     sync.Mutex
	bodies [][]byte
}

func (q *sentQueue) Send(_ context.Context, m queue.Message) error {
	if err := queue.Validate(m); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bodies = append(q.bodies, m.Body)
	return nil
}

// sends counts what the provider was asked to send, by number.
type sends struct {
	mu sync.Mutex
	to map[string]int
}

func (s *sends) note(number string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to[number]++
}

func newSampleWorld(t *testing.T) *sampleWorld {
	t.Helper()
	w := &sampleWorld{t: t, sent: &sends{to: map[string]int{}}, table: &countedTable{Table: tabletest.Open(t)}, queues: map[string]*sentQueue{}, dead: map[string]*queuetest.Memory{}}
	for stage := range steps {
		w.queues[stage], w.dead[stage] = &sentQueue{}, &queuetest.Memory{Now: w.now}
	}
	var ids atomic.Int64
	w.store = &store.Store{Table: w.table, Now: w.now, NewID: func() string { return fmt.Sprintf("%026d", ids.Add(1)) }, CacheFor: time.Minute}
	var err error
	if w.secrets, err = secrets.Open(filepath.Join(t.TempDir(), "secrets.json")); err != nil {
		t.Fatal(err)
	}
	w.blobs, err = blobs.Open(t.TempDir(), blobs.Options{Key: make([]byte, 32), BaseURL: func() string { return "" }, Now: w.now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	w.aws = w.serve(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprint(rw, `{"Successful":[],"Failed":[]}`)
	})
	w.partner = w.serve(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/template") {
			if r.Method == http.MethodGet {
				fmt.Fprintf(rw, `{"status":"success","templates":[{"id":%q,"elementName":"create_case","languageCode":"es","category":"UTILITY","status":"APPROVED"}]}`, sampleVerdict)
				return
			}
			w.sent.note(r.PostFormValue("elementName"))
			fmt.Fprint(rw, `{"status":"success","template":{"id":"33333333-0000-4000-8000-000000000002","status":"PENDING"}}`)
			return
		}
		w.sent.note(r.PostFormValue("destination"))
		rw.WriteHeader(http.StatusAccepted)
		fmt.Fprint(rw, `{"status":"submitted","messageId":"11111111-2222-4333-8444-777777777777"}`)
	})
	w.sqs = sqs.New(&signed.Service{
		Name: "sqs", Region: "us-east-1", Endpoint: w.aws, HTTP: http.DefaultClient, Now: w.now,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	}, w.aws+"/buzon-any.fifo")
	w.seed()
	w.table.writes.Store(0)
	for _, q := range w.queues {
		q.bodies = nil
	}
	return w
}

func (w *sampleWorld) now() time.Time { return sampleNow }

func (w *sampleWorld) serve(h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	w.t.Cleanup(s.Close)
	return s.URL
}

func (w *sampleWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// seed makes a company with what the samples name.
func (w *sampleWorld) seed() {
	w.t.Helper()
	ctx, c := w.t.Context(), w.store.In(sampleTenant)
	key, err := json.Marshal(map[string]any{"current": "k1", "keys": map[string][]byte{"k1": bytes.Repeat([]byte{1}, 32)}})
	w.must(err)
	w.must(w.secrets.Put(ctx, link.KeyName, string(key)))
	w.must(w.secrets.Put(ctx, c.CredentialsName(desk.Channel{ID: sampleChannel}), `{"api_key":"sk_samples"}`))
	w.must(c.MakeTenant(ctx, desk.Tenant{ID: sampleTenant, Name: "Ciudad de Ejemplo", CreatedAt: sampleNow}))
	w.must(c.SaveChannel(ctx, desk.Channel{
		ID: sampleChannel, Kind: "whatsapp", Provider: "gupshup", State: desk.ChannelActive, Identifier: "12025550100",
		App: "BuzonDemo", AppID: "22222222-0000-4000-8000-000000000001", PhoneNumberID: "200000000000100", SecretHash: store.SecretHash(sampleSecret),
	}, nil))
	w.must(w.secrets.Put(ctx, c.CredentialsName(desk.Channel{ID: sampleMeta}), `{"access_token":"EA","app_secret":"samples-app-secret","verify_token":"samples-verify-token"}`))
	w.must(c.ConnectChannel(ctx, desk.Channel{}, desk.Channel{
		ID: sampleMeta, Kind: "whatsapp", Provider: "meta", State: desk.ChannelActive, Identifier: "12025550101",
		PhoneNumberID: "200000000000101", AccountID: "100000000000001", MetaApp: "app",
	}, nil))
	w.must(c.SaveChannel(ctx, desk.Channel{ID: "demo-off", Kind: "whatsapp", Provider: "gupshup", State: desk.ChannelInactive, EndedAt: sampleNow}, nil))
	w.must(c.CreateTemplate(ctx, desk.Template{
		ID: "requested", Channel: sampleChannel, Name: "aviso", Language: "es", Category: desk.CategoryUtility, Type: desk.TemplateText,
		Body: "Su turno es mañana.", Status: desk.TemplatePending, Active: true, Submission: &desk.Submission{},
	}, "", nil))
	w.must(c.SaveTemplate(ctx, desk.Template{
		ID: "template", Channel: sampleChannel, ProviderID: sampleVerdict, Name: "create_case", Language: "es", Body: "Escriba su caso",
		Status: desk.TemplateApproved, ProviderState: "approved", Active: true,
	}, nil))
	w.must(c.SaveProject(ctx, desk.Project{}, desk.Project{ID: "project", Name: "Servicios públicos", Code: "SP", Active: true, Access: desk.Access{Enabled: true, AllServices: true, AllCategories: true}}, nil))
	w.must(c.SaveService(ctx, desk.Service{ID: "service", Project: "project", Name: "Alumbrado"}, nil))
	w.must(c.SaveCategory(ctx, desk.Category{ID: "category", Service: "service", Name: "Categoría 01"}, nil))
	admin := desk.Specialist{ID: "admin", Name: "Admin", UserName: "admin", Active: true, Roles: []string{desk.RoleAdmin}}
	w.must(c.SaveSpecialist(ctx, desk.Specialist{}, admin, nil))
	_, token, err := api.NewToken(sampleTenant, bytes.NewReader(make([]byte, 64)))
	w.must(err)
	token.Specialist, token.ExpiresAt = admin.ID, sampleNow.Add(time.Hour)
	w.must(c.SaveToken(ctx, token, nil))

	// The dialogue of sampleWriter: its greeting is not sent yet, a timer is due.
	m := desk.Incoming{Channel: sampleChannel, ProviderID: "wamid.BEFORE", Person: sampleWriter, SentAt: sampleNow, ReceivedAt: sampleNow, Content: desk.Content{Type: desk.Text, Text: "Hola"}}
	body, err := queue.Seal(desk.StageInbound, sampleTenant, desk.InboundEvent{Message: &m})
	w.must(err)
	if failed := w.inbound().Worker().Work(ctx, []queue.Record{{ID: "before", Group: "g", Body: body, Receives: 1}}); len(failed) > 0 {
		w.t.Fatal(failed)
	}
	conversation, err := c.Conversation(ctx, store.ConversationID(sampleChannel, sampleWriter))
	w.must(err)
	w.must(c.SaveConversation(ctx, conversation, c.NewTimer(store.WakeOutbound, conversation, sampleNow)))

	// Two forms: that of reply-1 is open, that of reply-2 has made a case.
	keys := w.keys()
	for _, reply := range []string{"reply-1", "reply-2"} {
		form, err := keys.Form(ctx, sampleTenant, "k1", reply)
		w.must(err)
		f := desk.Form{Hash: link.Hash(form), ProjectName: "Servicios públicos", ServiceName: "Alumbrado", CategoryName: "Categoría 01", Language: "es", Expires: sampleNow.Add(time.Hour)}
		turn := desk.Turn{ID: reply, Conversation: conversation.ID, Kind: desk.TurnTimer, At: sampleNow, Made: sampleNow}
		conversation, err = c.Conversation(ctx, conversation.ID)
		w.must(err)
		w.must(c.Commit(ctx, store.Commit{Conversation: conversation, Turn: store.StoredTurn{Turn: turn}, Form: &f}))
		if reply == "reply-2" {
			f.Version = 1
			tracking, err := keys.Tracking(ctx, sampleTenant, "k1", form)
			w.must(err)
			k := desk.Case{ID: store.AnonymousCaseID(f.Hash), Reference: "AAAA-0001", Title: "Hueco", State: desk.CaseNew, Source: desk.SourceWhatsApp, Priority: desk.PriorityMedium, Anonymous: true, Language: "es", TrackingKey: "k1", CreatedAt: sampleNow, ChangedAt: sampleNow}
			w.must(c.MakeAnonymousCase(ctx, f, k, link.Hash(tracking)))
		}
	}

	verdict, err := queue.Seal(desk.StageApprovals, sampleTenant, desk.ApprovalEvent{Verdict: desk.Verdict{Channel: sampleChannel, ProviderID: "x", State: "rejected"}})
	w.must(err)
	w.must(w.dead[desk.StageApprovals].Send(ctx, queue.Message{Group: "g", Dedup: "d", Body: verdict}))
}

var silent = slog.New(slog.DiscardHandler)

func (w *sampleWorld) keys() *link.Keys { return &link.Keys{Secrets: w.secrets} }

func (w *sampleWorld) providers() map[string]channel.Provider {
	return map[string]channel.Provider{
		"gupshup": gupshup.Provider{BaseURL: w.partner, Now: w.now}, "meta": meta.Provider{BaseURL: w.partner, Now: w.now},
	}
}

func (w *sampleWorld) webhook() *pipeline.Webhook {
	return &pipeline.Webhook{
		Store: w.store, Blobs: w.blobs, Inbound: w.queues[desk.StageInbound], Approvals: w.queues[desk.StageApprovals],
		Secrets: w.secrets, Providers: w.providers(), Now: w.now, RealNow: w.now, Log: silent,
	}
}

func (w *sampleWorld) inbound() *pipeline.Inbound {
	return &pipeline.Inbound{
		Store: w.store, Keys: w.keys(), Blobs: w.blobs, Outbound: w.queues[desk.StageOutbound], Webhook: w.webhook(),
		Now: w.now, NewID: w.store.NewID, Log: silent,
	}
}

func (w *sampleWorld) api() api.API {
	return api.API{
		Store: w.store, Blobs: w.blobs, Secrets: w.secrets, Providers: w.providers(),
		Inbound: w.queues[desk.StageInbound], Outbound: w.queues[desk.StageOutbound], Approvals: w.queues[desk.StageApprovals],
		Now: w.now, NewID: w.store.NewID, Random: rand.Reader, Log: silent,
		PublicURL: func(r *http.Request) string { return web.Base("", r) }, Version: "samples",
	}
}

// run gives an event to the function of a stage and tells what it answers.
func (w *sampleWorld) run(stage string, raw []byte) string {
	w.t.Helper()
	switch stage {
	case "webhook":
		return w.http(w.webhook().Routes, raw)
	case "inbound":
		return w.batch(w.inbound().Worker(), raw)
	case "outbound":
		return w.batch((&pipeline.Outbound{
			Store: w.store, Blobs: w.blobs, Secrets: w.secrets, Keys: w.keys(), Providers: w.providers(),
			PublicURL: func() string { return "https://cases.example.org" },
			Now:       w.now, RealNow: w.now, Sleep: func(context.Context, time.Duration) {}, Log: silent,
		}).Worker(), raw)
	case "approvals":
		return w.batch((&approval.Approvals{
			Store: w.store, Blobs: w.blobs, Secrets: w.secrets, Now: w.now, NewID: w.store.NewID, Log: silent,
			Providers: map[string]channel.Templates{"gupshup": gupshup.Provider{BaseURL: w.partner, Now: w.now}},
		}).Worker(), raw)
	case "clock":
		return w.tick(raw)
	case "portal":
		portal := &pages.Portal{Store: w.store, Keys: w.keys(), Now: w.now, NewID: w.store.NewID, PublicURL: func() string { return "" }, Log: silent}
		return w.http(portal.Routes, raw)
	case "api":
		surface := w.api()
		return w.http(func(mux *http.ServeMux) {
			surface.Routes(mux)
			mux.Handle("GET /{$}", http.RedirectHandler("/docs", http.StatusFound))
		}, raw)
	case "admin":
		return w.command(raw)
	}
	w.t.Fatalf("%s is no stage", stage)
	return ""
}

// language is that of a page.
var language = regexp.MustCompile(`<html lang="([a-z]+)"`)

// secretInPath is what a path to a case ends with.
var secretInPath = regexp.MustCompile(`/t/demo-[A-Za-z0-9_-]{43}(#.*)?`)

func (w *sampleWorld) http(routes func(*http.ServeMux), raw []byte) string {
	w.t.Helper()
	var e events.APIGatewayV2HTTPRequest
	w.must(strictly(raw, &e))
	mux := http.NewServeMux()
	routes(mux)
	out, err := web.Bridge(web.Handler(mux, web.Options{Log: silent, NewID: w.store.NewID, Now: w.now}))(w.t.Context(), e)
	w.must(err)
	text := fmt.Sprint(out.StatusCode)
	if to := out.Headers["Location"]; to != "" && out.StatusCode/100 == 3 {
		return text + " " + secretInPath.ReplaceAllString(to, "/t/demo-…")
	}
	if len(out.Body) == 0 || strings.HasPrefix(e.RawPath, "/webhooks/") {
		return text // nobody reads what a provider gets
	}
	text += " " + out.Headers["Content-Type"]
	if m := language.FindStringSubmatch(out.Body); m != nil {
		text += " " + m[1]
	}
	return text
}

func (w *sampleWorld) batch(worker *queue.Worker, raw []byte) string {
	w.t.Helper()
	var e events.SQSEvent
	w.must(strictly(raw, &e))
	out, err := sqs.Lambda(worker, w.sqs)(w.t.Context(), e)
	w.must(err)
	if len(out.BatchItemFailures) == 0 {
		return "all done"
	}
	return fmt.Sprint("handed back ", out.BatchItemFailures)
}

func (w *sampleWorld) tick(raw []byte) string {
	w.t.Helper()
	var e events.EventBridgeEvent
	w.must(strictly(raw, &e))
	clock := &pipeline.Clock{
		Store: w.store, Inbound: w.queues[desk.StageInbound], Outbound: w.queues[desk.StageOutbound],
		Approvals: w.queues[desk.StageApprovals], Blobs: w.blobs,
		Dead: map[string]queue.DeadLetters{}, Now: w.now, NewID: w.store.NewID, Log: silent,
	}
	for stage, q := range w.dead {
		clock.Dead[stage] = q
	}
	if err := clock.Run(w.t.Context()); err != nil {
		return err.Error()
	}
	return "done"
}

func (w *sampleWorld) command(raw []byte) string {
	w.t.Helper()
	var c api.Command
	w.must(strictly(raw, &c))
	done, err := (&api.Admin{API: w.api(), Secrets: w.secrets}).Do(w.t.Context(), c)
	switch {
	case err != nil:
		return err.Error()
	case strings.HasPrefix(done.AdminToken, "bzn_"+done.Tenant+"_"):
		return "made " + done.Tenant
	case len(done.Missing) > 0:
		return "missing: " + strings.Join(done.Missing, ", ")
	}
	return "nothing is missing"
}

// left is what was done: anything written, each message in a queue, each send,
// each item in quarantine, a template that changed.
func (w *sampleWorld) left() []string {
	w.t.Helper()
	var out []string
	if w.table.writes.Load() > 0 {
		out = append(out, "written")
	}
	for _, stage := range slices.Sorted(maps.Keys(w.queues)) {
		for _, body := range w.queues[stage].bodies {
			out = append(out, stage+": "+w.tell(stage, body))
		}
	}
	for _, number := range slices.Sorted(maps.Keys(w.sent.to)) {
		out = append(out, fmt.Sprintf("%d sent to %s", w.sent.to[number], number))
	}
	for _, tenant := range []string{sampleTenant, quarantine.SystemTenant} {
		items, _, err := w.store.In(tenant).QuarantineList(w.t.Context(), "", 10, "")
		w.must(err)
		where := "quarantined"
		if tenant != sampleTenant {
			where += " at the system"
		}
		for _, q := range items {
			out = append(out, where+": "+q.Stage+" "+q.Reason)
		}
	}
	template, err := w.store.In(sampleTenant).Template(w.t.Context(), "template")
	w.must(err)
	if template.ProviderState != "approved" {
		out = append(out, "template "+template.ProviderState)
	}
	return out
}

// tell says what a message between stages is about.
func (w *sampleWorld) tell(stage string, body []byte) string {
	w.t.Helper()
	switch stage {
	case desk.StageInbound:
		_, e, err := queue.Open[desk.InboundEvent](stage, body)
		w.must(err)
		switch {
		case e.Failure != nil:
			return "failure " + e.Failure.Code
		case e.Consent != nil:
			return strings.TrimSpace(fmt.Sprint("consent ", e.Consent.OptedIn, " ", e.Consent.Scope))
		case e.Ended != "":
			return "ended " + e.Ended
		case e.Freed != "":
			return "freed " + e.Freed
		}
		return "message " + string(e.Message.Content.Type) + " " + e.Message.Content.Text
	case desk.StageOutbound:
		_, _, err := queue.Open[desk.Wake](stage, body)
		w.must(err)
		return "wake"
	}
	_, e, err := queue.Open[desk.ApprovalEvent](stage, body)
	w.must(err)
	if e.Submit != "" {
		return "submit"
	}
	return e.Verdict.State
}
