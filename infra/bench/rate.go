package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"buzon/internal/channel/gupshup/gupshuptest"
	"buzon/internal/queue"
)

// rateMessages are taken in and decided, each of a conversation of its own.
const rateMessages = 4000

// measureRate measures how many messages one core takes in and decides, with a
// table and queues in memory that answer at once (goal 9).
func measureRate(ctx context.Context, b *bench) (section, error) {
	s := section{
		Name: "rate", Title: "messages of different conversations for each second of a core, table and queues in memory",
		Head: []string{"stage", "messages", "a second"},
	}
	n, rounds := rateMessages, 3
	if b.quick {
		n, rounds = 20, 1
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var webhooks, inbounds sample
	for range rounds {
		webhook, inbound, err := b.rate(ctx, n)
		if err != nil {
			return s, err
		}
		webhooks, inbounds = append(webhooks, webhook), append(inbounds, inbound)
	}
	perSecond := func(took sample) float64 { return 1 / took.median().Seconds() }
	s.Rows = [][]string{
		{"webhook", fmt.Sprint(n), short(perSecond(webhooks))},
		{"inbound", fmt.Sprint(n), short(perSecond(inbounds))},
	}
	s.Data = map[string]float64{"webhook": perSecond(webhooks), "inbound": perSecond(inbounds)}
	s.Goals = []goal{
		atLeast(9, "webhook", perSecond(webhooks), 3000, "a second"),
		atLeast(9, "inbound", perSecond(inbounds), 1500, "a second"),
	}
	return s, nil
}

// rate takes n greetings in and decides them, in batches of ten, and gives the
// processor time of one.
func (b *bench) rate(ctx context.Context, n int) (webhook, inbound time.Duration, err error) {
	err = inFolder(func(folder string) error {
		w, err := newWorld(ctx, folder, newMemoryTable(), false)
		if err != nil {
			return err
		}
		bodies := make([][]byte, n)
		for i := range bodies {
			phone := gupshuptest.Phone{Channel: line, Number: fmt.Sprintf("52155%08d", i), Name: "Ana María Pérez"}
			bodies[i] = phone.V3(fmt.Sprintf("wamid.HBgNNTIxNTU1MDAwMDAwMDAwFQIAEhgUM0E%012d", i), w.clock(), gupshuptest.Text("Buenas tardes"))
		}
		if err := w.talk("5215550000001").say(ctx, "", gupshuptest.Text("Hola")); err != nil { // keeps channel and settings
			return err
		}
		next := 0
		took, err := run(n, func() error {
			next++
			return w.post(ctx, bodies[next-1])
		})
		if err != nil {
			return err
		}
		webhook = took.cpu
		batches, err := w.received(ctx)
		if err != nil {
			return err
		}
		next = 0
		if took, err = run(len(batches), func() error {
			next++
			if failed := w.in.Work(ctx, batches[next-1]); len(failed) > 0 {
				return fmt.Errorf("inbound: %w", failed[0].Err)
			}
			return nil
		}); err != nil {
			return err
		}
		inbound = took.cpu / queue.MaxBatch
		if sent := w.outbound.sends.Load(); sent != int64(n)+1 {
			return fmt.Errorf("inbound sent %d wake-ups, want %d", sent, n+1)
		}
		return nil
	})
	return webhook, inbound, err
}

// received takes all that waits in the inbound queue, in batches.
func (w *world) received(ctx context.Context) ([][]queue.Record, error) {
	var batches [][]queue.Record
	for {
		got, err := w.inbound.Receive(ctx, queue.MaxBatch, time.Hour)
		if err != nil || len(got) == 0 {
			return batches, err
		}
		var batch []queue.Record
		for _, r := range got {
			batch = append(batch, r.Record)
		}
		batches = append(batches, batch)
	}
}
