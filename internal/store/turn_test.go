package store

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// putTurn writes a turn without a conversation.
func putTurn(tb testing.TB, c Company, turn desk.Turn) {
	tb.Helper()
	must(tb, c.Table.Write(tb.Context(), table.Create(c.turnItem(StoredTurn{Turn: turn}))))
}

// Whoever reads a turn sees what became of its replies, and nobody who sends
// writes the turn.
func TestWhatBecameOfRepliesIsReadWithTheirTurn(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	m := commitOf(c, desk.Conversation{ID: "co"}, "tu")
	m.Turn.Replies = append(m.Turn.Replies, desk.Reply{Number: 2, ID: "second", Status: desk.Queued})
	must(t, c.Commit(ctx, m))
	written := got[[]table.Item](t)(s.Table.Get(ctx, c.turnKey("co", "tu")))[0]

	turn := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))[0]
	for i, change := range []func(r *desk.Reply){
		func(r *desk.Reply) {
			r.Attempts, r.Lease = 1, &desk.Lease{From: noon, Until: noon.Add(time.Minute), Epoch: "e"}
		},
		func(r *desk.Reply) { r.Reason, r.Pauses = desk.ReasonUnknown, 3 },
		func(r *desk.Reply) { r.Uploaded = &desk.MediaLink{ID: "file", URL: "https://files.example"} },
		func(r *desk.Reply) {
			*r = desk.Reply{Number: 1, ID: r.ID, Status: desk.Accepted, Done: true, ProviderID: "gs", SentAt: noon, Attempts: 2}
		},
	} {
		change(&turn.Replies[0])
		must(t, c.SaveSent(ctx, turn))
		want(t, c.SaveSent(ctx, turn), fault.Conflict)
		turn.SentVersion++

		_, exchanged, err := c.Exchange(ctx, "co", "tu")
		must(t, err)
		history, _, err := c.History(ctx, "co", 9, "")
		must(t, err)
		read := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))
		for _, diff := range []string{
			cmp.Diff([]StoredTurn{turn}, read), cmp.Diff(turn, exchanged), cmp.Diff([]desk.Turn{turn.Turn}, history),
		} {
			if diff != "" {
				t.Errorf("change %d: %s", i+1, diff)
			}
		}
	}
	now := got[[]table.Item](t)(s.Table.Get(ctx, c.turnKey("co", "tu")))[0]
	if now.Version != 1 || !bytes.Equal(now.Body, written.Body) {
		t.Errorf("the turn itself was written: version %d, %s", now.Version, now.Body)
	}
	if it := got[[]table.Item](t)(s.Table.Get(ctx, c.sentKey("co", "tu")))[0]; it.Index != (table.Key{}) {
		t.Errorf("sending writes the index: %+v", it.Index)
	}
}

// R6: of two who claim a reply that both have read, one does.
func TestR6OneClaimOfSeveral(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	must(t, c.Commit(t.Context(), commitOf(c, desk.Conversation{ID: "co"}, "tu")))
	for round := range 3 {
		var claims atomic.Int32
		var read, wait sync.WaitGroup
		read.Add(8)
		for range 8 {
			wait.Go(func() {
				turns, err := c.Turns(t.Context(), "co", "tu")
				read.Done()
				if read.Wait(); err != nil {
					t.Error(err)
					return
				}
				turns[0].Replies[0].Attempts++
				if c.SaveSent(t.Context(), turns[0]) == nil {
					claims.Add(1)
				}
			})
		}
		wait.Wait()
		turn := got[[]StoredTurn](t)(c.Turns(t.Context(), "co", "tu"))[0]
		if n := claims.Load(); n != 1 || turn.Replies[0].Attempts != round+1 {
			t.Errorf("round %d: %d claims, %d attempts", round, n, turn.Replies[0].Attempts)
		}
	}
}

