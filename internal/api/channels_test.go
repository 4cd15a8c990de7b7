package api

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
)

const (
	requestBody = `{"kind":"whatsapp","provider":"gupshup","requester":{"name":"Eva","email":"eva@example.com"}}`
	gupshupBody = `{"identifier":"+52 1 555 000 2222","credentials":{"app":"Demo","app_id":"app-1","api_key":"key-canary-1"}}`
	metaBody    = `{"identifier":"5215550003333","credentials":{"phone_number_id":"200000000000001","business_account_id":"100000000000001",` +
		`"access_token":"access-canary","app_secret":"secret-canary","verify_token":"verify-canary"}}`
)

// TestS3_01RequestAChannel: what a request holds, what it gets without being told.
func TestS3_01RequestAChannel(t *testing.T) {
	s := seed(t)
	play(t, s, []step{{say: "who calls has no e-mail", call: "POST /v1/channels", body: `{"kind":"whatsapp","provider":"meta"}`, want: "422 requester.email required"}})
	me := must(s.demo.Specialist(t.Context(), s.adminID))
	mine := me
	mine.Email = "admin@example.com"
	check(t, s.demo.SaveSpecialist(t.Context(), me, mine, nil))
	name := strings.Repeat("n", desk.MaxName)
	settings := `{"kind":"whatsapp","provider":"gupshup","settings":{"messages_per_second":%d}}`
	play(t, s, []step{
		{say: "who calls and their company are there already (S3-05), no identifier (S3-07)", call: "POST /v1/channels", body: `{"kind":"whatsapp","provider":"gupshup"}`,
			want: `201 state="pending"; cause=null; identifier=null; company={"name":"Ciudad Demo"}; requester={"name":"Admin","email":"admin@example.com","phone":null}; ` +
				`settings={"messages_per_second":80,"mixed_buttons":false}; queues=[]; last_sync=null; waiting=null; rejection=null; version=1`, as: "new"},
		{say: "it reads as pending", call: "GET /v1/channels/{new}", want: `200 state="pending"; webhook_url=null; callback_url=null`},
		{say: "and is listed as such (S3-10)", call: "GET /v1/channels?state=pending&kind=whatsapp", want: `200 items.0.id="{new}"; items.0.webhook_url=null; items.1=null`},
		{say: "all of it may be sent otherwise", call: "POST /v1/channels", body: `{"kind":"whatsapp","provider":"meta","company":{"name":"Agua"},
			"requester":{"name":"Eva","email":"eva@example.com","phone":"+57 300 123-4567"},"settings":{"messages_per_second":1000,"mixed_buttons":true}}`,
			want: `201 company={"name":"Agua"}; requester={"name":"Eva","email":"eva@example.com","phone":"573001234567"}; settings={"messages_per_second":1000,"mixed_buttons":true}`},
		{say: "part of the requester too", call: "POST /v1/channels", body: `{"kind":"whatsapp","provider":"meta","requester":{"name":"Eva"}}`, want: `201 requester.name="Eva"; requester.email="admin@example.com"`},
		{say: "the mandatory fields (S3-02), at once", call: "POST /v1/channels", body: `{"company":{"name":" "},"requester":{"name":null,"email":""}}`,
			want: "422 kind required, provider required, company.name required, requester.name required, requester.email required"},
		{say: "null takes away what was there", call: "POST /v1/channels", body: `{"kind":"whatsapp","provider":"meta","company":null,"requester":null}`,
			want: "422 company.name required, requester.name required, requester.email required"},
		{say: "words that there are not", call: "POST /v1/channels", body: `{"kind":"fax","provider":"acme"}`, want: "422 kind not_one_of, provider not_one_of"},
		{say: "a kind that is not there yet", call: "POST /v1/channels", body: `{"kind":"viber","provider":"viber"}`, want: "422 kind not_available"},
		{say: "values that are none", call: "POST /v1/channels", body: `{"kind":"whatsapp","provider":"meta","requester":{"email":"x","phone":"12"},"settings":{"mixed_buttons":"yes","x":1},"state":"active"}`,
			want: "422 requester.email invalid_email, requester.phone invalid_phone, settings.mixed_buttons wrong_type, settings.x unknown_field, state unknown_field"},
		{say: "a name of 200 characters", call: "POST /v1/channels", body: `{"kind":"whatsapp","provider":"meta","company":{"name":"` + name + `"}}`, want: "201"},
		{say: "one of 201", call: "POST /v1/channels", body: `{"kind":"whatsapp","provider":"meta","company":{"name":"` + name + `n"}}`, want: "422 company.name too_long"},
		{say: "one message a second", call: "POST /v1/channels", body: fmt.Sprintf(settings, 1), want: "201"},
		{say: "none", call: "POST /v1/channels", body: fmt.Sprintf(settings, 0), want: "422 settings.messages_per_second out_of_range"},
		{say: "more than 1000", call: "POST /v1/channels", body: fmt.Sprintf(settings, desk.MaxPerSecond+1), want: "422 settings.messages_per_second out_of_range"},
	})
}

