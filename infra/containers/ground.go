package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"buzon/infra/containers/docker"
	"buzon/infra/containers/observe"
	"buzon/infra/containers/sam"
	"buzon/infra/containers/template"
	"buzon/infra/engines/engine"
)

// ground is what functions in containers stand on: Docker with a base image, the
// built functions, the engines and the ways to them. Make it with [prepare].
type ground struct {
	settings
	log       *slog.Logger
	functions []template.Function
	lockFile  *os.File
	docker    *docker.Client
	daemon    *docker.Daemon
	engines   *engine.Running
	ways      *ways
	cli       *sam.CLI // leads to the engines
	servers   []*sam.Server
	image     string
	label     string // of images and containers of this checkout
}

// prepare makes the ground. An error leaves nothing behind but what is under
// .cache.
func prepare(ctx context.Context, s settings, log *slog.Logger) (g *ground, err error) {
	g = &ground{settings: s, log: log, ways: &ways{
		record: &observe.Record{}, over: observe.Transport(), log: log, queues: map[string]string{},
	}}
	if g.functions, err = template.Read(s.template()); err != nil {
		return nil, err
	}
	if !sam.Installed(s.sam()) {
		return nil, errors.New("sam is not there: go run ./infra/containers install")
	}
	if !engine.Installed(s.engines()) {
		return nil, errors.New("the engines are not there: go run ./infra/containers install")
	}
	if g.lockFile, err = s.lock(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.checkout, err)
	}
	sum := sha256.Sum256([]byte(s.checkout))
	id := hex.EncodeToString(sum[:6])
	g.label, g.image = "buzon.checkout="+id, "buzon-"+id+":al2023"
	g.cli = &sam.CLI{Folder: s.sam(), Dir: s.checkout, Env: g.environ()}
	err = together(ctx,
		g.timed("engines", g.startEngines),
		g.timed("docker", g.startDocker),
		g.timed("sam validate", func(ctx context.Context) error {
			_, err := g.cli.Run(ctx, g.in("validate.log"), "validate", "--lint")
			return err
		}),
		g.timed("sam build", g.build),
	)
	if err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	at := g.engines.Settings()
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} { // SAM hands them to the functions
		g.cli.Env = append(g.cli.Env, name+"="+at[name])
	}
	// SAM asks who it is at every start; moto, which stands in for SSM, answers.
	g.cli.Env = append(g.cli.Env, "AWS_ENDPOINT_URL_STS="+at["AWS_ENDPOINT_URL_SSM"], "AWS_ENDPOINT_URL_IAM="+at["AWS_ENDPOINT_URL_SSM"])
	return g, nil
}

// together runs all of them side by side; the first error ends the others and is
// the one given.
func together(ctx context.Context, all ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, f := range all {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// timed tells how long f took.
func (g *ground) timed(name string, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		from := time.Now()
		if err := f(ctx); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "containers: %-18s %5.1f s\n", name, time.Since(from).Seconds())
		return nil
	}
}

func (g *ground) startEngines(ctx context.Context) (err error) {
	g.engines, err = engine.Start(ctx, engine.Options{Cache: g.settings.engines()})
	return err
}

// startDocker finds or starts Docker, removes what a run that was killed left, and
// makes the base image.
func (g *ground) startDocker(ctx context.Context) error {
	var err error
	if g.docker, err = docker.New(os.Getenv("DOCKER_HOST")); err != nil {
		return err
	}
	if g.daemon, err = docker.Ensure(ctx, g.docker, g.work(), engine.EndsWithUs(syscall.SIGTERM)); err != nil {
		return err
	}
	if err := g.sweep(ctx); err != nil {
		return err
	}
	base, err := docker.Base()
	if err != nil {
		return err
	}
	if err := g.docker.Import(ctx, g.image, g.label, bytes.NewReader(base)); err != nil {
		return err
	}
	gateway, err := g.docker.Gateway(ctx)
	if err != nil {
		return err
	}
	g.ways.host, err = reachable(gateway)
	return err
}

