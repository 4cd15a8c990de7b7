package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// MaxCaseEvents is the most lines of a case's history that are read at once.
const MaxCaseEvents = 1000

// Form reads a pending form by the hash of its secret; fault.NotFound without one.
func (c Company) Form(ctx context.Context, hash string) (desk.Form, error) {
	return get[desk.Form](ctx, c.Table, c.formKey(hash), "form")
}

func (c Company) formItem(f desk.Form) table.Item {
	it := item(c.formKey(f.Hash), f)
	it.Expires = f.Expires.Add(desk.FormKeptAfterExpiry)
	return it
}

// AnonymousCaseID is the id of the one case that a form can make (R8).
func AnonymousCaseID(formHash string) string { return Hash("case", formHash) }

// Reference is what people call a case: eight characters from its id; try
// counts the names that were taken.
func Reference(id string, try int) string {
	r := strings.ToUpper(Hash("reference", id, fmt.Sprint(try)))
	return r[:4] + "-" + r[4:8]
}

// MakeAnonymousCase turns a pending form into its case, in one transaction:
// form used, case, first line of history, tracking link, reference.
// fault.Conflict: the form was used meanwhile (read it again) or the reference
// is taken (ErrReferenceTaken: try the next).
func (c Company) MakeAnonymousCase(ctx context.Context, f desk.Form, k desk.Case, trackingHash string) error {
	f.Case = k.ID
	created := desk.CaseEvent{ID: Hash("created", k.ID), Case: k.ID, Kind: desk.CaseCreated, To: k.State, At: k.CreatedAt}
	pointer := struct {
		Case string `json:"case"`
	}{k.ID}
	err := c.Table.Write(ctx,
		table.Create(plain(c.referenceKey(k.Reference), pointer)),
		table.Update(c.formItem(f)),
		table.Create(c.caseItem(k)),
		table.Create(plain(c.caseEventKey(k.ID, created.ID), created)),
		table.Create(plain(c.trackingKey(trackingHash), pointer)),
	)
	var refused *table.Refused
	if errors.As(err, &refused) && len(refused.Ops) == 1 && refused.Ops[0] == 0 {
		return fmt.Errorf("case %s: %w", k.ID, ErrReferenceTaken)
	}
	if err != nil {
		return fmt.Errorf("case %s: %w", k.ID, err)
	}
	return nil
}

// ErrReferenceTaken: another case has this reference. It is a fault.Conflict.
var ErrReferenceTaken = fmt.Errorf("reference taken: %w", fault.Conflict)

// AddToCase writes a line of history and the case at its version; was is how it
// was read. A line whose id is there already is a fault.Conflict, as a stale
// version is.
func (c Company) AddToCase(ctx context.Context, was, k desk.Case, e desk.CaseEvent) error {
	ops := []table.Op{table.Create(plain(c.caseEventKey(k.ID, e.ID), e)), table.Update(c.caseItem(k))}
	err := c.Table.Write(ctx, append(ops, c.interactionOps(was, k)...)...)
	if err != nil {
		return fmt.Errorf("case %s: %w", k.ID, err)
	}
	return nil
}

// HasCaseEvent tells whether that line of history is there.
func (c Company) HasCaseEvent(ctx context.Context, id, event string) (bool, error) {
	items, err := c.Table.Get(ctx, c.caseEventKey(id, event))
	if err != nil {
		return false, fmt.Errorf("case %s: %w", id, err)
	}
	return items[0].Exists(), nil
}

// SaveCase writes a case at its version; was is how it was read.
func (c Company) SaveCase(ctx context.Context, was, k desk.Case) error {
	ops := append([]table.Op{table.Update(c.caseItem(k))}, c.interactionOps(was, k)...)
	if err := c.Table.Write(ctx, ops...); err != nil {
		return fmt.Errorf("case %s: %w", k.ID, err)
	}
	return nil
}

func (c Company) caseItem(k desk.Case) table.Item {
	it := item(c.caseKey(k.ID), k)
	part, when := "closed", k.ClosedAt
	switch {
	case k.State.Open():
		part, when = "open", k.CreatedAt
	case when.IsZero():
		when = k.ChangedAt
	}
	it.Index = table.Key{PK: c.pk("CASES", part), SK: millis(when) + "#" + k.ID}
	return it
}

// Case reads a case strongly; fault.NotFound without one.
func (c Company) Case(ctx context.Context, id string) (desk.Case, error) {
	return get[desk.Case](ctx, c.Table, c.caseKey(id), "case "+id)
}

// CaseByReference finds a case by what people call it.
func (c Company) CaseByReference(ctx context.Context, ref string) (desk.Case, error) {
	return c.casePointer(ctx, c.referenceKey(strings.ToUpper(ref)))
}

// Tracked finds the case that a tracking secret opens, by the secret's hash.
func (c Company) Tracked(ctx context.Context, trackingHash string) (desk.Case, error) {
	return c.casePointer(ctx, c.trackingKey(trackingHash))
}

func (c Company) casePointer(ctx context.Context, k table.Key) (desk.Case, error) {
	p, err := get[struct {
		Case string `json:"case"`
		desk.Versioned
	}](ctx, c.Table, k, "case")
	if err != nil {
		return desk.Case{}, err
	}
	return c.Case(ctx, p.Case)
}

// CaseHistory reads the lines of a case's history strongly, oldest first.
func (c Company) CaseHistory(ctx context.Context, id string) ([]desk.CaseEvent, error) {
	stored, err := all[struct {
		desk.CaseEvent
		desk.Versioned
	}](ctx, c.Table, c.caseKey(id).PK, "EVENT#")
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	out := make([]desk.CaseEvent, len(stored))
	for i, e := range stored {
		out[i] = e.CaseEvent
	}
	slices.SortStableFunc(out, func(a, b desk.CaseEvent) int {
		return cmp.Or(a.At.Compare(b.At), first(a)-first(b), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

// first puts the making of a case before what happened in the same moment.
func first(e desk.CaseEvent) int {
	if e.Kind == desk.CaseCreated {
		return 0
	}
	return 1
}

// CaseFilter chooses cases; empty fields choose all.
type CaseFilter struct {
	Contact string
	State   desk.CaseState
	Project string
	Source  string
	Text    string // in reference, title or description, whatever the case of its letters
}

func (f CaseFilter) keeps(k desk.Case) bool {
	text := strings.ToLower(f.Text)
	return (f.State == "" || k.State == f.State) &&
		(f.Contact == "" || k.Contact == f.Contact) &&
		(f.Project == "" || k.Project == f.Project) &&
		(f.Source == "" || k.Source == f.Source) &&
		(text == "" || strings.Contains(strings.ToLower(k.Reference+"\n"+k.Title+"\n"+k.Description), text))
}

// Cases lists cases: the open ones by their last change, then the closed ones by
// when they were closed; newest first. The index may be a minute late; what
// changes between two pages: see lister.
func (c Company) Cases(ctx context.Context, f CaseFilter, limit int, cursor string) ([]desk.Case, string, error) {
	l := lister[desk.Case]{
		live:   []string{c.pk("CASES", "open")},
		most:   MaxLive,
		past:   c.pk("CASES", "closed"),
		recent: func(k desk.Case) (time.Time, string) { return k.ChangedAt, k.ID },
		keep:   f.keeps,
	}
	switch {
	case f.State == "":
	case f.State.Open():
		l.past = ""
	default:
		l.live = nil
	}
	return list(ctx, c.Table, l, limit, cursor)
}
