package pipeline_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// hear lets the webhook have what the provider tells by now, and handles it.
func (w *world) hear() {
	w.t.Helper()
	for _, p := range w.phone.takePosts() {
		w.deliver(p.tenant, p.body)
	}
	must(w.t, w.driver.Drain(100_000))
}

// goOn lets time pass, with what the provider tells in it, until done or the end.
func (w *world) goOn(d time.Duration, done func() bool) {
	w.t.Helper()
	for end := w.clock.Now().Add(d); w.clock.Now().Before(end) && !done(); {
		w.run(10*time.Second, 10*time.Second, never)
		w.hear()
	}
}

// delivery is how far acme's message has come.
func (w *world) delivery(s sentMessage) desk.Delivery {
	w.t.Helper()
	got, err := w.aside().Deliveries(context.Background(), channelID("acme"), []string{s.id})
	must(w.t, err)
	return got[s.id].Status
}

// told is acme's channel interrupted by a failed receipt, with one message waiting in
// each of n conversations: 5700, 5701, …
func told(t *testing.T, n int) *world {
	w := newWorld(t, options{})
	w.failedReceipt()
	for i := range n {
		w.commit(fmt.Sprint(5700+i), nil, text("one"))
		w.queueWake(fmt.Sprint(5700+i), false)
	}
	must(t, w.driver.Drain(100_000))
	if w.phone.calls > 0 || w.channel().State != desk.ChannelInterrupted || !w.channelWait().NeedsProof() {
		t.Fatalf("after %d calls the channel is %s and waits %+v", w.phone.calls, w.channel().State, w.channelWait())
	}
	return w
}

// failedReceipt tells that acme's wallet is empty.
func (w *world) failedReceipt() {
	w.t.Helper()
	w.deliver("acme", body(fails(fmt.Sprint("gs-before-", w.clock.Now().UnixNano()), desk.WaitWallet, w.clock.Now())))
	must(w.t, w.driver.Drain(1000))
}

// TestAProviderThatTellsLater: R15, for an hour the wallet is empty, sends are accepted
// and fail. What was accepted before and one probe a wait fail, all the rest waits, and
// arrives once the wallet is full; the channel never flaps.
func TestAProviderThatTellsLater_R15_S3_09(t *testing.T) {
	const people = 30
	w := newWorld(t, options{})
	w.longDialogues()
	w.phone.told = 100
	w.phone.moods = map[string]mood{"acme": lying}
	w.commit("5700", nil, text("before"))
	w.queueWake("5700", false)
	must(t, w.driver.Drain(1000))
	w.hear()
	w.clock.Advance(time.Second)
	for i := range people {
		number := fmt.Sprint(5700 + i)
		w.commit(number, nil, text("one"), text("two"))
		w.queueWake(number, false)
	}
	w.goOn(time.Hour, func() bool {
		if ch := w.channel(); ch.State != desk.ChannelInterrupted || ch.Cause != desk.WaitWallet {
			t.Fatalf("after %d sends the channel is %s %q, and waits %+v", len(w.phone.sends), ch.State, ch.Cause, w.channelWait())
		}
		return false
	})
	lost := len(w.phone.sends)
	if lost < 6 || lost > 7 { // before, then probes after 1, 2, 4, 8, 16 and 32 minutes
		t.Errorf("%d messages are lost", lost)
	}
	w.phone.moods = nil
	w.goOn(2*time.Hour, func() bool { return len(w.phone.sends) == 1+2*people })
	w.goOn(time.Minute, never)
	if ch, wait := w.channel(), w.channelWait(); ch.State != desk.ChannelActive || ch.Cause != "" || wait.Cause != "" {
		t.Errorf("the channel is %s %q and waits %+v", ch.State, ch.Cause, wait)
	}
	for i, s := range w.phone.sends {
		want := desk.SentOut
		if i < lost {
			want = desk.Failed
		}
		if got := w.delivery(s); s.tenant != "acme" || got != want {
			t.Errorf("message %d is %s, want %s", i+1, got, want)
		}
	}
	for i := range people {
		for n, r := range w.outcomes(fmt.Sprint(5700 + i)) {
			if r.Status != desk.Accepted || r.Attempts != 1 {
				t.Errorf("%d: reply %d: %+v", 5700+i, n+1, r)
			}
		}
	}
}

