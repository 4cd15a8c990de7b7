package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
)

// TestAFailureWhileOthersAreSent: the wait begins in the middle of a pass, or of its
// call; what is still unsent waits, and the channel stays interrupted.
func TestAFailureWhileOthersAreSent_R15(t *testing.T) {
	for _, test := range []struct {
		name string
		was  func(*world)
	}{
		{"the channel went", func(*world) {}},
		{"it waited for what a call had said", func(w *world) {
			w.alterChannel(func(ch *desk.Channel) { ch.State, ch.Cause = desk.ChannelInterrupted, desk.WaitWallet })
			must(w.t, w.aside().SaveChannelWait(context.Background(), channelID("acme"), store.StoredWait{
				Wait: desk.Wait{Cause: desk.WaitWallet, NotBefore: w.clock.Now(), Step: time.Minute},
			}))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			test.was(w)
			sends := 0
			f := func(context.Context) (channel.Sent, error) {
				if sends++; sends == 2 {
					w.failedReceipt()
				}
				return channel.Sent{ProviderID: fmt.Sprint("gs-", sends)}, nil
			}
			w.out.Providers["gupshup"] = via{w.phone, &f}
			w.commit("5700", nil, text("one"), text("two"), text("three"), text("four"))
			must(t, w.wake(t.Context(), "5700", false, 1))
			if ch, wait := w.channel(), w.channelWait(); sends != 2 || ch.State != desk.ChannelInterrupted || !wait.NeedsProof() {
				t.Errorf("after %d sends the channel is %s and waits %+v", sends, ch.State, wait)
			}
			if conv := w.conversation("5700"); conv.State() != desk.ConversationWaiting || conv.Wait.Cause != desk.WaitWallet {
				t.Errorf("the conversation is %s: %+v", conv.State(), conv.Wait)
			}
		})
	}
}

// TestTwoThatLookAtOnce: one finds out, the other sees that it did; one probe goes.
func TestTwoThatLookAtOnce_R15(t *testing.T) {
	for n := range 12 {
		for _, after := range []bool{false, true} {
			var hook *interrupted
			w := newWorld(t, options{mutant: func(s *seams) { hook = &interrupted{Table: s.table, n: -1, after: after}; s.table = hook }})
			w.failedReceipt()
			for i := range 2 {
				w.commit(fmt.Sprint(5700+i), nil, text("one"), text("two"))
			}
			w.clock.Advance(pipeline.FirstWait)
			hook.calls, hook.n = 0, n
			hook.do = func() { hook.n = -1; must(t, w.wake(context.Background(), "5701", false, 1)) }
			must(t, w.wake(t.Context(), "5700", false, 1))
			must(t, w.wake(t.Context(), "5701", false, 1))
			if sends := len(w.phone.sends); sends != 1 || w.channel().State != desk.ChannelInterrupted {
				t.Errorf("call %d, after it %t: %d are sent", n, after, sends)
			}
			w.deliver("acme", body(w.phone.becomes(w.phone.sends[0], desk.SentOut)))
			w.clock.Advance(pipeline.FirstLook)
			hook.calls, hook.n = 0, n
			must(t, w.wake(t.Context(), "5700", false, 1))
			must(t, w.wake(t.Context(), "5701", false, 1))
			if sends := len(w.phone.sends); sends != 4 || w.channel().State != desk.ChannelActive || w.channelWait().Cause != "" {
				t.Errorf("call %d, after it %t: %d are sent, then the channel is %s and waits %+v", n, after, sends, w.channel().State, w.channelWait())
			}
		}
	}
}

