// Package embedded is the table in one file of this machine, on bbolt: what a
// laptop and most tests run on. It is kinder than DynamoDB: its index is never
// stale, it never throttles, two writes on one item wait for each other, and a
// Get sees all its items at one moment. Tests that lean on none of this run
// behind the hostile wrapper of package tabletest.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"buzon/internal/table"
)

const (
	// lockWait is how long Open waits for another process to let go of the file:
	// enough for one that is just stopping.
	lockWait = time.Second
	// maxGroup bounds how many Writes share one commit to disk.
	maxGroup = 128
	// maxPageBytes bounds a page as DynamoDB does: 1 MB of items read.
	maxPageBytes = 1 << 20
	// format of the file; another one is not opened.
	format = "buzon table 1"
)

// names of the buckets, and of the key of the format in the first of them.
const (
	bucketMeta    = "meta"
	bucketItems   = "items"
	bucketIndex   = "index"
	bucketExpires = "expires"
	keyFormat     = "format"
)

// Options of a table.
type Options struct {
	// NoSync leaves it to the operating system when data reaches the disk. For
	// tests: what was written survives the process, not the machine.
	NoSync bool
}

// Table is a [table.Table] in one file. Make it with [Open].
type Table struct {
	path   string
	db     *bolt.DB
	writes chan *write
	stop   chan struct{} // closed by Close: no more writes are taken
	done   chan struct{} // closed when the last commit is over
	once   sync.Once
}

var _ table.Table = (*Table)(nil)

// Open opens the table in the file, which it makes if there is none; the folder
// must exist. One process at a time has a table open: while another one has it,
// Open waits about a second and then says so.
func Open(path string, opts Options) (*Table, error) {
	_, missing := os.Stat(path)
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:      lockWait,
		NoSync:       opts.NoSync,
		NoGrowSync:   opts.NoSync,
		FreelistType: bolt.FreelistMapType,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("table %s: in use by another process", path)
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", path, err)
	}
	err = prepare(db)
	if err == nil && missing != nil && !opts.NoSync {
		err = syncFolder(path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("table %s: %w", path, err), db.Close())
	}
	t := &Table{
		path:   path,
		db:     db,
		writes: make(chan *write),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	go t.commitLoop()
	return t, nil
}

// prepare makes the buckets of a new file and checks the format of an old one.
func prepare(db *bolt.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		if meta := tx.Bucket([]byte(bucketMeta)); meta != nil {
			if got := meta.Get([]byte(keyFormat)); string(got) != format {
				return fmt.Errorf("format %q, want %q", got, format)
			}
			return nil
		}
		for _, name := range []string{bucketItems, bucketIndex, bucketExpires, bucketMeta} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return fmt.Errorf("bucket %s: %w", name, err)
			}
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyFormat), []byte(format))
	})
}

// syncFolder makes the name of a new file durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Close finishes the writes that were taken, then lets go of the file. Calls
// after it are answered with an error.
func (t *Table) Close() error {
	t.once.Do(func() { close(t.stop) })
	<-t.done
	return t.db.Close()
}

// Get is [table.Table.Get]; it sees all items at one moment.
func (t *Table) Get(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := table.ValidateKeys(keys); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("table get: %w", err)
	}
	items := make([]table.Item, len(keys))
	err := t.db.View(func(tx *bolt.Tx) error {
		for i, k := range keys {
			it, err := load(tx, k)
			if err != nil {
				return err
			}
			items[i] = it
		}
		return nil
	})
	if err != nil {
		return nil, t.wrap(err)
	}
	return items, nil
}

// load reads one item; one that is not there has only its key.
func load(tx *bolt.Tx, k table.Key) (table.Item, error) {
	b := tx.Bucket([]byte(bucketItems)).Get(itemKey(k))
	if b == nil {
		return table.Item{Key: k}, nil
	}
	it, err := decode(k, b)
	if err != nil {
		return it, fmt.Errorf("item %s: %w", k.Redacted(), err)
	}
	return it, nil
}

func (t *Table) wrap(err error) error { return fmt.Errorf("table %s: %w", t.path, err) }
