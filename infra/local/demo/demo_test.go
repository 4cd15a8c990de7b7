package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	secrets "buzon/internal/secret/embedded"
	"buzon/internal/store"
	"buzon/internal/table"
	tables "buzon/internal/table/embedded"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const base = "http://127.0.0.1:3000"

// world is a data folder with its table and secrets.
type world struct {
	folder  string
	breaker *breaker
	store   *store.Store
	secrets *secrets.Store
	maker   Maker
	now     time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{folder: t.TempDir(), now: noon}
	inner, err := tables.Open(filepath.Join(w.folder, "table.db"), tables.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inner.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.secrets, err = secrets.Open(filepath.Join(w.folder, "secrets.json")); err != nil {
		t.Fatal(err)
	}
	w.breaker = &breaker{Table: inner, after: -1}
	now := func() time.Time { return w.now }
	n := 0
	w.maker = Maker{Now: now, NewID: func() string {
		n++
		return fmt.Sprintf("%08d", n)
	}}
	w.store = &store.Store{Table: w.breaker, Now: now, NewID: w.maker.NewID, CacheFor: time.Minute}
	return w
}

func (w *world) ensure(ctx context.Context, baseURL string) (Plan, error) {
	return Ensure(ctx, w.folder, baseURL, w.maker, w.store, w.secrets)
}

// breaker is a table whose process dies at a write: nothing works after it.
type breaker struct {
	table.Table
	mu      sync.Mutex
	writes  int
	after   int  // so many writes work; below 0: all
	applied bool // the one at which it dies takes place
}

var errDied = errors.New("process died")

func (b *breaker) Write(ctx context.Context, ops ...table.Op) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.writes
	b.writes++
	if b.after < 0 || n < b.after {
		return b.Table.Write(ctx, ops...)
	}
	if n == b.after && b.applied {
		if err := b.Table.Write(ctx, ops...); err != nil {
			return err
		}
	}
	return errDied
}

