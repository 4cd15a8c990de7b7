package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/meta/metatest"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/store"
)

// long is a body with a message, then receipts, then an opt-out and a verdict: n events.
func (w *world) long(n int) channel.Batch {
	b := w.message("wamid.1", "5492", "hola")
	for i := range n - 3 {
		b.Receipts = append(b.Receipts, desk.Receipt{SendID: fmt.Sprint("gs-", i), Status: desk.Delivered, At: w.clock.Now()})
	}
	b.Consents = []desk.Consent{{Person: "5493", At: w.clock.Now()}}
	b.Verdicts = []desk.Verdict{{ProviderID: "tpl-1", Event: "status-update", State: "paused", At: w.clock.Now()}}
	return b
}

// took tells which events of such a body have taken effect.
func (w *world) took(b channel.Batch) string {
	w.t.Helper()
	messages := len(w.received("5492"))
	var ids []string
	for _, r := range b.Receipts {
		ids = append(ids, r.SendID)
	}
	known, err := w.plainStore().In("acme").Deliveries(context.Background(), channelID("acme"), ids)
	must(w.t, err)
	_, verdicts := w.verdicts()
	consent := strings.Fields(w.wants("5493"))[0]
	return fmt.Sprintf("%d message, %d receipts, %d verdict, consent %s", messages, len(known), len(verdicts), consent)
}

// TestALongBodyIsTakenInParts: what a body holds beyond its first part is kept, and
// replayed from there without anybody's doing.
func TestALongBodyIsTakenInParts_R1_T8(t *testing.T) {
	for n, parts := range map[int]int{pipeline.MaxPart: 1, pipeline.MaxPart + 1: 2, 2*pipeline.MaxPart + 1: 3} {
		w := newWorld(t, options{})
		b := w.long(n)
		if code := w.post("acme", body(b)); code != http.StatusOK {
			t.Fatalf("%d events: answered %d", n, code)
		}
		if replays := w.replays(); replays != parts-1 {
			t.Errorf("%d events: %d more parts, want %d", n, replays, parts-1)
		}
		if got, want := w.took(b), fmt.Sprintf("1 message, %d receipts, 1 verdict, consent out", n-3); got != want {
			t.Errorf("%d events: %s, want %s", n, got, want)
		}
		list := w.quarantined()
		if parts == 1 && len(list) != 0 || parts > 1 && (len(list) != 1 || list[0].Reason != channel.RejectTooMany || list[0].State != desk.Replayed || list[0].Times != 1) {
			t.Errorf("%d events: kept %+v", n, list)
		}
		if parts == 1 {
			continue
		}
		// Somebody replays it all the same: nothing takes effect twice.
		w.replay("acme", list[0].ID)
		if got := w.took(b); !strings.HasPrefix(got, "1 message,") {
			t.Errorf("%d events, replayed: %s", n, got)
		}
		if list = w.quarantined(); len(list) != 1 || list[0].State != desk.Replayed {
			t.Errorf("%d events, replayed: kept %+v", n, list)
		}
	}
}

// replays counts the parts that wait for inbound.
func (w *world) replays() (n int) {
	w.t.Helper()
	m := w.driver.Memory(desk.StageInbound)
	records, err := m.Receive(context.Background(), queue.MaxBatch, time.Second)
	must(w.t, err)
	for _, r := range records {
		_, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, r.Body)
		must(w.t, err)
		if e.Replay != "" {
			n++
		}
	}
	w.clock.Advance(time.Second)
	return n
}

// losesPart is a queue whose n-th replayed part, from 0, is not taken once, or is and the
// answer is lost.
type losesPart struct {
	queue.Queue
	n     *int
	taken bool
}

func (q losesPart) Send(ctx context.Context, m queue.Message) error {
	if _, e, err := queue.Open[desk.InboundEvent](desk.StageInbound, m.Body); err != nil || e.Replay == "" {
		return q.Queue.Send(ctx, m)
	}
	*q.n--
	if *q.n != -1 {
		return q.Queue.Send(ctx, m)
	}
	if q.taken {
		if err := q.Queue.Send(ctx, m); err != nil {
			return err
		}
	}
	return errors.New("connection reset by peer")
}

// TestAPartThatIsNotQueued: the provider posts the body again.
func TestAPartThatIsNotQueued_R1(t *testing.T) {
	for n := range 2 {
		for _, taken := range []bool{false, true} {
			fails := n
			w := newWorld(t, options{mutant: func(s *seams) { s.inbound = losesPart{s.inbound, &fails, taken} }})
			b := w.long(2*pipeline.MaxPart + 1)
			if code := w.post("acme", body(b)); code != http.StatusServiceUnavailable {
				t.Errorf("part %d, taken %t: answered %d", n, taken, code)
			}
			w.deliver("acme", body(b))
			if got, want := w.took(b), fmt.Sprintf("1 message, %d receipts, 1 verdict, consent out", len(b.Receipts)); got != want {
				t.Errorf("part %d, taken %t: %s, want %s", n, taken, got, want)
			}
			if list := w.quarantined(); len(list) != 1 || list[0].State != desk.Replayed {
				t.Errorf("part %d, taken %t: kept %+v", n, taken, list)
			}
		}
	}
}

