package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
	"buzon/internal/table"
)

// lateReceipt brings the receipt of the first attempt, now.
func (w *world) lateReceipt(send string) {
	w.deliver("acme", body(channel.Batch{Receipts: []desk.Receipt{{
		SendID: send, MessageID: "wamid." + send, Status: desk.Accepted, Enqueued: true, Destination: "5700", At: w.clock.Now(),
	}}}))
}

// TestALateReceiptIsNotTakenForALaterReplys: R6, the first reply's first attempt
// arrives, its answer is lost and its receipt comes minutes later, when the outcome
// of another reply is unknown, which never arrived.
func TestALateReceiptIsNotTakenForALaterReplys_R6(t *testing.T) {
	var f func(context.Context) (channel.Sent, error)
	w := newWorld(t, options{mutant: func(s *seams) { s.provider = via{s.provider, &f} }})
	calls, lost := 0, map[int]bool{1: true}
	f = func(context.Context) (channel.Sent, error) {
		if calls++; lost[calls] {
			if calls > 1 {
				w.lateReceipt("gs-1")
			}
			return channel.Sent{}, &channel.Error{Verdict: channel.Unknown, Code: "timeout"}
		}
		return channel.Sent{ProviderID: fmt.Sprint("gs-", calls)}, nil
	}
	all := func() bool { return len(w.conversation("5700").Unsent) == 0 }
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	w.settle(3 * time.Minute)
	if !all() || calls < 2 {
		t.Fatalf("after %d calls unsent: %+v", calls, w.conversation("5700"))
	}
	before := calls
	lost[before+1] = true // the next reply goes nowhere
	w.deliver("acme", body(w.message("wamid.2", "5700", "1")))
	w.settle(3 * time.Minute)
	if !all() || calls != before+2 {
		t.Errorf("%d calls for the second turn, want one that was lost and one that arrived", calls-before)
	}
}

// TestALateReceiptAfterASwitch: R6, the same where the first reply was ended by
// switching the channel off, with its attempt's outcome unknown.
func TestALateReceiptAfterASwitch_R6(t *testing.T) {
	var f func(context.Context) (channel.Sent, error)
	w := newWorld(t, options{mutant: func(s *seams) { s.provider = via{s.provider, &f} }})
	calls := 0
	f = func(context.Context) (channel.Sent, error) {
		switch calls++; calls {
		case 1:
			w.setChannel("acme", desk.ChannelInactive, false)
			return channel.Sent{}, &channel.Error{Verdict: channel.Unknown, Code: "timeout"}
		case 2:
			w.lateReceipt("gs-1")
			return channel.Sent{}, &channel.Error{Verdict: channel.Unknown, Code: "timeout"}
		}
		return channel.Sent{ProviderID: fmt.Sprint("gs-", calls)}, nil
	}
	w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
	w.settle(3 * time.Minute)
	if calls != 1 || len(w.conversation("5700").Unsent) > 0 {
		t.Fatalf("%d calls before the channel was switched off: %+v", calls, w.conversation("5700"))
	}
	before := w.conversation("5700").LastNumber
	w.setChannel("acme", desk.ChannelActive, false)
	w.deliver("acme", body(w.message("wamid.2", "5700", "1")))
	w.settle(3 * time.Minute)
	conv := w.conversation("5700")
	if replies := int(conv.LastNumber - before); len(conv.Unsent) > 0 || replies == 0 || calls != 1+replies+1 {
		t.Errorf("%d calls for %d replies, unsent %+v: the receipt was taken for the second turn's reply", calls, replies, conv.Unsent)
	}
}

// slowClaim lets time pass while the first claim of a reply is written.
type slowClaim struct {
	table.Table
	clock *queuetest.Clock
	takes time.Duration
}

func (s *slowClaim) Write(ctx context.Context, ops ...table.Op) error {
	err := s.Table.Write(ctx, ops...)
	for _, op := range ops {
		if strings.HasPrefix(op.Item.SK, "SENT#") {
			s.clock.Advance(s.takes)
			s.takes = 0
		}
	}
	return err
}

// TestAClaimThatTookLongIsGivenBack: R7, who may be overtaken sends nothing any more.
func TestAClaimThatTookLongIsGivenBack_R7(t *testing.T) {
	for _, c := range []struct {
		say   string
		takes time.Duration
		calls bool
	}{
		{"a call still fits", 40 * time.Second, true},
		{"it does not fit", 40*time.Second + time.Millisecond, false},
	} {
		claim := &slowClaim{takes: c.takes}
		w := newWorld(t, options{mutant: func(s *seams) { claim.Table, s.table = s.table, claim }})
		claim.clock = w.clock
		w.deliver("acme", body(w.message("wamid.1", "5700", "hola")))
		records, err := w.driver.Memory(desk.StageInbound).Receive(t.Context(), 1, time.Minute)
		must(t, err)
		must(t, w.in.Worker().Handle(t.Context(), records[0].Record))
		raw, err := queue.Seal(desk.StageOutbound, "acme", desk.Wake{Conversation: store.ConversationID(channelID("acme"), "5700")})
		must(t, err)
		err = w.out.Worker().Handle(t.Context(), queue.Record{ID: "r", Body: raw, Receives: 1})
		if after, again := queue.AgainAfter(err); (w.phone.calls > 0) != c.calls || again == c.calls || again && after != time.Second {
			t.Errorf("%s: %d calls, %v", c.say, w.phone.calls, err)
		}
		w.settle(3 * time.Minute)
		if conv := w.conversation("5700"); len(conv.Unsent) > 0 {
			t.Errorf("%s: unsent %+v", c.say, conv)
		}
	}
}
