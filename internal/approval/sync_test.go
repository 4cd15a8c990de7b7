package approval_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/store"
	"buzon/internal/table"
)

func (w *world) syncNow(tenant string) {
	w.t.Helper()
	w.clock.Advance(time.Millisecond)
	w.send(tenant, desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: channelID(tenant), Asked: w.clock.Now()}})
	w.clock.Advance(time.Millisecond)
	w.drain()
}

// summary is what is known of a list, as people see it.
func summary(s desk.ChannelSync) string {
	return fmt.Sprintf("ok=%t seen=%d changed=%d missing=%d error=%s", s.OK, s.Seen, s.Changed, s.Missing, s.Error)
}

func refusal(v channel.Verdict, code, reason, cause string, after time.Duration) *channel.Error {
	return &channel.Error{Verdict: v, Code: code, Reason: reason, Cause: cause, After: after}
}

// many puts 250 templates into the provider's list, of which every tenth is ours.
func many(w *world, tenant, ours, theirs string) *account {
	a := w.company(tenant)
	for n := range 250 {
		a.set(channel.Listed{ProviderID: pid(n), Name: fmt.Sprint("n", n), State: theirs})
		if n%10 == 0 {
			w.known(tenant, fmt.Sprintf("x%03d", n), pid(n), ours)
		}
	}
	return a
}

// states counts our templates by the provider's state.
func (w *world) states(tenant string) string {
	w.t.Helper()
	list, err := w.eyes.In(tenant).FreshTemplates(w.t.Context(), channelID(tenant))
	must(w.t, err)
	count := map[string]int{}
	for _, t := range list {
		count[t.ProviderState]++
	}
	return fmt.Sprint(count)
}

func TestListOfThreePages(t *testing.T) {
	w := newWorld(t, options{})
	a := many(w, "acme", "pending", "approved")
	w.syncNow("acme")
	want(t, "pages", a.pages, 3)
	want(t, "what came of it", summary(w.lastSync("acme")), "ok=true seen=250 changed=25 missing=0 error=")
	want(t, "ours", w.states("acme"), "map[approved:25]")
	w.syncNow("acme")
	want(t, "again, when nothing is new", summary(w.lastSync("acme")), "ok=true seen=250 changed=0 missing=0 error=")
}

// TestPartialListNeverDeletes: whichever of three pages fails, what was read counts and
// nothing is missing; the list is asked again by a timer.
func TestPartialListNeverDeletes(t *testing.T) {
	for failing, ours := range []string{"map[disabled:1 pending:25]", "map[approved:10 disabled:1 pending:15]", "map[approved:20 disabled:1 pending:5]"} {
		w := newWorld(t, options{})
		a := many(w, "acme", "pending", "approved")
		a.page = func(reading, n int) *channel.Error {
			if reading == 0 && n == failing {
				return refusal(channel.Later, "500", "provider_error", desk.WaitUnavailable, 0)
			}
			return nil
		}
		w.known("acme", "gone", pid(999), "disabled")
		w.syncNow("acme")
		got := w.lastSync("acme")
		want(t, "what came of it", summary(got), fmt.Sprintf("ok=false seen=%d changed=%d missing=0 error=provider_error", failing*100, failing*10))
		want(t, "ours", w.states("acme"), ours)
		w.settle(time.Minute)
		want(t, "a minute later", summary(w.lastSync("acme")), fmt.Sprintf("ok=true seen=250 changed=%d missing=1 error=", 25-failing*10+1))
		want(t, "ours then", w.states("acme"), "map[approved:25 missing:1]")
	}
}

func TestMissingAndBack(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
	w.known("acme", "x", pid(1), "approved")
	w.syncNow("acme")
	want(t, "there", w.template("acme", "x").Sendable(), true)
	a.remove(pid(1))
	w.syncNow("acme")
	want(t, "gone", show(w.template("acme", "x")),
		`x approved/missing reason="" quality= category=utility next= active=true sendable=false hint=- done=true id=`+pid(1))
	want(t, "shown as drift", summary(w.lastSync("acme")), "ok=true seen=0 changed=1 missing=1 error=")
	w.syncNow("acme")
	want(t, "still", summary(w.lastSync("acme")), "ok=true seen=0 changed=0 missing=1 error=")
	a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
	w.syncNow("acme")
	want(t, "back", w.template("acme", "x").Sendable(), true)
}