// TestS3_06Evaluation: the estimate is 1.5 to 2 weeks from the request.
func TestS3_06Evaluation(t *testing.T) {
	s := seed(t)
	a := s.ok(201, "POST", "/v1/channels", requestBody)
	at := func(name string) time.Time { return must(time.Parse(time.RFC3339, a.get(name).(string))) }
	made := at("created_at")
	if from, to := at("evaluation.from").Sub(made), at("evaluation.to").Sub(made); from != 252*time.Hour || to != 14*24*time.Hour {
		t.Errorf("evaluated %v to %v after the request", from, to)
	}
	play(t, s, []step{
		{say: "a rejected request has none", call: "POST /v1/channels/" + a.id() + "/rejection", body: `{"reason":"x"}`, want: "200 evaluation=null"},
		{say: "nor has one that was approved", call: "POST /v1/channels/" + a.id() + "/approval", body: gupshupBody, want: "200 evaluation=null; rejection=null"},
	})
}

// TestChannelAddresses: with 256 random bits, shown once, stored as a hash, each
// another; Meta's have none.
func TestChannelAddresses(t *testing.T) {
	s := seed(t)
	secrets := map[string]bool{}
	secret := func(a answer) string {
		t.Helper()
		hook, _ := a.get("webhook_url").(string)
		call, _ := a.get("callback_url").(string)
		prefix := "https://example.com/webhooks/gupshup/" + a.id() + "/"
		value, ok := strings.CutPrefix(hook, prefix)
		if !ok || len(value) != 43 || call != "https://example.com/callbacks/templates/gupshup/"+a.id()+"/"+value {
			t.Fatalf("addresses %q and %q", hook, call)
		}
		if secrets[value] {
			t.Errorf("the secret %q is there twice", value)
		}
		secrets[value] = true
		return value
	}
	first := s.ok(201, "POST", "/v1/channels", requestBody, "Idempotency-Key: k")
	made := secret(first)
	path := "/v1/channels/" + first.id()
	again := s.ok(201, "POST", "/v1/channels", requestBody, "Idempotency-Key: k")
	if again.id() != first.id() || again.get("webhook_url") != nil || again.get("callback_url") != nil {
		t.Errorf("again: %s", again.text)
	}
	stored := must(s.demo.FreshChannel(t.Context(), first.id()))
	if stored.SecretHash != store.SecretHash(made) || stored.OldSecretHash != "" {
		t.Errorf("stored %+v", stored)
	}

	second := secret(s.ok(200, "POST", path+"/secret", ""))
	if ch := must(s.demo.FreshChannel(t.Context(), first.id())); ch.SecretHash != store.SecretHash(second) || ch.OldSecretHash != "" {
		t.Errorf("stored %+v: the old address is to end at once", ch)
	}
	if a := s.ok(200, "GET", path, ""); a.get("webhook_url") != nil {
		t.Errorf("shown again: %s", a.text)
	}
	before := s.at
	third := secret(s.ok(200, "POST", path+"/secret", `{"keep_old_minutes":1440}`, `If-Match: "2"`))
	ch := must(s.demo.FreshChannel(t.Context(), first.id()))
	if left := ch.OldSecretUntil.Sub(before); ch.OldSecretHash != store.SecretHash(second) || ch.SecretHash != store.SecretHash(third) || left < 24*time.Hour || left > 24*time.Hour+time.Second {
		t.Errorf("stored %+v", ch)
	}
	secret(s.ok(200, "POST", path+"/secret", `{"keep_old_minutes":0}`))
	if ch := must(s.demo.FreshChannel(t.Context(), first.id())); ch.OldSecretHash != "" || !ch.OldSecretUntil.IsZero() {
		t.Errorf("stored %+v: all old addresses are to end", ch)
	}
	play(t, s, []step{
		{say: "at an old version", call: "POST " + path + "/secret", headers: []string{`If-Match: "1"`}, want: "412 stale: If-Match stale"},
		{say: "longer than a day", call: "POST " + path + "/secret", body: `{"keep_old_minutes":1441}`, want: "422 keep_old_minutes out_of_range"},
		{say: "less than nothing", call: "POST " + path + "/secret", body: `{"keep_old_minutes":-1}`, want: "422 keep_old_minutes out_of_range"},
		{say: "Meta's address has no secret and takes both kinds of event", call: "POST /v1/channels", body: strings.Replace(requestBody, "gupshup", "meta", 1), want: "201", as: "meta"},
		{say: "so it may be read", call: "GET /v1/channels/{meta}", want: `200 webhook_url="https://example.com/webhooks/whatsapp/{meta}"; callback_url="https://example.com/webhooks/whatsapp/{meta}"`},
		{say: "and not be changed", call: "POST /v1/channels/{meta}/secret", want: "409 no_secret_address: "},
	})
	s.api.Random = strings.NewReader("too little")
	if a := s.do(s.admin, "POST", "/v1/channels", requestBody); a.status != 500 {
		t.Errorf("a secret of too little randomness: %d", a.status)
	}
}

