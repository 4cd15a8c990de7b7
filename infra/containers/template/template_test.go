package template

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write puts files into a new folder and gives the path of template.yaml in it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, "template.yaml")
}

const root = `
Parameters:
  Seconds: {Type: Number, Default: 60}
Globals:
  Function:
    Timeout: 7
    Environment: {Variables: {GOMAXPROCS: "1", TABLE: x}}
Resources:
  InboundFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: makefile}
    Properties:
      Role: !GetAtt Roles.Outputs.Inbound
      Timeout: !Ref Seconds
      Environment: {Variables: {TABLE: !GetAtt Data.Outputs.Table, INBOUND_QUEUE: !Ref InboundQueue}}
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt InboundQueue.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
  PortalFunction:
    Type: AWS::Serverless::Function
    Properties:
      Policies:
        - SSMParameterReadPolicy: {ParameterName: x}
        - Statement: {Effect: Allow, Action: s3:GetObject, Resource: x}
        - !If [Yes, {Statement: [{Effect: Allow, Action: [s3:PutObject], Resource: x}]}, !Ref AWS::NoValue]
        - AWSXrayWriteOnlyAccess
      Events:
        B: {Type: HttpApi, Properties: {Path: "/t/{proxy+}", Method: any}}
        A: {Type: HttpApi, Properties: {Path: "/c/{proxy+}", Method: GET}}
        C: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute), Input: '{"x":1}'}}
  InboundQueue:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 360}
  Roles: {Type: AWS::Serverless::Application, Properties: {Location: infra/roles.yaml}}
`

const roles = `
Resources:
  Logs:
    Type: AWS::IAM::ManagedPolicy
    Properties: {PolicyDocument: {Statement: [{Effect: Allow, Action: [logs:PutLogEvents], Resource: x}]}}
  Inbound:
    Type: AWS::IAM::Role
    Metadata: {Buzon: {Unseen: {"s3:ListBucket": It lets S3 answer 404.}}}
    Properties:
      ManagedPolicyArns: [!Ref Logs]
      Policies:
        - PolicyName: inbound
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: [sqs:ReceiveMessage, s3:ListBucket], Resource: x}
              - {Effect: Deny, Action: [sqs:DeleteQueue], Resource: x}
Outputs:
  Inbound: {Value: !GetAtt Inbound.Arn}
`

