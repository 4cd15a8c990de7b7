package deadletter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"buzon/internal/queue"
)

// MaxRate is the most messages that are sent back in a second.
const MaxRate = 500

// moving is how long a batch stays hidden beyond the pauses between its messages.
const moving = time.Minute

// Options of [Letters.Redrive].
type Options struct {
	Limit int             // 0: until the queue is empty
	Rate  int             // messages a second, 1 to MaxRate
	Each  func(moved int) // told after every message; may be nil
}

// Moved is what a redrive did.
type Moved struct {
	Stage string `json:"stage"`
	From  string `json:"from"`
	To    string `json:"to"`
	Dead  int    `json:"dead"`  // before; about
	Moved int    `json:"moved"` // taken by the queue and deleted from the dead letters
	Again int    `json:"again"` // taken by the queue, still among the dead letters: the next run tells
	Left  int    `json:"left"`  // after; about
	// Interrupted: the context ended first. What was in hand was handed back.
	Interrupted bool `json:"interrupted"`
}

// Redrive sends a stage's dead letters back, the oldest of each group first, with
// their group. The order within a group holds among what is sent back; what came
// meanwhile may be handled before it.
//
// It does not use SQS's own StartMessageMoveTask: that sends a message with the
// deduplication id it came with, so one that was sent within the last five
// minutes is taken, dropped, and lost with its dead letter. Here the id is made
// from the dead letter's own id: a fresh one for each death, and the same if this
// program dies between sending and deleting and runs again within five minutes.
// After that the message arrives twice, which every stage bears.
//
// With an error the counts hold up to it, and nothing is lost.
func (l *Letters) Redrive(ctx context.Context, q Queues, o Options) (Moved, error) {
	done := Moved{Stage: q.Stage, From: path.Base(q.Dead), To: path.Base(q.Source)}
	before, err := l.counts(ctx, q.Dead)
	if err != nil {
		return done, err
	}
	done.Dead, done.Left = before.visible, before.visible
	err = l.redrive(ctx, q, o, &done)
	if ctx.Err() != nil {
		done.Interrupted = true
		if errors.Is(err, ctx.Err()) {
			err = nil
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBackFor)
	defer cancel()
	after, countErr := l.counts(last, q.Dead)
	done.Left = after.visible + after.inFlight
	return done, errors.Join(err, countErr)
}

func (l *Letters) redrive(ctx context.Context, q Queues, o Options, done *Moved) error {
	interval := time.Second / time.Duration(o.Rate)
	for o.Limit == 0 || done.Moved+done.Again < o.Limit {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		most := queue.MaxBatch
		if o.Limit > 0 {
			most = min(most, o.Limit-done.Moved-done.Again)
		}
		hidden := moving + time.Duration(most)*interval
		batch, err := l.receive(ctx, q.Dead, most, hidden)
		if err != nil || len(batch) == 0 {
			return err
		}
		for i, m := range batch {
			err := l.Pause(ctx, interval)
			if err == nil {
				err = l.sendBack(ctx, q, m, done)
			}
			if err != nil {
				return errors.Join(err, l.handBack(ctx, q.Dead, batch[i:]))
			}
			if o.Each != nil {
				o.Each(done.Moved)
			}
		}
	}
	return nil
}

// sendBack is not interrupted between its two calls: they are quick, and a
// message that was sent wants to be deleted.
func (l *Letters) sendBack(ctx context.Context, q Queues, m types.Message, done *Moved) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moving/2)
	defer cancel()
	_, err := l.SQS.SendMessage(ctx, &sdk.SendMessageInput{
		QueueUrl: &q.Source, MessageBody: m.Body, MessageAttributes: m.MessageAttributes,
		MessageGroupId:         aws.String(attribute(m, types.MessageSystemAttributeNameMessageGroupId)),
		MessageDeduplicationId: aws.String(deduplication(m)),
	})
	if err != nil {
		return fmt.Errorf("queue %s: message %s: %w", path.Base(q.Source), aws.ToString(m.MessageId), err)
	}
	if _, err := l.SQS.DeleteMessage(ctx, &sdk.DeleteMessageInput{QueueUrl: &q.Dead, ReceiptHandle: m.ReceiptHandle}); err != nil {
		done.Again++
		return fmt.Errorf("queue %s: message %s was sent back and not deleted: %w", path.Base(q.Dead), aws.ToString(m.MessageId), err)
	}
	done.Moved++
	return nil
}

// deduplication is the id for sending a dead letter back. What dies again is
// another message with another id.
func deduplication(m types.Message) string {
	sum := sha256.Sum256([]byte("redrive\x00" + aws.ToString(m.MessageId)))
	return hex.EncodeToString(sum[:])
}
