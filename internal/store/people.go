package store

import (
	"context"
	"fmt"
	"strings"

	"buzon/internal/desk"
	"buzon/internal/table"
)

// MakeTenant stores a new company; fault.Conflict if its short id is taken.
func (c Company) MakeTenant(ctx context.Context, v desk.Tenant) error {
	if err := c.Table.Write(ctx, table.Create(item(c.tenantKey(), v))); err != nil {
		return fmt.Errorf("company %s: %w", c.Tenant, err)
	}
	return nil
}

// Self reads the company itself, from the cache.
func (c Company) Self(ctx context.Context) (desk.Tenant, error) {
	return cachedRead(ctx, c.Store, c.Tenant+" self", func(ctx context.Context) (desk.Tenant, error) {
		return get[desk.Tenant](ctx, c.Table, c.tenantKey(), "company "+c.Tenant)
	})
}

// The kinds of unique names of people.
const (
	uniqueUserName = "user_name" // of clients and specialists together
	uniquePhone    = "phone"     // of clients
)

// Client reads a client strongly.
func (c Company) Client(ctx context.Context, id string) (desk.Client, error) {
	return get[desk.Client](ctx, c.Table, c.clientKey(id), "client "+id)
}

// ClientByPhone finds the client of a number in digits, strongly;
// fault.NotFound without one.
func (c Company) ClientByPhone(ctx context.Context, digits string) (desk.Client, error) {
	id, err := c.byUnique(ctx, uniquePhone, digits)
	if err != nil {
		return desk.Client{}, err
	}
	return c.Client(ctx, id)
}

// SaveClient writes a client, new or at its version; was is how it was read. A
// user name or phone that another has is a *fault.Input.
func (c Company) SaveClient(ctx context.Context, was, v desk.Client, also Also) error {
	it := item(c.clientKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("CLIENTS"), SK: v.ID}
	return c.saveNamed(ctx, table.Save(it), also, v.ID,
		rename{uniqueUserName, "user_name", was.UserName, v.UserName},
		rename{uniquePhone, "phone", was.Phone, v.Phone})
}

// DeleteClient removes a client and frees its names.
func (c Company) DeleteClient(ctx context.Context, v desk.Client) error {
	return c.saveNamed(ctx, table.Delete(c.clientKey(v.ID), v.Version), nil, v.ID,
		rename{kind: uniqueUserName, from: v.UserName},
		rename{kind: uniquePhone, from: v.Phone})
}

func (c Company) saveNamed(ctx context.Context, op table.Op, also Also, owner string, names ...rename) error {
	ops, unique, err := c.renamed(ctx, []table.Op{op}, owner, names...)
	if err != nil {
		return err
	}
	return c.write(ctx, ops, also, unique)
}

// Clients lists clients, newest first; text matches name, user name, e-mail or phone.
func (c Company) Clients(ctx context.Context, text string, limit int, cursor string) ([]desk.Client, string, error) {
	keep := func(v desk.Client) bool { return matches(text, v.Name, v.UserName, v.Email, v.Phone) }
	return newestFirst(ctx, c.Table, c.pk("CLIENTS"), keep, limit, cursor)
}

func matches(text string, fields ...string) bool {
	return text == "" || strings.Contains(strings.ToLower(strings.Join(fields, "\n")), strings.ToLower(text))
}

// Specialist reads a specialist strongly.
func (c Company) Specialist(ctx context.Context, id string) (desk.Specialist, error) {
	return get[desk.Specialist](ctx, c.Table, c.specialistKey(id), "specialist "+id)
}

// SaveSpecialist writes a specialist, new or at its version; was is how it was
// read. A user name that another has is a *fault.Input.
func (c Company) SaveSpecialist(ctx context.Context, was, v desk.Specialist, also Also) error {
	it := item(c.specialistKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("SPECIALISTS"), SK: v.ID}
	return c.saveNamed(ctx, table.Save(it), also, v.ID, rename{uniqueUserName, "user_name", was.UserName, v.UserName})
}

// DeleteSpecialist removes a specialist; their tokens are refused from then on.
func (c Company) DeleteSpecialist(ctx context.Context, v desk.Specialist) error {
	return c.saveNamed(ctx, table.Delete(c.specialistKey(v.ID), v.Version), nil, v.ID, rename{kind: uniqueUserName, from: v.UserName})
}

// Specialists lists specialists, newest first; text matches name, user name or e-mail.
func (c Company) Specialists(ctx context.Context, text string, limit int, cursor string) ([]desk.Specialist, string, error) {
	keep := func(v desk.Specialist) bool { return matches(text, v.Name, v.UserName, v.Email) }
	return newestFirst(ctx, c.Table, c.pk("SPECIALISTS"), keep, limit, cursor)
}

// Token reads a token by its id, strongly, revoked ones too.
func (c Company) Token(ctx context.Context, id string) (desk.Token, error) {
	return get[desk.Token](ctx, c.Table, c.tokenKey(id), "token "+id)
}

// SaveToken writes a token, new or at its version.
func (c Company) SaveToken(ctx context.Context, v desk.Token, also Also) error {
	it := item(c.tokenKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("TOKENS", v.Specialist), SK: v.ID}
	return c.write(ctx, []table.Op{table.Save(it)}, also, nil)
}

// Tokens lists a specialist's tokens that are not revoked, newest first (S5-18, S5-19).
func (c Company) Tokens(ctx context.Context, specialist string, limit int, cursor string) ([]desk.Token, string, error) {
	keep := func(t desk.Token) bool { return t.RevokedAt.IsZero() }
	return newestFirst(ctx, c.Table, c.pk("TOKENS", specialist), keep, limit, cursor)
}
