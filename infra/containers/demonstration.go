package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"buzon/infra/containers/observe"
	"buzon/infra/local/demo"
	"buzon/infra/local/simulator"
	"buzon/internal/api"
	"buzon/internal/cloud"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/secret"
	"buzon/internal/store"
	"buzon/internal/web"
)

// demonstration is what a run has besides the functions: the demo companies and
// the simulator, which stands in for each provider whose setting leads nowhere else.
type demonstration struct {
	run       *whole
	store     *store.Store
	secrets   secret.Store
	newID     func() string
	phones    *simulator.Log
	simulator *simulator.Simulator // not before make
}

// newDemonstration begins with an empty folder: the engines are empty too.
func newDemonstration(w *whole) (*demonstration, error) {
	at := w.engines.Settings()
	c := cloud.New(func(name string) string { return at[name] }, w.log)
	d := &demonstration{run: w, store: c.Store(), secrets: c.Secrets(), newID: c.NewID}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(w.Data, 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{demo.PlanFile, demo.File, simulatorFile} {
		if err := os.Remove(filepath.Join(w.Data, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	var err error
	d.phones, err = simulator.OpenLog(filepath.Join(w.Data, simulatorFile), true)
	return d, err
}

const simulatorFile = "simulator.db"

func (d *demonstration) file() string { return filepath.Join(d.run.Data, demo.File) }

// providers are, by the name of the setting, what the containers find at a provider's
// address.
func (d *demonstration) providers() map[string]http.Handler {
	return map[string]http.Handler{
		"GUPSHUP_URL": d.provider(d.run.GupshupURL, func() http.Handler { return d.simulator.Gupshup() }),
		"META_URL":    d.provider(d.run.MetaURL, func() http.Handler { return d.simulator.Meta() }),
	}
}

func (d *demonstration) provider(elsewhere string, standIn func() http.Handler) http.Handler {
	if elsewhere != "" {
		u, err := url.Parse(elsewhere)
		if err != nil {
			panic(err) // unreachable: the setting was read
		}
		return observe.Pass(u, d.run.ways.over, d.run.log)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { standIn().ServeHTTP(w, r) })
}

// make makes the companies: one by the admin function, which makes the keys too, as
// make tenant does, and those of the demo as the local run does.
func (d *demonstration) make(ctx context.Context) error {
	for _, step := range []struct {
		command api.Command
		well    func(api.Done) bool
	}{
		{api.Command{Command: api.CommandCheck}, func(d api.Done) bool { return len(d.Missing) > 0 }}, // the keys
		{api.Command{Command: api.CommandTenant, ID: "third", Name: "Tercera Empresa"}, func(d api.Done) bool { return d.Tenant == "third" && d.AdminToken != "" }},
		{api.Command{Command: api.CommandCheck}, func(d api.Done) bool { return len(d.Missing) == 0 }},
	} {
		done, err := d.admin(ctx, step.command)
		if err != nil {
			return err
		}
		if !step.well(done) {
			return fmt.Errorf("admin function: command %s: missing %q", step.command.Command, done.Missing)
		}
	}
	maker := demo.Maker{Now: func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }, NewID: d.newID}
	plan, err := demo.Ensure(ctx, d.run.Data, d.run.base, maker, d.store, d.secrets)
	if err != nil {
		return err
	}
	d.simulator, err = d.newSimulator(plan)
	return err
}

// admin asks the admin function for something.
func (d *demonstration) admin(ctx context.Context, c api.Command) (api.Done, error) {
	var done api.Done
	command, err := json.Marshal(c)
	if err != nil {
		return done, err
	}
	answer, err := d.run.lambda.Invoke(ctx, "AdminFunction", command)
	if err != nil {
		return done, err
	}
	return done, json.Unmarshal(answer, &done)
}

func (d *demonstration) newSimulator(plan demo.Plan) (*simulator.Simulator, error) {
	people := []simulator.Person{{Number: demo.NewNumber, Note: "somebody new"}}
	for _, c := range plan.Demo.Clients {
		if c.Phone != "" {
			people = append(people, simulator.Person{Number: c.Phone, Name: c.Name, Note: "known to " + plan.Demo.Tenant.Name})
		}
	}
	return simulator.New(simulator.Options{
		Lines: plan.Lines(d.run.base), People: people, Phones: d.phones, Log: d.run.log,
		Now: func() time.Time { return time.Now().UTC() },
		Channel: func(ctx context.Context, id string) (desk.Channel, error) {
			tenant, ok := store.TenantOf(id)
			if !ok {
				return desk.Channel{}, fmt.Errorf("channel %s: %w", id, fault.NotFound)
			}
			return d.store.In(tenant).Channel(ctx, id)
		},
		Template: func(ctx context.Context, l simulator.Line, id string) (desk.Template, error) {
			tenant, ok := store.TenantOf(l.ID)
			if !ok {
				return desk.Template{}, fmt.Errorf("channel %s: %w", l.ID, fault.NotFound)
			}
			return d.store.In(tenant).TemplateByProviderID(ctx, l.ID, id)
		},
		Templates: plan.ProviderTemplates(d.run.publicURL()),
		PublicURL: d.run.publicURL(),
		Clock:     time.Now,
		Advance: func(context.Context, time.Duration) (time.Time, error) {
			return time.Now(), fmt.Errorf("clock of the containers: it cannot be moved: %w", fault.Conflict)
		},
		External: map[string]string{desk.ProviderGupshup: d.run.GupshupURL, desk.ProviderMeta: d.run.MetaURL},
	})
}

// pages are what is below /simulator.
func (d *demonstration) pages() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux := http.NewServeMux()
		d.simulator.Routes(mux)
		web.Handler(mux, web.Options{Log: d.run.log, NewID: d.newID, Now: time.Now, Quiet: true}).ServeHTTP(w, r)
	})
}

// tell tells the webhooks what became of messages, if the simulator took them.
func (d *demonstration) tell(ctx context.Context) { d.simulator.Tell(ctx) }

func (d *demonstration) close() error {
	if d.simulator != nil {
		d.simulator.Close()
	}
	return d.phones.Close()
}
