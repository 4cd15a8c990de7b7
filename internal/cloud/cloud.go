// Package cloud opens AWS for a function: its settings, its log, and a client for
// each service that it asks for, no other. Clients are built by hand from the
// environment that Lambda gives, which starts in half the time of the SDK's own
// search for settings, and their connections are opened while the function starts
// (performance.md, "Cold start").
//
//	TABLE                name of the table
//	CACHE_SECONDS        how long channels, templates and settings are kept: 0 to 30; unset: 30
//	BUCKET, FILES_URL    name of the bucket; what links to files begin with, if not S3's own address
//	INBOUND_QUEUE …      address of a queue
//	SECRETS              what the names of secrets begin with, "/buzon-prod"
//	AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN   given by Lambda
//	AWS_ENDPOINT_URL_DYNAMODB, _SQS, _S3, _SSM   engines in place of AWS
//	AWS_CA_BUNDLE        file of the certificates that AWS is trusted by, if not Amazon's own five
//
// Further settings are the function's own: [Cloud.Text] and its like.
package cloud

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"buzon/internal/blob/s3"
	"buzon/internal/queue/sqs"
	"buzon/internal/secret/ssm"
	"buzon/internal/signed"
	"buzon/internal/store"
	"buzon/internal/table/dynamo"
)

const (
	// maxConfigLife is how long, in seconds, channels, templates and settings are kept
	// at most (design section 4).
	maxConfigLife = 30
	// maxAttempts of one call to AWS; a caller that needs more comes again.
	maxAttempts = 3
	// warmLimit bounds the opening of connections at the start.
	warmLimit = 2 * time.Second
	// idlePerHost is how many connections to a service are kept.
	idlePerHost = 64
)

// Cloud is AWS as one function sees it. Make it with [New]; it is used while the
// function starts, by one goroutine.
type Cloud struct {
	settings
	Log   *slog.Logger
	Now   func() time.Time // UTC, in milliseconds
	NewID func() string    // [store.IDs]

	client *http.Client // for AWS
	hosts  []string     // whose connections are worth opening early
}

// New reads settings with get: os.Getenv.
func New(get func(name string) string, log *slog.Logger) *Cloud {
	c := &Cloud{settings: settings{get: get}, Log: log, Now: now, NewID: store.IDs(now, rand.Reader)}
	c.client = c.awsClient()
	return c
}

// now is the machine's clock in milliseconds: finer times make stored items longer,
// and nobody reads them.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Sleep waits for d or the end of ctx.
func Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Run is the main of a function: it builds the handler, opens the connections that
// the handler asked for, and serves. With a setting missing it says which, in one
// sentence, and exits with 1.
func Run(build func(c *Cloud) any) {
	c := New(os.Getenv, lambdacontext.NewLogger())
	handler := build(c)
	if err := c.Err(); err != nil {
		c.Log.Error("not started", "error", err.Error())
		os.Exit(1)
	}
	c.Warm(context.Background())
	lambda.Start(logged{lambda.NewHandler(handler), c.Log})
}

// logged tells of a call that ended with an error, in a line that has a level: what
// the runtime prints of it has none and is dropped above INFO.
type logged struct {
	lambda.Handler
	log *slog.Logger
}

func (l logged) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	out, err := l.Handler.Invoke(ctx, payload)
	if err != nil {
		l.log.ErrorContext(ctx, "call failed", "error", err.Error())
	}
	return out, err
}

// Warm opens a connection to each service that was asked for, side by side. What
// cannot be opened now is opened by the first call, which then tells why not.
func (c *Cloud) Warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, warmLimit)
	defer cancel()
	var wg sync.WaitGroup
	for _, host := range c.hosts {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, host, nil)
			if err != nil {
				return
			}
			resp, err := c.client.Do(r)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
		})
	}
	wg.Wait()
}

// HTTP is a client for providers: it trusts what the system trusts.
func (c *Cloud) HTTP() *http.Client { return &http.Client{Transport: transport()} }

// Store is the system's table with its keys and queries.
func (c *Cloud) Store() *store.Store {
	return &store.Store{Table: c.Table(), Now: c.Now, NewID: c.NewID, CacheFor: c.configLife()}
}

