package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"buzon/internal/bot"
	"buzon/internal/channel"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
	"buzon/internal/table"
)

func record(n int, body string) queue.Record {
	return queue.Record{ID: fmt.Sprint("r", n), Group: "g", Body: []byte(body), Receives: 1}
}

// tap is what a provider posts when a person taps a template's button.
func (w *world) tap(id, person, text, quoted string) channel.Batch {
	b := w.message(id, person, text)
	b.Messages[0].Content = desk.Content{Type: desk.QuickReply, Text: text, ReplyID: "payload", Quoted: quoted}
	return b
}

// tickets lists the cases of acme, past all faults, oldest first.
func (w *world) tickets() []desk.Case {
	w.t.Helper()
	list, _, err := w.plainStore().In("acme").Cases(context.Background(), store.CaseFilter{}, 100, "")
	must(w.t, err)
	slices.Reverse(list)
	return list
}

// sentTemplate is a conversation to which a template with quick replies went, known
// to the provider as gs-template; it gives our id of the message.
func (w *world) sentTemplate(person string) string {
	w.t.Helper()
	c, ctx := w.plainStore().In("acme"), context.Background()
	id := store.ConversationID(channelID("acme"), person)
	turn := store.TurnID("agent " + person)
	reply := desk.Reply{Number: 1, ID: store.ReplyID(id, turn, 0), Status: desk.Queued, Outgoing: desk.Outgoing{
		Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "tpl-1", Name: "create_case", Language: "es", Taps: true},
	}}
	t := store.StoredTurn{Turn: desk.Turn{ID: turn, Conversation: id, Kind: desk.TurnAgent, At: w.clock.Now(), Made: w.clock.Now(), Replies: []desk.Reply{reply}}}
	must(w.t, c.Commit(ctx, store.Commit{Turn: t, Conversation: desk.Conversation{
		ID: id, Channel: channelID("acme"), Person: person, Contact: store.ContactID("whatsapp", person), LastNumber: 1,
	}}))
	t.Replies[0].Status, t.Replies[0].Done, t.Replies[0].ProviderID = desk.Accepted, true, "gs-template"
	must(w.t, c.SaveSent(ctx, t))
	return reply.ID
}

func TestQuickReplyMakesATicket_S3_46(t *testing.T) {
	w := newWorld(t, options{})
	settings := bot.DefaultSettings("en")
	settings.DefaultCaseType = "claim"
	must(t, w.store.In("acme").SaveBot(t.Context(), settings))
	message := w.sentTemplate("5492")
	w.deliver("acme", body(w.tap("wamid.1", "5492", "Quiero más información", "gs-template")))
	w.settle(time.Minute)
	conv := w.conversation("5492")
	tickets := w.tickets()
	if len(tickets) != 1 {
		t.Fatalf("%d tickets", len(tickets))
	}
	got := tickets[0]
	want := desk.Case{
		ID: store.TicketID(conv.ID, store.TurnID("wamid.1")), Title: "Quiero más información", State: desk.CaseNew, Source: desk.SourceWhatsApp,
		Type: "claim", Priority: desk.PriorityMedium, Contact: conv.Contact, Conversation: conv.ID, Message: message,
		Language: "en", CreatedAt: got.CreatedAt, ChangedAt: got.CreatedAt, Versioned: got.Versioned,
	}
	want.Reference = store.Reference(want.ID, 0)
	if fmt.Sprint(got.Conversations, got.Channels) != fmt.Sprint([]string{conv.ID}, []string{channelID("acme")}) {
		t.Errorf("conversations %v, channels %v", got.Conversations, got.Channels)
	}
	got.Conversations, got.Channels = nil, nil
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("made\n%+v\nwant\n%+v", got, want)
	}
	if by, err := w.store.In("acme").CaseByReference(t.Context(), got.Reference); err != nil || by.ID != got.ID {
		t.Errorf("by its reference: %v %v", by.ID, err)
	}
	if open, err := w.store.In("acme").Interactions(t.Context(), channelID("acme")); err != nil || len(open) != 1 {
		t.Errorf("%d open interactions, %v", len(open), err)
	}
	history, err := w.store.In("acme").CaseHistory(t.Context(), got.ID)
	if err != nil || len(history) != 1 || history[0].Kind != desk.CaseCreated {
		t.Errorf("history %+v, %v", history, err)
	}
	if sent := w.phone.sentTo("acme", "5492"); len(sent) != 0 {
		t.Errorf("the bot said %+v", sent)
	}
}

