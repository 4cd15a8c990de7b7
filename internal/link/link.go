// Package link makes the two secrets that let a person in without an account:
// the form's and the tracking link's. Both derive from their cause, so that a
// step that runs twice makes the same link, and only their SHA-256 is stored.
//
//	form secret     = HMAC(key, "form", tenant, reply id)
//	tracking secret = HMAC(key, "tracking", tenant, form secret)
//
// Both are "<tenant>-<43 characters of base64url>": 256 bits, and the company
// they belong to, so that each is found with one read.
package link

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"buzon/internal/fault"
	"buzon/internal/secret"
)

// KeyName is the name under which the keys are kept.
const KeyName = "/buzon/keys/links"

// keyset is the stored form of the keys.
type keyset struct {
	Current string            `json:"current"`
	Keys    map[string][]byte `json:"keys"` // by id; 32 bytes each
}

// valid tells whether there is a current key and none is too short to sign with.
func (s keyset) valid() bool {
	for _, key := range s.Keys {
		if len(key) < sha256.Size {
			return false
		}
	}
	_, ok := s.Keys[s.Current]
	return ok && s.Current != ""
}

// Keys reads the signing keys from the secret store and keeps them; it reads
// again when it is asked for one that it does not know. Old keys stay valid: what
// was signed says which one it used. It is safe for use by several goroutines.
type Keys struct {
	Secrets secret.Store

	mu  sync.Mutex
	set keyset
}

// Ensure makes the first key if there is none. It never changes a stored one.
func Ensure(ctx context.Context, secrets secret.Store) error {
	key := make([]byte, sha256.Size)
	rand.Read(key)
	value, err := json.Marshal(keyset{Current: "k1", Keys: map[string][]byte{"k1": key}})
	if err != nil {
		return err
	}
	if err := secrets.Create(ctx, KeyName, string(value)); err != nil && !errors.Is(err, fault.Conflict) {
		return fmt.Errorf("%s: %w", KeyName, err)
	}
	return nil
}

// Current gives the id of the key to sign with, read anew, so that a rotation
// takes effect as soon as the secret store shows it.
func (k *Keys) Current(ctx context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(ctx); err != nil {
		return "", err
	}
	return k.set.Current, nil
}

func (k *Keys) key(ctx context.Context, id string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.set.Keys[id]; ok {
		return key, nil
	}
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	key, ok := k.set.Keys[id]
	if !ok {
		return nil, fmt.Errorf("%s: key %q: %w", KeyName, id, fault.NotFound)
	}
	return key, nil
}

func (k *Keys) load(ctx context.Context) error {
	value, err := k.Secrets.Get(ctx, KeyName)
	if errors.Is(err, fault.NotFound) {
		return &fault.Missing{What: "signing keys " + KeyName}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", KeyName, err)
	}
	var set keyset
	if err := json.Unmarshal([]byte(value), &set); err != nil || !set.valid() {
		return fmt.Errorf("%s: not a key set", KeyName) // the cause may quote the value
	}
	k.set = set
	return nil
}

// Form derives the secret of the form that a reply carries.
func (k *Keys) Form(ctx context.Context, tenant, keyID, replyID string) (string, error) {
	return k.derive(ctx, tenant, keyID, "form", replyID)
}

// Tracking derives the secret of the tracking link from the form's.
func (k *Keys) Tracking(ctx context.Context, tenant, keyID, formSecret string) (string, error) {
	return k.derive(ctx, tenant, keyID, "tracking", formSecret)
}

func (k *Keys) derive(ctx context.Context, tenant, keyID, purpose, cause string) (string, error) {
	key, err := k.key(ctx, keyID)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\n%s\n%s", purpose, tenant, cause)
	return tenant + "-" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// Hash is what is stored of a secret.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Tenant gives the company that a secret names; false if it is not of our shape.
func Tenant(secret string) (string, bool) {
	tenant, rest, ok := strings.Cut(secret, "-")
	if !ok || tenant == "" || len(tenant) > 16 || len(rest) != 43 {
		return "", false
	}
	for _, c := range tenant {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	// 256 bits have one spelling; a decoder that is not strict ignores line ends
	// and the bits left over.
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(rest); err != nil || len(sum) != sha256.Size {
		return "", false
	}
	return tenant, true
}
