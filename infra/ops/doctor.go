package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"

	"buzon/infra/ops/doctor"
)

const doctorHelp = `doctor looks at everything that Buzón needs and changes nothing.

It looks at the programs on this machine, at region and credentials, and at the stack:
its state, parameters and outputs, the table, the functions, the queues and what is in
them, the bucket, the signing keys, and whether both webhook addresses and /health answer.
With --url it looks at the programs and at a local run instead; with --local at the
programs alone.

✓ is as it should be; ✗ is not, with the command that mends it; – could not be looked at.
It exits with 1 if there is any ✗. --json prints [{part, state: good|bad|unseen, text, mend}].`

func doctorCommand(ctx context.Context, w *world, args []string) error {
	fs := w.flags("doctor", doctorHelp)
	name := w.stackFlag(fs)
	local := fs.Bool("local", false, "only the programs on this machine")
	url := fs.String("url", "", "look at the local run there, such as http://127.0.0.1:3000")
	tools := fs.Bool("tools", true, "look at the programs on this machine")
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	var r doctor.Report
	if *tools || *local {
		r.Tools(ctx, doctor.Machine{Find: w.find, Output: w.output})
	}
	switch {
	case *local:
	case *url != "":
		r.Local(ctx, w.http, strings.TrimSuffix(*url, "/"), w.demoFile())
	default:
		c, err := w.aws(ctx)
		if err != nil {
			r.NoSettings(err, *name)
			break
		}
		r.Cloud(ctx, doctor.Cloud{AWS: c, HTTP: w.http, Stack: *name})
	}
	if err := ctx.Err(); err != nil {
		return errors.New("interrupted")
	}
	if *asJSON {
		if err := w.json(r.Findings); err != nil {
			return err
		}
	} else {
		r.Print(w.out)
	}
	if !r.Well() {
		return errWrong
	}
	return nil
}

// demoFile is where a local run says how to reach it.
func (w *world) demoFile() string {
	data := w.env("DATA")
	if data == "" {
		data = ".buzon"
	}
	return filepath.Join(data, "demo.json")
}

func (w *world) json(v any) error {
	enc := json.NewEncoder(w.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
