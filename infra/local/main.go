// Command local is Buzón on one machine: make run. It reads its settings from the
// environment, prints where to go, and stops at an interrupt.
//
// With TABLE set, table, queues and files are behind the AWS APIs instead of in the
// data folder: make run-engines. The names of what is needed then are those of
// package cloud, and INBOUND_QUEUE, INBOUND_DEAD, OUTBOUND_QUEUE, OUTBOUND_DEAD,
// APPROVALS_QUEUE and APPROVALS_DEAD, the addresses of the queues and of their dead
// letters. Secrets, the simulator's log and the run's clock stay in the data folder.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"buzon/infra/local/system"
	"buzon/internal/cloud"
)

const help = `buzon runs the whole of Buzón on this machine until an interrupt. It takes no arguments; its settings are
environment variables, all optional:

  PORT         where it listens on 127.0.0.1; 0 takes a free port (3000)
  DATA         the folder of all that is kept (.buzon)
  PUBLIC_URL   scheme and host that begin the links handed to people
  LOG_LEVEL    debug, info, warn or error (info)
  GUPSHUP_URL  scheme and host of Gupshup (its simulator)
  META_URL     the same of Meta's Cloud API (its simulator)
`

func main() {
	flag.Usage = func() { fmt.Fprint(os.Stderr, help) }
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "buzon:", err)
		os.Exit(1)
	}
}

func run() error {
	settings, err := system.Read(os.Getenv)
	if err != nil {
		return err
	}
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: settings.LogLevel}))
	s, err := system.Start(ctx, system.Config{Settings: settings, Log: log, Version: cloud.Version()})
	if err != nil {
		return err
	}
	fmt.Print(s.Welcome())
	<-ctx.Done()
	release() // a second interrupt ends the process at once
	fmt.Println("stopping")
	return s.Stop()
}
