// Package deadletter looks at the dead-letter queues and sends what is in them
// back to where it came from.
//
// Looking changes nothing but the count of receives: what was received is handed
// back at once. What is sent back leaves the dead letters only after its queue
// has taken it, so that a run may be interrupted anywhere and repeated.
package deadletter

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"buzon/internal/queue"
)

const (
	// looking is how long a message that is looked at stays hidden from others
	// should this program die before it hands it back.
	looking = 30 * time.Second
	// pollFor makes SQS ask all its servers; a short poll may miss messages.
	pollFor = 1
	// handBackFor is the time for handing back after an interrupt.
	handBackFor = 10 * time.Second
)

// Queues are the addresses of one stage's queue and of its dead letters.
type Queues struct {
	Stage  string
	Source string
	Dead   string
}

// Letters are the dead letters of an account.
type Letters struct {
	SQS *sdk.Client
	Now func() time.Time
	// Pause waits between two messages that are sent back; it ends early with
	// the context's error.
	Pause func(context.Context, time.Duration) error
}

// Summary is what there is to know of a dead-letter queue without its messages.
type Summary struct {
	Stage    string `json:"stage"`
	Queue    string `json:"queue"`
	Dead     int    `json:"dead"`               // about: SQS counts within a minute
	InFlight int    `json:"in_flight"`          // received by somebody, such as the clock function
	Oldest   *int64 `json:"oldest_s,omitempty"` // age in seconds of the oldest that SQS gave out
	Waiting  int    `json:"waiting"`            // in the queue that the letters come from
	Source   string `json:"source"`
}

// Letter is a message among the dead letters. It names nobody: Group is a hash,
// and the body is left out unless asked for.
type Letter struct {
	ID       string    `json:"id"`
	Group    string    `json:"group"`
	Tenant   string    `json:"tenant,omitempty"` // short id of the company, if the body names one
	Receives int       `json:"receives"`
	Sent     time.Time `json:"sent"`
	Reason   string    `json:"reason"`
	Size     int       `json:"size"` // bytes of the body
	Body     string    `json:"body,omitempty"`
}

// List sums up a stage's dead letters.
func (l *Letters) List(ctx context.Context, q Queues) (Summary, error) {
	s := Summary{Stage: q.Stage, Queue: path.Base(q.Dead), Source: path.Base(q.Source)}
	dead, err := l.counts(ctx, q.Dead)
	if err != nil {
		return s, err
	}
	source, err := l.counts(ctx, q.Source)
	if err != nil {
		return s, err
	}
	s.Dead, s.InFlight, s.Waiting = dead.visible, dead.inFlight, source.visible
	if s.Dead == 0 {
		return s, nil
	}
	letters, err := l.Show(ctx, q, queue.MaxBatch, false)
	if err != nil {
		return s, err
	}
	for _, v := range letters {
		age := int64(l.Now().Sub(v.Sent) / time.Second)
		if s.Oldest == nil || age > *s.Oldest {
			s.Oldest = &age
		}
	}
	return s, nil
}

// Show gives up to limit dead letters, oldest of each group first, and hands them
// back. SQS gives out at most ten of a group while they are not deleted, so
// there may be more behind what it shows.
func (l *Letters) Show(ctx context.Context, q Queues, limit int, bodies bool) (letters []Letter, err error) {
	var received []types.Message
	defer func() { err = errors.Join(err, l.handBack(ctx, q.Dead, received)) }()
	for len(received) < limit {
		batch, err := l.receive(ctx, q.Dead, min(queue.MaxBatch, limit-len(received)), looking)
		if err != nil {
			return letters, err
		}
		if len(batch) == 0 {
			break
		}
		received = append(received, batch...)
		for _, m := range batch {
			letters = append(letters, letter(q.Stage, m, bodies))
		}
	}
	return letters, nil
}

type counts struct{ visible, inFlight int }

func (l *Letters) counts(ctx context.Context, url string) (counts, error) {
	out, err := l.SQS.GetQueueAttributes(ctx, &sdk.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	}})
	if err != nil {
		return counts{}, fmt.Errorf("queue %s: %w", path.Base(url), err)
	}
	return counts{
		visible:  number(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)]),
		inFlight: number(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)]),
	}, nil
}

func (l *Letters) receive(ctx context.Context, url string, most int, hidden time.Duration) ([]types.Message, error) {
	out, err := l.SQS.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: int32(most), WaitTimeSeconds: pollFor, VisibilityTimeout: int32(hidden / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, fmt.Errorf("queue %s: %w", path.Base(url), err)
	}
	return out.Messages, nil
}

// handBack makes messages visible at once, also after an interrupt. What cannot
// be handed back comes back by itself when its time is over.
func (l *Letters) handBack(ctx context.Context, url string, messages []types.Message) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBackFor)
	defer cancel()
	for from := 0; from < len(messages); from += queue.MaxBatch {
		var entries []types.ChangeMessageVisibilityBatchRequestEntry
		for i, m := range messages[from:min(from+queue.MaxBatch, len(messages))] {
			entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
		_, err := l.SQS.ChangeMessageVisibilityBatch(ctx, &sdk.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: entries})
		if err != nil {
			return fmt.Errorf("queue %s: handing back: %w", path.Base(url), err)
		}
	}
	return nil
}

func letter(stage string, m types.Message, withBody bool) Letter {
	body := aws.ToString(m.Body)
	v := Letter{
		ID:       aws.ToString(m.MessageId),
		Group:    attribute(m, types.MessageSystemAttributeNameMessageGroupId),
		Receives: number(attribute(m, types.MessageSystemAttributeNameApproximateReceiveCount)),
		Sent:     time.UnixMilli(int64(number(attribute(m, types.MessageSystemAttributeNameSentTimestamp)))).UTC(),
		Reason:   "not finished in " + strconv.Itoa(queue.MaxReceives) + " tries; the log of its function says why",
		Size:     len(body),
	}
	tenant, _, err := queue.Open[any](stage, []byte(body))
	v.Tenant = tenant
	var unreadable *queue.Unreadable
	if errors.As(err, &unreadable) {
		v.Reason = "unreadable: " + unreadable.Reason
	}
	if withBody {
		v.Body = body
	}
	return v
}

func attribute(m types.Message, name types.MessageSystemAttributeName) string {
	return m.Attributes[string(name)]
}

// number reads SQS's numbers; what is none is 0.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
