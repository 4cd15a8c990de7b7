package simulator

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// MaxEntries bounds the log: the oldest go when more come.
	MaxEntries = 20_000
	// lockWait is how long Open waits for another process to let go of the file.
	lockWait = time.Second
)

// How far an entry's delivery has been told to the system.
const (
	toldNothing = iota
	toldEnqueued
	toldSent
	toldDelivered
	toldRead
)

// Entry is one message between a person's phone and a channel at its provider.
type Entry struct {
	Seq    uint64    `json:"-"`
	App    string    `json:"app"`    // Line.app of the channel
	Number string    `json:"number"` // the person's
	At     time.Time `json:"at"`     // real time
	// ID is the provider's id of a message of the system; empty: the person wrote.
	ID     string `json:"id,omitempty"`
	WAMID  string `json:"wamid"`
	Source string `json:"source,omitempty"`
	// Path and Message are what the system sent, decoded.
	Path    string          `json:"path,omitempty"`
	Message json.RawMessage `json:"message,omitempty"`
	// Said is what the person sent, and Answer the webhook's status to it.
	Said   *said `json:"said,omitempty"`
	Answer int   `json:"answer,omitempty"`
	// Told is how far its delivery was told, Seen that the person has it on the
	// screen, Tries how often telling the next step did not work.
	Told  int  `json:"told,omitempty"`
	Seen  bool `json:"seen,omitempty"`
	Tries int  `json:"tries,omitempty"`
}

// fromSystem tells who sent it.
func (e Entry) fromSystem() bool { return e.ID != "" }

// owed tells whether there is more to tell.
func (e Entry) owed() bool {
	return e.fromSystem() && e.Tries < maxTries && (e.Told < toldDelivered || e.Seen && e.Told < toldRead)
}

// Log keeps the traffic in a file. Of one process at a time; safe for use by
// several goroutines.
type Log struct {
	db   *bolt.DB
	most uint64 // entries that are kept
}

var (
	entriesBucket  = []byte("entries")  // seq -> Entry
	numbersBucket  = []byte("numbers")  // app 0 number 0 seq -> nothing
	owedBucket     = []byte("owed")     // seq -> nothing
	accountsBucket = []byte("accounts") // app or account -> key
)

// buckets are all of the file's, with those of book.go.
var buckets = [][]byte{entriesBucket, numbersBucket, owedBucket, accountsBucket, templatesBucket, templateIDsBucket, filesBucket}

// OpenLog opens the file and makes it if there is none. noSync leaves out the
// wait for the disk, for tests.
func OpenLog(path string, noSync bool) (*Log, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, NoSync: noSync, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("simulator %s: in use by another process", path)
	}
	if err != nil {
		return nil, fmt.Errorf("simulator %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("simulator %s: %w", path, err), db.Close())
	}
	return &Log{db: db, most: MaxEntries}, nil
}

// Close lets go of the file.
func (l *Log) Close() error { return l.db.Close() }

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// numberPrefix begins the keys of a number's entries.
func numberPrefix(app, number string) []byte { return []byte(app + "\x00" + number + "\x00") }

// Add keeps an entry, durably, and gives its number. The oldest one goes if
// there are too many.
func (l *Log) Add(e Entry) (uint64, error) {
	err := l.db.Update(func(tx *bolt.Tx) error {
		entries := tx.Bucket(entriesBucket)
		var err error
		if e.Seq, err = entries.NextSequence(); err != nil {
			return err
		}
		if err := tx.Bucket(numbersBucket).Put(append(numberPrefix(e.App, e.Number), seqKey(e.Seq)...), []byte{}); err != nil {
			return err
		}
		if err := put(tx, e); err != nil || e.Seq <= l.most {
			return err
		}
		return drop(tx, e.Seq-l.most)
	})
	if err != nil {
		return 0, fmt.Errorf("simulator: %w", err)
	}
	return e.Seq, nil
}

// put writes an entry and whether it is owed.
func put(tx *bolt.Tx, e Entry) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	key := seqKey(e.Seq)
	if err := tx.Bucket(entriesBucket).Put(key, body); err != nil {
		return err
	}
	if e.owed() {
		return tx.Bucket(owedBucket).Put(key, []byte{})
	}
	return tx.Bucket(owedBucket).Delete(key)
}

