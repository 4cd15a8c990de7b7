package pipeline_test

import (
	"context"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// tells has the company hear what the person wants, as inbound does.
func (w *world) tells(v desk.Consent) {
	w.t.Helper()
	v.Channel, v.Person, v.At = channelID("acme"), "5700", w.clock.Now()
	must(w.t, w.aside().SaveConsent(context.Background(), v))
	w.alter("5700", func(conv *desk.Conversation) { *conv = conv.Told(v) })
}

// TestWhatForbidsWhileAReplyIsPrepared: what comes while its file is handed over, or
// while it waits for its turn, still stops it; opt-out before everything.
func TestWhatForbidsWhileAReplyIsPrepared_R12(t *testing.T) {
	rejected := func(w *world) {
		v, err := w.aside().Template(context.Background(), "acme-t1")
		must(w.t, err)
		v.Status, v.ProviderState, v.Active = desk.TemplateRejected, "rejected", false
		must(w.t, w.aside().SaveTemplate(context.Background(), v, nil))
	}
	for _, test := range []struct {
		say, category string
		happens       func(w *world)
		want          string // empty: it goes
	}{
		{"nothing comes", desk.CategoryMarketing, func(*world) {}, ""},
		{"the template is rejected", desk.CategoryUtility, rejected, desk.ReasonTemplateOff},
		{"the person opts out", desk.CategoryUtility, func(w *world) { w.tells(desk.Consent{}) }, desk.ReasonOptedOut},
		{"the person opts out, and the template is rejected", desk.CategoryUtility, func(w *world) { w.tells(desk.Consent{}); rejected(w) }, desk.ReasonOptedOut},
		{"the person stops marketing, which it is", desk.CategoryMarketing, func(w *world) { w.tells(desk.Consent{Scope: desk.ScopeMarketing}) }, desk.ReasonOptedOutMarketing},
		{"the person stops marketing, which it is not", desk.CategoryUtility, func(w *world) { w.tells(desk.Consent{Scope: desk.ScopeMarketing}) }, ""},
		{"the channel is switched off", desk.CategoryUtility, func(w *world) { w.setChannel("acme", desk.ChannelInactive, false) }, desk.ReasonDeactivated},
	} {
		for _, during := range []string{"upload", "turn"} {
			t.Run(test.say+", "+during, func(t *testing.T) {
				var w *world
				happens := func() { test.happens(w) }
				w, _ = newShelf(t, func(context.Context, channel.File) error { happens(); return nil })
				w.category(test.category)
				out := ofTemplate()
				if during == "upload" {
					out.Media = photo().Media
				} else {
					w.alterChannel(func(ch *desk.Channel) { ch.Settings.PerSecond = 1 })
					w.commit("5701", nil, text("takes the turn"))
					must(t, w.wake(t.Context(), "5701", false, 1))
					w.out.Sleep = func(_ context.Context, d time.Duration) { w.clock.Advance(d); happens() }
				}
				w.commit("5700", nil, out)
				must(t, w.wake(t.Context(), "5700", false, 1))
				sent := len(w.phone.sentTo("acme", "5700"))
				r := w.outcomes("5700")[0]
				if r.Reason != test.want || !r.Done || (sent == 1) != (test.want == "") || (r.Status == desk.Accepted) != (test.want == "") {
					t.Errorf("%d sent: %s %q, want %q", sent, r.Status, r.Reason, test.want)
				}
				if conv := w.conversation("5700"); len(conv.Unsent) != 0 {
					t.Errorf("unsent %+v", conv.Unsent)
				}
			})
		}
	}
}

// TestAnOptOutInThePass: of several replies that one wake-up sends, none goes after the
// person has opted out.
func TestAnOptOutInThePass(t *testing.T) {
	for _, after := range []int{1, 2, 5} {
		var f func(context.Context) (channel.Sent, error)
		w := newWorld(t, options{mutant: func(s *seams) { s.provider = via{s.provider, &f} }})
		calls := 0
		f = func(context.Context) (channel.Sent, error) {
			if calls++; calls == after {
				w.tells(desk.Consent{})
			}
			return channel.Sent{ProviderID: "gs"}, nil
		}
		w.commit("5700", nil, text("one"), text("two"), text("three"), text("four"), text("five"))
		must(t, w.wake(t.Context(), "5700", false, 1))
		if calls != after {
			t.Errorf("%d calls, the person opted out at the %d.", calls, after)
		}
		for i, r := range w.outcomes("5700") {
			want := map[bool]string{true: "", false: desk.ReasonOptedOut}[i < after]
			if !r.Done || r.Reason != want {
				t.Errorf("reply %d: %s %q, want %q", i+1, r.Status, r.Reason, want)
			}
		}
		if conv := w.conversation("5700"); len(conv.Unsent) != 0 || !conv.OptedOut {
			t.Errorf("left as %+v", conv)
		}
	}
}