// TestListThatShiftsWhileItIsRead: a template that somebody removes from an earlier page
// moves another one over the end of a page, so that it is on none. It is not missing, also
// if the second look fails; the removed one is, when the list is read again.
func TestListThatShiftsWhileItIsRead(t *testing.T) {
	for _, test := range []struct {
		name string
		last *channel.Error // of the second look
		want string
		ours string
	}{
		{"what is lost is looked for once more", nil, "ok=true seen=149 changed=0 missing=0 error=", "map[approved:150]"},
		{"which may fail", refusal(channel.Later, "500", "provider_error", desk.WaitUnavailable, 0), "ok=false seen=100 changed=0 missing=0 error=provider_error", "map[approved:150]"},
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		for n := range 150 {
			a.set(channel.Listed{ProviderID: pid(n), State: "approved"})
			w.known("acme", fmt.Sprintf("x%03d", n), pid(n), "approved")
		}
		a.before = func(n int) {
			if n == 1 {
				a.remove(pid(3))
			}
		}
		a.page = func(reading, n int) *channel.Error {
			if reading == 1 && n == 1 {
				return test.last
			}
			return nil
		}
		w.syncNow("acme")
		want(t, test.name, summary(w.lastSync("acme")), test.want)
		want(t, test.name+": ours", w.states("acme"), test.ours)
		want(t, test.name+": the one that moved", w.template("acme", "x100").Sendable(), true)
		w.syncNow("acme")
		want(t, test.name+": read again", summary(w.lastSync("acme")), "ok=true seen=149 changed=1 missing=1 error=")
		want(t, test.name+": the one that moved, then", w.template("acme", "x100").Sendable(), true)
	}
}

// TestTemplateInTwoPages: another is added while the list is read, so that one comes
// twice.
func TestTemplateInTwoPages(t *testing.T) {
	w := newWorld(t, options{})
	a := many(w, "acme", "pending", "approved")
	a.before = func(n int) {
		if n == 1 {
			a.list = append([]channel.Listed{{ProviderID: pid(777), State: "approved"}}, a.list...)
		}
	}
	w.syncNow("acme")
	want(t, "what came of it", summary(w.lastSync("acme")), "ok=true seen=250 changed=25 missing=0 error=")
}

// TestABurstOfVerdictsCostsFewReadings: 100 verdicts that were received before a
// reading began are answered by it.
func TestABurstOfVerdictsCostsFewReadings(t *testing.T) {
	w := newWorld(t, options{})
	a := many(w, "acme", "approved", "approved")
	for n := range 100 {
		w.callback("acme", status(pid(n/10*10), []string{"paused", "approved"}[n%2], "", w.clock.Now()))
		w.clock.Advance(time.Millisecond)
	}
	w.drain()
	want(t, "readings", a.lists, 1)
	w.settle(5 * time.Minute)
	want(t, "with the one that clears the doubt", a.lists, 2)
	want(t, "ours", w.states("acme"), "map[approved:25]")
	w.syncNow("acme")
	w.syncNow("acme")
	want(t, "a person is always answered", a.lists, 4)
}

// TestTheListIsReadEverySixHours: one timer, whatever comes between.
// A provider that allows one pass a minute never lets a second one follow the first: of
// two readings that fail so the second takes what its first pass saw.
func TestAListThatIsNeverReadTwiceInARow(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), Name: "t_x", Language: "es", State: "approved", Body: "Hola"})
	w.known("acme", "gone", pid(2), "approved")
	var last time.Time
	a.page = func(int, int) *channel.Error {
		if !last.IsZero() && w.clock.Now().Sub(last) < time.Minute {
			return refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 0)
		}
		last = w.clock.Now()
		return nil
	}
	w.syncNow("acme")
	if got := w.template("acme", "gone").ProviderState; w.lastSync("acme").OK || got != "approved" {
		t.Errorf("after the first: %s, %s", summary(w.lastSync("acme")), got)
	}
	w.settle(2 * time.Hour)
	if got := w.template("acme", "gone").ProviderState; !w.lastSync("acme").OK || got != desk.ProviderMissing {
		t.Errorf("two hours later: %s, %s", summary(w.lastSync("acme")), got)
	}
}

