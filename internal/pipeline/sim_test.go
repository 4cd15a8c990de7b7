package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"buzon/internal/bot"
	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/link"
	"buzon/internal/pipeline"
	"buzon/internal/store"
	"buzon/internal/table"
)

// person is one who writes, and what was accepted from them, in order.
type person struct {
	tenant, number string
	said           []desk.Incoming
	old            bool   // what they say was said almost a day ago
	optedOut       []span // when they wanted nothing
}

// vocabulary is what people write: enough to reach a form now and then.
var vocabulary = []string{"hola", "5", "Lighting acme", "Lighting bolt", "Water acme", "Water bolt", "Broken", "Missing", "cancel", "xyz"}

// script leads an unregistered person to a form.
func script(tenant string) []string { return []string{"hola", "Lighting " + tenant, "Broken"} }

// simulate runs a world of people who write, with everything that the options
// make go wrong, until it is at rest, and tells what promise was broken.
func simulate(t testing.TB, o options) []string {
	w := newWorld(t, o)
	rng := rand.New(rand.NewPCG(o.seed, 3))
	w.longDialogues()
	if o.hostile {
		w.phone.mood = flaky
		w.phone.told = rng.IntN(2) * 90 // some providers tell of nothing but failures
	}
	var people []*person
	for _, tenant := range companies {
		for i := range 3 {
			// the same number writes to both companies; 5491 is registered
			people = append(people, &person{tenant: tenant, number: []string{"5491", "5492", "5493"}[i]})
		}
	}
	trouble := newTrouble(w, rng, people, o.hostile)
	var bodies []pending
	for round := range 6 {
		for _, p := range people {
			text := vocabulary[rng.IntN(len(vocabulary))]
			if s := script(p.tenant); p.number != "5491" && round < len(s) && rng.IntN(4) > 0 {
				text = s[round]
			}
			// ids repeat across people and companies, as nothing forbids
			b := w.message(fmt.Sprintf("wamid.%d", round), p.number, text)
			if p.old {
				b.Messages[0].SentAt = w.clock.Now().Add(time.Duration(rng.IntN(15))*time.Minute - desk.Window)
			}
			raw := body(b)
			b.Messages[0].ReceivedAt = w.clock.Now()
			p.said = append(p.said, b.Messages[0])
			w.deliver(p.tenant, raw)
			bodies = append(bodies, pending{p.tenant, raw})
			for range rng.IntN(3) {
				again := bodies[rng.IntN(len(bodies))]
				w.deliver(again.tenant, again.body)
			}
		}
		for range rng.IntN(60) {
			w.driver.Step()
		}
		if rng.IntN(3) == 0 {
			for _, post := range w.phone.takePosts() {
				w.deliver(post.tenant, post.body)
			}
		}
		w.clock.Advance(time.Duration(rng.IntN(400)) * time.Second)
		w.tick()
		trouble.round(round)
	}
	if w.clock.Now().Sub(people[0].said[0].ReceivedAt) > 19*time.Hour {
		t.Fatal("the run took so long that dialogues ran out")
	}
	trouble.end()
	w.calm()
	calm := w.clock.Now()
	w.settle(pipeline.MaxWait + 15*time.Minute)
	stuck := append(trouble.broken, w.stuck(people)...)
	w.settle(30 * time.Hour)
	statuses := w.deliverStatuses(rng)
	// Everything comes once more, when no queue remembers it.
	w.clock.Advance(8 * 24 * time.Hour)
	for _, b := range bodies {
		w.deliver(b.tenant, b.body)
	}
	w.settle(time.Hour)
	broken := stuck
	for _, p := range people {
		broken = append(append(broken, w.check(p)...), w.checkAllowed(p)...)
	}
	broken = append(broken, w.checkChannels(calm)...)
	return append(broken, w.checkStatuses(statuses)...)
}

// stuck tells whose replies have not left although everything has been well for
// a while (R14).
func (w *world) stuck(people []*person) (broken []string) {
	st := &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "x" }}
	for _, p := range people {
		conv, err := st.In(p.tenant).Conversation(context.Background(), store.ConversationID(channelID(p.tenant), p.number))
		if err != nil || len(conv.Unsent) > 0 {
			broken = append(broken, fmt.Sprintf("R14 %s %s: unsent %v, %v", p.tenant, p.number, conv.Unsent, err))
		}
	}
	return broken
}

// longDialogues keeps dialogues from running out while a run lasts.
func (w *world) longDialogues() {
	w.t.Helper()
	st := &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "x" }}
	for _, tenant := range companies {
		s := bot.DefaultSettings("es")
		s.TimeoutMinutes = 20 * 60 // the last word is within the window, however late a timer fires
		must(w.t, st.In(tenant).SaveBot(w.t.Context(), s))
	}
}

