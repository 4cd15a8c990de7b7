package repo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/api"
	"buzon/internal/approval"
	"buzon/internal/desk"
	"buzon/internal/pipeline"
	"buzon/internal/queue"
	"buzon/internal/table/dynamo"
)

// wiring is a rule about what is deployed. It gives a sentence for each place
// where the rule does not hold.
type wiring struct {
	say   string
	check func(s *installation, problem func(format string, args ...any))
}

// wirings are all such rules; TestWiring holds the template to them, and
// TestWiringCanFail shows that each can fail.
func wirings() []wiring {
	return slices.Concat(functionWirings, queueWirings, dataWirings, accessWirings, watchWirings, surfaceWirings)
}

func TestWiring(t *testing.T) {
	s := readInstallation(t)
	for _, problem := range problems(s) {
		t.Error(problem)
	}
}

// problems tells what breaks which rule.
func problems(s *installation) []string {
	var out []string
	for _, w := range wirings() {
		w.check(s, func(format string, args ...any) {
			out = append(out, w.say+": "+fmt.Sprintf(format, args...))
		})
	}
	return out
}

// gatewayLimit is how long the HTTP API waits for a function, at most.
const gatewayLimit = 30

// oneProcessor is the memory in MB that comes with one whole processor.
const oneProcessor = 1769

var functionWirings = []wiring{
	{"a function is built by the Makefile and has one word everywhere", func(s *installation, problem func(string, ...any)) {
		for id, r := range s.resources("", "AWS::Serverless::Function") {
			if r.text("Metadata", "BuildMethod") != "makefile" {
				problem("%s is not built by make", id)
			}
		}
		for _, f := range s.lambdas() {
			if f.id != capital(f.stage)+"Function" {
				problem("%s is not a stage and Function", f.id)
			}
			if got, want := plain(f.property("FunctionName")), stackName+"-"+f.stage; got != want {
				problem("%s is called %s, not %s", f.id, got, want)
			}
			if got, want := plain(f.property("Role")), "!Roles.Outputs."+capital(f.stage); got != want {
				problem("%s has the role %s, not %s", f.id, got, want)
			}
			if f.property("Description") == nil {
				problem("%s has no description", f.id)
			}
		}
	}},
	{"a function has its runtime, and a time that its caller has", func(s *installation, problem func(string, ...any)) {
		for _, f := range s.lambdas() {
			for name, want := range map[string]any{"Runtime": "provided.al2023", "Handler": "bootstrap", "CodeUri": "."} {
				if f.property(name) != want {
					problem("%s: %s is %v", f.id, name, f.property(name))
				}
			}
			if got := asList(f.property("Architectures")); len(got) != 1 || plain(got[0]) != "!Architecture" {
				problem("%s: Architectures is %v", f.id, got)
			}
			if timeout := f.number("Timeout"); timeout < 1 || len(f.events("HttpApi")) > 0 && timeout >= gatewayLimit {
				problem("%s: a timeout of %d s", f.id, timeout)
			}
			few := f.number("MemorySize") < oneProcessor
			if f.number("MemorySize") < 128 || few != (f.settings()["GOMAXPROCS"] == "1") {
				problem("%s: %d MB with GOMAXPROCS %v", f.id, f.number("MemorySize"), f.settings()["GOMAXPROCS"])
			}
		}
	}},
	{"what goes well leaves no line, and no line stays for ever", func(s *installation, problem func(string, ...any)) {
		for _, f := range s.lambdas() {
			logging := asObject(f.property("LoggingConfig"))
			if logging["LogFormat"] != "JSON" || logging["SystemLogLevel"] != "WARN" ||
				plain(logging["ApplicationLogLevel"]) != "!LogLevel" || plain(logging["LogGroup"]) != "!LogGroup" {
				problem("%s: %v", f.id, logging)
			}
		}
		groups := s.resources("", "AWS::Logs::LogGroup")
		if len(groups) != 1 || plain(s.properties("LogGroup")["RetentionInDays"]) != "!LogRetentionDays" {
			problem("log groups %v", groups)
		}
	}},
	{"the clock runs every minute and no run is repeated", func(s *installation, problem func(string, ...any)) {
		f, _ := s.function("clock")
		events := f.events("Schedule")
		if len(events) != 1 || events[0].text("Schedule") != "rate(1 minute)" || f.number("Timeout") > 60 {
			problem("%v with a timeout of %d s", events, f.number("Timeout"))
		}
		if f.own.number("EventInvokeConfig", "MaximumRetryAttempts") != 0 || f.own.in("EventInvokeConfig") == nil {
			problem("%v", f.own["EventInvokeConfig"])
		}
	}},
	{"strangers reach what is capped, others reach nothing", func(s *installation, problem func(string, ...any)) {
		for _, f := range s.lambdas() {
			public := len(f.events("HttpApi")) > 0
			if capped := references(f.own["ReservedConcurrentExecutions"])["ReservedConcurrency"]; capped != public {
				problem("%s: reserved concurrency %v, public %v", f.id, capped, public)
			}
		}
		if n := len(s.lambdas()); n > 0 {
			if f, _ := s.function("admin"); f.own["Events"] != nil {
				problem("admin has events")
			}
		}
	}},
}

