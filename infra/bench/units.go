package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/table"
	"buzon/internal/table/embedded"
)

// counts is what one step cost, in what AWS bills by.
type counts struct {
	Sends  int64   `json:"queue_sends"`
	Queue  int64   `json:"queue_requests"`
	Read   float64 `json:"read_units"`
	Write  float64 `json:"write_units"`
	Blobs  int64   `json:"s3_requests"`
	Lines  int64   `json:"log_lines"`
	Items  int64   `json:"transaction_items"`
	Longer int64   `json:"transaction_further_kb"` // of those items, KB begun beyond the first
	Events int     `json:"events"`                 // messages, replies, statuses or requests that it is the sum of
}

func (c counts) plus(d counts) counts {
	return counts{
		c.Sends + d.Sends, c.Queue + d.Queue, c.Read + d.Read, c.Write + d.Write, c.Blobs + d.Blobs, c.Lines + d.Lines,
		c.Items + d.Items, c.Longer + d.Longer, c.Events + d.Events,
	}
}

func (c counts) minus(d counts) counts {
	return c.plus(counts{-d.Sends, -d.Queue, -d.Read, -d.Write, -d.Blobs, -d.Lines, -d.Items, -d.Longer, -d.Events})
}

// each is the cost of one event of it.
func (c counts) each(n float64) float64 { return n / float64(max(c.Events, 1)) }

// total is what all meters show.
func (w *world) total() counts {
	var c counts
	for _, q := range []*countingQueue{w.inbound, w.outbound, w.approvals} {
		c.Sends += q.sends.Load()
		c.Queue += q.requests.Load()
	}
	if w.table != nil {
		c.Read, c.Write = w.table.Units()
		c.Items, c.Longer = w.sizes.items.Load(), w.sizes.further.Load()
	}
	c.Blobs, c.Lines = w.blobs.requests.Load(), w.lines.Load()
	return c
}

// measured is what f cost.
func (w *world) measured(events int, f func() error) (counts, error) {
	before := w.total()
	err := f()
	c := w.total().minus(before)
	c.Events = events
	return c, err
}

// step is one event of a conversation with what each stage of it cost.
type step struct {
	Name     string `json:"name"`
	Taken    counts `json:"taken"`    // webhook and inbound
	Sent     counts `json:"sent"`     // outbound, by replies
	Statuses counts `json:"statuses"` // of those replies
	Page     counts `json:"page"`     // of the portal
}

func (s step) all() counts { return s.Taken.plus(s.Sent).plus(s.Statuses).plus(s.Page) }

// bill is the outcome of counting.
type bill struct {
	Steps  []step `json:"steps"`  // of a conversation while everything that may be kept is kept
	Warm   counts `json:"warm"`   // a tap that is taken in
	Cold   counts `json:"cold"`   // the next one, where what was kept is too old
	Failed counts `json:"failed"` // one status "failed", webhook and inbound
}

// messages are the steps in which a person says something.
func (b bill) messages() []step {
	var out []step
	for _, s := range b.Steps {
		if s.Taken.Events > 0 {
			out = append(out, s)
		}
	}
	return out
}

// usual is what people do most: a tap that one reply answers and that writes
// nothing but its turn; the dearest of them.
func (b bill) usual() step {
	var usual step
	for _, s := range b.messages() {
		if s.Sent.Events == 1 && s.Taken.Items == 2 && s.all().Write > usual.all().Write {
			usual = s
		}
	}
	return usual
}

// whole is the sum of all steps.
func (b bill) whole() step {
	w := step{Name: "whole conversation"}
	for _, s := range b.Steps {
		w.Taken, w.Sent = w.Taken.plus(s.Taken), w.Sent.plus(s.Sent)
		w.Statuses, w.Page = w.Statuses.plus(s.Statuses), w.Page.plus(s.Page)
	}
	return w
}

