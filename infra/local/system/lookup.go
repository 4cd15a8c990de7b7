package system

import (
	"context"
	"fmt"

	"buzon/infra/local/simulator"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// channelOf finds a channel of any company by its id.
func (s *System) channelOf(ctx context.Context, id string) (desk.Channel, error) {
	tenant, ok := store.TenantOf(id)
	if !ok {
		return desk.Channel{}, fmt.Errorf("channel %s: %w", id, fault.NotFound)
	}
	return s.store.In(tenant).Channel(ctx, id)
}

// templateOf finds a template of a line's channel by the provider's id for it.
func (s *System) templateOf(ctx context.Context, l simulator.Line, providerID string) (desk.Template, error) {
	tenant, ok := store.TenantOf(l.ID)
	if !ok {
		return desk.Template{}, fmt.Errorf("channel %s: %w", l.ID, fault.NotFound)
	}
	return s.store.In(tenant).TemplateByProviderID(ctx, l.ID, providerID)
}