// beside does something once, right before the first write of a channel.
type beside struct {
	table.Table
	do func()
}

func (b *beside) Write(ctx context.Context, ops ...table.Op) error {
	if do := b.do; do != nil && slices.ContainsFunc(ops, func(o table.Op) bool { return o.Item.SK == "CHANNEL" }) {
		b.do = nil
		do()
	}
	return b.Table.Write(ctx, ops...)
}

// A list that can be read ends an interruption by its credential, but not one that a
// failed receipt begins in the same moment.
func TestAChannelThatBeginsToWaitIsNotShownActive(t *testing.T) {
	var b *beside
	w := newWorld(t, options{mutant: func(s *seams) { b = &beside{Table: s.table}; s.table = b }})
	w.company("acme").set(channel.Listed{ProviderID: pid(1), Name: "t_x", Language: "es", State: "approved", Body: "Hola"})
	w.setChannel("acme", func(ch *desk.Channel) { ch.State, ch.Cause = desk.ChannelInterrupted, desk.WaitCredential })
	c := w.eyes.In("acme")
	b.do = func() {
		now := w.clock.Now()
		wait := desk.Wait{Cause: desk.WaitCredential, NotBefore: now.Add(time.Minute), Step: time.Minute, ProofAfter: now}
		must(t, c.SaveChannelWait(t.Context(), channelID("acme"), store.StoredWait{Wait: wait}, c.WhileChannel(w.channel("acme"))...))
	}
	w.syncNow("acme")
	if ch := w.channel("acme"); ch.State != desk.ChannelInterrupted {
		t.Errorf("shown %s while it waits", ch.State)
	}
}

func TestTheListIsReadEverySixHours(t *testing.T) {
	w := newWorld(t, options{})
	a := many(w, "acme", "approved", "approved")
	w.syncNow("acme")
	began := w.clock.Now()
	w.settle(24*time.Hour + time.Minute)
	want(t, "readings in a day", a.lists, 5)
	for i, at := range a.asked[1:] {
		if late := at.Sub(began) - time.Duration(i+1)*6*time.Hour; late < 0 || late > 5*time.Minute {
			t.Errorf("reading %d came %s late", i+1, late)
		}
	}
	for range 4 {
		w.syncNow("acme")
		w.callback("acme", status(pid(0), "paused", "", w.clock.Now())) // a doubt arms an earlier timer
		w.settle(10 * time.Minute)
	}
	w.settle(6 * time.Hour) // until the doubt is over
	a.lists = 0
	w.settle(24 * time.Hour)
	if a.lists < 4 || a.lists > 5 {
		t.Errorf("%d readings in a day that was quiet", a.lists)
	}
	if due := w.timers("acme", store.WakeSync); len(due) != 1 {
		t.Errorf("%d timers", len(due))
	}
}

// TestAListThatCannotBeReadIsAskedAgain after 1, 2, 4 … 60 minutes; verdicts and people
// who ask in between change nothing of that.
func TestAListThatCannotBeReadIsAskedAgain(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.page = func(int, int) *channel.Error {
		return refusal(channel.Later, "503", "provider_error", desk.WaitUnavailable, 0)
	}
	w.syncNow("acme")
	w.syncNow("acme")
	a.asked = a.asked[:1]
	w.settle(5 * time.Hour)
	for i, minutes := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		pause := a.asked[i+1].Sub(a.asked[i])
		if least := time.Duration(minutes) * time.Minute; pause < least-time.Second || pause > least+time.Minute {
			t.Errorf("pause %d: %s, want %d minutes", i, pause, minutes)
		}
	}
	if due := w.timers("acme", store.WakeSync); len(due) != 1 {
		t.Errorf("%d timers", len(due))
	}
	a.page = nil
	w.settle(time.Hour)
	want(t, "in the end", summary(w.lastSync("acme")), "ok=true seen=0 changed=0 missing=0 error=")
	want(t, "failures", w.lastSync("acme").Failures, 0)
}