// TestS3_08Approval: a request becomes a channel that works.
func TestS3_08Approval(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", requestBody)
	meta := s.make("/v1/channels", strings.Replace(requestBody, "gupshup", "meta", 1))
	other := s.make("/v1/channels", requestBody)
	otherMeta := s.make("/v1/channels", strings.Replace(requestBody, "gupshup", "meta", 1))
	path, metaPath := "/v1/channels/"+id, "/v1/channels/"+meta
	long := strings.Repeat("k", MaxCredential)
	short := strings.Repeat("k", MaxShortCredential)
	play(t, s, []step{
		{say: "nothing", call: "POST " + path + "/approval", body: `{}`, want: "422 identifier required, credentials required"},
		{say: "all problems at once", call: "POST " + path + "/approval", body: `{"identifier":"123456","credentials":{"app_id":"a/b","api_key":"a b","phone_number_id":"x","secret":"x"}}`,
			want: "422 identifier invalid_phone, credentials.app required, credentials.app_id invalid, credentials.api_key not_visible_ascii, credentials.phone_number_id not_digits, credentials.secret unknown_field"},
		{say: "credentials of another kind", call: "POST " + path + "/approval", body: `{"identifier":"5215550002222","credentials":"x"}`, want: "422 credentials wrong_type"},
		{say: "16 digits", call: "POST " + path + "/approval", body: strings.Replace(gupshupBody, "+52 1 555 000 2222", "1234567890123456", 1), want: "422 identifier invalid_phone"},
		{say: "a key that is too long", call: "POST " + path + "/approval", body: strings.Replace(gupshupBody, `"key-canary-1"`, `"`+short+`k","partner_token":"`+long+`k"`, 1), want: "422 credentials.api_key too_long, credentials.partner_token too_long"},
		{say: "what Meta needs, for Meta", call: "POST " + metaPath + "/approval", body: `{"identifier":"5215550003333","credentials":{"app":"x"}}`,
			want: "422 credentials.phone_number_id required, credentials.business_account_id required, credentials.access_token required, " +
				"credentials.app_secret required, credentials.verify_token required, credentials.app unknown_field"},
		{say: "ids that are longer than any", call: "POST " + metaPath + "/approval",
			body: strings.NewReplacer("200000000000001", strings.Repeat("2", MaxProviderID+1), "secret-canary", short+"k").Replace(metaBody),
			want: "422 credentials.phone_number_id too_long, credentials.app_secret too_long"},
		{say: "ids of Meta's with a plus or a dash", call: "POST " + metaPath + "/approval",
			body: strings.NewReplacer("200000000000001", "+1202", "100000000000001", "1-2", "secret-canary", "secret-…", "verify-canary", "vér").Replace(metaBody),
			want: "422 credentials.phone_number_id not_digits, credentials.business_account_id not_digits, credentials.app_secret not_visible_ascii, credentials.verify_token not_visible_ascii"},
		{say: "both at their longest", call: "POST " + path + "/approval",
			body: strings.NewReplacer("+52 1 555 000 2222", "5215550004444", `"key-canary-1"`, `"`+strings.Repeat(`\"`, MaxShortCredential)+`","partner_token":"`+strings.Repeat(`\\`, MaxCredential)+`"`).Replace(gupshupBody),
			want: `200 identifier="5215550004444"`},
		{say: "a number that another channel has", call: "POST /v1/channels/" + other + "/approval", body: strings.Replace(gupshupBody, "+52 1 555 000 2222", "+52 (1) 555-000-4444", 1), want: "422 identifier taken"},
		{say: "it stays pending", call: "GET /v1/channels/" + other, want: `200 state="pending"; identifier=null; version=1`},
		{say: "once approved it is no request", call: "POST " + path + "/approval", body: gupshupBody, want: "409 not_pending: "},
		{say: "and cannot be rejected", call: "POST " + path + "/rejection", body: `{"reason":"x"}`, want: "409 not_pending: "},
		{say: "7 digits, and all of the credentials at their longest", call: "POST " + metaPath + "/approval",
			body: strings.NewReplacer("5215550003333", "1234567", "access-canary", long, "secret-canary", strings.Repeat(`\"`, MaxShortCredential), "verify-canary", strings.Repeat(`\\`, MaxShortCredential)).Replace(metaBody),
			want: `200 state="active"; identifier="1234567"; phone_number_id="200000000000001"; business_account_id="100000000000001"; version=2`},
		{say: "a number of Meta's that another channel has", call: "POST /v1/channels/" + otherMeta + "/approval", body: metaBody, want: "422 credentials.phone_number_id taken"},
		{say: "another number of the same account and app is another channel", call: "POST /v1/channels/" + otherMeta + "/approval",
			body: strings.Replace(metaBody, "200000000000001", "200000000000002", 1), want: `200 state="active"`},
		{say: "by state", call: "GET /v1/channels?state=active", want: `200 items.0.id="` + otherMeta + `"; items.1.id="` + meta + `"; items.2.id="` + id + `"; items.3.id="{channel}"; items.4=null`},
	})

	ch := must(s.demo.FreshChannel(t.Context(), otherMeta))
	if ch.MetaApp != store.Hash("demo", "meta app", "secret-canary") {
		t.Errorf("Meta's app is %q", ch.MetaApp)
	}
	want := `{"access_token":"access-canary","app_secret":"secret-canary","verify_token":"verify-canary"}`
	if got := s.kept(otherMeta); got != want {
		t.Errorf("credentials %s, want %s", got, want)
	}
	if got, err := s.demo.ChannelOfNumber(t.Context(), "200000000000002"); got != otherMeta || err != nil {
		t.Errorf("the number leads to %q, %v", got, err)
	}
	if got, err := s.demo.ChannelsOfAccount(t.Context(), "100000000000001"); !cmp.Equal(got, []string{meta, otherMeta}) || err != nil {
		t.Errorf("the account leads to %v, %v", got, err)
	}
	assertNoCanary(t, s, path, metaPath, "/v1/channels/"+otherMeta, "/v1/channels")
}

