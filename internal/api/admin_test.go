package api

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"buzon/internal/fault"
	"buzon/internal/link"
	"buzon/internal/secret/embedded"
)

// TestAdmin: an installation begins with neither company nor keys; the first
// company brings the keys, and no later one changes them.
func TestAdmin(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	secrets := must(embedded.Open(filepath.Join(t.TempDir(), "secrets.json")))
	admin := &Admin{API: *w.api, Secrets: secrets}

	done := must(admin.Do(ctx, Command{Command: CommandCheck}))
	if len(done.Missing) != 1 || !strings.Contains(done.Missing[0], link.KeyName) {
		t.Errorf("before the first company these are missing: %q", done.Missing)
	}
	done = must(admin.Do(ctx, Command{Command: CommandTenant, ID: "acme", Name: "Acme"}))
	if done.Tenant != "acme" || !strings.HasPrefix(done.AdminToken, "bzn_acme_") {
		t.Errorf("made %+v", done)
	}
	keys := must(secrets.Get(ctx, link.KeyName))
	if len(must(admin.Do(ctx, Command{Command: CommandCheck})).Missing) != 0 {
		t.Error("something is missing still")
	}
	must(admin.Do(ctx, Command{Command: CommandTenant, ID: "second", Name: "Second"}))
	if must(secrets.Get(ctx, link.KeyName)) != keys {
		t.Error("the second company changed the keys: all links of the first are dead")
	}
	again := must(admin.Do(ctx, Command{Command: CommandToken, ID: "acme"}))
	if !strings.HasPrefix(again.AdminToken, "bzn_acme_") || again.AdminToken == done.AdminToken {
		t.Errorf("a new token: %+v", again)
	}
	if a := w.do(again.AdminToken, "GET", "/v1/me", ""); a.status != 200 {
		t.Errorf("the new token: %d", a.status)
	}
	for _, c := range []struct {
		say  string
		ask  Command
		kind fault.Kind
	}{
		{"a company is made once", Command{Command: CommandTenant, ID: "acme", Name: "Acme"}, fault.Conflict},
		{"with a short id that can be one", Command{Command: CommandTenant, ID: "Not-This", Name: "Acme"}, fault.Invalid},
		{"and a name", Command{Command: CommandTenant, ID: "third"}, fault.Invalid},
		{"a token needs a company", Command{Command: CommandToken, ID: "nobody"}, fault.NotFound},
		{"with a short id", Command{Command: CommandToken, ID: ""}, fault.Invalid},
		{"an unknown command does nothing", Command{Command: "drop"}, fault.Invalid},
		{"nor does none", Command{}, fault.Invalid},
	} {
		if done, err := admin.Do(ctx, c.ask); !errors.Is(err, c.kind) || done.AdminToken != "" {
			t.Errorf("%s: %+v, %v", c.say, done, err)
		}
	}
}
