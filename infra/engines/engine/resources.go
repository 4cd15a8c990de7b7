package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"buzon/internal/table/dynamo"
)

// account is what stands for an account in names of the engines.
const account = "000000000000"

// maxReceives: what is received more often goes to the dead letters, which are kept
// for deadFor.
const (
	maxReceives = 50
	deadFor     = 14 * 24 * time.Hour
)

// queues as the template has them: what is received is hidden for six times its
// function's time limit.
var queues = []struct {
	setting    string // <setting>_QUEUE, <setting>_DEAD
	name       string
	visibility time.Duration
}{
	{"INBOUND", "inbound", 6 * time.Minute},
	{"OUTBOUND", "outbound", 10 * time.Minute},
	{"APPROVALS", "approvals", 3 * time.Minute},
}

func queueName(name, queue string) string { return name + "-" + queue + ".fifo" }

// queueURL is how ElasticMQ names a queue.
func queueURL(base, name, queue string) string {
	return base + "/" + account + "/" + queueName(name, queue)
}

// make makes table, bucket and queues.
func (r *Running) make(ctx context.Context) error {
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
	})
	at := func(service string) *string { return aws.String(r.settings["AWS_ENDPOINT_URL_"+service]) }
	name := r.settings["TABLE"]
	if err := makeTable(ctx, dynamodb.New(dynamodb.Options{
		Region: region, Credentials: keys, HTTPClient: c, BaseEndpoint: at("DYNAMODB"), DisableValidateResponseChecksum: true,
	}), name); err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}
	bucket := s3.New(s3.Options{Region: region, Credentials: keys, HTTPClient: c, BaseEndpoint: at("S3"), UsePathStyle: true})
	if _, err := bucket.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
		return fmt.Errorf("bucket %s: %w", name, err)
	}
	client := sqs.New(sqs.Options{Region: region, Credentials: keys, HTTPClient: c, BaseEndpoint: at("SQS")})
	for _, q := range queues {
		dead, err := makeQueue(ctx, client, queueName(name, q.name+"-dead"), q.visibility, "")
		if err != nil {
			return err
		}
		url, err := makeQueue(ctx, client, queueName(name, q.name), q.visibility, dead)
		if err != nil {
			return err
		}
		if want := r.settings[q.setting+"_QUEUE"]; url != want {
			return fmt.Errorf("queue %s: at %s, not at %s", q.name, url, want)
		}
	}
	return nil
}

// makeQueue makes a FIFO queue and gives its address, or its ARN if it is one for
// dead letters, which is one without any of its own.
func makeQueue(ctx context.Context, c *sqs.Client, name string, visibility time.Duration, dead string) (string, error) {
	attributes := map[string]string{
		"FifoQueue":           "true",
		"DeduplicationScope":  "messageGroup",
		"FifoThroughputLimit": "perMessageGroupId",
		"VisibilityTimeout":   strconv.Itoa(int(visibility.Seconds())),
	}
	if dead == "" {
		attributes["MessageRetentionPeriod"] = strconv.Itoa(int(deadFor.Seconds()))
	} else {
		policy, err := json.Marshal(map[string]string{"deadLetterTargetArn": dead, "maxReceiveCount": strconv.Itoa(maxReceives)})
		if err != nil {
			return "", err
		}
		attributes["RedrivePolicy"] = string(policy)
	}
	made, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("queue %s: %w", name, err)
	}
	if dead != "" {
		return *made.QueueUrl, nil
	}
	got, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
	if err != nil {
		return "", fmt.Errorf("queue %s: %w", name, err)
	}
	return got.Attributes["QueueArn"], nil
}

// makeTable makes the table, with the attribute by which items expire.
func makeTable(ctx context.Context, c *dynamodb.Client, name string) error {
	if _, err := c.CreateTable(ctx, dynamo.Schema(name)); err != nil {
		return err
	}
	_, err := c.UpdateTimeToLive(ctx, dynamo.Broom(name))
	return err
}
