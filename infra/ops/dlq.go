package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"buzon/infra/ops/deadletter"
	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
)

const dlqHelp = `dlq looks after the dead letters: messages that their function could not finish in 50 tries.

  dlq list                 how many each stage has, and the age of the oldest
  dlq show [STAGE]         one line a message; handed back at once, nothing is consumed
  dlq redrive [STAGE]      send them back to the queue they come from: a dry run unless --yes

STAGE is inbound, outbound or approvals; without it all three.

The clock function moves dead letters into quarantine every minute, so there are some here only
between two of its runs, or while it cannot work (make logs ARGS='--function clock'). What is in
quarantine is no longer here: GET /v1/quarantine lists it with its reason, and
POST /v1/quarantine/{id}/replay sends one on its way again. Redrive is for what quarantine has not
taken, after the cause is mended. Both may run at once: a message is given to one of them at a time,
and the table decides that none is both applied and quarantined.

Redrive keeps the group of a message and gives it a fresh deduplication id. It deletes a dead letter
only after its queue has taken it, so it may be interrupted and run again. Messages that came
meanwhile may be handled before those sent back.`

func dlqCommand(ctx context.Context, w *world, args []string) error {
	fs := w.flags("dlq", dlqHelp)
	name := w.stackFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	bodies := fs.Bool("bodies", false, "show: print the bodies too, which hold personal data")
	limit := fs.Int("limit", 0, "show, redrive: at most so many messages a stage (show without it: 10; redrive: all)")
	rate := fs.Int("rate", 10, "redrive: messages a second, 1 to 500")
	yes := fs.Bool("yes", false, "redrive: do it")
	words, err := parse(fs, args, 2)
	if err != nil {
		return err
	}
	verb, stages, err := dlqWords(words)
	if err != nil {
		return err
	}
	if *limit < 0 || *rate < 1 || *rate > deadletter.MaxRate {
		return &usage{"--limit is 0 or more, --rate 1 to 500"}
	}
	named := w.env("STACK") != "" || given(fs, "stack")
	letters, queues, err := w.deadLetters(ctx, *name, named, stages)
	if err != nil {
		return err
	}
	switch verb {
	case "show":
		if *limit == 0 {
			*limit = 10
		}
		return w.dlqShow(ctx, letters, queues, *limit, *bodies, *asJSON)
	case "redrive":
		if !*yes {
			return w.dlqDryRun(ctx, letters, queues, *limit, *asJSON)
		}
		return w.dlqRedrive(ctx, letters, queues, deadletter.Options{Limit: *limit, Rate: *rate}, *asJSON)
	}
	return w.dlqList(ctx, letters, queues, *asJSON)
}

func dlqWords(words []string) (verb string, stages []string, err error) {
	verb, stages = "list", stack.Stages
	if len(words) > 0 {
		verb = words[0]
	}
	if !slices.Contains([]string{"list", "show", "redrive"}, verb) {
		return "", nil, &usage{fmt.Sprintf("%q: list, show or redrive", verb)}
	}
	if len(words) > 1 {
		if !slices.Contains(stack.Stages, words[1]) {
			return "", nil, &usage{fmt.Sprintf("%q: inbound, outbound or approvals", words[1])}
		}
		stages = words[1:]
	}
	return verb, stages, nil
}

// deadLetters finds the queues: those of the stack, or, where none is named and
// the environment holds queue addresses as make run-engines sets them, those.
func (w *world) deadLetters(ctx context.Context, name string, named bool, stages []string) (*deadletter.Letters, []deadletter.Queues, error) {
	c, err := w.cloud(ctx)
	if err != nil {
		return nil, nil, err
	}
	find := func(stage string) (source, dead string) {
		upper := strings.ToUpper(stage)
		return w.env(upper + "_QUEUE"), w.env(upper + "_DEAD")
	}
	if named || w.env("INBOUND_DEAD") == "" {
		s, err := stack.Load(ctx, cloudformation.NewFromConfig(c), name)
		if err != nil {
			return nil, nil, err
		}
		find = s.Queues
	}
	var queues []deadletter.Queues
	for _, stage := range stages {
		source, dead := find(stage)
		if source == "" || dead == "" {
			return nil, nil, &trouble.Error{Text: stage + ": no queue or no dead letters there", Mend: trouble.Deploy}
		}
		queues = append(queues, deadletter.Queues{Stage: stage, Source: source, Dead: dead})
	}
	return &deadletter.Letters{SQS: sqs.NewFromConfig(c), Now: w.now, Pause: w.pause}, queues, nil
}

