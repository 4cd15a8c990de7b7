package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// names is what a step of TestUniqueNames does with a client.
type names struct{ id, user, phone string }

// taken lists the fields that an error says are taken; other errors by kind.
func taken(err error) string {
	var in *fault.Input
	switch {
	case err == nil:
		return ""
	case errors.As(err, &in):
		var out []string
		for _, p := range in.Problems {
			out = append(out, p.Field+" "+p.Code)
		}
		return strings.Join(out, ", ")
	case errors.Is(err, fault.Conflict):
		return "conflict"
	}
	return err.Error()
}

func TestUniqueNames(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	for _, step := range []struct {
		why  string
		to   names // of the client id; no user: it is deleted
		want string
	}{
		{"a new client", names{"a", "ana", "1"}, ""},
		{"another with the same user name", names{"b", "ana", "2"}, "user_name taken"},
		{"in other letters", names{"b", "ANA", "2"}, "user_name taken"},
		{"with the same phone", names{"b", "bea", "1"}, "phone taken"},
		{"with both: all problems at once", names{"b", "Ana", "1"}, "user_name taken, phone taken"},
		{"with names of its own", names{"b", "bea", "2"}, ""},
		{"a new name", names{"a", "ana maría", "1"}, ""},
		{"its old name is free", names{"c", "ana", "3"}, ""},
		{"it cannot go back", names{"a", "ana", "1"}, "user_name taken"},
		{"only other letters", names{"a", "ANA MARÍA", "1"}, ""},
		{"which are still its own", names{"b", "Ana María", "2"}, "user_name taken"},
		{"no phone any more", names{"a", "ANA MARÍA", ""}, ""},
		{"its phone is free", names{"b", "bea", "1"}, ""},
		{"a second without a phone", names{"c", "ana", ""}, ""},
		{"two names at once, one of them taken", names{"c", "carla", "1"}, "phone taken"},
		{"and it keeps what it had", names{"d", "ana", "9"}, "user_name taken"},
		{"a deletion", names{"c", "", ""}, ""},
		{"frees its names", names{"d", "ana", "9"}, ""},
		{"a name taken from somebody else's phone is another kind", names{"e", "9", "8"}, ""},
		{"a name that looks like a key", names{"f", "ana#1", "7"}, ""},
	} {
		was, err := c.Client(ctx, step.to.id)
		if err != nil {
			want(t, err, fault.NotFound)
		}
		v := was
		v.ID, v.UserName, v.Phone = step.to.id, step.to.user, step.to.phone
		if step.to.user == "" {
			err = c.DeleteClient(ctx, was)
		} else {
			err = c.SaveClient(ctx, was, v, nil)
		}
		if got := taken(err); got != step.want {
			t.Fatalf("%s: %q, want %q", step.why, got, step.want)
		}
		if err != nil {
			now, _ := c.Client(ctx, step.to.id)
			if now.Version != was.Version || now.UserName != was.UserName || now.Phone != was.Phone {
				t.Fatalf("%s: refused, and yet %+v", step.why, now)
			}
		}
	}
	for phone, id := range map[string]string{"1": "b", "9": "d", "8": "e", "2": "", "3": "", "ana": ""} {
		v, err := c.ClientByPhone(ctx, phone)
		if v.ID != id || (err == nil) != (id != "") || err != nil && !errors.Is(err, fault.NotFound) {
			t.Errorf("phone %s: %q, %v", phone, v.ID, err)
		}
	}
}

func TestUserNamesAreOfClientsAndSpecialistsTogether(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	eva := desk.Specialist{ID: "s", UserName: "Eva"}
	must(t, c.SaveSpecialist(ctx, desk.Specialist{}, eva, nil))
	if got := taken(c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "c", UserName: "EVA"}, nil)); got != "user_name taken" {
		t.Errorf("%q", got)
	}
	eva.Version = 1
	must(t, c.DeleteSpecialist(ctx, eva))
	want(t, c.DeleteSpecialist(ctx, eva), fault.Conflict)
	must(t, c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "c", UserName: "eva"}, nil))
	_, err := c.Specialist(ctx, "s")
	want(t, err, fault.NotFound)
}

