package desk

import (
	"encoding/json"
	"testing"
	"time"
)

func TestT6DigestComparesWhatWasSaid(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	text := Incoming{
		Channel: "acme-wa", ProviderID: "wamid.1", Person: "5491", Name: "Ana", SentAt: at, ReceivedAt: at,
		Content: Content{Type: Text, Text: "hola"},
	}
	picture := text
	picture.Content = Content{Type: Image, Text: "foto", Media: &Media{ID: "m1", URL: "https://a/1", Type: "image/jpeg", Name: "a.jpg"}}
	tap := text
	tap.Content = Content{Type: ListReply, Text: "Alumbrado", ReplyID: "row-1"}
	quick := text
	quick.Content = Content{Type: QuickReply, Text: "Sí", ReplyID: "payload"}

	for _, c := range []struct {
		why    string
		of     Incoming
		change func(*Incoming)
		same   bool
	}{
		{"the same again", text, func(*Incoming) {}, true},
		{"the v3 copy has another name", text, func(m *Incoming) { m.Name = "Ana María" }, true},
		{"no name at all", text, func(m *Incoming) { m.Name = "" }, true},
		{"another time of the provider", text, func(m *Incoming) { m.SentAt = at.Add(time.Second) }, true},
		{"received later", text, func(m *Incoming) { m.ReceivedAt = at.Add(time.Hour) }, true},
		{"by then late", text, func(m *Incoming) { m.Late = true }, true},
		{"by then the channel was off", text, func(m *Incoming) { m.Unanswered = true }, true},
		{"another link to the same file", picture, func(m *Incoming) { m.Content.Media = &Media{ID: "m1", URL: "https://b/2", Expires: at} }, true},
		{"the file has another name and type", picture, func(m *Incoming) {
			m.Content.Media = &Media{ID: "m1", URL: "https://a/1", Type: "image/jpeg; x=1", Name: "b.jpg"}
		}, true},
		{"raw content comes in another order", text, func(m *Incoming) { m.Content.Raw = json.RawMessage(`{"b":1}`) }, true},
		{"what it answers is not in every copy", text, func(m *Incoming) { m.Content.Quoted = "wamid.0" }, true},
		{"a template button's payload is not in every copy", quick, func(m *Incoming) { m.Content.ReplyID = "" }, true},
		{"another text", text, func(m *Incoming) { m.Content.Text = "hola." }, false},
		{"another person", text, func(m *Incoming) { m.Person = "5492" }, false},
		{"another kind", text, func(m *Incoming) { m.Content.Type = ButtonReply }, false},
		{"another file", picture, func(m *Incoming) { m.Content.Media = &Media{ID: "m2", URL: "https://a/1"} }, false},
		{"no file any more", picture, func(m *Incoming) { m.Content.Media = nil }, false},
		{"another caption", picture, func(m *Incoming) { m.Content.Text = "otra" }, false},
		{"another row of a list", tap, func(m *Incoming) { m.Content.ReplyID = "row-2" }, false},
		{"another title on a template's button", quick, func(m *Incoming) { m.Content.Text = "No" }, false},
		{"the same letters, cut between other fields", text, func(m *Incoming) { m.Person, m.Content.Text = "5491h", "ola" }, false},
	} {
		other := c.of
		c.change(&other)
		if got := other.Digest() == c.of.Digest(); got != c.same {
			t.Errorf("%s: same is %t", c.why, got)
		}
		if got := other.Content.Same(c.of.Content) && other.Person == c.of.Person; got != c.same {
			t.Errorf("%s: the same content is %t", c.why, got)
		}
	}
	if n := len(text.Digest()); n != 64 {
		t.Errorf("digest of %d characters", n)
	}
}

// The queue knows a message again by its digest: a change of its making would let
// those through twice that come again meanwhile.
func TestDigestStaysAsItIs(t *testing.T) {
	m := Incoming{Person: "5491", Content: Content{Type: ListReply, Text: "hola", ReplyID: "r", Media: &Media{ID: "m"}}}
	// sha256 of ["list_reply","5491","hola","r","m"]
	if got, want := m.Digest(), "97bc4d679cc525b832c6d9e90a4eb780a02065a1ec8bade94f5ba0d06ee7306e"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDeliveryOnlyGrows(t *testing.T) {
	order := []struct {
		d    Delivery
		name string
	}{{Queued, "queued"}, {Accepted, "accepted"}, {SentOut, "sent"}, {Failed, "failed"}, {Delivered, "delivered"}, {Read, "read"}}
	for i, o := range order {
		if int(o.d) != i+1 {
			t.Errorf("%s is stored as %d: the numbers lie in the table", o.name, o.d)
		}
		if o.d.String() != o.name {
			t.Errorf("%d: %q, want %q", int(o.d), o.d, o.name)
		}
	}
	for _, d := range []Delivery{-1, 0, Read + 1, 1 << 40} {
		if d.String() != "" {
			t.Errorf("%d: %q", int(d), d)
		}
	}
}

func TestReceiptKeyPrefersOurReference(t *testing.T) {
	for _, c := range []struct {
		why  string
		r    Receipt
		want string
	}{
		{"our own reference if the provider returns it", Receipt{Ref: "r", SendID: "s", MessageID: "m"}, "r"},
		{"else its id for the send", Receipt{SendID: "s", MessageID: "m"}, "s"},
		{"else the message id", Receipt{MessageID: "m"}, "m"},
		{"a receipt of nothing", Receipt{}, ""},
	} {
		if got := c.r.Key(); got != c.want {
			t.Errorf("%s: %q", c.why, got)
		}
	}
}
