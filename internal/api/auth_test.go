package api

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/fuzztest"
	"buzon/internal/store"
)

// agents are the contract's words for what agents may call, with the routes that
// they mean; "the rest 403" (contract section 3). A word ends where a path does.
var agents = []struct{ words, methods, path string }{
	{"conversations", "GET POST", "/v1/conversations/"},
	{"cases", "GET POST PATCH", "/v1/cases/"},
	{"workspace", "GET", "/v1/workspace/"},
	{"sending templates", "POST", "/v1/templates/{id}/messages/"},
	{"uploads", "GET POST", "/v1/uploads/"},
	{"own account", "GET", "/v1/me/"},
}

// wantedRole is who may call a route, as the contract says.
func wantedRole(rt route) string {
	if !strings.HasPrefix(rt.pattern, "/v1/") {
		return anybody
	}
	for _, a := range agents {
		if strings.HasPrefix(rt.pattern+"/", a.path) && slices.Contains(strings.Fields(a.methods), rt.method) {
			return agent
		}
	}
	return admin
}

// TestRoles: each route is open to whom the contract opens it, and each of its words
// for agents means a route.
func TestRoles(t *testing.T) {
	meant := map[string]bool{}
	for _, rt := range routes() {
		if want := wantedRole(rt); rt.role != want {
			t.Errorf("%s %s: role %q, want %q", rt.method, rt.pattern, rt.role, want)
		}
		for _, a := range agents {
			meant[a.words] = meant[a.words] || strings.HasPrefix(rt.pattern+"/", a.path)
		}
	}
	for _, a := range agents {
		if !meant[a.words] {
			t.Errorf("%q means no route", a.words)
		}
	}
}