// consumer is the function that works a queue off.
func (s *installation) consumer(queueID string) (f lambda, event object, found bool) {
	for _, f := range s.lambdas() {
		for _, e := range f.events("SQS") {
			if plain(e["Queue"]) == "!"+queueID+".Arn" {
				return f, e, true
			}
		}
	}
	return lambda{}, nil, false
}

// steps are how long one record of a stage may take.
var steps = map[string]time.Duration{
	desk.StageInbound:   (&pipeline.Inbound{}).Worker().Step,
	desk.StageOutbound:  (&pipeline.Outbound{}).Worker().Step,
	desk.StageApprovals: max((&approval.Approvals{}).Worker().Step, queue.DefaultStep),
}

// deadRetention is for how long SQS keeps a message at most, in seconds.
const deadRetention = 14 * 24 * 60 * 60

var queueWirings = []wiring{
	{"there is a queue for each stage, and one for its dead letters", func(s *installation, problem func(string, ...any)) {
		var want []string
		for stage := range steps {
			want = append(want, capital(stage)+"Queue", capital(stage)+"DeadQueue")
			for id, name := range map[string]string{capital(stage) + "Queue": stage, capital(stage) + "DeadQueue": stage + "-dead"} {
				if got := plain(s.properties(id)["QueueName"]); got != stackName+"-"+name+".fifo" {
					problem("%s is called %s", id, got)
				}
			}
		}
		for id := range s.resources("", "AWS::SQS::Queue") {
			if !slices.Contains(want, id) {
				problem("%s is the queue of no stage", id)
			}
		}
	}},
	{"a queue keeps the order of each group alone, encrypted, over TLS, for as long as can be", func(s *installation, problem func(string, ...any)) {
		covered := s.properties("QueuesTakeTlsOnly").list("Queues")
		for id, r := range s.resources("", "AWS::SQS::Queue") {
			q := r.in("Properties")
			if q["FifoQueue"] != true || q["DeduplicationScope"] != "messageGroup" || q["FifoThroughputLimit"] != "perMessageGroupId" {
				problem("%s is not FIFO by group", id)
			}
			if q["SqsManagedSseEnabled"] != true || q.number("MessageRetentionPeriod") != deadRetention {
				problem("%s: encryption %v, kept %d s", id, q["SqsManagedSseEnabled"], q.number("MessageRetentionPeriod"))
			}
			if !slices.ContainsFunc(covered, func(v any) bool { return plain(v) == "!"+id }) {
				problem("%s takes what comes without TLS", id)
			}
		}
		refusesPlain(s.properties("QueuesTakeTlsOnly").in("PolicyDocument"), "sqs:*", problem)
	}},
	{"a message that cannot be worked off ends in its stage's dead letters", func(s *installation, problem func(string, ...any)) {
		for stage := range steps {
			id := capital(stage) + "Queue"
			redrive := s.properties(id).in("RedrivePolicy")
			if plain(redrive["deadLetterTargetArn"]) != "!"+capital(stage)+"DeadQueue.Arn" || redrive.number("maxReceiveCount") != queue.MaxReceives {
				problem("%s: %v", id, redrive)
			}
			allow := s.properties(capital(stage) + "DeadQueue").in("RedriveAllowPolicy")
			sources := allow.list("sourceQueueArns")
			if allow["redrivePermission"] != "byQueue" || len(sources) != 1 || plain(sources[0]) != "arn:aws:sqs:::"+stackName+"-"+stage+".fifo" {
				problem("%sDeadQueue takes from %v", capital(stage), sources)
			}
			if s.properties(capital(stage) + "DeadQueue")["RedrivePolicy"] != nil {
				problem("dead letters of %s die again", stage)
			}
		}
	}},
	{"a batch is hidden six times as long as its function may take, and the function has time for it", func(s *installation, problem func(string, ...any)) {
		for stage, step := range steps {
			f, event, found := s.consumer(capital(stage) + "Queue")
			if !found || f.stage != stage {
				problem("%s is not worked off by its function", stage)
				continue
			}
			timeout, visibility := f.number("Timeout"), s.properties(capital(stage)+"Queue").number("VisibilityTimeout")
			if visibility < 6*timeout {
				problem("%s: hidden %d s, timeout %d s", stage, visibility, timeout)
			}
			if limit := time.Duration(timeout) * time.Second; limit <= 2*step {
				problem("%s: a timeout of %v leaves no record two steps of %v", stage, limit, step)
			}
			if n := event.number("BatchSize"); n < 1 || n > queue.MaxBatch {
				problem("%s: batches of %d", stage, n)
			}
			if got := event.list("FunctionResponseTypes"); len(got) != 1 || got[0] != "ReportBatchItemFailures" {
				problem("%s: one failure fails the batch", stage)
			}
			if event.at("ScalingConfig", "MaximumConcurrency") == nil {
				problem("%s may take every place that the account has", stage)
			}
		}
		if _, event, _ := s.consumer("OutboundQueue"); event.number("BatchSize") != 1 {
			problem("outbound: a slow provider holds up the neighbours in its batch")
		}
	}},
}

