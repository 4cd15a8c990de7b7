package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

func (c Company) channelName(id string) string   { return c.Tenant + " channel " + id }
func (c Company) templatesName(ch string) string { return c.Tenant + " templates " + ch }
func (c Company) templatesPK() string            { return c.pk("TEMPLATES") }
func everything[T any](T) bool                   { return true }
func notDeleted(ch desk.Channel) bool            { return !ch.Deleted }

// Channel gives a channel from the cache, deleted ones too; fault.NotFound
// without one.
func (c Company) Channel(ctx context.Context, id string) (desk.Channel, error) {
	return cachedRead(ctx, c.Store, c.channelName(id), func(ctx context.Context) (desk.Channel, error) {
		return c.FreshChannel(ctx, id)
	})
}

// FreshChannel reads a channel strongly.
func (c Company) FreshChannel(ctx context.Context, id string) (desk.Channel, error) {
	return get[desk.Channel](ctx, c.Table, c.channelKey(id), "channel "+id)
}

// SaveChannel writes a channel, new or at its version.
func (c Company) SaveChannel(ctx context.Context, v desk.Channel, also Also) error {
	c.forget(c.channelName(v.ID))
	defer c.forget(c.channelName(v.ID))
	it := item(c.channelKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("CHANNELS"), SK: v.ID}
	return c.write(ctx, []table.Op{table.Save(it)}, also, nil)
}

// Channels lists the channels that are not deleted, newest first; empty kind or
// state: all.
func (c Company) Channels(ctx context.Context, kind string, state desk.ChannelState, limit int, cursor string) ([]desk.Channel, string, error) {
	keep := func(ch desk.Channel) bool {
		return notDeleted(ch) && (kind == "" || ch.Kind == kind) && (state == "" || ch.State == state)
	}
	return newestFirst(ctx, c.Table, c.pk("CHANNELS"), keep, limit, cursor)
}

// SecretHash is what is stored of the secret in a webhook address.
func SecretHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// CredentialsName is the name of a channel's credentials in the secret store.
func (c Company) CredentialsName(channel string) string {
	return "/buzon/" + c.Tenant + "/channels/" + channel
}

// Template reads a template strongly.
func (c Company) Template(ctx context.Context, id string) (desk.Template, error) {
	return get[desk.Template](ctx, c.Table, c.templateKey(id), "template "+id)
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

// TemplateList lists a channel's templates, newest first, read strongly.
func (c Company) TemplateList(ctx context.Context, channel string, keep func(desk.Template) bool, limit int, cursor string) ([]desk.Template, string, error) {
	l := lister[desk.Template]{past: c.templatesPK(), base: true}
	l.keep = func(t desk.Template) bool { return t.Channel == channel && keep(t) }
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
