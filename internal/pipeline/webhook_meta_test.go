package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/meta/metatest"
	"buzon/internal/crashtest"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/store"
)

func TestHandshake_T10(t *testing.T) {
	v := newTown(t, options{})
	pending := desk.Channel{ID: "acme-pending", Kind: desk.KindWhatsApp, Provider: desk.ProviderMeta, State: desk.ChannelPending}
	must(t, v.store.In("acme").SaveChannel(t.Context(), pending, nil))
	for _, test := range []struct {
		name, channel, token, mode, challenge string
		want                                  int
	}{
		{"the channel's own token", "acme-one", "verify-one", "subscribe", "1158201444", 200},
		{"a channel that is off", "acme-off", "verify-off", "subscribe", "7", 200},
		{"the token of another channel", "acme-one", "verify-two", "subscribe", "7", 403},
		{"no token", "acme-one", "", "subscribe", "7", 403},
		{"another mode", "acme-one", "verify-one", "unsubscribe", "7", 403},
		{"a challenge that is none", "acme-one", "verify-one", "subscribe", "<b>\n", 403},
		{"a pending channel has no credentials", "acme-pending", "", "subscribe", "7", 403},
		{"a channel of another provider", "acme-whatsapp", "verify-one", "subscribe", "7", 403},
		{"an unknown channel", "acme-nobody", "verify-one", "subscribe", "7", 403},
		{"an unknown channel, with the token that it is checked against", "acme-nobody", "nobody has this verify token", "subscribe", "7", 403},
		{"no id of a channel", "one", "verify-one", "subscribe", "7", 403},
	} {
		q := url.Values{"hub.mode": {test.mode}, "hub.challenge": {test.challenge}, "hub.verify_token": {test.token}}
		rec := v.request(http.MethodGet, "/webhooks/whatsapp/"+test.channel+"?"+q.Encode(), nil)
		if rec.Code != test.want {
			t.Errorf("%s: answered %d, want %d", test.name, rec.Code, test.want)
		}
		if rec.Code != http.StatusOK {
			if rec.Body.Len() != 0 || len(rec.Header()) != 0 {
				t.Errorf("%s: told %q with %v", test.name, rec.Body, rec.Header())
			}
			continue
		}
		if rec.Body.String() != test.challenge || rec.Header().Get("Content-Type") != "text/plain; charset=utf-8" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: told %q with %v", test.name, rec.Body, rec.Header())
		}
	}
}

