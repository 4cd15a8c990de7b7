package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

func (c Company) channelName(id string) string { return c.Tenant + " channel " + id }
func everything[T any](T) bool                 { return true }
func notDeleted(ch desk.Channel) bool          { return !ch.Deleted }

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

// RefreshChannel reads a channel strongly, deleted ones too, for all who then read
// it from the cache.
func (c Company) RefreshChannel(ctx context.Context, id string) (desk.Channel, error) {
	c.forget(c.channelName(id))
	return c.Channel(ctx, id)
}

// SaveChannel writes a channel, new or at its version.
func (c Company) SaveChannel(ctx context.Context, v desk.Channel, also Also) error {
	c.forget(c.channelName(v.ID))
	defer c.forget(c.channelName(v.ID))
	return c.write(ctx, []table.Op{table.Save(c.channelItem(v))}, also, nil)
}

func (c Company) channelItem(v desk.Channel) table.Item {
	it := item(c.channelKey(v.ID), v)
	it.Index = table.Key{PK: c.pk("CHANNELS"), SK: v.ID}
	return it
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

// The kinds of unique names of channels and templates.
const (
	uniqueIdentifier = "identifier"      // "whatsapp:<digits>"
	uniqueNumber     = "phone_number_id" // "meta:<id>"
	uniqueTemplate   = "template"        // "<channel>:<language>:<name>"
)

// ConnectChannel writes a channel, new or at its version, and what leads to it: its
// identifier, Meta's ids of its number and account. was is how it was read. An
// identifier or number that another channel of the company has is a *fault.Input.
// A deleted channel (Q33) leaves its names to others.
func (c Company) ConnectChannel(ctx context.Context, was, v desk.Channel, also Also) error {
	c.forget(c.channelName(v.ID))
	defer c.forget(c.channelName(v.ID))
	from, to := namesOf(was), namesOf(v)
	ops, unique, err := c.renamed(ctx, []table.Op{table.Save(c.channelItem(v))}, v.ID,
		rename{uniqueIdentifier, "identifier", from.identifier, to.identifier},
		rename{uniqueNumber, "credentials.phone_number_id", from.number, to.number})
	if err != nil {
		return err
	}
	if from.account != to.account {
		if to.account != "" {
			ops = append(ops, table.Create(plain(c.accountKey(to.account, v.ID), pointer{ID: v.ID})))
		}
		if from.account != "" {
			ops = append(ops, table.Delete(c.accountKey(from.account, v.ID), 1))
		}
	}
	for _, name := range []string{from.number, to.number} {
		defer c.forget(c.numberName(name))
	}
	for _, name := range []string{from.account, to.account} {
		defer c.forget(c.accountName(name))
	}
	return c.write(ctx, ops, also, unique)
}

// channelNames are what leads to a channel.
type channelNames struct{ identifier, number, account string }

func namesOf(ch desk.Channel) channelNames {
	if ch.Deleted || ch.State == desk.ChannelPending {
		return channelNames{}
	}
	var n channelNames
	if ch.Identifier != "" {
		n.identifier = ch.Kind + ":" + ch.Identifier
	}
	if ch.Provider == desk.ProviderMeta {
		n.number, n.account = ch.PhoneNumberID, ch.AccountID
	}
	return n
}

func (c Company) numberName(id string) string  { return c.Tenant + " number " + id }
func (c Company) accountName(id string) string { return c.Tenant + " account " + id }

// ChannelOfNumber gives the id of the channel that has Meta's number of that id,
// from the cache; empty if none has.
func (c Company) ChannelOfNumber(ctx context.Context, number string) (string, error) {
	return cachedRead(ctx, c.Store, c.numberName(number), func(ctx context.Context) (string, error) {
		id, err := c.byUnique(ctx, uniqueNumber, number)
		if errors.Is(err, fault.NotFound) {
			return "", nil
		}
		return id, err
	})
}

// ChannelsOfAccount gives the ids of the channels of Meta's account of that id, in
// the order of their making, from the cache.
func (c Company) ChannelsOfAccount(ctx context.Context, account string) ([]string, error) {
	return cachedRead(ctx, c.Store, c.accountName(account), func(ctx context.Context) ([]string, error) {
		list, err := all[pointer](ctx, c.Table, c.accountKey(account, "").PK, "")
		ids := make([]string, len(list))
		for i, p := range list {
			ids[i] = p.ID
		}
		return ids, err
	})
}

// ChannelSync reads strongly what is known of the provider's list of a channel's
// templates; a channel whose list was never asked for has an empty one.
func (c Company) ChannelSync(ctx context.Context, channel string) (desk.ChannelSync, error) {
	v, err := get[desk.ChannelSync](ctx, c.Table, c.syncKey(channel), "channel "+channel+": sync")
	if errors.Is(err, fault.NotFound) {
		return desk.ChannelSync{}, nil
	}
	return v, err
}

// SaveChannelSync writes it at its version, with new timers.
func (c Company) SaveChannelSync(ctx context.Context, channel string, v desk.ChannelSync, timers ...Timer) error {
	if err := c.Table.Write(ctx, c.KeepSync(channel, v, timers...)...); err != nil {
		return fmt.Errorf("channel %s: sync: %w", channel, err)
	}
	return nil
}

// KeepSync are the operations that write it at its version, with new timers.
func (c Company) KeepSync(channel string, v desk.ChannelSync, timers ...Timer) Also {
	ops := Also{table.Save(item(c.syncKey(channel), v))}
	for _, t := range timers {
		ops = append(ops, t.Also()...)
	}
	return ops
}

// ChannelStatus is what is known of a channel beside what a person set.
type ChannelStatus struct {
	Sync desk.ChannelSync
	Wait StoredWait
}

// ChannelStatuses reads them strongly, by the channels' ids; a channel of which
// nothing is known has an empty one.
func (c Company) ChannelStatuses(ctx context.Context, channels ...string) (map[string]ChannelStatus, error) {
	found := map[string]ChannelStatus{}
	for chunk := range slices.Chunk(channels, table.MaxOps/2) {
		var keys []table.Key
		for _, id := range chunk {
			keys = append(keys, c.syncKey(id), c.waitKey(id))
		}
		items, err := c.Table.Get(ctx, keys...)
		if err != nil {
			return nil, fmt.Errorf("channels: status: %w", err)
		}
		for i, id := range chunk {
			var s ChannelStatus
			if it := items[2*i]; it.Exists() {
				if s.Sync, err = decode[desk.ChannelSync](it); err != nil {
					return nil, err
				}
			}
			if it := items[2*i+1]; it.Exists() {
				if s.Wait, err = decode[StoredWait](it); err != nil {
					return nil, err
				}
			}
			found[id] = s
		}
	}
	return found, nil
}

// WhileChannel holds a write to a channel being what it was when v was read.
func (c Company) WhileChannel(v desk.Channel) Also {
	return Also{table.Check(c.channelKey(v.ID), v.Version)}
}

// WhileSync holds a write to what is known of the provider's list being what it was
// when v was read: a reading that another has overtaken changes nothing any more.
func (c Company) WhileSync(channel string, v desk.ChannelSync) Also {
	return Also{table.Check(c.syncKey(channel), v.Version)}
}
