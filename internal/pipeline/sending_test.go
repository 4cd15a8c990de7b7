package pipeline_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// TestRefusals: the channel's end before the person's will, that before the window,
// that before the provider; each is named in the reply, and the next one goes on.
func TestRefusals(t *testing.T) {
	optedOut := func(c *desk.Conversation) { c.OptedOut = true }
	heard := func(ago time.Duration) func(*desk.Conversation) {
		return func(c *desk.Conversation) { c.HeardAt = c.HeardAt.Add(-ago) }
	}
	both := func(a, b func(*desk.Conversation)) func(*desk.Conversation) {
		return func(c *desk.Conversation) { a(c); b(c) }
	}
	for _, test := range []struct {
		name           string
		conversation   func(*desk.Conversation)
		channel        func(*desk.Channel)
		text, template string // why it is refused; empty: it goes
	}{
		{"a person who has just written", nil, nil, "", ""},
		{"heard less than 24 hours ago", heard(desk.Window - time.Second), nil, "", ""},
		{"heard 24 hours ago: a template alone", heard(desk.Window), nil, desk.ReasonWindow, ""},
		{"never heard", func(c *desk.Conversation) { c.HeardAt = time.Time{} }, nil, desk.ReasonWindow, ""},
		{"heard when that was not kept yet", func(c *desk.Conversation) { c.HeardAt, c.LastMessageAt = time.Time{}, c.HeardAt }, nil, "", ""},
		{"opted out", optedOut, nil, desk.ReasonOptedOut, desk.ReasonOptedOut},
		{"opted out, and heard long ago", both(optedOut, heard(desk.Window)), nil, desk.ReasonOptedOut, desk.ReasonOptedOut},
		{"a channel that is off, and opted out", optedOut, func(ch *desk.Channel) { ch.State = desk.ChannelInactive }, desk.ReasonDeactivated, desk.ReasonDeactivated},
		{"a channel that is deleted", heard(desk.Window), func(ch *desk.Channel) { ch.Deleted = true }, desk.ReasonDeactivated, desk.ReasonDeactivated},
		{"a channel that is pending", nil, func(ch *desk.Channel) { ch.State = desk.ChannelPending }, desk.ReasonDeactivated, desk.ReasonDeactivated},
		{"a channel that is interrupted: sending is what ends that", nil, func(ch *desk.Channel) { ch.State = desk.ChannelInterrupted }, "", ""},
	} {
		for _, waited := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, waited %t", test.name, waited), func(t *testing.T) {
				w := newWorld(t, options{})
				if waited {
					w.phone.moods = map[string]mood{"acme": limited}
				}
				begin := w.clock.Now()
				w.commit("5700", nil, text("one"), template(), text("two"))
				w.queueWake("5700", false)
				if waited {
					w.settle(5 * time.Minute)
					if w.conversation("5700").State() != desk.ConversationWaiting {
						t.Fatalf("it does not wait: %+v", w.conversation("5700"))
					}
					w.phone.moods = nil
				}
				// The windows close at the moment that is looked at, not before.
				passed := w.clock.Now().Sub(begin)
				w.alter("5700", func(c *desk.Conversation) { c.HeardAt = c.HeardAt.Add(passed) })
				if test.conversation != nil {
					w.alter("5700", test.conversation)
				}
				if test.channel != nil {
					w.alterChannel(test.channel)
				}
				calls := w.phone.calls
				if waited { // its channel's wait is over, by somebody's hand
					wait, err := w.aside().ChannelWait(t.Context(), channelID("acme"))
					must(t, err)
					must(t, w.aside().SaveChannelWait(t.Context(), channelID("acme"), store.StoredWait{Versioned: wait.Versioned}))
				}
				must(t, w.wake(t.Context(), "5700", true, 1))
				for i, r := range w.outcomes("5700") {
					want := []string{test.text, test.template, test.text}[i]
					status := desk.Failed
					if want == "" {
						status = desk.Accepted
					}
					if !r.Done || r.Lease != nil || r.Status != status || r.Reason != want {
						t.Errorf("reply %d is %s %q, done %t, want %s %q", i+1, r.Status, r.Reason, r.Done, status, want)
					}
				}
				going := 0
				for _, why := range []string{test.text, test.template, test.text} {
					if why == "" {
						going++
					}
				}
				if got := w.phone.calls - calls; got != going {
					t.Errorf("%d calls, want %d", got, going)
				}
				if conv := w.conversation("5700"); len(conv.Unsent) != 0 || conv.Wait != nil {
					t.Errorf("left: %+v", conv)
				}
			})
		}
	}
}

