package doctor

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/google/go-cmp/cmp"

	"buzon/infra/ops/awstest"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a report with its file in testdata.
func golden(t *testing.T, name string, r *Report) {
	t.Helper()
	var b strings.Builder
	r.Print(&b)
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s: want -, got +\n%s", name, d)
	}
}

// cloud looks at a deployment; how long an answer takes is left out of it.
func cloud(a *awstest.AWS) *Report {
	r := &Report{}
	c := a.Config()
	r.Cloud(context.Background(), Cloud{AWS: c, HTTP: &http.Client{Transport: a}, Stack: "buzon"})
	return steady(r)
}

// steady takes out of a report what depends on the machine.
func steady(r *Report) *Report {
	for i, f := range r.Findings {
		if before, after, ok := strings.Cut(f.Text, "within "); ok && f.State == Good {
			_, after, _ = strings.Cut(after, " ms")
			r.Findings[i].Text = before + "within 7 ms" + after
		}
	}
	return r
}

func TestCloudAllWell(t *testing.T) {
	r := cloud(awstest.Well())
	golden(t, "well", r)
	if !r.Well() {
		t.Error("it is not well")
	}
}

// TestCloudNamesNobody: the caller's name and the e-mail address for alarms are not told.
func TestCloudNamesNobody(t *testing.T) {
	a := awstest.Well()
	for _, refused := range []string{"DescribeTable buzon", "Invoke buzon-admin", "GetQueueAttributes buzon-inbound.fifo"} {
		a.Refuse(refused, "AccessDeniedException", "User: arn:aws:sts::123456789012:assumed-role/ops/ana.perez@example.org is not authorized")
	}
	var b strings.Builder
	cloud(a).Print(&b)
	if strings.Contains(b.String(), "ana.perez") {
		t.Errorf("it names a person:\n%s", b.String())
	}
}

func TestCloudNothingThere(t *testing.T) {
	a := awstest.Well()
	a.Answers["DescribeStacks"] = awstest.Answer{Status: http.StatusBadRequest, Body: `<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
		<Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id buzon does not exist</Message></Error></ErrorResponse>`}
	golden(t, "nothing", cloud(a))
}

