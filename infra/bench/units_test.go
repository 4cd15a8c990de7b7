package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnits: what AWS bills for a conversation is counted exactly, so it cannot
// grow unseen (goal 8). A row that costs less is an improvement: write it down.
func TestUnits(t *testing.T) {
	b, err := countUnits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Sends, Queue  int64 // messages sent; billed requests
		Write, Read   float64
		Replies       int
		Reply         float64 // write units of all replies
		Status        float64 // write units of all statuses, four a reply
		PageW, PageR  float64
		Blobs, InLogs int64
	}
	want := []struct {
		name string
		row  row
	}{
		{"first message: greeting, projects", row{2, 6, 10, 4, 2, 5, 8, 0, 0, 0, 0}},
		{"tap: project", row{2, 6, 5, 1, 1, 3, 4, 0, 0, 0, 0}},
		{"tap: service group", row{2, 6, 5, 1, 1, 3, 4, 0, 0, 0, 0}},
		{"tap: service", row{2, 6, 7, 1, 2, 5, 8, 0, 0, 0, 0}},
		{"tap: following", row{2, 6, 7, 1, 1, 3, 4, 0, 0, 0, 0}},
		{"tap: following", row{2, 6, 7, 1, 1, 3, 4, 0, 0, 0, 0}},
		{"tap: following", row{2, 6, 5, 1, 1, 3, 4, 0, 0, 0, 0}},
		{"tap: category, link to the form", row{2, 6, 7, 1, 1, 5, 4, 0, 0, 0, 0}},
		{"form opened", row{PageR: 1, InLogs: 1}},
		{"form sent: the case", row{PageW: 11, PageR: 1, InLogs: 1}},
		{"tracking page", row{PageR: 3, InLogs: 1}},
	}
	if len(b.Steps) != len(want) {
		t.Fatalf("%d steps, want %d", len(b.Steps), len(want))
	}
	for i, s := range b.Steps {
		all := s.all()
		got := row{
			all.Sends, all.Queue, s.Taken.Write, s.Taken.Read, s.Sent.Events, s.Sent.Write, s.Statuses.Write, s.Page.Write, s.Page.Read, all.Blobs, all.Lines,
		}
		if s.Name != want[i].name {
			t.Errorf("step %d is %q, want %q", i, s.Name, want[i].name)
		}
		if diff := cmp.Diff(want[i].row, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.Name, diff)
		}
	}
	for _, g := range b.goals() {
		if !g.Reached {
			t.Errorf("goal %d: %s: %v, want at most %v", g.Number, g.What, g.Value, g.Limit)
		}
	}
}

// TestUnitsOfTwoRunsAreTheSame: the count is exact, not measured.
func TestUnitsOfTwoRunsAreTheSame(t *testing.T) {
	first, err := countUnits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := countUnits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func TestPriced(t *testing.T) {
	for _, c := range []struct {
		name                     string
		counts                   counts
		calls, inbound, outbound int
		want                     price
	}{
		{name: "nothing costs nothing"},
		{name: "six requests to SQS, as a message in batches of one has", counts: counts{Queue: 6}, want: price{Queue: 3}},
		{name: "a transaction of two items and a read", counts: counts{Write: 4, Read: 1}, want: price{Table: 2.625}},
		{name: "a stored file", counts: counts{Blobs: 1}, want: price{Blobs: 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := priced(c.counts, c.calls, c.inbound, c.outbound); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("a call is a request at the front and an invocation", func(t *testing.T) {
		got := priced(counts{}, 1, 0, 0)
		if want := priceInvocation + invocationSeconds*memoryGB*priceGBSecond*1e6; got.Front != priceHTTPAPI || got.Lambda != want {
			t.Errorf("%+v, want front %v and Lambda %v", got, priceHTTPAPI, want)
		}
	})
}
