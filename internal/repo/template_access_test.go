package repo

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// statement is one permission.
type statement struct {
	role      string // Webhook
	sid       string
	actions   []string
	resources []string
}

// permissions are what the roles allow, writing logs left out.
func (s *installation) permissions() []statement {
	var out []statement
	for role, r := range s.resources("Roles", "AWS::IAM::Role") {
		for _, p := range r.list("Properties", "Policies") {
			for _, st := range asObject(p).list("PolicyDocument", "Statement") {
				out = append(out, readStatement(role, asObject(st)))
			}
		}
	}
	slices.SortFunc(out, func(a, b statement) int { return strings.Compare(a.role+a.sid, b.role+b.sid) })
	return out
}

func readStatement(role string, st object) statement {
	v := statement{role: role, sid: st.text("Sid")}
	for _, a := range st.list("Action") {
		v.actions = append(v.actions, plain(a))
	}
	for _, r := range st.list("Resource") {
		v.resources = append(v.resources, plain(r))
	}
	return v
}

// granted are the actions that a stage's role allows on what matches.
func (s *installation) granted(stage, resource string) []string {
	var out []string
	whole := regexp.MustCompile("^(?:" + resource + ")$")
	for _, st := range s.permissions() {
		if strings.EqualFold(st.role, stage) && slices.ContainsFunc(st.resources, whole.MatchString) {
			out = append(out, st.actions...)
		}
	}
	return out
}

func matches(pattern, text string) bool {
	ok, err := regexp.MatchString("^(?:"+pattern+")$", text)
	return err == nil && ok
}

// queueOf is the name of the queue that a setting is about, "inbound-dead";
// empty: it is about none.
func queueOf(setting string) string {
	if stage, ok := strings.CutSuffix(setting, "_QUEUE"); ok {
		return strings.ToLower(stage)
	}
	if stage, ok := strings.CutSuffix(setting, "_DEAD"); ok {
		return strings.ToLower(stage) + "-dead"
	}
	return ""
}

// pollerActions are what Lambda does with a queue in the function's name.
var pollerActions = []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}

// use is what the code can need of a kind of resource.
type use struct {
	resource *regexp.Regexp
	actions  []string
}

var useful = []use{
	{regexp.MustCompile(`^!TableArn$`), []string{
		"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
	}},
	{regexp.MustCompile(`^\$\{TableArn\}/index/Index$`), []string{"dynamodb:Query"}},
	{regexp.MustCompile(`^\$\{BucketArn\}/quarantine/\*$`), []string{"s3:PutObject", "s3:GetObject"}},
	{regexp.MustCompile(`^\$\{BucketArn\}/uploads/\*$`), []string{"s3:PutObject", "s3:GetObject"}},
	{regexp.MustCompile(`^!BucketArn$`), []string{"s3:ListBucket"}},
	{regexp.MustCompile(`^arn:aws:sqs:::` + stackName + `-[a-z-]+\.fifo$`), append([]string{"sqs:SendMessage", "sqs:ChangeMessageVisibility"}, pollerActions...)},
	{regexp.MustCompile(`^arn:aws:ssm:::parameter/` + stackName + `/buzon/keys/.*$`), []string{"ssm:GetParameter", "ssm:PutParameter"}},
	{regexp.MustCompile(`^arn:aws:ssm:::parameter/` + stackName + `/buzon/\*/channels/\*$`), []string{"ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"}},
}

