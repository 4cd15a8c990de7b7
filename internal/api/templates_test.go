package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"buzon/internal/blob/embedded"
	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/store"
)

// withFiles gives the world a file store and queues that can be looked into.
func withFiles(s *seeded) (files http.Handler, outbound, approvals *queuetest.Memory) {
	s.t.Helper()
	blobs, err := embedded.Open(s.t.TempDir(), embedded.Options{
		Key: bytes.Repeat([]byte{7}, 32), BaseURL: func() string { return "http://files.example" }, Now: s.now, NoSync: true,
	})
	check(s.t, err)
	outbound, approvals = &queuetest.Memory{Now: s.now}, &queuetest.Memory{Now: s.now}
	s.api.Blobs, s.api.Outbound, s.api.Approvals = blobs, outbound, approvals
	return blobs.Handler(), outbound, approvals
}

// queued opens what a queue holds for a stage.
func queued[T any](t *testing.T, q *queuetest.Memory, stage string) []T {
	t.Helper()
	var out []T
	records, err := q.Receive(t.Context(), queue.MaxBatch, time.Minute)
	check(t, err)
	for _, r := range records {
		_, v, err := queue.Open[T](stage, r.Body)
		check(t, err)
		out = append(out, v)
	}
	return out
}

const wanted = `{"name":"aviso","display_name":"Aviso","language":"es","category":"utility","type":"text",` +
	`"body":"Hola, {{1}}. Su turno es el {{2}}, le esperamos.","params":["nombre","fecha"],"buttons":[{"kind":"quick_reply","text":"Sí"}]}`

func TestS3_22RequestATemplate(t *testing.T) {
	s := seed(t)
	_, _, approvals := withFiles(s)
	play(t, s, []step{
		{say: "it is pending, has no id of the provider, and samples", call: "POST /v1/channels/{channel}/templates", body: wanted, as: "aviso",
			want: `201 status="pending"; provider_id=null; active=true; sendable=false; params.1="fecha"; buttons.0.kind="quick_reply"; submission.attempts=0`},
		{say: "its name is taken in that language", call: "POST /v1/channels/{channel}/templates", body: wanted, want: "422 name taken"},
		{say: "not in another", call: "POST /v1/channels/{channel}/templates", body: strings.Replace(wanted, `"es"`, `"en"`, 1), want: "201"},
		{say: "everything that is wrong is told at once (S3-23, S3-37, S3-45)", call: "POST /v1/channels/{channel}/templates",
			body: `{"name":"Mal Nombre","display_name":"x","language":"pt","category":"utility","type":"text","body":"{{1}} y {{1}}","params":["a"]}`,
			want: "422 name template_name, language not_one_of, body variable_repeated"},
		{say: "an agent cannot", call: "POST /v1/channels/{channel}/templates", body: wanted, token: s.agent, want: "403"},
		{say: "a channel that is not there", call: "POST /v1/channels/demo-nothing/templates", body: wanted, want: "404"},
		{say: "one can be read", call: "GET /v1/templates/{aviso}", want: `200 name="aviso"; samples.nombre="Ana"`},
		{say: "and filtered (S3-19)", call: "GET /v1/channels/{channel}/templates?status=pending&category=utility&active=true&limit=1", want: `200 items.0.language="en"`},
	})
	submissions := events[desk.ApprovalEvent](t, approvals, desk.StageApprovals, store.SubmitGroup("demo", s.channel))
	if len(submissions) != 2 || submissions[0].Submit == "" || submissions[0].Submit == submissions[1].Submit {
		t.Errorf("queued: %+v", submissions)
	}
	var timers []store.Timer
	check(t, s.api.Store.DueTimers(t.Context(), s.now().Add(submitAfter+time.Second), func(tm store.Timer) error {
		timers = append(timers, tm)
		return nil
	}))
	if len(timers) != 2 || timers[0].Stage != store.WakeSubmit {
		t.Errorf("timers: %+v", timers)
	}
}

func TestS3_22ARejectedTemplatesNameMayBeRefusedAgain(t *testing.T) {
	s := seed(t)
	withFiles(s)
	id := s.make("/v1/channels/"+s.channel+"/templates", wanted)
	v := must(s.demo.Template(t.Context(), id))
	v.Status, v.ProviderState, v.Reason = desk.TemplateRejected, "rejected", "INVALID_FORMAT"
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	play(t, s, []step{
		{say: "the answer warns", call: "POST /v1/channels/{channel}/templates", body: wanted, want: `201 warnings.0.code="name_taken_rejected"`},
		{say: "now the name is a pending one's", call: "POST /v1/channels/{channel}/templates", body: wanted, want: "422 name taken"},
	})
}

