package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// reads counts the reads of a table.
type reads struct {
	table.Table
	mu sync.Mutex
	n  int
}

func (r *reads) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
}

func (r *reads) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	r.count()
	return r.Table.Get(ctx, keys...)
}

func (r *reads) Query(ctx context.Context, q table.Q) (table.Page, error) {
	r.count()
	return r.Table.Query(ctx, q)
}

// cachedKinds are what is kept: how each is written, read from the cache, and
// what it says.
var cachedKinds = map[string]struct {
	write func(ctx context.Context, c Company, said string) error
	read  func(ctx context.Context, c Company) (string, error)
}{
	"channel": {
		func(ctx context.Context, c Company, said string) error {
			v, _ := c.FreshChannel(ctx, "ch")
			v.ID, v.CompanyName = "ch", said
			return c.SaveChannel(ctx, v, nil)
		},
		readers["channel"],
	},
	"templates": {
		func(ctx context.Context, c Company, said string) error {
			v, _ := c.Template(ctx, "t")
			v.ID, v.Channel, v.Name = "t", "ch", said
			return c.SaveTemplate(ctx, v, nil)
		},
		readers["templates"],
	},
	"bot": {
		func(ctx context.Context, c Company, said string) error {
			v, _ := c.FreshBot(ctx)
			v.AnonymousUser = said
			return c.SaveBot(ctx, v)
		},
		readers["bot"],
	},
	"catalogue": {
		func(ctx context.Context, c Company, said string) error {
			was, _ := c.Project(ctx, "p")
			v := was
			v.ID, v.Name = "p", said
			return c.SaveProject(ctx, was, v, nil)
		},
		func(ctx context.Context, c Company) (string, error) {
			cat, err := c.Catalogue(ctx)
			if err != nil || len(cat.Projects) == 0 {
				return "", err
			}
			return cat.Projects[0].Name, nil
		},
	},
}

func TestCacheKeepsForThatLongAndNoLonger(t *testing.T) {
	for name, kind := range cachedKinds {
		counted := &reads{Table: tabletest.Open(t)}
		s, ck := open(counted)
		c := s.In("acme")
		other := (&Store{Table: counted, Now: ck.Now}).In("acme") // another process
		ctx := t.Context()
		must(t, kind.write(ctx, c, "one"))
		look := func(why, wanted string, fromTable bool) {
			t.Helper()
			counted.n = 0
			if said, err := kind.read(ctx, c); err != nil || said != wanted || (counted.n > 0) != fromTable {
				t.Errorf("%s: %s: %q after %d reads, %v", name, why, said, counted.n, err)
			}
		}
		look("the first time", "one", true)
		look("again", "one", false)
		must(t, kind.write(ctx, c, "two"))
		look("written through this store", "two", true)
		must(t, kind.write(ctx, other, "three"))
		look("written by another process", "two", false)
		ck.advance(30*time.Second - 1)
		look("a moment before its end", "two", false)
		ck.advance(1)
		look("at its end", "three", true)
		if said, err := kind.read(ctx, other); err != nil || said != "three" {
			t.Errorf("%s: without a cache: %q, %v", name, said, err)
		}
	}
}

// Who refreshes a channel sees what another process wrote, and so does everybody here.
func TestRefreshChannel(t *testing.T) {
	counted := &reads{Table: tabletest.Open(t)}
	s, ck := open(counted)
	c, other := s.In("acme"), (&Store{Table: counted, Now: ck.Now}).In("acme")
	ctx, kind := t.Context(), cachedKinds["channel"]
	must(t, kind.write(ctx, c, "one"))
	got[string](t)(kind.read(ctx, c))
	must(t, kind.write(ctx, other, "two"))
	if ch := got[desk.Channel](t)(c.RefreshChannel(ctx, "ch")); ch.CompanyName != "two" {
		t.Errorf("refreshed: %q", ch.CompanyName)
	}
	counted.n = 0
	if said := got[string](t)(kind.read(ctx, c)); said != "two" || counted.n != 0 {
		t.Errorf("then: %q after %d reads", said, counted.n)
	}
}

// A read that began before a write and ends after it must not be kept.
func TestASlowReadDoesNotBringBackThePast(t *testing.T) {
	for name, kind := range cachedKinds {
		h := &hooked{Table: tabletest.Open(t)}
		s, _ := open(h)
		c := s.In("acme")
		ctx := t.Context()
		must(t, kind.write(ctx, c, "past"))
		slow := &answersOld{Table: h.Table, meanwhile: func() { must(t, kind.write(ctx, c, "present")) }}
		h.Table = slow
		if said, err := kind.read(ctx, c); err != nil || said != "past" {
			t.Errorf("%s: %q, %v", name, said, err)
		}
		if said, err := kind.read(ctx, c); err != nil || said != "present" {
			t.Errorf("%s: kept %q, %v", name, said, err)
		}
	}
}

// So must one that runs while the write is on its way.
func TestAReadDuringAWriteIsNotKept(t *testing.T) {
	for name, kind := range cachedKinds {
		h := &hooked{Table: tabletest.Open(t)}
		s, _ := open(h)
		c := s.In("acme")
		ctx := t.Context()
		must(t, kind.write(ctx, c, "past"))
		h.beforeWrite = func() {
			if said, err := kind.read(ctx, c); err != nil || said != "past" {
				t.Errorf("%s: %q, %v", name, said, err)
			}
		}
		must(t, kind.write(ctx, c, "present"))
		if said, err := kind.read(ctx, c); err != nil || said != "present" {
			t.Errorf("%s: kept %q, %v", name, said, err)
		}
	}
}

