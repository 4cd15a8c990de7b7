package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
	"buzon/internal/table"
)

// tell queues an inbound event as the API does, until it is durable.
func (w *world) tell(e desk.InboundEvent, dedup string) {
	w.t.Helper()
	raw, err := queue.Seal(desk.StageInbound, "acme", e)
	must(w.t, err)
	for range 50 {
		m := queue.Message{Group: store.Hash("acme", channelID("acme"), "ended"), Dedup: dedup, Body: raw}
		if w.driver.Queue(desk.StageInbound).Send(context.Background(), m) == nil {
			return
		}
	}
	w.t.Fatal("the event was never queued")
}

// busy is a world with three open cases on acme's channel, of which the last also has
// another channel, and with a person whose replies wait for the provider.
func busy(t *testing.T, p *crashtest.Plan) *world {
	w := newWorld(t, options{plan: p})
	if p != nil {
		faults := p.Faults
		p.Faults = nil
		defer func() { p.Faults, p.Seen = faults, nil }()
	}
	w.longDialogues()
	for i := range 3 {
		w.deliver("acme", body(w.tap(fmt.Sprint("wamid.tap", i), fmt.Sprint(5490+i), fmt.Sprint("case ", i), "")))
		must(t, w.driver.Drain(1000))
	}
	tickets := w.tickets()
	last := tickets[slices.IndexFunc(tickets, func(k desk.Case) bool { return k.Title == "case 2" })]
	was := last
	last.Conversations, last.Channels = append(last.Conversations, "elsewhere"), append(last.Channels, "acme-second")
	must(t, w.plainStore().In("acme").SaveCase(t.Context(), was, last))
	w.phone.moods = map[string]mood{"acme": limited}
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	must(t, w.driver.Drain(1000))
	w.run(5*time.Minute, 10*time.Second, func() bool { return w.conversation("5700").Wait != nil })
	w.phone.moods = nil
	return w
}

// switchOff switches acme's channel off with one write, as the API does in another process,
// and arms the timer for what comes late.
func (w *world) switchOff() {
	w.t.Helper()
	c := w.plainStore().In("acme")
	ch, err := c.FreshChannel(context.Background(), channelID("acme"))
	must(w.t, err)
	ch.State, ch.EndedAt, ch.EndedBy, ch.Queues = desk.ChannelInactive, w.clock.Now(), "spec1", nil
	timer := c.ChannelTimer(store.WakeEnding, ch.ID, ch.Version, w.clock.Now().Add(2*time.Minute))
	must(w.t, c.SaveChannel(context.Background(), ch, timer.Also()))
}

// ends describes the cases, and what became of the replies of the person who waits.
func (w *world) ends() string {
	w.t.Helper()
	var out []string
	for _, k := range w.tickets() {
		history, err := w.plainStore().In("acme").CaseHistory(context.Background(), k.ID)
		must(w.t, err)
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s: %s %s %d %s", k.Title, k.State, k.ClosingReason, len(history), history[len(history)-1].By)))
	}
	conv := w.conversation("5700")
	for _, turn := range w.turns("acme", conv.ID) {
		for _, r := range turn.Replies {
			out = append(out, fmt.Sprintf("reply: %s %t %s", r.Status, r.Done, r.Reason))
		}
	}
	out = append(out, fmt.Sprintf("unsent: %d, sent: %d", len(conv.Unsent), len(w.phone.sentTo("acme", "5700"))))
	slices.Sort(out)
	return strings.Join(slices.Compact(out), "\n")
}

const allEnded = `case 0: closed channel_deactivated 2 spec1
case 1: closed channel_deactivated 2 spec1
case 2: new  1
reply: failed true channel_deactivated
unsent: 0, sent: 0`

func TestDeactivation_S3_12_Q32(t *testing.T) {
	w := busy(t, nil)
	before := w.clock.Now()
	w.switchOff()
	w.tell(desk.InboundEvent{Ended: channelID("acme")}, "1")
	must(t, w.driver.Drain(1000))
	if got := w.ends(); got != allEnded {
		t.Errorf("ended as\n%s\nwant\n%s", got, allEnded)
	}
	if !w.clock.Now().Equal(before) {
		t.Errorf("it took until a timer fired")
	}
	w.tell(desk.InboundEvent{Ended: channelID("acme")}, "2")
	w.run(time.Hour, time.Minute, never)
	if got := w.ends(); got != allEnded {
		t.Errorf("an hour later\n%s", got)
	}
}

