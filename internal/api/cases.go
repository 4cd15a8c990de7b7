package api

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
	"buzon/internal/web"
)

// MaxClosingReason is the longest reason for closing a case, in characters.
const MaxClosingReason = 1000

var (
	priorities = []string{desk.PriorityLow, desk.PriorityMedium, desk.PriorityHigh, desk.PriorityCritical}
	sources    = []string{desk.SourceVoice, desk.SourceWhatsApp, desk.SourceWeb, desk.SourceEmail, desk.SourceViber}
)

// caseView is a case. The key of its tracking link is not in it: no stored or
// shown thing leads from an anonymous case to a person, or from here to the link.
type caseView struct {
	ID            string     `json:"id"`
	Reference     string     `json:"reference"`
	Version       int64      `json:"version"`
	Title         string     `json:"title"`
	Description   string     `json:"description"`
	State         string     `json:"state"`
	Source        string     `json:"source"`
	Type          *string    `json:"type"`
	Priority      string     `json:"priority"`
	Project       *string    `json:"project"`
	Service       *string    `json:"service"`
	Category      *string    `json:"category"`
	ProjectName   *string    `json:"project_name"`
	ServiceName   *string    `json:"service_name"`
	CategoryName  *string    `json:"category_name"`
	Contact       *string    `json:"contact"`
	Conversation  *string    `json:"conversation"`
	Conversations []string   `json:"conversations"`
	Owner         *string    `json:"owner"`
	Queue         *string    `json:"queue"`
	Deadline      *time.Time `json:"deadline"`
	Message       *string    `json:"message"`
	GivenContact  *string    `json:"given_contact"`
	Anonymous     bool       `json:"anonymous"`
	Suspected     bool       `json:"suspected"`
	Language      string     `json:"language"`
	ClosingReason *string    `json:"closing_reason"`
	CreatedAt     *time.Time `json:"created_at"`
	ChangedAt     *time.Time `json:"changed_at"`
	ClosedAt      *time.Time `json:"closed_at"`
}

func viewCase(v desk.Case) caseView {
	return caseView{
		ID: v.ID, Reference: v.Reference, Version: v.Version, Title: v.Title, Description: v.Description,
		State: string(v.State), Source: v.Source, Type: optional(v.Type), Priority: v.Priority,
		Project: optional(v.Project), Service: optional(v.Service), Category: optional(v.Category),
		ProjectName: optional(v.ProjectName), ServiceName: optional(v.ServiceName), CategoryName: optional(v.CategoryName),
		Contact: optional(v.Contact), Conversation: optional(v.Conversation), Conversations: texts(v.Conversations), Message: optional(v.Message),
		GivenContact: optional(v.GivenContact), Anonymous: v.Anonymous, Suspected: v.Suspected, Language: v.Language,
		ClosingReason: optional(v.ClosingReason),
		CreatedAt:     when(v.CreatedAt), ChangedAt: when(v.ChangedAt), ClosedAt: when(v.ClosedAt),
	}
}

func listCases(c *call) error {
	q := c.query("state", "project", "source", "q", "owner", "queue", "contact")
	var states []string
	for _, s := range desk.CaseStates() {
		states = append(states, string(s))
	}
	f := store.CaseFilter{
		State:   desk.CaseState(q.oneOf("state", states...)),
		Project: q.id("project"),
		Source:  q.oneOf("source", sources...),
		Contact: q.id("contact"),
		Text:    q.text("q"),
	}
	// No case has an owner or a queue yet: who asks for one finds none.
	others := q.id("owner") + q.id("queue")
	if err := q.err(); err != nil {
		return err
	}
	if others != "" {
		return answerList(c, nil, "", viewCase)
	}
	items, next, err := c.company.Cases(c.ctx(), f, q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, viewCase)
}

func (c *call) theCase() (desk.Case, error) {
	id, err := c.id("id")
	if err != nil {
		return desk.Case{}, err
	}
	return c.company.Case(c.ctx(), id)
}

func getCase(c *call) error {
	v, err := c.theCase()
	if err != nil {
		return err
	}
	return c.ok(v.Version, viewCase(v))
}

// patchCase changes state, closing reason and priority. A change of state writes
// a line of history in the same transaction, and so does a new closing reason; a move
// that is not allowed is a 409. What changes nothing writes nothing.
func patchCase(c *call) error {
	return change(c, c.theCase, func(v desk.Case) any { return viewCase(v) },
		func(o *web.Object, v *desk.Case) error {
			was := *v
			state := string(v.State)
			o.Text("state", &state, oneWord(desk.CaseStates()...))
			v.State = desk.CaseState(state)
			if was.State != v.State && v.State.Open() {
				v.ClosingReason = ""
			}
			o.Text("closing_reason", &v.ClosingReason, web.Text{Max: MaxClosingReason, Lines: true})
			if v.ClosingReason != "" && v.State.Open() {
				o.Add("closing_reason", "not_allowed")
			}
			o.Text("priority", &v.Priority, oneWord(priorities...))
			return nil
		},
		c.saveCase)
}

