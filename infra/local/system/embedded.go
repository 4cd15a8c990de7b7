package system

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"buzon/internal/blob"
	blobs "buzon/internal/blob/embedded"
	"buzon/internal/queue"
	queues "buzon/internal/queue/embedded"
	"buzon/internal/table"
	tables "buzon/internal/table/embedded"
)

// The names in the data folder of what is on AWS otherwise.
const (
	tableFile  = "table.db"
	queueFile  = "queues.db"
	blobFolder = "files"
)

// filesKey is the name of the key that signs links to files.
const filesKey = "/buzon/local/files"

// sweepMost is how many expired items are removed at a time.
const sweepMost = 100

// embedded keeps everything in the data folder.
type embedded struct {
	s      *System
	tables *tables.Table
	queues *queues.Queues
}

// openEmbedded opens the engines of the data folder; their clock is the run's.
func openEmbedded(s *System) (*embedded, error) {
	e := &embedded{s: s}
	var err error
	if e.tables, err = tables.Open(s.file(tableFile), tables.Options{NoSync: s.config.NoSync}); err != nil {
		return nil, err
	}
	if e.queues, err = queues.Open(s.file(queueFile), queues.Options{Now: s.clock.Now, NoSync: s.config.NoSync}); err != nil {
		return nil, errors.Join(err, e.tables.Close())
	}
	return e, nil
}

func (e *embedded) table() table.Table { return e.tables }

func (e *embedded) queue(stage string) queue.Queue { return e.queues.Queue(stage) }

func (e *embedded) dead(stage string) queue.DeadLetters { return e.queues.Queue(stage).Dead() }

func (e *embedded) openBlobs(ctx context.Context) (blob.Store, http.Handler, error) {
	key, err := ensureKey(ctx, e.s.secrets, filesKey)
	if err != nil {
		return nil, nil, err
	}
	store, err := blobs.Open(filepath.Join(e.s.config.Data, blobFolder), blobs.Options{
		Key: key, BaseURL: e.s.publicURL, Now: e.s.clock.Now, NoSync: e.s.config.NoSync,
	})
	if err != nil {
		return nil, nil, err
	}
	return store, store.Handler(), nil
}

// release: whoever received a record is gone with the process before.
func (e *embedded) release() error { return e.queues.ReleaseInFlight() }

func (e *embedded) consume(ctx context.Context, stage string, f feed) error {
	c := &queues.Consumer{
		Queues: e.queues, Name: stage, Worker: f.worker, Visibility: f.visibility,
		Batch: f.batch, Concurrency: f.concurrency, Grace: batchGrace, Log: e.s.config.Log,
	}
	return c.Run(ctx)
}

func (e *embedded) wake() { e.queues.Wake() }

func (e *embedded) sweep(ctx context.Context, now time.Time) error {
	_, err := e.tables.Sweep(ctx, now, sweepMost)
	return err
}

func (e *embedded) where() string {
	return "Table, queues and files are in " + e.s.config.Data + "; the next start finds them there."
}

func (e *embedded) close() error { return errors.Join(e.queues.Close(), e.tables.Close()) }