// expected is what the dialogue must have answered, reply by reply.
func (w *world) expected(p *person) (replies []desk.Outgoing, forms int) {
	ctx := context.Background()
	st := &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "x" }}
	c := st.In(p.tenant)
	cat, err := c.Catalogue(ctx)
	must(w.t, err)
	settings, err := c.Bot(ctx)
	must(w.t, err)
	templates, err := c.Templates(ctx, channelID(p.tenant))
	must(w.t, err)
	world := bot.World{Company: "Company " + p.tenant, Settings: settings, Offered: cat.Offered(), Templates: templates, FormKey: "k1"}
	if p.number == "5491" {
		world.Person = bot.Person{Registered: true, Name: "Ana", Culture: "en"}
	}
	var state json.RawMessage
	now := w.clock.Now()
	for _, m := range p.said {
		if w.unanswered(p, m) {
			continue
		}
		d := bot.Decide(world, state, bot.Input{Message: &m.Content, ID: store.TurnID(m.ProviderID), Now: now})
		state = d.State
		replies = append(replies, d.Replies...)
		if d.Form != nil {
			forms++
		}
	}
	if len(state) > 0 {
		d := bot.Decide(world, state, bot.Input{ID: "timeout", Now: now.Add(24 * time.Hour)})
		replies = append(replies, d.Replies...)
	}
	return replies, forms
}

// turns reads all turns of a conversation from the table itself, whether or not
// the index and the conversation know them.
func (w *world) turns(tenant, conversation string) []store.StoredTurn {
	page, err := w.plain.Query(context.Background(), table.Q{PK: "T#" + tenant + "#CONV#" + conversation, Prefix: "TURN#"})
	must(w.t, err)
	var ids []string
	for _, it := range page.Items {
		ids = append(ids, strings.TrimPrefix(it.SK, "TURN#"))
	}
	st := &store.Store{Table: w.plain, Now: w.clock.Now}
	turns, err := st.In(tenant).Turns(context.Background(), conversation, ids...)
	must(w.t, err)
	return turns
}

// check tells which promises are broken for a person.
func (w *world) check(p *person) (broken []string) {
	id := store.ConversationID(channelID(p.tenant), p.number)
	bad := func(rule, format string, args ...any) {
		broken = append(broken, fmt.Sprintf("%s %s %s: ", rule, p.tenant, p.number)+fmt.Sprintf(format, args...))
	}
	st := &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "x" }}
	conv, err := st.In(p.tenant).Conversation(context.Background(), id)
	if err != nil {
		bad("R1", "no conversation: %v", err)
		return broken
	}
	turns := w.turns(p.tenant, id)
	messages := map[string]int{}
	var replies []desk.Reply
	for _, turn := range turns {
		if turn.Message != nil {
			messages[turn.Message.ProviderID]++
		}
		if turn.Kind == desk.TurnQuarantined {
			bad("R1", "turn %s in quarantine", turn.ID)
		}
		replies = append(replies, turn.Replies...)
	}
	for _, m := range p.said {
		if messages[m.ProviderID] != 1 {
			bad("R1", "message %s has %d turns", m.ProviderID, messages[m.ProviderID])
		}
	}
	slices.SortFunc(replies, func(a, b desk.Reply) int { return int(a.Number - b.Number) })
	want, forms := w.expected(p)
	if len(replies) != len(want) || conv.LastNumber != int64(len(want)) {
		bad("R2", "%d replies, last number %d, want %d", len(replies), conv.LastNumber, len(want))
	}
	made := 0
	for i, r := range replies {
		if r.Number != int64(i+1) {
			bad("R3", "reply %d has number %d", i+1, r.Number)
		}
		if i < len(want) && !reflect.DeepEqual(r.Outgoing, want[i]) {
			bad("R3", "reply %d says %q, want %q", r.Number, r.Text, want[i].Text)
		}
		if !r.Done || r.Lease != nil {
			bad("R6", "reply %d is not done: %+v", r.Number, r)
		}
		if r.FormKey != "" && w.formExists(p.tenant, r.ID) {
			made++
		}
	}
	if made != forms {
		bad("R8", "%d pending forms, want %d", made, forms)
	}
	if len(conv.Unsent) != 0 {
		bad("R6", "unsent remains: %+v", conv.Unsent)
	}
	broken = append(broken, w.checkSends(p, replies)...)
	return broken
}

func (w *world) formExists(tenant, replyID string) bool {
	keys := &link.Keys{Secrets: linkSecrets}
	s, err := keys.Form(context.Background(), tenant, "k1", replyID)
	must(w.t, err)
	st := &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "x" }}
	_, err = st.In(tenant).Form(context.Background(), link.Hash(s))
	return err == nil
}

// checkSends: every reply reached the provider or ended as unknown, in order,
// and more than once only after an unknown outcome.
func (w *world) checkSends(p *person, replies []desk.Reply) (broken []string) {
	count := map[string]int{}
	var order []string
	for _, s := range w.phone.sentTo(p.tenant, p.number) {
		if count[s.ref]++; count[s.ref] == 1 {
			order = append(order, s.ref)
		}
	}
	var want []string
	for _, r := range replies {
		n := count[r.ID]
		if n == 0 && r.Reason != desk.ReasonUnknown && !w.mayBeRefused(p, r) {
			broken = append(broken, fmt.Sprintf("R6 %s %s: reply %d never sent: %+v", p.tenant, p.number, r.Number, r))
		}
		if n > r.Attempts {
			broken = append(broken, fmt.Sprintf("R6 %s %s: reply %d sent %d times in %d attempts", p.tenant, p.number, r.Number, n, r.Attempts))
		}
		if n > 0 {
			want = append(want, r.ID)
		}
	}
	if !slices.Equal(order, want) {
		broken = append(broken, fmt.Sprintf("R7 %s %s: left in order %v, want %v", p.tenant, p.number, order, want))
	}
	return broken
}

