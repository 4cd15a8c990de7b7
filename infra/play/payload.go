package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// said is what a person says: a text, or a tap on a row.
type said struct {
	ID   string // of the message; the same in every copy
	From string
	Name string
	At   time.Time
	Text string // or the row's title
	Row  string // the row's id; empty: a text
	// Quick: a tap on a template's button, of the message with this provider's id.
	Quick string
}

// body is the message as the channel's provider tells it first.
func (m said) body(l line) []byte {
	if l.Provider == providerMeta {
		return metaBody(m.value(l, "messages"), l)
	}
	return m.v2(l)
}

type object = map[string]any

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: plain data
	}
	return b
}

// v2 is a message as Gupshup's own format prints it (providers.md 1.3).
func (m said) v2(l line) []byte {
	kind, content := "text", object{"text": m.Text}
	if m.Row != "" {
		kind = "list_reply"
		content = object{"title": m.Text, "id": "msg-1", "reply": m.Text + " 1", "postbackText": m.Row, "description": ""}
	}
	payload := object{
		"id": m.ID, "source": m.From, "type": kind, "payload": content,
		"sender": object{"phone": m.From, "name": m.Name, "country_code": m.From[:2], "dial_code": m.From[2:]},
	}
	if m.Quick != "" {
		payload["type"], payload["payload"] = "quick_reply", object{"text": m.Text, "type": "button"}
		payload["context"] = object{"id": "", "gsId": m.Quick}
	}
	return encode(object{"app": l.App, "timestamp": m.At.UnixMilli(), "version": 2, "type": "message", "payload": payload})
}

// v3 is the same message in Meta's format with Gupshup's additions (1.8).
func (m said) v3(l line) []byte { return v3Body(l, m.value(l, "gs")) }

// value is the message as Meta's change holds it. Of a business-scoped sender there
// is no number.
func (m said) value(l line, via string) object {
	message := object{"id": m.ID, "timestamp": strconv.FormatInt(m.At.Unix(), 10)}
	contact := object{"profile": object{"name": m.Name}}
	if strings.Contains(m.From, ".") {
		message["from_user_id"], contact["user_id"] = m.From, m.From
	} else {
		message["from"], contact["wa_id"] = m.From, m.From
	}
	switch {
	case m.Quick != "":
		message["type"], message["button"] = "button", object{"text": m.Text, "payload": m.Text}
		message["context"] = object{"from": l.Identifier, "id": m.Quick}
		if via == "gs" {
			message["context"] = object{"from": l.Identifier, "gs_id": m.Quick, "id": m.Quick}
		}
	case m.Row == "":
		message["type"], message["text"] = "text", object{"body": m.Text}
	default:
		message["type"] = "interactive"
		message["interactive"] = object{"type": "list_reply", "list_reply": object{"id": m.Row, "title": m.Text, "description": ""}}
	}
	return object{
		"messaging_product": "whatsapp",
		"metadata":          object{"display_phone_number": l.Identifier, "phone_number_id": l.PhoneID},
		"contacts":          []any{contact},
		"messages":          []any{message},
	}
}

func v3Body(l line, value object) []byte {
	return encode(object{"gs_app_id": l.AppID, "object": "whatsapp_business_account", "entry": []any{
		object{"id": "100000000000001", "changes": []any{object{"field": "messages", "value": value}}},
	}})
}

// wamid is the network's id for a message of ours.
func wamid(s sent) string { return "wamid.OUT" + s.ID }

// statusEvent is what Gupshup tells of a send (1.4): enqueued names its own id,
// the later ones the network's.
func statusEvent(l line, s sent, status string, at time.Time) []byte {
	payload := object{"type": status, "destination": s.To}
	if status == "enqueued" {
		payload["id"], payload["payload"] = s.ID, object{"whatsappMessageId": wamid(s), "type": "session"}
	} else {
		payload["id"], payload["gsId"], payload["payload"] = wamid(s), s.ID, object{"ts": at.Unix()}
	}
	if status == "failed" {
		payload["payload"] = object{"code": 131026, "reason": "Message undeliverable"}
	}
	return encode(object{"app": l.App, "timestamp": at.UnixMilli(), "version": 2, "type": "message-event", "payload": payload})
}

// statusEventV3 is the same in Meta's format.
func statusEventV3(l line, s sent, status string, at time.Time) []byte {
	v := object{"gs_id": s.ID, "id": wamid(s), "recipient_id": s.To, "status": status, "timestamp": strconv.FormatInt(at.Unix(), 10)}
	if status == "failed" {
		v["errors"] = []any{object{"code": 131026, "title": "Message undeliverable", "href": "https://example.com/e"}}
	}
	return v3Body(l, object{"messaging_product": "whatsapp", "statuses": []any{v}})
}

// templateEvent is a reviewer's word on a template (1.6), without a type or with it
// as Gupshup sends that state.
func templateEvent(l line, providerID, status string, at time.Time) []byte {
	payload := object{"id": providerID, "status": status, "elementName": createCase, "languageCode": "es"}
	switch status {
	case "approved":
	case "rejected":
		payload["rejectedReason"] = "INVALID_FORMAT"
	default:
		payload["type"] = "status-update"
	}
	return templateBody(l, payload, at)
}

// templateBody is what a callback about a template looks like.
func templateBody(l line, payload object, at time.Time) []byte {
	return encode(object{"app": l.App, "timestamp": at.UnixMilli(), "version": 2, "type": "template-event", "payload": payload})
}

func messageID(number string, n int64) string { return fmt.Sprintf("wamid.IN%s%06d", number, n) }
