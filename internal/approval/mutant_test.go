package approval_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/table"
)

// mutants are seeded bugs, each put in at a seam. The simulation must see every one of
// them: one that it misses is a hole in the simulation.
var mutants = []struct {
	name string
	put  func(*seams)
}{
	{"an unknown outcome is taken for a refusal for the moment", func(s *seams) { s.provider = hasty{s.provider} }},
	{"a list that broke off is taken for a whole one", func(s *seams) { s.provider = gullible{s.provider} }},
	{"no version: a template is overwritten with what was read", func(s *seams) {
		s.table = rewrite{s.table, func(t table.Table, op table.Op) (table.Op, bool) {
			if op.Kind == table.OpUpdate && strings.HasSuffix(op.Item.PK, "#TEMPLATES") {
				items, err := t.Get(context.Background(), op.Item.Key)
				if err == nil {
					op.Item.Version = items[0].Version
				}
			}
			return op, true
		}}
	}},
	{"the timer is not written with what it is for", func(s *seams) {
		s.table = rewrite{s.table, func(_ table.Table, op table.Op) (table.Op, bool) {
			return op, !strings.HasPrefix(op.Item.PK, "CLOCK#")
		}}
	}},
	{"it is forgotten that a timer is armed", func(s *seams) {
		s.table = rewrite{s.table, func(_ table.Table, op table.Op) (table.Op, bool) {
			op.Item.Body = []byte(strings.ReplaceAll(string(op.Item.Body), `"armed":`, `"was_armed":`))
			return op, true
		}}
	}},
	{"nothing tells that a request may have gone out", func(s *seams) {
		s.table = rewrite{s.table, func(_ table.Table, op table.Op) (table.Op, bool) {
			op.Item.Body = []byte(strings.ReplaceAll(string(op.Item.Body), `"unknown":true`, `"unknown":false`))
			op.Item.Body = []byte(strings.ReplaceAll(string(op.Item.Body), `"lease":`, `"no_lease":`))
			return op, true
		}}
	}},
}

func TestTheSimulationSeesEveryMutant(t *testing.T) {
	const enough = 60 // seeds; the worst needs far fewer
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(enough) {
				if seen := caught(t, options{seed: seed, hostile: true, yield: true, mutant: m.put}); seen != "" {
					t.Logf("seen with seed %d: %s", seed, seen)
					return
				}
			}
			t.Errorf("not seen in %d seeds", enough)
		})
	}
}

// caught runs a mutant; one that never comes to rest is seen as well.
func caught(t *testing.T, o options) string {
	sub := &witness{TB: t}
	done := make(chan []string, 1)
	go func() {
		var broken []string
		defer func() { done <- broken }()
		broken = simulate(sub, o)
	}()
	if broken := <-done; len(broken) > 0 {
		return broken[0]
	}
	return sub.seen
}

// witness is a test whose failure is what is hoped for.
type witness struct {
	testing.TB
	seen string
}

func (w *witness) Fatal(args ...any) {
	w.seen = fmt.Sprint(args...)
	runtime.Goexit()
}

func (w *witness) Fatalf(format string, args ...any) { w.Fatal(fmt.Sprintf(format, args...)) }

// rewrite changes operations on their way, or drops them.
type rewrite struct {
	table.Table
	change func(table.Table, table.Op) (table.Op, bool)
}

func (r rewrite) Write(ctx context.Context, ops ...table.Op) error {
	var kept []table.Op
	for _, op := range ops {
		if op, keep := r.change(r.Table, op); keep {
			kept = append(kept, op)
		}
	}
	return r.Table.Write(ctx, kept...)
}

// hasty calls an unknown outcome a refusal for the moment.
type hasty struct{ channel.Templates }

func (h hasty) Submit(ctx context.Context, a channel.Account, t desk.Template) (channel.Listed, error) {
	listed, err := h.Templates.Submit(ctx, a, t)
	var e *channel.Error
	if errors.As(err, &e) && e.Verdict == channel.Unknown {
		return listed, &channel.Error{Verdict: channel.Later, Code: e.Code, Cause: desk.WaitUnavailable}
	}
	return listed, err
}

// gullible takes what came of a list for all of it.
type gullible struct{ channel.Templates }

func (g gullible) List(ctx context.Context, a channel.Account, each func([]channel.Listed) error) error {
	var own error
	err := g.Templates.List(ctx, a, func(page []channel.Listed) error {
		own = each(page)
		return own
	})
	if own == nil {
		return nil
	}
	return err
}

// TestAReadingThatIsOvertakenChangesNothing: while a page is on its way the provider
// takes back what it says, and another reading of the list, to its end, finds nothing
// to change. What the page says is old.
func TestAReadingThatIsOvertakenChangesNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		put  func(table.Op) bool // what is written
		want string
	}{
		{"as it is", func(table.Op) bool { return true }, "paused"},
		{"with the bug that it need not be the newest", func(op table.Op) bool { return op.Kind != table.OpCheck }, "approved"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var page slow
			w := newWorld(t, options{mutant: func(s *seams) {
				s.table = rewrite{s.table, func(_ table.Table, op table.Op) (table.Op, bool) { return op, test.put(op) }}
				page.Templates, s.provider = s.provider, &page
			}})
			a := w.company("acme")
			a.set(channel.Listed{ProviderID: pid(1), State: "paused"})
			w.known("acme", "x", pid(1), "paused")
			w.syncNow("acme")
			a.list[0].State = "approved"
			page.meanwhile = func() {
				a.list[0].State = "paused"
				w.clock.Advance(time.Second)
				sync := desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}
				w.clock.Advance(time.Second)
				body, err := queue.Seal(desk.StageApprovals, "acme", desk.ApprovalEvent{Sync: &sync})
				must(t, err)
				must(t, w.work.Handle(context.Background(), queue.Record{ID: "other", Body: body}))
			}
			w.syncNow("acme")
			want(t, "in the end", w.template("acme", "x").ProviderState, test.want)
		})
	}
}

// slow lets something happen, once, between reading the list and giving it on.
type slow struct {
	channel.Templates
	meanwhile func()
}

func (s *slow) List(ctx context.Context, a channel.Account, each func([]channel.Listed) error) error {
	var pages [][]channel.Listed
	err := s.Templates.List(ctx, a, func(page []channel.Listed) error {
		pages = append(pages, page)
		return nil
	})
	if err != nil {
		return err
	}
	if do := s.meanwhile; do != nil {
		s.meanwhile = nil
		do()
	}
	for _, page := range pages {
		if err := each(page); err != nil {
			return err
		}
	}
	return nil
}
