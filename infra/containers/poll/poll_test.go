package poll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fuzztest"
)

// invoke is the function: it answers what the test says to the bodies it got.
func (w *world) invoke(_ context.Context, function string, event []byte) ([]byte, error) {
	w.events = append(w.events, event)
	answer, err := w.answer(bodies(event))
	if function != w.source.Function {
		return nil, fmt.Errorf("function %s called", function)
	}
	return []byte(answer), err
}

func bodies(event []byte) []string {
	var e struct {
		Records []struct {
			Body string `json:"body"`
		}
	}
	_ = json.Unmarshal(event, &e)
	var all []string
	for _, r := range e.Records {
		all = append(all, r.Body)
	}
	return all
}

// batches are the bodies of each event, with commas.
func (w *world) batches() []string {
	var all []string
	for _, e := range w.events {
		all = append(all, strings.Join(bodies(e), ","))
	}
	return all
}

// work runs batches until there is none, and lets time pass so that what was
// handed back comes again, so many times.
func (w *world) work(t *testing.T, times int) []error {
	t.Helper()
	var problems []error
	for range times {
		for {
			n, err := w.source.Once(t.Context())
			if err != nil {
				problems = append(problems, err)
			}
			if n == 0 {
				break
			}
		}
		w.now = w.now.Add(w.source.Visibility)
	}
	return problems
}

// failing answers that the records with these bodies failed, by the ids that the
// queue gives: m1, m2 in the order of sending.
func failing(ids ...string) func([]string) (string, error) {
	return func([]string) (string, error) {
		var items []string
		for _, id := range ids {
			items = append(items, fmt.Sprintf(`{"itemIdentifier":%q}`, id))
		}
		return `{"batchItemFailures":[` + strings.Join(items, ",") + `]}`, nil
	}
}

func TestBatches(t *testing.T) {
	for _, c := range []struct {
		sentence string
		prepare  func(*world)
		batches  []string // over three times the visibility
		left     int
		problem  string
	}{
		{"what is finished is deleted and comes no more", func(*world) {}, []string{"a1,b1,a2"}, 0, ""},
		{
			"what failed comes again, the rest does not",
			func(w *world) { w.answer = failing("m2") },
			[]string{"a1,b1,a2", "b1", "b1"}, 1, "",
		},
		{
			"a group of which one failed gives nothing else meanwhile, in its order",
			func(w *world) { w.source.Batch = 1; w.answer = onlyFirst("a1") },
			[]string{"a1", "b1", "a1", "a2"}, 0, "",
		},
		{
			"a function that ends with an error fails the whole batch",
			func(w *world) { w.answer = func([]string) (string, error) { return "", errors.New("it died") } },
			[]string{"a1,b1,a2", "a1,b1,a2", "a1,b1,a2"}, 3, "it died",
		},
		{
			"so does an answer that is not JSON",
			func(w *world) { w.answer = func([]string) (string, error) { return "Task timed out", nil } },
			[]string{"a1,b1,a2", "a1,b1,a2", "a1,b1,a2"}, 3, "answer cannot be read",
		},
		{
			"and one that names a record of another batch",
			func(w *world) { w.answer = failing("m1", "m9") },
			[]string{"a1,b1,a2", "a1,b1,a2", "a1,b1,a2"}, 3, `itemIdentifier "m9" is not of this batch`,
		},
		{
			"without ReportBatchItemFailures an answer is success, whatever it says",
			func(w *world) { w.source.Partial = false; w.answer = failing("m1") },
			[]string{"a1,b1,a2"}, 0, "",
		},
		{
			"a delete that is refused is told, and the record comes again",
			func(w *world) { w.refuse = true },
			[]string{"a1,b1,a2", "a1,b1,a2", "a1,b1,a2"}, 3, "no such receipt",
		},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w := newWorld(t)
			w.send(t, "a", "a1")
			w.send(t, "b", "b1")
			w.send(t, "a", "a2")
			c.prepare(w)
			problems := w.work(t, 3)
			if d := cmp.Diff(c.batches, w.batches()); d != "" {
				t.Errorf("batches (-want +got):\n%s", d)
			}
			if visible, inFlight, _ := w.queue.Depth(); visible+inFlight != c.left {
				t.Errorf("%d records left, want %d", visible+inFlight, c.left)
			}
			if c.problem == "" && len(problems) > 0 || c.problem != "" && (len(problems) == 0 || !strings.Contains(problems[0].Error(), c.problem)) {
				t.Errorf("problems %v, want %q", problems, c.problem)
			}
		})
	}
}

// onlyFirst fails a body the first time it comes.
func onlyFirst(body string) func([]string) (string, error) {
	tries := 0
	return func(batch []string) (string, error) {
		if slices.Contains(batch, body) {
			if tries++; tries == 1 {
				return failing("m1")(nil)
			}
		}
		return "{}", nil
	}
}

// The function may hand a record back with a time of its own, which the source
// must leave alone.
func TestVisibilityThatTheFunctionChangedHolds(t *testing.T) {
	w := newWorld(t)
	w.send(t, "a", "a1")
	w.answer = func([]string) (string, error) {
		if len(w.events) > 1 {
			return "", nil
		}
		return `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`, w.queue.ChangeVisibility(t.Context(), "m1.1", 5*time.Second)
	}
	for _, step := range []struct {
		after time.Duration
		comes int
	}{{0, 1}, {5*time.Second - 1, 0}, {1, 1}, {time.Hour, 0}} {
		w.now = w.now.Add(step.after)
		n, err := w.source.Once(t.Context())
		if n != step.comes || err != nil {
			t.Errorf("after %s %d records, %v; want %d", step.after, n, err, step.comes)
		}
	}
}

