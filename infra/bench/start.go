package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	startRounds = 31
	// lambdaCPU is how much memory buys one processor, in MB; modelMemory is what the
	// model is made for: what the webhook function has (template.yaml).
	lambdaCPU   = 1769
	modelMemory = 128
)

// started is what starting a program took, over the rounds.
type started struct {
	Program string  `json:"program"`
	Cached  sample  `json:"init_cached_ns"`
	Emptied sample  `json:"init_emptied_ns"`
	First   sample  `json:"first_cpu_ns,omitempty"` // processor time of the first invocation
	Cold    float64 `json:"cold_ms,omitempty"`      // modelled
}

// startedAs is a program as it is started. As most functions are, sdkhello is
// started with all processors that it sees and the system's roots.
type startedAs struct {
	name    string
	program string
	env     []string
	invoke  bool // with a webhook, which makes two calls to AWS
}

// measureStart measures INIT (goal 2) and models the cold response (goal 3).
//
// INIT is the time from the start of the process to its first question for an
// event, with the program's file in the page cache and without. Connections to AWS
// that a function opens are in it: they end at a stand-in on this machine, over TLS.
//
// The model of the cold response: Lambda runs INIT on a whole processor whatever
// memory the function has, so INIT counts as measured with the page cache emptied; the first
// invocation gets memory/1,769 of a processor, so its processor time (user and
// system, all threads) counts 1769/128 times at 128 MB. What a call waits for the
// network is the same for all programs and left out, and so is the time that Lambda takes to
// make the sandbox, before any of our code.
func measureStart(ctx context.Context, b *bench) (section, error) {
	s := section{
		Name: "start", Title: fmt.Sprintf("INIT in ms, from exec to the first question for an event: medians of %d rounds, ratios within each round", startRounds),
		Head: []string{"program", "cached", "middle half", "× hello", "cache emptied", "middle half", "× hello", "first event, CPU ms", "cold at 128 MB, ms", "× sdkhello"},
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
	runs, err := b.startedAs(aws)
	if err != nil {
		return s, err
	}
	rounds := startRounds
	if b.quick {
		rounds = 1
	}
	all := map[string]*started{}
	for _, r := range runs {
		all[r.name] = &started{Program: r.name}
	}
	for round := range rounds + 1 {
		for _, r := range runs {
			file := bootstrap(folder, r.program)
			got := all[r.name]
			if round == 0 { // once, to warm up and to see that it works at all
				got = &started{}
			}
			if err := got.once(ctx, r, file, aws, round); err != nil {
				return s, fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	floor, usual := all[hello], all[sdkHello]
	var data []started
	for _, r := range runs {
		got := all[r.name]
		row := []string{
			r.name, ms(got.Cached.median()), got.Cached.spread(), short(got.Cached.against(floor.Cached)),
			ms(got.Emptied.median()), got.Emptied.spread(), short(got.Emptied.against(floor.Emptied)),
		}
		if r.invoke {
			got.Cold = got.model()
			row = append(row, ms(got.First.median()), short(got.Cold), short(got.Cold/usual.model()))
		}
		s.Rows = append(s.Rows, row)
		data = append(data, *got)
	}
	s.Data = data
	webhook := all["webhook"]
	s.Goals = []goal{
		atMost(2, "webhook's INIT, cache emptied, connections opened", webhook.Emptied.against(floor.Emptied), 1.7, "× hello"),
		atMost(3, "webhook's modelled cold response, 2 AWS calls", webhook.model()/usual.model(), 0.3, "× sdkhello"),
	}
	return s, nil
}

// model is the modelled cold response in milliseconds.
func (s *started) model() float64 {
	return millis(s.Emptied.median()) + millis(s.First.median())*lambdaCPU/modelMemory
}

// startedAs lists what is started and how: functions as the template says.
func (b *bench) startedAs(aws *standIn) ([]startedAs, error) {
	template, err := readTemplate(b.top)
	if err != nil {
		return nil, err
	}
	as := func(name, program string, d deployed, invoke bool) startedAs {
		return startedAs{name, program, append(aws.environment(program != sdkHello), d.env...), invoke}
	}
	// What is compared is started one after the other, so that a busy moment of the
	// machine is everybody's.
	webhook := template["webhook"]
	runs := []startedAs{
		as(hello, hello, deployed{}, false), as("webhook", "webhook", webhook, true),
		as(sdkHello, sdkHello, deployed{}, true), as("sdkhello, set as webhook", sdkHello, webhook, true),
	}
	for _, name := range b.programs {
		if name != hello && name != sdkHello && name != "webhook" {
			runs = append(runs, as(name, name, template[name], false))
		}
	}
	return runs, nil
}

// once starts a program with its file in the page cache and without, and gives it
// an event the second time.
func (s *started) once(ctx context.Context, r startedAs, file string, aws *standIn, round int) error {
	i, init, err := launch(ctx, file, r.env)
	if err != nil {
		return err
	}
	i.stop()
	s.Cached = append(s.Cached, init)
	for _, f := range []string{file, aws.few, aws.many} {
		if err := evict(f); err != nil {
			return err
		}
	}
	if i, init, err = launch(ctx, file, r.env); err != nil {
		return err
	}
	defer i.stop()
	s.Emptied = append(s.Emptied, init)
	if !r.invoke {
		return nil
	}
	cpu, err := i.take(aws, round)
	s.First = append(s.First, cpu)
	return err
}

// take gives the program the n-th webhook and sees to it that it made its two calls.
func (i *instance) take(aws *standIn, n int) (time.Duration, error) {
	event, err := httpEvent(n)
	if err != nil {
		return 0, err
	}
	reads, sends := aws.reads.Load(), aws.sends.Load()
	body, cpu, err := i.invoke(event)
	if err != nil {
		return 0, err
	}
	var answer struct {
		StatusCode int `json:"statusCode"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	if answer.StatusCode != 200 {
		return 0, i.wrong(fmt.Errorf("webhook answered %s", body))
	}
	if aws.reads.Load()-reads != 1 || aws.sends.Load()-sends != 1 {
		return 0, i.wrong(errors.New("webhook did not make one read and one send"))
	}
	return cpu, nil
}
