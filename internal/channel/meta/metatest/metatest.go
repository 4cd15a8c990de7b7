// Package metatest makes webhook bodies as Meta documents them for the Cloud API,
// and signs them: for tests, the demo and the simulator. It is the inverse of
// meta.Provider.Parse and uses nothing of it.
package metatest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"buzon/internal/desk"
)

type object = map[string]any

// encode never fails: bodies hold strings, numbers, lists and objects only.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("metatest: %v", err))
	}
	return b
}

// Sign is the header that goes with a body.
func Sign(secret string, body []byte) http.Header {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}
}

// Phone is a person's phone that writes to a channel, which has an AccountID, a
// PhoneNumberID and an Identifier. Of Number and UserID at least one is set; without
// a Number the person hides it.
type Phone struct {
	Channel desk.Channel
	Number  string
	UserID  string // business-scoped
	Name    string
}

// Message is a message with any content but that of a type which we do not know.
func (p Phone) Message(id string, at time.Time, c desk.Content) []byte {
	m := object{"id": id, "timestamp": strconv.FormatInt(at.Unix(), 10)}
	contact := object{"profile": object{"name": p.Name}}
	if p.Number != "" {
		m["from"], contact["wa_id"] = p.Number, p.Number
	}
	if p.UserID != "" {
		m["from_user_id"], contact["user_id"] = p.UserID, p.UserID
	}
	content(m, c)
	if c.Quoted != "" && c.Type != desk.Reaction {
		m["context"] = object{"from": p.Channel.Identifier, "id": c.Quoted}
	}
	return Value(p.Channel, object{"contacts": []any{contact}, "messages": []any{m}})
}

// Marketing is the person's word on marketing messages from the channel's number.
func (p Phone) Marketing(wanted bool, at time.Time) []byte {
	wish := object{"category": "marketing_messages", "value": "stop", "detail": "User requested to stop marketing messages", "timestamp": at.Unix()}
	if wanted {
		wish["value"], wish["detail"] = "resume", "User requested to resume marketing messages"
	}
	contact := object{"profile": object{"name": p.Name}}
	if p.Number != "" {
		wish["wa_id"], contact["wa_id"] = p.Number, p.Number
	}
	if p.UserID != "" {
		wish["user_id"], contact["user_id"] = p.UserID, p.UserID
	}
	return numbered(p.Channel, "user_preferences", object{"contacts": []any{contact}, "user_preferences": []any{wish}})
}

func content(m object, c desk.Content) {
	typ := string(c.Type)
	switch c.Type {
	case desk.Text:
		m[typ] = object{"body": c.Text}
	case desk.QuickReply:
		typ = "button"
		m[typ] = object{"text": c.Text, "payload": c.ReplyID}
	case desk.ListReply, desk.ButtonReply:
		m["interactive"] = object{"type": typ, typ: object{"id": c.ReplyID, "title": c.Text}}
		typ = "interactive"
	case desk.FlowReply:
		typ = "interactive"
		m[typ] = object{"type": "nfm_reply", "nfm_reply": object{"name": "flow", "body": c.Text, "response_json": string(c.Raw)}}
	case desk.Image, desk.Video, desk.Audio, desk.File, desk.Sticker:
		if c.Type == desk.File {
			typ = "document"
		}
		o := object{"id": c.Media.ID, "mime_type": c.Media.Type, "sha256": "ZmFrZQ==", "url": "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=" + c.Media.ID}
		if c.Text != "" {
			o["caption"] = c.Text
		}
		if c.Media.Name != "" {
			o["filename"] = c.Media.Name
		}
		m[typ] = o
	case desk.Location:
		m[typ] = object{"longitude": c.Place.Longitude, "latitude": c.Place.Latitude, "name": c.Place.Name, "address": c.Place.Address}
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

// Status is one step of a delivery.
type Status struct {
	Kind        string // sent, delivered, read, failed, or another
	MessageID   string
	Ref         string // what the message was sent with; empty: nothing
	Destination string // a number
	At          time.Time
	Code        int // of a failure
	Title       string
}

// Body is the body of a webhook with this status alone.
func (s Status) Body(ch desk.Channel) []byte {
	o := object{"id": s.MessageID, "status": s.Kind, "timestamp": strconv.FormatInt(s.At.Unix(), 10), "recipient_id": s.Destination}
	if s.Ref != "" {
		o["biz_opaque_callback_data"] = s.Ref
	}
	if s.Kind == "failed" {
		o["errors"] = []any{object{"code": s.Code, "title": s.Title, "message": s.Title}}
	}
	return Value(ch, object{"statuses": []any{o}})
}

// Value is a body with one change of messages or statuses.
func Value(ch desk.Channel, value map[string]any) []byte { return numbered(ch, "messages", value) }

// numbered is a body with one change that names the channel's number.
func numbered(ch desk.Channel, field string, value object) []byte {
	value["messaging_product"] = "whatsapp"
	value["metadata"] = object{"display_phone_number": ch.Identifier, "phone_number_id": ch.PhoneNumberID}
	return body(ch, time.Time{}, field, value)
}

// Change is a body with one change that names an account only.
func Change(ch desk.Channel, at time.Time, field string, value map[string]any) []byte {
	return body(ch, at, field, value)
}

// Template is what Meta says of a template: Event, State, ProviderID (a number),
// Name, Language, Reason and At of v. A category is announced if Reason says so.
func Template(ch desk.Channel, v desk.Verdict) []byte {
	value := object{"message_template_id": json.Number(v.ProviderID), "message_template_name": v.Name, "message_template_language": v.Language}
	field := "message_template_status_update"
	switch v.Event {
	case "quality-update":
		field = "message_template_quality_update"
		value["previous_quality_score"], value["new_quality_score"] = "UNKNOWN", v.State
	case "category-update":
		field = "template_category_update"
		if v.Reason == "announced" {
			value["new_category"], value["correct_category"] = "UTILITY", v.State
		} else {
			value["previous_category"], value["new_category"] = "UTILITY", v.State
		}
	default:
		value["event"], value["reason"] = v.State, "NONE"
		if v.Reason != "" {
			value["reason"] = v.Reason
		}
	}
	return Change(ch, v.At, field, value)
}

func body(ch desk.Channel, at time.Time, field string, value object) []byte {
	entry := object{"id": ch.AccountID, "changes": []any{object{"field": field, "value": value}}}
	if !at.IsZero() {
		entry["time"] = at.Unix()
	}
	return encode(object{"object": "whatsapp_business_account", "entry": []any{entry}})
}

// Batch joins bodies into one.
func Batch(bodies ...[]byte) []byte {
	var entries []any
	for _, b := range bodies {
		var o struct{ Entry []json.RawMessage }
		if err := json.Unmarshal(b, &o); err != nil {
			panic(fmt.Sprintf("metatest: %v", err))
		}
		for _, e := range o.Entry {
			entries = append(entries, e)
		}
	}
	return encode(object{"object": "whatsapp_business_account", "entry": entries})
}
