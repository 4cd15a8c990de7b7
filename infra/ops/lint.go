package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"buzon/infra/ops/trouble"
	"buzon/infra/ops/wording"
)

const lintHelp = `lint-template looks requests for message templates over, as the API does before it takes them.

  lint-template [FILE…]          each holds a request, or a list of them; without one, or with -, the standard input

A request is the body of POST /v1/channels/{id}/templates:

  {"name":"pedido_enviado", "display_name":"Pedido enviado", "language":"es", "category":"utility", "type":"text",
   "body":"Hola, {{1}}, su pedido ya salió.", "params":["nombre"], "buttons":[{"kind":"quick_reply", "text":"Gracias"}]}

✗ is refused; ! is taken, but the provider may refuse it, or something may surprise. It needs no network and knows no other templates:
whether the name is taken is not looked at. It exits with 1 if there is any ✗.
--json prints [{where, name, problems:[{field, code, text}], warnings}].`

// maxLinted is how many files are looked at.
const maxLinted = 1000

func lintCommand(_ context.Context, w *world, args []string) error {
	fs := w.flags("lint-template", lintHelp)
	provider := fs.String("provider", "gupshup", "gupshup or meta: whose limits hold")
	mix := fs.Bool("mix-buttons", false, "the channel allows both kinds of button in one template")
	lang := fs.String("lang", "en", "es, en or pt: the language of what is told")
	asJSON := fs.Bool("json", false, "print JSON")
	files, err := parse(fs, args, maxLinted)
	if err != nil {
		return err
	}
	l, err := wording.New(*provider, *mix, *lang)
	if err != nil {
		return &usage{err.Error()}
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	requests := []wording.Request{}
	for _, file := range files {
		content, err := w.requests(file)
		if err != nil {
			return err
		}
		requests = append(requests, l.Look(file, content)...)
	}
	if *asJSON {
		if err := w.json(requests); err != nil {
			return err
		}
	} else {
		wording.Print(w.out, requests)
	}
	if !wording.Well(requests) {
		return errWrong
	}
	return nil
}

// requests reads a file, or the standard input for -.
func (w *world) requests(file string) ([]byte, error) {
	in := io.NopCloser(w.in)
	if file == "-" && typed(w.in) {
		fmt.Fprintln(w.errs, "lint-template: reading a request from the terminal; Ctrl-D ends it, Ctrl-C gives up; FILE=request.json reads a file")
	}
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, &trouble.Error{Text: err.Error(), Mend: "name a file that holds a request: make lint-template FILE=…"}
		}
		in = f
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, wording.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(content) > wording.MaxFile {
		return nil, &trouble.Error{Text: fmt.Sprintf("%s: more than %d MiB", file, wording.MaxFile>>20), Mend: "put fewer requests into one file"}
	}
	return content, nil
}

// typed tells whether somebody has to type what is read from in.
func typed(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