func TestARequestSentAgainIsOneTemplate(t *testing.T) {
	s := seed(t)
	withFiles(s)
	path := "/v1/channels/" + s.channel + "/templates"
	first := s.ok(201, "POST", path, wanted, "Idempotency-Key: k1")
	again := s.ok(201, "POST", path, wanted, "Idempotency-Key: k1")
	if first.text != again.text {
		t.Errorf("%s\n%s", first.text, again.text)
	}
}

func TestATemplateNeedsAChannelThatIsOn(t *testing.T) {
	s := seed(t)
	withFiles(s)
	for _, state := range []desk.ChannelState{desk.ChannelPending, desk.ChannelInactive} {
		ch := must(s.demo.FreshChannel(t.Context(), s.channel))
		ch.State = state
		check(t, s.demo.SaveChannel(t.Context(), ch, nil))
		play(t, s, []step{
			{say: "request", call: "POST /v1/channels/{channel}/templates", body: wanted, want: "409 channel_off: "},
			{say: "sync", call: "POST /v1/channels/{channel}/templates/sync", want: "409 channel_off: "},
			{say: "send", call: "POST /v1/templates/{template}/messages", body: `{"number":"+573001234567","params":{"1":"x"}}`, want: "409 channel_off: "},
		})
	}
}

func TestSyncNow(t *testing.T) {
	s := seed(t)
	_, _, approvals := withFiles(s)
	play(t, s, []step{{say: "it is asked for", call: "POST /v1/channels/{channel}/templates/sync", want: "202"}})
	events := queued[desk.ApprovalEvent](t, approvals, desk.StageApprovals)
	if len(events) != 1 || events[0].Sync == nil || events[0].Sync.Channel != s.channel || events[0].Sync.Asked.IsZero() {
		t.Errorf("queued: %+v", events)
	}
}

// TestS3_50Workspace: agents see what can be sent and is assigned (Q30).
func TestS3_50Workspace(t *testing.T) {
	s := seed(t)
	withFiles(s)
	campaign := must("", s.demo.SaveCampaign(t.Context(), desk.Campaign{}, desk.Campaign{ID: "cm1", Name: "Marzo"}, nil)) + "cm1"
	check(t, s.demo.SaveQueue(t.Context(), desk.Queue{}, desk.Queue{ID: "qu1", Name: "Agua"}, nil))
	assign := func(body, want string) step {
		return step{say: "assign " + body, call: "PUT /v1/templates/{template}/assignments", body: body, want: want}
	}
	see := func(query string, sees bool) step {
		want := `200 items=[]`
		if sees {
			want = `200 items.0.name="create_case"`
		}
		return step{say: "workspace " + query, call: "GET /v1/workspace/templates" + query, token: s.agent, want: want}
	}
	play(t, s, []step{
		see("", false),
		assign(`{"campaigns":["nothing"],"queues":["qu1","qu2"]}`, "422 campaigns[0] not_found, queues[1] not_found"),
		assign(`{"queues":["qu1"]}`, "422 campaigns required"),
		assign(`{"campaigns":[],"queues":["qu1"]}`, `200 queues.0="qu1"; version=2`),
		see("", true), see("?queue=qu1", true), see("?queue=qu2", false), see("?campaign="+campaign, false), see("?queue=qu1&campaign=cm1", false),
		assign(`{"campaigns":["cm1"],"queues":["qu1"]}`, "200"),
		see("?queue=qu1&campaign=cm1", true), see("?campaign=cm1", true), see("?queue=qu2&campaign=cm1", false),
		{say: "switched off it is gone", call: "PUT /v1/templates/{template}/active", body: `{"active":false}`, want: "200"},
		see("", false),
		{say: "and back", call: "PUT /v1/templates/{template}/active", body: `{"active":true}`, want: "200"},
		see("", true),
		{say: "a stale version", call: "PUT /v1/templates/{template}/assignments", body: `{"campaigns":[],"queues":[]}`, headers: []string{`If-Match: "1"`}, want: "412"},
		assign(`{"campaigns":[],"queues":[]}`, "200"),
		see("", false),
	})
	v := must(s.demo.Template(t.Context(), s.template))
	v.Queues, v.ProviderState = []string{"qu1"}, "paused"
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	play(t, s, []step{see("", false)})
}

