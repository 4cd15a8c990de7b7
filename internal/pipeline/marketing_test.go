package pipeline_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
)

// category makes the company's template acme-t1 one of that category.
func (w *world) category(of string) {
	w.t.Helper()
	v, err := w.aside().Template(context.Background(), "acme-t1")
	must(w.t, err)
	v.Category = of
	must(w.t, w.aside().SaveTemplate(context.Background(), v, nil))
}

// TestMarketingIsRefusedToWhoStoppedIt: before any call, by its own name, and nothing
// else is; the template's category counts as it is when its turn comes.
func TestMarketingIsRefusedToWhoStoppedIt(t *testing.T) {
	stopped := func(c *desk.Conversation) { c.OptedOutMarketing = true }
	for _, test := range []struct {
		say      string
		category string
		change   func(*desk.Conversation)
		channel  func(*desk.Channel)
		template string // why it is refused; empty: it goes
		text     string
	}{
		{"marketing, to a person who said nothing", desk.CategoryMarketing, nil, nil, "", ""},
		{"marketing, to who stopped it", desk.CategoryMarketing, stopped, nil, desk.ReasonOptedOutMarketing, ""},
		{"marketing in the provider's spelling", "MARKETING", stopped, nil, desk.ReasonOptedOutMarketing, ""},
		{"utility, to who stopped marketing", desk.CategoryUtility, stopped, nil, "", ""},
		{"authentication, to who stopped marketing", desk.CategoryAuthentication, stopped, nil, "", ""},
		{"marketing, to who wants nothing at all", desk.CategoryMarketing, func(c *desk.Conversation) { c.OptedOut, c.OptedOutMarketing = true, true }, nil, desk.ReasonOptedOut, desk.ReasonOptedOut},
		{"a channel that is off, and marketing stopped", desk.CategoryMarketing, stopped, func(ch *desk.Channel) { ch.State = desk.ChannelInactive }, desk.ReasonDeactivated, desk.ReasonDeactivated},
	} {
		t.Run(test.say, func(t *testing.T) {
			w := newWorld(t, options{})
			w.category(test.category)
			w.commit("5700", test.change, ofTemplate(), text("within the window"))
			if test.channel != nil {
				w.alterChannel(test.channel)
			}
			must(t, w.wake(t.Context(), "5700", false, 1))
			going := 0
			for i, r := range w.outcomes("5700") {
				why := []string{test.template, test.text}[i]
				if !r.Done || r.Reason != why || (r.Status == desk.Accepted) != (why == "") {
					t.Errorf("reply %d: %s %q, want %q", i+1, r.Status, r.Reason, why)
				}
				if why == "" {
					going++
				}
			}
			if w.phone.calls != going {
				t.Errorf("%d calls, want %d", w.phone.calls, going)
			}
		})
	}
}

// stopper is a provider that says of templates that the person stopped marketing, as
// Meta does.
type stopper struct {
	channel.Provider
	calls *int
}

func (p stopper) Send(ctx context.Context, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	if out.Type == desk.ReplyTemplate {
		*p.calls++
		return channel.Sent{}, &channel.Error{Verdict: channel.Refused, Code: "131050", Reason: desk.ReasonOptedOutMarketing}
	}
	return p.Provider.Send(ctx, a, to, out, ref)
}

// TestAnAnswerThatMarketingStoppedIsKept (Meta's 131050): the next one is refused
// without a call, and a resume by the provider's clock lifts it, even in a run whose
// own clock was moved on.
func TestAnAnswerThatMarketingStoppedIsKept(t *testing.T) {
	w := newWorld(t, options{})
	real := w.clock.Now()
	w.out.RealNow = func() time.Time { return real }
	w.in.Webhook.RealNow = w.out.RealNow
	w.clock.Advance(25 * time.Hour)
	w.category(desk.CategoryMarketing)
	calls, well := 0, w.out.Providers["gupshup"]
	w.out.Providers["gupshup"] = stopper{well, &calls}
	w.commit("5700", nil, ofTemplate(), ofTemplate(), text("an answer"))
	must(t, w.wake(t.Context(), "5700", false, 1))
	for i, want := range []string{desk.ReasonOptedOutMarketing, desk.ReasonOptedOutMarketing, ""} {
		if r := w.outcomes("5700")[i]; r.Reason != want || !r.Done {
			t.Errorf("reply %d: %s %q", i+1, r.Status, r.Reason)
		}
	}
	if got := w.wantsOf("5700", desk.ScopeMarketing) + "; " + w.wants("5700"); calls != 1 || got != "out out; ? in" {
		t.Errorf("%d calls, %s", calls, got)
	}
	w.out.Providers["gupshup"] = well
	real = real.Add(time.Minute)
	w.deliver("acme", body(saysOfMarketing("5700", true, real)))
	must(t, w.driver.Drain(1000))
	w.commit("5700", nil, ofTemplate())
	must(t, w.wake(t.Context(), "5700", false, 1))
	if r := w.outcomes("5700")[3]; r.Status != desk.Accepted {
		t.Errorf("after a resume: %s %q", r.Status, r.Reason)
	}
}