// TestAuthorisation: every route times every kind of caller (T16). The rows are
// what an admin gets with a body that works; a route without a row fails. What
// the others get follows from the role that the contract gives them.
func TestAuthorisation(t *testing.T) {
	rows := map[string]struct {
		status int
		body   string
	}{
		"GET /v1/projects":                           {200, ""},
		"POST /v1/projects":                          {201, `{"name":"x"}`},
		"GET /v1/projects/{id}":                      {200, ""},
		"PATCH /v1/projects/{id}":                    {200, `{}`},
		"DELETE /v1/projects/{id}":                   {409, ""},
		"GET /v1/projects/{id}/anonymous-access":     {200, ""},
		"PUT /v1/projects/{id}/anonymous-access":     {200, `{"enabled":true,"services":"all","categories":"all"}`},
		"GET /v1/projects/{id}/service-groups":       {200, ""},
		"POST /v1/projects/{id}/service-groups":      {201, `{"name":"x"}`},
		"GET /v1/service-groups/{id}":                {200, ""},
		"PATCH /v1/service-groups/{id}":              {200, `{}`},
		"DELETE /v1/service-groups/{id}":             {409, ""},
		"GET /v1/projects/{id}/services":             {200, ""},
		"POST /v1/projects/{id}/services":            {201, `{"name":"x"}`},
		"GET /v1/services/{id}":                      {200, ""},
		"PATCH /v1/services/{id}":                    {200, `{}`},
		"DELETE /v1/services/{id}":                   {409, ""},
		"GET /v1/services/{id}/categories":           {200, ""},
		"POST /v1/services/{id}/categories":          {201, `{"name":"x"}`},
		"GET /v1/categories/{id}":                    {200, ""},
		"PATCH /v1/categories/{id}":                  {200, `{}`},
		"DELETE /v1/categories/{id}":                 {204, ""},
		"GET /v1/bot":                                {200, ""},
		"PUT /v1/bot":                                {200, `{"language":"es"}`},
		"GET /v1/bot/warnings":                       {200, ""},
		"GET /v1/clients":                            {200, ""},
		"POST /v1/clients":                           {201, `{"name":"x","user_name":"new-client"}`},
		"GET /v1/clients/{id}":                       {200, ""},
		"PATCH /v1/clients/{id}":                     {200, `{}`},
		"DELETE /v1/clients/{id}":                    {204, ""},
		"GET /v1/specialists":                        {200, ""},
		"POST /v1/specialists":                       {201, `{"name":"x","user_name":"new-one","roles":["agent"]}`},
		"GET /v1/specialists/{id}":                   {200, ""},
		"PATCH /v1/specialists/{id}":                 {200, `{}`},
		"DELETE /v1/specialists/{id}":                {204, ""},
		"GET /v1/specialists/{id}/tokens":            {200, ""},
		"POST /v1/specialists/{id}/tokens":           {201, `{"description":"x","expires_at":"2026-04-01T00:00:00Z"}`},
		"DELETE /v1/specialists/{id}/tokens/{token}": {204, ""},
		"GET /v1/channels":                           {200, ""},
		"GET /v1/channels/{id}":                      {200, ""},
		"POST /v1/channels":                          {201, `{"kind":"whatsapp","provider":"gupshup","requester":{"name":"x","email":"x@example.com"}}`},
		"PATCH /v1/channels/{id}":                    {200, `{}`},
		"DELETE /v1/channels/{id}":                   {204, ""},
		"POST /v1/channels/{id}/approval":            {409, `{}`},
		"POST /v1/channels/{id}/rejection":           {409, `{}`},
		"PUT /v1/channels/{id}/credentials":          {200, `{"credentials":{"app":"a","app_id":"b","api_key":"c"}}`},
		"PUT /v1/channels/{id}/state":                {200, `{"state":"active"}`},
		"GET /v1/channels/{id}/impact":               {200, ""},
		"PUT /v1/channels/{id}/queues":               {200, `{"queues":[]}`},
		"POST /v1/channels/{id}/secret":              {200, ""},
		"GET /v1/queues":                             {200, ""},
		"POST /v1/queues":                            {201, `{"name":"x"}`},
		"GET /v1/queues/{id}":                        {200, ""},
		"PATCH /v1/queues/{id}":                      {200, `{}`},
		"DELETE /v1/queues/{id}":                     {204, ""},
		"GET /v1/campaigns":                          {200, ""},
		"POST /v1/campaigns":                         {201, `{"name":"x"}`},
		"GET /v1/campaigns/{id}":                     {200, ""},
		"PATCH /v1/campaigns/{id}":                   {200, `{}`},
		"DELETE /v1/campaigns/{id}":                  {204, ""},
		"GET /v1/channels/{id}/templates":            {200, ""},
		"POST /v1/channels/{id}/templates":           {201, wanted},
		"POST /v1/channels/{id}/templates/sync":      {202, ""},
		"GET /v1/templates/{id}":                     {200, ""},
		"PUT /v1/templates/{id}/assignments":         {422, `{"campaigns":[],"queues":["x"]}`},
		"POST /v1/templates/{id}/messages":           {201, `{"number":"+573009990000","params":{"1":"x"}}`},
		"GET /v1/workspace/templates":                {200, ""},
		"POST /v1/uploads":                           {201, `{"kind":"image","name":"a.png","content_type":"image/png"}`},
		"GET /v1/uploads/{id}":                       {200, ""},
		"PUT /v1/templates/{id}/active":              {200, `{"active":true}`},
		"GET /v1/quarantine":                         {200, ""},
		"POST /v1/quarantine/{id}/replay":            {202, ""},
		"GET /v1/conversations":                      {200, ""},
		"GET /v1/conversations/{id}":                 {200, ""},
		"GET /v1/conversations/{id}/messages":        {200, ""},
		"GET /v1/cases":                              {200, ""},
		"GET /v1/cases/{id}":                         {200, ""},
		"PATCH /v1/cases/{id}":                       {200, `{}`},
		"GET /v1/cases/{id}/history":                 {200, ""},
		"POST /v1/cases/{id}/conversations":          {409, `{"conversation":"x"}`},
		"GET /v1/me":                                 {200, ""},
		"GET /openapi.yaml":                          {200, ""},
		"GET /docs":                                  {200, ""},
		"GET /health":                                {200, ""},
	}
	s := seed(t)
	withFiles(s)
	check(t, s.demo.CreateUpload(t.Context(), desk.Upload{ID: "up1", Kind: desk.TemplateImage, CreatedAt: start, ExpiresAt: start}, nil))
	v := must(s.demo.Template(t.Context(), s.template))
	v.Queues = []string{"qu1"}
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	ids := map[string]string{
		"uploads": "up1", "projects": s.project, "service-groups": s.group, "services": s.service, "categories": s.category, "clients": s.client,
		"specialists": s.agentID, "channels": s.channel, "templates": s.template, "quarantine": s.held,
		"conversations": s.conversation, "cases": s.theCase, "queues": s.queue, "campaigns": s.campaign,
	}
	callers := s.callers()
	for _, rt := range routes() {
		pattern := rt.method + " " + rt.pattern
		row, ok := rows[pattern]
		if !ok {
			t.Errorf("%s: no row in this test", pattern)
			continue
		}
		path := rt.pattern
		if strings.Contains(path, "{id}") {
			id, ok := ids[strings.Split(path, "/")[2]]
			if !ok {
				t.Fatalf("%s: no id for it in this test", pattern)
			}
			path = strings.NewReplacer("{id}", id, "{token}", s.token).Replace(path)
		}
		for _, c := range callers {
			want := row.status
			switch {
			case wantedRole(rt) == anybody:
			case c.known == false:
				want = 401
			case wantedRole(rt) == admin && c.role == agent:
				want = 403
			case c.stranger && strings.Contains(rt.pattern, "{id}"):
				want = 404
			}
			if want < 300 && rt.method == http.MethodDelete {
				continue // told at the end, when nobody needs the thing any more
			}
			body := strings.Replace(row.body, "new-", "new-"+strings.ReplaceAll(c.name, " ", "-"), 1)
			a := s.do(c.token, rt.method, path, body)
			if a.status != want {
				t.Errorf("%s as %s: %d %s, want %d", pattern, c.name, a.status, a.text, want)
			}
			if c.stranger && want == 404 && strings.Contains(a.text, "demo") {
				t.Errorf("%s tells a stranger of the company: %s", pattern, a.text)
			}
		}
	}
	for _, rt := range routes() {
		if pattern := rt.method + " " + rt.pattern; rt.method == http.MethodDelete && rows[pattern].status == 204 && !strings.HasPrefix(rt.pattern, "/v1/specialists/{id}/") {
			path := strings.Replace(rt.pattern, "{id}", ids[strings.Split(rt.pattern, "/")[2]], 1)
			if a := s.do(s.admin, rt.method, path, ""); a.status != 204 {
				t.Errorf("%s as admin: %d", pattern, a.status)
			}
		}
	}
}

