package pipeline_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/channel/meta/metatest"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// ofTemplate is a message that the company's template acme-t1 makes.
func ofTemplate() desk.Outgoing {
	out := template()
	use := *out.Template
	use.Template = "acme-t1"
	out.Template = &use
	return out
}

// TestWhatForbidsStopsAQueuedTemplate: what waited is looked at again when its turn
// comes (R12).
func TestWhatForbidsStopsAQueuedTemplate(t *testing.T) {
	for _, c := range []struct {
		say    string
		change func(*desk.Template)
		reason string // empty: it goes
	}{
		{"nothing changed", func(*desk.Template) {}, ""},
		{"rejected since", func(v *desk.Template) { v.Status, v.ProviderState = desk.TemplateRejected, "rejected" }, desk.ReasonTemplateStopped},
		{"paused since", func(v *desk.Template) { v.ProviderState = "paused" }, desk.ReasonTemplateStopped},
		{"no longer at the provider", func(v *desk.Template) { v.ProviderState = desk.ProviderMissing }, desk.ReasonTemplateStopped},
		{"switched off since", func(v *desk.Template) { v.Active = false }, desk.ReasonTemplateOff},
	} {
		t.Run(c.say, func(t *testing.T) {
			w := newWorld(t, options{})
			w.commit("5700", nil, ofTemplate(), text("after it"))
			v, err := w.aside().Template(t.Context(), "acme-t1")
			must(t, err)
			c.change(&v)
			must(t, w.aside().SaveTemplate(t.Context(), v, nil))
			must(t, w.wake(t.Context(), "5700", false, 1))
			got := w.outcomes("5700")
			if got[0].Reason != c.reason || (got[0].Status == desk.Accepted) != (c.reason == "") {
				t.Errorf("%s %q, want %q", got[0].Status, got[0].Reason, c.reason)
			}
			if got[1].Status != desk.Accepted {
				t.Errorf("the next one: %s %q", got[1].Status, got[1].Reason)
			}
		})
	}
}

// TestOffAndOnAgainSendsNothingOfBefore: what switching off has ended stays ended
// when the channel is on again before anybody looked (S3-12, Q32).
func TestOffAndOnAgainSendsNothingOfBefore(t *testing.T) {
	w := newWorld(t, options{})
	w.commit("5700", nil, text("before"))
	w.clock.Advance(time.Second)
	w.alterChannel(func(ch *desk.Channel) { ch.State, ch.EndedAt = desk.ChannelInactive, w.clock.Now() })
	w.clock.Advance(time.Second)
	w.alterChannel(func(ch *desk.Channel) { ch.State = desk.ChannelActive })
	w.commit("5700", nil, text("after"))
	must(t, w.wake(t.Context(), "5700", true, 1))
	got := w.outcomes("5700")
	if got[0].Reason != desk.ReasonDeactivated || got[0].Status != desk.Failed {
		t.Errorf("of before: %s %q", got[0].Status, got[0].Reason)
	}
	if got[1].Status != desk.Accepted {
		t.Errorf("of after: %s %q", got[1].Status, got[1].Reason)
	}
}

// TestAnAnswerThatTellsOfAnOptOutIsKept: Gupshup's 1012.
func TestAnAnswerThatTellsOfAnOptOutIsKept(t *testing.T) {
	w := newWorld(t, options{})
	w.out.Providers["gupshup"] = optedOutProvider{w.out.Providers["gupshup"]}
	w.commit("5700", nil, text("one"), text("two"))
	must(t, w.wake(t.Context(), "5700", false, 1))
	for i, r := range w.outcomes("5700") {
		if r.Reason != desk.ReasonOptedOut {
			t.Errorf("reply %d: %s %q", i+1, r.Status, r.Reason)
		}
	}
	said, err := w.aside().Consent(t.Context(), channelID("acme"), "5700", desk.ScopeAll)
	must(t, err)
	if said.OptedIn || !w.conversation("5700").OptedOut {
		t.Errorf("%+v", said)
	}
}

type optedOutProvider struct{ channel.Provider }

func (optedOutProvider) Send(context.Context, channel.Account, string, desk.Outgoing, string) (channel.Sent, error) {
	return channel.Sent{}, &channel.Error{Verdict: channel.Refused, Code: "1012", Reason: desk.ReasonOptedOut}
}

// crowd is a queue that notes how many send at once, and the order of each group.
type crowd struct {
	now, most atomic.Int32
	mu        sync.Mutex
	groups    map[string][]string
	met       chan struct{}
}

