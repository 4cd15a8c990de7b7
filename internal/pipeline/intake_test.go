package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/channel/meta/metatest"
	"buzon/internal/desk"
	"buzon/internal/store"
	"buzon/internal/table"
)

// reaches says on which channel a body has its effects that is posted to one and
// names another: on the one it names, if that is the same, or of the same company
// and the same Meta app, which signs for both; else nowhere.
func (v *town) reaches(from, to string) bool {
	a, b := v.channels[from], v.channels[to]
	tenantA, _ := store.TenantOf(a.ID)
	tenantB, _ := store.TenantOf(b.ID)
	meta := a.Provider == desk.ProviderMeta && b.Provider == desk.ProviderMeta
	return from == to || meta && tenantA == tenantB && a.MetaApp == b.MetaApp && !b.Deleted
}

// postTo posts a body to a channel's own address, with its own secret.
func (v *town) postTo(name string, raw []byte) int {
	ch := v.channels[name]
	if ch.Provider == desk.ProviderMeta {
		return v.signed(ch.ID, secretOf[name], raw).Code
	}
	return v.request(http.MethodPost, "/webhooks/gupshup/"+ch.ID+"/"+secret, raw).Code
}

// TestMatrix_T5: every channel's address gets, rightly signed, what names every
// channel, as a message, as a status and as a verdict on a template.
func TestMatrix_T5(t *testing.T) {
	v := newTown(t, options{})
	names := slices.Sorted(maps.Keys(v.channels))
	n := 0
	for _, from := range names {
		for _, to := range names {
			n++
			target, id, person := v.channels[to], fmt.Sprintf("wamid.%d", n), fmt.Sprint(549000+n)
			tenant, _ := store.TenantOf(v.channels[from].ID)
			at := v.clock.Now()
			message := metatest.Phone{Channel: target, Number: person}.Message(id, at, desk.Content{Type: desk.Text, Text: "hola"})
			status := metatest.Status{Kind: "delivered", MessageID: id, Destination: person, At: at}.Body(target)
			if v.channels[from].Provider == desk.ProviderGupshup {
				message = gupshuptest.Phone{Channel: target, Number: person}.V3(id, at, gupshuptest.Text("hola"))
				status = gupshuptest.V3Status(target, gupshuptest.Status{Kind: "delivered", MessageID: id, SendID: id, Destination: person, At: at})
			}
			for _, raw := range [][]byte{message, status} {
				if code := v.postTo(from, raw); code != http.StatusOK {
					t.Errorf("%s names %s: answered %d", from, to, code)
				}
			}
			var want []string
			if v.reaches(from, to) {
				want = []string{to}
			}
			if got := v.heardOn(person); !slices.Equal(got, want) {
				t.Errorf("%s names %s: heard on %v, want %v", from, to, got, want)
			}
			if got := v.deliveredOn(id); !slices.Equal(got, want) {
				t.Errorf("%s names %s: delivered on %v, want %v", from, to, got, want)
			}
			for _, raw := range [][]byte{message, status} {
				q, err := v.plainStore().In(tenant).Quarantined(t.Context(), store.BodyID(raw))
				if kept := err == nil; kept == v.reaches(from, to) || kept && (q.Reason != channel.RejectOtherApp || q.Channel != v.channels[from].ID) {
					t.Errorf("%s names %s: quarantined for %q of %q, %v", from, to, q.Reason, q.Channel, err)
				}
			}
			if secretOf[from] != "" && secretOf[to] != "" && secretOf[from] != secretOf[to] {
				if code := v.signed(v.channels[from].ID, secretOf[to], message).Code; code != http.StatusUnauthorized {
					t.Errorf("%s with the secret of %s: answered %d", from, to, code)
				}
			}
		}
	}
}

func (v *town) heldIn(tenant string) []desk.Quarantined {
	v.t.Helper()
	list, _, err := v.plainStore().In(tenant).QuarantineList(context.Background(), "", 100, "")
	must(v.t, err)
	return list
}

