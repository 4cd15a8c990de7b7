package cloudapi

import (
	"strings"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// OTPMinutes is when WhatsApp switches off the button that copies a code, unless
// told otherwise; with it the message says so.
const OTPMinutes = 10

// OTPCopyCode is the kind of the button that copies a code.
const OTPCopyCode = "COPY_CODE"

// TemplateButton is a button in the request of a template.
type TemplateButton struct {
	Type    string   `json:"type"`
	OTP     string   `json:"otp_type,omitempty"`
	Text    string   `json:"text,omitempty"`
	Phone   string   `json:"phone_number,omitempty"`
	URL     string   `json:"url,omitempty"`
	Example []string `json:"example,omitempty"`
}

// Requestable tells what a template lacks to be requested: everything has a name,
// language, category and body, and all but Authentication a sample for each
// parameter.
func Requestable(t desk.Template) *channel.Error {
	switch {
	case t.Name == "" || t.Language == "" || t.Category == "" || t.Body == "":
		return Impossible("template_incomplete")
	case t.Category != desk.CategoryAuthentication && len(t.Samples) < len(t.Params):
		return Impossible("samples_missing")
	}
	return nil
}

// TemplateButtons are the buttons of a template that is Requestable, but for
// Authentication's. An address that ends with a variable has an example with the
// next of the samples that follow those of the body.
func TemplateButtons(t desk.Template) ([]TemplateButton, *channel.Error) {
	samples := t.Samples[len(t.Params):]
	var list []TemplateButton
	for _, b := range t.Buttons {
		switch b.Kind {
		case desk.ButtonQuickReply:
			list = append(list, TemplateButton{Type: "QUICK_REPLY", Text: b.Text})
		case desk.ButtonPhone:
			list = append(list, TemplateButton{Type: "PHONE_NUMBER", Text: b.Text, Phone: b.Phone})
		case desk.ButtonURL:
			made := TemplateButton{Type: "URL", Text: b.Text, URL: b.URL}
			if static, ok := strings.CutSuffix(b.URL, "{{1}}"); ok {
				if len(samples) == 0 {
					return nil, Impossible("samples_missing")
				}
				made.Example = []string{static + samples[0]}
				samples = samples[1:]
			}
			list = append(list, made)
		default:
			return nil, Impossible("unsupported_type")
		}
	}
	return list, nil
}

// Category is one of ours, or the word as it came, cut to what we keep.
func Category(s string) string {
	s = strings.TrimSpace(s)
	switch lower := strings.ToLower(s); lower {
	case desk.CategoryMarketing, desk.CategoryUtility, desk.CategoryAuthentication:
		return lower
	}
	return CutRunes(s, MaxCode)
}

// MaxBody is how many characters of a listed template's body are kept: none of ours
// has as many, so that one that is cut is never taken for ours.
const MaxBody = 4 * 1024

// Unreadable is the error of a list that held templates which cannot be identified
// or have no state. They were left out, so that the list is not whole.
func Unreadable() *channel.Error {
	const reason = "template_unreadable"
	return &channel.Error{Verdict: channel.Later, Code: reason, Reason: reason, Cause: desk.WaitUnavailable}
}
