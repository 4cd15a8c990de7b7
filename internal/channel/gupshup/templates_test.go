package gupshup_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/channel/sample"
	"buzon/internal/desk"
)

const (
	appID      = "22222222-0000-4000-8000-000000000001"
	templateID = "aaaaaaaa-0000-4000-8000-000000000001"
	pathSubmit = "/wa/app/" + appID + "/template"
	pathUpload = "/wa/" + appID + "/wa/media/v2"
)

var owner = channel.Account{
	Channel:     desk.Channel{Identifier: "15550000001", App: "DemoApp", AppID: appID},
	Credentials: channel.Credentials{APIKey: apiKey},
}

func requested(change func(*desk.Template)) desk.Template {
	t := desk.Template{
		Name: "aviso_pedido", DisplayName: "Aviso de pedido", Language: "es",
		Category: desk.CategoryUtility, Type: desk.TemplateText, Body: "Su pedido está listo.",
	}
	if change != nil {
		change(&t)
	}
	return t
}

// fields writes a form a line for each field, sorted.
func fields(form url.Values) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[key] {
			fmt.Fprintf(&b, "%s=%s\n", key, value)
		}
	}
	return b.String()
}

// TestSubmitWritesWhatIsDocumented: the exact form of each type and kind of button
// (providers.md 1.10).
func TestSubmitWritesWhatIsDocumented(t *testing.T) {
	const always = "allowTemplateCategoryChange=false\nappId=" + appID + "\n"
	tests := []struct {
		why  string
		t    desk.Template
		want string
	}{
		{"S3-27 text", requested(nil), always +
			"category=UTILITY\ncontent=Su pedido está listo.\nelementName=aviso_pedido\nenableSample=true\nexample=Su pedido está listo.\n" +
			"languageCode=es\ntemplateType=TEXT\nvertical=Aviso de pedido\n"},
		{"S3-37 parameters have samples put in, and what a sample holds is no parameter", requested(func(t *desk.Template) {
			t.Body, t.Params, t.Samples = "¡Hola, {{1}}!\nTe ofrecemos {{2}} & {{3}}.", []string{"nombre", "oferta", "cosa"}, []string{"Ana {{2}}", "10 %", "más"}
			t.Category, t.Language = desk.CategoryMarketing, "en"
		}), always +
			"category=MARKETING\ncontent=¡Hola, {{1}}!\nTe ofrecemos {{2}} & {{3}}.\nelementName=aviso_pedido\nenableSample=true\nexample=¡Hola, Ana {{2}}!\nTe ofrecemos 10 % & más.\n" +
			"languageCode=en\ntemplateType=TEXT\nvertical=Aviso de pedido\n"},
		{"S3-42 quick replies", requested(func(t *desk.Template) {
			t.Buttons = []desk.TemplateButton{{Kind: desk.ButtonQuickReply, Text: "Sí & ya"}, {Kind: desk.ButtonQuickReply, Text: "No"}}
		}), always +
			`buttons=[{"type":"QUICK_REPLY","text":"Sí & ya"},{"type":"QUICK_REPLY","text":"No"}]` + "\n" +
			"category=UTILITY\ncontent=Su pedido está listo.\nelementName=aviso_pedido\nenableSample=true\nexample=Su pedido está listo.\n" +
			"languageCode=es\ntemplateType=TEXT\nvertical=Aviso de pedido\n"},
		{"S3-43 calls to action take the samples that follow those of the body", requested(func(t *desk.Template) {
			t.Body, t.Params, t.Samples = "Hola, {{1}}.", []string{"nombre"}, []string{"Ana", "A-100", "B-200"}
			t.Buttons = []desk.TemplateButton{
				{Kind: desk.ButtonURL, Text: "Ver", URL: "https://x.example/p/{{1}}"}, {Kind: desk.ButtonPhone, Text: "Llamar", Phone: "+4917000000"},
				{Kind: desk.ButtonURL, Text: "Sitio", URL: "https://x.example/"}, {Kind: desk.ButtonURL, Text: "Otro", URL: "https://y.example/?q={{1}}"},
			}
		}), always +
			`buttons=[{"type":"URL","text":"Ver","url":"https://x.example/p/{{1}}","example":["https://x.example/p/A-100"]},` +
			`{"type":"PHONE_NUMBER","text":"Llamar","phone_number":"+4917000000"},{"type":"URL","text":"Sitio","url":"https://x.example/"},` +
			`{"type":"URL","text":"Otro","url":"https://y.example/?q={{1}}","example":["https://y.example/?q=B-200"]}]` + "\n" +
			"category=UTILITY\ncontent=Hola, {{1}}.\nelementName=aviso_pedido\nenableSample=true\nexample=Hola, Ana.\n" +
			"languageCode=es\ntemplateType=TEXT\nvertical=Aviso de pedido\n"},
		{"S3-29 Authentication goes in Gupshup's form, without our text", requested(func(t *desk.Template) {
			t.Category, t.Body, t.Params, t.Samples = desk.CategoryAuthentication, "Tu código de verificación es {{1}}", []string{"codigo"}, []string{"999"}
			t.Buttons = []desk.TemplateButton{{Kind: desk.ButtonOTP, Text: "Copiar"}}
		}), "addSecurityRecommendation=true\n" + always +
			`buttons=[{"type":"OTP","otp_type":"COPY_CODE","text":"Copy code"}]` + "\n" +
			"category=AUTHENTICATION\ncodeExpirationMinutes=10\ncontent={{1}} is your verification code.\nelementName=aviso_pedido\nenableSample=true\nexample=123456 is your verification code.\n" +
			"languageCode=es\ntemplateType=TEXT\nvertical=Aviso de pedido\n"},
		{"without a name to show the technical one serves; no type is text", requested(func(t *desk.Template) { t.DisplayName, t.Type = "", "" }), always +
			"category=UTILITY\ncontent=Su pedido está listo.\nelementName=aviso_pedido\nenableSample=true\nexample=Su pedido está listo.\n" +
			"languageCode=es\ntemplateType=TEXT\nvertical=aviso_pedido\n"},
		{"S3-27 an image has a sample of ours", requested(func(t *desk.Template) { t.Type = desk.TemplateImage }), always +
			"category=UTILITY\ncontent=Su pedido está listo.\nelementName=aviso_pedido\nenableSample=true\nexample=Su pedido está listo.\n" +
			"languageCode=es\nmediaId=m-1\nmediaUrl=https://files.example/sample.png\ntemplateType=IMAGE\nvertical=Aviso de pedido\n"},
		{"S3-27 so has a document", requested(func(t *desk.Template) { t.Type = desk.TemplateDocument }), always +
			"category=UTILITY\ncontent=Su pedido está listo.\nelementName=aviso_pedido\nenableSample=true\nexample=Su pedido está listo.\n" +
			"languageCode=es\nmediaId=m-1\nmediaUrl=https://files.example/sample.pdf\ntemplateType=DOCUMENT\nvertical=Aviso de pedido\n"},
		{"S3-27 and a video", requested(func(t *desk.Template) { t.Type = desk.TemplateVideo }), always +
			"category=UTILITY\ncontent=Su pedido está listo.\nelementName=aviso_pedido\nenableSample=true\nexample=Su pedido está listo.\n" +
			"languageCode=es\nmediaId=m-1\nmediaUrl=https://files.example/sample.mp4\ntemplateType=VIDEO\nvertical=Aviso de pedido\n"},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			var form url.Values
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == pathUpload {
					_, header, err := r.FormFile("file")
					if err != nil || form != nil {
						t.Errorf("an upload out of turn: %v", err)
						return
					}
					w.Write(gupshuptest.Uploaded(header.Filename, "m-1", "https://files.example/"+header.Filename))
					return
				}
				body, _ := io.ReadAll(r.Body)
				var err error
				if form, err = url.ParseQuery(string(body)); err != nil || string(body) != form.Encode() {
					t.Errorf("%v: %s", err, body)
				}
				got := []string{r.Method, r.URL.RequestURI(), r.Header.Get("apikey"), r.Header.Get("Content-Type")}
				if diff := cmp.Diff([]string{"POST", pathSubmit, apiKey, "application/x-www-form-urlencoded"}, got); diff != "" {
					t.Error(diff)
				}
				made := tc.t
				made.ProviderID = templateID
				w.Write(gupshuptest.Requested(gupshuptest.Item(owner.Channel, made, "pending", "")))
			})
			got, err := p.Submit(t.Context(), owner, tc.t)
			if err != nil {
				t.Fatal(err)
			}
			want := channel.Listed{ProviderID: templateID, Name: tc.t.Name, Language: tc.t.Language, Category: tc.t.Category, State: "pending", Quality: "unknown", Body: tc.t.Body, Type: tc.t.Type}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, fields(form)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestSubmitCutsTheLabel: Gupshup takes 180 characters (providers.md 1.10).
