// Package poll calls functions as AWS does where SAM does not: with batches of a
// queue, and at a schedule.
//
//	poll.go    the event source: a queue and its function
//	event.go   the events, in the shape of AWS
//	answer.go  what a function answers, read as strictly as AWS reads it
//	lambda.go  the call of a function
//	tick.go    the schedule
package poll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// longPoll is how long a queue waits for a record before it gives none.
	longPoll = 20 * time.Second
	// pause lies between two tries of a queue that cannot be asked.
	pause = time.Second
	// maxDelete is the most records of one call (a limit of SQS).
	maxDelete = 10
)

// Source hands the records of a FIFO queue to a function, one batch after the
// other, as the event source mapping of AWS does with one poller. The queue keeps
// the order of a group: as long as a record of it is out, no later one comes.
// After the function's answer the finished records are deleted; the failed ones
// stay hidden for their time, which the function may have changed, and then come
// again. If the answer cannot be used, the whole batch has failed.
type Source struct {
	Function   string // its logical id
	Queue      *sqs.Client
	URL        string // of the queue
	ARN        string // of the queue
	Region     string
	Batch      int
	Visibility time.Duration // for which a received record is hidden
	Partial    bool          // the answer names the records that failed
	Invoke     func(ctx context.Context, function string, event []byte) ([]byte, error)
	Log        *slog.Logger
}

// Run works until ctx ends; the batch under way then gets grace to be finished.
func (s *Source) Run(ctx context.Context, grace time.Duration) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, cancel)
		context.AfterFunc(work, func() { t.Stop() })
	})
	for ctx.Err() == nil {
		batch, err := s.receive(ctx, longPoll)
		if err == nil && len(batch) > 0 {
			err = s.handle(work, batch)
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("batch not finished", "function", s.Function, "records", len(batch), "error", err)
		}
		if err != nil && len(batch) == 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// Once hands over one batch if there is one and gives the number of its records.
// The error is why not all of them were finished; nil if the function named the
// failed ones.
func (s *Source) Once(ctx context.Context) (records int, err error) {
	batch, err := s.receive(ctx, 0)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	return len(batch), s.handle(ctx, batch)
}

func (s *Source) receive(ctx context.Context, wait time.Duration) ([]types.Message, error) {
	out, err := s.Queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &s.URL,
		MaxNumberOfMessages:         int32(min(s.Batch, maxDelete)),
		VisibilityTimeout:           int32(s.Visibility / time.Second),
		WaitTimeSeconds:             int32(wait / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, fmt.Errorf("queue %s: receive: %w", s.URL, err)
	}
	return out.Messages, nil
}

// handle calls the function with a batch and deletes what it finished.
func (s *Source) handle(ctx context.Context, batch []types.Message) error {
	event, err := s.event(batch)
	if err != nil {
		return err
	}
	answer, err := s.Invoke(ctx, s.Function, event)
	if err != nil {
		return err
	}
	failed := map[string]bool{}
	if s.Partial {
		ids := make([]string, len(batch))
		for i, m := range batch {
			ids[i] = aws.ToString(m.MessageId)
		}
		if failed, err = failures(answer, ids); err != nil {
			return fmt.Errorf("function %s: %w", s.Function, err)
		}
	}
	return s.remove(ctx, batch, failed)
}

// remove deletes the records of a batch that did not fail.
func (s *Source) remove(ctx context.Context, batch []types.Message, failed map[string]bool) error {
	var entries []types.DeleteMessageBatchRequestEntry
	for i, m := range batch {
		if !failed[aws.ToString(m.MessageId)] {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	out, err := s.Queue.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &s.URL, Entries: entries})
	if err != nil {
		return fmt.Errorf("queue %s: delete: %w", s.URL, err)
	}
	var problems []error
	for _, f := range out.Failed {
		problems = append(problems, fmt.Errorf("queue %s: delete: %s", s.URL, aws.ToString(f.Message)))
	}
	return errors.Join(problems...)
}