// TestProbe: what becomes of the one message that a channel which needs proof has sent.
func TestProbe_R15(t *testing.T) {
	becomes := func(d desk.Delivery) func(*phone, sentMessage) channel.Batch {
		return func(p *phone, s sentMessage) channel.Batch { return p.becomes(s, d) }
	}
	failing := func(cause string) func(*phone, sentMessage) channel.Batch {
		return func(p *phone, s sentMessage) channel.Batch { return p.fails(s, cause) }
	}
	byNetwork := func(p *phone, s sentMessage) channel.Batch {
		p.posts = append(p.posts, pending{"acme", body(p.becomes(s, desk.Accepted))}) // joins both ids
		b := p.becomes(s, desk.Delivered)
		b.Receipts[0].SendID = ""
		return b
	}
	byReference := func(p *phone, s sentMessage) channel.Batch {
		b := p.becomes(s, desk.SentOut)
		b.Receipts[0].SendID, b.Receipts[0].MessageID, b.Receipts[0].Ref = "", "", s.ref
		return b
	}
	const first, patience = pipeline.FirstLook, pipeline.ProofPatience
	for _, test := range []struct {
		name    string
		receipt func(*phone, sentMessage) channel.Batch
		after   time.Duration // the probe has been out for
		sends   int           // in all, of three that wait
		cause   string        // that the channel waits for
		step    time.Duration
	}{
		{"just sent: nobody looks yet", becomes(desk.SentOut), first - time.Second, 1, desk.WaitWallet, time.Minute},
		{"sent: all goes", becomes(desk.SentOut), first, 3, "", 0},
		{"delivered", becomes(desk.Delivered), first, 3, "", 0},
		{"read", becomes(desk.Read), first, 3, "", 0},
		{"delivered, as the network's id tells", byNetwork, first, 3, "", 0},
		{"sent, as our own reference tells", byReference, first, 3, "", 0},
		{"merely enqueued", nil, first, 1, desk.WaitWallet, time.Minute},
		{"merely accepted", becomes(desk.Accepted), first, 1, desk.WaitWallet, time.Minute},
		{"nothing for a while", nil, patience - time.Second, 1, desk.WaitWallet, time.Minute},
		{"nothing for so long: this provider tells nothing", nil, patience, 3, "", 0},
		{"failed again", failing(desk.WaitWallet), first, 1, desk.WaitWallet, 2 * time.Minute},
		{"failed for another cause", failing(desk.WaitSuspended), first, 1, desk.WaitSuspended, 2 * time.Minute},
		{"failed for its own sake: the next one goes", failing(""), first, 2, desk.WaitWallet, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := told(t, 3)
			w.clock.Advance(pipeline.FirstWait)
			must(t, w.wake(t.Context(), "5700", false, 1))
			must(t, w.wake(t.Context(), "5701", false, 1))
			if len(w.phone.sends) != 1 || !w.channelWait().Probe.Out() {
				t.Fatalf("%d are sent, and the channel waits %+v", len(w.phone.sends), w.channelWait())
			}
			out := w.clock.Now()
			for _, post := range w.phone.takePosts() {
				w.deliver(post.tenant, post.body)
			}
			if test.receipt != nil {
				told := test.receipt(w.phone, w.phone.sends[0])
				for range 2 { // as providers do
					for _, post := range w.phone.takePosts() {
						w.deliver(post.tenant, post.body)
					}
					w.deliver("acme", body(told))
				}
			}
			records := w.take("inbound")
			// Each of the others comes when the channel is to be looked at, and at last.
			for at := w.channelWait().NotBefore; at.Before(out.Add(test.after)); at = w.channelWait().NotBefore {
				w.clock.Advance(at.Sub(w.clock.Now()))
				must(t, w.wake(t.Context(), "5701", false, 1))
				if len(w.phone.sends) > 1 {
					t.Fatalf("a second one was sent after %v", w.clock.Now().Sub(out))
				}
			}
			w.clock.Advance(out.Add(test.after).Sub(w.clock.Now()))
			must(t, w.wake(t.Context(), "5701", false, 1))
			must(t, w.wake(t.Context(), "5702", false, 1))
			for range 2 {
				for _, r := range records { // the queue may be late
					must(t, w.in.Worker().Handle(t.Context(), r))
				}
			}
			wait, ch := w.channelWait(), w.channel()
			if len(w.phone.sends) != test.sends || wait.Cause != test.cause || wait.Step != test.step {
				t.Errorf("%d are sent, and the channel waits %+v", len(w.phone.sends), wait)
			}
			if well := test.cause == ""; well && !wait.WellAt.Equal(out) || !well && !wait.WellAt.IsZero() {
				t.Errorf("well at %v, and the probe was accepted at %v", wait.WellAt, out)
			}
			if interrupted := ch.State == desk.ChannelInterrupted; interrupted != (test.cause != "") || ch.Cause != test.cause {
				t.Errorf("the channel is %s %q", ch.State, ch.Cause)
			}
		})
	}
}

