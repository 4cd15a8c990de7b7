package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// CredentialsName is the name of a channel's credentials in the secret store. Each
// write of them has a name of its own, and the channel's row publishes it: they change
// with the row or not at all.
func (c Company) CredentialsName(ch desk.Channel) string {
	name := "/buzon/" + c.Tenant + "/channels/" + ch.ID
	if ch.Credentials != "" {
		name += "/" + ch.Credentials
	}
	return name
}

// ReadCredentials reads a channel's credentials by read, which is Get or Fresh of the
// secret store, and gives them with the channel that they belong to; fault.NotFound if
// it has none. Those that others have taken the place of since ch was read may be gone:
// then the channel is read anew, for all who read it from the cache.
func (c Company) ReadCredentials(ctx context.Context, ch desk.Channel, read func(ctx context.Context, name string) (string, error)) (string, desk.Channel, error) {
	for range retryTries {
		value, err := read(ctx, c.CredentialsName(ch))
		if !errors.Is(err, fault.NotFound) {
			return value, ch, err
		}
		now, fresh := c.RefreshChannel(ctx, ch.ID)
		if fresh != nil {
			return "", ch, fresh
		}
		if now.Credentials == ch.Credentials {
			return "", now, err
		}
		ch = now
	}
	return "", ch, fmt.Errorf("channel %s: credentials change: %w", ch.ID, fault.Busy)
}

// StrayLasts is how long a stray stays listed: longer than the call that noted it can
// be under way, so that what it still writes is removed by who comes after.
const StrayLasts = 10 * time.Minute

// Strays lists those credentials of a channel that no row leads to, or not yet: each
// name is noted before anything is kept under it, and taken off in the write of the row
// that publishes it. So whatever a call leaves that breaks off is found by the next, and
// none is in use. Who writes it ends what others were about to publish, since they write
// it too, at the version that they read: what it lists may be removed then.
type Strays struct {
	Names []Stray `json:"names,omitempty"`
	desk.Versioned
}

// Stray is one name, as [desk.Channel.Credentials], and when it was noted. What it names
// may be gone already.
type Stray struct {
	Name string    `json:"name,omitempty"`
	At   time.Time `json:"at"`
}

// With lists one name more.
func (v Strays) With(name string, at time.Time) Strays {
	v.Names = append(slices.Clone(v.Names), Stray{name, at})
	return v
}

// Without takes a name off.
func (v Strays) Without(name string) Strays {
	return v.keep(func(s Stray) bool { return s.Name != name })
}

// Since takes off what was noted [StrayLasts] ago or before: once it is removed it stays so.
func (v Strays) Since(now time.Time) Strays {
	return v.keep(func(s Stray) bool { return now.Sub(s.At) < StrayLasts })
}

func (v Strays) keep(which func(Stray) bool) Strays {
	v.Names = slices.DeleteFunc(slices.Clone(v.Names), func(s Stray) bool { return !which(s) })
	return v
}

// Strays reads strongly what is listed of a channel; none if nothing ever was.
func (c Company) Strays(ctx context.Context, channel string) (Strays, error) {
	v, err := get[Strays](ctx, c.Table, c.straysKey(channel), "channel "+channel+": strays")
	if errors.Is(err, fault.NotFound) {
		return Strays{}, nil
	}
	return v, err
}

// SaveStrays writes the list at its version and gives it as it is stored then.
func (c Company) SaveStrays(ctx context.Context, channel string, v Strays) (Strays, error) {
	if err := c.Table.Write(ctx, c.KeepStrays(channel, v)...); err != nil {
		return v, fmt.Errorf("channel %s: strays: %w", channel, err)
	}
	v.Version++
	return v, nil
}

// KeepStrays is the operation that writes the list at its version.
func (c Company) KeepStrays(channel string, v Strays) Also {
	return Also{table.Save(item(c.straysKey(channel), v))}
}
