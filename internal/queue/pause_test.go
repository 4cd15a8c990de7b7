package queue_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/queue"
)

func TestPauses(t *testing.T) {
	broken := errors.New("broken")
	const longest = time.Minute
	type pauses = map[int]time.Duration
	rec := func(id, group string, receives int) queue.Record {
		return queue.Record{ID: id, Group: group, Receives: receives}
	}
	for _, c := range []struct {
		say      string
		records  []queue.Record
		failures []queue.Failure
		want     pauses
	}{
		{"what did not fail is done", []queue.Record{rec("1", "a", 1)}, nil, pauses{}},
		{"the first error costs a second", []queue.Record{rec("1", "a", 1)}, []queue.Failure{{ID: "1", Err: broken}}, pauses{0: time.Second}},
		{"the third four", []queue.Record{rec("1", "a", 3)}, []queue.Failure{{ID: "1", Err: broken}}, pauses{0: 4 * time.Second}},
		{"a record without a count is as new", []queue.Record{rec("1", "a", 0)}, []queue.Failure{{ID: "1", Err: broken}}, pauses{0: time.Second}},
		{"the sixth is the last below the limit", []queue.Record{rec("1", "a", 6)}, []queue.Failure{{ID: "1", Err: broken}}, pauses{0: 32 * time.Second}},
		{"no pause is longer than the limit", []queue.Record{rec("1", "a", 7)}, []queue.Failure{{ID: "1", Err: broken}}, pauses{0: longest}},
		{"nor after any count", []queue.Record{rec("1", "a", math.MaxInt)}, []queue.Failure{{ID: "1", Err: broken}}, pauses{0: longest}},
		{"what was not tried comes at once, however often it came", []queue.Record{rec("1", "a", 9)}, []queue.Failure{{ID: "1"}}, pauses{0: 0}},
		{"a pause that was asked for is given, beyond the limit too", []queue.Record{rec("1", "a", 1)},
			[]queue.Failure{{ID: "1", After: time.Hour, Err: queue.Again(time.Hour)}}, pauses{0: time.Hour}},
		{"the rest of a group waits as long as its first", []queue.Record{rec("1", "a", 4), rec("2", "b", 1), rec("3", "a", 1), rec("4", "b", 2)},
			[]queue.Failure{{ID: "1", Err: broken}, {ID: "3"}, {ID: "4"}}, pauses{0: 8 * time.Second, 2: 8 * time.Second, 3: 0}},
		{"two records of one id wait both", []queue.Record{rec("1", "a", 1), rec("1", "a", 1)}, []queue.Failure{{ID: "1", Err: broken}}, pauses{0: time.Second, 1: time.Second}},
	} {
		if d := cmp.Diff(c.want, queue.Pauses(c.records, c.failures, longest)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.say, d)
		}
	}
}
