package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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

	uniqueProjectCode = "project_code"
)

func (c Company) catalogueName() string { return c.Tenant + " catalogue" }
func (c Company) botName() string       { return c.Tenant + " bot" }

// Catalogue gives all that the company offers, in the order of creation, from
// the cache.
func (c Company) Catalogue(ctx context.Context) (desk.Catalogue, error) {
	return cachedRead(ctx, c.Store, c.catalogueName(), c.FreshCatalogue)
}

// FreshCatalogue reads the catalogue strongly. A service whose group is gone is
// in none.
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
	if out.Categories, err = all[desk.Category](ctx, c.Table, pk, kindCategory+"#"); err != nil {
		return out, err
	}
	groups := map[string]bool{}
	for _, g := range out.Groups {
		groups[g.ID] = true
	}
	for i, s := range out.Services {
		if !groups[s.Group] {
			out.Services[i].Group = ""
		}
	}
	return out, nil
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

// rename moves a unique name from one value to another; empty: none. Names
// differ by more than the case of their letters. field is what the caller calls it.
type rename struct{ kind, field, from, to string }

// renamed appends the operations that move an owner's unique names; unique tells
// which of ops fails when a name is taken, and its field.
func (c Company) renamed(ctx context.Context, ops []table.Op, owner string, names ...rename) (_ []table.Op, unique map[int]string, err error) {
	unique = map[int]string{}
	for _, n := range names {
		from, to := strings.ToLower(n.from), strings.ToLower(n.to)
		if from == to {
			continue
		}
		if to != "" {
			unique[len(ops)] = n.field
			ops = append(ops, table.Create(plain(c.uniqueKey(n.kind, to), pointer{ID: owner})))
		}
		if from == "" {
			continue
		}
		held, err := get[pointer](ctx, c.Table, c.uniqueKey(n.kind, from), n.kind)
		switch {
		case errors.Is(err, fault.NotFound) || err == nil && held.ID != owner: // nothing of ours to free
		case err != nil:
			return nil, nil, err
		default:
			ops = append(ops, table.Delete(c.uniqueKey(n.kind, from), held.Version))
		}
	}
	return ops, unique, nil
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
	ops, unique, err := c.renamed(ctx, ops, v.ID, rename{uniqueProjectCode, "code", was.Code, v.Code})
	if err != nil {
		return err
	}
	return c.catalogueWrite(ctx, ops, also, unique)
}

// DeleteProject removes a project that nothing is in any more, else ErrInUse.
func (c Company) DeleteProject(ctx context.Context, v desk.Project) error {
	ops := []table.Op{table.Delete(c.catalogueKey(kindProject, v.ID), v.Version)}
	ops, _, err := c.renamed(ctx, ops, v.ID, rename{kind: uniqueProjectCode, from: v.Code})
	if err != nil {
		return err
	}
	return c.deleteEmpty(ctx, kindProject, v.ID, ops, func(cat desk.Catalogue) bool {
		return slices.ContainsFunc(cat.Services, func(s desk.Service) bool { return s.Project == v.ID }) ||
			slices.ContainsFunc(cat.Groups, func(g desk.ServiceGroup) bool { return g.Project == v.ID })
	})
}

// ErrInUse: something still belongs to what was to be deleted. It is a fault.Conflict.
var ErrInUse = fmt.Errorf("in use: %w", fault.Conflict)

// Group reads a service group strongly.
func (c Company) Group(ctx context.Context, id string) (desk.ServiceGroup, error) {
	return get[desk.ServiceGroup](ctx, c.Table, c.catalogueKey(kindGroup, id), "service group "+id)
}

// SaveGroup writes a service group, new or at its version. fault.NotFound: its
// project is gone; fault.Conflict also while that is being deleted.
func (c Company) SaveGroup(ctx context.Context, v desk.ServiceGroup, also Also) error {
	return c.saveInside(ctx, item(c.catalogueKey(kindGroup, v.ID), v), kindProject, v.Project, also)
}

// Service reads a service strongly. One whose group is gone is in none.
func (c Company) Service(ctx context.Context, id string) (desk.Service, error) {
	v, err := get[desk.Service](ctx, c.Table, c.catalogueKey(kindService, id), "service "+id)
	if err != nil || v.Group == "" {
		return v, err
	}
	_, err = c.Group(ctx, v.Group)
	if errors.Is(err, fault.NotFound) {
		v.Group, err = "", nil
	}
	return v, err
}

// SaveService writes a service, new or at its version. fault.NotFound: its
// project is gone; fault.Conflict also while that is being deleted. Its group is
// not looked for: see [Company.Service].
func (c Company) SaveService(ctx context.Context, v desk.Service, also Also) error {
	return c.saveInside(ctx, item(c.catalogueKey(kindService, v.ID), v), kindProject, v.Project, also)
}