var dataWirings = []wiring{
	{"the table is what the code works on", func(s *installation, problem func(string, ...any)) {
		p := s.files["Data"].in("Resources", "Table", "Properties")
		want := dynamo.Schema("any")
		keys := func(v object) (out []string) {
			for _, k := range v.list("KeySchema") {
				out = append(out, asObject(k).text("AttributeName")+" "+asObject(k).text("KeyType"))
			}
			return out
		}
		var made []string
		for _, k := range want.KeySchema {
			made = append(made, *k.AttributeName+" "+string(k.KeyType))
		}
		if !slices.Equal(keys(p), made) {
			problem("keys %v, not %v", keys(p), made)
		}
		var attributes, madeAttributes []string
		for _, a := range p.list("AttributeDefinitions") {
			attributes = append(attributes, asObject(a).text("AttributeName")+" "+asObject(a).text("AttributeType"))
		}
		for _, a := range want.AttributeDefinitions {
			madeAttributes = append(madeAttributes, *a.AttributeName+" "+string(a.AttributeType))
		}
		if !slices.Equal(attributes, madeAttributes) {
			problem("attributes %v, not %v", attributes, madeAttributes)
		}
		indexes := p.list("GlobalSecondaryIndexes")
		if len(indexes) != len(want.GlobalSecondaryIndexes) {
			problem("%d indexes", len(indexes))
			return
		}
		for i, w := range want.GlobalSecondaryIndexes {
			is := asObject(indexes[i])
			var made []string
			for _, k := range w.KeySchema {
				made = append(made, *k.AttributeName+" "+string(k.KeyType))
			}
			if is.text("IndexName") != *w.IndexName || is.text("Projection", "ProjectionType") != string(w.Projection.ProjectionType) || !slices.Equal(keys(is), made) {
				problem("index %v", is)
			}
		}
		broom := dynamo.Broom("any").TimeToLiveSpecification
		if p.text("TimeToLiveSpecification", "AttributeName") != *broom.AttributeName || p.at("TimeToLiveSpecification", "Enabled") != true {
			problem("broom %v", p["TimeToLiveSpecification"])
		}
	}},
	{"the table is billed on demand, encrypted, protected, and can be set back", func(s *installation, problem func(string, ...any)) {
		p := s.files["Data"].in("Resources", "Table", "Properties")
		if p["BillingMode"] != "PAY_PER_REQUEST" || p["DeletionProtectionEnabled"] != true || p.at("SSESpecification", "SSEEnabled") != true ||
			p.at("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true {
			problem("%v", p)
		}
	}},
	{"a bucket is private, encrypted, over TLS alone, and forgets what nobody needs", func(s *installation, problem func(string, ...any)) {
		buckets := s.resources("Data", "AWS::S3::Bucket")
		if len(buckets) == 0 {
			problem("there is none")
		}
		for id, r := range buckets {
			p := r.in("Properties")
			for _, name := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
				if p.at("PublicAccessBlockConfiguration", name) != true {
					problem("%s: no %s", id, name)
				}
			}
			if rules := p.list("OwnershipControls", "Rules"); len(rules) != 1 || asObject(rules[0])["ObjectOwnership"] != "BucketOwnerEnforced" {
				problem("%s has access lists", id)
			}
			if len(p.list("BucketEncryption", "ServerSideEncryptionConfiguration")) == 0 || p.text("VersioningConfiguration", "Status") != "Enabled" {
				problem("%s: no encryption or no versions", id)
			}
			var abort, expire bool
			for _, rule := range p.list("LifecycleConfiguration", "Rules") {
				rule := asObject(rule)
				on := rule["Status"] == "Enabled"
				everywhere := on && rule["Prefix"] == nil
				abort = abort || everywhere && rule.number("AbortIncompleteMultipartUpload", "DaysAfterInitiation") > 0
				expire = expire || everywhere && rule.number("NoncurrentVersionExpiration", "NoncurrentDays") > 0
			}
			if !abort || !expire {
				problem("%s keeps halves or old versions for ever", id)
			}
			cors := p.list("CorsConfiguration", "CorsRules")
			if len(cors) != 1 || len(asObject(cors[0]).list("AllowedMethods")) != 1 || asObject(cors[0]).list("AllowedMethods")[0] != "POST" {
				problem("%s: upload forms of pages: %v", id, cors)
			}
			policy := s.files["Data"].in("Resources", id+"TakesTlsOnly", "Properties")
			if plain(policy["Bucket"]) != "!"+id {
				problem("%s takes what comes without TLS", id)
			}
			refusesPlain(policy.in("PolicyDocument"), "s3:*", problem)
		}
	}},
	{"the bucket removes an upload with its row, and nothing that a message may still need", func(s *installation, problem func(string, ...any)) {
		for id, r := range s.resources("Data", "AWS::S3::Bucket") {
			swept := false
			for _, rule := range r.in("Properties").list("LifecycleConfiguration", "Rules") {
				rule := asObject(rule)
				days := rule.number("ExpirationInDays")
				if days == 0 && rule["ExpirationDate"] == nil && rule["Transitions"] == nil {
					continue // of halves and of old versions
				}
				if rule["Status"] != "Enabled" || rule["Prefix"] != api.RawFiles || time.Duration(days)*24*time.Hour != desk.UploadKept {
					problem("%s: %v", id, rule)
				}
				swept = swept || rule.number("NoncurrentVersionExpiration", "NoncurrentDays") == 1
			}
			if !swept {
				problem("%s keeps uploads for ever", id)
			}
		}
	}},
	{"data outlives the stack", func(s *installation, problem func(string, ...any)) {
		for id, r := range s.files["Data"].in("Resources") {
			if r := asObject(r); r["DeletionPolicy"] != "Retain" || r["UpdateReplacePolicy"] != "Retain" {
				problem("%s goes with it", id)
			}
		}
		for _, kind := range []string{"AWS::DynamoDB::Table", "AWS::S3::Bucket"} {
			for _, file := range []string{"", "Roles", "Alarms", "Dashboard"} {
				for id := range s.resources(file, kind) {
					problem("%s is not in %s", id, templateFiles["Data"])
				}
			}
		}
	}},
}

