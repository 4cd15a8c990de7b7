package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/store"
	"buzon/internal/table"
)

// via is a provider whose answer a test gives.
type via struct {
	channel.Provider
	send *func(ctx context.Context) (channel.Sent, error)
}

func (v via) Send(ctx context.Context, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	if *v.send != nil {
		return (*v.send)(ctx)
	}
	return v.Provider.Send(ctx, a, to, out, ref)
}

// run lets time pass in small steps, or as pause says, with the clock running, until
// done or the end.
func (w *world) run(d, step time.Duration, done func() bool) {
	w.t.Helper()
	for end := w.clock.Now().Add(d); w.clock.Now().Before(end) && !done(); {
		w.clock.Advance(w.pause(step, end))
		w.tick()
		must(w.t, w.driver.Drain(100_000))
		w.drainDead()
	}
}

func never() bool { return false }

func (w *world) conversation(number string) desk.Conversation {
	w.t.Helper()
	conv, err := w.store.In("acme").Conversation(context.Background(), store.ConversationID(channelID("acme"), number))
	must(w.t, err)
	return conv
}

func TestASecondOutageIsLeftAsTheFirst_R6_R14(t *testing.T) {
	w := newWorld(t, options{})
	w.longDialogues()
	w.phone.moods = map[string]mood{"acme": limited}
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	w.settle(3 * time.Minute)
	w.phone.moods = nil
	w.run(time.Hour, 10*time.Second, func() bool { return len(w.conversation("5700").Unsent) == 0 })
	first := len(w.phone.sentTo("acme", "5700"))
	w.clock.Advance(time.Minute)
	w.phone.moods = map[string]mood{"acme": limited}
	w.deliver("acme", body(w.message("wamid.2", "5700", "1")))
	w.settle(10 * time.Minute)
	w.phone.moods = nil
	w.run(2*time.Hour, time.Minute, never)
	if got := len(w.phone.sentTo("acme", "5700")); first == 0 || got == first || w.conversation("5700").State() == desk.ConversationWaiting {
		t.Errorf("sent %d, then %d: %+v", first, got, w.conversation("5700"))
	}
}

func TestASecondDialogueTimesOutAsTheFirst_Q11(t *testing.T) {
	w := newWorld(t, options{})
	idle := func() bool { return w.conversation("5700").State() == desk.ConversationIdle }
	for i := range 3 {
		w.deliver("acme", body(w.message(fmt.Sprint("wamid.", i), "5700", "hola")))
		must(t, w.driver.Drain(1000))
		w.run(2*time.Hour, 30*time.Second, idle)
		if !idle() {
			t.Fatalf("dialogue %d never ran out: %+v", i+1, w.conversation("5700"))
		}
		w.clock.Advance(time.Minute)
	}
}

func TestClockSkewLosesNoTimeout_Q11(t *testing.T) {
	w := newWorld(t, options{})
	skew := time.Duration(0)
	w.in.Now = func() time.Time { return w.clock.Now().Add(-skew) }
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	must(t, w.driver.Drain(1000))
	w.clock.Advance(time.Hour)
	skew = 20 * time.Millisecond // inbound's machine is behind the clock's
	w.tick()
	must(t, w.driver.Drain(1000))
	skew = 0
	w.run(time.Hour, time.Minute, never)
	if got := w.conversation("5700"); got.State() != desk.ConversationIdle {
		t.Errorf("never ran out: %+v", got)
	}
}

func TestARefusedProbeShowsThatTheChannelAnswers_R15(t *testing.T) {
	var f func(context.Context) (channel.Sent, error)
	w := newWorld(t, options{mutant: func(s *seams) { s.provider = via{s.provider, &f} }})
	w.longDialogues()
	w.phone.moods = map[string]mood{"acme": limited}
	const people = 20
	for i := range people {
		w.deliver("acme", body(w.message("wamid.1", fmt.Sprintf("57%02d", i), "hola")))
	}
	w.settle(3 * time.Minute)
	f = func(context.Context) (channel.Sent, error) { // what an outage of a day leaves behind
		return channel.Sent{}, &channel.Error{Verdict: channel.Refused, Code: "470", Reason: "outside_window"}
	}
	begin := w.clock.Now()
	w.run(time.Hour, 10*time.Second, func() bool {
		for i := range people {
			if len(w.conversation(fmt.Sprintf("57%02d", i)).Unsent) > 0 {
				return false
			}
		}
		return true
	})
	if took := w.clock.Now().Sub(begin); took > 10*time.Minute {
		t.Errorf("%d conversations took %v to come out of the wait", people, took)
	}
}