// assertNoCanary: no credential is in what is read, remembered or logged.
func assertNoCanary(t *testing.T, s *seeded, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if a := s.ok(200, "GET", path, ""); strings.Contains(a.text, "canary") {
			t.Errorf("%s shows a credential: %s", path, a.text)
		}
	}
	if strings.Contains(s.log.String(), "canary") {
		t.Errorf("the log holds a credential: %s", s.log)
	}
}

// TestActivationReadsTheTemplates: an event asks for the list at once, and a timer
// that is due does so where the event is lost.
func TestActivationReadsTheTemplates(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", requestBody)
	s.ok(200, "POST", "/v1/channels/"+id+"/approval", gupshupBody)
	e := events[desk.ApprovalEvent](t, s.approvals, desk.StageApprovals, store.ApprovalGroup("demo", id))
	if len(e) != 1 || e[0].Sync == nil || e[0].Sync.Channel != id || e[0].Sync.Timer || e[0].Sync.Asked.IsZero() {
		t.Errorf("events %+v", e)
	}
	if due := s.due(0); !cmp.Equal(due, []string{store.WakeSync + " " + id}) {
		t.Errorf("timers %v", due)
	}
	if sync := must(s.demo.ChannelSync(t.Context(), id)); sync.Armed.IsZero() {
		t.Errorf("sync %+v", sync)
	}
	s.ok(200, "PUT", "/v1/channels/"+id+"/state", `{"state":"inactive"}`)
	s.ok(200, "PUT", "/v1/channels/"+id+"/state", `{"state":"active"}`)
	if e := events[desk.ApprovalEvent](t, s.approvals, desk.StageApprovals, store.ApprovalGroup("demo", id)); len(e) != 1 || e[0].Sync == nil {
		t.Errorf("events after switching on %+v", e)
	}
	if due := s.due(0); !cmp.Equal(due, []string{store.WakeSync + " " + id}) {
		t.Errorf("timers after switching on %v", due)
	}
}

