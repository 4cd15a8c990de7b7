package channeltest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/channeltest"
	"buzon/internal/desk"
)

func TestInvariantsSeeEveryFault(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	good := desk.Incoming{ProviderID: "m", Person: "49", SentAt: at, Content: desk.Content{Type: desk.Text, Text: "x"}}
	message := func(change func(*desk.Incoming)) channel.Batch {
		m := good
		change(&m)
		return channel.Batch{Messages: []desk.Incoming{m}}
	}
	tests := []struct {
		why   string
		batch channel.Batch
		want  string // part of the complaint; empty: none
	}{
		{"a good message", message(func(*desk.Incoming) {}), ""},
		{"a refusal alone", channel.Batch{Rejected: channel.RejectNotJSON}, ""},
		{"a ping alone", channel.Batch{Ignored: map[string]int{"ping": 1}}, ""},
		{"nothing at all", channel.Batch{}, "no reason"},
		{"no id", message(func(m *desk.Incoming) { m.ProviderID = " " }), "no id"},
		{"no person", message(func(m *desk.Incoming) { m.Person = "" }), "no person"},
		{"no time", message(func(m *desk.Incoming) { m.SentAt = time.Time{} }), "no time"},
		{"a time that JSON cannot hold", message(func(m *desk.Incoming) { m.SentAt = time.Unix(1<<40, 0) }), "cannot be written"},
		{"a set channel", message(func(m *desk.Incoming) { m.Channel = "c" }), "caller's"},
		{"a type of its own", message(func(m *desk.Incoming) { m.Content.Type = "fax" }), "fax"},
		{"a tap on nothing", message(func(m *desk.Incoming) { m.Content.Type = desk.ListReply }), "tap"},
		{"media without a file", message(func(m *desk.Incoming) { m.Content.Type = desk.Image }), "file"},
		{"broken raw content", message(func(m *desk.Incoming) { m.Content.Raw = json.RawMessage("{") }), "no JSON"},
		{"a receipt without ids", channel.Batch{Receipts: []desk.Receipt{{Status: desk.Read, At: at}}}, "no id"},
		{"an enqueued one without destination", channel.Batch{Receipts: []desk.Receipt{{SendID: "s", Status: desk.Accepted, Enqueued: true, At: at}}}, "nobody"},
		{"a consent of nobody", channel.Batch{Consents: []desk.Consent{{At: at}}}, "consent"},
		{"a good message in a change", channel.Batch{Changes: []channel.Change{{Number: "1", Messages: []desk.Incoming{good}}}}, ""},
		{"a change that names nobody", channel.Batch{Changes: []channel.Change{{Messages: []desk.Incoming{good}}}}, "change 0: names nobody"},
		{"a message for an account", channel.Batch{Changes: []channel.Change{{Account: "1", Messages: []desk.Incoming{good}}}}, "change 0: names no number"},
		{"a change without events", channel.Batch{Rejected: "x", Changes: []channel.Change{{Number: "1"}}}, "change 0: is empty"},
		{"a message without id in a change", channel.Batch{Changes: []channel.Change{{Number: "1", Messages: []desk.Incoming{{Person: "49", SentAt: at, Content: good.Content}}}}}, "change 0: message 0: no id"},
		{"a verdict without state", channel.Batch{Verdicts: []desk.Verdict{{ProviderID: "t", Event: "status-update", At: at}}}, "verdict"},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			got := strings.Join(channeltest.Invariants(tc.batch), "; ")
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("complains of %q, want %q", got, tc.want)
			}
		})
	}
}

func TestEventsCountsThoseOfChangesToo(t *testing.T) {
	b := channel.Batch{
		Messages: make([]desk.Incoming, 2),
		Changes:  []channel.Change{{Receipts: make([]desk.Receipt, 3)}, {Consents: make([]desk.Consent, 1), Verdicts: make([]desk.Verdict, 1)}},
	}
	if n := channeltest.Events(b); n != 7 {
		t.Errorf("%d events, want 7", n)
	}
}

func TestMalformedBreaksOneThing(t *testing.T) {
	good := `{"id":"a","list":[{"n":1}]}`
	got := map[string]string{}
	for _, c := range channeltest.Malformed([]byte(good)) {
		got[c.String()] = string(c.Body)
	}
	for name, want := range map[string]string{
		"drop id":                `{"list":[{"n":1}]}`,
		"null list.0.n":          `{"id":"a","list":[{"n":null}]}`,
		"drop list.0":            `{"id":"a","list":[]}`,
		"twice list.0.n":         `{"id":"a","list":[{"n":1,"n":1}]}`,
		"variant id":             `{"id":"a","ID":"a","list":[{"n":1}]}`,
		`retype to {"a":1} list`: `{"id":"a","list":{"a":1}}`,
		"a second document ":     good + good,
	} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
}

func TestLocalStaysHere(t *testing.T) {
	for _, url := range []string{"http://example.com/", "http://10.0.0.1/", "http://169.254.169.254/", "http://localhost.example/"} {
		resp, err := channeltest.Local().Get(url)
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s was reached", url)
		} else if !strings.Contains(err.Error(), "this machine only") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