// whole checks that everything of the plan is in the table, once and as planned.
func (w *world) whole(t *testing.T, p Plan) {
	t.Helper()
	ctx := t.Context()
	for _, c := range []Company{p.Demo, p.Other} {
		in := w.store.In(c.Tenant.ID)
		if self, err := in.Self(ctx); err != nil || self.Name != c.Tenant.Name {
			t.Errorf("company %s: %+v, %v", c.Tenant.ID, self, err)
		}
		got, err := in.FreshCatalogue(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Projects {
			got.Projects[i].Version--
		}
		for i := range got.Groups {
			got.Groups[i].Version--
		}
		for i := range got.Services {
			got.Services[i].Version--
		}
		for i := range got.Categories {
			got.Categories[i].Version--
		}
		want := desk.Catalogue{Projects: c.Projects, Groups: c.Groups, Services: c.Services, Categories: c.Categories}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("catalogue of %s (-want +got):\n%s", c.Tenant.ID, d)
		}
		if offered := got.Offered(); len(offered.Projects) != len(c.Projects) || len(offered.Services) != len(c.Services) || len(offered.Categories) != len(c.Categories) {
			t.Errorf("%s: not everything is open to anonymous access", c.Tenant.ID)
		}
		for _, want := range c.Channels() {
			ch, err := in.FreshChannel(ctx, want.ID)
			if err != nil || ch.SecretHash != want.SecretHash || want.Secret != "" && ch.SecretHash != store.SecretHash(want.Secret) || ch.State != desk.ChannelActive {
				t.Errorf("channel of %s: %+v, %v", c.Tenant.ID, ch, err)
			}
			value, err := w.secrets.Get(ctx, in.CredentialsName(desk.Channel{ID: want.ID}))
			cred := channel.Credentials{APIKey: want.APIKey, AccessToken: want.AccessToken, AppSecret: want.AppSecret, VerifyToken: want.VerifyToken}
			var got channel.Credentials
			if err != nil || json.Unmarshal([]byte(value), &got) != nil || got != cred || got == (channel.Credentials{}) {
				t.Errorf("credentials of %s: %v", c.Tenant.ID, err)
			}
			if sync, err := in.ChannelSync(ctx, want.ID); err != nil || !sync.Armed.Equal(noon.Add(firstSync)) || !sync.Began.IsZero() {
				t.Errorf("list of templates of %s: %+v, %v", want.ID, sync, err)
			}
			if want.Provider != desk.ProviderMeta {
				continue
			}
			number, err := in.ChannelOfNumber(ctx, want.PhoneNumberID)
			accounts, err2 := in.ChannelsOfAccount(ctx, want.AccountID)
			if err != nil || err2 != nil || number != want.ID || len(accounts) != 1 || ch.MetaApp == "" {
				t.Errorf("what leads to %s: %s, %v, %v, %v", want.ID, number, accounts, err, err2)
			}
		}
		bot, err := in.FreshBot(ctx)
		if err != nil || bot.AnonymousUser != c.Clients[0].ID || bot.ProjectCode != "" {
			t.Errorf("bot of %s: %+v, %v", c.Tenant.ID, bot, err)
		}
		for _, v := range c.Clients {
			if got, err := in.Client(ctx, v.ID); err != nil || got.Name != v.Name || got.Active != v.Active {
				t.Errorf("client %s: %+v, %v", v.Name, got, err)
			}
		}
		for i, v := range c.Specialists {
			if got, err := in.Specialist(ctx, v.ID); err != nil || !reflect.DeepEqual(got.Roles, v.Roles) {
				t.Errorf("specialist %s: %+v, %v", v.Name, got, err)
			}
			if got, err := in.Token(ctx, c.Tokens[i].ID); err != nil || got.Hash != c.Tokens[i].Hash || got.Specialist != v.ID {
				t.Errorf("token of %s: %+v, %v", v.Name, got, err)
			}
		}
		templates, err := in.Templates(ctx, c.Channel.ID)
		if err != nil || len(templates) != len(c.Templates) {
			t.Errorf("templates of %s: %+v, %v", c.Tenant.ID, templates, err)
		}
		for _, v := range templates {
			if !v.Sendable() || v.Name != "create_case" || v.Language != "es" || !strings.Contains(v.Body, "{{1}}") {
				t.Errorf("template %+v", v)
			}
		}
	}
}

