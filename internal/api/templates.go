package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/store"
	"buzon/internal/web"
	"buzon/internal/wording"
)

// MaxAssignments is to how many campaigns, and to how many queues, one template
// may be assigned.
const MaxAssignments = 100

// maxAssigned is to how many campaigns and queues together one call may newly assign a
// template: each is looked at in the one write.
const maxAssigned = 90

// submitAfter is when a request is looked at again whose queue message was lost.
const submitAfter = 2 * time.Minute

// templateView is a template; what is not known of it is null.
type templateView struct {
	ID            string             `json:"id"`
	Version       int64              `json:"version"`
	Channel       string             `json:"channel"`
	ProviderID    *string            `json:"provider_id"`
	Name          string             `json:"name"`
	DisplayName   *string            `json:"display_name"`
	Language      string             `json:"language"`
	Category      *string            `json:"category"`
	NextCategory  *string            `json:"next_category"`
	Type          *string            `json:"type"`
	Body          string             `json:"body"`
	Params        []string           `json:"params"`
	Buttons       []buttonView       `json:"buttons"`
	Samples       map[string]string  `json:"samples"`
	Status        string             `json:"status"`
	ProviderState *string            `json:"provider_state"`
	Reason        *string            `json:"reason"`
	Quality       *string            `json:"quality"`
	Active        bool               `json:"active"`
	Sendable      bool               `json:"sendable"`
	Campaigns     []string           `json:"campaigns"`
	Queues        []string           `json:"queues"`
	Warnings      []web.FieldProblem `json:"warnings"`
	Submission    *submissionView    `json:"submission"`
	ConfirmedAt   *time.Time         `json:"confirmed_at"`
	CreatedAt     *time.Time         `json:"created_at"`
}

type buttonView struct {
	Kind  string  `json:"kind"`
	Text  string  `json:"text"`
	Phone *string `json:"phone"`
	URL   *string `json:"url"`
}

// submissionView is a request that the provider does not have yet.
type submissionView struct {
	Attempts  int        `json:"attempts"`
	Cause     *string    `json:"cause"`
	NotBefore *time.Time `json:"not_before"`
}

// viewTemplate shows a template; its warnings are in the caller's language.
func (c *call) viewTemplate(v desk.Template) templateView {
	out := templateView{
		ID: v.ID, Version: v.Version, Channel: v.Channel, ProviderID: optional(v.ProviderID), Name: v.Name,
		DisplayName: optional(v.DisplayName), Language: v.Language, Category: optional(v.Category), NextCategory: optional(v.NextCategory),
		Type: optional(v.Type), Body: v.Body, Params: texts(v.Params), Buttons: []buttonView{}, Samples: map[string]string{},
		Status: string(v.Status), ProviderState: optional(v.ProviderState), Reason: optional(v.Reason), Quality: optional(v.Quality),
		Active: v.Active, Sendable: v.Sendable(), Campaigns: texts(v.Campaigns), Queues: texts(v.Queues),
		Warnings: []web.FieldProblem{}, ConfirmedAt: when(v.ConfirmedAt), CreatedAt: when(v.CreatedAt),
	}
	for _, b := range v.Buttons {
		out.Buttons = append(out.Buttons, buttonView{b.Kind, b.Text, optional(b.Phone), optional(b.URL)})
	}
	for i, name := range wording.Names(v) {
		if i < len(v.Samples) {
			out.Samples[name] = v.Samples[i]
		}
	}
	words := c.words()
	for _, w := range v.Warnings {
		out.Warnings = append(out.Warnings, web.FieldProblem{Field: w.Field, Code: w.Code, Detail: words.TextWith("problem."+w.Code, w.Params)})
	}
	if s := v.Submission; s != nil && !s.Done {
		out.Submission = &submissionView{s.Attempts, optional(s.Cause), when(s.NotBefore)}
	}
	return out
}

func listTemplates(c *call) error {
	ch, err := c.channel()
	if err != nil {
		return err
	}
	q := c.query("category", "status", "active")
	category := q.oneOf("category", desk.CategoryMarketing, desk.CategoryUtility, desk.CategoryAuthentication)
	status := q.oneOf("status", string(desk.TemplatePending), string(desk.TemplateApproved), string(desk.TemplateRejected))
	active := q.oneOf("active", "true", "false")
	if err := q.err(); err != nil {
		return err
	}
	keep := func(t desk.Template) bool {
		return (category == "" || t.Category == category) && (status == "" || string(t.Status) == status) &&
			(active == "" || t.Active == (active == "true"))
	}
	items, next, err := c.company.TemplateList(c.ctx(), ch.ID, keep, q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, c.viewTemplate)
}

