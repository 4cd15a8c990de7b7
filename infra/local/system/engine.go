package system

import (
	"context"
	"net/http"
	"time"

	"buzon/internal/blob"
	"buzon/internal/queue"
	"buzon/internal/table"
)

// engine is what the stages rest on: files in the data folder (embedded.go), or the
// AWS APIs (aws.go).
type engine interface {
	table() table.Table
	// queue and dead are those of a stage.
	queue(stage string) queue.Queue
	dead(stage string) queue.DeadLetters
	// openBlobs opens the files, after the secrets; the handler serves /files/, nil
	// if links to files lead elsewhere.
	openBlobs(ctx context.Context) (blob.Store, http.Handler, error)
	// release makes visible what a process before this one had received, as far as
	// it can: the rest comes by itself within seconds.
	release() error
	// consume feeds the queue of a stage to its worker until ctx ends.
	consume(ctx context.Context, stage string, f feed) error
	// wake makes all consumers look at what pauses: the run's clock was moved.
	wake()
	// sweep removes some items that are expired.
	sweep(ctx context.Context, now time.Time) error
	// where tells a person where things are, in a sentence.
	where() string
	close() error
}

// feed is how a stage is fed.
type feed struct {
	worker      *queue.Worker
	visibility  time.Duration
	batch       int // 0: as many as there are
	concurrency int
}
