package main

import (
	"context"
	"errors"
	"os"

	"buzon/infra/containers/sam"
	"buzon/infra/engines/engine"
)

// install puts SAM CLI and the engines under .cache.
func install(ctx context.Context) error {
	s, err := read(os.Getenv)
	if err != nil {
		return err
	}
	return errors.Join(sam.Install(ctx, s.sam(), os.Stdout), engine.Install(ctx, s.engines(), os.Stdout))
}
