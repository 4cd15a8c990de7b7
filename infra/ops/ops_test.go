package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/google/go-cmp/cmp"

	"buzon/infra/ops/awstest"
	"buzon/infra/ops/stack"
	"buzon/internal/store"
)

// desk is a terminal in front of a deployment.
type desk struct {
	world
	aws       *awstest.AWS
	env       map[string]string
	out, errs strings.Builder
	ran       []string // programs that were run, with what they were given
}

func newDesk(t *testing.T) *desk {
	d := &desk{aws: awstest.Well(), env: map[string]string{"DATA": t.TempDir()}}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	d.world = world{
		env: func(name string) string { return d.env[name] }, in: strings.NewReader(""), out: &d.out, errs: &d.errs,
		now: func() time.Time { return now }, http: &http.Client{Transport: d.aws},
		pause:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		find:   func(name string) (string, error) { return name, nil },
		output: func(context.Context, string, ...string) (string, error) { return "version 2000.1", nil },
		run: func(_ context.Context, out io.Writer, path string, args ...string) error {
			d.ran = append(d.ran, path+" "+quoted(args))
			return nil
		},
	}
	d.world.aws = func(context.Context) (aws.Config, error) { return d.aws.Config(), nil }
	return d
}

// do runs a command and forgets what earlier ones printed.
func (d *desk) do(t *testing.T, args ...string) int {
	t.Helper()
	d.out.Reset()
	d.errs.Reset()
	return run(t.Context(), args, &d.world)
}

func TestEveryCommandHelps(t *testing.T) {
	d := newDesk(t)
	if code := d.do(t); code != exitUsage || !strings.Contains(d.errs.String(), "doctor") {
		t.Errorf("nothing: %d, %s", code, &d.errs)
	}
	if code := d.do(t, "help"); code != exitWell || !strings.Contains(d.out.String(), "doctor") {
		t.Errorf("help: %d, %s", code, &d.out)
	}
	for _, c := range commands {
		if code := d.do(t, c.name, "-h"); code != exitWell || !strings.HasPrefix(d.out.String(), c.name+" ") || !strings.Contains(d.out.String(), "\n  -stack") && c.name != "lint-template" {
			t.Errorf("%s: %d, %s", c.name, code, &d.out)
		}
	}
	if seen := d.aws.Seen(); len(seen) > 0 || len(d.ran) > 0 {
		t.Errorf("help did something: %v %v", seen, d.ran)
	}
}

func TestWhatIsNotUnderstood(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"},
		{"doctor", "--nonsense"}, {"doctor", "word"},
		{"dlq", "purge"}, {"dlq", "show", "clock"}, {"dlq", "show", "inbound", "outbound"}, {"dlq", "--rate", "0"}, {"dlq", "--rate", "501"}, {"dlq", "--limit", "-1"},
		{"tenant"}, {"tenant", "--name", " "}, {"tenant", "--name", "三"}, {"tenant", "--name", "Acme", "--id", "Not-This"},
		{"tenant", "--name", "Acme", "--url", "http://127.0.0.1:1", "--stack", "buzon"},
		{"logs", "--function", "none"}, {"logs", "--since", "0s"}, {"logs", "--since", "yesterday"},
		{"outputs", "word"}, {"delete", "word"},
		{"lint-template", "-provider", "viber"}, {"lint-template", "-lang", "fr"},
	} {
		d := newDesk(t)
		if code := d.do(t, args...); code != exitUsage || d.out.String() != "" || d.errs.String() == "" {
			t.Errorf("%q: %d, %q, %q", args, code, &d.out, &d.errs)
		}
		if seen := d.aws.Seen(); len(seen) > 0 || len(d.ran) > 0 {
			t.Errorf("%q did something: %v %v", args, seen, d.ran)
		}
	}
}

