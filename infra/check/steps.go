package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// fuzzTotal is shared by all fuzz targets unless -fuzz says otherwise; each gets
// at most fuzzMost.
const (
	fuzzTotal = 60 * time.Second
	fuzzMost  = 5 * time.Second
)

// format fails if gofmt would change a file.
func format(ctx context.Context, s settings) error {
	out, err := exec.CommandContext(ctx, "gofmt", "-l", "functions", "internal", "infra").CombinedOutput()
	if err != nil {
		return fmt.Errorf("gofmt: %w: %s", err, out)
	}
	if len(out) > 0 {
		fmt.Fprintf(s.out, "%s", out)
		return fmt.Errorf("gofmt -w has something to do")
	}
	return nil
}

func lint(ctx context.Context, s settings) error {
	return run(ctx, s, linter.path(), "run", "./...")
}

// engines runs the suites of the seams and the play on what stands in for AWS.
func engines(ctx context.Context, s settings) error {
	packages, err := holding(".", engineTest)
	if err != nil {
		return err
	}
	command, err := program(ctx, s, "./infra/engines")
	if err != nil {
		return err
	}
	s.env = []string{"BUZON_ENGINES=1"}
	suites := append([]string{command, "go", "test", "-count", "1", "-timeout", "10m", "-run", "^TestEngine"}, packages...)
	return all(ctx, s, []string{command, "install"}, suites, []string{command, "go", "run", "./infra/play", "-quick"})
}

// containers plays against every function in its own container, one event at a
// time, and holds what the functions asked AWS for against their roles.
func containers(ctx context.Context, s settings) error {
	command, err := program(ctx, s, "./infra/containers")
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "buzon-check-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // of this run alone
	played, invoked := filepath.Join(folder, "play.json"), filepath.Join(folder, "invoke.json")
	play := s
	play.env = []string{"OBSERVED=" + played}
	invoke := s
	invoke.env = []string{"OBSERVED=" + invoked}
	if err := all(ctx, s, []string{command, "install"}); err != nil {
		return err
	}
	if err := all(ctx, play, []string{"go", "run", "./infra/play", "-quick", "-program", command, "-slow", "4", "-settle", "2s", "-without", "clock,kill", "-people", "6"}); err != nil {
		return err
	}
	if err := all(ctx, invoke, []string{command, "invoke"}); err != nil {
		return err
	}
	return all(ctx, s, []string{command, "compare", played, invoked})
}

// program builds a command of ours into .cache: go run would keep an interrupt to
// itself.
func program(ctx context.Context, s settings, pkg string) (string, error) {
	out := filepath.Join(".cache", "bin", filepath.Base(pkg))
	return out, run(ctx, s, "go", "build", "-o", out, pkg)
}

// all runs commands until one fails.
func all(ctx context.Context, s settings, commands ...[]string) error {
	for _, c := range commands {
		if err := run(ctx, s, c[0], c[1:]...); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(c, " "), err)
		}
	}
	return nil
}

var engineTest = regexp.MustCompile(`(?m)^func TestEngine\w*\(`)

// holding finds the packages below root whose tests hold a text.
func holding(root string, text *regexp.Regexp) ([]string, error) {
	var found []string
	err := eachTest(root, func(dir string, src []byte) {
		if pkg := "./" + dir; text.Match(src) && !slices.Contains(found, pkg) {
			found = append(found, pkg)
		}
	})
	return found, err
}

// goTests runs all tests, under the race detector where a C compiler is.
func goTests(ctx context.Context, s settings) error {
	args := []string{"test", "-shuffle=on", "-timeout", "15m"}
	if compiler.path() != "" {
		args = append(args, "-race")
	} else {
		s.skip("race detector", "needs "+compiler.hint)
	}
	return run(ctx, s, "go", append(args, "./...")...)
}