func TestAForgedBodyTellsNothing_T1(t *testing.T) {
	v := newTown(t, options{})
	raw := metatest.Phone{Channel: v.channels["acme one"], Number: "5492"}.Message("wamid.1", v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"})
	refused := map[string]*httptest.ResponseRecorder{
		"another app's secret":                        v.signed("acme-one", appB, raw),
		"an unknown channel":                          v.signed("acme-nobody", appA, raw),
		"no id of a channel":                          v.signed("acme", appA, raw),
		"a channel of another provider":               v.signed("acme-whatsapp", appA, raw),
		"an unknown channel, with the secret it uses": v.signed("acme-nobody", "nobody has this app secret", raw),
		"no signature":                                v.request(http.MethodPost, "/webhooks/whatsapp/acme-one", raw),
		"an empty secret":                             v.signed("acme-one", "", raw),
	}
	for name, rec := range refused {
		if rec.Code != http.StatusUnauthorized || rec.Body.Len() != 0 || len(rec.Header()) != 0 {
			t.Errorf("%s: answered %d %q with %v", name, rec.Code, rec.Body, rec.Header())
		}
	}
	if on, q := v.heardOn("5492"), v.quarantined(); len(on) != 0 || len(q) != 0 {
		t.Errorf("what was forged had effects: %v %v", on, q)
	}
	rec := v.signed("acme-one", appA, raw)
	if rec.Code != http.StatusOK || rec.Body.Len() != 0 {
		t.Errorf("signed: answered %d %q", rec.Code, rec.Body)
	}
	if on := v.heardOn("5492"); !slices.Equal(on, []string{"acme one"}) {
		t.Errorf("signed: heard on %v", on)
	}
}

func TestSignedBodyLimit_T8(t *testing.T) {
	v := newTown(t, options{})
	for _, test := range []struct {
		bytes  int
		secret string
		want   int
	}{
		{pipeline.MaxSignedBody, appA, 200},
		{pipeline.MaxSignedBody, appB, 401},
		{pipeline.MaxSignedBody + 1, appA, 413},
		{pipeline.MaxSignedBody + 1, appB, 413},
	} {
		if rec := v.signed("acme-one", test.secret, bytes.Repeat([]byte(" "), test.bytes)); rec.Code != test.want {
			t.Errorf("%d bytes signed with %s: answered %d, want %d", test.bytes, test.secret, rec.Code, test.want)
		}
	}
	list := v.quarantined()
	if len(list) != 1 || list[0].Reason != channel.RejectNotJSON {
		t.Fatalf("kept %+v", list)
	}
	// It is replayed whole, and is held again.
	v.replay("acme", list[0].ID)
	must(t, v.driver.Drain(100))
	if list = v.quarantined(); len(list) != 1 || list[0].Times != 2 || list[0].State != desk.Held {
		t.Errorf("after a replay: %+v", list)
	}
}

func TestWhatCannotBeCheckedComesAgain_T11(t *testing.T) {
	v := newTown(t, options{})
	raw := metatest.Phone{Channel: v.channels["acme one"], Number: "5492"}.Message("wamid.1", v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"})
	v.vault.broken = errors.New("no connection")
	get := v.request(http.MethodGet, "/webhooks/whatsapp/acme-one?hub.mode=subscribe&hub.challenge=7&hub.verify_token=verify-one", nil)
	if post := v.signed("acme-one", appA, raw); post.Code != http.StatusServiceUnavailable || post.Header().Get("Retry-After") == "" || get.Code != http.StatusServiceUnavailable {
		t.Errorf("answered %d with %v, and %d", post.Code, post.Header(), get.Code)
	}
	v.vault.broken = nil
	if rec := v.signed("acme-one", appA, raw); rec.Code != http.StatusOK {
		t.Errorf("then answered %d", rec.Code)
	}
}

func TestNewCredentialsCountAtOnce(t *testing.T) {
	v := newTown(t, options{})
	raw := metatest.Phone{Channel: v.channels["acme one"], Number: "5492"}.Message("wamid.1", v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"})
	post := func(secret string) int { return v.signed("acme-one", secret, raw).Code }
	if got := post(appA); got != 200 {
		t.Fatalf("answered %d", got)
	}
	before := v.vault.reads
	if post(appA); v.vault.reads != before {
		t.Errorf("the credentials were read again at once")
	}
	number := v.channels["acme one"].PhoneNumberID
	v.rotate(v.store, "acme one", "second", appB, number)
	if old, now := post(appA), post(appB); old != 401 || now != 200 {
		t.Errorf("the old secret: %d, the new one: %d", old, now)
	}
	// As another process sees it, which has read the old ones.
	v.rotate(v.plainStore(), "acme one", "third", appA, number)
	v.clock.Advance(v.store.CacheFor - time.Second)
	if old := post(appB); old != 200 {
		t.Errorf("what is kept was forgotten early: %d", old)
	}
	v.clock.Advance(time.Second)
	if old, now := post(appB), post(appA); old != 401 || now != 200 {
		t.Errorf("after %v the old secret: %d, the new one: %d", v.store.CacheFor, old, now)
	}
	must(t, v.vault.Put(t.Context(), v.store.In("acme").CredentialsName(v.channels["acme one"]), "not json"))
	v.clock.Advance(v.store.CacheFor)
	if got := post(appA); got != 401 {
		t.Errorf("with credentials that cannot be read: %d", got)
	}
}

// rotate gives a Meta channel other credentials and another number, as the API does with that store: under
// a new name, which the channel then publishes; at last the old ones are removed.
func (v *town) rotate(s *store.Store, name, under, secret, number string) {
	v.t.Helper()
	ctx, c := context.Background(), s.In("acme")
	was, err := c.FreshChannel(ctx, v.channels[name].ID)
	must(v.t, err)
	is := was
	is.Credentials, is.MetaApp, is.PhoneNumberID = under, store.Hash(secret), number
	v.vault.keep(c.CredentialsName(is), channel.Credentials{AccessToken: "t", AppSecret: secret})
	must(v.t, c.ConnectChannel(ctx, was, is, nil))
	must(v.t, v.vault.Delete(ctx, c.CredentialsName(was)))
	is.Version++
	v.channels[name] = is
}

// TestWhoHasTheOldRowFindsTheNewCredentials: those that another process has removed are
// no reason to refuse, nor to route by the app that they were of.
func TestWhoHasTheOldRowFindsTheNewCredentials(t *testing.T) {
	v := newTown(t, options{})
	for _, name := range []string{"acme one", "acme two"} { // this process has read the rows, not the credentials
		_, err := v.store.In("acme").Channel(t.Context(), v.channels[name].ID)
		must(t, err)
	}
	v.rotate(v.plainStore(), "acme one", "second", appB, "7")
	v.rotate(v.plainStore(), "acme one", "third", "app-secret-c", "8")
	raw := metatest.Phone{Channel: v.channels["acme one"], Number: "5492"}.Message("wamid.1", v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"})
	for i, secret := range []string{"app-secret-c", appA, appB} {
		if got, want := v.signed("acme-one", secret, raw).Code, []int{200, 401, 401}[i]; got != want {
			t.Errorf("signed with %s: answered %d, want %d", secret, got, want)
		}
	}
	if on := v.heardOn("5492"); !slices.Equal(on, []string{"acme one"}) {
		t.Errorf("heard on %v; kept %+v", on, v.quarantined())
	}
}

func TestAMetaChannelThatIsOffIsRecorded(t *testing.T) {
	v := newTown(t, options{})
	for i, name := range []string{"acme off", "acme gone"} {
		ch := v.channels[name]
		person := fmt.Sprint("549", i)
		raw := metatest.Phone{Channel: ch, Number: person}.Message("wamid.1", v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"})
		if rec := v.signed(ch.ID, appA, raw); rec.Code != http.StatusOK {
			t.Errorf("%s: answered %d", name, rec.Code)
		}
		if on := v.heardOn(person); !slices.Equal(on, []string{name}) {
			t.Errorf("%s: heard on %v", name, on)
		}
		turns := v.turns("acme", store.ConversationID(ch.ID, person))
		if len(turns) != 1 || turns[0].Note != "channel_inactive" || len(turns[0].Replies) != 0 {
			t.Errorf("%s: %+v", name, turns)
		}
	}
	// The number of the deleted one is given to another of the same app: it is heard there.
	gone := v.channels["acme gone"]
	heir := desk.Channel{ID: "acme-heir", Kind: desk.KindWhatsApp, Provider: desk.ProviderMeta, State: desk.ChannelActive,
		PhoneNumberID: gone.PhoneNumberID, MetaApp: gone.MetaApp}
	must(t, v.store.In("acme").ConnectChannel(t.Context(), desk.Channel{}, heir, nil))
	v.channels["acme heir"] = heir
	raw := metatest.Phone{Channel: gone, Number: "5499"}.Message("wamid.2", v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"})
	v.signed(gone.ID, appA, raw)
	if on := v.heardOn("5499"); !slices.Equal(on, []string{"acme heir"}) {
		t.Errorf("the heir's number was heard on %v", on)
	}
}

func TestSignedBodyCrashesAnywhere_R1_T11(t *testing.T) {
	crashtest.Each(t, nil, func(t *testing.T, p *crashtest.Plan) string {
		faults := p.Faults
		p.Faults = nil
		v := newTown(t, options{plan: p})
		p.Faults = faults
		one, two := v.channels["acme one"], v.channels["acme two"]
		raw := metatest.Batch(
			metatest.Phone{Channel: one, Number: "5491"}.Message("wamid.1", v.clock.Now(), desk.Content{Type: desk.Sticker, Media: &desk.Media{ID: "m"}}),
			metatest.Status{Kind: "failed", MessageID: "wamid.2", Destination: "5491", At: v.clock.Now(), Code: 131026}.Body(two),
			metatest.Template(one, desk.Verdict{ProviderID: "501", Event: "status-update", State: "paused", Name: "x", Language: "es", At: v.clock.Now()}),
			metatest.Phone{Channel: v.channels["acme other"], Number: "5491"}.Message("wamid.3", v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"}),
		)
		for range 10 {
			if v.postTo("acme one", raw) == http.StatusOK {
				break
			}
		}
		on := v.heardOn("5491")
		delivered := v.deliveredOn("wamid.2")
		_, verdicts := v.verdicts()
		var told []string
		for _, e := range verdicts {
			told = append(told, e.Verdict.Channel+" "+e.Verdict.State)
		}
		return fmt.Sprint(on, len(v.turns("acme", store.ConversationID(one.ID, "5491"))), delivered, told, len(v.heldIn("acme")))
	})
}

// FuzzMetaAddress: whoever does not have a channel's secrets gets nothing done and
// learns nothing, whatever they ask; who has them gets every body answered.
func FuzzMetaAddress(f *testing.F) {
	v := newTown(f, options{})
	good := metatest.Phone{Channel: v.channels["acme one"], Number: "5492"}.Message("wamid.1", v.clock.Now(), desk.Content{Type: desk.Text, Text: "hola"})
	f.Add("acme-one", "hub.mode=subscribe&hub.challenge=7&hub.verify_token=verify-two", "sha256=00", good)
	f.Add("acme-nobody", "hub.verify_token=a&hub.verify_token=b", metatest.Sign(appB, good).Get("X-Hub-Signature-256"), []byte("{"))
	f.Add("../acme-one", "%zz", "", []byte{})
	f.Fuzz(func(t *testing.T, id, query, signature string, raw []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		path := "/webhooks/whatsapp/" + url.PathEscape(id)
		forged := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(raw))
		forged.Header.Set("X-Hub-Signature-256", signature)
		ask := httptest.NewRequest(http.MethodGet, path, nil)
		ask.URL.RawQuery = query
		for _, r := range []*http.Request{forged, ask} {
			rec := httptest.NewRecorder()
			v.mux.ServeHTTP(rec, r)
			has := strings.HasPrefix(r.URL.Query().Get("hub.verify_token"), "verify-")
			for _, s := range []string{appA, appB} {
				has = has || r.Method == http.MethodPost && signature == metatest.Sign(s, raw).Get("X-Hub-Signature-256")
			}
			if rec.Code < 300 && !has {
				t.Errorf("%s: answered %d %q", r.Method, rec.Code, rec.Body)
			}
		}
		if rec := v.signed("acme-one", appA, raw); rec.Code != http.StatusOK && rec.Code != http.StatusRequestEntityTooLarge || rec.Body.Len() != 0 {
			t.Errorf("signed: answered %d %q", rec.Code, rec.Body)
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
