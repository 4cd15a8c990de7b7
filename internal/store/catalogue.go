package store

import (
	"context"
	"fmt"
	"strings"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// The kinds of thing in the catalogue, as their keys begin.
const (
	kindProject  = "PROJECT"
	kindGroup    = "GROUP"
	kindService  = "SERVICE"
	kindCategory = "CATEGORY"
)

func (c Company) catalogueName() string { return c.Tenant + " catalogue" }
func (c Company) botName() string       { return c.Tenant + " bot" }

// Catalogue gives all that the company offers, in the order of creation, from
// the cache.
func (c Company) Catalogue(ctx context.Context) (desk.Catalogue, error) {
	return cachedRead(ctx, c.Store, c.catalogueName(), c.FreshCatalogue)
}

// FreshCatalogue reads the catalogue strongly.
func (c Company) FreshCatalogue(ctx context.Context) (desk.Catalogue, error) {
	var out desk.Catalogue
	var err error
	pk := c.pk("CATALOGUE")
	if out.Projects, err = all[desk.Project](ctx, c.Table, pk, kindProject+"#"); err != nil {
		return out, err
	}
	if out.Groups, err = all[desk.ServiceGroup](ctx, c.Table, pk, kindGroup+"#"); err != nil {
		return out, err
	}
	if out.Services, err = all[desk.Service](ctx, c.Table, pk, kindService+"#"); err != nil {
		return out, err
	}
	out.Categories, err = all[desk.Category](ctx, c.Table, pk, kindCategory+"#")
	return out, err
}

// Bot gives the settings of the dialogue, from the cache; fault.NotFound if the
// company never set any.
func (c Company) Bot(ctx context.Context) (desk.BotSettings, error) {
	return cachedRead(ctx, c.Store, c.botName(), c.FreshBot)
}

// FreshBot reads the settings of the dialogue strongly.
func (c Company) FreshBot(ctx context.Context) (desk.BotSettings, error) {
	return get[desk.BotSettings](ctx, c.Table, c.botKey(), "bot settings")
}

// SaveBot writes the settings at their version.
func (c Company) SaveBot(ctx context.Context, v desk.BotSettings) error {
	c.forget(c.botName())
	defer c.forget(c.botName())
	if err := c.Table.Write(ctx, table.Save(item(c.botKey(), v))); err != nil {
		return fmt.Errorf("bot settings: %w", err)
	}
	return nil
}

// catalogueWrite performs ops on the catalogue and forgets what was kept of it.
func (c Company) catalogueWrite(ctx context.Context, ops []table.Op, also Also, unique map[int]string) error {
	c.forget(c.catalogueName())
	defer c.forget(c.catalogueName())
	return c.write(ctx, ops, also, unique)
}

// renameUnique are the operations that move a unique name from one value to
// another; empty: none.
func (c Company) renameUnique(ctx context.Context, kind, from, to, owner string) ([]table.Op, error) {
	from, to = strings.ToLower(from), strings.ToLower(to)
	if from == to {
		return nil, nil
	}
	var ops []table.Op
	if to != "" {
		ops = append(ops, table.Create(plain(c.uniqueKey(kind, to), pointer{ID: owner})))
	}
	if from != "" {
		items, err := c.Table.Get(ctx, c.uniqueKey(kind, from))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		if items[0].Exists() {
			ops = append(ops, table.Delete(items[0].Key, items[0].Version))
		}
	}
	return ops, nil
}

// pointer is the body of a unique name.
type pointer struct {
	ID string `json:"id"`
	desk.Versioned
}

// byUnique gives the owner's id of a unique name; fault.NotFound without one.
func (c Company) byUnique(ctx context.Context, kind, value string) (string, error) {
	p, err := get[pointer](ctx, c.Table, c.uniqueKey(kind, strings.ToLower(value)), kind)
	return p.ID, err
}

// Project reads a project strongly.
func (c Company) Project(ctx context.Context, id string) (desk.Project, error) {
	return get[desk.Project](ctx, c.Table, c.catalogueKey(kindProject, id), "project "+id)
}

// SaveProject writes a project, new (Version 0) or at its version; was is how it
// was read. A code that another project has is a *fault.Input.
func (c Company) SaveProject(ctx context.Context, was, v desk.Project, also Also) error {
	ops := []table.Op{table.Save(item(c.catalogueKey(kindProject, v.ID), v))}
	more, err := c.renameUnique(ctx, "project_code", was.Code, v.Code, v.ID)
	if err != nil {
		return err
	}
	return c.catalogueWrite(ctx, append(ops, more...), also, map[int]string{1: "code"})
}

// DeleteProject removes a project that nothing is in any more, else fault.Conflict.
func (c Company) DeleteProject(ctx context.Context, v desk.Project) error {
	cat, err := c.FreshCatalogue(ctx)
	if err != nil {
		return err
	}
	for _, s := range cat.Services {
		if s.Project == v.ID {
			return fmt.Errorf("project %s: has services: %w", v.ID, ErrInUse)
		}
	}
	for _, g := range cat.Groups {
		if g.Project == v.ID {
			return fmt.Errorf("project %s: has service groups: %w", v.ID, ErrInUse)
		}
	}
	ops := []table.Op{table.Delete(c.catalogueKey(kindProject, v.ID), v.Version)}
	more, err := c.renameUnique(ctx, "project_code", v.Code, "", v.ID)
	if err != nil {
		return err
	}
	return c.catalogueWrite(ctx, append(ops, more...), nil, nil)
}

// ErrInUse: something still belongs to what was to be deleted. It is a fault.Conflict.
var ErrInUse = fmt.Errorf("in use: %w", fault.Conflict)

// Group reads a service group strongly.
func (c Company) Group(ctx context.Context, id string) (desk.ServiceGroup, error) {
	return get[desk.ServiceGroup](ctx, c.Table, c.catalogueKey(kindGroup, id), "service group "+id)
}

// SaveGroup writes a service group, new or at its version. Its project must
// still be there, else fault.Conflict.
func (c Company) SaveGroup(ctx context.Context, v desk.ServiceGroup, also Also) error {
	return c.saveChild(ctx, item(c.catalogueKey(kindGroup, v.ID), v), c.catalogueKey(kindProject, v.Project), also)
}

// Service reads a service strongly.
func (c Company) Service(ctx context.Context, id string) (desk.Service, error) {
	return get[desk.Service](ctx, c.Table, c.catalogueKey(kindService, id), "service "+id)
}

// SaveService writes a service, new or at its version. Its project must still be
// there, else fault.Conflict.
func (c Company) SaveService(ctx context.Context, v desk.Service, also Also) error {
	return c.saveChild(ctx, item(c.catalogueKey(kindService, v.ID), v), c.catalogueKey(kindProject, v.Project), also)
}

// Category reads a category strongly.
func (c Company) Category(ctx context.Context, id string) (desk.Category, error) {
	return get[desk.Category](ctx, c.Table, c.catalogueKey(kindCategory, id), "category "+id)
}

// SaveCategory writes a category, new or at its version. Its service must still
// be there, else fault.Conflict.
func (c Company) SaveCategory(ctx context.Context, v desk.Category, also Also) error {
	return c.saveChild(ctx, item(c.catalogueKey(kindCategory, v.ID), v), c.catalogueKey(kindService, v.Service), also)
}

// saveChild writes it in the transaction that checks its parent.
func (c Company) saveChild(ctx context.Context, it table.Item, parent table.Key, also Also) error {
	items, err := c.Table.Get(ctx, parent)
	if err != nil {
		return fmt.Errorf("%s: %w", parent.SK, err)
	}
	if !items[0].Exists() {
		return fmt.Errorf("%s: %w", parent.SK, fault.NotFound)
	}
	return c.catalogueWrite(ctx, []table.Op{table.Save(it), table.Check(parent, items[0].Version)}, also, nil)
}

// DeleteGroup removes a service group without services, else ErrInUse.
func (c Company) DeleteGroup(ctx context.Context, v desk.ServiceGroup) error {
	cat, err := c.FreshCatalogue(ctx)
	if err != nil {
		return err
	}
	for _, s := range cat.Services {
		if s.Group == v.ID {
			return fmt.Errorf("service group %s: %w", v.ID, ErrInUse)
		}
	}
	return c.catalogueWrite(ctx, []table.Op{table.Delete(c.catalogueKey(kindGroup, v.ID), v.Version)}, nil, nil)
}

// DeleteService removes a service without categories, else ErrInUse.
func (c Company) DeleteService(ctx context.Context, v desk.Service) error {
	cat, err := c.FreshCatalogue(ctx)
	if err != nil {
		return err
	}
	for _, k := range cat.Categories {
		if k.Service == v.ID {
			return fmt.Errorf("service %s: %w", v.ID, ErrInUse)
		}
	}
	return c.catalogueWrite(ctx, []table.Op{table.Delete(c.catalogueKey(kindService, v.ID), v.Version)}, nil, nil)
}

// DeleteCategory removes a category.
func (c Company) DeleteCategory(ctx context.Context, v desk.Category) error {
	return c.catalogueWrite(ctx, []table.Op{table.Delete(c.catalogueKey(kindCategory, v.ID), v.Version)}, nil, nil)
}
