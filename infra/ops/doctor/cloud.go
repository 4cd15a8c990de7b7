package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"buzon/infra/ops/company"
	"buzon/infra/ops/stack"
	"buzon/infra/ops/trouble"
)

// signInTimeout bounds the search for credentials, which asks addresses that are
// not there on most machines.
const signInTimeout = 15 * time.Second

// Cloud is a deployment to look at.
type Cloud struct {
	AWS   aws.Config
	HTTP  *http.Client // for the addresses of the stack
	Stack string
}

// look is one examination of a deployment.
type look struct {
	*Report
	Cloud
	stack     *stack.Stack
	timeouts  map[string]int32  // of functions, by folder, in seconds
	pollers   map[string]int32  // how many runs the queues' readers may begin at once, by folder; 0: any number
	addresses map[string]string // by what they are
}

// NoSettings notes that a deployment cannot be looked at: where AWS's settings are
// kept, they cannot be read.
func (r *Report) NoSettings(err error, name string) {
	r.err("account", fmt.Errorf("AWS settings: %w", err))
	r.unseen("stack "+name, "needs credentials")
}

// Cloud looks at a deployment: who asks, the stack, and each of its parts.
func (r *Report) Cloud(ctx context.Context, c Cloud) {
	const part = "account"
	if c.AWS.Region == "" {
		r.bad(part, trouble.Region, "region: none set")
		r.unseen("stack "+c.Stack, "needs a region")
		return
	}
	r.good(part, "region %s", c.AWS.Region)
	signIn, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()
	who, err := sts.NewFromConfig(c.AWS).GetCallerIdentity(signIn, &sts.GetCallerIdentityInput{})
	if err != nil {
		r.err(part, err)
		r.unseen("stack "+c.Stack, "needs credentials")
		return
	}
	r.good(part, "credentials of account %s", aws.ToString(who.Account))

	l := &look{Report: r, Cloud: c, timeouts: map[string]int32{}, pollers: map[string]int32{}, addresses: map[string]string{}}
	if !l.standing(ctx) {
		return
	}
	l.table(ctx)
	l.functions(ctx)
	l.queues(ctx)
	l.bucket(ctx)
	l.inside(ctx)
	l.reachable(ctx)
}

// standing looks at the stack itself; false: there is nothing more to look at.
func (l *look) standing(ctx context.Context) bool {
	part := "stack " + l.Stack
	s, err := stack.Load(ctx, cloudformation.NewFromConfig(l.AWS), l.Stack)
	if err != nil {
		l.err(part, err)
		return false
	}
	l.stack = s
	reason := ""
	if s.Reason != "" {
		reason = ": " + s.Reason
	}
	switch {
	case s.Settled():
		l.good(part, "%s since %s", s.State, s.Changed.UTC().Format(time.DateTime))
	case s.Moving():
		l.bad(part, "wait until it is done, then make doctor", "%s%s", s.State, reason)
	case s.State == "UPDATE_ROLLBACK_COMPLETE":
		l.bad(part, trouble.Deploy, "%s%s: the last deployment was taken back, the one before it runs", s.State, reason)
	case s.State == "ROLLBACK_COMPLETE" || strings.HasSuffix(s.State, "CREATE_FAILED"):
		l.bad(part, "make delete, then make deploy", "%s%s: its first deployment did not work", s.State, reason)
	default:
		l.bad(part, trouble.Deploy, "%s%s", s.State, reason)
	}
	var parameters []string
	for _, name := range s.ParameterNames() {
		v := s.Parameters[name]
		if strings.Contains(v, "@") {
			v = "…" // an address of somebody
		}
		if v != "" {
			parameters = append(parameters, name+"="+v)
		}
	}
	l.good(part, "parameters: %s", orNone(strings.Join(parameters, " ")))
	if len(s.Outputs) == 0 {
		l.bad(part, trouble.Deploy, "outputs: none")
	}
	for _, o := range s.Outputs {
		l.good(part, "output %s: %s", o.Name, o.Value)
	}
	return true
}

// bucket looks at the bucket of files.
func (l *look) bucket(ctx context.Context) {
	const part = "bucket"
	buckets := l.stack.OfType(stack.Bucket)
	if len(buckets) == 0 {
		l.bad(part, trouble.Deploy, "the stack has none")
	}
	client := s3.NewFromConfig(l.AWS)
	for _, b := range buckets {
		out, err := client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b.Physical})
		if isCode(err, "NoSuchPublicAccessBlockConfiguration") {
			l.bad(part, blockPublic(b.Physical), "%s: it may be opened to the public: no block of public access", b.Physical)
			continue
		}
		if err != nil {
			l.err(part, fmt.Errorf("bucket %s: %w", b.Physical, err))
			continue
		}
		p, mend := out.PublicAccessBlockConfiguration, blockPublic(b.Physical)
		l.same(part, b.Physical, []want{
			{"BlockPublicAcls", yes(p.BlockPublicAcls), "true", "public ACLs blocked", mend},
			{"IgnorePublicAcls", yes(p.IgnorePublicAcls), "true", "and ignored", mend},
			{"BlockPublicPolicy", yes(p.BlockPublicPolicy), "true", "public policies blocked", mend},
			{"RestrictPublicBuckets", yes(p.RestrictPublicBuckets), "true", "and ignored", mend},
		})
	}
}

