package system

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

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

// idMaker makes ids that sort by the run's time and by the order of making: ULIDs
// in small letters. It is safe for use by several goroutines.
type idMaker struct {
	now func() time.Time

	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
}

func newIDMaker(now func() time.Time) *idMaker {
	return &idMaker{now: now, entropy: ulid.Monotonic(rand.Reader, 0)}
}

func (m *idMaker) next() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.ToLower(ulid.MustNew(ulid.Timestamp(m.now()), m.entropy).String())
}
