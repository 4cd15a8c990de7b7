package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// newProject makes a project that anonymous people may use, with so many services
// of one category each.
func (p *play) newProject(ctx context.Context, name string, services int) ([]string, error) {
	var project struct{ ID string }
	if err := p.api(ctx, http.MethodPost, "/v1/projects", object{"name": name, "code": name, "active": true}, &project); err != nil {
		return nil, err
	}
	var names []string
	for i := range services {
		n := fmt.Sprintf("Servicio %03d", i+1)
		names = append(names, n)
		var service struct{ ID string }
		if err := p.api(ctx, http.MethodPost, "/v1/projects/"+project.ID+"/services", object{"name": n}, &service); err != nil {
			return nil, err
		}
		if err := p.api(ctx, http.MethodPost, "/v1/services/"+service.ID+"/categories", object{"name": "Única"}, nil); err != nil {
			return nil, err
		}
	}
	access := object{"enabled": true, "services": "all", "categories": "all"}
	return names, p.api(ctx, http.MethodPut, "/v1/projects/"+project.ID+"/anonymous-access", access, nil)
}

// listName is the project with so many services.
func listName(services int) string { return fmt.Sprintf("Lista %d", services) }

// lists plays the rule of nine and Following at its edges (S1-13, S1-15, S1-23).
func lists(ctx context.Context, p *play) {
	cases := []struct {
		services int
		pages    []int // rows of each list
	}{
		{10, []int{10}},
		{11, []int{10, 2}},
		{19, []int{10, 10}},
		{20, []int{10, 10, 2}},
		{28, []int{10, 10, 10}},
		{29, []int{10, 10, 10, 2}},
		{100, []int{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10}},
		{1, nil}, // below
	}
	services := map[int][]string{}
	if !p.check(fmt.Sprintf("%d projects are made and offered to all", len(cases)), func() error {
		for _, c := range cases {
			var err error
			if services[c.services], err = p.newProject(ctx, listName(c.services), c.services); err != nil {
				return err
			}
		}
		return p.settled(ctx)
	}) {
		return
	}
	for _, c := range cases[:len(cases)-1] {
		p.check(fmt.Sprintf("%d services stand on %d lists, each once and in order", c.services, len(c.pages)), func() error {
			want := services[c.services]
			x := p.newPerson(ctx)
			if err := x.begin(); err != nil {
				return err
			}
			if err := x.choose(listName(c.services)); err != nil {
				return err
			}
			var got []string
			var pages []int
			var first row
			for {
				list, err := x.nextList()
				if err != nil {
					return err
				}
				if len(pages) == 0 {
					first = list.Rows[0]
				}
				pages = append(pages, len(list.Rows))
				more, ok := following(list)
				for _, r := range list.Rows {
					if !ok || r != more {
						got = append(got, r.Title)
					}
				}
				if !ok {
					break
				}
				if err := x.tap(more); err != nil {
					return err
				}
			}
			if !slices.Equal(pages, c.pages) {
				return fmt.Errorf("lists have %v rows, want %v", pages, c.pages)
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("services %q, want %q", got, want)
			}
			// Any of the lists may be used (S1-16): the first row of the first one.
			if err := x.tap(first); err != nil {
				return err
			}
			return x.nextText("Servicio 001")
		})
	}
	p.check("a project with a single service chooses it by itself (S1-21)", func() error {
		x := p.newPerson(ctx)
		if err := x.begin(); err != nil {
			return err
		}
		if err := x.choose(listName(1)); err != nil {
			return err
		}
		list, err := x.nextList()
		if err != nil {
			return err
		}
		if len(list.Rows) != 1 || list.Rows[0].Title != "Única" {
			return fmt.Errorf("next list is %v, want the categories", list.Rows)
		}
		return nil
	})
	p.check("what an admin made is gone once it is deleted, from the category up", func() error {
		var project, service, category struct{ ID string }
		made := []struct {
			path string
			in   object
			out  *struct{ ID string }
		}{
			{"/v1/projects", object{"name": "De paso", "code": "de-paso", "active": true}, &project},
			{"/v1/projects/%s/services", object{"name": "De paso"}, &service},
			{"/v1/services/%s/categories", object{"name": "De paso"}, &category},
		}
		for i, m := range made {
			path := m.path
			if i > 0 {
				path = fmt.Sprintf(path, made[i-1].out.ID)
			}
			if err := p.api(ctx, http.MethodPost, path, m.in, m.out); err != nil {
				return err
			}
		}
		for _, path := range []string{"/v1/categories/" + category.ID, "/v1/services/" + service.ID, "/v1/projects/" + project.ID} {
			if err := p.api(ctx, http.MethodDelete, path, nil, nil); err != nil {
				return err
			}
			err := p.api(ctx, http.MethodGet, path, nil, nil)
			if err == nil {
				return fmt.Errorf("%s is there after it was deleted", path)
			}
			if !strings.Contains(err.Error(), ": 404 ") {
				return err
			}
		}
		return nil
	})
}
