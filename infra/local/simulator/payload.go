package simulator

import (
	"mime"
	"path"
	"strconv"
	"strings"
	"time"

	"buzon/internal/desk"
)

// said is one message of a person, as a script or the page asks for it.
type said struct {
	Name    string `json:"name,omitempty"`
	Type    string `json:"type"`
	Text    string `json:"text,omitempty"`
	ReplyID string `json:"reply_id,omitempty"`
	URL     string `json:"url,omitempty"`
	Format  string `json:"-"`
}

// The formats of Gupshup's webhooks.
const (
	formatV2 = "v2"
	formatV3 = "v3" // Meta's envelope with additions
)

// saidTypes are the types of message that a person can send.
var saidTypes = []string{
	"text", "list_reply", "button_reply", "quick_reply", "image", "video", "audio", "file", "sticker",
	"location", "contact", "reaction",
}

// spot is what a person shares as a location.
var spot = map[string]any{"longitude": "-74.0760", "latitude": "4.5981", "address": "Plaza Mayor 1"}

// mediaTypes are the content types of media whose link does not tell.
var mediaTypes = map[string]string{
	"image": "image/jpeg", "video": "video/mp4", "audio": "audio/ogg; codecs=opus", "file": "application/pdf", "sticker": "image/webp",
}

// linkLife is how long Gupshup keeps a file (providers.md 1.3).
const linkLife = 7 * 24 * time.Hour

// event is what goes into the webhook of one message.
type event struct {
	line   Line
	number string
	id     string // wamid
	at     time.Time
	said
	// tapped is the message of the system whose row or button was tapped; nil:
	// none is known.
	tapped *tapped
}

// tapped is a row or a button of a message of the system.
type tapped struct {
	entry       Entry
	msgID       string
	title       string
	description string
	index       int // from 1
}

// payload is the webhook's body: Meta's, or Gupshup's in the format that was asked
// for.
func (e event) payload() map[string]any {
	switch {
	case e.line.Provider == desk.ProviderMeta:
		return e.meta()
	case e.Format == formatV3:
		return e.v3()
	}
	return e.v2()
}

// v2 is Gupshup's own format (providers.md 1.2, 1.3).
func (e event) v2() map[string]any {
	payload := map[string]any{
		"id":      e.id,
		"source":  e.number,
		"type":    e.Type,
		"payload": e.v2Content(),
		"sender":  map[string]any{"phone": e.number, "name": e.Name, "country_code": e.number[:2], "dial_code": e.number[2:]},
	}
	if e.tapped != nil {
		payload["context"] = map[string]any{"id": e.tapped.entry.WAMID, "gsId": e.tapped.entry.ID}
	}
	return map[string]any{
		"app": e.line.App, "timestamp": e.at.UnixMilli(), "version": 2, "type": "message", "payload": payload,
	}
}

func (e event) v2Content() map[string]any {
	switch e.Type {
	case "text":
		return map[string]any{"text": e.Text}
	case "list_reply", "button_reply":
		c := map[string]any{"title": e.Text, "id": "", "postbackText": e.ReplyID, "reply": e.Text + " 1"}
		if e.tapped != nil {
			c["id"], c["reply"] = e.tapped.msgID, e.Text+" "+strconv.Itoa(e.tapped.index)
		}
		if e.Type == "list_reply" {
			c["description"] = ""
			if e.tapped != nil {
				c["description"] = e.tapped.description
			}
		}
		return c
	case "quick_reply":
		c := map[string]any{"text": e.Text, "type": "button"}
		if e.ReplyID != "" && e.tapped == nil { // else it named the message
			c["postbackText"] = e.ReplyID
		}
		return c
	case "location":
		c := map[string]any{"name": e.Text}
		for k, v := range spot {
			c[k] = v
		}
		return c
	case "contact":
		return map[string]any{"contacts": []any{e.contact()}}
	case "reaction":
		return map[string]any{"emoji": e.Text, "id": e.ReplyID}
	}
	c := map[string]any{"url": e.URL, "contentType": e.mediaType(), "urlExpiry": e.at.Add(linkLife).UnixMilli()}
	if e.Text != "" {
		c["caption"] = e.Text
	}
	if e.Type == "file" {
		c["name"] = e.fileName()
	}
	return c
}

