package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"buzon/internal/queue"
)

const (
	// maxPause is the longest that a record waits after an error.
	maxPause = 5 * time.Minute
	// handBackTime bounds the request that hands records back.
	handBackTime = 3 * time.Second
)

// Lambda is the handler of a function that SQS starts with batches of q, with
// ReportBatchItemFailures: w works each off, up to queue.MaxBatch groups side by
// side if it does not say how many, and until the function's deadline. It needs
// no Gate, since a process has one batch at a time.
//
// What is not finished is answered as failed, and before that handed back, so
// that it comes again when it should and not only when the queue's visibility
// runs out: see [queue.Pauses]; a pause after an error ends at 5 minutes. If
// that does not succeed, it is logged once and the visibility holds.
//
// The error means that the whole batch comes again after its visibility: the
// function's time is less than two steps of w, which would begin no record, or a
// record that is not finished has no id to be answered by.
func Lambda(w *queue.Worker, q *Queue) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	worker := *w
	worker.Parallel = cmp.Or(w.Parallel, queue.MaxBatch)
	worker.Deadline, worker.Now = nil, nil // the context's, by the machine's clock
	log := cmp.Or(w.Log, slog.New(slog.DiscardHandler))
	step := cmp.Or(w.Step, queue.DefaultStep)
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		none := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
		if left, bounded := queue.Remaining(ctx); bounded && left < 2*step {
			return none, fmt.Errorf("queue %s: the function has %s for a batch, two steps of %s are needed", q.name, left.Round(time.Millisecond), step)
		}
		records := records(e)
		failures := worker.Work(ctx, records)
		if err := q.handBack(ctx, e, queue.Pauses(records, failures, maxPause)); err != nil {
			log.LogAttrs(ctx, slog.LevelWarn, "records come again only when their visibility runs out",
				slog.Int("records", len(failures)), slog.String("error", err.Error()))
		}
		return answer(none, failures)
	}
}

// answer names every record that is not finished, once. An empty id would not
// do: with it, SQS takes the whole answer for a failure.
func answer(out events.SQSEventResponse, failures []queue.Failure) (events.SQSEventResponse, error) {
	named := map[string]bool{}
	for _, f := range failures {
		if f.ID == "" {
			return events.SQSEventResponse{}, errors.New("a record without an id is not finished")
		}
		if !named[f.ID] {
			named[f.ID] = true
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: f.ID})
		}
	}
	return out, nil
}

// records reads the batch of an event.
func records(e events.SQSEvent) []queue.Record {
	out := make([]queue.Record, len(e.Records))
	for i, m := range e.Records {
		out[i] = record(m.MessageId, m.Body, m.Attributes)
	}
	return out
}

// handBack changes the visibility of records, by their places in the event.
func (q *Queue) handBack(ctx context.Context, e events.SQSEvent, pauses map[int]time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, handBackTime)
	defer cancel()
	var entries []entry
	for i, m := range e.Records {
		if after, failed := pauses[i]; failed {
			entries = append(entries, entry{ID: strconv.Itoa(i), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds(after)})
		}
	}
	for part := range slices.Chunk(entries, queue.MaxBatch) {
		var out struct{ Failed []struct{ Code string } }
		if err := q.call(ctx, "ChangeMessageVisibilityBatch", request{Entries: part}, &out); err != nil {
			return q.explain("change visibility", err)
		}
		if len(out.Failed) > 0 { // its text may quote the receipt
			return fmt.Errorf("queue %s: change visibility of %d of %d records: %s", q.name, len(out.Failed), len(part), out.Failed[0].Code)
		}
	}
	return nil
}
