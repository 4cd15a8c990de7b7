package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
	"buzon/internal/table"
)

// mutants are seeded bugs, each put in at a seam. The simulation must see every
// one of them: one that it misses is a hole in the simulation.
var mutants = []struct {
	name string
	put  func(s *seams)
}{
	{"no deduplication: a turn that is there is written again", func(s *seams) {
		s.table = rewrite{s.table, func(_ context.Context, t table.Table, op table.Op) (table.Op, error) {
			if op.Kind == table.OpCreate && isTurn(op) {
				return atStored(t, op)
			}
			return op, nil
		}}
	}},
	{"deduplication before the effect: the turn is written first, by itself", func(s *seams) {
		s.table = split{s.table, isTurn, true}
	}},
	{"deduplication after the effect: the turn is written last, by itself", func(s *seams) {
		s.table = split{s.table, isTurn, false}
	}},
	{"no version: a conversation is overwritten with what was read", func(s *seams) {
		s.table = rewrite{s.table, func(_ context.Context, t table.Table, op table.Op) (table.Op, error) {
			if op.Kind == table.OpUpdate && op.Item.SK == "CONV" {
				return atStored(t, op)
			}
			return op, nil
		}}
	}},
	{"short memory: turns are forgotten after a while", func(s *seams) {
		s.table = forgetful{s.table, map[table.Key]int{}}
	}},
	{"reply ids instead of wake-ups: what is unsent is sent in the order of its ids", func(s *seams) {
		s.table = unordered{s.table}
	}},
	{"a status overwrites a higher one", func(s *seams) {
		s.table = rewrite{s.table, func(_ context.Context, t table.Table, op table.Op) (table.Op, error) {
			if op.Kind == table.OpRaise && op.Item.SK == "RECEIPT" {
				return overwrite(t, op)
			}
			return op, nil
		}}
	}},
	{"the company is missing from a key", func(s *seams) {
		s.table = oneCompany{s.table}
	}},
	{"answered before it is queued: a failed send is called good", func(s *seams) {
		s.inbound = deaf{s.inbound}
	}},
	{"a wake-up that could not be sent is forgotten", func(s *seams) {
		s.outbound = &lossy{s.outbound, 0}
	}},
	{"an error of a handler is swallowed", func(s *seams) {
		s.handler = func(w *queue.Worker) {
			handle := w.Handle
			w.Handle = func(ctx context.Context, r queue.Record) error {
				if err := handle(ctx, r); err != nil {
					if _, paused := queue.AgainAfter(err); paused {
						return err
					}
				}
				return nil
			}
		}
	}},
	{"order is not kept: every message has a group of its own", func(s *seams) {
		s.inbound = &scattered{s.inbound, 0}
	}},
	{"no claim: two workers send the same reply", func(s *seams) {
		s.table = rewrite{s.table, func(_ context.Context, t table.Table, op table.Op) (table.Op, error) {
			if isSent(op) {
				op.Item.Body = []byte(strings.ReplaceAll(string(op.Item.Body), `"lease":`, `"no_lease":`))
				return atStored(t, op)
			}
			return op, nil
		}}
	}},
	{"what became of a reply is not read with its turn", func(s *seams) {
		s.table = amnesiac{rewrite{s.table, func(_ context.Context, t table.Table, op table.Op) (table.Op, error) {
			if isSent(op) {
				return atStored(t, op)
			}
			return op, nil
		}}}
	}},
	{"an unknown outcome is taken for a refusal and sent again", func(s *seams) {
		s.provider = hasty{s.provider}
	}},
	{"the timer is not written with what it is for", func(s *seams) {
		s.table = without{s.table, "CLOCK#"}
	}},
	{"the pending form is not written with the turn", func(s *seams) {
		s.table = without{s.table, "#FORM#"}
	}},
	{"a wake-up sends nothing but the last reply", func(s *seams) {
		s.table = lastOnly{s.table}
	}},
	{"nobody asks whether the person has opted out", func(s *seams) {
		s.table = rosy{s.table, func(c *desk.Conversation) { c.OptedOut = false }}
	}},
	{"nobody asks when the person was heard", func(s *seams) {
		s.table = rosy{s.table, func(c *desk.Conversation) { c.HeardAt = c.HeardAt.Add(1000 * time.Hour) }}
	}},
	{"a channel that is off is taken for one that is on", func(s *seams) {
		s.table = alwaysOn{s.table}
	}},
	{"nobody looks again at what waits on a channel that was switched off", func(s *seams) {
		s.outbound = blind{s.outbound}
	}},
	{"the wait of a channel is not kept", func(s *seams) {
		s.table = unwritten{s.table, "WAIT"}
	}},
	{"nobody shows that a channel is interrupted", func(s *seams) {
		s.table = unwritten{s.table, "CHANNEL"}
	}},
	{"an interruption never ends", func(s *seams) {
		s.table = gloomy{s.table}
	}},
	{"an accepted send ends a wait that a failed receipt began", func(s *seams) {
		s.table = rewrite{s.table, forgets("proof_after")}
	}},
	{"nobody notes which send is to be proven", func(s *seams) {
		s.table = rewrite{s.table, forgets("probe")}
	}},
	{"every failed receipt that comes late begins a wait anew", func(s *seams) {
		s.table = rewrite{s.table, forgets("well_at")}
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

func isTurn(op table.Op) bool { return strings.HasPrefix(op.Item.SK, "TURN#") }

// isSent tells whether a write notes what becomes of replies.
func isSent(op table.Op) bool { return strings.HasPrefix(op.Item.SK, "SENT#") }

// atStored makes a write blind: it is made at whatever version is stored.
func atStored(t table.Table, op table.Op) (table.Op, error) {
	items, err := t.Get(context.Background(), op.Item.Key)
	if err != nil {
		return op, err
	}
	op.Item.Version = items[0].Version
	return table.Save(op.Item), nil
}

// overwrite makes a raise blind: the number may fall.
func overwrite(t table.Table, op table.Op) (table.Op, error) {
	items, err := t.Get(context.Background(), op.Item.Key)
	if err != nil || !items[0].Exists() {
		return op, err
	}
	if err := t.Write(context.Background(), table.Delete(op.Item.Key, items[0].Version)); err != nil {
		return op, err
	}
	return op, nil
}

// rewrite changes operations on their way.
type rewrite struct {
	table.Table
	change func(context.Context, table.Table, table.Op) (table.Op, error)
}

func (r rewrite) Write(ctx context.Context, ops ...table.Op) error {
	changed := slices.Clone(ops)
	for i, op := range ops {
		var err error
		if changed[i], err = r.change(ctx, r.Table, op); err != nil {
			return err
		}
	}
	return r.Table.Write(ctx, changed...)
}

// forgets leaves a field out of the wait of a channel.
func forgets(field string) func(context.Context, table.Table, table.Op) (table.Op, error) {
	return func(_ context.Context, _ table.Table, op table.Op) (table.Op, error) {
		if op.Item.SK == "WAIT" && len(op.Item.Body) > 0 {
			var fields map[string]any
			if err := decodeJSON(op.Item.Body, &fields); err != nil {
				return op, err
			}
			delete(fields, field)
			op.Item.Body = encodeJSON(fields)
		}
		return op, nil
	}
}

// split makes two writes of one transaction.
type split struct {
	table.Table
	part  func(table.Op) bool
	first bool
}

func (s split) Write(ctx context.Context, ops ...table.Op) error {
	var a, b []table.Op
	for _, op := range ops {
		if s.part(op) == s.first {
			a = append(a, op)
		} else {
			b = append(b, op)
		}
	}
	if len(a) == 0 || len(b) == 0 {
		return s.Table.Write(ctx, ops...)
	}
	if err := s.Table.Write(ctx, a...); err != nil {
		return err
	}
	return s.Table.Write(ctx, b...)
}

// forgetful loses a turn some writes after it was made.
type forgetful struct {
	table.Table
	made map[table.Key]int
}

func (f forgetful) Write(ctx context.Context, ops ...table.Op) error {
	for _, op := range ops {
		if op.Kind == table.OpCreate && isTurn(op) {
			f.made[op.Item.Key] = 0
		}
	}
	for key := range f.made {
		if f.made[key]++; f.made[key] == 200 {
			if items, err := f.Get(ctx, key); err == nil && items[0].Exists() {
				_ = f.Table.Write(ctx, table.Delete(key, items[0].Version))
			}
		}
	}
	return f.Table.Write(ctx, ops...)
}

// amnesiac never finds what became of replies.
type amnesiac struct{ table.Table }

func (a amnesiac) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	items, err := a.Table.Get(ctx, keys...)
	for i := range items {
		if strings.HasPrefix(items[i].SK, "SENT#") {
			items[i] = table.Item{Key: items[i].Key}
		}
	}
	return items, err
}

// unordered gives the unsent turns of a conversation in the order of their ids.
type unordered struct{ table.Table }

func (u unordered) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	return changeConversations(ctx, u.Table, keys, func(c *desk.Conversation) {
		slices.SortFunc(c.Unsent, func(a, b desk.Unsent) int { return strings.Compare(a.Turn, b.Turn) })
	})
}

// lastOnly forgets all that is unsent but the last.
type lastOnly struct{ table.Table }

func (l lastOnly) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	return changeConversations(ctx, l.Table, keys, func(c *desk.Conversation) {
		if n := len(c.Unsent); n > 1 {
			c.Unsent = c.Unsent[n-1:]
		}
	})
}