func TestTroubleIsToldWithItsRemedy(t *testing.T) {
	d := newDesk(t)
	d.aws.Answers["DescribeStacks"] = awstest.Answer{Status: 400, Body: `<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id buzon does not exist</Message></Error></ErrorResponse>`}
	for _, args := range [][]string{{"outputs"}, {"dlq"}, {"logs"}, {"delete"}, {"tenant", "--name", "Acme", "--stack", "buzon"}} {
		code := d.do(t, args...)
		want := args[0] + ": stack buzon: not there in eu-west-1\n  → make deploy; or name another: STACK=…, AWS_REGION=…\n"
		if code != exitWrong || d.errs.String() != want || d.out.String() != "" {
			t.Errorf("%q: %d, %q", args, code, &d.errs)
		}
	}
	d.world.aws = func(context.Context) (aws.Config, error) { return aws.Config{}, nil }
	if code := d.do(t, "outputs"); code != exitWrong || !strings.Contains(d.errs.String(), "region: none set\n  → export AWS_REGION=") {
		t.Errorf("without a region: %d, %q", code, &d.errs)
	}
	d.find = func(string) (string, error) { return "", errors.New("not found") }
	for _, name := range []string{"logs", "delete", "deploy"} {
		if code := d.do(t, name); code != exitWrong || !strings.Contains(d.errs.String(), "sam: not found\n  → make sam\n") {
			t.Errorf("%s without sam: %d, %q", name, code, &d.errs)
		}
	}
}

func TestDoctor(t *testing.T) {
	d := newDesk(t)
	if code := d.do(t, "doctor"); code != exitWell || !strings.Contains(d.out.String(), "✓ go 2000.1") || !strings.HasSuffix(d.out.String(), " 0 ✗\n") {
		t.Errorf("%d, %s", code, &d.out)
	}
	d.aws.Replace("DescribeTable buzon", `"DeletionProtectionEnabled":true`, `"DeletionProtectionEnabled":false`)
	if code := d.do(t, "doctor", "--tools=false", "--json"); code != exitWrong {
		t.Errorf("a table without protection: %d", code)
	}
	var findings []map[string]string
	if err := json.Unmarshal([]byte(d.out.String()), &findings); err != nil || findings[0]["part"] != "account" {
		t.Errorf("%v, %v", findings, err)
	}
	asked := len(d.aws.Seen())
	if code := d.do(t, "doctor", "--local"); code != exitWell || strings.Contains(d.out.String(), "account") || len(d.aws.Seen()) != asked {
		t.Errorf("--local: %d, %s", code, &d.out)
	}
	d.env["STACK"] = "other"
	d.do(t, "doctor", "--tools=false")
	if !strings.Contains(d.out.String(), "stack other") {
		t.Errorf("STACK=other: %s", &d.out)
	}
	d.world.aws = func(context.Context) (aws.Config, error) {
		return aws.Config{}, config.SharedConfigProfileNotExistError{Profile: "nobody"}
	}
	if code := d.do(t, "doctor"); code != exitWrong || !strings.Contains(d.out.String(), "✓ go") || !strings.Contains(d.out.String(), "aws configure --profile nobody") {
		t.Errorf("a profile that is not there: %d, %s%s", code, &d.out, &d.errs)
	}
	if code := d.do(t, "outputs"); code != exitWrong || !strings.Contains(d.errs.String(), "→ aws configure --profile nobody") {
		t.Errorf("a profile that is not there: %d, %s", code, &d.errs)
	}
	if code := d.do(t, "doctor", "--url", "http://127.0.0.1:1"); code != exitWrong || !strings.Contains(d.out.String(), "local run") || strings.Contains(d.out.String(), "account") {
		t.Errorf("--url: %d, %s", code, &d.out)
	}
}

func TestOutputs(t *testing.T) {
	d := newDesk(t)
	code := d.do(t, "outputs")
	want := "Address         https://" + awstest.Gateway + "\nWebhookAddress  https://" + awstest.FunctionURL + "/\n"
	if d := cmp.Diff(want, d.out.String()); code != exitWell || d != "" {
		t.Errorf("%d\n%s", code, d)
	}
	code = d.do(t, "outputs", "--json")
	var s stack.Stack
	if err := json.Unmarshal([]byte(d.out.String()), &s); code != exitWell || err != nil || s.Output("Address") != "https://"+awstest.Gateway || s.State != "UPDATE_COMPLETE" {
		t.Errorf("%d, %v, %+v", code, err, s)
	}
	if strings.Contains(d.out.String(), "ana.perez") {
		t.Error("it tells the address that gets the alarms")
	}
}

