package cloudapi

import (
	"strings"
	"time"

	"buzon/internal/channel"
	"buzon/internal/channel/strictjson"
	"buzon/internal/desk"
)

// Names are the names of a change's contacts, by all the ids that they have there.
type Names struct {
	byID map[string]string
	only string // of the one contact of a change, if it has no id
}

// ReadNames reads a change's contacts. One that cannot be read has no name.
func ReadNames(contacts strictjson.Value) Names {
	names := Names{byID: map[string]string{}}
	n := contacts.Len()
	for c := range contacts.Elems() {
		var e Event
		name := e.Name(c.Path("profile", "name"))
		for _, key := range []string{"wa_id", "user_id"} {
			if id := Person(e.Maybe(c.Get(key))); id != "" {
				names.byID[id] = name
			}
		}
		if n == 1 && len(names.byID) == 0 {
			names.only = name
		}
	}
	return names
}

// of is the name of whoever has one of these ids.
func (n Names) of(ids ...string) string {
	for _, id := range ids {
		if name := n.byID[id]; name != "" {
			return name
		}
	}
	return n.only
}

// blank tells whether v is absent, null or a text with nothing in it.
func blank(v strictjson.Value) bool {
	s, text := v.Text()
	return !v.Given() || text && strings.TrimSpace(s) == ""
}

// Message reads an element of messages. Its time is zero if it has none.
func (e *Event) Message(m strictjson.Value, names Names) desk.Incoming {
	e.Object(m, channel.RejectWrongType)
	in := desk.Incoming{ProviderID: e.ID(m.Get("id")), SentAt: e.Time(m.Get("timestamp"))}
	from, scoped := m.Get("from"), m.Get("from_user_id")
	if from.Kind() == strictjson.Missing || blank(from) && !blank(scoped) { // a person with a user name may hide the number
		from = scoped
	}
	in.Person = e.Person(from)
	in.Name = names.of(in.Person, Person(e.Maybe(scoped)))
	typ := "unsupported"
	if t := m.Get("type"); t.Given() || !m.Get("errors").Given() {
		typ = e.Word(t, channel.RejectWrongType)
	}
	in.Content = e.Content(typ, e.Part(m.Get(typ)), m)
	e.Answers(&in.Content, e.Part(m.Get("context")))
	return in
}

// Answers notes which message a content answers, unless it says so itself.
func (e *Event) Answers(c *desk.Content, context strictjson.Value) {
	if c.Quoted == "" {
		c.Quoted = e.Quoted(context)
	}
}

// Deliveries are the statuses that are a step of a delivery.
func Deliveries(kind string) (step desk.Delivery, ok bool) {
	switch kind {
	case "enqueued": // Gupshup's
		return desk.Accepted, true
	case "sent":
		return desk.SentOut, true
	case "delivered":
		return desk.Delivered, true
	case "read":
		return desk.Read, true
	case "failed":
		return desk.Failed, true
	}
	return 0, false
}

// IgnoredStatus is the kind under which a status that is no step is counted. Only
// a short word makes a kind of its own.
func IgnoredStatus(kind string) string {
	if len(kind) == 0 || len(kind) > MaxCode {
		return "status_other"
	}
	for _, c := range kind {
		if (c < 'a' || c > 'z') && c != '_' && c != '-' {
			return "status_other"
		}
	}
	return "status_" + kind
}

// Status is an element of statuses but for its ids, which mean something else at
// every provider.
type Status struct {
	Kind        string           // the word; see Deliveries
	Destination strictjson.Value // a number or a business-scoped id
	At          time.Time        // zero: not told
	Failure     Failure
}

// Status reads an element of statuses.
func (e *Event) Status(v strictjson.Value) Status {
	s := Status{
		Kind:        e.Word(v.Get("status"), channel.RejectWrongType),
		Destination: v.Get("recipient_id"),
		At:          e.FirstMoment(v.Get("timestamp")),
		Failure:     e.Failure(v),
	}
	if blank(s.Destination) {
		s.Destination = v.Get("recipient_user_id")
	}
	return s
}

// Failure is why a message failed, in its provider's words.
type Failure struct{ Code, Words string }

// Failure reads why a message failed: flat, or as the first of a list of errors, in
// the first of the places that tells.
func (e *Event) Failure(places ...strictjson.Value) Failure {
	var f Failure
	explain := func(v strictjson.Value) {
		if f.Code == "" {
			f.Code = e.MaybeID(v.Get("code"))
		}
		if f.Words == "" {
			f.Words = e.First(v, "reason", "message", "title")
		}
	}
	for _, v := range places {
		for first := range e.Part(v.Get("errors")).Elems() {
			explain(first)
			break
		}
		explain(v)
	}
	return f
}

// Kinds of channel.Batch.Ignored for what is known and kept nowhere.
const (
	IgnoredAccount = "account"        // the account, its number or its settings as a whole
	IgnoredEcho    = "echo"           // what the company wrote on its own phone, and its history
	IgnoredError   = "provider_error" // an error that concerns no message
)