// TestATapFromTheNetworksSpelling: Q31, an agent wrote the number as people do and the
// tap comes from what the network makes of it, in a conversation of its own: the ticket
// is that one's, where the person can be answered, and names the message and its
// conversation. The tap of another person is linked to neither.
func TestATapFromTheNetworksSpelling_Q31(t *testing.T) {
	for _, test := range []struct {
		name, written, taps string
		told                bool // in the provider's answer to the send
		linked              bool
	}{
		{"the same number", "491700000001", "491700000001", true, true},
		{"Mexico's 1, which Meta tells", "525512345678", "5215512345678", true, true},
		{"and which nobody tells", "525512345678", "5215512345678", false, true},
		{"Brazil's 9, the other way round", "5511987654321", "551187654321", false, true},
		{"Argentina's 9", "541123456789", "5491123456789", false, true},
		{"a zero that Meta takes out", "4901700000001", "491700000001", true, true},
		{"somebody else", "491700000001", "491700000002", false, false},
		{"somebody else in Mexico", "525512345678", "5215512345679", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			w.phone.silent = true
			if test.told {
				w.phone.knows = map[string]string{test.written: test.taps}
			}
			out := template()
			out.Template.Taps = true
			w.commit(test.written, nil, out)
			w.queueWake(test.written, false)
			w.settle(time.Minute)
			sent := w.outcomes(test.written)[0]
			w.deliver("acme", body(w.tap("wamid.1", test.taps, "Sí", sent.ProviderID)))
			w.settle(time.Minute)
			tickets, own := w.tickets(), w.conversation(test.taps)
			if len(tickets) != 1 || sent.ProviderID == "" {
				t.Fatalf("%d tickets, sent %+v", len(tickets), sent)
			}
			message, all := "", []string{own.ID}
			if test.linked {
				message = sent.ID
				if test.taps != test.written {
					all = append(all, w.conversation(test.written).ID)
				}
			}
			got := tickets[0]
			if got.Message != message || got.Conversation != own.ID || got.Contact != own.Contact || !slices.Equal(got.Conversations, all) || len(got.Channels) != 1 {
				t.Errorf("made %+v\nof message %q in %v", got, message, all)
			}
		})
	}
}

func TestTicketOf(t *testing.T) {
	long := strings.Repeat("é", desk.MaxCaseTitle)
	for _, test := range []struct {
		name               string
		text, reply        string
		language           string
		title, description string
		spoken             string
	}{
		{"a title of just the length", long, "p", "pt", long, "", "pt"},
		{"a title of one more is cut, and kept whole beside", long + "x", "p", "pt", long, long + "x", "pt"},
		{"no text: the payload", "  ", "payload", "", "payload", "", "es"},
		{"nothing at all: the reference", "", "", "xx", "", "", "es"},
		{"a text of the most that a string may hold", strings.Repeat("x", channel.MaxString), "", "en", strings.Repeat("x", desk.MaxCaseTitle), strings.Repeat("x", desk.MaxCaseDescription), "en"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			settings := bot.DefaultSettings("es")
			settings.Language = test.language
			must(t, w.store.In("acme").SaveBot(t.Context(), settings))
			b := w.tap("wamid.1", "5492", test.text, "")
			b.Messages[0].Content.ReplyID = test.reply
			w.deliver("acme", body(b))
			w.settle(time.Minute)
			tickets := w.tickets()
			if len(tickets) != 1 {
				t.Fatalf("%d tickets, quarantined %d", len(tickets), len(w.quarantined()))
			}
			k := tickets[0]
			if test.title == "" {
				test.title = k.Reference
			}
			if k.Title != test.title || k.Description != test.description || k.Language != test.spoken || !utf8.ValidString(k.Title) {
				t.Errorf("title of %d characters, description of %d, in %q", utf8.RuneCountInString(k.Title), utf8.RuneCountInString(k.Description), k.Language)
			}
		})
	}
}

// The bot says nothing to a tap, and its dialogue goes on where it was.
func TestATapLeavesTheDialogueAlone(t *testing.T) {
	calm, tapped := newWorld(t, options{}), newWorld(t, options{})
	for _, w := range []*world{calm, tapped} {
		w.talk("5492", "hola")
		before := w.conversation("5492")
		if w == tapped {
			w.deliver("acme", body(w.tap("wamid.tap", "5492", "Lighting acme", "gs-none")))
			w.settle(0)
			after := w.conversation("5492")
			if string(after.Dialogue) != string(before.Dialogue) || !after.TimeoutAt.Equal(before.TimeoutAt) || after.LastNumber != before.LastNumber {
				t.Errorf("the tap changed %+v into %+v", before, after)
			}
		}
	}
	for _, text := range []string{"Lighting acme", "Broken"} {
		for _, w := range []*world{calm, tapped} {
			w.deliver("acme", body(w.message("wamid."+text, "5492", text)))
			w.settle(0)
		}
	}
	a, b := calm.phone.sentTo("acme", "5492"), tapped.phone.sentTo("acme", "5492")
	if len(a) != len(b) || len(tapped.tickets()) != 1 {
		t.Errorf("%d messages with a tap, %d without, %d tickets", len(b), len(a), len(tapped.tickets()))
	}
}