// A stale writer is told so, not that its names are taken, and frees nothing.
func TestStaleWritesOfNames(t *testing.T) {
	s, _ := openPlain(t)
	c := s.In("acme")
	ctx := t.Context()
	must(t, c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "a", UserName: "one"}, nil))
	must(t, c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "b", UserName: "other"}, nil))
	was := got[desk.Client](t)(c.Client(ctx, "a"))
	v := was
	v.UserName = "two"
	must(t, c.SaveClient(ctx, was, v, nil))
	for why, name := range map[string]string{"a free name": "three", "a taken one": "other", "its own of now": "two"} {
		v.UserName = name
		if got := taken(c.SaveClient(ctx, was, v, nil)); got != "conflict" {
			t.Errorf("%s: %q", why, got)
		}
	}
	if got := taken(c.DeleteClient(ctx, was)); got != "conflict" {
		t.Errorf("a stale deletion: %q", got)
	}
	// Since it is "two" now, somebody else may be "one"; a stale rename of a does not take it away.
	must(t, c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "d", UserName: "one"}, nil))
	now := got[desk.Client](t)(c.Client(ctx, "a"))
	v = now
	v.UserName = "four"
	must(t, c.SaveClient(ctx, was /* read long ago */, v, nil))
	if got := taken(c.SaveClient(ctx, desk.Client{}, desk.Client{ID: "e", UserName: "one"}, nil)); got != "user_name taken" {
		t.Errorf("the name of d was freed: %q", got)
	}
}

func TestNamesBehindAHostileTable(t *testing.T) {
	for _, seed := range seeds {
		s, _, h := openHostile(t, seed, harsh)
		c := s.In("acme")
		for i := range 30 {
			id, name := fmt.Sprint("c", i%3), fmt.Sprint("name ", i)
			stubbornly(t, func() error { // a PATCH, from its read
				was, err := c.Client(t.Context(), id)
				if err != nil && !errors.Is(err, fault.NotFound) || was.UserName == name {
					return err
				}
				v := was
				v.ID, v.UserName = id, name
				return c.SaveClient(t.Context(), was, v, nil)
			})
		}
		h.Calm()
		for i := range 30 {
			held := got[[]table.Item](t)(c.Table.Get(t.Context(), c.uniqueKey(uniqueUserName, fmt.Sprint("name ", i))))[0].Exists()
			if held != (i >= 27) {
				t.Errorf("seed %d: name %d is held: %t", seed, i, held)
			}
		}
	}
}

func TestTenantsAreMadeOnce(t *testing.T) {
	s, _ := openPlain(t)
	must(t, s.In("acme").MakeTenant(t.Context(), desk.Tenant{ID: "acme", Name: "A"}))
	want(t, s.In("acme").MakeTenant(t.Context(), desk.Tenant{ID: "acme", Name: "B"}), fault.Conflict)
	if v := got[desk.Tenant](t)(s.In("acme").Self(t.Context())); v.Name != "A" {
		t.Errorf("%+v", v)
	}
}

// R13: a token is read strongly, also when it is revoked.
func TestR13RevokedTokensAreReadAsSuch(t *testing.T) {
	s, _, _ := openHostile(t, 1, thin)
	c := s.In("acme")
	token := desk.Token{ID: "t", Specialist: "s"}
	must(t, c.SaveToken(t.Context(), token, nil))
	want(t, c.SaveToken(t.Context(), token, nil), fault.Conflict)
	token.Version, token.RevokedAt = 1, noon
	must(t, c.SaveToken(t.Context(), token, nil))
	if v := got[desk.Token](t)(c.Token(t.Context(), "t")); v.RevokedAt.IsZero() {
		t.Errorf("%+v", v)
	}
}
