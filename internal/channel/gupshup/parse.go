package gupshup

import (
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// Kinds of channel.Batch.Ignored beside those of Meta's format and status_<type>,
// which counts the statuses that are no step of a delivery (deleted, mismatch,
// referral, played, warning …).
const (
	ignoredPing         = "ping"
	ignoredSetCallback  = "set_callback"
	ignoredConnectivity = "connectivity_check"
	ignoredBilling      = "billing"
	ignoredOnboarding   = "onboarding"
)

// Parse implements channel.Provider. Nothing of a body, or of a v3 change, that
// names another app or number is returned, but the pings, which come before an app
// is known. An event without a time gets the present.
func (p Provider) Parse(ch desk.Channel, body []byte) channel.Batch {
	doc, reject := strictjson.Parse(body)
	if reject != "" {
		return channel.Batch{Rejected: reject}
	}
	if doc.Kind() != strictjson.Object {
		return channel.Batch{Rejected: channel.RejectWrongType}
	}
	r := reader{ch: ch, now: p.Now().UTC()}
	r.checkApp(doc)
	switch {
	case doc.Get("entry").Given():
		r.entries(doc)
	case !doc.Get("type").Given() && (doc.Get("messages").Given() || doc.Get("statuses").Given()):
		r.value(doc)
	default:
		r.v2(doc)
	}
	if r.events > channel.MaxEvents {
		return channel.Batch{Rejected: channel.RejectTooMany}
	}
	if r.events == 0 {
		r.reject(channel.RejectUnknownEvent)
	}
	return r.batch
}

// reader takes one body apart.
type reader struct {
	ch      desk.Channel
	now     time.Time
	batch   channel.Batch
	foreign bool // what is read now names another app or number
	events  int
}

// full counts an event and tells whether it is one too many.
func (r *reader) full() bool {
	r.events++
	return r.events > channel.MaxEvents
}

func (r *reader) reject(code string) {
	if r.batch.Rejected == "" {
		r.batch.Rejected = code
	}
}

// refused notes why an event cannot be used, if it cannot: it is broken, or
// speaks of somebody else.
func (r *reader) refused(e *cloudapi.Event) bool {
	if r.foreign {
		e.Bad = channel.RejectOtherApp
	}
	if e.Bad != "" {
		r.reject(e.Bad)
	}
	return e.Bad != ""
}

// count counts an event that is kept nowhere. Pings are counted whoever they name.
func (r *reader) count(kind string) {
	if r.foreign && kind != ignoredPing && kind != ignoredSetCallback && kind != ignoredConnectivity {
		r.reject(channel.RejectOtherApp)
		return
	}
	if r.batch.Ignored == nil {
		r.batch.Ignored = map[string]int{}
	}
	r.batch.Ignored[kind]++
}

// checkApp compares the app that the body names with the channel's, as far as the
// channel knows its own.
func (r *reader) checkApp(doc strictjson.Value) {
	r.same(doc.Get("app"), r.ch.App)
	r.same(doc.Get("appId"), r.ch.AppID)
	r.same(doc.Get("gs_app_id"), r.ch.AppID)
}

// same marks what is read as foreign if it names another than ours. A name that
// cannot be read is nobody's.
func (r *reader) same(v strictjson.Value, ours string) {
	if !v.Given() || ours == "" {
		return
	}
	if named, ok := v.Token(); !ok || named != "" && named != ours {
		r.foreign = true
	}
}

// v2 reads Gupshup's own envelope, which holds one event.
func (r *reader) v2(doc strictjson.Value) {
	r.full()
	var e cloudapi.Event
	typ, payload := doc.Get("type"), e.Part(doc.Get("payload"))
	if !typ.Given() && payload.Get("deductions").Given() {
		r.count(ignoredBilling)
		return
	}
	kind := e.Word(typ, channel.RejectUnknownEvent)
	if e.Bad != "" {
		r.refused(&e)
		return
	}
	sent := doc.Get("timestamp")
	switch kind {
	case "message":
		r.v2Message(payload, sent)
	case "message-event":
		r.v2Status(payload, sent)
	case "user-event":
		r.v2User(payload, sent)
	case "template-event":
		r.v2Template(payload, sent)
	case "account-event":
		r.count(cloudapi.IgnoredAccount)
	case "billing-event":
		r.count(ignoredBilling)
	case "onboarding-event":
		r.count(ignoredOnboarding)
	case "platform-event":
		r.platform(payload)
	default:
		if payload.Get("deductions").Given() {
			r.count(ignoredBilling)
			return
		}
		e.Fail(channel.RejectUnknownEvent)
		r.refused(&e)
	}
}

// platform reads Gupshup's messages about itself, of which one is known.
func (r *reader) platform(payload strictjson.Value) {
	var e cloudapi.Event
	if e.Need(payload.Get("type"), channel.RejectWrongType) == "connectivity-check" {
		r.count(ignoredConnectivity)
		return
	}
	e.Fail(channel.RejectUnknownEvent)
	r.refused(&e)
}

// v2Message reads a person's message. The sender stands in it twice; where both
// are, both have to be readable.
func (r *reader) v2Message(payload, sent strictjson.Value) {
	var e cloudapi.Event
	e.Object(payload, channel.RejectWrongType)
	m := desk.Incoming{ProviderID: e.ID(payload.Get("id")), SentAt: e.Time(sent)}
	sender, source := payload.Get("sender"), payload.Get("source")
	e.Object(sender, channel.RejectNoSender)
	if phone := sender.Get("phone"); phone.Kind() != strictjson.Missing || source.Kind() == strictjson.Missing {
		m.Person = e.Person(phone)
	}
	if source.Kind() != strictjson.Missing {
		m.Person = e.Person(source)
	}
	m.Name = e.Name(sender.Get("name"))
	typ := e.Word(payload.Get("type"), channel.RejectWrongType)
	m.Content = e.Content(typ, e.Part(payload.Get("payload")), payload)
	e.Answers(&m.Content, e.Part(payload.Get("context")))
	r.message(&e, m)
}

// message adds a message that has been read.
func (r *reader) message(e *cloudapi.Event, m desk.Incoming) {
	if r.refused(e) {
		return
	}
	if m.SentAt.IsZero() {
		m.SentAt = r.now
	}
	r.batch.Messages = append(r.batch.Messages, m)
}

// v2User reads a person's consent, and the ping that a new webhook address gets.
func (r *reader) v2User(payload, sent strictjson.Value) {
	var e cloudapi.Event
	kind := e.Need(payload.Get("type"), channel.RejectWrongType)
	phone, _ := payload.Get("phone").Text()
	if kind == "sandbox-start" || phone == "callbackSetPhone" {
		r.count(ignoredPing)
		return
	}
	c := desk.Consent{OptedIn: kind == "opted-in", At: e.Time(sent)}
	if kind != "opted-in" && kind != "opted-out" {
		e.Fail(channel.RejectUnknownEvent)
	}
	c.Person = e.Person(payload.Get("phone"))
	r.consent(&e, c)
}

// consent adds a consent that has been read.
func (r *reader) consent(e *cloudapi.Event, c desk.Consent) {
	if r.refused(e) {
		return
	}
	if c.At.IsZero() {
		c.At = r.now
	}
	r.batch.Consents = append(r.batch.Consents, c)
}

// v2Template reads what Gupshup says of a template.
func (r *reader) v2Template(payload, sent strictjson.Value) {
	var e cloudapi.Event
	v := desk.Verdict{
		ProviderID: e.ID(payload.Get("id")),
		Event:      desk.VerdictStatus, // the documented approval has no type
		Name:       e.Maybe(payload.Get("elementName")),
		Language:   e.Maybe(payload.Get("languageCode")),
		Reason:     e.First(payload, "rejectedReason", "reason", "description"),
		At:         e.Time(sent),
	}
	if kind := payload.Get("type"); kind.Given() {
		v.Event = e.Need(kind, channel.RejectWrongType)
	}
	switch v.Event {
	case desk.VerdictStatus:
		v.State = e.Need(payload.Get("status"), channel.RejectWrongType)
	case desk.VerdictQuality:
		v.State = e.Need(payload.Get("quality"), channel.RejectWrongType)
	case desk.VerdictCategory:
		category := e.Part(payload.Get("category"))
		if category.Kind() == strictjson.String {
			v.State = e.Maybe(category)
			break
		}
		e.Category(&v, category.Get("new"), category.Get("correct"))
	default:
		e.Fail(channel.RejectUnknownEvent)
	}
	e.Settle(&v)
	r.verdict(&e, v)
}

// verdict adds a verdict that has been read.
func (r *reader) verdict(e *cloudapi.Event, v desk.Verdict) {
	if r.refused(e) {
		return
	}
	if v.At.IsZero() {
		v.At = r.now
	}
	r.batch.Verdicts = append(r.batch.Verdicts, v)
}