// TestCloudFindings: every thing that can be wrong gets a line of its own with
// the command that mends it, and nothing else turns bad with it.
func TestCloudFindings(t *testing.T) {
	const query = `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`
	replace := func(op, old, by string) func(*awstest.AWS) { return func(a *awstest.AWS) { a.Replace(op, old, by) } }
	answer := func(op string, v awstest.Answer) func(*awstest.AWS) {
		return func(a *awstest.AWS) { a.Answers[op] = v }
	}
	set := func(op, body string) func(*awstest.AWS) { return answer(op, awstest.Answer{Body: body}) }
	refuse := func(op, code, text string) func(*awstest.AWS) {
		return func(a *awstest.AWS) { a.Refuse(op, code, text) }
	}
	const inbound, inboundDead = "GetQueueAttributes buzon-inbound.fifo", "GetQueueAttributes buzon-inbound-dead.fifo"
	all := &Report{}
	for _, c := range []struct {
		say    string
		change func(*awstest.AWS)
		bad    int
	}{
		{"credentials that AWS does not know", answer("GetCallerIdentity", awstest.Answer{Status: 403, Body: strings.ReplaceAll(query, "%s", "InvalidClientTokenId")}), 1},
		{"credentials that have expired", answer("GetCallerIdentity", awstest.Answer{Status: 403, Body: strings.ReplaceAll(query, "%s", "ExpiredToken")}), 1},
		{"no way to AWS", answer("GetCallerIdentity", awstest.Answer{Fail: errors.New("connection refused")}), 1},
		{"a stack at work", replace("DescribeStacks", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS"), 1},
		{"a stack that never stood", replace("DescribeStacks", "UPDATE_COMPLETE", "ROLLBACK_COMPLETE"), 1},
		{"a stack whose update went back", replace("DescribeStacks", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"), 1},
		{"a table that is not active", replace("DescribeTable buzon", `"TableStatus":"ACTIVE"`, `"TableStatus":"INACCESSIBLE_ENCRYPTION_CREDENTIALS"`), 1},
		{"a table with provisioned capacity", replace("DescribeTable buzon", "PAY_PER_REQUEST", "PROVISIONED"), 1},
		{"a table that can be deleted", replace("DescribeTable buzon", `"DeletionProtectionEnabled":true`, `"DeletionProtectionEnabled":false`), 1},
		{"a table with other keys", replace("DescribeTable buzon", `"AttributeName":"SK"`, `"AttributeName":"Sort"`), 1},
		{"an index of everything", replace("DescribeTable buzon", "KEYS_ONLY", "ALL"), 1},
		{"a table without backups", replace("DescribeContinuousBackups buzon", `"PointInTimeRecoveryStatus":"ENABLED"`, `"PointInTimeRecoveryStatus":"DISABLED"`), 1},
		{"a table without expiry", set("DescribeTimeToLive buzon", `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`), 1},
		{"a table that may not be looked at", refuse("DescribeTable buzon", "AccessDeniedException", "no"), 1},
		{"a table that was removed by hand", refuse("DescribeTable buzon", "ResourceNotFoundException", "no"), 1},
		{"a function that was never called for long", replace("GetFunctionConfiguration buzon-clock", `"State":"Active"`, `"State":"Inactive","StateReason":"The function is idle"`), 1},
		{"a function whose update did not work", replace("GetFunctionConfiguration buzon-api", "Successful", "Failed"), 1},
		{"an account that the readers may take whole", replace("GetAccountSettings", `"UnreservedConcurrentExecutions":10`, `"UnreservedConcurrentExecutions":8`), 1},
		{"an account that they leave one run", replace("GetAccountSettings", `"UnreservedConcurrentExecutions":10`, `"UnreservedConcurrentExecutions":9`), 0},
		{"a reader without a limit", replace("ListEventSourceMappings buzon-outbound", `,"ScalingConfig":{"MaximumConcurrency":4}`, ""), 1},
		{"an account that does not tell", set("GetAccountSettings", `{}`), 0},
		{"an account that may not be asked", refuse("GetAccountSettings", "AccessDeniedException", "no"), 1},
		{"a function of another architecture", replace("GetFunctionConfiguration buzon-api", `["arm64"]`, `["x86_64"]`), 1},
		{"a function that the stack has not", replace("ListStackResources buzon", "PortalFunction", "OtherFunction"), 1},
		{"a queue that nobody reads", set("ListEventSourceMappings buzon-outbound", `{"EventSourceMappings":[]}`), 1},
		{"a queue whose reading was stopped", replace("ListEventSourceMappings buzon-outbound", "Enabled", "Disabled"), 1},
		{"a reader that answers for the whole batch", replace("ListEventSourceMappings buzon-outbound", "ReportBatchItemFailures", "Other"), 1},
		{"a webhook without an address of its own", refuse("GetFunctionUrlConfig buzon-webhook", "ResourceNotFoundException", "no"), 1},
		{"a queue that the stack has not", replace("ListStackResources buzon", "InboundDeadQueue", "OtherDeadQueue"), 1},
		{"a queue that is not first in, first out", replace(inbound, `"FifoQueue":"true"`, `"FifoQueue":"false"`), 1},
		{"a queue that deduplicates as a whole", replace(inbound, "messageGroup", "queue"), 1},
		{"a queue of 300 messages a second", replace(inbound, "perMessageGroupId", "perQueue"), 1},
		{"a queue that shows its messages too early", replace(inbound, `"VisibilityTimeout":"360"`, `"VisibilityTimeout":"359"`), 1},
		{"a queue that gives up early", replace(inbound, "50}", "5}"), 1},
		{"a limit in quotes, as some tools set it", replace(inbound, "50}", `\"50\"}`), 0},
		{"a queue without dead letters", replace(inbound, "inbound-dead.fifo", "elsewhere.fifo"), 1},
		{"dead letters kept for four days", replace(inboundDead, "1209600", "345600"), 1},
		{"dead letters", replace(inboundDead, `"ApproximateNumberOfMessages":"0"`, `"ApproximateNumberOfMessages":"2"`), 1},
		{"a bucket that may be opened", answer("GetPublicAccessBlock", awstest.Answer{Status: 404, Body: `<Error><Code>NoSuchPublicAccessBlockConfiguration</Code><Message>no</Message></Error>`}), 1},
		{"a bucket that a policy may open", replace("GetPublicAccessBlock", "<BlockPublicPolicy>true", "<BlockPublicPolicy>false"), 1},
		{"no signing keys yet", set("Invoke buzon-admin", `{"missing":["secret /buzon/buzon/keys/links: not there"]}`), 1},
		{"a table that the functions do not reach", set("Invoke buzon-admin", `{"missing":["table buzon: not there"]}`), 1},
		{"an admin function that fails", answer("Invoke buzon-admin", awstest.Answer{Header: map[string]string{"X-Amz-Function-Error": "Unhandled"}, Body: `{"errorMessage":"setting TABLE is missing","errorType":"Runtime.ExitError"}`}), 1},
		{"a webhook that says why it does not work", answer("POST "+awstest.Gateway+noSecret, awstest.Answer{Status: 503, Body: `{"detail":"table buzon: not there"}`}), 1},
		{"a webhook that lets everybody in", answer("POST "+awstest.FunctionURL+noSecret, awstest.Answer{Status: 200}), 1},
		{"a webhook that is too slow", answer("POST "+awstest.FunctionURL+noSecret, awstest.Answer{Fail: context.DeadlineExceeded}), 1},
		{"an API that is down", answer("GET "+awstest.Gateway+"/health", awstest.Answer{Status: 500, Body: `{"message":"Internal Server Error"}`}), 1},
		{"a public name that leads nowhere", replace("DescribeStacks", "<ParameterKey>PublicUrl</ParameterKey><ParameterValue></ParameterValue>", "<ParameterKey>PublicUrl</ParameterKey><ParameterValue>https://cases.example.org</ParameterValue>"), 1},
	} {
		a := awstest.Well()
		c.change(a)
		r := cloud(a)
		bad := 0
		for _, f := range r.Findings {
			if f.State == Bad {
				bad++
				f.Part = c.say
				all.Findings = append(all.Findings, f)
			}
			if f.State == Bad && f.Mend == "" {
				t.Errorf("%s: no command mends it: %s", c.say, f.Text)
			}
		}
		if bad != c.bad {
			t.Errorf("%s: %d ✗, want %d: %+v", c.say, bad, c.bad, r.Findings)
		}
	}
	golden(t, "findings", all)
}

func TestCloudNeedsARegion(t *testing.T) {
	r := &Report{}
	a := awstest.Well()
	c := a.Config()
	c.Region = ""
	r.Cloud(t.Context(), Cloud{AWS: c, Stack: "buzon"})
	golden(t, "region", r)
	if len(a.Seen()) > 0 {
		t.Errorf("it asked AWS without a region: %v", a.Seen())
	}
}

func TestNoSettings(t *testing.T) {
	r := &Report{}
	r.NoSettings(config.SharedConfigProfileNotExistError{Profile: "nobody"}, "buzon")
	golden(t, "profile", r)
}

// machine answers for programs with what they printed.
func machine(programs map[string]string) Machine {
	return Machine{
		Find: func(name string) (string, error) {
			if _, ok := programs[name]; !ok {
				return "", errors.New("not found")
			}
			return name, nil
		},
		Output: func(_ context.Context, path string, _ ...string) (string, error) {
			out := programs[path]
			if strings.Contains(out, "Cannot connect") {
				return out, errors.New("exit status 1")
			}
			return out, nil
		},
	}
}

func TestTools(t *testing.T) {
	for name, programs := range map[string]map[string]string{
		"tools-well": {
			"go": "go version go1.26.8 linux/amd64\n", ".cache/sam/bin/sam": "SAM CLI, version 1.170.0\n", "sam": "SAM CLI, version 1.2.3\n", "docker": "20.10.24+dfsg1\n",
			"java": "openjdk version \"17.0.15\" 2025-04-15\n", "javac": "javac 17.0.15\n", "mvn": "Apache Maven 3.8.7\n", "python3": "Python 3.11.2\n", "node": "v20.20.2\n", "google-chrome": "Google Chrome 156.0.8078.79 \n",
		},
		"tools-none": {},
		"tools-old": {
			"go": "go version go1.25.3 linux/amd64\n", "sam": "SAM CLI, version 1.119.0\n", "docker": "Cannot connect to the Docker daemon\n",
			"java": "openjdk version \"11.0.2\"\n", "javac": "javac 11.0.2\n", "mvn": "no idea\n", "python3": "no idea\n", "node": "v17.9.1\n", "chromium": "no idea\n",
		},
		"tools-just": { // the lowest of each
			"go": "go version go1.26 linux/amd64\n", "sam": "SAM CLI, version 1.120.0\n", "docker": "20.10.0\n",
			"java": "java version \"17.0\"\n", "javac": "javac 17.0\n", "mvn": "Apache Maven 3.0\n", "python3": "Python 3.0\n", "node": "v18.0.0\n", "chromium": "Chromium 1.0\n",
		},
	} {
		r := &Report{}
		r.Tools(t.Context(), machine(programs))
		golden(t, name, r)
	}
}

func TestLocal(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		if lang := r.Header.Get("Accept-Language"); lang != "en" {
			t.Errorf("asked in the language %q", lang)
		}
		w.Write([]byte(`{"status":"ok","version":"1"}`))
	})
	mux.HandleFunc("GET /v1/me", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer bzn_right" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, c := range []struct {
		say, demo string
		mode      os.FileMode
		state     State
		text      string
	}{
		{"all is well", `{"base_url":"BASE","admin_token":"bzn_right"}`, 0o600, Good, "its admin token is taken"},
		{"of another run", `{"base_url":"http://127.0.0.1:1","admin_token":"bzn_right"}`, 0o600, Bad, "of a run at http://127.0.0.1:1"},
		{"with a token of other data", `{"base_url":"BASE","admin_token":"bzn_wrong"}`, 0o600, Bad, "its admin token is not taken"},
		{"for everybody to read", `{"base_url":"BASE","admin_token":"bzn_right"}`, 0o644, Bad, "others on this machine can read its tokens"},
		{"cut", `{"base_url":`, 0o600, Bad, "not readable as JSON"},
		{"of nothing", `{}`, 0o600, Bad, "of a run at none"},
	} {
		file := filepath.Join(t.TempDir(), "demo.json")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(c.demo, "BASE", server.URL)), c.mode); err != nil {
			t.Fatal(err)
		}
		r := &Report{}
		r.Local(t.Context(), server.Client(), server.URL, file)
		last := r.Findings[len(r.Findings)-1]
		if last.State != c.state || !strings.HasSuffix(last.Text, c.text) || (last.Mend == "") == (c.state == Bad) {
			t.Errorf("%s: %+v", c.say, last)
		}
		if strings.Contains(last.Text, "bzn_") {
			t.Errorf("%s: it tells a token", c.say)
		}
	}
	r := &Report{}
	r.Local(t.Context(), server.Client(), server.URL, filepath.Join(t.TempDir(), "demo.json"))
	if last := r.Findings[len(r.Findings)-1]; last.State != Bad || !strings.HasSuffix(last.Text, "not there") {
		t.Errorf("without the file: %+v", last)
	}
	server.Close()
	r = &Report{}
	r.Local(t.Context(), server.Client(), server.URL, "demo.json")
	for i, f := range r.Findings {
		r.Findings[i].Text = strings.ReplaceAll(f.Text, server.URL, "http://127.0.0.1:3000")
	}
	golden(t, "local-nothing", r)
}
