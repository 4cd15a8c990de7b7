package approval

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"buzon/internal/channel"
	"buzon/internal/desk"
)

// index arranges our templates, newest first, by what the provider calls them: its id,
// or name and language where a request has gone out and nobody knows what became of it.
func (r *reading) index() {
	r.byID, r.byName = map[string]*desk.Template{}, map[string][]*desk.Template{}
	r.held = map[string]bool{}
	for i := range r.ours {
		t := &r.ours[i]
		switch {
		case t.ProviderID != "":
			r.byID[t.ProviderID] = t
		case t.Submission != nil && r.unsettled(*t.Submission):
			name := t.Language + " " + t.Name
			r.byName[name] = append(r.byName[name], t)
		}
	}
}

// find is the one of ours that stands in the list as l; nil: it is none of ours. Of
// several requests that may have made it, the newest has.
func (r *reading) find(l channel.Listed) *desk.Template {
	if t := r.byID[l.ProviderID]; t != nil {
		return t
	}
	name := l.Language + " " + l.Name
	i := slices.IndexFunc(r.byName[name], func(t *desk.Template) bool { return made(*t, l) })
	if i < 0 {
		return nil
	}
	t := r.byName[name][i]
	r.byName[name] = slices.Delete(r.byName[name], i, i+1)
	return t
}

// made tells whether what stands in a list under a template's name and language may
// come from its request: it has its text, but for white space, which is not kept
// everywhere, and the same on top. What somebody else has made under that name never
// becomes ours, for agents see our text and people get the provider's (S3-31). Of
// Authentication the provider writes the text.
func made(t desk.Template, l channel.Listed) bool {
	if t.Category == desk.CategoryAuthentication {
		return l.Category == desk.CategoryAuthentication
	}
	return l.Body != "" && words(l.Body) == words(t.Body) && (l.Type == "" || l.Type == cmp.Or(t.Type, desk.TemplateText))
}

// words is a text with a single space for all white space between two words.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// page does to our templates what a page of the list says.
func (r *reading) page(ctx context.Context, page []channel.Listed) error {
	for _, l := range page {
		r.seen[l.ProviderID] = true
		if len(r.seen) > maxListed {
			return &channel.Error{Verdict: channel.Refused, Code: reasonTooMany, Reason: reasonTooMany}
		}
		t := r.find(l)
		if t == nil {
			continue
		}
		r.byID[l.ProviderID], r.held[t.ID] = t, true
		err := r.write(ctx, t, func(t desk.Template) desk.Template {
			if t.ProviderID != "" && t.ProviderID != l.ProviderID {
				return t // somebody else has found it meanwhile
			}
			return t.Confirmed(listing(l), r.known.Began)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func listing(l channel.Listed) desk.Listing {
	return desk.Listing{
		ProviderID: l.ProviderID, State: l.State, Category: l.Category,
		Reason: l.Reason, Quality: l.Quality, NextCategory: l.NextCategory,
	}
}