func drop(tx *bolt.Tx, seq uint64) error {
	e, ok, err := read(tx, seq)
	if err != nil || !ok {
		return err
	}
	key := seqKey(seq)
	return errors.Join(
		tx.Bucket(entriesBucket).Delete(key),
		tx.Bucket(owedBucket).Delete(key),
		tx.Bucket(numbersBucket).Delete(append(numberPrefix(e.App, e.Number), key...)),
	)
}

func read(tx *bolt.Tx, seq uint64) (Entry, bool, error) {
	body := tx.Bucket(entriesBucket).Get(seqKey(seq))
	if body == nil {
		return Entry{}, false, nil
	}
	e := Entry{Seq: seq}
	if err := json.Unmarshal(body, &e); err != nil {
		return e, false, fmt.Errorf("entry %d: %w", seq, err)
	}
	return e, true, nil
}

// Change lets change alter an entry; nothing happens if it is gone.
func (l *Log) Change(seq uint64, change func(*Entry)) error {
	err := l.db.Update(func(tx *bolt.Tx) error {
		e, ok, err := read(tx, seq)
		if err != nil || !ok {
			return err
		}
		change(&e)
		return put(tx, e)
	})
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	return nil
}

// Between gives up to limit entries of an app and a number that come after the
// one numbered after, oldest first.
func (l *Log) Between(app, number string, after uint64, limit int, keep func(Entry) bool) ([]Entry, error) {
	var out []Entry
	err := l.db.View(func(tx *bolt.Tx) error {
		prefix := numberPrefix(app, number)
		c := tx.Bucket(numbersBucket).Cursor()
		for k, _ := c.Seek(append(bytes.Clone(prefix), seqKey(after+1)...)); bytes.HasPrefix(k, prefix) && len(out) < limit; k, _ = c.Next() {
			e, ok, err := read(tx, binary.BigEndian.Uint64(k[len(prefix):]))
			if err != nil {
				return err
			}
			if ok && keep(e) {
				out = append(out, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	return out, nil
}

// Newest visits the entries of an app and a number, the newest first, until
// visit says that it has enough.
func (l *Log) Newest(app, number string, visit func(Entry) (enough bool)) error {
	err := l.db.View(func(tx *bolt.Tx) error {
		prefix := numberPrefix(app, number)
		c := tx.Bucket(numbersBucket).Cursor()
		k, _ := c.Seek(append(bytes.Clone(prefix), seqKey(1<<64-1)...))
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		for ; bytes.HasPrefix(k, prefix); k, _ = c.Prev() {
			e, ok, err := read(tx, binary.BigEndian.Uint64(k[len(prefix):]))
			if err != nil {
				return err
			}
			if ok && visit(e) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	return nil
}

// Owed gives up to limit of the oldest entries of which there is more to tell.
func (l *Log) Owed(limit int) ([]Entry, error) {
	var out []Entry
	err := l.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(owedBucket).Cursor()
		for k, _ := c.First(); k != nil && len(out) < limit; k, _ = c.Next() {
			e, ok, err := read(tx, binary.BigEndian.Uint64(k))
			if err != nil {
				return err
			}
			if ok {
				out = append(out, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	return out, nil
}

// See marks what the system sent to the number as read by the person.
func (l *Log) See(app, number string) error {
	entries, err := l.Between(app, number, 0, MaxEntries, func(e Entry) bool { return e.fromSystem() && !e.Seen })
	if err != nil || len(entries) == 0 {
		return err
	}
	err = l.db.Update(func(tx *bolt.Tx) error {
		for _, old := range entries {
			e, ok, err := read(tx, old.Seq)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			e.Seen, e.Tries = true, 0
			if err := put(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("simulator: %w", err)
	}
	return nil
}

// Key gives the key of an app or account: the one that it was first used with,
// which is given unless it was used before.
func (l *Log) Key(app, given string) (string, error) {
	key, err := l.KeyOf(app)
	if err != nil || key != "" || given == "" {
		return key, err
	}
	err = l.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(accountsBucket)
		if key = string(b.Get([]byte(app))); key != "" {
			return nil
		}
		key = given
		return b.Put([]byte(app), []byte(given))
	})
	if err != nil {
		return "", fmt.Errorf("simulator: %w", err)
	}
	return key, nil
}

// KeyOf gives the key that an app or account was first used with; empty: it never
// was.
func (l *Log) KeyOf(app string) (string, error) {
	var key string
	err := l.db.View(func(tx *bolt.Tx) error {
		key = string(tx.Bucket(accountsBucket).Get([]byte(app)))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("simulator: %w", err)
	}
	return key, nil
}
