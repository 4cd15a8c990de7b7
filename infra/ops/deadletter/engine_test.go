package deadletter

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

// breaking is a way to SQS on which a call goes wrong after it took effect.
type breaking struct{ op func(target string) bool }

func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && b.op != nil && b.op(r.Header.Get("X-Amz-Target")) {
		resp.Body.Close()
		return nil, errors.New("connection reset")
	}
	return resp, err
}

// TestEngineRedrive: a real queue, whose messages died by being received too
// often, is looked at and emptied by runs that are interrupted or break.
func TestEngineRedrive(t *testing.T) {
	if os.Getenv("BUZON_ENGINES") != "1" {
		t.Log("not run: BUZON_ENGINES is not 1 (see infra/engines)")
		return
	}
	endpoint := os.Getenv("AWS_ENDPOINT_URL_SQS")
	if endpoint == "" {
		t.Fatal("BUZON_ENGINES is 1 and AWS_ENDPOINT_URL_SQS is empty")
	}
	way := &breaking{}
	client := sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: way}, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "engine", SecretAccessKey: "engine"}, nil
		}),
	})
	l := &Letters{SQS: client, Now: time.Now, Pause: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	ctx := t.Context()
	name := "ops-" + strings.ToLower(rand.Text())
	q := Queues{Stage: "inbound"}
	q.Dead = create(t, client, name+"-dead.fifo", nil)
	attributes, err := client.GetQueueAttributes(ctx, &sdk.GetQueueAttributesInput{QueueUrl: &q.Dead, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	q.Source = create(t, client, name+".fifo", map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, attributes.Attributes["QueueArn"]),
	})
	const groups, each = 3, 7
	for n := range groups * each {
		_, err := client.SendMessage(ctx, &sdk.SendMessageInput{
			QueueUrl: &q.Source, MessageBody: aws.String(fmt.Sprint(n)),
			MessageGroupId: aws.String(fmt.Sprint("g", n%groups)), MessageDeduplicationId: aws.String(fmt.Sprint("d", n)),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	kill(t, client, q)

	for range 2 { // looking leaves everything there
		s, err := l.List(ctx, q)
		if err != nil || s.Dead != groups*each || s.InFlight != 0 || s.Oldest == nil || s.Waiting != 0 || s.Queue != path.Base(q.Dead) {
			t.Fatalf("%+v, %v", s, err)
		}
		letters, err := l.Show(ctx, q, 5, true)
		if err != nil || len(letters) != 5 || letters[0].Body == "" || letters[0].Group == "" || letters[0].Reason != "unreadable: not_json" {
			t.Fatalf("%+v, %v", letters, err)
		}
	}

	// The first run is interrupted, the second breaks after a send, the third
	// after a delete, the fourth ends.
	stopped, cancel := context.WithCancel(ctx)
	moved := 0
	done, err := l.Redrive(stopped, q, Options{Rate: MaxRate, Each: func(n int) {
		if moved = n; n == 4 {
			cancel()
		}
	}})
	if err != nil || !done.Interrupted || done.Moved != 4 || moved != 4 {
		t.Fatalf("interrupted: %+v, %v", done, err)
	}
	for _, op := range []string{"SendMessage", "DeleteMessage"} {
		calls := 0
		way.op = func(target string) bool {
			if strings.HasSuffix(target, "."+op) {
				calls++
			}
			return calls == 3 && strings.HasSuffix(target, "."+op)
		}
		if done, err = l.Redrive(ctx, q, Options{Rate: MaxRate}); err == nil {
			t.Fatalf("%s went wrong unseen: %+v", op, done)
		}
	}
	way.op = nil
	if done, err = l.Redrive(ctx, q, Options{Rate: MaxRate}); err != nil || done.Left != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if s, err := l.List(ctx, q); err != nil || s.Dead != 0 || s.Waiting != groups*each {
		t.Fatalf("%+v, %v", s, err)
	}

	got := drain(t, client, q.Source)
	for g := range groups {
		var want []string
		for n := range each {
			want = append(want, fmt.Sprint(n*groups+g))
		}
		if d := cmp.Diff(want, got[fmt.Sprint("g", g)]); d != "" {
			t.Errorf("group %d came back as\n%s", g, d)
		}
	}
}

func create(t *testing.T, client *sdk.Client, name string, attributes map[string]string) string {
	t.Helper()
	all := map[string]string{"FifoQueue": "true", "VisibilityTimeout": "60"}
	for k, v := range attributes {
		all[k] = v
	}
	out, err := client.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: &name, Attributes: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteQueue(context.Background(), &sdk.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil {
			t.Error(err)
		}
	})
	return *out.QueueUrl
}

// kill receives everything once and lets it go, until all of it died.
func kill(t *testing.T, client *sdk.Client, q Queues) {
	t.Helper()
	for range 100 {
		out, err := client.ReceiveMessage(t.Context(), &sdk.ReceiveMessageInput{QueueUrl: &q.Source, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		l := &Letters{SQS: client}
		if err := l.handBack(t.Context(), q.Source, out.Messages); err != nil {
			t.Fatal(err)
		}
		left, err := l.counts(t.Context(), q.Source)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 && left.visible+left.inFlight == 0 {
			return
		}
	}
	t.Fatal("the messages do not die")
}

// drain takes all messages and gives the bodies of each group in order.
func drain(t *testing.T, client *sdk.Client, url string) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	for {
		out, err := client.ReceiveMessage(t.Context(), &sdk.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return got
		}
		for _, m := range out.Messages {
			group := attribute(m, types.MessageSystemAttributeNameMessageGroupId)
			got[group] = append(got[group], *m.Body)
			if _, err := client.DeleteMessage(t.Context(), &sdk.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
