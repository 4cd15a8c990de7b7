// Package embedded is the file store of a local run: a folder, and the HTTP
// handler that its links lead to. It is what S3 is on AWS.
package embedded

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"buzon/internal/blob"
	"buzon/internal/fault"
)

const (
	// minSigningKey is the shortest key of links in bytes.
	minSigningKey = 32
	// maxFooter bounds what is read as a footer, against a damaged file.
	maxFooter = 4096
)

// Options of Open.
type Options struct {
	// Key signs links: at least 32 bytes.
	Key []byte
	// BaseURL is where Handler is reached from outside, "http://127.0.0.1:3000".
	BaseURL func() string
	// Now is the clock of links; nil: the machine's.
	Now func() time.Time
	// NoSync leaves out the wait for the disk, for tests.
	NoSync bool
}

// Store is a folder of objects. Each is one file named by the hash of its key:
// the bytes as they are, then a footer that describes them, so that one link of
// the file system makes all of it appear at once, and only if nothing is there.
// It is safe for use by several goroutines; one process has a folder at a time.
type Store struct {
	dir  string
	key  []byte
	base func() string
	now  func() time.Time
	sync bool
}

var _ blob.Store = (*Store)(nil)

// footer describes an object. Names of stored fields stay.
type footer struct {
	Key         string `json:"key"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256"`
	Form        bool   `json:"form,omitempty"` // it came by one
}

// Open opens the folder, makes it if there is none, and clears away what a
// process that died was writing.
func Open(dir string, o Options) (*Store, error) {
	if len(o.Key) < minSigningKey {
		return nil, fmt.Errorf("files %s: key of links has %d bytes, at least %d are needed: %w", dir, len(o.Key), minSigningKey, fault.Invalid)
	}
	s := &Store{dir: dir, key: o.Key, base: o.BaseURL, now: o.Now, sync: !o.NoSync}
	if s.now == nil {
		s.now = time.Now
	}
	if err := os.RemoveAll(s.unfinished()); err != nil {
		return nil, fmt.Errorf("files %s: %w", dir, err)
	}
	if err := os.MkdirAll(s.unfinished(), 0o700); err != nil {
		return nil, fmt.Errorf("files %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) unfinished() string { return filepath.Join(s.dir, "unfinished") }

// path is where an object of that key is.
func (s *Store) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(s.dir, name[:2], name)
}

// Put implements [blob.Store]. The object is on the disk when it returns. An
// empty content type is application/octet-stream.
func (s *Store) Put(ctx context.Context, key, contentType string, body io.ReadSeeker) error {
	if err := blob.ValidKey(key); err != nil {
		return err
	}
	contentType = cmp.Or(contentType, blob.DefaultType)
	if err := blob.ValidType(contentType); err != nil {
		return err
	}
	return s.add(ctx, key, contentType, body, false)
}

// add stores an object whose key and type are valid.
func (s *Store) add(ctx context.Context, key, contentType string, body io.Reader, byForm bool) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("object %s: %w", key, err)
	}
	if _, err := os.Lstat(s.path(key)); err == nil {
		return fmt.Errorf("object %s: %w", key, fault.Conflict)
	}
	if err := s.write(key, contentType, body, byForm); err != nil {
		return fmt.Errorf("object %s: %w", key, err)
	}
	return nil
}

func (s *Store) write(key, contentType string, body io.Reader, byForm bool) (err error) {
	f, err := os.CreateTemp(s.unfinished(), "put-")
	if err != nil {
		return err
	}
	defer func() {
		// Closed twice on the good path, which does no harm.
		_ = f.Close()
		err = errors.Join(err, os.Remove(f.Name()))
	}()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, hash), body)
	if err != nil {
		return err
	}
	foot, err := json.Marshal(footer{key, contentType, size, hex.EncodeToString(hash.Sum(nil)), byForm})
	if err != nil {
		return err
	}
	if _, err := f.Write(binary.BigEndian.AppendUint32(foot, uint32(len(foot)))); err != nil {
		return err
	}
	if s.sync {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	path := s.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return fault.Conflict
	} else if err != nil {
		return err
	}
	return errors.Join(s.syncDir(filepath.Dir(path)), s.syncDir(s.dir))
}

// Get implements [blob.Store]. The reader stays good when the object is deleted.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if err := blob.ValidKey(key); err != nil {
		return nil, blob.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, blob.Info{}, fmt.Errorf("object %s: %w", key, err)
	}
	o, err := s.open(key)
	if err != nil {
		return nil, blob.Info{}, err
	}
	info := o.info
	if o.byForm {
		info.SHA256 = [sha256.Size]byte{} // as S3 has it, so that nobody relies on it
	}
	return o, info, nil
}

// object is an open object: its bytes without the footer.
type object struct {
	*io.SectionReader
	file   *os.File
	info   blob.Info
	byForm bool
}

func (o *object) Close() error { return o.file.Close() }

func (s *Store) open(key string) (*object, error) {
	f, err := os.Open(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("object %s: %w", key, fault.NotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", key, err)
	}
	info, byForm, err := describe(f, key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("object %s: %w", key, err), f.Close())
	}
	return &object{io.NewSectionReader(f, 0, info.Size), f, info, byForm}, nil
}

var errDamaged = errors.New("file is damaged")

// describe reads the footer.
func describe(f *os.File, key string) (info blob.Info, byForm bool, err error) {
	stat, err := f.Stat()
	if err != nil {
		return blob.Info{}, false, err
	}
	var length [4]byte
	if _, err := f.ReadAt(length[:], stat.Size()-4); err != nil {
		return blob.Info{}, false, errDamaged
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	at := stat.Size() - 4 - n
	if n > maxFooter || at < 0 {
		return blob.Info{}, false, errDamaged
	}
	text := make([]byte, n)
	if _, err := f.ReadAt(text, at); err != nil {
		return blob.Info{}, false, errDamaged
	}
	var foot footer
	if err := json.Unmarshal(text, &foot); err != nil || foot.Size != at || foot.Key != key {
		return blob.Info{}, false, errDamaged
	}
	info = blob.Info{Size: foot.Size, ContentType: foot.ContentType}
	if n, err := hex.Decode(info.SHA256[:], []byte(foot.SHA256[:min(len(foot.SHA256), 64)])); err != nil || n != 32 {
		return blob.Info{}, false, errDamaged
	}
	return info, foot.Form, nil
}

// Delete implements [blob.Store].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := blob.ValidKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("object %s: %w", key, err)
	}
	path := s.path(key)
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("object %s: %w", key, err)
	}
	return s.syncDir(filepath.Dir(path))
}

func (s *Store) syncDir(dir string) error {
	if !s.sync {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