func TestDeactivationCrashesAnywhere_R1(t *testing.T) {
	crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
		w := busy(t, p)
		w.switchOff()
		w.tell(desk.InboundEvent{Ended: channelID("acme")}, "1")
		must(t, w.driver.Drain(1000))
		w.run(20*time.Minute, 30*time.Second, never)
		return w.ends()
	})
}

// Without the event the timer alone does it, and it ends what came late.
func TestTheTimerEndsWhatCameLate(t *testing.T) {
	w := busy(t, nil)
	w.switchOff()
	w.tell(desk.InboundEvent{Ended: channelID("acme")}, "1")
	must(t, w.driver.Drain(1000))
	late := desk.Case{ID: "late", Reference: "LATE-LATE", Title: "late", State: desk.CaseNew, Channels: []string{channelID("acme")}, CreatedAt: w.clock.Now(), ChangedAt: w.clock.Now()}
	must(t, w.plainStore().In("acme").Commit(t.Context(), store.Commit{
		Conversation: desk.Conversation{ID: "late", Channel: channelID("acme"), Unsent: []desk.Unsent{{Turn: "late", First: 1, Last: 1}}, Wait: &desk.Wait{Cause: desk.WaitWallet, NotBefore: w.clock.Now().Add(time.Hour), ByChannel: true}},
		Turn: store.StoredTurn{Turn: desk.Turn{ID: "late", Conversation: "late", Kind: desk.TurnAgent, Replies: []desk.Reply{
			{Number: 1, ID: "late", Status: desk.Queued, Outgoing: desk.Outgoing{Type: desk.ReplyText, Text: "x"}},
		}}},
		Ticket: &late,
	}))
	w.run(3*time.Minute, 10*time.Second, never)
	k, err := w.plainStore().In("acme").Case(t.Context(), "late")
	must(t, err)
	conv, err := w.plainStore().In("acme").Conversation(t.Context(), "late")
	must(t, err)
	if k.State != desk.CaseClosed || k.ClosingReason != desk.ReasonDeactivated || len(conv.Unsent) != 0 {
		t.Errorf("after the timer: case %s %q, %d unsent", k.State, k.ClosingReason, len(conv.Unsent))
	}
}

func TestEndedDoesNothingToAChannelThatAnswers(t *testing.T) {
	for _, test := range []struct {
		name  string
		state desk.ChannelState
	}{{"switched on again", desk.ChannelActive}, {"interrupted", desk.ChannelInterrupted}} {
		t.Run(test.name, func(t *testing.T) {
			w := busy(t, nil)
			w.setChannel("acme", test.state, false)
			before := w.ends()
			w.tell(desk.InboundEvent{Ended: channelID("acme")}, "1")
			must(t, w.driver.Drain(1000))
			if got := w.ends(); got != before {
				t.Errorf("ended\n%s\nwas\n%s", got, before)
			}
		})
	}
	w := newWorld(t, options{})
	raw, err := queue.Seal(desk.StageInbound, "acme", desk.InboundEvent{Ended: "acme-nobody"})
	must(t, err)
	must(t, w.in.Worker().Handle(t.Context(), record(1, string(raw))))
}

