package desk

import "testing"

func TestSpecialistRoles(t *testing.T) {
	for _, c := range []struct {
		roles []string
		role  string
		has   bool
	}{
		{[]string{RoleAgent}, RoleAgent, true},
		{[]string{RoleAgent}, RoleAdmin, false},
		{[]string{RoleAgent, RoleAdmin}, RoleAdmin, true},
		{nil, RoleAgent, false},
		{[]string{""}, RoleAdmin, false},
		{[]string{"admin "}, RoleAdmin, false},
	} {
		if got := (Specialist{Roles: c.roles}).Has(c.role); got != c.has {
			t.Errorf("%q has %s: %t", c.roles, c.role, got)
		}
	}
}

func TestVersionedIsForTheStore(t *testing.T) {
	var p Project
	p.SetVersion(7)
	if p.Version != 7 || p.StoredVersion() != 7 {
		t.Errorf("version %d", p.StoredVersion())
	}
}
