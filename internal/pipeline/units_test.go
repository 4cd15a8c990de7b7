package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/store"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// city is a company of a size as they are, seen by one person through their
// phone; everything that is billed is counted.
type city struct {
	*world
	meter *tabletest.CountingTable
	sends *int // messages queued
	conv  string
	said  int
}

// bill is what one step cost: units of the table and messages queued.
type bill struct{ write, read, sends float64 }

func (b bill) String() string {
	return fmt.Sprintf("%g write units, %g read units, %g sends", b.write, b.read, b.sends)
}

// countedQueue counts what is queued.
type countedQueue struct {
	queue.Queue
	sends *int
}

func (q countedQueue) Send(ctx context.Context, m queue.Message) error {
	*q.sends++
	return q.Queue.Send(ctx, m)
}

const citizen = "5215550000002"

// newCity has three projects; the first has services enough for a list of four,
// of six and of ten rows, by its groups.
func newCity(t *testing.T) *city {
	c := &city{sends: new(int), conv: store.ConversationID(channelID("acme"), citizen)}
	c.world = newWorld(t, options{mutant: func(s *seams) {
		c.meter = tabletest.Counting(s.table)
		s.table = c.meter
		s.inbound, s.outbound = countedQueue{s.inbound, c.sends}, countedQueue{s.outbound, c.sends}
	}})
	c.clock.Advance(123456789 * time.Nanosecond) // times are as long as they get
	c.longDialogues()
	c.store.CacheFor = time.Hour
	ctx := t.Context()
	st := &store.Store{Table: c.plain, Now: c.clock.Now}
	made := c.clock.Now()
	st.NewID = store.IDs(func() time.Time { made = made.Add(time.Second); return made }, rand.NewChaCha8([32]byte{}))
	in := st.In("acme")
	project := func(name string, access desk.Access) string {
		id := st.NewID()
		must(t, in.SaveProject(ctx, desk.Project{}, desk.Project{ID: id, Name: name, Active: true, Access: access}, nil))
		return id
	}
	old, err := in.Project(ctx, "p1")
	must(t, err)
	closed := old
	closed.Active = false
	must(t, in.SaveProject(ctx, old, closed, nil))
	all := desk.Access{Enabled: true, AllServices: true, AllCategories: true}
	first := project("Servicios públicos", all)
	for _, g := range []struct {
		name     string
		services int
	}{{"Alumbrado y energía", 4}, {"Agua y saneamiento", 6}, {"Calles y espacio público", 14}} {
		group := st.NewID()
		must(t, in.SaveGroup(ctx, desk.ServiceGroup{ID: group, Project: first, Name: g.name}, nil))
		for i := range g.services {
			service := st.NewID()
			must(t, in.SaveService(ctx, desk.Service{ID: service, Project: first, Group: group, Name: fmt.Sprint(g.name, " ", i+1)}, nil))
			for _, k := range []string{"No funciona", "Está dañado", "Pedir uno nuevo"} {
				must(t, in.SaveCategory(ctx, desk.Category{ID: st.NewID(), Service: service, Name: k}, nil))
			}
		}
	}
	for _, name := range []string{"Movilidad y transporte", "Salud"} {
		p := project(name, all)
		service := st.NewID()
		must(t, in.SaveService(ctx, desk.Service{ID: service, Project: p, Name: "Consultas"}, nil))
		must(t, in.SaveCategory(ctx, desk.Category{ID: st.NewID(), Service: service, Name: "Otra"}, nil))
	}
	// What is cached is read before anything is counted.
	warm := c.store.In("acme")
	for _, read := range []func() error{
		func() error { _, err := warm.Self(ctx); return err },
		func() error { _, err := warm.Bot(ctx); return err },
		func() error { _, err := warm.Catalogue(ctx); return err },
		func() error { _, err := warm.Channel(ctx, channelID("acme")); return err },
		func() error { _, err := warm.Templates(ctx, channelID("acme")); return err },
	} {
		must(t, read())
	}
	return c
}