func TestRead(t *testing.T) {
	got, err := Read(write(t, map[string]string{"template.yaml": root, "infra/roles.yaml": roles}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Function{
		{
			ID: "InboundFunction", Stage: "inbound", Env: []string{"GOMAXPROCS", "INBOUND_QUEUE", "TABLE"}, Timeout: time.Minute,
			Source: &Source{Batch: 5, Visibility: 6 * time.Minute, Partial: true},
			Grants: []string{"s3:ListBucket", "sqs:ReceiveMessage"}, Unseen: map[string]string{"s3:ListBucket": "It lets S3 answer 404."},
		},
		{
			ID: "PortalFunction", Stage: "portal", Env: []string{"GOMAXPROCS", "TABLE"}, Timeout: 7 * time.Second,
			Routes: []Route{{"GET", "/c/{proxy+}"}, {"ANY", "/t/{proxy+}"}}, Clock: &Clock{Scheduler: true, Input: `{"x":1}`},
			Grants: []string{"s3:GetObject", "s3:PutObject", "ssm:DescribeParameters", "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"},
			Unseen: map[string]string{},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("functions (-want +got):\n%s", d)
	}
}

// one is a template with one function that has these lines among its properties.
func one(lines string) string {
	return "Resources:\n  AFunction:\n    Type: AWS::Serverless::Function\n    Properties:\n      " +
		strings.ReplaceAll(lines, "\n", "\n      ") + "\n  Q: {Type: AWS::SQS::Queue}\n  T: {Type: AWS::SNS::Topic}\n"
}

func TestDefaultsOfAWS(t *testing.T) {
	got, err := Read(write(t, map[string]string{"template.yaml": one("Events: {E: {Type: SQS, Properties: {Queue: !GetAtt [Q, Arn]}}}")}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Function{{
		ID: "AFunction", Stage: "a", Timeout: DefaultTimeout, Source: &Source{Batch: DefaultBatch, Visibility: DefaultVisibility},
		Grants: []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}, Unseen: map[string]string{}, // SAM gives them
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("functions (-want +got):\n%s", d)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for _, c := range []struct{ sentence, text, problem string }{
		{"nothing", "", "empty"},
		{"no mapping", "- a", "not a mapping"},
		{"no YAML", "a: [", "did not find expected"},
		{"no function", "Resources: {Q: {Type: AWS::SQS::Queue}}", "no function in it"},
		{"another kind of name", "Resources: {A: {Type: AWS::Serverless::Function}}", "its name does not end in Function"},
		{"a nested template that is not there", "Resources: {A: {Type: AWS::Serverless::Application, Properties: {Location: b.yaml}}}", "b.yaml"},
		{"a nested template that is elsewhere", "Resources: {A: {Type: AWS::Serverless::Application, Properties: {Location: {Bucket: x}}}}", "its Location is not a path"},
		{"a time limit that only AWS knows", one("Timeout: !ImportValue x"), "its Timeout is not a number"},
		{"a batch of none", one("Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 0}}}"), "its BatchSize is not a number from 1 on"},
		{"a queue of another stack", one("Events: {E: {Type: SQS, Properties: {Queue: arn:aws:sqs:x}}}"), "its queue is not in the template"},
		{"a queue that is none", one("Events: {E: {Type: SQS, Properties: {Queue: !GetAtt T.Arn}}}"), "its queue is not in the template"},
		{"two queues", one("Events:\n  E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}\n  F: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}"), "a second queue"},
		{"a route without a method", one("Events: {E: {Type: HttpApi, Properties: {Path: /}}}"), "no path or no method"},
		{"an event that nobody plays", one("Events: {E: {Type: SNS, Properties: {}}}"), `of a type that is not known here: "SNS"`},
		{"a role of another stack", one("Role: arn:aws:iam::1:role/x"), "its role is not in the template"},
		{"a policy by a name that is not known", one("Policies: [AdministratorAccess]"), "policy AdministratorAccess: what it allows is not known here"},
		{"a policy template that is not known", one("Policies: [{S3CrudPolicy: {BucketName: x}}]"), "what it allows is not known here"},
		{"a policy of another stack", one("Policies: [!Ref T]"), "policy T: not in the template"},
		{"a policy that is a number", one("Policies: [7]"), "neither a name nor a statement"},
		{"a statement about everything but", one("Policies: [{Statement: [{Effect: Allow, NotAction: s3:*, Resource: x}]}]"), "it names no action"},
		{"an action that only AWS knows", one("Policies: [{Statement: [{Effect: Allow, Action: [!Ref X], Resource: x}]}]"), "an action is not written down"},
	} {
		_, err := Read(write(t, map[string]string{"template.yaml": c.text}))
		if err == nil || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: %v, want %q", c.sentence, err, c.problem)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "template.yaml")); err == nil {
		t.Error("no error without a template")
	}
}

func TestUnseenNeedsASentence(t *testing.T) {
	text := strings.Replace(one("Timeout: 3"), "    Properties:", "    Metadata: {Buzon: {Unseen: {\"s3:PutObject\": \" \"}}}\n    Properties:", 1)
	if _, err := Read(write(t, map[string]string{"template.yaml": text})); err == nil || !strings.Contains(err.Error(), "unseen s3:PutObject has no sentence") {
		t.Errorf("%v", err)
	}
}

// What a run in containers relies on in the template of this repository.
func TestTheTemplateOfThisRepository(t *testing.T) {
	functions, err := Read("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	callers := map[string]string{}
	for _, f := range functions {
		var by []string
		if len(f.Routes) > 0 {
			by = append(by, "http")
		}
		if f.Source != nil {
			by = append(by, "queue")
		}
		if f.Clock != nil {
			by = append(by, "clock")
		}
		callers[f.Stage] = strings.Join(by, " ")
		if len(f.Grants) == 0 {
			t.Errorf("%s: its role allows nothing", f.ID)
		}
	}
	want := map[string]string{
		"webhook": "http", "portal": "http", "api": "http", "inbound": "queue", "outbound": "queue", "approvals": "queue", "clock": "clock", "admin": "",
	}
	if d := cmp.Diff(want, callers); d != "" {
		t.Errorf("callers (-want +got):\n%s", d)
	}
}