// fuzz runs every fuzz target for a short while on top of its seeds.
func fuzz(ctx context.Context, s settings) error {
	targets, err := fuzzTargets(".")
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return fmt.Errorf("no fuzz target found")
	}
	each := s.fuzzTime
	if each == 0 {
		each = min(fuzzMost, fuzzTotal/time.Duration(len(targets))).Round(100 * time.Millisecond)
	}
	for _, t := range targets {
		from, long := time.Now(), each
		out, err := fuzzOnce(ctx, t, long)
		for try := 1; (err != nil && cutShort(out) || err == nil && seedsOnly(out)) && try < fuzzTries; try++ {
			long *= 2 // what is known already may take all of it
			out, err = fuzzOnce(ctx, t, long)
		}
		if err == nil && seedsOnly(out) {
			err = errors.New("nothing new was tried, only what is known")
		}
		if err != nil {
			fmt.Fprintf(s.out, "%s", out)
			return fmt.Errorf("%s in %s: %w", t.name, t.dir, err)
		}
		fmt.Fprintf(s.out, "  %-30s %-28s %s, %.1f s in all\n", t.name, t.dir, lastCount(out), time.Since(from).Seconds())
	}
	return nil
}

// fuzzTries is how often a target is begun when the fuzzer ends with its own
// deadline instead of a finding, or before it has made anything up.
const fuzzTries = 3

// fuzzOnce runs one target. -run gets it too: its seeds run before anything is
// made up. What is found is kept as it is: making it smaller takes a minute each.
func fuzzOnce(ctx context.Context, t target, each time.Duration) ([]byte, error) {
	pattern := "^" + t.name + "$"
	cmd := exec.CommandContext(ctx, "go", "test", "-run", pattern, "-fuzz", pattern,
		"-fuzztime", each.String(), "-fuzzminimizetime", "1x", "./"+t.dir)
	return cmd.CombinedOutput()
}

// cutShort tells a fuzzer that was interrupted by the end of its time, which Go
// reports as a failure now and then, from one that found something.
func cutShort(out []byte) bool {
	return bytes.Contains(out, []byte("context deadline exceeded")) && !bytes.Contains(out, []byte("Failing input written"))
}

// target is one fuzz function and the folder it is in.
type target struct{ dir, name string }

var fuzzFunc = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// fuzzTargets finds the fuzz functions below root by reading the test files.
func fuzzTargets(root string) ([]target, error) {
	var targets []target
	err := eachTest(root, func(dir string, src []byte) {
		for _, m := range fuzzFunc.FindAllSubmatch(src, -1) {
			targets = append(targets, target{dir, string(m[1])})
		}
	})
	return targets, err
}

// eachTest calls f with every test file below root, by its folder from there.
func eachTest(root string, f func(dir string, src []byte)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		f(filepath.ToSlash(dir), src)
		return nil
	})
}

var execs = regexp.MustCompile(`execs: (\d+)`)

// lastCount is how many inputs the fuzzer says it tried.
func lastCount(out []byte) string {
	all := execs.FindAllSubmatch(out, -1)
	if len(all) == 0 {
		return "no inputs"
	}
	return string(bytes.TrimSpace(all[len(all)-1][1])) + " inputs"
}

// seedsOnly tells that the fuzzer ended before it made up an input.
func seedsOnly(out []byte) bool { return !execs.Match(out) }

// browser walks the pages in Chromium, driven from Node.js: the test that go test
// alone leaves out.
func browser(ctx context.Context, s settings) error {
	if err := run(ctx, s, npm.path(), "--prefix", "internal/pages/browser", "ci", "--no-audit", "--no-fund"); err != nil {
		return fmt.Errorf("npm ci: %w", err)
	}
	s.env = []string{"BUZON_BROWSER=1", "CHROMIUM=" + chromium.path()}
	return run(ctx, s, "go", "test", "-count", "1", "-timeout", "10m", "-run", "^TestBrowser", "./internal/pages")
}
