package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/table"
)

// role is what Lambda sets for a function.
func role(more map[string]string) map[string]string {
	all := map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_SESSION_TOKEN": "TOKEN",
		"TABLE": "buzon-test", "BUCKET": "files", "SECRETS": "/buzon-test", "INBOUND_QUEUE": "http://sqs/1/in.fifo", "OUTBOUND_QUEUE": "http://sqs/1/out.fifo",
	}
	for name, value := range more {
		all[name] = value
	}
	return all
}

// stand notes what it is asked and answers every call that nothing is there.
type stand struct {
	mu    sync.Mutex
	asked []string
}

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Amz-Target")))
	s.mu.Unlock()
	code := map[string]string{
		"DynamoDB_20120810.GetItem": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "AmazonSQS.SendMessage": "com.amazonaws.sqs#QueueDoesNotExist",
		"AmazonSSM.GetParameter": "ParameterNotFound",
	}[r.Header.Get("X-Amz-Target")]
	if r.Method == http.MethodPut {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "<Error><Code>NoSuchBucket</Code></Error>")
		return
	}
	if code != "" {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"__type": code})
	}
}

// TestServices: each service is reached where its setting says, connections are
// opened once for each, and what is not there is named.
func TestServices(t *testing.T) {
	s := &stand{}
	server := httptest.NewServer(s)
	defer server.Close()
	at := map[string]string{}
	for _, name := range []string{"DYNAMODB", "SQS", "S3", "SSM"} {
		at["AWS_ENDPOINT_URL_"+name] = server.URL
	}
	c := New(env(role(at)), slog.New(slog.DiscardHandler))
	in, _, tab, blobs, secrets := c.Queue("INBOUND_QUEUE"), c.Queue("OUTBOUND_QUEUE"), c.Table(), c.Blobs(), c.Secrets()
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	c.Warm(t.Context())
	if want := []string{"GET /"}; !slices.Equal(s.asked, want) {
		t.Errorf("the start asked %q, want %q: one connection to each address", s.asked, want)
	}
	_, getErr := tab.Get(t.Context(), table.Key{PK: "a", SK: "b"})
	for what, err := range map[string]error{
		"table buzon-test": getErr,
		"queue in.fifo":    in.Send(t.Context(), queue.Message{Group: "g", Dedup: "d", Body: []byte("{}")}),
		"bucket files":     blobs.Put(t.Context(), "a", "", strings.NewReader("x")),
	} {
		var missing *fault.Missing
		if !errors.As(err, &missing) || missing.What != what {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := secrets.Get(t.Context(), "/buzon/keys/links"); !errors.Is(err, fault.NotFound) {
		t.Errorf("secret: %v", err)
	}
	slices.Sort(s.asked)
	want := []string{"GET /", "POST / AmazonSQS.SendMessage", "POST / AmazonSSM.GetParameter", "POST / DynamoDB_20120810.GetItem", "PUT /files/a"}
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked %q, want %q", s.asked, want)
	}
	if again := c.Now(); again.Nanosecond()%1e6 != 0 {
		t.Errorf("now is %s, finer than a millisecond", again)
	}
}

// TestAddressesOfAWS: without engines it is AWS, in China under its own domain.
func TestAddressesOfAWS(t *testing.T) {
	for region, want := range map[string][]string{
		"eu-west-1":  {"https://dynamodb.eu-west-1.amazonaws.com/", "https://sqs.eu-west-1.amazonaws.com/", "https://ssm.eu-west-1.amazonaws.com/"},
		"cn-north-1": {"https://dynamodb.cn-north-1.amazonaws.com.cn/", "https://sqs.cn-north-1.amazonaws.com.cn/", "https://ssm.cn-north-1.amazonaws.com.cn/"},
	} {
		c := New(env(role(map[string]string{"AWS_REGION": region})), slog.New(slog.DiscardHandler))
		c.Store()
		c.Queue("INBOUND_QUEUE")
		c.Blobs()
		c.Secrets()
		if !slices.Equal(c.hosts, want) {
			t.Errorf("%s: %q, want %q", region, c.hosts, want)
		}
		if err := c.Err(); err != nil {
			t.Error(err)
		}
	}
}

// until answers nothing before its request is given up.
type until struct{ limit *time.Duration }

func (u until) RoundTrip(r *http.Request) (*http.Response, error) {
	deadline, bounded := r.Context().Deadline()
	if !bounded {
		return nil, errors.New("for ever")
	}
	*u.limit = time.Until(deadline)
	return nil, context.DeadlineExceeded
}

// TestWarmIsBounded: an address where nobody answers holds up the start no longer
// than warmLimit.
func TestWarmIsBounded(t *testing.T) {
	c := New(env(role(nil)), slog.New(slog.DiscardHandler))
	c.Table()
	var limit time.Duration
	c.client.Transport = until{&limit}
	c.Warm(t.Context())
	if limit <= 0 || limit > warmLimit {
		t.Errorf("the start waits for %s, want up to %s", limit, warmLimit)
	}
}

// pipes is a network without a machine: whoever dials meets the one who accepts.
type pipes chan net.Conn

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p <- there
	return here, nil
}

