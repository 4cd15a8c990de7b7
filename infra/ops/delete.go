package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
)

const deleteHelp = `delete takes a deployment away through sam delete: functions, queues and what is in them,
addresses, alarms, logs.

The table, the bucket and the keys and credentials in SSM stay, since they hold what people
wrote; it says how to remove them. It asks for the stack's name to be typed; --yes NAME
answers that for a script.`

func deleteCommand(ctx context.Context, w *world, args []string) error {
	fs := w.flags("delete", deleteHelp)
	name := w.stackFlag(fs)
	yes := fs.String("yes", "", "the stack's name again: do not ask")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	sam, err := w.sam()
	if err != nil {
		return err
	}
	c, err := w.cloud(ctx)
	if err != nil {
		return err
	}
	s, err := stack.Load(ctx, cloudformation.NewFromConfig(c), *name)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.errs, "stack %s in %s: deleting takes away its %d functions, %d queues with all that waits in them, and its addresses.\n",
		s.Name, s.Region, len(s.OfType(stack.Function)), len(s.OfType(stack.Queue)))
	w.sayWhatStays(s)
	typed := *yes
	if typed == "" {
		fmt.Fprintf(w.errs, "Type the stack's name to delete it: ")
		line, err := bufio.NewReader(w.in).ReadString('\n')
		if err != nil && line == "" {
			fmt.Fprintln(w.errs)
			return &trouble.Error{Text: "nothing typed: nothing was changed", Mend: "make delete ARGS='--yes " + s.Name + "', in a script"}
		}
		typed = strings.TrimSpace(line)
	}
	if typed != s.Name {
		return &trouble.Error{Text: fmt.Sprintf("%q is not the stack's name: nothing was changed", typed)}
	}
	samArgs := []string{"delete", "--stack-name", s.Name, "--region", s.Region, "--no-prompts"}
	fmt.Fprintf(w.errs, "%s %s\n", sam, quoted(samArgs))
	if err := w.run(ctx, w.out, sam, samArgs...); err != nil {
		return &trouble.Error{Text: "sam delete: " + err.Error(), Mend: "make doctor tells the stack's state; then make delete again"}
	}
	return nil
}

// sayWhatStays names what outlives the stack and how to remove it by hand.
func (w *world) sayWhatStays(s *stack.Stack) {
	fmt.Fprintln(w.errs, "These stay, with all that people wrote. To remove them afterwards, for good:")
	for _, t := range s.OfType(stack.Table) {
		fmt.Fprintf(w.errs, "  table %s\n      aws dynamodb update-table --table-name %[1]s --no-deletion-protection-enabled && aws dynamodb delete-table --table-name %[1]s\n", t.Physical)
	}
	for _, b := range s.OfType(stack.Bucket) {
		fmt.Fprintf(w.errs, "  bucket %s\n      empty it in the S3 console, which takes its old versions too; then aws s3 rb s3://%[1]s\n", b.Physical)
	}
	fmt.Fprintf(w.errs, "  keys and credentials in SSM\n      aws ssm get-parameters-by-path --path /%s --recursive --query 'Parameters[].Name' --output text | xargs -n 1 aws ssm delete-parameter --name\n", s.Name)
}
