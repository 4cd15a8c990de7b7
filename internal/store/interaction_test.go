package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// ticket commits a conversation whose first message opens a case.
func ticket(tb testing.TB, c Company, channel, person string) (desk.Conversation, desk.Case) {
	tb.Helper()
	conv := desk.Conversation{ID: ConversationID(channel, person), Channel: channel, Person: person}
	turn := StoredTurn{Turn: desk.Turn{ID: TurnID(channel + person), Conversation: conv.ID, Kind: desk.TurnMessage}}
	id := TicketID(conv.ID, turn.ID)
	k := desk.Case{
		ID: id, Reference: Reference(id, 0), State: desk.CaseNew, Title: "Sí", Conversation: conv.ID,
		Conversations: []string{conv.ID}, Channels: []string{channel}, CreatedAt: noon, ChangedAt: noon,
	}
	must(tb, c.Commit(tb.Context(), Commit{Conversation: conv, Turn: turn, Ticket: &k}))
	return got[desk.Conversation](tb)(c.Conversation(tb.Context(), conv.ID)), got[desk.Case](tb)(c.Case(tb.Context(), id))
}

func TestS3_12EndInteractionsClosesWhatBelongsToTheChannelAlone(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	_, alone := ticket(t, c, "a", "1")
	_, alsoElsewhere := ticket(t, c, "a", "2")
	_, other := ticket(t, c, "b", "3")
	_, resolved := ticket(t, c, "a", "4")

	was := alsoElsewhere
	alsoElsewhere.Channels = []string{"a", "b"}
	must(t, c.SaveCase(ctx, was, alsoElsewhere))
	was = resolved
	resolved.State = desk.CaseResolved
	must(t, c.SaveCase(ctx, was, resolved))

	if n := len(got[[]desk.Case](t)(c.Interactions(ctx, "b"))); n != 2 {
		t.Errorf("%d interactions of b, want 2", n)
	}
	before := got[desk.Impact](t)(c.Impact(ctx, desk.Channel{ID: "a", Queues: []string{"q1", "q2"}}))
	if diff := cmp.Diff(desk.Impact{Cases: 1, Queues: 2}, before); diff != "" {
		t.Error(diff)
	}
	ck.advance(time.Hour)
	for _, want := range []int{1, 0} { // the second run finds nothing left
		if n := got[int](t)(c.EndInteractions(ctx, "a", "spec1", s.Now(), s.Now())); n != want {
			t.Errorf("%d ended, want %d", n, want)
		}
	}
	for why, w := range map[string]struct {
		k     desk.Case
		state desk.CaseState
		lines int
	}{
		"of this channel alone": {alone, desk.CaseClosed, 2},
		"of another one too":    {alsoElsewhere, desk.CaseNew, 1},
		"of another one":        {other, desk.CaseNew, 1},
		"not open any more":     {resolved, desk.CaseResolved, 1},
	} {
		k := got[desk.Case](t)(c.Case(ctx, w.k.ID))
		if k.State != w.state || (k.ClosingReason == desk.ReasonDeactivated) != (w.state == desk.CaseClosed) {
			t.Errorf("%s: %s, %q", why, k.State, k.ClosingReason)
		}
		if n := len(got[[]desk.CaseEvent](t)(c.CaseHistory(ctx, w.k.ID))); n != w.lines {
			t.Errorf("%s: %d lines of history, want %d", why, n, w.lines)
		}
	}
	if n := len(got[[]desk.Case](t)(c.Interactions(ctx, "a"))); n != 1 {
		t.Errorf("%d interactions left, want that of two channels", n)
	}
}