// TestTheAnswerToAProbe: what the provider says at once of the message that is to
// prove that the channel goes.
func TestTheAnswerToAProbe_R15(t *testing.T) {
	refused := func(v channel.Verdict, code, cause string) *channel.Error {
		return &channel.Error{Verdict: v, Code: code, Reason: "why", Cause: cause}
	}
	for _, test := range []struct {
		name  string
		err   *channel.Error
		calls int
		cause string
		step  time.Duration
	}{
		{"refused for its own sake: the next is the probe", refused(channel.Refused, "1002", ""), 2, desk.WaitWallet, time.Minute},
		{"refused for the channel's", refused(channel.ChannelDown, "401", desk.WaitCredential), 1, desk.WaitCredential, 2 * time.Minute},
		{"refused for the moment: the cause is still the same", refused(channel.Later, "503", desk.WaitUnavailable), 1, desk.WaitWallet, 2 * time.Minute},
		{"nobody knows", refused(channel.Unknown, "timeout", desk.WaitUnavailable), 1, desk.WaitWallet, 2 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := told(t, 2)
			f := func(context.Context) (channel.Sent, error) { return channel.Sent{}, test.err }
			hasty := w.out.Providers["gupshup"]
			calls := 0
			g := func(ctx context.Context) (channel.Sent, error) {
				if calls++; calls == 1 {
					return f(ctx)
				}
				return channel.Sent{ProviderID: "gs-2"}, nil
			}
			w.out.Providers["gupshup"] = via{hasty, &g}
			w.clock.Advance(pipeline.FirstWait)
			must(t, w.wake(t.Context(), "5700", false, 1))
			must(t, w.wake(t.Context(), "5701", false, 1))
			wait := w.channelWait()
			if calls != test.calls || wait.Cause != test.cause || wait.Step != test.step || !wait.NeedsProof() {
				t.Errorf("%d calls, and the channel waits %+v", calls, wait)
			}
			if out := calls == 2; wait.Probe.Out() != out || out && wait.Probe.ProviderID != "gs-2" {
				t.Errorf("the probe is %+v", wait.Probe)
			}
			if ch := w.channel(); ch.State != desk.ChannelInterrupted || ch.Cause != test.cause {
				t.Errorf("the channel is %s %q", ch.State, ch.Cause)
			}
		})
	}
}

