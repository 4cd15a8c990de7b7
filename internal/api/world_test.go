package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue/queuetest"
	secrets "buzon/internal/secret/embedded"
	"buzon/internal/store"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
	"buzon/internal/web"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// world is the API over an embedded table, with two companies and their people.
// Every answer that passes through it is held against openapi.yaml.
type world struct {
	t       *testing.T
	api     *API
	handler http.Handler
	mux     *http.ServeMux
	inbound *queuetest.Memory
	// outbound and approvals are the other queues that calls send to.
	outbound, approvals *queuetest.Memory
	secrets             *secrets.Store
	secretsFile         string
	// check is what both providers say of credentials; nil: they take them.
	check func(channel.Account) error
	log   *bytes.Buffer
	demo  store.Company

	mu  sync.Mutex
	at  time.Time
	ids int

	admin, agent, other string // tokens
	adminID, agentID    string
}

func newWorld(t *testing.T) *world { return worldOn(t, tabletest.Open(t)) }

// worldOn makes a world on a table that the test may have prepared for trouble.
func worldOn(t *testing.T, tab table.Table) *world {
	w := &world{t: t, at: start, log: &bytes.Buffer{}}
	w.inbound, w.outbound, w.approvals = &queuetest.Memory{Now: w.now}, &queuetest.Memory{Now: w.now}, &queuetest.Memory{Now: w.now}
	w.secretsFile = filepath.Join(t.TempDir(), "secrets")
	w.secrets = must(secrets.Open(w.secretsFile))
	log := slog.New(slog.NewJSONHandler(&lockedWriter{w: w.log}, nil))
	s := &store.Store{Table: tab, Now: w.now, NewID: w.newID}
	w.api = &API{
		Store: s, Inbound: w.inbound, Outbound: w.outbound, Approvals: w.approvals, Secrets: w.secrets, Log: log,
		Providers: map[string]channel.Provider{desk.ProviderGupshup: provider{w: w}, desk.ProviderMeta: provider{w: w}},
		Now:       w.now, NewID: w.newID, Random: &lockedRandom{r: rand.NewChaCha8([32]byte{1})},
		PublicURL: func(r *http.Request) string { return "https://" + r.Host }, Version: "1.2.3",
	}
	w.demo = s.In("demo")
	w.handler, w.mux = handlerOf(w)
	w.admin = must(w.api.MakeTenant(t.Context(), "demo", "Ciudad Demo"))
	w.other = must(w.api.MakeTenant(t.Context(), "other", "Otra"))
	luis := must(w.specialist("Luis Prada", "lprada", desk.RoleAgent))
	w.agentID = luis.ID
	w.adminID = store.Hash("first admin", "demo")
	w.agent = must(w.api.MakeToken(t.Context(), "demo", luis.ID, "test", time.Hour*24*30))
	return w
}

// specialist makes one who is active, of the company demo.
func (w *world) specialist(name, userName string, roles ...string) (desk.Specialist, error) {
	s := desk.Specialist{ID: w.newID(), Name: name, UserName: userName, Active: true, Roles: roles, CreatedAt: w.now()}
	err := w.demo.SaveSpecialist(w.t.Context(), desk.Specialist{}, s, nil)
	s.Version = 1
	return s, err
}

// provider stands for a provider that only says whether credentials work.
type provider struct {
	channel.Provider
	w *world
}

func (p provider) Check(_ context.Context, a channel.Account) error {
	if p.w.check == nil {
		return nil
	}
	return p.w.check(a)
}

func handlerOf(w *world) (http.Handler, *http.ServeMux) {
	mux := http.NewServeMux()
	w.api.Routes(mux)
	return web.Handler(mux, web.Options{Log: w.api.Log, NewID: w.newID, Now: w.now}), mux
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(time.Millisecond)
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) newID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("id%06d", w.ids)
}

type lockedRandom struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedRandom) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

// get reads a field of a JSON answer by its path: "items.0.name".
func (a answer) get(path string) any {
	var v any
	if json.Unmarshal([]byte(a.text), &v) != nil {
		return nil
	}
	for _, part := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) id() string { s, _ := a.get("id").(string); return s }

// problems lists the problems of an error: "field code, …".
func (a answer) problems() string {
	var p web.Problem
	if json.Unmarshal([]byte(a.text), &p) != nil {
		return "not a problem: " + a.text
	}
	var out []string
	for _, e := range p.Errors {
		out = append(out, e.Field+" "+e.Code)
	}
	return strings.Join(out, ", ")
}

