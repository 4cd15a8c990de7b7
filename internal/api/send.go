package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/store"
	"buzon/internal/web"
	"buzon/internal/wording"
)

// wakeAfter is when a conversation is looked at again whose wake-up was lost.
const wakeAfter = 2 * time.Minute

// sendable refuses a template that cannot be sent now, and says why.
func (c *call) sendable(v desk.Template) error {
	refuse := func(code string) error {
		return &web.Refused{Status: http.StatusConflict, Code: code, Params: map[string]string{
			"status": c.stateWord(string(v.Status)), "provider_state": c.stateWord(v.ProviderState),
		}}
	}
	switch {
	case v.Status != desk.TemplateApproved:
		return refuse("template_not_approved")
	case v.ProviderState != desk.ProviderApproved:
		return refuse("template_stopped")
	case !v.Active:
		return refuse("template_inactive")
	case !c.me.Has(desk.RoleAdmin) && !v.AssignedTo("", ""):
		return refuse("template_not_assigned")
	}
	return nil
}

// postTemplateMessage sends a template to a person (S3-31, S3-36): parameters by
// name, the body as it was approved. The message is stored before the answer and
// leaves behind it; what becomes of it shows among the conversation's messages.
func postTemplateMessage(c *call) error {
	turnID, now := store.TurnID("agent "+c.NewID()), c.now()
	return c.create(func(o *web.Object) (made, error) {
		v, err := c.template()
		if err != nil {
			return made{}, err
		}
		ch, err := c.company.FreshChannel(c.ctx(), v.Channel)
		if err == nil {
			err = errors.Join(c.sendable(v), answering(ch))
		}
		if err != nil {
			return made{}, err
		}
		person, err := c.recipient(o, ch)
		if err != nil {
			return made{}, err
		}
		out, err := c.templateUse(o, v)
		if err != nil {
			return made{}, err
		}
		if err := o.Err(); err != nil {
			return made{}, err
		}
		return c.templateTurn(ch, person, v, out, turnID, now)
	})
}

// codeRecipient: not exactly one of number and contact was given.
const codeRecipient = "number_or_contact"

// recipient reads who is meant: a number, or a contact who has a conversation with
// this channel. Exactly one of the two is given.
func (c *call) recipient(o *web.Object, ch desk.Channel) (string, error) {
	var number, contact string
	o.Text("number", &number, web.Text{Max: desk.MaxName})
	o.Text("contact", &contact, web.Text{Max: maxID})
	switch {
	case o.Told("number") || o.Told("contact"):
	case number == "" && contact == "":
		o.Add("number", codeRecipient)
	case number != "" && contact != "":
		o.Add("contact", codeRecipient)
	case number != "":
		digits, ok := normalPhone(number)
		if !ok {
			o.Add("number", "invalid_phone")
		}
		return digits, nil
	default:
		person, there, err := exists(contact, func() (string, error) { return c.company.PersonOf(c.ctx(), ch.ID, contact) })
		if err == nil && !there {
			o.Add("contact", "not_found")
		}
		return person, err
	}
	return "", nil
}

// templateUse reads the parameters and the file, and makes what is sent.
func (c *call) templateUse(o *web.Object, v desk.Template) (desk.Outgoing, error) {
	given, upload := map[string]string{}, ""
	o.Object("params", func(p *web.Object) {
		for _, name := range p.Names() {
			given[name] = p.Raw(name) // empty where it is no text, which is told
		}
	})
	o.Text("upload", &upload, web.Text{Max: maxID})
	values, problems := wording.Params(v, given)
	for _, p := range problems {
		if o.Told("params") || o.Told(p.Field) {
			continue
		}
		var params []string
		for name, value := range p.Params {
			params = append(params, name, value)
		}
		o.Add(p.Field, p.Code, params...)
	}
	use := desk.TemplateUse{
		ProviderID: v.ProviderID, Name: v.Name, Language: v.Language, Params: values, Template: v.ID,
		OTP: v.Category == desk.CategoryAuthentication, URLs: v.URLButtons(), Taps: v.HasQuickReplies(),
	}
	// The text is for those who read the conversation: a one-time code is none of theirs.
	out := desk.Outgoing{Type: desk.ReplyTemplate, Text: wording.Fill(v.Body, use.Masked().Params), Template: &use}
	media := wording.MaxFile(v.Type) > 0
	var err error
	switch {
	case media && upload == "":
		o.Add("upload", "required")
	case !media && upload != "":
		o.Add("upload", "not_allowed")
	case media:
		out.Media, err = c.fileOf(o, upload, v.Type)
	}
	return out, err
}

