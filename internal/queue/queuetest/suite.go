package queuetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/fault"
	"buzon/internal/queue"
)

// Subject is a queue under test.
type Subject struct {
	Pair
	// Advance lets time pass for the queue: it moves its clock, or waits a little
	// longer than asked for.
	Advance func(time.Duration)
	// Patience is the most that Advance can be asked for in one case; cases that
	// need more are left out, which the log tells. At least 10 s.
	Patience time.Duration
	// Cannot tells which cases the queue cannot meet, and why, by their names. It
	// is for engines that stand for SQS in tests, and for nothing that SQS does.
	Cannot map[string]string
}

// Visibility is that of the suite's receives, in the whole seconds of SQS.
const visibility = 2 * time.Second

// Suite is what every FIFO queue of this system must do. Open gives a new, empty
// queue each time; all of them have the same patience and exceptions.
func Suite(t *testing.T, open func(t *testing.T) Subject) {
	first := open(t)
	excepted := 0
	for _, c := range cases {
		if reason, ok := first.Cannot[c.name]; ok {
			excepted++
			t.Logf("exception %d: %s: %s", excepted, c.name, reason)
			continue
		}
		if c.needs > first.Patience {
			t.Logf("left out: %s: takes %s", c.name, c.needs)
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(&check{t, open(t)}) })
	}
	if excepted != len(first.Cannot) {
		t.Errorf("%d exceptions name no case of the suite", len(first.Cannot)-excepted)
	}
}

