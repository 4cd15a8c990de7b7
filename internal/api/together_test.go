package api

import (
	"context"

	"buzon/internal/secret"
	"buzon/internal/table"
)

// turns runs something once, before an effect of what is under way.
type turns struct {
	left int // effects before it
	do   func()
}

func (t *turns) step() {
	if t.left--; t.left == -1 {
		t.do()
	}
}

type turnTable struct {
	table.Table
	*turns
}

func (t turnTable) Write(ctx context.Context, ops ...table.Op) error {
	t.step()
	return t.Table.Write(ctx, ops...)
}

type turnSecrets struct {
	secret.Store
	*turns
}

func (s turnSecrets) Put(ctx context.Context, name, value string) error {
	s.step()
	return s.Store.Put(ctx, name, value)
}

func (s turnSecrets) Delete(ctx context.Context, name string) error {
	s.step()
	return s.Store.Delete(ctx, name)
}

// together makes the first call, and before the n-th of its effects the second, whole;
// false: the first has no such effect.
func (w *world) together(n int, first, second func()) bool {
	t := &turns{left: n, do: second}
	tab, kept := w.api.Store.Table, w.api.Secrets
	w.api.Store.Table, w.api.Secrets = turnTable{tab, t}, turnSecrets{kept, t}
	first()
	w.api.Store.Table, w.api.Secrets = tab, kept
	return t.left < 0
}
