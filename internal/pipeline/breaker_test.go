package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/pipeline"
	"buzon/internal/store"
	"buzon/internal/table"
)

// channelWait is acme's as it is stored.
func (w *world) channelWait() store.StoredWait {
	w.t.Helper()
	wait, err := w.aside().ChannelWait(context.Background(), channelID("acme"))
	must(w.t, err)
	return wait
}

// TestADeadProviderDelaysNobodyElse: R15, for an hour. Few calls are made to the dead
// one; afterwards everything arrives, once and in order.
func TestADeadProviderDelaysNobodyElse_R15(t *testing.T) {
	const people, rounds = 12, 6
	for _, dead := range []mood{refusing, broke, denied, suspended} {
		w := newWorld(t, options{})
		w.longDialogues()
		w.phone.moods = map[string]mood{"acme": dead}
		for round := range rounds {
			begin := w.clock.Now()
			for i := range people {
				said := w.message(fmt.Sprintf("wamid.%d", round), fmt.Sprintf("57%02d", i), []string{"hola", "cancelar"}[round%2])
				w.deliver("acme", body(said))
				w.deliver("bolt", body(said))
			}
			must(t, w.driver.Drain(100_000))
			for i := range people {
				got := w.phone.sentTo("bolt", fmt.Sprintf("57%02d", i))
				if last := got[len(got)-1].at; last.Before(begin) || last.Sub(begin) > 10*time.Second {
					t.Fatalf("%d: the other company's answer left at %v after %v", dead, last, begin)
				}
			}
			w.run(10*time.Minute, 10*time.Second, never)
		}
		calls := w.phone.callsTo["acme"]
		t.Logf("mood %d: %d calls in an hour for %d conversations", dead, calls, people)
		if calls > people+10 {
			t.Errorf("mood %d: %d calls were made to the dead one", dead, calls)
		}
		if wait := w.channelWait(); !w.clock.Now().Before(wait.NotBefore.Add(pipeline.WaitSpread)) || wait.Step > pipeline.MaxWait {
			t.Errorf("mood %d: after an hour the channel waits %+v", dead, wait)
		}
		w.phone.moods = nil
		w.run(3*time.Hour, 10*time.Second, func() bool {
			for i := range people {
				if len(w.conversation(fmt.Sprintf("57%02d", i)).Unsent) > 0 {
					return false
				}
			}
			return true
		})
		for i := range people {
			number := fmt.Sprintf("57%02d", i)
			want := w.outcomes(number)
			got := w.phone.sentTo("acme", number)
			if len(got) != len(want) || len(want) < rounds {
				t.Fatalf("mood %d: %s got %d of %d", dead, number, len(got), len(want))
			}
			for n, r := range want {
				if r.ID != got[n].ref || r.Status != desk.Accepted || r.Attempts != 1 {
					t.Errorf("mood %d: %s: reply %d: %+v", dead, number, n+1, r)
				}
			}
		}
		if q := w.quarantined(); len(q) != 0 {
			t.Errorf("mood %d: in quarantine: %+v", dead, q)
		}
		if wait := w.channelWait(); wait.Cause != "" {
			t.Errorf("mood %d: the channel still waits: %+v", dead, wait)
		}
		if ch := w.channel(); ch.State != desk.ChannelActive || ch.Cause != "" {
			t.Errorf("mood %d: the channel is %s %q", dead, ch.State, ch.Cause)
		}
	}
}

// TestBreaker: the channel waits as soon as so many sends have failed in a row, over
// its conversations, and no sooner.
func TestBreaker_R15(t *testing.T) {
	for _, test := range []struct {
		name  string
		mood  mood
		calls int // till the channel waits
	}{
		{"refused for the moment", refusing, pipeline.BreakerFailures},
		{"no answer", mute, pipeline.BreakerFailures},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.mood = test.mood
			for i := range 2 * pipeline.BreakerFailures {
				number := fmt.Sprint("57", i)
				w.commit(number, nil, text("one"))
				_ = w.wake(t.Context(), number, false, 1)
				wait := w.channelWait()
				if waits := wait.Cause == desk.WaitUnavailable; waits != (i+1 >= test.calls) {
					t.Fatalf("after conversation %d the channel waits: %t", i+1, waits)
				}
				if want := w.clock.Now().Add(pipeline.FirstWait); wait.Cause != "" && !wait.NotBefore.Equal(want) {
					t.Errorf("it waits until %v, want %v", wait.NotBefore, want)
				}
				if conv := w.conversation(number); i+1 >= test.calls && (conv.State() != desk.ConversationWaiting || !conv.Wait.ByChannel) {
					t.Errorf("conversation %d is %s: %+v", i+1, conv.State(), conv.Wait)
				}
			}
			if w.phone.calls != test.calls {
				t.Errorf("%d calls, want %d", w.phone.calls, test.calls)
			}
		})
	}
}

