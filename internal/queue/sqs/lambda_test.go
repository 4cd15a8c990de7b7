package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"buzon/internal/queue"
	"buzon/internal/queue/queuetest"
)

// visibility and timeout are those of the inbound queue in the template.
const (
	visibility = 6 * time.Minute
	timeout    = time.Minute
)

// bench is a queue with a function behind it. Time passes only while all sleep.
type bench struct {
	*testing.T
	fake *fake
	w    *queue.Worker
	log  bytes.Buffer
}

func inBubble(t *testing.T, w *queue.Worker, test func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, fake: &fake{Memory: &queuetest.Memory{Now: time.Now, Strict: true}}, w: w}
		w.Log = slog.New(slog.NewTextHandler(&b.log, nil))
		test(b)
	})
}

// send sends messages written "group:body".
func (b *bench) send(messages ...string) {
	b.Helper()
	for _, m := range messages {
		group, _, _ := strings.Cut(m, ":")
		if err := b.fake.Send(b.Context(), queue.Message{Group: group, Dedup: m, Body: []byte(m)}); err != nil {
			b.Fatal(err)
		}
	}
}

// deliver starts the function once with what can be received, as SQS does, and
// deletes what it does not answer. It gives the bodies of what it does.
func (b *bench) deliver() []string {
	b.Helper()
	got, err := b.fake.Receive(b.Context(), queue.MaxBatch, visibility)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), timeout)
	defer cancel()
	out, err := Lambda(b.w, New(serviceOf(direct{b.fake}), liveURL))(ctx, event(b.T, got))
	if err != nil {
		b.Fatal(err)
	}
	failed := map[string]bool{}
	for _, f := range out.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	var bodies []string
	for _, r := range got {
		if failed[r.ID] {
			bodies = append(bodies, string(r.Body))
			delete(failed, r.ID)
		} else if err := b.fake.Delete(b.Context(), r.Receipt); err != nil {
			b.Error(err)
		}
	}
	if len(failed) > 0 {
		b.Errorf("answered %v, which nobody sent", failed)
	}
	return bodies
}

// event is the batch as SQS writes it.
func event(t *testing.T, got []queue.Received) events.SQSEvent {
	t.Helper()
	var e events.SQSEvent
	for _, r := range got {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: r.ID, ReceiptHandle: r.Receipt, Body: string(r.Body), Attributes: attributes(r),
			EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:1:q.fifo", AWSRegion: "us-east-1",
		})
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var read events.SQSEvent
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// returns tells when what is left can be received, and in which order.
func (b *bench) returns() []string {
	b.Helper()
	var out []string
	for began := time.Now(); ; {
		next, any := b.fake.NextVisible()
		if !any || next.Sub(began) > visibility {
			return out
		}
		time.Sleep(time.Until(next))
		got, err := b.fake.Receive(b.Context(), queue.MaxBatch, queue.MaxVisibility)
		if err != nil {
			b.Fatal(err)
		}
		line := time.Since(began).String()
		for _, r := range got {
			line += " " + string(r.Body)
		}
		out = append(out, line)
	}
}