func TestDelete(t *testing.T) {
	const ran = ".cache/sam/bin/sam delete --stack-name buzon --region eu-west-1 --no-prompts"
	for _, c := range []struct {
		say, typed string
		args       []string
		code       int
		ran        []string
		told       string
	}{
		{"the name is typed", "buzon\n", nil, exitWell, []string{ran}, "Type the stack's name"},
		{"without a line's end", "buzon", nil, exitWell, []string{ran}, ""},
		{"the name is given", "", []string{"--yes", "buzon"}, exitWell, []string{ran}, "aws s3 rb s3://buzon-files"},
		{"another name is typed", "yes\n", nil, exitWrong, nil, `"yes" is not the stack's name: nothing was changed`},
		{"nothing is typed", "", nil, exitWrong, nil, "nothing was changed"},
		{"an empty line", "\n", nil, exitWrong, nil, "nothing was changed"},
		{"another name is given", "buzon\n", []string{"--yes", "other"}, exitWrong, nil, "nothing was changed"},
	} {
		d := newDesk(t)
		d.in = strings.NewReader(c.typed)
		code := d.do(t, append([]string{"delete"}, c.args...)...)
		if diff := cmp.Diff(c.ran, d.ran); code != c.code || diff != "" || !strings.Contains(d.errs.String(), c.told) {
			t.Errorf("%s: %d\n%s\n%s", c.say, code, diff, &d.errs)
		}
		for _, stays := range []string{"table buzon\n", "bucket buzon-files\n", "--path /buzon "} {
			if !strings.Contains(d.errs.String(), stays) {
				t.Errorf("%s: it does not say that it stays: %s", c.say, stays)
			}
		}
	}
	d := newDesk(t)
	d.run = func(context.Context, io.Writer, string, ...string) error { return errors.New("exit status 1") }
	if code := d.do(t, "delete", "--yes", "buzon"); code != exitWrong || !strings.Contains(d.errs.String(), "sam delete: exit status 1") {
		t.Errorf("%d, %s", code, &d.errs)
	}
}

func TestLogs(t *testing.T) {
	for _, c := range []struct {
		say  string
		args []string
		own  bool // the function has a log group of its own
		want string
	}{
		{"all", nil, false, "logs --region eu-west-1 --start-time '2026-11-20 09:50:00 UTC' --tail --cw-log-group /aws/vendedlogs/buzon"},
		{"until now, with a pattern", []string{"--tail=false", "--since", "2h", "--filter", "it's"}, false, `logs --region eu-west-1 --start-time '2026-11-20 08:00:00 UTC' --filter 'it'\''s' --cw-log-group /aws/vendedlogs/buzon`},
		{"one function", []string{"--function", "webhook"}, false, "logs --region eu-west-1 --start-time '2026-11-20 09:50:00 UTC' --tail --cw-log-group /aws/vendedlogs/buzon --output json"},
		{"one function with a group of its own", []string{"--function", "webhook"}, true, "logs --region eu-west-1 --start-time '2026-11-20 09:50:00 UTC' --tail --cw-log-group /aws/lambda/buzon-webhook"},
	} {
		d := newDesk(t)
		if c.own {
			d.aws.Replace("GetFunctionConfiguration buzon-webhook", `,"LoggingConfig":{"LogGroup":"/aws/vendedlogs/buzon"}`, "")
		}
		code := d.do(t, append([]string{"logs"}, c.args...)...)
		if diff := cmp.Diff([]string{".cache/sam/bin/sam " + c.want}, d.ran); code != exitWell || diff != "" {
			t.Errorf("%s: %d\n%s", c.say, code, diff)
		}
		if d.errs.String() != ".cache/sam/bin/sam "+c.want+"\n" {
			t.Errorf("%s: it printed %q", c.say, &d.errs)
		}
	}
}

