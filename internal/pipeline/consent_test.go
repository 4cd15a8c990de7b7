package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
)

// says is what a provider posts when a person opts in or out.
func says(person string, in bool, at time.Time) channel.Batch {
	return channel.Batch{Consents: []desk.Consent{{Person: person, OptedIn: in, At: at}}}
}

// saysOfMarketing is what a provider posts when a person stops or resumes marketing messages.
func saysOfMarketing(person string, in bool, at time.Time) channel.Batch {
	return channel.Batch{Consents: []desk.Consent{{Person: person, Scope: desk.ScopeMarketing, OptedIn: in, At: at}}}
}

// wants tells what is stored of a person: their consent, and what is on their
// conversation; "?" for what there is not.
func (w *world) wants(person string) string { return w.wantsOf(person, desk.ScopeAll) }

// wantsOf is wants, of the messages of a scope.
func (w *world) wantsOf(person string, scope desk.ConsentScope) string {
	w.t.Helper()
	c := w.plainStore().In("acme")
	word := func(out bool, err error) string {
		if errors.Is(err, fault.NotFound) {
			return "?"
		}
		must(w.t, err)
		return map[bool]string{true: "out", false: "in"}[out]
	}
	consent, err := c.Consent(context.Background(), channelID("acme"), person, scope)
	said := word(!consent.OptedIn, err)
	conv, err := c.Conversation(context.Background(), store.ConversationID(channelID("acme"), person))
	out := conv.OptedOut
	if scope == desk.ScopeMarketing {
		out = conv.OptedOutMarketing
	}
	return said + " " + word(out, err)
}

// The newest word counts, whatever order it comes in, on the consent and on the
// conversation alike, also on one that is made between.
func TestConsentInEveryOrder(t *testing.T) {
	for _, test := range []struct {
		// In time; "in" and "out" carry that time, "resume" and "stop" too, which are of
		// marketing, "hola" is a message.
		steps []string
		want  string // of all messages; of marketing
	}{
		{[]string{"out"}, "out ?; ? ?"},
		{[]string{"hola"}, "? in; ? in"},
		{[]string{"hola", "out"}, "out out; ? in"},
		{[]string{"out", "hola"}, "out out; ? in"},
		{[]string{"out", "in", "hola"}, "in in; ? in"},
		{[]string{"out", "in", "out", "hola"}, "out out; ? in"},
		{[]string{"stop"}, "? ?; out ?"},
		{[]string{"hola", "stop"}, "? in; out out"},
		{[]string{"stop", "resume", "hola"}, "? in; in in"},
		{[]string{"stop", "resume", "stop", "hola"}, "? in; out out"},
		{[]string{"stop", "out", "in", "hola"}, "in in; out out"},
		{[]string{"out", "stop", "resume", "hola"}, "out out; in in"},
	} {
		steps := make([]string, len(test.steps))
		for i, s := range test.steps {
			steps[i] = fmt.Sprintf("%d %s", i, s)
		}
		permute(steps, func(order []string) {
			w := newWorld(t, options{})
			begin := w.clock.Now()
			w.clock.Advance(time.Hour)
			for _, step := range order {
				var minute int
				var what string
				_, _ = fmt.Sscan(step, &minute, &what)
				at := begin.Add(time.Duration(minute) * time.Minute)
				b := says("5492", what == "in", at)
				switch what {
				case "hola":
					b = w.message("wamid.1", "5492", "hola")
				case "stop", "resume":
					b = saysOfMarketing("5492", what == "resume", at)
				}
				w.deliver("acme", body(b))
				w.deliver("acme", body(b))
				must(t, w.driver.Drain(1000))
			}
			if got := w.wants("5492") + "; " + w.wantsOf("5492", desk.ScopeMarketing); got != test.want {
				t.Errorf("%v: %s, want %s", order, got, test.want)
			}
		})
	}
}

