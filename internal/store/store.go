// Package store is every key and query of the system in terms of desk. It knows
// what belongs into one transaction; it decides nothing else.
//
// A Store is opened for one company at a time: [Store.In]. So no call can forget
// the tenant, and no key is made without it (T13).
//
// Writes are made at the version read. When a condition does not hold the error
// is a fault.Conflict: read again and look, it may be your own write whose
// answer was lost.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"buzon/internal/fault"
	"buzon/internal/table"
)

// Store opens the table for companies.
type Store struct {
	Table table.Table
	Now   func() time.Time
	NewID func() string // sortable by time, unique, of [0-9a-z]
	// CacheFor is how long channels, templates, settings and the catalogue are
	// kept; a write through this Store takes effect at once.
	CacheFor time.Duration

	cache cache
}

// Company is the store of one tenant.
type Company struct {
	*Store
	Tenant string
}

// In opens the store of a company.
func (s *Store) In(tenant string) Company { return Company{s, tenant} }

// Reach tells whether the table answers: nil, or what is wrong with it.
func (s *Store) Reach(ctx context.Context) error {
	_, err := s.Table.Get(ctx, cursorKey)
	return err
}

// Also are operations that a caller wants in the same transaction.
type Also []table.Op

// versioned is a pointer to a desk type that embeds desk.Versioned.
type versioned[T any] interface {
	*T
	SetVersion(int64)
	StoredVersion() int64
}

// item makes the stored form of v.
func item[T any, P versioned[T]](k table.Key, v T) table.Item {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", v, err)) // unreachable: desk types hold plain data
	}
	return table.Item{Key: k, Version: P(&v).StoredVersion(), Body: body}
}

// plain makes the stored form of a value without a version of its own.
func plain(k table.Key, v any) table.Item {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not marshal: %v", v, err)) // unreachable
	}
	return table.Item{Key: k, Body: body}
}

// decode reads the stored form back.
func decode[T any, P versioned[T]](it table.Item) (T, error) {
	var v T
	if err := json.Unmarshal(it.Body, &v); err != nil {
		return v, fmt.Errorf("item %s: %w", it.Redacted(), err)
	}
	P(&v).SetVersion(it.Version)
	return v, nil
}

// get reads one item; fault.NotFound without one.
func get[T any, P versioned[T]](ctx context.Context, t table.Table, k table.Key, what string) (T, error) {
	var zero T
	items, err := t.Get(ctx, k)
	if err != nil {
		return zero, fmt.Errorf("%s: %w", what, err)
	}
	if !items[0].Exists() {
		return zero, fmt.Errorf("%s: %w", what, fault.NotFound)
	}
	return decode[T, P](items[0])
}

// all reads a whole partition, or the part of it with the prefix.
func all[T any, P versioned[T]](ctx context.Context, t table.Table, pk, prefix string) ([]T, error) {
	var out []T
	q := table.Q{PK: pk, Prefix: prefix}
	for {
		page, err := t.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("partition %s: %w", pk, err)
		}
		for _, it := range page.Items {
			v, err := decode[T, P](it)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		if page.Next == "" {
			return out, nil
		}
		q.Cursor = page.Next
	}
}

// write performs ops and the caller's. When nothing but unique names is in the
// way the error is a *fault.Input with all of their fields, else a fault.Conflict:
// a stale version or an answer that is remembered already tells more.
func (c Company) write(ctx context.Context, ops []table.Op, also Also, unique map[int]string) error {
	err := c.Table.Write(ctx, append(ops, also...)...)
	var refused *table.Refused
	if !errors.As(err, &refused) {
		return err
	}
	var taken fault.Input
	for _, i := range refused.Ops {
		if field, ok := unique[i]; ok {
			taken.Add(field, "taken")
		}
	}
	if len(taken.Problems) == len(refused.Ops) {
		return taken.Err()
	}
	return err
}

// retryTries is how often a step is run from its read before its cause is left to
// the queue, the provider or the caller to bring again.
const retryTries = 5

// Retry runs a step that reads and writes at the version read, again when somebody
// else was faster or the table was busy.
func Retry(step func() error) error {
	var err error
	for range retryTries {
		if err = step(); !errors.Is(err, fault.Conflict) && !errors.Is(err, fault.Busy) {
			return err
		}
	}
	return err
}

// ApprovalGroup is the group of the events about the templates that a channel has, which
// are verdicts and readings of its list: one after the other, so that the list is not
// read twice at once.
func ApprovalGroup(tenant, channel string) string { return Hash(tenant, channel, "approvals") }

// SubmitGroup is the group of the requests of a channel's templates: one that waits, or
// whose process has died, holds no verdict up.
func SubmitGroup(tenant, channel string) string { return Hash(tenant, channel, "submissions") }

// WakeID names the wake-up for a conversation whose highest reply has that number:
// the same one, whoever sends it and however often.
func WakeID(tenant, conversation string, last int64) string {
	return Hash("wake", tenant, conversation, fmt.Sprint(last))
}

// Hash is a short name made of parts: 26 characters of [0-9a-z], 128 bits.
func Hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return strings.ToLower(crockford.EncodeToString(h.Sum(nil)[:16]))
}

var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// millis sorts times in keys.
func millis(t time.Time) string { return fmt.Sprintf("%013d", max(t.UnixMilli(), 0)) }