func (q *crowd) Send(_ context.Context, m queue.Message) error {
	n := q.now.Add(1)
	defer q.now.Add(-1)
	for most := q.most.Load(); n > most && !q.most.CompareAndSwap(most, n); most = q.most.Load() {
	}
	if n == 2 { // two are here at the same time: nobody has to wait any more
		select {
		case <-q.met:
		default:
			close(q.met)
		}
	}
	<-q.met
	_, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, m.Body)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.groups[m.Group] = append(q.groups[m.Group], e.Message.ProviderID)
	return err
}

// TestManyEventsOfOneBodyAreTakenSideBySide, those of one person in their order.
func TestManyEventsOfOneBodyAreTakenSideBySide(t *testing.T) {
	w := newWorld(t, options{})
	q := &crowd{groups: map[string][]string{}, met: make(chan struct{})}
	w.in.Webhook.Inbound = q
	var b channel.Batch
	for i := range pipeline.MaxPart {
		b.Messages = append(b.Messages, w.message(fmt.Sprintf("wamid.%04d", i), fmt.Sprintf("57%02d", i%50), "hola").Messages...)
	}
	if status := w.post("acme", body(b)); status != 200 {
		t.Fatal(status)
	}
	total := 0
	for group, ids := range q.groups {
		total += len(ids)
		for i := 1; i < len(ids); i++ {
			if ids[i] <= ids[i-1] {
				t.Fatalf("group %s: %s after %s", group, ids[i], ids[i-1])
			}
		}
	}
	if total != pipeline.MaxPart || len(q.groups) != 50 || q.most.Load() < 2 || q.most.Load() > 32 {
		t.Errorf("%d events in %d groups, %d at once", total, len(q.groups), q.most.Load())
	}
}

// TestALongNameInAVerdictHoldsNothingUp: names in it are for people.
func TestALongNameInAVerdictHoldsNothingUp(t *testing.T) {
	v := newWorld(t, options{})
	long := strings.Repeat("\x01", 64<<10)
	b := channel.Batch{Verdicts: []desk.Verdict{{ProviderID: "tpl-1", Event: "status-update", State: "rejected", Name: long, Language: long, At: v.clock.Now()}}}
	if status := v.post("acme", body(b)); status != 200 {
		t.Fatal(status)
	}
	_, events := v.verdicts()
	if len(events) != 1 || len(events[0].Verdict.Name) > 512 || len(events[0].Verdict.Language) > 512 {
		t.Errorf("%d verdicts", len(events))
	}
}

// TestAVerdictThatNoQueueTakesHoldsNothingUp_R5: it is kept, and what stands beside it
// in its body takes effect.
func TestAVerdictThatNoQueueTakesHoldsNothingUp_R5(t *testing.T) {
	w := newWorld(t, options{})
	b := w.message("wamid.1", "5492", "hola")
	b.Verdicts = []desk.Verdict{
		{ProviderID: "tpl-1", Event: "status-update", State: strings.Repeat("\x01", 64<<10), At: w.clock.Now()},
		{ProviderID: "tpl-1", Event: "status-update", State: "paused", At: w.clock.Now()},
	}
	for range 2 {
		if status := w.post("acme", body(b)); status != 200 {
			t.Fatal(status)
		}
	}
	if _, events := w.verdicts(); len(events) != 1 || events[0].Verdict.State != "paused" {
		t.Errorf("told %d", len(events))
	}
	if list := w.quarantined(); len(list) != 1 || list[0].Reason != "event_too_long" || list[0].Times != 2 {
		t.Errorf("kept %+v", list)
	}
	if got := w.received("5492"); len(got) != 1 {
		t.Errorf("%d messages", len(got))
	}
}

