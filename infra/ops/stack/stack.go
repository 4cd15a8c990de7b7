// Package stack reads a deployed stack from CloudFormation: its state, what was
// asked for, what it offers and what it consists of, nested stacks included.
//
// Nothing here depends on the names of outputs or on generated names: a thing is
// found by its type and its logical id, which the template fixes.
package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

// Types of resources that operators look for.
const (
	Table    = "AWS::DynamoDB::Table"
	Queue    = "AWS::SQS::Queue"
	Bucket   = "AWS::S3::Bucket"
	Function = "AWS::Lambda::Function"
	LogGroup = "AWS::Logs::LogGroup"
	HTTPAPI  = "AWS::ApiGatewayV2::Api"
	nested   = "AWS::CloudFormation::Stack"
)

// maxNested is how deep nested stacks are followed.
const maxNested = 4

// Stages have a queue and a dead-letter queue each.
var Stages = []string{"inbound", "outbound", "approvals"}

// Functions of a deployment, by the folder that each is made from.
var Functions = []string{"webhook", "inbound", "outbound", "approvals", "clock", "portal", "api", "admin"}

// Stack is a deployed stack at the moment it was read.
type Stack struct {
	Name       string            `json:"name"`
	Region     string            `json:"region"`
	State      string            `json:"state"` // CloudFormation's, such as UPDATE_COMPLETE
	Reason     string            `json:"reason,omitempty"`
	Changed    time.Time         `json:"changed"`
	Parameters map[string]string `json:"-"`
	Outputs    []Output          `json:"outputs"`
	Resources  []Resource        `json:"-"`
}

// Output is one thing that a stack tells about itself.
type Output struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	About string `json:"about,omitempty"`
}

// Resource is a part of a stack or of a stack nested in it.
type Resource struct {
	Logical  string // as the template names it
	Physical string // as AWS names it; of a queue its URL
	Type     string
	State    string
}

// Absent: there is no such stack in that region.
type Absent struct{ Name, Region string }

func (e *Absent) Error() string {
	return fmt.Sprintf("stack %s: not there in %s", e.Name, e.Region)
}

// Describe reads all but the resources, which one call gives. An *Absent if
// there is no such stack.
func Describe(ctx context.Context, client *sdk.Client, name string) (*Stack, error) {
	region := client.Options().Region
	out, err := client.DescribeStacks(ctx, &sdk.DescribeStacksInput{StackName: &name})
	if missing(err) || err == nil && len(out.Stacks) == 0 {
		return nil, &Absent{name, region}
	}
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", name, err)
	}
	raw := out.Stacks[0]
	s := &Stack{
		Name: name, Region: region, State: string(raw.StackStatus), Reason: text(raw.StackStatusReason),
		Parameters: map[string]string{}, Outputs: []Output{},
	}
	switch {
	case raw.LastUpdatedTime != nil:
		s.Changed = *raw.LastUpdatedTime
	case raw.CreationTime != nil:
		s.Changed = *raw.CreationTime
	}
	for _, p := range raw.Parameters {
		s.Parameters[text(p.ParameterKey)] = text(p.ParameterValue)
	}
	for _, o := range raw.Outputs {
		s.Outputs = append(s.Outputs, Output{text(o.OutputKey), text(o.OutputValue), text(o.Description)})
	}
	slices.SortFunc(s.Outputs, func(a, b Output) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

// Load is [Describe] with the resources, those of nested stacks too.
func Load(ctx context.Context, client *sdk.Client, name string) (*Stack, error) {
	s, err := Describe(ctx, client, name)
	if err != nil {
		return nil, err
	}
	if s.Resources, err = resources(ctx, client, name, maxNested); err != nil {
		return nil, fmt.Errorf("stack %s: %w", name, err)
	}
	return s, nil
}

func resources(ctx context.Context, client *sdk.Client, name string, depth int) ([]Resource, error) {
	var all []Resource
	pages := sdk.NewListStackResourcesPaginator(client, &sdk.ListStackResourcesInput{StackName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, raw := range page.StackResourceSummaries {
			r := Resource{text(raw.LogicalResourceId), text(raw.PhysicalResourceId), text(raw.ResourceType), string(raw.ResourceStatus)}
			if raw.ResourceStatus == types.ResourceStatusDeleteComplete {
				continue
			}
			all = append(all, r)
			if r.Type != nested || r.Physical == "" || depth == 0 {
				continue
			}
			inner, err := resources(ctx, client, r.Physical, depth-1)
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
		}
	}
	return all, nil
}

// Settled tells whether the stack stands as it was last asked for.
func (s *Stack) Settled() bool {
	switch s.State {
	case "CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE":
		return true
	}
	return false
}

// Moving tells whether CloudFormation is at work on the stack.
func (s *Stack) Moving() bool { return strings.HasSuffix(s.State, "_IN_PROGRESS") }

// Output gives the value of an output; empty if there is none.
func (s *Stack) Output(name string) string {
	for _, o := range s.Outputs {
		if o.Name == name {
			return o.Value
		}
	}
	return ""
}

// ParameterNames are the names of the parameters, in order.
func (s *Stack) ParameterNames() []string { return slices.Sorted(maps.Keys(s.Parameters)) }

// OfType are the resources of one type.
func (s *Stack) OfType(kind string) []Resource {
	var found []Resource
	for _, r := range s.Resources {
		if r.Type == kind {
			found = append(found, r)
		}
	}
	return found
}

// Physical is AWS's name of the resource with this type and logical id; empty if
// there is none.
func (s *Stack) Physical(kind, logical string) string {
	for _, r := range s.Resources {
		if r.Type == kind && r.Logical == logical {
			return r.Physical
		}
	}
	return ""
}

// Function is the name of the function made from this folder; empty if there is none.
func (s *Stack) Function(folder string) string { return s.Physical(Function, LogicalFunction(folder)) }

// LogicalFunction is the template's name of the function made from a folder.
func LogicalFunction(folder string) string {
	if folder == "" {
		return ""
	}
	return strings.ToUpper(folder[:1]) + folder[1:] + "Function"
}

// Queues are the addresses of a stage's queue and of its dead letters; empty
// where there is none. Their logical ids begin with the stage; that of the dead
// letters holds "Dead" or "DLQ".
func (s *Stack) Queues(stage string) (queue, dead string) {
	for _, r := range s.OfType(Queue) {
		rest, ok := strings.CutPrefix(strings.ToLower(r.Logical), stage)
		switch {
		case !ok:
		case strings.Contains(rest, "dead") || strings.Contains(rest, "dlq"):
			dead = r.Physical
		default:
			queue = r.Physical
		}
	}
	return queue, dead
}

// missing recognises CloudFormation's answer about a stack that is not there: a
// ValidationError, as for anything else that is wrong with a request.
func missing(err error) bool {
	var e smithy.APIError
	return errors.As(err, &e) && e.ErrorCode() == "ValidationError" && strings.Contains(e.ErrorMessage(), "does not exist")
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