func TestS3_36SendATemplateByTheNamesOfItsParameters(t *testing.T) {
	s := seed(t)
	_, outbound, _ := withFiles(s)
	v := must(s.demo.Template(t.Context(), s.template))
	v.Body, v.Params, v.Buttons = "Hola, {{1}}: {{2}}.", []string{"nombre", "fecha"}, []desk.TemplateButton{{Kind: desk.ButtonQuickReply, Text: "Sí"}}
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	send := func(say, body, want string) step {
		return step{say: say, call: "POST /v1/templates/{template}/messages", body: body, want: want}
	}
	play(t, s, []step{
		send("to a number", `{"number":"+57 300 999 0000","params":{"nombre":"Ana","fecha":"lunes"}}`,
			`201 text="Hola, Ana: lunes."; status="queued"; type="template"; template.params.1="lunes"`),
		send("to a contact", fmt.Sprintf(`{"contact":%q,"params":{"nombre":"Ana","fecha":"lunes"}}`, store.ContactID("whatsapp", "573001234567")), "201"),
		send("nobody, and nothing", `{}`, "422 number number_or_contact, params.nombre required, params.fecha required"),
		send("nobody, at length", `{"number":"","contact":null,"params":{"nombre":"a","fecha":"b"}}`, "422 number number_or_contact"),
		send("both", `{"number":"+573009990000","contact":"x","params":{"nombre":"a","fecha":"b"}}`, "422 contact number_or_contact"),
		send("what is wrong is told once", `{"number":573009990000,"params":{"nombre":5,"fecha":null}}`,
			"422 number wrong_type, params.fecha required, params.nombre wrong_type"),
		send("parameters that are none", `{"contact":5,"params":["a"]}`, "422 contact wrong_type, params wrong_type"),
		send("no number", `{"number":"12","params":{"nombre":"a","fecha":"b"}}`, "422 number invalid_phone"),
		send("a contact who never wrote", `{"contact":"nobody","params":{"nombre":"a","fecha":"b"}}`, "422 contact not_found"),
		send("an id that cannot be one", `{"contact":"a/b","params":{"nombre":"a","fecha":"b"}}`, "422 contact not_found"),
		send("a contact whom we wrote to first", fmt.Sprintf(`{"contact":%q,"params":{"nombre":"Ana","fecha":"lunes"}}`, store.ContactID("whatsapp", "573009990000")), "201"),
		send("an unknown parameter", `{"number":"+573009990000","params":{"nombre":"a","fecha":"b","otro":"c"}}`, "422 params.otro unknown_parameter"),
		send("a file for a text", `{"number":"+573009990000","params":{"nombre":"a","fecha":"b"},"upload":"x"}`, "422 upload not_allowed"),
	})
	wakes := queued[desk.Wake](t, outbound, desk.StageOutbound)
	if len(wakes) != 3 {
		t.Fatalf("%d wake-ups", len(wakes))
	}
	conv := must(s.demo.Conversation(t.Context(), wakes[0].Conversation))
	if len(conv.Unsent) != 2 || conv.Person != "573009990000" || conv.InWindow(s.now()) || !desk.Armed(conv.ArmedWake, s.now()) {
		t.Errorf("%+v", conv)
	}
	use := must(s.demo.Turns(t.Context(), conv.ID, conv.Unsent[0].Turn))[0].Replies[0].Template
	if use == nil || !use.Taps || use.ProviderID != "p1" || use.Template != s.template {
		t.Errorf("%+v", use)
	}
}

