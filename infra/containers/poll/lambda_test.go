package poll

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestInvoke(t *testing.T) {
	for _, c := range []struct {
		sentence, answer, want, problem string
		status                          int
		functionError                   string
	}{
		{"an answer", `{"a":1}`, `{"a":1}`, "", 200, ""},
		{"an error of the function", `{"errorMessage":"boom","errorType":"x"}`, "", "function F: ended with an error: {\"errorMessage\"", 200, "Unhandled"},
		{"no such function", "{}", "", "function F: status 404", 404, ""},
		{"a container that died", "", "", "function F: status 502", 502, ""},
		{"nothing", "", "", "", 200, ""},
		{"a time limit that ran out, as SAM tells it", "Task timed out after 3.00 seconds", "", `function F: ended with "Task timed out after 3.00 seconds"`, 200, ""},
		{"the longest answer", text(maxAnswer), text(maxAnswer), "", 200, ""},
		{"one byte more", text(maxAnswer + 1), "", "longer than", 200, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path != "/2015-03-31/functions/F/invocations" || r.Method != http.MethodPost || string(body) != "{}" {
				t.Errorf("%s %s with %q", r.Method, r.URL.Path, body)
			}
			if c.functionError != "" {
				w.Header().Set("X-Amz-Function-Error", c.functionError)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer)
		}))
		l := &Lambda{Base: server.URL, Client: server.Client()}
		got, err := l.Invoke(t.Context(), "F", []byte("{}"))
		if c.problem == "" && (err != nil || string(got) != c.want) || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%s: %.50q, %.200v; want %.50q, %q", c.sentence, got, err, c.want, c.problem)
		}
		if err != nil && len(err.Error()) > maxTold+200 {
			t.Errorf("%s: an error of %d bytes", c.sentence, len(err.Error()))
		}
		server.Close()
	}
}

// text is a JSON text of n bytes.
func text(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }

// A container takes one event at a time; those of other functions go on.
func TestOneAtATimePerFunction(t *testing.T) {
	var turns Turns
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			done, err := turns.Take(t.Context(), "F")
			if err != nil {
				t.Error(err)
				return
			}
			defer done()
			most.Store(max(most.Load(), inside.Add(1)))
			runtime.Gosched()
			inside.Add(-1)
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
	held, err := turns.Take(t.Context(), "F")
	if err != nil {
		t.Fatal(err)
	}
	other, err := turns.Take(t.Context(), "G")
	if err != nil {
		t.Fatal(err)
	}
	other()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.Take(over, "F"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v for one who gave up waiting", err)
	}
	held()
	again, err := turns.Take(t.Context(), "F")
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestClockEvents(t *testing.T) {
	for _, c := range []struct {
		sentence string
		tick     Tick
		want     string
	}{
		{
			"a rule", Tick{},
			`{"account":"123456789012","detail":{},"detail-type":"Scheduled Event","id":"id-1","region":"us-east-1",` +
				`"resources":["arn:aws:events:us-east-1:123456789012:rule/clock"],"source":"aws.events","time":"2026-03-01T12:00:00Z","version":"0"}`,
		},
		{
			"the scheduler", Tick{Scheduler: true},
			`{"account":"123456789012","detail":"{}","detail-type":"Scheduled Event","id":"id-1","region":"us-east-1",` +
				`"resources":["arn:aws:scheduler:us-east-1:123456789012:schedule/default/clock"],"source":"aws.scheduler","time":"2026-03-01T12:00:00Z","version":"0"}`,
		},
		{"an input of the template's own", Tick{Input: `{"x":1}`}, `{"x":1}`},
	} {
		var got string
		c.tick.Function, c.tick.Region = "ClockFunction", "us-east-1"
		c.tick.Now, c.tick.NewID = func() time.Time { return noon }, func() string { return "id-1" }
		c.tick.Invoke = func(_ context.Context, _ string, event []byte) ([]byte, error) {
			got = string(event)
			return nil, nil
		}
		if err := c.tick.Once(t.Context()); err != nil {
			t.Errorf("%s: %v", c.sentence, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.sentence, d)
		}
	}
}

// A call that takes longer than the interval delays the next; none runs beside it.
func TestClockRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		var at []time.Duration
		from := time.Now()
		tick := &Tick{
			Every: 2 * time.Second, Input: "{}",
			Invoke: func(context.Context, string, []byte) ([]byte, error) {
				at = append(at, time.Since(from))
				if len(at) == 2 {
					time.Sleep(3 * time.Second)
				}
				return nil, nil
			},
		}
		tick.Run(ctx)
		if d := cmp.Diff([]time.Duration{0, 2 * time.Second, 5 * time.Second, 6 * time.Second}, at); d != "" {
			t.Errorf("calls (-want +got):\n%s", d)
		}
	})
}
