package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// family is a kind of thing with a kind of thing inside it.
type family struct {
	parent, child string
	seed          func(c Company) error // what the parent itself belongs to
	make          func(c Company) error
	put           func(c Company, id string) error
	empty         func(c Company, id string) error
	remove        func(c Company) error
}

// read and delete a thing at the version it has now.
func removing[T any](read func() (T, error), del func(T) error) error {
	v, err := read()
	if err != nil {
		return err
	}
	return del(v)
}

func families(tb testing.TB) []family {
	ctx := tb.Context()
	project := func(c Company) error { return c.SaveProject(ctx, desk.Project{}, desk.Project{ID: "p"}, nil) }
	noProject := func(c Company) error {
		return removing(func() (desk.Project, error) { return c.Project(ctx, "p") }, func(v desk.Project) error { return c.DeleteProject(ctx, v) })
	}
	service := func(c Company, id string) error { return c.SaveService(ctx, desk.Service{ID: id, Project: "p"}, nil) }
	noService := func(c Company, id string) error {
		return removing(func() (desk.Service, error) { return c.Service(ctx, id) }, func(v desk.Service) error { return c.DeleteService(ctx, v) })
	}
	return []family{
		{
			"project", "service", func(Company) error { return nil }, project, service, noService, noProject,
		},
		{
			"project", "group", func(Company) error { return nil }, project,
			func(c Company, id string) error {
				return c.SaveGroup(ctx, desk.ServiceGroup{ID: id, Project: "p"}, nil)
			},
			func(c Company, id string) error {
				return removing(func() (desk.ServiceGroup, error) { return c.Group(ctx, id) }, func(v desk.ServiceGroup) error { return c.DeleteGroup(ctx, v) })
			},
			noProject,
		},
		{
			"service", "category", project, func(c Company) error { return service(c, "s") },
			func(c Company, id string) error { return c.SaveCategory(ctx, desk.Category{ID: id, Service: "s"}, nil) },
			func(c Company, id string) error {
				return removing(func() (desk.Category, error) { return c.Category(ctx, id) }, func(v desk.Category) error { return c.DeleteCategory(ctx, v) })
			},
			func(c Company) error { return noService(c, "s") },
		},
	}
}

func TestWhatIsInUseStays(t *testing.T) {
	for _, f := range families(t) {
		s, _ := openPlain(t)
		c := s.In("acme")
		must(t, f.seed(c))
		if err := f.put(c, "x"); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s without its %s: %v", f.child, f.parent, err)
		}
		must(t, f.make(c))
		must(t, f.put(c, "x"))
		if err := f.remove(c); !errors.Is(err, ErrInUse) || !errors.Is(err, fault.Conflict) {
			t.Errorf("%s with a %s: %v", f.parent, f.child, err)
		}
		must(t, f.put(c, "y")) // the refusal left no trace
		must(t, f.empty(c, "x"))
		must(t, f.empty(c, "y"))
		must(t, f.remove(c))
		if err := f.put(c, "z"); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s into a %s that is gone: %v", f.child, f.parent, err)
		}
		if err := f.remove(c); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s that is gone: %v", f.parent, err)
		}
		must(t, f.make(c)) // under the same id
		must(t, f.put(c, "z"))
	}
}

// A deletion and a creation inside it, one coming before each call that the
// other makes: never a thing without what it belongs to.
func TestADeletionLeavesNoOrphan(t *testing.T) {
	for _, f := range families(t) {
		for _, intruder := range []string{"creation", "deletion"} {
			step := 0
			for ; step < 100; step++ {
				s, _ := openPlain(t)
				plain := s.Table
				other := (&Store{Table: plain, Now: s.Now}).In("acme")
				must(t, f.seed(other))
				must(t, f.make(other))
				var otherErr error
				between := &nth{Table: plain, n: step, do: func() {
					if intruder == "creation" {
						otherErr = f.put(other, "x")
					} else {
						otherErr = f.remove(other)
					}
				}}
				s.Table = between
				c := s.In("acme")
				var err error
				if intruder == "creation" {
					err = f.remove(c)
				} else {
					err = f.put(c, "x")
				}
				if between.n >= 0 {
					break // the call is over before that step
				}
				created, deleted := otherErr == nil, err == nil
				if intruder == "deletion" {
					created, deleted = err == nil, otherErr == nil
				}
				for _, e := range []error{err, otherErr} {
					if e != nil && !errors.Is(e, fault.Conflict) && !errors.Is(e, fault.NotFound) {
						t.Fatal(e)
					}
				}
				if created && deleted {
					t.Errorf("a %s comes before call %d: the %s is gone and the %s is there", intruder, step, f.parent, f.child)
				}
				// Whoever lost may try again, and one of the two gets through.
				if !deleted && !created {
					must(t, f.put(other, "x"))
				}
				if !deleted {
					if err := f.remove(other); !errors.Is(err, ErrInUse) {
						t.Errorf("before call %d: %v", step, err)
					}
				}
			}
			if step < 2 {
				t.Errorf("%s: %d steps only", f.parent, step)
			}
		}
	}
}

