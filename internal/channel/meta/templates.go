package meta

import (
	"cmp"
	"context"
	"io"
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

// What a template is made of (Cloud API, "Templates").
type (
	templateRequest struct {
		Name       string `json:"name"`
		Language   string `json:"language"`
		Category   string `json:"category"`
		Components []part `json:"components"`
	}
	part struct {
		Type     string                    `json:"type"`
		Format   string                    `json:"format,omitempty"` // of a header
		Text     string                    `json:"text,omitempty"`
		Security bool                      `json:"add_security_recommendation,omitempty"`
		Minutes  int                       `json:"code_expiration_minutes,omitempty"`
		Example  *example                  `json:"example,omitempty"`
		Buttons  []cloudapi.TemplateButton `json:"buttons,omitempty"`
	}
	example struct {
		Handle []string   `json:"header_handle,omitempty"`
		Body   [][]string `json:"body_text,omitempty"`
	}
)

// Submit implements channel.Templates. A template with a file on top is shown to
// the reviewer with a file of ours, which is uploaded first; all requests together
// are bounded by ctx and 20 s. Authentication has Meta's own text and button text.
func (p Provider) Submit(ctx context.Context, a channel.Account, t desk.Template) (channel.Listed, error) {
	if a.Channel.AccountID == "" || a.Credentials.AccessToken == "" {
		return channel.Listed{}, httpsend.Unconfigured()
	}
	wanted, bad := requested(t)
	if bad != nil {
		return channel.Listed{}, bad
	}
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	if f, ok := sample.File(t.Type); ok && t.Category != desk.CategoryAuthentication {
		handle, bad := p.handle(ctx, a, f)
		if bad != nil {
			return channel.Listed{}, bad
		}
		top := part{Type: "HEADER", Format: strings.ToUpper(t.Type), Example: &example{Handle: []string{handle}}}
		wanted.Components = append([]part{top}, wanted.Components...)
	}
	got, bad := p.call(ctx, a, jsonCall(http.MethodPost, at(a.Channel.AccountID, "message_templates"), wanted))
	if bad != nil {
		return channel.Listed{}, bad
	}
	listed, bad := p.submitted(got, a, t)
	if bad != nil {
		return channel.Listed{}, bad
	}
	return listed, nil
}

// requested makes the request of a template but for its file, or says why it
// cannot be made.
func requested(t desk.Template) (templateRequest, *channel.Error) {
	r := templateRequest{Name: t.Name, Language: t.Language, Category: strings.ToUpper(t.Category)}
	if bad := cloudapi.Requestable(t); bad != nil {
		return r, bad
	}
	if t.Category == desk.CategoryAuthentication {
		r.Components = []part{
			{Type: "BODY", Security: true},
			{Type: "FOOTER", Minutes: cloudapi.OTPMinutes},
			{Type: "BUTTONS", Buttons: []cloudapi.TemplateButton{{Type: "OTP", OTP: cloudapi.OTPCopyCode}}},
		}
		return r, nil
	}
	body := part{Type: "BODY", Text: t.Body}
	if len(t.Params) > 0 {
		body.Example = &example{Body: [][]string{t.Samples[:len(t.Params)]}}
	}
	r.Components = []part{body}
	buttons, bad := cloudapi.TemplateButtons(t)
	if len(buttons) > 0 {
		r.Components = append(r.Components, part{Type: "BUTTONS", Buttons: buttons})
	}
	return r, bad
}

// session is the id of an upload that was begun, as it stands in a path.
var session = regexp.MustCompile(`^upload:[A-Za-z0-9+/=_:-]+(\?sig=[A-Za-z0-9_-]+)?$`)

// maxHandle is how many bytes a session or handle may have.
const maxHandle = 4 << 10

// handle gives Meta a sample by its resumable upload, which makes two requests, and
// returns the name that it has there. Nothing of it shows: a lost answer is Later.
func (p Provider) handle(ctx context.Context, a channel.Account, f channel.File) (string, *channel.Error) {
	query := url.Values{"file_name": {f.Name}, "file_length": {strconv.FormatInt(f.Size, 10)}, "file_type": {f.ContentType}}
	id, bad := p.uploadStep(ctx, a, "id", request{method: http.MethodPost, path: at("app", "uploads") + "?" + query.Encode()})
	if bad != nil {
		return "", bad
	}
	if !session.MatchString(id) {
		return "", httpsend.Harmless(httpsend.Unknown("bad_session"))
	}
	content, err := io.ReadAll(f.Body)
	if err != nil {
		return "", &channel.Error{Verdict: channel.Later, Code: channel.CodeNotSent, Reason: "media_unreadable", Cause: desk.WaitUnavailable}
	}
	return p.uploadStep(ctx, a, "h", request{
		method: http.MethodPost, path: version + id, contentType: f.ContentType,
		body: strings.NewReader(string(content)), size: f.Size,
		header: map[string]string{"Authorization": "OAuth " + a.Credentials.AccessToken, "file_offset": "0"},
	})
}

// uploadStep makes one request of an upload and returns the member that it is for.
func (p Provider) uploadStep(ctx context.Context, a channel.Account, member string, r request) (string, *channel.Error) {
	got, bad := p.call(ctx, a, r)
	if bad != nil {
		return "", httpsend.Harmless(bad)
	}
	doc, _ := strictjson.Parse(got.Body)
	if !got.OK() || doc.Get("error").Given() {
		return "", p.refusal(got, a)
	}
	s, _ := doc.Get(member).Text()
	if s = strings.TrimSpace(s); s == "" || len(s) > maxHandle {
		return "", httpsend.Harmless(httpsend.Unknown(strconv.Itoa(got.Status)))
	}
	return s, nil
}

// The error_subcode of a request whose name and language are taken: by a template
// that is there, even a rejected one, or by one that was deleted in the last weeks.
const (
	subcodeNameTaken   = "2388024"
	subcodeNameDeleted = "2388023"
)

// submitted reads the answer to a request. Only a refusal is sure to have made
// nothing: after an error of the service the template may be there.
func (p Provider) submitted(got httpsend.Answer, a channel.Account, t desk.Template) (channel.Listed, *channel.Error) {
	doc, _ := strictjson.Parse(got.Body)
	said := doc.Get("error")
	if got.OK() && !said.Given() {
		l := listed(doc)
		if l.ProviderID == "" {
			return l, httpsend.Unknown(strconv.Itoa(got.Status))
		}
		l.Name, l.Language = t.Name, t.Language
		l.Category = cmp.Or(l.Category, t.Category)
		l.State = cmp.Or(l.State, desk.ProviderPending)
		return l, nil
	}
	if sub, _ := said.Get("error_subcode").Token(); sub == subcodeNameTaken || sub == subcodeNameDeleted {
		reason := channel.CodeNameTaken
		if sub == subcodeNameDeleted {
			reason = "name_being_deleted"
		}
		return channel.Listed{}, &channel.Error{Verdict: channel.Refused, Code: channel.CodeNameTaken, Reason: reason}
	}
	e := p.refusal(got, a)
	if e.Verdict == channel.Later && e.Cause == desk.WaitUnavailable {
		return channel.Listed{}, httpsend.Unknown(e.Code)
	}
	return channel.Listed{}, e
}

// listed reads a template as Meta describes it, in lists and in the answer to a
// request. What is missing or odd stays empty.
func listed(v strictjson.Value) channel.Listed {
	text := func(v strictjson.Value, most int) string {
		s, _ := v.Text()
		return cloudapi.CutRunes(strings.TrimSpace(s), most)
	}
	word := func(v strictjson.Value) string { return strings.ToLower(text(v, cloudapi.MaxCode)) }
	id, _ := v.Get("id").Token()
	l := channel.Listed{
		ProviderID:   strings.TrimSpace(id),
		Name:         text(v.Get("name"), cloudapi.MaxID),
		Language:     text(v.Get("language"), cloudapi.MaxCode),
		Category:     cloudapi.Category(text(v.Get("category"), cloudapi.MaxCode)),
		State:        word(v.Get("status")),
		Reason:       cloudapi.Clean(text(v.Get("rejected_reason"), cloudapi.MaxWords)),
		Quality:      word(v.Path("quality_score", "score")),
		NextCategory: cloudapi.Category(text(v.Get("correct_category"), cloudapi.MaxCode)),
	}
	if len(l.ProviderID) > cloudapi.MaxID {
		l.ProviderID = ""
	}
	if l.Reason == "NONE" {
		l.Reason = ""
	}
	if l.NextCategory == l.Category {
		l.NextCategory = ""
	}
	for c := range v.Get("components").Elems() {
		l.Type = cmp.Or(l.Type, desk.TemplateText)
		switch kind := word(c.Get("type")); kind {
		case "body":
			body, _ := c.Get("text").Text()
			l.Body = cloudapi.CutRunes(body, cloudapi.MaxBody)
		case "header":
			l.Type = word(c.Get("format")) // text, image, document, video, location
		case "footer", "buttons", "":
		default: // carousel and whatever may come: none of ours
			l.Type = kind
		}
	}
	return l
}
