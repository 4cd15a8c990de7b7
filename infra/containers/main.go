// Command containers runs every function of template.yaml in its own container, as
// AWS SAM runs them on one machine: make sam-local.
//
//	go run ./infra/containers              the whole system; Ctrl-C stops it
//	go run ./infra/containers install      put SAM CLI and the engines under .cache
//	go run ./infra/containers invoke       sam local invoke of three functions with events of events/
//	go run ./infra/containers compare F…   hold the actions in the files F against the roles of template.yaml
//
// Functions behind the HTTP API run under sam local start-api, the others under sam
// local start-lambda, called by package poll. What they work on is the engines of
// package engine, each function reaching each service by a way of its own on which
// package observe takes down what it asks for. All is new at each start and gone
// at its end.
//
// Settings are those of the local run (contract section 1): PORT, DATA, PUBLIC_URL,
// LOG_LEVEL, GUPSHUP_URL and META_URL (unset: the simulator), and
//
//	CHECKOUT     the folder of template.yaml; unset: this one or the nearest above
//	OBSERVED     a file that the observed actions are written to at the end
//	CLOCK_EVERY  how often the clock is called; unset: 2s (on AWS it is a minute)
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = "usage: containers [install | invoke | compare FILE…]"

func main() {
	os.Exit(command(os.Args[1:]))
}

// command runs one of the commands and gives the exit code.
func command(args []string) int {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	signal.Ignore(syscall.SIGPIPE) // a closed pipe must not leave anything running
	ctx, hurry, release := interrupts()
	defer release()
	var err error
	switch {
	case name == "" && len(args) == 0:
		err = serve(ctx, hurry)
	case name == "install" && len(args) == 0:
		err = install(ctx)
	case name == "invoke" && len(args) == 0:
		err = invoke(ctx, hurry)
	case name == "compare" && len(args) > 0:
		err = compare(args, os.Stdout)
	default:
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "containers:", err)
		return 1
	}
	return 0
}

// interrupts gives a context that the first interrupt ends, and one that the
// second ends: from then on nothing is waited for. A third ends the process as it
// ends any other.
func interrupts() (ctx, hurry context.Context, release func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, stop := context.WithCancel(context.Background())
	hurry, now := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		for _, end := range []func(){stop, now} {
			select {
			case <-signals:
				end()
			case <-over:
				return
			}
		}
		signal.Stop(signals)
	}()
	return ctx, hurry, func() {
		close(over)
		signal.Stop(signals)
		stop()
		now()
	}
}
