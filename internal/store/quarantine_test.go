package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

func TestQuarantineCountsHowOftenABodyCame(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	_, err := c.Quarantined(ctx, "q")
	want(t, err, fault.NotFound)
	for i := 1; i <= 3; i++ {
		ck.advance(time.Minute)
		must(t, c.Quarantine(ctx, desk.Quarantined{ID: "q", Stage: "webhook", Channel: "ch", Reason: fmt.Sprint("reason ", i), Body: []byte("{"), ReceivedAt: ck.Now()}))
		q := got[desk.Quarantined](t)(c.Quarantined(ctx, "q"))
		if q.Times != i || q.State != desk.Held || !q.ReceivedAt.Equal(noon.Add(time.Minute)) || !q.LastAt.Equal(ck.Now()) ||
			q.Reason != fmt.Sprint("reason ", i) || string(q.Body) != "{" || q.Cut {
			t.Errorf("%+v", q)
		}
	}
	q := got[desk.Quarantined](t)(c.Quarantined(ctx, "q"))
	must(t, c.MarkReplayed(ctx, q))
	want(t, c.MarkReplayed(ctx, q), fault.Conflict)
	if q = got[desk.Quarantined](t)(c.Quarantined(ctx, "q")); q.State != desk.Replayed {
		t.Errorf("%+v", q)
	}
	must(t, c.Quarantine(ctx, desk.Quarantined{ID: "q", ReceivedAt: ck.Now()}))
	if q = got[desk.Quarantined](t)(c.Quarantined(ctx, "q")); q.State != desk.Held || q.Times != 4 {
		t.Errorf("come back from its replay: %+v", q)
	}
}

func TestQuarantineCutsLongBodies(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	for _, n := range []int{0, 1, desk.MaxQuarantineInline, desk.MaxQuarantineInline + 1, 3 << 20} {
		body := bytes.Repeat([]byte{0xff}, n)
		id := BodyID(body)
		if sum := sha256.Sum256(body); id != hex.EncodeToString(sum[:]) {
			t.Errorf("id %s", id)
		}
		must(t, c.Quarantine(t.Context(), desk.Quarantined{ID: id, Body: body, Blob: "b", ReceivedAt: noon}))
		q := got[desk.Quarantined](t)(c.Quarantined(t.Context(), id))
		if kept := min(n, 64<<10); len(q.Body) != kept || q.Cut != (n > kept) || q.Blob != "b" {
			t.Errorf("%d bytes: %d kept, cut %t", n, len(q.Body), q.Cut)
		}
	}
}

// R5: a message is never both applied and quarantined, whichever comes first.
func TestR5TombstoneOrTurn(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	q := desk.Quarantined{ID: "q", ReceivedAt: noon}

	// The turn first: nothing is kept.
	must(t, c.Commit(ctx, commitOf(c, desk.Conversation{ID: "co"}, "first")))
	applied, err := c.QuarantineTurn(ctx, q, "co", "first")
	if !applied || err != nil {
		t.Errorf("applied %t, %v", applied, err)
	}
	_, err = c.Quarantined(ctx, "q")
	want(t, err, fault.NotFound)

	// The tombstone first: the turn is refused, and the tombstone names its item.
	applied, err = c.QuarantineTurn(ctx, q, "co", "second")
	if applied || err != nil {
		t.Errorf("applied %t, %v", applied, err)
	}
	conv := got[desk.Conversation](t)(c.Conversation(ctx, "co"))
	want(t, c.Commit(ctx, commitOf(c, conv, "second")), fault.Conflict)
	stone := got[[]StoredTurn](t)(c.Turns(ctx, "co", "second"))[0]
	if stone.Kind != desk.TurnQuarantined || stone.Quarantine != "q" || stone.Released {
		t.Errorf("%+v", stone)
	}
	// Again: kept, and counted.
	applied, err = c.QuarantineTurn(ctx, q, "co", "second")
	if kept := got[desk.Quarantined](t)(c.Quarantined(ctx, "q")); applied || err != nil || kept.Times != 2 {
		t.Errorf("applied %t, %v, %+v", applied, err, kept)
	}
	// Released and quarantined again: held as before.
	must(t, c.ReleaseTurn(ctx, "co", "second"))
	applied, err = c.QuarantineTurn(ctx, q, "co", "second")
	stone = got[[]StoredTurn](t)(c.Turns(ctx, "co", "second"))[0]
	if applied || err != nil || stone.Released {
		t.Errorf("applied %t, %v, %+v", applied, err, stone)
	}
	// Released and applied: it is a turn now.
	must(t, c.ReleaseTurn(ctx, "co", "second"))
	stone = got[[]StoredTurn](t)(c.Turns(ctx, "co", "second"))[0]
	m := commitOf(c, conv, "second")
	m.Turn.Versioned = stone.Versioned
	must(t, c.Commit(ctx, m))
	if applied, err = c.QuarantineTurn(ctx, q, "co", "second"); !applied || err != nil {
		t.Errorf("applied %t, %v", applied, err)
	}
	// Nothing to release.
	for _, turn := range []string{"first", "second", "never"} {
		before, _ := c.Turns(ctx, "co", turn)
		must(t, c.ReleaseTurn(ctx, "co", turn))
		if after, _ := c.Turns(ctx, "co", turn); len(after) != len(before) || len(after) > 0 && after[0].Version != before[0].Version {
			t.Errorf("%s was written", turn)
		}
	}

	// Releasing twice writes once.
	_, err = c.QuarantineTurn(ctx, q, "co", "third")
	must(t, err)
	must(t, c.ReleaseTurn(ctx, "co", "third"))
	must(t, c.ReleaseTurn(ctx, "co", "third"))
	if stone = got[[]StoredTurn](t)(c.Turns(ctx, "co", "third"))[0]; stone.Version != 2 {
		t.Errorf("version %d", stone.Version)
	}
}

