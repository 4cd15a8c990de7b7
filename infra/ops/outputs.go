package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"buzon/infra/ops/stack"
)

const outputsHelp = `outputs shows what a deployment tells about itself: addresses, queues, table, bucket.

--json prints {name, region, state, reason, changed, outputs: [{name, value, about}]}.`

func outputsCommand(ctx context.Context, w *world, args []string) error {
	fs := w.flags("outputs", outputsHelp)
	name := w.stackFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	c, err := w.cloud(ctx)
	if err != nil {
		return err
	}
	s, err := stack.Describe(ctx, cloudformation.NewFromConfig(c), *name)
	if err != nil {
		return err
	}
	if *asJSON {
		return w.json(s)
	}
	fmt.Fprintf(w.errs, "stack %s in %s: %s since %s\n", s.Name, s.Region, s.State, s.Changed.UTC().Format(time.DateTime))
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	for _, o := range s.Outputs {
		fmt.Fprintf(t, "%s\t%s\n", o.Name, o.Value)
	}
	return t.Flush()
}
