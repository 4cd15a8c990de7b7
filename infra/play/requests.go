package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
)

// requestTable are the requests for templates that the rules are tested with, as a
// path from the root of the repository, where this command runs.
const requestTable = "internal/wording/testdata/requests.json"

// The least that the table holds.
const (
	leastGood = 40
	leastBad  = 60
)

// asking is a row of the table: a request, and what is to be said of it as
// "field code", sorted.
type asking struct {
	Say        string          `json:"say"`
	Provider   string          `json:"provider"`
	MixButtons bool            `json:"mix_buttons"`
	Request    json.RawMessage `json:"request"`
	Problems   []string        `json:"problems"`
	Warnings   []string        `json:"warnings"`
}

// readTable reads the table: its good requests and its bad ones.
func readTable(path string) (good, bad []asking, err error) {
	b, err := os.ReadFile(path)
	var all []asking
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	for _, a := range all {
		if len(a.Problems) == 0 {
			good = append(good, a)
		} else {
			bad = append(bad, a)
		}
	}
	if err == nil && (len(good) < leastGood || len(bad) < leastBad) {
		err = fmt.Errorf("%s: %d good requests and %d bad ones", path, len(good), len(bad))
	}
	return good, bad, err
}

// desks are the channels that take requests: one of each provider, and one of each on
// which both kinds of button are allowed (Q29).
type desks map[string]line

func deskOf(provider string, mixed bool) string { return fmt.Sprintf("%s %t", provider, mixed) }

func (d desks) of(a asking) line { return d[deskOf(a.Provider, a.MixButtons)] }

func (p *play) newDesks(ctx context.Context) (desks, error) {
	d := desks{}
	for _, provider := range []string{"gupshup", providerMeta} {
		for _, mixed := range []bool{false, true} {
			l, err := p.newLine(ctx, p.demo.AdminToken, provider)
			if err != nil {
				return nil, err
			}
			if mixed {
				if err := p.api(ctx, http.MethodPatch, "/v1/channels/"+l.ID, object{"settings": object{"mixed_buttons": true}}, nil); err != nil {
					return nil, err
				}
			}
			d[deskOf(provider, mixed)] = l
		}
	}
	return d, p.settled(ctx)
}

// requests plays requests for templates from the table.
func requests(ctx context.Context, p *play) {
	good, bad, err := readTable(requestTable)
	var d desks
	if !p.check("channels for the requests of the table", func() error {
		if err == nil {
			d, err = p.newDesks(ctx)
		}
		return err
	}) {
		return
	}
	p.check(fmt.Sprintf("%d requests that are wrong: everything that is wrong is told at once, and the provider hears nothing (S3-22 … S3-47)", len(bad)), func() error {
		for _, a := range bad {
			r, err := p.ask(ctx, p.demo.AdminToken, http.MethodPost, "/v1/channels/"+d.of(a).ID+"/templates", a.Request)
			if err != nil {
				return err
			}
			var v problem
			if err := json.Unmarshal([]byte(r.text), &v); err != nil || r.status != http.StatusUnprocessableEntity || !slices.Equal(v.codes(), a.Problems) {
				return fmt.Errorf("%s: %d %q, want 422 %q", a.Say, r.status, v.codes(), a.Problems)
			}
		}
		for _, l := range d {
			if n := p.account(l).count("submit"); n > 0 {
				return fmt.Errorf("%d requests reached %s", n, l.Provider)
			}
			all, err := listed[seenTemplate](ctx, p, "/v1/channels/"+l.ID+"/templates")
			if err != nil || len(all) > 0 {
				return fmt.Errorf("%d templates stored: %w", len(all), err)
			}
		}
		return nil
	})
	p.check(fmt.Sprintf("%d requests that are right reach the provider once each, in its form, and are pending with its id (S3-48)", len(good)), func() error {
		seen := make([]seenTemplate, len(good))
		errs := make([]error, len(good))
		var wg sync.WaitGroup
		slots := make(chan struct{}, 8)
		for i, a := range good {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				seen[i], errs[i] = p.request(ctx, d.of(a), a.Request)
			})
		}
		wg.Wait()
		for i, a := range good {
			if errs[i] == nil {
				errs[i] = p.asWanted(ctx, d.of(a), a, seen[i])
			}
			if errs[i] != nil {
				return fmt.Errorf("%s: %w", a.Say, errs[i])
			}
		}
		return nil
	})
	p.check("a name that is taken is refused; one of a rejected template is tried, and the provider's refusal shows", func() error {
		l := d.of(asking{Provider: "gupshup"})
		v, err := p.request(ctx, l, notice("una_vez"))
		if err != nil {
			return err
		}
		if err := p.refuses(ctx, p.demo.AdminToken, http.MethodPost, "/v1/channels/"+l.ID+"/templates", notice("una_vez"), 422, "name taken"); err != nil {
			return err
		}
		if err := p.judged(ctx, l, v, "rejected", "INVALID_FORMAT"); err != nil {
			return err
		}
		v, err = p.becomes(ctx, l, v.ID, "rejected", func(v seenTemplate) bool { return v.Status == "rejected" })
		if err != nil {
			return err
		}
		var again seenTemplate
		if err := p.api(ctx, http.MethodPost, "/v1/channels/"+l.ID+"/templates", notice("una_vez"), &again); err != nil {
			return err
		}
		if !slices.ContainsFunc(again.Warnings, func(w struct{ Field, Code string }) bool { return w.Field == "name" }) {
			return fmt.Errorf("no warning of the name: %+v", again.Warnings)
		}
		again, err = p.becomes(ctx, l, again.ID, "refused", func(v seenTemplate) bool { return v.Status == "rejected" && v.State == "refused" })
		if err == nil && (again.Active || again.ProviderID != "" || again.Reason == "") {
			err = fmt.Errorf("refused: %v", again)
		}
		return err
	})
	p.check("templates are filtered by category, status and switch (S3-18, S3-19)", func() error {
		l := d.of(asking{Provider: "gupshup"})
		all, err := listed[seenTemplate](ctx, p, "/v1/channels/"+l.ID+"/templates")
		if err != nil {
			return err
		}
		for query, fits := range map[string]func(seenTemplate) bool{
			"category=marketing":              func(v seenTemplate) bool { return v.Category == "marketing" },
			"status=pending":                  func(v seenTemplate) bool { return v.Status == "pending" },
			"status=rejected":                 func(v seenTemplate) bool { return v.Status == "rejected" },
			"status=approved":                 func(seenTemplate) bool { return false },
			"active=false":                    func(v seenTemplate) bool { return !v.Active },
			"category=utility&status=pending": func(v seenTemplate) bool { return v.Category == "utility" && v.Status == "pending" },
		} {
			got, err := listed[seenTemplate](ctx, p, "/v1/channels/"+l.ID+"/templates?"+query)
			if err != nil {
				return err
			}
			var want, have []string
			for _, v := range all {
				if fits(v) {
					want = append(want, v.ID)
				}
			}
			for _, v := range got {
				have = append(have, v.ID)
			}
			if !slices.Equal(want, have) {
				return fmt.Errorf("%s: %d templates, want %d", query, len(have), len(want))
			}
		}
		return nil
	})
	p.needs(moves).check("a request that the provider answers late, or whose answer is lost, is there once", func() error {
		l := d.of(asking{Provider: "gupshup"})
		a := p.account(l)
		for _, o := range []outcome{slow, lose} {
			name := fmt.Sprintf("un_mal_dia_%d", o)
			first := true
			a.has(func(c call) outcome {
				if c.kind == "submit" && first {
					first = false
					return o
				}
				return accept
			})
			if err := p.onlyOnce(ctx, l, name); err != nil {
				return err
			}
			if n := a.count(tries(name)); n != 1 {
				return fmt.Errorf("%s was sent %d times: the list was not looked at first", name, n)
			}
		}
		a.has(nil)
		return nil
	})
}

