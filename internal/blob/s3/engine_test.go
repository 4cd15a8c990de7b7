package s3

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"buzon/internal/blob/blobtest"
	"buzon/internal/signed"
)

// client makes and removes buckets, which the store does not.
func client(address string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &address, UsePathStyle: true, Credentials: engineKeys, Retryer: aws.NopRetryer{}, HTTPClient: plain{http.DefaultClient},
	})
}

var engineKeys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}, nil
})

// service is S3 at the address of an engine or a stand-in.
func service(address string, keys aws.CredentialsProvider) *signed.Service {
	return &signed.Service{Name: "s3", Region: "us-east-1", Endpoint: address, Credentials: keys, HTTP: http.DefaultClient, Now: time.Now}
}

// plain sends a body by its Read alone. The SDK's WriteTo says io.EOF once the
// body is closed, which it is as soon as the answer begins: with an engine that
// is near enough, net/http takes that for a broken request and cuts the
// connection in the middle of the answer.
type plain struct{ client *http.Client }

func (p plain) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return p.client.Do(r)
}

// versitygw is what versitygw 1.8.0 does otherwise than S3: its objects are
// files, named by their keys.
var versitygw = map[string]string{
	"objects whose keys are part of one another stand side by side": "a folder and a file of one name: 409 ExistingObjectIsDirectory",
	"a key of 1,024 bytes may be one part":                          "a file name has 255 bytes at most: 400 KeyTooLongError",
}

// TestEngine runs the suite on the engine at AWS_ENDPOINT_URL_S3, if
// BUZON_ENGINES=1 says that it is there; each case in a bucket of its own.
func TestEngine(t *testing.T) {
	if os.Getenv("BUZON_ENGINES") != "1" {
		t.Log("engine: not asked for (infra/engines)")
		return
	}
	address := os.Getenv("AWS_ENDPOINT_URL_S3")
	c, s := client(address), service(address, engineKeys)
	run, made := strings.ToLower(rand.Text()[:8]), 0
	blobtest.Suite(t, func(t *testing.T) blobtest.Subject {
		made++
		bucket := "suite-" + run + "-" + strconv.Itoa(made)
		if _, err := c.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { remove(t, c, bucket) })
		return blobtest.Subject{Store: New(s, bucket, Options{PathStyle: true}), Advance: wait, Waits: true, Cannot: versitygw}
	})
}

// wait lets real time pass, with a margin for the engine's own.
func wait(d time.Duration) { <-time.NewTimer(d + 200*time.Millisecond).C }

func remove(t *testing.T, c *sdk.Client, bucket string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	all, err := c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Error(err)
		return
	}
	for _, o := range all.Contents {
		if _, err := c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: &bucket, Key: o.Key}); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.DeleteBucket(ctx, &sdk.DeleteBucketInput{Bucket: &bucket}); err != nil {
		t.Error(err)
	}
}
