package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// runtimeVersion begins every path of the Runtime API (Lambda Developer Guide,
// "Using the Lambda runtime API for custom runtimes").
const runtimeVersion = "/2018-06-01/runtime"

// instanceLimit is the longest that a program may take to start or to answer.
const instanceLimit = 20 * time.Second

// instance is a running program whose Lambda we are. One goroutine uses it.
type instance struct {
	cmd     *exec.Cmd
	server  *http.Server
	output  bytes.Buffer       // what the program wrote
	asked   chan time.Time     // when it asked for an event
	events  chan []byte        // the event that it gets
	answers chan answer        // what it made of it
	ended   chan struct{}      // closed when it has ended
	exit    error              // how it ended; to be read after that
	quit    context.CancelFunc // ends what waits
	mu      sync.Mutex         // of output
}

// answer is what a program made of an event.
type answer struct {
	body []byte
	err  error
	cpu  time.Duration // that the process has used since it was started
}

// launch runs a program and waits until it asks for its first event; init is how
// long that took from the start of the process.
func launch(ctx context.Context, program string, env []string) (*instance, time.Duration, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	ctx, quit := context.WithCancel(ctx)
	i := &instance{
		asked: make(chan time.Time, 1), events: make(chan []byte), answers: make(chan answer, 1), ended: make(chan struct{}), quit: quit,
	}
	i.server = &http.Server{Handler: i.handler(ctx), ReadHeaderTimeout: instanceLimit}
	go func() { _ = i.server.Serve(listener) }() // ends with stop
	i.cmd = exec.CommandContext(ctx, program)
	i.cmd.Env = append(env, "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	i.cmd.Stdout, i.cmd.Stderr = lockedWriter{i}, lockedWriter{i}
	began := time.Now()
	if err := i.cmd.Start(); err != nil {
		return nil, 0, errors.Join(err, i.server.Close())
	}
	go func() {
		i.exit = i.cmd.Wait()
		close(i.ended)
	}()
	at, err := i.ready()
	if err != nil {
		i.stop()
		return nil, 0, err
	}
	return i, at.Sub(began), nil
}

// lockedWriter keeps a program's output.
type lockedWriter struct{ i *instance }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.i.mu.Lock()
	defer w.i.mu.Unlock()
	return w.i.output.Write(p)
}

func (i *instance) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+runtimeVersion+"/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		i.asked <- time.Now()
		select {
		case e := <-i.events:
			h := w.Header()
			h.Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
			h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(instanceLimit).UnixMilli(), 10))
			h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
			h.Set("Content-Type", "application/json")
			_, _ = w.Write(e) // a program that is gone is seen by its end
		case <-r.Context().Done():
		case <-ctx.Done():
		}
	})
	take := func(w http.ResponseWriter, r *http.Request, failed bool) {
		cpu, err := cpuOf(i.cmd.Process.Pid) // before it goes on
		body, readErr := io.ReadAll(r.Body)
		err = errors.Join(err, readErr)
		if failed {
			err = fmt.Errorf("program failed: %s", body)
		}
		i.answers <- answer{body, err, cpu}
		w.WriteHeader(http.StatusAccepted)
	}
	mux.HandleFunc("POST "+runtimeVersion+"/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { take(w, r, false) })
	mux.HandleFunc("POST "+runtimeVersion+"/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { take(w, r, true) })
	mux.HandleFunc("POST "+runtimeVersion+"/init/error", func(w http.ResponseWriter, r *http.Request) { take(w, r, true) })
	return mux
}

// ready waits until the program asks for an event.
func (i *instance) ready() (time.Time, error) {
	limit := time.NewTimer(instanceLimit)
	defer limit.Stop()
	select {
	case at := <-i.asked:
		return at, nil
	case a := <-i.answers:
		return time.Time{}, i.wrong(a.err)
	case <-i.ended:
		return time.Time{}, i.wrong(errors.Join(errors.New("program ended"), i.exit))
	case <-limit.C:
		return time.Time{}, i.wrong(fmt.Errorf("program did not ask for an event within %s", instanceLimit))
	}
}

// wrong adds what the program wrote.
func (i *instance) wrong(err error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return fmt.Errorf("%w\n%s", err, strings.TrimSpace(i.output.String()))
}

// invoke gives the program an event, which it has asked for, and waits for its
// answer and for its next question. cpu is what the process used for it.
func (i *instance) invoke(event []byte) (body []byte, cpu time.Duration, err error) {
	before, err := cpuOf(i.cmd.Process.Pid)
	if err != nil {
		return nil, 0, err
	}
	limit := time.NewTimer(instanceLimit)
	defer limit.Stop()
	select {
	case i.events <- event:
	case <-limit.C:
		return nil, 0, i.wrong(errors.New("program does not take the event"))
	}
	var a answer
	select {
	case a = <-i.answers:
	case <-i.ended:
		return nil, 0, i.wrong(errors.Join(errors.New("program ended"), i.exit))
	case <-limit.C:
		return nil, 0, i.wrong(errors.New("program does not answer"))
	}
	if a.err != nil {
		return nil, 0, i.wrong(a.err)
	}
	if _, err := i.ready(); err != nil {
		return nil, 0, err
	}
	return a.body, a.cpu - before, nil
}

// stop ends the program.
func (i *instance) stop() {
	i.quit() // kills it
	<-i.ended
	_ = i.server.Close()
}

// cpuOf is the time that all threads of a process have run, to the nanosecond.
func cpuOf(pid int) (time.Duration, error) {
	folder := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(folder)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, t := range threads {
		raw, err := os.ReadFile(folder + "/" + t.Name() + "/schedstat")
		if errors.Is(err, os.ErrNotExist) {
			continue // it ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(raw), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", folder, err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}