func TestAShakyProviderExhaustsNoWakeUp_R6_R15(t *testing.T) {
	var f func(context.Context) (channel.Sent, error)
	w := newWorld(t, options{mutant: func(s *seams) { s.provider = via{s.provider, &f} }})
	w.longDialogues()
	w.phone.moods = map[string]mood{"acme": limited}
	for i := range 20 {
		w.deliver("acme", body(w.message(fmt.Sprintf("wamid.%d", i), "5700", []string{"hola", "cancelar"}[i%2])))
	}
	w.settle(3 * time.Minute)
	tries, sent := 0, 0
	f = func(context.Context) (channel.Sent, error) { // each reply is taken at the fifth try
		if tries++; sent > 0 && tries < 5 {
			return channel.Sent{}, &channel.Error{Verdict: channel.Later, Code: "503", Cause: desk.WaitUnavailable}
		}
		tries, sent = 0, sent+1
		return channel.Sent{ProviderID: fmt.Sprint("gs-", sent)}, nil
	}
	w.run(6*time.Hour, 10*time.Second, func() bool { return len(w.conversation("5700").Unsent) == 0 })
	if conv := w.conversation("5700"); len(conv.Unsent) > 0 || int64(sent) != conv.LastNumber {
		t.Errorf("sent %d of %d", sent, conv.LastNumber)
	}
	if q := w.quarantined(); len(q) != 0 {
		t.Errorf("in quarantine: %s %s", q[0].Stage, q[0].Reason)
	}
}

func TestADeadWakeUpIsNotTheEndOfItsConversation_R6(t *testing.T) {
	w := newWorld(t, options{})
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	for {
		records, err := w.driver.Memory(desk.StageOutbound).Receive(t.Context(), 1, time.Hour)
		must(t, err)
		if len(records) == 1 {
			must(t, w.clerk.Drain(t.Context(), desk.StageOutbound, records[0].Record))
			must(t, w.driver.Memory(desk.StageOutbound).Delete(t.Context(), records[0].Receipt))
			break
		}
		if !w.driver.Step() {
			t.Fatal("no wake-up was sent")
		}
	}
	w.run(90*time.Minute, time.Minute, never)
	if conv := w.conversation("5700"); len(conv.Unsent) > 0 {
		t.Errorf("unsent for ever: %+v", conv)
	}
	if q := w.quarantined(); len(q) != 1 || q[0].Stage != desk.StageOutbound {
		t.Errorf("quarantine: %+v", q)
	}
}

func TestOurOwnDeadlineCutsNoSend_R6(t *testing.T) {
	w := newWorld(t, options{})
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	records, err := w.driver.Memory(desk.StageInbound).Receive(t.Context(), 1, time.Minute)
	must(t, err)
	must(t, w.in.Worker().Handle(t.Context(), records[0].Record))
	raw, err := queue.Seal(desk.StageOutbound, "acme", desk.Wake{Conversation: store.ConversationID(channelID("acme"), "5700")})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // less than a call may take, and its record
	defer cancel()
	err = w.out.Worker().Handle(ctx, queue.Record{ID: "r", Body: raw, Receives: 1})
	if _, again := queue.AgainAfter(err); !again || w.phone.calls != 0 {
		t.Errorf("%d calls were made in the rest of a step: %v", w.phone.calls, err)
	}
}

func TestUnsentStaysSmall(t *testing.T) {
	w := newWorld(t, options{})
	w.longDialogues()
	w.phone.moods = map[string]mood{"acme": limited}
	for i := range desk.MaxUnsent + 20 {
		w.deliver("acme", body(w.message(fmt.Sprintf("wamid.%d", i), "5700", "hola")))
	}
	w.settle(time.Minute)
	conv := w.conversation("5700")
	turns := w.turns("acme", conv.ID)
	noted := 0
	for _, turn := range turns {
		if turn.Note == "too_many_unsent" {
			noted++
		}
	}
	if len(conv.Unsent) != desk.MaxUnsent || len(turns) != desk.MaxUnsent+20 || noted != 20 {
		t.Errorf("%d unsent, %d recorded, %d of them not answered", len(conv.Unsent), len(turns), noted)
	}
}

