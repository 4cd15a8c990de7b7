package store

import (
	"context"
	"fmt"
	"slices"

	"buzon/internal/desk"
	"buzon/internal/table"
)

// Queue reads a queue strongly.
func (c Company) Queue(ctx context.Context, id string) (desk.Queue, error) {
	return get[desk.Queue](ctx, c.Table, c.queueKey(id), "queue "+id)
}

// SaveQueue writes a queue, new or at its version; was is how it was read. The
// channels are those that were put into it or taken out, at their versions. A name
// that another queue has is a *fault.Input.
func (c Company) SaveQueue(ctx context.Context, was, v desk.Queue, also Also, channels ...desk.Channel) error {
	it := item(c.queueKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("QUEUES"), SK: v.ID}
	for _, ch := range channels {
		c.forget(c.channelName(ch.ID))
		defer c.forget(c.channelName(ch.ID))
		also = append(also, table.Save(c.channelItem(ch)))
	}
	return c.saveNamed(ctx, table.Save(it), also, v.ID, rename{"queue", "name", was.Name, v.Name})
}

// HasQueues tells which of these queues there are, read strongly.
func (c Company) HasQueues(ctx context.Context, ids ...string) (map[string]bool, error) {
	return c.present(ctx, c.queueKey, ids)
}

// HasCampaigns tells which of these campaigns there are, read strongly.
func (c Company) HasCampaigns(ctx context.Context, ids ...string) (map[string]bool, error) {
	return c.present(ctx, c.campaignKey, ids)
}

// HasSpecialists tells which of these specialists there are, read strongly.
func (c Company) HasSpecialists(ctx context.Context, ids ...string) (map[string]bool, error) {
	return c.present(ctx, c.specialistKey, ids)
}

// present tells which of these things there are. No id may be there twice.
func (c Company) present(ctx context.Context, key func(string) table.Key, ids []string) (map[string]bool, error) {
	there := map[string]bool{}
	for chunk := range slices.Chunk(ids, table.MaxOps) {
		keys := make([]table.Key, len(chunk))
		for i, id := range chunk {
			keys[i] = key(id)
		}
		items, err := c.Table.Get(ctx, keys...)
		if err != nil {
			return nil, fmt.Errorf("look-up: %w", err)
		}
		for i, id := range chunk {
			there[id] = items[i].Exists()
		}
	}
	return there, nil
}

// DeleteQueue removes a queue and frees its name.
func (c Company) DeleteQueue(ctx context.Context, v desk.Queue) error {
	return c.saveNamed(ctx, table.Delete(c.queueKey(v.ID), v.Version), nil, v.ID, rename{kind: "queue", from: v.Name})
}

// Queues lists queues, newest first.
func (c Company) Queues(ctx context.Context, limit int, cursor string) ([]desk.Queue, string, error) {
	return newestFirst(ctx, c.Table, c.pk("QUEUES"), everything[desk.Queue], limit, cursor)
}

// Campaign reads a campaign strongly.
func (c Company) Campaign(ctx context.Context, id string) (desk.Campaign, error) {
	return get[desk.Campaign](ctx, c.Table, c.campaignKey(id), "campaign "+id)
}

// SaveCampaign writes a campaign, new or at its version; was is how it was read. A
// name that another campaign has is a *fault.Input.
func (c Company) SaveCampaign(ctx context.Context, was, v desk.Campaign, also Also) error {
	it := item(c.campaignKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("CAMPAIGNS"), SK: v.ID}
	return c.saveNamed(ctx, table.Save(it), also, v.ID, rename{"campaign", "name", was.Name, v.Name})
}

// DeleteCampaign removes a campaign and frees its name.
func (c Company) DeleteCampaign(ctx context.Context, v desk.Campaign) error {
	return c.saveNamed(ctx, table.Delete(c.campaignKey(v.ID), v.Version), nil, v.ID, rename{kind: "campaign", from: v.Name})
}

// Campaigns lists campaigns, newest first.
func (c Company) Campaigns(ctx context.Context, limit int, cursor string) ([]desk.Campaign, string, error) {
	return newestFirst(ctx, c.Table, c.pk("CAMPAIGNS"), everything[desk.Campaign], limit, cursor)
}

// Upload reads an upload strongly.
func (c Company) Upload(ctx context.Context, id string) (desk.Upload, error) {
	return get[desk.Upload](ctx, c.Table, c.uploadKey(id), "upload "+id)
}

// CreateUpload stores a new upload.
func (c Company) CreateUpload(ctx context.Context, v desk.Upload, also Also) error {
	return c.write(ctx, []table.Op{table.Create(item(c.uploadKey(v.ID), v))}, also, nil)
}
