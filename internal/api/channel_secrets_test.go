package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// kept is what the secret store has of a channel by its row; "none" if nothing.
func (w *world) kept(id string) string {
	w.t.Helper()
	text, err := w.secrets.Get(context.Background(), w.demo.CredentialsName(must(w.demo.FreshChannel(context.Background(), id))))
	if errors.Is(err, fault.NotFound) {
		return "none"
	}
	check(w.t, err)
	return text
}

// secretsOf names all that the secret store has of a channel.
func (w *world) secretsOf(id string) []string {
	w.t.Helper()
	var sealed map[string]json.RawMessage
	check(w.t, json.Unmarshal(must(os.ReadFile(w.secretsFile)), &sealed))
	var names []string
	for name := range sealed {
		if strings.HasPrefix(name, w.demo.CredentialsName(desk.Channel{ID: id})) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// sound: the credentials of a channel are there and those of its row, and whatever else
// is kept of it is listed.
func (w *world) sound(id string) error {
	ctx := context.Background()
	ch := must(w.demo.FreshChannel(ctx, id))
	var creds channel.Credentials
	if text := w.kept(id); text != "none" {
		check(w.t, json.Unmarshal([]byte(text), &creds))
	}
	app := ""
	if ch.Provider == desk.ProviderMeta && creds.AppSecret != "" {
		app = store.Hash("demo", "meta app", creds.AppSecret)
	}
	switch {
	case ch.MetaApp != app:
		return errors.New("the row is of another app than its credentials")
	case ch.State != desk.ChannelPending && !ch.Deleted && (creds == channel.Credentials{}):
		return errors.New("it works without credentials")
	}
	listed := []string{w.demo.CredentialsName(ch)}
	for _, s := range must(w.demo.Strays(ctx, id)).Names {
		listed = append(listed, w.demo.CredentialsName(desk.Channel{ID: id, Credentials: s.Name}))
	}
	for _, name := range w.secretsOf(id) {
		if !slices.Contains(listed, name) {
			return fmt.Errorf("%s is nobody's", name)
		}
	}
	return nil
}

// afterANextCall tells how many secrets of a channel are left after another call that
// has to do with them.
func (w *world) afterANextCall(id string) string {
	w.t.Helper()
	if err := w.sound(id); err != nil {
		w.t.Error(err)
	}
	switch ch := must(w.demo.FreshChannel(context.Background(), id)); {
	case ch.Deleted:
		w.ok(404, "DELETE", "/v1/channels/"+id, "")
	case ch.State != desk.ChannelPending:
		w.ok(200, "PUT", "/v1/channels/"+id+"/credentials", `{"credentials":{}}`)
	}
	return fmt.Sprint(len(w.secretsOf(id)))
}

var (
	metaRequest = strings.Replace(requestBody, "gupshup", "meta", 1)
	// otherMetaBody is of another number and another app than metaBody.
	otherMetaBody = strings.NewReplacer("5215550003333", "5215550004444", "200000000000001", "200000000000002", "-canary", "-canary-2").Replace(metaBody)
)

// TestARefusedCallKeepsCredentials: what is refused changes nothing, whatever refuses it
// and however late; what was sent is not kept.
func TestARefusedCallKeepsCredentials(t *testing.T) {
	for _, c := range []struct {
		name   string
		path   string // after the channel's
		body   string
		first  string // approves the channel before
		during func(s *seeded, id string)
		match  string // If-Match
		want   string
	}{
		{"a number that another channel has", "/credentials", `{"credentials":{"phone_number_id":"200000000000002","access_token":"x","app_secret":"y"}}`, metaBody, nil, "", "422 credentials.phone_number_id taken"},
		{"a change meanwhile, where a version was asked for", "/credentials", `{"credentials":{"app_secret":"y"}}`, metaBody, func(s *seeded, id string) {
			s.ok(200, "PATCH", "/v1/channels/"+id, `{"settings":{"messages_per_second":5}}`)
		}, `If-Match: "2"`, "412 If-Match stale"},
		{"deleted while its new credentials are tried", "/credentials", `{"credentials":{"access_token":"x"}}`, metaBody, func(s *seeded, id string) {
			s.ok(204, "DELETE", "/v1/channels/"+id, "")
		}, "", "404 "},
		{"deleted while it is approved", "/approval", metaBody, "", func(s *seeded, id string) { s.ok(204, "DELETE", "/v1/channels/"+id, "") }, "", "404 "},
		{"approved twice at once", "/approval", strings.NewReplacer("200000000000001", "3", "-canary", "-loser").Replace(metaBody), "", func(s *seeded, id string) {
			s.ok(200, "POST", "/v1/channels/"+id+"/approval", metaBody)
		}, "", "409 "},
		{"a number that another channel has, at the approval", "/approval", strings.Replace(otherMetaBody, "5215550004444", "5215550005555", 1), "", nil, "", "422 credentials.phone_number_id taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := seed(t)
			other, id := s.make("/v1/channels", metaRequest), s.make("/v1/channels", metaRequest)
			s.ok(200, "POST", "/v1/channels/"+other+"/approval", otherMetaBody)
			if c.first != "" {
				s.ok(200, "POST", "/v1/channels/"+id+"/approval", c.first)
			}
			done := c.during == nil
			want := s.kept(id) + fmt.Sprint(len(s.secretsOf(id)))
			s.check = func(channel.Account) error {
				if !done {
					done = true
					c.during(s, id)
					want = s.kept(id) + fmt.Sprint(len(s.secretsOf(id)))
				}
				return nil
			}
			method := map[string]string{"/approval": "POST", "/credentials": "PUT"}[c.path]
			var headers []string
			if c.match != "" {
				headers = append(headers, c.match)
			}
			a := s.do(s.admin, method, "/v1/channels/"+id+c.path, c.body, headers...)
			if got := strings.TrimSuffix(fmt.Sprint(a.status, " ", a.problems()), " "); !strings.HasPrefix(got, strings.TrimSpace(c.want)) {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			if got := s.kept(id) + fmt.Sprint(len(s.secretsOf(id))); got != want {
				t.Errorf("kept\n%s, want\n%s", got, want)
			}
			for _, id := range []string{id, other} {
				if err := s.sound(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestTwoWritesOfCredentialsAtOnce: whatever a second call meets of a first, the row and
// the credentials are of one of them, and a next call leaves nothing else.
func TestTwoWritesOfCredentialsAtOnce(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second string // "PUT path body" after the channel's
		approved      bool
	}{
		{"two approvals", "POST /approval " + metaBody, "POST /approval " + otherMetaBody, false},
		{"two of new credentials", `PUT /credentials {"credentials":{"app_secret":"one","phone_number_id":"1"}}`, `PUT /credentials {"credentials":{"app_secret":"two","phone_number_id":"2"}}`, true},
		{"new ones, and a deletion", `PUT /credentials {"credentials":{"app_secret":"one"}}`, "DELETE ", true},
		{"a deletion, and new ones", "DELETE ", `PUT /credentials {"credentials":{"app_secret":"one"}}`, true},
		{"an approval, and a deletion", "POST /approval " + metaBody, "DELETE ", false},
		{"two deletions", "DELETE ", "DELETE ", true},
	} {
		for n, more := 0, true; more; n++ {
			s := seed(t)
			id := s.make("/v1/channels", metaRequest)
			if c.approved {
				s.ok(200, "POST", "/v1/channels/"+id+"/approval", metaBody)
			}
			call := func(what string) func() {
				method, rest, _ := strings.Cut(what, " ")
				path, body, _ := strings.Cut(rest, " ")
				return func() {
					if a := s.do(s.admin, method, "/v1/channels/"+id+path, body); a.status >= 500 {
						t.Errorf("%s, effect %d: %d %s", c.name, n, a.status, a.text)
					}
				}
			}
			more = s.together(n, call(c.first), call(c.second))
			want := map[bool]string{true: "0", false: "1"}[s.kept(id) == "none"]
			if left := s.afterANextCall(id); left != want {
				t.Errorf("%s, effect %d: %s left, want %s", c.name, n, left, want)
			}
		}
	}
}

// TestWhatIsPublishedMeanwhileIsNotRemoved: a call that is slow publishes what another,
// which finds it on the list, is about to remove; or it does not, and it is removed.
func TestWhatIsPublishedMeanwhileIsNotRemoved(t *testing.T) {
	published := map[bool]int{}
	for n, more := 0, true; more; n++ {
		s := seed(t)
		id := s.make("/v1/channels", metaRequest)
		s.ok(200, "POST", "/v1/channels/"+id+"/approval", metaBody)
		was, list := must(s.demo.FreshChannel(t.Context(), id)), must(s.demo.Strays(t.Context(), id))
		is := was
		is.Credentials, is.MetaApp = "slow", store.Hash("demo", "meta app", "slow")
		list = must(s.demo.SaveStrays(t.Context(), id, list.With("slow", s.now())))
		check(t, s.secrets.Put(t.Context(), s.demo.CredentialsName(is), `{"access_token":"a","app_secret":"slow","verify_token":"v"}`))
		slow := func() {
			err := s.demo.ConnectChannel(t.Context(), was, is, s.demo.KeepStrays(id, list.Without("slow").With(was.Credentials, s.now())))
			published[err == nil]++
		}
		more = s.together(n, func() {
			s.ok(200, "PUT", "/v1/channels/"+id+"/credentials", `{"credentials":{"verify_token":"w"}}`)
		}, slow)
		if left := s.afterANextCall(id); left != "1" {
			t.Errorf("effect %d: %s left", n, left)
		}
	}
	if published[true] == 0 || published[false] == 0 {
		t.Errorf("published or not: %v", published)
	}
}

// TestCredentialsAreAlwaysReadable: at every moment of their change, who still has the
// old row and who reads the new one find the credentials of a row.
func TestCredentialsAreAlwaysReadable(t *testing.T) {
	for _, c := range []struct{ name, method, path, body string }{
		{"new ones", "PUT", "/credentials", `{"credentials":{"app_secret":"new","phone_number_id":"7"}}`},
		{"what is kept of a deleted channel", "DELETE", "", ""},
	} {
		effects := 0
		for n, more := 0, true; more; n++ {
			s := seed(t)
			id := s.make("/v1/channels", metaRequest)
			s.ok(200, "POST", "/v1/channels/"+id+"/approval", metaBody)
			far := store.Store{Table: s.api.Store.Table, Now: s.now, CacheFor: time.Hour}
			old := must(far.In("demo").Channel(t.Context(), id))
			read := func() {
				for _, ch := range []desk.Channel{old, must(s.demo.FreshChannel(t.Context(), id))} {
					text, now, err := far.In("demo").ReadCredentials(t.Context(), ch, s.secrets.Fresh)
					var creds channel.Credentials
					if err == nil {
						err = json.Unmarshal([]byte(text), &creds)
					}
					if err != nil || now.MetaApp != store.Hash("demo", "meta app", creds.AppSecret) {
						t.Errorf("%s, effect %d: %v, of another app: %t", c.name, n, err, err == nil)
					}
				}
			}
			more = s.together(n, func() { s.do(s.admin, c.method, "/v1/channels/"+id+c.path, c.body) }, read)
			read()
			effects++
		}
		if effects < 5 {
			t.Errorf("%s: %d effects", c.name, effects)
		}
	}
}

// TestDamagedCredentialsKeepNoChannel: one whose credentials cannot be read can be deleted.
func TestDamagedCredentialsKeepNoChannel(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", metaRequest)
	s.ok(200, "POST", "/v1/channels/"+id+"/approval", metaBody)
	check(t, s.secrets.Put(t.Context(), s.demo.CredentialsName(must(s.demo.FreshChannel(t.Context(), id))), "{canary"))
	s.ok(204, "DELETE", "/v1/channels/"+id, "")
	if left := s.secretsOf(id); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	assertNoCanary(t, s)
}

// TestDamagedCredentialsAreReplaced: what cannot be read counts as nothing, so all of it
// has to be sent.
func TestDamagedCredentialsAreReplaced(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", metaRequest)
	s.ok(200, "POST", "/v1/channels/"+id+"/approval", metaBody)
	check(t, s.secrets.Put(t.Context(), s.demo.CredentialsName(must(s.demo.FreshChannel(t.Context(), id))), "{canary"))
	if a := s.do(s.admin, "PUT", "/v1/channels/"+id+"/credentials", `{"credentials":{"access_token":"x"}}`); a.status != 422 || !strings.Contains(a.text, "credentials.app_secret") {
		t.Errorf("%d %s", a.status, a.text)
	}
	var whole struct{ Credentials json.RawMessage }
	check(t, json.Unmarshal([]byte(metaBody), &whole))
	s.ok(200, "PUT", "/v1/channels/"+id+"/credentials", `{"credentials":`+string(whole.Credentials)+`}`)
	assertNoCanary(t, s)
}

// TestStraysAreForgotten: what was noted is removed again until its call is over.
func TestStraysAreForgotten(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", requestBody)
	s.ok(200, "POST", "/v1/channels/"+id+"/approval", gupshupBody)
	stray := store.Strays{Versioned: must(s.demo.Strays(t.Context(), id)).Versioned}.With("late", s.now())
	must(s.demo.SaveStrays(t.Context(), id, stray))
	late := s.demo.CredentialsName(desk.Channel{ID: id, Credentials: "late"})
	for _, c := range []struct {
		wait time.Duration
		left bool
	}{{0, false}, {store.StrayLasts - time.Minute, false}, {2 * time.Minute, false}, {0, true}} {
		s.advance(c.wait)
		check(t, s.secrets.Put(t.Context(), late, "{}")) // a call writes that was thought dead
		s.ok(200, "PUT", "/v1/channels/"+id+"/credentials", `{"credentials":{}}`)
		if left := slices.Contains(s.secretsOf(id), late); left != c.left {
			t.Errorf("%v later: left %t", c.wait, left)
		}
	}
}

// TestNewCredentialsHaveANewName: nothing is ever written over.
func TestNewCredentialsHaveANewName(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", requestBody)
	s.ok(200, "POST", "/v1/channels/"+id+"/approval", gupshupBody)
	before := s.secretsOf(id)
	s.ok(200, "PUT", "/v1/channels/"+id+"/credentials", `{"credentials":{"api_key":"new"}}`)
	after := s.secretsOf(id)
	if len(before) != 1 || len(after) != 1 || before[0] == after[0] {
		t.Errorf("kept under %v, then %v", before, after)
	}
}
