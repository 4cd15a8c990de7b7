// Package crashtest proves that a handler may die anywhere. It runs a scenario
// once undisturbed and then once for every effect and every way in which that
// effect can go wrong: refused, applied but answered with an error, and the
// process dying before or after it. The scenario delivers again what was not
// finished; the end state must be the undisturbed one.
package crashtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"buzon/internal/blob"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/secret"
	"buzon/internal/table"
)

// Mode is one way for an effect to go wrong.
type Mode int

// The modes.
const (
	Refuse    Mode = iota + 1 // nothing happened; the error is fault.Busy
	Lose                      // it happened; the error is none of the kinds
	DieBefore                 // the process ends, nothing happened
	DieAfter                  // the process ends, it happened
)

var modeNames = map[Mode]string{Refuse: "refused", Lose: "answer lost", DieBefore: "died before", DieAfter: "died after"}

func (m Mode) String() string { return modeNames[m] }

var errLost = errors.New("connection reset by peer")

// Plan says which effects go wrong, counted from 0 in the order in which they
// take place. A nil map: none does.
type Plan struct {
	Faults map[int]Mode
	// Die ends the handler that is running; it does not return. Nil: effects
	// that should die answer with an error instead.
	Die func()

	Seen []string // the names of the effects so far
}

// Effect performs one named effect, unless it is its turn to go wrong.
func (p *Plan) Effect(name string, do func() error) error {
	n := len(p.Seen)
	p.Seen = append(p.Seen, name)
	switch p.Faults[n] {
	case Refuse:
		return fmt.Errorf("%s: %w", name, fault.Busy)
	case Lose:
		if err := do(); err != nil {
			return err
		}
		return fmt.Errorf("%s: %w", name, errLost)
	case DieBefore:
		p.die()
		return fmt.Errorf("%s: %w", name, errLost)
	case DieAfter:
		if err := do(); err != nil {
			return err
		}
		p.die()
		return fmt.Errorf("%s: %w", name, errLost)
	}
	return do()
}

func (p *Plan) die() {
	if p.Die != nil {
		p.Die()
	}
}

// Each runs the scenario undisturbed, then once for every effect and mode. The
// scenario returns a description of the end state, made of what matters. The runs are
// side by side, once the test function of t has returned: whatever one of them changes
// must be its own, and it fails the t that it is given.
func Each(t *testing.T, die func(), scenario func(t *testing.T, p *Plan) string) {
	t.Helper()
	calm := &Plan{Die: die}
	want := scenario(t, calm)
	if len(calm.Seen) == 0 {
		t.Fatal("the scenario has no effect")
	}
	for n, name := range calm.Seen {
		for mode := Refuse; mode <= DieAfter; mode++ {
			t.Run(fmt.Sprintf("%02d %s %s", n, name, mode), func(t *testing.T) {
				t.Parallel()
				p := &Plan{Faults: map[int]Mode{n: mode}, Die: die}
				if got := scenario(t, p); got != want {
					t.Errorf("end state\n%s\nundisturbed\n%s", got, want)
				}
			})
		}
	}
}

// Table counts writes as effects.
type Table struct {
	table.Table
	Plan *Plan
}

// Write is one effect.
func (t Table) Write(ctx context.Context, ops ...table.Op) error {
	name := "write"
	for _, op := range ops {
		sk := op.Item.SK
		if i := indexOf(sk, '#'); i > 0 {
			sk = sk[:i]
		}
		name += " " + sk
	}
	return t.Plan.Effect(name, func() error { return t.Table.Write(ctx, ops...) })
}

func indexOf(s string, c byte) int {
	for i := range len(s) {
		if s[i] == c {
			return i
		}
	}
	return -1
}

// Queue counts sends as effects.
type Queue struct {
	Name string
	queue.Queue
	Plan *Plan
}

// Send is one effect.
func (q Queue) Send(ctx context.Context, m queue.Message) error {
	return q.Plan.Effect("send "+q.Name, func() error { return q.Queue.Send(ctx, m) })
}

// Blobs counts puts as effects.
type Blobs struct {
	blob.Store
	Plan *Plan
}

// Put is one effect.
func (b Blobs) Put(ctx context.Context, key, contentType string, body io.ReadSeeker) error {
	return b.Plan.Effect("put", func() error { return b.Store.Put(ctx, key, contentType, body) })
}

// Secrets counts what changes a secret as effects.
type Secrets struct {
	secret.Store
	Plan *Plan
}

// Put is one effect.
func (s Secrets) Put(ctx context.Context, name, value string) error {
	return s.Plan.Effect("put secret", func() error { return s.Store.Put(ctx, name, value) })
}

// Create is one effect.
func (s Secrets) Create(ctx context.Context, name, value string) error {
	return s.Plan.Effect("create secret", func() error { return s.Store.Create(ctx, name, value) })
}

// Delete is one effect.
func (s Secrets) Delete(ctx context.Context, name string) error {
	return s.Plan.Effect("delete secret", func() error { return s.Store.Delete(ctx, name) })
}
