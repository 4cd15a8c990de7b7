// Package embedded keeps secrets encrypted in one file, for a local run, with
// the key in a file beside it. It keeps them from backups and from people who
// look over the data, not from somebody who has both files.
package embedded

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"buzon/internal/fault"
	"buzon/internal/secret"
)

const (
	keyBytes = 32 // AES-256
	// checkName seals a known value, so that a wrong key is noticed at once. No
	// secret can have this name.
	checkName  = "check"
	checkValue = "buzon"
)

// Store is the file. It is safe for use by several goroutines; one process has
// a file at a time.
type Store struct {
	path string
	aead cipher.AEAD

	mu     sync.Mutex
	sealed map[string][]byte // by name: nonce and ciphertext
}

var _ secret.Store = (*Store)(nil)

// KeyPath is where the key of a file of secrets is.
func KeyPath(path string) string { return path + ".key" }

// Open opens the file, and makes it and its key (mode 0600, both) if there is
// neither. A key that is missing or not the one the file was written with is an
// error, never a new key.
func Open(path string) (*Store, error) {
	key, err := readKey(path)
	if err != nil {
		return nil, fmt.Errorf("secrets %s: %w", path, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("secrets %s: %w", path, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("secrets %s: %w", path, err)
	}
	s := &Store{path: path, aead: aead}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, s.save(map[string][]byte{checkName: s.seal(checkName, checkValue)})
	}
	if err != nil {
		return nil, fmt.Errorf("secrets %s: %w", path, err)
	}
	// The decoder's error could quote what it read.
	if json.Unmarshal(text, &s.sealed) != nil {
		return nil, fmt.Errorf("secrets %s: file is damaged", path)
	}
	if v, err := s.open(checkName); err != nil || v != checkValue {
		return nil, fmt.Errorf("secrets %s: %s is not the key that it was written with", path, KeyPath(path))
	}
	return s, nil
}

// readKey reads the key, and makes one if there are no secrets yet.
func readKey(path string) ([]byte, error) {
	text, err := os.ReadFile(KeyPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("key %s is missing", KeyPath(path))
		}
		key := make([]byte, keyBytes)
		_, _ = rand.Read(key) // never fails
		return key, writeFile(KeyPath(path), []byte(base64.StdEncoding.EncodeToString(key)+"\n"))
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s holds no key", KeyPath(path))
	}
	return key, nil
}

// seal encrypts a value for its name: under another one it cannot be opened.
func (s *Store) seal(name, value string) []byte {
	return s.aead.Seal(nil, nil, []byte(value), []byte(name))
}

func (s *Store) open(name string) (string, error) {
	value, err := s.aead.Open(nil, nil, s.sealed[name], []byte(name))
	if err != nil {
		return "", fmt.Errorf("secret %s: stored value is damaged", name)
	}
	return string(value), nil
}

// Get implements [secret.Store].
func (s *Store) Get(_ context.Context, name string) (string, error) {
	if err := secret.ValidName(name); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed[name] == nil {
		return "", fmt.Errorf("secret %s: %w", name, fault.NotFound)
	}
	return s.open(name)
}

// Fresh implements [secret.Store]: nothing is kept apart from the file.
func (s *Store) Fresh(ctx context.Context, name string) (string, error) { return s.Get(ctx, name) }

// Put implements [secret.Store]. The value is on the disk when it returns.
func (s *Store) Put(_ context.Context, name, value string) error { return s.set(name, value, false) }

// Create implements [secret.Store]. The value is on the disk when it returns.
func (s *Store) Create(_ context.Context, name, value string) error { return s.set(name, value, true) }

func (s *Store) set(name, value string, onlyNew bool) error {
	if err := secret.ValidName(name); err != nil {
		return err
	}
	if err := secret.ValidValue(value); err != nil {
		return fmt.Errorf("secret %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if onlyNew && s.sealed[name] != nil {
		return fmt.Errorf("secret %s: %w", name, fault.Conflict)
	}
	next := maps.Clone(s.sealed)
	next[name] = s.seal(name, value)
	return s.save(next)
}

// Delete implements [secret.Store].
func (s *Store) Delete(_ context.Context, name string) error {
	if err := secret.ValidName(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed[name] == nil {
		return nil
	}
	next := maps.Clone(s.sealed)
	delete(next, name)
	return s.save(next)
}

// save replaces the file, and what is read once it is on the disk.
func (s *Store) save(next map[string][]byte) error {
	text, err := json.MarshalIndent(next, "", " ")
	if err == nil {
		err = writeFile(s.path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("secrets %s: %w", s.path, err)
	}
	s.sealed = next
	return nil
}

// writeFile puts a file in place whole: after a crash there is the old one or
// the new one.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