// The same with a creation that has looked before the deletion began and writes
// before one of its calls.
func TestACreationThatLookedEarlierLeavesNoOrphan(t *testing.T) {
	for _, f := range families(t) {
		refused := 0
		for step := 0; ; step++ {
			s, _ := openPlain(t)
			plain := s.Table
			c := s.In("acme")
			must(t, f.seed(c))
			must(t, f.make(c))
			looked, goOn, over := make(chan bool), make(chan bool), make(chan error)
			slow := &hooked{Table: plain, beforeWrite: func() { looked <- true; <-goOn }}
			go func() { over <- f.put((&Store{Table: slow, Now: s.Now}).In("acme"), "x") }()
			<-looked
			var created error
			s.Table = &nth{Table: plain, n: step, do: func() { close(goOn); created = <-over }}
			deleted := f.remove(c)
			if s.Table.(*nth).n >= 0 {
				close(goOn)
				if created = <-over; created == nil || deleted != nil {
					t.Errorf("%s after the %s is gone: %v, %v", f.child, f.parent, created, deleted)
				}
				break
			}
			if created == nil && deleted == nil {
				t.Errorf("before call %d: the %s is gone and the %s is there", step, f.parent, f.child)
			}
			if created != nil {
				want(t, created, fault.Conflict)
				refused++
			}
		}
		if refused < 2 {
			t.Errorf("%s: %d refused", f.child, refused)
		}
	}
}

// nth does something before the n-th call, from 0.
type nth struct {
	table.Table
	n  int
	do func()
}

func (x *nth) call() {
	if x.n--; x.n == -1 {
		x.do()
	}
}

func (x *nth) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	x.call()
	return x.Table.Get(ctx, keys...)
}

func (x *nth) Query(ctx context.Context, q table.Q) (table.Page, error) {
	x.call()
	return x.Table.Query(ctx, q)
}

func (x *nth) Write(ctx context.Context, ops ...table.Op) error {
	x.call()
	return x.Table.Write(ctx, ops...)
}

// A deletion that dies keeps others out for a minute at most.
func TestADeletionThatDies(t *testing.T) {
	for _, f := range families(t) {
		s, ck := openPlain(t)
		plain := s.Table
		c := s.In("acme")
		must(t, f.seed(c))
		must(t, f.make(c))
		died := errors.New("died")
		writes := 0
		s.Table = dying{plain, &writes, died}
		if err := f.remove(c); !errors.Is(err, died) {
			t.Fatal(err)
		}
		s.Table = plain
		if err := f.put(c, "x"); !errors.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", f.parent, err)
		}
		ck.advance(leavingFor - 1)
		if err := f.put(c, "x"); !errors.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", f.parent, err)
		}
		ck.advance(1)
		must(t, f.put(c, "x"))
		must(t, f.put(c, "y"))
		must(t, f.empty(c, "x"))
		must(t, f.empty(c, "y"))

		// Or the deletion is tried again at once.
		writes = 0
		s.Table = dying{plain, &writes, died}
		if err := f.remove(c); !errors.Is(err, died) {
			t.Fatal(err)
		}
		s.Table = plain
		must(t, f.remove(c))
		if n := raw(t, plain, c.pk("CATALOGUE")); n != map[string]int{"project": 0, "service": 1}[f.parent] {
			t.Errorf("%s: %d rows are left", f.parent, n)
		}
	}
}

// dying lets one write through.
type dying struct {
	table.Table
	writes *int
	err    error
}

func (d dying) Write(ctx context.Context, ops ...table.Op) error {
	if *d.writes++; *d.writes > 1 {
		return d.err
	}
	return d.Table.Write(ctx, ops...)
}

