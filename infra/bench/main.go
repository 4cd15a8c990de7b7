// Command bench measures what the system promises of its speed and cost, beside a
// floor that is measured in the same run: ratios matter, not milliseconds.
//
//	go run ./infra/bench                  everything, some minutes
//	go run ./infra/bench -quick           everything once, so that it cannot rot
//	go run ./infra/bench -only NAME       one measure
//	go run ./infra/bench -json FILE       the figures for programs as well
//
// Each goal is printed with its number and whether it was reached. A goal that was
// missed ends the run with 0 all the same: times depend on the machine, and what
// does not, the billed units, is held by tests.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

// measure is one part of a run.
type measure struct {
	name  string
	run   func(ctx context.Context, b *bench) (section, error)
	timed bool // a quick run is no measurement: its goals are left out
}

var measures = [...]measure{
	{"weight", measureWeight, false},
	{"start", measureStart, true},
	{"warm", measureWarm, true},
	{"intake", measureIntake, true},
	{"rate", measureRate, true},
	{"units", measureUnits, false},
}

// bench is one run.
type bench struct {
	top      string // of the repository
	folder   string // for what is built, removed at the end
	quick    bool
	programs []string
	builds   map[string]string // folders, by architecture
	floor    map[string]int    // bytes of hello by package
}

func main() {
	quick := flag.Bool("quick", false, "everything once")
	only := flag.String("only", "", "one measure: "+strings.Join(names(), ", "))
	file := flag.String("json", "", "write the figures to this file, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measureAll(ctx, *quick, *only, *file); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func names() []string {
	var out []string
	for _, m := range measures {
		out = append(out, m.name)
	}
	return out
}

func measureAll(ctx context.Context, quick bool, only, file string) error {
	top, err := topFolder()
	if err != nil {
		return err
	}
	list, err := programs(top)
	if err != nil {
		return err
	}
	return inFolder(func(folder string) error {
		b := &bench{top: top, folder: folder, quick: quick, programs: list, builds: map[string]string{}}
		r := report{Machine: machine(), Quick: quick}
		fmt.Println(r.Machine)
		known := false
		for _, m := range measures {
			if only != "" && only != m.name {
				continue
			}
			known = true
			began := time.Now()
			s, err := m.run(ctx, b)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			if quick && m.timed {
				s.Goals, s.Notes = nil, append(s.Notes, "once only: this shows that it can be measured, and no more")
			}
			if err := s.print(os.Stdout); err != nil {
				return err
			}
			fmt.Printf("  (%.1f s)\n", time.Since(began).Seconds())
			r.Sections = append(r.Sections, s)
		}
		if !known {
			return fmt.Errorf("measure %q: not there: one of %s", only, strings.Join(names(), ", "))
		}
		return r.end(file)
	})
}

// machine says where the figures come from.
func machine() string {
	return fmt.Sprintf("%s/%s, %d cores, %s, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
}

// end tells in one line how many goals were reached, and writes the file.
func (r report) end(file string) error {
	reached, missed := 0, []string{}
	for _, s := range r.Sections {
		for _, g := range s.Goals {
			if g.Reached {
				reached++
			} else {
				missed = append(missed, fmt.Sprintf("%d %s", g.Number, g.What))
			}
		}
	}
	fmt.Printf("\n%d goals reached, %d missed", reached, len(missed))
	if len(missed) > 0 {
		fmt.Printf(": %s", strings.Join(missed, "; "))
	}
	fmt.Println()
	if file == "" {
		return nil
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	return errors.Join(err, os.WriteFile(file, append(raw, '\n'), 0o600))
}

// built gives the folder with all programs for an architecture.
func (b *bench) built(ctx context.Context, arch string) (string, error) {
	if folder, ok := b.builds[arch]; ok {
		return folder, nil
	}
	folder := b.folder + "/" + arch
	if err := build(ctx, b.top, folder, arch, false, b.programs...); err != nil {
		return "", err
	}
	b.builds[arch] = folder
	return folder, nil
}
