package desk

import "time"

// Project is what a company offers services in.
type Project struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Code      string    `json:"code,omitempty"` // unique in the company
	Active    bool      `json:"active"`
	CreatedAt time.Time `json:"created_at"`
	Access    Access    `json:"access"` // what the Anonymous user is associated with
	Versioned
}

// Access is what the Anonymous user is associated with in a project (S1-02, S1-12).
type Access struct {
	Enabled bool `json:"enabled"`
	// Services and Categories name what is associated; nil with All false: none.
	AllServices   bool     `json:"all_services"`
	Services      []string `json:"services,omitempty"`
	AllCategories bool     `json:"all_categories"`
	Categories    []string `json:"categories,omitempty"`
}

// ServiceGroup gathers services of a project.
type ServiceGroup struct {
	ID        string    `json:"id"`
	Project   string    `json:"project"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Versioned
}

// Service is what a person asks for in a project.
type Service struct {
	ID        string    `json:"id"`
	Project   string    `json:"project"`
	Group     string    `json:"group,omitempty"` // service group id or empty
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Versioned
}

// Category narrows a service.
type Category struct {
	ID        string    `json:"id"`
	Service   string    `json:"service"`
	Name      string    `json:"name"`
	CaseType  string    `json:"case_type,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	Versioned
}

// Catalogue is everything of a company that a dialogue can offer, in the order
// of creation. It is read whole; do not change what it holds.
type Catalogue struct {
	Projects   []Project
	Groups     []ServiceGroup
	Services   []Service
	Categories []Category
}

// Offered: the parts of c that the Anonymous user may use: enabled, associated
// and active (contract section 3).
func (c Catalogue) Offered() Catalogue {
	var o Catalogue
	access := map[string]Access{}
	for _, p := range c.Projects {
		if p.Active && p.Access.Enabled {
			access[p.ID] = p.Access
			o.Projects = append(o.Projects, p)
		}
	}
	project := map[string]Access{} // of a service
	groups := map[string]bool{}
	for _, s := range c.Services {
		if a, ok := access[s.Project]; ok && (a.AllServices || contains(a.Services, s.ID)) {
			o.Services = append(o.Services, s)
			project[s.ID] = a
			groups[s.Group] = true
		}
	}
	for _, g := range c.Groups {
		if _, ok := access[g.Project]; ok && groups[g.ID] {
			o.Groups = append(o.Groups, g)
		}
	}
	for _, k := range c.Categories {
		if a, ok := project[k.Service]; ok && (a.AllCategories || contains(a.Categories, k.ID)) {
			o.Categories = append(o.Categories, k)
		}
	}
	return o
}

func contains(ids []string, id string) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return false
}

// BotSettings are a company's settings of the dialogue (S1-11).
type BotSettings struct {
	Language string     `json:"language"` // for people whose culture is not known (Q46)
	Menu     []MenuItem `json:"menu"`
	// Texts replace shipped texts: language, then the locale key "bot.…".
	Texts              map[string]map[string]string `json:"texts,omitempty"`
	ProjectCode        string                       `json:"project_code"`         // S1-07; empty: ask
	CreateCaseTemplate string                       `json:"create_case_template"` // S1-11, S1-31; empty: a text with the link
	AnonymousUser      string                       `json:"anonymous_user"`       // S1-12
	TimeoutMinutes     int                          `json:"timeout_minutes"`      // Q11
	FormHours          int                          `json:"form_hours"`
	// DefaultCaseType is that of a case which nothing gives another: one made by a
	// quick reply (S3-46); empty: none.
	DefaultCaseType string `json:"default_case_type,omitempty"`
	Versioned
}

// The actions of a menu entry (Q1).
const (
	ActionAnonymousCase = "anonymous_case"
	ActionText          = "text"
)

// MenuItem is one entry of the menu that a registered person gets (S1-04, S1-05).
type MenuItem struct {
	Number int               `json:"number"`
	Label  map[string]string `json:"label"` // by language
	Action string            `json:"action"`
	Text   map[string]string `json:"text,omitempty"` // answer of the action text, by language
}