func (c *call) saveCase(was desk.Case, v *desk.Case) error {
	if reflect.DeepEqual(was, *v) {
		return errUnchanged
	}
	now := c.now()
	v.ChangedAt = now
	moved, said := was.State != v.State, v.ClosingReason != "" && was.ClosingReason != v.ClosingReason
	if !moved && !said {
		return c.company.SaveCase(c.ctx(), was, *v)
	}
	if moved && !desk.CanMove(was.State, v.State) {
		params := map[string]string{"from": c.stateWord(string(was.State)), "to": c.stateWord(string(v.State))}
		return &web.Refused{
			Status: http.StatusConflict, Code: "invalid_state", Params: params,
			Problems: []fault.Problem{{Field: "state", Code: "invalid_state", Params: params}},
		}
	}
	switch {
	case v.State.Open():
		v.ClosedAt = time.Time{}
	case moved:
		v.ClosedAt = now
	}
	// The line's id derives from the version that it leaves: there is one line
	// from each.
	line := desk.CaseEvent{
		ID: store.Hash("moved", v.ID, strconv.FormatInt(was.Version, 10)), Case: v.ID, Kind: desk.CaseMoved,
		From: was.State, To: v.State, By: c.me.ID, At: now,
	}
	if said {
		line.Text = v.ClosingReason
	}
	return c.company.AddToCase(c.ctx(), was, *v, line)
}

// postCaseConversation links another conversation to a case, with a line of history;
// one that is linked stays so (Q32). An anonymous case leads to nobody (Q10).
func postCaseConversation(c *call) error {
	return change(c, c.theCase, func(v desk.Case) any { return viewCase(v) },
		func(o *web.Object, v *desk.Case) error {
			if v.Anonymous {
				return &web.Refused{Status: http.StatusConflict, Code: "anonymous_case"}
			}
			id := ""
			o.Text("conversation", &id, web.Text{Required: true})
			if id == "" || slices.Contains(v.Conversations, id) {
				return nil
			}
			if v.State == desk.CaseClosed {
				return &web.Refused{Status: http.StatusConflict, Code: "case_closed"}
			}
			conv, ok, err := exists(id, func() (desk.Conversation, error) { return c.company.Conversation(c.ctx(), id) })
			switch {
			case err != nil:
				return err
			case !ok:
				o.Add("conversation", "not_found")
			case len(v.Conversations) >= desk.MaxCaseConversations:
				o.Add("conversation", "too_many", "max", strconv.Itoa(desk.MaxCaseConversations))
			default:
				v.Conversations = append(slices.Clone(v.Conversations), id)
				if !slices.Contains(v.Channels, conv.Channel) {
					v.Channels = append(slices.Clone(v.Channels), conv.Channel)
				}
			}
			return nil
		},
		func(was desk.Case, v *desk.Case) error {
			if len(was.Conversations) == len(v.Conversations) {
				return errUnchanged
			}
			id := v.Conversations[len(v.Conversations)-1]
			v.ChangedAt = c.now()
			return c.company.AddToCase(c.ctx(), was, *v, desk.CaseEvent{
				ID: store.Hash("linked", v.ID, id), Case: v.ID, Kind: desk.CaseLinked, Text: id, By: c.me.ID, At: v.ChangedAt,
			})
		})
}

// eventView is a line of a case's history.
type eventView struct {
	ID   string     `json:"id"`
	Kind string     `json:"kind"`
	Text *string    `json:"text"`
	From *string    `json:"from"`
	To   *string    `json:"to"`
	By   *string    `json:"by"` // specialist id; null: the person, or the system
	At   *time.Time `json:"at"`
}

func viewEvent(v desk.CaseEvent) eventView {
	return eventView{
		v.ID, string(v.Kind), optional(v.Text), optional(string(v.From)), optional(string(v.To)), optional(v.By), when(v.At),
	}
}

// listHistory lists the lines of a case, oldest first.
func listHistory(c *call) error {
	v, err := c.theCase()
	if err != nil {
		return err
	}
	q := c.query()
	if err := q.err(); err != nil {
		return err
	}
	all, err := c.company.CaseHistory(c.ctx(), v.ID)
	if err != nil {
		return err
	}
	items, next, err := page(q, all, oldestFirst, eventPlace)
	if err != nil {
		return err
	}
	return answerList(c, items, next, viewEvent)
}

// eventPlace puts the making of a case before what happened in the same moment.
func eventPlace(v desk.CaseEvent) (time.Time, string) {
	if v.Kind == desk.CaseCreated {
		return v.At, "0-" + v.ID
	}
	return v.At, "1-" + v.ID
}