// Category reads a category strongly.
func (c Company) Category(ctx context.Context, id string) (desk.Category, error) {
	return get[desk.Category](ctx, c.Table, c.catalogueKey(kindCategory, id), "category "+id)
}

// SaveCategory writes a category, new or at its version. fault.NotFound: its
// service is gone; fault.Conflict also while that is being deleted.
func (c Company) SaveCategory(ctx context.Context, v desk.Category, also Also) error {
	return c.saveInside(ctx, item(c.catalogueKey(kindCategory, v.ID), v), kindService, v.Service, also)
}

// DeleteGroup removes a service group without services, else ErrInUse. A service
// that comes into it meanwhile is in none afterwards.
func (c Company) DeleteGroup(ctx context.Context, v desk.ServiceGroup) error {
	cat, err := c.FreshCatalogue(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(cat.Services, func(s desk.Service) bool { return s.Group == v.ID }) {
		return fmt.Errorf("service group %s: %w", v.ID, ErrInUse)
	}
	return c.catalogueWrite(ctx, []table.Op{table.Delete(c.catalogueKey(kindGroup, v.ID), v.Version)}, nil, nil)
}

// DeleteService removes a service without categories, else ErrInUse.
func (c Company) DeleteService(ctx context.Context, v desk.Service) error {
	ops := []table.Op{table.Delete(c.catalogueKey(kindService, v.ID), v.Version)}
	return c.deleteEmpty(ctx, kindService, v.ID, ops, func(cat desk.Catalogue) bool {
		return slices.ContainsFunc(cat.Categories, func(k desk.Category) bool { return k.Service == v.ID })
	})
}

// DeleteCategory removes a category.
func (c Company) DeleteCategory(ctx context.Context, v desk.Category) error {
	return c.catalogueWrite(ctx, []table.Op{table.Delete(c.catalogueKey(kindCategory, v.ID), v.Version)}, nil, nil)
}

// leavingFor is how long the mark of a deletion that died keeps others out.
const leavingFor = time.Minute

// leaving is the mark that something is being deleted. Nothing is put inside it
// while the mark is there, and a mark that was taken away ends its deletion: so
// one that has seen nothing inside removes nothing that is not empty. Creating
// things only checks for the mark, so many may be made inside one at a time.
type leaving struct {
	Until time.Time `json:"until"`
	desk.Versioned
}

// deleteEmpty performs the operations that delete something if nothing is inside
// it, else ErrInUse.
func (c Company) deleteEmpty(ctx context.Context, kind, id string, ops []table.Op, used func(desk.Catalogue) bool) error {
	empty := func() error {
		cat, err := c.FreshCatalogue(ctx)
		if err == nil && used(cat) {
			err = fmt.Errorf("%s %s: %w", strings.ToLower(kind), id, ErrInUse)
		}
		return err
	}
	if err := empty(); err != nil {
		return err
	}
	key := c.leavingKey(kind, id)
	mark, err := get[leaving](ctx, c.Table, key, "mark of "+id)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	mark.Until = c.Now().Add(leavingFor)
	if err := c.Table.Write(ctx, table.Save(item(key, mark))); err != nil {
		return fmt.Errorf("mark of %s: %w", id, err)
	}
	mark.Version++
	err = empty()
	if err == nil {
		err = c.catalogueWrite(ctx, append(ops, table.Delete(key, mark.Version)), nil, nil)
	}
	if errors.Is(err, fault.Conflict) { // ErrInUse too: nothing was deleted
		_ = c.Table.Write(ctx, table.Delete(key, mark.Version)) // if not, it ends by itself
	}
	return err
}

// saveInside writes it in the transaction that checks that what it belongs to is
// there and stays.
func (c Company) saveInside(ctx context.Context, it table.Item, kind, parent string, also Also) error {
	what := strings.ToLower(kind) + " " + parent
	key, markKey := c.catalogueKey(kind, parent), c.leavingKey(kind, parent)
	items, err := c.Table.Get(ctx, key, markKey)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !items[0].Exists() {
		return fmt.Errorf("%s: %w", what, fault.NotFound)
	}
	stays := table.Check(markKey, 0)
	if items[1].Exists() {
		mark, err := decode[leaving](items[1])
		if err != nil {
			return err
		}
		if c.Now().Before(mark.Until) {
			return fmt.Errorf("%s: is being deleted: %w", what, fault.Conflict)
		}
		stays = table.Delete(markKey, mark.Version)
	}
	return c.catalogueWrite(ctx, []table.Op{table.Save(it), table.Check(key, items[0].Version), stays}, also, nil)
}