// file reads demo.json.
func (w *world) file(t *testing.T) description {
	t.Helper()
	path := filepath.Join(w.folder, File)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("demo.json: %v, %v", info, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDemoIsWhatTheContractSays(t *testing.T) {
	w := newWorld(t)
	p, err := w.ensure(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	w.whole(t, p)
	if got := names(p.Demo.Projects, func(v desk.Project) string { return v.Name }); got != "Servicios públicos, Movilidad, Salud" {
		t.Errorf("projects %s", got)
	}
	public := p.Demo.Projects[0].ID
	var sizes []int
	long, short := 0, map[string]bool{}
	for _, g := range p.Demo.Groups {
		if g.Project != public {
			continue
		}
		n := 0
		for _, s := range p.Demo.Services {
			if s.Group == g.ID {
				n++
			}
		}
		sizes = append(sizes, n)
	}
	if !reflect.DeepEqual(sizes, []int{11, 6, 4, 2}) {
		t.Errorf("services in the groups of Servicios públicos: %v", sizes)
	}
	for i, s := range p.Demo.Services {
		if short[s.Name] {
			t.Errorf("service %s twice", s.Name)
		}
		short[s.Name] = true
		if len([]rune(s.Name)) > desk.MaxListTitle {
			long++
		}
		var categories []string
		for _, k := range p.Demo.Categories {
			if k.Service == s.ID {
				categories = append(categories, k.Name)
			}
		}
		want := 3
		if i == 0 {
			want = 31
			if s.Name != "Alumbrado" || categories[0] != "Categoría 01" || categories[30] != "Categoría 31" {
				t.Errorf("first service %s with %v", s.Name, categories)
			}
		}
		if len(categories) != want {
			t.Errorf("%s has %d categories, want %d", s.Name, len(categories), want)
		}
	}
	if long < 3 {
		t.Errorf("%d services have names longer than a list shows", long)
	}
	if len(p.Other.Projects) != 1 || len(p.Other.Services) == 0 {
		t.Errorf("other company: %+v", p.Other)
	}
}

func names[T any](all []T, name func(T) string) string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = name(v)
	}
	return strings.Join(out, ", ")
}

func TestDemoFileHasTheShapeOfTheContract(t *testing.T) {
	w := newWorld(t)
	p, err := w.ensure(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(w.folder, File))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	ch := "id key webhook_url callback_url identifier app app_id phone_number_id api_key"
	want := strings.Fields("base_url tenant admin_token agent_token people.registered.number people.registered.name " +
		"people.registered.culture people.inactive.number projects.id projects.name other.tenant other.admin_token")
	for _, field := range strings.Fields(ch) {
		want = append(want, "channels.whatsapp."+field, "other.channels.whatsapp."+field)
	}
	for _, field := range strings.Fields("id key webhook_url identifier phone_number_id business_account_id access_token app_secret verify_token") {
		want = append(want, "channels.meta."+field)
	}
	got := map[string]string{}
	paths(tree, "", got)
	sort.Strings(want)
	if d := cmp.Diff(want, keys(got)); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
	for path, shape := range map[string]string{
		"base_url":                                `^http://127\.0\.0\.1:3000$`,
		"tenant":                                  `^demo$`,
		"other.tenant":                            `^other$`,
		"admin_token":                             `^bzn_demo_`,
		"agent_token":                             `^bzn_demo_`,
		"other.admin_token":                       `^bzn_other_`,
		"channels.whatsapp.key":                   `^whatsapp$`,
		"channels.whatsapp.id":                    `^demo-`,
		"channels.whatsapp.webhook_url":           `^http://127\.0\.0\.1:3000/webhooks/gupshup/demo-[0-9a-z]+/[0-9A-Za-z_-]{43}$`,
		"channels.whatsapp.callback_url":          `^http://127\.0\.0\.1:3000/callbacks/templates/gupshup/demo-[0-9a-z]+/[0-9A-Za-z_-]{43}$`,
		"channels.whatsapp.identifier":            `^[1-9][0-9]{7,14}$`,
		"channels.whatsapp.app":                   `^BuzonDemo$`,
		"other.channels.whatsapp.app":             `^BuzonOther$`,
		"channels.whatsapp.app_id":                `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"channels.whatsapp.phone_number_id":       `^[0-9]+$`,
		"other.channels.whatsapp.webhook_url":     `/other-`,
		"channels.meta.key":                       `^meta$`,
		"channels.meta.webhook_url":               `^http://127\.0\.0\.1:3000/webhooks/whatsapp/demo-[0-9a-z]+$`,
		"channels.meta.identifier":                `^12025550101$`,
		"channels.meta.phone_number_id":           `^[0-9]+$`,
		"channels.meta.business_account_id":       `^[0-9]+$`,
		"channels.meta.access_token":              `.{20,}`,
		"channels.meta.app_secret":                `.{20,}`,
		"channels.meta.verify_token":              `.{20,}`,
		"people.registered.culture":               `^es$`,
		"people.registered.number":                `^[1-9][0-9]{7,14}$`,
		"people.inactive.number":                  `^[1-9][0-9]{7,14}$`,
		"projects.id":                             `^` + p.Demo.Projects[2].ID + `$`,
		"channels.whatsapp.api_key":               `.{20,}`,
		"other.channels.whatsapp.phone_number_id": `^[0-9]+$`,
	} {
		if !regexp.MustCompile(shape).MatchString(got[path]) {
			t.Errorf("%s is %q, not of the shape %s", path, got[path], shape)
		}
	}
}

// paths gives the last value under each path.
func paths(v any, at string, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			paths(x, strings.TrimPrefix(at+"."+k, "."), out)
		}
	case []any:
		for _, x := range v {
			paths(x, at, out)
		}
	default:
		out[at] = fmt.Sprint(v)
	}
}

