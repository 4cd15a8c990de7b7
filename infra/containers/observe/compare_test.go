package observe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/infra/containers/template"
)

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		sentence       string
		grants, seen   string // with spaces
		unseen         string // an action with a sentence
		problem, where string // where: the action with the problem; empty: there is none
	}{
		{"what is allowed and used is well", "s3:PutObject", "s3:PutObject", "", "", ""},
		{"what is used and not allowed is not", "s3:PutObject", "s3:PutObject s3:GetObject", "", NotGranted, "s3:GetObject"},
		{"what is allowed and not used is not", "s3:PutObject s3:GetObject", "s3:PutObject", "", NeverUsed, "s3:GetObject"},
		{"unless a sentence says why", "s3:PutObject s3:GetObject", "s3:PutObject", "s3:GetObject", "", ""},
		{"the sentence may stay when it is used after all", "s3:GetObject", "s3:GetObject", "s3:GetObject", "", ""},
		{"a sentence about what is not allowed is stale", "s3:PutObject", "s3:PutObject", "s3:GetObject", NoGrant, "s3:GetObject"},
		{"a star stands for any text", "sqs:SendMessage* dynamodb:*Item", "sqs:SendMessage dynamodb:GetItem", "", "", ""},
		{"and is not used if nothing fits", "dynamodb:*Item", "", "", NeverUsed, "dynamodb:*Item"},
		{"letters may be small or not, as for IAM", "DynamoDB:getitem", "dynamodb:GetItem", "", "", ""},
		{"what could not be named is allowed by nothing", "s3:*Object", "s3:unknown", "s3:*Object", NotGranted, "s3:unknown"},
		{"a bracket is no pattern for IAM", "s3:[P]utObject", "s3:PutObject", "s3:[P]utObject", NotGranted, "s3:PutObject"},
	} {
		f := template.Function{ID: "F", Grants: strings.Fields(c.grants), Unseen: map[string]string{}}
		if c.unseen != "" {
			f.Unseen[c.unseen] = "only AWS does that"
		}
		seen := Seen{"F": {}}
		for _, a := range strings.Fields(c.seen) {
			seen["F"][a] = 3
		}
		problems := map[string]string{}
		for _, l := range Compare([]template.Function{f}, seen) {
			if l.Problem != "" {
				problems[l.Action] = l.Problem
			}
		}
		want := map[string]string{}
		if c.where != "" {
			want[c.where] = c.problem
		}
		if d := cmp.Diff(want, problems); d != "" {
			t.Errorf("%s: problems (-want +got):\n%s", c.sentence, d)
		}
	}
}

func TestCompareIsInOrderAndKnowsEveryFunction(t *testing.T) {
	functions := []template.Function{
		{ID: "B", Grants: []string{"s3:GetObject"}},
		{ID: "A", Grants: []string{"ssm:GetParameter", "s3:PutObject"}, Unseen: map[string]string{"s3:PutObject": "never in a test"}},
	}
	var got []string
	for _, l := range Compare(functions, Seen{"A": {"ssm:GetParameter": 2}, "B": {"s3:GetObject": 1}, "C": {"s3:GetObject": 4}}) {
		got = append(got, strings.Join(strings.Fields(l.String()), " "))
	}
	want := []string{
		"✓ A s3:PutObject 0 never in a test",
		"✓ A ssm:GetParameter 2",
		"✓ B s3:GetObject 1",
		"✗ C s3:GetObject 4 " + Unknown,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
}