// caller is one kind of principal.
type caller struct {
	name, token, role string
	known             bool // the token is good
	stranger          bool // of another company
}

func (s *seeded) callers() []caller {
	t := s.t
	ctx := t.Context()
	token := func(specialist string, life time.Duration) string {
		return must(s.api.MakeToken(ctx, "demo", specialist, "test", life))
	}
	idle := must(s.specialist("Idle", "idle", desk.RoleAdmin))
	off := token(idle.ID, time.Hour)
	changed := idle
	changed.Active = false
	check(t, s.demo.SaveSpecialist(ctx, idle, changed, nil))
	gone := must(s.specialist("Gone", "gone", desk.RoleAdmin))
	orphan := token(gone.ID, time.Hour)
	check(t, s.demo.DeleteSpecialist(ctx, gone))
	revoked := token(s.adminID, time.Hour)
	_, id, _ := parseToken(revoked)
	stored := must(s.demo.Token(ctx, id))
	stored.RevokedAt = s.now()
	check(t, s.demo.SaveToken(ctx, stored, nil))
	expired := token(s.adminID, time.Second)
	s.advance(time.Minute)
	return []caller{
		{"nobody", "", "", false, false},
		{"bad token", "bzn_demo_x", "", false, false},
		{"forged token", forge(s.admin), "", false, false},
		{"expired token", expired, "", false, false},
		{"revoked token", revoked, "", false, false},
		{"inactive specialist", off, "", false, false},
		{"deleted specialist", orphan, "", false, false},
		{"agent", s.agent, agent, true, false},
		{"admin", s.admin, admin, true, false},
		{"other company's admin", s.other, admin, true, true},
	}
}

// forge makes a token of the right shape with another secret.
func forge(value string) string {
	head := value[:len(value)-1-sumLen]
	last := byte('A')
	if head[len(head)-1] == 'A' {
		last = 'B'
	}
	head = head[:len(head)-1] + string(last)
	return head + "_" + checksum(head)
}

// TestUnauthenticatedAnswersAreAlike: the answer does not tell what is wrong
// with a token.
func TestUnauthenticatedAnswersAreAlike(t *testing.T) {
	s := seed(t)
	first := ""
	for _, c := range s.callers() {
		if c.known {
			continue
		}
		a := s.do(c.token, "GET", "/v1/me", "")
		text := strings.Replace(a.text, fmt.Sprint(a.get("request_id")), "", 1)
		if first == "" {
			first = text
		}
		if a.status != 401 || text != first || a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %s, want as %s", c.name, a.status, text, first)
		}
	}
}

