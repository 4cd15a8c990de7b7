package meta

import (
	"strings"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// Parse implements channel.Provider. Everything stands in Changes, in the order of
// the body; whose it is, the caller finds out, so ch is not looked at. A change with
// messages, receipts or consents has a Number, one with verdicts an Account. An event without
// a time gets the present.
func (p Provider) Parse(_ desk.Channel, body []byte) channel.Batch {
	doc, reject := strictjson.Parse(body)
	if reject != "" {
		return channel.Batch{Rejected: reject}
	}
	if doc.Kind() != strictjson.Object {
		return channel.Batch{Rejected: channel.RejectWrongType}
	}
	var e cloudapi.Event
	if e.Word(doc.Get("object"), channel.RejectUnknownEvent) != "whatsapp_business_account" {
		e.Fail(channel.RejectUnknownEvent)
	}
	if e.Bad != "" {
		return channel.Batch{Rejected: e.Bad}
	}
	r := reader{now: p.Now().UTC()}
	if entries := doc.Get("entry"); entries.Given() {
		r.entries(entries)
	}
	if r.events > channel.MaxEvents {
		return channel.Batch{Rejected: channel.RejectTooMany}
	}
	if r.events == 0 {
		r.refused(channel.RejectUnknownEvent)
	}
	return r.batch
}

// reader takes one body apart.
type reader struct {
	now    time.Time
	batch  channel.Batch
	events int
}

// full counts an event and tells whether it is one too many.
func (r *reader) full() bool {
	r.events++
	return r.events > channel.MaxEvents
}

// refused notes why an event cannot be used, if there is a reason.
func (r *reader) refused(bad string) bool {
	if r.batch.Rejected == "" {
		r.batch.Rejected = bad
	}
	return bad != ""
}

// count counts an event that is kept nowhere.
func (r *reader) count(kind string) {
	if r.batch.Ignored == nil {
		r.batch.Ignored = map[string]int{}
	}
	r.batch.Ignored[kind]++
}

// elems are the elements of v, which has to be an array.
func (r *reader) elems(v strictjson.Value) func(func(strictjson.Value) bool) {
	if v.Kind() != strictjson.Array {
		r.broken(v)
	}
	return v.Elems()
}

// broken refuses an event whose frame is not what it has to be.
func (r *reader) broken(v strictjson.Value) {
	r.full()
	if v.Kind() == strictjson.Ambiguous {
		r.refused(channel.RejectAmbiguous)
		return
	}
	r.refused(channel.RejectWrongType)
}

func (r *reader) entries(entries strictjson.Value) {
	for entry := range r.elems(entries) {
		account, sent := entry.Get("id"), entry.Get("time")
		for change := range r.elems(entry.Get("changes")) {
			if r.change(account, sent, change); r.events > channel.MaxEvents {
				return
			}
		}
	}
}

// change reads one change by its field. It is kept if anything of it can be used.
func (r *reader) change(account, sent, change strictjson.Value) {
	value := change.Get("value")
	if value.Kind() != strictjson.Object {
		r.broken(value)
		return
	}
	var e cloudapi.Event
	field := e.Word(change.Get("field"), channel.RejectWrongType)
	c := channel.Change{
		Number:  e.MaybeID(value.Path("metadata", "phone_number_id")),
		Account: e.MaybeID(account),
	}
	if e.Bad != "" {
		r.full()
		r.refused(e.Bad)
		return
	}
	switch {
	case field == "messages":
		r.value(&c, value)
	case field == cloudapi.FieldPreferences:
		for v := range r.elems(value.Get(field)) {
			if r.full() {
				return
			}
			r.preference(&c, v)
		}
	case cloudapi.TemplateField(field):
		if !r.full() {
			r.template(&c, field, value, sent)
		}
	case r.full():
	case cloudapi.IgnoredField(field) != "":
		r.count(cloudapi.IgnoredField(field))
	default:
		r.refused(channel.RejectUnknownEvent)
	}
	if len(c.Messages)+len(c.Receipts)+len(c.Consents)+len(c.Verdicts) > 0 {
		r.batch.Changes = append(r.batch.Changes, c)
	}
}

// value reads the messages and statuses of a change, which has to name its number:
// an account may have several.
func (r *reader) value(c *channel.Change, value strictjson.Value) {
	messages, statuses := value.Get("messages"), value.Get("statuses")
	if !messages.Given() && !statuses.Given() {
		switch {
		case r.full():
		case value.Get("errors").Given():
			r.count(cloudapi.IgnoredError)
		default:
			r.refused(channel.RejectUnknownEvent)
		}
		return
	}
	if messages.Given() {
		names := cloudapi.ReadNames(value.Get("contacts"))
		for m := range r.elems(messages) {
			if r.full() {
				return
			}
			r.message(c, m, names)
		}
	}
	if statuses.Given() {
		for s := range r.elems(statuses) {
			if r.full() {
				return
			}
			r.status(c, s)
		}
	}
}

// message reads a person's message. A file's link is left out: it lives for five
// minutes, and its id leads to a new one.
func (r *reader) message(c *channel.Change, v strictjson.Value, names cloudapi.Names) {
	var e cloudapi.Event
	m := e.Message(v, names)
	if m.Content.Media != nil {
		if m.Content.Media.URL = ""; m.Content.Media.ID == "" {
			e.Fail(channel.RejectWrongType)
		}
	}
	if r.addressed(&e, c.Number) {
		m.SentAt = r.orNow(m.SentAt)
		c.Messages = append(c.Messages, m)
	}
}

// status reads one step of a delivery. It is found by our own reference, which
// Meta gives back, or by WhatsApp's id of the message.
func (r *reader) status(c *channel.Change, v strictjson.Value) {
	var e cloudapi.Event
	s := e.Status(v)
	step, known := cloudapi.Deliveries(s.Kind)
	if !known && e.Bad == "" {
		r.count(cloudapi.IgnoredStatus(s.Kind))
		return
	}
	rc := desk.Receipt{
		Ref:       strings.TrimSpace(e.Maybe(v.Get("biz_opaque_callback_data"))),
		MessageID: e.ID(v.Get("id")),
		Status:    step,
		At:        r.orNow(s.At),
	}
	if len(rc.Ref) > maxRef {
		rc.Ref = ""
	}
	if to, ok := s.Destination.Text(); ok {
		rc.Destination = cloudapi.Person(to)
	}
	if step == desk.Failed {
		rc.Code = cloudapi.CutRunes(s.Failure.Code, cloudapi.MaxCode)
		rule, ok := cloudapi.Lookup(rc.Code)
		if rc.Reason, rc.Cause = rule.Reason, rule.ChannelCause(); !ok {
			rc.Reason = cloudapi.Clean(s.Failure.Words)
		}
		if rc.Reason == "" {
			rc.Reason = "unknown_failure"
		}
	}
	if r.addressed(&e, c.Number) {
		c.Receipts = append(c.Receipts, rc)
	}
}

// preference reads what a person wants from a number.
func (r *reader) preference(c *channel.Change, v strictjson.Value) {
	var e cloudapi.Event
	said := e.Preference(v)
	if r.addressed(&e, c.Number) {
		said.At = r.orNow(said.At)
		c.Consents = append(c.Consents, said)
	}
}

// template reads what is said of a template. It carries no number.
func (r *reader) template(c *channel.Change, field string, value, sent strictjson.Value) {
	var e cloudapi.Event
	v := e.Template(field, value, sent)
	if r.addressed(&e, c.Account) {
		v.At = r.orNow(v.At)
		c.Verdicts = append(c.Verdicts, v)
	}
}

// addressed tells whether an event can be used: nothing is wrong with it, and it
// names whom it is for.
func (r *reader) addressed(e *cloudapi.Event, id string) bool {
	if id == "" {
		e.Fail(channel.RejectNoID)
	}
	return !r.refused(e.Bad)
}

func (r *reader) orNow(t time.Time) time.Time {
	if t.IsZero() {
		return r.now
	}
	return t
}