// TestS3_12WhatIsOpenSinceLaterStays: what came to be open on the channel after the
// moment goes on, however old the case is.
func TestS3_12WhatIsOpenSinceLaterStays(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	end := noon.Add(time.Hour)
	move := func(was desk.Case, at time.Time, change func(*desk.Case)) desk.Case {
		is := was
		change(&is)
		is.ChangedAt = at
		must(t, c.SaveCase(ctx, was, is))
		return got[desk.Case](t)(c.Case(ctx, is.ID))
	}
	state := func(v desk.CaseState) func(*desk.Case) { return func(k *desk.Case) { k.State = v } }
	again := func(person string, at time.Time) desk.Case {
		_, k := ticket(t, c, "a", person)
		return move(move(k, noon, state(desk.CaseResolved)), at, state(desk.CaseInProgress))
	}
	_, opened := ticket(t, c, "a", "1")
	opened = move(opened, end.Add(time.Hour), func(k *desk.Case) { k.Priority = "high" }) // which opens nothing
	then, after := again("2", end), again("3", end.Add(time.Millisecond))
	_, linked := ticket(t, c, "", "4")
	linked = move(linked, noon, func(k *desk.Case) { k.Channels = nil })
	linked = move(linked, end.Add(time.Millisecond), func(k *desk.Case) { k.Channels = []string{"a"} })

	ck.advance(2 * time.Hour)
	for _, want := range []int{2, 0} {
		if n := got[int](t)(c.EndInteractions(ctx, "a", "spec1", end, s.Now())); n != want {
			t.Errorf("%d ended, want %d", n, want)
		}
	}
	for why, w := range map[string]struct {
		k    desk.Case
		ends bool
	}{
		"open since before, changed since": {opened, true},
		"opened again at the moment":       {then, true},
		"opened again after it":            {after, false},
		"linked after it":                  {linked, false},
	} {
		if k := got[desk.Case](t)(c.Case(ctx, w.k.ID)); (k.State == desk.CaseClosed) != w.ends {
			t.Errorf("%s: %s", why, k.State)
		}
	}
}

// TestS3_12OpenedAgainWhileOthersEnd: a case that somebody closes and opens again at that
// very moment is no longer what was to end.
func TestS3_12OpenedAgainWhileOthersEnd(t *testing.T) {
	for _, test := range []struct {
		why  string
		open bool // again
		want desk.CaseState
	}{{"opened again", true, desk.CaseInProgress}, {"only resolved", false, desk.CaseResolved}} {
		s, ck := openPlain(t)
		c := s.In("acme")
		_, k := ticket(t, c, "a", "1")
		ck.advance(time.Hour)
		now := s.Now()
		s.Table = &meanwhile{Table: s.Table, do: func(tab table.Table) {
			other := Store{Table: tab, Now: s.Now}
			resolved := k
			resolved.State, resolved.ChangedAt = desk.CaseResolved, now.Add(time.Second)
			must(t, other.In("acme").SaveCase(t.Context(), k, resolved))
			if test.open {
				resolved.Version++
				again := resolved
				again.State = desk.CaseInProgress
				must(t, other.In("acme").SaveCase(t.Context(), resolved, again))
			}
		}}
		n := got[int](t)(s.In("acme").EndInteractions(t.Context(), "a", "spec1", now, now))
		if is := got[desk.Case](t)(c.Case(t.Context(), k.ID)); n != 0 || is.State != test.want {
			t.Errorf("%s: %d ended, it is %s", test.why, n, is.State)
		}
	}
}

// meanwhile does something once, before the first write.
type meanwhile struct {
	table.Table
	do func(table.Table)
}

func (m *meanwhile) Write(ctx context.Context, ops ...table.Op) error {
	if do := m.do; do != nil {
		m.do = nil
		do(m.Table)
	}
	return m.Table.Write(ctx, ops...)
}

func TestS3_12EndInteractionsOnAHostileTable(t *testing.T) {
	for _, seed := range seeds {
		s, _, _ := openHostile(t, seed, harsh)
		c := s.In("acme")
		ctx := t.Context()
		for i := range 5 {
			for try := 0; ; try++ {
				conv := desk.Conversation{ID: fmt.Sprint("co", i), Channel: "a"}
				k := desk.Case{ID: fmt.Sprint("k", i), Reference: fmt.Sprint("R", i), State: desk.CaseNew, Channels: []string{"a"}, CreatedAt: noon, ChangedAt: noon}
				err := c.Commit(ctx, Commit{Conversation: conv, Turn: StoredTurn{Turn: desk.Turn{ID: "tu", Conversation: conv.ID}}, Ticket: &k})
				if _, found := c.Case(ctx, k.ID); err == nil || found == nil {
					break
				}
				if try == 100 {
					t.Fatal(err)
				}
			}
		}
		for range 200 {
			if _, err := c.EndInteractions(ctx, "a", "spec1", s.Now(), s.Now()); err == nil {
				break
			}
		}
		for i := range 5 {
			var k desk.Case
			err := errors.New("unread")
			for try := 0; err != nil && try < 100; try++ {
				k, err = c.Case(ctx, fmt.Sprint("k", i))
			}
			must(t, err)
			if k.State != desk.CaseClosed {
				t.Errorf("seed %d: case %d is %s", seed, i, k.State)
			}
		}
	}
}