// R5 with both at once, many times: one of the two, and what is kept fits.
func TestR5TombstoneAndTurnAtOnce(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	for i := range 50 {
		id := fmt.Sprint(i)
		var wait sync.WaitGroup
		var committed, quarantined, applied bool
		wait.Go(func() {
			err := c.Commit(ctx, commitOf(c, desk.Conversation{ID: id}, "tu"))
			if committed = err == nil; !committed && !errors.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
		wait.Go(func() {
			for {
				var err error
				if applied, err = c.QuarantineTurn(ctx, desk.Quarantined{ID: "q" + id, ReceivedAt: noon}, id, "tu"); errors.Is(err, fault.Conflict) {
					continue
				}
				must(t, err)
				quarantined = !applied
				return
			}
		})
		wait.Wait()
		_, err := c.Quarantined(ctx, "q"+id)
		turn := got[[]StoredTurn](t)(c.Turns(ctx, id, "tu"))[0]
		if committed == quarantined || committed != applied || (err == nil) != quarantined || (turn.Kind == desk.TurnQuarantined) != quarantined {
			t.Fatalf("committed %t, quarantined %t, applied %t, %v, %s", committed, quarantined, applied, err, turn.Kind)
		}
	}
}

// Behind a hostile table a step may run more often than it counts, never less.
func TestQuarantineBehindAHostileTable(t *testing.T) {
	for _, seed := range seeds {
		s, _, h := openHostile(t, seed, harsh)
		c := s.In("acme")
		for i := range 20 {
			q := desk.Quarantined{ID: fmt.Sprint("q", i%5), ReceivedAt: noon}
			stubbornly(t, func() error {
				_, err := c.QuarantineTurn(t.Context(), q, "co", fmt.Sprint("t", i%5))
				return err
			})
		}
		h.Calm()
		for i := range 5 {
			q := got[desk.Quarantined](t)(c.Quarantined(t.Context(), fmt.Sprint("q", i)))
			turn := got[[]StoredTurn](t)(c.Turns(t.Context(), "co", fmt.Sprint("t", i)))[0]
			if q.Times < 4 || turn.Quarantine != q.ID {
				t.Errorf("seed %d: %+v %+v", seed, q, turn)
			}
		}
	}
}

func TestSuspects(t *testing.T) {
	s, ck := openPlain(t)
	ctx := t.Context()
	in := Suspects{Store: s, Queue: "inbound"}
	out := Suspects{Store: s, Queue: "outbound"}
	deaths := func(q Suspects, id string, wanted int) {
		t.Helper()
		if n := got[int](t)(q.Mark(ctx, id)); n != wanted {
			t.Errorf("%s %s died %d times, want %d", q.Queue, id, n, wanted)
		}
	}
	deaths(in, "r", 0)
	deaths(in, "r", 1)
	deaths(in, "r", 2)
	deaths(in, "other", 0)
	deaths(out, "r", 0)
	must(t, in.Clear(ctx, "r"))
	must(t, in.Clear(ctx, "r"))
	must(t, in.Clear(ctx, "never marked"))
	deaths(in, "r", 0)
	deaths(out, "r", 1)

	// A mark ends by itself, though the broom has not come.
	ck.advance(suspectKept - time.Second)
	deaths(in, "r", 1)
	ck.advance(suspectKept)
	deaths(in, "r", 0)
	deaths(in, "r", 1)
	if items := got[[]table.Item](t)(s.Table.Get(ctx, suspectKey("inbound", "r"))); !items[0].Expires.Equal(ck.Now().Add(14 * 24 * time.Hour)) {
		t.Errorf("expires %s", items[0].Expires)
	}

	// Two at once: one of them counts, the other is told to try again.
	h := &hooked{Table: s.Table}
	h.beforeWrite = func() { deaths(in, "r", 2) }
	_, err := Suspects{Store: &Store{Table: h, Now: s.Now}, Queue: "inbound"}.Mark(ctx, "r")
	want(t, err, fault.Conflict)
	h.beforeWrite = func() { deaths(in, "r", 3) }
	must(t, Suspects{Store: &Store{Table: h, Now: s.Now}, Queue: "inbound"}.Clear(ctx, "r"))
}
