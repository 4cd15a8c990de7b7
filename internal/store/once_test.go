package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// create makes a client and remembers the answer, as the API does: what was
// answered before is looked for first.
func create(tb testing.TB, c Company, key, id string) (made string, err error) {
	tb.Helper()
	kept, err := c.Remembered(tb.Context(), key)
	if err == nil {
		return kept.Location, nil
	}
	if !errors.Is(err, fault.NotFound) {
		return "", err
	}
	a := Answer{Key: key, Location: id, Status: 201, Body: []byte(`{"id":"` + id + `"}`), Versioned: kept.Versioned}
	return id, c.SaveClient(tb.Context(), desk.Client{}, desk.Client{ID: id, UserName: "u" + id}, c.Remember(a))
}

func TestAnAnswerIsRememberedForADay(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	_, err := c.Remembered(ctx, "k")
	want(t, err, fault.NotFound)
	for _, step := range []struct {
		why  string
		wait time.Duration
		want string
	}{
		{"the first", 0, "1"}, {"again", 0, "1"}, {"a moment before a day has gone", OnceKept - 1, "1"},
		{"a day later: anew, over the old one that no broom took", 1, "4"}, {"and again", time.Hour, "4"},
	} {
		ck.advance(step.wait)
		ids := map[string]string{"the first": "1", "again": "2", "a moment before a day has gone": "3"}
		id := ids[step.why]
		if id == "" {
			id = "4"
		}
		made, err := create(t, c, "k", id)
		if err != nil || made != step.want {
			t.Errorf("%s: %q, %v", step.why, made, err)
		}
	}
	a := got[Answer](t)(c.Remembered(ctx, "k"))
	if a.Status != 201 || string(a.Body) != `{"id":"4"}` || a.Version != 2 || !a.Until.Equal(noon.Add(2*OnceKept)) {
		t.Errorf("%+v", a)
	}
	if OnceKept != 24*time.Hour {
		t.Errorf("contract section 3: 24 h, not %s", OnceKept)
	}
}

// The answer is in the transaction of what it tells: neither without the other.
func TestAnAnswerComesWithWhatItTells(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	must(t, c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "x", UserName: "u1"}, nil))
	_, err := create(t, c, "k", "1") // its user name is taken
	var in *fault.Input
	if !errors.As(err, &in) {
		t.Fatal(err)
	}
	_, err = c.Remembered(ctx, "k")
	want(t, err, fault.NotFound)
	must(t, c.Table.Write(ctx, c.Remember(Answer{Key: "k"})...))
	err = c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "2", UserName: "u2"}, c.Remember(Answer{Key: "k"}))
	if !errors.Is(err, fault.Conflict) {
		t.Errorf("%v", err)
	}
	_, err = c.Client(ctx, "2")
	want(t, err, fault.NotFound)
	// Both at once: the answer comes first, since the name may be taken by itself.
	err = c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "3", UserName: "u1"}, c.Remember(Answer{Key: "k"}))
	if !errors.Is(err, fault.Conflict) || errors.As(err, &in) {
		t.Errorf("%v", err)
	}
}

func TestOneCallManyTimesAtOnce(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	for _, age := range []time.Duration{0, OnceKept} { // the second time over an expired one
		ck.advance(age)
		var wait sync.WaitGroup
		var n atomic.Int32
		var answers [8]string
		for i := range answers {
			wait.Go(func() {
				for {
					made, err := create(t, c, "k", fmt.Sprint(age, i))
					if errors.Is(err, fault.Conflict) {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					answers[i] = made
					if made == fmt.Sprint(age, i) {
						n.Add(1)
					}
					return
				}
			})
		}
		wait.Wait()
		for _, a := range answers {
			if a != answers[0] || n.Load() != 1 {
				t.Errorf("%v", answers)
			}
		}
	}
}

// An expired answer that the broom takes between the look and the write.
func TestAnExpiredAnswerThatGoesMeanwhile(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	_, err := create(t, c, "k", "1")
	must(t, err)
	ck.advance(OnceKept)
	h := &hooked{Table: s.Table}
	h.beforeWrite = func() { must(t, s.Table.Write(ctx, table.Delete(c.onceKey("k"), 1))) }
	view := &Store{Table: h, Now: s.Now}
	_, err = create(t, view.In("acme"), "k", "2")
	want(t, err, fault.Conflict)
	if made, err := create(t, view.In("acme"), "k", "2"); err != nil || made != "2" {
		t.Errorf("%q, %v", made, err)
	}
}

func TestAnswerKeysAreOfOneCall(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range []string{
		AnswerKey("t", "POST", "/a", "k"), AnswerKey("u", "POST", "/a", "k"), AnswerKey("t", "PUT", "/a", "k"),
		AnswerKey("t", "POST", "/b", "k"), AnswerKey("t", "POST", "/a", "l"), AnswerKey("tP", "OST", "/a", "k"),
	} {
		if seen[k] {
			t.Error("two calls have one key")
		}
		seen[k] = true
	}
}
