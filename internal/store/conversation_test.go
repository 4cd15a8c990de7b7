package store

import (
	"errors"
	"fmt"
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

// commitOf is a commit of a message in a conversation, with everything that can
// come with it.
func commitOf(c Company, conv desk.Conversation, id string) Commit {
	conv.LastNumber++
	conv.Unsent = append(append([]desk.Unsent(nil), conv.Unsent...), desk.Unsent{Turn: id, First: conv.LastNumber, Last: conv.LastNumber})
	return Commit{
		Conversation: conv,
		Turn: StoredTurn{Turn: desk.Turn{
			ID: id, Conversation: conv.ID, Kind: desk.TurnMessage, At: noon,
			Replies: []desk.Reply{{Number: conv.LastNumber, ID: "r" + id, Status: desk.Queued}},
		}},
		Form:   &desk.Form{Hash: "form of " + id, Expires: noon.Add(time.Hour)},
		Timers: []Timer{c.NewTimer(WakeInbound, conv, noon.Add(time.Hour)), c.NewTimer(WakeOutbound, conv, noon.Add(time.Hour))},
	}
}

// R2, R11: a turn takes effect whole or not at all.
func TestCommitIsAllOrNothing(t *testing.T) {
	for _, c := range []struct {
		why  string
		make func(c Company, m *Commit)
	}{
		{"the conversation moved on", func(c Company, m *Commit) { m.Conversation.Version-- }},
		{"the conversation is new, and there is one", func(c Company, m *Commit) { m.Conversation.Version = 0 }},
		{"the turn is there already", func(c Company, m *Commit) { m.Turn.ID = "first" }},
		{"a tombstone that was read is not there", func(c Company, m *Commit) { m.Turn.Version = 1 }},
		{"the form is there already", func(c Company, m *Commit) { m.Form.Hash = "form of first" }},
		{"the timer is there already", func(c Company, m *Commit) {
			m.Timers[1] = c.NewTimer(WakeOutbound, desk.Conversation{ID: "co"}, noon.Add(time.Hour))
		}},
	} {
		s, _ := openPlain(t)
		co := s.In("acme")
		ctx := t.Context()
		first := commitOf(co, desk.Conversation{ID: "co"}, "first")
		must(t, co.Commit(ctx, first))
		conv := got[desk.Conversation](t)(co.Conversation(ctx, "co"))
		conv.Name = "moved on"
		must(t, co.SaveConversation(ctx, conv))
		conv.Version++

		second := commitOf(co, conv, "second")
		c.make(co, &second)
		want(t, co.Commit(ctx, second), fault.Conflict)

		now, turn, err := co.Exchange(ctx, "co", "second")
		must(t, err)
		if now.Version != conv.Version || now.LastNumber != 1 || turn.Version != 0 {
			t.Errorf("%s: conversation %+v, turn %+v", c.why, now, turn)
		}
		if _, err := co.Form(ctx, "form of second"); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: form %v", c.why, err)
		}
		timers := 0
		must(t, s.DueTimers(ctx, noon.Add(time.Hour), func(Timer) error { timers++; return nil }))
		if timers != 2 {
			t.Errorf("%s: %d timers, want those of the first", c.why, timers)
		}
	}
}

func TestCommitReadsBackAsItWas(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	conv, turn, err := c.Exchange(ctx, "co", "tu")
	must(t, err)
	if conv.Version != 0 || turn.Version != 0 {
		t.Errorf("nothing there yet: %+v %+v", conv, turn)
	}
	m := commitOf(c, desk.Conversation{ID: "co", Channel: "ch", Person: "1", CreatedAt: noon, Wait: &desk.Wait{Cause: desk.WaitPair, Step: time.Minute}}, "tu")
	m.Turn.Message = &desk.Incoming{Person: "1", Content: desk.Content{Type: desk.Text, Text: "á\u2028\"<>"}}
	must(t, c.Commit(ctx, m))
	m.Conversation.Version, m.Turn.Version, m.Form.Version = 1, 1, 1
	m.Turn.Message.Person, m.Turn.Message.SentAt = "", m.Turn.At // the one is the conversation's, the other the turn's

	conv, turn, err = c.Exchange(ctx, "co", "tu")
	must(t, err)
	turns, err := c.Turns(ctx, "co", "tu")
	must(t, err)
	history, _, err := c.History(ctx, "co", 9, "")
	must(t, err)
	for _, diff := range []string{
		cmp.Diff(m.Conversation, conv), cmp.Diff(m.Turn, turn), cmp.Diff([]StoredTurn{m.Turn}, turns), cmp.Diff([]desk.Turn{m.Turn.Turn}, history),
		cmp.Diff(*m.Form, got[desk.Form](t)(c.Form(ctx, m.Form.Hash))), cmp.Diff(m.Conversation, got[desk.Conversation](t)(c.Conversation(ctx, "co"))),
	} {
		if diff != "" {
			t.Error(diff)
		}
	}
	_, err = c.Conversation(ctx, "other")
	want(t, err, fault.NotFound)
	_, err = c.Turns(ctx, "co", "tu", "other")
	want(t, err, fault.NotFound)
}

