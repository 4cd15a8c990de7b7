package gupshup

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"strings"
	"unicode/utf8"

	"buzon/internal/channel"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// content reads what a message says. in is the part that its type governs: v2's
// inner payload, v3's member of the type's name. The spellings of both formats are
// understood everywhere, so that both copies of a message read alike. A type that
// we do not know is Unsupported with the whole message.
func (e *event) content(typ string, in, whole strictjson.Value) desk.Content {
	switch typ {
	case "text":
		body := in.Get("text")
		if body.Kind() == strictjson.Missing {
			body = in.Get("body")
		}
		return desk.Content{Type: desk.Text, Text: e.need(body, channel.RejectWrongType)}
	case "image":
		return e.media(desk.Image, in)
	case "video":
		return e.media(desk.Video, in)
	case "audio", "voice":
		return e.media(desk.Audio, in)
	case "file", "document":
		return e.media(desk.File, in)
	case "sticker":
		return e.media(desk.Sticker, in)
	case "location":
		return e.location(in)
	case "contact", "contacts":
		return e.contacts(in)
	case "list_reply":
		return e.reply(desk.ListReply, in)
	case "button_reply":
		return e.reply(desk.ButtonReply, in)
	case "quick_reply", "button":
		return desk.Content{
			Type:    desk.QuickReply,
			Text:    e.need(in.Get("text"), channel.RejectWrongType),
			ReplyID: postback(e.first(in, "postbackText", "payload")),
		}
	case "interactive":
		return e.interactive(in, whole)
	case "reaction":
		return desk.Content{Type: desk.Reaction, Text: e.maybe(in.Get("emoji")), Quoted: e.quoted(in)}
	case "order":
		if in.Kind() != strictjson.Object {
			e.fail(channel.RejectWrongType)
		}
		return desk.Content{Type: desk.Order, Text: e.maybe(in.Get("text")), Raw: raw(in)}
	}
	return desk.Content{Type: desk.Unsupported, Raw: raw(whole)}
}

// interactive reads v3's answers to lists, buttons and flows.
func (e *event) interactive(in, whole strictjson.Value) desk.Content {
	switch kind := e.word(in.Get("type"), channel.RejectWrongType); kind {
	case "list_reply", "button_reply":
		return e.content(kind, e.part(in.Get(kind)), whole)
	case "nfm_reply":
		return e.flow(e.part(in.Get(kind)))
	}
	return desk.Content{Type: desk.Unsupported, Raw: raw(whole)}
}

// reply reads a tap. Its id is the postback text that we gave the row or button;
// v2's id is only our reference of the list, unless there is nothing else.
func (e *event) reply(t desk.ContentType, in strictjson.Value) desk.Content {
	c := desk.Content{Type: t, Text: e.need(in.Get("title"), channel.RejectWrongType)}
	id := e.part(in.Get("postbackText"))
	if s, text := id.Text(); !id.Given() || text && strings.TrimSpace(s) == "" {
		id = in.Get("id")
	}
	c.ReplyID = postback(e.word(id, channel.RejectWrongType))
	return c
}

// postback is the text that we gave with a row or button. v3 wraps it for lists
// and buttons sent by the self-serve API: {"msgid":"…","postbackText":"…"}.
func postback(id string) string {
	if !strings.HasPrefix(id, "{") {
		return id
	}
	v, _ := strictjson.Parse([]byte(id))
	if s, ok := v.Get("postbackText").Text(); ok && strings.TrimSpace(s) != "" {
		return s
	}
	return id
}

// flow reads the answer to a flow: a JSON document in a string, of any type, with
// values of any type.
func (e *event) flow(in strictjson.Value) desk.Content {
	c := desk.Content{Type: desk.FlowReply, Text: e.maybe(in.Get("body"))}
	answer := e.part(in.Get("response_json"))
	s, text := answer.Text()
	switch {
	case !answer.Given():
		e.fail(channel.RejectWrongType)
	case !text:
		c.Raw = raw(answer)
	default:
		if v, reject := strictjson.Parse([]byte(s)); reject == "" {
			c.Raw = raw(v)
		} else {
			c.Raw = quoted(s)
		}
	}
	return c
}

func (e *event) contacts(in strictjson.Value) desk.Content {
	if in.Kind() == strictjson.Object {
		in = e.part(in.Get("contacts"))
	}
	if in.Kind() != strictjson.Array {
		e.fail(channel.RejectWrongType)
	}
	return desk.Content{Type: desk.Contacts, Raw: raw(in)}
}

func (e *event) location(in strictjson.Value) desk.Content {
	lon, okLon := e.part(in.Get("longitude")).Float()
	lat, okLat := e.part(in.Get("latitude")).Float()
	if !okLon || !okLat || math.Abs(lon) > 180 || math.Abs(lat) > 90 {
		e.fail(channel.RejectWrongType)
		return desk.Content{}
	}
	return desk.Content{Type: desk.Location, Place: &desk.Place{
		Longitude: lon,
		Latitude:  lat,
		Name:      e.maybe(in.Get("name")),
		Address:   e.maybe(in.Get("address")),
	}}
}

// media reads a file's announcement: at least its link or its id.
func (e *event) media(t desk.ContentType, in strictjson.Value) desk.Content {
	m := desk.Media{
		Type: e.first(in, "contentType", "mime_type"),
		Name: e.first(in, "name", "filename"),
	}
	if link := in.Get("url"); link.Given() {
		m.URL = strings.TrimSpace(e.need(link, channel.RejectWrongType))
	}
	if id := in.Get("id"); id.Given() {
		m.ID = strings.TrimSpace(e.need(id, channel.RejectWrongType))
	}
	if id := mediaID(m.URL); id != "" {
		m.ID = id
	}
	if m.URL == "" && m.ID == "" || len(m.ID) > maxID {
		e.fail(channel.RejectWrongType)
	}
	m.Expires = e.firstMoment(in.Get("urlExpiry"))
	return desk.Content{Type: t, Text: e.maybe(in.Get("caption")), Media: &m}
}

// mediaID is the file's id in a link of Gupshup's file manager,
// https://…/wa/<app id>/wa/media/<id>: the one id that both formats carry.
func mediaID(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if n := len(parts); n >= 3 && parts[n-3] == "wa" && parts[n-2] == "media" {
		return parts[n-1]
	}
	return ""
}

// quoted is the id of the message that a context or reaction points to: Gupshup's
// own, which our sends have, before WhatsApp's.
func (e *event) quoted(context strictjson.Value) string {
	for _, key := range []string{"gsId", "gs_id", "meta_msg_id", "message_id", "id"} {
		if id := e.maybeID(context.Get(key)); id != "" {
			return id
		}
	}
	return ""
}

// raw is a copy of v without needless space; above maxRaw bytes, its beginning as
// a JSON string.
func raw(v strictjson.Value) json.RawMessage {
	if v.Raw() == nil {
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, v.Raw()); err != nil {
		return nil
	}
	if b.Len() <= maxRaw {
		return b.Bytes()
	}
	return quoted(b.String())
}

// quoted is s as a JSON string of at most maxRaw bytes; what does not fit is cut.
func quoted(s string) json.RawMessage {
	for most := maxRaw; ; most /= 2 {
		if len(s) > most {
			for most > 0 && !utf8.RuneStart(s[most]) {
				most--
			}
			s = s[:most]
		}
		if b, err := json.Marshal(s); err != nil || len(b) <= maxRaw {
			return b
		}
	}
}