// Off and soon on again: what was open then has ended, whoever comes to do it and
// when; what began or was opened again since goes on.
func TestOffAndSoonOnAgain_S3_12_Q32(t *testing.T) {
	for _, test := range []struct {
		name  string
		event bool
	}{{"the event comes after it was switched on", true}, {"only the timer comes", false}} {
		t.Run(test.name, func(t *testing.T) {
			w := busy(t, nil)
			w.offAndOn()
			if test.event {
				w.tell(desk.InboundEvent{Ended: channelID("acme")}, "1")
			}
			w.run(3*time.Minute, 10*time.Second, never)
			want := strings.Replace(allEnded, "reply", "case new: new  1\ncase opened again: in_progress  2\nreply", 1)
			if got := w.ends(); got != want {
				t.Errorf("ended as\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// offAndOn switches acme's channel off and, before anything of it has ended, on again;
// then a case is opened, and one is opened again that was resolved.
func (w *world) offAndOn() {
	w.t.Helper()
	ctx, c := context.Background(), w.plainStore().In("acme")
	open := func(title string, state desk.CaseState) desk.Case {
		k := desk.Case{ID: title, Reference: title, Title: title, State: state, Channels: []string{channelID("acme")}, CreatedAt: w.clock.Now(), ChangedAt: w.clock.Now()}
		must(w.t, c.Commit(ctx, store.Commit{
			Conversation: desk.Conversation{ID: title, Channel: channelID("acme")},
			Turn:         store.StoredTurn{Turn: desk.Turn{ID: title, Conversation: title}}, Ticket: &k,
		}))
		k.Version = 1
		return k
	}
	resolved := open("case opened again", desk.CaseResolved)
	w.switchOff()
	w.clock.Advance(5 * time.Second)
	ch, err := c.FreshChannel(ctx, channelID("acme"))
	must(w.t, err)
	ch.State = desk.ChannelActive
	must(w.t, c.SaveChannel(ctx, ch, nil))
	open("case new", desk.CaseNew)
	again := resolved
	again.State, again.ChangedAt = desk.CaseInProgress, w.clock.Now()
	must(w.t, c.AddToCase(ctx, resolved, again, desk.CaseEvent{ID: "again", Case: again.ID, Kind: desk.CaseMoved, At: w.clock.Now()}))
}

func TestOffAndSoonOnAgainCrashesAnywhere_R1(t *testing.T) {
	crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
		w := busy(t, p)
		w.offAndOn()
		w.tell(desk.InboundEvent{Ended: channelID("acme")}, "1")
		must(t, w.driver.Drain(1000))
		w.run(20*time.Minute, 30*time.Second, never)
		return w.ends()
	})
}

// cutOff ends the time of a step at the n-th write.
type cutOff struct {
	table.Table
	left int
	end  context.CancelFunc
}

func (c *cutOff) Write(ctx context.Context, ops ...table.Op) error {
	if c.end != nil {
		if c.left--; c.left < 0 {
			c.end()
			return ctx.Err()
		}
	}
	return c.Table.Write(ctx, ops...)
}

// What a step has no time for goes on with the next, and is no failure.
func TestManyCasesEndInSeveralSteps(t *testing.T) {
	var cut *cutOff
	w := newWorld(t, options{mutant: func(s *seams) { cut = &cutOff{Table: s.table}; s.table = cut }})
	for i := range 7 {
		w.deliver("acme", body(w.tap(fmt.Sprint("wamid.", i), fmt.Sprint(5490+i), "Yes", "")))
	}
	must(t, w.driver.Drain(1000))
	w.setChannel("acme", desk.ChannelInactive, false)
	raw, err := queue.Seal(desk.StageInbound, "acme", desk.InboundEvent{Ended: channelID("acme")})
	must(t, err)
	steps := 0
	for ; steps < 10; steps++ {
		ctx, cancel := context.WithCancel(t.Context())
		cut.left, cut.end = 3, cancel
		err := w.in.Worker().Handle(ctx, record(1, string(raw)))
		cancel()
		if err == nil {
			break
		}
		if _, again := queue.AgainAfter(err); !again {
			t.Fatalf("step %d: %v", steps, err)
		}
	}
	open, err := w.plainStore().In("acme").Interactions(t.Context(), channelID("acme"))
	if err != nil || len(open) != 0 || steps != 2 {
		t.Errorf("after %d steps %d are open, %v", steps, len(open), err)
	}
}

// A new credential lets go what waits, at once; a wait of another kind stays.
func TestANewCredentialLetsGo(t *testing.T) {
	for _, test := range []struct {
		cause string
		want  string
	}{
		{desk.WaitCredential, ""}, {desk.WaitWallet, ""}, {desk.WaitSuspended, ""},
		{desk.WaitRateLimited, desk.WaitRateLimited}, {desk.WaitUnavailable, desk.WaitUnavailable},
	} {
		t.Run(test.cause, func(t *testing.T) {
			w := busy(t, nil)
			c := w.plainStore().In("acme")
			wait, err := c.ChannelWait(t.Context(), channelID("acme"))
			must(t, err)
			wait.Wait = desk.Wait{Cause: test.cause, NotBefore: w.clock.Now().Add(time.Hour), Step: time.Hour}
			must(t, c.SaveChannelWait(t.Context(), channelID("acme"), wait))
			w.tell(desk.InboundEvent{Freed: channelID("acme")}, "1")
			records := w.take(desk.StageInbound)
			must(t, w.in.Worker().Handle(t.Context(), records[0]))
			must(t, w.in.Worker().Handle(t.Context(), records[0]))
			if wait, err = c.ChannelWait(t.Context(), channelID("acme")); err != nil || wait.Cause != test.want {
				t.Errorf("the channel waits for %q, %v", wait.Cause, err)
			}
			wakes := w.take(desk.StageOutbound)
			if len(wakes) != 1 {
				t.Fatalf("%d wake-ups", len(wakes))
			}
			if _, wake, err := queue.Open[desk.Wake](desk.StageOutbound, wakes[0].Body); err != nil || !wake.Fresh || wake.Conversation != w.conversation("5700").ID {
				t.Errorf("woken %+v, %v", wake, err)
			}
			w.tell(desk.InboundEvent{Freed: channelID("acme")}, "2") // another event wakes once more
			must(t, w.in.Worker().Handle(t.Context(), w.take(desk.StageInbound)[0]))
			if wakes = w.take(desk.StageOutbound); len(wakes) != 1 {
				t.Errorf("%d wake-ups by the next", len(wakes))
			}
		})
	}
}

// take takes what waits in a queue.
func (w *world) take(stage string) (out []queue.Record) {
	w.t.Helper()
	records, err := w.driver.Memory(stage).Receive(context.Background(), queue.MaxBatch, time.Hour)
	must(w.t, err)
	for _, r := range records {
		out = append(out, r.Record)
		must(w.t, w.driver.Memory(stage).Delete(context.Background(), r.Receipt))
	}
	return out
}

// fails is what a provider posts when a delivery failed.
func fails(id, cause string, at time.Time) channel.Batch {
	return channel.Batch{Receipts: []desk.Receipt{{SendID: id, Status: desk.Failed, Destination: "5492", Code: "1003", Cause: cause, At: at}}}
}

func (w *world) held() (desk.ChannelState, string, store.StoredWait) {
	w.t.Helper()
	ch, err := w.plainStore().In("acme").FreshChannel(context.Background(), channelID("acme"))
	must(w.t, err)
	wait, err := w.plainStore().In("acme").ChannelWait(context.Background(), channelID("acme"))
	must(w.t, err)
	return ch.State, ch.Cause, wait
}

func TestFailuresThatInterruptTheChannel_S3_09(t *testing.T) {
	for _, test := range []struct {
		name    string
		cause   string
		age     time.Duration
		state   desk.ChannelState
		deleted bool
		want    desk.ChannelState
		waits   string
	}{
		{"the wallet is empty", desk.WaitWallet, 0, desk.ChannelActive, false, desk.ChannelInterrupted, desk.WaitWallet},
		{"the credential is dead", desk.WaitCredential, 0, desk.ChannelActive, false, desk.ChannelInterrupted, desk.WaitCredential},
		{"the provider suspended it", desk.WaitSuspended, 0, desk.ChannelActive, false, desk.ChannelInterrupted, desk.WaitSuspended},
		{"news of just ten minutes ago", desk.WaitWallet, pipeline.MaxInterruptAge, desk.ChannelActive, false, desk.ChannelInterrupted, desk.WaitWallet},
		{"news of before", desk.WaitWallet, pipeline.MaxInterruptAge + time.Second, desk.ChannelActive, false, desk.ChannelActive, ""},
		{"a limit of the provider's interrupts nothing", desk.WaitRateLimited, 0, desk.ChannelActive, false, desk.ChannelActive, ""},
		{"this message alone", "", 0, desk.ChannelActive, false, desk.ChannelActive, ""},
		{"a channel that is off stays so", desk.WaitWallet, 0, desk.ChannelInactive, false, desk.ChannelInactive, ""},
		{"a channel that is deleted stays as it was", desk.WaitWallet, 0, desk.ChannelActive, true, desk.ChannelActive, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.setChannel("acme", test.state, test.deleted)
			w.deliver("acme", body(fails("gs-1", test.cause, w.clock.Now().Add(-test.age))))
			must(t, w.driver.Drain(1000))
			state, cause, wait := w.held()
			if state != test.want || wait.Cause != test.waits || cause != test.waits {
				t.Errorf("%s because of %q, waits for %q", state, cause, wait.Cause)
			}
			if test.waits != "" && !wait.NotBefore.Equal(w.clock.Now().Add(pipeline.FirstWait)) {
				t.Errorf("until %v", wait.NotBefore)
			}
		})
	}
}

// Many failures are one interruption, however late they come; the next, of the probe
// after its time, waits twice as long.
func TestTheWaitOfAnInterruptionGrows(t *testing.T) {
	w := newWorld(t, options{})
	n := 0
	step := func(cause string) time.Duration {
		if _, _, wait := w.held(); wait.NeedsProof() {
			wait.Probe = desk.Probe{Reply: "r", ProviderID: fmt.Sprint("gs-", n+2), At: w.clock.Now()}
			must(t, w.plainStore().In("acme").SaveChannelWait(t.Context(), channelID("acme"), wait))
		}
		for range 3 {
			n++
			w.deliver("acme", body(fails(fmt.Sprint("gs-", n), cause, w.clock.Now())))
			must(t, w.driver.Drain(1000))
		}
		_, _, wait := w.held()
		return wait.NotBefore.Sub(w.clock.Now())
	}
	for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
		if got := step(desk.WaitWallet); got != want {
			t.Errorf("wait %d is %v, want %v", i, got, want)
		}
		w.clock.Advance(want)
	}
	// Another cause takes its place, and a later date that is known stays.
	c := w.plainStore().In("acme")
	_, _, wait := w.held()
	wait.Wait = desk.Wait{Cause: desk.WaitRateLimited, NotBefore: w.clock.Now().Add(5 * time.Hour)}
	must(t, c.SaveChannelWait(t.Context(), channelID("acme"), wait))
	if got := step(desk.WaitCredential); got != 5*time.Hour {
		t.Errorf("waits %v", got)
	}
	if state, cause, wait := w.held(); state != desk.ChannelInterrupted || cause != desk.WaitCredential || wait.Cause != desk.WaitCredential {
		t.Errorf("%s because of %q, waits for %q", state, cause, wait.Cause)
	}
}

func TestInterruptionCrashesAnywhere_R1(t *testing.T) {
	crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
		w := begun(t, p)
		w.deliver("acme", body(fails("gs-1", desk.WaitWallet, w.clock.Now())))
		must(t, w.driver.Drain(1000))
		w.clock.Advance(40 * time.Second)
		must(t, w.driver.Drain(1000))
		w.clock.Advance(55 * time.Second)
		must(t, w.driver.Drain(1000))
		state, cause, wait := w.held()
		return fmt.Sprint(state, cause, wait.Cause) // how long it waits may grow with each delivery
	})
}