func TestLambda(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		say      string
		messages []string
		handle   func(ctx context.Context, body string) error
		answered []string
		returns  []string
	}{
		{"an empty batch is nothing", nil, func(context.Context, string) error { return broken }, nil, nil},
		{"ten records that are done are deleted", strings.Fields("a:1 a:2 b:1 c:1 d:1 e:1 f:1 g:1 h:1 i:1"),
			func(context.Context, string) error { return nil }, nil, nil},
		{"all fail: all come again after a second", strings.Fields("a:1 b:1 c:1 d:1 e:1 f:1 g:1 h:1 i:1 j:1"),
			func(context.Context, string) error { return broken },
			strings.Fields("a:1 b:1 c:1 d:1 e:1 f:1 g:1 h:1 i:1 j:1"), []string{"1s a:1 b:1 c:1 d:1 e:1 f:1 g:1 h:1 i:1 j:1"}},
		{"R3: after the first failure of a group its later records are failed too, of no other group", strings.Fields("a:1 a:2 b:1 a:3 b:2"),
			func(_ context.Context, body string) error {
				if body == "a:2" {
					return broken
				}
				return nil
			}, strings.Fields("a:2 a:3"), []string{"1s a:2 a:3"}},
		{"a pause that was asked for is given to the whole group", strings.Fields("a:1 a:2 b:1"),
			func(_ context.Context, body string) error {
				if body == "a:1" {
					return queue.Again(90 * time.Second)
				}
				return nil
			}, strings.Fields("a:1 a:2"), []string{"1m30s a:1 a:2"}},
		{"a pause of part of a second is a whole one", strings.Fields("a:1"),
			func(context.Context, string) error { return queue.Again(time.Millisecond) }, strings.Fields("a:1"), []string{"1s a:1"}},
		{"a pause of nothing is none", strings.Fields("a:1"),
			func(context.Context, string) error { return queue.Again(0) }, strings.Fields("a:1"), []string{"0s a:1"}},
		{"R5: a panic fails its own group alone", strings.Fields("a:1 b:1 a:2"),
			func(_ context.Context, body string) error {
				if body == "a:1" {
					panic("canary")
				}
				return nil
			}, strings.Fields("a:1 a:2"), []string{"1s a:1 a:2"}},
		{"R5: what nobody can read is quarantined, and done", strings.Fields("a:1 a:2"),
			func(_ context.Context, body string) error {
				if body == "a:1" {
					return &queue.Unreadable{Reason: queue.NotJSON}
				}
				return nil
			}, nil, nil},
		{"of a handler that stands the step ends, and its mates are not delayed", strings.Fields("a:1 b:1"),
			func(ctx context.Context, body string) error {
				if body == "a:1" {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}, strings.Fields("a:1"), []string{"1s a:1"}},
	} {
		t.Run(c.say, func(t *testing.T) {
			quarantined := 0
			w := &queue.Worker{
				Handle: func(ctx context.Context, r queue.Record) error { return c.handle(ctx, string(r.Body)) },
				Quarantine: func(context.Context, queue.Record, string) error {
					quarantined++
					return nil
				},
			}
			inBubble(t, w, func(b *bench) {
				b.send(c.messages...)
				answered := b.deliver()
				slices.Sort(answered)
				if d := cmp.Diff(c.answered, answered); d != "" {
					b.Errorf("answered (-want +got):\n%s", d)
				}
				if d := cmp.Diff(c.returns, b.returns()); d != "" {
					b.Errorf("returns (-want +got):\n%s", d)
				}
				if wanted := min(len(c.answered), 1); b.fake.handedBack != wanted || strings.Contains(b.log.String(), "come again") {
					b.Errorf("%d requests to hand back, want %d; log:\n%s", b.fake.handedBack, wanted, b.log.String())
				}
				if strings.Contains(b.log.String(), "canary") || strings.Contains(b.log.String(), "a:1") {
					b.Errorf("a body in the log: %s", b.log.String())
				}
			})
			if want := strings.Contains(c.say, "quarantined"); want != (quarantined == 1) {
				t.Errorf("quarantined %d", quarantined)
			}
		})
	}
}

func TestLambdaPausesGrow(t *testing.T) {
	w := &queue.Worker{AloneAfter: queue.MaxReceives, Handle: func(context.Context, queue.Record) error { return errors.New("broken") }}
	inBubble(t, w, func(b *bench) {
		b.send("a:1")
		var pauses []time.Duration
		for range 11 {
			if got := b.deliver(); len(got) != 1 {
				b.Fatalf("answered %v", got)
			}
			next, _ := b.fake.NextVisible()
			pauses = append(pauses, time.Until(next))
			time.Sleep(time.Until(next))
		}
		want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}
		for i := range want {
			want[i] *= time.Second
		}
		if d := cmp.Diff(want, pauses); d != "" {
			b.Error(d)
		}
	})
}

// TestLambdaHandsBackWhatItHasNoTimeFor: with less than two steps left nothing
// more is begun, and what was not begun comes at once.
func TestLambdaHandsBackWhatItHasNoTimeFor(t *testing.T) {
	w := &queue.Worker{Parallel: 1, Step: 25 * time.Second, Handle: func(ctx context.Context, _ queue.Record) error {
		<-ctx.Done()
		return nil
	}}
	inBubble(t, w, func(b *bench) {
		b.send("a:1", "b:1", "c:1", "c:2")
		if d := cmp.Diff(strings.Fields("b:1 c:1 c:2"), b.deliver()); d != "" {
			b.Error(d)
		}
		if d := cmp.Diff([]string{"0s b:1 c:1 c:2"}, b.returns()); d != "" {
			b.Error(d)
		}
	})
}

