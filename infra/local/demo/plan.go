// Package demo makes the two companies that a local run starts with, and the
// file that tells scripts how to reach them.
//
// It works in three steps, so that a start that dies anywhere is finished by the
// next one: a plan with every id and secret is made once and written to disk; what
// is in the plan and not in the table is created; then the plan is marked as done.
// From then on the companies belong to their users: nothing that they change or
// delete comes back.
package demo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"buzon/infra/local/ids"
	"buzon/internal/api"
	"buzon/internal/bot"
	"buzon/internal/desk"
	"buzon/internal/store"
)

// The numbers of the demo, from the range that is set aside for fiction
// (+1 202 555 0100 to 0199).
const (
	cityNumber       = "12025550100"
	metaNumber       = "12025550101"
	otherNumber      = "12025550150"
	registeredNumber = "12025550111"
	inactiveNumber   = "12025550122"
	// NewNumber is nobody's: a person who writes for the first time.
	NewNumber = "12025550133"
)

// CreateCaseTemplate is the name of the template in the demo's channel.
const CreateCaseTemplate = "create_case"

// Plan is all that is created, with its ids and secrets.
type Plan struct {
	Done bool    `json:"done"` // it has been created and belongs to its users
	Demo Company `json:"demo"`
	// Other is a second company: nothing of the first may be seen from it.
	Other Company `json:"other"`
}

// Company is one company of the plan.
type Company struct {
	Tenant      desk.Tenant       `json:"tenant"`
	Bot         desk.BotSettings  `json:"bot"`
	Specialists []desk.Specialist `json:"specialists"`
	Clients     []desk.Client     `json:"clients"`
	Tokens      []Token           `json:"tokens"` // in the order of Specialists
	Channel     Channel           `json:"channel"`
	// Meta is a second channel, by another provider; nil: the company has none.
	Meta *Channel `json:"meta,omitempty"`
	// NoMeta: it cannot be, since another channel has its number.
	NoMeta     bool                `json:"no_meta,omitempty"`
	Templates  []desk.Template     `json:"templates,omitempty"`
	Projects   []desk.Project      `json:"projects"`
	Groups     []desk.ServiceGroup `json:"groups"`
	Services   []desk.Service      `json:"services"`
	Categories []desk.Category     `json:"categories"`
}

// Token is an integration token with its value.
type Token struct {
	desk.Token
	Value string `json:"value"`
}

// Channel is a channel with its secrets.
type Channel struct {
	desk.Channel
	Secret string `json:"secret,omitempty"` // in the webhook's address, at Gupshup

	APIKey      string `json:"api_key,omitempty"`      // of Gupshup
	AccessToken string `json:"access_token,omitempty"` // of Meta, like those that follow
	AppSecret   string `json:"app_secret,omitempty"`
	VerifyToken string `json:"verify_token,omitempty"`
	// Awaited: it was added to the plan of an earlier version and is still to be
	// created.
	Awaited bool `json:"awaited,omitempty"`
}

// Channels are the channels of the company that are there.
func (c Company) Channels() []Channel {
	if c.Meta == nil || c.Meta.Awaited {
		return []Channel{c.Channel}
	}
	return []Channel{c.Channel, *c.Meta}
}

// Key is the channel's name in demo.json.
func (ch Channel) Key() string {
	if ch.Provider == desk.ProviderMeta {
		return ch.Provider
	}
	return ch.Kind
}

// Maker makes plans. NewID gives ids that sort by time.
type Maker struct {
	Now   func() time.Time
	NewID func() string
}

// Plan makes a new plan.
func (m Maker) Plan() (Plan, error) {
	demo := m.company("demo", "Ciudad de Ejemplo", cityNumber, "BuzonDemo", "200000000000100", cityOffers())
	demo.addClient(m, "Ana Torres", "ana.torres", registeredNumber, "es", true)
	demo.addClient(m, "Luis Prado", "luis.prado", inactiveNumber, "es", false)
	demo.addSpecialist(m, "Agente de demostración", "agente", desk.RoleAgent)
	demo.Templates = []desk.Template{{
		ID:            demo.id(m),
		Channel:       demo.Channel.ID,
		ProviderID:    ids.UUID(),
		Name:          CreateCaseTemplate,
		DisplayName:   "Crear caso",
		Language:      "es",
		Category:      desk.CategoryUtility,
		Type:          desk.TemplateText,
		Params:        []string{"servicio"},
		Body:          "Ya tenemos todo para su caso de {{1}}. Toque el botón para escribirlo y enviarlo.",
		Status:        desk.TemplateApproved,
		ProviderState: "approved",
		Active:        true,
		CreatedAt:     m.Now(),
	}}
	demo.Meta = m.meta(demo.Tenant)
	other := m.company("other", "Tienda de Ejemplo", otherNumber, "BuzonOther", "200000000000150", otherOffers())
	p := Plan{Demo: demo, Other: other}
	return p, errors.Join(p.Demo.addTokens(m), p.Other.addTokens(m))
}

