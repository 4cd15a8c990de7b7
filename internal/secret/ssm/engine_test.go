package ssm

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"buzon/internal/secret"
	"buzon/internal/secret/secrettest"
	"buzon/internal/signed"
)

// service is SSM at the address of an engine or a stand-in.
func service(address string) *signed.Service {
	return &signed.Service{
		Name: "ssm", Region: "us-east-1", Endpoint: address, HTTP: http.DefaultClient, Now: time.Now,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "locallocal"}, nil
		}),
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

// TestEngine runs the suite on the engine at AWS_ENDPOINT_URL_SSM, if
// BUZON_ENGINES=1 says that it is there: without a cache, and with one.
func TestEngine(t *testing.T) {
	if os.Getenv("BUZON_ENGINES") != "1" {
		t.Log("engine: not asked for (infra/engines)")
		return
	}
	s := service(os.Getenv("AWS_ENDPOINT_URL_SSM"))
	for name, cacheFor := range map[string]time.Duration{"asking": 0, "cached": time.Hour} {
		t.Run(name, func(t *testing.T) {
			secrettest.Suite(t, func(*testing.T) secret.Store {
				return New(s, "/suite-"+rand.Text()[:8], Options{CacheFor: cacheFor})
			})
		})
	}
}
