package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"buzon/infra/containers/observe"
	"buzon/infra/containers/poll"
	"buzon/infra/containers/template"
	"buzon/infra/local/ids"
)

const (
	// startLimit bounds the start of the functions, after all is built.
	startLimit = 2 * time.Minute
	// requestGrace and batchGrace are how long requests and batches under way may
	// still take at the end, side by side.
	requestGrace = 3 * time.Second
	batchGrace   = 3 * time.Second
)

// whole is the system under way.
type whole struct {
	*ground
	base     string
	listener net.Listener
	server   *http.Server
	front    *front
	lambda   *poll.Lambda
	failed   chan error // of one that should not have ended
	demo     *demonstration

	end   context.CancelFunc // of the loops
	loops sync.WaitGroup
}

// serve runs the whole system until ctx ends.
func serve(ctx, hurry context.Context) error {
	s, err := read(os.Getenv)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: s.LogLevel}))
	from := time.Now()
	g, err := prepare(ctx, s, log)
	if err != nil {
		return err
	}
	w := &whole{ground: g, failed: make(chan error, 2)}
	err = w.start(ctx)
	if err == nil {
		fmt.Fprintf(os.Stderr, "containers: %-18s %5.1f s\n", "all", time.Since(from).Seconds())
		fmt.Print(w.welcome())
		select {
		case <-ctx.Done():
			fmt.Println("stopping")
		case err = <-w.failed:
		case err = <-g.engines.Failed():
		}
	}
	return errors.Join(err, w.stop(hurry))
}

func (w *whole) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(w.Port))
	var err error
	if w.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err != nil {
		return fmt.Errorf("setting PORT: %w", err)
	}
	w.base = "http://" + w.listener.Addr().String()
	if w.demo, err = newDemonstration(w); err != nil {
		return err
	}
	other := map[string]string{"PUBLIC_URL": w.publicURL(), "REQUESTS_PER_ADDRESS": "0"}
	for setting, provider := range w.demo.providers() {
		port, err := w.ways.listen(ctx, w.ways.host, provider)
		if err != nil {
			return err
		}
		other[setting] = "http://" + net.JoinHostPort(containerHost, port)
	}
	if err := w.environments(ctx, other); err != nil {
		return err
	}
	if err := w.timed("sam local", w.startServers)(ctx); err != nil {
		return err
	}
	if err := w.timed("demo", w.demo.make)(ctx); err != nil {
		return err
	}
	var loops context.Context
	loops, w.end = context.WithCancel(context.Background())
	if err := w.callFunctions(ctx, loops); err != nil {
		return err
	}
	w.loops.Go(func() { w.demo.tell(loops) })
	w.server = &http.Server{Handler: w.front, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute}
	w.loops.Go(func() {
		if err := w.server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
			w.failed <- fmt.Errorf("front: %w", err)
		}
	})
	w.front.ready.Store(true)
	return w.timed("first calls", w.firstCalls)(ctx)
}

func (w *whole) publicURL() string {
	if w.PublicURL != "" {
		return w.PublicURL
	}
	return w.base
}

// startServers starts both of SAM's servers: the HTTP API with containers as they
// are needed, since it would start one for every function of the template; the
// others at once.
func (w *whole) startServers(ctx context.Context) error {
	apiPort, err := freePort(ctx)
	if err != nil {
		return err
	}
	lambdaPort, err := freePort(ctx)
	if err != nil {
		return err
	}
	api := &url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", apiPort)}
	w.front = &front{functions: w.functions, beside: w.demo.pages(), api: observe.Pass(api, w.ways.over, w.log)}
	w.lambda = &poll.Lambda{
		Base:   "http://" + net.JoinHostPort("127.0.0.1", lambdaPort),
		Client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	}
	var behind []string
	for _, f := range w.functions {
		if len(f.Routes) == 0 {
			behind = append(behind, f.ID)
		}
	}
	var mu sync.Mutex
	start := func(log, probe string, args ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			s, err := w.cli.Start(ctx, w.in(log), answers(ctx, probe), args...)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			w.servers = append(w.servers, s)
			return nil
		}
	}
	lambdaArgs := append([]string{"local", "start-lambda"}, behind...)
	lambdaArgs = append(lambdaArgs, "--host", "127.0.0.1", "--port", lambdaPort, "--no-watch", "--warm-containers", "EAGER")
	err = together(ctx,
		start("start-api.log", api.String()+"/no-such-path",
			w.local("local", "start-api", "--host", "127.0.0.1", "--port", apiPort, "--no-watch", "--warm-containers", "LAZY")...),
		start("start-lambda.log", w.lambda.Base+"/no-such-path", w.local(lambdaArgs...)...),
	)
	for _, s := range w.servers {
		go func() {
			<-s.Ended()
			select {
			case w.failed <- s.Failure():
			default: // one was told of, or this is the end
			}
		}()
	}
	return err
}