// onlyOnce requests a template and expects that the provider has it once, and that we
// know it, though the run's clock may have to move on.
func (p *play) onlyOnce(ctx context.Context, l line, name string) error {
	var v seenTemplate
	if err := p.apiAs(ctx, l.admin(p), http.MethodPost, "/v1/channels/"+l.ID+"/templates", notice(name), &v); err != nil {
		return err
	}
	known := func() (ok bool, err error) {
		v, err = p.templateOf(ctx, l, v.ID)
		return v.ProviderID != "", err
	}
	err := p.untilMoving(ctx, "the provider has "+name, lease, 6, known)
	if err != nil {
		return fmt.Errorf("%v: %w", v, err)
	}
	return p.isOnce(ctx, l, v)
}

// isOnce expects that the provider took one request for a template, and that it is
// the one that we know.
func (p *play) isOnce(_ context.Context, l line, v seenTemplate) error {
	taken := p.account(l).requests(v.Name)
	if len(taken) != 1 || taken[0].ID != v.ProviderID {
		var ids []string
		for _, r := range taken {
			ids = append(ids, r.ID)
		}
		return fmt.Errorf("the provider took %q, we know %q", strings.Join(ids, " "), v.ProviderID)
	}
	return nil
}

// asWanted expects that a request became what it asks for.
func (p *play) asWanted(ctx context.Context, l line, a asking, v seenTemplate) error {
	warnings := []string{}
	for _, w := range v.Warnings {
		warnings = append(warnings, w.Field+" "+w.Code)
	}
	slices.Sort(warnings)
	if !slices.Equal(warnings, a.Warnings) {
		return fmt.Errorf("warnings %q, want %q", warnings, a.Warnings)
	}
	if v.Status != "pending" || v.State != "pending" || !v.Active || v.Sendable {
		return fmt.Errorf("became %v", v)
	}
	if err := p.isOnce(ctx, l, v); err != nil {
		return err
	}
	var w wanted
	if err := json.Unmarshal(a.Request, &w); err != nil {
		return err
	}
	taken := p.account(l).requests(v.Name)[0]
	if l.Provider == providerMeta {
		return w.atMeta(taken.JSON)
	}
	return w.atGupshup(taken.Form)
}
