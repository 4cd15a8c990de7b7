package gupshup

import (
	"buzon/internal/channel"
	"buzon/internal/channel/cloudapi"
	"buzon/internal/channel/strictjson"
)

// entries reads Meta's envelope: entries of changes of messages and statuses.
func (r *reader) entries(doc strictjson.Value) {
	foreign := r.foreign
	for entry := range r.array(doc, "entry") {
		r.foreign = foreign
		changes := entry.Get("changes")
		if changes.Kind() != strictjson.Array {
			r.broken(changes)
			continue
		}
		sent := entry.Get("time")
		for change := range changes.Elems() {
			r.foreign = foreign
			if r.change(change, sent); r.events > channel.MaxEvents {
				return
			}
		}
	}
}

// array is the elements of v's member key, which has to be an array.
func (r *reader) array(v strictjson.Value, key string) func(func(strictjson.Value) bool) {
	list := v.Get(key)
	if list.Kind() != strictjson.Array {
		r.broken(list)
	}
	return list.Elems()
}

// broken refuses an event whose frame is not what it has to be.
func (r *reader) broken(v strictjson.Value) {
	r.full()
	e := cloudapi.Event{Bad: channel.RejectWrongType}
	if v.Kind() == strictjson.Ambiguous {
		e.Bad = channel.RejectAmbiguous
	}
	r.refused(&e)
}

// change reads one change by its shape, and by its field where it holds neither
// messages nor statuses.
func (r *reader) change(change, sent strictjson.Value) {
	value := change.Get("value")
	if value.Kind() != strictjson.Object {
		r.broken(value)
		return
	}
	if value.Get("messages").Given() || value.Get("statuses").Given() {
		r.value(value)
		return
	}
	r.number(value)
	field, _ := change.Get("field").Text()
	if field == cloudapi.FieldPreferences {
		r.preferences(value)
		return
	}
	if r.full() {
		return
	}
	switch {
	case field == "billing-event" || value.Get("billing").Given():
		r.count(ignoredBilling)
	case field == "platform-event":
		r.platform(value)
	case field == "onboarding-event":
		r.count(ignoredOnboarding)
	case field == "account-event":
		r.count(cloudapi.IgnoredAccount)
	case field == "template-event":
		r.v2Template(value, sent)
	case cloudapi.TemplateField(field):
		var e cloudapi.Event
		v := e.Template(field, value, sent)
		r.verdict(&e, v)
	case cloudapi.IgnoredField(field) != "":
		r.count(cloudapi.IgnoredField(field))
	case value.Get("errors").Given():
		r.count(cloudapi.IgnoredError)
	default:
		r.refused(&cloudapi.Event{Bad: channel.RejectUnknownEvent})
	}
}

// preferences reads what people want, as Meta says it.
func (r *reader) preferences(value strictjson.Value) {
	for v := range r.array(value, cloudapi.FieldPreferences) {
		if r.full() {
			return
		}
		var e cloudapi.Event
		r.consent(&e, e.Preference(v))
	}
}

// number marks a change that names another phone number than the channel's.
func (r *reader) number(value strictjson.Value) {
	r.same(value.Path("metadata", "phone_number_id"), r.ch.PhoneNumberID)
}

// value reads the messages and statuses of one change.
func (r *reader) value(value strictjson.Value) {
	r.number(value)
	if value.Get("messages").Given() {
		names := cloudapi.ReadNames(value.Get("contacts"))
		for m := range r.array(value, "messages") {
			if r.full() {
				return
			}
			var e cloudapi.Event
			in := e.Message(m, names)
			r.message(&e, in)
		}
	}
	if value.Get("statuses").Given() {
		for s := range r.array(value, "statuses") {
			if r.full() {
				return
			}
			r.v3Status(s)
		}
	}
}