// of counts what a step costs.
func (c *city) of(step func()) bill {
	read, write := c.meter.Units()
	sends := *c.sends
	step()
	readNow, writeNow := c.meter.Units()
	return bill{writeNow - write, readNow - read, float64(*c.sends - sends)}
}

// handle lets a stage handle the one message of its queue.
func (c *city) handle(stage string, w *queue.Worker) {
	c.t.Helper()
	ctx := context.Background()
	records, err := c.driver.Memory(stage).Receive(ctx, 10, time.Minute)
	must(c.t, err)
	if len(records) != 1 {
		c.t.Fatalf("%d messages for %s", len(records), stage)
	}
	must(c.t, w.Handle(ctx, records[0].Record))
	must(c.t, c.driver.Memory(stage).Delete(ctx, records[0].Receipt))
}

// say counts what the person's message costs until it is answered, and until the
// answers are sent; size is that of its turn, as it lies in the table.
func (c *city) say(content desk.Content) (in, out bill, size int) {
	c.t.Helper()
	c.said++
	c.clock.Advance(7 * time.Second)
	m := desk.Incoming{
		ProviderID: fmt.Sprintf("wamid.HBgNNTIxNTU1MDAwMDAwMhUCABIYFDNBN0I2RDVFNDc4RTNGOTh%05dAA==", c.said),
		Person:     citizen, Name: "Ana María Pérez", SentAt: c.clock.Now().Truncate(time.Second), Content: content,
	}
	in = c.of(func() {
		c.deliver("acme", body(channel.Batch{Messages: []desk.Incoming{m}}))
		c.handle(desk.StageInbound, c.in.Worker())
	})
	c.clock.Advance(time.Second)
	out = c.of(func() { c.handle(desk.StageOutbound, c.out.Worker()) })
	page, err := c.plain.Query(context.Background(), table.Q{PK: "T#acme#CONV#" + c.conv})
	must(c.t, err)
	for _, it := range page.Items {
		if it.SK == "TURN#"+store.TurnID(m.ProviderID) {
			size = table.Size(it)
		}
	}
	return in, out, size
}

// tap is a tap on a row of the list that came last.
func (c *city) tap(title string) desk.Content {
	c.t.Helper()
	sent := c.phone.sentTo("acme", citizen)
	for _, r := range sent[len(sent)-1].out.Rows {
		if r.Title == title {
			return desk.Content{Type: desk.ListReply, Text: title, ReplyID: r.ID}
		}
	}
	c.t.Fatalf("no row %q in %+v", title, sent[len(sent)-1].out)
	return desk.Content{}
}

