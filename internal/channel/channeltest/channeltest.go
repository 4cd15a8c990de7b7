// Package channeltest runs what every provider's tests have in common: golden
// cases, a corpus of malformed bodies, what must hold for every batch, and a client
// that reaches this machine only. Tests alone import it.
package channeltest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Golden parses every name.in.json of dir for the channel in dir/channel.json and
// compares the batch with name.golden.json, which -update writes. Every batch also
// has to hold what Parse checks.
func Golden(t *testing.T, p channel.Provider, dir string) {
	t.Helper()
	var ch desk.Channel
	if err := json.Unmarshal(read(t, filepath.Join(dir, "channel.json")), &ch); err != nil {
		t.Fatal(err)
	}
	inputs, err := filepath.Glob(filepath.Join(dir, "*.in.json"))
	if err != nil || len(inputs) == 0 {
		t.Fatalf("%s: no cases (%v)", dir, err)
	}
	for _, in := range inputs {
		name := strings.TrimSuffix(filepath.Base(in), ".in.json")
		t.Run(name, func(t *testing.T) {
			batch := Parse(t, p, ch, read(t, in))
			got, err := json.MarshalIndent(batch, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := filepath.Join(dir, name+".golden.json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(read(t, golden)), string(got)); diff != "" {
				t.Errorf("-golden +got\n%s", diff)
			}
		})
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Parse is p.Parse with what must hold for every body: the same batch twice, the
// body unchanged and not referred to afterwards, Invariants.
func Parse(t testing.TB, p channel.Provider, ch desk.Channel, body []byte) channel.Batch {
	t.Helper()
	mine := bytes.Clone(body)
	batch := p.Parse(ch, mine)
	if !bytes.Equal(mine, body) {
		t.Error("Parse changed the body")
	}
	for i := range mine {
		mine[i] = 'x'
	}
	if diff := cmp.Diff(p.Parse(ch, bytes.Clone(body)), batch); diff != "" {
		t.Errorf("the batch changes with the body's memory, or between two calls\n%s", diff)
	}
	for _, broken := range Invariants(batch) {
		t.Error(broken)
	}
	return batch
}

// Invariants says what is wrong with a batch whatever its body was: an event
// without id, person, time or state, content that a type must have and has not, a
// time or raw content that cannot be written, fields that are the caller's to set,
// a change that names nobody or holds nothing, a message, receipt or consent in one
// that names no number, or a batch that holds nothing and does not say why.
func Invariants(b channel.Batch) []string {
	var wrong []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	events(check, "", b.Messages, b.Receipts, b.Consents, b.Verdicts)
	for i, c := range b.Changes {
		check(c.Number != "" || c.Account != "", "change %d: names nobody", i)
		check(c.Number != "" || len(c.Messages)+len(c.Receipts)+len(c.Consents) == 0, "change %d: names no number", i)
		check(len(c.Messages)+len(c.Receipts)+len(c.Consents)+len(c.Verdicts) > 0, "change %d: is empty", i)
		events(check, fmt.Sprintf("change %d: ", i), c.Messages, c.Receipts, c.Consents, c.Verdicts)
	}
	for kind, n := range b.Ignored {
		check(kind != "" && n > 0, "ignored %q: %d", kind, n)
	}
	check(Events(b) > 0 || len(b.Ignored) > 0 || b.Rejected != "", "nothing came of it and no reason is given")
	if _, err := json.Marshal(b); err != nil {
		check(false, "cannot be written: %v", err)
	}
	return wrong
}

// events checks the events of a batch or of one of its changes; in says of which.
func events(check func(ok bool, format string, args ...any), in string, messages []desk.Incoming, receipts []desk.Receipt, consents []desk.Consent, verdicts []desk.Verdict) {
	for i, m := range messages {
		check(strings.TrimSpace(m.ProviderID) != "", in+"message %d: no id", i)
		check(strings.TrimSpace(m.Person) != "", in+"message %d: no person", i)
		check(!m.SentAt.IsZero(), in+"message %d: no time", i)
		check(m.Channel == "" && m.ReceivedAt.IsZero() && !m.Late && !m.Unanswered, in+"message %d: sets what is the caller's", i)
		c := m.Content
		switch c.Type {
		case desk.ListReply, desk.ButtonReply:
			check(c.ReplyID != "", in+"message %d: a tap on nothing", i)
		case desk.Image, desk.Video, desk.Audio, desk.File, desk.Sticker:
			check(c.Media != nil && (c.Media.ID != "" || c.Media.URL != ""), in+"message %d: media without a file", i)
		case desk.Location:
			check(c.Place != nil, in+"message %d: a location without a place", i)
		case desk.Contacts, desk.Order, desk.FlowReply, desk.Unsupported:
			check(len(c.Raw) > 0, in+"message %d: nothing kept of a %s", i, c.Type)
		case desk.Text, desk.QuickReply, desk.Reaction:
		default:
			check(false, in+"message %d: type %q", i, c.Type)
		}
		check(len(c.Raw) == 0 || json.Valid(c.Raw), in+"message %d: raw content is no JSON", i)
	}
	for i, r := range receipts {
		check(strings.TrimSpace(r.Key()) != "", in+"receipt %d: no id", i)
		check(r.Status.String() != "", in+"receipt %d: no status", i)
		check(!r.At.IsZero(), in+"receipt %d: no time", i)
		check(!r.Enqueued || r.Destination != "" && r.Status == desk.Accepted, in+"receipt %d: enqueued for nobody", i)
		check(r.Channel == "", in+"receipt %d: sets what is the caller's", i)
	}
	for i, c := range consents {
		check(c.Person != "" && !c.At.IsZero() && c.Channel == "", in+"consent %d: %+v", i, c)
	}
	for i, v := range verdicts {
		check(v.ProviderID != "" && v.Event != "" && v.State != "" && !v.At.IsZero() && v.Channel == "", in+"verdict %d: %+v", i, v)
	}
}

// Events counts what takes effect, in changes too: messages, receipts, consents and
// verdicts.
func Events(b channel.Batch) int {
	n := len(b.Messages) + len(b.Receipts) + len(b.Consents) + len(b.Verdicts)
	for _, c := range b.Changes {
		n += len(c.Messages) + len(c.Receipts) + len(c.Consents) + len(c.Verdicts)
	}
	return n
}

// Local is a client that reaches loopback addresses only.
func Local() *http.Client {
	return &http.Client{Transport: local{&http.Transport{DisableKeepAlives: true}}}
}

type local struct{ next http.RoundTripper }

func (l local) RoundTrip(r *http.Request) (*http.Response, error) {
	if ip := net.ParseIP(r.URL.Hostname()); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("host %s: tests reach this machine only", r.URL.Host)
	}
	return l.next.RoundTrip(r)
}