// TestAuthorizationHeader: how a token may be sent.
func TestAuthorizationHeader(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, header string
		status       int
	}{
		{"as RFC 6750 has it", "Bearer " + w.admin, 200},
		{"the scheme in other letters", "bearer " + w.admin, 200},
		{"two spaces", "Bearer  " + w.admin, 200},
		{"another scheme", "Basic " + w.admin, 401},
		{"no scheme", w.admin, 401},
		{"nothing behind the scheme", "Bearer ", 401},
		{"a letter more", "Bearer " + w.admin + "x", 401},
		{"another company's name in it", "Bearer " + strings.Replace(w.admin, "_demo_", "_other_", 1), 401},
	} {
		if a := w.do("", "GET", "/v1/me", "", "Authorization: "+c.header); a.status != c.status {
			t.Errorf("%s: %d, want %d", c.name, a.status, c.status)
		}
	}
}

// TestToken: a token's shape (T43), and that what is stored is no token.
func TestToken(t *testing.T) {
	value, stored, err := NewToken("demo", bytes.NewReader(bytes.Repeat([]byte{0xfb}, 37)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "bzn_demo_zfxzqyzv_-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7_"; !strings.HasPrefix(value, want[:9]) || len(value) != 4+4+1+8+1+43+1+8 {
		t.Errorf("token %q", value)
	}
	if tenant, id, ok := parseToken(value); !ok || tenant != "demo" || id != stored.ID {
		t.Errorf("parsed as %q %q %v", tenant, id, ok)
	}
	if !isValue(stored, value) || isValue(stored, value+"x") || strings.Contains(fmt.Sprint(stored), value[9:40]) || stored.LastFour != value[len(value)-4:] {
		t.Errorf("stored %+v of %q", stored, value)
	}
	for i := range value {
		for _, c := range []byte("aA0_-") {
			other := value[:i] + string(c) + value[i+1:]
			if _, _, ok := parseToken(other); ok && other != value {
				t.Errorf("%q passes for a token", other)
			}
		}
	}
	if _, _, err := NewToken("demo", io.LimitReader(rand.Reader, 36)); err == nil {
		t.Error("a token of too little randomness")
	}
}

// TestMakeTenant: a company with its first admin, once.
func TestMakeTenant(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if a := w.do(w.admin, "GET", "/v1/me", ""); a.get("user_name") != "admin" || a.get("tenant.name") != "Ciudad Demo" {
		t.Errorf("%d %s", a.status, a.text)
	}
	if _, err := w.api.MakeTenant(ctx, "demo", "Again"); !errors.Is(err, fault.Conflict) {
		t.Errorf("a company that is there: %v", err)
	}
	for _, id := range []string{"", "A", "a_b", strings.Repeat("a", 17)} {
		if _, err := w.api.MakeTenant(ctx, id, "x"); !errors.Is(err, fault.Invalid) {
			t.Errorf("short id %q: %v", id, err)
		}
	}
	if _, err := w.api.MakeToken(ctx, "demo", w.adminID, "x", desk.MaxTokenLife+1); !errors.Is(err, fault.Invalid) {
		t.Errorf("a token of more than a year: %v", err)
	}
	if _, err := w.specialist("x", "lprada", desk.RoleAgent); !errors.Is(err, fault.Invalid) {
		t.Errorf("a user name that is taken: %v", err)
	}
	// A run that broke off after the admin was made is finished by the next.
	half := w.api.Store.In("half")
	must(w.api.firstAdmin(ctx, half))
	token := must(w.api.MakeTenant(ctx, "half", "Half"))
	if a := w.do(token, "GET", "/v1/me", ""); a.status != 200 || a.get("id") != store.Hash("first admin", "half") {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// FuzzParseToken: whatever is sent for a token, reading it is quick and gives
// only names that may become keys.
func FuzzParseToken(f *testing.F) {
	value, _, err := NewToken("demo", rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", value, "bzn_", strings.Repeat("_", 70), "bzn_" + strings.Repeat("a", 10000), forge(value)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var tenant, id string
		var ok bool
		fuzztest.Limit{Memory: 64 << 10, PerByte: 10}.Check(t, len(s), func() { tenant, id, ok = parseToken(s) })
		if n := testing.AllocsPerRun(1, func() { parseToken(s) }); n > 20 {
			t.Fatalf("%v allocations", n)
		}
		if ok && (!store.ValidTenant(tenant) || !validID(id) || !strings.HasPrefix(s, "bzn_"+tenant+"_"+id+"_")) {
			t.Fatalf("%q read as %q %q", s, tenant, id)
		}
	})
}
