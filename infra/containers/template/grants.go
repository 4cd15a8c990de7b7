package template

import (
	"fmt"
	"slices"
	"strings"
)

// ambient are the services whose actions the platform uses in the function's
// name: writing its log, its traces. No program of ours calls them.
var ambient = []string{"logs", "xray"}

// Ambient tells whether the platform, and not the function, uses an action.
func Ambient(action string) bool {
	service, _, _ := strings.Cut(action, ":")
	return slices.Contains(ambient, service)
}

// managed are what the policies of AWS allow that SAM gives a function by itself
// or that are named in a template.
var managed = map[string][]string{
	"AWSLambdaBasicExecutionRole":    {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"},
	"AWSLambdaSQSQueueExecutionRole": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
	"AWSXRayDaemonWriteAccess":       {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
	"AWSXrayWriteOnlyAccess":         {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
}

// policyTemplates are what SAM's policy templates allow.
var policyTemplates = map[string][]string{
	"SQSSendMessagePolicy":   {"sqs:SendMessage"},
	"SQSPollerPolicy":        {"sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
	"SSMParameterReadPolicy": {"ssm:DescribeParameters", "ssm:GetParameters", "ssm:GetParameter", "ssm:GetParametersByPath"},
}

// grants reads what the function's role allows: a role of the template, or the
// one that SAM makes from the function's policies and events.
func (s *stack) grants(f *Function, own object) error {
	var found []string
	var err error
	if own["Role"] != nil {
		role, in := s.resource(own["Role"])
		if role.text("Type") != "AWS::IAM::Role" {
			return fmt.Errorf("its role is not in the template")
		}
		if err := f.unseen(role); err != nil {
			return err
		}
		p := role.object("Properties")
		found, err = in.allowed(append(p.list("Policies"), p.list("ManagedPolicyArns")...))
	} else {
		found, err = s.allowed(own.list("Policies"))
		if f.Source != nil {
			found = append(found, managed["AWSLambdaSQSQueueExecutionRole"]...) // by SAM
		}
	}
	if err != nil {
		return err
	}
	for _, action := range found {
		if !Ambient(action) && !slices.Contains(f.Grants, action) {
			f.Grants = append(f.Grants, action)
		}
	}
	slices.Sort(f.Grants)
	return nil
}

// allowed lists the actions of statements, wherever they stand in v; both sides
// of a condition count. v is a list of policies, one of them, or a part of one.
func (s *stack) allowed(v any) ([]string, error) {
	switch v := v.(type) {
	case []any:
		var found []string
		for _, one := range v {
			more, err := s.allowed(one)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
		return found, nil
	case string:
		actions, known := managed[v[strings.LastIndexByte(v, '/')+1:]]
		if !known {
			return nil, fmt.Errorf("policy %s: what it allows is not known here", v)
		}
		return actions, nil
	case object:
		return s.allowedBy(v)
	}
	return nil, fmt.Errorf("policy %v: neither a name nor a statement", v)
}

func (s *stack) allowedBy(o object) ([]string, error) {
	if o["Effect"] != nil {
		return statement(o)
	}
	if branches := o.list("Fn::If"); len(branches) == 3 {
		return s.allowed(branches[1:])
	}
	if arn := o.text("Fn::Sub"); arn != "" {
		return s.allowed(arn)
	}
	if id := o.text("Ref"); id != "" {
		if id == "AWS::NoValue" { // the empty side of a condition
			return nil, nil
		}
		policy, in := s.resource(o)
		if policy.text("Type") != "AWS::IAM::ManagedPolicy" {
			return nil, fmt.Errorf("policy %s: not in the template", id)
		}
		return in.allowed(policy.object("Properties")["PolicyDocument"])
	}
	for _, name := range []string{"PolicyDocument", "Statement"} {
		if inner, ok := o[name]; ok {
			return s.allowed(inner)
		}
	}
	for name := range o {
		if actions, known := policyTemplates[name]; known && len(o) == 1 {
			return actions, nil
		}
	}
	return nil, fmt.Errorf("policy %v: what it allows is not known here", o)
}

func statement(o object) ([]string, error) {
	if o.text("Effect") == "Deny" {
		return nil, nil
	}
	var found []string
	for _, a := range o.list("Action") {
		action, ok := a.(string)
		if !ok {
			return nil, fmt.Errorf("statement %s: an action is not written down: %v", o.text("Sid"), a)
		}
		found = append(found, action)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("statement %s: it names no action", o.text("Sid"))
	}
	return found, nil
}
