package approval_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/approval"
	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/store"
)

// pending is how a template shows that its provider has it and decides.
const pending = `x pending/pending reason="" quality= category=utility next= active=true sendable=false hint=- done=true id=`

func TestSubmission(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	w.request("acme", "x")
	w.settle(10 * time.Minute)
	want(t, "submitted", show(w.template("acme", "x")), pending+pid(1000))
	want(t, "requests", fmt.Sprint(a.submits), "[t_x]")
	sub := w.template("acme", "x").Submission
	if sub.Lease != nil || sub.Unknown || sub.Attempts != 1 || sub.SentAt.IsZero() {
		t.Errorf("%+v", sub)
	}
	a.list[0].State = "approved"
	w.callback("acme", verdict(pid(1000), "approved", "", w.clock.Now()))
	w.settle(0)
	want(t, "approved", w.template("acme", "x").Sendable(), true)
	w.send("acme", desk.ApprovalEvent{Submit: "x"})
	w.settle(10 * time.Minute)
	want(t, "and the event once more: requests", len(a.submits), 1)
}

// TestSubmissionIsRefused ends it with the reason.
func TestSubmissionIsRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer *channel.Error
		reason string
	}{
		{"for what it is", refusal(channel.Refused, "400", "template_policy", "", 0), "template_policy"},
		{"in the provider's own words", refusal(channel.Refused, "400", "Body may not begin with a variable", "", 0), "Body may not begin with a variable"},
		{"its name is taken", refusal(channel.Refused, channel.CodeNameTaken, channel.CodeNameTaken, "", 0), "name_taken"},
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		a.submit = func(int) *channel.Error { return test.answer }
		w.request("acme", "x")
		w.settle(3 * time.Hour)
		want(t, test.name, show(w.template("acme", "x")),
			fmt.Sprintf(`x rejected/refused reason=%q quality= category=utility next= active=false sendable=false hint=- done=true id=`, test.reason))
		want(t, test.name+": requests", len(a.submits), 1)
		// Somebody else's of this name never becomes ours.
		a.set(channel.Listed{ProviderID: pid(5), Name: "t_x", State: "approved"})
		w.syncNow("acme")
		want(t, test.name+": id", w.template("acme", "x").ProviderID, "")
	}
}

// TestSubmissionWaits for what holds the provider back, with growing pauses, and then
// goes; nothing that was refused for the moment counts as an attempt.
func TestSubmissionWaits(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer *channel.Error
		pauses []time.Duration
		state  desk.ChannelState // of the channel meanwhile
		cause  string
	}{
		{"429", refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 0), []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}, desk.ChannelActive, desk.WaitRateLimited},
		{"429 with a time", refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 10*time.Minute), []time.Duration{10, 10, 10, 10, 16}, desk.ChannelActive, desk.WaitRateLimited},
		{"401", refusal(channel.ChannelDown, "401", "credential_refused", desk.WaitCredential, 0), []time.Duration{1, 2, 4, 8}, desk.ChannelInterrupted, desk.WaitCredential},
		{"an empty wallet", refusal(channel.ChannelDown, "402", "wallet_empty", desk.WaitWallet, 0), []time.Duration{1, 2, 4, 8}, desk.ChannelInterrupted, desk.WaitWallet},
		{"not set up", refusal(channel.ChannelDown, channel.CodeNotSent, "channel_not_configured", desk.WaitCredential, 0), []time.Duration{1, 2, 4}, desk.ChannelActive, "channel_not_configured"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			a := w.company("acme")
			var asked []time.Time
			a.submit = func(int) *channel.Error {
				asked = append(asked, w.clock.Now())
				if len(asked) > len(test.pauses) {
					return nil
				}
				return test.answer
			}
			w.request("acme", "x")
			w.drain()
			first := w.template("acme", "x")
			want(t, "cause", first.Submission.Cause, test.cause)
			want(t, "channel", w.channel("acme").State, test.state)
			want(t, "status", first.Status, desk.TemplatePending)
			w.send("acme", desk.ApprovalEvent{Submit: "x"}) // too early
			w.settle(5 * time.Hour)
			want(t, "in the end", show(w.template("acme", "x")), pending+pid(1000))
			want(t, "attempts", w.template("acme", "x").Submission.Attempts, 1)
			want(t, "requests", len(asked), len(test.pauses)+1)
			for i, minutes := range test.pauses {
				least := minutes * time.Minute
				if asked[i+1].Sub(asked[i]) < least || asked[i+1].Sub(asked[i]) > least+time.Minute {
					t.Errorf("pause %d: %s, want %s", i, asked[i+1].Sub(asked[i]), least)
				}
			}
			want(t, "an interruption by a credential ends with a call that works", w.channel("acme").State == desk.ChannelInterrupted, test.answer.Cause == desk.WaitWallet)
		})
	}
}

