package api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/internal/store"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// TestIdempotencyKey: the same key and body give the first answer again.
func TestIdempotencyKey(t *testing.T) {
	s := seed(t)
	const path, body = "/v1/projects", `{"name":"Salud","code":"SALUD"}`
	key := "Idempotency-Key: "
	first := s.ok(201, "POST", path, body, key+"k1")

	again := s.ok(201, "POST", path, body, key+"k1")
	for _, name := range []string{"Location", "ETag"} {
		if again.header.Get(name) != first.header.Get(name) || first.header.Get(name) == "" {
			t.Errorf("%s: %q, then %q", name, first.header.Get(name), again.header.Get(name))
		}
	}
	if again.text != first.text || first.header.Get("Location") != "/v1/projects/"+first.id() || first.header.Get("ETag") != `"1"` {
		t.Errorf("first %s, then %s", first.text, again.text)
	}

	s.ok(200, "PATCH", "/v1/projects/"+first.id(), `{"code":null}`)
	if a := s.ok(201, "POST", path, body, key+"k1"); a.text != first.text {
		t.Errorf("after a change the first answer is %s", a.text)
	}

	other := must(s.api.MakeToken(t.Context(), "demo", s.adminID, "second", time.Hour))
	play(t, s, []step{
		{say: "another body under the same key", call: "POST " + path, body: `{"name":"Salud 2"}`, headers: []string{key + "k1"},
			want: "422 idempotency_mismatch: Idempotency-Key idempotency_mismatch"},
		{say: "the same body in another spelling is another body", call: "POST " + path, body: body + " ", headers: []string{key + "k1"},
			want: "422 idempotency_mismatch: Idempotency-Key idempotency_mismatch"},
		{say: "a body that is no JSON is another one too", call: "POST " + path, body: `{`, headers: []string{key + "k1"},
			want: "422 idempotency_mismatch: Idempotency-Key idempotency_mismatch"},
		{say: "the key of another path", call: "POST /v1/projects/{project}/services", body: `{"name":"x"}`, headers: []string{key + "k1"}, want: "201"},
		{say: "the key of another token", call: "POST " + path, body: `{"name":"x"}`, headers: []string{key + "k1"}, token: other, want: `201 name="x"`},
		{say: "the key of another company", call: "POST " + path, body: body, headers: []string{key + "k1"}, token: s.other, want: `201 name="Salud"`},
		{say: "what was refused is not remembered", call: "POST " + path, body: `{"name":"a","code":"servicios"}`, headers: []string{key + "k2"}, want: "422 code taken"},
		{say: "so the key is free for a better body", call: "POST " + path, body: `{"name":"a","code":"a"}`, headers: []string{key + "k2"}, want: "201"},
		{say: "255 characters", call: "POST " + path, body: `{"name":"x"}`, headers: []string{key + strings.Repeat("k", 255)}, want: "201"},
		{say: "256", call: "POST " + path, body: `{"name":"x"}`, headers: []string{key + strings.Repeat("k", 256)}, want: "422 idempotency_key: Idempotency-Key idempotency_key"},
		{say: "an empty key", call: "POST " + path, body: `{"name":"x"}`, headers: []string{key}, want: "422 idempotency_key: Idempotency-Key idempotency_key"},
		{say: "a key that is not ASCII", call: "POST " + path, body: `{"name":"x"}`, headers: []string{key + "ñ"}, want: "422 idempotency_key: Idempotency-Key idempotency_key"},
		{say: "the parent may be gone meanwhile", call: "POST /v1/services/{service}/categories", body: `{"name":"x"}`, headers: []string{key + "k3"}, want: "201", as: "extra"},
		{say: "(it goes)", call: "DELETE /v1/categories/{extra}", want: "204"},
		{say: "(the other too)", call: "DELETE /v1/categories/{category}", want: "204"},
		{say: "(and the service)", call: "DELETE /v1/services/{service}", want: "204"},
		{say: "the first answer stays", call: "POST /v1/services/{service}/categories", body: `{"name":"x"}`, headers: []string{key + "k3"}, want: `201 name="x"`},
	})

	s.advance(store.OnceKept)
	renewed := s.ok(201, "POST", path, `{"name":"Salud 3"}`, key+"k1")
	if renewed.id() == first.id() {
		t.Error("a key is remembered for more than 24 hours")
	}
	if a := s.ok(201, "POST", path, `{"name":"Salud 3"}`, key+"k1"); a.text != renewed.text {
		t.Errorf("the new answer under an old key is %s, want %s", a.text, renewed.text)
	}
}

// TestShownOnce: the value of a token is in the first answer and nowhere else,
// not in the answer to the same call again, and not in the table.
func TestShownOnce(t *testing.T) {
	s := seed(t)
	path := "/v1/specialists/" + s.agentID + "/tokens"
	body := `{"description":"report","expires_at":"2026-05-01T00:00:00Z"}`
	first := s.ok(201, "POST", path, body, "Idempotency-Key: t")
	value, _ := first.get("token").(string)
	if a := s.do(value, "GET", "/v1/me", ""); a.status != 200 || a.get("token.id") != first.id() {
		t.Fatalf("the token does not work: %d %s", a.status, a.text)
	}
	again := s.ok(201, "POST", path, body, "Idempotency-Key: t")
	if again.get("token") != nil || again.id() != first.id() || again.get("last_four") != value[len(value)-4:] {
		t.Errorf("again: %s", again.text)
	}
	if list := s.ok(200, "GET", path, ""); list.get("items.0.token") != nil || strings.Contains(list.text, value[10:30]) {
		t.Errorf("list: %s", list.text)
	}
}