// deliverStatuses posts statuses of every send in a random order, some twice,
// and gives the highest that was posted of each.
func (w *world) deliverStatuses(rng *rand.Rand) map[string]desk.Delivery {
	highest := map[string]desk.Delivery{}
	for _, s := range w.phone.sends {
		statuses := []desk.Delivery{desk.SentOut, desk.Failed, desk.Delivered, desk.Read}
		rng.Shuffle(len(statuses), func(i, j int) { statuses[i], statuses[j] = statuses[j], statuses[i] })
		for _, d := range statuses[:1+rng.IntN(4)] {
			r := desk.Receipt{SendID: s.id, MessageID: "wamid." + s.id, Status: d, At: w.clock.Now()}
			if rng.IntN(4) == 0 {
				r.SendID = "" // a receipt more than a week old
				r.MessageID = "wamid." + s.id
			}
			raw := body(channel.Batch{Receipts: []desk.Receipt{r}})
			w.deliver(s.tenant, raw)
			if rng.IntN(2) == 0 {
				w.deliver(s.tenant, raw)
			}
			if r.SendID != "" || highest[s.id] > 0 || d == desk.Read {
				highest[s.id] = max(highest[s.id], d)
			}
		}
		// the last event that knows both ids joins what came without the first
		w.deliver(s.tenant, body(channel.Batch{Receipts: []desk.Receipt{{SendID: s.id, MessageID: "wamid." + s.id, Status: desk.SentOut, At: w.clock.Now()}}}))
		highest[s.id] = max(highest[s.id], desk.SentOut)
	}
	w.settle(time.Minute)
	return highest
}

func (w *world) checkStatuses(highest map[string]desk.Delivery) (broken []string) {
	for _, s := range w.phone.sends {
		st := &store.Store{Table: w.plain, Now: w.clock.Now, NewID: func() string { return "x" }}
		got, err := st.In(s.tenant).Deliveries(context.Background(), channelID(s.tenant), []string{s.id})
		must(w.t, err)
		if got[s.id].Status < highest[s.id] {
			broken = append(broken, fmt.Sprintf("status of %s is %s, want %s", s.id, got[s.id].Status, highest[s.id]))
		}
	}
	return broken
}

// seeds is how many schedules a run of the suite tries; BUZON_SEEDS asks for more.
func seeds(t testing.TB, n int) int {
	if v := os.Getenv("BUZON_SEEDS"); v != "" {
		more, err := strconv.Atoi(v)
		must(t, err)
		return more
	}
	return n
}

func TestCalmWorldKeepsEveryPromise(t *testing.T) {
	for _, b := range simulate(t, options{seed: 1}) {
		t.Error(b)
	}
}

func TestHostileWorldKeepsEveryPromise_R1_R2_R3_R6_R7_R8_R15(t *testing.T) {
	for seed := range seeds(t, 15) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			for _, b := range simulate(t, options{seed: uint64(seed), hostile: true, yield: true}) {
				t.Error(b)
			}
		})
	}
}

func TestWebhookAnswers_T3_T11(t *testing.T) {
	w := newWorld(t, options{})
	good := body(w.message("wamid.1", "5492", "hola"))
	for _, test := range []struct {
		name, path string
		want       int
	}{
		{"the right address is taken", "/webhooks/gupshup/" + channelID("acme") + "/" + secret, 200},
		{"a wrong secret is not found", "/webhooks/gupshup/" + channelID("acme") + "/wrong", 404},
		{"a wrong channel is not found", "/webhooks/gupshup/acme-nothing/" + secret, 404},
		{"a company that is none is not found", "/webhooks/gupshup/nobody/" + secret, 404},
		{"the address for templates takes the same events", "/callbacks/templates/gupshup/" + channelID("acme") + "/" + secret, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := w.request(http.MethodPost, test.path, good)
			if rec.Code != test.want {
				t.Fatalf("answered %d, want %d", rec.Code, test.want)
			}
			if test.want == 200 && rec.Body.Len() != 0 {
				t.Errorf("the body is %q, want none", rec.Body)
			}
		})
	}
	a := w.request(http.MethodPost, "/webhooks/gupshup/"+channelID("acme")+"/wrong", good)
	b := w.request(http.MethodPost, "/webhooks/gupshup/acme-nothing/"+secret, good)
	if a.Body.String() != b.Body.String() || !reflect.DeepEqual(a.Header(), b.Header()) {
		t.Error("a wrong secret and a wrong channel can be told apart")
	}
}