// TestSubmissionGoesAtOnceWhenItsCauseIsGone: a channel is approved, or its credential
// replaced, and the API says so.
func TestSubmissionGoesAtOnceWhenItsCauseIsGone(t *testing.T) {
	t.Run("approved", func(t *testing.T) {
		w := newWorld(t, options{})
		a := w.company("acme")
		w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelPending })
		w.request("acme", "x")
		w.settle(3 * time.Hour)
		want(t, "requests", len(a.submits), 0)
		want(t, "cause", w.template("acme", "x").Submission.Cause, "channel_pending")
		w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelActive })
		w.send("acme", desk.ApprovalEvent{Submit: "x"})
		w.drain()
		want(t, "requests then", len(a.submits), 1)
	})
	t.Run("credential", func(t *testing.T) {
		w := newWorld(t, options{})
		a := w.company("acme")
		a.submit = func(n int) *channel.Error {
			if n < 3 {
				return refusal(channel.ChannelDown, "401", "credential_refused", desk.WaitCredential, 0)
			}
			return nil
		}
		w.request("acme", "x")
		w.settle(4 * time.Minute)
		w.setChannel("acme", func(ch *desk.Channel) { ch.State, ch.Cause = desk.ChannelActive, "" })
		w.send("acme", desk.ApprovalEvent{Submit: "x"})
		w.drain()
		want(t, "done", w.template("acme", "x").Submission.Done, true)
		want(t, "requests", len(a.submits), 4)
	})
}

// TestSubmissionWithoutCredentials interrupts the channel, as sending would.
func TestSubmissionWithoutCredentials(t *testing.T) {
	w := newWorld(t, options{})
	w.company("acme")
	clear(w.secrets)
	w.request("acme", "x")
	w.drain()
	want(t, "cause", w.template("acme", "x").Submission.Cause, desk.WaitCredential)
	want(t, "channel", w.channel("acme").State, desk.ChannelInterrupted)
}

// TestSubmissionOnAChannelThatIsOff waits until it is on again, also one that waited for
// something else; on one that is deleted it ends (Q32, Q33).
func TestSubmissionOnAChannelThatIsOff_Q32(t *testing.T) {
	off := func(ch *desk.Channel) { ch.State = desk.ChannelInactive }
	for _, test := range []struct {
		name    string
		changes []func(*desk.Channel)
		want    string
	}{
		{"off", steps(off), "pending/  active=true done=false"},
		{"off and on again", steps(off, func(ch *desk.Channel) { ch.State = desk.ChannelActive }), "pending/pending  active=true done=true"},
		{"off and deleted", steps(off, func(ch *desk.Channel) { ch.Deleted = true }), "rejected/refused channel_deactivated active=false done=true"},
		{"deleted", steps(func(ch *desk.Channel) { ch.Deleted = true }), "rejected/refused channel_deactivated active=false done=true"},
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		a.submit = func(n int) *channel.Error {
			if n == 0 {
				return refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 0)
			}
			return nil
		}
		w.request("acme", "waited")
		w.drain()
		for i, change := range test.changes {
			w.setChannel("acme", change)
			if i == 0 {
				w.request("acme", "new")
				w.settle(10 * time.Minute)
				want(t, test.name+": requests meanwhile", len(a.submits), 1)
			}
			w.syncNow("acme") // as whoever switches it on does
			w.settle(time.Minute)
		}
		w.settle(time.Hour)
		for _, id := range []string{"waited", "new"} {
			got := w.template("acme", id)
			want(t, test.name+": "+id, fmt.Sprintf("%s/%s %s active=%t done=%t", got.Status, got.ProviderState, got.Reason, got.Active, got.Submission.Done), test.want)
			if cause := got.Submission.Cause; !got.Submission.Done && cause != approval.WaitChannelInactive {
				t.Errorf("%s: waits for %q", test.name, cause)
			}
		}
	}
}

