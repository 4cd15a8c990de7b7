package meta_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/channel"
	"buzon/internal/channel/sample"
	"buzon/internal/desk"
)

var wanted = desk.Template{
	Name: "order_update", Language: "es", Category: desk.CategoryUtility, Type: desk.TemplateText,
	Body: "Hola {{1}}, su pedido {{2}} salió.", Params: []string{"nombre", "pedido"}, Samples: []string{"Ana", "A-100"},
}

func TestSubmitWritesWhatIsDocumented(t *testing.T) {
	with := func(change func(*desk.Template)) desk.Template {
		tpl := wanted
		change(&tpl)
		return tpl
	}
	const frame = `"name":"order_update","language":"es","category":"UTILITY",`
	const body = `{"type":"BODY","text":"Hola {{1}}, su pedido {{2}} salió.","example":{"body_text":[["Ana","A-100"]]}}`
	for _, tc := range []struct {
		why  string
		tpl  desk.Template
		want string
	}{
		{"a text", wanted, frame + `"components":[` + body + `]`},
		{"English, without parameters", with(func(d *desk.Template) {
			d.Language, d.Category, d.Body, d.Params, d.Samples = "en", desk.CategoryMarketing, "Hello", nil, nil
		}), `"name":"order_update","language":"en","category":"MARKETING","components":[{"type":"BODY","text":"Hello"}]`},
		{"quick replies", with(func(d *desk.Template) {
			d.Buttons = []desk.TemplateButton{{Kind: desk.ButtonQuickReply, Text: "Sí"}, {Kind: desk.ButtonQuickReply, Text: "No"}}
		}), frame + `"components":[` + body + `,{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Sí"},{"type":"QUICK_REPLY","text":"No"}]}]`},
		{"calls to action, of which one address has a variable", with(func(d *desk.Template) {
			d.Samples = []string{"Ana", "A-100", "x1"}
			d.Buttons = []desk.TemplateButton{
				{Kind: desk.ButtonPhone, Text: "Llamar", Phone: "+4917000000"},
				{Kind: desk.ButtonURL, Text: "Web", URL: "https://example.com"},
				{Kind: desk.ButtonURL, Text: "Ver", URL: "https://example.com/{{1}}"},
			}
		}), frame + `"components":[` + body + `,{"type":"BUTTONS","buttons":[{"type":"PHONE_NUMBER","text":"Llamar","phone_number":"+4917000000"},
			{"type":"URL","text":"Web","url":"https://example.com"},{"type":"URL","text":"Ver","url":"https://example.com/{{1}}","example":["https://example.com/x1"]}]}]`},
		{"Q26 Authentication in Meta's own form, without our text", with(func(d *desk.Template) {
			d.Category, d.Body, d.Params, d.Samples = desk.CategoryAuthentication, "Su código es {{1}}", []string{"código"}, nil
			d.Buttons = []desk.TemplateButton{{Kind: desk.ButtonOTP, Text: "Copiar"}}
		}), `"name":"order_update","language":"es","category":"AUTHENTICATION","components":[{"type":"BODY","add_security_recommendation":true},
			{"type":"FOOTER","code_expiration_minutes":10},{"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE"}]}]`},
	} {
		t.Run(tc.why, func(t *testing.T) {
			var got, path, bearer string
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got, path, bearer = string(b), r.Method+" "+r.URL.String(), r.Header.Get("Authorization")
				io.WriteString(w, `{"id":"500000000000001","status":"PENDING","category":"`+strings.ToUpper(tc.tpl.Category)+`"}`)
			})
			listed, err := p.Submit(t.Context(), account, tc.tpl)
			if err != nil {
				t.Fatal(err)
			}
			if path != "POST /v25.0/100000000000001/message_templates" || bearer != "Bearer "+token {
				t.Errorf("asks %s", path)
			}
			if diff := cmp.Diff(decoded(t, "{"+tc.want+"}"), decoded(t, got)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			want := channel.Listed{ProviderID: "500000000000001", Name: tc.tpl.Name, Language: tc.tpl.Language, Category: tc.tpl.Category, State: "pending"}
			if diff := cmp.Diff(want, listed); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestSubmitWithAFile: the sample goes first, in two requests, whole.
func TestSubmitWithAFile(t *testing.T) {
	const id = "upload:MTphdHRhY2htZW50OjY=?sig=ARZqkGCA_uQ-x"
	for _, typ := range []string{desk.TemplateImage, desk.TemplateDocument, desk.TemplateVideo} {
		t.Run(typ, func(t *testing.T) {
			f, _ := sample.File(typ)
			content, _ := io.ReadAll(f.Body)
			var asked []string
			p := sender(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked = append(asked, r.Method+" "+r.URL.Path)
				switch len(asked) {
				case 1:
					q := r.URL.Query()
					if q.Get("file_length") != fmt.Sprint(f.Size) || q.Get("file_type") != f.ContentType || q.Get("file_name") != f.Name || r.Header.Get("Authorization") != "Bearer "+token {
						t.Errorf("begins with %s", r.URL)
					}
					fmt.Fprintf(w, `{"id":%q}`, id)
				case 2:
					if string(body) != string(content) || r.Header.Get("Authorization") != "OAuth "+token || r.Header.Get("file_offset") != "0" || "upload:"+strings.SplitN(r.URL.String(), "upload:", 2)[1] != id {
						t.Errorf("%d bytes to %s", len(body), r.URL)
					}
					io.WriteString(w, `{"h":"4::aW=="}`)
				default:
					var doc struct{ Components []map[string]any }
					if err := json.Unmarshal(body, &doc); err != nil {
						t.Error(err)
					}
					want := map[string]any{"type": "HEADER", "format": strings.ToUpper(typ), "example": map[string]any{"header_handle": []any{"4::aW=="}}}
					if diff := cmp.Diff(want, doc.Components[0]); diff != "" || len(doc.Components) != 2 {
						t.Error(diff)
					}
					io.WriteString(w, `{"id":5,"status":"APPROVED","category":"MARKETING"}`)
				}
			})
			tpl := wanted
			tpl.Type = typ
			listed, err := p.Submit(t.Context(), account, tpl)
			if err != nil || listed.ProviderID != "5" || listed.State != "approved" || listed.Category != "marketing" {
				t.Errorf("%+v, %v", listed, err)
			}
			want := []string{"POST /v25.0/app/uploads", "POST /v25.0/upload:MTphdHRhY2htZW50OjY=", "POST /v25.0/100000000000001/message_templates"}
			if diff := cmp.Diff(want, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSubmitNeverFollowsASession: what Meta calls a session stays a path below its
// own host; else the template is not requested.
func TestSubmitNeverFollowsASession(t *testing.T) {
	tpl := wanted
	tpl.Type = desk.TemplateImage
	for _, answer := range []string{
		`{"id":"../me/messages"}`, `{"id":"http://127.0.0.1:1/x"}`, `{"id":"upload:../x"}`, `{"id":"upload:a#b"}`, `{"id":"upload:a?sig=b&c=d"}`, `{"id":"upload:a b"}`,
		`{"id":"upload:"}`, `{"id":""}`, `{"id":7}`, `{}`, `[]`, `x`, `{"id":"upload:` + strings.Repeat("a", 5000) + `"}`,
	} {
		asked := 0
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			io.WriteString(w, answer)
		})
		_, err := p.Submit(t.Context(), account, tpl)
		if e := asError(t, err); e.Verdict != channel.Later || asked != 1 {
			t.Errorf("%s: %d requests, %+v", answer, asked, e)
		}
	}
}

func TestSubmitRefusesWhatIsIncomplete(t *testing.T) {
	for why, tc := range map[string]struct {
		change func(*desk.Template)
		want   string
	}{
		"no name":             {func(d *desk.Template) { d.Name = "" }, "template_incomplete"},
		"no language":         {func(d *desk.Template) { d.Language = "" }, "template_incomplete"},
		"no category":         {func(d *desk.Template) { d.Category = "" }, "template_incomplete"},
		"no body":             {func(d *desk.Template) { d.Body = "" }, "template_incomplete"},
		"a sample is missing": {func(d *desk.Template) { d.Samples = d.Samples[:1] }, "samples_missing"},
		"a sample of an address": {func(d *desk.Template) {
			d.Buttons = []desk.TemplateButton{{Kind: desk.ButtonURL, URL: "https://x/{{1}}"}}
		}, "samples_missing"},
		"a button of no kind":                  {func(d *desk.Template) { d.Buttons = []desk.TemplateButton{{Kind: "fax"}} }, "unsupported_type"},
		"a code button where none has a place": {func(d *desk.Template) { d.Buttons = []desk.TemplateButton{{Kind: desk.ButtonOTP}} }, "unsupported_type"},
	} {
		p := sender(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: was asked", why) })
		tpl := wanted
		tc.change(&tpl)
		_, err := p.Submit(t.Context(), account, tpl)
		if e := asError(t, err); e.Verdict != channel.Refused || e.Code != channel.CodeNotSent || e.Reason != tc.want {
			t.Errorf("%s: %+v", why, e)
		}
	}
}

func TestSubmitAnswers(t *testing.T) {
	said := func(code, sub int) string {
		return fmt.Sprintf(`{"error":{"message":"Invalid parameter","type":"OAuthException","code":%d,"error_subcode":%d,"error_user_title":"t","error_user_msg":"its words"}}`, code, sub)
	}
	for _, tc := range []struct {
		why, body string
		status    int
		want      channel.Error
	}{
		{"the name is taken", said(100, 2388024), 400, channel.Error{Verdict: channel.Refused, Code: channel.CodeNameTaken, Reason: "name_taken"}},
		{"the name was deleted a while ago", said(100, 2388023), 400, channel.Error{Verdict: channel.Refused, Code: channel.CodeNameTaken, Reason: "name_being_deleted"}},
		{"another refusal", said(100, 2388019), 400, channel.Error{Verdict: channel.Refused, Code: "100", Reason: "its words"}},
		{"too many requests", said(80008, 0), 400, channel.Error{Verdict: channel.Later, Code: "80008", Reason: "rate_limited", Cause: desk.WaitRateLimited}},
		{"a dead token", said(190, 463), 401, channel.Error{Verdict: channel.ChannelDown, Code: "190", Reason: "token_expired", Cause: desk.WaitCredential}},
		{"an error of the service: it may be there", said(2, 0), 500, channel.Error{Verdict: channel.Unknown, Code: "2", Reason: desk.ReasonUnknown}},
		{"a gateway's page", `<html>`, 504, channel.Error{Verdict: channel.Unknown, Code: "504", Reason: desk.ReasonUnknown}},
		{"a success without an id", `{"status":"PENDING"}`, 200, channel.Error{Verdict: channel.Unknown, Code: "200", Reason: desk.ReasonUnknown}},
		{"a success that nobody can read", `ok`, 200, channel.Error{Verdict: channel.Unknown, Code: "200", Reason: desk.ReasonUnknown}},
	} {
		p := sender(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			io.WriteString(w, tc.body)
		})
		_, err := p.Submit(t.Context(), account, wanted)
		if diff := cmp.Diff(&tc.want, asError(t, err)); diff != "" {
			t.Errorf("%s: %s", tc.why, diff)
		}
	}
}
