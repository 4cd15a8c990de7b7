package sqs

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/signed"
)

// client makes and removes queues, which the adapter does not.
func client(address string) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &address, Credentials: keys, Retryer: aws.NopRetryer{}, HTTPClient: plain{http.DefaultClient},
	})
}

var keys = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "locallocal"}, nil
})

// service is SQS at the address of an engine or a stand-in.
func service(address string) *signed.Service {
	return &signed.Service{
		Name: "sqs", Region: "us-east-1", Endpoint: address, Credentials: keys, HTTP: http.DefaultClient, Now: time.Now,
		Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
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

// pair is a queue and, as its dead letters, another.
type pair struct {
	*Queue
	dead *Queue
}

func (p pair) DeadLetters(ctx context.Context, limit int) ([]queue.Received, error) {
	return p.dead.Receive(ctx, limit, time.Minute)
}

// engine makes queues with the settings of the template on a real SQS engine.
func engine(t *testing.T) func(*testing.T) queuetest.Subject {
	address := os.Getenv("AWS_ENDPOINT_URL_SQS")
	c, at := client(address), service(address)
	made := 0
	make := func(t *testing.T, name string, attributes map[string]string) *Queue {
		t.Helper()
		attributes["FifoQueue"] = "true"
		attributes["DeduplicationScope"] = "messageGroup"
		attributes["FifoThroughputLimit"] = "perMessageGroupId"
		out, err := c.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := c.DeleteQueue(context.WithoutCancel(t.Context()), &sdk.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil {
				t.Error(err)
			}
		})
		return New(at, *out.QueueUrl)
	}
	run := rand.Text()[:8]
	return func(t *testing.T) queuetest.Subject {
		made++
		name := "suite-" + run + "-" + strconv.Itoa(made)
		dead := make(t, name+"-dead.fifo", map[string]string{})
		of, err := c.GetQueueAttributes(t.Context(), &sdk.GetQueueAttributesInput{
			QueueUrl: &dead.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
		})
		if err != nil {
			t.Fatal(err)
		}
		q := make(t, name+".fifo", map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"` + of.Attributes["QueueArn"] + `","maxReceiveCount":` + strconv.Itoa(queue.MaxReceives) + `}`,
		})
		return queuetest.Subject{
			Pair:     queuetest.Pair{Queue: q, Receiver: pair{q, dead}},
			Advance:  wait,
			Patience: 10 * time.Second,
			Cannot:   elasticMQ,
		}
	}
}

// elasticMQ is what ElasticMQ 1.7.1 does otherwise than SQS.
var elasticMQ = map[string]string{
	"deleting twice is no error":                          "the second delete is answered ReceiptHandleIsInvalid",
	"a group waits for the last of its records in flight": "a record is given while a later one of its group is in flight",
	"deduplication ids are those of a group":              "DeduplicationScope is ignored: an id counts for the whole queue",
}

// wait lets real time pass, with a margin for the engine's own.
func wait(d time.Duration) { <-time.NewTimer(d + 200*time.Millisecond).C }

// TestEngine runs the suite on the engine at AWS_ENDPOINT_URL_SQS, if
// BUZON_ENGINES=1 says that it is there.
func TestEngine(t *testing.T) {
	if os.Getenv("BUZON_ENGINES") != "1" {
		t.Log("engine: not asked for (infra/engines)")
		return
	}
	open := engine(t)
	queuetest.Suite(t, open)
	t.Run("what Lambda hands back comes long before its visibility runs out", func(t *testing.T) { handBack(t, open(t)) })
}

func handBack(t *testing.T, s queuetest.Subject) {
	q := s.Queue.(*Queue)
	q.Wait = MaxWait
	for _, body := range []string{"done", "failed", "next"} {
		if err := q.Send(t.Context(), queue.Message{Group: "g", Dedup: body, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(want ...string) []queue.Received {
		t.Helper()
		var got []queue.Received
		var bodies []string
		for len(got) < len(want) { // an engine may wake for the first of them
			more, err := q.Receive(t.Context(), queue.MaxBatch, visibility)
			if err != nil || len(more) == 0 {
				t.Fatalf("received %q and then nothing, want %q: %v", bodies, want, err)
			}
			for _, r := range more {
				got, bodies = append(got, r), append(bodies, string(r.Body))
			}
		}
		if !slices.Equal(bodies, want) {
			t.Fatalf("received %q, want %q", bodies, want)
		}
		return got
	}
	got := receive("done", "failed", "next")
	out, err := Lambda(&queue.Worker{Handle: func(_ context.Context, r queue.Record) error {
		if string(r.Body) == "failed" {
			return errors.New("broken")
		}
		return nil
	}}, q)(t.Context(), event(t, got))
	if err != nil || len(out.BatchItemFailures) != 2 || out.BatchItemFailures[0].ItemIdentifier != got[1].ID {
		t.Fatalf("answered %+v, %v", out, err)
	}
	if err := q.Delete(t.Context(), got[0].Receipt); err != nil {
		t.Fatal(err)
	}
	if again := receive("failed", "next"); again[0].Receives != 2 || again[0].ID != got[1].ID {
		t.Errorf("came again as %+v", again)
	}
}