// IgnoredField is the kind under which a change is counted that holds neither
// messages nor statuses nor a template nor preferences; empty: its field is not known.
func IgnoredField(field string) string {
	switch field {
	case "account_update", "account_alerts", "account_review_update", "account_settings_update",
		"business_capability_update", "business_status_update", "phone_number_quality_update", "phone_number_name_update",
		"security", "flows", "message_template_components_update":
		return IgnoredAccount
	case "smb_message_echoes", "smb_app_state_sync", "history":
		return IgnoredEcho
	}
	if strings.HasPrefix(field, "phone_number_") && strings.HasSuffix(field, "_update") {
		return IgnoredAccount
	}
	return ""
}

// FieldPreferences is the field of a change with a person's wishes, in an array of
// the same name (Meta, "user_preferences webhook reference").
const FieldPreferences = "user_preferences"

// Preference reads an element of user_preferences: whether its person wants marketing
// messages from the number of the change. Its time is zero if it has none. Another
// category or wish than Meta documents is unknown: nobody's will is guessed.
func (e *Event) Preference(v strictjson.Value) desk.Consent {
	e.Object(v, channel.RejectWrongType)
	c := desk.Consent{Scope: desk.ScopeMarketing, At: e.Time(v.Get("timestamp"))}
	category, wish := e.Word(v.Get("category"), channel.RejectUnknownEvent), e.Word(v.Get("value"), channel.RejectUnknownEvent)
	if c.OptedIn = wish == "resume"; category != "marketing_messages" || !c.OptedIn && wish != "stop" {
		e.Fail(channel.RejectUnknownEvent)
	}
	who := v.Get("wa_id")
	if scoped := v.Get("user_id"); who.Kind() == strictjson.Missing || blank(who) && !blank(scoped) { // a hidden number
		who = scoped
	}
	c.Person = e.Person(who)
	return c
}

// ReasonAnnounced marks a category that will hold from the next month on.
const ReasonAnnounced = "announced"

// templateFields are the fields that speak of a template, and what they make.
var templateFields = map[string]string{
	"message_template_status_update":  desk.VerdictStatus,
	"message_template_quality_update": desk.VerdictQuality,
	"template_category_update":        desk.VerdictCategory,
}

// TemplateField tells whether a change of this field speaks of a template.
func TemplateField(field string) bool { return templateFields[field] != "" }

// Template reads what Meta says of a template in a change of this field. sent is
// the entry's time. The template's id is Meta's number, read without loss.
func (e *Event) Template(field string, value, sent strictjson.Value) desk.Verdict {
	v := desk.Verdict{
		ProviderID: e.MaybeID(value.Get("message_template_id")),
		Event:      templateFields[field],
		Name:       e.Maybe(value.Get("message_template_name")),
		Language:   e.Maybe(value.Get("message_template_language")),
		At:         e.Time(sent),
	}
	if v.ProviderID == "" {
		e.Fail(channel.RejectNoID)
	}
	switch v.Event {
	case desk.VerdictStatus:
		v.State = e.Need(value.Get("event"), channel.RejectWrongType)
		v.Reason = e.templateReason(value)
	case desk.VerdictQuality:
		v.State = e.Need(value.Get("new_quality_score"), channel.RejectWrongType)
	case desk.VerdictCategory:
		e.Category(&v, value.Get("new_category"), value.Get("correct_category"))
	}
	e.Settle(&v)
	return v
}

// templateReason joins the word for a change of state with what explains it.
func (e *Event) templateReason(value strictjson.Value) string {
	word := strings.TrimSpace(e.Maybe(value.Get("reason")))
	if word == "NONE" {
		word = ""
	}
	rejection := e.Part(value.Get("rejection_info"))
	parts := []string{
		e.Maybe(rejection.Get("reason")), e.Maybe(rejection.Get("recommendation")),
		e.Maybe(e.Part(value.Get("other_info")).Get("description")),
	}
	if date, ok := moment(e.Part(e.Part(value.Get("disable_info")).Get("disable_date"))); ok && !date.IsZero() {
		parts = append(parts, date.Format(time.DateOnly))
	}
	about := strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
	if word == "" || about == "" {
		return word + about
	}
	return word + ": " + about
}

// Category reads a change of category, or its announcement a month before: then
// changed, if it is there, is the category that still holds.
func (e *Event) Category(v *desk.Verdict, changed, announced strictjson.Value) {
	if !announced.Given() {
		v.State = e.Need(changed, channel.RejectWrongType)
		return
	}
	v.State = e.Need(announced, channel.RejectWrongType)
	v.Reason = ReasonAnnounced
}

// Settle makes a verdict's words fit to be kept: the state as desk.ProviderWord has it
// and never empty, the reason short.
func (e *Event) Settle(v *desk.Verdict) {
	if v.State = desk.ProviderWord(v.State); v.State == "" {
		e.Fail(channel.RejectWrongType)
	}
	v.Reason = CutRunes(v.Reason, MaxWords)
}
