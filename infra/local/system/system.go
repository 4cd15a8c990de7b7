// Package system is all of Buzón in one process, on one folder: the functions of
// AWS as handlers and consumers, the embedded engines or those of AWS below them, a
// demo and the simulator beside them. [Start] is what make run runs, and what a test runs on a
// temporary folder.
package system

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"buzon/infra/local/clock"
	"buzon/infra/local/demo"
	"buzon/infra/local/ids"
	"buzon/infra/local/simulator"
	"buzon/internal/blob"
	"buzon/internal/channel"
	"buzon/internal/channel/gupshup"
	"buzon/internal/channel/meta"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/link"
	"buzon/internal/pipeline"
	"buzon/internal/secret"
	secrets "buzon/internal/secret/embedded"
	"buzon/internal/store"
)

// The names in the data folder, beside those of package demo.
const (
	secretFile    = "secrets.json"
	clockFile     = "clock.json"
	simulatorFile = "simulator.db"
)

// cacheFor is how long configuration is kept; a write in this process takes
// effect at once (design section 4).
const cacheFor = 30 * time.Second

// Config says how to start a system.
type Config struct {
	Settings
	// Now is the machine's clock; nil: time.Now. The run's own clock is ahead of
	// it by what the simulator was told to let pass.
	Now func() time.Time
	// Log takes what happens; nil: nothing does.
	Log *slog.Logger
	// Version of the program.
	Version string
	// NoSync leaves out the wait for the disk, for tests: what was written
	// survives the process, not the machine.
	NoSync bool
}

// System is a running system. Make it with [Start].
type System struct {
	config    Config
	base      string
	listener  net.Listener
	server    *http.Server
	clock     *clock.Clock
	engine    engine
	blobs     blob.Store
	files     http.Handler // of links to files; nil: they lead elsewhere
	secrets   *secrets.Store
	store     *store.Store
	keys      *link.Keys
	ids       func() string // makes ids
	providers map[string]channel.Provider
	templates map[string]channel.Templates
	webhook   *pipeline.Webhook
	timers    *pipeline.Clock
	phones    *simulator.Log
	simulator *simulator.Simulator
	plan      demo.Plan

	loops   sync.WaitGroup
	end     context.CancelFunc // of the loops
	ticks   chan chan<- struct{}
	closers []func() error // in the order of opening
	stop    sync.Once
	stopped error
}

// Start starts a system on the folder cfg.Data, which one process at a time can
// have. When it returns, demo.json is there and the system answers on 127.0.0.1
// until [System.Stop]; ctx bounds the start alone. An error is written for
// whoever started it, and leaves nothing running.
func Start(ctx context.Context, cfg Config) (*System, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &System{config: cfg, ticks: make(chan chan<- struct{})}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *System) start(ctx context.Context) error {
	if err := s.open(); err != nil {
		return fmt.Errorf("data folder %s: %w", s.config.Data, err)
	}
	if s.config.AWS != nil {
		var err error
		if s.engine, err = openAWS(s, s.config.AWS); err != nil {
			return err
		}
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.config.Port))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("setting PORT: %w; PORT=0 takes a free one", err)
	}
	if err != nil {
		return fmt.Errorf("setting PORT: %w", err)
	}
	s.listener = listener
	s.closers = append(s.closers, func() error { return closed(listener.Close()) })
	s.base = "http://" + listener.Addr().String()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := s.wire(); err != nil {
		return err
	}
	s.serve()
	return nil
}

// open opens what is in the folder; the simulator's log first, whose lock keeps
// other processes away from all of it.
func (s *System) open() error {
	if err := os.MkdirAll(s.config.Data, 0o700); err != nil {
		return err
	}
	var err error
	if s.phones, err = simulator.OpenLog(s.file(simulatorFile), s.config.NoSync); err != nil {
		return err
	}
	s.closers = append(s.closers, s.phones.Close)
	if s.clock, err = clock.Open(s.file(clockFile), s.config.Now); err != nil {
		return err
	}
	s.secrets, err = secrets.Open(s.file(secretFile))
	if err != nil || s.config.AWS != nil {
		return err
	}
	if s.engine, err = openEmbedded(s); err != nil {
		return err
	}
	s.closers = append(s.closers, s.engine.close)
	return nil
}

// file is the path of something in the data folder.
func (s *System) file(name string) string { return filepath.Join(s.config.Data, name) }

