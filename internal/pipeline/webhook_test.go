package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/store"
)

// realWorld is a world whose webhook reads what Gupshup posts.
func realWorld(t testing.TB, o options) (*world, gupshuptest.Phone) {
	var w *world
	mutant := o.mutant
	o.mutant = func(s *seams) {
		s.provider = &gupshup.Provider{BaseURL: "http://127.0.0.1:1", HTTP: http.DefaultClient, Now: func() time.Time { return w.clock.Now() }}
		if mutant != nil {
			mutant(s)
		}
	}
	w = newWorld(t, o)
	ch, err := w.store.In("acme").FreshChannel(context.Background(), channelID("acme"))
	must(t, err)
	ch.App, ch.AppID, ch.PhoneNumberID = "AcmeApp", "app-1", "phone-1"
	must(t, w.store.In("acme").SaveChannel(context.Background(), ch, nil))
	return w, gupshuptest.Phone{Channel: ch, Number: "5492", Name: "Ana Öz 👋"}
}

// received lists the messages of a person that were recorded.
func (w *world) received(number string) (out []desk.Incoming) {
	w.t.Helper()
	must(w.t, w.driver.Drain(10_000))
	for _, turn := range w.turns("acme", store.ConversationID(channelID("acme"), number)) {
		if turn.Message != nil {
			out = append(out, *turn.Message)
		}
	}
	return out
}

func (w *world) quarantined() []desk.Quarantined {
	w.t.Helper()
	list, _, err := w.store.In("acme").QuarantineList(context.Background(), "", 100, "")
	must(w.t, err)
	return list
}

func TestV2AndV3CopiesAreOneMessage_T6(t *testing.T) {
	for _, first := range []string{"v2", "v3"} {
		for _, apart := range []time.Duration{0, 10 * time.Minute, 8 * 24 * time.Hour} {
			t.Run(fmt.Sprintf("%s first, %v apart", first, apart), func(t *testing.T) {
				w, phone := realWorld(t, options{})
				at := w.clock.Now()
				bodies := [][]byte{phone.V2("wamid.1", at, gupshuptest.Text("hola 👋")), phone.V3("wamid.1", at, gupshuptest.Text("hola 👋"))}
				if first == "v3" {
					bodies[0], bodies[1] = bodies[1], bodies[0]
				}
				w.deliver("acme", bodies[0])
				if apart > 0 {
					w.received("5492")
				}
				w.clock.Advance(apart)
				w.deliver("acme", bodies[1])
				if got := w.received("5492"); len(got) != 1 || len(w.quarantined()) != 0 {
					t.Errorf("%d messages, quarantine %+v", len(got), w.quarantined())
				}
			})
		}
	}
}

func TestWhatIsKnownAndKeptNowhere(t *testing.T) {
	w, phone := realWorld(t, options{})
	at := w.clock.Now()
	for name, raw := range map[string][]byte{
		"ping":               gupshuptest.Ping(at),
		"set-callback":       gupshuptest.SetCallback(),
		"connectivity-check": gupshuptest.ConnectivityCheck(phone.Channel, at),
		"billing":            gupshuptest.Billing(phone.Channel, gupshuptest.Status{SendID: "g", MessageID: "wamid.1"}),
		"onboarding":         gupshuptest.Onboarding(phone.Channel, at),
		"account":            gupshuptest.Account(phone.Channel, at),
	} {
		plan := &crashtest.Plan{}
		w, _ := realWorld(t, options{plan: plan})
		if code := w.post("acme", raw); code != http.StatusOK {
			t.Errorf("%s: answered %d", name, code)
		}
		for _, effect := range plan.Seen {
			if !strings.Contains(effect, "CHANNEL") {
				t.Errorf("%s: has the effect %q", name, effect)
			}
		}
		if q := w.quarantined(); len(q) != 0 {
			t.Errorf("%s: in quarantine: %+v", name, q)
		}
	}
}