func keys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func TestLaterStartsKeepEverythingButTheAddresses(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p, err := w.ensure(ctx, base)
	if err != nil {
		t.Fatal(err)
	}
	before := w.file(t)
	in := w.store.In("demo")
	first, err := in.Project(ctx, p.Demo.Projects[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	renamed := first
	renamed.Name = "Tránsito"
	if err := in.SaveProject(ctx, first, renamed, nil); err != nil {
		t.Fatal(err)
	}
	gone, err := in.Category(ctx, p.Demo.Categories[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.DeleteCategory(ctx, gone); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ensure(ctx, "http://127.0.0.1:4000"); err != nil {
		t.Fatal(err)
	}
	after := w.file(t)
	if got := strings.ReplaceAll(fmt.Sprint(after), ":4000", ":3000"); got != fmt.Sprint(before) || after.BaseURL != "http://127.0.0.1:4000" {
		t.Errorf("demo.json was %v and is %v", before, after)
	}
	if got, err := in.Project(ctx, first.ID); err != nil || got.Name != "Tránsito" {
		t.Errorf("what a user changed is %+v, %v", got, err)
	}
	if _, err := in.Category(ctx, gone.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("what a user deleted is back: %v", err)
	}
	if err := os.Remove(filepath.Join(w.folder, File)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ensure(ctx, base); err != nil {
		t.Fatal(err)
	}
	if again := w.file(t); fmt.Sprint(again) != fmt.Sprint(before) {
		t.Errorf("demo.json that was lost came back as %v, was %v", again, before)
	}
}

// TestACrashAtAnyStepIsResumed: every start dies at a write of the table, two
// writes further than the start before it, until one comes through.
func TestACrashAtAnyStepIsResumed(t *testing.T) {
	for _, c := range []struct {
		sentence string
		after    int
		applied  bool
	}{
		{"the write at which it dies takes place", 1, true},
		{"the write at which it dies is lost", 2, false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			var plan Plan
			deaths := 0
			for {
				w.breaker.writes, w.breaker.after, w.breaker.applied = 0, c.after, c.applied
				p, err := w.ensure(t.Context(), base)
				if deaths == 0 {
					plan = p
				}
				if p.Demo.Tokens[0].Value != plan.Demo.Tokens[0].Value || p.Demo.Channel.Secret != plan.Demo.Channel.Secret {
					t.Fatalf("start %d: other secrets than at the first", deaths+1)
				}
				if err == nil {
					w.whole(t, p)
					break
				}
				if !errors.Is(err, errDied) {
					t.Fatalf("start %d: %v", deaths+1, err)
				}
				if _, err := os.Stat(filepath.Join(w.folder, File)); !errors.Is(err, os.ErrNotExist) {
					t.Fatalf("start %d: demo.json tells of a demo that is not whole: %v", deaths+1, err)
				}
				if deaths++; deaths > 1000 {
					t.Fatal("no start makes the demo whole")
				}
			}
			if deaths < 60 {
				t.Errorf("died %d times: the breaker is not in the way", deaths)
			}
		})
	}
}

func TestADamagedPlanIsAnErrorAndStays(t *testing.T) {
	for _, content := range []string{"", "{}", "null", `{"demo":`} {
		w := newWorld(t)
		path := filepath.Join(w.folder, PlanFile)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.ensure(t.Context(), base); err == nil {
			t.Errorf("%q: no error", content)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q: became %q, %v", content, got, err)
		}
	}
}
