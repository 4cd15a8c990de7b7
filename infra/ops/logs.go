package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
)

const logsHelp = `logs prints what the functions log, through sam logs, and follows it until Ctrl-C.

  logs                         all functions and the gateway's access log
  logs --function webhook      one function
  logs --since 2h --tail=false what was logged in the last two hours

All share one log group, in which the name of a stream tells whose it is; --function picks
by it. The command that is run is printed first, to copy and change.`

// samTime is how sam logs reads a time, in UTC.
const samTime = "2006-01-02 15:04:05 UTC"

func logsCommand(ctx context.Context, w *world, args []string) error {
	fs := w.flags("logs", logsHelp)
	name := w.stackFlag(fs)
	function := fs.String("function", "", "only this one: "+strings.Join(stack.Functions, ", "))
	since := fs.Duration("since", 10*time.Minute, "from so long ago, such as 90s, 2h")
	tail := fs.Bool("tail", true, "go on until Ctrl-C")
	filter := fs.String("filter", "", "a pattern of CloudWatch Logs, such as ERROR")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	if *function != "" && !slices.Contains(stack.Functions, *function) {
		return &usage{fmt.Sprintf("%q: one of %s", *function, strings.Join(stack.Functions, ", "))}
	}
	if *since <= 0 {
		return &usage{"--since is longer than nothing"}
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
	args = []string{"logs", "--region", c.Region, "--start-time", w.now().Add(-*since).UTC().Format(samTime)}
	if *tail {
		args = append(args, "--tail")
	}
	if *filter != "" {
		args = append(args, "--filter", *filter)
	}
	out := w.out
	if *function == "" {
		groups := s.OfType(stack.LogGroup)
		if len(groups) == 0 {
			return &trouble.Error{Text: "stack " + s.Name + ": it has no log group", Mend: trouble.Deploy}
		}
		for _, g := range groups {
			args = append(args, "--cw-log-group", g.Physical)
		}
		return w.follow(ctx, out, sam, args)
	}
	physical := s.Function(*function)
	if physical == "" {
		return &trouble.Error{Text: "stack " + s.Name + ": it has no " + stack.LogicalFunction(*function), Mend: trouble.Deploy}
	}
	v, err := lambda.NewFromConfig(c).GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &physical})
	if err != nil {
		return err
	}
	group := "/aws/lambda/" + physical
	if v.LoggingConfig != nil && aws.ToString(v.LoggingConfig.LogGroup) != "" {
		group = *v.LoggingConfig.LogGroup
	}
	args = append(args, "--cw-log-group", group)
	if slices.ContainsFunc(s.OfType(stack.LogGroup), func(r stack.Resource) bool { return r.Physical == group }) {
		args = append(args, "--output", "json") // so that each line names its stream
		only := &picker{function: physical, out: w.out}
		defer only.flush()
		out = only
	}
	return w.follow(ctx, out, sam, args)
}

// follow runs sam until it ends; an interrupt is how a person ends it.
func (w *world) follow(ctx context.Context, out io.Writer, sam string, args []string) error {
	fmt.Fprintf(w.errs, "%s %s\n", sam, quoted(args))
	err := w.run(ctx, out, sam, args...)
	if err != nil && ctx.Err() == nil {
		return &trouble.Error{Text: "sam logs: " + err.Error(), Mend: "make doctor"}
	}
	return nil
}

// quoted is a command line to copy.
func quoted(args []string) string {
	var words []string
	for _, a := range args {
		if strings.ContainsAny(a, " '\"$*?{}") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// picker passes on the log events of one function, a line each. It reads what
// sam logs --output json writes: {"logStreamName":"2026/11/20/NAME[$LATEST]…", …}.
// A line that is not such an event is passed on as it is.
type picker struct {
	function string
	out      io.Writer
	rest     []byte
}

// Write takes part of the stream; lines may be cut anywhere.
func (p *picker) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		if err := p.line(p.rest[:i]); err != nil {
			return len(b), err
		}
		p.rest = p.rest[i+1:]
	}
}

func (p *picker) flush() {
	if len(p.rest) > 0 {
		_ = p.line(p.rest) // the reader is gone if this fails
	}
	p.rest = nil
}

func (p *picker) line(line []byte) error {
	w := bufio.NewWriter(p.out)
	var event struct {
		Stream  string `json:"logStreamName"`
		At      int64  `json:"timestamp"`
		Message string `json:"message"`
	}
	switch {
	case json.Unmarshal(line, &event) != nil || event.Stream == "":
		fmt.Fprintf(w, "%s\n", line)
	case strings.Contains(event.Stream, "/"+p.function+"["):
		fmt.Fprintf(w, "%s %s\n", time.UnixMilli(event.At).UTC().Format(time.RFC3339), strings.TrimRight(event.Message, "\n"))
	}
	return w.Flush()
}
