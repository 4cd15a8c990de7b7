package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/store"
)

// ofCategory makes the template one of that category.
func ofCategory(s *seeded, category string) {
	s.t.Helper()
	v := must(s.demo.Template(s.t.Context(), s.template))
	v.Category = category
	check(s.t, s.demo.SaveTemplate(s.t.Context(), v, nil))
}

// TestMarketingIsRefusedToWhoStoppedIt, and nothing else is.
func TestMarketingIsRefusedToWhoStoppedIt(t *testing.T) {
	s := seed(t)
	withFiles(s)
	to := func(say, number, want string) step {
		return step{say: say, call: "POST /v1/templates/{template}/messages", body: `{"number":"` + number + `","params":{"1":"x"}}`, want: want}
	}
	says := func(number string, in bool, at time.Time) {
		check(t, s.demo.SaveConsent(t.Context(), desk.Consent{Channel: s.channel, Person: number, Scope: desk.ScopeMarketing, OptedIn: in, At: at}))
	}
	const stopped, writes = "573009990000", "573009991111"
	says(stopped, false, s.now())
	ofCategory(s, desk.CategoryMarketing)
	play(t, s, []step{
		to("stopped before the first word", stopped, "409 marketing_opted_out: "),
		to("who said nothing", writes, "201"),
	})
	ofCategory(s, desk.CategoryUtility)
	play(t, s, []step{to("utility, to who stopped marketing", stopped, "201")})
	if conv := must(s.demo.Conversation(t.Context(), store.ConversationID(s.channel, stopped))); !conv.OptedOutMarketing || conv.OptedOut {
		t.Errorf("what they said is not on their conversation: %+v", conv)
	}
	ofCategory(s, desk.CategoryMarketing)
	conv := must(s.demo.Conversation(t.Context(), store.ConversationID(s.channel, writes)))
	conv.OptedOutMarketing = true
	check(t, s.demo.SaveConversation(t.Context(), conv))
	play(t, s, []step{
		to("stopped since", writes, "409 marketing_opted_out: "),
		to("stopped before, in a conversation", stopped, "409 marketing_opted_out: "),
	})
	says("573009992222", false, s.now())
	says("573009992222", true, s.now().Add(time.Minute))
	play(t, s, []step{to("resumed before the first word", "573009992222", "201")})
	conv = must(s.demo.Conversation(t.Context(), conv.ID))
	conv.OptedOut = true
	check(t, s.demo.SaveConversation(t.Context(), conv))
	play(t, s, []step{to("who wants nothing at all", writes, "409 opted_out: ")})
}

// TestAOneTimeCodeIsNeverShown: not in the answer, not in a repeat of it, not among
// the messages, before and after it was sent, and not in the log.
func TestAOneTimeCodeIsNeverShown(t *testing.T) {
	s := seed(t)
	withFiles(s)
	v := must(s.demo.Template(t.Context(), s.template))
	v.Category, v.Body = desk.CategoryAuthentication, "{{1}} es tu código de verificación."
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	const number, code = "573009990000", "739164"
	path, body := "/v1/templates/"+s.template+"/messages", `{"number":"`+number+`","params":{"1":"`+code+`"}}`
	shown := func(say string, a answer, at string) {
		t.Helper()
		if strings.Contains(a.text, code) || a.get(at+"text") != desk.MaskedCode+" es tu código de verificación." || a.get(at+"template.params.0") != desk.MaskedCode {
			t.Errorf("%s: %s", say, a.text)
		}
	}
	first := s.ok(http.StatusCreated, "POST", path, body, "Idempotency-Key: otp")
	shown("the answer", first, "")
	conversation := store.ConversationID(s.channel, number)
	messages := func() answer { return s.ok(200, "GET", "/v1/conversations/"+conversation+"/messages", "") }
	shown("while it waits", messages(), "items.0.")
	conv := must(s.demo.Conversation(t.Context(), conversation))
	turn := must(s.demo.Turns(t.Context(), conversation, conv.Unsent[0].Turn))[0]
	if r := turn.Replies[0]; r.Template.Params[0] != code || strings.Contains(r.Text, code) {
		t.Errorf("what waits: %q with %q", r.Text, r.Template.Params)
	}
	turn.Replies[0].Done, turn.Replies[0].Status = true, desk.Accepted
	check(t, s.demo.SaveSent(t.Context(), turn))
	shown("once it is sent", messages(), "items.0.")
	if again := s.ok(http.StatusCreated, "POST", path, body, "Idempotency-Key: otp"); again.text != first.text {
		t.Errorf("a repeat: %s, first %s", again.text, first.text)
	}
	play(t, s, []step{{say: "the same key with another code", call: "POST /v1/templates/{template}/messages", headers: []string{"Idempotency-Key: otp"},
		body: strings.Replace(body, code, "280517", 1), want: "422 idempotency_mismatch: Idempotency-Key idempotency_mismatch"}})
	if strings.Contains(s.log.String(), code) {
		t.Error("the log tells it")
	}
}

// TestAnUploadServesForAWeek, and what a message sends longer: its file lies where no
// rule of the bucket removes anything.
func TestAnUploadServesForAWeek(t *testing.T) {
	s := seed(t)
	files, _, _ := withFiles(s)
	v := must(s.demo.Template(t.Context(), s.template))
	v.Type = desk.TemplateImage
	check(t, s.demo.SaveTemplate(t.Context(), v, nil))
	form := s.ok(201, "POST", "/v1/uploads", `{"kind":"image","name":"oferta.png","content_type":"image/png"}`)
	if key := must(s.demo.Upload(t.Context(), form.id())).Key; key != RawFiles+"demo/"+form.id() {
		t.Errorf("it is put at %q", key)
	}
	if status := upload(t, files, form, png(1000)); status != http.StatusNoContent {
		t.Fatal(status)
	}
	send := func(number, want string) step {
		return step{say: number, call: "POST /v1/templates/{template}/messages", body: `{"number":"+` + number + `","params":{"1":"x"},"upload":"` + form.id() + `"}`, want: want}
	}
	s.advance(desk.UploadKept - time.Second)
	play(t, s, []step{send("573009990000", "201"), {say: "read", call: "GET /v1/uploads/" + form.id(), want: "200"}})
	s.advance(time.Second)
	play(t, s, []step{send("573009991111", "422 upload not_found"), {say: "read too late", call: "GET /v1/uploads/" + form.id(), want: "404"}})

	conv := must(s.demo.Conversation(t.Context(), store.ConversationID(s.channel, "573009990000")))
	blob := must(s.demo.Turns(t.Context(), conv.ID, conv.Unsent[0].Turn))[0].Replies[0].Media.Blob
	if !strings.HasPrefix(blob, CheckedFiles+"demo/") || strings.HasPrefix(blob, RawFiles) {
		t.Errorf("a message that waits needs %q", blob)
	}
}
