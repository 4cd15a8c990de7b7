package gupshup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/channeltest"
	"buzon/internal/channel/gupshup"
	"buzon/internal/desk"
)

const (
	apiKey = "sk-secret-key-123"
	person = "491700000001"
)

var account = channel.Account{
	Channel:     desk.Channel{CompanyName: "Alcaldía de Ejemplo", Identifier: "+15550000001", App: "DemoApp"},
	Credentials: channel.Credentials{APIKey: apiKey},
}

var hello = desk.Outgoing{Type: desk.ReplyText, Text: "Hola & <adiós> 👋\nsegunda línea"}

// sender is a provider that talks to a server of this test.
func sender(t *testing.T, answer http.HandlerFunc) gupshup.Provider {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	return gupshup.Provider{BaseURL: srv.URL, HTTP: channeltest.Local(), Now: func() time.Time { return now }}
}

func asError(t *testing.T, err error) *channel.Error {
	t.Helper()
	var e *channel.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *channel.Error", err)
	}
	return e
}

func TestSendWritesWhatIsDocumented(t *testing.T) {
	long := "Permiso de construcción tipo A"
	tests := []struct {
		why     string
		out     desk.Outgoing
		path    string
		message string // JSON of the message field; empty: none
		tmpl    string // JSON of the template field
	}{
		{"text", hello, "/wa/api/v1/msg",
			`{"type":"text","text":"Hola & <adiós> 👋\nsegunda línea","previewUrl":false}`, ""},
		{"a list cuts titles and keeps the full name below",
			desk.Outgoing{Type: desk.ReplyList, Text: "Elija", Button: "Ver opciones", Rows: []desk.Row{
				{ID: "a", Title: "Movilidad"}, {ID: "b", Title: long}, {ID: "c", Title: "Permiso de construcción\ntipo B", Description: "Obras"}, {ID: "d", Title: "Salud", Description: "Citas"},
			}}, "/wa/api/v1/msg",
			`{"type":"list","title":"Alcaldía de Ejemplo","body":"Elija","msgid":"ref-1","globalButtons":[{"type":"text","title":"Ver opciones"}],
			  "items":[{"title":"Ver opciones","subtitle":"Ver opciones","options":[
			  {"type":"text","title":"Movilidad","postbackText":"a"},
			  {"type":"text","title":"Permiso de construcción…","description":"Permiso de construcción tipo A","postbackText":"b"},
			  {"type":"text","title":"Permiso de construcci… 2","description":"Permiso de construcción tipo B · Obras","postbackText":"c"},
			  {"type":"text","title":"Salud","description":"Citas","postbackText":"d"}]}]}`, ""},
		{"buttons", desk.Outgoing{Type: desk.ReplyButtons, Text: "¿Sí?", Rows: []desk.Row{{ID: "y", Title: "Sí"}, {ID: "n", Title: "No, y esto es demasiado largo"}}},
			"/wa/api/v1/msg",
			`{"type":"quick_reply","msgid":"ref-1","content":{"type":"text","text":"¿Sí?","caption":""},"options":[{"type":"text","title":"Sí","postbackText":"y"},{"type":"text","title":"No, y esto es demas…","postbackText":"n"}]}`, ""},
		{"an image without caption has an empty one", desk.Outgoing{Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "image", URL: "https://x.example/a.jpg"}}, "/wa/api/v1/msg",
			`{"type":"image","originalUrl":"https://x.example/a.jpg","previewUrl":"https://x.example/a.jpg","caption":""}`, ""},
		{"a file", desk.Outgoing{Type: desk.ReplyMedia, Text: "c", Media: &desk.MediaLink{Kind: "file", URL: "https://x.example/a.pdf", Name: "a.pdf"}}, "/wa/api/v1/msg",
			`{"type":"file","url":"https://x.example/a.pdf","filename":"a.pdf","caption":"c"}`, ""},
		{"a video", desk.Outgoing{Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "video", URL: "https://x.example/a.mp4"}}, "/wa/api/v1/msg",
			`{"type":"video","url":"https://x.example/a.mp4","caption":""}`, ""},
		{"audio has no caption", desk.Outgoing{Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "audio", URL: "https://x.example/a.ogg"}}, "/wa/api/v1/msg",
			`{"type":"audio","url":"https://x.example/a.ogg"}`, ""},
		{"nor has a sticker", desk.Outgoing{Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "sticker", URL: "https://x.example/a.webp"}}, "/wa/api/v1/msg",
			`{"type":"sticker","url":"https://x.example/a.webp"}`, ""},
		{"a template", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t-1", Params: []string{"Ana", "A-100"}}}, "/wa/api/v1/template/msg",
			``, `{"id":"t-1","params":["Ana","A-100"]}`},
		{"a template without params has none, not null", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t-1"}}, "/wa/api/v1/template/msg",
			``, `{"id":"t-1","params":[]}`},
		{"a template with a document on top", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t-1"}, Media: &desk.MediaLink{Kind: "file", URL: "https://x.example/a.pdf", Name: "a.pdf"}}, "/wa/api/v1/template/msg",
			`{"type":"document","document":{"link":"https://x.example/a.pdf","filename":"a.pdf"}}`, `{"id":"t-1","params":[]}`},
		{"S3-32 a template with an image on top, by its address where we have both", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t-1", Params: []string{"Ana"}}, Media: &desk.MediaLink{Kind: "image", URL: "https://x.example/a.png", ID: "m-1", Name: "a.png"}}, "/wa/api/v1/template/msg",
			`{"type":"image","image":{"link":"https://x.example/a.png"}}`, `{"id":"t-1","params":["Ana"]}`},
		{"by its id where that is all", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t-1"}, Media: &desk.MediaLink{Kind: "video", ID: "m-1", Name: "a.mp4"}}, "/wa/api/v1/template/msg",
			`{"type":"video","video":{"id":"m-1"}}`, `{"id":"t-1","params":[]}`},
		{"a document by its id keeps its name", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t-1"}, Media: &desk.MediaLink{Kind: "document", ID: "m-1", Name: "a.pdf"}}, "/wa/api/v1/template/msg",
			`{"type":"document","document":{"id":"m-1","filename":"a.pdf"}}`, `{"id":"t-1","params":[]}`},
		{"S3-43 values of addresses follow those of the body", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t-1", Params: []string{"Ana", "A-100"}, URLs: []int{0}}}, "/wa/api/v1/template/msg",
			``, `{"id":"t-1","params":["Ana","A-100"]}`},
		{"S3-29 a code goes into the text and into the button", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t-1", Params: []string{"123456"}, OTP: true}}, "/wa/api/v1/template/msg",
			``, `{"id":"t-1","params":["123456","123456"]}`},
		{"an image by its id", desk.Outgoing{Type: desk.ReplyMedia, Text: "c", Media: &desk.MediaLink{Kind: "image", ID: "m-1"}}, "/wa/api/v1/msg",
			`{"type":"image","id":"m-1","caption":"c"}`, ""},
		{"a file by its id", desk.Outgoing{Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "file", ID: "m-1", Name: "a.pdf"}}, "/wa/api/v1/msg",
			`{"type":"file","id":"m-1","filename":"a.pdf","caption":""}`, ""},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			type request struct {
				Method, Path, Key, Type string
				Form                    url.Values
			}
			var got request
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				form, err := url.ParseQuery(string(body))
				if err != nil {
					t.Error(err)
				}
				got = request{r.Method, r.URL.Path, r.Header.Get("apikey"), r.Header.Get("Content-Type"), form}
				w.WriteHeader(http.StatusAccepted)
				fmt.Fprintf(w, `{"status":"submitted","messageId":%q}`, gsID)
			})
			sent, err := p.Send(t.Context(), account, "+"+person, tc.out, "ref-1")
			if err != nil || sent.ProviderID != gsID {
				t.Fatalf("%+v, %v", sent, err)
			}
			for field, want := range map[string]string{"message": tc.message, "template": tc.tmpl} {
				if diff := cmp.Diff(decoded(t, want), decoded(t, got.Form.Get(field))); diff != "" {
					t.Errorf("%s: -want +got\n%s", field, diff)
				}
				got.Form.Del(field)
			}
			want := request{"POST", tc.path, apiKey, "application/x-www-form-urlencoded", url.Values{
				"channel": {"whatsapp"}, "source": {"15550000001"}, "destination": {person}, "src.name": {"DemoApp"},
			}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func decoded(t *testing.T, s string) any {
	t.Helper()
	if s == "" {
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func TestSendRefusesWhatCanNeverGo(t *testing.T) {
	rows := func(n int, title, id string) []desk.Row {
		list := make([]desk.Row, n)
		for i := range list {
			list[i] = desk.Row{ID: fmt.Sprint(i, id), Title: title + fmt.Sprint(i)}
		}
		return list
	}
	list := func(body string, r []desk.Row) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyList, Text: body, Button: "b", Rows: r}
	}
	buttons := func(r []desk.Row) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyButtons, Text: "t", Rows: r}
	}
	caption := func(n int) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyMedia, Text: strings.Repeat("é", n), Media: &desk.MediaLink{Kind: "image", URL: "https://x.example"}}
	}
	text := func(n int) desk.Outgoing {
		return desk.Outgoing{Type: desk.ReplyText, Text: strings.Repeat("ñ", n)}
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
		{"ten rows", list("t", rows(desk.ListRows, "r", "")), person, ""},
		{"eleven rows", list("t", rows(desk.ListRows+1, "r", "")), person, "too_many_choices"},
		{"no rows", list("t", nil), person, "choices_missing"},
		{"a list's text at the limit", list(strings.Repeat("ñ", desk.MaxListBody), rows(1, "r", "")), person, ""},
		{"a list's text beyond it", list(strings.Repeat("ñ", desk.MaxListBody+1), rows(1, "r", "")), person, "text_too_long"},
		{"a row id at the limit", list("t", []desk.Row{{ID: strings.Repeat("a", desk.MaxRowID), Title: "t"}}), person, ""},
		{"a row id beyond it", list("t", []desk.Row{{ID: strings.Repeat("a", desk.MaxRowID+1), Title: "t"}}), person, "choice_id_too_long"},
		{"a row without title", list("t", []desk.Row{{ID: "a", Title: " "}}), person, "choice_empty"},
		{"a row without id", list("t", []desk.Row{{Title: "t"}}), person, "choice_empty"},
		{"a list without button", desk.Outgoing{Type: desk.ReplyList, Text: "t", Rows: rows(1, "r", "")}, person, "button_empty"},
		{"three buttons", buttons(rows(desk.MaxButtons, "r", "")), person, ""},
		{"four buttons", buttons(rows(desk.MaxButtons+1, "r", "")), person, "too_many_choices"},
		{"a caption at the limit", caption(1024), person, ""},
		{"a caption beyond it", caption(1025), person, "text_too_long"},
		{"media of no kind", desk.Outgoing{Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "fax", URL: "https://x.example"}}, person, "unsupported_type"},
		{"media without a link", desk.Outgoing{Type: desk.ReplyMedia, Media: &desk.MediaLink{Kind: "image"}}, person, "media_missing"},
		{"no media", desk.Outgoing{Type: desk.ReplyMedia}, person, "media_missing"},
		{"a template without id", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{}}, person, "template_missing"},
		{"no template", desk.Outgoing{Type: desk.ReplyTemplate}, person, "template_missing"},
		{"a template with a sound on top", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t"}, Media: &desk.MediaLink{Kind: "audio", URL: "x"}}, person, "unsupported_type"},
		{"a template with a file that the provider does not have", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t"}, Media: &desk.MediaLink{Kind: "image", Blob: "x"}}, person, "media_missing"},
		{"a code that is missing", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t", OTP: true}}, person, "template_parameters"},
		{"two codes", desk.Outgoing{Type: desk.ReplyTemplate, Template: &desk.TemplateUse{ProviderID: "t", OTP: true, Params: []string{"1", "2"}}}, person, "template_parameters"},
		{"no type", desk.Outgoing{Text: "t"}, person, "unsupported_type"},
		{"nobody", hello, "", "invalid_destination"},
		{"a name for a number", hello, "ana", "invalid_destination"},
		{"a business-scoped id", hello, "US.00000000000000000001", ""},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			asked := 0
			p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				fmt.Fprint(w, `{"status":"submitted","messageId":"m"}`)
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
}

func TestSendOnAChannelWithoutSettings(t *testing.T) {
	for _, change := range []func(*channel.Account){
		func(a *channel.Account) { a.Channel.Identifier = "" },
		func(a *channel.Account) { a.Channel.App = "" },
		func(a *channel.Account) { a.Credentials.APIKey = "" },
	} {
		a := account
		change(&a)
		_, err := provider().Send(t.Context(), a, person, hello, "ref")
		want := &channel.Error{Verdict: channel.ChannelDown, Code: "not_sent", Reason: "channel_not_configured", Cause: desk.WaitCredential}
		if diff := cmp.Diff(want, asError(t, err)); diff != "" {
			t.Error(diff)
		}
	}
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
	tests := []struct {
		why    string
		status int
		header header
		body   string
		want   channel.Error // zero: sent as "m"
	}{
		{"submitted", 202, nil, `{"status":"submitted","messageId":"m"}`, channel.Error{}},
		{"success", 200, nil, `{"status":"success","messageId":"m","extra":1}`, channel.Error{}},
		{"an answer of 64 KB", 200, nil, `{"status":"success","messageId":"m"}` + strings.Repeat(" ", 64<<10-36), channel.Error{}},
		{"more is not read, so this is cut", 200, nil, strings.Repeat(" ", 64<<10-10) + `{"status":"success","messageId":"m"}`, unknown("200")},
		{"200 and an error", 200, nil, `{"status":"error","message":"Number not allowed"}`, refused("200", "Number not allowed")},
		{"200, an error and a code", 200, nil, `{"status":"error","code":1003,"message":"x"}`, down("1003", "wallet_empty", desk.WaitWallet)},
		{"200 and words of a known error", 200, nil, `{"status":"error","message":"Insufficient balance"}`, down("1003", "wallet_empty", desk.WaitWallet)},
		{"200 without JSON", 200, nil, `OK`, unknown("200")},
		{"200 without a body", 200, nil, ``, unknown("200")},
		{"204", 204, nil, ``, unknown("204")},
		{"200 without an id", 200, nil, `{"status":"submitted"}`, unknown("200")},
		{"200 with a blank id", 200, nil, `{"status":"submitted","messageId":" "}`, unknown("200")},
		{"200 with a null id", 200, nil, `{"status":"submitted","messageId":null}`, unknown("200")},
		{"200 with an id that is a number", 200, nil, `{"status":"submitted","messageId":7}`, unknown("200")},
		{"200 with two ids", 200, nil, `{"status":"submitted","messageId":"m","messageId":"n"}`, unknown("200")},
		{"200 with an id and no status", 200, nil, `{"messageId":"m"}`, unknown("200")},
		{"200 with an id and another status", 200, nil, `{"status":"held","messageId":"m"}`, unknown("200")},
		{"401 with an object", 401, nil, `{"status":"error","message":{"message":"Authentication Failed"}}`, down("401", "credential_refused", desk.WaitCredential)},
		{"401 without a body", 401, nil, ``, down("401", "credential_refused", desk.WaitCredential)},
		{"403", 403, nil, `<html>no</html>`, down("403", "credential_refused", desk.WaitCredential)},
		{"an unknown key in words", 400, nil, `Portal User Not Found With APIKey`, down("401", "credential_refused", desk.WaitCredential)},
		{"a wrong app in words", 400, nil, `{"status":"error","message":"Mapped Bot Not Found"}`, down("1001", "app_not_mapped", desk.WaitCredential)},
		{"429 in words", 429, nil, `"Too Many Requests"`, later("429", "rate_limited", desk.WaitRateLimited, 0)},
		{"429 with seconds", 429, header{"Retry-After": "7"}, ``, later("429", "rate_limited", desk.WaitRateLimited, 7*time.Second)},
		{"429 with a date", 429, header{"Retry-After": now.Add(90 * time.Second).Format(http.TimeFormat)}, ``, later("429", "rate_limited", desk.WaitRateLimited, 90*time.Second)},
		{"429 with a date that is past", 429, header{"Retry-After": now.Add(-time.Second).Format(http.TimeFormat)}, ``, later("429", "rate_limited", desk.WaitRateLimited, 0)},
		{"429 with Gupshup's own header", 429, header{"X-Rate-Limit-Retry-After-Seconds": "12"}, ``, later("429", "rate_limited", desk.WaitRateLimited, 12*time.Second)},
		{"429 with nonsense", 429, header{"Retry-After": "soon"}, ``, later("429", "rate_limited", desk.WaitRateLimited, 0)},
		{"429 with a negative pause", 429, header{"Retry-After": "-7"}, ``, later("429", "rate_limited", desk.WaitRateLimited, 0)},
		{"429 with a pause of years", 429, header{"Retry-After": "1e18"}, ``, later("429", "rate_limited", desk.WaitRateLimited, 24*time.Hour)},
		{"429 with an unknown code", 429, nil, `{"status":"error","code":7777,"message":"x"}`, later("7777", "rate_limited", desk.WaitRateLimited, 0)},
		{"a rate limit that says 400", 400, header{"Retry-After": "3"}, `{"status":"error","code":"4001","message":"x"}`, later("4001", "rate_limited", desk.WaitRateLimited, 3*time.Second)},
		{"500", 500, nil, `{"status":"error","message":"Internal"}`, later("500", "provider_error", desk.WaitUnavailable, 0)},
		{"a gateway's page, whatever words it has", 502, nil, `<html>wallet unauthorized</html>`, later("502", "provider_error", desk.WaitUnavailable, 0)},
		{"503 with a pause", 503, header{"Retry-After": "30"}, ``, later("503", "provider_error", desk.WaitUnavailable, 30*time.Second)},
		{"5xx with a code that is final", 500, nil, `{"status":"error","code":1002}`, refused("1002", "not_on_whatsapp")},
		{"a redirect is not followed", 307, header{"Location": "http://127.0.0.1:1/steal"}, ``, later("307", "provider_error", desk.WaitUnavailable, 0)},
		{"400 with words", 400, nil, `{"status":"error","message":"Invalid Destination"}`, refused("400", "Invalid Destination")},
		{"400 with a reason", 400, nil, `{"reason":"Source Contains XSS Characters","status":"error"}`, refused("400", "Source Contains XSS Characters")},
		{"400 without words", 400, nil, ``, refused("400", "refused")},
		{"400 with an unknown code", 400, nil, `{"status":"error","code":7777,"message":"x"}`, refused("7777", "x")},
		{"400 with a code at the head of the words", 400, nil, `{"status":"error","message":"1008: User is not opted in"}`, refused("1008", "not_opted_in")},
		{"Meta's error as it came", 400, nil, `{"error":{"message":"(#131056) Pair rate limit hit","type":"OAuthException","code":131056}}`,
			channel.Error{Verdict: channel.Later, Code: "131056", Reason: "pair_limited", Cause: desk.WaitPair, Pair: true}},
		{"Meta's words alone", 400, nil, `{"status":"error","message":"(#131056) Pair rate limit hit"}`,
			channel.Error{Verdict: channel.Later, Code: "131056", Reason: "pair_limited", Cause: desk.WaitPair, Pair: true}},
		{"words of 200 characters stay", 400, nil, `{"status":"error","message":"` + strings.Repeat("ñ", 200) + `"}`, refused("400", strings.Repeat("ñ", 200))},
		{"longer ones are cut", 400, nil, `{"status":"error","message":"` + strings.Repeat("ñ", 201) + `"}`, refused("400", strings.Repeat("ñ", 200))},
		{"numbers and keys are taken out", 400, nil, `{"status":"error","message":"no ` + apiKey + ` for ` + person + ` or +49 170 0000001"}`, refused("400", "no … for … or …")},
		{"out of the code as well", 400, nil, `{"status":"error","code":"` + apiKey + `","message":"x"}`, refused("…", "x")},
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
			if text := fmt.Sprintf("%v %+v", err, *got); strings.Contains(text, apiKey) || strings.Contains(text, person) {
				t.Errorf("tells a secret: %s", text)
			}
		})
	}
}