// templateTurn puts a message of template v into its conversation, which may be a new
// one.
func (c *call) templateTurn(ch desk.Channel, person string, v desk.Template, out desk.Outgoing, turnID string, now time.Time) (made, error) {
	id := store.ConversationID(ch.ID, person)
	was, stored, err := c.company.Exchange(c.ctx(), id, turnID)
	if err != nil {
		return made{}, err
	}
	conv := was
	var unchanged store.Also
	if conv.Version == 0 {
		conv = desk.Conversation{
			ID: id, Channel: ch.ID, Person: person, Contact: store.ContactID(ch.Kind, person), CreatedAt: now, StateSince: now,
		}
		if conv, unchanged, err = c.company.WithConsents(c.ctx(), conv); err != nil {
			return made{}, err
		}
	}
	written := stored.Version > 0 // by this very call, whose answer was lost
	switch {
	case written:
	case conv.OptedOut:
		return made{}, &web.Refused{Status: http.StatusConflict, Code: desk.ReasonOptedOut}
	case conv.OptedOutMarketing && v.Marketing():
		return made{}, &web.Refused{Status: http.StatusConflict, Code: desk.ReasonOptedOutMarketing}
	case len(conv.Unsent) >= desk.MaxUnsent:
		return made{}, &web.Refused{Status: http.StatusConflict, Code: "too_many_unsent"}
	}
	reply := desk.Reply{Number: conv.LastNumber + 1, ID: store.ReplyID(id, turnID, 0), Outgoing: out, Status: desk.Queued}
	turn := desk.Turn{ID: turnID, Conversation: id, Kind: desk.TurnAgent, At: now, Made: now, Replies: []desk.Reply{reply}}
	view := viewReply(reply, store.Delivered{}, c.PublicURL(c.r))
	m := made{location: "/v1/conversations/" + id + "/messages", version: 1, body: view, again: view}
	m.save = func(also store.Also) error {
		if written {
			return nil
		}
		conv.LastNumber = reply.Number
		conv.Unsent = append(append([]desk.Unsent(nil), conv.Unsent...), desk.Unsent{Turn: turnID, First: reply.Number, Last: reply.Number})
		if was.State() != conv.State() {
			conv.StateSince = now
		}
		timer := c.company.NewTimer(store.WakeOutbound, conv, now.Add(wakeAfter))
		if !desk.Armed(conv.ArmedWake, now) || conv.ArmedWake.After(timer.Due) {
			conv.ArmedWake = timer.Due
		}
		commit := store.Commit{Conversation: conv, Turn: store.StoredTurn{Turn: turn}, Timers: []store.Timer{timer}, Also: append(also, unchanged...)}
		if err := c.company.Commit(c.ctx(), commit); err != nil {
			return err
		}
		c.later("conversation not woken", c.wakeUp(id, reply.Number))
		return nil
	}
	return m, nil
}

// wakeUp asks outbound to look at a conversation; the timer in the commit does so
// too, if this is lost.
func (c *call) wakeUp(conversation string, last int64) error {
	body, err := queue.Seal(desk.StageOutbound, c.company.Tenant, desk.Wake{Conversation: conversation})
	if err != nil {
		return err
	}
	return c.Outbound.Send(context.WithoutCancel(c.ctx()), queue.Message{
		Group: store.Hash(c.company.Tenant, conversation), Dedup: store.WakeID(c.company.Tenant, conversation, last), Body: body,
	})
}
