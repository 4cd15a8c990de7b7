package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"buzon/infra/local/atomicfile"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/secret"
	"buzon/internal/store"
)

// The files in the data folder, both readable by their owner alone.
const (
	PlanFile = "demo-plan.json" // the plan
	File     = "demo.json"      // how to reach the demo (contract section 1)
)

// Ensure brings the demo into being in the data folder, or finds it there, and
// writes demo.json with the addresses of this run. A table that has nothing of it,
// another one than at the last start, gets it with the same ids and tokens. When it returns nil the demo
// is whole and demo.json says how to reach it.
func Ensure(ctx context.Context, folder, baseURL string, m Maker, s *store.Store, secrets secret.Store) (Plan, error) {
	p, err := load(filepath.Join(folder, PlanFile))
	if errors.Is(err, os.ErrNotExist) {
		if p, err = m.Plan(); err == nil {
			err = save(filepath.Join(folder, PlanFile), p)
		}
	}
	if err != nil {
		return p, err
	}
	if p.Done { // but the table may be another one than then
		_, err := s.In(p.Demo.Tenant.ID).Self(ctx)
		if errors.Is(err, fault.NotFound) {
			p.Done = false
			err = save(filepath.Join(folder, PlanFile), p)
		}
		if err != nil {
			return p, err
		}
	}
	if !p.Done {
		if err := Create(ctx, s, secrets, p); err != nil {
			return p, err
		}
	}
	if err := upgrade(ctx, filepath.Join(folder, PlanFile), &p, m, s, secrets); err != nil {
		return p, err
	}
	if err := save(filepath.Join(folder, File), describe(p, baseURL)); err != nil {
		return p, err
	}
	if p.Done {
		return p, nil
	}
	p.Done = true
	return p, save(filepath.Join(folder, PlanFile), p)
}

// upgrade brings a demo of an earlier version what that had not: the reading of lists
// of templates, and the channel at Meta. That comes once, and not if its number is
// another channel's by now. It is in the plan before it is created, so that its ids and
// secrets stay whenever the process dies.
func upgrade(ctx context.Context, path string, p *Plan, m Maker, s *store.Store, secrets secret.Store) error {
	if p.Demo.Meta == nil {
		p.Demo.Meta = m.meta(p.Demo.Tenant)
		p.Demo.Meta.Awaited = true
		if err := save(path, *p); err != nil {
			return err
		}
	}
	ch := p.Demo.Meta
	if !ch.Awaited || p.Demo.NoMeta {
		return nil
	}
	in := s.In(p.Demo.Tenant.ID)
	steps := []step{syncStep(in, p.Demo.Channel), syncStep(s.In(p.Other.Tenant.ID), p.Other.Channel)}
	steps = append(append(steps, channelSteps(in, *ch)...), credentialsStep(in, secrets, *ch))
	for _, do := range steps {
		err := do(ctx)
		var taken *fault.Input
		if errors.As(err, &taken) {
			p.Demo.NoMeta = true
			return save(path, *p)
		}
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	ch.Awaited = false
	return save(path, *p)
}

func load(path string) (Plan, error) {
	var p Plan
	data, err := os.ReadFile(path)
	if err != nil {
		return p, fmt.Errorf("demo: %w", err)
	}
	if err := json.Unmarshal(data, &p); err != nil || p.Demo.Tenant.ID == "" || p.Other.Tenant.ID == "" {
		return p, fmt.Errorf("demo: %s: not a plan", path)
	}
	return p, nil
}

func save(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("demo: %s: %w", path, err)
	}
	if err := atomicfile.Write(path, append(data, '\n')); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// description is demo.json.
type description struct {
	BaseURL    string                        `json:"base_url"`
	Tenant     string                        `json:"tenant"`
	AdminToken string                        `json:"admin_token"`
	AgentToken string                        `json:"agent_token"`
	Channels   map[string]channelDescription `json:"channels"`
	People     peopleDescription             `json:"people"`
	Projects   []projectDescription          `json:"projects"`
	Other      otherDescription              `json:"other"`
}

// channelDescription has what its provider needs.
type channelDescription struct {
	ID                string `json:"id"`
	Key               string `json:"key"`
	WebhookURL        string `json:"webhook_url"`
	CallbackURL       string `json:"callback_url,omitempty"`
	Identifier        string `json:"identifier"`
	App               string `json:"app,omitempty"`
	AppID             string `json:"app_id,omitempty"`
	PhoneNumberID     string `json:"phone_number_id"`
	BusinessAccountID string `json:"business_account_id,omitempty"`
	APIKey            string `json:"api_key,omitempty"`
	AccessToken       string `json:"access_token,omitempty"`
	AppSecret         string `json:"app_secret,omitempty"`
	VerifyToken       string `json:"verify_token,omitempty"`
}

type peopleDescription struct {
	Registered struct {
		Number  string `json:"number"`
		Name    string `json:"name"`
		Culture string `json:"culture"`
	} `json:"registered"`
	Inactive struct {
		Number string `json:"number"`
	} `json:"inactive"`
}

type projectDescription struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type otherDescription struct {
	Tenant     string                        `json:"tenant"`
	AdminToken string                        `json:"admin_token"`
	Channels   map[string]channelDescription `json:"channels"`
}

func describe(p Plan, baseURL string) description {
	d := description{
		BaseURL:    baseURL,
		Tenant:     p.Demo.Tenant.ID,
		AdminToken: p.Demo.Tokens[0].Value,
		AgentToken: p.Demo.Tokens[1].Value,
		Channels:   channels(p.Demo, baseURL),
		Other:      otherDescription{p.Other.Tenant.ID, p.Other.Tokens[0].Value, channels(p.Other, baseURL)},
	}
	for _, v := range p.Demo.Clients {
		switch v.Phone {
		case registeredNumber:
			d.People.Registered.Number, d.People.Registered.Name, d.People.Registered.Culture = v.Phone, v.Name, v.Culture
		case inactiveNumber:
			d.People.Inactive.Number = v.Phone
		}
	}
	for _, v := range p.Demo.Projects {
		d.Projects = append(d.Projects, projectDescription{v.ID, v.Name})
	}
	return d
}

func channels(c Company, baseURL string) map[string]channelDescription {
	all := map[string]channelDescription{}
	for _, ch := range c.Channels() {
		all[ch.Key()] = channelDescription{
			ID:                ch.ID,
			Key:               ch.Key(),
			WebhookURL:        ch.WebhookURL(baseURL),
			CallbackURL:       ch.CallbackURL(baseURL),
			Identifier:        ch.Identifier,
			App:               ch.App,
			AppID:             ch.AppID,
			PhoneNumberID:     ch.PhoneNumberID,
			BusinessAccountID: ch.AccountID,
			APIKey:            ch.APIKey,
			AccessToken:       ch.AccessToken,
			AppSecret:         ch.AppSecret,
			VerifyToken:       ch.VerifyToken,
		}
	}
	return all
}

// WebhookURL is where the provider posts everything.
func (ch Channel) WebhookURL(baseURL string) string {
	if ch.Provider == desk.ProviderMeta {
		return baseURL + "/webhooks/" + ch.Kind + "/" + ch.ID
	}
	return baseURL + "/webhooks/" + ch.Provider + "/" + ch.ID + "/" + ch.Secret
}

// CallbackURL is where the provider posts verdicts on templates; empty: it has no
// address apart for them.
func (ch Channel) CallbackURL(baseURL string) string {
	if ch.Provider == desk.ProviderMeta {
		return ""
	}
	return baseURL + "/callbacks/templates/" + ch.Provider + "/" + ch.ID + "/" + ch.Secret
}