// do makes a call; headers are "Name: value". A body without a Content-Type is JSON.
func (w *world) do(token, method, path, body string, headers ...string) answer {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, in)
	r.Header.Set("Accept-Language", "en")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	a := answer{rec.Code, rec.Header(), rec.Body.String()}
	w.describe(method, path, a)
	return a
}

// ok makes a call as admin that has to succeed with that status.
func (w *world) ok(status int, method, path, body string, headers ...string) answer {
	w.t.Helper()
	a := w.do(w.admin, method, path, body, headers...)
	if a.status != status {
		w.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.text, status)
	}
	return a
}

// make creates as admin and gives the id.
func (w *world) make(path, body string) string {
	w.t.Helper()
	return w.ok(201, "POST", path, body).id()
}

// spec is openapi.yaml as a validator reads it, with every object closed: a
// field that it does not describe is an error.
var spec = sync.OnceValue(func() *openapi3.T {
	doc := must(openapi3.NewLoader().LoadFromData(descriptionYAML))
	seen := map[*openapi3.Schema]bool{}
	var closeAll func(ref *openapi3.SchemaRef)
	closeAll = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil || seen[ref.Value] {
			return
		}
		s := ref.Value
		seen[s] = true
		if len(s.Properties) > 0 && s.AdditionalProperties.Schema == nil {
			no := false
			s.AdditionalProperties.Has = &no
		}
		for _, p := range s.Properties {
			closeAll(p)
		}
		closeAll(s.Items)
	}
	for _, s := range doc.Components.Schemas {
		closeAll(s)
	}
	return doc
})

// codes are those of problems, as openapi.yaml lists them.
var codes = sync.OnceValue(func() []string {
	var all []string
	for _, code := range spec().Components.Schemas["Problem"].Value.Properties["code"].Value.Extensions["x-extensible-enum"].([]any) {
		all = append(all, code.(string))
	}
	return all
})

// describe holds an answer against openapi.yaml: the status is described for
// the operation, the body fits its schema and its type.
func (w *world) describe(method, path string, a answer) {
	w.t.Helper()
	if method == http.MethodHead {
		return
	}
	_, pattern := w.mux.Handler(httptest.NewRequest(method, path, nil))
	if pattern == "" {
		return // no such route: TestNoRoute looks at these
	}
	if err := described(pattern, a); err != nil {
		w.t.Errorf("%s %s is not as described: %v\n%s", method, path, err, a.text)
	}
}

