package api

import (
	"net/http"
	"time"

	"buzon/internal/desk"
	"buzon/internal/queue"
	"buzon/internal/web"
)

// quarantinedView leaves the body out: it may hold what a person wrote (T48).
type quarantinedView struct {
	ID         string     `json:"id"`
	Version    int64      `json:"version"`
	Stage      string     `json:"stage"`
	Channel    *string    `json:"channel"`
	Reason     string     `json:"reason"`
	ReceivedAt *time.Time `json:"received_at"`
	LastAt     *time.Time `json:"last_at"`
	Times      int        `json:"times"`
	State      string     `json:"state"`
}

func viewQuarantined(v desk.Quarantined) quarantinedView {
	return quarantinedView{
		v.ID, v.Version, v.Stage, optional(v.Channel), v.Reason, when(v.ReceivedAt), when(v.LastAt), v.Times, string(v.State),
	}
}

func listQuarantine(c *call) error {
	q := c.query("state")
	state := q.oneOf("state", string(desk.Held), string(desk.Replayed))
	if err := q.err(); err != nil {
		return err
	}
	items, next, err := c.company.QuarantineList(c.ctx(), desk.QuarantineState(state), q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, viewQuarantined)
}

// replayQuarantined sends an item on its way again. Every call sends; what was
// applied once is not applied again (R2).
func replayQuarantined(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	v, err := c.company.Quarantined(c.ctx(), id)
	if err != nil {
		return err
	}
	body, err := queue.Seal(desk.StageInbound, c.company.Tenant, desk.InboundEvent{Replay: v.ID})
	if err != nil {
		return err
	}
	m := queue.Message{Group: "replay-" + v.ID, Dedup: c.NewID(), Body: body}
	if err := c.Inbound.Send(c.ctx(), m); err != nil {
		return err
	}
	web.JSON(c.w, http.StatusAccepted, viewQuarantined(v))
	return nil
}