func (w *world) dlqList(ctx context.Context, l *deadletter.Letters, queues []deadletter.Queues, asJSON bool) error {
	var all []deadletter.Summary
	total := 0
	for _, q := range queues {
		s, err := l.List(ctx, q)
		if err != nil {
			return err
		}
		all = append(all, s)
		total += s.Dead
	}
	if asJSON {
		return w.json(all)
	}
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STAGE\tDEAD\tOLDEST\tIN FLIGHT\tQUEUE")
	for _, s := range all {
		oldest := "–"
		if s.Oldest != nil {
			oldest = age(time.Duration(*s.Oldest) * time.Second)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%s\n", s.Stage, s.Dead, oldest, s.InFlight, s.Queue)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if total > 0 {
		fmt.Fprintln(w.errs, "→ make dlq ARGS=show tells more; make dlq ARGS=redrive shows what sending back would do")
	}
	return nil
}

// shown is a stage's messages with their number, which may be more than are shown.
type shown struct {
	Stage    string              `json:"stage"`
	Queue    string              `json:"queue"`
	Dead     int                 `json:"dead"`
	Messages []deadletter.Letter `json:"messages"`
}

func (w *world) dlqShow(ctx context.Context, l *deadletter.Letters, queues []deadletter.Queues, limit int, bodies, asJSON bool) error {
	var all []shown
	for _, q := range queues {
		s, err := l.List(ctx, q)
		if err != nil {
			return err
		}
		letters, err := l.Show(ctx, q, limit, bodies)
		if err != nil {
			return err
		}
		if letters == nil {
			letters = []deadletter.Letter{}
		}
		all = append(all, shown{s.Stage, s.Queue, s.Dead, letters})
	}
	if asJSON {
		return w.json(all)
	}
	for _, s := range all {
		fmt.Fprintf(w.out, "%s: %d dead, %d shown\n", s.Stage, s.Dead, len(s.Messages))
		for _, m := range s.Messages {
			fmt.Fprintf(w.out, "  %s  group %s  company %s  received %d ×  sent %s  %d bytes\n      %s\n",
				m.ID, short(m.Group), or(m.Tenant, "–"), m.Receives, m.Sent.Format(time.RFC3339), m.Size, m.Reason)
			if bodies {
				fmt.Fprintf(w.out, "      %s\n", m.Body)
			}
		}
		if s.Dead > len(s.Messages) {
			fmt.Fprintf(w.errs, "→ %s: more are there; --limit shows more, but of one group the queue gives out ten at most\n", s.Stage)
		}
	}
	return nil
}

func (w *world) dlqDryRun(ctx context.Context, l *deadletter.Letters, queues []deadletter.Queues, limit int, asJSON bool) error {
	type would struct {
		deadletter.Summary
		Redrive int  `json:"would_redrive"`
		DryRun  bool `json:"dry_run"`
	}
	var all []would
	for _, q := range queues {
		s, err := l.List(ctx, q)
		if err != nil {
			return err
		}
		n := s.Dead
		if limit > 0 {
			n = min(n, limit)
		}
		all = append(all, would{s, n, true})
	}
	if asJSON {
		return w.json(all)
	}
	for _, s := range all {
		fmt.Fprintf(w.out, "%s: would send %d of %d back to %s\n", s.Stage, s.Redrive, s.Dead, s.Source)
	}
	fmt.Fprintln(w.errs, "dry run: nothing was changed; --yes does it")
	return nil
}

// progressEvery is how many messages a progress line stands for.
const progressEvery = 100

func (w *world) dlqRedrive(ctx context.Context, l *deadletter.Letters, queues []deadletter.Queues, o deadletter.Options, asJSON bool) error {
	var all []deadletter.Moved
	var failed error
	for _, q := range queues {
		o.Each = func(moved int) {
			if moved > 0 && moved%progressEvery == 0 {
				fmt.Fprintf(w.errs, "%s: %d sent back\n", q.Stage, moved)
			}
		}
		done, err := l.Redrive(ctx, q, o)
		all = append(all, done)
		if failed = err; err != nil || done.Interrupted {
			break
		}
	}
	if asJSON {
		if err := w.json(all); err != nil {
			return errors.Join(failed, err)
		}
	}
	for _, done := range all {
		if !asJSON {
			fmt.Fprintf(w.out, "%s: %d dead before, %d sent back to %s, about %d left\n", done.Stage, done.Dead, done.Moved, done.To, done.Left)
		}
		if done.Interrupted {
			fmt.Fprintln(w.errs, "interrupted: nothing is lost; the same command goes on")
			return errors.Join(failed, errWrong)
		}
	}
	return failed
}

// age is a duration as a person says it.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// short is enough of a hash to tell groups apart.
func short(group string) string { return group[:min(len(group), 12)] }

func or(s, without string) string {
	if s == "" {
		return without
	}
	return s
}