// TestLogsOfOneFunction: what sam logs --output json prints, in pieces of every length.
func TestLogsOfOneFunction(t *testing.T) {
	const printed = `{"logStreamName": "2026/11/20/buzon-webhook[$LATEST]aa", "timestamp": 1795255001925, "message": "{\"message\":\"one\"}\n", "eventId": "0"}
{"logStreamName": "2026/11/20/buzon-inbound[$LATEST]bb", "timestamp": 1795255001932, "message": "{\"message\":\"two\"}\n", "eventId": "1"}
{"logStreamName": "2026/11/20/buzon-webhook-2[$LATEST]bb", "timestamp": 1795255001932, "message": "three", "eventId": "1"}
a line of sam's own
{"logStreamName": "2026/11/20/buzon-webhook[7]cc", "timestamp": 1795255002000, "message": "four"}`
	const want = "2026-11-21T09:56:41Z {\"message\":\"one\"}\na line of sam's own\n2026-11-21T09:56:42Z four\n"
	for size := 1; size < len(printed)+1; size += 7 {
		d := newDesk(t)
		d.run = func(_ context.Context, out io.Writer, _ string, _ ...string) error {
			for rest := printed; rest != ""; {
				n := min(size, len(rest))
				if _, err := io.WriteString(out, rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		}
		if code := d.do(t, "logs", "--function", "webhook"); code != exitWell || d.out.String() != want {
			t.Fatalf("pieces of %d: %d\n%s", size, code, cmp.Diff(want, d.out.String()))
		}
	}
}

func TestTenantOnAWS(t *testing.T) {
	d := newDesk(t)
	d.aws.Set("Invoke buzon-admin", `{"tenant":"cafedelmar","admin_token":"bzn_cafedelmar_x"}`)
	for say, f := range map[string]func() int{
		"by the flag":        func() int { return d.do(t, "tenant", "--name", "Café del Mar", "--stack", "buzon") },
		"by the environment": func() int { d.env["STACK"] = "buzon"; return d.do(t, "tenant", "--name", "Café del Mar") },
	} {
		code := f()
		if code != exitWell || d.out.String() != "bzn_cafedelmar_x\n" || !strings.Contains(d.errs.String(), "short id made from the name: cafedelmar") || strings.Contains(d.errs.String(), "bzn_") {
			t.Errorf("%s: %d, %q, %q", say, code, &d.out, &d.errs)
		}
		delete(d.env, "STACK")
	}
	if code := d.do(t, "tenant", "--name", "Café", "--id", "cafedelmar", "--stack", "buzon", "--json"); code != exitWell || !strings.Contains(d.out.String(), `"admin_token": "bzn_cafedelmar_x"`) || strings.Contains(d.errs.String(), "made from the name") {
		t.Errorf("%d, %q", code, &d.out)
	}
}

func TestTenantAgain(t *testing.T) {
	d := newDesk(t)
	d.aws.Set("Invoke buzon-admin", `{"tenant":"acme","admin_token":"bzn_acme_y"}`)
	if code := d.do(t, "tenant", "--again", "--id", "acme", "--stack", "buzon"); code != exitWell || d.out.String() != "bzn_acme_y\n" {
		t.Errorf("%d, %q, %s", code, &d.out, &d.errs)
	}
	for _, args := range [][]string{{"--again", "--stack", "buzon"}, {"--again", "--id", "acme"}, {"--again", "--id", "Acme!", "--stack", "buzon"}} {
		if code := d.do(t, append([]string{"tenant"}, args...)...); code == exitWell || d.out.String() != "" {
			t.Errorf("%q: %d, %q", args, code, &d.out)
		}
	}
}

func TestTenantHere(t *testing.T) {
	d := newDesk(t)
	if code := d.do(t, "tenant", "--name", "Acme"); code != exitWrong || !strings.Contains(d.errs.String(), "DATA=.cache/engines/run") || len(d.aws.Seen()) != 0 {
		t.Errorf("nothing runs: %d, %s", code, &d.errs)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		w.Write([]byte(`{"tenant":"acme","admin_token":"bzn_acme_x"}`))
	}))
	defer server.Close()
	d.http = server.Client()
	if code := d.do(t, "tenant", "--name", "Acme", "--url", server.URL+"/"); code != exitWell || d.out.String() != "bzn_acme_x\n" {
		t.Errorf("--url: %d, %q, %s", code, &d.out, &d.errs)
	}
	demo := filepath.Join(d.env["DATA"], "demo.json")
	if err := os.WriteFile(demo, []byte(fmt.Sprintf(`{"base_url":%q}`, server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := d.do(t, "tenant", "--name", "Acme"); code != exitWell || d.out.String() != "bzn_acme_x\n" {
		t.Errorf("by demo.json: %d, %q, %s", code, &d.out, &d.errs)
	}
	if seen := d.aws.Seen(); len(seen) > 0 {
		t.Errorf("it asked AWS: %v", seen)
	}
}

func TestDLQ(t *testing.T) {
	d := newDesk(t)
	d.aws.Queues = &awstest.Queues{Now: d.now().Add(-3*time.Hour - time.Minute)}
	const body = `{"v":1,"stage":"inbound","tenant":"acme","body":{"message":{"text":"soy Ana, +5215512345678"}}}`
	group := store.Hash("acme", "channel", "person")
	d.aws.Queues.Put("buzon-inbound-dead.fifo", group, body)
	d.aws.Queues.Put("buzon-inbound-dead.fifo", group, body)

	code := d.do(t, "dlq")
	want := "STAGE      DEAD  OLDEST     IN FLIGHT  QUEUE\n" +
		"inbound    2     3 h 1 min  0          buzon-inbound-dead.fifo\n" +
		"outbound   0     –          0          buzon-outbound-dead.fifo\n" +
		"approvals  0     –          0          buzon-approvals-dead.fifo\n"
	if diff := cmp.Diff(want, d.out.String()); code != exitWell || diff != "" {
		t.Errorf("%d\n%s", code, diff)
	}
	for _, args := range [][]string{{"dlq", "list", "--json"}, {"dlq", "show"}, {"dlq", "show", "inbound", "--json"}, {"dlq", "redrive"}, {"dlq", "redrive", "--json", "inbound"}} {
		if code := d.do(t, args...); code != exitWell || strings.Contains(d.out.String(), "Ana") {
			t.Errorf("%q: %d, %s", args, code, &d.out)
		}
		if strings.Contains(d.out.String(), "{") && !json.Valid([]byte(d.out.String())) {
			t.Errorf("%q: not JSON: %s", args, &d.out)
		}
	}
	if d.do(t, "dlq", "show", "inbound", "--bodies"); !strings.Contains(d.out.String(), "Ana") || !strings.Contains(d.out.String(), "company acme") {
		t.Errorf("--bodies: %s", &d.out)
	}
	if d.do(t, "dlq", "show", "inbound", "--limit", "1"); !strings.Contains(d.out.String(), "2 dead, 1 shown") || !strings.Contains(d.errs.String(), "more are there") {
		t.Errorf("--limit: %s%s", &d.out, &d.errs)
	}
	if d.do(t, "dlq", "redrive", "inbound", "--limit", "1"); d.out.String() != "inbound: would send 1 of 2 back to buzon-inbound.fifo\n" || !strings.Contains(d.errs.String(), "dry run: nothing was changed") {
		t.Errorf("a dry run: %s%s", &d.out, &d.errs)
	}
	if n := len(d.aws.Queues.Bodies("buzon-inbound-dead.fifo")); n != 2 {
		t.Fatalf("%d dead letters after looking, 2 before", n)
	}
	if code := d.do(t, "dlq", "redrive", "--yes", "--limit", "1", "inbound"); code != exitWell || d.out.String() != "inbound: 2 dead before, 1 sent back to buzon-inbound.fifo, about 1 left\n" {
		t.Errorf("%d, %s", code, &d.out)
	}
	if code := d.do(t, "dlq", "redrive", "--yes", "--json"); code != exitWell || !strings.Contains(d.out.String(), `"moved": 1`) || len(d.aws.Queues.Bodies("buzon-inbound.fifo")) != 2 {
		t.Errorf("%d, %s", code, &d.out)
	}
}

func TestDLQInterruptedOrBroken(t *testing.T) {
	d := newDesk(t)
	d.aws.Queues = &awstest.Queues{Now: d.now()}
	for n := range 3 {
		d.aws.Queues.Put("buzon-inbound-dead.fifo", "g", fmt.Sprint(n))
	}
	ctx, cancel := context.WithCancel(t.Context())
	d.pause = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	if code := run(ctx, []string{"dlq", "redrive", "--yes"}, &d.world); code != exitWrong || !strings.Contains(d.errs.String(), "the same command goes on") || !strings.Contains(d.out.String(), "3 dead before, 0 sent back") {
		t.Errorf("interrupted: %d, %s%s", code, &d.out, &d.errs)
	}
	d.pause = func(context.Context, time.Duration) error { return nil }
	d.aws.Queues.Break = func(op string) (error, bool) {
		if op == "SendMessage" {
			return errors.New("connection reset"), false
		}
		return nil, false
	}
	if code := d.do(t, "dlq", "redrive", "--yes"); code != exitWrong || !strings.Contains(d.out.String(), "0 sent back") || d.errs.String() == "" {
		t.Errorf("broken: %d, %s%s", code, &d.out, &d.errs)
	}
	d.aws.Queues.Break = nil
	if code := d.do(t, "dlq", "redrive", "--yes"); code != exitWell || len(d.aws.Queues.Bodies("buzon-inbound.fifo")) != 3 {
		t.Errorf("again: %d, %s%s", code, &d.out, &d.errs)
	}
}

// TestDLQOfEngines: beside make run-engines the queues are those of the environment,
// unless a stack is named.
func TestDLQOfEngines(t *testing.T) {
	d := newDesk(t)
	d.aws.Queues = &awstest.Queues{Now: d.now()}
	for _, stage := range stack.Stages {
		d.env[strings.ToUpper(stage)+"_QUEUE"] = "http://127.0.0.1:9324/000000000000/" + stage + ".fifo"
		d.env[strings.ToUpper(stage)+"_DEAD"] = "http://127.0.0.1:9324/000000000000/" + stage + "-dead.fifo"
	}
	if code := d.do(t, "dlq"); code != exitWell || !strings.Contains(d.out.String(), " inbound-dead.fifo\n") {
		t.Errorf("%d, %s", code, &d.out)
	}
	if code := d.do(t, "dlq", "--stack", "buzon"); code != exitWell || !strings.Contains(d.out.String(), " buzon-inbound-dead.fifo\n") {
		t.Errorf("%d, %s", code, &d.out)
	}
	delete(d.env, "OUTBOUND_DEAD")
	if code := d.do(t, "dlq"); code != exitWrong || !strings.Contains(d.errs.String(), "outbound: no queue") {
		t.Errorf("%d, %s", code, &d.errs)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", time.Hour - 1: "59 min", time.Hour: "1 h 0 min",
		48*time.Hour - 1: "47 h 59 min", 48 * time.Hour: "2 days",
	} {
		if got := age(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// FuzzLogsOfOneFunction: whatever comes through sam, in two pieces, nothing is
// made longer than its lines and nothing but events of others is left out.
func FuzzLogsOfOneFunction(f *testing.F) {
	f.Add([]byte("{\"logStreamName\":\"a/buzon-webhook[1]b\",\"message\":\"x\\n\"}\nplain\n"), 3)
	f.Add([]byte("{\"logStreamName\":\"other\"}"), 0)
	f.Add([]byte("\n\n\xff"), 1)
	f.Fuzz(func(t *testing.T, printed []byte, cut int) {
		var out strings.Builder
		p := &picker{function: "buzon-webhook", out: &out}
		cut = min(max(cut, 0), len(printed))
		for _, part := range [][]byte{printed[:cut], printed[cut:]} {
			if n, err := p.Write(part); n != len(part) || err != nil {
				t.Fatalf("%d of %d, %v", n, len(part), err)
			}
		}
		p.flush()
		lines := strings.Count(string(printed), "\n") + 1
		if most := 3*len(printed) + lines*len("2026-11-21T09:56:41Z \n") + lines*20; out.Len() > most {
			t.Errorf("%d bytes of %d", out.Len(), len(printed))
		}
		if !strings.Contains(string(printed), "{") && strings.TrimRight(out.String(), "\n") != strings.TrimRight(string(printed), "\n") {
			t.Errorf("%q came out as %q", printed, out.String())
		}
	})
}
