// Package sqs is a FIFO queue on Amazon SQS: both its sides, and the Lambda
// handler that works its batches off.
package sqs

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/signed"
)

// MaxWait is the longest that SQS waits for a first record.
const MaxWait = 20 * time.Second

// Queue is one FIFO queue of SQS; its dead-letter queue is another. How often a
// record is received before it goes there, and for how long a deduplication id
// counts, are settings of the queue in SQS. It is safe for use by several
// goroutines.
//
// Every method gives a *fault.Missing if there is no such queue and a
// fault.Busy if SQS refused for the moment; another error of SQS leaves the
// outcome unknown. No error holds a body or a receipt.
type Queue struct {
	// Wait is how long Receive waits for a first record: up to MaxWait, in whole
	// seconds; 0: not at all. Set it before use.
	Wait time.Duration

	service   *signed.Service
	url, name string
}

var _ queue.Queue = (*Queue)(nil)

// New is the queue at that URL, as SQS calls it.
func New(service *signed.Service, url string) *Queue {
	return &Queue{service: service, url: url, name: url[strings.LastIndexByte(url, '/')+1:]}
}

// Send implements [queue.Queue].
func (q *Queue) Send(ctx context.Context, m queue.Message) error {
	if err := queue.Validate(m); err != nil {
		return err
	}
	var out struct{ MD5OfMessageBody string }
	err := q.call(ctx, "SendMessage", request{MessageBody: string(m.Body), MessageGroupID: m.Group, MessageDeduplicationID: m.Dedup}, &out)
	if err != nil {
		return q.explain("send", err)
	}
	if out.MD5OfMessageBody != digest(string(m.Body)) {
		return fmt.Errorf("queue %s: send: what arrived is not what was sent", q.name)
	}
	return nil
}

// request is what SQS is asked with: the fields of all operations that are used
// (SQS API reference).
type request struct {
	QueueURL                    string   `json:"QueueUrl"`
	MessageBody                 string   `json:",omitempty"`
	MessageGroupID              string   `json:"MessageGroupId,omitempty"`
	MessageDeduplicationID      string   `json:"MessageDeduplicationId,omitempty"`
	ReceiptHandle               string   `json:",omitempty"`
	MaxNumberOfMessages         int      `json:",omitempty"`
	VisibilityTimeout           *int     `json:",omitempty"`
	WaitTimeSeconds             int      `json:",omitempty"`
	MessageSystemAttributeNames []string `json:",omitempty"`
	Entries                     []entry  `json:",omitempty"`
}

// entry of a batch.
type entry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout int
}

func (q *Queue) call(ctx context.Context, operation string, in request, out any) error {
	in.QueueURL = q.url
	return q.service.JSON(ctx, "1.0", "AmazonSQS."+operation, in, out)
}

// digest is how SQS tells what it took and gives.
func digest(body string) string {
	sum := md5.Sum([]byte(body)) // against damage, not malice
	return hex.EncodeToString(sum[:])
}

// The attributes of a record (SQS API reference, "ReceiveMessage").
const (
	attributeGroup    = "MessageGroupId"
	attributeReceives = "ApproximateReceiveCount"
	attributeSent     = "SentTimestamp"
)

// Receive gives up to limit (1 to queue.MaxBatch) records and hides them for
// visibility (above 0, at most queue.MaxVisibility; SQS takes whole seconds, a
// part counts as one). A group of which a record is hidden gives none. When the
// answer is lost, its records come again after visibility.
func (q *Queue) Receive(ctx context.Context, limit int, visibility time.Duration) ([]queue.Received, error) {
	if limit < 1 || limit > queue.MaxBatch || visibility <= 0 || visibility > queue.MaxVisibility {
		return nil, fmt.Errorf("receive %d for %s: %w", limit, visibility, fault.Invalid)
	}
	hidden := seconds(visibility)
	var out struct {
		Messages []struct {
			MessageID                      string `json:"MessageId"`
			MD5OfBody, Body, ReceiptHandle string
			Attributes                     map[string]string
		}
	}
	err := q.call(ctx, "ReceiveMessage", request{
		MaxNumberOfMessages: limit, VisibilityTimeout: &hidden, WaitTimeSeconds: seconds(min(q.Wait, MaxWait)),
		MessageSystemAttributeNames: []string{attributeGroup, attributeReceives, attributeSent},
	}, &out)
	if err != nil {
		return nil, q.explain("receive", err)
	}
	received := make([]queue.Received, len(out.Messages))
	for i, m := range out.Messages {
		if m.MD5OfBody != digest(m.Body) {
			return nil, fmt.Errorf("queue %s: receive: what arrived is not what was given", q.name)
		}
		received[i] = queue.Received{Record: record(m.MessageID, m.Body, m.Attributes), Receipt: m.ReceiptHandle}
	}
	return received, nil
}

