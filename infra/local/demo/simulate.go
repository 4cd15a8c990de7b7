package demo

import (
	"buzon/infra/local/simulator"
	"buzon/internal/desk"
)

// Lines are the channels of the demo as their providers know them; baseURL begins the
// addresses of their webhooks.
func (p Plan) Lines(baseURL string) []simulator.Line {
	var lines []simulator.Line
	for _, c := range []Company{p.Demo, p.Other} {
		for _, ch := range c.Channels() {
			lines = append(lines, simulator.Line{
				ID: ch.ID, Key: ch.Key(), Provider: ch.Provider, Company: c.Tenant.Name, Identifier: ch.Identifier,
				PhoneNumberID: ch.PhoneNumberID, WebhookURL: ch.WebhookURL(baseURL),
				App: ch.App, AppID: ch.AppID, APIKey: ch.APIKey,
				AccountID: ch.AccountID, AccessToken: ch.AccessToken, AppSecret: ch.AppSecret,
			})
		}
	}
	return lines
}

// ProviderTemplates are the templates of the demo as their provider has them, approved
// since the plan was made. The one for cases has a button whose address begins with
// publicURL.
func (p Plan) ProviderTemplates(publicURL string) []simulator.Template {
	var all []simulator.Template
	for _, c := range []Company{p.Demo, p.Other} {
		for _, t := range c.Templates {
			made := simulator.Template{
				Provider: c.Channel.Provider, Account: c.Channel.AppID, ID: t.ProviderID, Name: t.Name, Label: t.DisplayName,
				Language: t.Language, Category: desk.CategoryUtility, Type: desk.TemplateText, Body: t.Body,
				State: desk.ProviderApproved, CreatedAt: t.CreatedAt, ChangedAt: t.CreatedAt,
			}
			if t.Name == CreateCaseTemplate {
				address := publicURL + "/c/{{1}}"
				made.Buttons = []simulator.TemplateButton{{Type: "URL", Text: "Crear caso", URL: address, Example: []string{publicURL + "/c/demo"}}}
			}
			all = append(all, made)
		}
	}
	return all
}