func steps(s ...func(*desk.Channel)) []func(*desk.Channel) { return s }

// TestChannelThatIsOnAgainSubmitsWithinAMinute: its list is read, which sets going what
// has waited for it, whatever its timer says.
func TestChannelThatIsOnAgainSubmitsWithinAMinute(t *testing.T) {
	for _, state := range []desk.ChannelState{desk.ChannelInactive, desk.ChannelPending} {
		w := newWorld(t, options{})
		a := w.company("acme")
		w.setChannel("acme", func(ch *desk.Channel) { ch.State = state })
		w.request("acme", "x")
		w.settle(3 * time.Hour)
		w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelActive })
		w.syncNow("acme")
		w.settle(time.Minute)
		want(t, string(state)+": requests", len(a.submits), 1)
		want(t, string(state), show(w.template("acme", "x")), pending+pid(1000))
	}
}

// TestChannelOffAfterAnUnknownOutcome: when it is on again the list is looked through,
// and nothing is made twice (S3-31).
func TestChannelOffAfterAnUnknownOutcome(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.lose = func(n int) bool { return n == 0 }
	w.request("acme", "x")
	w.drain()
	w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelInactive })
	w.settle(2 * time.Hour)
	want(t, "readings while it is off", a.lists, 0)
	w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelActive })
	w.syncNow("acme")
	w.settle(time.Hour)
	want(t, "found", show(w.template("acme", "x")), pending+pid(1000))
	want(t, "requests", len(a.submits), 1)
}

// TestUnknownOutcome: the list is looked through before another attempt.
func TestUnknownOutcome(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(w *world, a *account)
		submits int
		readAt  time.Duration // the first reading, at the earliest
	}{
		{"it arrived: the list gives its id", func(_ *world, a *account) {
			a.lose = func(int) bool { return true }
		}, 1, time.Minute},
		{"it never arrived: the list is read, and it goes again", func(_ *world, a *account) {
			a.submit = func(n int) *channel.Error {
				if n == 0 {
					return refusal(channel.Unknown, "timeout", desk.ReasonUnknown, "", 0)
				}
				return nil
			}
		}, 2, time.Minute},
		{"it arrived, and the list cannot be read for a while", func(_ *world, a *account) {
			a.lose = func(int) bool { return true }
			a.page = func(reading, _ int) *channel.Error {
				if reading < 3 {
					return refusal(channel.Later, "500", "provider_error", desk.WaitUnavailable, 0)
				}
				return nil
			}
		}, 1, time.Minute},
		{"it arrived, and the list lags behind: its name is taken, by itself", func(_ *world, a *account) {
			a.lose = func(int) bool { return true }
			a.lag = 1
		}, 2, time.Minute},
		{"it arrived, and the list lags further behind", func(_ *world, a *account) {
			a.lose = func(int) bool { return true }
			a.lag = 2
		}, 2, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			a := w.company("acme")
			test.prepare(w, a)
			w.request("acme", "x")
			from := w.clock.Now()
			w.drain()
			if got := w.template("acme", "x"); got.Submission.Done || !got.Submission.Unknown || got.Status != desk.TemplatePending {
				t.Errorf("at first: %s", show(got))
			}
			w.settle(4 * time.Hour)
			want(t, "in the end", show(w.template("acme", "x")), pending+pid(1000))
			want(t, "requests", len(a.submits), test.submits)
			want(t, "made", len(a.made), 1)
			if a.asked[0].Sub(from) < test.readAt {
				t.Errorf("the list was asked after %s", a.asked[0].Sub(from))
			}
		})
	}
}

