package api

import (
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/store"
	"buzon/internal/web"
)

type campaignView struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	CreatedAt *time.Time `json:"created_at"`
}

func viewCampaign(v desk.Campaign) campaignView {
	return campaignView{v.ID, v.Version, v.Name, when(v.CreatedAt)}
}

var campaigns = resource[desk.Campaign, *desk.Campaign]{
	path: "/v1/campaigns/",
	id:   func(v desk.Campaign) string { return v.ID },
	load: func(c *call, id string) (desk.Campaign, error) { return c.company.Campaign(c.ctx(), id) },
	save: func(c *call, was, v desk.Campaign, also store.Also) error {
		return c.company.SaveCampaign(c.ctx(), was, v, also)
	},
	del: func(c *call, v desk.Campaign) error {
		return c.company.DeleteCampaign(c.ctx(), v, func() (bool, error) {
			return c.assigned(func(t desk.Template) bool { return slices.Contains(t.Campaigns, v.ID) })
		})
	},
	read: func(_ *call, o *web.Object, v *desk.Campaign) error {
		o.Text("name", &v.Name, nameRule)
		return nil
	},
	view: func(v desk.Campaign) any { return viewCampaign(v) },
}

func freshCampaign(c *call) (desk.Campaign, error) {
	return desk.Campaign{ID: c.NewID(), CreatedAt: c.now()}, nil
}

func listCampaigns(c *call) error {
	q := c.query()
	if err := q.err(); err != nil {
		return err
	}
	items, next, err := c.company.Campaigns(c.ctx(), q.limit, q.cursor)
	if err != nil {
		return q.badCursor(err)
	}
	return answerList(c, items, next, viewCampaign)
}