// TestAStateOfLettersThatGrowHoldsNothingUp_R1: of a provider's word as much is queued
// as is kept of it, in whatever letters.
func TestAStateOfLettersThatGrowHoldsNothingUp_R1(t *testing.T) {
	for name, letter := range map[string]string{"control": "\x01", "less than": "<", "delete": "\x7f", "wide": "é"} {
		v := newTown(t, options{})
		at, state := v.clock.Now(), strings.Repeat(letter, channel.MaxString/len(letter))
		said := desk.Verdict{ProviderID: "501", Event: "status-update", State: state, Name: "x", Language: "es", At: at}
		one := v.channels["acme one"]
		hola := metatest.Phone{Channel: one, Number: "5499"}.Message("wamid.1", at, desk.Content{Type: desk.Text, Text: "hola"})
		if code := v.postTo("acme one", metatest.Batch(metatest.Template(one, said), hola)); code != http.StatusOK {
			t.Errorf("%s: Meta's: answered %d", name, code)
		}
		if code := v.postTo("acme gupshup", gupshuptest.Template(v.channels["acme gupshup"], said)); code != http.StatusOK {
			t.Errorf("%s: Gupshup's: answered %d", name, code)
		}
		if _, events := v.verdicts(); len(events) != 2 || len(events[0].Verdict.State) > desk.MaxProviderWord || len(events[1].Verdict.State) > desk.MaxProviderWord {
			t.Errorf("%s: %d told", name, len(events))
		}
		if on := v.heardOn("5499"); !slices.Equal(on, []string{"acme one"}) {
			t.Errorf("%s: what came with it was heard on %v", name, on)
		}
	}
}

// TestADeadEndOfAChannelIsLookedAtAgain: no case stays open because a letter died.
func TestADeadEndOfAChannelIsLookedAtAgain(t *testing.T) {
	w := newWorld(t, options{})
	sealed, err := queue.Seal(desk.StageInbound, "acme", desk.InboundEvent{Ended: channelID("acme")})
	must(t, err)
	for range 2 { // draining is repeated when its delete was lost
		must(t, w.clerk.Drain(t.Context(), desk.StageInbound, queue.Record{ID: "r", Group: "g", Body: sealed, Receives: queue.MaxReceives}))
	}
	fired := map[string]int{}
	must(t, w.store.DueTimers(t.Context(), w.clock.Now().Add(pipeline.MaxWait+time.Second), func(tm store.Timer) error {
		fired[tm.Stage+" "+tm.Channel]++
		return nil
	}))
	if fired[store.WakeEnding+" "+channelID("acme")] == 0 {
		t.Errorf("fired: %v", fired)
	}
}

// rotated gives old credentials until they are asked for past what is kept.
type rotated struct{ credentials }

func (rotated) Get(context.Context, string) (string, error)   { return `{"api_key":"old"}`, nil }
func (rotated) Fresh(context.Context, string) (string, error) { return `{"api_key":"new"}`, nil }

// keyed takes only one key.
type keyed struct {
	channel.Provider
	from *string // the app that sends, if anybody asks
}

func (p keyed) Send(ctx context.Context, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	if p.from != nil {
		*p.from = a.Channel.AppID
	}
	if a.Credentials.APIKey != "new" {
		return channel.Sent{}, &channel.Error{Verdict: channel.ChannelDown, Code: "401", Cause: desk.WaitCredential}
	}
	return p.Provider.Send(ctx, a, to, out, ref)
}

// TestWhoSendsByTheOldRowFindsTheNewCredentials, and sends from the number that they are of.
func TestWhoSendsByTheOldRowFindsTheNewCredentials(t *testing.T) {
	w := newWorld(t, options{})
	old, err := w.store.In("acme").Channel(t.Context(), channelID("acme")) // kept by this process
	must(t, err)
	now := old
	now.Credentials, now.AppID = "second", "app-second"
	kept := &vault{values: map[string]string{w.store.In("acme").CredentialsName(now): `{"api_key":"new"}`}}
	must(t, w.plainStore().In("acme").SaveChannel(t.Context(), now, nil))
	from := ""
	w.out.Secrets, w.out.Providers["gupshup"] = kept, keyed{Provider: w.out.Providers["gupshup"], from: &from}
	w.commit("5700", nil, text("one"))
	must(t, w.wake(t.Context(), "5700", false, 1))
	if got := w.outcomes("5700")[0]; got.Status != desk.Accepted || from != "app-second" {
		t.Errorf("%s %q from %q", got.Status, got.Reason, from)
	}
}

// TestNewCredentialsAreUsedByWhoIsWokenForThem, whatever this process has kept.
func TestNewCredentialsAreUsedByWhoIsWokenForThem(t *testing.T) {
	w := newWorld(t, options{})
	w.out.Secrets = rotated{}
	w.out.Providers["gupshup"] = keyed{Provider: w.out.Providers["gupshup"]}
	w.commit("5700", nil, text("one"))
	must(t, w.wake(t.Context(), "5700", true, 1))
	if got := w.outcomes("5700")[0]; got.Status != desk.Accepted {
		t.Errorf("%s %q", got.Status, got.Reason)
	}
}
