package simulator

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/web"
)

// maxReason is the longest reason of a verdict, in characters.
const maxReason = 500

// stateWord is what a provider may call the state of a template: also one that nobody
// knows yet.
var stateWord = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// maxState is the longest such word.
const maxState = 32

// verdict plays the provider's reviewer: {status, reason} changes the provider's list,
// then the webhook of the line is told, as the provider does. With silent the webhook
// is not told; with forged it alone is, as by somebody else: the list stays.
//
// Answer: 202 {status}, the webhook's answer; null if it was not told, which also is so
// for an account of no line. A template that only the system's own table knows has its
// webhook told.
func (s *Simulator) verdict(w http.ResponseWriter, r *http.Request) error {
	provider, id := r.PathValue("provider"), r.PathValue("template")
	if providerNames[provider] == "" {
		return fmt.Errorf("provider: %w", fault.NotFound)
	}
	o, err := web.ReadObject(w, r)
	if err != nil {
		return err
	}
	var state, reason string
	var silent, forged bool
	o.Text("status", &state, web.Text{Required: true, Max: maxState, Check: func(v string) string {
		if !stateWord.MatchString(v) {
			return "invalid"
		}
		return ""
	}})
	o.Text("reason", &reason, web.Text{Max: maxReason, Lines: true})
	o.Bool("silent", &silent)
	o.Bool("forged", &forged)
	if silent && forged {
		o.Add("forged", "not_allowed")
	}
	if err := o.Err(); err != nil {
		return err
	}
	if state == stateApproved {
		reason = ""
	}
	line, t, err := s.reviewed(r.Context(), provider, id, state, reason, forged)
	if err != nil {
		return err
	}
	answer := map[string]*int{"status": nil, "callback": nil}
	if line.WebhookURL != "" && !silent {
		status, err := s.tellVerdict(r.Context(), line, t)
		if err != nil {
			return err
		}
		answer["status"], answer["callback"] = &status, &status
	}
	web.JSON(w, http.StatusAccepted, answer)
	return nil
}

// reviewed gives the template with its new state, and its line; a line without a
// webhook: its account is of no line. The list is changed unless the verdict is forged.
func (s *Simulator) reviewed(ctx context.Context, provider, id, state, reason string, forged bool) (Line, Template, error) {
	t, ok, err := s.Phones.TemplateOf(provider, id)
	if ok && err == nil && !forged {
		t, ok, err = s.Phones.Judge(provider, id, state, reason, s.Now())
	}
	if err != nil {
		return Line{}, t, err
	}
	t.State, t.Reason = state, reason
	if ok {
		line, _ := s.lineOfAccount(provider, t.Account)
		return line, t, nil
	}
	for _, line := range s.Lines {
		if line.Provider != provider {
			continue
		}
		if own, err := s.Template(ctx, line, id); err == nil {
			t.Provider, t.ID, t.Name, t.Language, t.Category = provider, id, own.Name, own.Language, own.Category
			return line, t, nil
		}
	}
	return Line{}, t, fmt.Errorf("template %s: %w", id, fault.NotFound)
}

func (s *Simulator) tellVerdict(ctx context.Context, line Line, t Template) (int, error) {
	if line.Provider == desk.ProviderMeta {
		return s.post(ctx, line, metaVerdict(line, t, s.Now()))
	}
	return s.post(ctx, line, verdict(line, t.ID, t.Name, t.Language, t.State, t.Reason, s.Now()))
}

// reviewItem is a template as the page shows it.
type reviewItem struct {
	Provider string   `json:"provider"`
	ID       string   `json:"id"`
	Channel  string   `json:"channel"` // for people; the account if no line has it
	Name     string   `json:"name"`
	Language string   `json:"language"`
	Category string   `json:"category"`
	Type     string   `json:"type"`
	Body     string   `json:"body"`
	Buttons  []string `json:"buttons"`
	State    string   `json:"state"`
	Reason   string   `json:"reason"`
}

// templates lists all templates of the providers, those that wait for their reviewer
// first.
func (s *Simulator) templates(w http.ResponseWriter, _ *http.Request) error {
	all, err := s.Phones.Templates(func(Template) bool { return true })
	if err != nil {
		return err
	}
	items := make([]reviewItem, len(all))
	for i, t := range all {
		items[i] = reviewItem{
			Provider: t.Provider, ID: t.ID, Channel: providerNames[t.Provider] + " " + t.Account, Name: t.Name, Language: t.Language,
			Category: t.Category, Type: t.Type, Body: t.Body, Buttons: []string{}, State: t.State, Reason: t.Reason,
		}
		if l, ok := s.lineOfAccount(t.Provider, t.Account); ok {
			items[i].Channel = l.Company + " +" + l.Identifier + " (" + l.ProviderName() + ")"
		}
		for _, b := range t.Buttons {
			items[i].Buttons = append(items[i].Buttons, cmp.Or(b.Text, "Copy code"))
		}
	}
	slices.SortStableFunc(items, func(a, b reviewItem) int { return cmp.Compare(rank(a.State), rank(b.State)) })
	web.JSON(w, http.StatusOK, list{Items: items})
	return nil
}

func rank(state string) int {
	if state == statePending {
		return 0
	}
	return 1
}
