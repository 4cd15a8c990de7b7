package simulator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// meta is Meta's format of a message (providers.md 2.2).
func (e event) meta() map[string]any {
	kind, content := e.v3Content()
	if media, ok := content.(map[string]any); ok && e.URL != "" {
		delete(media, "url") // Meta gives it for the id
	}
	message := map[string]any{"id": e.id, "timestamp": strconv.FormatInt(e.at.Unix(), 10), "type": kind, kind: content}
	contact := map[string]any{"profile": map[string]any{"name": e.Name}}
	if validNumber(e.number) {
		message["from"], contact["wa_id"] = e.number, e.number
	} else {
		message["from_user_id"], contact["user_id"] = e.number, e.number
	}
	if e.tapped != nil {
		message["context"] = map[string]any{"from": e.line.Identifier, "id": e.tapped.entry.WAMID}
	}
	return metaValue(e.line, map[string]any{"contacts": []any{contact}, "messages": []any{message}})
}

// metaReceipt is a step of a delivery in Meta's format (providers.md 2.3).
func metaReceipt(line Line, e Entry, step int, at time.Time) map[string]any {
	status := map[string]any{
		"id": e.WAMID, "status": told[step], "timestamp": strconv.FormatInt(at.Unix(), 10), "recipient_id": e.Number,
	}
	var sent metaMessage
	if json.Unmarshal(e.Message, &sent) == nil && sent.Ref != "" {
		status["biz_opaque_callback_data"] = sent.Ref
	}
	if step == toldSent {
		status["conversation"] = map[string]any{"id": strings.TrimPrefix(e.WAMID, "wamid."), "origin": map[string]any{"type": "service"}}
		status["pricing"] = map[string]any{"billable": true, "pricing_model": "PMP", "category": "service", "type": "regular"}
	}
	return metaValue(line, map[string]any{"statuses": []any{status}})
}

// metaVerdict is a reviewer's word on a template in Meta's format (providers.md 2.5).
func metaVerdict(line Line, t Template, at time.Time) map[string]any {
	value := map[string]any{
		"event": strings.ToUpper(t.State), "message_template_id": json.Number(t.ID), "message_template_name": t.Name,
		"message_template_language": t.Language, "message_template_category": strings.ToUpper(t.Category), "reason": "NONE",
	}
	switch {
	case t.Reason == "":
	case t.State == "rejected":
		value["reason"] = t.Reason
	default:
		value["other_info"] = map[string]any{"title": strings.ToUpper(t.State), "description": t.Reason}
	}
	body := metaChange(line, "message_template_status_update", value)
	body["entry"].([]any)[0].(map[string]any)["time"] = at.Unix()
	return body
}

// metaValue is a body with messages or statuses of a number.
func metaValue(line Line, value map[string]any) map[string]any {
	value["messaging_product"] = "whatsapp"
	value["metadata"] = map[string]any{"display_phone_number": line.Identifier, "phone_number_id": line.PhoneNumberID}
	return metaChange(line, "messages", value)
}

func metaChange(line Line, field string, value map[string]any) map[string]any {
	return map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{
		"id": line.AccountID, "changes": []any{map[string]any{"field": field, "value": value}},
	}}}
}

// signature is the value of Meta's signature header for a body.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// ascii is JSON with everything beyond ASCII escaped, as Meta writes it.
func ascii(body []byte) []byte {
	var b bytes.Buffer
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		switch {
		case r < utf8.RuneSelf:
			b.WriteByte(body[0])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		body = body[size:]
	}
	return b.Bytes()
}