// TestNameTakenByAnother after an unknown outcome: the list never shows it as ours.
func TestNameTakenByAnother(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.submit = func(n int) *channel.Error {
		if n == 0 {
			return refusal(channel.Unknown, "timeout", desk.ReasonUnknown, "", 0)
		}
		return refusal(channel.Refused, channel.CodeNameTaken, channel.CodeNameTaken, "", 0)
	}
	w.request("acme", "x")
	w.settle(6 * time.Hour)
	got := w.template("acme", "x")
	want(t, "in the end", fmt.Sprintf("%s/%s %s", got.Status, got.ProviderState, got.Reason), "rejected/refused name_taken")
	want(t, "requests", len(a.submits), 3)
}

// TestVerdictFindsARequestWhoseOutcomeIsUnknown: its id is in the list.
func TestVerdictFindsARequestWhoseOutcomeIsUnknown(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.lose = func(int) bool { return true }
	w.request("acme", "x")
	w.drain()
	w.clock.Advance(5 * time.Second)
	a.list[0].State = "rejected"
	a.list[0].Reason = "TAG"
	w.callback("acme", verdict(pid(1000), "rejected", "TAG", w.clock.Now()))
	w.drain()
	want(t, "found", show(w.template("acme", "x")),
		`x rejected/rejected reason="TAG" quality= category=utility next= active=false sendable=false hint=- done=true id=`+pid(1000))
	want(t, "quarantine", w.quarantined("acme"), "")
	w.settle(time.Hour)
	want(t, "requests", len(a.submits), 1)
}

// TestNewestOfANameIsFound: a rejected one of the same name has made room for it.
func TestNewestOfANameIsFound(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	old := desk.Template{ID: "a", Channel: channelID("acme"), Name: "t_x", Language: "es", Body: "Hola", Status: desk.TemplateRejected, ProviderState: "refused",
		Submission: &desk.Submission{Done: true, Attempts: 1, Unknown: true, Lease: &desk.Lease{From: w.clock.Now().Add(-time.Hour)}}}
	must(t, w.eyes.In("acme").SaveTemplate(t.Context(), old, nil))
	a.lose = func(int) bool { return true }
	w.request("acme", "x")
	w.settle(time.Hour)
	want(t, "the new one", show(w.template("acme", "x")), pending+pid(1000))
	want(t, "the old one", w.template("acme", "a").ProviderID, "")
}

// TestALiveLeaseIsWaitedFor: somebody may be submitting it just now.
func TestALiveLeaseIsWaitedFor(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	w.request("acme", "x")
	v := w.template("acme", "x")
	now := w.clock.Now()
	v.Submission = &desk.Submission{Attempts: 1, Lease: &desk.Lease{From: now, Until: now.Add(time.Minute), Owner: "somebody"}}
	must(t, w.eyes.In("acme").SaveTemplate(t.Context(), v, nil))
	w.clock.Advance(30 * time.Second)
	w.drain() // the driver lets the time pass for which the event was handed back
	if passed := w.clock.Now().Sub(now); passed < time.Minute {
		t.Errorf("done after %s", passed)
	}
	w.settle(10 * time.Minute)
	want(t, "readings before it goes again", a.lists > 0, true)
	want(t, "in the end", show(w.template("acme", "x")), pending+pid(1000))
}