// R2: whoever comes first, the cause takes effect once.
func TestTwoCommitsOfOneCause(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	var done atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			switch err := c.Commit(t.Context(), commitOf(c, desk.Conversation{ID: "co"}, "tu")); {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := done.Load(); n != 1 {
		t.Errorf("%d of them took effect", n)
	}
}

// A chain of turns behind a hostile table, each step from its read: every cause
// once, numbers without a gap.
func TestCommitsBehindAHostileTable(t *testing.T) {
	for _, seed := range seeds {
		s, _, h := openHostile(t, seed, harsh)
		c := s.In("acme")
		ctx := t.Context()
		const n = 40
		for i := range n {
			id := fmt.Sprintf("turn %02d", i)
			stubbornly(t, func() error {
				conv, turn, err := c.Exchange(ctx, "co", id)
				if err != nil || turn.Version > 0 {
					return err
				}
				conv.ID = "co"
				m := commitOf(c, conv, id)
				return c.Commit(ctx, m)
			})
		}
		h.Calm()
		conv := got[desk.Conversation](t)(c.Conversation(ctx, "co"))
		if conv.LastNumber != n || conv.Version != n || len(conv.Unsent) != n {
			t.Errorf("seed %d: version %d, last number %d, %d unsent", seed, conv.Version, conv.LastNumber, len(conv.Unsent))
		}
		for i, u := range conv.Unsent {
			turn := got[[]StoredTurn](t)(c.Turns(ctx, "co", u.Turn))[0]
			if u.First != int64(i+1) || turn.Replies[0].Number != u.First {
				t.Errorf("seed %d: %+v holds %+v", seed, u, turn.Replies)
			}
		}
		if len(h.Hits()) < 4 {
			t.Errorf("seed %d: the table was kind: %v", seed, h.Hits())
		}
	}
}

func TestAReleasedTombstoneIsReplaced(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	_, err := c.QuarantineTurn(ctx, desk.Quarantined{ID: "q", ReceivedAt: noon}, "co", "tu")
	must(t, err)
	want(t, c.Commit(ctx, commitOf(c, desk.Conversation{ID: "co"}, "tu")), fault.Conflict)
	must(t, c.ReleaseTurn(ctx, "co", "tu"))
	_, stone, err := c.Exchange(ctx, "co", "tu")
	must(t, err)
	if !stone.Released || stone.Kind != desk.TurnQuarantined {
		t.Fatalf("%+v", stone)
	}
	m := commitOf(c, desk.Conversation{ID: "co"}, "tu")
	m.Turn.Versioned = stone.Versioned
	must(t, c.Commit(ctx, m))
	want(t, c.Commit(ctx, m), fault.Conflict)
	turn := got[[]StoredTurn](t)(c.Turns(ctx, "co", "tu"))[0]
	if turn.Kind != desk.TurnMessage || turn.Released || turn.Quarantine != "" {
		t.Errorf("%+v", turn)
	}
}

func TestManyTurnsAreReadInTheOrderAsked(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	var ids []string
	for i := range table.MaxOps + 5 {
		id := fmt.Sprint("t", (i*37)%105)
		ids = append(ids, id)
		putTurn(t, c, desk.Turn{ID: id, Conversation: "co", At: noon})
	}
	for i, turn := range got[[]StoredTurn](t)(c.Turns(t.Context(), "co", ids...)) {
		if turn.ID != ids[i] {
			t.Fatalf("%d: %s, want %s", i, turn.ID, ids[i])
		}
	}
}

func TestSavesOfOneVersionConflict(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	conv := desk.Conversation{ID: "co", Channel: "ch"}
	if w := got[StoredWait](t)(c.ChannelWait(ctx, "ch")); w != (StoredWait{}) {
		t.Errorf("a channel that never waited: %+v", w)
	}
	for name, save := range map[string]func(v int64) error{
		"conversation": func(v int64) error { conv.Version = v; return c.SaveConversation(ctx, conv) },
		"what became of a turn's replies": func(v int64) error {
			return c.SaveSent(ctx, StoredTurn{Turn: desk.Turn{ID: "t", Conversation: "co"}, SentVersion: v})
		},
		"channel's wait": func(v int64) error {
			return c.SaveChannelWait(ctx, "ch", StoredWait{Wait: desk.Wait{Cause: "x"}, Versioned: desk.Versioned{Version: v}})
		},
	} {
		for i, step := range []struct {
			at int64
			ok bool
		}{{0, true}, {0, false}, {2, false}, {1, true}, {1, false}, {2, true}} {
			if err := save(step.at); (err == nil) != step.ok || err != nil && !errors.Is(err, fault.Conflict) {
				t.Errorf("%s: step %d at version %d: %v", name, i, step.at, err)
			}
		}
	}
	if w := got[StoredWait](t)(c.ChannelWait(ctx, "ch")); w.Version != 3 || w.Cause != "x" {
		t.Errorf("%+v", w)
	}
}

// TestAContactIsFoundByOneRead: from the write that makes its conversation on, and for
// that write alone.
// A write that shows a channel's wait holds only while that is what was read, and a
// wait only while the channel is.
func TestAWaitAndWhatShowsIt(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	must(t, c.SaveChannel(ctx, desk.Channel{ID: "ch"}, nil))
	ch := got[desk.Channel](t)(c.FreshChannel(ctx, "ch"))
	never := got[StoredWait](t)(c.ChannelWait(ctx, "ch"))
	must(t, c.SaveChannelWait(ctx, "ch", never, c.WhileChannel(ch)...))
	want(t, c.SaveChannel(ctx, ch, c.WhileWait("ch", never)), fault.Conflict)
	wait := got[StoredWait](t)(c.ChannelWait(ctx, "ch"))
	must(t, c.SaveChannel(ctx, ch, c.WhileWait("ch", wait)))
	want(t, c.SaveChannelWait(ctx, "ch", wait, c.WhileChannel(ch)...), fault.Conflict)
	if again := got[StoredWait](t)(c.ChannelWait(ctx, "ch")); again.Version != wait.Version {
		t.Errorf("%+v, want %+v", again, wait)
	}
}

func TestAContactIsFoundByOneRead(t *testing.T) {
	s, _ := openPlain(t)
	meter := tabletest.Counting(s.Table)
	s.Table = meter
	c, ctx := s.In("acme"), t.Context()
	conv := func(channel, person string) desk.Conversation {
		return desk.Conversation{ID: ConversationID(channel, person), Channel: channel, Person: person, Contact: ContactID("whatsapp", person)}
	}
	contact := ContactID("whatsapp", "5491")
	_, err := c.PersonOf(ctx, "ch1", contact)
	want(t, err, fault.NotFound)
	for _, v := range []desk.Conversation{conv("ch1", "5491"), conv("ch2", "5491"), conv("ch1", "5492")} {
		must(t, c.Commit(ctx, commitOf(c, v, "first of "+v.ID)))
	}
	read, _ := meter.Units()
	if got := got[string](t)(c.PersonOf(ctx, "ch1", contact)); got != "5491" {
		t.Errorf("the contact is %q", got)
	}
	if now, _ := meter.Units(); now-read != 1 {
		t.Errorf("finding a contact took %v read units", now-read)
	}
	_, err = c.PersonOf(ctx, "ch3", contact)
	want(t, err, fault.NotFound)
	must(t, c.Commit(ctx, commitOf(c, got[desk.Conversation](t)(c.Conversation(ctx, ConversationID("ch1", "5491"))), "second")))
	want(t, c.Commit(ctx, commitOf(c, conv("ch1", "5491"), "another first")), fault.Conflict)
}