// due fires the timers that are due so much later and says what they are for.
func (s *seeded) due(in time.Duration) []string {
	s.t.Helper()
	var fired []string
	check(s.t, s.api.Store.DueTimers(s.t.Context(), s.now().Add(in), func(t store.Timer) error {
		fired = append(fired, t.Stage+" "+t.Channel+t.Conversation+t.Template)
		return nil
	}))
	return fired
}

// events takes what was sent to a queue.
func events[T any](t *testing.T, q *queuetest.Memory, stage, group string) []T {
	t.Helper()
	var out []T
	for {
		got := must(q.Receive(t.Context(), 1, time.Minute))
		if len(got) == 0 {
			return out
		}
		tenant, e, err := queue.Open[T](stage, got[0].Body)
		if err != nil || tenant != "demo" || got[0].Group != group {
			t.Errorf("message of %s in group %s: %v", tenant, got[0].Group, err)
		}
		out = append(out, e)
		check(t, q.Delete(t.Context(), got[0].Receipt))
	}
}

// TestCredentialsAreTried: what the provider refuses changes nothing; what cannot be
// learnt is taken.
func TestCredentialsAreTried(t *testing.T) {
	down := &channel.Error{Verdict: channel.ChannelDown, Cause: desk.WaitCredential, Code: "401", Reason: "unauthorized"}
	later := &channel.Error{Verdict: channel.Later, Cause: desk.WaitUnavailable, Code: "503"}
	for _, c := range []struct {
		name   string
		says   error
		status int
		state  string
	}{
		{"the provider takes them", nil, 200, "active"},
		{"the provider refuses them", down, 422, "pending"},
		{"the provider is away", later, 200, "active"},
		{"the answer is lost", &channel.Error{Verdict: channel.Unknown, Code: "timeout"}, 200, "active"},
		{"something else is wrong", errors.New("no such host"), 200, "active"},
	} {
		s := seed(t)
		id := s.make("/v1/channels", requestBody)
		var asked channel.Account
		s.check = func(a channel.Account) error { asked = a; return c.says }
		a := s.do(s.admin, "POST", "/v1/channels/"+id+"/approval", gupshupBody)
		if a.status != c.status || c.status == 422 && a.problems() != "credentials refused_by_provider" {
			t.Errorf("%s: %d %s", c.name, a.status, a.text)
		}
		if asked.Channel.AppID != "app-1" || asked.Credentials.APIKey != "key-canary-1" {
			t.Errorf("%s: asked with %+v", c.name, asked)
		}
		if a := s.ok(200, "GET", "/v1/channels/"+id, ""); a.get("state") != c.state {
			t.Errorf("%s: %s", c.name, a.text)
		}
		if kept := len(s.secretsOf(id)) > 0; kept != (c.status == 200) {
			t.Errorf("%s: credentials kept: %v", c.name, kept)
		}
		assertNoCanary(t, s)
	}
}

// TestQ21Rejection: a rejected request stays pending and says why.
func TestQ21Rejection(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", requestBody)
	path := "/v1/channels/" + id
	long := strings.Repeat("ñ", MaxRejectionReason)
	play(t, s, []step{
		{say: "without a reason", call: "POST " + path + "/rejection", body: `{}`, want: "422 reason required"},
		{say: "the longest reason", call: "POST " + path + "/rejection", body: `{"reason":"` + long + `"}`, want: `200 state="pending"; cause="rejected"; rejection.reason="` + long + `"; version=2`},
		{say: "one longer", call: "POST " + path + "/rejection", body: `{"reason":"` + long + `ñ"}`, want: "422 reason too_long"},
		{say: "another reason", call: "POST " + path + "/rejection", body: `{"reason":"no"}`, want: `200 rejection.reason="no"; version=3`},
		{say: "the same again changes nothing", call: "POST " + path + "/rejection", body: `{"reason":"no"}`, want: `200 version=3`},
		{say: "it is listed among the pending", call: "GET /v1/channels?state=pending", want: `200 items.0.id="` + id + `"; items.0.cause="rejected"`},
		{say: "it is approved after all", call: "POST " + path + "/approval", body: gupshupBody, headers: []string{`If-Match: "3"`}, want: `200 state="active"; cause=null; rejection=null; version=4`},
	})
}

