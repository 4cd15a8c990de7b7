package store

import (
	"context"
	"fmt"
	"slices"

	"buzon/internal/desk"
	"buzon/internal/fault"
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
	for _, ch := range channels {
		c.forget(c.channelName(ch.ID))
		defer c.forget(c.channelName(ch.ID))
		also = append(also, table.Save(c.channelItem(ch)))
	}
	return c.saveNamed(ctx, table.Save(c.queueItem(v)), also, v.ID, rename{"queue", "name", was.Name, v.Name})
}

func (c Company) queueItem(v desk.Queue) table.Item {
	it := item(c.queueKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("QUEUES"), SK: v.ID}
	return it
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
	err := c.lookUp(ctx, key, ids, func(id string, _ table.Item) error { there[id] = true; return nil })
	return there, err
}

// QueueNames gives the names of those of these queues that there are, by their ids,
// read strongly.
func (c Company) QueueNames(ctx context.Context, ids ...string) (map[string]string, error) {
	return c.names(ctx, c.queueKey, ids)
}

// CampaignNames gives the names of those of these campaigns that there are, by their
// ids, read strongly.
func (c Company) CampaignNames(ctx context.Context, ids ...string) (map[string]string, error) {
	return c.names(ctx, c.campaignKey, ids)
}

// names reads the names of things. No id may be there twice.
func (c Company) names(ctx context.Context, key func(string) table.Key, ids []string) (map[string]string, error) {
	names := map[string]string{}
	err := c.lookUp(ctx, key, ids, func(id string, it table.Item) error {
		v, err := decode[struct {
			Name string `json:"name"`
			desk.Versioned
		}](it)
		names[id] = v.Name
		return err
	})
	return names, err
}

// lookUp reads things strongly, many at a time, and shows those that there are.
func (c Company) lookUp(ctx context.Context, key func(string) table.Key, ids []string, show func(id string, it table.Item) error) error {
	for chunk := range slices.Chunk(ids, table.MaxOps) {
		keys := make([]table.Key, len(chunk))
		for i, id := range chunk {
			keys[i] = key(id)
		}
		items, err := c.Table.Get(ctx, keys...)
		if err != nil {
			return fmt.Errorf("look-up: %w", err)
		}
		for i, it := range items {
			if !it.Exists() {
				continue
			}
			if err := show(chunk[i], it); err != nil {
				return err
			}
		}
	}
	return nil
}

// DeleteQueue removes a queue and frees its name, if assigned tells that no number works
// in it and no template is assigned to it, else ErrInUse. What is assigned meanwhile
// (see [Company.WhileThere]) is refused, or ends the deletion.
func (c Company) DeleteQueue(ctx context.Context, v desk.Queue, assigned func() (bool, error)) error {
	return c.deleteUnassigned(ctx, c.queueItem(v), v.ID, rename{kind: "queue", from: v.Name}, assigned)
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
	return c.saveNamed(ctx, table.Save(c.campaignItem(v)), also, v.ID, rename{"campaign", "name", was.Name, v.Name})
}

func (c Company) campaignItem(v desk.Campaign) table.Item {
	it := item(c.campaignKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("CAMPAIGNS"), SK: v.ID}
	return it
}

// DeleteCampaign removes a campaign and frees its name; see [Company.DeleteQueue].
func (c Company) DeleteCampaign(ctx context.Context, v desk.Campaign, assigned func() (bool, error)) error {
	return c.deleteUnassigned(ctx, c.campaignItem(v), v.ID, rename{kind: "campaign", from: v.Name}, assigned)
}

// Campaigns lists campaigns, newest first.
func (c Company) Campaigns(ctx context.Context, limit int, cursor string) ([]desk.Campaign, string, error) {
	return newestFirst(ctx, c.Table, c.pk("CAMPAIGNS"), everything[desk.Campaign], limit, cursor)
}

// Upload reads an upload strongly; fault.NotFound once [desk.UploadKept] is over.
func (c Company) Upload(ctx context.Context, id string) (desk.Upload, error) {
	v, err := get[desk.Upload](ctx, c.Table, c.uploadKey(id), "upload "+id)
	if err == nil && v.Gone(c.Now()) {
		return desk.Upload{}, fmt.Errorf("upload %s: expired: %w", id, fault.NotFound)
	}
	return v, err
}

// CreateUpload stores a new upload for [desk.UploadKept].
func (c Company) CreateUpload(ctx context.Context, v desk.Upload, also Also) error {
	it := item(c.uploadKey(v.ID), v)
	it.Expires = v.CreatedAt.Add(desk.UploadKept)
	return c.write(ctx, []table.Op{table.Create(it)}, also, nil)
}