func changeConversations(ctx context.Context, t table.Table, keys []table.Key, change func(*desk.Conversation)) ([]table.Item, error) {
	items, err := t.Get(ctx, keys...)
	for i := range items {
		if items[i].SK == "CONV" && items[i].Exists() {
			var c desk.Conversation
			if err := decodeJSON(items[i].Body, &c); err != nil {
				return nil, err
			}
			change(&c)
			items[i].Body = encodeJSON(c)
		}
	}
	return items, err
}

// oneCompany keeps everybody's catalogue under one key.
type oneCompany struct{ table.Table }

func (o oneCompany) key(k table.Key) table.Key {
	if strings.HasSuffix(k.PK, "#CATALOGUE") || strings.Contains(k.PK, "#RECEIPT#") {
		_, rest, _ := strings.Cut(strings.TrimPrefix(k.PK, "T#"), "#")
		k.PK = "T#acme#" + rest
	}
	return k
}

func (o oneCompany) Query(ctx context.Context, q table.Q) (table.Page, error) {
	q.PK = o.key(table.Key{PK: q.PK}).PK
	return o.Table.Query(ctx, q)
}

// deaf takes every message and loses the first that fails to be sent.
type deaf struct{ queue.Queue }

func (d deaf) Send(ctx context.Context, m queue.Message) error {
	if err := d.Queue.Send(ctx, m); errors.Is(err, fault.Busy) {
		return nil
	}
	return nil
}

