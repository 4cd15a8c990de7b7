package store_test

import (
	"crypto/rand"
	"regexp"
	"slices"
	"testing"
	"time"

	"buzon/internal/store"
)

func TestIDsSortByTimeAndOrder(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	next := store.IDs(func() time.Time { return now }, rand.Reader)
	shape := regexp.MustCompile(`^[0-9a-z]{26}$`)
	var made []string
	for range 3 {
		for range 1000 {
			made = append(made, next())
		}
		now = now.Add(time.Millisecond)
	}
	for _, id := range made {
		if !shape.MatchString(id) {
			t.Fatalf("id %q", id)
		}
	}
	if !slices.IsSorted(made) {
		t.Error("ids do not sort in the order of making")
	}
	if unique := len(slices.Compact(slices.Clone(made))); unique != len(made) {
		t.Errorf("%d of %d ids are new", unique, len(made))
	}
}
