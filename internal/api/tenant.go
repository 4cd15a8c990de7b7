package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// firstUserName is what the first admin of a company is called.
const firstUserName = "admin"

// MakeTenant makes a company with its first admin, whose user name is "admin",
// and gives a token of theirs, good for a year. It may be run again after it
// broke off; a company that is complete is a fault.Conflict, a short id that
// cannot be one a fault.Invalid.
func (a *API) MakeTenant(ctx context.Context, id, name string) (adminToken string, err error) {
	if !store.ValidTenant(id) || name == "" {
		return "", fmt.Errorf("company %q: %w", id, fault.Invalid)
	}
	company := a.Store.In(id)
	if _, err := company.Self(ctx); err == nil {
		return "", fmt.Errorf("company %s: exists: %w", id, fault.Conflict)
	} else if !errors.Is(err, fault.NotFound) {
		return "", err
	}
	// The company comes last: where it is, its admin is too.
	admin, err := a.firstAdmin(ctx, company)
	if err != nil {
		return "", err
	}
	token, err := a.MakeToken(ctx, id, admin.ID, firstUserName, desk.MaxTokenLife)
	if err != nil {
		return "", err
	}
	return token, company.MakeTenant(ctx, desk.Tenant{ID: id, Name: name, CreatedAt: a.now()})
}

// AdminToken gives a new token of the first admin of a company, good for a year. The
// admin has to be active still. fault.NotFound without such a company or admin.
func (a *API) AdminToken(ctx context.Context, id string) (string, error) {
	if !store.ValidTenant(id) {
		return "", fmt.Errorf("company %q: %w", id, fault.Invalid)
	}
	company := a.Store.In(id)
	if _, err := company.Self(ctx); err != nil {
		return "", err
	}
	admin, err := company.Specialist(ctx, firstAdminID(id))
	if err != nil {
		return "", err
	}
	if !admin.Active {
		return "", fmt.Errorf("first admin of %s: not active: %w", id, fault.NotFound)
	}
	return a.MakeToken(ctx, id, admin.ID, firstUserName, desk.MaxTokenLife)
}

func firstAdminID(tenant string) string { return store.Hash("first admin", tenant) }

// firstAdmin makes the first admin, or finds the one that an earlier run made.
func (a *API) firstAdmin(ctx context.Context, company store.Company) (desk.Specialist, error) {
	s := desk.Specialist{
		ID: firstAdminID(company.Tenant), Name: "Admin", UserName: firstUserName, Active: true,
		Roles: []string{desk.RoleAdmin}, CreatedAt: a.now(),
	}
	was, err := company.Specialist(ctx, s.ID)
	if err == nil || !errors.Is(err, fault.NotFound) {
		return was, err
	}
	return s, company.SaveSpecialist(ctx, desk.Specialist{}, s, nil)
}

// MakeToken makes a token of a specialist that lives so long, at most
// desk.MaxTokenLife, and gives its value, which is stored nowhere.
func (a *API) MakeToken(ctx context.Context, tenant, specialist, description string, life time.Duration) (string, error) {
	if life <= 0 || life > desk.MaxTokenLife {
		return "", fmt.Errorf("token: life of %v: %w", life, fault.Invalid)
	}
	value, t, err := NewToken(tenant, a.Random)
	if err != nil {
		return "", err
	}
	t.Specialist, t.Description, t.CreatedAt = specialist, description, a.now()
	t.ExpiresAt = t.CreatedAt.Add(life)
	if err := a.Store.In(tenant).SaveToken(ctx, t, nil); err != nil {
		return "", fmt.Errorf("token of %s: %w", specialist, err)
	}
	return value, nil
}
