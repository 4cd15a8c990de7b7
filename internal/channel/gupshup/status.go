package gupshup

import (
	"strings"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// status is one event of a delivery, as either format tells it, with its ids.
type status struct {
	cloudapi.Status
	id       string // Gupshup's or WhatsApp's: see name
	gupshup  string // gsId
	whatsapp string // where it is told apart
}

func (r *reader) v2Status(payload, sent strictjson.Value) {
	var e cloudapi.Event
	inner := e.Part(payload.Get("payload"))
	s := status{
		Status: cloudapi.Status{
			Kind:        e.Word(payload.Get("type"), channel.RejectWrongType),
			Destination: payload.Get("destination"),
			At:          e.FirstMoment(inner.Get("ts"), payload.Get("ts"), sent),
			Failure:     e.Failure(inner, payload),
		},
		whatsapp: e.MaybeID(inner.Get("whatsappMessageId")),
	}
	s.ids(&e, payload)
	r.receipt(&e, s)
}

func (r *reader) v3Status(v strictjson.Value) {
	var e cloudapi.Event
	typ, _ := v.Get("type").Text()
	kind, _ := v.Get("status").Text()
	if typ == "set-callback" || kind == "set-callback" {
		r.count(ignoredSetCallback)
		return
	}
	s := status{Status: e.Status(v), whatsapp: e.MaybeID(v.Get("meta_msg_id"))}
	s.ids(&e, v)
	r.receipt(&e, s)
}

// ids reads id and gsId. An id of another type is refused; gsId may be null.
func (s *status) ids(e *cloudapi.Event, v strictjson.Value) {
	if id := v.Get("id"); id.Given() {
		s.id = strings.TrimSpace(e.Need(id, channel.RejectNoID))
	}
	for _, key := range []string{"gsId", "gs_id"} {
		if id := v.Get(key); id.Given() && s.gupshup == "" {
			s.gupshup = strings.TrimSpace(e.Need(id, channel.RejectNoID))
		}
	}
	if len(s.id) > cloudapi.MaxID || len(s.gupshup) > cloudapi.MaxID {
		e.Fail(channel.RejectWrongType)
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
	early := s.Kind == "enqueued" || s.Kind == "failed"
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
func (r *reader) receipt(e *cloudapi.Event, s status) {
	step, known := cloudapi.Deliveries(s.Kind)
	if !known && e.Bad == "" {
		r.count(cloudapi.IgnoredStatus(s.Kind))
		return
	}
	rc := desk.Receipt{Status: step, Enqueued: s.Kind == "enqueued", At: s.At}
	if rc.SendID, rc.MessageID = s.name(); rc.Key() == "" {
		e.Fail(channel.RejectNoID)
	}
	if rc.Enqueued {
		rc.Destination = e.Person(s.Destination)
	} else if to, ok := s.Destination.Text(); ok {
		rc.Destination = cloudapi.Person(to)
	}
	if step == desk.Failed {
		rc.Code = cloudapi.CutRunes(s.Failure.Code, cloudapi.MaxCode)
		rc.Reason, rc.Cause = Failure(rc.Code, s.Failure.Words), Cause(rc.Code)
	}
	if r.refused(e) {
		return
	}
	if rc.At.IsZero() {
		rc.At = r.now
	}
	r.batch.Receipts = append(r.batch.Receipts, rc)
}
