package meta_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/channeltest"
	"buzon/internal/channel/meta"
	"buzon/internal/desk"
)

const (
	token  = "EAAJB-access-token-123"
	person = "491700000001"
)

var account = channel.Account{
	Channel:     demo,
	Credentials: channel.Credentials{AccessToken: token, AppSecret: "app-secret-456", VerifyToken: "verify-token-789"},
}

var hello = desk.Outgoing{Type: desk.ReplyText, Text: "Hola & <adiós> 👋\nsegunda línea"}

// sender is a provider that talks to a server of this test.
func sender(t *testing.T, answer http.HandlerFunc) meta.Provider {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	return meta.Provider{BaseURL: srv.URL, HTTP: channeltest.Local(), Now: func() time.Time { return now }}
}

func asError(t *testing.T, err error) *channel.Error {
	t.Helper()
	var e *channel.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *channel.Error", err)
	}
	return e
}

func decoded(t *testing.T, s string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

// accepted is Meta's answer to a message.
const accepted = `{"messaging_product":"whatsapp","contacts":[{"input":"491700000001","wa_id":"491700000001"}],"messages":[{"id":"wamid.OUT1","message_status":"accepted"}]}`

func TestSendWritesWhatIsDocumented(t *testing.T) {
	media := func(kind, id, link, name, caption string) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyMedia, Text: caption, Media: &desk.MediaLink{Kind: kind, ID: id, URL: link, Name: name}}
	}
	use := func(u desk.TemplateUse) desk.Outgoing {
		u.ProviderID, u.Name, u.Language = "5", "order_update", "es"
		return desk.Outgoing{Type: desk.ReplyTemplate, Template: &u}
	}
	onTop := func(kind, name string) desk.Outgoing {
		out := use(desk.TemplateUse{Params: []string{"Ana"}})
		out.Media = &desk.MediaLink{Kind: kind, ID: "3000", Name: name}
		return out
	}
	template := func(components string) string {
		return `"type":"template","template":{"name":"order_update","language":{"code":"es"}` + components + `}`
	}
	const body = `{"type":"body","parameters":[{"type":"text","text":"Ana"}]}`
	tests := []struct {
		why  string
		out  desk.Outgoing
		want string // what stands beside the frame
	}{
		{"text", hello, `"type":"text","text":{"preview_url":false,"body":"Hola & <adiós> 👋\nsegunda línea"}`},
		{"a list cuts titles and keeps the full name below",
			desk.Outgoing{Type: desk.ReplyList, Text: "Elija", Button: "Ver opciones", Rows: []desk.Row{
				{ID: "a", Title: "Movilidad"}, {ID: "b", Title: "Permiso de construcción tipo A"}, {ID: "c", Title: "Permiso de construcción\ntipo B", Description: "Obras"},
			}},
			`"type":"interactive","interactive":{"type":"list","header":{"type":"text","text":"Demo"},"body":{"text":"Elija"},"action":{"button":"Ver opciones","sections":[{"rows":[
			{"id":"a","title":"Movilidad"},
			{"id":"b","title":"Permiso de construcción…","description":"Permiso de construcción tipo A"},
			{"id":"c","title":"Permiso de construcci… 2","description":"Permiso de construcción tipo B · Obras"}]}]}}`},
		{"buttons", desk.Outgoing{Type: desk.ReplyButtons, Text: "¿Sí?", Rows: []desk.Row{{ID: "y", Title: "Sí"}, {ID: "n", Title: "No, y esto es demasiado largo"}}},
			`"type":"interactive","interactive":{"type":"button","body":{"text":"¿Sí?"},"action":{"buttons":[{"type":"reply","reply":{"id":"y","title":"Sí"}},{"type":"reply","reply":{"id":"n","title":"No, y esto es demas…"}}]}}`},
		{"an image by its id", media("image", "3000", "", "", "c"), `"type":"image","image":{"id":"3000","caption":"c"}`},
		{"a link where there is no id", media("video", "", "https://x.example/a.mp4", "", ""), `"type":"video","video":{"link":"https://x.example/a.mp4"}`},
		{"the id goes before the link", media("image", "3000", "https://x.example/a", "", ""), `"type":"image","image":{"id":"3000"}`},
		{"a file is a document with its name", media("file", "3000", "", "a.pdf", "c"), `"type":"document","document":{"id":"3000","filename":"a.pdf","caption":"c"}`},
		{"so is a document", media("document", "3000", "", "a.pdf", ""), `"type":"document","document":{"id":"3000","filename":"a.pdf"}`},
		{"a sound", media("audio", "3000", "", "", ""), `"type":"audio","audio":{"id":"3000"}`},
		{"a sticker", media("sticker", "3000", "", "", ""), `"type":"sticker","sticker":{"id":"3000"}`},
		{"a template without parameters", use(desk.TemplateUse{}), template(``)},
		{"a template", use(desk.TemplateUse{Params: []string{"Ana", "A-100"}}),
			template(`,"components":[{"type":"body","parameters":[{"type":"text","text":"Ana"},{"type":"text","text":"A-100"}]}]`)},
		{"an empty parameter is sent as it is", use(desk.TemplateUse{Params: []string{""}}), template(`,"components":[{"type":"body","parameters":[{"type":"text","text":""}]}]`)},
		{"the last parameters belong to the addresses of the buttons", use(desk.TemplateUse{Params: []string{"Ana", "a", "b"}, URLs: []int{0, 2}}),
			template(`,"components":[` + body + `,{"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"a"}]},{"type":"button","sub_type":"url","index":"2","parameters":[{"type":"text","text":"b"}]}]`)},
		{"only an address", use(desk.TemplateUse{Params: []string{"a"}, URLs: []int{1}}),
			template(`,"components":[{"type":"button","sub_type":"url","index":"1","parameters":[{"type":"text","text":"a"}]}]`)},
		{"a code stands in the text and in the button", use(desk.TemplateUse{Params: []string{"Ana"}, OTP: true}),
			template(`,"components":[` + body + `,{"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"Ana"}]}]`)},
		{"an image on top", onTop("image", "a.png"), template(`,"components":[{"type":"header","parameters":[{"type":"image","image":{"id":"3000"}}]},` + body + `]`)},
		{"a video on top", onTop("video", "a.mp4"), template(`,"components":[{"type":"header","parameters":[{"type":"video","video":{"id":"3000"}}]},` + body + `]`)},
		{"a document on top", onTop("file", "a.pdf"), template(`,"components":[{"type":"header","parameters":[{"type":"document","document":{"id":"3000","filename":"a.pdf"}}]},` + body + `]`)},
	}
	people := map[string]string{"+" + person: `"to":"` + person + `"`, scoped: `"recipient":"` + scoped + `"`}
	for _, tc := range tests {
		for to, whom := range people {
			t.Run(tc.why+" "+to, func(t *testing.T) {
				type request struct{ Method, Path, Authorization, Type string }
				var got request
				var body []byte
				p := sender(t, func(w http.ResponseWriter, r *http.Request) {
					got = request{r.Method, r.URL.String(), r.Header.Get("Authorization"), r.Header.Get("Content-Type")}
					body, _ = io.ReadAll(r.Body)
					io.WriteString(w, accepted)
				})
				sent, err := p.Send(t.Context(), account, to, tc.out, "ref-1")
				if err != nil || sent.ProviderID != "wamid.OUT1" {
					t.Fatalf("%+v, %v", sent, err)
				}
				if want := (request{"POST", "/v25.0/200000000000001/messages", "Bearer " + token, "application/json"}); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				want := `{"messaging_product":"whatsapp","recipient_type":"individual",` + whom + `,"biz_opaque_callback_data":"ref-1",` + tc.want + `}`
				if diff := cmp.Diff(decoded(t, want), decoded(t, string(body))); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		}
	}
}

func TestSendRefusesWhatCanNeverGo(t *testing.T) {
	rows := func(n int) []desk.Row {
		list := make([]desk.Row, n)
		for i := range list {
			list[i] = desk.Row{ID: fmt.Sprint(i), Title: fmt.Sprint("r", i)}
		}
		return list
	}
	list := func(body string, r []desk.Row) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyList, Text: body, Button: "b", Rows: r}
	}
	buttons := func(r []desk.Row) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyButtons, Text: "t", Rows: r}
	}
	media := func(kind string, n int) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyMedia, Text: strings.Repeat("é", n), Media: &desk.MediaLink{Kind: kind, ID: "3000"}}
	}
	text := func(n int) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyText, Text: strings.Repeat("ñ", n)}
	}
	use := func(u desk.TemplateUse) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyTemplate, Template: &u}
	}
	withTop := func(m desk.MediaLink) desk.Outgoing {
		out := use(desk.TemplateUse{Name: "n", Language: "es"})
		out.Media = &m
		return out
	}
	tests := []struct {
		why  string
		out  desk.Outgoing
		to   string
		want string // reason; empty: it goes
	}{
		{"a text at the limit, in characters", text(desk.MaxText), person, ""},
		{"a text beyond it", text(desk.MaxText + 1), person, "text_too_long"},
		{"no text", desk.Outgoing{Type: desk.ReplyText, Text: " \n"}, person, "text_empty"},
		{"ten rows", list("t", rows(desk.ListRows)), person, ""},
		{"eleven rows", list("t", rows(desk.ListRows+1)), person, "too_many_choices"},
		{"no rows", list("t", nil), person, "choices_missing"},
		{"a list's text at the limit", list(strings.Repeat("ñ", desk.MaxListBody), rows(1)), person, ""},
		{"a list's text beyond it", list(strings.Repeat("ñ", desk.MaxListBody+1), rows(1)), person, "text_too_long"},
		{"a row id at the limit", list("t", []desk.Row{{ID: strings.Repeat("a", desk.MaxRowID), Title: "t"}}), person, ""},
		{"a row id beyond it", list("t", []desk.Row{{ID: strings.Repeat("a", desk.MaxRowID+1), Title: "t"}}), person, "choice_id_too_long"},
		{"a row without title", list("t", []desk.Row{{ID: "a", Title: " "}}), person, "choice_empty"},
		{"a row without id", list("t", []desk.Row{{Title: "t"}}), person, "choice_empty"},
		{"a list without button", desk.Outgoing{Type: desk.ReplyList, Text: "t", Rows: rows(1)}, person, "button_empty"},
		{"three buttons", buttons(rows(desk.MaxButtons)), person, ""},
		{"four buttons", buttons(rows(desk.MaxButtons + 1)), person, "too_many_choices"},
		{"buttons without text", desk.Outgoing{Type: desk.ReplyButtons, Rows: rows(1)}, person, "text_empty"},
		{"a caption at the limit", media("image", 1024), person, ""},
		{"a caption beyond it", media("image", 1025), person, "text_too_long"},
		{"a caption under a sound", media("audio", 1), person, "caption_unsupported"},
		{"a caption under a sticker", media("sticker", 1), person, "caption_unsupported"},
		{"media of no kind", media("fax", 0), person, "unsupported_type"},
		{"media that is nowhere", desk.Outgoing{Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "image"}}, person, "media_missing"},
		{"no media", desk.Outgoing{Type: desk.ReplyMedia}, person, "media_missing"},
		{"no template", desk.Outgoing{Type: desk.ReplyTemplate}, person, "template_missing"},
		{"a template without name", use(desk.TemplateUse{ProviderID: "5", Language: "es"}), person, "template_missing"},
		{"a template without language", use(desk.TemplateUse{ProviderID: "5", Name: "n"}), person, "template_missing"},
		{"more addresses than parameters", use(desk.TemplateUse{Name: "n", Language: "es", URLs: []int{0}}), person, "template_parameters"},
		{"a code that is missing", use(desk.TemplateUse{Name: "n", Language: "es", OTP: true}), person, "template_parameters"},
		{"two codes", use(desk.TemplateUse{Name: "n", Language: "es", OTP: true, Params: []string{"1", "2"}}), person, "template_parameters"},
		{"a template with a sound on top", withTop(desk.MediaLink{Kind: "audio", ID: "3000"}), person, "unsupported_type"},
		{"a template with nothing on top", withTop(desk.MediaLink{Kind: "image"}), person, "media_missing"},
		{"no type", desk.Outgoing{Text: "t"}, person, "unsupported_type"},
		{"nobody", hello, "", "invalid_destination"},
		{"a name for a number", hello, "ana", "invalid_destination"},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			asked := 0
			p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				io.WriteString(w, accepted)
			})
			_, err := p.Send(t.Context(), account, tc.to, tc.out, "ref")
			if tc.want == "" {
				if err != nil || asked != 1 {
					t.Fatalf("%v after %d requests", err, asked)
				}
				return
			}
			want := &channel.Error{Verdict: channel.Refused, Code: "not_sent", Reason: tc.want}
			if diff := cmp.Diff(want, asError(t, err)); diff != "" || asked > 0 {
				t.Errorf("%d requests\n%s", asked, diff)
			}
		})
	}
	size := 0
	p := sender(t, func(w http.ResponseWriter, r *http.Request) { size = int(r.ContentLength); io.WriteString(w, accepted) })
	filled := func(n int) desk.Outgoing {
		return use(desk.TemplateUse{Name: "n", Language: "es", Params: []string{strings.Repeat("x", n)}})
	}
	if _, err := p.Send(t.Context(), account, person, filled(0), "ref"); err != nil {
		t.Fatal(err)
	}
	most := 64<<10 - size
	if _, err := p.Send(t.Context(), account, person, filled(most), "ref"); err != nil || size != 64<<10 {
		t.Errorf("a message of %d bytes: %v", size, err)
	}
	if _, err := p.Send(t.Context(), account, person, filled(most+1), "ref"); asError(t, err).Reason != "text_too_long" || size != 64<<10 {
		t.Errorf("one of a byte more: %v", err)
	}
	for n, want := range map[int]int{512: 1, 513: 0} {
		asked := 0
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) { asked++; io.WriteString(w, accepted) })
		if _, err := p.Send(t.Context(), account, person, hello, strings.Repeat("r", n)); asked != want || (err == nil) != (want == 1) {
			t.Errorf("a reference of %d bytes: %d requests, %v", n, asked, err)
		}
	}
}

