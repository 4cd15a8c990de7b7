package bot

import (
	"strings"

	"buzon/internal/desk"
)

// option is one thing that a person can choose at a step.
type option struct {
	kind byte
	id   string
	name string
}

// options lists what can be chosen at a step, in the catalogue's order. Pages are
// cut from this one list, so that every earlier list stays valid (S1-16).
func options(c desk.Catalogue, s state) []option {
	var all []option
	switch s.Step {
	case stepProject:
		for _, p := range c.Projects {
			all = append(all, option{kindProject, p.ID, p.Name})
		}
	case stepGroup:
		grouped := groupsOf(c, s.Project)
		var alone []option
		for _, v := range servicesOf(c, s.Project) {
			if _, ok := grouped[v.Group]; !ok {
				alone = append(alone, option{kindService, v.ID, v.Name})
			}
		}
		for _, g := range c.Groups {
			if _, ok := grouped[g.ID]; ok {
				all = append(all, option{kindGroup, g.ID, g.Name})
			}
		}
		all = append(all, alone...)
	case stepService:
		for _, v := range servicesOf(c, s.Project) {
			if s.Group == "" || v.Group == s.Group {
				all = append(all, option{kindService, v.ID, v.Name})
			}
		}
	case stepCategory:
		for _, k := range c.Categories {
			if k.Service == s.Service {
				all = append(all, option{kindCategory, k.ID, k.Name})
			}
		}
	}
	return all
}

func servicesOf(c desk.Catalogue, project string) []desk.Service {
	var services []desk.Service
	for _, v := range c.Services {
		if v.Project == project {
			services = append(services, v)
		}
	}
	return services
}

func groupsOf(c desk.Catalogue, project string) map[string]desk.ServiceGroup {
	groups := map[string]desk.ServiceGroup{}
	for _, g := range c.Groups {
		if g.Project == project {
			groups[g.ID] = g
		}
	}
	return groups
}

// hasGroups tells whether the project's services are grouped (S1-20).
func hasGroups(c desk.Catalogue, project string) bool {
	groups := groupsOf(c, project)
	for _, v := range servicesOf(c, project) {
		if _, ok := groups[v.Group]; ok {
			return true
		}
	}
	return false
}

// byKey finds the option that a tap names.
func byKey(all []option, kind byte, key string) (option, bool) {
	for _, o := range all {
		if o.kind == kind && optionKey(o.id) == key {
			return o, true
		}
	}
	return option{}, false
}

// byName finds the one option whose name was typed: letter by letter, else as
// fold sees it. A text that fits two options fits none.
func byName(all []option, typed string) (option, bool) {
	exact := strings.TrimSpace(typed)
	if o, ok := only(all, func(o option) bool { return strings.TrimSpace(o.name) == exact }); ok && exact != "" {
		return o, true
	}
	folded := fold(typed)
	if folded == "" {
		return option{}, false
	}
	return only(all, func(o option) bool { return fold(o.name) == folded })
}

func only(all []option, fits func(option) bool) (option, bool) {
	var found option
	n := 0
	for _, o := range all {
		if fits(o) {
			found = o
			n++
		}
	}
	return found, n == 1
}