// refusesPlain: a resource's policy denies everything that comes without TLS.
func refusesPlain(policy object, all string, problem func(string, ...any)) {
	denies := false
	for _, st := range policy.list("Statement") {
		st := asObject(st)
		if st["Effect"] != "Deny" {
			problem("a resource's policy that allows: %v", st)
		}
		denies = denies || st["Principal"] == "*" && st["Action"] == all && st.text("Condition", "Bool", "aws:SecureTransport") == "false"
	}
	if !denies {
		problem("%s is not denied without TLS", all)
	}
}

// TestReadingTemplates: what the rules are read from is what CloudFormation reads.
func TestReadingTemplates(t *testing.T) {
	s := readInstallation(t)
	if n := len(s.lambdas()); n < 8 {
		t.Fatalf("found %d functions", n)
	}
	f, ok := s.function("outbound")
	if !ok || f.number("Timeout") == 0 || f.settings()["GOMAXPROCS"] != "1" || plain(f.settings()["TABLE"]) != "!Data.Outputs.Table" {
		t.Errorf("outbound reads as %+v", f)
	}
	got := references(f.own)
	for _, name := range []string{"HasPublicUrl", "PublicUrl", "HttpApi", "AWS::StackName", "OutboundQueue", "Data"} {
		if !got[name] {
			t.Errorf("outbound does not mention %s: %v", name, got)
		}
	}
	for _, id := range regexp.MustCompile(`(?m)^  ([A-Za-z]+):$`).FindAllStringSubmatch(s.text["template.yaml"], -1) {
		in := func(section string) bool { return s.files[""].in(section)[id[1]] != nil }
		if !in("Resources") && !in("Parameters") && !in("Outputs") && !in("Globals") && !strings.HasPrefix(id[1], "AWS") {
			t.Errorf("%s was not read", id[1])
		}
	}
}