// TestAProbeWhoseAnswerIsLost is the probe all the same, once it is known that it
// went out.
func TestAProbeWhoseAnswerIsLost_R6_R15(t *testing.T) {
	w := told(t, 2)
	w.phone.loseAnswers, w.phone.arrive = true, true
	w.clock.Advance(pipeline.FirstWait)
	must(t, w.wake(t.Context(), "5700", false, 1))
	w.hear()
	w.phone.loseAnswers, w.phone.told = false, 100
	w.clock.Advance(2 * pipeline.FirstWait)
	must(t, w.wake(t.Context(), "5700", false, 1))
	if p := w.channelWait().Probe; len(w.phone.sends) != 1 || p.ProviderID != w.phone.sends[0].id {
		t.Fatalf("after %d sends the probe is %+v", len(w.phone.sends), p)
	}
	w.deliver("acme", body(w.phone.becomes(w.phone.sends[0], desk.SentOut)))
	w.clock.Advance(pipeline.FirstLook)
	must(t, w.wake(t.Context(), "5701", false, 1))
	if w.channelWait().Cause != "" || len(w.phone.sends) != 2 {
		t.Errorf("%d are sent, and the channel waits %+v", len(w.phone.sends), w.channelWait())
	}
}

// TestTheLastMessageIsProvenToo: with nothing else to send and nobody who writes the
// channel is active again all the same.
func TestTheLastMessageIsProvenToo_S3_09(t *testing.T) {
	for _, tells := range []int{0, 100} {
		w := told(t, 1)
		w.phone.told = tells
		w.goOn(2*time.Minute, func() bool { return len(w.phone.sends) == 1 })
		w.goOn(30*time.Second, never)
		if conv := w.conversation("5700"); len(conv.Unsent) > 0 || conv.State() != desk.ConversationIdle {
			t.Errorf("what was sent still counts as unsent: %+v", conv)
		}
		if w.channel().State != desk.ChannelInterrupted {
			t.Error("active before anything is proven")
		}
		limit := 2 * time.Minute
		if tells == 0 {
			limit += pipeline.ProofPatience
		}
		w.goOn(limit, never)
		if ch, wait := w.channel(), w.channelWait(); ch.State != desk.ChannelActive || wait.Cause != "" {
			t.Errorf("told %d: the channel is %s and waits %+v", tells, ch.State, wait)
		}
		if conv := w.conversation("5700"); conv.Wait != nil || len(w.phone.sends) != 1 {
			t.Errorf("told %d: %d sends, then %+v", tells, len(w.phone.sends), conv)
		}
	}
}

// TestALastMessageThatFails leaves nobody who looks again.
func TestALastMessageThatFails(t *testing.T) {
	w := told(t, 1)
	w.phone.mood = lying
	w.goOn(2*time.Minute, func() bool { return len(w.phone.sends) == 1 })
	w.goOn(90*time.Second, never)
	if wait := w.channelWait(); wait.Step != 2*time.Minute || !w.clock.Now().Before(wait.NotBefore) {
		t.Errorf("the channel waits %+v", wait)
	}
	if conv := w.conversation("5700"); conv.Wait != nil || len(conv.Unsent) > 0 || desk.Armed(conv.ArmedWake, w.clock.Now()) {
		t.Errorf("the conversation waits on: %+v", conv)
	}
}

// TestAWaitOfAnotherKindKeepsWhenItWasWell: a late failure of what was accepted before
// interrupts no more than it did.
func TestAWaitOfAnotherKindKeepsWhenItWasWell(t *testing.T) {
	w := newWorld(t, options{})
	proven := w.clock.Now().Add(-time.Minute)
	must(t, w.aside().SaveChannelWait(t.Context(), channelID("acme"), store.StoredWait{WellAt: proven}))
	w.phone.mood = suspended
	w.commit("5700", nil, text("one"))
	must(t, w.wake(t.Context(), "5700", false, 1))
	if wait := w.channelWait(); wait.Cause != desk.WaitSuspended || !wait.WellAt.Equal(proven) {
		t.Errorf("the channel waits %+v", wait)
	}
	w.phone.mood = well
	w.clock.Advance(2 * time.Minute)
	must(t, w.wake(t.Context(), "5700", false, 1))
	if wait := w.channelWait(); wait.Cause != "" || !wait.WellAt.Equal(proven) {
		t.Errorf("then the channel waits %+v", wait)
	}
}

