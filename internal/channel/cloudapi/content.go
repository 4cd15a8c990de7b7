package cloudapi

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

// Content reads what a message says. in is the part that its type governs:
// Meta's member of the type's name, the inner payload of Gupshup's own format. The
// spellings of both are
// understood everywhere, so that both copies of a message read alike. A type that
// we do not know is Unsupported with the whole message.
func (e *Event) Content(typ string, in, whole strictjson.Value) desk.Content {
	switch typ {
	case "text":
		body := in.Get("text")
		if body.Kind() == strictjson.Missing {
			body = in.Get("body")
		}
		return desk.Content{Type: desk.Text, Text: e.Need(body, channel.RejectWrongType)}
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
			Text:    e.Need(in.Get("text"), channel.RejectWrongType),
			ReplyID: postback(e.First(in, "postbackText", "payload")),
		}
	case "interactive":
		return e.interactive(in, whole)
	case "reaction":
		return desk.Content{Type: desk.Reaction, Text: e.Maybe(in.Get("emoji")), Quoted: e.Quoted(in)}
	case "order":
		if in.Kind() != strictjson.Object {
			e.Fail(channel.RejectWrongType)
		}
		return desk.Content{Type: desk.Order, Text: e.Maybe(in.Get("text")), Raw: raw(in)}
	}
	return desk.Content{Type: desk.Unsupported, Raw: raw(whole)}
}

// interactive reads the answers to lists, buttons and flows.
func (e *Event) interactive(in, whole strictjson.Value) desk.Content {
	switch kind := e.Word(in.Get("type"), channel.RejectWrongType); kind {
	case "list_reply", "button_reply":
		return e.Content(kind, e.Part(in.Get(kind)), whole)
	case "nfm_reply":
		return e.flow(e.Part(in.Get(kind)))
	}
	return desk.Content{Type: desk.Unsupported, Raw: raw(whole)}
}

// reply reads a tap. Its id is the postback text that we gave the row or button;
// The id of Gupshup's own format is only our reference of the list, unless there is nothing else.
func (e *Event) reply(t desk.ContentType, in strictjson.Value) desk.Content {
	c := desk.Content{Type: t, Text: e.Need(in.Get("title"), channel.RejectWrongType)}
	id := e.Part(in.Get("postbackText"))
	if s, text := id.Text(); !id.Given() || text && strings.TrimSpace(s) == "" {
		id = in.Get("id")
	}
	c.ReplyID = postback(e.Word(id, channel.RejectWrongType))
	return c
}

// postback is the text that we gave with a row or button. Gupshup wraps it for lists
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
func (e *Event) flow(in strictjson.Value) desk.Content {
	c := desk.Content{Type: desk.FlowReply, Text: e.Maybe(in.Get("body"))}
	answer := e.Part(in.Get("response_json"))
	s, text := answer.Text()
	switch {
	case !answer.Given():
		e.Fail(channel.RejectWrongType)
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

func (e *Event) contacts(in strictjson.Value) desk.Content {
	if in.Kind() == strictjson.Object {
		in = e.Part(in.Get("contacts"))
	}
	if in.Kind() != strictjson.Array {
		e.Fail(channel.RejectWrongType)
	}
	return desk.Content{Type: desk.Contacts, Raw: raw(in)}
}

func (e *Event) location(in strictjson.Value) desk.Content {
	lon, okLon := e.Part(in.Get("longitude")).Float()
	lat, okLat := e.Part(in.Get("latitude")).Float()
	if !okLon || !okLat || math.Abs(lon) > 180 || math.Abs(lat) > 90 {
		e.Fail(channel.RejectWrongType)
		return desk.Content{}
	}
	return desk.Content{Type: desk.Location, Place: &desk.Place{
		Longitude: lon,
		Latitude:  lat,
		Name:      e.Maybe(in.Get("name")),
		Address:   e.Maybe(in.Get("address")),
	}}
}

// media reads a file's announcement: at least its link or its id.
func (e *Event) media(t desk.ContentType, in strictjson.Value) desk.Content {
	m := desk.Media{
		Type: e.First(in, "contentType", "mime_type"),
		Name: e.First(in, "name", "filename"),
	}
	if link := in.Get("url"); link.Given() {
		m.URL = strings.TrimSpace(e.Need(link, channel.RejectWrongType))
	}
	if id := in.Get("id"); id.Given() {
		m.ID = strings.TrimSpace(e.Need(id, channel.RejectWrongType))
	}
	if id := mediaID(m.URL); id != "" {
		m.ID = id
	}
	if m.URL == "" && m.ID == "" || len(m.ID) > MaxID {
		e.Fail(channel.RejectWrongType)
	}
	m.Expires = e.FirstMoment(in.Get("urlExpiry"))
	return desk.Content{Type: t, Text: e.Maybe(in.Get("caption")), Media: &m}
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

// Quoted is the id of the message that a context or reaction points to: Gupshup's
// own, which our sends have, before WhatsApp's.
func (e *Event) Quoted(context strictjson.Value) string {
	for _, key := range []string{"gsId", "gs_id", "meta_msg_id", "message_id", "id"} {
		if id := e.MaybeID(context.Get(key)); id != "" {
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
