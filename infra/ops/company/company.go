// Package company makes a company (a tenant) with its first admin, on AWS through
// the admin function, on this machine through the running local system.
package company

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"golang.org/x/text/unicode/norm"

	"buzon/infra/ops/trouble"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// maxAnswer is the most of an answer that is read.
const maxAnswer = 64 << 10

// Made is a company that was just made. The token is shown this once.
type Made struct {
	Tenant     string `json:"tenant"`
	AdminToken string `json:"admin_token"`
}

// ID is the short id of a company with that name: its letters and digits without
// accents, in lower case, at most [store.MaxTenantID]. Empty if nothing remains.
func ID(name string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(name) {
		r = unicode.ToLower(r)
		if b.Len() < store.MaxTenantID && ('a' <= r && r <= 'z' || '0' <= r && r <= '9') {
			b.WriteRune(r)
		}
	}
	return b.String()
}

type request struct {
	Command string `json:"command,omitempty"`
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
}

// OnAWS asks the stack's admin function for a new company. It asks once: were a lost
// answer asked for again, the company would be there and its token lost.
func OnAWS(ctx context.Context, client *sdk.Client, function, id, name string) (Made, error) {
	return invoke(ctx, client, function, request{"tenant", id, name})
}

// TokenOnAWS asks it for a new token of the first admin of a company that exists.
func TokenOnAWS(ctx context.Context, client *sdk.Client, function, id string) (Made, error) {
	return invoke(ctx, client, function, request{Command: "token", ID: id})
}

func invoke(ctx context.Context, client *sdk.Client, function string, ask request) (Made, error) {
	id := ask.ID
	payload, err := json.Marshal(ask)
	if err != nil {
		return Made{}, fmt.Errorf("company %s: %w", id, err)
	}
	out, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: &function, Payload: payload}, func(o *sdk.Options) { o.RetryMaxAttempts = 1 })
	if err != nil {
		return Made{}, fmt.Errorf("function %s: %w", function, err)
	}
	if out.FunctionError != nil {
		return Made{}, refusal(id, function, out.Payload)
	}
	return answer(id, out.Payload)
}

// refusal is what the admin function's error means.
func refusal(id, function string, payload []byte) error {
	var e struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if err := json.Unmarshal(payload, &e); err != nil || e.Message == "" {
		return &trouble.Error{Text: fmt.Sprintf("function %s: it ended without saying why", function), Mend: "make logs ARGS='--function admin'"}
	}
	switch {
	case strings.HasSuffix(e.Message, string(fault.Conflict)):
		return exists(id)
	case strings.HasSuffix(e.Message, string(fault.NotFound)):
		return &trouble.Error{Text: "company " + id + ": there is none, or its first admin is gone", Mend: "make tenant NAME=…, for a new company"}
	case strings.HasSuffix(e.Message, string(fault.Invalid)):
		return &trouble.Error{Text: "company " + id + ": " + e.Message, Mend: "a name, and an id of 1 to 16 of a–z and 0–9"}
	}
	return &trouble.Error{Text: fmt.Sprintf("function %s: %s", function, e.Message), Mend: "make doctor; make logs ARGS='--function admin'"}
}

func exists(id string) error {
	return &trouble.Error{
		Text: "company " + id + ": exists already; its token was shown when it was made",
		Mend: "another id (ID=…); if the token is lost, a new one: by one of its admins (POST /v1/specialists/{id}/tokens), or on AWS make tenant ID=" + id + " ARGS=--again STACK=…",
	}
}

// Local asks the system that runs on this machine at base.
func Local(ctx context.Context, client *http.Client, base, id, name string) (Made, error) {
	if !Loopback(base) {
		return Made{}, &trouble.Error{
			Text: base + ": not an address of this machine; a local run makes companies for its own machine only",
			Mend: "make tenant NAME=… STACK=buzon, for a company on AWS",
		}
	}
	payload, err := json.Marshal(request{ID: id, Name: name})
	if err != nil {
		return Made{}, fmt.Errorf("company %s: %w", id, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/simulator/tenants", bytes.NewReader(payload))
	if err != nil {
		return Made{}, fmt.Errorf("company %s: %w", id, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept-Language", "en") // the language of what operators read here
	resp, err := client.Do(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return Made{}, NothingRuns(base)
		}
		return Made{}, fmt.Errorf("company %s: %w", id, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Made{}, fmt.Errorf("company %s: %w", id, err)
	}
	switch resp.StatusCode {
	case http.StatusCreated, http.StatusOK:
		return answer(id, body)
	case http.StatusConflict:
		return Made{}, exists(id)
	case http.StatusNotFound:
		return Made{}, &trouble.Error{Text: base + ": what runs there makes no companies", Mend: "make run"}
	}
	return Made{}, &trouble.Error{Text: fmt.Sprintf("company %s: %s: %s", id, resp.Status, detail(body))}
}

// StartFirst is what helps where no local run is found.
const StartFirst = "start make run first; DATA=… if it was started with that (DATA=.cache/engines/run beside make run-engines), " +
	"ARGS='--url http://127.0.0.1:3001' if only its PORT is known; for a company on AWS: STACK=buzon"

// NothingRuns says that no local system is there to ask.
func NothingRuns(base string) error {
	return &trouble.Error{Text: "local run: nothing answers at " + base, Mend: StartFirst}
}

// Loopback tells whether an address is one of this machine itself.
func Loopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback()
}

func answer(id string, body []byte) (Made, error) {
	var m Made
	if err := json.Unmarshal(body, &m); err != nil || m.Tenant != id || m.AdminToken == "" {
		return Made{}, &trouble.Error{Text: "company " + id + ": the answer holds no token for it", Mend: "make doctor"}
	}
	return m, nil
}

// detail is the sentence of a problem document, or the start of what came instead.
func detail(body []byte) string {
	var p struct {
		Detail string `json:"detail"`
		Title  string `json:"title"`
		Errors []struct {
			Field, Detail string
		} `json:"errors"`
	}
	if json.Unmarshal(body, &p) != nil {
		return strings.ToValidUTF8(string(body[:min(len(body), 200)]), "")
	}
	for _, e := range p.Errors {
		return e.Field + ": " + e.Detail
	}
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Check asks the admin function what the installation lacks; empty: nothing.
func Check(ctx context.Context, client *sdk.Client, function string) (missing []string, err error) {
	out, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: &function, Payload: []byte(`{"command":"check"}`)})
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", function, err)
	}
	if out.FunctionError != nil {
		return nil, refusal("", function, out.Payload)
	}
	var done struct {
		Missing []string `json:"missing"`
	}
	if err := json.Unmarshal(out.Payload, &done); err != nil {
		return nil, fmt.Errorf("function %s: its answer is not JSON: %w", aws.ToString(&function), err)
	}
	return done.Missing, nil
}
