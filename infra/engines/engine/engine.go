// Package engine installs and runs what stands in for AWS on one machine, with
// the table, the bucket and the queues of the system made in it:
//
//	DynamoDB   DynamoDB Local, from Maven (not open source: see [Install])
//	SQS        ElasticMQ, from Maven
//	S3         versitygw, built by Go
//	SSM        moto, from PyPI
//
// All of them hold their data in memory or in a folder that goes with them: every
// start is a fresh one.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The defaults of [Options].
const (
	DefaultCache = ".cache/engines"
	DefaultHost  = "127.0.0.1"
	DefaultName  = "buzon-local"
)

const (
	// StartLimit bounds how long the engines may take until all answer.
	StartLimit = 30 * time.Second
	// tries is how often an engine is started that ends at once: the port that
	// was free a moment ago may be somebody else's by then.
	tries = 3
)

// What the engines are told and what they accept.
const (
	region    = "us-east-1"
	accessKey = "buzonlocal"
	secretKey = "buzonlocalsecret"
)

// Options of [Start]; the zero value is usable.
type Options struct {
	// Cache is the folder that [Install] filled; "" is DefaultCache.
	Cache string
	// Host is the address of this machine that the engines listen on, and on no
	// other; "" is DefaultHost. Containers reach only one that is not loopback.
	Host string
	// Name begins the names of the table, the bucket and the queues; "" is
	// DefaultName. Letters, digits and hyphens.
	Name string
}

// Running are the engines of one [Start]. They end with [Running.Stop], and on
// Linux with this process, however it ends.
type Running struct {
	folder   string
	lock     *os.File
	engines  []*process
	settings map[string]string
	failed   chan error
	ending   chan struct{} // closed when Stop begins
	stop     sync.Once
	stopped  error
}

// Start starts all engines and makes what the system needs in them. When it
// returns, every address in [Running.Settings] answers. ctx bounds the start
// alone, and so does StartLimit. An error leaves nothing running.
func Start(ctx context.Context, o Options) (*Running, error) {
	o.Cache, o.Host, o.Name = cmp.Or(o.Cache, DefaultCache), cmp.Or(o.Host, DefaultHost), cmp.Or(o.Name, DefaultName)
	cache, err := filepath.Abs(o.Cache)
	if err != nil {
		return nil, err
	}
	if err := ready(cache); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, StartLimit)
	defer cancel()
	folder, lock, err := runFolder(cache)
	if err != nil {
		return nil, err
	}
	r := &Running{folder: folder, lock: lock, failed: make(chan error, 1), ending: make(chan struct{})}
	addresses, err := r.start(ctx, cache, o.Host)
	if err == nil {
		r.settings = settings(o.Name, addresses)
		err = r.make(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	for _, p := range r.engines {
		go r.watch(p)
	}
	return r, nil
}

// watch tells of an engine that ends although nobody asked it to.
func (r *Running) watch(p *process) {
	select {
	case <-r.ending:
		return
	case <-p.ended:
	}
	select {
	case <-r.ending:
	case r.failed <- p.failure():
	default: // one was told of
	}
}

// start starts the engines side by side and gives their addresses by service.
func (r *Running) start(ctx context.Context, cache, host string) (map[string]string, error) {
	type result struct {
		service, address string
		p                *process
		err              error
	}
	results := make(chan result, len(kinds))
	for _, k := range kinds {
		go func() {
			p, address, err := k.start(ctx, cache, r.folder, host)
			results <- result{k.service, address, p, err}
		}()
	}
	addresses := map[string]string{}
	var all error
	for range kinds {
		got := <-results
		addresses[got.service] = got.address
		all = errors.Join(all, got.err)
		if got.p != nil {
			r.engines = append(r.engines, got.p)
		}
	}
	return addresses, all
}

// start starts one engine on a free port and waits until it answers.
func (k kind) start(ctx context.Context, cache, folder, host string) (*process, string, error) {
	home := filepath.Join(cache, k.folder())
	var last error
	for range tries {
		port, err := freePort(ctx, host)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", k.name, err)
		}
		own := filepath.Join(folder, k.name)
		if err := os.MkdirAll(own, 0o700); err != nil {
			return nil, "", err
		}
		cmd, err := k.command(home, own, host, port)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", k.name, err)
		}
		p, err := spawn(k.name, cmd, own+".log")
		if err != nil {
			return nil, "", err
		}
		address := "http://" + net.JoinHostPort(host, port)
		if last = p.await(ctx, address+k.health); last == nil {
			return p, address, nil
		}
		p.stop()
		if ctx.Err() != nil {
			break
		}
	}
	return nil, "", last
}