// answers gives a function that tells whether anything answers at an address.
func answers(ctx context.Context, address string) func() bool {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return func() bool {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return false
		}
		resp, err := client.Do(r)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	}
}

func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }() // it was only to find the port
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// callFunctions starts to call the functions that no person calls.
func (w *whole) callFunctions(ctx, loops context.Context) error {
	for _, f := range w.functions {
		if f.Source != nil {
			source, err := w.source(ctx, f)
			if err != nil {
				return err
			}
			w.loops.Go(func() { source.Run(loops, batchGrace) })
		}
		if f.Clock != nil {
			tick := &poll.Tick{
				Function: f.ID, Scheduler: f.Clock.Scheduler, Input: f.Clock.Input, Region: w.region(), Every: w.clock,
				Invoke: w.lambda.Invoke, Now: time.Now, NewID: ids.UUID, Log: w.log,
			}
			w.loops.Go(func() { tick.Run(loops) })
		}
	}
	return nil
}

func (w *whole) region() string { return w.engines.Settings()["AWS_REGION"] }

// source is the event source of a function. It goes to the queue by the function's
// way: AWS uses the function's role for it.
func (w *whole) source(ctx context.Context, f template.Function) (*poll.Source, error) {
	at, client := w.engines.Settings(), &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	queue := sqs.New(sqs.Options{
		Region: w.region(), BaseEndpoint: aws.String(w.ways.queues[f.ID]), HTTPClient: client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: at["AWS_ACCESS_KEY_ID"], SecretAccessKey: at["AWS_SECRET_ACCESS_KEY"]}, nil
		}),
	})
	address := at[settingOf(f.Stage)]
	if address == "" || w.ways.queues[f.ID] == "" {
		return nil, fmt.Errorf("%s: no queue for it", f.ID)
	}
	got, err := queue.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &address, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: queue: %w", f.ID, err)
	}
	return &poll.Source{
		Function: f.ID, Queue: queue, URL: address, ARN: got.Attributes["QueueArn"], Region: w.region(),
		Batch: f.Source.Batch, Visibility: f.Source.Visibility, Partial: f.Source.Partial, Invoke: w.lambda.Invoke, Log: w.log,
	}, nil
}

// firstCalls starts a container for each function behind the HTTP API: health has
// to be well, and all others have to say that a path below theirs is nothing.
func (w *whole) firstCalls(ctx context.Context) error {
	calls := []func(context.Context) error{w.call("/health", http.StatusOK)}
	seen := map[string]bool{}
	for _, path := range []string{"/webhooks/none/none", "/t/none", "/health"} {
		if id, ok := owner(w.functions, http.MethodGet, path); ok && !seen[id] {
			seen[id] = true
			if path != "/health" {
				calls = append(calls, w.call(path, http.StatusNotFound))
			}
		}
	}
	return together(ctx, calls...)
}

func (w *whole) call(path string, want int) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+path, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != want {
			return fmt.Errorf("first call of %s: status %d, not %d; see %s", path, resp.StatusCode, want, w.in("start-api.log"))
		}
		return nil
	}
}

// stop ends everything: first what comes from outside, then the functions and what
// they stand on. It is done within 10 s, unless Docker has to end
// too; once hurry is over it waits for nothing that can be ended.
func (w *whole) stop(hurry context.Context) error {
	if w.end != nil {
		w.end()
	}
	var err error
	if w.server != nil {
		ctx, cancel := context.WithTimeout(hurry, requestGrace)
		defer cancel()
		if w.server.Shutdown(ctx) != nil {
			err = w.server.Close() // whoever is still connected sees it end
		}
	} else if w.listener != nil {
		err = w.listener.Close()
	}
	quiet := make(chan struct{})
	go func() {
		w.loops.Wait()
		close(quiet)
	}()
	select {
	case <-quiet:
	case <-hurry.Done():
	}
	if w.demo != nil {
		err = errors.Join(err, w.demo.close())
	}
	return errors.Join(err, w.close(hurry))
}

// welcome is what a person who started the system has to know.
func (w *whole) welcome() string {
	return fmt.Sprintf(`Buzón runs, every function in its container. Open
  %[1]s/simulator   play a customer's phone
  %[1]s/docs        API documentation
Tokens and addresses of the demo: %[2]s
What the functions log: %[3]s, %[4]s
The webhook function's own address is not there: SAM has none for it on one machine.
Ctrl-C stops it; nothing is kept.
`, w.base, w.demo.file(), w.in("start-api.log"), w.in("start-lambda.log"))
}