var accessWirings = []wiring{
	{"each function has a role of its own, which Lambda alone can take", func(s *installation, problem func(string, ...any)) {
		roles := s.resources("Roles", "AWS::IAM::Role")
		for _, f := range s.lambdas() {
			name := capital(f.stage)
			if roles[name] == nil || plain(s.files["Roles"].at("Outputs", name, "Value")) != "!"+name+".Arn" {
				problem("%s has none", f.id)
			}
		}
		for role, r := range roles {
			if _, ok := s.function(strings.ToLower(role)); !ok {
				problem("the role %s is nobody's", role)
			}
			trust := r.list("Properties", "AssumeRolePolicyDocument", "Statement")
			if len(trust) != 1 || asObject(trust[0]).text("Principal", "Service") != "lambda.amazonaws.com" || asObject(trust[0])["Action"] != "sts:AssumeRole" {
				problem("%s trusts %v", role, trust)
			}
			managed := r.list("Properties", "ManagedPolicyArns")
			if len(managed) != 1 || plain(managed[0]) != "!Logs" {
				problem("%s has %v", role, managed)
			}
		}
		if functions := s.resources("", "AWS::Serverless::Function"); len(functions) != len(roles) {
			problem("%d functions, %d roles", len(functions), len(roles))
		}
		for _, f := range s.lambdas() {
			if f.own["Policies"] != nil {
				problem("%s: SAM adds policies of its own to these", f.id)
			}
		}
	}},
	{"nothing is allowed on everything, and no action is a pattern", func(s *installation, problem func(string, ...any)) {
		logs := s.files["Roles"].in("Resources", "Logs", "Properties", "PolicyDocument").list("Statement")
		all := s.permissions()
		for _, st := range logs {
			all = append(all, readStatement("Logs", asObject(st)))
		}
		for _, st := range all {
			for _, action := range st.actions {
				if strings.Contains(action, "*") {
					problem("%s %s: %s", st.role, st.sid, action)
				}
			}
			if len(st.resources) == 0 {
				problem("%s %s is about nothing", st.role, st.sid)
			}
			for _, r := range st.resources {
				path := strings.TrimPrefix(r, "arn:aws:ssm:::parameter/"+stackName+"/buzon/")
				if r == "*" || strings.HasPrefix(r, "arn:") && strings.Contains(strings.TrimSuffix(path, "/*"), "*") && path != "*/channels/*" {
					problem("%s %s: %s", st.role, st.sid, r)
				}
			}
		}
	}},
	{"a function may use what it has a setting for, and nothing else", func(s *installation, problem func(string, ...any)) {
		for _, f := range s.lambdas() {
			settings := f.settings()
			for setting, of := range map[string]string{
				"TABLE": `!TableArn`, "BUCKET": `\$\{BucketArn\}/.*`, "SECRETS": `arn:aws:ssm:::parameter/` + stackName + `/buzon/.*`,
			} {
				if has, may := settings[setting] != nil, len(s.granted(f.stage, of)) > 0; has != may {
					problem("%s: setting %s %v, permission %v", f.stage, setting, has, may)
				}
			}
			want := map[string]bool{}
			for setting := range settings {
				if q := queueOf(setting); q != "" {
					want["arn:aws:sqs:::"+stackName+"-"+q+".fifo"] = true
				}
			}
			got := map[string]bool{}
			for _, st := range s.permissions() {
				for _, r := range st.resources {
					if strings.EqualFold(st.role, f.stage) && strings.HasPrefix(r, "arn:aws:sqs") {
						got[r] = true
					}
				}
			}
			if !maps.Equal(want, got) {
				problem("%s: queues of its settings %v, of its role %v", f.stage, want, got)
			}
		}
	}},
	{"Lambda may receive for a function from its queue alone", func(s *installation, problem func(string, ...any)) {
		for _, f := range s.lambdas() {
			for setting := range f.settings() {
				q := queueOf(setting)
				if q == "" {
					continue
				}
				actions := s.granted(f.stage, regexp.QuoteMeta("arn:aws:sqs:::"+stackName+"-"+q+".fifo"))
				_, consumes := steps[f.stage]
				consumes = consumes && q == f.stage
				drains := strings.HasSuffix(q, "-dead")
				for _, action := range pollerActions {
					may := consumes || drains && action != "sqs:GetQueueAttributes"
					if slices.Contains(actions, action) != may {
						problem("%s: %s on %s: %v", f.stage, action, q, !may)
					}
				}
				if slices.Contains(actions, "sqs:ChangeMessageVisibility") != consumes {
					problem("%s: hands back to %s: %v", f.stage, q, !consumes)
				}
				if drains && slices.Contains(actions, "sqs:SendMessage") {
					problem("%s sends to %s", f.stage, q)
				}
			}
		}
	}},
	{"an action is one that the code has a use for", func(s *installation, problem func(string, ...any)) {
		for _, st := range s.permissions() {
			for _, r := range st.resources {
				i := slices.IndexFunc(useful, func(u use) bool { return u.resource.MatchString(r) })
				if i < 0 {
					problem("%s %s: what is %s?", st.role, st.sid, r)
					continue
				}
				for _, action := range st.actions {
					if !slices.Contains(useful[i].actions, action) {
						problem("%s: %s on %s", st.role, action, r)
					}
				}
			}
			if slices.Contains(st.actions, "ssm:PutParameter") && st.role != "Admin" && st.role != "Api" {
				problem("%s writes secrets", st.role)
			}
		}
	}},
	{"what is excused as never seen is granted, with a sentence", func(s *installation, problem func(string, ...any)) {
		for role, r := range s.resources("Roles", "AWS::IAM::Role") {
			for action, why := range r.in("Metadata", "Buzon", "Unseen") {
				if !slices.Contains(s.granted(strings.ToLower(role), ".*"), action) {
					problem("%s: %s is not granted", role, action)
				}
				if sentence, _ := why.(string); !strings.HasSuffix(sentence, ".") || len(strings.Fields(sentence)) < 5 {
					problem("%s: %s: %v", role, action, why)
				}
			}
		}
	}},
}
