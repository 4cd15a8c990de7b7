package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
)

// assignable is a queue and a campaign as stored.
func assignable(t *testing.T, c Company) (desk.Queue, desk.Campaign) {
	t.Helper()
	q, k := desk.Queue{ID: "q", Name: "Atención", Members: []string{"m"}, CreatedAt: noon}, desk.Campaign{ID: "k", Name: "Navidad"}
	must(t, c.SaveQueue(t.Context(), desk.Queue{}, q, nil))
	must(t, c.SaveCampaign(t.Context(), desk.Campaign{}, k, nil))
	q.Version, k.Version = 1, 1
	return q, k
}

// TestWhileThere: one operation for each, which holds as long as nobody deletes it.
func TestWhileThere(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	q, k := assignable(t, c)
	also := got[Also](t)(c.WhileThere(t.Context(), []string{"q"}, []string{"k"}))
	if len(also) != 2 || also[0].Kind != table.OpCheck || also[1].Kind != table.OpCheck {
		t.Fatalf("%+v", also)
	}
	write := func(also Also) error {
		return c.SaveTemplate(t.Context(), desk.Template{ID: s.NewID(), Channel: "a"}, also)
	}
	must(t, write(also))
	if _, err := c.WhileThere(t.Context(), []string{"q", "nobody's"}, nil); !errors.Is(err, fault.Conflict) {
		t.Errorf("one that is not there: %v", err)
	}
	asked := 0
	during := func() (bool, error) {
		if asked++; asked == 2 { // after the mark
			if _, err := c.WhileThere(t.Context(), []string{"q"}, nil); !errors.Is(err, fault.Conflict) {
				t.Errorf("while it is deleted: %v", err)
			}
			if err := write(also); !errors.Is(err, fault.Conflict) {
				t.Errorf("a write that was prepared before: %v", err)
			}
			ck.advance(leavingFor) // it is slow
			must(t, write(got[Also](t)(c.WhileThere(t.Context(), []string{"q"}, nil))))
		}
		return false, nil
	}
	if err := c.DeleteQueue(t.Context(), q, during); !errors.Is(err, fault.Conflict) || errors.Is(err, ErrInUse) {
		t.Errorf("the slow deletion: %v", err)
	}
	is := got[desk.Queue](t)(c.Queue(t.Context(), "q"))
	q.Version = is.Version
	if diff := cmp.Diff(q, is); diff != "" {
		t.Error(diff)
	}
	if also = got[Also](t)(c.WhileThere(t.Context(), []string{"q"}, nil)); also[0].Kind != table.OpCheck {
		t.Errorf("the mark is there: %+v", also)
	}
	must(t, c.DeleteCampaign(t.Context(), k, func() (bool, error) { return false, nil }))
	if _, err := c.WhileThere(t.Context(), nil, []string{"k"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a deleted campaign: %v", err)
	}
}

// TestWhatIsAssignedStays: as it was and where it was, also when that shows late.
func TestWhatIsAssignedStays(t *testing.T) {
	down := errors.New("no connection")
	for _, c := range []struct {
		why    string
		used   []bool // as each asking finds it
		err    error
		want   error
		writes int64
		kept   bool // the mark
	}{
		{"before", []bool{true}, nil, ErrInUse, 0, false},
		{"found after the mark", []bool{false, true}, nil, ErrInUse, 2, false},
		{"not to be found out before", nil, down, down, 0, false},
		{"nor after: the mark ends by itself", []bool{false}, down, down, 1, true},
	} {
		s, ck := openPlain(t)
		in := s.In("acme")
		q, _ := assignable(t, in)
		n := 0
		err := in.DeleteQueue(t.Context(), q, func() (bool, error) {
			if n++; n > len(c.used) {
				return false, c.err
			}
			return c.used[n-1], nil
		})
		is := got[desk.Queue](t)(in.Queue(t.Context(), "q"))
		if !errors.Is(err, c.want) || is.Version != 1+c.writes {
			t.Errorf("%s: %v, version %d", c.why, err, is.Version)
		}
		list, _, _ := in.Queues(t.Context(), 10, "")
		if len(list) != 1 || list[0].Name != q.Name || len(list[0].Members) != 1 {
			t.Errorf("%s: listed %+v", c.why, list)
		}
		_, err = in.WhileThere(t.Context(), []string{"q"}, nil)
		if marked := err != nil; marked != c.kept {
			t.Errorf("%s: %v", c.why, err)
		}
		ck.advance(leavingFor - time.Millisecond)
		if _, err = in.WhileThere(t.Context(), []string{"q"}, nil); (err != nil) != c.kept {
			t.Errorf("%s: just before its end: %v", c.why, err)
		}
		ck.advance(time.Millisecond)
		also := got[Also](t)(in.WhileThere(t.Context(), []string{"q"}, nil))
		must(t, in.SaveTemplate(t.Context(), desk.Template{ID: "t", Channel: "a"}, also))
	}
}