func TestABodyInQuarantineIsOneItemThatCounts(t *testing.T) {
	w, phone := realWorld(t, options{})
	good := string(phone.V2("wamid.1", w.clock.Now(), gupshuptest.Text("hola")))
	for _, test := range []struct{ reason, raw string }{
		{"not_json", "{"},
		{"not_json", ""},
		{"ambiguous_json", good + "{}"},
		{"other_app", strings.Replace(good, "AcmeApp", "BoltApp", 1)},
		{"unknown_event", `{"app":"AcmeApp","type":"novelty","payload":{}}`},
		{"missing_id", strings.Replace(good, `"wamid.1"`, `null`, 1)},
		{"missing_sender", strings.ReplaceAll(good, `"5492"`, `null`)},
		{"not_json", "{" + strings.Repeat(" ", 100<<10)},
	} {
		w, _ := realWorld(t, options{})
		for range 3 {
			if code := w.post("acme", []byte(test.raw)); code != http.StatusOK {
				t.Fatalf("%.80q: answered %d", test.raw, code)
			}
		}
		list := w.quarantined()
		if len(list) != 1 || list[0].Times != 3 || list[0].Reason != test.reason || list[0].ID != store.BodyID([]byte(test.raw)) || list[0].State != desk.Held {
			t.Errorf("%.80q: kept as %+v, want once with %s and times 3", test.raw, list, test.reason)
		}
		if got := w.received("5492"); len(got) != 0 {
			t.Errorf("%.80q: recorded %+v", test.raw, got)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	w, _ := realWorld(t, options{})
	for _, test := range []struct{ bytes, want int }{{pipeline.MaxBody, 200}, {pipeline.MaxBody + 1, 413}} {
		if code := w.post("acme", bytes.Repeat([]byte(" "), test.bytes)); code != test.want {
			t.Errorf("%d bytes: answered %d, want %d", test.bytes, code, test.want)
		}
	}
}

func TestOneBodyWithManyMessagesIsReadWhole(t *testing.T) {
	w, phone := realWorld(t, options{})
	var bodies [][]byte
	for i := range 40 {
		bodies = append(bodies, phone.V3(fmt.Sprintf("wamid.%d", i%30), w.clock.Now(), gupshuptest.Text(fmt.Sprint("message ", i%30))))
	}
	w.deliver("acme", gupshuptest.V3Batch(bodies...))
	if got := w.received("5492"); len(got) != 30 {
		t.Errorf("%d messages, want 30", len(got))
	}
}

func TestStatusesInEveryOrder(t *testing.T) {
	w, phone := realWorld(t, options{})
	kinds := []string{"sent", "failed", "delivered", "read"}
	n := 0
	permute(kinds, func(order []string) {
		n++
		id := fmt.Sprintf("gs-%d", n)
		for i, kind := range order {
			s := gupshuptest.Status{Kind: kind, SendID: id, MessageID: "wamid." + id, Destination: "5492", At: w.clock.Now(), Code: 1002}
			raw := gupshuptest.V2Status(phone.Channel, s)
			if (n+i)%2 == 0 {
				raw = gupshuptest.V3Status(phone.Channel, s)
			}
			w.deliver("acme", raw)
			w.deliver("acme", raw)
		}
		got, err := w.store.In("acme").Deliveries(context.Background(), channelID("acme"), []string{id})
		must(t, err)
		if got[id].Status != desk.Read {
			t.Errorf("%v: %s", order, got[id].Status)
		}
	})
}

func permute(items []string, visit func([]string)) {
	var walk func(k int)
	walk = func(k int) {
		if k == len(items) {
			visit(items)
			return
		}
		for i := k; i < len(items); i++ {
			items[k], items[i] = items[i], items[k]
			walk(k + 1)
			items[k], items[i] = items[i], items[k]
		}
	}
	walk(0)
}

// What a callback says of a template is told to the approvals, who ask the provider:
// the webhook itself believes nothing of it.
func TestACallbackIsAHint_R12(t *testing.T) {
	w, phone := realWorld(t, options{})
	before, err := w.store.In("acme").Template(t.Context(), "acme-t1")
	must(t, err)
	for _, state := range []string{"approved", "paused", "paused"} {
		w.deliver("acme", gupshuptest.Template(phone.Channel, desk.Verdict{ProviderID: "tpl-1", Event: "status-update", State: state, Name: "create_case", Language: "es", At: w.clock.Now()}))
	}
	after, err := w.store.In("acme").Template(t.Context(), "acme-t1")
	must(t, err)
	if after.Version != before.Version {
		t.Errorf("the webhook changed the template: %+v", after)
	}
	records, events := w.verdicts()
	var told []string
	for i, e := range events {
		told = append(told, e.Verdict.State)
		if v := e.Verdict; v.Channel != channelID("acme") || v.ProviderID != "tpl-1" || !v.ReceivedAt.Equal(w.clock.Now()) || records[i].Group != store.ApprovalGroup("acme", channelID("acme")) {
			t.Errorf("told %+v in group %s", v, records[i].Group)
		}
	}
	if !slices.Equal(told, []string{"approved", "paused"}) {
		t.Errorf("told %v", told)
	}
}

func TestTenantsShareNothing_T5(t *testing.T) {
	w, phone := realWorld(t, options{})
	raw := phone.V2("wamid.1", w.clock.Now(), gupshuptest.Text("hola")) // names acme's app
	ch, err := w.store.In("bolt").FreshChannel(context.Background(), channelID("bolt"))
	must(t, err)
	ch.App = "BoltApp"
	must(t, w.store.In("bolt").SaveChannel(context.Background(), ch, nil))
	w.deliver("bolt", raw)
	must(t, w.driver.Drain(1000))
	if turns := w.turns("bolt", store.ConversationID(channelID("bolt"), "5492")); len(turns) != 0 {
		t.Errorf("a body of another company's app had an effect: %+v", turns)
	}
}

// FuzzWebhook: whatever is posted, the answer is 200 or 413, soon, and with
// little memory; what is not taken apart is in quarantine.
func FuzzWebhook(f *testing.F) {
	w, phone := realWorld(f, options{})
	at := w.clock.Now()
	f.Add(phone.V2("wamid.1", at, gupshuptest.Text("hola")))
	f.Add(phone.V3("wamid.2", at, gupshuptest.ListReply("Row", "id")))
	f.Add(gupshuptest.V2Status(phone.Channel, gupshuptest.Status{Kind: "enqueued", SendID: "g", MessageID: "wamid.3", Destination: "5492", At: at}))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		code := w.post("acme", raw)
		if code != http.StatusOK && code != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %d", code)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
			t.Errorf("allocated %d bytes", used)
		}
	})
}
