package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tool is a program that a machine needs for an engine, and the Debian package
// that has it.
type tool struct{ name, pkg string }

var (
	java   = tool{"java", "default-jdk-headless"}
	javac  = tool{"javac", "default-jdk-headless"}
	maven  = tool{"mvn", "maven"}
	golang = tool{"go", "golang-go"}
	python = tool{"python3", "python3-venv"}
)

// building begins the names of folders in which an engine is built.
const building = "new-"

// Install puts what is missing of the engines into the folder cache ("": see
// DefaultCache), each in a folder of its own name and version, and writes a line
// to out for each. It needs the network for what is missing and nothing for what
// is there. An engine is there whole or not at all, however Install ended.
//
// DynamoDB Local is not open source: whoever installs it accepts its licence,
// which a line says.
func Install(ctx context.Context, cache string, out io.Writer) error {
	if cache == "" {
		cache = DefaultCache
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return err
	}
	return install(ctx, cache, kinds, out)
}

func install(ctx context.Context, cache string, kinds []kind, out io.Writer) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "install.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }() // which lets go of it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("%s: %w", lock.Name(), err)
	}
	left, err := filepath.Glob(filepath.Join(cache, building+"*"))
	if err != nil {
		return err
	}
	for _, folder := range left { // nobody else builds while we hold the lock
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	var problems []error
	for _, k := range kinds {
		if k.installed(cache) {
			fmt.Fprintf(out, "%s %s: there\n", k.name, k.version)
			continue
		}
		from := time.Now()
		if err := k.build(ctx, cache); err != nil {
			problems = append(problems, fmt.Errorf("%s %s: %w", k.name, k.version, err))
			continue
		}
		fmt.Fprintf(out, "%s %s: installed in %.1f s\n", k.name, k.version, time.Since(from).Seconds())
		if k.notice != "" {
			fmt.Fprintf(out, "  %s\n", k.notice)
		}
	}
	return errors.Join(problems...)
}

// Installed tells whether all engines are in the folder cache.
func Installed(cache string) bool { return ready(cache) == nil }

// ready tells what is missing to start the engines.
func ready(cache string) error {
	for _, k := range kinds {
		if !k.installed(cache) {
			return fmt.Errorf("%s %s: not installed in %s", k.name, k.version, cache)
		}
	}
	return lacking([]tool{java})
}

func (k kind) installed(cache string) bool {
	_, err := os.Stat(filepath.Join(cache, k.folder(), k.proof))
	return err == nil
}

// build builds an engine beside its place and moves it there.
func (k kind) build(ctx context.Context, cache string) error {
	if err := lacking(k.needs); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(cache, building)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // the next install tries again
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	if err := k.install(&builder{ctx: ctx, folder: folder}); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(folder, k.proof)); err != nil {
		return fmt.Errorf("not whole: %w", err)
	}
	place := filepath.Join(cache, k.folder())
	if err := os.RemoveAll(place); err != nil { // something without its proof
		return err
	}
	return os.Rename(folder, place)
}

// lacking names the tools that this machine does not have and how to get them.
func lacking(tools []tool) error {
	var missing, pkgs []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.name); err != nil {
			missing = append(missing, t.name)
			if len(pkgs) == 0 || pkgs[len(pkgs)-1] != t.pkg {
				pkgs = append(pkgs, t.pkg)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("needs %s: apt-get install %s", strings.Join(missing, " and "), strings.Join(pkgs, " "))
}

// builder builds one engine in a folder.
type builder struct {
	ctx    context.Context //nolint:containedctx // of one build, never longer
	folder string
	env    []string
}

// run runs a command in the folder; the error ends with what it said last.
func (b *builder) run(name string, args ...string) error {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Dir, cmd.Env = b.folder, append(os.Environ(), b.env...)
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid, syscall.SIGKILL) }
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, lastLines(said.String()))
	}
	return nil
}

func (b *builder) write(name string, content []byte) error {
	return os.WriteFile(filepath.Join(b.folder, name), content, 0o644)
}

// maven puts an artifact and all that it needs into the folder lib.
func (b *builder) maven(group, artifact, version string) error {
	pom := fmt.Sprintf(`<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>buzon</groupId>
  <artifactId>engine</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>
  </dependencies>
</project>
`, group, artifact, version)
	if err := b.write("pom.xml", []byte(pom)); err != nil {
		return err
	}
	return b.run(maven.name, "--batch-mode", "--quiet", mavenPlugin+":copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib")
}
