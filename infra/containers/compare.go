package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"buzon/infra/containers/observe"
	"buzon/infra/containers/template"
)

// compare holds what was observed against the roles and prints a line for each
// action; an action that is used and not allowed, or allowed and not used without
// a sentence, is an error.
func compare(paths []string, out io.Writer) error {
	folder, err := checkout(os.Getenv("CHECKOUT"))
	if err != nil {
		return err
	}
	functions, err := template.Read(settings{checkout: folder}.template())
	if err != nil {
		return err
	}
	seen, err := observe.Load(paths...)
	if err != nil {
		return err
	}
	problems := 0
	for _, l := range observe.Compare(functions, seen) {
		fmt.Fprintln(out, l)
		if l.Problem != "" {
			problems++
		}
	}
	if problems > 0 {
		return fmt.Errorf("roles and what functions do differ in %d places", problems)
	}
	return nil
}

// settingOf is the setting that names a stage's queue.
func settingOf(stage string) string { return strings.ToUpper(stage) + "_QUEUE" }
