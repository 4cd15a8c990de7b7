// Command check proves what can be proved on this machine, step by step, and
// says how long each step took. What a missing tool made it leave out stands in
// one block at the end; with CI=true anything left out is a failure.
//
//	go run ./infra/check            all steps
//	go run ./infra/check lint fuzz  these steps; a missing tool is then a failure
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// step is one thing to prove.
type step struct {
	name  string
	needs []tool
	run   func(context.Context, settings) error
}

// settings say how thorough the steps are.
type settings struct {
	fuzzTime time.Duration // of each fuzz target; zero: a share of fuzzTotal
	out      io.Writer
	env      []string               // for commands, besides this process's own
	skip     func(what, why string) // notes a part of a step that is left out
}

// steps in their order: the quick ones first.
func steps() []step {
	return []step{
		{"format", nil, format},
		{"vet", nil, goCommand("vet", "./...")},
		{"lint", []tool{linter}, lint},
		{"tests", nil, goTests},
		{"fuzz", nil, fuzz},
		{"browser", []tool{node, npm, chromium}, browser},
		{"play", nil, goCommand("run", "./infra/play", "-quick")},
		{"bench", nil, goCommand("run", "./infra/bench", "-quick")},
		{"engines", []tool{javac, maven, python}, engines},
		{"containers", []tool{javac, maven, python, docker, busybox}, containers},
	}
}

func main() {
	fuzzTime := flag.Duration("fuzz", 0, "time for each fuzz target; 0: a few seconds each")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "check [FLAGS] [STEP…]: the named steps, or all of them: %s\n", strings.Join(namesOf(steps()), ", "))
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(check(ctx, steps(), flag.Args(), *fuzzTime, os.Getenv("CI") == "true", os.Stdout))
}

// check runs the named ones of all steps, or all, and gives the exit code: 0 when all passed
// and, if strict or named, nothing was left out.
func check(ctx context.Context, all []step, names []string, fuzzTime time.Duration, strict bool, out io.Writer) int {
	chosen, err := choose(all, names)
	if err != nil {
		fmt.Fprintln(out, err)
		return 2
	}
	var table, skipped []string
	passed, failed := 0, 0
	s := settings{fuzzTime: fuzzTime, out: out, skip: func(what, why string) {
		skipped = append(skipped, fmt.Sprintf("  %s: %s", what, why))
	}}
	for _, st := range chosen {
		if why := missing(st.needs); why != "" {
			s.skip(st.name, why)
			table = append(table, row(st.name, "left out", 0))
			continue
		}
		fmt.Fprintf(out, "== %s\n", st.name)
		from := time.Now()
		err := st.run(ctx, s)
		took := time.Since(from)
		if err != nil {
			failed++
			fmt.Fprintf(out, "-- %s: %v\n", st.name, err)
			table = append(table, row(st.name, "FAILED", took))
		} else {
			passed++
			table = append(table, row(st.name, "passed", took))
		}
		if ctx.Err() != nil {
			fmt.Fprintln(out, "interrupted")
			return 130
		}
	}
	fmt.Fprintln(out)
	for _, line := range table {
		fmt.Fprintln(out, line)
	}
	if len(skipped) > 0 {
		fmt.Fprintln(out, "\nLeft out, since this machine lacks a tool:")
		for _, line := range skipped {
			fmt.Fprintln(out, line)
		}
	}
	if len(skipped) > 0 && (strict || len(names) > 0) {
		failed++
		fmt.Fprintln(out, "Nothing may be left out here: that is a failure.")
	}
	fmt.Fprintf(out, "\nsteps: %d passed, %d failed\n", passed, failed)
	if failed > 0 {
		return 1
	}
	return 0
}

func row(name, verdict string, took time.Duration) string {
	return fmt.Sprintf("  %-10s %-8s %6.1f s", name, verdict, took.Seconds())
}

// choose gives the steps with these names in the order of all; all without names.
func choose(all []step, names []string) ([]step, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []step
	for _, st := range all {
		if slices.Contains(names, st.name) {
			chosen = append(chosen, st)
		}
	}
	if len(chosen) != len(names) {
		return nil, fmt.Errorf("steps %v: not all known; there are %s", names, strings.Join(namesOf(all), ", "))
	}
	return chosen, nil
}

func namesOf(all []step) []string {
	var names []string
	for _, st := range all {
		names = append(names, st.name)
	}
	return names
}

// goCommand is a step that is one go command.
func goCommand(args ...string) func(context.Context, settings) error {
	return func(ctx context.Context, s settings) error { return run(ctx, s, "go", args...) }
}

// run runs a command with its output shown. An interrupt is passed on, so that
// the command can end what it started.
func run(ctx context.Context, s settings, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	return cmd.Run()
}
