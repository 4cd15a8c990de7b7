package api

import (
	"time"

	"buzon/internal/desk"
	"buzon/internal/store"
	"buzon/internal/web"
)

// MaxCode is the longest code of a project or case type, in characters.
const MaxCode = 40

var projects = resource[desk.Project, *desk.Project]{
	path: "/v1/projects/",
	id:   func(v desk.Project) string { return v.ID },
	load: func(c *call, id string) (desk.Project, error) { return c.company.Project(c.ctx(), id) },
	save: func(c *call, was, v desk.Project, also store.Also) error {
		return c.company.SaveProject(c.ctx(), was, v, also)
	},
	del: func(c *call, v desk.Project) error { return c.company.DeleteProject(c.ctx(), v) },
	read: func(_ *call, o *web.Object, v *desk.Project) error {
		o.Text("name", &v.Name, nameRule)
		o.Text("code", &v.Code, web.Text{Max: MaxCode})
		o.Bool("active", &v.Active)
		return nil
	},
	view: func(v desk.Project) any { return viewProject(v) },
}

type projectView struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	Code      *string    `json:"code"`
	Active    bool       `json:"active"`
	CreatedAt *time.Time `json:"created_at"`
}

func viewProject(v desk.Project) projectView {
	return projectView{v.ID, v.Version, v.Name, optional(v.Code), v.Active, when(v.CreatedAt)}
}

// freshProject is active and open to nobody who is anonymous (S1-02).
func freshProject(c *call) (desk.Project, error) {
	return desk.Project{ID: c.NewID(), Active: true, CreatedAt: c.now()}, nil
}

func listProjects(c *call) error {
	q := c.query()
	if err := q.err(); err != nil {
		return err
	}
	cat, err := c.company.FreshCatalogue(c.ctx())
	if err != nil {
		return err
	}
	return answerPage(c, q, cat.Projects, func(v desk.Project) (time.Time, string) { return v.CreatedAt, v.ID }, viewProject)
}

// answerPage answers with a page of a list that is held whole.
func answerPage[T, V any](c *call, q *query, all []T, place func(T) (time.Time, string), view func(T) V) error {
	items, next, err := page(q, all, newestFirst, place)
	if err != nil {
		return err
	}
	return answerList(c, items, next, view)
}

var groups = resource[desk.ServiceGroup, *desk.ServiceGroup]{
	path: "/v1/service-groups/",
	id:   func(v desk.ServiceGroup) string { return v.ID },
	load: func(c *call, id string) (desk.ServiceGroup, error) { return c.company.Group(c.ctx(), id) },
	save: func(c *call, _, v desk.ServiceGroup, also store.Also) error {
		return c.company.SaveGroup(c.ctx(), v, also)
	},
	del: func(c *call, v desk.ServiceGroup) error { return c.company.DeleteGroup(c.ctx(), v) },
	read: func(_ *call, o *web.Object, v *desk.ServiceGroup) error {
		o.Text("name", &v.Name, nameRule)
		return nil
	},
	view: func(v desk.ServiceGroup) any { return viewGroup(v) },
}

type groupView struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Project   string     `json:"project"`
	Name      string     `json:"name"`
	CreatedAt *time.Time `json:"created_at"`
}

func viewGroup(v desk.ServiceGroup) groupView {
	return groupView{v.ID, v.Version, v.Project, v.Name, when(v.CreatedAt)}
}

func freshGroup(c *call) (desk.ServiceGroup, error) {
	p, err := projects.find(c)
	return desk.ServiceGroup{ID: c.NewID(), Project: p.ID, CreatedAt: c.now()}, err
}

func listGroups(c *call) error {
	q, cat, p, err := inProject(c)
	if err != nil {
		return err
	}
	own := filter(cat.Groups, func(v desk.ServiceGroup) bool { return v.Project == p })
	return answerPage(c, q, own, func(v desk.ServiceGroup) (time.Time, string) { return v.CreatedAt, v.ID }, viewGroup)
}

// isIn is the check of an id that has to be one of these.
func isIn(there map[string]bool) func(string) string {
	return func(id string) string {
		if there[id] {
			return ""
		}
		return "not_found"
	}
}

// inProject reads what a list inside the project of the path needs.
func inProject(c *call) (*query, desk.Catalogue, string, error) {
	p, err := projects.find(c)
	if err != nil {
		return nil, desk.Catalogue{}, "", err
	}
	q := c.query()
	if err := q.err(); err != nil {
		return nil, desk.Catalogue{}, "", err
	}
	cat, err := c.company.FreshCatalogue(c.ctx())
	return q, cat, p.ID, err
}