func (p pipes) Accept() (net.Conn, error) {
	if c, open := <-p; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// TestAStalledCallIsRepeated: an answer that never comes costs an attempt, not the
// function's time.
func TestAStalledCallIsRepeated(t *testing.T) {
	const longestPause = 2 * time.Second // of the SDK, before its second attempt
	for name, call := range map[string]func(ctx context.Context, c *Cloud) error{
		"the SDK's client": func(ctx context.Context, c *Cloud) error {
			_, err := c.Table().Get(ctx, table.Key{PK: "a", SK: "b"})
			return err
		},
		"our own": func(ctx context.Context, c *Cloud) error { return c.Secrets().Put(ctx, "/a", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": "http://aws.example", "AWS_ENDPOINT_URL_SSM": "http://aws.example"}
				c := New(env(role(at)), slog.New(slog.DiscardHandler))
				transport, ok := c.client.Transport.(*http.Transport)
				if !ok || transport.TLSHandshakeTimeout != connectLimit {
					t.Fatalf("calls to AWS are not bounded: %+v", c.client.Transport)
				}
				network, calls := make(pipes), 0
				transport.DialContext = network.dial
				server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body) // a pipe keeps nothing, and the limit begins when all is sent
					if calls++; calls == 1 {
						<-r.Context().Done()
						return
					}
					io.WriteString(w, `{}`)
				})}
				go func() { _ = server.Serve(network) }()
				from := time.Now()
				err := call(t.Context(), c)
				if took := time.Since(from); err != nil || calls != 2 || took < attemptLimit || took > attemptLimit+longestPause {
					t.Errorf("%d calls took %v: %v", calls, took, err)
				}
				transport.CloseIdleConnections()
				if err := server.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestErrorsHaveALine: an error of a function is in the log with a level.
func TestErrorsHaveALine(t *testing.T) {
	var log bytes.Buffer
	h := logged{lambda.NewHandler(func() error { return errors.New("clock: broken") }), slog.New(slog.NewJSONHandler(&log, nil))}
	if _, err := h.Invoke(t.Context(), []byte("{}")); err == nil {
		t.Error("the error is lost")
	}
	if line := log.String(); !strings.Contains(line, `"level":"ERROR"`) || !strings.Contains(line, "clock: broken") {
		t.Errorf("logged %s", line)
	}
}

// TestRun: a function without its settings says which, in one sentence, and ends
// with 1. It runs this test's own program again.
func TestRun(t *testing.T) {
	if os.Getenv("BUZON_CLOUD_CHILD") == "1" {
		Run(func(c *Cloud) any { c.Table(); c.Queue("INBOUND_QUEUE"); return nil })
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestRun$")
	cmd.Env = []string{"BUZON_CLOUD_CHILD=1", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=hunter2", "AWS_LAMBDA_LOG_FORMAT=JSON"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("ended with %v", err)
	}
	if text := string(out); !strings.Contains(text, `"setting TABLE is missing; setting INBOUND_QUEUE is missing"`) || strings.Count(text, "\n") != 1 || strings.Contains(text, "hunter2") {
		t.Errorf("said %s", text)
	}
}
