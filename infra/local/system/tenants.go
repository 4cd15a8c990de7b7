package system

import (
	"net/http"

	"buzon/internal/api"
	"buzon/internal/desk"
	"buzon/internal/store"
	"buzon/internal/web"
)

// makeTenant is make tenant in a local run: {"id","name"} → 201 with the company's
// short id and the token of its first admin, shown this once. Being on this machine
// is the permission.
func (s *System) makeTenant(surface *api.API) http.HandlerFunc {
	admin := &api.Admin{API: *surface, Secrets: s.secrets}
	return func(w http.ResponseWriter, r *http.Request) {
		command := api.Command{Command: api.CommandTenant}
		in, err := web.ReadObject(w, r)
		if err == nil {
			in.Text("id", &command.ID, web.Text{Required: true, Max: store.MaxTenantID, Check: shortID})
			in.Text("name", &command.Name, web.Text{Required: true, Max: desk.MaxName})
			err = in.Err()
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		done, err := admin.Do(r.Context(), command)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		web.JSON(w, http.StatusCreated, done)
	}
}

// shortID is the code of what is wrong with a company's short id.
func shortID(id string) string {
	if !store.ValidTenant(id) {
		return "invalid"
	}
	return ""
}