// lossy loses every fifth message for good.
type lossy struct {
	queue.Queue
	n int
}

func (l *lossy) Send(ctx context.Context, m queue.Message) error {
	if l.n++; l.n%5 == 0 {
		return nil
	}
	return l.Queue.Send(ctx, m)
}

// scattered gives each message its own group.
type scattered struct {
	queue.Queue
	n int
}

func (s *scattered) Send(ctx context.Context, m queue.Message) error {
	s.n++
	m.Group = store.Hash(m.Group, fmt.Sprint(s.n))
	return s.Queue.Send(ctx, m)
}

// hasty calls an unknown outcome a refusal for the moment.
type hasty struct{ channel.Provider }

func (h hasty) Send(ctx context.Context, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	sent, err := h.Provider.Send(ctx, a, to, out, ref)
	var e *channel.Error
	if errors.As(err, &e) && e.Verdict == channel.Unknown {
		return sent, &channel.Error{Verdict: channel.Later, Code: e.Code, Cause: desk.WaitUnavailable}
	}
	return sent, err
}

// rosy gives conversations as one would like them.
type rosy struct {
	table.Table
	wish func(*desk.Conversation)
}

func (r rosy) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	return changeConversations(ctx, r.Table, keys, r.wish)
}

// alwaysOn finds no channel switched off.
type alwaysOn struct{ table.Table }

func (a alwaysOn) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	items, err := a.Table.Get(ctx, keys...)
	for i := range items {
		if items[i].SK == "CHANNEL" {
			items[i].Body = []byte(strings.Replace(string(items[i].Body), `"state":"inactive"`, `"state":"active"`, 1))
		}
	}
	return items, err
}

// blind loses the wake-ups that say that the channel was changed.
type blind struct{ queue.Queue }

func (b blind) Send(ctx context.Context, m queue.Message) error {
	if strings.Contains(string(m.Body), `"fresh":true`) {
		return nil
	}
	return b.Queue.Send(ctx, m)
}

// unwritten calls writes of a sort key good that it does not make.
type unwritten struct {
	table.Table
	sk string
}

func (u unwritten) Write(ctx context.Context, ops ...table.Op) error {
	kept := slices.DeleteFunc(slices.Clone(ops), func(op table.Op) bool { return op.Item.SK == u.sk })
	if len(kept) == 0 {
		return nil
	}
	return u.Table.Write(ctx, kept...)
}

// gloomy drops the writes that show a channel as active.
type gloomy struct{ table.Table }

func (g gloomy) Write(ctx context.Context, ops ...table.Op) error {
	if ops[0].Item.SK == "CHANNEL" && strings.Contains(string(ops[0].Item.Body), `"state":"active"`) {
		return nil
	}
	return g.Table.Write(ctx, ops...)
}

// without drops the operations on keys that contain a part.
type without struct {
	table.Table
	part string
}

func (w without) Write(ctx context.Context, ops ...table.Op) error {
	kept := slices.DeleteFunc(slices.Clone(ops), func(op table.Op) bool {
		return op.Kind == table.OpCreate && strings.Contains(op.Item.PK, w.part)
	})
	if len(kept) == 0 {
		return nil
	}
	return w.Table.Write(ctx, kept...)
}