// Behind a hostile table a note is written once, or its writer reads it again.
func TestSentBehindAHostileTable(t *testing.T) {
	for _, seed := range seeds {
		s, _, h := openHostile(t, seed, harsh)
		c := s.In("acme")
		ctx := t.Context()
		stubborn(t, func() error { return c.Commit(ctx, commitOf(c, desk.Conversation{ID: "co"}, "tu")) })
		const n = 30
		for i := range n {
			stubbornly(t, func() error {
				turns, err := c.Turns(ctx, "co", "tu")
				if err != nil || turns[0].Replies[0].Attempts > i {
					return err
				}
				turns[0].Replies[0].Attempts++
				return c.SaveSent(ctx, turns[0])
			})
		}
		h.Calm()
		turn := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))[0]
		if turn.Replies[0].Attempts != n || turn.SentVersion != n || turn.Version != 1 {
			t.Errorf("seed %d: %+v", seed, turn)
		}
	}
}

// A list shows each turn with its own, however long it is.
func TestHistoryShowsWhatBecameOfEach(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	const n = table.MaxOps + 5
	for i := range n {
		turn := desk.Turn{ID: fmt.Sprintf("t%03d", i), Conversation: "co", At: noon.Add(time.Duration(i) * time.Second)}
		if i%3 > 0 {
			turn.Replies = []desk.Reply{{Number: int64(i), Status: desk.Queued}}
		}
		putTurn(t, c, turn)
		if i%3 == 2 {
			turn.Replies[0].Status, turn.Replies[0].ProviderID = desk.Accepted, "of "+turn.ID
			must(t, c.SaveSent(ctx, StoredTurn{Turn: turn}))
		}
	}
	turns, next, err := c.History(ctx, "co", 2*n, "")
	must(t, err)
	if len(turns) != n || next != "" {
		t.Fatalf("%d turns, next %q", len(turns), next)
	}
	for i, turn := range turns {
		switch i % 3 {
		case 0:
			if len(turn.Replies) != 0 {
				t.Errorf("%d: %+v", i, turn)
			}
		case 1:
			if turn.Replies[0].Status != desk.Queued || turn.Replies[0].ProviderID != "" {
				t.Errorf("%d: %+v", i, turn)
			}
		case 2:
			if turn.Replies[0].Status != desk.Accepted || turn.Replies[0].ProviderID != "of "+turn.ID {
				t.Errorf("%d: %+v", i, turn)
			}
		}
	}
}

// What became of a reply goes by its number: none gets another's fate.
func TestSentGoesByNumber(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	turn := desk.Turn{ID: "tu", Conversation: "co", At: noon, Replies: []desk.Reply{{Number: 7, ID: "r7", Status: desk.Queued}, {Number: 8, ID: "r8", Status: desk.Queued}}}
	putTurn(t, c, turn)
	other := turn
	other.Replies = []desk.Reply{{Number: 8, Status: desk.Accepted}, {Number: 6, Status: desk.Failed}}
	must(t, c.SaveSent(t.Context(), StoredTurn{Turn: other}))
	read := got[[]StoredTurn](t)(c.Turns(t.Context(), "co", "tu"))[0]
	turn.Replies[1].Status = desk.Accepted
	if diff := cmp.Diff(turn, read.Turn); diff != "" {
		t.Error(diff)
	}
}

// Goal of the message path: a claim and a result cost a unit each, whatever the
// size of the turn.
func TestUnitsOfSending(t *testing.T) {
	s, _ := openPlain(t)
	meter := tabletest.Counting(s.Table)
	s.Table = meter
	c := s.In("acme")
	ctx := t.Context()
	m := commitOf(c, desk.Conversation{ID: "co"}, "tu")
	m.Turn.Replies[0].Text = string(bytes.Repeat([]byte("x"), 5000))
	must(t, c.Commit(ctx, m))
	turn := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))[0]
	_, before := meter.Units()
	turn.Replies[0].Attempts, turn.Replies[0].Lease = 1, &desk.Lease{From: noon, Until: noon.Add(time.Minute)}
	must(t, c.SaveSent(ctx, turn))
	turn.SentVersion++
	turn.Replies[0].Lease, turn.Replies[0].Status = nil, desk.Accepted
	must(t, c.SaveSent(ctx, turn))
	if _, after := meter.Units(); after-before != 2 {
		t.Errorf("a claim and a result: %v write units", after-before)
	}
}

