package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
)

// functions looks at each function, and at what hands the queues' messages to it.
func (l *look) functions(ctx context.Context) {
	const part = "functions"
	client := lambda.NewFromConfig(l.AWS)
	for _, folder := range stack.Functions {
		name := l.stack.Function(folder)
		if name == "" {
			l.bad(part, trouble.Deploy, "%s: the stack has no %s", folder, stack.LogicalFunction(folder))
			continue
		}
		v, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
		if err != nil {
			l.err(part, fmt.Errorf("%s: %w", folder, err))
			continue
		}
		l.timeouts[folder] = aws.ToInt32(v.Timeout)
		l.function(folder, v)
		if slices.Contains(stack.Stages, folder) {
			l.mapping(ctx, client, folder, name)
		}
		if folder == "webhook" {
			l.functionURL(ctx, client, name)
		}
	}
	l.room(ctx, client)
}

// room looks whether the readers of the queues leave the account's other
// functions a run: those of webhook, portal and api among them.
func (l *look) room(ctx context.Context, client *lambda.Client) {
	const part = "functions"
	out, err := client.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		l.err(part, fmt.Errorf("account: %w", err))
		return
	}
	if out.AccountLimit == nil || out.AccountLimit.UnreservedConcurrentExecutions == nil {
		l.unseen(part, "account: it does not tell how many functions may run at once")
		return
	}
	limit, free := out.AccountLimit.ConcurrentExecutions, *out.AccountLimit.UnreservedConcurrentExecutions
	taken, all := int32(0), false
	for _, n := range l.pollers {
		taken, all = taken+n, all || n == 0
	}
	switch {
	case all:
		l.bad(part, trouble.Deploy, "account: %d functions at once, %d of them not reserved: the readers of the queues may take all", limit, free)
	case taken >= free:
		l.bad(part, "raise Concurrent executions of AWS Lambda under Service Quotas, or lower InboundConcurrency and OutboundConcurrency: make deploy",
			"account: %d functions at once, %d of them not reserved: the readers of the queues may take all (%d)", limit, free, taken)
	default:
		l.good(part, "account: %d functions at once, %d of them not reserved; the readers of the queues take %d at most", limit, free, taken)
	}
}

func (l *look) function(folder string, v *lambda.GetFunctionConfigurationOutput) {
	var architectures []string
	for _, a := range v.Architectures {
		architectures = append(architectures, string(a))
	}
	is := strings.Join(architectures, " ")
	should := l.stack.Parameters["Architecture"]
	if should == "" {
		should = is
	}
	state := string(v.State)
	if v.State != types.StateActive && v.StateReason != nil {
		state += " (" + *v.StateReason + ")"
	}
	l.same("functions", folder, []want{
		{"state", state, string(types.StateActive), "active", ""},
		{"last update", string(v.LastUpdateStatus), string(types.LastUpdateStatusSuccessful), "updated " + when(v.LastModified), ""},
		{"architecture", is, should, is, ""},
	})
}

// mapping looks at what reads a stage's queue for its function.
func (l *look) mapping(ctx context.Context, client *lambda.Client, folder, name string) {
	const part = "functions"
	out, err := client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: &name})
	if err != nil {
		l.err(part, fmt.Errorf("%s: %w", folder, err))
		return
	}
	if len(out.EventSourceMappings) == 0 {
		l.bad(part, trouble.Deploy, "%s: nothing hands the messages of its queue to it", folder)
	}
	for _, m := range out.EventSourceMappings {
		l.pollers[folder] = 0
		if m.ScalingConfig != nil {
			l.pollers[folder] = aws.ToInt32(m.ScalingConfig.MaximumConcurrency)
		}
		change := "aws lambda update-event-source-mapping --uuid " + aws.ToString(m.UUID)
		partial := "no"
		if slices.Contains(m.FunctionResponseTypes, types.FunctionResponseTypeReportBatchItemFailures) {
			partial = "yes"
		}
		l.same(part, folder+" reads its queue", []want{
			{"state", aws.ToString(m.State), "Enabled", "enabled", change + " --enabled"},
			{"answers for each message", partial, "yes", "answers for each message", change + " --function-response-types ReportBatchItemFailures"},
		})
	}
}

func (l *look) functionURL(ctx context.Context, client *lambda.Client, name string) {
	out, err := client.GetFunctionUrlConfig(ctx, &lambda.GetFunctionUrlConfigInput{FunctionName: &name})
	if isCode(err, "ResourceNotFoundException") {
		l.bad("functions", trouble.Deploy, "webhook: it has no address of its own (function URL)")
		return
	}
	if err != nil {
		l.err("functions", fmt.Errorf("webhook: %w", err))
		return
	}
	l.addresses[ownAddress] = strings.TrimSuffix(aws.ToString(out.FunctionUrl), "/")
}

// when shortens Lambda's 2026-11-20T10:11:12.000+0000.
func when(s *string) string {
	day, rest, found := strings.Cut(aws.ToString(s), "T")
	if !found || len(rest) < 8 {
		return aws.ToString(s)
	}
	return day + " " + rest[:8]
}