func TestSubmitCutsTheLabel(t *testing.T) {
	for n, want := range map[int]int{180: 180, 181: 180} {
		p := sender(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.PostFormValue("vertical"); got != strings.Repeat("ñ", want) {
				t.Errorf("of %d characters %d go", n, len([]rune(got)))
			}
			w.Write(gupshuptest.Requested(gupshuptest.ListItem{ID: templateID}))
		})
		if _, err := p.Submit(t.Context(), owner, requested(func(t *desk.Template) { t.DisplayName = strings.Repeat("ñ", n) })); err != nil {
			t.Error(err)
		}
	}
}

func TestSubmitRefusesWhatCannotBeRequested(t *testing.T) {
	tests := []struct {
		why    string
		change func(*desk.Template)
		want   string
	}{
		{"no name", func(t *desk.Template) { t.Name = "" }, "template_incomplete"},
		{"no language", func(t *desk.Template) { t.Language = "" }, "template_incomplete"},
		{"no category", func(t *desk.Template) { t.Category = "" }, "template_incomplete"},
		{"no body", func(t *desk.Template) { t.Body = "" }, "template_incomplete"},
		{"a parameter without a sample", func(t *desk.Template) { t.Body, t.Params = "a {{1}} b", []string{"x"} }, "samples_missing"},
		{"a parameter without a name", func(t *desk.Template) {
			t.Body, t.Params, t.Samples = "a {{1}} {{2}} b", []string{"x"}, []string{"1", "2"}
		}, "samples_missing"},
		{"a parameter beyond every number", func(t *desk.Template) { t.Body = "a {{99999999999999999999}} b" }, "samples_missing"},
		{"the parameter nought", func(t *desk.Template) { t.Body = "a {{0}} b" }, "samples_missing"},
		{"an address without a sample", func(t *desk.Template) {
			t.Buttons = []desk.TemplateButton{{Kind: desk.ButtonURL, Text: "a", URL: "https://x.example/{{1}}"}}
		}, "samples_missing"},
		{"the button of Authentication elsewhere", func(t *desk.Template) { t.Buttons = []desk.TemplateButton{{Kind: desk.ButtonOTP, Text: "a"}} }, "unsupported_type"},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			_, err := provider().Submit(t.Context(), owner, requested(tc.change))
			want := &channel.Error{Verdict: channel.Refused, Code: channel.CodeNotSent, Reason: tc.want}
			if diff := cmp.Diff(want, asError(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTemplatesOnAChannelWithoutSettings: nothing is asked without app and key.
func TestTemplatesOnAChannelWithoutSettings(t *testing.T) {
	want := &channel.Error{Verdict: channel.ChannelDown, Code: channel.CodeNotSent, Reason: "channel_not_configured", Cause: desk.WaitCredential}
	for _, change := range []func(*channel.Account){
		func(a *channel.Account) { a.Channel.AppID = "" },
		func(a *channel.Account) { a.Credentials.APIKey = "" },
	} {
		a, p := owner, provider()
		change(&a)
		image, _ := sample.File(desk.TemplateImage)
		_, submit := p.Submit(t.Context(), a, requested(nil))
		_, upload := p.Upload(t.Context(), a, "image", image)
		list := p.List(t.Context(), a, func([]channel.Listed) error { return nil })
		for what, err := range map[string]error{"submit": submit, "upload": upload, "list": list, "check": p.Check(t.Context(), a)} {
			if diff := cmp.Diff(want, asError(t, err)); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
	}
}

// TestSubmitAnswers: what surely made nothing is refused or tried later; of
// everything else the outcome is unknown, so that the list is looked at first.
func TestSubmitAnswers(t *testing.T) {
	type header = map[string]string
	down := func(code, reason, cause string) channel.Error {
		return channel.Error{Verdict: channel.ChannelDown, Code: code, Reason: reason, Cause: cause}
	}
	later := func(code string, after time.Duration) channel.Error {
		return channel.Error{Verdict: channel.Later, Code: code, Reason: "rate_limited", Cause: desk.WaitRateLimited, After: after}
	}
	refused := func(code, reason string) channel.Error {
		return channel.Error{Verdict: channel.Refused, Code: code, Reason: reason}
	}
	unknown := func(code string) channel.Error {
		return channel.Error{Verdict: channel.Unknown, Code: code, Reason: desk.ReasonUnknown}
	}
	nameTaken := refused(channel.CodeNameTaken, channel.CodeNameTaken)
	tests := []struct {
		why    string
		status int
		header header
		body   string
		want   channel.Error // zero: it is there
	}{
		{"success", 200, nil, `{"status":"success","template":{"id":"t","status":"PENDING"}}`, channel.Error{}},
		{"created", 201, nil, `{"status":"success","template":{"id":"t","status":"PENDING"}}`, channel.Error{}},
		{"success without a state", 200, nil, `{"status":"success","template":{"id":"t"}}`, channel.Error{}},
		{"success without an id", 200, nil, `{"status":"success","template":{"status":"PENDING"}}`, unknown("200")},
		{"success without a template", 200, nil, `{"status":"success"}`, unknown("200")},
		{"a template without success", 200, nil, `{"template":{"id":"t"}}`, unknown("200")},
		{"an id that is a number", 200, nil, `{"status":"success","template":{"id":7}}`, unknown("200")},
		{"two ids", 200, nil, `{"status":"success","template":{"id":"t","Id":"u"}}`, unknown("200")},
		{"no JSON", 200, nil, `OK`, unknown("200")},
		{"no body", 204, nil, ``, unknown("204")},
		{"the name is taken", 400, nil, string(gupshuptest.Refused(gupshuptest.NameTaken)), nameTaken},
		{"and said with 200", 200, nil, string(gupshuptest.Refused(gupshuptest.NameTaken)), nameTaken},
		{"and inside an object", 400, nil, `{"status":"error","message":{"message":"Template already exists"}}`, nameTaken},
		{"and in Meta's words", 400, nil, `{"error":{"code":100,"message":"There is already Spanish content for this template."}}`, nameTaken},
		{"a page that speaks of it is none", 502, nil, `<html>already exists</html>`, unknown("502")},
		{"words of a refusal", 400, nil, `{"status":"error","message":"Invalid category provided"}`, refused("400", "Invalid category provided")},
		{"an error with 200", 200, nil, `{"status":"error","message":"Template Not Supported"}`, refused("200", "Template Not Supported")},
		{"words that repeat the template's own", 400, nil, `{"status":"error","message":"Invalid content: your wallet"}`, refused("400", "Invalid content: your wallet")},
		{"an empty wallet by its status", 402, nil, `{"status":"error","message":"wallet"}`, down("1003", "wallet_empty", desk.WaitWallet)},
		{"and by its code", 400, nil, `{"status":"error","code":1003,"message":"wallet"}`, down("1003", "wallet_empty", desk.WaitWallet)},
		{"401", 401, nil, `{"status":"error","message":{"message":"Authentication Failed"}}`, down("401", "credential_refused", desk.WaitCredential)},
		{"403", 403, nil, ``, down("403", "credential_refused", desk.WaitCredential)},
		{"suspended", 400, nil, `{"status":"error","code":131031,"message":"x"}`, down("131031", "account_locked", desk.WaitSuspended)},
		{"429", 429, header{"Retry-After": "7"}, `{"status":"error","message":"Too Many Requests"}`, later("429", 7*time.Second)},
		{"a rate limit that says 400", 400, header{"X-Rate-Limit-Retry-After-Seconds": "12"}, `{"status":"error","code":4001,"message":"x"}`, later("4001", 12*time.Second)},
		{"500", 500, nil, `{"status":"error","message":"Internal server error."}`, unknown("500")},
		{"503 with a pause", 503, header{"Retry-After": "30"}, ``, unknown("503")},
		{"408", 408, nil, ``, unknown("408")},
		{"an internal error that says 400", 400, nil, `{"status":"error","code":4002,"message":"x"}`, unknown("4002")},
		{"a redirect is not followed", 307, header{"Location": "http://127.0.0.1:1/steal"}, ``, unknown("307")},
		{"a key is taken out", 400, nil, `{"status":"error","message":"no ` + apiKey + `"}`, refused("400", "no …")},
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
			got, err := p.Submit(t.Context(), owner, requested(nil))
			if tc.want.Verdict == 0 {
				want := channel.Listed{ProviderID: "t", Name: "aviso_pedido", Language: "es", Category: "utility", State: "pending"}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Fatalf("%v\n%s", err, diff)
				}
				return
			}
			if diff := cmp.Diff(&tc.want, asError(t, err)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestSubmitWithoutAnAnswer: what was written may have made a template; a sample
// that was lost has made none.
func TestSubmitWithoutAnAnswer(t *testing.T) {
	lost := &channel.Error{Verdict: channel.Unknown, Code: "no_answer", Reason: desk.ReasonUnknown}
	dropped := func(path string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if r.URL.Path == path {
				panic(http.ErrAbortHandler)
			}
			w.Write(gupshuptest.Uploaded("sample.png", "m-1", ""))
		}
	}
	image := requested(func(t *desk.Template) { t.Type = desk.TemplateImage })
	tests := []struct {
		why    string
		answer http.HandlerFunc
		want   *channel.Error
	}{
		{"the request's answer is lost", dropped(pathSubmit), lost},
		{"the upload's answer is lost", dropped(pathUpload), &channel.Error{Verdict: channel.Later, Code: "no_answer", Reason: "unexpected_answer", Cause: desk.WaitUnavailable}},
		{"the upload is refused", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
		}, &channel.Error{Verdict: channel.ChannelDown, Code: "401", Reason: "credential_refused", Cause: desk.WaitCredential}},
		{"the upload fails", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
		}, &channel.Error{Verdict: channel.Later, Code: "500", Reason: "provider_error", Cause: desk.WaitUnavailable}},
	}
	for _, tc := range tests {
		t.Run(tc.why, func(t *testing.T) {
			_, err := sender(t, tc.answer).Submit(t.Context(), owner, image)
			if diff := cmp.Diff(tc.want, asError(t, err)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	t.Run("time runs out while it thinks", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := sender(t, func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		}).Submit(ctx, owner, requested(nil))
		if diff := cmp.Diff(lost, asError(t, err)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := sender(t, func(http.ResponseWriter, *http.Request) { t.Error("was asked") }).Submit(ctx, owner, requested(nil))
		want := &channel.Error{Verdict: channel.Later, Code: "no_connection", Reason: "provider_unreachable", Cause: desk.WaitUnavailable}
		if diff := cmp.Diff(want, asError(t, err)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRefusalInTheTemplatesWords: what may be the template's own text, repeated, says
// nothing of the channel, nor that the name is taken; the same words count where the
// template has none of them.
func TestRefusalInTheTemplatesWords(t *testing.T) {
	submit := func(status int, said string, change func(*desk.Template)) *channel.Error {
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			w.Write(gupshuptest.Refused(said))
		})
		_, err := p.Submit(t.Context(), owner, requested(change))
		return asError(t, err)
	}
	for _, tc := range []struct {
		words, meant string
		verdict      channel.Verdict // of the same words when they are Gupshup's
	}{
		{"Your account has been locked", "131031", channel.ChannelDown},
		{"Access unauthorized", "401", channel.ChannelDown},
		{"Authentication failed, try again", "401", channel.ChannelDown},
		{"131031: call us", "131031", channel.ChannelDown},
		{"You met the rate limit", "429", channel.Later},
		{"Your order already exists", channel.CodeNameTaken, channel.Refused},
	} {
		for _, status := range []int{200, 400} {
			if e := submit(status, tc.words, nil); e.Verdict != tc.verdict || e.Code != tc.meant {
				t.Errorf("%q with %d, in Gupshup's words: %+v", tc.words, status, e)
			}
			for where, change := range map[string]func(*desk.Template){
				"the text": func(x *desk.Template) { x.Body = "Hola. " + tc.words + "." },
				"a button": func(x *desk.Template) {
					x.Buttons = []desk.TemplateButton{{Kind: desk.ButtonQuickReply, Text: tc.words}}
				},
				"the label":                func(x *desk.Template) { x.DisplayName = tc.words },
				"the text, spaced its way": func(x *desk.Template) { x.Body = strings.ReplaceAll(tc.words, " ", " \n") },
			} {
				if e := submit(status, tc.words, change); e.Verdict != channel.Refused || e.Code != strconv.Itoa(status) {
					t.Errorf("%q with %d, also in %s: %+v", tc.words, status, where, e)
				}
			}
		}
	}
}