// TestTheWindowOfWhatWaitsCloses: what waited past its window is refused when its
// turn comes, without a call, and holds nobody else back.
func TestTheWindowOfWhatWaitsCloses(t *testing.T) {
	w := newWorld(t, options{})
	w.phone.moods = map[string]mood{"acme": refusing}
	for i := range 30 {
		number := fmt.Sprintf("57%02d", i)
		w.commit(number, nil, text("late"))
		w.queueWake(number, false)
	}
	w.run(desk.Window-2*time.Minute, 10*time.Minute, never)
	w.commit("5800", func(c *desk.Conversation) { c.HeardAt = w.clock.Now() }, text("in time"))
	w.queueWake("5800", false)
	w.phone.moods = nil
	calls := w.phone.calls
	w.run(3*time.Hour, 10*time.Second, func() bool { return len(w.conversation("5800").Unsent) == 0 })
	w.run(10*time.Minute, 10*time.Second, never)
	for i := range 30 {
		if r := w.outcomes(fmt.Sprintf("57%02d", i))[0]; r.Status != desk.Failed || r.Reason != desk.ReasonWindow {
			t.Errorf("%d is %s %q", i, r.Status, r.Reason)
		}
	}
	if r := w.outcomes("5800")[0]; r.Status != desk.Accepted || w.phone.calls != calls+1 {
		t.Errorf("what was in time is %s %q after %d calls", r.Status, r.Reason, w.phone.calls-calls)
	}
}

// TestSwitchingOffCancelsWhatWaits: S3-12, at once, however long the channel waits and
// whatever is cached of it; what may be with the provider already is seen to first.
func TestSwitchingOffCancelsWhatWaits_S3_12(t *testing.T) {
	w := newWorld(t, options{})
	w.phone.moods = map[string]mood{"acme": denied}
	w.commit("5700", nil, text("one"), text("two"))
	w.queueWake("5700", false)
	w.settle(10 * time.Minute)
	_, err := w.store.In("acme").Channel(t.Context(), channelID("acme")) // is cached, on
	must(t, err)
	w.alterChannel(func(ch *desk.Channel) { ch.State = desk.ChannelInactive })
	calls := w.phone.calls
	must(t, w.wake(t.Context(), "5700", false, 1))
	if r := w.outcomes("5700")[0]; r.Done {
		t.Fatalf("a wake-up that looks at nothing anew ended it: %+v", r)
	}
	must(t, w.wake(t.Context(), "5700", true, 1))
	for _, r := range w.outcomes("5700") {
		if r.Status != desk.Failed || r.Reason != desk.ReasonDeactivated {
			t.Errorf("reply %d is %s %q", r.Number, r.Status, r.Reason)
		}
	}
	w.phone.moods = nil
	w.commit("5701", nil, text("three"))
	must(t, w.wake(t.Context(), "5701", false, 1))
	if r := w.outcomes("5701")[0]; r.Reason != desk.ReasonDeactivated || w.phone.calls != calls {
		t.Errorf("what was read anew is not what others see: %+v", r)
	}
}

