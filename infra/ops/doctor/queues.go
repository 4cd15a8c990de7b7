package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
	"buzon/internal/queue"
)

const (
	// visibilityFactor: a queue hides a message at least so many times as long as
	// its function may run, as AWS asks of a queue that Lambda reads.
	visibilityFactor = 6
	// deadRetention is how long dead letters are kept: the most that SQS can.
	deadRetention = 14 * 24 * 60 * 60
)

// queues looks at the settings of each stage's two queues and at what is in them.
func (l *look) queues(ctx context.Context) {
	const part = "queues"
	client := l.queueClient()
	for _, stage := range stack.Stages {
		source, dead := l.stack.Queues(stage)
		if source == "" || dead == "" {
			l.bad(part, trouble.Deploy, "%s: the stack has not both its queue and its dead letters", stage)
			continue
		}
		here, err := attributes(ctx, client, source)
		if err != nil {
			l.err(part, err)
			continue
		}
		there, err := attributes(ctx, client, dead)
		if err != nil {
			l.err(part, err)
			continue
		}
		l.queue(stage, source, here, there)
		l.deadLetters(stage, dead, there)
	}
}

func (l *look) queue(stage, url string, here, there map[string]string) {
	var redrive struct {
		Target string      `json:"deadLetterTargetArn"`
		Most   json.Number `json:"maxReceiveCount"` // a number, or one in quotes
	}
	if text := here["RedrivePolicy"]; text != "" {
		if err := json.Unmarshal([]byte(text), &redrive); err != nil {
			redrive.Target = "unreadable"
		}
	}
	wants := fifo(url, here)
	if timeout := l.timeouts[stage]; timeout > 0 {
		least := int(timeout) * visibilityFactor
		is := seconds(here["VisibilityTimeout"])
		w := want{"hidden while handled", is, is, "hidden while handled " + is, setQueue(url, fmt.Sprintf("VisibilityTimeout=%d", least))}
		if number(here["VisibilityTimeout"]) < least {
			w.should = fmt.Sprintf("%d s or more (%d times its function's %d s)", least, visibilityFactor, timeout)
		}
		wants = append(wants, w)
	}
	policy := setQueue(url, fmt.Sprintf(`'{"RedrivePolicy":"{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":%d}"}'`, there["QueueArn"], queue.MaxReceives))
	wants = append(wants,
		want{"dead after", redrive.Most.String(), strconv.Itoa(queue.MaxReceives), "dead after " + redrive.Most.String() + " tries", policy},
		want{"dead letters", redrive.Target, there["QueueArn"], fmt.Sprintf("waiting %s", here["ApproximateNumberOfMessages"]), policy},
	)
	l.same("queues", path.Base(url), wants)
}

func (l *look) deadLetters(stage, url string, there map[string]string) {
	const part = "queues"
	wants := append(fifo(url, there), want{"kept", seconds(there["MessageRetentionPeriod"]), fmt.Sprintf("%d s", deadRetention), "kept 14 days", setQueue(url, fmt.Sprintf("MessageRetentionPeriod=%d", deadRetention))})
	l.same(part, path.Base(url), wants)
	if n := number(there["ApproximateNumberOfMessages"]); n > 0 {
		l.bad(part, "make dlq ARGS='show "+stage+"'; make logs ARGS='--function clock', which should have put them into quarantine",
			"%s: %d dead letters", path.Base(url), n)
	}
}

// fifo is what every queue of this system is.
func fifo(url string, a map[string]string) []want {
	mend := setQueue(url, "DeduplicationScope=messageGroup,FifoThroughputLimit=perMessageGroupId")
	return []want{
		{"FIFO", a["FifoQueue"], "true", "FIFO", ""},
		{"deduplication scope", a["DeduplicationScope"], "messageGroup", "deduplicates by group", mend},
		{"throughput limit", a["FifoThroughputLimit"], "perMessageGroupId", "throughput by group", mend},
	}
}

func setQueue(url, attributes string) string {
	return "aws sqs set-queue-attributes --queue-url " + url + " --attributes " + attributes
}

func attributes(ctx context.Context, client *sqs.Client, url string) (map[string]string, error) {
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Base(url), err)
	}
	return out.Attributes, nil
}

// isCode tells whether AWS answered with that code.
func isCode(err error, code string) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == code
}

func yes(b *bool) string { return strconv.FormatBool(aws.ToBool(b)) }

func seconds(s string) string {
	if s == "" {
		return ""
	}
	return s + " s"
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
