package store

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// pending stores a form as a turn does and reads it back.
func pending(tb testing.TB, c Company, hash string) desk.Form {
	tb.Helper()
	must(tb, c.Table.Write(tb.Context(), table.Create(c.formItem(desk.Form{Hash: hash, Service: "s", Expires: noon.Add(24 * time.Hour)}))))
	return got[desk.Form](tb)(c.Form(tb.Context(), hash))
}

// caseOf is the one case of a form.
func caseOf(f desk.Form, try int) desk.Case {
	id := AnonymousCaseID(f.Hash)
	return desk.Case{ID: id, Reference: Reference(id, try), State: desk.CaseNew, Title: "Bache", Anonymous: true, CreatedAt: noon, ChangedAt: noon}
}

func TestR8OneFormMakesOneCase(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	f := pending(t, c, "f")
	k := caseOf(f, 0)
	must(t, c.MakeAnonymousCase(ctx, f, k, "track"))
	k.Version = 1

	lines := got[[]desk.CaseEvent](t)(c.CaseHistory(ctx, k.ID))
	if len(lines) != 1 || lines[0].Kind != desk.CaseCreated || lines[0].To != desk.CaseNew || !lines[0].At.Equal(noon) {
		t.Errorf("%+v", lines)
	}
	for why, read := range map[string]func() (desk.Case, error){
		"by id":        func() (desk.Case, error) { return c.Case(ctx, k.ID) },
		"by reference": func() (desk.Case, error) { return c.CaseByReference(ctx, k.Reference) },
		"tracked":      func() (desk.Case, error) { return c.Tracked(ctx, "track") },
	} {
		if diff := cmp.Diff(k, got[desk.Case](t)(read())); diff != "" {
			t.Errorf("%s: %s", why, diff)
		}
	}
	if f := got[desk.Form](t)(c.Form(ctx, "f")); f.Case != k.ID || f.Version != 2 {
		t.Errorf("%+v", f)
	}
	// Its own write again, with the form as it was read then and as it is now.
	want(t, c.MakeAnonymousCase(ctx, f, k, "track"), fault.Conflict)
	again := c.MakeAnonymousCase(ctx, got[desk.Form](t)(c.Form(ctx, "f")), k, "track")
	if !errors.Is(again, fault.Conflict) || errors.Is(again, ErrReferenceTaken) {
		t.Errorf("%v: the caller would try another reference", again)
	}
	for _, err := range []error{func() error { _, err := c.Tracked(ctx, "other"); return err }(), func() error { _, err := c.Form(ctx, "other"); return err }()} {
		want(t, err, fault.NotFound)
	}
}

