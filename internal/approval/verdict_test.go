package approval_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
)

func TestForgedApprovalLeavesItPending_R12(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "pending"})
	w.known("acme", "x", pid(1), "pending")
	before := show(w.template("acme", "x"))
	for _, body := range []string{verdict(pid(1), "approved", "", w.clock.Now()), status(pid(1), "APPROVED", "", w.clock.Now().Add(time.Hour))} {
		w.callback("acme", body)
		w.settle(10 * time.Minute)
		want(t, "after "+body, show(w.template("acme", "x")), before)
	}
	if a.lists < 2 {
		t.Errorf("the list was read %d times", a.lists)
	}
}

func TestForgedRejectionIsUndoneByTheList_R12(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
	w.known("acme", "x", pid(1), "approved")
	before := show(w.template("acme", "x"))
	w.callback("acme", verdict(pid(1), "rejected", "spam", w.clock.Now()))
	stopped := false
	a.before = func(int) {
		now := w.template("acme", "x")
		stopped = !now.Sendable() && now.Status == desk.TemplateApproved && now.Active && now.ProviderState == "rejected"
	}
	w.drain()
	if !stopped {
		t.Error("it was not stopped while the list was read")
	}
	want(t, "after the list", show(w.template("acme", "x")), before)
	want(t, "readings", a.lists, 1)
	w.settle(5 * time.Minute)
	want(t, "the list, which said something else, is asked again after 1, 2 and 4 minutes: readings", a.lists, 4)
	want(t, "after it", show(w.template("acme", "x")), before)
}

// TestListThatLags: the list does not say yet what a callback said, and does a minute
// later, for what forbids and for an approval.
func TestListThatLags(t *testing.T) {
	for _, test := range []struct{ was, is string }{{"approved", "disabled"}, {"pending", "approved"}} {
		w := newWorld(t, options{})
		a := w.company("acme")
		a.set(channel.Listed{ProviderID: pid(1), State: test.was})
		w.known("acme", "x", pid(1), test.was)
		w.callback("acme", status(pid(1), test.is, "", w.clock.Now()))
		w.drain()
		want(t, "at first", w.template("acme", "x").ProviderState, test.was)
		a.set(channel.Listed{ProviderID: pid(1), State: test.is})
		w.settle(time.Minute)
		want(t, "a minute later", w.template("acme", "x").ProviderState, test.is)
	}
}

// TestListThatLagsForLong: it is asked after 1, 2, 4 … minutes, so that what forbids and
// what allows is known when twice the time has passed by which the list lags; until the
// reading that comes every six hours anyhow.
func TestListThatLagsForLong_R12(t *testing.T) {
	for _, lag := range []time.Duration{30 * time.Second, 3 * time.Minute, 20 * time.Minute, 170 * time.Minute} {
		for _, test := range []struct{ was, is string }{{"approved", "disabled"}, {"approved", "rejected"}, {"pending", "approved"}} {
			w := newWorld(t, options{})
			a := w.company("acme")
			a.set(channel.Listed{ProviderID: pid(1), State: test.was})
			w.known("acme", "x", pid(1), test.was)
			w.syncNow("acme")
			truth := w.clock.Now().Add(lag)
			a.before = func(int) {
				if !w.clock.Now().Before(truth) {
					a.set(channel.Listed{ProviderID: pid(1), State: test.is})
				}
			}
			w.callback("acme", verdict(pid(1), test.is, "POLICY", w.clock.Now()))
			w.settle(max(2*lag, time.Minute) + time.Minute)
			want(t, fmt.Sprint(test, " after ", lag), w.template("acme", "x").ProviderState, test.is)
			a.lists = 0
			w.settle(24 * time.Hour)
			want(t, fmt.Sprint(test, " after ", lag, ": readings in the day after that"), a.lists, 4)
		}
	}
}

// TestAListThatNeverAgrees costs few readings, whatever a callback said.
func TestAListThatNeverAgrees(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
	w.known("acme", "x", pid(1), "approved")
	w.callback("acme", verdict(pid(1), "rejected", "spam", w.clock.Now()))
	w.settle(6 * time.Hour)
	want(t, "at once and after 1, 2, 4, 8, 16, 32, 64, 128 and 256 minutes: readings", a.lists, 10)
	a.lists = 0
	w.settle(24 * time.Hour)
	want(t, "in the next day", a.lists, 4)
}