// TestSameKeyAtOnce: of calls that run at the same time under one key, one
// creates and all give its answer.
func TestSameKeyAtOnce(t *testing.T) {
	s := seed(t)
	const calls = 12
	answers := make([]answer, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			answers[i] = s.do(s.admin, "POST", "/v1/clients", `{"name":"Zoe","user_name":"zoe","phone":"573005550000"}`, "Idempotency-Key: same")
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a.status != 201 || a.text != answers[0].text {
			t.Errorf("%d %s, want 201 %s", a.status, a.text, answers[0].text)
		}
	}
	if list := s.ok(200, "GET", "/v1/clients?q=zoe", ""); list.get("items.0.user_name") != "zoe" || list.get("items.1") != nil {
		t.Errorf("clients: %s", list.text)
	}
}

// TestChangesAtOnce: no change is lost (R11): of changes to different fields
// without If-Match all are there in the end, and the version counts them.
func TestChangesAtOnce(t *testing.T) {
	s := seed(t)
	bodies := []string{`{"name":"New"}`, `{"email":"new@example.com"}`, `{"culture":"pt"}`, `{"active":false}`}
	answers := make([]answer, len(bodies))
	var wg sync.WaitGroup
	for i, body := range bodies {
		wg.Go(func() { answers[i] = s.do(s.admin, "PATCH", "/v1/clients/"+s.client, body) })
	}
	wg.Wait()
	done := 1.0
	for _, a := range answers {
		if a.status == 200 {
			done++
		} else if a.status != 409 {
			t.Errorf("%d %s", a.status, a.text)
		}
	}
	a := s.ok(200, "GET", "/v1/clients/"+s.client, "")
	if a.get("version") != done {
		t.Errorf("version %v after %v changes", a.get("version"), done-1)
	}
	for i, field := range []string{"name", "email", "culture", "active"} {
		if answers[i].status == 200 && a.get(field) != answers[i].get(field) {
			t.Errorf("%s is %v, was set to %v", field, a.get(field), answers[i].get(field))
		}
	}
}

// lossy answers one Write with an error, after or before it took place.
type lossy struct {
	table.Table
	armed   bool
	applied bool
}

func (l *lossy) Write(ctx context.Context, ops ...table.Op) error {
	if !l.armed {
		return l.Table.Write(ctx, ops...)
	}
	l.armed = false
	if l.applied {
		if err := l.Table.Write(ctx, ops...); err != nil {
			return err
		}
	}
	return tabletest.ErrUnknown
}

// TestLostAnswer: when the answer of the table is lost, the caller gets a 500
// and the same call again creates once, whether the first took place or not.
func TestLostAnswer(t *testing.T) {
	for _, applied := range []bool{true, false} {
		for _, c := range []struct{ path, body string }{
			{"/v1/projects", `{"name":"Salud","code":"SALUD"}`},
			{"/v1/clients", `{"name":"Zoe","user_name":"zoe","phone":"573005550000"}`},
		} {
			tab := &lossy{Table: tabletest.Open(t), applied: applied}
			w := worldOn(t, tab)
			tab.armed = true
			if a := w.do(w.admin, "POST", c.path, c.body, "Idempotency-Key: k"); a.status != 500 {
				t.Errorf("%s, applied %v: %d %s", c.path, applied, a.status, a.text)
			}
			first := w.ok(201, "POST", c.path, c.body, "Idempotency-Key: k")
			if again := w.ok(201, "POST", c.path, c.body, "Idempotency-Key: k"); again.text != first.text {
				t.Errorf("%s, applied %v: %s, then %s", c.path, applied, first.text, again.text)
			}
			if list := w.ok(200, "GET", c.path, ""); list.get("items.0.id") != first.id() || list.get("items.1") != nil {
				t.Errorf("%s, applied %v: %s", c.path, applied, list.text)
			}
		}
	}
}

// TestHostileTable: against a table as bad as DynamoDB may be, a caller who
// repeats each call under its key until it is answered ends with exactly what
// they asked for.
func TestHostileTable(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inner := tabletest.Open(t)
			plain := worldOn(t, inner) // makes the companies undisturbed
			w := &world{t: t, at: plain.at, log: plain.log, admin: plain.admin, adminID: plain.adminID, ids: plain.ids}
			hostile := tabletest.Hostile(inner, seed, w.now, tabletest.Typical())
			api := *plain.api
			api.Store = &store.Store{Table: hostile, Now: w.now, NewID: w.newID}
			api.Now, api.NewID = w.now, w.newID
			w.api = &api
			w.handler, w.mux = handlerOf(w)
			const n = 15
			for i := range n {
				body := fmt.Sprintf(`{"name":"c","user_name":"u%d","phone":"57300000%04d"}`, i, i)
				for try := 0; ; try++ {
					a := w.do(w.admin, "POST", "/v1/clients", body, fmt.Sprint("Idempotency-Key: k", i))
					if a.status == 201 {
						break
					}
					if a.status != 500 && a.status != 503 && a.status != 409 || try > 100 {
						t.Fatalf("client %d, try %d: %d %s", i, try, a.status, a.text)
					}
				}
			}
			w.advance(2 * tabletest.IndexLag)
			seen := map[any]bool{}
			for cursor := ""; ; {
				a := w.do(w.admin, "GET", "/v1/clients?limit=4"+cursor, "")
				if a.status == 500 || a.status == 503 {
					continue
				}
				items, _ := a.get("items").([]any)
				for i := range items {
					name := a.get(fmt.Sprintf("items.%d.user_name", i))
					if seen[name] {
						t.Errorf("%v is listed twice", name)
					}
					seen[name] = true
				}
				next, _ := a.get("next_cursor").(string)
				if next == "" {
					break
				}
				cursor = "&cursor=" + next
			}
			if len(seen) != n {
				t.Errorf("%d clients, want %d", len(seen), n)
			}
		})
	}
}