// TestTheProviderAsksForAPause: timers and verdicts heed it, people do not. A hint
// stops sending meanwhile.
func TestTheProviderAsksForAPause(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.page = func(int, int) *channel.Error {
		return refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 10*time.Minute)
	}
	w.known("acme", "x", pid(1), "approved")
	w.syncNow("acme")
	for range 9 {
		w.callback("acme", status(pid(1), "paused", "", w.clock.Now()))
		w.settle(time.Minute)
	}
	want(t, "readings within the ten minutes", a.lists, 1)
	want(t, "sendable meanwhile", w.template("acme", "x").Sendable(), false)
	a.page = nil
	a.set(channel.Listed{ProviderID: pid(1), State: "approved"})
	w.syncNow("acme")
	want(t, "a person asks", a.lists, 2)
	want(t, "sendable then", w.template("acme", "x").Sendable(), true)
}

// TestWhatAListSaysOfTheChannel: a list that is refused interrupts it, one that works
// ends an interruption by a credential alone, and not while messages wait for it.
func TestWhatAListSaysOfTheChannel(t *testing.T) {
	for _, test := range []struct {
		name   string
		state  desk.ChannelState
		cause  string
		answer *channel.Error
		keys   bool
		waits  string // what messages wait for
		want   string
	}{
		{"refused for its credential", desk.ChannelActive, "", refusal(channel.ChannelDown, "401", "credential_refused", desk.WaitCredential, 0), true, "", "interrupted credential"},
		{"suspended", desk.ChannelActive, "", refusal(channel.ChannelDown, "368", "policy_block", desk.WaitSuspended, 0), true, "", "interrupted suspended"},
		{"interrupted for something else before", desk.ChannelInterrupted, desk.WaitWallet, refusal(channel.ChannelDown, "401", "credential_refused", desk.WaitCredential, 0), true, "", "interrupted wallet"},
		{"without credentials", desk.ChannelActive, "", nil, false, "", "interrupted credential"},
		{"not set up for templates", desk.ChannelActive, "", refusal(channel.ChannelDown, channel.CodeNotSent, "channel_not_configured", desk.WaitCredential, 0), true, "", "active "},
		{"limited", desk.ChannelActive, "", refusal(channel.Later, "429", "rate_limited", desk.WaitRateLimited, 0), true, "", "active "},
		{"works again", desk.ChannelInterrupted, desk.WaitCredential, nil, true, "", "active "},
		{"works, and messages wait", desk.ChannelInterrupted, desk.WaitCredential, nil, true, desk.WaitCredential, "interrupted credential"},
		{"works, and the wallet is empty", desk.ChannelInterrupted, desk.WaitWallet, nil, true, "", "interrupted wallet"},
	} {
		w := newWorld(t, options{})
		a := w.company("acme")
		if !test.keys {
			clear(w.secrets)
		}
		if test.answer != nil {
			a.page = func(int, int) *channel.Error { return test.answer }
		}
		w.setChannel("acme", func(ch *desk.Channel) { ch.State, ch.Cause = test.state, test.cause })
		must(t, w.eyes.In("acme").SaveChannelWait(t.Context(), channelID("acme"), store.StoredWait{Wait: desk.Wait{Cause: test.waits}}))
		w.syncNow("acme")
		ch := w.channel("acme")
		want(t, test.name, string(ch.State)+" "+ch.Cause, test.want)
		want(t, test.name+": read", w.lastSync("acme").OK, test.answer == nil && test.keys)
	}
}

// TestLimitOfAList at both edges.
func TestLimitOfAList(t *testing.T) {
	for size, ok := range map[int]bool{10_000: true, 10_001: false} {
		w := newWorld(t, options{})
		a := w.company("acme")
		for n := range size {
			a.list = append(a.list, channel.Listed{ProviderID: pid(n), State: "approved"})
		}
		w.syncNow("acme")
		want(t, fmt.Sprint(size, " templates"), w.lastSync("acme").OK, ok)
	}
}