// TestWhatIsWrongInALongBodyStaysHeld: for the reason of what is wrong, wherever it
// stands, while everything else takes effect.
func TestWhatIsWrongInALongBodyStaysHeld_R1_R5(t *testing.T) {
	const n = pipeline.MaxPart + 10
	for name, test := range map[string]struct {
		wrong  func(v *town) string // a change
		reason string
	}{
		"a message without an id": {func(v *town) string {
			return v.event("acme one", "messages", `{"from":"5499","type":"text","text":{"body":"x"}}`)
		}, channel.RejectNoID},
		"a message that is too long": {func(v *town) string {
			return v.event("acme one", "messages", `{"from":"5499","id":"w","type":"text","text":{"body":"`+strings.Repeat("x", channel.MaxString+1)+`"}}`)
		}, channel.RejectTooLong},
		"a message to another app": {func(v *town) string {
			return v.event("acme other", "messages", `{"from":"5499","id":"w","type":"text","text":{"body":"x"}}`)
		}, channel.RejectOtherApp},
	} {
		for _, at := range []int{0, n} {
			v := newTown(t, options{})
			var changes []string
			for i := range n {
				changes = append(changes, v.event("acme one", "statuses", fmt.Sprintf(`{"id":"wamid.%d","status":"sent","recipient_id":"5498"}`, i)))
			}
			changes = slices.Insert(changes, at, test.wrong(v))
			raw := []byte(`{"object":"whatsapp_business_account","entry":[{"id":"waba-acme","changes":[` + strings.Join(changes, ",") + `]}]}`)
			if code := v.postTo("acme one", raw); code != http.StatusOK {
				t.Fatalf("%s at %d: answered %d", name, at, code)
			}
			for _, i := range []int{0, 1, pipeline.MaxPart - 1, pipeline.MaxPart, n - 1} {
				must(t, v.driver.Drain(10_000))
				if on := v.deliveredOn(fmt.Sprint("wamid.", i)); !slices.Equal(on, []string{"acme one"}) {
					t.Errorf("%s at %d: status %d is known on %v", name, at, i, on)
				}
			}
			if on := v.heardOn("5499"); len(on) != 0 {
				t.Errorf("%s at %d: it was heard on %v", name, at, on)
			}
			list := v.heldIn("acme")
			if len(list) != 1 || list[0].Reason != test.reason || list[0].State != desk.Held || list[0].ID != store.BodyID(raw) {
				t.Errorf("%s at %d: kept %+v", name, at, list)
			}
			if once := test.reason != channel.RejectOtherApp || at == 0; once && list[0].Times != 1 {
				t.Errorf("%s at %d: kept %d times", name, at, list[0].Times)
			}
		}
	}
}

// event is a change of Meta's with one of the messages or statuses of a channel.
func (v *town) event(of, kind, one string) string {
	return fmt.Sprintf(`{"field":"messages","value":{"metadata":{"phone_number_id":%q},%q:[%s]}}`, v.channels[of].PhoneNumberID, kind, one)
}

// TestAnAbsurdBodyIsKeptWhole: there is an end to what one body may make us do.
func TestAnAbsurdBodyIsKeptWhole_T8(t *testing.T) {
	v := newTown(t, options{})
	one := `{"id":"w","status":"sent","recipient_id":"49"}`
	raw := []byte(fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"waba-acme","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":%q},"statuses":[%s]}}]}]}`,
		v.channels["acme one"].PhoneNumberID, one+strings.Repeat(","+one, channel.MaxEvents)))
	if code := v.postTo("acme one", raw); code != http.StatusOK {
		t.Fatal(code)
	}
	if n := v.replays(); n != 0 || len(v.deliveredOn("w")) != 0 {
		t.Errorf("%d parts, delivered on %v", n, v.deliveredOn("w"))
	}
	if list := v.heldIn("acme"); len(list) != 1 || list[0].Reason != channel.RejectTooMany || list[0].State != desk.Held {
		t.Errorf("kept %+v", list)
	}
}

// TestOneTooLongCostsNoMate: neither at first nor in a replay.
func TestOneTooLongCostsNoMate_R5(t *testing.T) {
	v := newTown(t, options{})
	ch := v.channels["acme one"]
	say := func(person, text string) []byte {
		return metatest.Phone{Channel: ch, Number: person}.Message("wamid."+person, v.clock.Now(), desk.Content{Type: desk.Text, Text: text})
	}
	raw := metatest.Batch(say("5491", "hola"), say("5492", strings.Repeat("x", channel.MaxString+1)), say("5493", strings.Repeat("x", channel.MaxString)))
	if code := v.postTo("acme one", raw); code != http.StatusOK {
		t.Fatal(code)
	}
	for person, want := range map[string]int{"5491": 1, "5492": 0, "5493": 1} {
		if on := v.heardOn(person); len(on) != want {
			t.Errorf("%s was heard on %v", person, on)
		}
	}
	list := v.heldIn("acme")
	if len(list) != 1 || list[0].Reason != channel.RejectTooLong {
		t.Fatalf("kept %+v", list)
	}
	v.replay("acme", list[0].ID)
	if on := v.heardOn("5491"); len(on) != 1 || len(v.turns("acme", store.ConversationID(ch.ID, "5491"))) != 1 {
		t.Errorf("after a replay heard on %v", on)
	}
}

// A body whose parts were taken stays so when the provider posts it again.
func TestALongBodyThatComesAgain_T8(t *testing.T) {
	w := newWorld(t, options{})
	raw := body(w.long(pipeline.MaxPart + 5))
	for range 2 {
		if code := w.post("acme", raw); code != http.StatusOK {
			t.Fatal(code)
		}
		w.clock.Advance(10 * time.Second)
		must(t, w.driver.Drain(100_000))
		w.clock.Advance(10 * time.Second)
		if got := w.quarantined()[0]; got.State != desk.Replayed {
			t.Errorf("%s, %d times", got.State, got.Times)
		}
	}
}
