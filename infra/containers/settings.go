package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"buzon/infra/local/system"
)

// defaultClock is how often the clock is called unless CLOCK_EVERY says otherwise.
const defaultClock = 2 * time.Second

// settings of a run.
type settings struct {
	system.Settings
	checkout string // the folder of template.yaml
	observed string // file for the observed actions; empty: none
	clock    time.Duration
}

// read reads the settings by name from get: os.Getenv.
func read(get func(name string) string) (settings, error) {
	base, err := system.Read(get)
	s := settings{Settings: base, observed: get("OBSERVED"), clock: defaultClock}
	if v := get("CLOCK_EVERY"); v != "" {
		d, bad := time.ParseDuration(v)
		if bad != nil || d < time.Second {
			err = errors.Join(err, fmt.Errorf("setting CLOCK_EVERY: %q is not a time from 1s on", v))
		}
		s.clock = d
	}
	var missing error
	if s.checkout, missing = checkout(get("CHECKOUT")); missing != nil {
		err = errors.Join(err, missing)
	}
	if get("DATA") == "" {
		s.Data = filepath.Join(s.work(), "data")
	}
	return s, err
}

// checkout is the folder of template.yaml: the one given, this one, or the nearest
// above.
func checkout(given string) (string, error) {
	folder, err := filepath.Abs(given)
	if err != nil {
		return "", fmt.Errorf("setting CHECKOUT: %w", err)
	}
	for at := folder; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, templateFile)); err == nil {
			return at, nil
		}
		if given != "" || at == filepath.Dir(at) {
			return "", fmt.Errorf("setting CHECKOUT: no %s in %s", templateFile, folder)
		}
	}
}

const templateFile = "template.yaml"

func (s settings) template() string { return filepath.Join(s.checkout, templateFile) }

// The folders under .cache: where SAM and the engines are, and what a run makes.
func (s settings) sam() string     { return filepath.Join(s.checkout, ".cache", "sam") }
func (s settings) engines() string { return filepath.Join(s.checkout, ".cache", "engines") }
func (s settings) work() string    { return filepath.Join(s.checkout, ".cache", "containers") }
func (s settings) in(name string) string {
	return filepath.Join(s.work(), name)
}

// architecture is how AWS calls this machine's processor.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

// overrides are the template's parameters for a run on this machine, where one wants
// to see at once what one changed.
func (s settings) overrides() []string {
	return []string{"--parameter-overrides", "Architecture=" + architecture(), "LogLevel=" + s.LogLevel.String(), "CacheSeconds=1"}
}

// lock makes this the only run of the checkout until the file is closed.
func (s settings) lock() (*os.File, error) {
	if err := os.MkdirAll(s.work(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.in("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another run has this checkout"), f.Close())
	}
	return f, nil
}