func TestRepliesOfAChannelThatWasSwitchedOffAreEnded(t *testing.T) {
	w := newWorld(t, options{})
	w.longDialogues()
	w.phone.moods = map[string]mood{"acme": limited}
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	w.settle(3 * time.Minute)
	w.setChannel("acme", desk.ChannelInactive, false)
	w.phone.moods = nil
	w.run(time.Hour, time.Minute, never)
	if got := len(w.phone.sentTo("acme", "5700")); got != 0 {
		t.Errorf("%d messages left on a channel that is off", got)
	}
	for _, turn := range w.turns("acme", w.conversation("5700").ID) {
		for _, r := range turn.Replies {
			if r.Status != desk.Failed || r.Reason != "channel_deactivated" {
				t.Errorf("reply %d is %s %q", r.Number, r.Status, r.Reason)
			}
		}
	}
}

// interrupted calls something once, before or after the n-th call of a table.
type interrupted struct {
	table.Table
	n     int // -1: never
	after bool
	do    func()
	calls int
}

func (i *interrupted) around(call func() error) error {
	mine := i.calls == i.n
	i.calls++
	if mine && !i.after {
		i.do()
	}
	err := call()
	if mine && i.after {
		i.do()
	}
	return err
}

func (i *interrupted) Get(ctx context.Context, keys ...table.Key) (items []table.Item, err error) {
	err = i.around(func() error { items, err = i.Table.Get(ctx, keys...); return err })
	return items, err
}

func (i *interrupted) Write(ctx context.Context, ops ...table.Op) error {
	return i.around(func() error { return i.Table.Write(ctx, ops...) })
}

// A wake-up looks for nothing new once its last write has succeeded: a commit
// that comes then, or at any moment before, is sent all the same, once and in order.
func TestACommitAnywhereInAWakeUpIsSent_R3_R6_R7(t *testing.T) {
	const fewest = 6 // conversation, wait, turn, claim, result, conversation
	for _, after := range []bool{false, true} {
		for n := 0; ; n++ {
			var hook *interrupted
			w := newWorld(t, options{mutant: func(s *seams) {
				hook = &interrupted{Table: s.table, n: -1, after: after}
				s.table = hook
			}})
			w.longDialogues()
			next := func(text string) queue.Record {
				w.deliver("acme", body(w.message("wamid."+text, "5700", text)))
				records, err := w.driver.Memory(desk.StageInbound).Receive(t.Context(), 1, time.Hour)
				must(t, err)
				must(t, w.driver.Memory(desk.StageInbound).Delete(t.Context(), records[0].Receipt))
				return records[0].Record
			}
			must(t, w.in.Worker().Handle(t.Context(), next("hola")))
			second := next("Lighting acme")
			wakes, err := w.driver.Memory(desk.StageOutbound).Receive(t.Context(), 1, time.Hour)
			must(t, err)
			committed := false
			hook.calls, hook.n = 0, n
			hook.do = func() {
				hook.n, committed = -1, true
				must(t, w.in.Worker().Handle(t.Context(), second))
			}
			must(t, w.out.Worker().Handle(t.Context(), wakes[0].Record))
			must(t, w.driver.Memory(desk.StageOutbound).Delete(t.Context(), wakes[0].Receipt))
			if !committed {
				if n < fewest {
					t.Errorf("a wake-up made %d calls of the table", n)
				}
				break
			}
			must(t, w.driver.Drain(1000))
			var want, sent []string
			for _, turn := range []string{"wamid.hola", "wamid.Lighting acme"} {
				turns, err := w.store.In("acme").Turns(t.Context(), w.conversation("5700").ID, store.TurnID(turn))
				must(t, err)
				for _, r := range turns[0].Replies {
					want = append(want, r.ID)
				}
			}
			for _, s := range w.phone.sentTo("acme", "5700") {
				sent = append(sent, s.ref)
			}
			if len(want) < 3 || !slices.Equal(sent, want) || len(w.conversation("5700").Unsent) > 0 {
				t.Errorf("commit at call %d, after it %t: sent %v, want %v, unsent %v", n, after, sent, want, w.conversation("5700").Unsent)
			}
		}
	}
}
