package gupshup

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/sample"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// maxVertical is the most characters of a template's label (providers.md 1.10).
const maxVertical = 180

// What Gupshup wants of Authentication: its own sentence, whatever the language,
// which WhatsApp replaces by the one of the template's language, and the button.
const (
	otpContent = "{{1}} is your verification code."
	otpSample  = "123456"
	otpButton  = "Copy code"
)

// Submit implements channel.Templates. A template with a file on top is shown to
// the reviewer with a file of ours, which is uploaded first; both requests
// together are bounded by ctx and 20 s.
func (p Provider) Submit(ctx context.Context, a channel.Account, t desk.Template) (channel.Listed, error) {
	fields, bad := request(a, t)
	if bad != nil {
		return channel.Listed{}, bad
	}
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	if f, ok := sample.File(t.Type); ok {
		m, bad := p.upload(ctx, a, f)
		if bad != nil {
			return channel.Listed{}, bad
		}
		set(fields, "mediaId", m.ID)
		set(fields, "mediaUrl", m.URL)
	}
	got, bad := p.call(ctx, a, http.MethodPost, templatesPath(a), formType, []byte(fields.Encode()), httpsend.MaxAnswer)
	if bad != nil {
		return channel.Listed{}, bad
	}
	listed, bad := p.submitted(got, a, t, said(fields))
	if bad != nil {
		return channel.Listed{}, bad
	}
	return listed, nil
}

// said is all that a form holds.
func said(fields url.Values) string {
	var all []string
	for _, values := range fields {
		all = append(all, values...)
	}
	return strings.Join(all, "\n")
}

func set(fields url.Values, key, value string) {
	if value != "" {
		fields.Set(key, value)
	}
}

// request makes the form of a template, or says why it cannot be requested.
func request(a channel.Account, t desk.Template) (url.Values, *channel.Error) {
	if a.Channel.AppID == "" || a.Credentials.APIKey == "" {
		return nil, httpsend.Unconfigured()
	}
	if bad := cloudapi.Requestable(t); bad != nil {
		return nil, bad
	}
	fields := url.Values{
		"appId":                       {a.Channel.AppID},
		"elementName":                 {t.Name},
		"languageCode":                {t.Language},
		"category":                    {strings.ToUpper(t.Category)},
		"templateType":                {strings.ToUpper(cmp.Or(t.Type, desk.TemplateText))},
		"vertical":                    {cloudapi.CutRunes(cloudapi.Line(cmp.Or(t.DisplayName, t.Name)), maxVertical)},
		"enableSample":                {"true"},
		"allowTemplateCategoryChange": {"false"},
	}
	if t.Category == desk.CategoryAuthentication {
		fields.Set("content", otpContent)
		fields.Set("example", strings.Replace(otpContent, "{{1}}", otpSample, 1))
		fields.Set("buttons", toJSON([]cloudapi.TemplateButton{{Type: "OTP", OTP: cloudapi.OTPCopyCode, Text: otpButton}}))
		fields.Set("addSecurityRecommendation", "true")
		fields.Set("codeExpirationMinutes", strconv.Itoa(cloudapi.OTPMinutes))
		return fields, nil
	}
	example, ok := filled(t.Body, t.Samples[:len(t.Params)])
	if !ok {
		return nil, cloudapi.Impossible("samples_missing")
	}
	fields.Set("content", t.Body)
	fields.Set("example", example)
	list, bad := cloudapi.TemplateButtons(t)
	if bad != nil {
		return nil, bad
	}
	if len(list) > 0 {
		fields.Set("buttons", toJSON(list))
	}
	return fields, nil
}

// variable is a place in a body that a parameter fills.
var variable = regexp.MustCompile(`\{\{(\d+)\}\}`)

// filled is body with each variable replaced by its value; false if one has none.
// What a value holds is never taken for a variable.
func filled(body string, values []string) (string, bool) {
	ok := true
	s := variable.ReplaceAllStringFunc(body, func(mark string) string {
		n, err := strconv.Atoi(mark[2 : len(mark)-2])
		if err != nil || n < 1 || n > len(values) {
			ok = false
			return mark
		}
		return values[n-1]
	})
	return s, ok
}

// taken are pieces, in lower case, of what Gupshup and Meta say when the account
// already has a template of this name and language.
var taken = []string{"already exist", "there is already"}

// submitted reads the answer to a request that said asked. Only a refusal is sure to
// have made nothing: after an error of the service the template may be there.
func (p Provider) submitted(got httpsend.Answer, a channel.Account, t desk.Template, asked string) (channel.Listed, *channel.Error) {
	doc, unreadable := strictjson.Parse(got.Body)
	status, _ := doc.Get("status").Text()
	if got.OK() && status != "error" {
		listed := listedTemplate(doc.Get("template"))
		if status != "success" || listed.ProviderID == "" {
			return channel.Listed{}, httpsend.Unknown(strconv.Itoa(got.Status))
		}
		listed.Name = cmp.Or(listed.Name, t.Name)
		listed.Language = cmp.Or(listed.Language, t.Language)
		listed.Category = cmp.Or(listed.Category, t.Category)
		listed.State = cmp.Or(listed.State, desk.ProviderPending)
		return listed, nil
	}
	code, words := explanation(got.Body)
	for _, piece := range taken {
		if unreadable == "" && says(words, piece, asked) {
			return channel.Listed{}, &channel.Error{Verdict: channel.Refused, Code: channel.CodeNameTaken, Reason: channel.CodeNameTaken}
		}
	}
	e := p.refusal(got, a, asked)
	switch {
	case e.Verdict == channel.Later && e.Cause == desk.WaitUnavailable:
		return channel.Listed{}, httpsend.Unknown(e.Code)
	case e.Cause == desk.WaitWallet && code == "" && got.Status != http.StatusPaymentRequired:
		// A request costs nothing; its words may repeat the template's own.
		return channel.Listed{}, &channel.Error{Verdict: channel.Refused, Code: strconv.Itoa(got.Status), Reason: cloudapi.Clean(words, a.Credentials.APIKey, a.Credentials.PartnerToken)}
	}
	return channel.Listed{}, e
}
