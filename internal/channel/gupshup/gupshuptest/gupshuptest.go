// Package gupshuptest makes webhook bodies as Gupshup documents them, in both
// formats: for tests, the demo and the simulator. It is the inverse of
// gupshup.Provider.Parse and uses nothing of it.
package gupshuptest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"buzon/internal/desk"
)

type object = map[string]any

// encode never fails: bodies hold strings, numbers, lists and objects only.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("gupshuptest: %v", err))
	}
	return b
}

// Phone is a person's phone that writes to a channel. The channel's App, AppID,
// PhoneNumberID and Identifier go into what it sends; empty ones stay out.
type Phone struct {
	Channel desk.Channel
	Number  string
	Name    string
}

// Text is a written message.
func Text(s string) desk.Content { return desk.Content{Type: desk.Text, Text: s} }

// ListReply is a tap on the row of a list that had this id.
func ListReply(title, id string) desk.Content {
	return desk.Content{Type: desk.ListReply, Text: title, ReplyID: id}
}

// ButtonReply is a tap on the button of a message that had this id.
func ButtonReply(title, id string) desk.Content {
	return desk.Content{Type: desk.ButtonReply, Text: title, ReplyID: id}
}

// QuickReply is a tap on a template's button.
func QuickReply(text string) desk.Content { return desk.Content{Type: desk.QuickReply, Text: text} }

// V2 is a message in Gupshup's own format; nil for a flow's answer, which Gupshup
// delivers in v3 alone. Every other content type is understood; Unsupported is sent
// as a type that nobody knows.
func (p Phone) V2(id string, at time.Time, c desk.Content) []byte {
	typ, inner := p.v2Content(c)
	if typ == "" {
		return nil
	}
	payload := object{
		"id": id, "source": p.Number, "type": typ, "payload": inner,
		"sender": object{"phone": p.Number, "name": p.Name},
	}
	if c.Quoted != "" && c.Type != desk.Reaction {
		payload["context"] = object{"gsId": c.Quoted, "id": ""}
	}
	return V2(p.Channel, "message", at, payload)
}

// V2 is an envelope of Gupshup's own format.
func V2(ch desk.Channel, typ string, at time.Time, payload any) []byte {
	o := object{"type": typ, "version": 2, "timestamp": at.UnixMilli(), "payload": payload}
	if ch.App != "" {
		o["app"] = ch.App
	}
	return encode(o)
}

func (p Phone) v2Content(c desk.Content) (typ string, inner any) {
	switch c.Type {
	case desk.Text, desk.QuickReply:
		o := object{"text": c.Text}
		if c.Type == desk.QuickReply {
			o["type"] = "button"
		}
		return string(c.Type), o
	case desk.ListReply, desk.ButtonReply:
		return string(c.Type), object{"title": c.Text, "id": "msg-1", "reply": c.Text + " 1", "postbackText": c.ReplyID}
	case desk.Image, desk.Video, desk.Audio, desk.File, desk.Sticker:
		o := p.media(c)
		o["contentType"] = c.Media.Type
		rename(o, "filename", "name")
		delete(o, "id")
		if !c.Media.Expires.IsZero() {
			o["urlExpiry"] = c.Media.Expires.UnixMilli()
		}
		return string(c.Type), o
	case desk.Location:
		o := place(c.Place)
		o["longitude"], o["latitude"] = decimal(c.Place.Longitude), decimal(c.Place.Latitude)
		return "location", o
	case desk.Contacts:
		return "contact", object{"contacts": c.Raw}
	case desk.Reaction:
		return "reaction", object{"emoji": c.Text, "id": c.Quoted}
	case desk.Order:
		return "order", c.Raw
	case desk.FlowReply:
		return "", nil
	}
	return "hologram", object{"depth": 3}
}

// V3 is a message in Meta's format with Gupshup's additions.
func (p Phone) V3(id string, at time.Time, c desk.Content) []byte {
	m := object{"from": p.Number, "id": id, "timestamp": strconv.FormatInt(at.Unix(), 10)}
	p.v3Content(m, c)
	if c.Quoted != "" && c.Type != desk.Reaction {
		m["context"] = object{"from": p.Channel.Identifier, "gs_id": c.Quoted, "id": c.Quoted}
	}
	return V3(p.Channel, "messages", object{
		"messaging_product": "whatsapp",
		"contacts":          []any{object{"profile": object{"name": p.Name}, "wa_id": p.Number}},
		"messages":          []any{m},
	})
}

