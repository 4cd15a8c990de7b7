package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"buzon/internal/blob"
	"buzon/internal/fault"
	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
	"buzon/internal/table"
)

// requestBytes is how much of a message one billed request to SQS holds.
const requestBytes = 64 << 10

// countingQueue counts what SQS would bill, a call with up to ten messages being
// one request for each 64 KB begun.
type countingQueue struct {
	*queuetest.Memory
	sends    atomic.Int64 // messages sent
	requests atomic.Int64 // billed, of sending, receiving and deleting
}

func (q *countingQueue) Send(ctx context.Context, m queue.Message) error {
	err := q.Memory.Send(ctx, m)
	if err == nil {
		q.sends.Add(1)
		q.requests.Add(int64(max(1, (len(m.Body)+requestBytes-1)/requestBytes)))
	}
	return err
}

// work hands one batch to the worker, as Lambda does: a request to receive it and
// one to delete what is done. An empty answer is not counted: the pollers of an
// idle queue are not a message's cost. It tells whether there was anything.
func (q *countingQueue) work(ctx context.Context, w *queue.Worker, most int) (bool, error) {
	got, err := q.Receive(ctx, most, time.Minute)
	if err != nil || len(got) == 0 {
		return false, err
	}
	records := make([]queue.Record, len(got))
	for i, r := range got {
		records[i] = r.Record
	}
	failed := map[string]bool{}
	for _, f := range w.Work(ctx, records) {
		failed[f.ID] = true
	}
	bytes := 0
	for _, r := range got {
		bytes += len(r.Body)
		if failed[r.ID] {
			continue
		}
		if err := q.Delete(ctx, r.Receipt); err != nil {
			return true, err
		}
	}
	q.requests.Add(int64(max(1, (bytes+requestBytes-1)/requestBytes)) + 1)
	return len(failed) < len(got), nil
}

// countingBlobs counts the requests that would go to S3; what it is asked to keep
// is not kept.
type countingBlobs struct {
	blob.Store
	requests atomic.Int64
}

func (b *countingBlobs) Put(context.Context, string, string, io.ReadSeeker) error {
	b.requests.Add(1)
	return nil
}

// countingLog counts lines from INFO on.
type countingLog struct{ lines *atomic.Int64 }

func (l countingLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}
func (l countingLog) Handle(context.Context, slog.Record) error {
	l.lines.Add(1)
	return nil
}
func (l countingLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l countingLog) WithGroup(string) slog.Handler      { return l }

// sizes notes how large the items of transactions are: a further KB costs two
// units more, whatever the code above does.
type sizes struct {
	table.Table
	further atomic.Int64 // KB begun beyond the first, of all items
	items   atomic.Int64
}

func (s *sizes) Write(ctx context.Context, ops ...table.Op) error {
	err := s.Table.Write(ctx, ops...)
	if len(ops) > 1 && !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Busy) {
		for _, op := range ops {
			it := op.Item
			it.Version++ // it is there now, also if it was not
			s.further.Add(int64(max(table.Size(it)-1, 0) >> 10))
			s.items.Add(1)
		}
	}
	return err
}