// addTokens gives every specialist a token for as long as one may live.
func (c *Company) addTokens(m Maker) error {
	for _, v := range c.Specialists {
		value, t, err := api.NewToken(c.Tenant.ID, rand.Reader)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		t.Specialist, t.Description, t.CreatedAt, t.ExpiresAt = v.ID, "Demo", m.Now(), m.Now().Add(desk.MaxTokenLife)
		c.Tokens = append(c.Tokens, Token{t, value})
	}
	return nil
}

func (m Maker) company(tenant, name, number, app, phoneID string, offers []offer) Company {
	c := Company{Tenant: desk.Tenant{ID: tenant, Name: name, CreatedAt: m.Now()}, Bot: bot.DefaultSettings("es")}
	c.addSpecialist(m, "Administración de "+name, "admin", desk.RoleAdmin)
	c.addClient(m, "Anonymous", "anonymous", "", "", true)
	c.Bot.AnonymousUser = c.Clients[0].ID
	secret := ids.Secret()
	c.Channel = Channel{Secret: secret, APIKey: "sk_" + ids.Secret(), Channel: desk.Channel{
		ID:            c.id(m),
		Kind:          desk.KindWhatsApp,
		Provider:      desk.ProviderGupshup,
		State:         desk.ChannelActive,
		CompanyName:   name,
		Requester:     desk.Requester{Name: "Soporte de " + name, Email: "soporte@" + tenant + ".example"},
		Identifier:    number,
		App:           app,
		AppID:         ids.UUID(),
		PhoneNumberID: phoneID,
		SecretHash:    store.SecretHash(secret),
		CreatedAt:     m.Now(),
	}}
	for _, o := range offers {
		c.addProject(m, o)
	}
	return c
}

// meta makes the channel of a company that speaks with Meta directly.
func (m Maker) meta(tenant desk.Tenant) *Channel {
	ch := Channel{AccessToken: "EAA" + ids.Secret(), AppSecret: ids.Secret(), VerifyToken: ids.Secret()}
	ch.Channel = desk.Channel{
		ID:            tenant.ID + "-" + m.NewID(),
		Kind:          desk.KindWhatsApp,
		Provider:      desk.ProviderMeta,
		State:         desk.ChannelActive,
		CompanyName:   tenant.Name,
		Requester:     desk.Requester{Name: "Soporte de " + tenant.Name, Email: "soporte@" + tenant.ID + ".example"},
		Identifier:    metaNumber,
		PhoneNumberID: "200000000000101",
		AccountID:     "100000000000101",
		MetaApp:       store.Hash(tenant.ID, "meta app", ch.AppSecret),
		CreatedAt:     m.Now(),
	}
	return &ch
}

// id is a new id that carries the company.
func (c *Company) id(m Maker) string { return c.Tenant.ID + "-" + m.NewID() }

func (c *Company) addSpecialist(m Maker, name, userName, role string) {
	c.Specialists = append(c.Specialists, desk.Specialist{
		ID: m.NewID(), Name: name, UserName: userName, Active: true, Roles: []string{role}, CreatedAt: m.Now(),
	})
}

func (c *Company) addClient(m Maker, name, userName, phone, culture string, active bool) {
	c.Clients = append(c.Clients, desk.Client{
		ID: m.NewID(), Name: name, UserName: userName, Phone: phone, Culture: culture, Active: active, CreatedAt: m.Now(),
	})
}

// addProject adds a project that anonymous people may use whole.
func (c *Company) addProject(m Maker, o offer) {
	p := desk.Project{
		ID: m.NewID(), Name: o.name, Code: o.code, Active: true, CreatedAt: m.Now(),
		Access: desk.Access{Enabled: true, AllServices: true, AllCategories: true},
	}
	c.Projects = append(c.Projects, p)
	for _, g := range o.groups {
		group := ""
		if g.name != "" {
			group = m.NewID()
			c.Groups = append(c.Groups, desk.ServiceGroup{ID: group, Project: p.ID, Name: g.name, CreatedAt: m.Now()})
		}
		for _, name := range g.services {
			s := desk.Service{ID: m.NewID(), Project: p.ID, Group: group, Name: name, CreatedAt: m.Now()}
			c.Services = append(c.Services, s)
			for _, category := range categories(name) {
				c.Categories = append(c.Categories, desk.Category{ID: m.NewID(), Service: s.ID, Name: category, CreatedAt: m.Now()})
			}
		}
	}
}

func categories(service string) []string {
	if service != lighting {
		return fewCategories[:]
	}
	names := make([]string, lightingCategories)
	for i := range names {
		names[i] = fmt.Sprintf("Categoría %02d", i+1)
	}
	return names
}