// An opt-out from one spelling of a number holds for the other too, in a conversation
// that there is and in one that is made later (providers.md 2.5).
func TestConsentHoldsForBothSpellings(t *testing.T) {
	const writes, written = "5215512345678", "525512345678"
	for _, order := range [][]string{{"out", written + " hola"}, {written + " hola", "out"}, {"out", "in", written + " hola"}, {writes + " hola", "out", written + " hola"}} {
		w := newWorld(t, options{})
		want := ""
		for i, step := range order {
			b := says(writes, step == "in", w.clock.Now())
			if person, what, said := strings.Cut(step, " "); said {
				b = w.message(fmt.Sprint("wamid.", i), person, what)
			} else {
				want = step + " " + step
			}
			w.deliver("acme", body(b))
			must(t, w.driver.Drain(1000))
			w.clock.Advance(time.Minute)
		}
		if got := w.wants(written); got != want {
			t.Errorf("%v: %s, want %s", order, got, want)
		}
	}
}

// So does one that a send's answer tells of.
func TestConsentOfAnAnswerHoldsForBothSpellings(t *testing.T) {
	const writes, written = "5215512345678", "525512345678"
	w := newWorld(t, options{})
	w.deliver("acme", body(w.message("wamid.1", writes, "hola")))
	must(t, w.driver.Drain(1000))
	w.clock.Advance(time.Minute)
	w.out.Providers["gupshup"] = optedOutProvider{w.out.Providers["gupshup"]}
	w.commit(written, nil, text("one"))
	must(t, w.wake(t.Context(), written, false, 1))
	for _, person := range []string{written, writes} {
		if got := w.wants(person); got != "out out" {
			t.Errorf("%s: %s", person, got)
		}
	}
}

func TestConsentOfTwoSpellingsCrashesAnywhere_R1(t *testing.T) {
	const writes, written = "5215512345678", "525512345678"
	crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
		w := begun(t, p)
		w.deliver("acme", body(says(writes, false, w.clock.Now())))
		w.deliver("acme", body(w.message("wamid.1", written, "hola")))
		w.run(20*time.Minute, 30*time.Second, never)
		return w.wants(writes) + "; " + w.wants(written)
	})
}

func TestConsentCrashesAnywhere_R1(t *testing.T) {
	for _, test := range []struct {
		name   string
		before []string
		posts  func(w *world) []channel.Batch
		scope  desk.ConsentScope
	}{
		{"an opt-out in a conversation", []string{"hola"}, func(w *world) []channel.Batch {
			return []channel.Batch{says("5492", false, w.clock.Now())}
		}, desk.ScopeAll},
		{"an opt-out, an older opt-in, and then the first message", nil, func(w *world) []channel.Batch {
			return []channel.Batch{says("5492", false, w.clock.Now()), says("5492", true, w.clock.Now().Add(-time.Minute)), w.message("wamid.1", "5492", "hola")}
		}, desk.ScopeAll},
		{"a delivery failed because the person opted out (1012)", []string{"hola"}, func(w *world) []channel.Batch {
			return []channel.Batch{{Receipts: []desk.Receipt{{
				SendID: "gs", Status: desk.Failed, Destination: "5492", Code: "1012", Reason: desk.ReasonOptedOut, At: w.clock.Now(),
			}}}}
		}, desk.ScopeAll},
		{"marketing stopped, an older resume, and then the first message", nil, func(w *world) []channel.Batch {
			now := w.clock.Now()
			return []channel.Batch{saysOfMarketing("5492", false, now), saysOfMarketing("5492", true, now.Add(-time.Minute)), w.message("wamid.1", "5492", "hola")}
		}, desk.ScopeMarketing},
		{"a delivery failed because the person stopped marketing (131050)", []string{"hola"}, func(w *world) []channel.Batch {
			return []channel.Batch{{Receipts: []desk.Receipt{{
				Ref: "ref", Status: desk.Failed, Destination: "5492", Code: "131050", Reason: desk.ReasonOptedOutMarketing, At: w.clock.Now(),
			}}}}
		}, desk.ScopeMarketing},
	} {
		t.Run(test.name, func(t *testing.T) {
			crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
				w := begun(t, p, test.before...)
				for _, b := range test.posts(w) {
					w.deliver("acme", body(b))
				}
				must(t, w.driver.Drain(10_000))
				for range 20 { // what was handed back comes again
					w.clock.Advance(time.Minute)
					must(t, w.driver.Drain(10_000))
				}
				if got := w.wantsOf("5492", test.scope); got != "out out" {
					return got
				}
				return w.wants("5492") + " " + w.wantsOf("5492", desk.ScopeMarketing) + " " + fmt.Sprint(len(w.turns("acme", store.ConversationID(channelID("acme"), "5492"))))
			})
		})
	}
}

