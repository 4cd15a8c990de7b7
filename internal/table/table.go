// Package table is the one table of the system behind three verbs: Get, Query
// and Write. It is the seam below the store: small enough that the embedded
// implementation (package embedded) and the DynamoDB one cannot drift apart,
// because both pass the suite of package tabletest.
//
// Every write is conditional: there is no blind put. A write that fails says
// which of three things happened: the condition did not hold
// ([fault.Conflict]: read again, it may be your own write), it was refused for
// the moment ([fault.Busy]: nothing happened, the same call may work shortly),
// or any other error: the outcome is unknown, run the step again from its read.
package table

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"buzon/internal/fault"
)

// Limits of DynamoDB that both implementations enforce with a [fault.Invalid].
const (
	MaxOps       = 100       // operations in one Write
	MaxItemBytes = 400 << 10 // size of an item: names and values of all attributes
	MaxPKBytes   = 2048
	MaxSKBytes   = 1024
	MaxPage      = 1000 // items in one page of a Query
)

// Key names an item. Both parts are non-empty UTF-8.
type Key struct{ PK, SK string }

// Redacted names an item in an error or a log, where its key may hold a phone
// number or a name: the kind of thing it is and a hash to find it by.
func (k Key) Redacted() string {
	kind, _, _ := strings.Cut(k.SK, "#")
	sum := sha256.Sum256([]byte(k.PK + "\n" + k.SK))
	return kind + " " + hex.EncodeToString(sum[:4])
}

// Item is one row. The zero Version means that there is none.
type Item struct {
	Key
	// Version counts the writes of this item, from 1; for an item written by
	// [Raise] it is the raised number itself.
	Version int64
	// Index places the item in the one index; zero: not in it. Two items may
	// have the same index key.
	Index Key
	// Expires lets the broom (TTL) take the item some time later; zero: never.
	// An expired item may be read for days: every reader checks for itself.
	Expires time.Time
	// Body is a JSON object; its fields are stored as native attributes. The
	// names PK, SK, Version, IndexPK, IndexSK and Expires are taken.
	Body []byte
}

// Exists tells whether the item was found.
func (it Item) Exists() bool { return it.Version > 0 }

// Kind of an [Op].
type Kind int

// The kinds of operation.
const (
	OpCreate Kind = iota + 1
	OpUpdate
	OpDelete
	OpCheck
	OpRaise
)

// Op is one conditional operation of a Write. Make it with a constructor.
type Op struct {
	Kind Kind
	Item Item // of a delete or check only Key and Version count
}

// Create stores the item at version 1 if there is none under its key. An item
// that has expired but was not yet swept is still there.
func Create(it Item) Op { return Op{OpCreate, it} }

// Update replaces the item, stored at Version+1, if it is stored at the Version
// that it.Version says.
func Update(it Item) Op { return Op{OpUpdate, it} }

// Delete removes the item if it is stored at that version.
func Delete(k Key, version int64) Op { return Op{OpDelete, Item{Key: k, Version: version}} }

// Check changes nothing; the Write holds only if the item is stored at that
// version. Version 0: only if there is none.
func Check(k Key, version int64) Op { return Op{OpCheck, Item{Key: k, Version: version}} }

// Raise stores it.Version, a number that only grows, if nothing is stored or a
// lower number is. The top-level fields of Body are set, other stored fields
// stay; so do Index and Expires when they are zero in it.
func Raise(it Item) Op { return Op{OpRaise, it} }

// Save is Create for an item never read (Version 0), else Update.
func Save(it Item) Op {
	if it.Version == 0 {
		return Create(it)
	}
	return Update(it)
}

// Q asks for the items of one partition in the order of their sort keys.
type Q struct {
	PK string
	// Index asks the index, whose entries may be a minute old. The items are as
	// they are stored now: one that is gone, or has another place in the index than
	// its entry says, is left out. So an item that has just come or moved may be
	// missing for a minute, and none is seen where it no longer is. The base table
	// is always read strongly.
	Index bool
	// From and To bound the sort key: From <= SK < To; empty: unbounded.
	From, To string
	// Prefix bounds the sort key to those that begin with it; not with From/To.
	Prefix  string
	Reverse bool
	// Limit is the most items in the answer, 1 to MaxPage; 0 means MaxPage.
	Limit int
	// Cursor continues after the page that gave it.
	Cursor string
}

// Page is a part of an answer. Next is empty when there is nothing more. A page
// may be short or even empty and yet have a Next.
type Page struct {
	Items []Item
	Next  string
}

// Table is the seam. All methods are safe for concurrent use.
type Table interface {
	// Get reads the named items strongly, in the order asked; one that does not
	// exist has Version 0. At most MaxOps keys, none twice.
	Get(ctx context.Context, keys ...Key) ([]Item, error)
	// Query gives a page of a partition. A cursor that is not from the same
	// question is a [fault.Invalid].
	Query(ctx context.Context, q Q) (Page, error)
	// Write performs all operations or none. At most MaxOps, no item twice. If
	// a condition does not hold the error is a *Refused.
	Write(ctx context.Context, ops ...Op) error
}

// Refused tells which operations' conditions did not hold. It is a [fault.Conflict].
type Refused struct {
	// Ops are indexes into the operations of the Write, ascending; never empty.
	Ops []int
}

func (e *Refused) Error() string { return fmt.Sprintf("table write: conditions %v: conflict", e.Ops) }

// Unwrap makes errors.Is(err, fault.Conflict) hold.
func (e *Refused) Unwrap() error { return fault.Conflict }