func TestLateRejectionSwitchesItOffForGood_R12(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	w.known("acme", "x", pid(1), "approved")
	at := w.clock.Now()
	a.set(channel.Listed{ProviderID: pid(1), State: "rejected", Reason: "ABUSIVE"})
	w.callback("acme", verdict(pid(1), "rejected", "ABUSIVE", at))
	w.settle(time.Minute)
	want(t, "rejected", show(w.template("acme", "x")),
		`x rejected/rejected reason="ABUSIVE" quality= category=utility next= active=false sendable=false hint=- done=true id=`+pid(1))
	a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
	w.callback("acme", verdict(pid(1), "approved", "", at.Add(-time.Hour))) // an old one, and true
	w.settle(time.Minute)
	if got := w.template("acme", "x"); got.Status != desk.TemplateApproved || got.Active {
		t.Errorf("approved again: %s", show(got))
	}
}

// TestUnknownStateIsShownAndLoggedOnce: the status stays, nothing is sent.
func TestUnknownStateIsShownAndLoggedOnce(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "half_baked"})
	w.known("acme", "x", pid(1), "approved")
	for range 3 {
		w.callback("acme", status(pid(1), "Half_Baked", "", w.clock.Now()))
		w.settle(time.Minute)
	}
	got := w.template("acme", "x")
	if got.Status != desk.TemplateApproved || got.ProviderState != "half_baked" || got.Sendable() || !got.Active {
		t.Error(show(got))
	}
	want(t, "warnings", strings.Count(w.log.String(), "template state not known"), 1)
	w.callback("acme", status(pid(1), "call me on 5731", "", w.clock.Now()))
	w.drain()
	if strings.Contains(w.log.String(), "5731") {
		t.Error("what anybody may have written stands in the log")
	}
}

func TestCategoryAndQualityUpdates(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	listed := channel.Listed{ProviderID: pid(1), State: "approved", Category: "utility"}
	a.set(listed)
	w.known("acme", "x", pid(1), "approved")
	look := func() string {
		w.settle(0)
		got := w.template("acme", "x")
		return fmt.Sprintf("%s next=%s quality=%s %t", got.Category, got.NextCategory, got.Quality, got.Sendable())
	}
	at := w.clock.Now()
	w.callback("acme", category(pid(1), "UTILITY", "MARKETING", "current", "correct", at))
	want(t, "announced", look(), "utility next=marketing quality= true")
	w.callback("acme", quality(pid(1), "RED", at))
	want(t, "quality", look(), "utility next=marketing quality=red true")
	w.callback("acme", category(pid(1), "UTILITY", "MARKETING", "old", "new", at.Add(time.Minute)))
	want(t, "changed, as a callback says", look(), "utility next=marketing quality=red true")
	listed.Category, listed.Quality = "marketing", "green"
	a.set(listed)
	w.callback("acme", category(pid(1), "UTILITY", "MARKETING", "old", "new", at.Add(time.Minute)))
	want(t, "and as the list says", look(), "marketing next= quality=green true")
	want(t, "no state was in doubt: readings", a.lists, 4)
}

// TestVerdictOfAnUnknownTemplate: it is kept in quarantine, also when the list cannot
// be read, and works when it is replayed later.
func TestVerdictOfAnUnknownTemplate(t *testing.T) {
	for _, test := range []struct {
		name string
		page func(int, int) *channel.Error
	}{
		{"the list does not know it", nil},
		{"nobody knows: the list cannot be read", func(int, int) *channel.Error {
			return &channel.Error{Verdict: channel.Later, Code: "500", Reason: "provider_error", Cause: desk.WaitUnavailable}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			a := w.company("acme")
			a.page = test.page
			a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
			w.known("acme", "x", pid(1), "approved")
			body := status(pid(7), "paused", "", w.clock.Now())
			w.callback("acme", body)
			w.drain()
			want(t, "quarantine", w.quarantined("acme"), "template_unknown")
			want(t, "readings", a.lists, 1)
			a.page = nil
			a.set(channel.Listed{ProviderID: pid(7), State: "paused"})
			w.known("acme", "y", pid(7), "approved")
			w.clock.Advance(time.Minute)
			w.callback("acme", body)
			w.settle(0)
			want(t, "the other", w.template("acme", "x").Active, true)
			want(t, "replayed", w.template("acme", "y").ProviderState, "paused")
		})
	}
}

// TestOldMessages_R16: what the release before queued has a verdict alone, without the
// time at which it was received.
func TestOldMessages_R16(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "paused"})
	w.known("acme", "x", pid(1), "approved")
	w.sendRaw("acme", fmt.Appendf(nil, `{"v":1,"stage":"approvals","tenant":"acme","body":{"verdict":{"channel":%q,"provider_id":%q,"event":"status-update","state":"paused","at":"2026-03-01T11:00:00Z"}}}`,
		channelID("acme"), pid(1)))
	w.drain()
	if got := w.template("acme", "x"); got.ProviderState != "paused" || got.Hint != nil {
		t.Error(show(got))
	}
	want(t, "readings", a.lists, 1)
}