// A failure that says that the person opted out is no newer than itself.
func TestAnOldOptOutIsOld(t *testing.T) {
	w := newWorld(t, options{})
	w.talk("5492", "hola")
	failed := func(at time.Time, person, reason string) channel.Batch {
		return channel.Batch{Receipts: []desk.Receipt{{SendID: "gs" + at.String(), Status: desk.Failed, Destination: person, Reason: reason, At: at}}}
	}
	now := w.clock.Now()
	for _, step := range []struct {
		name string
		post channel.Batch
		want string
	}{
		{"another reason", failed(now, "5492", "undeliverable"), "? in"},
		{"nobody's", failed(now, "", desk.ReasonOptedOut), "? in"},
		{"an opt-in", says("5492", true, now), "in in"},
		{"an opt-out of before", failed(now.Add(-time.Second), "5492", desk.ReasonOptedOut), "in in"},
		{"an opt-out of after", failed(now.Add(time.Second), "5492", desk.ReasonOptedOut), "out out"},
		{"an opt-in of days ago that comes again", says("5492", true, now), "out out"},
	} {
		w.deliver("acme", body(step.post))
		must(t, w.driver.Drain(1000))
		if got := w.wants("5492"); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	if got := w.wantsOf("5492", desk.ScopeMarketing); got != "? in" {
		t.Errorf("of marketing: %s", got)
	}
	w.deliver("acme", body(failed(now, "5492", desk.ReasonOptedOutMarketing)))
	w.deliver("acme", body(saysOfMarketing("5492", true, now.Add(-time.Second))))
	must(t, w.driver.Drain(1000))
	if got := w.wantsOf("5492", desk.ScopeMarketing); got != "out out" {
		t.Errorf("a failure that tells of marketing, and an older resume: %s", got)
	}
	w.deliver("acme", body(saysOfMarketing("5492", true, now.Add(time.Second))))
	must(t, w.driver.Drain(1000))
	if got := w.wantsOf("5492", desk.ScopeMarketing); got != "in in" {
		t.Errorf("and a newer resume: %s", got)
	}
}

// A provider's time that lies ahead counts as far as clocks differ, and beyond that as
// ours: what is said later counts later. Of one moment the opt-out counts, whichever
// came first, and of two the later.
func TestConsentsAroundNow(t *testing.T) {
	const step = 10 * time.Minute
	for _, test := range []struct {
		name         string
		in, out      time.Duration // their times, after they are received
		outAfter     time.Duration // how long after the opt-in the opt-out comes; < 0: before it
		wantOptedOut bool
	}{
		{"an opt-in of tomorrow, an opt-out ten minutes later", 23 * time.Hour, 0, step, true},
		{"an opt-in of within a minute, an opt-out ten minutes later", time.Minute, 0, step, true},
		{"an opt-out of tomorrow, an opt-in ten minutes later", 0, 23 * time.Hour, -step, false},
		{"of two at once the opt-out", 0, 0, 0, true},
		{"an opt-in of a millisecond later", time.Millisecond, 0, 0, false},
		{"an opt-out of a millisecond later", 0, time.Millisecond, 0, true},
		{"an opt-in as far ahead as clocks differ", 5 * time.Second, 4 * time.Second, 0, false},
		{"an opt-in that is further ahead is of now", 5*time.Second + time.Millisecond, time.Millisecond, 0, true},
	} {
		for _, inFirst := range []bool{true, false} {
			if test.outAfter != 0 && inFirst != (test.outAfter > 0) {
				continue
			}
			w := newWorld(t, options{})
			w.talk("5492", "hola")
			tell := func(in bool, ahead time.Duration) {
				w.deliver("acme", body(says("5492", in, w.clock.Now().Add(ahead))))
				must(t, w.driver.Drain(1000))
			}
			if inFirst {
				tell(true, test.in)
				w.clock.Advance(test.outAfter)
				tell(false, test.out)
			} else {
				tell(false, test.out)
				w.clock.Advance(-test.outAfter)
				tell(true, test.in)
			}
			want := map[bool]string{true: "out out", false: "in in"}[test.wantOptedOut]
			if got := w.wants("5492"); got != want {
				t.Errorf("%s, the opt-in first: %t: %s, want %s", test.name, inFirst, got, want)
			}
		}
	}
}

// What a person says and what they want take effect in the order in which it came.
func TestConsentsAndMessagesShareAGroup_R3(t *testing.T) {
	w := newWorld(t, options{})
	w.deliver("acme", body(w.message("wamid.1", "5492", "hola")))
	w.deliver("acme", body(says("5492", false, w.clock.Now())))
	w.deliver("acme", body(saysOfMarketing("5492", false, w.clock.Now())))
	for _, reason := range []string{desk.ReasonOptedOut, desk.ReasonOptedOutMarketing} {
		w.deliver("acme", body(channel.Batch{Receipts: []desk.Receipt{{SendID: "gs " + reason, Status: desk.Failed, Destination: "5492", Reason: reason, At: w.clock.Now()}}}))
	}
	groups := map[string]int{}
	records, err := w.driver.Memory(desk.StageInbound).Receive(t.Context(), 10, time.Minute)
	must(t, err)
	for _, r := range records {
		groups[r.Group]++
	}
	if len(records) != 5 || len(groups) != 1 {
		t.Errorf("%d events in %d groups", len(records), len(groups))
	}
}

// A consent that went to quarantine takes its turn again when it is replayed.
func TestAReplayedConsentWaitsInItsGroup_R3(t *testing.T) {
	w := newWorld(t, options{})
	w.deliver("acme", body(says("5492", false, w.clock.Now())))
	dead := w.take(desk.StageInbound)[0]
	must(t, w.clerk.Drain(t.Context(), desk.StageInbound, dead))
	kept := w.quarantined()
	if len(kept) != 1 || kept[0].Channel != channelID("acme") {
		t.Fatalf("kept %d, of channel %q", len(kept), kept[0].Channel)
	}
	w.replay("acme", kept[0].ID)
	must(t, w.in.Worker().Handle(t.Context(), w.take(desk.StageInbound)[0]))
	if again := w.take(desk.StageInbound); len(again) != 1 || again[0].Group != dead.Group {
		t.Fatalf("replayed as %d events, in another group", len(again))
	} else {
		must(t, w.in.Worker().Handle(t.Context(), again[0]))
	}
	if got := w.wants("5492"); got != "out ?" {
		t.Error(got)
	}
}

// The window in which anything may be sent counts from the newest message by the
// provider's time, whatever order they come in.
func TestHeardAtIsTheNewest(t *testing.T) {
	ages := []time.Duration{0, time.Hour, 23 * time.Hour, 30 * time.Hour}
	names := []string{"0", "1", "2", "3"}
	permute(names, func(order []string) {
		w := newWorld(t, options{})
		now := w.clock.Now()
		newest := time.Time{}
		for _, name := range order {
			b := w.message("wamid."+name, "5492", "hola")
			b.Messages[0].SentAt = now.Add(-ages[name[0]-'0'])
			if b.Messages[0].SentAt.After(newest) {
				newest = b.Messages[0].SentAt
			}
			w.deliver("acme", body(b))
			must(t, w.driver.Drain(1000))
			if got := w.conversation("5492").HeardAt; !got.Equal(newest) {
				t.Errorf("%v after %s: heard at %v, want %v", order, name, got, newest)
			}
		}
	})
}

func TestHeardAtIsOnTheRunsClock(t *testing.T) {
	for _, test := range []struct {
		name        string
		age, moved  time.Duration // of the message; of the run's clock
		want        time.Duration // before the run's now
		heardBefore time.Duration // of the conversation, before HeardAt was kept; 0: there was none
	}{
		{"a run whose clock was moved a day and an hour", 5 * time.Minute, 25 * time.Hour, 5 * time.Minute, 0},
		{"a time in the future is now", -time.Hour, 0, 0, 0},
		{"a message that is older than what an old version noted", 3 * time.Hour, 0, 2 * time.Hour, 2 * time.Hour},
		{"a message that is newer than that", time.Hour, 0, time.Hour, 2 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.in.Webhook.RealNow = func() time.Time { return w.clock.Now().Add(-test.moved) }
			if test.heardBefore > 0 {
				must(t, w.store.In("acme").SaveConversation(t.Context(), desk.Conversation{
					ID: store.ConversationID(channelID("acme"), "5492"), Channel: channelID("acme"), Person: "5492",
					LastMessageAt: w.clock.Now().Add(-test.heardBefore),
				}))
			}
			b := w.message("wamid.1", "5492", "hola")
			b.Messages[0].SentAt = w.clock.Now().Add(-test.moved - test.age)
			w.deliver("acme", body(b))
			must(t, w.driver.Drain(1000))
			if got, want := w.conversation("5492").HeardAt, w.clock.Now().Add(-test.want); !got.Equal(want) {
				t.Errorf("heard at %v, want %v", got, want)
			}
		})
	}
}

