package api

import (
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/web"
)

// channelView never holds the addresses with their secret: they are shown once,
// by what makes them.
type channelView struct {
	ID            string        `json:"id"`
	Version       int64         `json:"version"`
	Kind          string        `json:"kind"`
	Provider      string        `json:"provider"`
	Company       nameView      `json:"company"`
	Requester     requesterView `json:"requester"`
	State         string        `json:"state"`
	Cause         *string       `json:"cause"`
	Identifier    *string       `json:"identifier"`
	App           *string       `json:"app"`
	AppID         *string       `json:"app_id"`
	PhoneNumberID *string       `json:"phone_number_id"`
	WebhookURL    *string       `json:"webhook_url"`
	CallbackURL   *string       `json:"callback_url"`
	CreatedAt     *time.Time    `json:"created_at"`
}

type nameView struct {
	Name string `json:"name"`
}

type requesterView struct {
	Name  *string `json:"name"`
	Email *string `json:"email"`
	Phone *string `json:"phone"`
}

func viewChannel(v desk.Channel) channelView {
	return channelView{
		ID: v.ID, Version: v.Version, Kind: v.Kind, Provider: v.Provider,
		Company:   nameView{v.CompanyName},
		Requester: requesterView{optional(v.Requester.Name), optional(v.Requester.Email), optional(v.Requester.Phone)},
		State:     string(v.State), Cause: optional(v.Cause), Identifier: optional(v.Identifier),
		App: optional(v.App), AppID: optional(v.AppID), PhoneNumberID: optional(v.PhoneNumberID),
		CreatedAt: when(v.CreatedAt),
	}
}

func listChannels(c *call) error {
	q := c.query("kind", "state")
	kind := q.oneOf("kind", "whatsapp", "viber")
	state := q.oneOf("state", string(desk.ChannelPending), string(desk.ChannelActive),
		string(desk.ChannelInterrupted), string(desk.ChannelInactive))
	if err := q.err(); err != nil {
		return err
	}
	items, next, err := c.company.Channels(c.ctx(), kind, desk.ChannelState(state), q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, viewChannel)
}

// channel reads the channel that the path names; a deleted one is not found.
func (c *call) channel() (desk.Channel, error) {
	id, err := c.id("id")
	if err != nil {
		return desk.Channel{}, err
	}
	v, err := c.company.FreshChannel(c.ctx(), id)
	if err == nil && v.Deleted {
		err = fmt.Errorf("channel %s: deleted: %w", id, fault.NotFound)
	}
	return v, err
}

func getChannel(c *call) error {
	v, err := c.channel()
	if err != nil {
		return err
	}
	return c.ok(v.Version, viewChannel(v))
}

// templateView is a template; what is not known of it is null.
type templateView struct {
	ID            string     `json:"id"`
	Version       int64      `json:"version"`
	Channel       string     `json:"channel"`
	ProviderID    *string    `json:"provider_id"`
	Name          string     `json:"name"`
	Language      string     `json:"language"`
	Category      *string    `json:"category"`
	Body          string     `json:"body"`
	Status        string     `json:"status"`
	ProviderState *string    `json:"provider_state"`
	Active        bool       `json:"active"`
	Sendable      bool       `json:"sendable"`
	CreatedAt     *time.Time `json:"created_at"`
}

func viewTemplate(v desk.Template) templateView {
	return templateView{
		ID: v.ID, Version: v.Version, Channel: v.Channel, ProviderID: optional(v.ProviderID), Name: v.Name,
		Language: v.Language, Body: v.Body, Status: string(v.Status), ProviderState: optional(v.ProviderState),
		Active: v.Active, Sendable: v.Sendable(), CreatedAt: when(v.CreatedAt),
	}
}

func listTemplates(c *call) error {
	ch, err := c.channel()
	if err != nil {
		return err
	}
	q := c.query("category", "status", "active")
	category := q.oneOf("category", "marketing", "utility", "authentication")
	status := q.oneOf("status", string(desk.TemplatePending), string(desk.TemplateApproved), string(desk.TemplateRejected))
	active := q.oneOf("active", "true", "false")
	if err := q.err(); err != nil {
		return err
	}
	keep := func(t desk.Template) bool {
		v := viewTemplate(t)
		return (category == "" || v.Category != nil && *v.Category == category) &&
			(status == "" || v.Status == status) && (active == "" || v.Active == (active == "true"))
	}
	items, next, err := c.company.TemplateList(c.ctx(), ch.ID, keep, q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, viewTemplate)
}

func (c *call) template() (desk.Template, error) {
	id, err := c.id("id")
	if err != nil {
		return desk.Template{}, err
	}
	return c.company.Template(c.ctx(), id)
}

func getTemplate(c *call) error {
	v, err := c.template()
	if err != nil {
		return err
	}
	return c.ok(v.Version, viewTemplate(v))
}

// putTemplateActive switches a template on or off, whatever its status: it is
// sent only if it is approved too (S3-21, Q23).
func putTemplateActive(c *call) error {
	return change(c, c.template, func(v desk.Template) any { return viewTemplate(v) },
		func(o *web.Object, v *desk.Template) error {
			if !o.Has("active") {
				o.Add("active", "required")
			}
			o.Bool("active", &v.Active)
			return nil
		},
		func(_ desk.Template, v *desk.Template) error { return c.company.SaveTemplate(c.ctx(), *v, nil) })
}