// sweep removes the containers and images of this checkout.
func (g *ground) sweep(ctx context.Context) error {
	if err := g.docker.RemoveContainers(ctx, g.label); err != nil {
		return err
	}
	return g.docker.RemoveImages(ctx, g.label)
}

// build builds the functions for this machine, beside what is built for AWS.
func (g *ground) build(ctx context.Context) error {
	args := append([]string{"build", "--build-in-source", "--template-file", g.template(), "--build-dir", g.in("build")}, g.overrides()...)
	_, err := g.cli.Run(ctx, g.in("build.log"), args...)
	return err
}

// environ is this process's environment for SAM, without what would reach the
// functions or lead anything to AWS.
func (g *ground) environ() []string {
	own := []string{
		"ARCH=" + architecture(),   // for the Makefile
		"AWS_REGION=us-east-1",     // until the engines say which
		"NO_PROXY=*", "no_proxy=*", // it asks containers of this machine alone
		"DOCKER_CONFIG=" + g.in("docker"), // no proxy of the person's for containers
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
		"SAM_CLI_TELEMETRY=0", "__SAM_CLI_APP_DIR=" + g.in("sam"), "PYTHONUNBUFFERED=1",
	}
	drop := map[string]bool{}
	for _, e := range own {
		name, _, _ := strings.Cut(e, "=")
		drop[name] = true
	}
	for _, f := range g.functions {
		for _, name := range f.Env {
			drop[name] = true
		}
	}
	var env []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if !drop[name] && !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "SAM_") {
			env = append(env, e)
		}
	}
	return append(env, own...)
}

// environments opens the ways of all functions and writes their settings where sam
// local reads them.
func (g *ground) environments(ctx context.Context, other map[string]string) error {
	all := map[string]map[string]string{}
	for _, f := range g.functions {
		env, err := g.ways.environment(ctx, f, g.engines.Settings(), other)
		if err != nil {
			return err
		}
		all[f.ID] = env
	}
	return saveEnvironments(g.in("env.json"), all)
}

// local are the arguments that all commands of sam local take.
func (g *ground) local(args ...string) []string {
	args = append(args,
		"--template", g.in(filepath.Join("build", templateFile)),
		"--env-vars", g.in("env.json"),
		"--skip-pull-image", "--invoke-image", g.image,
		"--add-host", containerHost+":host-gateway",
		"--layer-cache-basedir", g.in("layers"),
	)
	return append(args, g.overrides()...)
}

// serverGrace is how long SAM's servers may take to end; the engines take up to
// five seconds.
const serverGrace = 3 * time.Second

// close ends everything and writes the observed actions. Once ctx is over SAM is not
// waited for.
func (g *ground) close(ctx context.Context) error {
	var all error
	if g.observed != "" {
		all = g.ways.record.Seen().Save(g.observed)
	}
	all = errors.Join(all, g.ways.close()) // first: engines wait for connections that are still open
	ends := make(chan error, 2)
	go func() {
		var err error
		if g.engines != nil {
			err = g.engines.Stop()
		}
		ends <- err
	}()
	go func() {
		grace, cancel := context.WithTimeout(ctx, serverGrace)
		defer cancel()
		var servers sync.WaitGroup
		for _, s := range g.servers {
			servers.Go(func() { s.Stop(grace) })
		}
		servers.Wait()
		ends <- g.leaveDocker(context.WithoutCancel(ctx)) // what remains must go in any case
	}()
	for range cap(ends) {
		all = errors.Join(all, <-ends)
	}
	return errors.Join(all, g.lockFile.Close())
}

// leaveDocker removes what is ours and ends the daemon if this run started it.
func (g *ground) leaveDocker(ctx context.Context) error {
	if g.docker == nil {
		return nil
	}
	defer g.docker.Close()
	defer g.daemon.Stop()
	err := g.sweep(ctx)
	if errors.Is(err, docker.ErrAbsent) {
		return nil // it was never there, which has been told
	}
	return err
}