// answersOld lets something happen between its first answer and the caller.
type answersOld struct {
	table.Table
	meanwhile func()
}

func (a *answersOld) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	items, err := a.Table.Get(ctx, keys...)
	call(&a.meanwhile)
	return items, err
}

func (a *answersOld) Query(ctx context.Context, q table.Q) (table.Page, error) {
	page, err := a.Table.Query(ctx, q)
	call(&a.meanwhile)
	return page, err
}

func TestAWriteThatFailsIsForgottenToo(t *testing.T) {
	for name, kind := range cachedKinds {
		for _, rates := range []tabletest.Rates{{Lost: 1}, {Dropped: 1}} {
			inner := tabletest.Open(t)
			s, ck := open(inner)
			c := s.In("acme")
			must(t, kind.write(t.Context(), c, "one"))
			_, err := kind.read(t.Context(), c)
			must(t, err)
			s.Table = tabletest.Hostile(inner, 1, ck.Now, rates)
			if err := kind.write(t.Context(), c, "two"); !errors.Is(err, tabletest.ErrUnknown) {
				t.Fatal(err)
			}
			wanted := map[bool]string{true: "two", false: "one"}[rates.Lost == 1]
			if said, err := kind.read(t.Context(), c); err != nil || said != wanted {
				t.Errorf("%s: %q, want %q, %v", name, said, wanted, err)
			}
		}
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	s, ck, _ := openHostile(t, 1, tabletest.Rates{Throttle: 1})
	c := s.In("acme")
	_, err := c.Bot(t.Context())
	want(t, err, fault.Busy)
	s.Table = tabletest.Open(t)
	_, err = c.Bot(t.Context())
	want(t, err, fault.NotFound)
	other := (&Store{Table: s.Table, Now: ck.Now}).In("acme")
	must(t, other.SaveBot(t.Context(), desk.BotSettings{Language: "pt"}))
	if v := got[desk.BotSettings](t)(c.Bot(t.Context())); v.Language != "pt" {
		t.Errorf("%+v", v)
	}
}

func TestCacheFromManySides(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	must(t, c.SaveBot(t.Context(), desk.BotSettings{TimeoutMinutes: 1}))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			last := 0
			for range 50 {
				v, err := c.Bot(t.Context())
				if err != nil || v.TimeoutMinutes < last {
					t.Errorf("%d after %d, %v", v.TimeoutMinutes, last, err)
				}
				last = v.TimeoutMinutes
			}
		})
	}
	for i := 2; i <= 50; i++ {
		v := got[desk.BotSettings](t)(c.FreshBot(t.Context()))
		v.TimeoutMinutes = i
		must(t, c.SaveBot(t.Context(), v))
		if v := got[desk.BotSettings](t)(c.Bot(t.Context())); v.TimeoutMinutes != i {
			t.Errorf("%d, just written %d", v.TimeoutMinutes, i)
		}
	}
	wait.Wait()
}

// The index may be a minute old; templates are read without it.
func TestR12TemplatesAreSeenAtOnce(t *testing.T) {
	s, ck, _ := openHostile(t, 1, tabletest.Rates{Stale: 1})
	c := s.In("acme")
	ctx := t.Context()
	for i := range 3 {
		if n := len(got[[]desk.Template](t)(c.Templates(ctx, "ch"))); n != i {
			t.Fatalf("%d templates, want %d", n, i)
		}
		id := fmt.Sprint("t", i)
		must(t, c.SaveTemplate(ctx, desk.Template{ID: id, Channel: "ch", ProviderID: "p" + id}, nil))
		list := got[[]desk.Template](t)(c.Templates(ctx, "ch"))
		if len(list) != i+1 || list[0].ID != id {
			t.Fatalf("%+v", list)
		}
	}
	must(t, c.SaveTemplate(ctx, desk.Template{ID: "t9", Channel: "other", ProviderID: "pt9"}, nil))

	// A verdict may come before this process has heard of the template.
	other := (&Store{Table: s.Table, Now: ck.Now}).In("acme")
	must(t, other.SaveTemplate(ctx, desk.Template{ID: "new", Channel: "ch", ProviderID: "pnew"}, nil))
	if v := got[desk.Template](t)(c.TemplateByProviderID(ctx, "ch", "pnew")); v.ID != "new" {
		t.Errorf("%+v", v)
	}
	// And it is read as it is now, not as it was kept.
	v := got[desk.Template](t)(other.Template(ctx, "t1"))
	v.ProviderState = "paused"
	must(t, other.SaveTemplate(ctx, v, nil))
	if v := got[desk.Template](t)(c.TemplateByProviderID(ctx, "ch", "pt1")); v.ProviderState != "paused" {
		t.Errorf("%+v", v)
	}
	for _, id := range []string{"pt9", "", "p"} {
		_, err := c.TemplateByProviderID(ctx, "ch", id)
		want(t, err, fault.NotFound)
	}
}