var cases = []struct {
	name  string
	needs time.Duration
	run   func(*check)
}{
	{"what is sent is received once, unchanged", 0, func(c *check) {
		body := []byte(`{"text":"\u00e1 <&> \ud83d\ude00"}`)
		c.must(c.Send(c.Context(), queue.Message{Group: "g", Dedup: "d", Body: body}))
		r := c.receive(10, 1)[0]
		if r.ID == "" || r.Group != "g" || !bytes.Equal(r.Body, body) || r.Receives != 1 || r.Sent.IsZero() {
			c.Errorf("received %+v", r)
		}
		c.none("while it is in flight")
	}},
	{"a body of MaxBody passes, one byte more is refused", 0, func(c *check) {
		body := []byte(strings.Repeat("x", queue.MaxBody))
		c.must(c.Send(c.Context(), queue.Message{Group: "g", Dedup: "1", Body: body}))
		if got := c.receive(1, 1)[0].Body; !bytes.Equal(got, body) {
			c.Errorf("received %d bytes", len(got))
		}
		c.refused(c.Send(c.Context(), queue.Message{Group: "g", Dedup: "2", Body: append(body, 'x')}), fault.Invalid)
	}},
	{"T9: what SQS refuses is refused", 0, func(c *check) {
		for _, m := range []queue.Message{
			{Group: "", Dedup: "d", Body: []byte("x")},
			{Group: "g", Dedup: "", Body: []byte("x")},
			{Group: "g", Dedup: "d"},
			{Group: "g g", Dedup: "d", Body: []byte("x")},
			{Group: "g", Dedup: "d", Body: []byte("\x00")},
			{Group: strings.Repeat("g", queue.MaxID+1), Dedup: "d", Body: []byte("x")},
		} {
			c.refused(c.Send(c.Context(), m), fault.Invalid)
		}
		c.none("after only refused messages")
	}},
	{"ids of MaxID with every allowed character pass", 0, func(c *check) {
		var id []byte
		for ch := byte('!'); ch <= '~'; ch++ {
			id = append(id, ch)
		}
		id = append(id, bytes.Repeat([]byte("x"), queue.MaxID-len(id))...)
		c.must(c.Send(c.Context(), queue.Message{Group: string(id), Dedup: string(id), Body: []byte("x")}))
		if r := c.receive(1, 1)[0]; r.Group != string(id) {
			c.Errorf("group %q", r.Group)
		}
	}},
	{"R3: a group comes in the order of sending, several in one batch", 0, func(c *check) {
		c.send("g", "1", "2", "3")
		c.bodies(c.receive(10, 3), "1", "2", "3")
	}},
	{"R3: a group of which a record is in flight gives no other", 0, func(c *check) {
		c.send("g", "1", "2")
		first := c.receive(1, 1)
		c.none("while the first is in flight")
		c.must(c.Delete(c.Context(), first[0].Receipt))
		c.bodies(c.receive(10, 1), "2")
	}},
	{"R5: other groups go on meanwhile", 0, func(c *check) {
		c.send("a", "1", "2")
		c.receive(1, 1)
		c.send("b", "3")
		c.bodies(c.receive(10, 1), "3")
	}},
	{"a record comes again when its visibility runs out, before later ones of its group", visibility, func(c *check) {
		c.send("g", "1", "2")
		first := c.receive(1, 1)[0]
		c.Advance(visibility)
		again := c.receive(10, 2)
		c.bodies(again, "1", "2")
		if again[0].ID != first.ID || again[0].Receives != 2 || again[1].Receives != 1 {
			c.Errorf("came again as %+v", again)
		}
	}},
	{"the receive counts of a batch rise together", visibility, func(c *check) {
		c.send("a", "1")
		c.send("b", "2")
		c.receive(10, 2)
		c.Advance(visibility)
		for _, r := range c.receive(10, 2) {
			if r.Receives != 2 {
				c.Errorf("%s: %d receives", r.Body, r.Receives)
			}
		}
	}},
	{"a stale receipt is refused and harms nothing", visibility, func(c *check) {
		c.send("g", "1")
		stale := c.receive(1, 1)[0].Receipt
		c.Advance(visibility)
		fresh := c.receive(1, 1)[0].Receipt
		c.refused(c.Delete(c.Context(), stale), fault.Conflict)
		c.refused(c.ChangeVisibility(c.Context(), stale, 0), fault.Conflict)
		c.none("after a stale hand-back")
		c.must(c.Delete(c.Context(), fresh))
	}},
	{"deleting twice is no error", visibility, func(c *check) {
		c.send("g", "1")
		receipt := c.receive(1, 1)[0].Receipt
		c.must(c.Delete(c.Context(), receipt))
		c.must(c.Delete(c.Context(), receipt))
		c.Advance(visibility)
		c.none("after a delete")
	}},
	{"handed back with 0 it is visible at once", 0, func(c *check) {
		c.send("g", "1")
		c.must(c.ChangeVisibility(c.Context(), c.receive(1, 1)[0].Receipt, 0))
		if r := c.receive(1, 1)[0]; r.Receives != 2 {
			c.Errorf("%d receives", r.Receives)
		}
	}},
	{"handed back for a while its group waits as long, beyond the first visibility", 3 * visibility, func(c *check) {
		c.send("g", "1", "2")
		c.must(c.ChangeVisibility(c.Context(), c.receive(1, 1)[0].Receipt, 3*visibility))
		c.Advance(visibility)
		c.none("after the first visibility")
		c.Advance(2 * visibility)
		c.bodies(c.receive(10, 2), "1", "2")
	}},
	{"a group waits for the last of its records in flight", 2 * visibility, func(c *check) {
		c.send("g", "1", "2")
		got := c.receive(10, 2)
		c.must(c.ChangeVisibility(c.Context(), got[1].Receipt, 2*visibility))
		c.must(c.ChangeVisibility(c.Context(), got[0].Receipt, 0))
		c.none("while the second is in flight")
		c.Advance(2 * visibility)
		c.bodies(c.receive(10, 2), "1", "2")
	}},
	{"a visibility out of bounds is refused", 0, func(c *check) {
		c.send("g", "1")
		receipt := c.receive(1, 1)[0].Receipt
		c.refused(c.ChangeVisibility(c.Context(), receipt, -time.Second), fault.Invalid)
		c.refused(c.ChangeVisibility(c.Context(), receipt, queue.MaxVisibility+time.Second), fault.Invalid)
		for _, limit := range []int{0, queue.MaxBatch + 1} {
			_, err := c.Receive(c.Context(), limit, visibility)
			c.refused(err, fault.Invalid)
		}
		for _, d := range []time.Duration{0, queue.MaxVisibility + time.Second} {
			_, err := c.Receive(c.Context(), 1, d)
			c.refused(err, fault.Invalid)
		}
	}},
	{"the same deduplication id is dropped, even after a delete", 0, func(c *check) {
		c.send("g", "1")
		c.must(c.Delete(c.Context(), c.receive(1, 1)[0].Receipt))
		c.send("g", "1")
		c.none("of a repeat after a delete")
	}},
	{"deduplication ids are those of a group", 0, func(c *check) {
		c.send("a", "1")
		c.send("b", "1")
		c.receive(10, 2)
	}},
	{"deduplication ends five minutes after the first send, however often it was repeated", queue.DedupWindow, func(c *check) {
		c.send("g", "1")
		c.must(c.Delete(c.Context(), c.receive(1, 1)[0].Receipt))
		c.Advance(queue.DedupWindow - time.Second)
		c.send("g", "1")
		c.none("of a repeat in time")
		c.Advance(time.Second)
		c.send("g", "1")
		c.receive(10, 1)
		c.send("g", "1")
		c.Advance(queue.DedupWindow)
		c.send("g", "1")
		c.receive(10, 2)
	}},
	{"B2.6: a record received MaxReceives times becomes a dead letter and frees its group", 0, func(c *check) {
		c.send("g", "1", "2")
		for n := 1; n <= queue.MaxReceives; n++ {
			r := c.receive(1, 1)[0]
			if r.Receives != n || string(r.Body) != "1" {
				c.Fatalf("receive %d gave %s with %d receives", n, r.Body, r.Receives)
			}
			c.must(c.ChangeVisibility(c.Context(), r.Receipt, 0))
		}
		c.bodies(c.receive(1, 1), "2")
		dead, err := c.DeadLetters(c.Context(), 10)
		c.must(err)
		c.bodies(dead, "1")
		if d := dead[0]; d.Receives < queue.MaxReceives || d.Group != "g" || d.Sent.IsZero() || d.ID == "" {
			c.Errorf("dead letter %+v", d)
		}
	}},
	{"many groups drain, each in order", 0, func(c *check) {
		const groups, each = 30, 3
		for n := range each {
			for g := range groups {
				c.must(c.Send(c.Context(), queue.Message{Group: fmt.Sprint("g", g), Dedup: fmt.Sprint(g, "-", n), Body: []byte(fmt.Sprint(n))}))
			}
		}
		next := map[string]int{}
		for left := groups * each; left > 0; {
			got, err := c.Receive(c.Context(), queue.MaxBatch, time.Minute)
			c.must(err)
			if len(got) == 0 {
				c.Fatalf("%d records left and none received", left)
			}
			for _, r := range got {
				if string(r.Body) != fmt.Sprint(next[r.Group]) {
					c.Fatalf("group %s: %s instead of %d", r.Group, r.Body, next[r.Group])
				}
				next[r.Group]++
				left--
				c.must(c.Delete(c.Context(), r.Receipt))
			}
		}
		c.none("after all")
	}},
}

