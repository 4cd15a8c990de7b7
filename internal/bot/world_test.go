package bot

import (
	"fmt"
	"maps"
	"time"

	"buzon/internal/desk"
	"buzon/internal/locale"
)

// The worlds of the tests are built from a few words: a project holds groups and
// services, a group holds services, a service a number of categories.
type (
	group   []any // name, then services
	service struct {
		name       string
		categories int
	}
)

var begin = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// world has an unregistered person and the shipped settings.
func world(lang string, projects ...func(*desk.Catalogue)) World {
	var all desk.Catalogue
	for _, add := range projects {
		add(&all)
	}
	return World{
		Company:  "Acme",
		Settings: DefaultSettings(lang),
		Offered:  all.Offered(),
		FormKey:  "k1",
	}
}

// project adds one whose code is its name in front of "-code".
func project(name string, parts ...any) func(*desk.Catalogue) {
	return func(c *desk.Catalogue) {
		p := desk.Project{ID: "p" + name, Name: name, Code: name + "-code", Active: true,
			Access: desk.Access{Enabled: true, AllServices: true, AllCategories: true}}
		c.Projects = append(c.Projects, p)
		for _, part := range parts {
			switch part := part.(type) {
			case service:
				addService(c, p.ID, "", part)
			case group:
				g := desk.ServiceGroup{ID: fmt.Sprintf("%s-g%v", p.ID, part[0]), Project: p.ID, Name: part[0].(string)}
				c.Groups = append(c.Groups, g)
				for _, s := range part[1:] {
					addService(c, p.ID, g.ID, s.(service))
				}
			}
		}
	}
}

func addService(c *desk.Catalogue, project, group string, s service) {
	v := desk.Service{ID: project + "-s" + s.name, Project: project, Group: group, Name: s.name}
	c.Services = append(c.Services, v)
	for i := range s.categories {
		c.Categories = append(c.Categories, desk.Category{ID: fmt.Sprintf("%s-c%d", v.ID, i), Service: v.ID, Name: fmt.Sprintf("C%02d", i+1)})
	}
}

// many makes n projects P01, P02, … of one service with one category.
func many(n int) []func(*desk.Catalogue) {
	var all []func(*desk.Catalogue)
	for i := range n {
		all = append(all, project(fmt.Sprintf("P%02d", i+1), service{"S", 1}))
	}
	return all
}

// services makes n services S01, S02, … with one category each.
func services(n int) []any {
	var all []any
	for i := range n {
		all = append(all, service{fmt.Sprintf("S%02d", i+1), 1})
	}
	return all
}

// town is a world with every kind of step.
func town(lang string) World {
	return world(lang,
		project("Agua", group{"Redes", service{"Fugas", 2}, service{"Cortes", 1}}, group{"Cobros", service{"Factura", 12}}),
		project("Salud", service{"Citas", 1}, service{"Vacunas", 2}),
		project("Obras", group{"Vías", service{"Baches", 1}, service{"Puentes", 1}}, service{"Quejas", 1}),
	)
}

// registered is town for somebody who is known.
func registered(lang string) World {
	w := town(lang)
	w.Person = Person{Registered: true, Name: "Ana", Culture: lang}
	return w
}

// with changes the settings of a world.
func with(make func(string) World, change func(*World)) func(string) World {
	return func(lang string) World {
		w := make(lang)
		change(&w)
		return w
	}
}

// of makes a world of these projects.
func of(projects ...func(*desk.Catalogue)) func(string) World {
	return func(lang string) World { return world(lang, projects...) }
}

// own sets the company's own text in all languages.
func own(key, text string) func(*World) {
	return func(w *World) {
		texts := map[string]map[string]string{}
		for _, lang := range desk.Languages {
			texts[lang] = maps.Clone(w.Settings.Texts[lang])
			if texts[lang] == nil {
				texts[lang] = map[string]string{}
			}
			texts[lang][key] = text
		}
		w.Settings.Texts = texts
	}
}

func createCaseTemplate(lang, body string) desk.Template {
	return desk.Template{ID: "t-" + lang, ProviderID: "prov-" + lang, Name: "create_case", Language: lang, Body: body,
		Status: desk.TemplateApproved, ProviderState: "approved", Active: true}
}

// templated is town whose settings name a template; change spoils it.
func templated(change func(*desk.Template)) func(string) World {
	return with(town, func(w *World) {
		w.Settings.CreateCaseTemplate = "create_case"
		for _, lang := range desk.Languages {
			t := createCaseTemplate(lang, "{{1}}: {{2}}.")
			change(&t)
			w.Templates = append(w.Templates, t)
		}
	})
}

// word is a word of the shipped texts.
func word(lang, key string) string { return locale.For(lang).Text(key) }