func TestSwitchingOffLetsASendFinish_S3_12(t *testing.T) {
	for _, test := range []struct {
		name   string
		passed time.Duration // since the claim
		posted bool          // its receipt has come
		again  bool          // it has to be looked at once more
		status desk.Delivery
	}{
		{"one that is under way is let finish", 5 * time.Second, false, true, desk.Queued},
		{"an answer that was lost: the receipt tells", 2 * time.Minute, true, false, desk.Accepted},
		{"nobody can tell: it ends with the channel", 2 * time.Minute, false, false, desk.Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.loseAnswers, w.phone.arrive = true, true
			w.commit("5700", nil, text("one"), text("two"))
			if _, again := queue.AgainAfter(w.wake(t.Context(), "5700", false, 1)); !again {
				t.Fatal("the answer was not lost")
			}
			if test.posted {
				for _, post := range w.phone.takePosts() {
					w.deliver(post.tenant, post.body)
				}
			}
			w.alterChannel(func(ch *desk.Channel) { ch.State = desk.ChannelInactive })
			w.clock.Advance(test.passed)
			err := w.wake(t.Context(), "5700", true, 1)
			if _, again := queue.AgainAfter(err); again != test.again || !again && err != nil {
				t.Fatal(err)
			}
			got := w.outcomes("5700")
			if got[0].Status != test.status || !test.again && got[1].Reason != desk.ReasonDeactivated || w.phone.calls != 1 {
				t.Errorf("%d calls: %s %q, then %s %q", w.phone.calls, got[0].Status, got[0].Reason, got[1].Status, got[1].Reason)
			}
		})
	}
}

// TestWhatMayHaveGoneOutIsNotCalledRefused: a person opts out between two attempts.
func TestWhatMayHaveGoneOutIsNotCalledRefused_R6(t *testing.T) {
	w := newWorld(t, options{})
	w.phone.loseAnswers, w.phone.arrive, w.phone.silent = true, true, true
	w.commit("5700", nil, text("one"), text("two"))
	if _, again := queue.AgainAfter(w.wake(t.Context(), "5700", false, 1)); !again {
		t.Fatal("the answer was not lost")
	}
	w.alter("5700", func(c *desk.Conversation) { c.OptedOut = true })
	w.clock.Advance(2 * time.Minute)
	must(t, w.wake(t.Context(), "5700", false, 2))
	got := w.outcomes("5700")
	if got[0].Status != desk.Queued || got[0].Reason != desk.ReasonUnknown || got[1].Reason != desk.ReasonOptedOut || w.phone.calls != 1 {
		t.Errorf("%d calls: %s %q, then %s %q", w.phone.calls, got[0].Status, got[0].Reason, got[1].Status, got[1].Reason)
	}
	if until := w.conversation("5700").StrayUntil; !until.Equal(w.clock.Now().Add(pipeline.StrayLife)) {
		t.Errorf("its receipt may come until %v", until)
	}
}

// TestOurReferenceSettles: Meta's statuses name our reply.
func TestOurReferenceSettles_R6(t *testing.T) {
	for _, test := range []struct {
		name     string
		statuses []desk.Delivery
		out      desk.Outgoing
		want     desk.Delivery
		reason   string
		id       string
		calls    int
	}{
		{"sent", []desk.Delivery{desk.SentOut}, text("one"), desk.Accepted, "", "wamid.out", 1},
		{"accepted, of a template", []desk.Delivery{desk.Accepted}, template(), desk.Accepted, "", "wamid.out", 1},
		{"read already", []desk.Delivery{desk.Read, desk.SentOut}, template(), desk.Accepted, "", "wamid.out", 1},
		{"failed", []desk.Delivery{desk.Failed}, text("one"), desk.Failed, "undeliverable", "wamid.out", 1},
		{"no word: a template is not tried again", nil, template(), desk.Queued, desk.ReasonUnknown, "", 1},
		{"no word: a text is tried once more", nil, text("one"), desk.Queued, desk.ReasonUnknown, "", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.loseAnswers, w.phone.arrive, w.phone.silent = true, true, true
			w.commit("5700", nil, test.out)
			w.queueWake("5700", false)
			for w.phone.calls == 0 && w.driver.Step() {
			}
			for _, status := range test.statuses {
				must(t, w.aside().SaveReceipt(t.Context(), desk.Receipt{
					Channel: channelID("acme"), Ref: w.outcomes("5700")[0].ID, MessageID: "wamid.out", Status: status, Reason: "undeliverable", At: w.clock.Now(),
				}))
			}
			w.settle(6 * time.Minute)
			r := w.outcomes("5700")[0]
			if !r.Done || r.Status != test.want || r.Reason != test.reason || r.ProviderID != test.id || w.phone.calls != test.calls {
				t.Errorf("%d calls: %+v", w.phone.calls, r)
			}
		})
	}
}