// TestS3_14EditAChannel: all but the company's name, never while pending (S3-15).
func TestS3_14EditAChannel(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", requestBody)
	path := "/v1/channels/" + id
	play(t, s, []step{
		{say: "a pending one is only viewed", call: "PATCH " + path, body: `{"requester":{"name":"Luz"}}`, want: "409 pending: "},
		{say: "whatever is sent", call: "PATCH " + path, body: `{"x":1}`, want: "409 pending: "},
		{say: "(approved)", call: "POST " + path + "/approval", body: gupshupBody, want: "200 version=2"},
		{say: "the name of the company stays", call: "PATCH " + path, body: `{"company":{"name":"Otra"}}`, want: "422 company read_only"},
		{say: "so does what the provider says", call: "PATCH " + path, body: `{"identifier":"1","state":"inactive","queues":["x"],"app":"x","credentials":{}}`,
			want: "422 app read_only, identifier read_only, queues read_only, state read_only, credentials unknown_field"},
		{say: "requester and settings", call: "PATCH " + path, body: `{"requester":{"name":"Luz","phone":"+57 300 123 4567"},"settings":{"mixed_buttons":true}}`, headers: []string{`If-Match: "2"`},
			want: `200 requester={"name":"Luz","email":"eva@example.com","phone":"573001234567"}; settings={"messages_per_second":80,"mixed_buttons":true}; version=3`},
		{say: "at an old version", call: "PATCH " + path, body: `{"settings":{"mixed_buttons":false}}`, headers: []string{`If-Match: "2"`}, want: "412 stale: If-Match stale"},
		{say: "null sets what ships", call: "PATCH " + path, body: `{"settings":null,"requester":{"phone":null}}`, want: `200 settings={"messages_per_second":80,"mixed_buttons":false}; requester.phone=null; version=4`},
		{say: "no change raises no version", call: "PATCH " + path, body: `{"requester":{"name":"Luz"},"company":{"name":"Ciudad Demo"}}`, want: `200 version=4`},
		{say: "what is mandatory stays so", call: "PATCH " + path, body: `{"requester":{"name":null,"email":null}}`, want: "422 requester.name required, requester.email required"},
		{say: "all of it too", call: "PATCH " + path, body: `{"requester":null}`, want: "422 requester.name required, requester.email required"},
	})
}

