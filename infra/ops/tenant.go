package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"buzon/infra/ops/company"
	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
	"buzon/internal/store"
)

const tenantHelp = `tenant makes a company with its first admin and prints the admin's token.

  tenant --name "Acme" [--id acme]                   on this machine: asks the running make run
  tenant --name "Acme" [--id acme] --stack buzon     on AWS: calls the stack's admin function
  tenant --again --id acme --stack buzon             a new token of that company's first admin

--stack or the environment variable STACK means AWS; without them it is the local run that DATA's
demo.json tells of, or the one at --url. The first company on AWS also brings the signing keys;
they are never overwritten.

The token goes to the standard output, alone, and is shown this once; all else to the standard error.`

// tenantTimeout bounds making a company; the admin function's own is 30 s.
const tenantTimeout = 40 * time.Second

func tenantCommand(ctx context.Context, w *world, args []string) error {
	fs := w.flags("tenant", tenantHelp)
	name := fs.String("name", "", "the company's name (required)")
	id := fs.String("id", "", "its short id, 1 to 16 of a–z and 0–9; made from the name if missing")
	stackName := fs.String("stack", w.env("STACK"), "name of the stack; or environment STACK; without it the local run")
	url := fs.String("url", "", "the local run there, such as http://127.0.0.1:3000")
	again := fs.Bool("again", false, "on AWS: the company exists and its token is lost; make a new one")
	asJSON := fs.Bool("json", false, "print {tenant, admin_token}")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	*name = strings.TrimSpace(*name)
	if *again && (*id == "" || *stackName == "" || *url != "") {
		return &usage{"--again takes a company on AWS: make tenant ID=acme ARGS=--again STACK=buzon"}
	}
	if *name == "" && !*again {
		return &usage{"a name is needed: make tenant NAME='Acme'"}
	}
	if *url != "" && given(fs, "stack") {
		return &usage{"--stack is for AWS, --url for a local run: one of them"}
	}
	derived := *id == "" // never with --again
	if derived {
		*id = company.ID(*name)
	}
	if !store.ValidTenant(*id) {
		if derived {
			return &usage{fmt.Sprintf("%q makes no short id; give one: ID=acme", *name)}
		}
		return &usage{fmt.Sprintf("%q is no short id: 1 to 16 of a–z and 0–9", *id)}
	}
	ctx, cancel := context.WithTimeout(ctx, tenantTimeout)
	defer cancel()
	made, where, err := w.makeCompany(ctx, *stackName, *url, *id, *name, *again)
	if err != nil {
		return err
	}
	if derived {
		fmt.Fprintf(w.errs, "short id made from the name: %s\n", *id)
	}
	fmt.Fprintf(w.errs, "company %s is there, %s. Its admin's token, shown this once:\n", made.Tenant, where)
	if *asJSON {
		return w.json(made)
	}
	_, err = fmt.Fprintln(w.out, made.AdminToken)
	return err
}

func (w *world) makeCompany(ctx context.Context, stackName, url, id, name string, again bool) (company.Made, string, error) {
	if stackName == "" || url != "" {
		base, err := w.localRun(url)
		if err != nil {
			return company.Made{}, "", err
		}
		made, err := company.Local(ctx, w.http, base, id, name)
		return made, "in the local run at " + base, err
	}
	c, err := w.cloud(ctx)
	if err != nil {
		return company.Made{}, "", err
	}
	s, err := stack.Load(ctx, cloudformation.NewFromConfig(c), stackName)
	if err != nil {
		return company.Made{}, "", err
	}
	function := s.Function("admin")
	if function == "" {
		return company.Made{}, "", &trouble.Error{Text: "stack " + stackName + ": it has no AdminFunction", Mend: trouble.Deploy}
	}
	if again {
		made, err := company.TokenOnAWS(ctx, lambda.NewFromConfig(c), function, id)
		return made, "in stack " + stackName, err
	}
	made, err := company.OnAWS(ctx, lambda.NewFromConfig(c), function, id, name)
	return made, "in stack " + stackName, err
}

// localRun is the address of the local run: the one given, or what demo.json says.
func (w *world) localRun(url string) (string, error) {
	if url != "" {
		return strings.TrimSuffix(url, "/"), nil
	}
	var demo struct {
		BaseURL string `json:"base_url"`
	}
	text, err := os.ReadFile(w.demoFile())
	if err == nil {
		err = json.Unmarshal(text, &demo)
	}
	if err != nil || demo.BaseURL == "" {
		return "", &trouble.Error{
			Text: "local run: none has written " + w.demoFile(),
			Mend: company.StartFirst,
		}
	}
	return demo.BaseURL, nil
}