// TestTheProbeOfADeadChannelComesSeldom: one that gets no answer makes the wait grow
// as one that is refused does.
func TestTheProbeOfADeadChannelComesSeldom_R15(t *testing.T) {
	for _, dead := range []mood{refusing, mute} {
		w := newWorld(t, options{})
		w.phone.mood = dead
		for i := range 40 {
			number := fmt.Sprintf("57%02d", i)
			w.commit(number, nil, text("one"))
			w.queueWake(number, false)
		}
		begin := w.clock.Now()
		w.run(2*time.Hour, 10*time.Second, func() bool { return w.channelWait().Step == pipeline.MaxWait })
		if took := w.clock.Now().Sub(begin); took < time.Hour || w.phone.calls > 40+10 {
			t.Errorf("mood %d: %d calls in %v, then %+v", dead, w.phone.calls, took, w.channelWait())
		}
	}
}

// TestOneConversationKeepsItsPauses: contract section 2, five pauses from 5 s on, then
// the channel waits.
func TestOneConversationKeepsItsPauses(t *testing.T) {
	w := newWorld(t, options{})
	w.phone.mood = refusing
	w.commit("5700", nil, text("one"))
	w.queueWake("5700", false)
	var at []time.Duration
	begin := w.clock.Now()
	for len(at) < 6 && w.driver.Step() {
		if w.phone.calls > len(at) {
			at = append(at, w.clock.Now().Sub(begin))
		}
	}
	want := []time.Duration{0, 5 * time.Second, 15 * time.Second, 35 * time.Second, 75 * time.Second, 135 * time.Second}
	if fmt.Sprint(at) != fmt.Sprint(want) {
		t.Errorf("tried at %v, want %v", at, want)
	}
	must(t, w.driver.Drain(1000))
	if wait := w.channelWait(); wait.Cause != desk.WaitUnavailable || w.phone.calls != 6 {
		t.Errorf("%d calls, then %+v", w.phone.calls, wait)
	}
}

// TestInterrupted: S3-09, Q21, what nobody but a person can mend is shown on the
// channel while it is tried once an hour at most; a send that succeeds ends it.
func TestInterrupted_S3_09_Q21(t *testing.T) {
	for dead, cause := range map[mood]string{denied: desk.WaitCredential, broke: desk.WaitWallet, suspended: desk.WaitSuspended} {
		t.Run(cause, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.mood = dead
			w.commit("5700", nil, text("one"))
			w.queueWake("5700", false)
			must(t, w.driver.Drain(1000))
			if ch := w.channel(); ch.State != desk.ChannelInterrupted || ch.Cause != cause || w.phone.calls != 1 {
				t.Fatalf("after %d calls the channel is %s %q", w.phone.calls, ch.State, ch.Cause)
			}
			w.run(5*time.Hour, time.Minute, never) // 1, 2, 4 … 60 minutes
			if w.phone.calls < 8 || w.phone.calls > 11 {
				t.Errorf("%d calls in five hours", w.phone.calls)
			}
			w.phone.mood = well
			w.run(70*time.Minute, time.Minute, never)
			if ch := w.channel(); ch.State != desk.ChannelActive || ch.Cause != "" || len(w.conversation("5700").Unsent) > 0 {
				t.Errorf("the channel is %s %q", ch.State, ch.Cause)
			}
		})
	}
}

func TestInterruptionIsNotALease_S3_09(t *testing.T) {
	for _, test := range []struct {
		name string
		was  func(*desk.Channel)
		want desk.ChannelState
		why  string
	}{
		{"another cause takes the place of the first", func(ch *desk.Channel) { ch.State, ch.Cause = desk.ChannelInterrupted, desk.WaitWallet }, desk.ChannelInterrupted, desk.WaitCredential},
		{"one that was switched off meanwhile stays off", func(ch *desk.Channel) { ch.State = desk.ChannelInactive }, desk.ChannelInactive, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.mood = denied
			_, err := w.store.In("acme").Channel(t.Context(), channelID("acme")) // is cached, on
			must(t, err)
			w.alterChannel(test.was)
			w.commit("5700", nil, text("one"))
			must(t, w.wake(t.Context(), "5700", false, 1))
			if ch := w.channel(); ch.State != test.want || ch.Cause != test.why {
				t.Errorf("the channel is %s %q", ch.State, ch.Cause)
			}
			w.phone.mood = well
			w.clock.Advance(2 * time.Minute)
			_ = w.wake(t.Context(), "5700", true, 1)
			want := desk.ChannelActive
			if test.want == desk.ChannelInactive {
				want = desk.ChannelInactive
			}
			if ch := w.channel(); ch.State != want || ch.Cause != "" {
				t.Errorf("then the channel is %s %q", ch.State, ch.Cause)
			}
		})
	}
}

