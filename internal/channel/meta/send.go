package meta

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// maxMessage is how many bytes a message may have with all its parameters; Meta
// takes far less in any of them.
const maxMessage = 64 << 10

// Send implements channel.Provider. Meta knows no idempotency key: two calls are
// two messages. It returns ref with every status, and gives WhatsApp's id of the
// message at once.
func (p Provider) Send(ctx context.Context, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	m, bad := encode(a, to, out, ref)
	if bad != nil {
		return channel.Sent{}, bad
	}
	r := jsonCall(http.MethodPost, at(a.Channel.PhoneNumberID, "messages"), m)
	if r.size > maxMessage {
		return channel.Sent{}, cloudapi.Impossible("text_too_long")
	}
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	got, bad := p.call(ctx, a, r)
	if bad != nil {
		return channel.Sent{}, bad
	}
	sent, bad := p.sent(got, a, to)
	if bad != nil {
		return channel.Sent{}, bad
	}
	return sent, nil
}

// sent is WhatsApp's id of a message that Meta has taken, and of whom it goes to
// (providers.md 2.5). A success that cannot be read is an unknown outcome.
func (p Provider) sent(got httpsend.Answer, a channel.Account, to string) (channel.Sent, *channel.Error) {
	doc, _ := strictjson.Parse(got.Body)
	if !got.OK() || doc.Get("error").Given() {
		return channel.Sent{}, p.refusal(got, a, to)
	}
	var sent channel.Sent
	sent.ProviderID, _ = first(doc, "messages").Get("id").Text()
	sent.ProviderID = strings.TrimSpace(sent.ProviderID)
	if sent.ProviderID == "" || len(sent.ProviderID) > cloudapi.MaxID {
		return channel.Sent{}, httpsend.Unknown(strconv.Itoa(got.Status))
	}
	waID, _ := first(doc, "contacts").Get("wa_id").Text()
	sent.Person = cloudapi.Person(waID)
	return sent, nil
}

// first is the first element of a list in doc.
func first(doc strictjson.Value, list string) strictjson.Value {
	for v := range doc.Get(list).Elems() {
		return v
	}
	return strictjson.Value{}
}

// Check implements channel.Provider: it reads the number's own id.
func (p Provider) Check(ctx context.Context, a channel.Account) error {
	if a.Channel.PhoneNumberID == "" || a.Credentials.AccessToken == "" {
		return httpsend.Unconfigured()
	}
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	got, bad := p.call(ctx, a, request{method: http.MethodGet, path: at(a.Channel.PhoneNumberID) + "?fields=id"})
	if bad != nil {
		return httpsend.Harmless(bad)
	}
	doc, _ := strictjson.Parse(got.Body)
	if !got.OK() || doc.Get("error").Given() {
		bad = p.refusal(got, a)
		if bad.Verdict == channel.ChannelDown && bad.Cause != desk.WaitCredential {
			bad.Verdict = channel.Later // suspended, but the credential is good
		}
		return bad
	}
	if id, ok := doc.Get("id").Token(); !ok || id != a.Channel.PhoneNumberID {
		return httpsend.Harmless(httpsend.Unknown(strconv.Itoa(got.Status)))
	}
	return nil
}

// request is one call of the Graph API.
type request struct {
	method, path string // path: with the version, escaped, with its query
	contentType  string
	body         io.Reader // nil: none
	size         int64     // of body
	most         int64     // bytes read of the answer; 0: httpsend.MaxAnswer
	header       map[string]string
}

// at is the path of a thing and of what belongs to it.
func at(id string, parts ...string) string {
	path := version + url.PathEscape(id)
	for _, part := range parts {
		path += "/" + part
	}
	return path
}

// jsonCall is a request with v as its body, without the escapes that are only
// needed inside HTML. v is one of our own types, which always encode.
func jsonCall(method, path string, v any) request {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return request{method: method, path: path, contentType: "application/json", body: &b, size: int64(b.Len())}
}