func TestEventHasTheShapeOfAWS(t *testing.T) {
	w := newWorld(t)
	w.send(t, "a", `{"v":1}`)
	if _, err := w.source.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(w.events[0], &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"Records": []any{map[string]any{
		"messageId": "m1", "receiptHandle": "m1.1", "body": `{"v":1}`, "md5OfBody": "a191475ae2bf7db9c7e320f7da455bbb",
		"attributes": map[string]any{
			"ApproximateReceiveCount": "1", "SentTimestamp": fmt.Sprint(noon.UnixMilli()), "MessageGroupId": "a",
			"MessageDeduplicationId": `a{"v":1}`, "SequenceNumber": "18849496460467696128",
		},
		"messageAttributes": map[string]any{}, "eventSource": "aws:sqs",
		"eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:inbound.fifo", "awsRegion": "us-east-1",
	}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("event (-want +got):\n%s", d)
	}
}

// The end of a run waits for the batch under way, but not for ever.
func TestRunEnds(t *testing.T) {
	for _, c := range []struct {
		sentence string
		grace    time.Duration
		invoke   func(ctx context.Context, ended context.CancelFunc) error
		left     int
	}{
		{"what was under way is finished and deleted", time.Minute, func(_ context.Context, end context.CancelFunc) error { end(); return nil }, 0},
		{
			"what takes longer than the grace is given up and comes again", time.Nanosecond,
			func(ctx context.Context, end context.CancelFunc) error { end(); <-ctx.Done(); return ctx.Err() }, 1,
		},
	} {
		w := newWorld(t)
		w.send(t, "a", "a1")
		ctx, end := context.WithCancel(t.Context())
		w.source.Log = slog.New(slog.DiscardHandler)
		w.source.Invoke = func(ctx context.Context, _ string, _ []byte) ([]byte, error) { return nil, c.invoke(ctx, end) }
		w.source.Run(ctx, c.grace)
		end()
		if visible, inFlight, _ := w.queue.Depth(); visible+inFlight != c.left {
			t.Errorf("%s: %d records left, want %d", c.sentence, visible+inFlight, c.left)
		}
	}
}

func TestAtMostTheBatchOfTheTemplate(t *testing.T) {
	for _, batch := range []int{1, 3, 10, 100} { // FIFO queues take at most 10
		w := newWorld(t)
		w.source.Batch = batch
		for i := range 12 {
			w.send(t, fmt.Sprintf("g%d", i), "x")
		}
		if n, err := w.source.Once(t.Context()); n != min(batch, 10) || err != nil {
			t.Errorf("batch of %d: %d records, %v", batch, n, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	ids := []string{"a", "b"}
	for _, c := range []struct {
		sentence, answer string
		failed           []string
		whole            bool // the batch failed
	}{
		{"nothing", "", nil, false},
		{"null", "null", nil, false},
		{"an empty object", "{}", nil, false},
		{"an empty list", `{"batchItemFailures":[]}`, nil, false},
		{"a list that is null", `{"batchItemFailures":null}`, nil, false},
		{"one record", `{"batchItemFailures":[{"itemIdentifier":"b"}]}`, []string{"b"}, false},
		{"all, one twice", `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}`, []string{"a", "b"}, false},
		{"further fields", `{"batchItemFailures":[{"itemIdentifier":"b","why":1}],"x":2}`, []string{"b"}, false},
		{"an unknown record", `{"batchItemFailures":[{"itemIdentifier":"c"}]}`, nil, true},
		{"an empty id", `{"batchItemFailures":[{"itemIdentifier":""}]}`, nil, true},
		{"an id that is null", `{"batchItemFailures":[{"itemIdentifier":null}]}`, nil, true},
		{"an id that is a number", `{"batchItemFailures":[{"itemIdentifier":1}]}`, nil, true},
		{"a key in other letters", `{"batchItemFailures":[{"ItemIdentifier":"b"}]}`, nil, true},
		{"an entry without an id", `{"batchItemFailures":[{}]}`, nil, true},
		{"a list of texts", `{"batchItemFailures":["b"]}`, nil, true},
		{"no object", `[]`, nil, true},
		{"no JSON", `Task timed out after 3.00 seconds`, nil, true},
	} {
		failed, err := failures([]byte(c.answer), ids)
		var got []string
		for id := range failed {
			got = append(got, id)
		}
		slices.Sort(got)
		if (err != nil) != c.whole || !slices.Equal(got, c.failed) {
			t.Errorf("%s: failed %v, %v; want %v, whole %v", c.sentence, got, err, c.failed, c.whole)
		}
	}
}

// FuzzAnswer: whatever a function answers, no record counts as failed that is not
// of the batch, and the time and memory it takes to see that are bounded.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"", "null", `{"batchItemFailures":[{"itemIdentifier":"a"}]}`, `{"batchItemFailures":{}}`, `[[[[`, "\xff"} {
		f.Add(seed)
	}
	ids := []string{"a", "b"}
	f.Fuzz(func(t *testing.T, answer string) {
		var failed map[string]bool
		var err error
		fuzztest.Limit{Time: 2 * time.Second, Memory: 1 << 20, PerByte: 500}.Check(t, len(answer), func() {
			failed, err = failures([]byte(answer), ids)
		})
		for id := range failed {
			if !slices.Contains(ids, id) {
				t.Errorf("%q failed", id)
			}
		}
		if err != nil && len(failed) > 0 {
			t.Errorf("an error and %v", failed)
		}
	})
}
