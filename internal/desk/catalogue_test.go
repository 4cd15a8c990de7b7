package desk

import (
	"reflect"
	"strings"
	"testing"
)

// world has two open projects. In p1 the services s1 and s2 lie in the group g1
// and s3 in none; in p2 s4 lies in g2. Every service has two categories.
func world() Catalogue {
	all := Access{Enabled: true, AllServices: true, AllCategories: true}
	c := Catalogue{
		Projects: []Project{{ID: "p1", Active: true, Access: all}, {ID: "p2", Active: true, Access: all}},
		Groups:   []ServiceGroup{{ID: "g1", Project: "p1"}, {ID: "g2", Project: "p2"}, {ID: "g3", Project: "p1"}},
		Services: []Service{
			{ID: "s1", Project: "p1", Group: "g1"}, {ID: "s2", Project: "p1", Group: "g1"}, {ID: "s3", Project: "p1"},
			{ID: "s4", Project: "p2", Group: "g2"},
		},
	}
	for _, s := range c.Services {
		c.Categories = append(c.Categories, Category{ID: s.ID + "a", Service: s.ID}, Category{ID: s.ID + "b", Service: s.ID})
	}
	return c
}

func ids(c Catalogue) string {
	var out []string
	for _, v := range c.Projects {
		out = append(out, v.ID)
	}
	for _, v := range c.Groups {
		out = append(out, v.ID)
	}
	for _, v := range c.Services {
		out = append(out, v.ID)
	}
	for _, v := range c.Categories {
		out = append(out, v.ID)
	}
	return strings.Join(out, " ")
}

func TestOffered(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*Catalogue)
		want   string
	}{
		{
			"everything open; a group without services is not offered", func(*Catalogue) {},
			"p1 p2 g1 g2 s1 s2 s3 s4 s1a s1b s2a s2b s3a s3b s4a s4b",
		},
		{
			"S1-02: anonymous access is off in a project", func(c *Catalogue) { c.Projects[0].Access.Enabled = false },
			"p2 g2 s4 s4a s4b",
		},
		{
			"a project that is not active", func(c *Catalogue) { c.Projects[1].Active = false },
			"p1 g1 s1 s2 s3 s1a s1b s2a s2b s3a s3b",
		},
		{
			"S1-12: only what the Anonymous user is associated with", func(c *Catalogue) {
				c.Projects[0].Access = Access{Enabled: true, Services: []string{"s3"}, AllCategories: true}
			},
			"p1 p2 g2 s3 s4 s3a s3b s4a s4b",
		},
		{
			"S1-26: categories of the service and associated with the user", func(c *Catalogue) {
				c.Projects[0].Access = Access{Enabled: true, AllServices: true, Categories: []string{"s1a", "s3b"}}
			},
			"p1 p2 g1 g2 s1 s2 s3 s4 s1a s3b s4a s4b",
		},
		{
			"S1-26: an associated category of a service that is not", func(c *Catalogue) {
				c.Projects[0].Access = Access{Enabled: true, Services: []string{"s1"}, Categories: []string{"s1a", "s3a"}}
			},
			"p1 p2 g1 g2 s1 s4 s1a s4a s4b",
		},
		{
			"S1-12: ids of another project associate nothing", func(c *Catalogue) {
				c.Projects[0].Access = Access{Enabled: true, Services: []string{"s4"}, Categories: []string{"s4a"}}
			},
			"p1 p2 g2 s4 s4a s4b",
		},
		{
			"open, but associated with nothing: the project stays, for its apology (Q4)", func(c *Catalogue) {
				c.Projects[0].Access = Access{Enabled: true}
			},
			"p1 p2 g2 s4 s4a s4b",
		},
		{
			"all services are of the project only", func(c *Catalogue) { c.Projects[1].Access.Enabled = false },
			"p1 g1 s1 s2 s3 s1a s1b s2a s2b s3a s3b",
		},
		{
			"what belongs to a project that is gone", func(c *Catalogue) { c.Projects = c.Projects[:1] },
			"p1 g1 s1 s2 s3 s1a s1b s2a s2b s3a s3b",
		},
		{"nothing there", func(c *Catalogue) { *c = Catalogue{} }, ""},
	} {
		cat := world()
		c.change(&cat)
		before := cat
		if got := ids(cat.Offered()); got != c.want {
			t.Errorf("%s: %s", c.why, got)
		}
		if !reflect.DeepEqual(before, cat) {
			t.Errorf("%s: the catalogue itself changed", c.why)
		}
	}
}