func described(pattern string, a answer) error {
	method, path, _ := strings.Cut(pattern, " ")
	item := spec().Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		return fmt.Errorf("no operation %s", pattern)
	}
	ref := item.GetOperation(method).Responses.Status(a.status)
	if ref == nil {
		return fmt.Errorf("no answer %d", a.status)
	}
	for name := range ref.Value.Headers {
		if a.header.Get(name) == "" {
			return fmt.Errorf("no %s", name)
		}
	}
	if len(ref.Value.Content) == 0 {
		if a.text != "" {
			return fmt.Errorf("a body where none is described")
		}
		return nil
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	media := ref.Value.Content[kind]
	if media == nil {
		return fmt.Errorf("Content-Type %q", kind)
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	var body any
	if err := json.Unmarshal([]byte(a.text), &body); err != nil {
		return err
	}
	var p web.Problem
	if a.status >= 400 && json.Unmarshal([]byte(a.text), &p) == nil {
		for _, x := range append(p.Errors, web.FieldProblem{Code: p.Code}) {
			if !slices.Contains(codes(), x.Code) {
				return fmt.Errorf("code %q", x.Code)
			}
		}
	}
	return spec().ValidateSchemaJSON(media.Schema.Value, body, openapi3.VisitAsResponse(), openapi3.EnableFormatValidation())
}

// seeded is a world with one of each kind of thing, stored as other packages do.
type seeded struct {
	*world
	project, group, service, category, client, token string
	channel, template, conversation, theCase, held   string
	queue, campaign                                  string
}

func seed(t *testing.T) *seeded { return seedOn(newWorld(t)) }

func seedOn(w *world) *seeded {
	t := w.t
	s := &seeded{world: w}
	s.project = w.make("/v1/projects", `{"name":"Servicios públicos","code":"SERVICIOS"}`)
	s.group = w.make("/v1/projects/"+s.project+"/service-groups", `{"name":"Agua"}`)
	s.service = w.make("/v1/projects/"+s.project+"/services", `{"name":"Fuga","service_group":"`+s.group+`"}`)
	s.category = w.make("/v1/services/"+s.service+"/categories", `{"name":"Reportar"}`)
	s.client = w.make("/v1/clients", `{"name":"Ana","user_name":"ana","phone":"+57 300 123-4567"}`)
	s.token = w.make("/v1/specialists/"+w.agentID+"/tokens", `{"description":"x","expires_at":"2026-04-01T00:00:00Z"}`)

	s.queue = w.make("/v1/queues", `{"name":"Atención"}`)
	s.campaign = w.make("/v1/campaigns", `{"name":"Navidad"}`)

	s.channel = w.demo.OutsideID()
	check(t, w.demo.SaveChannel(t.Context(), desk.Channel{
		ID: s.channel, Kind: "whatsapp", Provider: "gupshup", State: desk.ChannelActive, CompanyName: "Ciudad Demo",
		Identifier: "5215550001111", App: "BuzonDemo", SecretHash: "hash-of-the-secret", CreatedAt: start,
	}, nil))
	s.template = w.newID()
	check(t, w.demo.SaveTemplate(t.Context(), desk.Template{
		ID: s.template, Channel: s.channel, ProviderID: "p1", Name: "create_case", Language: "es", Body: "{{1}}",
		Status: desk.TemplateApproved, ProviderState: "approved", Active: true, CreatedAt: start,
	}, nil))
	s.conversation = store.ConversationID(s.channel, "573001234567")
	s.say("m1", start, desk.Content{Type: desk.Text, Text: "Hola"}, desk.Reply{
		ID: "r1", Status: desk.Accepted, Done: true, ProviderID: "gs1", SentAt: start,
		Outgoing: desk.Outgoing{Type: desk.ReplyText, Text: "Abra " + desk.FormLinkMark, FormKey: "k1"},
	})
	s.theCase = s.openCase("Fuga en la calle 5")
	body := []byte("not json")
	s.held = store.BodyID(body)
	check(t, w.demo.Quarantine(t.Context(), desk.Quarantined{
		ID: s.held, Stage: "webhook", Channel: s.channel, Reason: "not_json", Body: body, ReceivedAt: start,
	}))
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// say records what the person said and our replies.
func (s *seeded) say(id string, at time.Time, content desk.Content, replies ...desk.Reply) {
	s.t.Helper()
	s.commit(desk.Turn{
		ID: store.TurnID(id), Conversation: s.conversation, Kind: desk.TurnMessage, At: at, Made: at, Replies: replies,
		Message: &desk.Incoming{
			Channel: s.channel, ProviderID: id, Person: "573001234567", Name: "Ana", SentAt: at, ReceivedAt: at.Add(time.Second),
			Content: content,
		},
	})
}

func (s *seeded) commit(turn desk.Turn) {
	s.t.Helper()
	ctx := s.t.Context()
	conv, _, err := s.demo.Exchange(ctx, s.conversation, turn.ID)
	check(s.t, err)
	if conv.Version == 0 {
		conv = desk.Conversation{
			ID: s.conversation, Channel: s.channel, Person: "573001234567", Name: "Ana",
			Contact: store.ContactID("whatsapp", "573001234567"), CreatedAt: turn.At, StateSince: turn.At,
		}
	}
	conv.LastMessageAt = turn.At
	check(s.t, s.demo.Commit(ctx, store.Commit{Conversation: conv, Turn: store.StoredTurn{Turn: turn}}))
}

// openCase makes an anonymous case as the form does, and gives its id.
func (s *seeded) openCase(title string) string {
	s.t.Helper()
	ctx := s.t.Context()
	hash := store.Hash(title)
	form := desk.Form{Hash: hash, Project: s.project, Service: s.service, Category: s.category, Language: "es", Expires: s.now().Add(time.Hour)}
	reply := desk.Reply{ID: "r" + hash, Status: desk.Queued}
	turn := desk.Turn{ID: store.TurnID(hash), Conversation: "c" + hash, Kind: desk.TurnTimer, At: s.now(), Replies: []desk.Reply{reply}}
	conv := desk.Conversation{ID: "c" + hash, Channel: s.channel, StateSince: s.now()}
	check(s.t, s.demo.Commit(ctx, store.Commit{Conversation: conv, Turn: store.StoredTurn{Turn: turn}, Form: &form}))
	form, err := s.demo.Form(ctx, hash)
	check(s.t, err)
	at := s.now()
	c := desk.Case{
		ID: store.AnonymousCaseID(hash), Title: title, Description: "Sale agua.", State: desk.CaseNew, Source: desk.SourceWhatsApp,
		Priority: desk.PriorityMedium, Project: s.project, Service: s.service, Category: s.category, ProjectName: "Servicios públicos",
		Anonymous: true, Language: "es", TrackingKey: "k1", CreatedAt: at, ChangedAt: at,
	}
	c.Reference = store.Reference(c.ID, 0)
	check(s.t, s.demo.MakeAnonymousCase(ctx, form, c, store.Hash("tracking", hash)))
	return c.ID
}
