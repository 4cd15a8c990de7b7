package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// account is what a provider keeps of one channel: its templates and files, and the
// day that it has.
type account struct {
	line line

	mu    sync.Mutex
	key   string          // the one that it takes
	old   map[string]bool // those that it took
	list  []theirs
	asked []asked         // requests of templates that were taken, in order
	files map[string]file // by id
	calls map[string]int  // by kind: submit, list, check, upload; of submit also by name
	day   func(call) outcome
}

// theirs is a template as its provider has it; Category, State and Type in capitals.
type theirs struct {
	ID, Name, Language, Category, State, Reason, Quality, Next string
	// Type, Body and Data, which is the body with its buttons, are what Gupshup shows
	// of its content; Components is what Meta shows.
	Type, Body, Data, Components string
}

// asked is the request of a template: a form at Gupshup, JSON at Meta.
type asked struct {
	ID   string // that it got
	Name string
	Form url.Values
	JSON object
}

// file is one that was uploaded.
type file struct {
	ID, Name, Type string
	Size           int
	Begin          string // its first bytes
}

// call is one that concerns templates and files.
type call struct {
	kind string // submit, list, check, upload
	page int    // of list, from 0
	name string // of submit
}

// takes tells whether a key is good, took whether it was.
func (a *account) takes(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return key == a.key
}

func (a *account) took(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.old[key]
}

// renew makes another key the good one.
func (a *account) renew(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.old[a.key] = true
	a.key = key
}

// has sets what happens to calls from now on; nil: all is well.
func (a *account) has(day func(call) outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.day = day
}

// meets counts a call and tells what happens to it.
func (a *account) meets(c call) outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[c.kind]++
	if c.name != "" {
		a.calls[tries(c.name)]++
	}
	if a.day == nil {
		return accept
	}
	return a.day(c)
}

// tries is the kind of calls that submit a template of this name.
func tries(name string) string { return "submit " + name }

// count is how many calls of a kind came.
func (a *account) count(kind string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[kind]
}

// put adds templates to the list, or changes those that are there.
func (a *account) put(all ...theirs) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range all {
		if i := slices.IndexFunc(a.list, func(o theirs) bool { return o.ID == t.ID }); i >= 0 {
			a.list[i] = t
		} else {
			a.list = append(a.list, t)
		}
	}
}

// of is a template of the list.
func (a *account) of(id string) (theirs, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.list, func(o theirs) bool { return o.ID == id })
	if i < 0 {
		return theirs{}, false
	}
	return a.list[i], true
}

// becomes sets the state of a template, with why.
func (a *account) becomes(id, state, reason string) {
	t, _ := a.of(id)
	t.ID, t.State, t.Reason = id, strings.ToUpper(state), reason
	a.put(t)
}

// drop takes a template off the list.
func (a *account) drop(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = slices.DeleteFunc(a.list, func(o theirs) bool { return o.ID == id })
}

// page is a part of the list, and whether there is more.
func (a *account) page(from, size int) ([]theirs, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	from = min(max(0, from), len(a.list))
	to := min(from+max(0, size), len(a.list))
	return slices.Clone(a.list[from:to]), to < len(a.list)
}

// accept takes the request of a template, unless its name is taken.
func (a *account) accept(r asked, t theirs) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.ContainsFunc(a.list, func(o theirs) bool { return o.Name == t.Name && o.Language == t.Language }) {
		return false
	}
	t.State = "PENDING"
	a.list, a.asked = append(a.list, t), append(a.asked, r)
	return true
}

// requests are those that were taken for a name.
func (a *account) requests(name string) []asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.asked), func(r asked) bool { return r.Name != name })
}

// store keeps a file under its id.
func (a *account) store(f file) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files[f.ID] = f
}

func (a *account) file(id string) (file, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.files[id]
	return f, ok
}

// sendable tells what is wrong with the send of a template: one that the provider
// has must be approved, and a file one that was uploaded.
func (a *account) sendable(s sent) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var problems []string
	for _, t := range a.list {
		if (t.ID == s.Text || t.Name == s.Text) && t.State != "APPROVED" {
			problems = append(problems, fmt.Sprintf("template %s is %s", t.Name, t.State))
		}
	}
	if _, ok := a.files[s.File]; s.File != "" && !ok {
		problems = append(problems, fmt.Sprintf("no file %q was uploaded", s.File))
	}
	return problems
}