// V3 is an envelope of Meta's format with one change.
func V3(ch desk.Channel, field string, value map[string]any) []byte {
	if ch.PhoneNumberID != "" {
		value["metadata"] = object{"display_phone_number": ch.Identifier, "phone_number_id": ch.PhoneNumberID}
	}
	o := object{
		"object": "whatsapp_business_account",
		"entry":  []any{object{"id": "100000000000001", "changes": []any{object{"field": field, "value": value}}}},
	}
	if ch.AppID != "" {
		o["gs_app_id"] = ch.AppID
	}
	return encode(o)
}

// V3Batch joins bodies of Meta's format into one: its head is the first body's.
func V3Batch(bodies ...[]byte) []byte {
	var all map[string]any
	var entries []any
	for _, b := range bodies {
		var o map[string]any
		if err := json.Unmarshal(b, &o); err != nil {
			panic(fmt.Sprintf("gupshuptest: %v", err))
		}
		if all == nil {
			all = o
		}
		entries = append(entries, o["entry"].([]any)...)
	}
	all["entry"] = entries
	return encode(all)
}

func (p Phone) v3Content(m object, c desk.Content) {
	typ := string(c.Type)
	switch c.Type {
	case desk.Text:
		m[typ] = object{"body": c.Text}
	case desk.QuickReply:
		typ = "button"
		m[typ] = object{"text": c.Text, "payload": c.ReplyID}
	case desk.ListReply, desk.ButtonReply:
		tap := object{"id": string(encode(object{"msgid": "msg-1", "postbackText": c.ReplyID})), "title": c.Text}
		m["interactive"] = object{"type": typ, typ: tap}
		typ = "interactive"
	case desk.FlowReply:
		typ = "interactive"
		m[typ] = object{"type": "nfm_reply", "nfm_reply": object{"name": "flow", "body": c.Text, "response_json": string(c.Raw)}}
	case desk.Image, desk.Video, desk.Audio, desk.File, desk.Sticker:
		if c.Type == desk.File {
			typ = "document"
		}
		o := p.media(c)
		o["mime_type"], o["sha256"] = c.Media.Type, "ZmFrZQ=="
		m[typ] = o
	case desk.Location:
		m[typ] = place(c.Place)
	case desk.Contacts:
		typ = "contacts"
		m[typ] = c.Raw
	case desk.Reaction:
		m[typ] = object{"message_id": c.Quoted, "emoji": c.Text}
	case desk.Order:
		m[typ] = c.Raw
	default:
		m["errors"] = []any{object{"code": 131051, "title": "Message type unknown"}}
	}
	m["type"] = typ
}

// media holds what both formats spell alike. Without a link of its own a file gets
// one of Gupshup's file manager.
func (p Phone) media(c desk.Content) object {
	link := c.Media.URL
	if link == "" {
		link = "https://filemanager.gupshup.io/wa/" + p.Channel.AppID + "/wa/media/" + c.Media.ID + "?download=false"
	}
	o := object{"url": link, "id": "3000000000000" + c.Media.ID}
	if c.Text != "" {
		o["caption"] = c.Text
	}
	if c.Media.Name != "" {
		o["filename"] = c.Media.Name
	}
	return o
}

func rename(o object, from, to string) {
	if v, ok := o[from]; ok {
		delete(o, from)
		o[to] = v
	}
}

