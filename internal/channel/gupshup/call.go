package gupshup

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/strictjson"
)

// formType is the content type of what url.Values encodes.
const formType = "application/x-www-form-urlencoded"

// call makes one request with the account's key, bounded by ctx, and reads up to
// most bytes of the answer. body may be nil. Its error says whether the request
// may have arrived.
func (p Provider) call(ctx context.Context, a channel.Account, method, path, contentType string, body []byte, most int64) (httpsend.Answer, *channel.Error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(p.BaseURL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return httpsend.Answer{}, httpsend.Unconfigured()
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("apikey", a.Credentials.APIKey)
	return httpsend.Do(p.HTTP, req, most)
}

// refusal reads an answer that is none of success. Its code decides, then its
// words, then the status: Gupshup reports errors with status 200 too. asked is what
// the request said, which the words may repeat; private is what no reason may repeat.
func (p Provider) refusal(got httpsend.Answer, a channel.Account, asked string, private ...string) *channel.Error {
	private = append([]string{a.Credentials.APIKey, a.Credentials.PartnerToken}, private...)
	code, said := explanation(got.Body)
	known, r, found := find(code, said, asked)
	if code == "" && got.Status >= 500 { // a gateway's page: its words are not Gupshup's
		found = false
	}
	status := strconv.Itoa(got.Status)
	if !found && !got.OK() {
		known = status
		r, found = statusRule(got.Status)
	}
	e := &channel.Error{Verdict: r.Verdict, Code: known, Reason: r.Reason, Cause: r.Cause, Pair: r.Pair}
	if !found {
		e.Verdict, e.Reason = channel.Refused, cloudapi.Clean(said, private...)
	}
	if code != "" {
		e.Code = code
	}
	if e.Code = cloudapi.CutRunes(cloudapi.Clean(e.Code, private...), cloudapi.MaxCode); e.Code == "" {
		e.Code = status
	}
	if e.Reason == "" {
		e.Reason = "refused"
	}
	if e.Verdict == channel.Later {
		e.After = httpsend.After(got.Header, p.Now())
	}
	return e
}

// statusRule is the rule of an HTTP status that came without a known code.
func statusRule(status int) (cloudapi.Rule, bool) {
	if status < 400 || status >= 500 { // a redirect is no answer of the API: nothing was taken
		return rules["500"], true
	}
	r, ok := rules[strconv.Itoa(status)]
	return r, ok
}

// explanation finds code and words in an error's body. message may be text or an
// object; Meta's errors may stand in it as they came. What is no JSON is words.
func explanation(body []byte) (code, said string) {
	doc, unreadable := strictjson.Parse(body)
	if unreadable != "" {
		return "", string(body)
	}
	places := []strictjson.Value{doc, doc.Get("message"), doc.Get("error"), doc.Path("message", "error")}
	for _, v := range places {
		if code == "" {
			for _, key := range []string{"code", "errorCode", "error_code"} {
				if c, ok := v.Get(key).Token(); ok && code == "" {
					code = strings.TrimSpace(c)
				}
			}
		}
		if said == "" {
			for _, key := range []string{"message", "reason", "error"} {
				if s, ok := v.Get(key).Text(); ok && said == "" {
					said = s
				}
			}
		}
	}
	return code, said
}
