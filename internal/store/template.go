package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

func (c Company) templatesName(ch string) string { return c.Tenant + " templates " + ch }
func (c Company) templatesPK() string            { return c.pk("TEMPLATES") }

// Template reads a template strongly.
func (c Company) Template(ctx context.Context, id string) (desk.Template, error) {
	return get[desk.Template](ctx, c.Table, c.templateKey(id), "template "+id)
}

// CreateTemplate stores a new template under its name, which no other of the same
// channel and language may have: else a *fault.Input. A rejected one may lose its
// name to it: its id is given as rejected; empty: there is none.
func (c Company) CreateTemplate(ctx context.Context, v desk.Template, rejected string, also Also) error {
	c.forget(c.templatesName(v.Channel))
	defer c.forget(c.templatesName(v.Channel))
	key := c.uniqueKey(uniqueTemplate, strings.ToLower(v.Channel+":"+v.Language+":"+v.Name))
	name := plain(key, pointer{ID: v.ID})
	if rejected != "" {
		held, err := get[pointer](ctx, c.Table, key, "template "+v.ID)
		if err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
		if held.ID == rejected {
			name.Version = held.Version
		}
	}
	ops := []table.Op{table.Create(item(c.templateKey(v.ID), v)), table.Save(name)}
	return c.write(ctx, ops, also, map[int]string{1: "name"})
}

// FreshTemplates reads all templates of a channel strongly, newest first.
func (c Company) FreshTemplates(ctx context.Context, channel string) ([]desk.Template, error) {
	return c.freshTemplates(ctx, channel)
}

// AllTemplates reads the templates of all channels strongly, those of deleted ones
// too, in the order of their making.
func (c Company) AllTemplates(ctx context.Context) ([]desk.Template, error) {
	return all[desk.Template](ctx, c.Table, c.templatesPK(), "")
}

// SaveTemplate writes a template, new or at its version.
func (c Company) SaveTemplate(ctx context.Context, v desk.Template, also Also) error {
	c.forget(c.templatesName(v.Channel))
	defer c.forget(c.templatesName(v.Channel))
	return c.write(ctx, []table.Op{table.Save(item(c.templateKey(v.ID), v))}, also, nil)
}

// Templates gives all templates of a channel, newest first, from the cache.
// They are read strongly, so that what forbids sending is seen. Do not change
// what it holds.
func (c Company) Templates(ctx context.Context, channel string) ([]desk.Template, error) {
	return cachedRead(ctx, c.Store, c.templatesName(channel), func(ctx context.Context) ([]desk.Template, error) {
		return c.freshTemplates(ctx, channel)
	})
}

func (c Company) freshTemplates(ctx context.Context, channel string) ([]desk.Template, error) {
	list, err := all[desk.Template](ctx, c.Table, c.templatesPK(), "")
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(t desk.Template) bool { return t.Channel != channel })
	slices.Reverse(list)
	return list, nil
}

// TemplateList lists a channel's templates, or those of all channels where it is
// empty, newest first, read strongly.
func (c Company) TemplateList(ctx context.Context, channel string, keep func(desk.Template) bool, limit int, cursor string) ([]desk.Template, string, error) {
	l := lister[desk.Template]{past: c.templatesPK(), base: true}
	l.keep = func(t desk.Template) bool { return (channel == "" || t.Channel == channel) && keep(t) }
	return list(ctx, c.Table, l, limit, cursor)
}

// TemplateByProviderID finds a template of a channel by the provider's id for
// it, strongly, also one that another process has just made; fault.NotFound
// without one.
func (c Company) TemplateByProviderID(ctx context.Context, channel, providerID string) (desk.Template, error) {
	for _, read := range []func(context.Context, string) ([]desk.Template, error){c.Templates, c.freshTemplates} {
		list, err := read(ctx, channel)
		if err != nil {
			return desk.Template{}, err
		}
		for _, t := range list {
			if t.ProviderID == providerID {
				return c.Template(ctx, t.ID)
			}
		}
	}
	return desk.Template{}, fmt.Errorf("template %s: %w", providerID, fault.NotFound)
}