func TestS3_31WhatStopsASendIsNamed(t *testing.T) {
	s := seed(t)
	withFiles(s)
	const body = `{"number":"+573009990000","params":{"1":"x"}}`
	fresh := must(s.demo.Template(t.Context(), s.template))
	for _, c := range []struct {
		say    string
		change func(v *desk.Template)
		token  string
		code   string
	}{
		{"pending", func(v *desk.Template) { v.Status, v.ProviderState = desk.TemplatePending, "pending" }, s.admin, "template_not_approved"},
		{"rejected", func(v *desk.Template) { v.Status, v.ProviderState = desk.TemplateRejected, "rejected" }, s.admin, "template_not_approved"},
		{"paused by the provider", func(v *desk.Template) { v.ProviderState = "paused" }, s.admin, "template_stopped"},
		{"no longer at the provider", func(v *desk.Template) { v.ProviderState = desk.ProviderMissing }, s.admin, "template_stopped"},
		{"switched off", func(v *desk.Template) { v.Active = false }, s.admin, "template_inactive"},
		{"not assigned, by an agent", func(*desk.Template) {}, s.agent, "template_not_assigned"},
	} {
		now := must(s.demo.Template(t.Context(), s.template))
		v := fresh
		v.Versioned = now.Versioned
		c.change(&v)
		check(t, s.demo.SaveTemplate(t.Context(), v, nil))
		play(t, s, []step{{say: c.say, call: "POST /v1/templates/{template}/messages", body: body, token: c.token, want: "409 " + c.code + ": "}})
	}
	now := must(s.demo.Template(t.Context(), s.template))
	v := fresh
	v.Versioned, v.Queues = now.Versioned, []string{"qu1"}
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	check(t, s.demo.SaveConsent(t.Context(), desk.Consent{Channel: s.channel, Person: "573009990000", At: s.now()}))
	play(t, s, []step{
		{say: "who opted out before the first word", call: "POST /v1/templates/{template}/messages", body: body, token: s.agent, want: "409 opted_out: "},
		{say: "assigned, an agent may", call: "POST /v1/templates/{template}/messages", body: strings.Replace(body, "0000", "1111", 1), token: s.agent, want: "201"},
	})
	conv := must(s.demo.Conversation(t.Context(), store.ConversationID(s.channel, "573009991111")))
	conv.OptedOut = true
	check(t, s.demo.SaveConversation(t.Context(), conv))
	play(t, s, []step{{say: "who opted out since", call: "POST /v1/templates/{template}/messages", body: strings.Replace(body, "0000", "1111", 1), want: "409 opted_out: "}})
	conv = must(s.demo.Conversation(t.Context(), conv.ID))
	conv.OptedOut = false
	for len(conv.Unsent) < desk.MaxUnsent-1 {
		conv.Unsent = append(conv.Unsent, desk.Unsent{Turn: conv.Unsent[0].Turn, First: 1, Last: 1})
	}
	check(t, s.demo.SaveConversation(t.Context(), conv))
	play(t, s, []step{
		{say: "the last one that may wait", call: "POST /v1/templates/{template}/messages", body: strings.Replace(body, "0000", "1111", 1), want: "201"},
		{say: "one too many waits", call: "POST /v1/templates/{template}/messages", body: strings.Replace(body, "0000", "1111", 1), want: "409 too_many_unsent: "},
	})
}