// stubborn refuses to write a channel.
type stubborn struct {
	table.Table
	on *bool
}

func (s stubborn) Write(ctx context.Context, ops ...table.Op) error {
	for _, op := range ops {
		if *s.on && strings.Contains(op.Item.PK, "#CHANNEL#") && op.Item.SK == "CHANNEL" {
			return fault.Busy
		}
	}
	return s.Table.Write(ctx, ops...)
}

// TestALostInterruptionIsShownByTheNextFailure: and one whose end was lost by the next
// success. Sending waits for neither.
func TestALostInterruptionIsShownByTheNextFailure_S3_09(t *testing.T) {
	on := true
	w := newWorld(t, options{mutant: func(s *seams) { s.table = stubborn{s.table, &on} }})
	w.phone.mood = denied
	w.commit("5700", nil, text("one"))
	must(t, w.wake(t.Context(), "5700", false, 1))
	if ch := w.channel(); ch.State != desk.ChannelActive || w.channelWait().Cause != desk.WaitCredential {
		t.Fatalf("the channel is %s and waits %+v", ch.State, w.channelWait())
	}
	on = false
	w.clock.Advance(2 * time.Minute)
	must(t, w.wake(t.Context(), "5700", false, 1))
	if ch := w.channel(); ch.State != desk.ChannelInterrupted {
		t.Fatalf("the channel is %s", ch.State)
	}
	on, w.phone.mood = true, well
	w.clock.Advance(3 * time.Minute)
	must(t, w.wake(t.Context(), "5700", false, 1))
	if ch := w.channel(); ch.State != desk.ChannelInterrupted || w.outcomes("5700")[0].Status != desk.Accepted {
		t.Fatalf("the channel is %s", ch.State)
	}
	on = false
	w.clock.Advance(time.Minute)
	w.commit("5700", nil, text("two"))
	must(t, w.wake(t.Context(), "5700", false, 1))
	if ch := w.channel(); ch.State != desk.ChannelActive || ch.Cause != "" {
		t.Errorf("the channel is %s %q", ch.State, ch.Cause)
	}
}

// TestAFreedChannelSendsAtOnce: a channel whose wait somebody has ended sends at once, all of it if the
// wait is gone, one to try if it is only due; the pair's limit stays.
func TestAFreedChannelSendsAtOnce(t *testing.T) {
	for _, test := range []struct {
		name  string
		wait  func(*store.StoredWait, time.Time)
		sends int
	}{
		{"the wait is gone", func(w *store.StoredWait, _ time.Time) { w.Wait = desk.Wait{} }, 3},
		{"the wait is due", func(w *store.StoredWait, now time.Time) { w.NotBefore = now }, 3},
		{"the wait goes on", func(*store.StoredWait, time.Time) {}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.mood = denied
			for i := range 3 {
				w.commit(fmt.Sprint("57", i), nil, text("one"))
				w.queueWake(fmt.Sprint("57", i), false)
			}
			w.run(20*time.Minute, 10*time.Second, never)
			w.phone.mood = well
			wait, before := w.channelWait(), w.clock.Now()
			if !before.Before(wait.NotBefore) {
				t.Fatalf("the channel does not wait: %+v", wait)
			}
			test.wait(&wait, before)
			must(t, w.aside().SaveChannelWait(t.Context(), channelID("acme"), wait))
			calls := w.phone.calls
			for i := range 3 {
				must(t, w.wake(t.Context(), fmt.Sprint("57", i), true, 1))
			}
			sent := 0
			for i := range 3 {
				if conv := w.conversation(fmt.Sprint("57", i)); len(conv.Unsent) == 0 {
					if sent++; conv.Wait != nil {
						t.Errorf("what is sent waits: %+v", conv.Wait)
					}
				}
			}
			if sent != test.sends || w.phone.calls-calls != test.sends {
				t.Errorf("%d are sent with %d calls, want %d", sent, w.phone.calls-calls, test.sends)
			}
			if ch := w.channel(); (ch.State == desk.ChannelActive) != (test.sends > 0) {
				t.Errorf("the channel is %s", ch.State)
			}
		})
	}
}