// check is one case under way.
type check struct {
	*testing.T
	Subject
}

func (c *check) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *check) refused(err error, kind fault.Kind) {
	c.Helper()
	if !errors.Is(err, kind) {
		c.Errorf("got %v, want %v", err, kind)
	}
}

// send sends messages whose bodies are their deduplication ids.
func (c *check) send(group string, bodies ...string) {
	c.Helper()
	for _, b := range bodies {
		c.must(c.Send(c.Context(), queue.Message{Group: group, Dedup: b, Body: []byte(b)}))
	}
}

// receive receives until want records are there; a queue may give them in parts
// only if they are of different groups.
func (c *check) receive(limit, want int) []queue.Received {
	c.Helper()
	var got []queue.Received
	for tries := 0; len(got) < want && tries < 5; tries++ {
		more, err := c.Receive(c.Context(), limit, visibility)
		c.must(err)
		got = append(got, more...)
	}
	if len(got) != want {
		c.Fatalf("received %d records, want %d", len(got), want)
	}
	return got
}

func (c *check) none(when string) {
	c.Helper()
	got, err := c.Receive(c.Context(), queue.MaxBatch, visibility)
	c.must(err)
	if len(got) > 0 {
		c.Fatalf("received %d records %s", len(got), when)
	}
}

func (c *check) bodies(got []queue.Received, want ...string) {
	c.Helper()
	var bodies []string
	for _, r := range got {
		bodies = append(bodies, string(r.Body))
	}
	if !slices.Equal(bodies, want) {
		c.Errorf("received %q, want %q", bodies, want)
	}
}