// TestLateFailures: what was accepted before the channel was known to go says nothing
// of it when it fails afterwards; what was accepted since does.
func TestLateFailures_S3_09(t *testing.T) {
	for _, test := range []struct {
		name         string
		accepted     time.Duration // after the probe
		acknowledged bool          // a receipt of enqueued came then
		failed       time.Duration // after the probe
		want         bool          // it interrupts
	}{
		{"accepted before, failed before, known when", -time.Minute, true, -time.Second, false},
		{"accepted before, failed afterwards", -time.Minute, true, time.Minute, false},
		{"accepted with the probe", 0, true, time.Minute, false},
		{"accepted since", time.Second, true, time.Minute, true},
		{"nobody knows when, and it failed before", -time.Minute, false, 0, false},
		{"nobody knows when, and it failed afterwards", time.Minute, false, time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := told(t, 0)
			proven := w.clock.Now().Add(10 * time.Minute)
			w.clock.Advance(10*time.Minute + test.accepted)
			if test.acknowledged {
				w.deliver("acme", body(channel.Batch{Receipts: []desk.Receipt{{
					SendID: "gs-late", Status: desk.Accepted, Enqueued: true, Destination: "5492", At: w.clock.Now(),
				}}}))
			}
			w.clock.Advance(proven.Add(2 * time.Minute).Sub(w.clock.Now()))
			w.alterChannel(func(ch *desk.Channel) { ch.State, ch.Cause = desk.ChannelActive, "" })
			wait := w.channelWait()
			must(t, w.aside().SaveChannelWait(t.Context(), channelID("acme"), store.StoredWait{WellAt: proven, Versioned: wait.Versioned}))
			for range 2 {
				w.deliver("acme", body(fails("gs-late", desk.WaitWallet, proven.Add(test.failed))))
				must(t, w.driver.Drain(1000))
				w.clock.Advance(6 * time.Minute) // it is another event for the queue then
			}
			if state := w.channel().State; (state == desk.ChannelInterrupted) != test.want || w.channelWait().NeedsProof() != test.want {
				t.Errorf("the channel is %s and waits %+v", state, w.channelWait())
			}
		})
	}
}

// Whoever got the probe opts out while another reply is held for them: the probe is
// looked at all the same.
func TestAProbeWhosePersonOptsOut(t *testing.T) {
	w := told(t, 1)
	w.phone.told = 0
	w.goOn(2*time.Minute, func() bool { return len(w.phone.sends) == 1 })
	w.commit("5700", nil, text("two"))
	w.queueWake("5700", false)
	must(t, w.driver.Drain(1000))
	w.deliver("acme", body(says("5700", false, w.clock.Now())))
	must(t, w.driver.Drain(1000))
	w.goOn(3*time.Hour, never)
	if ch := w.channel(); ch.State != desk.ChannelActive {
		t.Errorf("after three hours: %s %s, %+v", ch.State, ch.Cause, w.channelWait())
	}
}

// The wake-up that is to look at the probe ends as a dead letter: another one looks.
func TestAProbeWhoseLookDies(t *testing.T) {
	w := told(t, 1)
	w.phone.told = 0
	w.goOn(2*time.Minute, func() bool { return len(w.phone.sends) == 1 })
	conv := w.conversation("5700")
	if len(conv.Unsent) > 0 || conv.Wait == nil {
		t.Fatalf("%+v", conv)
	}
	must(t, w.store.DueTimers(t.Context(), w.clock.Now().Add(10*time.Minute), func(store.Timer) error { return nil })) // it fired
	raw, err := queue.Seal(desk.StageOutbound, "acme", desk.Wake{Conversation: conv.ID, Fired: true})
	must(t, err)
	must(t, w.clerk.Drain(t.Context(), desk.StageOutbound, queue.Record{ID: "r", Body: raw}))
	w.goOn(3*time.Hour, never)
	if ch := w.channel(); ch.State != desk.ChannelActive {
		t.Errorf("after three hours: %s %s", ch.State, ch.Cause)
	}
}