// TestPutCredentials: a dead credential is replaced, tried, and what waits for it goes.
func TestPutCredentials(t *testing.T) {
	down := &channel.Error{Verdict: channel.ChannelDown, Cause: desk.WaitCredential, Code: "401", Reason: "unauthorized"}
	for _, c := range []struct {
		name, cause string
		says        error
		status      int
		state, wait string // in the end; wait as "cause" or "cause now"
		freed       int
	}{
		{"taken: the channel works again", desk.WaitCredential, nil, 200, "active", "", 1},
		{"refused: nothing changes", desk.WaitCredential, down, 422, "interrupted", desk.WaitCredential, 0},
		{"not known: the next send tries", desk.WaitCredential, errors.New("no such host"), 200, "interrupted", desk.WaitCredential + " now", 1},
		{"an empty wallet is another matter", desk.WaitWallet, nil, 200, "interrupted", desk.WaitWallet, 0},
	} {
		s := seed(t)
		id := s.make("/v1/channels", requestBody)
		s.ok(200, "POST", "/v1/channels/"+id+"/approval", gupshupBody)
		was := must(s.demo.FreshChannel(t.Context(), id))
		was.State, was.Cause = desk.ChannelInterrupted, c.cause
		check(t, s.demo.SaveChannel(t.Context(), was, nil))
		far := s.now().Add(time.Hour)
		check(t, s.demo.SaveChannelWait(t.Context(), id, store.StoredWait{Wait: desk.Wait{Cause: c.cause, NotBefore: far}}))
		s.check = func(channel.Account) error { return c.says }

		a := s.do(s.admin, "PUT", "/v1/channels/"+id+"/credentials", `{"credentials":{"api_key":"key-canary-2"}}`, `If-Match: "3"`)
		if a.status != c.status {
			t.Errorf("%s: %d %s", c.name, a.status, a.text)
		}
		if a.status == 200 && a.get("version") != 4.0 {
			t.Errorf("%s: version %v", c.name, a.get("version"))
		}
		shown := s.ok(200, "GET", "/v1/channels/"+id, "")
		wait, _ := shown.get("waiting.cause").(string)
		stored := must(s.demo.ChannelWait(t.Context(), id))
		if wait != "" && stored.NotBefore.Before(far) {
			wait += " now"
		}
		if mended := c.wait == ""; stored.WellAt.IsZero() == mended {
			t.Errorf("%s: well since %v", c.name, stored.WellAt)
		}
		if shown.get("state") != c.state || wait != c.wait {
			t.Errorf("%s: state %v, waiting %q: %s", c.name, shown.get("state"), wait, shown.text)
		}
		key := map[int]string{200: "key-canary-2", 422: "key-canary-1"}[c.status]
		if got := s.kept(id); got != `{"api_key":"`+key+`"}` {
			t.Errorf("%s: credentials %s", c.name, got)
		}
		freed := events[desk.InboundEvent](t, s.inbound, desk.StageInbound, store.Hash("demo", id, "ended"))
		if len(freed) != c.freed || c.freed > 0 && freed[0].Freed != id {
			t.Errorf("%s: events %+v", c.name, freed)
		}
		assertNoCanary(t, s)
	}
}

// TestPutCredentialsFields: what is not sent stays; ids move with what leads to them.
func TestPutCredentialsFields(t *testing.T) {
	s := seed(t)
	id := s.make("/v1/channels", strings.Replace(requestBody, "gupshup", "meta", 1))
	path := "/v1/channels/" + id
	play(t, s, []step{
		{say: "while pending there are none", call: "PUT " + path + "/credentials", body: `{"credentials":{}}`, want: "409 pending: "},
		{say: "(approved)", call: "POST " + path + "/approval", body: metaBody, want: "200"},
		{say: "nothing at all", call: "PUT " + path + "/credentials", body: `{}`, want: "422 credentials required"},
		{say: "a required one cannot be taken away", call: "PUT " + path + "/credentials", body: `{"credentials":{"access_token":null}}`, want: "422 credentials.access_token required"},
		{say: "a new token alone", call: "PUT " + path + "/credentials", body: `{"credentials":{"access_token":"access-canary-2"}}`, want: `200 phone_number_id="200000000000001"; version=3`},
		{say: "another number and app", call: "PUT " + path + "/credentials", body: `{"credentials":{"phone_number_id":"7","business_account_id":"8","app_secret":"secret-canary-2"}}`,
			want: `200 phone_number_id="7"; business_account_id="8"; version=4`},
		{say: "a number of nobody's", call: "PUT /v1/channels/none/credentials", body: `{"credentials":{}}`, want: "404 not_found: "},
	})
	want := `{"access_token":"access-canary-2","app_secret":"secret-canary-2","verify_token":"verify-canary"}`
	if got := s.kept(id); got != want {
		t.Errorf("credentials %s, want %s", got, want)
	}
	if ch := must(s.demo.FreshChannel(t.Context(), id)); ch.MetaApp != store.Hash("demo", "meta app", "secret-canary-2") {
		t.Errorf("Meta's app %q", ch.MetaApp)
	}
	for number, leads := range map[string]string{"7": id, "200000000000001": ""} {
		if got := must(s.demo.ChannelOfNumber(t.Context(), number)); got != leads {
			t.Errorf("number %s leads to %q, want %q", number, got, leads)
		}
	}
	assertNoCanary(t, s, path)
}

// TestNoBody: where all of a body is optional there may be none.
func TestNoBody(t *testing.T) {
	s := seed(t)
	for path, want := range map[string]int{"/secret": 200, "/rejection": 415} {
		r := httptest.NewRequest("POST", "/v1/channels/"+s.channel+path, nil)
		r.Header.Set("Authorization", "Bearer "+s.admin)
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%s without a body: %d, want %d", path, rec.Code, want)
		}
	}
}