// TestLambdaHasItsOwnDeadline: what the worker says of its clock elsewhere does
// not count here.
func TestLambdaHasItsOwnDeadline(t *testing.T) {
	w := &queue.Worker{
		Handle:   func(context.Context, queue.Record) error { return nil },
		Deadline: func(context.Context) (time.Time, bool) { return time.Unix(1, 0), true },
		Now:      func() time.Time { return time.Unix(2, 0) },
	}
	inBubble(t, w, func(b *bench) {
		b.send("a:1")
		if got := b.deliver(); got != nil {
			b.Errorf("answered %v", got)
		}
		if w.Deadline == nil || w.Parallel != 0 {
			b.Error("the caller's worker was changed")
		}
	})
}

func TestLambdaRefusesABatchThatItHasNoTimeFor(t *testing.T) {
	begun := 0
	w := &queue.Worker{Step: 30 * time.Second, Handle: func(context.Context, queue.Record) error {
		begun++
		return nil
	}}
	inBubble(t, w, func(b *bench) {
		for _, c := range []struct {
			left  time.Duration
			wrong bool
		}{{timeout - time.Millisecond, true}, {timeout, false}} {
			ctx, cancel := context.WithTimeout(b.Context(), c.left)
			_, err := Lambda(w, New(serviceOf(direct{b.fake}), liveURL))(ctx, event(b.T, []queue.Received{{Record: queue.Record{ID: "m"}}}))
			cancel()
			if (err != nil) != c.wrong || (begun > 0) == c.wrong {
				b.Errorf("%s left: %v, %d begun", c.left, err, begun)
			}
		}
	})
}

func TestLambdaRunsGroupsSideBySide(t *testing.T) {
	for _, c := range []struct{ parallel, want int }{{0, queue.MaxBatch}, {1, 1}, {3, 3}} {
		var mu sync.Mutex
		running, most := 0, 0
		w := &queue.Worker{Parallel: c.parallel, Handle: func(context.Context, queue.Record) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		}}
		inBubble(t, w, func(b *bench) {
			for i := range queue.MaxBatch {
				b.send(fmt.Sprint("g", i, ":1"))
			}
			if got := b.deliver(); got != nil {
				b.Errorf("answered %v", got)
			}
		})
		if most != c.want {
			t.Errorf("parallel %d: %d ran at once, want %d", c.parallel, most, c.want)
		}
	}
}

// TestLambdaWithoutHandingBack: the visibility of the queue holds, the rest goes
// on, and one line says so.
func TestLambdaWithoutHandingBack(t *testing.T) {
	w := &queue.Worker{Handle: func(_ context.Context, r queue.Record) error {
		if string(r.Body) == "b:1" {
			return nil
		}
		return queue.Again(time.Second)
	}}
	const action = "ChangeMessageVisibilityBatch"
	for _, c := range []struct {
		fake fake
		took time.Duration
	}{{fake{broken: action}, 0}, {fake{silent: action}, handBackTime}} {
		inBubble(t, w, func(b *bench) {
			b.fake.broken, b.fake.silent = c.fake.broken, c.fake.silent
			b.send("a:1", "a:2", "b:1")
			began := time.Now()
			if d := cmp.Diff(strings.Fields("a:1 a:2"), b.deliver()); d != "" {
				b.Error(d)
			}
			if took := time.Since(began); took != c.took {
				b.Errorf("took %s, want %s", took, c.took)
			}
			if d := cmp.Diff([]string{(visibility - c.took).String() + " a:1 a:2"}, b.returns()); d != "" {
				b.Error(d)
			}
			if lines := strings.Count(b.log.String(), "\n"); lines != 1 || strings.Contains(b.log.String(), "a:1") {
				b.Errorf("log:\n%s", b.log.String())
			}
		})
	}
}

// TestLambdaWithStaleReceipts: a record that came again meanwhile is somebody
// else's; the others are handed back, and no receipt is in the log.
func TestLambdaWithStaleReceipts(t *testing.T) {
	w := &queue.Worker{Handle: func(context.Context, queue.Record) error { return queue.Again(30 * time.Second) }}
	inBubble(t, w, func(b *bench) {
		b.send("a:1", "b:1")
		got, err := b.fake.Receive(b.Context(), queue.MaxBatch, visibility)
		if err != nil {
			b.Fatal(err)
		}
		e := event(b.T, got)
		e.Records[0].ReceiptHandle = "canary"
		out, err := Lambda(w, New(serviceOf(direct{b.fake}), liveURL))(b.Context(), e)
		if err != nil || len(out.BatchItemFailures) != 2 {
			b.Errorf("%+v, %v", out, err)
		}
		if d := cmp.Diff([]string{"30s b:1", "6m0s a:1"}, b.returns()); d != "" {
			b.Error(d)
		}
		if lines := strings.Count(b.log.String(), "\n"); lines != 1 || strings.Contains(b.log.String(), "canary") {
			b.Errorf("log:\n%s", b.log.String())
		}
	})
}

