package store

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/table/tabletest"
)

// Goals of the message path, in DynamoDB's units (design section 4).
const (
	maxCommitWrite  = 5 // turn and conversation, twice each in a transaction, and the turn's place in the index
	maxCommitRead   = 1 // the conversation, strongly
	maxReceiptWrite = 1
)

// answered is the turn of a usual message: a tap on a list, a list of ten rows
// as the answer, in a conversation with a dialogue.
func answered(conv desk.Conversation, i int) Commit {
	rows := make([]desk.Row, 10)
	for j := range rows {
		rows[j] = desk.Row{ID: fmt.Sprintf("d1-3-%d", j), Title: "Alumbrado"}
	}
	id := TurnID(fmt.Sprint("wamid.HBgNNTQ5MTE1NTU1NTU1NRUCABIYFDNBQUFBQUFBQUFBQUFBQUFBQUFB", i))
	conv.Dialogue = json.RawMessage(`{"d":"01jx0000000000000000000000","s":"service","p":"01jx0000000000000000000001","l":"es","w":0}`)
	conv.LastNumber++
	conv.Unsent = []desk.Unsent{{Turn: id, First: conv.LastNumber, Last: conv.LastNumber}}
	conv.LastMessageAt = noon.Add(time.Duration(i) * time.Minute)
	return Commit{Conversation: conv, Turn: StoredTurn{Turn: desk.Turn{
		ID: id, Conversation: conv.ID, Kind: desk.TurnMessage, At: conv.LastMessageAt, Made: conv.LastMessageAt,
		Message: &desk.Incoming{
			Channel: conv.Channel, ProviderID: "wamid.HBgNNTQ5MTE1NTU1NTU1NRUCABIYFDNBQUFBQUFBQUFBQUFBQUFBQUFB", Person: conv.Person,
			Name: conv.Name, SentAt: noon, ReceivedAt: noon, Content: desk.Content{Type: desk.ListReply, Text: "Servicios públicos", ReplyID: "d1-2-1"},
		},
		Replies: []desk.Reply{{
			Number: conv.LastNumber, ID: Hash("r", id), Status: desk.Queued,
			Outgoing: desk.Outgoing{Type: desk.ReplyText, Text: "¿Para qué servicio? Elija uno de la lista.", Button: "Ver"},
		}},
	}}}
}

func usual() desk.Conversation {
	return desk.Conversation{
		ID: ConversationID("acme-wa", "5491155555555"), Channel: "acme-01jx0000000000000000000000", Person: "5491155555555", Name: "Ana María Pérez",
		Contact: ContactID("whatsapp", "5491155555555"), CreatedAt: noon, StateSince: noon, TimeoutAt: noon.Add(time.Hour), ArmedTimeout: noon.Add(time.Hour),
		Recent: []string{"0123456789", "1123456789", "2123456789", "3123456789"},
	}
}

// commitUnits are the units of the i-th message of a conversation.
func commitUnits(tb testing.TB, n int) (read, write float64) {
	s, _ := openPlain(tb)
	meter := tabletest.Counting(s.Table)
	s.Table = meter
	c := s.In("acme")
	first := answered(usual(), 0)
	must(tb, c.Commit(tb.Context(), first))
	read0, write0 := meter.Units()
	for i := 1; i <= n; i++ {
		conv := got[desk.Conversation](tb)(c.Conversation(tb.Context(), first.Conversation.ID))
		must(tb, c.Commit(tb.Context(), answered(conv, i)))
	}
	read, write = meter.Units()
	return (read - read0) / float64(n), (write - write0) / float64(n)
}

func receiptUnits(tb testing.TB, n int) (read, write float64) {
	s, _ := openPlain(tb)
	meter := tabletest.Counting(s.Table)
	s.Table = meter
	c := s.In("acme")
	for i := range n {
		must(tb, c.SaveReceipt(tb.Context(), desk.Receipt{
			Channel: "acme-01jx0000000000000000000000", SendID: fmt.Sprint("4fd4c3b1-6c5c-4b0a-8d8a-", i/3), Status: desk.SentOut + desk.Delivery(i%3),
			MessageID: "wamid.HBgNNTQ5MTE1NTU1NTU1NRUCABIYFDNBQUFBQUFBQUFBQUFBQUFBQUFB", At: noon, Destination: "5491155555555",
		}))
	}
	read, write = meter.Units()
	return read / float64(n), write / float64(n)
}

func TestUnitsOfTheMessagePath(t *testing.T) {
	if read, write := commitUnits(t, 10); write > maxCommitWrite || read > maxCommitRead {
		t.Errorf("a message with its answer: %.2f write units and %.2f read units", write, read)
	}
	if read, write := receiptUnits(t, 12); write > maxReceiptWrite || read > 0 {
		t.Errorf("a receipt: %.2f write units and %.2f read units", write, read)
	}
}

func BenchmarkCommit(b *testing.B) {
	s, _ := openPlain(b)
	c := s.In("acme")
	conv := usual()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m := answered(conv, i)
		must(b, c.Commit(b.Context(), m))
		conv = m.Conversation
		conv.Version++
	}
	read, write := commitUnits(b, 10)
	b.ReportMetric(read, "RU/op")
	b.ReportMetric(write, "WU/op")
}

func BenchmarkSaveReceipt(b *testing.B) {
	s, _ := openPlain(b)
	c := s.In("acme")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		must(b, c.SaveReceipt(b.Context(), desk.Receipt{Channel: "ch", SendID: fmt.Sprint(i), MessageID: "m", Status: desk.SentOut, At: noon}))
	}
	read, write := receiptUnits(b, 12)
	b.ReportMetric(read, "RU/op")
	b.ReportMetric(write, "WU/op")
}