// measureUnits counts what AWS would bill for a whole conversation, at the seams
// (goal 8), and what that costs at list prices.
func measureUnits(ctx context.Context, _ *bench) (section, error) {
	s := section{
		Name: "units", Title: "billed units of one conversation, counted at the seams; everything that may be kept is kept",
		Head: []string{
			"", "sends", "SQS requests", "write units", "read units", "replies", "write each", "read each", "statuses", "write each", "page: write", "read", "S3", "log lines",
		},
	}
	b, err := countUnits(ctx)
	if err != nil {
		return s, err
	}
	for _, step := range append(b.Steps, b.whole()) {
		all := step.all()
		s.Rows = append(s.Rows, []string{
			step.Name, fmt.Sprint(step.Taken.Sends), fmt.Sprint(all.Queue), short(step.Taken.Write), short(step.Taken.Read),
			fmt.Sprint(step.Sent.Events), short(step.Sent.each(step.Sent.Write)), short(step.Sent.each(step.Sent.Read)),
			fmt.Sprint(step.Statuses.Events), short(step.Statuses.each(step.Statuses.Write)), short(step.Page.Write), short(step.Page.Read),
			fmt.Sprint(all.Blobs), fmt.Sprint(all.Lines),
		})
	}
	s.Notes = []string{
		fmt.Sprintf("a status \"failed\": %d send, %s write units, with inbound's look at it.", b.Failed.Sends, short(b.Failed.Write)),
		fmt.Sprintf("a tap in an environment that has kept nothing for 30 s reads %s units more.", short(b.Cold.Read-b.Warm.Read)),
		"", "USD for a million usual messages, each with a reply and four statuses, in batches of one, at list prices:",
	}
	lines := [][]string{{"", "front", "Lambda", "SQS", "table", "USD", "page of goals"}}
	for _, m := range b.money() {
		lines = append(lines, []string{
			m.Name, usd(m.Price.Front), usd(m.Price.Lambda), usd(m.Price.Queue), usd(m.Price.Table + m.Price.Blobs), usd(m.Price.total()), m.page,
		})
	}
	s.Notes = append(s.Notes, aligned(lines)...)
	s.Data = map[string]any{"bill": b, "money": b.money()}
	s.Goals = b.goals()
	return s, nil
}

func usd(v float64) string { return fmt.Sprintf("%.2f", v) }

// goals judges by the usual message.
func (b bill) goals() []goal {
	u := b.usual()
	return []goal{
		atMost(8, "queue sends of a message with its answers", float64(u.Taken.Sends), 2, ""),
		atMost(8, "its write units, less 2 for each KB beyond the first", u.Taken.Write-2*float64(u.Taken.Longer), 5, ""),
		atMost(8, "its read units", u.Taken.Read, 1.5, ""),
		atMost(8, "its S3 requests", float64(u.Taken.Blobs), 0, ""),
		atMost(8, "its log lines from INFO on", float64(u.Taken.Lines), 0, ""),
		atMost(8, "write units of a reply", u.Sent.each(u.Sent.Write), 3, ""),
		atMost(8, "queue sends of a status", float64(u.Statuses.Sends), 0, ""),
		atMost(8, "write units of a status", u.Statuses.each(u.Statuses.Write), 1, ""),
		atMost(8, "queue sends of a failed status", float64(b.Failed.Sends), 1, ""),
	}
}

// countUnits plays a conversation twice, the first to fill what is kept, and one
// tap more in an environment that has kept nothing.
func countUnits(ctx context.Context) (bill, error) {
	var b bill
	err := inFolder(func(folder string) error {
		t, err := embedded.Open(filepath.Join(folder, "table.db"), embedded.Options{NoSync: true})
		if err != nil {
			return err
		}
		b, err = countOn(ctx, folder, t)
		return errors.Join(err, t.Close())
	})
	return b, err
}

func countOn(ctx context.Context, folder string, t table.Table) (bill, error) {
	w, err := newWorld(ctx, folder, t, true)
	if err != nil {
		return bill{}, err
	}
	if err := w.talk("5215550000001").whole(ctx); err != nil {
		return bill{}, err
	}
	one := w.talk("5215550000002")
	if err := one.whole(ctx); err != nil {
		return bill{}, err
	}
	b := bill{Steps: one.steps}
	other := w.talk("5215550000003")
	if err := other.say(ctx, "first", gupshuptest.Text("Hola")); err != nil {
		return b, err
	}
	b.Failed, err = w.measured(1, func() error {
		if _, err := other.status(ctx, sent{id: "4fd4c3b1-6c5c-4b0a-8d8a-ffffffffffff"}, "failed"); err != nil {
			return err
		}
		return drain(ctx, w.inbound, w.in, batchOfOne)
	})
	if err != nil {
		return b, err
	}
	if err := other.choose(ctx, "warm", firstRow); err != nil {
		return b, err
	}
	w.pass(kept)
	b.Warm = other.steps[1].Taken
	if err := other.choose(ctx, "cold", firstRow); err != nil {
		return b, err
	}
	b.Cold = other.steps[2].Taken
	if b.usual().Name == "" {
		return b, errors.New("no message with one reply and nothing but its turn")
	}
	return b, nil
}