// TestEventsThatCannotWork go to quarantine with their reason, and hold nobody up.
func TestEventsThatCannotWork(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "paused"})
	w.known("acme", "x", pid(1), "approved")
	for _, body := range []string{
		`{"v":1,"stage":"approvals","tenant":"acme","body":{}}`,
		`{"v":1,"stage":"approvals","tenant":"acme","body":{"verdict":{"channel":"acme-whatsapp","provider_id":"","state":"approved","at":"2026-03-01T11:00:00Z"}}}`,
		`{"v":1,"stage":"approvals","tenant":"acme","body":{"verdict":{"channel":"acme-nobody","provider_id":"p","state":"approved","at":"2026-03-01T11:00:00Z"}}}`,
		`{"v":1,"stage":"approvals","tenant":"acme","body":[]}`,
	} {
		w.sendRaw("acme", []byte(body))
	}
	w.send("acme", desk.ApprovalEvent{Submit: "nobody"})
	w.send("acme", desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: "acme-nobody", Asked: w.clock.Now()}})
	w.callback("acme", status(pid(1), "paused", "", w.clock.Now()))
	w.drain()
	want(t, "what came after them", w.template("acme", "x").ProviderState, "paused")
	got := strings.Fields(w.quarantined("acme"))
	want(t, "kept", len(got), 4)
	for _, reason := range []string{"no_template", "template_unknown", "bad_body"} {
		if !strings.Contains(strings.Join(got, " "), reason) {
			t.Errorf("no %s in %v", reason, got)
		}
	}
}

// TestAProvidersTimeFromFarAhead does not outweigh what comes later for ever.
func TestAProvidersTimeFromFarAhead(t *testing.T) {
	w := newWorld(t, options{})
	w.company("acme").page = func(int, int) *channel.Error {
		return &channel.Error{Verdict: channel.Later, Code: "500", Cause: desk.WaitUnavailable}
	}
	w.known("acme", "x", pid(1), "approved")
	w.callback("acme", status(pid(1), "paused", "", w.clock.Now().Add(1000*time.Hour)))
	w.drain()
	w.clock.Advance(time.Minute)
	w.callback("acme", status(pid(1), "disabled", "", w.clock.Now()))
	w.drain()
	want(t, "the later one", w.template("acme", "x").ProviderState, "disabled")
}

// TestNothingIsAskedForAChannelThatIsNotInUse: a verdict is noted, the provider left alone.
func TestNothingIsAskedForAChannelThatIsNotInUse(t *testing.T) {
	for name, change := range map[string]func(*desk.Channel){
		"inactive": func(ch *desk.Channel) { ch.State = desk.ChannelInactive },
		"pending":  func(ch *desk.Channel) { ch.State = desk.ChannelPending },
		"deleted":  func(ch *desk.Channel) { ch.Deleted = true },
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
		w.known("acme", "x", pid(1), "approved")
		w.send("acme", desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}})
		w.drain()
		w.setChannel("acme", change)
		w.clock.Advance(time.Second)
		w.callback("acme", status(pid(1), "paused", "", w.clock.Now()))
		w.send("acme", desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}})
		w.pass(13*time.Hour, time.Hour)
		want(t, name+": readings", a.lists, 1)
		if w.template("acme", "x").Sendable() {
			t.Errorf("%s: sendable", name)
		}
		want(t, name+": timers", len(w.timers("acme", "sync")), 0)
	}
}

// TestWhatIsKeptIsLookedAtAgain: an event that killed its process three times is kept,
// and neither the request nor the channel's timers end with it.
func TestWhatIsKeptIsLookedAtAgain(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	w.request("acme", "x")
	w.drain() // submitted; as if it had not been
	v := w.template("acme", "x")
	a.list, a.made, a.submits = nil, nil, nil
	v.ProviderID, v.Submission = "", &desk.Submission{}
	must(t, w.eyes.In("acme").SaveTemplate(t.Context(), v, nil))
	w.clock.Advance(5 * time.Minute)
	for _, e := range []desk.ApprovalEvent{
		{Submit: "x"},
		{Sync: &desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now(), Timer: true}},
	} {
		body, err := queue.Seal(desk.StageApprovals, "acme", e)
		must(t, err)
		for range 2 { // the second time it is armed
			must(t, w.work.Quarantine(t.Context(), queue.Record{ID: "r", Body: body}, queue.KilledProcess))
		}
	}
	w.clock.Advance(10 * time.Minute)
	want(t, "kept", w.quarantined("acme"), "killed_process killed_process")
	w.settle(2 * time.Hour)
	want(t, "requests", len(a.submits), 1)
	want(t, "readings", a.lists, 1)
	want(t, "timers", len(w.timers("acme", "sync")), 1)
}