// Goal 8 of the message path: taking in a message with its answers 2 sends, 5
// write units and 2 more for each further KB, 1.5 read units; sending a reply 3
// write units. What goes beyond has its reason: a dialogue that begins, or is over
// once its last reply has left, changes the conversation's place in lists (2), the
// first arms a timer (2) and puts the conversation there (1) and who its contact is
// (2); who begins one is looked for (1 read unit), and what a new one has consented
// to, of all messages and of marketing (2); a form is an item of its own (2). Sending reads 4 units, and 1 more
// for each further reply: whether the person has opted out since.
func TestUnitsOfAMessage(t *testing.T) {
	c := newCity(t)
	say := func(text string) func() desk.Content {
		return func() desk.Content { return desk.Content{Type: desk.Text, Text: text} }
	}
	tap := func(title string) func() desk.Content { return func() desk.Content { return c.tap(title) } }
	for _, step := range []struct {
		why           string
		content       func() desk.Content
		replies, rows int // rows of the last answer
		in, out       bill
		kilobytes     int // of the turn
	}{
		{"the first greeting: a text and three projects", say("Buenas tardes"), 2, 3, bill{10, 4, 2}, bill{5, 5, 0}, 1},
		{"a tap, answered with three groups", tap("Servicios públicos"), 1, 3, bill{5, 1, 2}, bill{3, 4, 0}, 1},
		{"a tap, answered with four rows", tap("Alumbrado y energía"), 1, 4, bill{5, 1, 2}, bill{3, 4, 0}, 1},
		{"a text that is no choice: the list again", say("¿Qué?"), 1, 4, bill{5, 1, 2}, bill{3, 4, 0}, 1},
		{"a tap, answered with a text and three categories", tap("Alumbrado y energía 2"), 2, 3, bill{5, 1, 2}, bill{5, 5, 0}, 1},
		{"a tap, answered with the link of the form", tap("Pedir uno nuevo"), 1, 0, bill{7, 1, 2}, bill{5, 4, 0}, 1},
		{"a greeting in a conversation that rests", say("Hola"), 2, 3, bill{7, 2, 2}, bill{5, 5, 0}, 1},
		{"a tap, answered with three groups again", tap("Servicios públicos"), 1, 3, bill{5, 1, 2}, bill{3, 4, 0}, 1},
		{"a tap, answered with six rows", tap("Agua y saneamiento"), 1, 6, bill{5, 1, 2}, bill{3, 4, 0}, 1},
		{"Cancel ends the dialogue", say("cancelar"), 1, 0, bill{5, 1, 2}, bill{5, 4, 0}, 1},
		{"a greeting once more", say("Hola"), 2, 3, bill{7, 2, 2}, bill{5, 5, 0}, 1},
		{"a tap, answered with three groups once more", tap("Servicios públicos"), 1, 3, bill{5, 1, 2}, bill{3, 4, 0}, 1},
		{"a tap, answered with ten rows", tap("Calles y espacio público"), 1, 10, bill{7, 1, 2}, bill{3, 4, 0}, 2},
		{"a tap on Following, answered with five rows", tap("Siguiente"), 1, 5, bill{5, 1, 2}, bill{3, 4, 0}, 1},
	} {
		before := len(c.phone.sentTo("acme", citizen))
		in, out, size := c.say(step.content())
		t.Logf("%-50s turn of %4d bytes; taken in for %v; sent for %v", step.why, size, in, out)
		sent := c.phone.sentTo("acme", citizen)[before:]
		if rows := len(sent[len(sent)-1].out.Rows); len(sent) != step.replies || rows != step.rows {
			t.Errorf("%s: %d replies, the last with %d rows, want %d and %d", step.why, len(sent), rows, step.replies, step.rows)
		}
		if in != step.in || out != step.out {
			t.Errorf("%s: taken in for %v, want %v; sent for %v, want %v", step.why, in, step.in, out, step.out)
		}
		if kilobytes := (size + 1023) / 1024; kilobytes != step.kilobytes {
			t.Errorf("%s: a turn of %d bytes", step.why, size)
		}
	}
}

// A status costs a write unit and no send; a failed one is queued as well.
func TestUnitsOfAStatus(t *testing.T) {
	c := newCity(t)
	for _, step := range []struct {
		status desk.Delivery
		want   bill
	}{
		{desk.SentOut, bill{1, 0, 0}}, {desk.Delivered, bill{1, 0, 0}}, {desk.Read, bill{1, 0, 0}}, {desk.Failed, bill{1, 0, 1}},
	} {
		r := desk.Receipt{
			SendID: "4fd4c3b1-6c5c-4b0a-8d8a-" + step.status.String(), MessageID: "wamid.x", Status: step.status,
			Destination: citizen, At: c.clock.Now(), Code: "1002", Reason: "the number is not on WhatsApp",
		}
		if got := c.of(func() { c.deliver("acme", body(channel.Batch{Receipts: []desk.Receipt{r}})) }); got != step.want {
			t.Errorf("%s: %v, want %v", step.status, got, step.want)
		}
	}
}