// What comes to be open while the rest is being ended is ended with it.
func TestWhatOpensMeanwhileEndsToo(t *testing.T) {
	var hook *interrupted
	w := newWorld(t, options{mutant: func(s *seams) { hook = &interrupted{Table: s.table, n: -1, after: true}; s.table = hook }})
	w.deliver("acme", body(w.tap("wamid.1", "5492", "Yes", "")))
	must(t, w.driver.Drain(1000))
	w.setChannel("acme", desk.ChannelInactive, false)
	raw, err := queue.Seal(desk.StageInbound, "acme", desk.InboundEvent{Ended: channelID("acme")})
	must(t, err)
	late := desk.Case{ID: "late", Reference: "LATE-LATE", State: desk.CaseNew, Channels: []string{channelID("acme")}}
	hook.calls, hook.n = 0, 2 // the channel, the cases, the write that closes the first
	hook.do = func() {
		hook.n = -1
		must(t, w.plainStore().In("acme").Commit(context.Background(), store.Commit{Ticket: &late,
			Conversation: desk.Conversation{ID: "late"}, Turn: store.StoredTurn{Turn: desk.Turn{ID: "late", Conversation: "late"}}}))
	}
	must(t, w.in.Worker().Handle(t.Context(), record(1, string(raw))))
	open, err := w.plainStore().In("acme").Interactions(t.Context(), channelID("acme"))
	if err != nil || len(open) != 0 || hook.n != -1 {
		t.Errorf("%d are open, %v", len(open), err)
	}
}