// TestWhatIsShownNeverContradictsTheWait: a failed receipt anywhere in the pass that
// finds the channel well, and such a pass anywhere in the handling of the receipt,
// leave both interrupted or neither.
func TestWhatIsShownNeverContradictsTheWait_S3_09(t *testing.T) {
	sends := func(w *world) { must(w.t, w.wake(context.Background(), "5700", false, 1)) }
	fails := func(w *world) {
		w.deliver("acme", body(fails("gs-before", desk.WaitWallet, w.clock.Now())))
		must(w.t, w.in.Worker().Handle(context.Background(), w.take(desk.StageInbound)[0]))
	}
	for _, test := range []struct {
		name         string
		one, another func(*world)
		fewest       int // calls of the table
	}{
		{"the receipt comes while a message is sent", sends, fails, 8},
		{"a message is sent while the receipt is handled", fails, sends, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			for n := 0; ; n++ {
				var hook *interrupted
				w := newWorld(t, options{mutant: func(s *seams) { hook = &interrupted{Table: s.table, n: -1}; s.table = hook }})
				w.alterChannel(func(ch *desk.Channel) { ch.State, ch.Cause = desk.ChannelInterrupted, desk.WaitWallet })
				must(t, w.aside().SaveChannelWait(t.Context(), channelID("acme"), store.StoredWait{
					Wait: desk.Wait{Cause: desk.WaitWallet, NotBefore: w.clock.Now(), Step: time.Minute},
				}))
				w.commit("5700", nil, text("one"))
				done := false
				hook.calls, hook.n = 0, n
				hook.do = func() { hook.n, done = -1, true; test.another(w) }
				test.one(w)
				if !done {
					if n < test.fewest {
						t.Errorf("only %d calls of the table", n)
					}
					return
				}
				ch, wait := w.channel(), w.channelWait()
				if (ch.State == desk.ChannelInterrupted) != desk.Interrupts(wait.Cause) {
					t.Errorf("at call %d: the channel is %s and waits %+v", n, ch.State, wait)
				}
			}
		})
	}
}

// TestOneWhoMendsIt lets the next probe go at once, not all of it.
func TestOneWhoMendsIt(t *testing.T) {
	w := told(t, 6)
	w.phone.mood = lying
	w.goOn(20*time.Minute, never)
	sends := len(w.phone.sends)
	w.phone.mood, w.phone.told = well, 100
	w.tell(desk.InboundEvent{Freed: channelID("acme")}, "1")
	must(t, w.driver.Drain(1000))
	if wait := w.channelWait(); sends > 4 || len(w.phone.sends) != sends+1 || !wait.Probe.Out() {
		t.Fatalf("%d were sent, then %d; the channel waits %+v", sends, len(w.phone.sends), wait)
	}
	w.goOn(4*time.Minute, never)
	if ch := w.channel(); ch.State != desk.ChannelActive {
		t.Errorf("the channel is %s and waits %+v", ch.State, w.channelWait())
	}
}

func TestProofCrashesAnywhere_R1_R6_R15(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(w *world, say func(number string, outs ...desk.Outgoing))
	}{
		{"the probe is proven, and more waits", func(w *world, say func(string, ...desk.Outgoing)) {
			say("5700", text("one"), text("two"))
			say("5701", text("three"))
		}},
		{"it is the only one", func(_ *world, say func(string, ...desk.Outgoing)) {
			say("5700", text("one"))
		}},
		{"it fails, and the next is proven", func(w *world, say func(string, ...desk.Outgoing)) {
			w.phone.mood = lying
			say("5700", text("one"), text("two"))
			w.settle(90 * time.Second)
			w.phone.mood = well
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
				w := begun(t, p)
				w.phone.told = 100
				w.failedReceipt()
				state := w.channel().State
				test.run(w, func(number string, outs ...desk.Outgoing) {
					w.commit(number, nil, outs...)
					w.queueWake(number, false)
				})
				w.settle(15 * time.Minute)
				ch := w.channel()
				var ends []string
				for _, number := range []string{"5700", "5701"} {
					ends = append(ends, w.endState("acme", number))
				}
				return fmt.Sprint(state, ch.State, ch.Cause, w.channelWait().Cause, strings.Join(ends, "\n"))
			})
		})
	}
}