// TestEveryCallOnAChannelWithoutSettings: what lacks an id or the token is down.
func TestEveryCallOnAChannelWithoutSettings(t *testing.T) {
	want := &channel.Error{Verdict: channel.ChannelDown, Code: "not_sent", Reason: "channel_not_configured", Cause: desk.WaitCredential}
	for why, change := range map[string]func(*channel.Account){
		"no ids":   func(a *channel.Account) { a.Channel.PhoneNumberID, a.Channel.AccountID = "", "" },
		"no token": func(a *channel.Account) { a.Credentials.AccessToken = "" },
	} {
		a := account
		change(&a)
		for call, err := range everyCall(t, provider(), a) {
			if diff := cmp.Diff(want, asError(t, err)); diff != "" {
				t.Errorf("%s, %s: %s", why, call, diff)
			}
		}
	}
}

// everyCall makes every call of a provider and returns their errors.
func everyCall(t *testing.T, p meta.Provider, a channel.Account) map[string]error {
	_, send := p.Send(t.Context(), a, person, hello, "ref")
	_, upload := p.Upload(t.Context(), a, "image", channel.File{Name: "a.png", ContentType: "image/png", Size: 1, Body: strings.NewReader("x")})
	_, submit := p.Submit(t.Context(), a, wanted)
	list := p.List(t.Context(), a, func([]channel.Listed) error { return nil })
	return map[string]error{"send": send, "upload": upload, "check": p.Check(t.Context(), a), "submit": submit, "list": list}
}