// TestSendWithoutAnAnswer: only a request that surely did not arrive may be tried
// again.
func TestSendWithoutAnAnswer(t *testing.T) {
	later := channel.Error{Verdict: channel.Later, Code: "no_connection", Reason: "provider_unreachable", Cause: desk.WaitUnavailable}
	lost := channel.Error{Verdict: channel.Unknown, Code: "no_answer", Reason: desk.ReasonUnknown}
	check := func(t *testing.T, p gupshup.Provider, ctx context.Context, want channel.Error) {
		t.Helper()
		_, err := p.Send(ctx, account, person, hello, "ref")
		got := asError(t, err)
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if text := err.Error(); strings.Contains(text, apiKey) || strings.Contains(text, person) || strings.Contains(text, "127.0.0.1") {
			t.Errorf("tells too much: %s", text)
		}
	}
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		check(t, gupshup.Provider{BaseURL: "http://" + l.Addr().String(), HTTP: channeltest.Local(), Now: time.Now}, t.Context(), later)
	})
	t.Run("another host is never reached", func(t *testing.T) {
		check(t, gupshup.Provider{BaseURL: gupshup.BaseURL, HTTP: channeltest.Local(), Now: time.Now}, t.Context(), later)
	})
	t.Run("not TLS", func(t *testing.T) {
		p := sender(t, func(http.ResponseWriter, *http.Request) { t.Error("was asked") })
		p.BaseURL = strings.Replace(p.BaseURL, "http:", "https:", 1)
		check(t, p, t.Context(), later)
	})
	t.Run("cancelled before", func(t *testing.T) {
		p := sender(t, func(http.ResponseWriter, *http.Request) { t.Error("was asked") })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		check(t, p, ctx, later)
	})
	t.Run("the connection drops after the request", func(t *testing.T) {
		p := sender(t, func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		})
		check(t, p, t.Context(), lost)
	})
	t.Run("time runs out while it thinks", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := sender(t, func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		check(t, p, ctx, lost)
	})
	t.Run("the answer breaks off", func(t *testing.T) {
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"status":"submitted",`)
		})
		check(t, p, t.Context(), channel.Error{Verdict: channel.Unknown, Code: "200", Reason: desk.ReasonUnknown})
	})
	t.Run("a refusal that breaks off is one by its status", func(t *testing.T) {
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"status"`)
		})
		check(t, p, t.Context(), channel.Error{Verdict: channel.ChannelDown, Code: "401", Reason: "credential_refused", Cause: desk.WaitCredential})
	})
}