func (c *Cloud) configLife() time.Duration {
	return time.Duration(c.Number("CACHE_SECONDS", maxConfigLife, maxConfigLife)) * time.Second
}

// Table is the table that TABLE names.
func (c *Cloud) Table() *dynamo.Table {
	endpoint := c.endpoint("DYNAMODB", "dynamodb")
	o := dynamodb.Options{
		Region: c.region(), Credentials: c.credentials(), HTTPClient: plain{c.client}, BaseEndpoint: endpoint, RetryMaxAttempts: maxAttempts,
		// DynamoDB Local sends no checksum with an error, which the SDK warns of.
		DisableValidateResponseChecksum: endpoint != nil,
	}
	return dynamo.New(dynamodb.New(o), c.need("TABLE"))
}

// Queue is the queue whose address stands in that setting.
func (c *Cloud) Queue(setting string) *sqs.Queue {
	return sqs.New(c.service("sqs", c.endpoint("SQS", "sqs")), c.need(setting))
}

// Blobs is the file store in the bucket that BUCKET names. Its connection is
// opened when it is needed, which is seldom.
func (c *Cloud) Blobs() *s3.Store {
	engine := c.engine("S3")
	service, pathStyle := c.service("s3", engine), engine != nil
	bucket := c.need("BUCKET")
	if !pathStyle {
		service.Endpoint = fmt.Sprintf("https://%s.s3.%s.%s", bucket, service.Region, domain(service.Region))
	}
	links := *service
	links.Endpoint = c.Base("FILES_URL", service.Endpoint)
	return s3.New(service, bucket, s3.Options{Links: &links, PathStyle: pathStyle})
}

// Secrets are the secrets whose names begin with what SECRETS says. They are kept as
// long as settings, so that new credentials of a channel are soon used.
func (c *Cloud) Secrets() *ssm.Store {
	service := c.service("ssm", c.endpoint("SSM", "ssm"))
	return ssm.New(service, c.need("SECRETS"), ssm.Options{Now: c.Now, CacheFor: c.configLife()})
}

// service is a service that is called without the SDK's package.
func (c *Cloud) service(name string, engine *string) *signed.Service {
	s := &signed.Service{Name: name, Region: c.region(), Credentials: c.credentials(), HTTP: c.client, Now: c.Now}
	s.Endpoint = fmt.Sprintf("https://%s.%s.%s", name, s.Region, domain(s.Region))
	if engine != nil {
		s.Endpoint = *engine
	}
	return s
}

// plain sends a body by its Read alone. The SDK's WriteTo says io.EOF once the body
// is closed, which it is as soon as the answer begins: net/http may take that for a
// broken request and cut the connection in the middle of the answer.
type plain struct{ client *http.Client }

func (p plain) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return p.client.Do(r)
}

func (c *Cloud) region() string { return c.need("AWS_REGION") }

// credentials are those of the function's role, which Lambda sets for the life of
// its environment.
func (c *Cloud) credentials() aws.CredentialsProvider {
	v := aws.Credentials{
		AccessKeyID: c.need("AWS_ACCESS_KEY_ID"), SecretAccessKey: c.need("AWS_SECRET_ACCESS_KEY"), SessionToken: c.Text("AWS_SESSION_TOKEN"),
		Source: "environment",
	}
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return v, nil })
}

// engine is the address of what stands in for a service; nil: AWS itself.
func (c *Cloud) engine(service string) *string {
	if base := c.Base("AWS_ENDPOINT_URL_"+service, ""); base != "" {
		return &base
	}
	return nil
}

// endpoint is engine for a service whose connection is opened at the start.
func (c *Cloud) endpoint(service, host string) *string {
	engine := c.engine(service)
	address := fmt.Sprintf("https://%s.%s.%s/", host, c.Text("AWS_REGION"), domain(c.Text("AWS_REGION")))
	if engine != nil {
		address = *engine + "/"
	}
	for _, known := range c.hosts {
		if known == address {
			return engine
		}
	}
	c.hosts = append(c.hosts, address)
	return engine
}

// domain is what the addresses of a region's services end with.
func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