// TestATapFindsTheTemplate: S3-46, by the provider's id of the send, however that was
// learnt; other templates are not kept.
func TestATapFindsTheTemplate_S3_46(t *testing.T) {
	w := newWorld(t, options{})
	taps := template()
	taps.Template.Taps = true
	w.commit("5700", nil, template(), taps, text("one"))
	w.queueWake("5700", false)
	w.settle(time.Minute)
	got := w.outcomes("5700")
	for i, want := range []string{"", got[1].ID, ""} {
		found, _, err := w.aside().SentMessage(t.Context(), w.conversation("5700").ID, got[i].ProviderID)
		must(t, err)
		if got[i].ProviderID == "" || found != want {
			t.Errorf("%q leads to %q, want %q", got[i].ProviderID, found, want)
		}
	}
	w.phone.loseAnswers, w.phone.arrive, w.phone.silent = true, true, true
	w.clock.Advance(time.Minute)
	w.commit("5700", nil, taps)
	w.queueWake("5700", false)
	for before := w.phone.calls; w.phone.calls == before && w.driver.Step(); {
	}
	lost := w.outcomes("5700")[3]
	must(t, w.aside().SaveReceipt(t.Context(), desk.Receipt{
		Channel: channelID("acme"), Ref: lost.ID, MessageID: "wamid.tapped", Status: desk.SentOut, At: w.clock.Now(),
	}))
	w.settle(3 * time.Minute)
	if found, _, err := w.aside().SentMessage(t.Context(), w.conversation("5700").ID, "wamid.tapped"); err != nil || found != lost.ID {
		t.Errorf("what a receipt told of leads to %q: %v", found, err)
	}
}

// TestRate: R15, a channel's messages leave no faster than its rate, those of one
// conversation in order, and waiting for it uses nothing up.
func TestRate_R15(t *testing.T) {
	w := newWorld(t, options{})
	w.out.Share = 4
	w.out.Sleep = func(_ context.Context, d time.Duration) { w.clock.Advance(d) }
	w.alterChannel(func(ch *desk.Channel) { ch.Settings.PerSecond = 8 })
	var outs []desk.Outgoing
	for i := range 9 {
		outs = append(outs, text(fmt.Sprint(i)))
	}
	w.commit("5700", nil, outs...)
	begin := w.clock.Now()
	must(t, w.wake(t.Context(), "5700", false, 1))
	for i, s := range w.phone.sentTo("acme", "5700") {
		want := max(0, time.Duration(i-1)*time.Second/2) // two a second are this process's part, two at once
		if got := s.at.Sub(begin); got != want || s.out.Text != fmt.Sprint(i) {
			t.Errorf("message %d, %q, left after %v, want %v", i, s.out.Text, got, want)
		}
	}
	if got := len(w.phone.sentTo("acme", "5700")); got != 9 {
		t.Errorf("%d left", got)
	}
}