// TestALeaseOfAnotherProcessIsDead in a local run; what it did has to be learnt all the
// same.
func TestALeaseOfAnotherProcessIsDead(t *testing.T) {
	w := newWorld(t, options{})
	w.stage.Epoch = "now"
	a := w.company("acme")
	w.request("acme", "x")
	v, now := w.template("acme", "x"), w.clock.Now()
	v.Submission = &desk.Submission{Attempts: 1, Lease: &desk.Lease{From: now, Until: now.Add(time.Minute), Epoch: "before", Owner: "somebody"}}
	must(t, w.eyes.In("acme").SaveTemplate(t.Context(), v, nil))
	a.set(channel.Listed{ProviderID: pid(1000), Name: "t_x", Category: "utility", State: "pending", Body: "Hola"})
	w.drain()
	want(t, "no event is held back: time passed", w.clock.Now().Sub(now), 0)
	w.settle(5 * time.Minute)
	want(t, "found in the list", show(w.template("acme", "x")), pending+pid(1000))
	want(t, "requests", len(a.submits), 0)
}

// TestAPersonSwitchesItOffWhileItIsSubmitted: both take effect.
func TestAPersonSwitchesItOffWhileItIsSubmitted(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	w.request("acme", "x")
	a.submit = func(int) *channel.Error {
		v := w.template("acme", "x")
		v.Active = false
		must(t, w.eyes.In("acme").SaveTemplate(t.Context(), v, nil))
		return nil
	}
	w.drain()
	want(t, "both", show(w.template("acme", "x")), strings.Replace(pending, "active=true", "active=false", 1)+pid(1000))
	want(t, "requests", len(a.submits), 1)
}

// TestTimersOfARequest: one that is done has none that matters, one that waits has one.
func TestTimersOfARequest(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.submit = func(int) *channel.Error {
		return refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 0)
	}
	w.request("acme", "x")
	w.settle(3 * time.Minute)
	due := w.timers("acme", store.WakeSubmit)
	want(t, "timers", len(due), 1)
	if notBefore := w.template("acme", "x").Submission.NotBefore; !due[0].Equal(notBefore) {
		t.Errorf("armed for %s, waits until %s", due[0], notBefore)
	}
}

// TestLostTimerOfARequest: the next reading of the list arms another.
func TestLostTimerOfARequest(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	for id, sub := range map[string]desk.Submission{
		"event":  {},
		"timer":  {Cause: desk.WaitRateLimited, NotBefore: w.clock.Now().Add(time.Minute)},
		"future": {Cause: desk.WaitRateLimited, NotBefore: w.clock.Now().Add(10 * time.Hour)},
	} {
		must(t, w.eyes.In("acme").SaveTemplate(t.Context(), desk.Template{
			ID: id, Channel: channelID("acme"), Name: "t_" + id, Language: "es", Status: desk.TemplatePending, CreatedAt: w.clock.Now(), Submission: &sub,
		}, nil))
	}
	w.syncNow("acme")
	w.settle(10 * time.Minute)
	want(t, "not yet: requests", len(a.submits), 0)
	w.clock.Advance(6 * time.Minute)
	w.syncNow("acme")
	w.settle(time.Minute)
	want(t, "requests", len(a.submits), 2)
}

// TestAnEventThatComesABitEarly: clocks differ, so a timer that fires up to five seconds
// early by ours is handed back; any other event before the time finds a timer armed.
func TestAnEventThatComesABitEarly(t *testing.T) {
	for rest, back := range map[time.Duration]bool{5 * time.Second: true, 5*time.Second + time.Millisecond: false} {
		w := newWorld(t, options{})
		a := w.company("acme")
		a.submit = func(int) *channel.Error {
			return refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 0)
		}
		w.request("acme", "x")
		w.drain()
		w.clock.Advance(w.template("acme", "x").Submission.NotBefore.Sub(w.clock.Now()) - rest)
		w.send("acme", desk.ApprovalEvent{Submit: "x"})
		w.drain()
		want(t, rest.String()+" early: requests", len(a.submits), map[bool]int{true: 2, false: 1}[back])
	}
}