func blockPublic(bucket string) string {
	return "aws s3api put-public-access-block --bucket " + bucket + " --public-access-block-configuration " +
		"BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
}

// inside lets the admin function look from inside: with its own role, at the
// table and at the signing keys.
func (l *look) inside(ctx context.Context) {
	const part = "inside"
	name := l.stack.Function("admin")
	if name == "" {
		return // told among the functions
	}
	missing, err := company.Check(ctx, lambda.NewFromConfig(l.AWS), name)
	if err != nil {
		l.err(part, err)
		return
	}
	for _, text := range missing {
		mend := trouble.Deploy
		if strings.Contains(text, "/keys/") {
			mend = "make tenant NAME='The company' STACK=" + l.Stack
		}
		l.bad(part, mend, "%s", text)
	}
	if len(missing) == 0 {
		l.good(part, "the functions reach the table and their signing keys")
	}
}

// table looks at the table's settings.
func (l *look) table(ctx context.Context) {
	const part = "table"
	tables := l.stack.OfType(stack.Table)
	if len(tables) == 0 {
		l.bad(part, trouble.Deploy, "the stack has none")
	}
	client := dynamodb.NewFromConfig(l.AWS)
	for _, t := range tables {
		name := t.Physical
		out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		if err != nil {
			l.err(part, fmt.Errorf("table %s: %w", name, err))
			continue
		}
		v, change := out.Table, "aws dynamodb update-table --table-name "+name
		wants := []want{{"state", string(v.TableStatus), "ACTIVE", "active", "wait, then make doctor"}}
		billing := "PROVISIONED"
		if v.BillingModeSummary != nil {
			billing = string(v.BillingModeSummary.BillingMode)
		}
		keys := ""
		for _, k := range v.KeySchema {
			keys += " " + aws.ToString(k.AttributeName)
		}
		index := ""
		for _, g := range v.GlobalSecondaryIndexes {
			if aws.ToString(g.IndexName) == "Index" && g.Projection != nil {
				index = string(g.Projection.ProjectionType) + " " + string(g.IndexStatus)
			}
		}
		wants = append(wants,
			want{"billing", billing, "PAY_PER_REQUEST", "billed on demand", change + " --billing-mode PAY_PER_REQUEST"},
			want{"deletion protection", yes(v.DeletionProtectionEnabled), "true", "protected against deletion", change + " --deletion-protection-enabled"},
			want{"keys", strings.TrimSpace(keys), "PK SK", "keys PK and SK", ""},
			want{"Index", index, "KEYS_ONLY ACTIVE", "Index of keys only", ""},
			l.pitr(ctx, client, name), l.expiry(ctx, client, name),
		)
		l.same(part, name, wants)
	}
}

func (l *look) pitr(ctx context.Context, client *dynamodb.Client, name string) want {
	w := want{
		"point-in-time recovery", "", "ENABLED", "point-in-time recovery",
		"aws dynamodb update-continuous-backups --table-name " + name + " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
	}
	out, err := client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
	if err != nil {
		w.is = "unknown (" + trouble.Of(err).Text + ")"
		return w
	}
	if d := out.ContinuousBackupsDescription; d != nil && d.PointInTimeRecoveryDescription != nil {
		w.is = string(d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus)
	}
	return w
}

func (l *look) expiry(ctx context.Context, client *dynamodb.Client, name string) want {
	w := want{
		"time to live", "", "ENABLED on Expires", "time to live on Expires",
		"aws dynamodb update-time-to-live --table-name " + name + " --time-to-live-specification Enabled=true,AttributeName=Expires",
	}
	out, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		w.is = "unknown (" + trouble.Of(err).Text + ")"
		return w
	}
	if d := out.TimeToLiveDescription; d != nil {
		w.is = string(d.TimeToLiveStatus)
		if d.AttributeName != nil {
			w.is += " on " + *d.AttributeName
		}
	}
	return w
}

// queueClient is the one client that several looks share.
func (l *look) queueClient() *sqs.Client { return sqs.NewFromConfig(l.AWS) }