func TestAnswers(t *testing.T) {
	type header = map[string]string
	down := func(code, reason, cause string) channel.Error {
		return channel.Error{Verdict: channel.ChannelDown, Code: code, Reason: reason, Cause: cause}
	}
	later := func(code, reason, cause string, after time.Duration) channel.Error {
		return channel.Error{Verdict: channel.Later, Code: code, Reason: reason, Cause: cause, After: after}
	}
	refused := func(code, reason string) channel.Error {
		return channel.Error{Verdict: channel.Refused, Code: code, Reason: reason}
	}
	unknown := func(code string) channel.Error {
		return channel.Error{Verdict: channel.Unknown, Code: code, Reason: desk.ReasonUnknown}
	}
	said := func(code int) string {
		return fmt.Sprintf(`{"error":{"message":"(#%d) its words","type":"OAuthException","code":%d,"error_data":{"messaging_product":"whatsapp","details":"details"},"fbtrace_id":"A"}}`, code, code)
	}
	tests := []struct {
		why    string
		status int
		header header
		body   string
		want   channel.Error // zero: sent as "m"
	}{
		{"accepted", 200, nil, `{"messages":[{"id":"m","message_status":"accepted"}]}`, channel.Error{}},
		{"held for a while, which is Meta's affair", 200, nil, `{"messages":[{"id":"m","message_status":"held_for_quality_assessment"}]}`, channel.Error{}},
		{"200 and an error", 200, nil, said(131026), refused("131026", "undeliverable")},
		{"200 without JSON", 200, nil, `OK`, unknown("200")},
		{"200 without a body", 200, nil, ``, unknown("200")},
		{"200 without messages", 200, nil, `{"messaging_product":"whatsapp"}`, unknown("200")},
		{"200 with no message", 200, nil, `{"messages":[]}`, unknown("200")},
		{"200 with a blank id", 200, nil, `{"messages":[{"id":" "}]}`, unknown("200")},
		{"200 with an id that is a number", 200, nil, `{"messages":[{"id":7}]}`, unknown("200")},
		{"200 with two ids", 200, nil, `{"messages":[{"id":"m","id":"n"}]}`, unknown("200")},
		{"200 with more than is read", 200, nil, `{"messages":[{"id":"m"}],"x":"` + strings.Repeat("x", 64<<10) + `"}`, unknown("200")},
		{"401 without a body", 401, nil, ``, down("401", "credential_refused", desk.WaitCredential)},
		{"401 with a code that we do not know", 401, nil, said(7777), down("7777", "credential_refused", desk.WaitCredential)},
		{"a token that expired", 401, nil, said(190), down("190", "token_expired", desk.WaitCredential)},
		{"a token that expired, said with 400", 400, nil, said(190), down("190", "token_expired", desk.WaitCredential)},
		{"a permission", 403, nil, said(10), down("10", "permission_missing", desk.WaitCredential)},
		{"the last of the permissions", 403, nil, said(299), down("299", "permission_missing", desk.WaitCredential)},
		{"no permission", 400, nil, said(300), refused("300", "details")},
		{"403 without a code", 403, nil, `<html>no</html>`, down("403", "credential_refused", desk.WaitCredential)},
		{"403 with a code that we do not know", 403, nil, said(130497), refused("130497", "details")},
		{"a block", 403, nil, said(368), down("368", "policy_block", desk.WaitSuspended)},
		{"an account that is locked", 403, nil, said(131031), down("131031", "account_locked", desk.WaitSuspended)},
		{"a bill", 400, nil, said(131042), down("131042", "payment_missing", desk.WaitWallet)},
		{"a number that is not there", 400, nil, `{"error":{"message":"Unsupported post request.","type":"GraphMethodException","code":100,"error_subcode":33}}`, down("100", "account_not_found", desk.WaitCredential)},
		{"an invalid parameter", 400, nil, `{"error":{"message":"(#100) Invalid parameter","code":100,"error_subcode":2494010}}`, refused("100", "(#100) Invalid parameter")},
		{"429 without a body", 429, nil, ``, later("429", "rate_limited", desk.WaitRateLimited, 0)},
		{"429 with seconds", 429, header{"Retry-After": "7"}, said(130429), later("130429", "rate_limited", desk.WaitRateLimited, 7*time.Second)},
		{"a rate limit that says 400", 400, header{"Retry-After": "3"}, said(80007), later("80007", "rate_limited", desk.WaitRateLimited, 3*time.Second)},
		{"the app's own limit", 400, nil, said(4), later("4", "rate_limited", desk.WaitRateLimited, 0)},
		{"spam", 400, nil, said(131048), later("131048", "spam_limited", desk.WaitRateLimited, 0)},
		{"too many to one person", 400, nil, said(131056), channel.Error{Verdict: channel.Later, Code: "131056", Reason: "pair_limited", Cause: desk.WaitPair, Pair: true}},
		{"outside the window", 400, nil, said(131047), refused("131047", "outside_window")},
		{"no more marketing", 400, nil, said(131050), refused("131050", "marketing_opted_out")},
		{"500", 500, nil, said(131000), later("131000", "provider_error", desk.WaitUnavailable, 0)},
		{"a gateway's page", 502, nil, `<html>190</html>`, later("502", "provider_error", desk.WaitUnavailable, 0)},
		{"503 with a pause", 503, header{"Retry-After": "30"}, said(2), later("2", "provider_error", desk.WaitUnavailable, 30*time.Second)},
		{"408", 408, nil, ``, later("408", "provider_timeout", desk.WaitUnavailable, 0)},
		{"an unknown code that passes", 400, nil, `{"error":{"code":7777,"is_transient":true}}`, later("7777", "provider_error", desk.WaitUnavailable, 0)},
		{"an unknown code that does not", 400, nil, `{"error":{"code":7777,"is_transient":false,"message":"x"}}`, refused("7777", "x")},
		{"5xx with a code that is final", 500, nil, said(131026), refused("131026", "undeliverable")},
		{"a redirect is not followed", 307, header{"Location": "http://127.0.0.1:1/steal"}, ``, later("307", "provider_error", desk.WaitUnavailable, 0)},
		{"400 without words", 400, nil, ``, refused("400", "refused")},
		{"words for a person go first", 400, nil, `{"error":{"code":7777,"message":"m","error_user_msg":"u","error_data":{"details":"d"}}}`, refused("7777", "u")},
		{"words of 200 characters stay", 400, nil, `{"error":{"code":7777,"message":"` + strings.Repeat("ñ", 200) + `"}}`, refused("7777", strings.Repeat("ñ", 200))},
		{"longer ones are cut", 400, nil, `{"error":{"code":7777,"message":"` + strings.Repeat("ñ", 201) + `"}}`, refused("7777", strings.Repeat("ñ", 200))},
		{"numbers and secrets are taken out", 400, nil, `{"error":{"code":7777,"message":"no ` + token + ` app-secret-456 for ` + person + ` or +49 170 0000001"}}`, refused("7777", "no … … for … or …")},
		{"out of the code as well", 400, nil, `{"error":{"code":"` + token + `","message":"x"}}`, refused("…", "x")},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range tc.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			sent, err := p.Send(t.Context(), account, person, hello, "ref")
			if tc.want.Verdict == 0 {
				if err != nil || sent.ProviderID != "m" {
					t.Fatalf("%+v, %v", sent, err)
				}
				return
			}
			got := asError(t, err)
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if s := fmt.Sprintf("%v %+v", err, *got); strings.Contains(s, token) || strings.Contains(s, person) {
				t.Errorf("tells a secret: %s", s)
			}
		})
	}
}