// Many at once: things inside are made side by side, and a deletion among them
// leaves no orphan.
func TestManyAreMadeInsideAtOnce(t *testing.T) {
	for _, f := range families(t) {
		s, _ := openPlain(t)
		c := s.In("acme")
		must(t, f.seed(c))
		must(t, f.make(c))
		var wait sync.WaitGroup
		for i := range 31 {
			wait.Go(func() {
				if err := f.put(c, fmt.Sprint("x", i)); err != nil {
					t.Errorf("%s %d: %v", f.child, i, err)
				}
			})
		}
		wait.Wait()
	}
	for range 30 {
		for _, f := range families(t) {
			s, _ := openPlain(t)
			c := s.In("acme")
			must(t, f.seed(c))
			must(t, f.make(c))
			var created, deleted error
			var wait sync.WaitGroup
			wait.Go(func() { created = f.put(c, "x") })
			wait.Go(func() { deleted = f.remove(c) })
			wait.Wait()
			if created == nil && deleted == nil {
				t.Errorf("%s is gone, and its %s is there", f.parent, f.child)
			}
		}
	}
}

// A group's deletion may pass a service that comes into it: then it is in none.
func TestAServiceOfAGroupThatIsGoneIsInNone(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	must(t, c.SaveProject(ctx, desk.Project{}, desk.Project{ID: "p"}, nil))
	must(t, c.SaveGroup(ctx, desk.ServiceGroup{ID: "g", Project: "p"}, nil))
	must(t, c.SaveService(ctx, desk.Service{ID: "s", Project: "p", Group: "g"}, nil))
	must(t, c.SaveService(ctx, desk.Service{ID: "late", Project: "p", Group: "never"}, nil))
	g := got[desk.ServiceGroup](t)(c.Group(ctx, "g"))
	want(t, c.DeleteGroup(ctx, g), fault.Conflict)
	groups := func() string {
		var out []string
		for _, v := range got[desk.Catalogue](t)(c.FreshCatalogue(ctx)).Services {
			if one := got[desk.Service](t)(c.Service(ctx, v.ID)); one.Group != v.Group {
				t.Errorf("%s: %q in the catalogue, else %q", v.ID, v.Group, one.Group)
			}
			out = append(out, v.ID+" "+v.Group)
		}
		return strings.Join(out, ", ")
	}
	if got := groups(); got != "late , s g" {
		t.Error(got)
	}
	must(t, c.Table.Write(ctx, table.Delete(c.catalogueKey(kindGroup, "g"), 1))) // the race, lost
	if got := groups(); got != "late , s " {
		t.Error(got)
	}
}

func TestProjectCodes(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	for _, step := range []struct{ why, id, code, want string }{
		{"a code", "a", "OBRAS", ""},
		{"the same in other letters", "b", "obras", "code taken"},
		{"another", "b", "agua", ""},
		{"a rename", "a", "calles", ""},
		{"to one that is taken", "a", "AGUA", "code taken"},
		{"the old one is free", "c", "Obras", ""},
		{"no code any more", "c", "", ""},
		{"two without", "d", "", ""},
		{"and it is free", "d", "obras", ""},
	} {
		was, err := c.Project(ctx, step.id)
		if err != nil {
			want(t, err, fault.NotFound)
		}
		v := was
		v.ID, v.Code = step.id, step.code
		if got := taken(c.SaveProject(ctx, was, v, nil)); got != step.want {
			t.Errorf("%s: %q, want %q", step.why, got, step.want)
		}
	}
	// A row of the name that moved meanwhile is no taken code.
	was := got[desk.Project](t)(c.Project(ctx, "d"))
	v := was
	v.Code = ""
	view := &hooked{Table: s.Table}
	view.beforeWrite = func() {
		must(t, s.Table.Write(ctx, table.Update(table.Item{Key: c.uniqueKey(uniqueProjectCode, "obras"), Version: 1, Body: []byte(`{"id":"d"}`)})))
	}
	if got := taken((&Store{Table: view, Now: s.Now}).In("acme").SaveProject(ctx, was, v, nil)); got != "conflict" {
		t.Errorf("%q", got)
	}
	must(t, c.DeleteProject(ctx, was))
	must(t, c.SaveProject(ctx, desk.Project{}, desk.Project{ID: "e", Code: "obras"}, nil))
}

func TestCatalogueIsInTheOrderOfCreation(t *testing.T) {
	s, _, _ := openHostile(t, 1, thin)
	c := s.In("acme")
	ctx := t.Context()
	var wanted []string
	for i := range 12 {
		id := c.NewID()
		wanted = append(wanted, id)
		must(t, c.SaveProject(ctx, desk.Project{}, desk.Project{ID: id, CreatedAt: noon.Add(time.Duration(i))}, nil))
	}
	var ids []string
	for _, p := range got[desk.Catalogue](t)(c.Catalogue(ctx)).Projects {
		ids = append(ids, p.ID)
	}
	if strings.Join(ids, " ") != strings.Join(wanted, " ") {
		t.Errorf("%v", ids)
	}
}
