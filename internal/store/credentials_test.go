package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

// TestReadCredentialsFollowsTheRow: who has an old row finds what the new one leads to;
// what a row leads to and is not there is not looked for for ever.
func TestReadCredentialsFollowsTheRow(t *testing.T) {
	down := errors.New("no connection")
	for _, c := range []struct {
		why    string
		values map[string]string // by the row's word
		row    string            // now; the reader's is "old"
		err    error             // of every reading
		want   string
		belong string
		fails  error
	}{
		{"nothing has changed", map[string]string{"old": "a"}, "old", nil, "a", "old", nil},
		{"replaced, and still there", map[string]string{"old": "a", "new": "b"}, "new", nil, "a", "old", nil},
		{"replaced and removed", map[string]string{"new": "b"}, "new", nil, "b", "new", nil},
		{"removed, and nothing in their place", nil, "", nil, "", "", fault.NotFound},
		{"gone", nil, "old", nil, "", "old", fault.NotFound},
		{"not to be reached", map[string]string{"old": "a"}, "new", down, "", "old", down},
	} {
		s, _ := openPlain(t)
		in := s.In("acme")
		old := desk.Channel{ID: "acme-a", Credentials: "old"}
		must(t, in.SaveChannel(t.Context(), old, nil))
		old = got[desk.Channel](t)(in.Channel(t.Context(), "acme-a"))
		now := old
		now.Credentials = c.row
		other := Store{Table: s.Table, Now: s.Now}
		must(t, other.In("acme").SaveChannel(t.Context(), now, nil)) // in another process
		read := func(_ context.Context, name string) (string, error) {
			for word, v := range c.values {
				if c.err == nil && name == in.CredentialsName(desk.Channel{ID: "acme-a", Credentials: word}) {
					return v, nil
				}
			}
			if c.err != nil {
				return "", c.err
			}
			return "", fault.NotFound
		}
		value, of, err := in.ReadCredentials(t.Context(), old, read)
		if value != c.want || of.Credentials != c.belong || !errors.Is(err, c.fails) {
			t.Errorf("%s: %q of %q, %v", c.why, value, of.Credentials, err)
		}
	}
}

// TestReadCredentialsThatChangeAlways ends.
func TestReadCredentialsThatChangeAlways(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ch := desk.Channel{ID: "acme-a"}
	must(t, c.SaveChannel(t.Context(), ch, nil))
	reads := 0
	_, _, err := c.ReadCredentials(t.Context(), ch, func(ctx context.Context, _ string) (string, error) {
		reads++
		now := got[desk.Channel](t)(c.FreshChannel(ctx, ch.ID))
		now.Credentials = fmt.Sprint(reads)
		must(t, c.SaveChannel(ctx, now, nil))
		return "", fault.NotFound
	})
	if !errors.Is(err, fault.Busy) || reads != retryTries {
		t.Errorf("%d reads, %v", reads, err)
	}
}

// TestStrays: a list that is kept at its version, and what is on it.
func TestStrays(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	names := func(v Strays) (out []string) {
		for _, n := range v.Names {
			out = append(out, n.Name)
		}
		return out
	}
	none := got[Strays](t)(c.Strays(t.Context(), "a"))
	first := got[Strays](t)(c.SaveStrays(t.Context(), "a", none.With("", ck.Now()).With("x", ck.Now().Add(time.Millisecond))))
	if _, err := c.SaveStrays(t.Context(), "a", none.With("y", ck.Now())); !errors.Is(err, fault.Conflict) {
		t.Errorf("at an old version: %v", err)
	}
	read := got[Strays](t)(c.Strays(t.Context(), "a"))
	if read.Version != first.Version || !slices.Equal(names(read), []string{"", "x"}) {
		t.Errorf("read %+v", read)
	}
	ck.advance(StrayLasts)
	if left := names(read.Since(ck.Now())); !slices.Equal(left, []string{"x"}) {
		t.Errorf("after %v: %q", StrayLasts, left)
	}
	if left := names(read.Since(ck.Now().Add(-time.Millisecond))); len(left) != 2 {
		t.Errorf("a little before: %q", left)
	}
	if left := names(read.Without("x")); !slices.Equal(left, []string{""}) {
		t.Errorf("without x: %q", left)
	}
	if len(read.Names) != 2 {
		t.Errorf("the list itself has changed: %q", names(read))
	}
}
