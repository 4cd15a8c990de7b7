package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// A conversation that is made says what its person wants, and is not made past a
// word that came meanwhile.
func TestConsentsHoldWhileNothingElseIsSaid(t *testing.T) {
	for _, scope := range []desk.ConsentScope{desk.ScopeAll, desk.ScopeMarketing} {
		s, _ := openPlain(t)
		c := s.In("acme")
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		words := []desk.Consent{{}, {OptedIn: true, At: at}, {At: at.Add(time.Second)}}
		for before, said := range words {
			if !said.At.IsZero() {
				said.Channel, said.Person, said.Scope = "acme-1", "5491", scope
				must(t, c.SaveConsent(t.Context(), said))
			}
			asked := desk.Conversation{ID: "co", Channel: "acme-1", Person: "5491"}
			conv, same, err := c.WithConsents(t.Context(), asked)
			want := asked
			if before == 2 {
				want.OptedOut, want.OptedOutMarketing = scope == desk.ScopeAll, scope == desk.ScopeMarketing
			}
			if diff := cmp.Diff(want, conv); diff != "" || err != nil {
				t.Errorf("%q, word %d: %v %s", scope, before, err, diff)
			}
			commit := func(id string) error {
				return c.Commit(t.Context(), Commit{Conversation: desk.Conversation{ID: id}, Turn: StoredTurn{Turn: desk.Turn{ID: "t", Conversation: id}}, Also: same})
			}
			if err := commit("as it was " + said.At.String()); err != nil {
				t.Errorf("%q, word %d: %v", scope, before, err)
			}
			next := desk.Consent{Channel: "acme-1", Person: "5491", Scope: scope, At: at.Add(-time.Second)}
			must(t, c.SaveConsent(t.Context(), next))
			stale := before == 0 // an older word than the one that is kept changes nothing
			if err := commit("after the next " + said.At.String()); errors.Is(err, fault.Conflict) != stale {
				t.Errorf("%q, word %d and a next: %v", scope, before, err)
			}
			other := desk.Conversation{ID: "co", Channel: "acme-2", Person: "5491"}
			if conv, _, err := c.WithConsents(t.Context(), other); err != nil || conv.OptedOut || conv.OptedOutMarketing {
				t.Errorf("another channel: %+v, %v", conv, err)
			}
		}
	}
}

// Of two words the later counts, were it by a millisecond, whichever came first.
func TestOfTwoWordsTheLaterCounts(t *testing.T) {
	for _, last := range []bool{true, false} {
		said := []desk.Consent{{OptedIn: !last, At: noon}, {OptedIn: last, At: noon.Add(time.Millisecond)}}
		permutations(said, func(order []desk.Consent) {
			s, _ := openPlain(t)
			c := s.In("acme")
			for _, v := range order {
				v.Channel, v.Person = "ch", "1"
				must(t, c.SaveConsent(t.Context(), v))
			}
			if v := got[desk.Consent](t)(c.Consent(t.Context(), "ch", "1", desk.ScopeAll)); v.OptedIn != last {
				t.Errorf("%v: opted in: %t", order, v.OptedIn)
			}
		})
	}
}

// Of two words with one time the opt-out counts, whichever came first: Meta's times
// are whole seconds.
func TestOfTwoAtOnceTheOptOutCounts(t *testing.T) {
	said := []desk.Consent{{OptedIn: true, At: noon}, {At: noon}, {OptedIn: true, At: noon}}
	permutations(said, func(order []desk.Consent) {
		s, _ := openPlain(t)
		c := s.In("acme")
		for _, v := range order {
			v.Channel, v.Person, v.Scope = "ch", "1", desk.ScopeMarketing
			must(t, c.SaveConsent(t.Context(), v))
		}
		if v := got[desk.Consent](t)(c.Consent(t.Context(), "ch", "1", desk.ScopeMarketing)); v.OptedIn {
			t.Errorf("%v: opted in", order)
		}
	})
}

// An upload goes when it says so, whether the broom has come or not, and not before
// the answer is forgotten that gave its form.
func TestAnUploadIsGoneInTime(t *testing.T) {
	if desk.UploadKept <= OnceKept || desk.UploadKept%(24*time.Hour) != 0 {
		t.Errorf("kept for %v", desk.UploadKept)
	}
	s, now := openPlain(t)
	c := s.In("acme")
	made := s.Now()
	must(t, c.CreateUpload(t.Context(), desk.Upload{ID: "up", Name: "a.png", CreatedAt: made}, nil))
	if it := got[[]table.Item](t)(s.Table.Get(t.Context(), c.uploadKey("up")))[0]; !it.Expires.Equal(made.Add(desk.UploadKept)) {
		t.Errorf("the row expires at %v", it.Expires)
	}
	now.advance(desk.UploadKept - time.Millisecond)
	if v := got[desk.Upload](t)(c.Upload(t.Context(), "up")); v.Name != "a.png" {
		t.Errorf("%+v", v)
	}
	now.advance(time.Millisecond)
	_, err := c.Upload(t.Context(), "up")
	want(t, err, fault.NotFound)
}
