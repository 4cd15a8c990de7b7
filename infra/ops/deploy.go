package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
)

const deployHelp = `deploy builds the functions and deploys them through sam deploy --guided.

Enter answers every question as the stack was answered before, or with the template's default the
first time: what was answered is kept by the stack itself, for every machine. The file in which sam
keeps its arguments is made afresh each time, in .aws-sam, and never read again.

The environment variable ARCH (arm64 without it, or x86_64) says what the functions are built for and
deployed as. Region and credentials are those of every AWS program.`

const (
	// samConfig is what sam is told in every deployment, samSaved a copy that it
	// may write the answers into.
	samConfig = "infra/samconfig.toml"
	samSaved  = ".aws-sam/samconfig.toml"
	// architecture is the template's parameter, usualArch what the Makefile builds
	// for unless it is told.
	architecture = "Architecture"
	usualArch    = "arm64"
)

func deployCommand(ctx context.Context, w *world, args []string) error {
	fs := w.flags("deploy", deployHelp)
	name := w.stackFlag(fs)
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	arch := or(w.env("ARCH"), usualArch)
	if arch != usualArch && arch != "x86_64" {
		return &trouble.Error{Text: "ARCH=" + arch + ": arm64 or x86_64"}
	}
	sam, err := w.sam()
	if err != nil {
		return err
	}
	c, err := w.cloud(ctx)
	if err != nil {
		return err
	}
	client := cloudformation.NewFromConfig(c)
	before, err := stack.Describe(ctx, client, *name)
	var absent *stack.Absent
	if err != nil && !errors.As(err, &absent) {
		return err
	}
	chosen := architecture + "=" + arch
	build := []string{"build", "--build-in-source", "--config-file", samConfig, "--parameter-overrides", chosen}
	if err := w.sh(ctx, sam, build, "read what it says above; make doctor ARGS=--local"); err != nil {
		return err
	}
	if err := copyFile(samConfig, samSaved); err != nil {
		return err
	}
	deploy := []string{"deploy", "--guided", "--config-file", samSaved, "--stack-name", *name, "--region", c.Region, "--parameter-overrides", chosen}
	if err := w.sh(ctx, sam, append(deploy, answered(before)...), "make doctor tells the stack's state; then make deploy again"); err != nil {
		return err
	}
	return w.deployed(ctx, client, *name, arch, before == nil)
}

// answered are the parameters as the stack has them; an empty one is the
// template's default.
func answered(s *stack.Stack) []string {
	var out []string
	if s == nil {
		return nil
	}
	for _, name := range s.ParameterNames() {
		if v := s.Parameters[name]; v != "" && name != architecture {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// deployed looks whether sam's questions were answered so that the rest of the
// commands and the functions' processor fit, and says what comes next.
func (w *world) deployed(ctx context.Context, client *cloudformation.Client, name, arch string, first bool) error {
	s, err := stack.Describe(ctx, client, name)
	var absent *stack.Absent
	if errors.As(err, &absent) {
		return &trouble.Error{Text: absent.Error(), Mend: "if sam was given another stack or region, give them to make from now on: STACK=…, AWS_REGION=…"}
	}
	if err != nil {
		return err
	}
	if is := s.Parameters[architecture]; is != "" && is != arch {
		return &trouble.Error{
			Text: fmt.Sprintf("stack %s: %s is %s, and the functions are built for %s: they cannot start", name, architecture, is, arch),
			Mend: "make deploy ARCH=" + is + ", or make deploy and leave " + architecture + " as it is",
		}
	}
	if first {
		fmt.Fprintf(w.errs, "next: make tenant NAME='The company' STACK=%s\n", name)
	}
	fmt.Fprintf(w.errs, "then: make doctor STACK=%s\n", name)
	return nil
}

// sh says what it runs, then runs it.
func (w *world) sh(ctx context.Context, path string, args []string, mend string) error {
	fmt.Fprintf(w.errs, "%s %s\n", path, quoted(args))
	if err := w.run(ctx, w.out, path, args...); err != nil {
		return &trouble.Error{Text: "sam " + args[0] + ": " + err.Error(), Mend: mend}
	}
	return nil
}

// copyFile writes a file anew, with its folder.
func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}
