package main

import (
	"context"
	"fmt"
	"time"
)

const (
	warmInvokes = 1000 // of each program
	warmRounds  = 10   // in so many turns, one program after the other
	warmFirst   = 50   // not counted
)

// measureWarm measures the processor time of an invocation with two calls to AWS,
// once a program is warm (goal 4).
func measureWarm(ctx context.Context, b *bench) (section, error) {
	s := section{
		Name: "warm", Title: "processor time of an invocation with two calls to AWS, warm",
		Head: []string{"program", "CPU ms", "each turn", "× sdkhello"},
	}
	folder, err := b.built(ctx, architectures()[0])
	if err != nil {
		return s, err
	}
	aws, err := newStandIn(b.folder)
	if err != nil {
		return s, err
	}
	defer aws.close()
	all, err := b.startedAs(aws)
	if err != nil {
		return s, err
	}
	invokes, first := warmInvokes/warmRounds, warmFirst
	if b.quick {
		invokes, first = 5, 1
	}
	turns := map[string]sample{}
	var names []string
	var running []*instance
	defer func() {
		for _, i := range running {
			i.stop()
		}
	}()
	n := 0
	for _, r := range all {
		if !r.invoke {
			continue
		}
		i, _, err := launch(ctx, bootstrap(folder, r.program), r.env)
		if err != nil {
			return s, fmt.Errorf("%s: %w", r.name, err)
		}
		names, running = append(names, r.name), append(running, i)
		for range first {
			n++
			if _, err := i.take(aws, n); err != nil {
				return s, fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	for range warmRounds {
		for at, i := range running {
			before, err := cpuOf(i.cmd.Process.Pid)
			if err != nil {
				return s, err
			}
			for range invokes {
				n++
				if _, err := i.take(aws, n); err != nil {
					return s, fmt.Errorf("%s: %w", names[at], err)
				}
			}
			after, err := cpuOf(i.cmd.Process.Pid)
			if err != nil {
				return s, err
			}
			// The whole of it, with what runs between two events.
			turns[names[at]] = append(turns[names[at]], (after-before)/time.Duration(invokes))
		}
	}
	for _, name := range names {
		s.Rows = append(s.Rows, []string{name, ms(turns[name].median()), turns[name].spread(), short(turns[name].against(turns[sdkHello]))})
	}
	s.Data = turns
	s.Goals = []goal{atMost(4, "webhook's processor time", turns["webhook"].against(turns[sdkHello]), 0.7, "× sdkhello")}
	return s, nil
}