// Nothing comes back from a call to action: what a person writes is a message as any
// other, also with the very words of such a button (S3-44).
func TestCallToActionMakesNoTicket_S3_44(t *testing.T) {
	w := newWorld(t, options{})
	tpl, err := w.store.In("acme").Template(t.Context(), "acme-t1")
	must(t, err)
	tpl.Buttons = []desk.TemplateButton{{Kind: desk.ButtonURL, Text: "Visit us", URL: "https://example.com"}}
	must(t, w.store.In("acme").SaveTemplate(t.Context(), tpl, nil))
	w.sentTemplate("5492")
	got := w.talk("5492", "Visit us")
	if len(w.tickets()) != 0 || len(got) == 0 || got[len(got)-1].out.Type != desk.ReplyList {
		t.Errorf("%d tickets; the bot said %d messages", len(w.tickets()), len(got))
	}
}

func TestATapThatMakesNoTicket(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(w *world, m *desk.Incoming)
		note   string
		made   int
	}{
		{"of more than a day ago", func(w *world, m *desk.Incoming) { m.SentAt = w.clock.Now().Add(-desk.LateAfter - time.Second) }, "late", 0},
		{"of a day ago", func(w *world, m *desk.Incoming) { m.SentAt = w.clock.Now().Add(-desk.LateAfter) }, "", 1},
		{"on a channel that is off", func(w *world, _ *desk.Incoming) { w.setChannel("acme", desk.ChannelInactive, false) }, "channel_inactive", 0},
		{"on a channel that is deleted", func(w *world, _ *desk.Incoming) { w.setChannel("acme", desk.ChannelActive, true) }, "channel_inactive", 0},
		{"on a channel that is interrupted", func(w *world, _ *desk.Incoming) { w.setChannel("acme", desk.ChannelInterrupted, false) }, "", 1},
		{"on a template that is not ours", func(_ *world, m *desk.Incoming) { m.Content.Quoted = "gs-unknown" }, "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, options{})
			b := w.tap("wamid.1", "5492", "Yes", "")
			test.change(w, &b.Messages[0])
			w.deliver("acme", body(b))
			w.settle(time.Minute)
			turns := w.turns("acme", w.conversation("5492").ID)
			if len(turns) != 1 || turns[0].Note != test.note || len(w.tickets()) != test.made {
				t.Errorf("turns %+v, %d tickets, want one turn with note %q and %d tickets", turns, len(w.tickets()), test.note, test.made)
			}
		})
	}
}

// A tap that came while the channel answered, and is handled once it is off, makes
// nothing that would stay open.
func TestATapThatMeetsTheEndOfItsChannel(t *testing.T) {
	w := newWorld(t, options{})
	w.deliver("acme", body(w.tap("wamid.1", "5492", "Yes", "")))
	c := w.plainStore().In("acme") // another process: nothing here is told
	ch, err := c.FreshChannel(t.Context(), channelID("acme"))
	must(t, err)
	ch.State = desk.ChannelInactive
	must(t, c.SaveChannel(t.Context(), ch, nil))
	must(t, w.driver.Drain(1000))
	if turns := w.turns("acme", w.conversation("5492").ID); len(w.tickets()) != 0 || len(turns) != 1 || turns[0].Note != "channel_inactive" {
		t.Errorf("%d tickets, turns %+v", len(w.tickets()), turns)
	}
}

// One message is one ticket: copies of both formats, again after days, and in a replay.
func TestOneTapIsOneTicket_R2_Q31(t *testing.T) {
	w, phone := realWorld(t, options{})
	content := desk.Content{Type: desk.QuickReply, Text: "Sí", ReplyID: "si", Quoted: "gs-9"}
	at := w.clock.Now()
	bodies := [][]byte{phone.V2("wamid.1", at, content), phone.V3("wamid.1", at, content)}
	for _, pause := range []time.Duration{0, time.Second, 6 * time.Minute, 8 * 24 * time.Hour, 40 * 24 * time.Hour} {
		w.clock.Advance(pause)
		for _, raw := range bodies {
			w.deliver("acme", raw)
		}
		must(t, w.driver.Drain(1000))
	}
	if got := w.tickets(); len(got) != 1 {
		t.Errorf("%d tickets of one tap", len(got))
	}
	w.deliver("acme", phone.V2("wamid.2", w.clock.Now(), content))
	must(t, w.driver.Drain(1000))
	if got := w.tickets(); len(got) != 2 {
		t.Errorf("%d tickets of two taps", len(got))
	}
}

