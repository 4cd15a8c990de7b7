package gupshup

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/httpsend"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// Send implements channel.Provider. Gupshup knows no idempotency key: two calls
// are two messages. It returns ref with a tap on a list or buttons only.
func (p Provider) Send(ctx context.Context, a channel.Account, to string, out desk.Outgoing, ref string) (channel.Sent, error) {
	path, fields, bad := encode(a, to, out, ref)
	if bad != nil {
		return channel.Sent{}, bad
	}
	ctx, cancel := context.WithTimeout(ctx, httpsend.Timeout)
	defer cancel()
	got, bad := p.call(ctx, a, http.MethodPost, path, formType, []byte(fields.Encode()), httpsend.MaxAnswer)
	if bad != nil {
		return channel.Sent{}, bad
	}
	id, bad := p.sent(got, a, to)
	if bad != nil {
		return channel.Sent{}, bad
	}
	return channel.Sent{ProviderID: id}, nil
}

// sent is Gupshup's id of a message that it has taken. A success that cannot be
// read is an unknown outcome.
func (p Provider) sent(got httpsend.Answer, a channel.Account, to string) (string, *channel.Error) {
	doc, _ := strictjson.Parse(got.Body)
	status, _ := doc.Get("status").Text()
	if !got.OK() || status == "error" {
		return "", p.refusal(got, a, "", to)
	}
	id, _ := doc.Get("messageId").Text()
	if id = strings.TrimSpace(id); id == "" || len(id) > cloudapi.MaxID || status != "submitted" && status != "success" {
		return "", httpsend.Unknown(strconv.Itoa(got.Status))
	}
	return id, nil
}
