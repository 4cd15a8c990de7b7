package gupshup

import (
	"buzon/internal/channel"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
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
	e := event{bad: channel.RejectWrongType}
	if v.Kind() == strictjson.Ambiguous {
		e.bad = channel.RejectAmbiguous
	}
	r.refused(&e)
}

// The fields of Meta's envelope that concern the account as a whole.
func accountField(field string) bool {
	switch field {
	case "account-event", "account_update", "account_alerts", "account_review_update", "business_capability_update",
		"business_status_update", "phone_number_quality_update", "phone_number_name_update", "security", "flows", "user_preferences":
		return true
	}
	return false
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
	if r.full() {
		return
	}
	field, _ := change.Get("field").Text()
	switch {
	case field == "billing-event" || value.Get("billing").Given():
		r.count(ignoredBilling)
	case field == "platform-event":
		r.platform(value)
	case field == "onboarding-event":
		r.count(ignoredOnboarding)
	case accountField(field):
		r.count(ignoredAccount)
	case field == "template-event":
		r.v2Template(value, sent)
	case field == "message_template_status_update", field == "message_template_quality_update", field == "template_category_update":
		r.v3Template(field, value, sent)
	case field == "smb_message_echoes", field == "smb_app_state_sync", field == "history":
		r.count(ignoredEcho)
	case value.Get("errors").Given():
		r.count(ignoredError)
	default:
		r.refused(&event{bad: channel.RejectUnknownEvent})
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
		names := contactNames(value.Get("contacts"))
		for m := range r.array(value, "messages") {
			if r.full() {
				return
			}
			r.v3Message(m, names)
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

func (r *reader) v3Message(m strictjson.Value, names map[string]string) {
	var e event
	e.object(m, channel.RejectWrongType)
	in := desk.Incoming{ProviderID: e.id(m.Get("id")), SentAt: e.time(m.Get("timestamp"))}
	from := m.Get("from")
	if from.Kind() == strictjson.Missing {
		from = m.Get("from_user_id")
	}
	in.Person = e.person(from)
	in.Name = names[in.Person]
	if in.Name == "" {
		in.Name = names[onlyContact]
	}
	typ := "unsupported"
	if t := m.Get("type"); t.Given() || !m.Get("errors").Given() {
		typ = e.word(t, channel.RejectWrongType)
	}
	in.Content = e.content(typ, e.part(m.Get(typ)), m)
	r.message(&e, in, e.part(m.Get("context")))
}

// onlyContact is the key, no person's id, of the one contact of a change with one.
const onlyContact = ""

// contactNames are the names of a change's contacts by their ids.
func contactNames(contacts strictjson.Value) map[string]string {
	names := map[string]string{}
	n := contacts.Len()
	for c := range contacts.Elems() {
		var e event
		name := e.name(c.Path("profile", "name"))
		for _, key := range []string{"wa_id", "user_id"} {
			if id := person(e.maybe(c.Get(key))); id != "" {
				names[id] = name
			}
		}
		if n == 1 {
			names[onlyContact] = name
		}
	}
	return names
}

// v3Template reads Meta's own spelling of what is said of a template. Its id is
// Meta's number.
func (r *reader) v3Template(field string, value, sent strictjson.Value) {
	var e event
	v := desk.Verdict{
		ProviderID: e.maybeID(value.Get("message_template_id")),
		Name:       e.maybe(value.Get("message_template_name")),
		Language:   e.maybe(value.Get("message_template_language")),
		At:         e.time(sent),
	}
	if v.ProviderID == "" {
		e.fail(channel.RejectNoID)
	}
	switch field {
	case "message_template_status_update":
		v.Event = "status-update"
		v.State = e.need(value.Get("event"), channel.RejectWrongType)
		if reason := e.maybe(value.Get("reason")); reason != "NONE" {
			v.Reason = reason
		}
	case "message_template_quality_update":
		v.Event = "quality-update"
		v.State = e.need(value.Get("new_quality_score"), channel.RejectWrongType)
	default:
		v.Event = "category-update"
		e.category(&v, value.Get("new_category"), value.Get("correct_category"))
	}
	r.verdict(&e, v)
}
