package pipeline_test

import (
	"fmt"
	"slices"

	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/store"
)

func TestTenMinutesOf429DelayNobodyElseAndLoseNothing_R7_R15(t *testing.T) {
	w := newWorld(t, options{})
	w.longDialogues()
	w.phone.moods = map[string]mood{"acme": limited}
	people := []*person{}
	for i := range 8 {
		people = append(people, &person{tenant: "acme", number: fmt.Sprintf("57%d", i)})
	}
	begin := w.clock.Now()
	for round, text := range script("acme") {
		for _, p := range people {
			b := w.message(fmt.Sprintf("wamid.%d", round), p.number, text)
			p.said = append(p.said, b.Messages[0])
			w.deliver("acme", body(b))
			w.deliver("bolt", body(w.message(fmt.Sprintf("wamid.%d", round), p.number, "hola")))
		}
		w.settle(time.Minute)
	}
	for _, p := range people {
		got := w.phone.sentTo("bolt", p.number)
		if len(got) == 0 || got[len(got)-1].at.Sub(begin) > 5*time.Minute {
			t.Fatalf("the other company's %s waited: %+v", p.number, got)
		}
	}
	w.settle(10 * time.Minute)
	for _, p := range people {
		if got := w.phone.sentTo("acme", p.number); len(got) != 0 {
			t.Fatalf("%d messages got through the outage", len(got))
		}
		conv, err := w.store.In("acme").Conversation(t.Context(), store.ConversationID(channelID("acme"), p.number))
		must(t, err)
		if conv.State() != desk.ConversationWaiting || conv.Wait.Cause != desk.WaitRateLimited {
			t.Errorf("the conversation is %s: %+v", conv.State(), conv.Wait)
		}
	}
	_, _, dead := w.driver.Memory(desk.StageOutbound).Depth()
	if dead != 0 {
		t.Errorf("%d dead letters", dead)
	}
	calls := w.phone.calls
	w.phone.moods = nil
	w.settle(25 * time.Minute)
	for _, p := range people {
		want, _ := w.expected(p)
		want = want[:len(w.phone.sentTo("acme", p.number))] // the time-out has not come
		for i, s := range w.phone.sentTo("acme", p.number) {
			if s.out.Text != want[i].Text && s.out.FormKey == "" {
				t.Errorf("%s: message %d is %q, want %q", p.number, i, s.out.Text, want[i].Text)
			}
		}
		if broken := w.stuck([]*person{p}); broken != nil {
			t.Error(broken)
		}
	}
	t.Logf("%d calls during the outage for 8 conversations", calls)
	if calls > 8*8+30 {
		t.Errorf("%d calls during the outage: the wait does not hold them back", calls)
	}
}

func TestPairLimitHoldsOneConversationOnly(t *testing.T) {
	w := newWorld(t, options{})
	w.phone.pair = "5700"
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	w.deliver("acme", body(w.message("wamid.1", "5701", "hola")))
	w.settle(5 * time.Minute)
	if len(w.phone.sentTo("acme", "5700")) != 0 || len(w.phone.sentTo("acme", "5701")) == 0 {
		t.Fatalf("sent %d and %d", len(w.phone.sentTo("acme", "5700")), len(w.phone.sentTo("acme", "5701")))
	}
	w.phone.pair = ""
	w.settle(10 * time.Minute)
	if len(w.phone.sentTo("acme", "5700")) == 0 {
		t.Error("the conversation never went on")
	}
}

func TestUnknownOutcome_R6(t *testing.T) {
	for _, test := range []struct {
		name    string
		arrives bool // the message reached the provider, only the answer is lost
		receipt bool // and its enqueued receipt comes
		sends   int
		status  desk.Delivery
		reason  string
	}{
		{"a receipt settles it without a second send", true, true, 1, desk.Accepted, ""},
		{"without a receipt a text is tried once more, then it stays unknown", true, false, 2, desk.Queued, desk.ReasonUnknown},
		{"what never arrived is tried once more, then it stays unknown", false, false, 0, desk.Queued, desk.ReasonUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.loseAnswers, w.phone.arrive, w.phone.silent = true, test.arrives, !test.receipt
			w.deliver("acme", body(w.message("wamid.1", "5491", "hola"))) // the registered get one reply
			for w.phone.calls == 0 && w.driver.Step() {
			}
			for _, post := range w.phone.takePosts() {
				w.deliver(post.tenant, post.body)
			}
			w.settle(6 * time.Minute)
			turns := w.turns("acme", store.ConversationID(channelID("acme"), "5491"))
			r := turns[0].Replies[0]
			if r.Status != test.status || r.Reason != test.reason || !r.Done {
				t.Errorf("reply %+v", r)
			}
			got := slices.DeleteFunc(w.phone.sentTo("acme", "5491"), func(s sentMessage) bool { return s.ref != r.ID })
			if len(got) != test.sends {
				t.Errorf("sent %d times, want %d", len(got), test.sends)
			}
		})
	}
}

func TestADeadProcessLeavesItsSendToTheReceipt_R6(t *testing.T) {
	for _, test := range []struct {
		name  string
		sent  bool // the dead process had sent
		sends int
	}{
		{"what it had sent is not sent again, however far the run's clock is ahead", true, 1},
		{"what it had not sent is sent once", false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			real := w.clock.Now().Add(-8 * 24 * time.Hour) // the provider's clock
			w.in.Webhook.RealNow = func() time.Time { return real }
			w.out.Epoch = "before"
			w.phone.loseAnswers, w.phone.arrive = true, test.sent
			b := w.message("wamid.1", "5491", "hola")
			b.Messages[0].SentAt = real
			w.deliver("acme", body(b))
			for w.phone.calls == 0 && w.driver.Step() {
			}
			w.phone.loseAnswers = false
			w.out.Epoch = "after"
			for _, post := range w.phone.takePosts() {
				w.deliver(post.tenant, post.body)
			}
			w.settle(time.Minute)
			turns := w.turns("acme", store.ConversationID(channelID("acme"), "5491"))
			r := turns[0].Replies[0]
			if r.Status != desk.Accepted || len(w.phone.sentTo("acme", "5491")) != test.sends {
				t.Errorf("sent %d times: %+v", len(w.phone.sentTo("acme", "5491")), r)
			}
		})
	}
}