func place(p *desk.Place) object {
	o := object{"longitude": p.Longitude, "latitude": p.Latitude}
	if p.Name != "" {
		o["name"] = p.Name
	}
	if p.Address != "" {
		o["address"] = p.Address
	}
	return o
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Status is one step of a delivery.
type Status struct {
	Kind        string // enqueued, sent, delivered, read, failed, or another
	SendID      string // Gupshup's id; empty: the event is more than a week late
	MessageID   string // WhatsApp's id; empty: it never got one
	Destination string
	At          time.Time
	Code        int // of a failure
	Reason      string
}

// V2Status is a status in Gupshup's own format.
func V2Status(ch desk.Channel, s Status) []byte {
	inner := object{"ts": s.At.Unix()}
	payload := object{"type": s.Kind, "destination": s.Destination, "payload": inner}
	switch {
	case s.Kind == "enqueued":
		payload["id"] = s.SendID
		inner["whatsappMessageId"], inner["type"] = s.MessageID, "session"
		delete(inner, "ts")
	case s.MessageID == "":
		payload["id"] = s.SendID
	default:
		payload["id"] = s.MessageID
		if s.SendID != "" {
			payload["gsId"] = s.SendID
		}
	}
	if s.Kind == "failed" {
		inner["code"], inner["reason"] = s.Code, s.Reason
		delete(inner, "ts")
	}
	return V2(ch, "message-event", s.At, payload)
}

// V3Status is a status in Meta's format.
func V3Status(ch desk.Channel, s Status) []byte {
	o := object{"status": s.Kind, "recipient_id": s.Destination, "timestamp": strconv.FormatInt(s.At.Unix(), 10)}
	if s.SendID != "" {
		o["gs_id"] = s.SendID
	}
	if o["id"] = s.MessageID; s.Kind == "enqueued" || s.MessageID == "" {
		o["id"] = s.SendID
	}
	if s.Kind == "enqueued" {
		o["timestamp"], o["type"] = s.At.UnixMilli(), "session"
		ch.PhoneNumberID = "" // these come without metadata
	}
	if s.Kind == "failed" {
		o["errors"] = []any{object{"code": s.Code, "href": "https://developers.facebook.com/docs/whatsapp", "title": s.Reason}}
	}
	return V3(ch, "messages", object{"messaging_product": "whatsapp", "statuses": []any{o}})
}

// Consent is a person's opt-in or opt-out.
func Consent(ch desk.Channel, person string, in bool, at time.Time) []byte {
	typ := "opted-out"
	if in {
		typ = "opted-in"
	}
	return V2(ch, "user-event", at, object{"phone": person, "type": typ})
}

// Template is what Gupshup says of a template: Event, State, ProviderID, Name,
// Language and Reason of v.
func Template(ch desk.Channel, v desk.Verdict) []byte {
	payload := object{"id": v.ProviderID, "elementName": v.Name, "languageCode": v.Language, "type": v.Event}
	switch v.Event {
	case "quality-update":
		payload["quality"] = v.State
	case "category-update":
		payload["category"] = object{"new": v.State}
	default:
		payload["status"] = v.State
	}
	if v.Reason != "" {
		payload["rejectedReason"] = v.Reason
	}
	return V2(ch, "template-event", v.At, payload)
}

// Ping is what a new address gets when it is subscribed for v2.
func Ping(at time.Time) []byte {
	return V2(desk.Channel{App: "PingApp"}, "user-event", at, object{"phone": "callbackSetPhone", "type": "sandbox-start"})
}

// SetCallback is what a new address gets when it is subscribed for v3.
func SetCallback() []byte {
	return V3(desk.Channel{}, "messages", object{"statuses": []any{object{"type": "set-callback"}}})
}

// ConnectivityCheck may come at any time.
func ConnectivityCheck(ch desk.Channel, at time.Time) []byte {
	return V2(ch, "platform-event", at, object{"type": "connectivity-check", "initiator": "gupshup"})
}

// Billing is what a conversation cost; it has no payload.type.
func Billing(ch desk.Channel, s Status) []byte {
	return V2(ch, "billing-event", s.At, object{
		"deductions": object{"type": "regular", "model": "PMP", "source": "whatsapp", "billable": true, "category": "service"},
		"references": object{"id": s.MessageID, "gsId": s.SendID, "destination": s.Destination},
	})
}

// Onboarding tells that a number went live.
func Onboarding(ch desk.Channel, at time.Time) []byte {
	return V2(ch, "onboarding-event", at, object{"type": "docker-status-event", "payload": object{"status": "live", "waId": ch.Identifier}})
}

// Account tells of the account's review.
func Account(ch desk.Channel, at time.Time) []byte {
	return V2(ch, "account-event", at, object{"type": "review-event", "payload": object{"status": "APPROVED", "actionDate": at.Unix()}})
}