func TestR8TwoAtOnce(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	f := pending(t, c, "f")
	var made atomic.Int32
	var wait sync.WaitGroup
	for try := range 8 {
		wait.Go(func() { // each with a reference of its own, as after a clash
			switch err := c.MakeAnonymousCase(t.Context(), f, caseOf(f, try), "track"); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d cases", n)
	}
	if n := raw(t, s.Table, c.caseKey(AnonymousCaseID("f")).PK); n != 2 {
		t.Errorf("%d rows of the case, want it and its first line", n)
	}
}

func TestATakenReferenceIsToldApart(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	f, g := pending(t, c, "f"), pending(t, c, "g")
	first := caseOf(f, 0)
	must(t, c.MakeAnonymousCase(t.Context(), f, first, "track f"))
	second := caseOf(g, 0)
	second.Reference = first.Reference
	err := c.MakeAnonymousCase(t.Context(), g, second, "track g")
	if !errors.Is(err, ErrReferenceTaken) || !errors.Is(err, fault.Conflict) {
		t.Errorf("%v", err)
	}
	if g := got[desk.Form](t)(c.Form(t.Context(), "g")); g.Case != "" {
		t.Errorf("the form is used: %+v", g)
	}
	must(t, c.MakeAnonymousCase(t.Context(), g, caseOf(g, 1), "track g"))
}

func TestR8BehindAHostileTable(t *testing.T) {
	for _, seed := range seeds {
		s, _, h := openHostile(t, seed, harsh)
		c := s.In("acme")
		for i := range 15 {
			hash := fmt.Sprint("f", i)
			stubborn(t, func() error { return c.Table.Write(t.Context(), table.Create(c.formItem(desk.Form{Hash: hash}))) })
			stubbornly(t, func() error { // as the form page does
				f, err := c.Form(t.Context(), hash)
				if err != nil || f.Case != "" {
					return err
				}
				return c.MakeAnonymousCase(t.Context(), f, caseOf(f, 0), "track "+hash)
			})
		}
		h.Calm()
		for i := range 15 {
			hash := fmt.Sprint("f", i)
			k := got[desk.Case](t)(c.Tracked(t.Context(), "track "+hash))
			f := got[desk.Form](t)(c.Form(t.Context(), hash))
			if f.Case != k.ID || f.Version != 2 || len(got[[]desk.CaseEvent](t)(c.CaseHistory(t.Context(), k.ID))) != 1 {
				t.Errorf("seed %d: %+v %+v", seed, f, k)
			}
		}
	}
}

func TestFormsStayNinetyDaysAfterExpiry(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	f := pending(t, c, "f")
	expires := func() time.Time { return got[[]table.Item](t)(c.Table.Get(t.Context(), c.formKey("f")))[0].Expires }
	if want := f.Expires.Add(90 * 24 * time.Hour); !expires().Equal(want) {
		t.Errorf("%s", expires())
	}
	must(t, c.MakeAnonymousCase(t.Context(), f, caseOf(f, 0), "track"))
	if want := f.Expires.Add(90 * 24 * time.Hour); !expires().Equal(want) {
		t.Errorf("used: %s", expires())
	}
}

// Q10: nothing stored with the case leads to the person.
func TestQ10TheFormNamesNobody(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	m := commitOf(c, desk.Conversation{ID: "CONVERSATION", Person: "PERSON", Contact: "CONTACT", Channel: "CHANNEL"}, "TURN")
	m.Form = &desk.Form{Hash: "hash", Service: "s"}
	must(t, c.Commit(t.Context(), m))
	f := got[desk.Form](t)(c.Form(t.Context(), "hash"))
	k := caseOf(f, 0)
	must(t, c.MakeAnonymousCase(t.Context(), f, k, "track"))
	person := regexp.MustCompile(`CONVERSATION|PERSON|CONTACT|CHANNEL|TURN`)
	keys := []table.Key{c.formKey("hash"), c.caseKey(k.ID), c.trackingKey("track"), c.referenceKey(k.Reference), c.caseEventKey(k.ID, Hash("created", k.ID))}
	for _, it := range got[[]table.Item](t)(c.Table.Get(t.Context(), keys...)) {
		if !it.Exists() || person.MatchString(fmt.Sprint(it.Key, it.Index, string(it.Body))) {
			t.Errorf("%v %s", it.Key, it.Body)
		}
	}
}

func TestAddToCase(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	f := pending(t, c, "f")
	k := caseOf(f, 0)
	line := func(id string, at time.Time) desk.CaseEvent {
		return desk.CaseEvent{ID: id, Case: k.ID, Kind: desk.CaseMessage, Text: id, At: at}
	}
	want(t, c.AddToCase(ctx, k, k, line("early", noon)), fault.Invalid) // a case is never made by a line
	must(t, c.MakeAnonymousCase(ctx, f, k, "track"))
	k.Version = 1
	must(t, c.AddToCase(ctx, k, k, line("b", noon.Add(time.Minute))))
	want(t, c.AddToCase(ctx, k, k, line("c", noon)), fault.Conflict) // a stale version
	k.Version = 2
	want(t, c.AddToCase(ctx, k, k, line("b", noon)), fault.Conflict) // a line that is there
	must(t, c.AddToCase(ctx, k, k, line("a", noon.Add(time.Minute))))
	k.Version = 3
	must(t, c.AddToCase(ctx, k, k, line("0", noon))) // at the moment of its making
	for id, there := range map[string]bool{"a": true, "b": true, "c": false} {
		if got := got[bool](t)(c.HasCaseEvent(ctx, k.ID, id)); got != there {
			t.Errorf("%s: %t", id, got)
		}
	}
	var order []string
	for _, e := range got[[]desk.CaseEvent](t)(c.CaseHistory(ctx, k.ID)) {
		order = append(order, e.Text)
	}
	if diff := cmp.Diff([]string{"", "0", "a", "b"}, order); diff != "" {
		t.Error(diff)
	}
	k.Version = 4
	k.Title = "Otro"
	must(t, c.SaveCase(ctx, k, k))
	want(t, c.SaveCase(ctx, k, k), fault.Conflict)
	if n := len(got[[]desk.CaseEvent](t)(c.CaseHistory(ctx, "other"))); n != 0 {
		t.Errorf("%d lines of no case", n)
	}
}

func TestReferencesAreShortAndDiffer(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := map[string]bool{}
	for i := range 1000 {
		for try := range 2 {
			r := Reference(fmt.Sprint(i), try)
			if !shape.MatchString(r) || seen[r] {
				t.Errorf("%d, try %d: %s", i, try, r)
			}
			seen[r] = true
		}
	}
}
