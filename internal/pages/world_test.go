package pages

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/link"
	secretfile "buzon/internal/secret/embedded"
	"buzon/internal/store"
	"buzon/internal/table"
	"buzon/internal/table/embedded"
)

// world is a portal with a company, on a table of its own.
type world struct {
	t      testing.TB
	table  *ledger
	portal *Portal
	mux    *http.ServeMux
	log    *strings.Builder
	now    atomic.Int64 // Unix milliseconds
	ids    atomic.Int64
	public string
	lang   string // asked for in the address of each request; empty: in none
}

// ledger knows all items of a table, as text.
type ledger struct {
	table.Table
	mu    sync.Mutex
	items map[table.Key]string
	cases int // created
}

func (l *ledger) Write(ctx context.Context, ops ...table.Op) error {
	if err := l.Table.Write(ctx, ops...); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, op := range ops {
		it := op.Item
		if op.Kind == table.OpCreate && it.SK == "CASE" {
			l.cases++
		}
		switch op.Kind {
		case table.OpDelete:
			delete(l.items, it.Key)
		case table.OpCreate, table.OpUpdate, table.OpRaise:
			l.items[it.Key] = fmt.Sprintf("%s %s %s %s", it.Key, it.Index, it.Expires, it.Body)
		}
	}
	return nil
}

// items are all items of the table, in order.
func (w *world) items() []string {
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	return slices.Sorted(maps.Values(w.table.items))
}

const (
	tenant  = "demo"
	company = "Ciudad de Ejemplo"
	number  = "573001234567" // of whoever asked for the forms
)

var begin = time.Date(2026, 11, 21, 7, 1, 0, 0, time.UTC)

// newWorld opens the portal; wrap, if any, goes around its table.
func newWorld(t testing.TB, wrap func(table.Table) table.Table) *world {
	t.Helper()
	inner, err := embedded.Open(filepath.Join(t.TempDir(), "table.db"), embedded.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inner.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, table: &ledger{Table: inner, items: map[table.Key]string{}}, log: &strings.Builder{}}
	w.now.Store(begin.UnixMilli())
	newID := func() string { return fmt.Sprintf("%026d", w.ids.Add(1)) }
	now := func() time.Time { return time.UnixMilli(w.now.Load()) }
	plain := &store.Store{Table: w.table, Now: now, NewID: newID}
	if err := plain.In(tenant).MakeTenant(t.Context(), desk.Tenant{ID: tenant, Name: company}); err != nil {
		t.Fatal(err)
	}
	secrets, err := secretfile.Open(filepath.Join(t.TempDir(), "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	if err := link.Ensure(t.Context(), secrets); err != nil {
		t.Fatal(err)
	}
	var used table.Table = w.table
	if wrap != nil {
		used = wrap(w.table)
	}
	w.portal = &Portal{
		Store: &store.Store{Table: used, Now: now, NewID: newID, CacheFor: time.Minute},
		Keys:  &link.Keys{Secrets: secrets}, Now: now, NewID: newID,
		PublicURL: func() string { return w.public },
		Log:       slog.New(slog.NewTextHandler(w.log, nil)),
	}
	w.mux = http.NewServeMux()
	w.portal.Routes(w.mux)
	return w
}

func (w *world) pass(d time.Duration) { w.now.Add(d.Milliseconds()) }

func (w *world) company() store.Company {
	s := &store.Store{Table: w.table, Now: w.portal.Now, NewID: w.portal.NewID}
	return s.In(tenant)
}

// form stores a pending form in a language and gives the secret of its link.
func (w *world) form(lang string) string {
	w.t.Helper()
	secret, err := w.portal.Keys.Form(context.Background(), tenant, "k1", w.portal.NewID())
	if err != nil {
		w.t.Fatal(err)
	}
	f := desk.Form{
		Hash: link.Hash(secret), Project: "p1", Service: "s1", Category: "c1",
		ProjectName: "Servicios públicos", ServiceName: "Alumbrado", CategoryName: "Farola apagada",
		CaseType: "t1", Language: lang, Expires: w.portal.Now().UTC().Add(desk.DefaultFormLife),
	}
	turn := w.portal.NewID()
	conv := desk.Conversation{ID: store.Hash(turn), Channel: "demo-wa", Person: number, Name: "Ana Prueba", LastMessageAt: w.portal.Now()}
	err = w.company().Commit(context.Background(), store.Commit{
		Conversation: conv,
		Turn:         store.StoredTurn{Turn: desk.Turn{ID: turn, Conversation: conv.ID}},
		Form:         &f,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// send gives the answer to a request; fields nil: no body.
func (w *world) send(method, target string, fields url.Values, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	var body io.Reader
	if fields != nil {
		body = strings.NewReader(fields.Encode())
	}
	r := httptest.NewRequestWithContext(context.Background(), method, target, body)
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if w.lang != "" {
		q := r.URL.Query()
		q.Set("lang", w.lang)
		r.URL.RawQuery = q.Encode()
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec
}

func (w *world) get(target string) *httptest.ResponseRecorder { return w.send("GET", target, nil) }

// text is a filled-in form as a script posts it: no hidden fields.
func text(title, description string) url.Values {
	return url.Values{"title": {title}, "description": {description}}
}

// mustCreate posts the form and gives the path of the tracking page.
func (w *world) mustCreate(secret string, fields url.Values) string {
	w.t.Helper()
	rec := w.send("POST", "/c/"+secret, fields)
	if rec.Code != http.StatusSeeOther {
		w.t.Fatalf("POST form: %d, want 303\n%s", rec.Code, rec.Body)
	}
	path, ok := strings.CutSuffix(rec.Header().Get("Location"), "?created=1")
	if !ok || !strings.HasPrefix(path, "/t/"+tenant+"-") {
		w.t.Fatalf("Location %q, want /t/{tracking}?created=1", rec.Header().Get("Location"))
	}
	return path
}

// theCase is the case that the tracking page at the path shows, with its history.
func (w *world) theCase(path string) (desk.Case, []desk.CaseEvent) {
	w.t.Helper()
	k, err := w.company().Tracked(context.Background(), link.Hash(strings.TrimPrefix(path, "/t/")))
	if err != nil {
		w.t.Fatal(err)
	}
	history, err := w.company().CaseHistory(context.Background(), k.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return k, history
}

// texts are what the person added to the case, oldest first.
func (w *world) texts(path string) []string {
	w.t.Helper()
	_, history := w.theCase(path)
	var out []string
	for _, e := range history {
		if e.Kind == desk.CaseMessage {
			out = append(out, e.Text)
		}
	}
	return out
}

// cases counts the cases ever made.
func (w *world) cases() int {
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	return w.table.cases
}
