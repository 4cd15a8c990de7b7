package approval_test

import (
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// TestAVerdictThatComesForAMate: an account may have several numbers, and its callbacks
// name a template alone. One that its own channel does not know is sought at the others,
// and the list is read of the one that may have it.
func TestAVerdictThatComesForAMate_R12(t *testing.T) {
	known := func(w *world) { w.known("acme", "x", pid(1), "approved") }
	lost := func(w *world) { w.lost("acme", desk.Template{ID: "x", Body: "Hola"}) }
	meta := func(ch *desk.Channel) {
		ch.Provider, ch.AccountID, ch.MetaApp, ch.AppID = desk.ProviderMeta, "waba", "app", "app-acme"
	}
	same := func(*desk.Channel) {}
	for _, test := range []struct {
		name        string
		have        func(*world)        // what the mate has
		both, other func(*desk.Channel) // change both channels, the one for which it comes
		state       string              // what the callback and the list say
		readings    int
		want        string // the template's
		quarantine  string
	}{
		{"the mate has it", known, same, same, "disabled", 1, "disabled", ""},
		{"the mate does not know what became of its request", lost, same, same, "approved", 1, "approved", ""},
		{"neither knows it", func(*world) {}, same, same, "approved", 0, "", "template_unknown"},
		{"the mate has another", func(w *world) { w.known("acme", "x", pid(2), "approved") }, same, same, "disabled", 0, "approved", "template_unknown"},
		{"the mate is off too", lost, func(ch *desk.Channel) { ch.State = desk.ChannelInactive }, same, "approved", 0, "", "template_unknown"},
		{"it is none, but of another app", known, same, func(ch *desk.Channel) { ch.AppID = "another" }, "disabled", 0, "approved", "template_unknown"},
		{"both are of no app", known, func(ch *desk.Channel) { ch.AppID = "" }, same, "disabled", 0, "approved", "template_unknown"},
		{"it is none, but of another provider", known, same, meta, "disabled", 0, "approved", "template_unknown"},
		{"Meta's, of one account", lost, meta, same, "approved", 1, "approved", ""},
		{"Meta's, of another account", known, meta, func(ch *desk.Channel) { ch.AccountID = "another" }, "disabled", 0, "approved", "template_unknown"},
		{"Meta's, of an app that does not sign for the mate (T5)", known, meta, func(ch *desk.Channel) { ch.MetaApp = "another" }, "disabled", 0, "approved", "template_unknown"},
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		w.stage.Providers[desk.ProviderMeta] = w.provider
		a.set(channel.Listed{ProviderID: pid(1), Name: "t_x", State: test.state, Body: "Hola", Type: desk.TemplateText})
		w.setChannel("acme", test.both)
		other := w.channel("acme")
		other.ID, other.State, other.Versioned = "acme-old", desk.ChannelInactive, desk.Versioned{}
		test.other(&other)
		must(t, w.eyes.In("acme").SaveChannel(t.Context(), other, nil))
		test.have(w)
		w.send("acme", desk.ApprovalEvent{Verdict: desk.Verdict{
			Channel: other.ID, ProviderID: pid(1), Event: desk.VerdictStatus, State: test.state, Name: "t_x", Language: "es", At: w.clock.Now(), ReceivedAt: w.clock.Now(),
		}})
		w.drain()
		want(t, test.name+": quarantine", w.quarantined("acme"), test.quarantine)
		want(t, test.name+": readings", a.lists, test.readings)
		if test.want != "" {
			want(t, test.name+": state", w.template("acme", "x").ProviderState, test.want)
		}
	}
}

// TestAVerdictForAMateThatSubmits: the callback of a request that goes out on one channel
// comes for another, which is off, before the request's answer is written. The list is
// asked when there is an answer.
func TestAVerdictForAMateThatSubmits_R12(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	old := w.channel("acme")
	old.ID, old.State, old.Versioned = "acme-old", desk.ChannelInactive, desk.Versioned{}
	must(t, w.eyes.In("acme").SaveChannel(t.Context(), old, nil))
	a.submit = func(int) *channel.Error {
		must(t, w.handle("acme", desk.ApprovalEvent{Verdict: desk.Verdict{
			Channel: old.ID, ProviderID: pid(1000), Event: desk.VerdictStatus, State: "approved", Name: "t_x", Language: "es", At: w.clock.Now(), ReceivedAt: w.clock.Now(),
		}}))
		return nil
	}
	w.request("acme", "x")
	w.drain()
	a.set(channel.Listed{ProviderID: pid(1000), Name: "t_x", State: "approved"})
	w.settle(2 * time.Minute)
	if got := w.template("acme", "x"); !got.Sendable() {
		t.Errorf("%s; quarantine %q", show(got), w.quarantined("acme"))
	}
}

// TestAVerdictOfAMateIsNotSwallowed: a request of the same name that was given up, its
// outcome never learnt, awaits no verdict that is another channel's by its id.
func TestAVerdictOfAMateIsNotSwallowed_R12(t *testing.T) {
	for _, state := range []desk.ChannelState{desk.ChannelInactive, desk.ChannelActive} {
		w := newWorld(t, options{})
		a := w.company("acme")
		a.set(channel.Listed{ProviderID: pid(1), Name: "t_x", Language: "es", State: "disabled", Body: "Hola", Type: desk.TemplateText})
		w.known("acme", "x", pid(1), "approved")
		old := w.channel("acme")
		old.ID, old.State, old.Versioned = "acme-old", state, desk.Versioned{}
		must(t, w.eyes.In("acme").SaveChannel(t.Context(), old, nil))
		from := w.clock.Now().Add(-240 * time.Hour)
		must(t, w.eyes.In("acme").SaveTemplate(t.Context(), desk.Template{
			ID: "y", Channel: "acme-old", Name: "t_x", Language: "es", Category: desk.CategoryUtility, Body: "Hola vieja", CreatedAt: from,
			Status: desk.TemplateRejected, ProviderState: desk.ProviderRefused,
			Submission: &desk.Submission{Attempts: 1, Unknown: true, Done: true, Lease: &desk.Lease{From: from, Until: from.Add(time.Minute), Owner: "z"}},
		}, nil))
		w.secrets[w.eyes.In("acme").CredentialsName(old)] = `{"api_key":"k"}`
		w.send("acme", desk.ApprovalEvent{Verdict: desk.Verdict{
			Channel: old.ID, ProviderID: pid(1), Event: desk.VerdictStatus, State: "disabled", Name: "t_x", Language: "es", At: w.clock.Now(), ReceivedAt: w.clock.Now(),
		}})
		w.settle(2 * time.Hour)
		if x := w.template("acme", "x"); x.Sendable() {
			t.Errorf("%s: two hours after it was disabled: %s", state, show(x))
		}
	}
}