// upload puts a file where a form says and gives the status.
func upload(t *testing.T, files http.Handler, form answer, content []byte) int {
	t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	var fields map[string]string
	b, _ := json.Marshal(form.get("fields"))
	check(t, json.Unmarshal(b, &fields))
	for name, value := range fields {
		check(t, m.WriteField(name, value))
	}
	part, err := m.CreateFormFile("file", "x")
	check(t, err)
	_, err = part.Write(content)
	check(t, err)
	check(t, m.Close())
	address, _ := form.get("url").(string)
	r := httptest.NewRequest("POST", strings.TrimPrefix(address, "http://files.example"), &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	rec := httptest.NewRecorder()
	files.ServeHTTP(rec, r)
	return rec.Code
}

// png is a file of that many bytes that begins as a PNG does.
func png(n int) []byte {
	b := make([]byte, n)
	copy(b, "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\xf4\x00\x00\x01\xf4\x08\x02\x00\x00\x00")
	return b
}

// TestS3_33AnImageIsSentAsItWasChecked, at both edges of its size.
func TestS3_33AnImageIsSentAsItWasChecked(t *testing.T) {
	s := seed(t)
	files, _, _ := withFiles(s)
	v := must(s.demo.Template(t.Context(), s.template))
	v.Type = desk.TemplateImage
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	ask := func() answer {
		return s.ok(201, "POST", "/v1/uploads", `{"kind":"image","name":"oferta.png","content_type":"image/png"}`)
	}
	send := func(upload, want string) step {
		return step{say: "send " + want, call: "POST /v1/templates/{template}/messages", body: `{"number":"+573009990000","params":{"1":"x"},"upload":"` + upload + `"}`, want: want}
	}
	play(t, s, []step{
		{say: "another type", call: "POST /v1/uploads", body: `{"kind":"image","name":"a.gif","content_type":"image/gif"}`, want: "422 name file_extension, content_type file_type"},
		{say: "an image has a file", call: "POST /v1/templates/{template}/messages", body: `{"number":"+573009990000","params":{"1":"x"}}`, want: "422 upload required"},
		send("nothing", "422 upload not_found"),
	})

	largest := ask()
	play(t, s, []step{send(largest.id(), "422 upload not_uploaded")})
	if status := upload(t, files, largest, png(desk.MaxTemplateImage)); status != http.StatusNoContent {
		t.Fatalf("2 MiB: %d", status)
	}
	sent := s.ok(201, "POST", "/v1/templates/"+s.template+"/messages", `{"number":"+573009990000","params":{"1":"x"},"upload":"`+largest.id()+`"}`)
	if sent.get("media.kind") != "image" {
		t.Error(sent.text)
	}
	if status := upload(t, files, ask(), png(desk.MaxTemplateImage+1)); status != http.StatusBadRequest {
		t.Errorf("2 MiB and a byte: %d", status)
	}
	liar := ask()
	if status := upload(t, files, liar, []byte("GIF89a and no PNG")); status != http.StatusNoContent {
		t.Fatal(status)
	}
	video := s.ok(201, "POST", "/v1/uploads", `{"kind":"video","name":"a.mp4","content_type":"video/mp4"}`)
	play(t, s, []step{
		send(liar.id(), "422 upload.content file_content"),
		send(video.id(), "422 upload wrong_kind"),
		{say: "an upload can be read, without what can be used", call: "GET /v1/uploads/" + liar.id(), want: `200 url=null; fields=null; max_bytes=2097152; version=1`},
		{say: "not by another company", call: "GET /v1/uploads/" + liar.id(), token: s.other, want: "404"},
	})

	conv := must(s.demo.Conversation(t.Context(), store.ConversationID(s.channel, "573009990000")))
	media := must(s.demo.Turns(t.Context(), conv.ID, conv.Unsent[0].Turn))[0].Replies[0].Media
	if media == nil || !strings.HasPrefix(media.Blob, CheckedFiles+"demo/") || media.Name != "oferta.png" {
		t.Fatalf("%+v", media)
	}
	f, info, err := s.api.Blobs.Get(t.Context(), media.Blob)
	check(t, err)
	defer f.Close()
	if info.Size != desk.MaxTemplateImage {
		t.Errorf("%d bytes", info.Size)
	}
}

// TestARepeatIsAnsweredWhateverHappenedSince: the first answer stands.
func TestARepeatIsAnsweredWhateverHappenedSince(t *testing.T) {
	s := seed(t)
	withFiles(s)
	calls := []struct{ path, body string }{
		{"/v1/templates/" + s.template + "/messages", `{"number":"+573009990000","params":{"1":"x"}}`},
		{"/v1/channels/" + s.channel + "/templates", wanted},
	}
	var first []string
	for i, c := range calls {
		first = append(first, s.ok(201, "POST", c.path, c.body, fmt.Sprint("Idempotency-Key: k", i)).text)
	}
	v := must(s.demo.Template(t.Context(), s.template))
	v.ProviderState = "paused"
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	ch := must(s.demo.FreshChannel(t.Context(), s.channel))
	ch.State = desk.ChannelInactive
	check(t, s.demo.SaveChannel(t.Context(), ch, nil))
	again := func(when string) {
		t.Helper()
		for i, c := range calls {
			a := s.do(s.admin, "POST", c.path, c.body, fmt.Sprint("Idempotency-Key: k", i))
			if a.status != 201 || a.text != first[i] {
				t.Errorf("%s: %d %s, first %s", when, a.status, a.text, first[i])
			}
		}
	}
	again("switched off")
	s.ok(204, "DELETE", "/v1/channels/"+s.channel, "")
	again("deleted")
}

// TestS3_50WorkspaceNames: agents read no queues and campaigns; the workspace names
// those of its page.
func TestS3_50WorkspaceNames(t *testing.T) {
	s := seed(t)
	agua := s.make("/v1/queues", `{"name":"Agua"}`)
	s.make("/v1/campaigns", `{"name":"Verano"}`)
	v := must(s.demo.Template(t.Context(), s.template))
	v.Queues, v.Campaigns = []string{s.queue, agua, "gone"}, []string{s.campaign}
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	other := v
	other.ID, other.Name, other.Queues, other.Campaigns, other.Versioned = s.newID(), "aviso", []string{agua}, nil, desk.Versioned{}
	check(t, s.demo.SaveTemplate(t.Context(), other, nil))
	both := `{"id":"` + agua + `","name":"Agua"},{"id":"{queue}","name":"Atención"}`
	play(t, s, []step{
		{say: "each once, sorted, without what is gone", call: "GET /v1/workspace/templates", token: s.agent,
			want: `200 items.0.name="aviso"; items.1.name="create_case"; items.2=null; queues=[` + both + `]; campaigns=[{"id":"{campaign}","name":"Navidad"}]`},
		{say: "of the page alone", call: "GET /v1/workspace/templates?limit=1", token: s.agent, want: `200 items.0.name="aviso"; queues=[{"id":"` + agua + `","name":"Agua"}]; campaigns=[]`},
		{say: "of no page none", call: "GET /v1/workspace/templates?queue=none", token: s.agent, want: `200 items=[]; queues=[]; campaigns=[]; next_cursor=null`},
	})
}