func filter[T any](all []T, keep func(T) bool) []T {
	var out []T
	for _, v := range all {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

var services = resource[desk.Service, *desk.Service]{
	path: "/v1/services/",
	id:   func(v desk.Service) string { return v.ID },
	load: func(c *call, id string) (desk.Service, error) { return c.company.Service(c.ctx(), id) },
	save: func(c *call, _, v desk.Service, also store.Also) error {
		return c.company.SaveService(c.ctx(), v, also)
	},
	del:  func(c *call, v desk.Service) error { return c.company.DeleteService(c.ctx(), v) },
	read: readService,
	view: func(v desk.Service) any { return viewService(v) },
}

type serviceView struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Project   string     `json:"project"`
	Group     *string    `json:"service_group"`
	Name      string     `json:"name"`
	CreatedAt *time.Time `json:"created_at"`
}

func viewService(v desk.Service) serviceView {
	return serviceView{v.ID, v.Version, v.Project, optional(v.Group), v.Name, when(v.CreatedAt)}
}

func readService(c *call, o *web.Object, v *desk.Service) error {
	o.Text("name", &v.Name, nameRule)
	was := v.Group
	o.Text("service_group", &v.Group, web.Text{Max: maxID})
	if v.Group == "" || v.Group == was {
		return nil
	}
	g, ok, err := exists(v.Group, func() (desk.ServiceGroup, error) { return c.company.Group(c.ctx(), v.Group) })
	if err == nil && (!ok || g.Project != v.Project) {
		o.Add("service_group", "not_found")
	}
	return err
}

func freshService(c *call) (desk.Service, error) {
	p, err := projects.find(c)
	return desk.Service{ID: c.NewID(), Project: p.ID, CreatedAt: c.now()}, err
}

func listServices(c *call) error {
	q, cat, p, err := inProject(c)
	if err != nil {
		return err
	}
	own := filter(cat.Services, func(v desk.Service) bool { return v.Project == p })
	return answerPage(c, q, own, func(v desk.Service) (time.Time, string) { return v.CreatedAt, v.ID }, viewService)
}

var categories = resource[desk.Category, *desk.Category]{
	path: "/v1/categories/",
	id:   func(v desk.Category) string { return v.ID },
	load: func(c *call, id string) (desk.Category, error) { return c.company.Category(c.ctx(), id) },
	save: func(c *call, _, v desk.Category, also store.Also) error {
		return c.company.SaveCategory(c.ctx(), v, also)
	},
	del: func(c *call, v desk.Category) error { return c.company.DeleteCategory(c.ctx(), v) },
	read: func(_ *call, o *web.Object, v *desk.Category) error {
		o.Text("name", &v.Name, nameRule)
		o.Text("case_type", &v.CaseType, web.Text{Max: MaxCode})
		return nil
	},
	view: func(v desk.Category) any { return viewCategory(v) },
}

type categoryView struct {
	ID        string     `json:"id"`
	Version   int64      `json:"version"`
	Service   string     `json:"service"`
	Name      string     `json:"name"`
	CaseType  *string    `json:"case_type"`
	CreatedAt *time.Time `json:"created_at"`
}

func viewCategory(v desk.Category) categoryView {
	return categoryView{v.ID, v.Version, v.Service, v.Name, optional(v.CaseType), when(v.CreatedAt)}
}

func freshCategory(c *call) (desk.Category, error) {
	s, err := services.find(c)
	return desk.Category{ID: c.NewID(), Service: s.ID, CreatedAt: c.now()}, err
}

func listCategories(c *call) error {
	s, err := services.find(c)
	if err != nil {
		return err
	}
	q := c.query()
	if err := q.err(); err != nil {
		return err
	}
	cat, err := c.company.FreshCatalogue(c.ctx())
	if err != nil {
		return err
	}
	own := filter(cat.Categories, func(v desk.Category) bool { return v.Service == s.ID })
	return answerPage(c, q, own, func(v desk.Category) (time.Time, string) { return v.CreatedAt, v.ID }, viewCategory)
}

// MaxAssociated is the most services or categories that anonymous access names.
const MaxAssociated = 1000

// accessView is what the Anonymous user is associated with in a project. It has
// the version of the project.
type accessView struct {
	Version    int64 `json:"version"`
	Enabled    bool  `json:"enabled"`
	Services   any   `json:"services"`   // "all" or ids
	Categories any   `json:"categories"` // "all" or ids
}

// offers is what there is in a project.
type offers struct{ services, categories map[string]bool }

func offersOf(c *call, project string) (offers, error) {
	cat, err := c.company.FreshCatalogue(c.ctx())
	if err != nil {
		return offers{}, err
	}
	has := offers{map[string]bool{}, map[string]bool{}}
	for _, s := range cat.Services {
		if s.Project == project {
			has.services[s.ID] = true
		}
	}
	for _, k := range cat.Categories {
		if has.services[k.Service] {
			has.categories[k.ID] = true
		}
	}
	return has, nil
}

// view leaves out what was deleted since it was associated.
func (has offers) view(v desk.Project) any {
	some := func(all bool, ids []string, in map[string]bool) any {
		if all {
			return "all"
		}
		return texts(filter(ids, func(id string) bool { return in[id] }))
	}
	a := v.Access
	return accessView{
		v.Version, a.Enabled, some(a.AllServices, a.Services, has.services),
		some(a.AllCategories, a.Categories, has.categories),
	}
}

func getAccess(c *call) error {
	p, err := projects.find(c)
	if err != nil {
		return err
	}
	has, err := offersOf(c, p.ID)
	if err != nil {
		return err
	}
	return c.ok(p.Version, has.view(p))
}

// putAccess replaces the whole association, at the project's version.
func putAccess(c *call) error {
	p, err := projects.find(c)
	if err != nil {
		return err
	}
	has, err := offersOf(c, p.ID)
	if err != nil {
		return err
	}
	return change(c, func() (desk.Project, error) { return projects.find(c) }, has.view,
		func(o *web.Object, v *desk.Project) error {
			v.Access = desk.Access{}
			for _, name := range []string{"enabled", "services", "categories"} {
				if !o.Has(name) {
					o.Add(name, "required")
				}
			}
			o.Bool("enabled", &v.Access.Enabled)
			readAssociated(o, "services", &v.Access.AllServices, &v.Access.Services, has.services)
			readAssociated(o, "categories", &v.Access.AllCategories, &v.Access.Categories, has.categories)
			return nil
		},
		func(was desk.Project, v *desk.Project) error { return c.company.SaveProject(c.ctx(), was, *v, nil) })
}

func readAssociated(o *web.Object, name string, all *bool, ids *[]string, there map[string]bool) {
	if *all = o.Choice(name, "all"); *all {
		return
	}
	o.Texts(name, ids, MaxAssociated, web.Text{Check: isIn(there)})
}
