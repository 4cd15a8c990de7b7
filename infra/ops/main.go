// Command ops is what an operator of Buzón needs besides deploying it: it looks
// whether all is well, handles dead letters, makes companies, looks requests for
// templates over, shows logs and addresses, and takes a deployment away.
//
//	go run ./infra/ops COMMAND [FLAGS]     make doctor, make dlq, make tenant, …
//	go run ./infra/ops COMMAND -h          what a command does
//
// Data goes to the standard output, everything else to the standard error. No
// secret is printed but the token that tenant makes, and nothing about people
// but what dlq show --bodies is asked for.
//
// It exits with 0 if all went well, 1 if something is wrong, and 2 if it was not
// understood; go run makes 1 of both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"buzon/infra/ops/trouble"
)

const (
	exitWell  = 0
	exitWrong = 1
	exitUsage = 2

	// defaultStack is the stack's name where none is given (infra/samconfig.toml).
	defaultStack = "buzon"
)

// world is all that a command knows of outside.
type world struct {
	env    func(string) string
	in     io.Reader
	out    io.Writer
	errs   io.Writer
	http   *http.Client
	now    func() time.Time
	pause  func(context.Context, time.Duration) error
	find   func(string) (string, error)
	output func(ctx context.Context, path string, args ...string) (string, error)
	// run starts a program with this one's input and errors, its output to out.
	run func(ctx context.Context, out io.Writer, path string, args ...string) error
	// aws finds region and credentials as all AWS programs do.
	aws func(context.Context) (aws.Config, error)
}

type command struct {
	name, says string
	run        func(context.Context, *world, []string) error
}

var commands = []command{
	{"deploy", "build the functions and deploy them; asks, and keeps what was answered before", deployCommand},
	{"doctor", "look at everything that is needed; name the command that mends what is wrong", doctorCommand},
	{"dlq", "list, show or send back dead letters", dlqCommand},
	{"tenant", "make a company and print its admin token once", tenantCommand},
	{"lint-template", "look requests for message templates over, without a network", lintCommand},
	{"logs", "follow the functions' logs", logsCommand},
	{"outputs", "show the addresses and names of a deployment", outputsCommand},
	{"delete", "take a deployment away; what is stored stays", deleteCommand},
}

// usage: it was not understood; exit with 2.
type usage struct{ text string }

func (e *usage) Error() string { return e.text }

// errWrong: something is wrong and has been told.
var errWrong = errors.New("something is wrong")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], &world{
		env: os.Getenv, in: os.Stdin, out: os.Stdout, errs: os.Stderr, now: time.Now, pause: pause,
		http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		find: exec.LookPath,
		output: func(ctx context.Context, path string, args ...string) (string, error) {
			out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
			return string(out), err
		},
		run: func(ctx context.Context, out io.Writer, path string, args ...string) error {
			cmd := exec.CommandContext(ctx, path, args...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
			return cmd.Run()
		},
		aws: func(ctx context.Context) (aws.Config, error) {
			return config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{})) // what matters comes as an error
		},
	})
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, w *world) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	for _, c := range commands {
		if c.name == name {
			return w.exit(c.name, c.run(ctx, w, args[1:]))
		}
	}
	out := w.errs
	if name == "help" || name == "-h" || name == "--help" {
		out = w.out
	}
	fmt.Fprintf(out, "go run ./infra/ops COMMAND [FLAGS]; COMMAND -h tells more\n\n")
	for _, c := range commands {
		fmt.Fprintf(out, "  %-13s %s\n", c.name, c.says)
	}
	if out == w.out {
		return exitWell
	}
	return exitUsage
}

// exit tells of an error, with what mends it, and gives the exit code.
func (w *world) exit(name string, err error) int {
	var wrong *usage
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitWell
	case errors.Is(err, errWrong):
		return exitWrong
	case errors.As(err, &wrong):
		fmt.Fprintf(w.errs, "%s: %s\n  → go run ./infra/ops %s -h\n", name, wrong.text, name)
		return exitUsage
	}
	e := trouble.Of(err)
	fmt.Fprintf(w.errs, "%s: %s\n", name, e.Text)
	if e.Mend != "" {
		fmt.Fprintf(w.errs, "  → %s\n", e.Mend)
	}
	return exitWrong
}

// flags is a command's flag set; help goes to the standard output.
func (w *world) flags(name, text string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		fmt.Fprintf(w.out, "%s\n\nflags:\n", text)
		fs.SetOutput(w.out)
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
	}
	return fs
}

// parse reads flags and words in any order and gives the words, at most so many.
func parse(fs *flag.FlagSet, args []string, most int) ([]string, error) {
	help := fs.Usage
	fs.Usage = func() {} // after a mistake one line is clearer than all of it
	var words []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				help()
				return nil, err
			}
			return nil, &usage{err.Error()}
		}
		if fs.NArg() == 0 {
			return words, nil
		}
		if len(words) == most {
			return nil, &usage{fmt.Sprintf("%q: not understood", fs.Arg(0))}
		}
		words, args = append(words, fs.Arg(0)), fs.Args()[1:]
	}
}

// stackFlag adds --stack; STACK stands in for it, else the usual name.
func (w *world) stackFlag(fs *flag.FlagSet) *string {
	without := w.env("STACK")
	if without == "" {
		without = defaultStack
	}
	return fs.String("stack", without, "name of the stack; or environment STACK")
}

// given tells whether a flag was on the command line.
func given(fs *flag.FlagSet, name string) bool {
	found := false
	fs.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// cloud is the way to AWS, with a region.
func (w *world) cloud(ctx context.Context) (aws.Config, error) {
	c, err := w.aws(ctx)
	if err != nil {
		return c, fmt.Errorf("AWS settings: %w", err)
	}
	if c.Region == "" {
		return c, &trouble.Error{Text: "region: none set", Mend: trouble.Region}
	}
	return c, nil
}

// sam is the path of the SAM CLI: the one that make installs before any other.
func (w *world) sam() (string, error) {
	for _, name := range []string{".cache/sam/bin/sam", "sam"} {
		if path, err := w.find(name); err == nil {
			return path, nil
		}
	}
	return "", &trouble.Error{Text: "sam: not found", Mend: trouble.SAM}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