// withCode is a commit of one message that carries a one-time code.
func withCode(c Company) Commit {
	m := commitOf(c, desk.Conversation{ID: "co"}, "tu")
	m.Turn.Replies[0].Outgoing = desk.Outgoing{Type: desk.ReplyTemplate, Text: desk.MaskedCode + " is your code.", Template: &desk.TemplateUse{
		ProviderID: "pt", Name: "code", Language: "en", Params: []string{"739164"}, OTP: true,
	}}
	return m
}

// A one-time code is kept while its message waits, and masked by the very write that
// says how its send ended.
func TestACodeGoesWithItsOutcome(t *testing.T) {
	for _, test := range []struct {
		say    string
		change func(r *desk.Reply)
		kept   bool
	}{
		{"claimed", func(r *desk.Reply) { r.Lease = &desk.Lease{From: noon, Until: noon.Add(time.Minute)} }, true},
		{"paused", func(r *desk.Reply) { r.Pauses = 2 }, true},
		{"sent", func(r *desk.Reply) { r.Done, r.Status, r.ProviderID = true, desk.Accepted, "wamid" }, false},
		{"failed", func(r *desk.Reply) { r.Done, r.Status, r.Reason = true, desk.Failed, "undeliverable" }, false},
		{"unknown for good", func(r *desk.Reply) { r.Done, r.Reason = true, desk.ReasonUnknown }, false},
	} {
		t.Run(test.say, func(t *testing.T) {
			s, _ := openPlain(t)
			c := s.In("acme")
			ctx := t.Context()
			must(t, c.Commit(ctx, withCode(c)))
			written := got[[]table.Item](t)(s.Table.Get(ctx, c.turnKey("co", "tu")))[0]
			turn := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))[0]
			given := turn.Replies[0].Template
			test.change(&turn.Replies[0])
			must(t, c.SaveSent(ctx, turn))
			if given.Params[0] != "739164" {
				t.Errorf("what was given is changed: %q", given.Params)
			}

			read := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))[0]
			if diff := cmp.Diff(turn.Recorded(), read); diff != "" {
				t.Error(diff)
			}
			code := map[bool]string{true: "739164", false: desk.MaskedCode}[test.kept]
			if p := read.Replies[0].Template.Params; !slices.Equal(p, []string{code}) {
				t.Errorf("kept: %q", p)
			}
			items := got[[]table.Item](t)(s.Table.Get(ctx, c.turnKey("co", "tu"), c.sentKey("co", "tu")))
			if now, want := items[0].Body, bytes.ReplaceAll(written.Body, []byte("739164"), []byte(code)); !bytes.Equal(now, want) || items[0].Index != written.Index {
				t.Errorf("the row is %s, want %s", now, want)
			}
			if !test.kept && bytes.Contains(items[1].Body, []byte("739164")) {
				t.Errorf("in clear: %s", items[1].Body)
			}
			history, _, err := c.History(ctx, "co", 9, "")
			must(t, err)
			if diff := cmp.Diff([]desk.Turn{read.Turn}, history); diff != "" {
				t.Error(diff)
			}
			// What comes after it is written at the versions that are there now.
			read.Replies[0].Pauses = 9
			must(t, c.SaveSent(ctx, read))
			// Whoever read before it was sent writes nothing over it.
			want(t, c.SaveSent(ctx, turn), fault.Conflict)
		})
	}
}

// Several replies of one turn end one after the other, each with its own code.
func TestEachCodeGoesWithItsOwnOutcome(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	m := withCode(c)
	second := m.Turn.Replies[0]
	use := *second.Template
	use.Params = []string{"280517"}
	second.Number, second.ID, second.Template = second.Number+1, "second", &use
	m.Turn.Replies = append(m.Turn.Replies, second)
	must(t, c.Commit(ctx, m))
	turn := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))[0]
	for i, want := range [][]string{{desk.MaskedCode, "280517"}, {desk.MaskedCode, desk.MaskedCode}} {
		turn.Replies[i].Done = true
		must(t, c.SaveSent(ctx, turn))
		turn = turn.Recorded()
		read := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))[0]
		if diff := cmp.Diff(turn, read); diff != "" {
			t.Errorf("after %d: %s", i+1, diff)
		}
		if got := []string{read.Replies[0].Template.Params[0], read.Replies[1].Template.Params[0]}; !slices.Equal(got, want) {
			t.Errorf("after %d: %q", i+1, got)
		}
	}
}
