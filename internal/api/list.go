package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"buzon/internal/fault"
	"buzon/internal/web"
)

// Limits of lists.
const (
	MaxLimit     = 100
	DefaultLimit = 50
	MaxSearch    = 200  // characters of ?q=
	maxCursor    = 4096 // bytes
)

// query is the query of a list: how much, from where, and its filters.
type query struct {
	limit  int
	cursor string
	values url.Values
	in     fault.Input
}

// query reads the query of a list that knows these filters. What is wrong with
// it comes with [query.err], after the filters were read.
func (c *call) query(filters ...string) *query {
	q := &query{limit: DefaultLimit}
	var err error
	if q.values, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		q.in.Add("query", "invalid")
		return q
	}
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		switch {
		case name != "limit" && name != "cursor" && !slices.Contains(filters, name):
			q.in.Add(name, "unknown_parameter")
		case len(q.values[name]) > 1:
			q.in.Add(name, "twice")
		case !utf8.ValidString(q.values.Get(name)):
			q.in.Add(name, "invalid")
		}
	}
	if text := q.values.Get("limit"); q.values.Has("limit") {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > MaxLimit || text[0] == '+' {
			q.in.Add("limit", "out_of_range", "min", "1", "max", strconv.Itoa(MaxLimit))
		}
	}
	if q.cursor = q.values.Get("cursor"); len(q.cursor) > maxCursor {
		q.in.Add("cursor", "invalid")
	}
	return q
}

// oneOf reads a filter that is one of these words; empty without it, or with
// nothing in it.
func (q *query) oneOf(name string, words ...string) string {
	v := q.values.Get(name)
	if v != "" && !slices.Contains(words, v) {
		q.in.Add(name, "not_one_of", "values", strings.Join(words, ", "))
	}
	return v
}

// id reads a filter that is an id; empty without it, or with nothing in it.
func (q *query) id(name string) string {
	v := q.values.Get(name)
	if v != "" && !validID(v) {
		q.in.Add(name, "invalid")
	}
	return v
}

// text reads what is searched for; empty without it.
func (q *query) text(name string) string {
	v := strings.TrimSpace(q.values.Get(name))
	if utf8.RuneCountInString(v) > MaxSearch {
		q.in.Add(name, "too_long", "max", strconv.Itoa(MaxSearch))
	}
	return v
}

func (q *query) err() error { return q.in.Err() }

// badCursor tells whose fault it is when a list refuses its question: with a
// cursor, that of the caller who made it up or took it from another list.
func (q *query) badCursor(err error) error {
	var shown *fault.Input
	if q.cursor == "" || !errors.Is(err, fault.Invalid) || errors.As(err, &shown) {
		return err
	}
	var in fault.Input
	in.Add("cursor", "invalid")
	return in.Err()
}

// listed is the answer of a list.
type listed[V any] struct {
	Items []V     `json:"items"`
	Next  *string `json:"next_cursor"`
}

// listOf is a page of a list; next is empty at the end.
func listOf[T, V any](items []T, next string, view func(T) V) listed[V] {
	out := listed[V]{Items: make([]V, len(items)), Next: optional(next)}
	for i, v := range items {
		out.Items[i] = view(v)
	}
	return out
}

// answerList answers with a page; see [listOf].
func answerList[T, V any](c *call, items []T, next string, view func(T) V) error {
	return c.ok(0, listOf(items, next, view))
}

// order is how a list that is held whole is sorted.
type order int

const (
	newestFirst order = -1
	oldestFirst order = 1
)

// page cuts a page out of a list that is held whole; place is where an item
// stands in it.
func page[T any](q *query, all []T, o order, place func(T) (time.Time, string)) ([]T, string, error) {
	compare := func(a, b string) int { return strings.Compare(a, b) * int(o) }
	slices.SortFunc(all, func(a, b T) int { return compare(placed(place, a), placed(place, b)) })
	if q.cursor != "" {
		at, err := decodeCursor(q.cursor)
		if err != nil {
			return nil, "", err
		}
		all = slices.DeleteFunc(all, func(v T) bool { return compare(placed(place, v), at) <= 0 })
	}
	if len(all) <= q.limit {
		return all, "", nil
	}
	all = all[:q.limit]
	last := placed(place, all[len(all)-1])
	return all, base64.RawURLEncoding.EncodeToString([]byte(last)), nil
}

// placed is the place of an item as a text that sorts as the items do.
func placed[T any](place func(T) (time.Time, string), v T) string {
	at, id := place(v)
	return fmt.Sprintf("%013d#%s", max(at.UnixMilli(), 0), id)
}

func decodeCursor(cursor string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	ms, id, ok := strings.Cut(string(b), "#")
	if err != nil || !ok || len(ms) != 13 || !validID(id) {
		var in fault.Input
		in.Add("cursor", "invalid")
		return "", in.Err()
	}
	return string(b), nil
}

// optional is null in JSON for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// when is null in JSON for the zero time.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// texts is an empty list in JSON for nil.
func texts(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// oneWord is the rule of a field that takes one of these words.
func oneWord[S ~string](words ...S) web.Text {
	rule := web.Text{Required: true}
	for _, w := range words {
		rule.OneOf = append(rule.OneOf, string(w))
	}
	return rule
}