// TestLambdaAnswer: each record that is not finished is named once, however
// often it is in the batch; an answer that could not name one is none.
func TestLambdaAnswer(t *testing.T) {
	w := &queue.Worker{Handle: func(_ context.Context, r queue.Record) error {
		if strings.HasSuffix(string(r.Body), "1") {
			return nil
		}
		return errors.New("broken")
	}}
	message := func(id, body string) events.SQSMessage {
		return events.SQSMessage{MessageId: id, ReceiptHandle: "r", Body: body, Attributes: map[string]string{"MessageGroupId": body}}
	}
	for _, c := range []struct {
		say     string
		records []events.SQSMessage
		want    string // the answer as JSON; empty: an error
	}{
		{"nothing failed", []events.SQSMessage{message("m", "1")}, `{"batchItemFailures":[]}`},
		{"no records", nil, `{"batchItemFailures":[]}`},
		{"a message twice, both fail", []events.SQSMessage{message("m", "2"), message("m", "2")}, `{"batchItemFailures":[{"itemIdentifier":"m"}]}`},
		{"a message twice, one is done", []events.SQSMessage{message("m", "1"), message("m", "2"), message("n", "1")}, `{"batchItemFailures":[{"itemIdentifier":"m"}]}`},
		{"no id, and done", []events.SQSMessage{message("", "1")}, `{"batchItemFailures":[]}`},
		{"no id, and not done", []events.SQSMessage{message("", "2"), message("m", "1")}, ""},
	} {
		inBubble(t, w, func(b *bench) {
			out, err := Lambda(w, New(serviceOf(direct{b.fake}), liveURL))(b.Context(), events.SQSEvent{Records: c.records})
			text, _ := json.Marshal(out)
			if (err != nil) != (c.want == "") || err == nil && string(text) != c.want {
				b.Errorf("%s: %s, %v", c.say, text, err)
			}
		})
	}
}

// FuzzRecords: whatever an event says, no record is lost, and reading it costs
// what its size allows.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"Records":[{"messageId":"m","receiptHandle":"r","body":"{}","attributes":{"MessageGroupId":"g","ApproximateReceiveCount":"2","SentTimestamp":"1772366400123"}}]}`))
	f.Add([]byte(`{"Records":[{"messageId":"","body":"\u0000\ud800","attributes":{"ApproximateReceiveCount":"-9","SentTimestamp":"99999999999999999999"}},{"attributes":null},null]}`))
	f.Add([]byte(`{"records":[{"messageId":"m"},{"messageId":"m"}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		var e events.SQSEvent
		if json.Unmarshal(text, &e) != nil {
			return
		}
		got := records(e)
		d := time.Since(began)
		runtime.ReadMemStats(&after)
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(400*len(text)+256<<10); d > time.Second || used > most {
			t.Errorf("%d bytes took %s and %d bytes of memory", len(text), d, used)
		}
		if len(got) != len(e.Records) {
			t.Fatalf("%d records of %d", len(got), len(e.Records))
		}
		failures := make([]queue.Failure, len(got))
		named := map[string]bool{"": true}
		for i, r := range got {
			if r.Receives < 1 || r.ID != e.Records[i].MessageId || string(r.Body) != e.Records[i].Body || r.Sent.Before(time.Time{}) {
				t.Errorf("record %+v of %+v", r, e.Records[i])
			}
			failures[i] = queue.Failure{ID: r.ID}
			named[r.ID] = true
		}
		if len(queue.Pauses(got, failures, maxPause)) != len(got) {
			t.Error("a record is not handed back")
		}
		out, err := answer(events.SQSEventResponse{}, failures)
		if err == nil && len(out.BatchItemFailures) != len(named)-1 {
			t.Errorf("%d of %d ids are answered", len(out.BatchItemFailures), len(named)-1)
		}
	})
}
