package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/infra/ops/awstest"
)

const (
	samBuild  = ".cache/sam/bin/sam build --build-in-source --config-file infra/samconfig.toml --parameter-overrides Architecture="
	samDeploy = ".cache/sam/bin/sam deploy --guided --config-file .aws-sam/samconfig.toml --stack-name "
)

// atCheckout is a desk in a folder that holds what sam is told.
func atCheckout(t *testing.T) *desk {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("infra", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(samConfig, []byte("version = 0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return newDesk(t)
}

var noStack = awstest.Answer{Status: 400, Body: `<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id buzon does not exist</Message></Error></ErrorResponse>`}

// TestDeploy: sam builds for ARCH and deploys with it, in the stack of STACK; what
// the stack was answered before is what Enter answers.
func TestDeploy(t *testing.T) {
	for _, c := range []struct {
		say    string
		env    map[string]string
		change func(*desk)
		code   int
		ran    []string
		told   string
	}{
		{
			"again: the answers are the stack's, but for the processor", nil, nil, exitWell,
			[]string{samBuild + "arm64", samDeploy + "buzon --region eu-west-1 --parameter-overrides Architecture=arm64 AlarmEmail=ana.perez@example.org"},
			"then: make doctor STACK=buzon\n",
		},
		{
			"another processor", map[string]string{"ARCH": "x86_64"},
			func(d *desk) {
				d.run = func(_ context.Context, _ io.Writer, path string, args ...string) error {
					d.ran = append(d.ran, path+" "+quoted(args))
					if args[0] == "deploy" {
						d.aws.Replace("DescribeStacks", "arm64", "x86_64")
					}
					return nil
				}
			}, exitWell,
			[]string{samBuild + "x86_64", samDeploy + "buzon --region eu-west-1 --parameter-overrides Architecture=x86_64 AlarmEmail=ana.perez@example.org"}, "",
		},
		{
			"another stack, for the first time", map[string]string{"STACK": "buzon-two"},
			func(d *desk) {
				there := d.aws.Answers["DescribeStacks"]
				d.aws.Answers["DescribeStacks buzon-two"] = noStack
				d.run = func(_ context.Context, _ io.Writer, path string, args ...string) error {
					d.ran = append(d.ran, path+" "+quoted(args))
					if args[0] == "deploy" {
						d.aws.Answers["DescribeStacks buzon-two"] = there
					}
					return nil
				}
			}, exitWell,
			[]string{samBuild + "arm64", samDeploy + "buzon-two --region eu-west-1 --parameter-overrides Architecture=arm64"},
			"next: make tenant NAME='The company' STACK=buzon-two\n",
		},
		{
			"sam was given another stack", nil, func(d *desk) { d.aws.Answers["DescribeStacks"] = noStack }, exitWrong,
			[]string{samBuild + "arm64", samDeploy + "buzon --region eu-west-1 --parameter-overrides Architecture=arm64"},
			"→ if sam was given another stack or region, give them to make",
		},
		{
			"sam was given another processor", nil, func(d *desk) { d.aws.Replace("DescribeStacks", "arm64", "x86_64") }, exitWrong,
			[]string{samBuild + "arm64", samDeploy + "buzon --region eu-west-1 --parameter-overrides Architecture=arm64 AlarmEmail=ana.perez@example.org"},
			"stack buzon: Architecture is x86_64, and the functions are built for arm64: they cannot start\n  → make deploy ARCH=x86_64",
		},
		{"a processor that Go knows by that name", map[string]string{"ARCH": "amd64"}, nil, exitWrong, nil, "deploy: ARCH=amd64: arm64 or x86_64\n"},
		{
			"a build that ends with an error", nil, func(d *desk) {
				d.run = func(context.Context, io.Writer, string, ...string) error { return errors.New("exit status 1") }
			}, exitWrong, nil, "deploy: sam build: exit status 1\n",
		},
		{
			"credentials that have expired", nil, func(d *desk) {
				d.aws.Answers["DescribeStacks"] = awstest.Answer{Status: 403, Body: `<ErrorResponse><Error><Code>ExpiredToken</Code><Message>no</Message></Error></ErrorResponse>`}
			}, exitWrong, nil, "credentials: they have expired",
		},
	} {
		d := atCheckout(t)
		for name, v := range c.env {
			d.env[name] = v
		}
		if c.change != nil {
			c.change(d)
		}
		code := d.do(t, "deploy")
		if diff := cmp.Diff(c.ran, d.ran); code != c.code || diff != "" || !strings.Contains(d.errs.String(), c.told) {
			t.Errorf("%s: %d\n%s\n%s", c.say, code, diff, &d.errs)
		}
	}
}

// TestDeploySavesOutsideTheRepository: sam writes its answers into a copy, which
// begins anew each time.
func TestDeploySavesOutsideTheRepository(t *testing.T) {
	d := atCheckout(t)
	if err := os.MkdirAll(filepath.Dir(samSaved), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(samSaved, []byte("parameter_overrides = \"Architecture=x86_64\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code := d.do(t, "deploy"); code != exitWell {
		t.Fatalf("%d, %s", code, &d.errs)
	}
	for _, file := range []string{samConfig, samSaved} {
		if text, err := os.ReadFile(file); err != nil || string(text) != "version = 0.1\n" {
			t.Errorf("%s: %q, %v", file, text, err)
		}
	}
}
