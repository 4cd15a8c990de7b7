package awstest

import (
	"fmt"
	"net/http"
	"strings"
)

// Addresses of the stack buzon, as [Well] has it.
const (
	Gateway     = "abc123.execute-api.eu-west-1.amazonaws.com"
	FunctionURL = "own456.lambda-url.eu-west-1.on.aws"
	queueBase   = "https://sqs.eu-west-1.amazonaws.com/123456789012/"
	arnBase     = "arn:aws:sqs:eu-west-1:123456789012:"
	noSecret    = "/webhooks/gupshup/doctor/doctor"
)

// resource is a row of ListStackResources.
type resource struct{ logical, physical, kind string }

// Well is the stack buzon just after make deploy and make tenant.
func Well() *AWS {
	a := &AWS{Answers: map[string]Answer{}}
	a.Set("GetCallerIdentity", `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
		<Arn>arn:aws:sts::123456789012:assumed-role/ops/ana.perez@example.org</Arn><UserId>AROA:ana.perez@example.org</UserId>
		<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	a.Set("DescribeStacks", `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
		<StackName>buzon</StackName><StackStatus>UPDATE_COMPLETE</StackStatus>
		<CreationTime>2026-11-01T08:00:00Z</CreationTime><LastUpdatedTime>2026-11-20T09:30:00Z</LastUpdatedTime>
		<Parameters><member><ParameterKey>Architecture</ParameterKey><ParameterValue>arm64</ParameterValue></member>
		<member><ParameterKey>AlarmEmail</ParameterKey><ParameterValue>ana.perez@example.org</ParameterValue></member>
		<member><ParameterKey>PublicUrl</ParameterKey><ParameterValue></ParameterValue></member></Parameters>
		<Outputs><member><OutputKey>Address</OutputKey><OutputValue>https://`+Gateway+`</OutputValue><Description>Pages, API and webhooks</Description></member>
		<member><OutputKey>WebhookAddress</OutputKey><OutputValue>https://`+FunctionURL+`/</OutputValue></member></Outputs>
		</member></Stacks></DescribeStacksResult></DescribeStacksResponse>`)
	root := []resource{
		{"HttpApi", "abc123", "AWS::ApiGatewayV2::Api"},
		{"LogGroup", "/aws/vendedlogs/buzon", "AWS::Logs::LogGroup"},
		{"Data", "arn:aws:cloudformation:eu-west-1:123456789012:stack/buzon-Data-1/x", "AWS::CloudFormation::Stack"},
	}
	timeouts := map[string]int{"inbound": 60, "outbound": 100, "approvals": 30}
	atOnce := map[string]int{"inbound": 2, "outbound": 4, "approvals": 2}
	for _, folder := range []string{"webhook", "inbound", "outbound", "approvals", "clock", "portal", "api", "admin"} {
		name := "buzon-" + folder
		root = append(root, resource{strings.ToUpper(folder[:1]) + folder[1:] + "Function", name, "AWS::Lambda::Function"})
		timeout := timeouts[folder]
		if timeout == 0 {
			timeout = 10
		}
		a.Set("GetFunctionConfiguration "+name, fmt.Sprintf(`{"FunctionName":%q,"State":"Active","LastUpdateStatus":"Successful","Architectures":["arm64"],
			"LastModified":"2026-11-20T09:29:11.000+0000","Timeout":%d,"LoggingConfig":{"LogGroup":"/aws/vendedlogs/buzon"}}`, name, timeout))
		if timeouts[folder] == 0 {
			continue
		}
		queue := "buzon-" + folder
		logical := strings.ToUpper(folder[:1]) + folder[1:]
		root = append(root,
			resource{logical + "Queue", queueBase + queue + ".fifo", "AWS::SQS::Queue"},
			resource{logical + "DeadQueue", queueBase + queue + "-dead.fifo", "AWS::SQS::Queue"})
		a.Set("GetQueueAttributes "+queue+".fifo", fmt.Sprintf(`{"Attributes":{"FifoQueue":"true","DeduplicationScope":"messageGroup","FifoThroughputLimit":"perMessageGroupId",
			"VisibilityTimeout":"%d","ApproximateNumberOfMessages":"3","ApproximateNumberOfMessagesNotVisible":"1","QueueArn":"%s",
			"RedrivePolicy":"{\"deadLetterTargetArn\":\"%s-dead.fifo\",\"maxReceiveCount\":50}"}}`, timeout*6, arnBase+queue+".fifo", arnBase+queue))
		a.Set("GetQueueAttributes "+queue+"-dead.fifo", fmt.Sprintf(`{"Attributes":{"FifoQueue":"true","DeduplicationScope":"messageGroup","FifoThroughputLimit":"perMessageGroupId",
			"MessageRetentionPeriod":"1209600","ApproximateNumberOfMessages":"0","ApproximateNumberOfMessagesNotVisible":"0","QueueArn":"%s"}}`, arnBase+queue+"-dead.fifo"))
		a.Set("ListEventSourceMappings "+name, `{"EventSourceMappings":[{"UUID":"3f2a0000-0000-0000-0000-00000000000`+fmt.Sprint(len(folder))+`","State":"Enabled","FunctionResponseTypes":["ReportBatchItemFailures"],"ScalingConfig":{"MaximumConcurrency":`+fmt.Sprint(atOnce[folder])+`}}]}`)
	}
	a.Set("ListStackResources buzon", resources(root))
	a.Set("ListStackResources arn:aws:cloudformation:eu-west-1:123456789012:stack/buzon-Data-1/x", resources([]resource{
		{"Table", "buzon", "AWS::DynamoDB::Table"},
		{"Bucket", "buzon-files", "AWS::S3::Bucket"},
	}))
	a.Set("DescribeTable buzon", `{"Table":{"TableName":"buzon","TableStatus":"ACTIVE","BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"},"DeletionProtectionEnabled":true,
		"KeySchema":[{"AttributeName":"PK","KeyType":"HASH"},{"AttributeName":"SK","KeyType":"RANGE"}],
		"GlobalSecondaryIndexes":[{"IndexName":"Index","IndexStatus":"ACTIVE","Projection":{"ProjectionType":"KEYS_ONLY"}}]}}`)
	a.Set("DescribeContinuousBackups buzon", `{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"ENABLED"}}}`)
	a.Set("DescribeTimeToLive buzon", `{"TimeToLiveDescription":{"AttributeName":"Expires","TimeToLiveStatus":"ENABLED"}}`)
	a.Set("GetPublicAccessBlock", `<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>
		<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`)
	a.Set("GetFunctionUrlConfig buzon-webhook", `{"FunctionUrl":"https://`+FunctionURL+`/","AuthType":"NONE"}`)
	a.Set("GetAccountSettings", `{"AccountLimit":{"ConcurrentExecutions":10,"UnreservedConcurrentExecutions":10}}`)
	a.Set("Invoke buzon-admin", `{}`)
	for _, host := range []string{Gateway, FunctionURL} {
		a.Answers["POST "+host+noSecret] = Answer{Status: http.StatusNotFound}
	}
	a.Set("GET "+Gateway+"/health", `{"status":"ok","version":"1234abcd"}`)
	return a
}

func resources(rows []resource) string {
	var b strings.Builder
	b.WriteString(`<ListStackResourcesResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><ListStackResourcesResult><StackResourceSummaries>`)
	for _, r := range rows {
		fmt.Fprintf(&b, `<member><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>%s</ResourceType>
			<ResourceStatus>CREATE_COMPLETE</ResourceStatus><LastUpdatedTimestamp>2026-11-20T09:30:00Z</LastUpdatedTimestamp></member>`, r.logical, r.physical, r.kind)
	}
	b.WriteString(`</StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>`)
	return b.String()
}
