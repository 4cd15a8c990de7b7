package store

import (
	"errors"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

// A conversation that is made says what its person wants, and is not made past a
// word that came meanwhile.
func TestOptedOutHoldsWhileNothingElseIsSaid(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	words := []desk.Consent{{}, {OptedIn: true, At: at}, {At: at.Add(time.Second)}}
	for before, said := range words {
		if !said.At.IsZero() {
			said.Channel, said.Person = "acme-1", "5491"
			if err := c.SaveConsent(t.Context(), said); err != nil {
				t.Fatal(err)
			}
		}
		out, same, err := c.OptedOut(t.Context(), "acme-1", "5491")
		if err != nil || out != (before == 2) {
			t.Errorf("word %d: opted out %t, %v", before, out, err)
		}
		commit := func(id string) error {
			return c.Commit(t.Context(), Commit{Conversation: desk.Conversation{ID: id}, Turn: StoredTurn{Turn: desk.Turn{ID: "t", Conversation: id}}, Also: same})
		}
		if err := commit("as it was " + said.At.String()); err != nil {
			t.Errorf("word %d: %v", before, err)
		}
		next := desk.Consent{Channel: "acme-1", Person: "5491", At: at.Add(-time.Second)}
		if err := c.SaveConsent(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		stale := before == 0 // an older word than the one that is kept changes nothing
		if err := commit("after the next " + said.At.String()); errors.Is(err, fault.Conflict) != stale {
			t.Errorf("word %d and a next: %v", before, err)
		}
		if out, _, err := c.OptedOut(t.Context(), "acme-2", "5491"); err != nil || out {
			t.Errorf("another channel: %t, %v", out, err)
		}
	}
}
