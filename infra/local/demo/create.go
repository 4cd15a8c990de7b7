package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/secret"
	"buzon/internal/store"
)

// abreast is how many things are created side by side: the table makes what
// comes at the same time durable together.
const abreast = 32

// step creates one thing that is not there yet.
type step func(context.Context) error

// Create creates what of the plan is not there yet. It may be run again after an
// error and after the death of its process; it changes nothing that is there.
func Create(ctx context.Context, s *store.Store, secrets secret.Store, p Plan) error {
	// Each stage needs what the one before made.
	var stages [4][]step
	for _, c := range []Company{p.Demo, p.Other} {
		in := s.In(c.Tenant.ID)
		stages[0] = append(stages[0], companyStep(in, c))
		for _, ch := range c.Channels() {
			stages[0] = append(stages[0], credentialsStep(in, secrets, ch))
			stages[1] = append(stages[1], channelSteps(in, ch)...)
		}
		stages[1] = append(stages[1], people(in, c)...)
		stages[1] = append(stages[1], settings(in, c)...)
		for _, v := range c.Projects {
			stages[1] = append(stages[1], func(ctx context.Context) error {
				was, err := in.Project(ctx, v.ID)
				return absent(err, func() error { return in.SaveProject(ctx, was, v, nil) })
			})
		}
		for _, v := range c.Groups {
			stages[2] = append(stages[2], func(ctx context.Context) error {
				_, err := in.Group(ctx, v.ID)
				return absent(err, func() error { return in.SaveGroup(ctx, v, nil) })
			})
		}
		for _, v := range c.Services {
			stages[2] = append(stages[2], func(ctx context.Context) error {
				_, err := in.Service(ctx, v.ID)
				return absent(err, func() error { return in.SaveService(ctx, v, nil) })
			})
		}
		for _, v := range c.Categories {
			stages[3] = append(stages[3], func(ctx context.Context) error {
				_, err := in.Category(ctx, v.ID)
				return absent(err, func() error { return in.SaveCategory(ctx, v, nil) })
			})
		}
	}
	for _, steps := range stages {
		if err := run(ctx, steps); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

func companyStep(in store.Company, c Company) step {
	return func(ctx context.Context) error {
		_, err := in.Self(ctx)
		return absent(err, func() error { return in.MakeTenant(ctx, c.Tenant) })
	}
}

func credentialsStep(in store.Company, secrets secret.Store, ch Channel) step {
	return func(ctx context.Context) error {
		value, err := json.Marshal(channel.Credentials{
			APIKey: ch.APIKey, AccessToken: ch.AccessToken, AppSecret: ch.AppSecret, VerifyToken: ch.VerifyToken,
		})
		if err != nil {
			return fmt.Errorf("credentials of %s: %w", ch.ID, err)
		}
		err = secrets.Create(ctx, in.CredentialsName(desk.Channel{ID: ch.ID}), string(value))
		if errors.Is(err, fault.Conflict) { // an earlier start made it
			return nil
		}
		return err
	}
}

func people(in store.Company, c Company) []step {
	var steps []step
	for _, v := range c.Specialists {
		steps = append(steps, func(ctx context.Context) error {
			was, err := in.Specialist(ctx, v.ID)
			return absent(err, func() error { return in.SaveSpecialist(ctx, was, v, nil) })
		})
	}
	for _, v := range c.Clients {
		steps = append(steps, func(ctx context.Context) error {
			was, err := in.Client(ctx, v.ID)
			return absent(err, func() error { return in.SaveClient(ctx, was, v, nil) })
		})
	}
	for _, v := range c.Tokens {
		steps = append(steps, func(ctx context.Context) error {
			_, err := in.Token(ctx, v.ID)
			return absent(err, func() error { return in.SaveToken(ctx, v.Token, nil) })
		})
	}
	return steps
}

// firstSync is when the provider's list of templates is read first, unless somebody
// asks or a verdict comes: a start makes no call to a provider (contract section 1).
const firstSync = 6 * time.Hour

func channelSteps(in store.Company, ch Channel) []step {
	return []step{
		func(ctx context.Context) error {
			_, err := in.FreshChannel(ctx, ch.ID)
			return absent(err, func() error { return in.ConnectChannel(ctx, desk.Channel{}, ch.Channel, nil) })
		},
		syncStep(in, ch),
	}
}

// syncStep sees to it that the list of templates is read as that of any channel.
func syncStep(in store.Company, ch Channel) step {
	return func(ctx context.Context) error {
		known, err := in.ChannelSync(ctx, ch.ID)
		if err != nil || known.Version > 0 {
			return err
		}
		t := in.ChannelTimer(store.WakeSync, ch.ID, 0, in.Now().Add(firstSync))
		known.Armed = t.Due
		return in.SaveChannelSync(ctx, ch.ID, known, t)
	}
}

func settings(in store.Company, c Company) []step {
	steps := []step{
		func(ctx context.Context) error {
			_, err := in.FreshBot(ctx)
			return absent(err, func() error { return in.SaveBot(ctx, c.Bot) })
		},
	}
	for _, v := range c.Templates {
		steps = append(steps, func(ctx context.Context) error {
			_, err := in.Template(ctx, v.ID)
			return absent(err, func() error { return in.CreateTemplate(ctx, v, "", nil) })
		})
	}
	return steps
}

// absent runs make if reading said that the thing is not there.
func absent(read error, make func() error) error {
	if errors.Is(read, fault.NotFound) {
		return make()
	}
	return read
}

// run runs all steps, several side by side, and gives the first error.
func run(ctx context.Context, steps []step) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, abreast)
	for _, s := range steps {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