// v3 is Meta's format with Gupshup's additions (providers.md 1.8).
func (e event) v3() map[string]any {
	kind, content := e.v3Content()
	message := map[string]any{
		"from": e.number, "id": e.id, "timestamp": strconv.FormatInt(e.at.Unix(), 10), "type": kind, kind: content,
	}
	if e.tapped != nil {
		message["context"] = map[string]any{
			"from": e.line.Identifier, "gs_id": e.tapped.entry.ID, "id": e.tapped.entry.ID, "meta_msg_id": e.tapped.entry.WAMID,
		}
	}
	return map[string]any{
		"gs_app_id": e.line.AppID,
		"object":    "whatsapp_business_account",
		"entry": []any{map[string]any{"id": "100000000000001", "changes": []any{map[string]any{
			"field": "messages",
			"value": map[string]any{
				"messaging_product": "whatsapp",
				"metadata":          map[string]any{"display_phone_number": e.line.Identifier, "phone_number_id": e.line.PhoneNumberID},
				"contacts":          []any{map[string]any{"profile": map[string]any{"name": e.Name}, "wa_id": e.number}},
				"messages":          []any{message},
			},
		}}}},
	}
}

func (e event) v3Content() (kind string, content any) {
	switch e.Type {
	case "text":
		return "text", map[string]any{"body": e.Text}
	case "list_reply", "button_reply":
		reply := map[string]any{"id": e.ReplyID, "title": e.Text}
		if e.Type == "list_reply" && e.tapped != nil && e.tapped.description != "" {
			reply["description"] = e.tapped.description
		}
		return "interactive", map[string]any{"type": e.Type, e.Type: reply}
	case "quick_reply":
		payload := e.ReplyID
		if payload == "" || e.tapped != nil {
			payload = e.Text
		}
		return "button", map[string]any{"text": e.Text, "payload": payload}
	case "location":
		c := map[string]any{"name": e.Text}
		for k, v := range spot {
			c[k] = v
		}
		return "location", c
	case "contact":
		return "contacts", []any{e.contact()}
	case "reaction":
		return "reaction", map[string]any{"emoji": e.Text, "message_id": e.ReplyID}
	}
	kind = e.Type
	if kind == "file" {
		kind = "document"
	}
	c := map[string]any{"id": strings.TrimPrefix(e.id, "wamid."), "mime_type": e.mediaType(), "url": e.URL}
	if e.Text != "" {
		c["caption"] = e.Text
	}
	if kind == "document" {
		c["filename"] = e.fileName()
	}
	return kind, c
}

func (e event) contact() map[string]any {
	return map[string]any{
		"name":   map[string]any{"first_name": e.Text, "formatted_name": e.Text},
		"phones": []any{map[string]any{"phone": "+1 202 555 0199", "type": "CELL"}},
	}
}

func (e event) fileName() string {
	name := path.Base(strings.SplitN(e.URL, "?", 2)[0])
	if name == "." || name == "/" {
		return "file"
	}
	return name
}

// mediaType is the content type by the link's extension, else the usual one.
func (e event) mediaType() string {
	if t := mime.TypeByExtension(path.Ext(e.fileName())); t != "" {
		return t
	}
	return mediaTypes[e.Type]
}

// receipt is the webhook's body for a step of a delivery (providers.md 1.4).
func receipt(line Line, e Entry, step int, at time.Time) map[string]any {
	p := map[string]any{"destination": e.Number}
	kind := "session"
	if e.Path == PathTemplate {
		kind = "template"
	}
	ts := map[string]any{"ts": at.Unix()}
	switch step {
	case toldEnqueued:
		p["id"], p["type"] = e.ID, "enqueued"
		p["payload"] = map[string]any{"whatsappMessageId": e.WAMID, "type": kind}
	case toldSent:
		p["type"], p["payload"] = "sent", ts
		p["conversation"] = map[string]any{"id": e.ID, "expiresAt": at.Add(24 * time.Hour).Unix(), "type": "service"}
		p["pricing"] = map[string]any{"policy": "PMP", "category": "service"}
	case toldDelivered:
		p["type"], p["payload"] = "delivered", ts
	case toldRead:
		p["type"], p["payload"] = "read", ts
	}
	if step != toldEnqueued {
		p["id"], p["gsId"] = e.WAMID, e.ID
	}
	return map[string]any{"app": line.App, "timestamp": at.UnixMilli(), "version": 2, "type": "message-event", "payload": p}
}

// verdict is the webhook's body for a reviewer's word on a template (providers.md 1.6).
func verdict(line Line, providerID, name, language, status, reason string, at time.Time) map[string]any {
	p := map[string]any{"id": providerID, "status": status, "elementName": name, "languageCode": language}
	switch {
	case status == "rejected":
		p["rejectedReason"] = reason
	case status != "approved":
		p["type"] = "status-update"
		if reason != "" {
			p["description"] = reason
		}
	}
	return map[string]any{"app": line.App, "timestamp": at.UnixMilli(), "version": 2, "type": "template-event", "payload": p}
}