// call makes a request with the account's token.
func (p Provider) call(ctx context.Context, a channel.Account, r request) (httpsend.Answer, *channel.Error) {
	req, err := http.NewRequestWithContext(ctx, r.method, strings.TrimSuffix(p.BaseURL, "/")+r.path, r.body)
	if err != nil {
		return httpsend.Answer{}, httpsend.Unconfigured()
	}
	req.ContentLength = r.size
	req.Header.Set("Authorization", "Bearer "+a.Credentials.AccessToken)
	req.Header.Set("Accept", "application/json")
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	most := r.most
	if most == 0 {
		most = httpsend.MaxAnswer
	}
	return httpsend.Do(p.HTTP, req, most)
}

// refusal reads an answer that is none of success: its code decides, then its
// status. private is what no reason may repeat, beside the secrets.
func (p Provider) refusal(got httpsend.Answer, a channel.Account, private ...string) *channel.Error {
	private = append([]string{a.Credentials.AccessToken, a.Credentials.AppSecret, a.Credentials.VerifyToken}, private...)
	doc, _ := strictjson.Parse(got.Body)
	said := doc.Get("error")
	code, _ := said.Get("code").Token()
	code = strings.TrimSpace(code)
	rule, known := cloudapi.Lookup(code)
	if sub, _ := said.Get("error_subcode").Token(); code == "100" && sub == subcodeNotFound {
		rule, known = numberNotFound, true
	}
	if !known {
		transient, _ := said.Get("is_transient").Bool()
		rule, known = statusRule(got.Status, code != "", transient)
	}
	e := &channel.Error{Verdict: rule.Verdict, Code: code, Reason: rule.Reason, Cause: rule.Cause, Pair: rule.Pair}
	if !known {
		e.Verdict, e.Reason = channel.Refused, cloudapi.Clean(words(said), private...)
	}
	if e.Code = cloudapi.CutRunes(cloudapi.Clean(e.Code, private...), cloudapi.MaxCode); e.Code == "" {
		e.Code = strconv.Itoa(got.Status)
	}
	if e.Reason == "" {
		e.Reason = "refused"
	}
	if e.Verdict == channel.Later {
		e.After = httpsend.After(got.Header, p.Now())
	}
	return e
}

// subcodeNotFound of code 100: the thing that the path names does not exist, or the
// token may not see it.
const subcodeNotFound = "33"

var numberNotFound = cloudapi.Rule{Verdict: channel.ChannelDown, Reason: "account_not_found", Cause: desk.WaitCredential}

// statusRule is the rule of an answer without a code that we know; false: a
// refusal in its own words. coded: it has a code, so that 403 speaks of this
// request and not of the token.
func statusRule(status int, coded, transient bool) (cloudapi.Rule, bool) {
	unavailable := cloudapi.Rule{Verdict: channel.Later, Reason: "provider_error", Cause: desk.WaitUnavailable}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden && !coded:
		return cloudapi.Rule{Verdict: channel.ChannelDown, Reason: "credential_refused", Cause: desk.WaitCredential}, true
	case status == http.StatusTooManyRequests:
		return cloudapi.Rule{Verdict: channel.Later, Reason: "rate_limited", Cause: desk.WaitRateLimited}, true
	case status == http.StatusRequestTimeout:
		return cloudapi.Rule{Verdict: channel.Later, Reason: "provider_timeout", Cause: desk.WaitUnavailable}, true
	case transient, status >= 500, status >= 300 && status < 400: // a redirect is no answer of the API
		return unavailable, true
	}
	return cloudapi.Rule{}, false
}

// words are an error's own, those for a person first.
func words(said strictjson.Value) string {
	for _, v := range []strictjson.Value{said.Get("error_user_msg"), said.Path("error_data", "details"), said.Get("message")} {
		if s, _ := v.Text(); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}
