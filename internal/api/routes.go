package api

import (
	"net/http"

	"buzon/internal/desk"
	"buzon/internal/locale"
)

// route is one operation of the API.
type route struct {
	method, pattern string
	role            string // that the caller needs; an admin has every role
	handle          func(*call) error
	caller          string // who calls it
}

// The roles of routes.
const (
	anybody = ""
	agent   = desk.RoleAgent
	admin   = desk.RoleAdmin
)

// routes is the whole surface of this package.
func routes() []route {
	return []route{
		{"GET", "/v1/projects", admin, listProjects, "admin's scripts"},
		{"POST", "/v1/projects", admin, projects.post(freshProject), "admin's scripts"},
		{"GET", "/v1/projects/{id}", admin, projects.get, "admin's scripts"},
		{"PATCH", "/v1/projects/{id}", admin, projects.patch, "admin's scripts"},
		{"DELETE", "/v1/projects/{id}", admin, projects.delete, "admin's scripts"},
		{"GET", "/v1/projects/{id}/anonymous-access", admin, getAccess, "admin's scripts"},
		{"PUT", "/v1/projects/{id}/anonymous-access", admin, putAccess, "admin's scripts"},
		{"GET", "/v1/projects/{id}/service-groups", admin, listGroups, "admin's scripts"},
		{"POST", "/v1/projects/{id}/service-groups", admin, groups.post(freshGroup), "admin's scripts"},
		{"GET", "/v1/service-groups/{id}", admin, groups.get, "admin's scripts"},
		{"PATCH", "/v1/service-groups/{id}", admin, groups.patch, "admin's scripts"},
		{"DELETE", "/v1/service-groups/{id}", admin, groups.delete, "admin's scripts"},
		{"GET", "/v1/projects/{id}/services", admin, listServices, "admin's scripts"},
		{"POST", "/v1/projects/{id}/services", admin, services.post(freshService), "admin's scripts"},
		{"GET", "/v1/services/{id}", admin, services.get, "admin's scripts"},
		{"PATCH", "/v1/services/{id}", admin, services.patch, "admin's scripts"},
		{"DELETE", "/v1/services/{id}", admin, services.delete, "admin's scripts"},
		{"GET", "/v1/services/{id}/categories", admin, listCategories, "admin's scripts"},
		{"POST", "/v1/services/{id}/categories", admin, categories.post(freshCategory), "admin's scripts"},
		{"GET", "/v1/categories/{id}", admin, categories.get, "admin's scripts"},
		{"PATCH", "/v1/categories/{id}", admin, categories.patch, "admin's scripts"},
		{"DELETE", "/v1/categories/{id}", admin, categories.delete, "admin's scripts"},
		{"GET", "/v1/bot", admin, getBot, "admin's scripts"},
		{"PUT", "/v1/bot", admin, putBot, "admin's scripts"},
		{"GET", "/v1/bot/warnings", admin, listBotWarnings, "admin's scripts"},

		{"GET", "/v1/clients", admin, listClients, "admin's scripts"},
		{"POST", "/v1/clients", admin, clients.post(freshClient), "admin's scripts"},
		{"GET", "/v1/clients/{id}", admin, clients.get, "admin's scripts"},
		{"PATCH", "/v1/clients/{id}", admin, clients.patch, "admin's scripts"},
		{"DELETE", "/v1/clients/{id}", admin, clients.delete, "admin's scripts"},
		{"GET", "/v1/specialists", admin, listSpecialists, "admin's scripts"},
		{"POST", "/v1/specialists", admin, specialists.post(freshSpecialist), "admin's scripts"},
		{"GET", "/v1/specialists/{id}", admin, specialists.get, "admin's scripts"},
		{"PATCH", "/v1/specialists/{id}", admin, specialists.patch, "admin's scripts"},
		{"DELETE", "/v1/specialists/{id}", admin, specialists.delete, "admin's scripts"},
		{"GET", "/v1/specialists/{id}/tokens", admin, listTokens, "admin's scripts"},
		{"POST", "/v1/specialists/{id}/tokens", admin, postToken, "admin's scripts"},
		{"DELETE", "/v1/specialists/{id}/tokens/{token}", admin, deleteToken, "admin's scripts"},

		{"GET", "/v1/channels", admin, listChannels, "admin's scripts"},
		{"POST", "/v1/channels", admin, postChannel, "admin's scripts"},
		{"GET", "/v1/channels/{id}", admin, getChannel, "admin's scripts"},
		{"PATCH", "/v1/channels/{id}", admin, patchChannel, "admin's scripts"},
		{"DELETE", "/v1/channels/{id}", admin, deleteChannel, "admin's scripts"},
		{"POST", "/v1/channels/{id}/approval", admin, postApproval, "operators"},
		{"POST", "/v1/channels/{id}/rejection", admin, postRejection, "operators"},
		{"PUT", "/v1/channels/{id}/credentials", admin, putCredentials, "admin's scripts"},
		{"PUT", "/v1/channels/{id}/state", admin, putChannelState, "admin's scripts"},
		{"GET", "/v1/channels/{id}/impact", admin, getChannelImpact, "admin's scripts"},
		{"PUT", "/v1/channels/{id}/queues", admin, putChannelQueues, "admin's scripts"},
		{"POST", "/v1/channels/{id}/secret", admin, postChannelSecret, "admin's scripts"},
		{"GET", "/v1/channels/{id}/templates", admin, listTemplates, "admin's scripts"},
		{"POST", "/v1/channels/{id}/templates", admin, postTemplate, "admin's scripts"},
		{"POST", "/v1/channels/{id}/templates/sync", admin, postSync, "admin's scripts"},
		{"GET", "/v1/templates/{id}", admin, getTemplate, "admin's scripts"},
		{"PUT", "/v1/templates/{id}/active", admin, putTemplateActive, "admin's scripts"},
		{"PUT", "/v1/templates/{id}/assignments", admin, putAssignments, "admin's scripts"},
		{"POST", "/v1/templates/{id}/messages", agent, postTemplateMessage, "agents' tools"},
		{"GET", "/v1/workspace/templates", agent, listWorkspace, "agents' tools"},
		{"POST", "/v1/uploads", agent, postUpload, "agents' tools"},
		{"GET", "/v1/uploads/{id}", agent, getUpload, "agents' tools"},
		{"GET", "/v1/queues", admin, listQueues, "admin's scripts"},
		{"POST", "/v1/queues", admin, queues.post(freshQueue), "admin's scripts"},
		{"GET", "/v1/queues/{id}", admin, queues.get, "admin's scripts"},
		{"PATCH", "/v1/queues/{id}", admin, queues.patch, "admin's scripts"},
		{"DELETE", "/v1/queues/{id}", admin, queues.delete, "admin's scripts"},
		{"GET", "/v1/campaigns", admin, listCampaigns, "admin's scripts"},
		{"POST", "/v1/campaigns", admin, campaigns.post(freshCampaign), "admin's scripts"},
		{"GET", "/v1/campaigns/{id}", admin, campaigns.get, "admin's scripts"},
		{"PATCH", "/v1/campaigns/{id}", admin, campaigns.patch, "admin's scripts"},
		{"DELETE", "/v1/campaigns/{id}", admin, campaigns.delete, "admin's scripts"},
		{"GET", "/v1/quarantine", admin, listQuarantine, "operators"},
		{"POST", "/v1/quarantine/{id}/replay", admin, replayQuarantined, "operators"},

		{"GET", "/v1/conversations", agent, listConversations, "agents' tools"},
		{"GET", "/v1/conversations/{id}", agent, getConversation, "agents' tools"},
		{"GET", "/v1/conversations/{id}/messages", agent, listMessages, "agents' tools"},
		{"GET", "/v1/cases", agent, listCases, "agents' tools"},
		{"GET", "/v1/cases/{id}", agent, getCase, "agents' tools"},
		{"PATCH", "/v1/cases/{id}", agent, patchCase, "agents' tools"},
		{"POST", "/v1/cases/{id}/conversations", agent, postCaseConversation, "agents' tools"},
		{"GET", "/v1/cases/{id}/history", agent, listHistory, "agents' tools"},
		{"GET", "/v1/me", agent, getMe, "everybody with a token"},

		{"GET", "/openapi.yaml", anybody, getDescription, "tools that read OpenAPI"},
		{"GET", "/docs", anybody, getDocs, "people who write against the API"},
		{"GET", "/health", anybody, getHealth, "load balancers, monitors, make run"},
	}
}

// Routes adds the API's routes to mux, which runs inside of [web.Handler].
func (a *API) Routes(mux *http.ServeMux) {
	locale.Load()
	for _, rt := range routes() {
		mux.Handle(rt.method+" "+rt.pattern, a.serve(rt))
	}
}
