package stack_test

import (
	"errors"
	"net/http"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/google/go-cmp/cmp"

	"buzon/infra/ops/awstest"
	"buzon/infra/ops/stack"
)

func TestLoad(t *testing.T) {
	a := awstest.Well()
	s, err := stack.Load(t.Context(), sdk.NewFromConfig(a.Config()), "buzon")
	if err != nil {
		t.Fatal(err)
	}
	if !s.Settled() || s.Moving() || s.Region != awstest.Region || s.Changed.Format("2006-01-02") != "2026-11-20" {
		t.Errorf("%+v", s)
	}
	if got := s.Output("Address"); got != "https://"+awstest.Gateway || s.Output("None") != "" {
		t.Errorf("output Address: %q", got)
	}
	if d := cmp.Diff([]string{"AlarmEmail", "Architecture", "PublicUrl"}, s.ParameterNames()); d != "" {
		t.Error(d)
	}
	if got := s.OfType(stack.Table); len(got) != 1 || got[0].Physical != "buzon" {
		t.Errorf("the table of the nested stack: %+v", got)
	}
	for _, folder := range stack.Functions {
		if got := s.Function(folder); got != "buzon-"+folder {
			t.Errorf("function %s: %q", folder, got)
		}
	}
	if s.Function("") != "" || s.Function("none") != "" {
		t.Error("functions that are none")
	}
	const base = "https://sqs.eu-west-1.amazonaws.com/123456789012/buzon-"
	for _, stage := range stack.Stages {
		queue, dead := s.Queues(stage)
		if queue != base+stage+".fifo" || dead != base+stage+"-dead.fifo" {
			t.Errorf("%s: %q, %q", stage, queue, dead)
		}
	}
	if queue, dead := s.Queues("none"); queue != "" || dead != "" {
		t.Errorf("a stage that is none: %q, %q", queue, dead)
	}
}

func TestStates(t *testing.T) {
	for state, want := range map[string][2]bool{ // settled, moving
		"CREATE_COMPLETE": {true, false}, "UPDATE_COMPLETE": {true, false}, "IMPORT_COMPLETE": {true, false},
		"CREATE_IN_PROGRESS": {false, true}, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": {false, true},
		"ROLLBACK_COMPLETE": {false, false}, "UPDATE_ROLLBACK_COMPLETE": {false, false}, "DELETE_FAILED": {false, false}, "REVIEW_IN_PROGRESS": {false, true},
	} {
		s := stack.Stack{State: state}
		if got := [2]bool{s.Settled(), s.Moving()}; got != want {
			t.Errorf("%s: %v, want %v", state, got, want)
		}
	}
}

func TestAbsent(t *testing.T) {
	const text = `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>%</Message></Error></ErrorResponse>`
	for _, c := range []struct {
		say, message string
		absent       bool
	}{
		{"no such stack", "Stack with id buzon does not exist", true},
		{"another mistake with the same code", "1 validation error detected", false},
	} {
		a := awstest.Well()
		a.Answers["DescribeStacks"] = awstest.Answer{Status: http.StatusBadRequest, Body: text[:len(text)-len("%</Message></Error></ErrorResponse>")] + c.message + "</Message></Error></ErrorResponse>"}
		_, err := stack.Load(t.Context(), sdk.NewFromConfig(a.Config()), "buzon")
		var absent *stack.Absent
		if err == nil || errors.As(err, &absent) != c.absent {
			t.Errorf("%s: %v", c.say, err)
		}
	}
	a := awstest.Well()
	a.Answers["ListStackResources buzon"] = awstest.Answer{Fail: errors.New("broken")}
	if _, err := stack.Load(t.Context(), sdk.NewFromConfig(a.Config()), "buzon"); err == nil {
		t.Error("a stack whose resources cannot be read was read")
	}
}
