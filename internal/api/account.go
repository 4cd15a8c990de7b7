package api

import (
	"net/http"

	"buzon/internal/web"
)

// meView is who calls.
type meView struct {
	specialistView
	Tenant tenantView `json:"tenant"`
	Token  tokenView  `json:"token"`
}

type tenantView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func getMe(c *call) error {
	t, err := c.company.Self(c.ctx())
	if err != nil {
		return err
	}
	return c.ok(c.me.Version, meView{viewSpecialist(c.me), tenantView{t.ID, t.Name}, viewToken(c.token)})
}

// getHealth tells that the process lives; it asks nothing else.
func getHealth(c *call) error {
	web.JSON(c.w, http.StatusOK, map[string]string{"status": "ok", "version": c.Version})
	return nil
}