func TestWaitingForTheRateUsesNothingUp_R15(t *testing.T) {
	const people = 100
	w := newWorld(t, options{})
	w.alterChannel(func(ch *desk.Channel) { ch.Settings.PerSecond = 1 })
	for i := range people {
		number := fmt.Sprintf("57%02d", i)
		w.commit(number, nil, text("one"))
		w.queueWake(number, false)
	}
	begin := w.clock.Now()
	w.run(10*time.Minute, time.Second, func() bool { return w.phone.calls == people })
	if took := w.clock.Now().Sub(begin); took < (people-4)*time.Second || took > people*time.Second+2*time.Minute {
		t.Errorf("%d messages took %v at one a second", w.phone.calls, took)
	}
	for i := range people {
		conv, r := w.conversation(fmt.Sprintf("57%02d", i)), w.outcomes(fmt.Sprintf("57%02d", i))[0]
		if r.Status != desk.Accepted || r.Attempts != 1 || r.Pauses != 0 || len(conv.Unsent) != 0 {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if wait, err := w.aside().ChannelWait(t.Context(), channelID("acme")); err != nil || wait.Version != 0 {
		t.Errorf("the channel waited: %+v, %v", wait, err)
	}
	if _, _, dead := w.driver.Memory(desk.StageOutbound).Depth(); dead != 0 {
		t.Errorf("%d dead letters", dead)
	}
}

// TestTooLittleTimeForTheRate: who cannot send within the step does not take a token.
// Time is made up, and passes by waiting alone.
func TestTooLittleTimeForTheRate(t *testing.T) {
	const send = pipeline.SendTimeout + 5*time.Second // and to write what became of it
	for _, test := range []struct {
		say   string
		left  time.Duration
		calls int
		slept time.Duration
	}{
		{"the second message waits a second", send + time.Second, 2, time.Second},
		{"not quite a second is left for it", send + time.Second - 1, 1, 0},
		{"the third waits another second", send + 2*time.Second, 3, 2 * time.Second},
		{"not quite a second is left for the third", send + 2*time.Second - 1, 2, time.Second},
	} {
		t.Run(test.say, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, options{})
				slept := time.Duration(0)
				w.out.Sleep = func(_ context.Context, d time.Duration) {
					slept += d
					time.Sleep(d)
					w.clock.Advance(d)
				}
				w.alterChannel(func(ch *desk.Channel) { ch.Settings.PerSecond = 1 })
				w.commit("5700", nil, text("one"), text("two"), text("three"))
				ctx, cancel := context.WithTimeout(t.Context(), test.left)
				defer cancel()
				err := w.wake(ctx, "5700", false, 1)
				if _, again := queue.AgainAfter(err); again != (test.calls < 3) || w.phone.calls != test.calls || slept != test.slept {
					t.Errorf("%d calls, slept %v: %v", w.phone.calls, slept, err)
				}
			})
		})
	}
}

// refuser answers every message in a way of its own.
type refuser struct {
	channel.Provider
	err *channel.Error
}

func (r refuser) Send(context.Context, channel.Account, string, desk.Outgoing, string) (channel.Sent, error) {
	return channel.Sent{}, r.err
}

// TestOwnCheckTellsNothingOfTheChannel: a message that no request was made for clears
// no wait.
func TestOwnCheckTellsNothingOfTheChannel(t *testing.T) {
	for _, test := range []struct {
		code   string
		clears bool
	}{{channel.CodeNotSent, false}, {"470", true}} {
		refusal := &channel.Error{Verdict: channel.Refused, Code: test.code, Reason: "too_long"}
		w := newWorld(t, options{mutant: func(s *seams) { s.provider = refuser{s.provider, refusal} }})
		must(t, w.aside().SaveChannelWait(t.Context(), channelID("acme"), store.StoredWait{
			Wait: desk.Wait{Cause: desk.WaitUnavailable, NotBefore: w.clock.Now(), Step: time.Minute},
		}))
		w.commit("5700", nil, text("one"))
		must(t, w.wake(t.Context(), "5700", false, 1))
		wait, err := w.aside().ChannelWait(t.Context(), channelID("acme"))
		must(t, err)
		if r := w.outcomes("5700")[0]; r.Reason != "too_long" || (wait.Cause == "") != test.clears {
			t.Errorf("%s: %q, %+v", test.code, r.Reason, wait)
		}
	}
}
