package main

import (
	"encoding/json"
	"fmt"
	"strconv"
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
	return encode(object{"app": l.App, "timestamp": m.At.UnixMilli(), "version": 2, "type": "message", "payload": object{
		"id": m.ID, "source": m.From, "type": kind, "payload": content,
		"sender": object{"phone": m.From, "name": m.Name, "country_code": m.From[:2], "dial_code": m.From[2:]},
	}})
}

// v3 is the same message in Meta's format with Gupshup's additions (1.8).
func (m said) v3(l line) []byte {
	message := object{"from": m.From, "id": m.ID, "timestamp": strconv.FormatInt(m.At.Unix(), 10)}
	if m.Row == "" {
		message["type"], message["text"] = "text", object{"body": m.Text}
	} else {
		message["type"] = "interactive"
		message["interactive"] = object{"type": "list_reply", "list_reply": object{"id": m.Row, "title": m.Text, "description": ""}}
	}
	return v3Body(l, object{
		"messaging_product": "whatsapp",
		"metadata":          object{"display_phone_number": l.Identifier, "phone_number_id": l.PhoneID},
		"contacts":          []any{object{"profile": object{"name": m.Name}, "wa_id": m.From}},
		"messages":          []any{message},
	})
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

// templateEvent is a reviewer's word on a template (1.6).
func templateEvent(l line, providerID, status string, at time.Time) []byte {
	payload := object{"id": providerID, "status": status, "elementName": createCase, "languageCode": "es"}
	switch status {
	case "approved":
	case "rejected":
		payload["rejectedReason"] = "INVALID_FORMAT"
	default:
		payload["type"] = "status-update"
	}
	return encode(object{"app": l.App, "timestamp": at.UnixMilli(), "version": 2, "type": "template-event", "payload": payload})
}

func messageID(number string, n int64) string { return fmt.Sprintf("wamid.IN%s%06d", number, n) }
