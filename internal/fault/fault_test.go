package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/fault"
)

var kinds = []fault.Kind{fault.NotFound, fault.Conflict, fault.Forbidden, fault.Invalid, fault.Busy}

func TestKindsAreToldApartThroughWraps(t *testing.T) {
	for _, k := range kinds {
		wrapped := fmt.Errorf("case 7f3: %w", fmt.Errorf("table: %w", k))
		joined := errors.Join(errors.New("other"), wrapped)
		for _, other := range kinds {
			for why, err := range map[string]error{"bare": k, "wrapped": wrapped, "joined": joined} {
				if got := errors.Is(err, other); got != (k == other) {
					t.Errorf("%s %s is %s: %t", why, k, other, got)
				}
			}
		}
		if errors.Is(errors.New(string(k)), k) {
			t.Errorf("an error with the words %q is not that kind", k)
		}
	}
	if got, want := fmt.Errorf("case 7f3: %w", fault.NotFound).Error(), "case 7f3: not found"; got != want {
		t.Errorf("%q", got)
	}
}

func TestMissingIsBusyAndNamesWhat(t *testing.T) {
	err := fmt.Errorf("webhook: %w", &fault.Missing{What: "table buzon-prod"})
	if !errors.Is(err, fault.Busy) || errors.Is(err, fault.NotFound) {
		t.Error("it is a Busy and nothing else: what is not there may be made")
	}
	if got, want := err.Error(), "webhook: table buzon-prod: not there"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestInputListsAllProblems(t *testing.T) {
	var in fault.Input
	if in.Err() != nil {
		t.Error("no problem is an error")
	}
	if (*fault.Input)(nil).Err() != nil {
		t.Error("no input is an error")
	}
	in.Add("title", "required")
	in.Add("buttons[2].text", "too_long", "max", "20", "left over")
	err := fmt.Errorf("template: %w", in.Err())

	if !errors.Is(err, fault.Invalid) {
		t.Error("it is not an Invalid")
	}
	for _, k := range kinds {
		if k != fault.Invalid && errors.Is(err, k) {
			t.Errorf("it is a %s as well", k)
		}
	}
	var shown *fault.Input
	if !errors.As(err, &shown) {
		t.Fatal("it is lost in a wrap")
	}
	want := []fault.Problem{
		{Field: "title", Code: "required"},
		{Field: "buttons[2].text", Code: "too_long", Params: map[string]string{"max": "20"}},
	}
	if diff := cmp.Diff(want, shown.Problems); diff != "" {
		t.Error(diff)
	}
	if got := shown.Error(); got != "invalid: title required, buttons[2].text too_long" {
		t.Errorf("%q", got)
	}
}