// prepare makes what a first start has to make, and finds it at later ones.
func (s *System) prepare(ctx context.Context) error {
	if err := link.Ensure(ctx, s.secrets); err != nil {
		return err
	}
	var err error
	if s.blobs, s.files, err = s.engine.openBlobs(ctx); err != nil {
		return err
	}
	s.ids = store.IDs(s.clock.Now, rand.Reader)
	s.store = &store.Store{Table: s.engine.table(), Now: s.clock.Now, NewID: s.ids, CacheFor: cacheFor}
	s.keys = &link.Keys{Secrets: s.secrets}
	maker := demo.Maker{Now: func() time.Time { return s.clock.Now().Truncate(time.Millisecond) }, NewID: s.ids}
	s.plan, err = demo.Ensure(ctx, s.config.Data, s.base, maker, s.store, s.secrets)
	if err != nil {
		return err
	}
	return s.engine.release()
}

// ensureKey gives the 256-bit key of that name, new or not.
func ensureKey(ctx context.Context, in secret.Store, name string) ([]byte, error) {
	err := in.Create(ctx, name, ids.Secret())
	if err != nil && !errors.Is(err, fault.Conflict) {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	value, err := in.Get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	key, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return nil, fmt.Errorf("secret %s: not a key", name)
	}
	return key, nil
}

// publicURL begins the links that are handed to people.
func (s *System) publicURL() string { return cmp.Or(s.config.PublicURL, s.base) }

// BaseURL is where the system answers, "http://127.0.0.1:3000".
func (s *System) BaseURL() string { return s.base }

// DemoFile is where demo.json is.
func (s *System) DemoFile() string { return s.file(demo.File) }

// wire puts the stages and the simulator together.
func (s *System) wire() error {
	if err := s.makeSimulator(); err != nil {
		return err
	}
	base, client := s.provider(s.config.GupshupURL, gupshup.BaseURL, s.simulator.Gupshup())
	whatsapp := gupshup.Provider{BaseURL: base, HTTP: client, Now: s.config.Now}
	base, client = s.provider(s.config.MetaURL, meta.BaseURL, s.simulator.Meta())
	direct := meta.Provider{BaseURL: base, HTTP: client, Now: s.config.Now}
	s.providers = map[string]channel.Provider{desk.ProviderGupshup: whatsapp, desk.ProviderMeta: direct}
	s.templates = map[string]channel.Templates{desk.ProviderGupshup: whatsapp, desk.ProviderMeta: direct}
	s.wireStages(rand.Text())
	return nil
}

// provider is where a provider is and how it is reached: at the address of its
// setting, else in this process, under its real address.
func (s *System) provider(setting, real string, standIn http.Handler) (base string, client *http.Client) {
	if setting != "" {
		return setting, &http.Client{}
	}
	return real, &http.Client{Transport: simulator.Direct{Handler: standIn}}
}

func (s *System) makeSimulator() error {
	var err error
	s.simulator, err = simulator.New(simulator.Options{
		Lines:     s.plan.Lines(s.base),
		People:    people(s.plan),
		Phones:    s.phones,
		Log:       s.config.Log,
		Now:       func() time.Time { return s.config.Now().UTC() },
		Channel:   s.channelOf,
		Templates: s.plan.ProviderTemplates(s.publicURL()),
		Template:  s.templateOf,
		PublicURL: s.publicURL(),
		Clock:     s.clock.Now,
		Advance:   s.advance,
		External:  map[string]string{desk.ProviderGupshup: s.config.GupshupURL, desk.ProviderMeta: s.config.MetaURL},
	})
	return err
}

// people are the phones that the simulator's page offers.
func people(p demo.Plan) []simulator.Person {
	var out []simulator.Person
	for _, c := range p.Demo.Clients {
		switch {
		case c.Phone == "":
		case c.Active:
			out = append(out, simulator.Person{Number: c.Phone, Name: c.Name, Note: "registered at " + p.Demo.Tenant.Name})
		default:
			out = append(out, simulator.Person{Number: c.Phone, Name: c.Name, Note: "inactive at " + p.Demo.Tenant.Name})
		}
	}
	slices.SortStableFunc(out, func(a, b simulator.Person) int { return cmp.Compare(a.Number, b.Number) })
	return append(out, simulator.Person{Number: demo.NewNumber, Note: "somebody new"})
}