// template reads the template that the path names; one of a deleted channel is
// not found.
func (c *call) template() (desk.Template, error) {
	id, err := c.id("id")
	if err != nil {
		return desk.Template{}, err
	}
	v, err := c.company.Template(c.ctx(), id)
	if err != nil {
		return v, err
	}
	ch, err := c.company.Channel(c.ctx(), v.Channel)
	if err == nil && ch.Deleted {
		err = fmt.Errorf("template %s: channel deleted: %w", id, fault.NotFound)
	}
	return v, err
}

func getTemplate(c *call) error {
	v, err := c.template()
	if err != nil {
		return err
	}
	return c.ok(v.Version, c.viewTemplate(v))
}

// codeChannelOff names a channel that is not on: pending or switched off.
const codeChannelOff = "channel_off"

// answering refuses what takes a channel that is on.
func answering(ch desk.Channel) error {
	if ch.State.Answers() {
		return nil
	}
	return &web.Refused{Status: http.StatusConflict, Code: codeChannelOff}
}

// postTemplate requests a template (S3-22 … S3-48): all that is wrong is told at
// once; what is right is stored as pending and goes to the provider behind the
// answer.
func postTemplate(c *call) error {
	id, now := c.company.OutsideID(), c.now()
	return c.create(func(o *web.Object) (made, error) {
		ch, err := c.channel()
		if err == nil {
			err = answering(ch)
		}
		if err != nil {
			return made{}, err
		}
		profile, ok := wording.ProfileOf(ch.Provider)
		if !ok {
			return made{}, &web.Refused{Status: http.StatusConflict, Code: "no_templates"}
		}
		v, problems := wording.CheckJSON(o.Body(), profile, wording.Options{MixButtons: ch.Settings.MixButtons})
		other, err := c.namesake(ch.ID, v)
		if err != nil {
			return made{}, err
		}
		in, rejected := fault.Input{Problems: problems}, ""
		switch {
		case other.ID == "":
		case other.Status == desk.TemplateRejected: // its provider may keep the name for it
			rejected = other.ID
			v.Warnings = append(v.Warnings, wording.NameTakenRejected())
		default:
			in.Add("name", "taken")
		}
		if err := in.Err(); err != nil {
			return made{}, err
		}
		v.ID, v.Channel, v.Status, v.Active, v.CreatedAt, v.Submission = id, ch.ID, desk.TemplatePending, true, now, &desk.Submission{}
		stored := v
		stored.SetVersion(1)
		return made{
			location: "/v1/templates/" + id, version: 1, body: c.viewTemplate(stored), again: c.viewTemplate(stored),
			save: func(also store.Also) error {
				timer := c.company.SubmitTimer(v, now.Add(submitAfter))
				if err := c.company.CreateTemplate(c.ctx(), v, rejected, append(also, timer.Also()...)); err != nil {
					return err
				}
				c.later("template not queued", c.approval(ch.ID, desk.ApprovalEvent{Submit: id}))
				return nil
			},
		}, nil
	})
}

// namesake finds the channel's newest template of that name and language; the zero
// one without any.
func (c *call) namesake(channel string, v desk.Template) (desk.Template, error) {
	all, err := c.company.FreshTemplates(c.ctx(), channel)
	for _, t := range all {
		if v.Name != "" && t.Name == v.Name && t.Language == v.Language {
			return t, err
		}
	}
	return desk.Template{}, err
}

// approval queues an event about a channel's templates.
func (c *call) approval(channel string, e desk.ApprovalEvent) error {
	body, err := queue.Seal(desk.StageApprovals, c.company.Tenant, e)
	if err != nil {
		return err
	}
	group := store.ApprovalGroup(c.company.Tenant, channel)
	if e.Submit != "" {
		group = store.SubmitGroup(c.company.Tenant, channel)
	}
	return c.Approvals.Send(context.WithoutCancel(c.ctx()), queue.Message{
		Group: group, Dedup: store.Hash("approval", c.NewID()), Body: body,
	})
}

// putTemplateActive switches a template on or off, whatever its status: it is
// sent only if it is approved too (S3-21, Q23).
func putTemplateActive(c *call) error {
	return change(c, c.template, func(v desk.Template) any { return c.viewTemplate(v) },
		func(o *web.Object, v *desk.Template) error {
			if !o.Has("active") {
				o.Add("active", "required")
			}
			o.Bool("active", &v.Active)
			return nil
		},
		func(_ desk.Template, v *desk.Template) error { return c.company.SaveTemplate(c.ctx(), *v, nil) })
}

