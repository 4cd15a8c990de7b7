// Package wording looks requests for message templates over as the API does
// before it takes them, without a network and without a company.
package wording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/locale"
	"buzon/internal/wording"
)

// MaxFile is how many bytes of requests are read from one file.
const MaxFile = 4 << 20

// Note is one thing about a field, in the reader's language.
type Note struct {
	Field string `json:"field"`
	Code  string `json:"code"` // the API's
	Text  string `json:"text"`
}

// Request is what was found about one request.
type Request struct {
	Where    string `json:"where"` // the file, and the place from 1 in a list
	Name     string `json:"name,omitempty"`
	Problems []Note `json:"problems"` // the API would refuse it
	Warnings []Note `json:"warnings"` // the provider may
}

// Linter looks over what is asked of one provider.
type Linter struct {
	Profile wording.Profile
	Options wording.Options
	Texts   *locale.Locale
}

// New gives a linter. The error is for the operator: no such provider has
// templates, or it does not speak that language.
func New(provider string, mixButtons bool, lang string) (Linter, error) {
	p, ok := wording.ProfileOf(provider)
	if !ok {
		return Linter{}, fmt.Errorf("%q: %s", provider, strings.Join(wording.Providers(), " or "))
	}
	texts := locale.For(lang)
	if texts == nil {
		return Linter{}, fmt.Errorf("%q: %s", lang, strings.Join(desk.Languages[:], " or "))
	}
	return Linter{p, wording.Options{MixButtons: mixButtons}, texts}, nil
}

// Look reads one request, or a list of them.
func (l Linter) Look(file string, content []byte) []Request {
	content = bytes.TrimSpace(content)
	var list []json.RawMessage
	if !bytes.HasPrefix(content, []byte("[")) || json.Unmarshal(content, &list) != nil {
		return []Request{l.look(file, content)}
	}
	out := []Request{}
	for i, raw := range list {
		out = append(out, l.look(file+" "+strconv.Itoa(i+1), raw))
	}
	return out
}

func (l Linter) look(where string, content []byte) Request {
	t, problems := wording.CheckJSON(content, l.Profile, l.Options)
	r := Request{Where: where, Name: t.Name, Problems: []Note{}, Warnings: []Note{}}
	for _, p := range problems {
		r.Problems = append(r.Problems, l.note(p))
	}
	for _, w := range t.Warnings {
		r.Warnings = append(r.Warnings, l.note(fault.Problem(w)))
	}
	return r
}

func (l Linter) note(p fault.Problem) Note {
	return Note{p.Field, p.Code, l.Texts.TextWith("problem."+p.Code, p.Params)}
}

// Well tells whether no request has a problem.
func Well(requests []Request) bool {
	return !slices.ContainsFunc(requests, func(r Request) bool { return len(r.Problems) > 0 })
}

// Print writes a line for each request and for each thing about it, and the
// counts at the end.
func Print(w io.Writer, requests []Request) {
	count := map[string]int{}
	for _, r := range requests {
		mark := "✓"
		if len(r.Problems) > 0 {
			mark = "✗"
		}
		count[mark]++
		count["!"] += len(r.Warnings)
		fmt.Fprintf(w, "%s %s", mark, r.Where)
		if r.Name != "" {
			fmt.Fprintf(w, ": %q", r.Name)
		}
		fmt.Fprintln(w)
		for _, n := range r.Problems {
			n.print(w, "✗")
		}
		for _, n := range r.Warnings {
			n.print(w, "!")
		}
	}
	fmt.Fprintf(w, "\nlint-template: %d ✓, %d ✗", count["✓"], count["✗"])
	if n := count["!"]; n > 0 {
		fmt.Fprintf(w, ", %d ! to know", n)
	}
	fmt.Fprintln(w)
}

func (n Note) print(w io.Writer, mark string) {
	field := n.Field
	if field != "" {
		field += ": "
	}
	fmt.Fprintf(w, "    %s %s%s (%s)\n", mark, field, n.Text, n.Code)
}