// R16: what an older version left in the queue is handled.
func TestOldInboundMessages_R16(t *testing.T) {
	w := newWorld(t, options{})
	now := w.clock.Now().Format(time.RFC3339)
	for i, old := range []string{
		`{"message":{"channel":"acme-whatsapp","provider_id":"wamid.1","person":"5492","sent_at":"` + now + `","received_at":"` + now + `","content":{"type":"text","text":"hola"}}}`,
		`{"message":{"channel":"acme-whatsapp","provider_id":"wamid.2","person":"5492","sent_at":"` + now + `","received_at":"` + now + `","content":{"type":"quick_reply","text":"Yes","reply_id":"yes","quoted":"gs-old"}}}`,
		`{"failure":{"channel":"acme-whatsapp","send_id":"gs-1","status":4,"at":"` + now + `","code":"1002"}}`,
		`{"consent":{"channel":"acme-whatsapp","person":"5492","opted_in":false,"at":"` + now + `"}}`,
		`{"timer":{"id":"t","conversation":"none","due":"` + now + `"}}`,
		`{"replay":"none"}`,
	} {
		must(t, w.in.Worker().Handle(t.Context(), record(i, `{"v":1,"stage":"inbound","tenant":"acme","body":`+old+`}`)))
	}
	turns := w.turns("acme", w.conversation("5492").ID)
	if len(turns) != 2 || !w.conversation("5492").InWindow(w.clock.Now()) {
		t.Errorf("%d turns, heard at %v", len(turns), w.conversation("5492").HeardAt)
	}
	if tickets := w.tickets(); len(tickets) != 1 || tickets[0].Title != "Yes" || tickets[0].Message != "" {
		t.Errorf("tickets %+v", tickets)
	}
	if q := w.quarantined(); len(q) != 0 {
		t.Errorf("quarantined %d", len(q))
	}
	if got := w.wants("5492") + "; " + w.wantsOf("5492", desk.ScopeMarketing); got != "out out; ? in" {
		t.Errorf("a consent without a scope is of all: %s", got)
	}
	// A field of a later version is no reason to drop what is understood.
	err := w.in.Worker().Handle(t.Context(), record(9, `{"v":1,"stage":"inbound","tenant":"acme","body":{"novelty":{}}}`))
	if err == nil || !strings.Contains(err.Error(), "empty_event") {
		t.Errorf("an event without any field that is known: %v", err)
	}
}