// putAssignments replaces the campaigns and queues whose agents see the template
// (S3-50, S3-51).
func putAssignments(c *call) error {
	return change(c, c.template, func(v desk.Template) any { return c.viewTemplate(v) },
		func(o *web.Object, v *desk.Template) error {
			for _, name := range []string{"campaigns", "queues"} {
				if !o.Has(name) {
					o.Add(name, "required")
				}
			}
			was := *v
			v.Campaigns, v.Queues = nil, nil
			err := errors.Join(
				readIDs(o, "campaigns", &v.Campaigns, MaxAssignments, nil, func(ids ...string) (map[string]bool, error) {
					return c.company.HasCampaigns(c.ctx(), ids...)
				}),
				readIDs(o, "queues", &v.Queues, MaxAssignments, nil, func(ids ...string) (map[string]bool, error) {
					return c.company.HasQueues(c.ctx(), ids...)
				}),
			)
			campaigns, queues := len(without(v.Campaigns, was.Campaigns)), len(without(v.Queues, was.Queues))
			if most := campaigns+queues > maxAssigned; most && campaigns > 0 {
				o.Add("campaigns", "too_many_changes")
			} else if most {
				o.Add("queues", "too_many_changes")
			}
			return err
		},
		func(was desk.Template, v *desk.Template) error {
			return c.assign(without(v.Queues, was.Queues), without(v.Campaigns, was.Campaigns), func(also store.Also) error {
				return c.company.SaveTemplate(c.ctx(), *v, also)
			})
		})
}

// syncAskedView answers a request to read the provider's list.
type syncAskedView struct {
	Channel string     `json:"channel"`
	AskedAt *time.Time `json:"asked_at"`
}

// postSync asks for the provider's list of templates; what comes of it shows in
// the channel's last_sync.
func postSync(c *call) error {
	ch, err := c.channel()
	if err != nil {
		return err
	}
	if err := answering(ch); err != nil {
		return err
	}
	now := c.now()
	if err := c.approval(ch.ID, desk.ApprovalEvent{Sync: &desk.SyncEvent{Channel: ch.ID, Asked: now}}); err != nil {
		return err
	}
	web.JSON(c.w, http.StatusAccepted, syncAskedView{ch.ID, when(now)})
	return nil
}

// workspaceView is a page of templates with the names of the campaigns and queues
// that they are assigned to, for agents, who read neither themselves.
type workspaceView struct {
	listed[templateView]
	Campaigns []namedView `json:"campaigns"`
	Queues    []namedView `json:"queues"`
}

type namedView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// named reads what the templates of a page are assigned to, each once and in one
// read, sorted by name. What is gone is left out.
func named(templates []desk.Template, assigned func(desk.Template) []string, names func(...string) (map[string]string, error)) ([]namedView, error) {
	var ids []string
	for _, t := range templates {
		ids = append(ids, assigned(t)...)
	}
	slices.Sort(ids)
	known, err := names(slices.Compact(ids)...)
	out := make([]namedView, 0, len(known))
	for id, name := range known {
		out = append(out, namedView{id, name})
	}
	slices.SortFunc(out, func(a, b namedView) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID)) })
	return out, err
}

// listWorkspace lists what agents may send: sendable and assigned (Q23, Q30), on a
// channel that is switched on.
func listWorkspace(c *call) error {
	q := c.query("campaign", "queue")
	campaign, queue := q.id("campaign"), q.id("queue")
	if err := q.err(); err != nil {
		return err
	}
	on, err := c.answeringChannels()
	if err != nil {
		return err
	}
	keep := func(t desk.Template) bool {
		return t.Sendable() && t.AssignedTo(campaign, queue) && slices.Contains(on, t.Channel)
	}
	items, next, err := c.company.TemplateList(c.ctx(), "", keep, q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	out := workspaceView{listed: listOf(items, next, c.viewTemplate)}
	out.Campaigns, err = named(items, func(t desk.Template) []string { return t.Campaigns }, func(ids ...string) (map[string]string, error) {
		return c.company.CampaignNames(c.ctx(), ids...)
	})
	if err != nil {
		return err
	}
	out.Queues, err = named(items, func(t desk.Template) []string { return t.Queues }, func(ids ...string) (map[string]string, error) {
		return c.company.QueueNames(c.ctx(), ids...)
	})
	if err != nil {
		return err
	}
	return c.ok(0, out)
}

// answeringChannels are the ids of the channels that are switched on.
func (c *call) answeringChannels() ([]string, error) {
	var on []string
	for cursor := ""; ; {
		page, next, err := c.company.Channels(c.ctx(), "", "", MaxLimit, cursor)
		if err != nil {
			return nil, err
		}
		for _, ch := range page {
			if ch.State.Answers() {
				on = append(on, ch.ID)
			}
		}
		if next == "" {
			return on, nil
		}
		cursor = next
	}
}