// deliveredOn tells on which channels a status of a message is known.
func (v *town) deliveredOn(id string) (names []string) {
	v.t.Helper()
	for name, ch := range v.channels {
		tenant, _ := store.TenantOf(ch.ID)
		got, err := v.plainStore().In(tenant).Deliveries(context.Background(), ch.ID, []string{id})
		must(v.t, err)
		if len(got) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// A verdict of Meta's names an account alone: it goes to the channel of that account,
// of the app that signs, which has the template, or else may have it.
func TestVerdictsOfAnAccount_T5(t *testing.T) {
	v := newTown(t, options{})
	c := v.store.In("acme")
	for _, tpl := range []desk.Template{
		{ID: "t1", Channel: "acme-one", ProviderID: "501", Name: "a"},
		{ID: "t2", Channel: "acme-two", ProviderID: "502", Name: "b"},
		{ID: "t3", Channel: "acme-other", ProviderID: "503", Name: "c"},
		{ID: "t4", Channel: "acme-two", Name: "d"},
		{ID: "t5", Channel: "acme-two", Name: "under_way", Language: "es", Submission: &desk.Submission{Attempts: 1, Lease: &desk.Lease{}}},
		{ID: "t6", Channel: "acme-two", Name: "done", Language: "es", Submission: &desk.Submission{Done: true}},
		{ID: "t7", Channel: "acme-off", Name: "of_who_is_off", Language: "es", Submission: &desk.Submission{Unknown: true}},
		{ID: "t8", Channel: "acme-other", Name: "of_another_app", Language: "es", Submission: &desk.Submission{Unknown: true}},
		{ID: "t9", Channel: "acme-off", ProviderID: "509", Name: "e"},
	} {
		must(t, c.SaveTemplate(t.Context(), tpl, nil))
	}
	for _, test := range []struct {
		name, from, account, template, called, language, want string
	}{
		{"to the app's address, of its first channel", "acme one", "waba-acme", "501", "x", "es", "acme-one"},
		{"to the app's address, of its second channel", "acme one", "waba-acme", "502", "x", "es", "acme-two"},
		{"to a deleted channel's address, which is the app's", "acme gone", "waba-acme", "502", "x", "es", "acme-two"},
		{"of a channel that is off", "acme one", "waba-acme", "509", "x", "es", "acme-off"},
		{"of nobody's template: the first channel of the account that is in use", "acme two", "waba-acme", "599", "x", "es", "acme-one"},
		{"of a request that is under way", "acme one", "waba-acme", "599", "under_way", "es", "acme-two"},
		{"of one in no language that it says", "acme one", "waba-acme", "599", "under_way", "", "acme-two"},
		{"of one in another language", "acme one", "waba-acme", "599", "under_way", "en", "acme-one"},
		{"of a request that is done", "acme one", "waba-acme", "599", "done", "es", "acme-one"},
		{"of a request of a channel that is off", "acme one", "waba-acme", "599", "of_who_is_off", "es", "acme-one"},
		{"of a request of a channel of another app", "acme one", "waba-acme", "599", "of_another_app", "es", "acme-one"},
		{"of a channel of another app in the same account", "acme one", "waba-acme", "503", "x", "es", "acme-one"},
		{"the other app's own", "acme other", "waba-acme", "503", "x", "es", "acme-other"},
		{"of another company's account", "acme one", "waba-bolt", "501", "x", "es", ""},
		{"another company signs with the same secret", "bolt one", "waba-acme", "501", "x", "es", ""},
		{"of no account that we know", "acme one", "waba-none", "501", "x", "es", ""},
	} {
		v.clock.Advance(time.Minute)
		at := v.clock.Now()
		raw := metatest.Template(desk.Channel{AccountID: test.account}, desk.Verdict{ProviderID: test.template, Event: "status-update", State: "paused", Name: test.called, Language: test.language, At: at})
		if code := v.postTo(test.from, raw); code != http.StatusOK {
			t.Errorf("%s: answered %d", test.name, code)
		}
		records, events := v.verdicts()
		if test.want == "" {
			if len(events) != 0 {
				t.Errorf("%s: told %+v", test.name, events)
			}
			continue
		}
		if len(events) != 1 || events[0].Verdict.Channel != test.want || events[0].Verdict.ProviderID != test.template || !events[0].Verdict.ReceivedAt.Equal(at) {
			t.Errorf("%s: told %+v, want %s", test.name, events, test.want)
			continue
		}
		if records[0].Group != store.ApprovalGroup("acme", test.want) {
			t.Errorf("%s: in group %s", test.name, records[0].Group)
		}
	}
}

// However many verdicts a body holds, what they are about is looked up once, before
// the provider's patience ends.
func TestManyVerdictsAreLookedUpOnce_R1(t *testing.T) {
	v := newTown(t, options{})
	ch := v.channels["acme one"]
	must(t, v.store.In("acme").SaveTemplate(t.Context(), desk.Template{ID: "t1", Channel: "acme-two", ProviderID: "500", Name: "a"}, nil))
	for _, n := range []int{1, 500} {
		var all [][]byte
		for i := range n {
			all = append(all, metatest.Template(ch, desk.Verdict{ProviderID: fmt.Sprint(500 + i), Event: "quality-update", State: "green", At: v.clock.Now()}))
		}
		raw := metatest.Batch(all...)
		v.postTo("acme one", raw) // what is kept of channels and accounts is read
		v.verdicts()
		v.clock.Advance(10 * time.Minute) // the queue forgets, and so does what is kept
		v.postTo("acme two", metatest.Status{Kind: "sent", MessageID: "wamid", Destination: "5492", At: v.clock.Now()}.Body(ch))
		counted := &readings{Table: v.store.Table}
		v.store.Table = counted
		code := v.postTo("acme one", raw)
		v.store.Table = counted.Table
		_, told := v.verdicts()
		for _, e := range told {
			if known := e.Verdict.ProviderID == "500"; known != (e.Verdict.Channel == "acme-two") {
				t.Errorf("%d verdicts: of %s: told %s", n, e.Verdict.ProviderID, e.Verdict.Channel)
			}
		}
		if code != http.StatusOK || len(told) != n {
			t.Errorf("%d verdicts: answered %d, %d told", n, code, len(told))
		}
		if got := counted.templates.Load(); got != 1 {
			t.Errorf("%d verdicts: the templates were read %d times", n, got)
		}
		if got := counted.all.Load(); got > 10 {
			t.Errorf("%d verdicts: %d readings", n, got)
		}
	}
}

// readings is a table that counts what is read of it.
type readings struct {
	table.Table
	all, templates atomic.Int64
}

func (r *readings) Query(ctx context.Context, q table.Q) (table.Page, error) {
	r.all.Add(1)
	if strings.HasSuffix(q.PK, "#TEMPLATES") {
		r.templates.Add(1)
	}
	return r.Table.Query(ctx, q)
}

func (r *readings) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	r.all.Add(1)
	return r.Table.Get(ctx, keys...)
}

func TestSeveralVerdictsOfOneBodyAreAllTold(t *testing.T) {
	v := newTown(t, options{})
	ch := v.channels["acme other"]
	verdict := func(state string) []byte {
		return metatest.Template(ch, desk.Verdict{ProviderID: "501", Event: "status-update", State: state, Name: "x", Language: "es", At: v.clock.Now()})
	}
	raw := metatest.Batch(verdict("paused"), verdict("disabled"), verdict("paused"))
	for range 2 {
		v.postTo("acme other", raw)
	}
	_, events := v.verdicts()
	var states []string
	for _, e := range events {
		states = append(states, e.Verdict.State)
	}
	if !slices.Equal(states, []string{"paused", "disabled"}) {
		t.Errorf("told %v", states)
	}
}

// What a body holds for our channels counts, whatever else it holds; that is kept
// once, and takes effect when it is replayed and the number has become ours.
func TestAMixedBody_T5(t *testing.T) {
	v := newTown(t, options{})
	say := func(ch desk.Channel, person, id string) []byte {
		return metatest.Phone{Channel: ch, Number: person}.Message(id, v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"})
	}
	stranger := desk.Channel{ID: "acme-later", AccountID: "waba-acme", Identifier: "573000000777", PhoneNumberID: "777"}
	raw := metatest.Batch(say(v.channels["acme one"], "5491", "wamid.1"), say(stranger, "5492", "wamid.2"),
		say(v.channels["bolt one"], "5493", "wamid.3"), say(v.channels["acme two"], "5494", "wamid.4"))
	for range 3 {
		if code := v.postTo("acme one", raw); code != http.StatusOK {
			t.Fatalf("answered %d", code)
		}
	}
	heard := func() map[string][]string {
		return map[string][]string{"5491": v.heardOn("5491"), "5492": v.heardOn("5492"), "5493": v.heardOn("5493"), "5494": v.heardOn("5494")}
	}
	want := map[string][]string{"5491": {"acme one"}, "5492": nil, "5493": nil, "5494": {"acme two"}}
	if got := heard(); !reflect.DeepEqual(got, want) {
		t.Errorf("heard on %v, want %v", got, want)
	}
	list := v.heldIn("acme")
	if len(list) != 1 || list[0].Times != 3 || list[0].Reason != channel.RejectOtherApp || list[0].ID != store.BodyID(raw) {
		t.Fatalf("kept %+v", list)
	}
	stranger.Kind, stranger.Provider, stranger.State, stranger.MetaApp = desk.KindWhatsApp, desk.ProviderMeta, desk.ChannelActive, store.Hash(appA)
	must(t, v.store.In("acme").ConnectChannel(t.Context(), desk.Channel{}, stranger, nil))
	v.channels["acme later"] = stranger
	v.replay("acme", list[0].ID)
	want["5492"] = []string{"acme later"}
	if got := heard(); !reflect.DeepEqual(got, want) {
		t.Errorf("after the replay heard on %v, want %v", got, want)
	}
	if turns := v.turns("acme", store.ConversationID("acme-one", "5491")); len(turns) != 1 {
		t.Errorf("the replay made %d turns of one message", len(turns))
	}
}

// Events that belong to one number and name only an account with several are nobody's.
func TestAnAccountIsNoNumber_T5(t *testing.T) {
	v := newTown(t, options{})
	raw := body(channel.Batch{Changes: []channel.Change{{Account: "waba-acme", Messages: []desk.Incoming{{
		ProviderID: "wamid.1", Person: "5491", SentAt: v.clock.Now(), Content: desk.Content{Type: desk.Text, Text: "hola"},
	}}}}})
	v.webhook.Providers[desk.ProviderMeta] = plainSigned{v.webhook.Providers[desk.ProviderMeta].(channel.Signed), v.phone}
	v.postTo("acme one", raw)
	if on, held := v.heardOn("5491"), v.heldIn("acme"); len(on) != 0 || len(held) != 1 || held[0].Reason != channel.RejectOtherApp {
		t.Errorf("heard on %v, kept %+v", on, held)
	}
	v.clock.Advance(time.Hour)
	raw = []byte(strings.ReplaceAll(string(raw), "waba-acme", "waba-bolt"))
	v.postTo("bolt one", raw)
	if on := v.heardOn("5491"); !slices.Equal(on, []string{"bolt one"}) {
		t.Errorf("an account with one number: heard on %v", on)
	}
}

// plainSigned reads a channel.Batch as JSON, signed as Meta does.
type plainSigned struct {
	channel.Signed
	phone *phone
}

func (p plainSigned) Parse(ch desk.Channel, body []byte) channel.Batch {
	return p.phone.Parse(ch, body)
}