// record reads the attributes of a received message. What is missing or no
// number is as on the first receive: such a record is handled, not lost.
func record(id, body string, attributes map[string]string) queue.Record {
	r := queue.Record{
		ID:       id,
		Group:    attributes[attributeGroup],
		Body:     []byte(body),
		Receives: 1,
	}
	if n, err := strconv.Atoi(attributes[attributeReceives]); err == nil && n > 1 {
		r.Receives = n
	}
	if ms, err := strconv.ParseInt(attributes[attributeSent], 10, 64); err == nil && ms > 0 {
		r.Sent = time.UnixMilli(ms)
	}
	return r
}

// Delete finishes a record. No error if that was done before; fault.Conflict if
// its visibility ran out: it comes, or came, again.
func (q *Queue) Delete(ctx context.Context, receipt string) error {
	return q.explain("delete", q.call(ctx, "DeleteMessage", request{ReceiptHandle: receipt}, &struct{}{}))
}

// ChangeVisibility hides a held record for after from now, in whole seconds, a
// part counting as one; 0: it is visible. fault.Conflict if its visibility ran
// out or it was deleted.
func (q *Queue) ChangeVisibility(ctx context.Context, receipt string, after time.Duration) error {
	if after < 0 || after > queue.MaxVisibility {
		return fmt.Errorf("hide for %s: %w", after, fault.Invalid)
	}
	hidden := seconds(after)
	return q.explain("change visibility", q.call(ctx, "ChangeMessageVisibility", request{ReceiptHandle: receipt, VisibilityTimeout: &hidden}, &struct{}{}))
}

// seconds is d in whole seconds, rounded up.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// explain is err in the words of package fault. The text of SQS itself is left
// out, since it quotes receipts.
func (q *Queue) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var refusal *signed.Error
	if !errors.As(err, &refusal) {
		return fmt.Errorf("queue %s: %s: %w", q.name, what, err) // no answer: it quotes nothing
	}
	switch {
	case refusal.Code == "QueueDoesNotExist", refusal.Code == oldNames+"NonExistentQueue":
		return &fault.Missing{What: "queue " + q.name}
	case busy(refusal):
		return fmt.Errorf("queue %s: %s: %s: %w", q.name, what, refusal.Code, fault.Busy)
	case stale(refusal):
		return fmt.Errorf("queue %s: %s: the receipt is no longer good: %w", q.name, what, fault.Conflict)
	}
	return fmt.Errorf("queue %s: %s: %w", q.name, what, refusal)
}

// oldNames begin the names of errors from when SQS spoke XML; engines still use them.
const oldNames = "AWS.SimpleQueueService."

// busy: OverLimit is too many records in flight.
func busy(e *signed.Error) bool {
	return e.Busy() || e.Code == "RequestThrottled" || e.Code == "KmsThrottled" || e.Code == "OverLimit"
}

// stale tells that a receipt is not, or no longer, the one that a record is held
// by. FIFO queues answer InvalidParameterValue for one whose visibility ran out
// (repost.aws, "sqs-receipt-handle-error"), a code that other mistakes share.
func stale(e *signed.Error) bool {
	return e.Code == "ReceiptHandleIsInvalid" || strings.TrimPrefix(e.Code, oldNames) == "MessageNotInflight" ||
		strings.HasPrefix(e.Code, "InvalidParameterValue") && strings.Contains(e.Message, "ReceiptHandle")
}