func TestCommitTellsThatAReferenceIsTaken(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	_, k := ticket(t, c, "a", "1")
	conv := desk.Conversation{ID: "co", Channel: "a"}
	second := desk.Case{ID: "k2", Reference: k.Reference, State: desk.CaseNew}
	turn := StoredTurn{Turn: desk.Turn{ID: "tu", Conversation: "co"}}
	err := c.Commit(t.Context(), Commit{Conversation: conv, Turn: turn, Ticket: &second})
	if !errors.Is(err, ErrReferenceTaken) || !errors.Is(err, fault.Conflict) {
		t.Error(err)
	}
	second.Reference = Reference("k2", 1)
	must(t, c.Commit(t.Context(), Commit{Conversation: conv, Turn: turn, Ticket: &second}))
	again := c.Commit(t.Context(), Commit{Conversation: conv, Turn: turn, Ticket: &second})
	if !errors.Is(again, fault.Conflict) || errors.Is(again, ErrReferenceTaken) {
		t.Errorf("its own write again: %v", again)
	}
}

func TestImpactCountsRepliesNotYetSent(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	hold := func(channel, person string, done ...bool) {
		conv := desk.Conversation{ID: ConversationID(channel, person), Channel: channel, Person: person, LastNumber: int64(len(done))}
		turn := StoredTurn{Turn: desk.Turn{ID: TurnID(person), Conversation: conv.ID}}
		for i := range done {
			turn.Replies = append(turn.Replies, desk.Reply{Number: int64(i + 1), ID: ReplyID(conv.ID, turn.ID, i), Status: desk.Queued})
		}
		conv.Unsent = []desk.Unsent{{Turn: turn.ID, First: 1, Last: conv.LastNumber}}
		must(t, c.Commit(ctx, Commit{Conversation: conv, Turn: turn}))
		for i, d := range done {
			turn.Replies[i].Done = d
		}
		must(t, c.SaveSent(ctx, turn))
	}
	hold("a", "1", true, false, false)
	hold("a", "2", true)
	hold("a", "3", false)
	hold("b", "4", false)
	if v := got[desk.Impact](t)(c.Impact(ctx, desk.Channel{ID: "a"})); v.Replies != 3 {
		t.Errorf("%d replies, want 3", v.Replies)
	}
}

// TestSentMessageIsFoundHoweverOftenTheTurnIsWritten: S3-46, where taps on it come, also
// where that is another conversation, which alone costs more; of a reply without taps
// nothing is kept.
func TestSentMessageIsFoundHoweverOftenTheTurnIsWritten_S3_46(t *testing.T) {
	s, _ := openPlain(t)
	meter := tabletest.Counting(s.Table)
	s.Table = meter
	c := s.In("acme")
	ctx := t.Context()
	conv := desk.Conversation{ID: "co", Channel: "a", LastNumber: 3}
	use := desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "p", Taps: true}}
	turn := StoredTurn{Turn: desk.Turn{ID: "tu", Conversation: "co", Replies: []desk.Reply{
		{Number: 1, ID: "r1", Outgoing: use}, {Number: 2, ID: "r2", Outgoing: desk.Outgoing{Type: desk.ReplyText, Text: "x"}}, {Number: 3, ID: "r3", Outgoing: use},
	}}}
	must(t, c.Commit(ctx, Commit{Conversation: conv, Turn: turn}))
	save := func(i int, id, elsewhere string, units float64) {
		r := &turn.Replies[i]
		r.ProviderID, r.Done, r.Elsewhere = id, true, elsewhere
		_, before := meter.Units()
		must(t, c.SaveSent(ctx, turn))
		if _, after := meter.Units(); after-before != units {
			t.Errorf("%s: %v write units, want %v", id, after-before, units)
		}
		turn.SentVersion++
	}
	save(1, "gs2", "other", 1)
	save(0, "gs1", "co", 4) // where it is anyway
	save(2, "gs3", "other", 8)
	save(2, "gs3", "other", 8)
	for _, test := range []struct{ conversation, id, want, of string }{
		{"co", "gs1", "r1", "co"}, {"co", "gs2", "", ""}, {"co", "gs3", "r3", "co"}, {"co", "gs4", "", ""},
		{"other", "gs1", "", ""}, {"other", "gs2", "", ""}, {"other", "gs3", "r3", "co"}, {"third", "gs3", "", ""},
	} {
		id, of, err := c.SentMessage(ctx, test.conversation, test.id)
		if err != nil || id != test.want || of != test.of {
			t.Errorf("%s in %s: %q of %q, want %q of %q, %v", test.id, test.conversation, id, of, test.want, test.of, err)
		}
	}
	read := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))
	if v := read[0].Replies; v[0].Elsewhere != "co" || v[2].Elsewhere != "other" {
		t.Errorf("read back: %+v", v)
	}
}
