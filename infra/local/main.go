// Command local is Buzón on one machine: make run. It reads its settings from the
// environment, prints where to go, and stops at an interrupt.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"buzon/infra/local/system"
)

func main() {
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
	s, err := system.Start(ctx, system.Config{Settings: settings, Log: log, Version: version()})
	if err != nil {
		return err
	}
	fmt.Print(s.Welcome())
	<-ctx.Done()
	release() // a second interrupt ends the process at once
	fmt.Println("stopping")
	return s.Stop()
}

// version is the commit that this was built from, if the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}
