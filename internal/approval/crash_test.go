package approval_test

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
	"buzon/internal/queue/queuetest"
)

// endState describes what matters of a company at rest: its templates, the channel,
// quarantine, what its provider has. How often the provider was asked is no part of it.
func (w *world) endState(tenant string) string {
	w.t.Helper()
	var b strings.Builder
	c := w.eyes.In(tenant)
	list, err := c.FreshTemplates(context.Background(), channelID(tenant))
	must(w.t, err)
	for _, t := range list {
		fmt.Fprintln(&b, show(t))
		if s := t.Submission; s != nil && s.Done && (s.Lease != nil || s.Unknown) {
			fmt.Fprintf(&b, "  done and claimed: %+v\n", *s)
		}
	}
	ch := w.channel(tenant)
	fmt.Fprintf(&b, "channel %s %s\n", ch.State, ch.Cause)
	known := w.lastSync(tenant)
	fmt.Fprintf(&b, "list ok=%t seen=%d missing=%d armed=%t\n", known.OK, known.Seen, known.Missing, known.Armed.After(w.clock.Now()))
	fmt.Fprintf(&b, "quarantine %s\n", w.quarantined(tenant))
	a := w.provider.account("app-" + tenant)
	names := slices.Clone(a.made)
	slices.Sort(names)
	fmt.Fprintf(&b, "made %v\n", names)
	return b.String()
}

// TestCrashAnywhere_R2_R6_R12: every effect is refused, loses its answer, or ends the
// process before or after it; the end is the same, and every request makes exactly one
// template.
func TestCrashAnywhere_R2_R6_R12(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(w *world, a *account)
	}{
		{"a template is requested", func(w *world, _ *account) {
			w.request("acme", "x")
			w.pass(2*time.Hour, 10*time.Minute)
		}},
		{"its request is refused", func(w *world, a *account) {
			a.submit = func(int) *channel.Error { return refusal(channel.Refused, "400", "template_policy", "", 0) }
			w.request("acme", "x")
			w.pass(2*time.Hour, 10*time.Minute)
		}},
		{"its provider is limited, and then refuses the credential for a while", func(w *world, a *account) {
			a.submit = func(n int) *channel.Error {
				switch {
				case w.clock.Now().Before(start.Add(2 * time.Minute)):
					return refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 0)
				case w.clock.Now().Before(start.Add(20 * time.Minute)):
					return refusal(channel.ChannelDown, "401", "credential_refused", desk.WaitCredential, 0)
				}
				return nil
			}
			w.request("acme", "x")
			w.pass(2*time.Hour, 10*time.Minute)
		}},
		{"the answer to the request is lost", func(w *world, a *account) {
			a.lose = func(n int) bool { return n == 0 }
			w.request("acme", "x")
			w.pass(2*time.Hour, 10*time.Minute)
		}},
		{"the channel is switched off before it goes", func(w *world, _ *account) {
			w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelInactive })
			w.request("acme", "x")
			w.pass(2*time.Hour, 10*time.Minute)
		}},
		{"the channel is switched off after its answer was lost, and on again", func(w *world, a *account) {
			a.lose = func(n int) bool { return n == 0 }
			w.request("acme", "x")
			w.pass(10*time.Second, 10*time.Second)
			w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelInactive })
			w.pass(20*time.Minute, 10*time.Minute)
			w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelActive })
			w.send("acme", desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}})
			w.pass(2*time.Hour, 10*time.Minute)
		}},
		{"callbacks about two templates", func(w *world, a *account) {
			a.set(channel.Listed{ProviderID: pid(1), State: "paused"})
			a.set(channel.Listed{ProviderID: pid(2), State: "rejected", Reason: "TAG"})
			w.callback("acme", status(pid(1), "paused", "blocks", w.clock.Now()))
			w.callback("acme", verdict(pid(2), "rejected", "TAG", w.clock.Now()))
			w.callback("acme", verdict(pid(3), "rejected", "", w.clock.Now()))
			w.pass(2*time.Hour, 10*time.Minute)
		}},
		{"a list of three pages, of which the second fails at first", func(w *world, a *account) {
			for n := range 250 {
				a.set(channel.Listed{ProviderID: pid(n), State: "paused"})
			}
			a.remove(pid(2))
			a.page = func(reading, n int) *channel.Error {
				if w.clock.Now().Before(start.Add(time.Minute)) && n == 1 {
					return refusal(channel.Later, "500", "provider_error", desk.WaitUnavailable, 0)
				}
				return nil
			}
			w.send("acme", desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}})
			w.pass(2*time.Hour, 10*time.Minute)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
				faults := p.Faults
				p.Faults = nil
				w := newWorld(t, options{plan: p})
				a := w.company("acme")
				for n := range 3 {
					if n > 0 {
						w.known("acme", fmt.Sprint("k", n), pid(n), "approved")
					}
					a.set(channel.Listed{ProviderID: pid(n), State: "approved"})
				}
				w.syncNow("acme") // the timers are going, and no effect counted yet
				p.Faults, p.Seen = faults, nil
				test.run(w, a)
				seen := p.Seen
				p.Faults = nil
				w.syncNow("acme")
				w.settle(2 * time.Minute)
				p.Seen = seen
				return w.endState("acme")
			})
		})
	}
}

// start is when every world begins.
var start = queuetest.NewClock().Now()
