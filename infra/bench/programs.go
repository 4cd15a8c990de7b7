package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The flags that functions are built with, as the Makefile has them (a test keeps
// the two together).
const (
	buildTags   = "lambda.norpc"
	buildLdflag = "-s -w -buildid="
)

// The programs that functions are compared with.
const (
	hello    = "hello"
	sdkHello = "sdkhello"
)

// programs are all functions, then what they are compared with.
func programs(top string) ([]string, error) {
	mains, err := filepath.Glob(filepath.Join(top, "functions", "*", "main.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range mains {
		names = append(names, filepath.Base(filepath.Dir(m)))
	}
	slices.Sort(names)
	if len(names) == 0 {
		return nil, fmt.Errorf("functions: none found below %s", top)
	}
	return append(names, hello, sdkHello), nil
}

// source is the package of a program, from the top of the repository.
func source(name string) string {
	if name == hello || name == sdkHello {
		return "./infra/bench/" + name
	}
	return "./functions/" + name
}

// build makes the programs for an architecture as a deployment does, in a folder;
// symbols keeps the names of what is in them.
func build(ctx context.Context, top, folder, arch string, symbols bool, names ...string) error {
	ldflags := buildLdflag
	if symbols {
		ldflags = "-buildid="
	}
	for _, name := range names {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", buildTags, "-ldflags="+ldflags, "-o", bootstrap(folder, name), source(name))
		cmd.Dir = top
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("build of %s for %s: %w\n%s", name, arch, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// bootstrap is where build puts a program.
func bootstrap(folder, name string) string { return filepath.Join(folder, name, "bootstrap") }

// architectures are what functions can be deployed as; the host's first.
func architectures() []string {
	other := "arm64"
	if runtime.GOARCH == other {
		other = "amd64"
	}
	return []string{runtime.GOARCH, other}
}

// topFolder is the top of the repository that holds the working folder.
func topFolder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("go.mod: not there: run this inside of the repository")
		}
		dir = up
	}
}