// TestErrorOfAListIsACode: a provider's own words are not shown as one.
func TestErrorOfAListIsACode(t *testing.T) {
	for reason, shown := range map[string]string{"rate_limited": "rate_limited", "Call +57 300": "provider_error", "": "provider_error"} {
		w := newWorld(t, options{})
		w.company("acme").page = func(int, int) *channel.Error { return refusal(channel.Refused, "400", reason, "", 0) }
		w.syncNow("acme")
		want(t, reason, w.lastSync("acme").Error, shown)
	}
}

// TestAPersonSwitchesWhileTheListIsRead: neither undoes what the other did.
func TestAPersonSwitchesWhileTheListIsRead(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	a.set(channel.Listed{ProviderID: pid(1), State: "paused"})
	w.known("acme", "x", pid(1), "approved")
	a.before = func(int) {
		v := w.template("acme", "x")
		v.Active, v.Campaigns = false, []string{"spring"}
		must(t, w.eyes.In("acme").SaveTemplate(t.Context(), v, nil))
	}
	w.syncNow("acme")
	if got := w.template("acme", "x"); got.Active || len(got.Campaigns) != 1 || got.ProviderState != "paused" {
		t.Error(show(got))
	}
}

// TestActivation sets the timers going again, once, however it is told.
func TestActivation(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	w.setChannel("acme", func(ch *desk.Channel) { ch.State = desk.ChannelInactive })
	w.syncNow("acme")
	want(t, "readings while it is off", a.lists, 0)
	c, ch := w.eyes.In("acme"), w.channel("acme")
	ch.State = desk.ChannelActive
	must(t, c.SaveChannel(t.Context(), ch, c.ChannelTimer(store.WakeSync, ch.ID, ch.Version, w.clock.Now().Add(2*time.Minute)).Also()))
	w.syncNow("acme")
	w.settle(5 * time.Minute)
	want(t, "the event read it, the timer is one too many: readings", a.lists, 1)
	want(t, "timers", len(w.timers("acme", store.WakeSync)), 1)
}

// TestAListForWhichTheTimeRunsOut counts as one that could not be read.
func TestAListForWhichTheTimeRunsOut(t *testing.T) {
	w := newWorld(t, options{})
	a := many(w, "acme", "pending", "approved")
	ctx, end := context.WithCancel(t.Context())
	a.page = func(_, n int) *channel.Error {
		if n == 2 {
			end()
			return refusal(channel.Unknown, "no_answer", "", "", 0)
		}
		return nil
	}
	body, err := queue.Seal(desk.StageApprovals, "acme", desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}})
	must(t, err)
	must(t, w.work.Handle(ctx, queue.Record{ID: "r", Body: body}))
	want(t, "what came of it", summary(w.lastSync("acme")), "ok=false seen=200 changed=20 missing=0 error=timeout")
	want(t, "asked again", w.lastSync("acme").Armed.Sub(w.clock.Now()), time.Minute)
}

// TestAnEventThatIsShortOfTime is handed back before it begins what it cannot end.
func TestAnEventThatIsShortOfTime(t *testing.T) {
	w := newWorld(t, options{})
	a := w.company("acme")
	w.request("acme", "x")
	for _, e := range []desk.ApprovalEvent{{Submit: "x"}, {Sync: &desk.SyncEvent{Channel: channelID("acme"), Asked: w.clock.Now()}}} {
		ctx, end := context.WithTimeout(t.Context(), 14*time.Second)
		defer end()
		body, err := queue.Seal(desk.StageApprovals, "acme", e)
		must(t, err)
		if after, again := queue.AgainAfter(w.work.Handle(ctx, queue.Record{ID: "r", Body: body})); !again || after != time.Second {
			t.Errorf("%+v: again %t, after %s", e, again, after)
		}
	}
	want(t, "calls", len(a.submits)+a.lists, 0)
}