// TestWhoAMessageWentTo: the network's own id of the person is told as Meta says it
// (providers.md 2.5); what cannot be read of it costs nothing.
func TestWhoAMessageWentTo(t *testing.T) {
	for _, tc := range []struct{ why, contacts, want string }{
		{"as it was written", `[{"input":"491700000001","wa_id":"491700000001"}]`, "491700000001"},
		{"Mexico's 1", `[{"input":"525512345678","wa_id":"5215512345678"}]`, "5215512345678"},
		{"with a plus sign", `[{"input":"525512345678","wa_id":"+52 1 55 1234 5678"}]`, "5215512345678"},
		{"a business-scoped id alone", `[{"input":"US.13491208655302741918","user_id":"US.13491208655302741918"}]`, ""},
		{"none", `[]`, ""},
		{"no word of it", `null`, ""},
		{"a number", `[{"wa_id":491700000001}]`, ""},
		{"two", `[{"wa_id":"491700000001","WA_ID":"491700000002"}]`, ""},
		{"a name", `[{"wa_id":"ana"}]`, ""},
	} {
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"messaging_product":"whatsapp","contacts":%s,"messages":[{"id":"m"}]}`, tc.contacts)
		})
		got, err := p.Send(t.Context(), account, person, hello, "ref")
		if diff := cmp.Diff(channel.Sent{ProviderID: "m", Person: tc.want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tc.why, err, diff)
		}
	}
}

// TestWithoutAnAnswer: only a message that surely did not arrive may be sent again;
// everything else may, but for the request of a template.
func TestWithoutAnAnswer(t *testing.T) {
	later := func(code, reason string) *channel.Error {
		return &channel.Error{Verdict: channel.Later, Code: code, Reason: reason, Cause: desk.WaitUnavailable}
	}
	lost := &channel.Error{Verdict: channel.Unknown, Code: "no_answer", Reason: desk.ReasonUnknown}
	check := func(t *testing.T, p meta.Provider, want map[string]*channel.Error, all *channel.Error) {
		t.Helper()
		for call, err := range everyCall(t, p, account) {
			w := want[call]
			if w == nil {
				w = all
			}
			if diff := cmp.Diff(w, asError(t, err)); diff != "" {
				t.Errorf("%s: -want +got\n%s", call, diff)
			}
			if s := err.Error(); strings.Contains(s, token) || strings.Contains(s, person) || strings.Contains(s, "127.0.0.1") {
				t.Errorf("%s tells too much: %s", call, s)
			}
		}
	}
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		p := meta.Provider{BaseURL: "http://" + l.Addr().String(), HTTP: channeltest.Local(), Now: time.Now}
		check(t, p, nil, later("no_connection", "provider_unreachable"))
	})
	t.Run("another host is never reached", func(t *testing.T) {
		p := meta.Provider{BaseURL: meta.BaseURL, HTTP: channeltest.Local(), Now: time.Now}
		check(t, p, nil, later("no_connection", "provider_unreachable"))
	})
	t.Run("the connection drops after the request", func(t *testing.T) {
		p := sender(t, func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		})
		check(t, p, map[string]*channel.Error{"send": lost, "submit": lost}, later("no_answer", "unexpected_answer"))
	})
	t.Run("time runs out while it thinks", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := sender(t, func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		_, err := p.Send(ctx, account, person, hello, "ref")
		if diff := cmp.Diff(lost, asError(t, err)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the answer breaks off", func(t *testing.T) {
		unknown := &channel.Error{Verdict: channel.Unknown, Code: "200", Reason: desk.ReasonUnknown}
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"id":"5","data":[],"messages":[{"id":"m"}]`)
		})
		check(t, p, map[string]*channel.Error{"send": unknown, "submit": unknown}, later("200", "unexpected_answer"))
	})
}