// withCode is a message of an Authentication template.
func withCode() desk.Outgoing {
	return desk.Outgoing{Type: desk.ReplyTemplate, Text: desk.MaskedCode + " is your code.", Template: &desk.TemplateUse{
		ProviderID: "tpl-1", Name: "code", Language: "en", Params: []string{"739164"}, OTP: true,
	}}
}

// TestACodeLeavesAndIsForgotten: it goes out in clear, is kept while it waits, and is
// masked once its outcome is known, whatever that is.
func TestACodeLeavesAndIsForgotten(t *testing.T) {
	for _, test := range []struct {
		say    string
		mood   mood
		out    bool // it arrives
		ends   desk.Delivery
		reason string
		change func(*desk.Conversation)
	}{
		{"sent", well, true, desk.Accepted, "", nil},
		{"waits for its provider, and is sent", refusing, true, desk.Accepted, "", nil},
		{"nobody knows", mute, false, desk.Queued, desk.ReasonUnknown, nil},
		{"refused by ourselves", well, false, desk.Failed, desk.ReasonOptedOut, func(c *desk.Conversation) { c.OptedOut = true }},
	} {
		t.Run(test.say, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.mood = test.mood
			w.commit("5700", test.change, withCode())
			w.queueWake("5700", false)
			w.settle(time.Second)
			if r := w.outcomes("5700")[0]; !r.Done && r.Template.Params[0] != "739164" {
				t.Fatalf("gone while it may be needed: %q", r.Template.Params)
			}
			w.phone.mood = well
			w.run(time.Hour, time.Minute, func() bool { return len(w.conversation("5700").Unsent) == 0 })
			r := w.outcomes("5700")[0]
			if !r.Done || r.Status != test.ends || r.Reason != test.reason {
				t.Errorf("%s %q", r.Status, r.Reason)
			}
			if r.Template.Params[0] != desk.MaskedCode {
				t.Errorf("kept: %q", r.Template.Params)
			}
			sent := w.phone.sentTo("acme", "5700")
			for _, s := range sent {
				if s.out.Template.Params[0] != "739164" {
					t.Errorf("sent: %q", s.out.Template.Params)
				}
			}
			if test.out == (len(sent) == 0) {
				t.Errorf("%d sent", len(sent))
			}
			if turns := w.turns("acme", store.ConversationID(channelID("acme"), "5700")); len(turns) != 1 {
				t.Errorf("%d turns", len(turns))
			}
		})
	}
}

// TestACodeIsForgottenAfterACrashAnywhere: whatever died when, no code is left in clear
// once nothing waits, and none went out masked.
func TestACodeIsForgottenAfterACrashAnywhere_R6(t *testing.T) {
	crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
		w := begun(t, p, "hola")
		faults := p.Faults
		p.Faults = nil
		w.commit("5492", nil, withCode())
		p.Faults, p.Seen = faults, nil
		w.queueWake("5492", false)
		for range 20 { // what was handed back comes again
			must(t, w.driver.Drain(10_000))
			w.clock.Advance(time.Minute)
		}
		replies := w.outcomes("5492")
		r := replies[len(replies)-1]
		for _, s := range w.phone.sentTo("acme", "5492") {
			if s.out.Template != nil && s.out.Template.Params[0] != "739164" {
				t.Errorf("sent as %q", s.out.Template.Params)
			}
		}
		return fmt.Sprint(r.Done, r.Template.Params, len(w.conversation("5492").Unsent))
	})
}
