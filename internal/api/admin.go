package api

import (
	"context"
	"fmt"

	"buzon/internal/fault"
	"buzon/internal/link"
	"buzon/internal/secret"
)

// The commands of an operator.
const (
	// CommandTenant makes a company with its first admin: [API.MakeTenant]. It makes
	// the signing keys first if there are none, and never others.
	CommandTenant = "tenant"
	// CommandToken makes a new token of the first admin of a company that exists: for
	// when the one that was shown once is lost.
	CommandToken = "token"
	// CommandCheck says what the installation lacks.
	CommandCheck = "check"
)

// Command is what an operator asks for.
type Command struct {
	Command string `json:"command"`
	ID      string `json:"id,omitempty"`   // of a company: 1 to 16 of [a-z0-9]
	Name    string `json:"name,omitempty"` // of a company
}

// Done is the answer to a command that was carried out.
type Done struct {
	Tenant     string   `json:"tenant,omitempty"`
	AdminToken string   `json:"admin_token,omitempty"` // shown this once
	Missing    []string `json:"missing,omitempty"`
}

// Admin carries out commands of whoever runs the installation. Who may ask is
// decided outside: by IAM on AWS, by being on the machine in a local run.
type Admin struct {
	API     API
	Secrets secret.Store
}

// Do carries out a command. A company that exists is a fault.Conflict, a short id
// that cannot be one or an unknown command a fault.Invalid, a company that does not
// exist a fault.NotFound.
func (a *Admin) Do(ctx context.Context, c Command) (Done, error) {
	switch c.Command {
	case CommandTenant:
		if err := link.Ensure(ctx, a.Secrets); err != nil {
			return Done{}, err
		}
		token, err := a.API.MakeTenant(ctx, c.ID, c.Name)
		return Done{Tenant: c.ID, AdminToken: token}, err
	case CommandToken:
		token, err := a.API.AdminToken(ctx, c.ID)
		return Done{Tenant: c.ID, AdminToken: token}, err
	case CommandCheck:
		return a.check(ctx), nil
	}
	return Done{}, fmt.Errorf("command %q: %w", c.Command, fault.Invalid)
}

// check asks the table and the secrets for something each.
func (a *Admin) check(ctx context.Context) Done {
	var d Done
	if _, err := (&link.Keys{Secrets: a.Secrets}).Current(ctx); err != nil {
		d.Missing = append(d.Missing, err.Error())
	}
	if err := a.API.Store.Reach(ctx); err != nil {
		d.Missing = append(d.Missing, err.Error())
	}
	return d
}
