package main

import (
	"context"
	"encoding/json"
	"fmt"

	"buzon/internal/bot"
	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/secret"
	"buzon/internal/store"
)

// The company that is measured with: a catalogue of the size of a small city's,
// with one service whose categories need four lists.
const (
	tenant      = "acme"
	companyName = "Ciudad de Ejemplo"
	pathSecret  = "kq3v8w2m9x7r4t6y1z5b0n8c7d" // in the webhook's address

	groupsOfProject  = 4
	servicesOfGroup  = 6
	fewCategories    = 3
	manyCategories   = 31 // of the first service of a project
	numberOfProjects = 3
)

// line is the channel that people write to.
var line = desk.Channel{
	ID: tenant + "-01jx3m8k5v9q2w7r4t6y1z5b0n", Kind: "whatsapp", Provider: "gupshup", State: desk.ChannelActive,
	CompanyName: companyName, Identifier: "525500000001", App: "CiudadEjemplo",
	AppID: "6b0f3c52-64a1-4a53-9f57-9a2f0c6b1d7e", PhoneNumberID: "200000000000100", SecretHash: store.SecretHash(pathSecret),
}

// webhookPath is the address of the channel.
var webhookPath = "/webhooks/gupshup/" + line.ID + "/" + pathSecret

// found makes the company.
func found(ctx context.Context, s *store.Store, secrets secret.Store) error {
	c := s.In(tenant)
	credentials, err := json.Marshal(channel.Credentials{APIKey: "sk_0123456789abcdef0123456789abcdef"})
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { return c.MakeTenant(ctx, desk.Tenant{ID: tenant, Name: companyName, CreatedAt: s.Now()}) },
		func() error { return c.SaveChannel(ctx, line, nil) },
		func() error { return c.SaveBot(ctx, bot.DefaultSettings("es")) },
		func() error { return secrets.Put(ctx, c.CredentialsName(line), string(credentials)) },
	}
	for p := range numberOfProjects {
		steps = append(steps, func() error { return addProject(ctx, c, p) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func addProject(ctx context.Context, c store.Company, n int) error {
	project := desk.Project{
		ID: c.NewID(), Name: fmt.Sprintf("Servicios públicos %d", n+1), Active: true, CreatedAt: c.Now(),
		Access: desk.Access{Enabled: true, AllServices: true, AllCategories: true},
	}
	if err := c.SaveProject(ctx, desk.Project{}, project, nil); err != nil {
		return err
	}
	for g := range groupsOfProject {
		group := desk.ServiceGroup{ID: c.NewID(), Project: project.ID, Name: fmt.Sprintf("Calles y espacios %d", g+1), CreatedAt: c.Now()}
		if err := c.SaveGroup(ctx, group, nil); err != nil {
			return err
		}
		for i := range servicesOfGroup {
			categories := fewCategories
			if g == 0 && i == 0 {
				categories = manyCategories
			}
			service := desk.Service{
				ID: c.NewID(), Project: project.ID, Group: group.ID, Name: fmt.Sprintf("Alumbrado de las calles %d", i+1), CreatedAt: c.Now(),
			}
			if err := addService(ctx, c, service, categories); err != nil {
				return err
			}
		}
	}
	return nil
}

func addService(ctx context.Context, c store.Company, v desk.Service, categories int) error {
	if err := c.SaveService(ctx, v, nil); err != nil {
		return err
	}
	for i := range categories {
		k := desk.Category{ID: c.NewID(), Service: v.ID, Name: fmt.Sprintf("Categoría %02d", i+1), CreatedAt: c.Now()}
		if err := c.SaveCategory(ctx, k, nil); err != nil {
			return err
		}
	}
	return nil
}
