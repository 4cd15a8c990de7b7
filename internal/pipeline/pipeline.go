// Package pipeline holds the stages of a message's way and what they hand each
// other: webhook takes events in, inbound decides turns, outbound sends replies,
// clock fires timers and drains dead letters.
//
// Every stage may run any step twice: what a cause does is one conditional
// transaction, and what is sent derives from it.
package pipeline

import (
	"context"
	"log/slog"
	"time"

	"buzon/internal/blob"
	"buzon/internal/channel"
	"buzon/internal/link"
	"buzon/internal/queue"
	"buzon/internal/secret"
	"buzon/internal/store"
)

// Webhook takes in what providers post. Each event costs one durable write
// before the 200; if that fails the answer is 503 and the provider comes again.
type Webhook struct {
	Store     *store.Store
	Blobs     blob.Store   // bodies too long for a quarantined item
	Secrets   secret.Store // what bodies are signed with; not used by a replay
	Inbound   queue.Queue
	Approvals queue.Queue
	Providers map[string]channel.Provider // by name: gupshup, meta (which is a channel.Signed)
	Now       func() time.Time            // the run's time
	RealNow   func() time.Time            // judges the age of an event
	Log       *slog.Logger

	credentials credentialCache
}

// Inbound decides what a person's message, a fired timer or a failed delivery
// does, and commits it as one turn.
type Inbound struct {
	Store    *store.Store
	Keys     *link.Keys
	Blobs    blob.Store
	Outbound queue.Queue
	Webhook  *Webhook // takes a replayed body in again
	Now      func() time.Time
	NewID    func() string
	Log      *slog.Logger
}

// Outbound sends what a conversation holds unsent, in order.
type Outbound struct {
	Store     *store.Store
	Blobs     blob.Store
	Secrets   secret.Store
	Keys      *link.Keys
	Providers map[string]channel.Provider
	PublicURL func() string // address of links handed to people, without a slash at the end
	Now       func() time.Time
	RealNow   func() time.Time // dates what a provider's answer says, beside its events
	// Epoch names this process in a local run, where a lease of another process
	// is a dead one; empty: leases end by time alone.
	Epoch string
	// Share is how many processes send at once, each its part of a channel's rate; 0
	// means 1.
	Share int
	// Sleep waits for d or the end of ctx.
	Sleep func(ctx context.Context, d time.Duration)
	Log   *slog.Logger

	rates   rates
	streaks streaks
}

// Clock fires due timers by queueing their owners and drains dead letters into
// quarantine.
type Clock struct {
	Store     *store.Store
	Inbound   queue.Queue
	Outbound  queue.Queue
	Approvals queue.Queue
	Dead      map[string]queue.DeadLetters // by stage; what [Clock.Run] drains
	Blobs     blob.Store
	Now       func() time.Time
	NewID     func() string
	Log       *slog.Logger
}