// freePort is a port that nobody has at this moment.
func freePort(ctx context.Context, host string) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }() // it was only to find the port
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// settings is the environment that leads a program to the engines.
func settings(name string, addresses map[string]string) map[string]string {
	s := map[string]string{
		"AWS_REGION":            region,
		"AWS_DEFAULT_REGION":    region,
		"AWS_ACCESS_KEY_ID":     accessKey,
		"AWS_SECRET_ACCESS_KEY": secretKey,
		"AWS_SESSION_TOKEN":     "", // somebody's own would not fit these keys
		"TABLE":                 name,
		"BUCKET":                name,
		"SECRETS":               "/" + name,
	}
	for service, address := range addresses {
		s["AWS_ENDPOINT_URL_"+service] = address
	}
	for _, q := range queues {
		s[q.setting+"_QUEUE"] = queueURL(addresses["SQS"], name, q.name)
		s[q.setting+"_DEAD"] = queueURL(addresses["SQS"], name, q.name+"-dead")
	}
	return s
}

// Settings are the names and values that lead a program to the engines: those of
// package cloud, and the SDK's own.
func (r *Running) Settings() map[string]string { return maps.Clone(r.settings) }

// Env is Settings as os/exec takes it, sorted by name.
func (r *Running) Env() []string {
	env := make([]string, 0, len(r.settings))
	for name, value := range r.settings {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// Folder is where this run keeps its files: it goes with Stop.
func (r *Running) Folder() string { return r.folder }

// Failed gives an error if an engine ends before Stop, with the end of its log.
func (r *Running) Failed() <-chan error { return r.failed }

// Stop ends the engines and removes their data. Each is asked first and killed if
// it is still there after stopGrace. A second call does nothing more.
func (r *Running) Stop() error {
	r.stop.Do(func() {
		close(r.ending)
		var all sync.WaitGroup
		for _, p := range r.engines {
			all.Go(p.stop)
		}
		all.Wait()
		r.stopped = errors.Join(os.RemoveAll(r.folder), os.Remove(r.lock.Name()), r.lock.Close())
	})
	return r.stopped
}

// The files of runs: a folder each, with a lock beside it that its process holds.
const (
	runPrefix  = "run-"
	lockSuffix = ".lock"
)

// runFolder makes the folder of a new run and removes those whose process died
// without doing so.
func runFolder(cache string) (string, *os.File, error) {
	locks, err := filepath.Glob(filepath.Join(cache, runPrefix+"*"+lockSuffix))
	if err != nil {
		return "", nil, err
	}
	for _, path := range locks {
		sweep(path)
	}
	lock, err := os.CreateTemp(cache, runPrefix+"*"+lockSuffix)
	if err != nil {
		return "", nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", nil, errors.Join(fmt.Errorf("%s: %w", lock.Name(), err), lock.Close())
	}
	folder := lock.Name()[:len(lock.Name())-len(lockSuffix)]
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	return folder, lock, nil
}

// sweep removes the folder of a run of which nobody holds the lock. What cannot be
// removed now is tried again at the next start.
func sweep(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }() // which lets go of it
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		_ = os.RemoveAll(path[:len(path)-len(lockSuffix)])
		_ = os.Remove(path)
	}
}
