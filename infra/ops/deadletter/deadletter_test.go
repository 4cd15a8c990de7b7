package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"buzon/infra/ops/awstest"
)

var begin = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// world is a stage's two queues in memory.
type world struct {
	*awstest.Queues
	Letters
	queues Queues
}

func newWorld() *world {
	w := &world{Queues: &awstest.Queues{Now: begin}}
	c := (&awstest.AWS{Queues: w.Queues}).Config()
	w.Letters = Letters{
		SQS: sdk.NewFromConfig(c), Now: func() time.Time { return w.Queues.Now },
		Pause: func(ctx context.Context, d time.Duration) error {
			w.Queues.Now = w.Queues.Now.Add(d)
			return ctx.Err()
		},
	}
	const base = "https://sqs.eu-west-1.amazonaws.com/123456789012/"
	w.queues = Queues{Stage: "inbound", Source: base + "in.fifo", Dead: base + "dead.fifo"}
	return w
}

func sealed(n int) string {
	return fmt.Sprintf(`{"v":1,"stage":"inbound","tenant":"acme","body":{"n":%d}}`, n)
}

func TestListAndShowLeaveTheMessages(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	s, err := w.List(ctx, w.queues)
	if err != nil || s.Dead != 0 || s.Oldest != nil {
		t.Fatalf("an empty queue: %+v, %v", s, err)
	}
	w.Put("in.fifo", "g1", "waiting")
	w.Put("dead.fifo", "g1", sealed(1))
	w.Queues.Now = begin.Add(90 * time.Minute)
	w.Put("dead.fifo", "g2", `{"v":9,"stage":"inbound","tenant":"acme","body":{}}`)
	w.Put("dead.fifo", "g3", "call me at 5215512345678")
	for range 2 { // looking twice shows the same
		s, err = w.List(ctx, w.queues)
		oldest := int64(5400)
		want := Summary{Stage: "inbound", Queue: "dead.fifo", Dead: 3, Oldest: &oldest, Waiting: 1, Source: "in.fifo"}
		if d := cmp.Diff(want, s); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
	}
	letters, err := w.Show(ctx, w.queues, 10, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []Letter{
		{ID: "m2", Group: "g1", Tenant: "acme", Receives: 3, Sent: begin, Reason: "not finished in 50 tries; the log of its function says why", Size: len(sealed(1))},
		{ID: "m3", Group: "g2", Tenant: "acme", Receives: 3, Sent: begin.Add(90 * time.Minute), Reason: "unreadable: unknown_version", Size: 51},
		{ID: "m4", Group: "g3", Receives: 3, Sent: begin.Add(90 * time.Minute), Reason: "unreadable: not_json", Size: 24},
	}
	if d := cmp.Diff(want, letters); d != "" {
		t.Error(d)
	}
	letters, err = w.Show(ctx, w.queues, 1, true)
	if err != nil || len(letters) != 1 || letters[0].Body != sealed(1) {
		t.Errorf("with bodies, one: %+v, %v", letters, err)
	}
	if n := len(w.Bodies("dead.fifo")); n != 3 {
		t.Errorf("%d are left of 3", n)
	}
}

func TestShowHandsBackWhenItIsStopped(t *testing.T) {
	w := newWorld()
	w.Put("dead.fifo", "g1", sealed(1))
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	w.Break = func(op string) (error, bool) {
		if op == "ReceiveMessage" {
			if calls++; calls == 2 {
				cancel()
				return context.Canceled, false
			}
		}
		return nil, false
	}
	if _, err := w.Show(ctx, w.queues, 10, false); !errors.Is(err, context.Canceled) {
		t.Errorf("it went on: %v", err)
	}
	if s, err := w.List(t.Context(), w.queues); err != nil || s.Dead != 1 {
		t.Errorf("it kept the message to itself: %+v, %v", s, err)
	}
}

// fill puts so many messages of three groups among the dead letters.
func (w *world) fill(messages int) (want []string) {
	for n := range messages {
		w.Put("dead.fifo", "g"+fmt.Sprint(n%3), fmt.Sprint(n))
		want = append(want, fmt.Sprint(n))
	}
	return want
}

// ofGroup are the bodies of one of the groups that fill makes.
func ofGroup(bodies []string, group int) []string {
	return slices.DeleteFunc(slices.Clone(bodies), func(b string) bool {
		var n int
		_, err := fmt.Sscan(b, &n)
		return err != nil || n%3 != group
	})
}

func TestRedrive(t *testing.T) {
	w := newWorld()
	want := w.fill(25)
	var told []int
	done, err := w.Redrive(t.Context(), w.queues, Options{Rate: 10, Each: func(n int) { told = append(told, n) }})
	if d := cmp.Diff(Moved{Stage: "inbound", From: "dead.fifo", To: "in.fifo", Dead: 25, Moved: 25}, done); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	got := w.Bodies("in.fifo")
	for group := range 3 {
		if d := cmp.Diff(ofGroup(want, group), ofGroup(got, group)); d != "" {
			t.Errorf("the order of group %d:\n%s", group, d)
		}
	}
	if len(got) != 25 || len(w.Bodies("dead.fifo")) != 0 || len(told) != 25 || told[24] != 25 {
		t.Errorf("%d arrived, %d are left, told %v", len(got), len(w.Bodies("dead.fifo")), told)
	}
	if took := w.Queues.Now.Sub(begin); took != 2500*time.Millisecond {
		t.Errorf("25 messages at 10 a second took %s", took)
	}
}

func TestRedriveStopsAtItsLimit(t *testing.T) {
	for _, limit := range []int{1, 10, 11, 24, 25, 26} {
		w := newWorld()
		w.fill(25)
		done, err := w.Redrive(t.Context(), w.queues, Options{Rate: MaxRate, Limit: limit})
		most := min(limit, 25)
		if err != nil || done.Moved != most || done.Left != 25-most || len(w.Bodies("in.fifo")) != most {
			t.Errorf("limit %d: %+v, %v", limit, done, err)
		}
	}
}

// TestRedriveDiesAnywhere: whichever call of a run goes wrong, before or after it
// took effect, the next run brings every message back once and in order.
func TestRedriveDiesAnywhere(t *testing.T) {
	broken := errors.New("connection reset")
	for _, op := range []string{"ReceiveMessage", "SendMessage", "DeleteMessage", "ChangeMessageVisibilityBatch", "GetQueueAttributes"} {
		for nth := 1; nth <= 15; nth++ {
			for _, after := range []bool{false, true} {
				w := newWorld()
				want := w.fill(13)
				calls := 0
				w.Break = func(called string) (error, bool) {
					if called != op {
						return nil, false
					}
					if calls++; calls == nth {
						return broken, after
					}
					return nil, false
				}
				_, err := w.Redrive(t.Context(), w.queues, Options{Rate: MaxRate})
				if (err != nil) != (calls >= nth) {
					t.Errorf("%s %d went wrong: %v", op, nth, err)
				}
				w.Break = nil
				w.Queues.Now = w.Queues.Now.Add(2 * time.Minute) // what died comes back by itself
				if _, err := w.Redrive(t.Context(), w.queues, Options{Rate: MaxRate}); err != nil {
					t.Fatal(err)
				}
				got := w.Bodies("in.fifo")
				for group := range 3 {
					if d := cmp.Diff(ofGroup(want, group), ofGroup(got, group)); d != "" {
						t.Errorf("%s %d, took effect %t, group %d:\n%s", op, nth, after, group, d)
					}
				}
				if n := len(w.Bodies("dead.fifo")); n != 0 {
					t.Errorf("%s %d, took effect %t: %d are left", op, nth, after, n)
				}
			}
		}
	}
}

func TestRedriveIsInterrupted(t *testing.T) {
	for stopAt := range 26 {
		w := newWorld()
		w.fill(25)
		ctx, cancel := context.WithCancel(t.Context())
		pause := w.Pause
		paused := 0
		w.Pause = func(ctx context.Context, d time.Duration) error {
			if paused == stopAt {
				cancel()
			}
			paused++
			return pause(ctx, d)
		}
		done, err := w.Redrive(ctx, w.queues, Options{Rate: 1})
		cancel()
		if err != nil || done.Interrupted != (stopAt < 25) || done.Moved != min(stopAt, 25) {
			t.Errorf("stopped at %d: %+v, %v", stopAt, done, err)
		}
		if s, err := w.List(t.Context(), w.queues); err != nil || s.Dead != 25-done.Moved || s.InFlight != 0 {
			t.Errorf("stopped at %d: not handed back: %+v, %v", stopAt, s, err)
		}
		if all := append(w.Bodies("in.fifo"), w.Bodies("dead.fifo")...); len(all) != 25 {
			t.Errorf("stopped at %d: %d messages of 25", stopAt, len(all))
		}
	}
}

// TestWhatDiesAgainCanGoAgain: the second death of a message is another dead
// letter; its deduplication id is fresh even within five minutes.
func TestWhatDiesAgainCanGoAgain(t *testing.T) {
	w := newWorld()
	for n := range 3 {
		w.Put("dead.fifo", "g", "the same body")
		if _, err := w.Redrive(t.Context(), w.queues, Options{Rate: MaxRate}); err != nil {
			t.Fatal(err)
		}
		if got := w.Bodies("in.fifo"); len(got) != n+1 {
			t.Fatalf("time %d: %d arrived", n+1, len(got))
		}
	}
}

func TestTheQueueIsNamedInErrors(t *testing.T) {
	w := newWorld()
	w.Put("dead.fifo", "g", "x")
	w.Break = func(op string) (error, bool) { return errors.New("broken"), op == "" }
	for say, f := range map[string]func() error{
		"list":    func() error { _, err := w.List(t.Context(), w.queues); return err },
		"show":    func() error { _, err := w.Show(t.Context(), w.queues, 1, false); return err },
		"redrive": func() error { _, err := w.Redrive(t.Context(), w.queues, Options{Rate: 1}); return err },
	} {
		if err := f(); err == nil || !strings.HasPrefix(err.Error(), "queue dead.fifo: ") {
			t.Errorf("%s: %v", say, err)
		}
	}
}

// TestRedriveEndsWhatItBegan: an interrupt between sending and deleting waits for
// the delete; a delete that breaks is counted.
func TestRedriveEndsWhatItBegan(t *testing.T) {
	for _, c := range []struct {
		say    string
		breaks string
		want   Moved
		err    bool
	}{
		{"interrupted while sending", "", Moved{Moved: 1, Left: 2, Interrupted: true}, false},
		{"interrupted, and the delete breaks", "DeleteMessage", Moved{Again: 1, Left: 3, Interrupted: true}, true},
	} {
		w := newWorld()
		for n := range 3 {
			w.Put("dead.fifo", "g", fmt.Sprint(n))
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.Break = func(op string) (error, bool) {
			if op == "SendMessage" {
				cancel()
			}
			if op == c.breaks {
				return errors.New("connection reset"), false
			}
			return nil, false
		}
		done, err := w.Redrive(ctx, w.queues, Options{Rate: 1})
		c.want.Stage, c.want.From, c.want.To, c.want.Dead = "inbound", "dead.fifo", "in.fifo", 3
		if d := cmp.Diff(c.want, done); d != "" || (err != nil) != c.err {
			t.Errorf("%s: %v\n%s", c.say, err, d)
		}
		if n := len(w.Bodies("in.fifo")); n != 1 {
			t.Errorf("%s: %d arrived", c.say, n)
		}
	}
}
