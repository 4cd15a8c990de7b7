package repo

import (
	"slices"
	"strings"
	"testing"
)

// mutant changes the text of one file; rule is a part of the sentence of the
// rule that has to find it.
type mutant struct{ say, file, from, to, rule string }

func mutants() []mutant {
	return []mutant{
		{"a function with too much time for the gateway", "template.yaml", "Timeout: 28", "Timeout: 30", "a time that its caller has"},
		{"half a processor that counts two", "template.yaml", `GOMAXPROCS: "1"`, `GOMAXPROCS: "2"`, "a time that its caller has"},
		{"a function that SAM builds its own way", "template.yaml", "  ClockFunction:\n    Type: AWS::Serverless::Function\n    Metadata: {BuildMethod: makefile}", "  ClockFunction:\n    Type: AWS::Serverless::Function", "built by the Makefile"},
		{"a function under another role", "template.yaml", "Role: !GetAtt Roles.Outputs.Clock", "Role: !GetAtt Roles.Outputs.Inbound", "one word everywhere"},
		{"a line of the platform for each run", "template.yaml", "SystemLogLevel: WARN", "SystemLogLevel: INFO", "leaves no line"},
		{"logs for ever", "template.yaml", "RetentionInDays: !Ref LogRetentionDays", "KmsKeyId: x", "leaves no line"},
		{"a clock that runs each hour", "template.yaml", "rate(1 minute)", "rate(1 hour)", "the clock runs"},
		{"operators' commands from outside", "template.yaml", "make doctor\n", "make doctor\n      Events: {In: {Type: HttpApi, Properties: {Method: ANY, Path: /admin}}}\n", "others reach nothing"},

		{"a queue without dead letters", "template.yaml", "      RedrivePolicy: {deadLetterTargetArn: !GetAtt OutboundDeadQueue.Arn, maxReceiveCount: 50}\n", "", "ends in its stage's dead letters"},
		{"dead letters of another stage", "template.yaml", "deadLetterTargetArn: !GetAtt InboundDeadQueue.Arn", "deadLetterTargetArn: !GetAtt OutboundDeadQueue.Arn", "ends in its stage's dead letters"},
		{"an outage that kills messages", "template.yaml", "!GetAtt ApprovalsDeadQueue.Arn, maxReceiveCount: 50", "!GetAtt ApprovalsDeadQueue.Arn, maxReceiveCount: 3", "ends in its stage's dead letters"},
		{"a batch that shows again while it is worked off", "template.yaml", "VisibilityTimeout: 600", "VisibilityTimeout: 599", "six times as long"},
		{"a function that never has time for a record", "template.yaml", "Timeout: 60", "Timeout: 30", "six times as long"},
		{"one failure that fails the batch", "template.yaml", "BatchSize: 10\n            FunctionResponseTypes: [ReportBatchItemFailures]\n            ScalingConfig: {MaximumConcurrency: !Ref InboundConcurrency}", "BatchSize: 10", "six times as long"},
		{"conversations that share a batch of sends", "template.yaml", "BatchSize: 1 ", "BatchSize: 5 ", "six times as long"},
		{"a queue whose groups wait for each other", "template.yaml", "-approvals.fifo\"\n      FifoQueue: true\n      DeduplicationScope: messageGroup", "-approvals.fifo\"\n      FifoQueue: true\n      DeduplicationScope: queue", "order of each group"},
		{"a queue that takes what comes without TLS", "template.yaml", "        - !Ref OutboundDeadQueue\n", "", "order of each group"},
		{"a queue of no stage", "template.yaml", "  QueuesTakeTlsOnly:", "  MediaQueue: {Type: AWS::SQS::Queue}\n  QueuesTakeTlsOnly:", "a queue for each stage"},

		{"an index of another name", "infra/data.yaml", "IndexName: Index", "IndexName: List", "what the code works on"},
		{"an index that costs what it holds", "infra/data.yaml", "KEYS_ONLY", "ALL", "what the code works on"},
		{"a broom for another attribute", "infra/data.yaml", "AttributeName: Expires", "AttributeName: TTL", "what the code works on"},
		{"no way back", "infra/data.yaml", "PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false", "can be set back"},
		{"a table that goes with the stack", "infra/data.yaml", "  Table:\n    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Retain", "  Table:\n    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Delete", "data outlives"},
		{"a public bucket", "infra/data.yaml", "BlockPublicPolicy: true", "BlockPublicPolicy: false", "a bucket is private"},
		{"old versions for ever", "infra/data.yaml", "NoncurrentVersionExpiration: {NoncurrentDays: 30}", "Prefix: x", "a bucket is private"},
		{"uploads for ever", "infra/data.yaml", "            ExpirationInDays: 7\n", "", "removes an upload"},
		{"uploads that go before their row", "infra/data.yaml", "ExpirationInDays: 7", "ExpirationInDays: 6", "removes an upload"},
		{"files that go while a message waits for them", "infra/data.yaml", "Prefix: uploads/raw/", "Prefix: uploads/", "removes an upload"},
		{"the bodies of quarantine for a week", "infra/data.yaml", "Prefix: uploads/raw/", "Prefix: quarantine/", "removes an upload"},
		{"uploads that stay as old versions", "infra/data.yaml", "NoncurrentVersionExpiration: {NoncurrentDays: 1}", "TagFilters: []", "removes an upload"},
		{"files without TLS", "infra/data.yaml", `aws:SecureTransport: "false"`, `aws:SecureTransport: "true"`, "a bucket is private"},

		{"everything on everything", "infra/roles.yaml", "Resource: !Ref TableArn", `Resource: "*"`, "nothing is allowed on everything"},
		{"a pattern of actions", "infra/roles.yaml", "[dynamodb:GetItem, dynamodb:Query, dynamodb:PutItem, dynamodb:UpdateItem]", "[dynamodb:*]", "no action is a pattern"},
		{"an action that no code has a use for", "infra/roles.yaml", "[dynamodb:GetItem, dynamodb:PutItem]", "[dynamodb:GetItem, dynamodb:PutItem, dynamodb:Scan]", "a use for"},
		{"a page that writes secrets", "infra/roles.yaml", "Action: [ssm:GetParameter]", "Action: [ssm:GetParameter, ssm:PutParameter]", "a use for"},
		{"all secrets of all stacks", "infra/roles.yaml", "parameter/${Stack}/buzon/keys/*", "parameter/*", "a setting for"},
		{"a queue that a function has no setting for", "infra/roles.yaml", "${Stack}-approvals.fifo\"\n              - Sid: Credentials", "${Stack}-outbound.fifo\"\n              - Sid: Credentials", "a setting for"},
		{"a role that anybody may take", "infra/roles.yaml", "Service: lambda.amazonaws.com", `AWS: "*"`, "Lambda alone can take"},
		{"a poller without the right to delete", "infra/roles.yaml", "[sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:ChangeMessageVisibility]", "[sqs:ReceiveMessage, sqs:GetQueueAttributes, sqs:ChangeMessageVisibility]", "from its queue alone"},
		{"an excuse for what is not granted", "infra/roles.yaml", `"s3:ListBucket": `, `"s3:DeleteObject": `, "excused"},
		{"policies that SAM adds to", "template.yaml", "Timeout: 55", "Policies: [AmazonDynamoDBFullAccess]\n      Timeout: 55", "a role of its own"},

		{"dead letters of which nobody is told", "infra/alarms.yaml", "${Stack}-approvals-dead.fifo", "${Stack}-approvals.fifo", "dead letters"},
		{"a function whose errors nobody sees", "infra/alarms.yaml", "MetricName: Errors\n      Dimensions: [{Name: FunctionName, Value: !Sub \"${Stack}-portal\"}]", "MetricName: Errors\n      Dimensions: [{Name: FunctionName, Value: !Sub \"${Stack}-api\"}]", "when a function fails"},
		{"an alarm on what is not there", "infra/alarms.yaml", "Value: !Sub \"${Stack}-webhook\"}]\n      Period: 300\n      ExtendedStatistic", "Value: !Sub \"${Stack}-hook\"}]\n      Period: 300\n      ExtendedStatistic", "an alarm looks"},
		{"an alarm without a paragraph", "infra/alarms.yaml", "#clock-stopped", "#clock-stands", "an alarm looks"},
		{"a paragraph without an alarm", "infra/RUNBOOK.md", "## Clock stopped", "## Clock stands", "an alarm looks"},
		{"a heartbeat that is silent when it stops", "infra/alarms.yaml", "TreatMissingData: breaching", "TreatMissingData: notBreaching", "an alarm looks"},
		{"an alarm that tells nobody", "infra/alarms.yaml", "AlarmActions: [!Ref Topic]", "AlarmActions: []", "an alarm looks"},
		{"a mail to nobody", "infra/alarms.yaml", "    Condition: HasEmail\n", "", "an e-mail address"},
		{"a graph that is not drawn", "infra/dashboard.yaml", `"view":"timeSeries"`, `"view":"timeSeries`, "the dashboard"},
		{"an alarm that the dashboard hides", "infra/dashboard.yaml", ":alarm:${Stack}-throttles", ":alarm:${Stack}-brakes", "the dashboard"},

		{"a parameter that must be thought of", "template.yaml", "    Default: INFO\n", "", "a parameter has a default"},
		{"a parameter in no group", "template.yaml", "[AlarmEmail, LogLevel, LogRetentionDays]", "[AlarmEmail, LogRetentionDays]", "a parameter has a default"},
		{"a parameter without effect", "template.yaml", "REQUESTS_PER_ADDRESS: !Ref RequestsPerAddress", `REQUESTS_PER_ADDRESS: "60"`, "a parameter has a default"},
		{"a secret that the console shows", "template.yaml", "Parameters:\n  PublicUrl:", "Parameters:\n  ApiToken: {Type: String, Default: x}\n  PublicUrl:", "no secret"},
		{"a file that is given what it does not take", "template.yaml", "{PublicUrl: !Ref PublicUrl}", "{PublicURL: !Ref PublicUrl}", "the other side"},
		{"an output that nobody gives", "template.yaml", "Data.Outputs.BucketArn", "Data.Outputs.BucketARN", "the other side"},
		{"a reference to nothing", "template.yaml", "INBOUND_DEAD: !Ref InboundDeadQueue", "INBOUND_DEAD: !Ref InboundDLQ", "the other side"},
		{"an output that operators miss", "template.yaml", "  Admin:\n    Description: The function that make tenant invokes\n    Value: !Ref AdminFunction\n", "", "among the outputs"},
		{"secrets in the gateway's log", "template.yaml", "$context.routeKey", "$context.path", "log without paths"},
		{"no limit", "template.yaml", "DefaultRouteSettings: {ThrottlingRateLimit: 2000, ThrottlingBurstLimit: 4000}", "DefaultRouteSettings: {}", "log without paths"},
		{"a limit for no route", "template.yaml", `"ANY /c/{proxy+}"`, `"GET /c/{proxy+}"`, "log without paths"},
		{"a question for each route", "template.yaml", "Auth: {EnableIamAuthorizer: false}", "Description: x", "asks nothing"},
		{"a question for an address", "template.yaml", "Timeout: 10 ", "FunctionUrlConfig: {AuthType: NONE}\n      Timeout: 10 ", "asks nothing"},
		{"an address that answers 403", "template.yaml", ", InvokedViaFunctionUrl: true", "", "both permissions"},
		{"a circle of references", "template.yaml", "PUBLIC_URL: !Ref PublicUrl", "PUBLIC_URL: !GetAtt HttpApi.ApiEndpoint", "PublicUrl"},
	}
}

// TestWiringCanFail: a rule that nothing can break proves nothing.
func TestWiringCanFail(t *testing.T) {
	whole := readInstallation(t)
	for _, c := range mutants() {
		if !strings.Contains(whole.text[c.file], c.from) {
			t.Errorf("%s: %s does not hold %q", c.say, c.file, c.from)
			continue
		}
		s := whole.with(t, c.file, strings.Replace(whole.text[c.file], c.from, c.to, 1))
		found := problems(s)
		hit := false
		for _, p := range found {
			hit = hit || strings.Contains(p, c.rule)
		}
		if !hit {
			t.Errorf("%s: not found by %q; found: %q", c.say, c.rule, found)
		}
	}
}

// TestEveryWiringCanFail: no rule is without a mutant.
func TestEveryWiringCanFail(t *testing.T) {
	for _, w := range wirings() {
		if !slices.ContainsFunc(mutants(), func(m mutant) bool { return strings.Contains(w.say, m.rule) }) {
			t.Errorf("nothing is seen to break: %s", w.say)
		}
	}
}