// Sixteen workers that hold the same message at once make one ticket.
func TestSixteenAtOnceMakeOneTicket_R2(t *testing.T) {
	w := newWorld(t, options{})
	m := w.tap("wamid.1", "5492", "Yes", "").Messages[0]
	m.Channel, m.ReceivedAt = channelID("acme"), w.clock.Now()
	raw, err := queue.Seal(desk.StageInbound, "acme", desk.InboundEvent{Message: &m})
	must(t, err)
	var all sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		all.Go(func() {
			for range 50 {
				if errs[i] = w.in.Worker().Handle(context.Background(), record(i, string(raw))); errs[i] == nil {
					return
				}
			}
		})
	}
	all.Wait()
	must(t, errors.Join(errs...))
	if got := w.tickets(); len(got) != 1 || len(w.turns("acme", w.conversation("5492").ID)) != 1 {
		t.Errorf("%d tickets", len(got))
	}
}

// taken refuses the first references of a ticket, as if others had them.
type taken struct {
	table.Table
	names []string
}

func (k taken) Write(ctx context.Context, ops ...table.Op) error {
	for i, op := range ops {
		if slices.Contains(k.names, op.Item.PK) {
			return &table.Refused{Ops: []int{i}}
		}
	}
	return k.Table.Write(ctx, ops...)
}

func TestAReferenceThatIsTaken(t *testing.T) {
	id := store.TicketID(store.ConversationID(channelID("acme"), "5492"), store.TurnID("wamid.1"))
	names := []string{"T#acme#REFERENCE#" + store.Reference(id, 0), "T#acme#REFERENCE#" + store.Reference(id, 1)}
	w := newWorld(t, options{mutant: func(s *seams) { s.table = taken{s.table, names} }})
	w.deliver("acme", body(w.tap("wamid.1", "5492", "Yes", "")))
	w.settle(time.Minute)
	if got := w.tickets(); len(got) != 1 || got[0].Reference != store.Reference(id, 2) {
		t.Errorf("tickets %+v", got)
	}
}

func TestQuickReplyCrashesAnywhere_R1_R2(t *testing.T) {
	for _, before := range [][]string{nil, {"hola"}} {
		t.Run(fmt.Sprintf("after %v", before), func(t *testing.T) {
			crashtest.Each(t, queuetest.Die, func(t *testing.T, p *crashtest.Plan) string {
				w := begun(t, p, before...)
				raw := body(w.tap("wamid.1", "5492", "Yes", ""))
				w.deliver("acme", raw)
				w.settle(20 * time.Minute)
				w.deliver("acme", raw)
				w.settle(20 * time.Minute)
				var made []string
				for _, k := range w.tickets() {
					history, err := w.plainStore().In("acme").CaseHistory(t.Context(), k.ID)
					must(t, err)
					made = append(made, fmt.Sprint(k.ID, k.Reference, k.State, k.Version, len(history)))
				}
				return fmt.Sprint(made, "\n", w.endState("acme", "5492"))
			})
		})
	}
}

// Whatever else happens in a hostile world, each tap is one ticket or in quarantine.
func TestTapsInAHostileWorld_R1_R2(t *testing.T) {
	for seed := range uint64(5) {
		w := newWorld(t, options{seed: seed, hostile: true, yield: true})
		rng := rand.New(rand.NewPCG(seed, 5))
		for i := range 12 {
			raw := body(w.tap(fmt.Sprintf("wamid.%d", i), fmt.Sprint(5490+rng.IntN(3)), "Yes", ""))
			for range 1 + rng.IntN(3) {
				w.deliver("acme", raw)
			}
		}
		w.settle(time.Hour)
		w.calm()
		w.settle(2 * time.Hour)
		if tickets, held := len(w.tickets()), len(w.plainHeld()); tickets+held != 12 {
			t.Errorf("seed %d: %d tickets and %d in quarantine of 12 taps", seed, tickets, held)
		}
	}
}

func (w *world) plainHeld() []desk.Quarantined {
	w.t.Helper()
	list, _, err := w.plainStore().In("acme").QuarantineList(context.Background(), "", 100, "")
	if !errors.Is(err, fault.NotFound) {
		must(w.t, err)
	}
	return list
}
