package gupshup

import (
	"strings"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// deliveries are the statuses that are a step of a delivery.
var deliveries = map[string]desk.Delivery{
	"enqueued":  desk.Accepted,
	"sent":      desk.SentOut,
	"delivered": desk.Delivered,
	"read":      desk.Read,
	"failed":    desk.Failed,
}

// status is one event of a delivery, as either format tells it.
type status struct {
	kind        string
	id          string // Gupshup's or WhatsApp's: see name
	gupshup     string // gsId
	whatsapp    string // where it is told apart
	destination strictjson.Value
	at          time.Time // zero: now
	code, words string
}

func (r *reader) v2Status(payload, sent strictjson.Value) {
	var e event
	inner := e.part(payload.Get("payload"))
	s := status{
		kind:        e.word(payload.Get("type"), channel.RejectWrongType),
		destination: payload.Get("destination"),
		at:          e.firstMoment(inner.Get("ts"), payload.Get("ts"), sent),
		whatsapp:    e.maybeID(inner.Get("whatsappMessageId")),
	}
	s.ids(&e, payload)
	s.failure(&e, inner, payload)
	r.receipt(&e, s)
}

func (r *reader) v3Status(v strictjson.Value) {
	var e event
	typ, _ := v.Get("type").Text()
	kind, _ := v.Get("status").Text()
	if typ == "set-callback" || kind == "set-callback" {
		r.count(ignoredSetCallback)
		return
	}
	s := status{
		kind:        e.word(v.Get("status"), channel.RejectWrongType),
		destination: v.Get("recipient_id"),
		at:          e.firstMoment(v.Get("timestamp")),
		whatsapp:    e.maybeID(v.Get("meta_msg_id")),
	}
	if !s.destination.Given() {
		s.destination = v.Get("recipient_user_id")
	}
	s.ids(&e, v)
	s.failure(&e, v)
	r.receipt(&e, s)
}

// ids reads id and gsId. An id of another type is refused; gsId may be null.
func (s *status) ids(e *event, v strictjson.Value) {
	if id := v.Get("id"); id.Given() {
		s.id = strings.TrimSpace(e.need(id, channel.RejectNoID))
	}
	for _, key := range []string{"gsId", "gs_id"} {
		if id := v.Get(key); id.Given() && s.gupshup == "" {
			s.gupshup = strings.TrimSpace(e.need(id, channel.RejectNoID))
		}
	}
	if len(s.id) > maxID || len(s.gupshup) > maxID {
		e.fail(channel.RejectWrongType)
	}
}

// failure reads why a message failed: flat, or as the first of a list of errors.
func (s *status) failure(e *event, places ...strictjson.Value) {
	for _, v := range places {
		for first := range e.part(v.Get("errors")).Elems() {
			s.explain(e, first)
			break
		}
		s.explain(e, v)
	}
}

func (s *status) explain(e *event, v strictjson.Value) {
	if s.code == "" {
		s.code = e.maybeID(v.Get("code"))
	}
	if s.words == "" {
		s.words = e.first(v, "reason", "message", "title")
	}
}

// name decides what the ids name. gsId is Gupshup's id of the send, then id is
// WhatsApp's; alone, id is Gupshup's while the message has not left (enqueued,
// failed at once) and WhatsApp's afterwards, unless its shape says otherwise.
func (s status) name() (sendID, messageID string) {
	sendID, messageID = s.gupshup, s.whatsapp
	if s.id == "" || s.id == sendID || s.id == messageID {
		return sendID, messageID
	}
	early := s.kind == "enqueued" || s.kind == "failed"
	switch {
	case sendID == "" && !isWhatsAppID(s.id) && (early || isUUID(s.id)):
		sendID = s.id
	case messageID == "":
		messageID = s.id
	}
	return sendID, messageID
}

// isWhatsAppID tells WhatsApp's ids of messages by how they begin.
func isWhatsAppID(id string) bool {
	for _, prefix := range []string{"wamid.", "gBEG", "gBGG", "ABEG", "ABGG"} {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}

// isUUID tells Gupshup's ids of sends.
func isUUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range id {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

// receipt adds a status that has been read. A receipt of enqueued is found by its
// destination, which it has to have.
func (r *reader) receipt(e *event, s status) {
	step, known := deliveries[s.kind]
	if !known && e.bad == "" {
		r.count(ignoredStatus(s.kind))
		return
	}
	rc := desk.Receipt{Status: step, Enqueued: s.kind == "enqueued", At: s.at}
	if rc.SendID, rc.MessageID = s.name(); rc.Key() == "" {
		e.fail(channel.RejectNoID)
	}
	if rc.Enqueued {
		rc.Destination = e.person(s.destination)
	} else if to, ok := s.destination.Text(); ok {
		rc.Destination = person(to)
	}
	if step == desk.Failed {
		rc.Code = cutRunes(s.code, maxCode)
		rc.Reason = Failure(rc.Code, s.words)
	}
	if r.refused(e) {
		return
	}
	if rc.At.IsZero() {
		rc.At = r.now
	}
	r.batch.Receipts = append(r.batch.Receipts, rc)
}

// ignoredStatus is the kind under which a status of another type is counted. Only
// a short word makes a kind of its own.
func ignoredStatus(kind string) string {
	if len(kind) == 0 || len(kind) > maxCode {
		return "status_other"
	}
	for _, c := range kind {
		if (c < 'a' || c > 'z') && c != '_' && c != '-' {
			return "status_other"
		}
	}
	return "status_" + kind
}
