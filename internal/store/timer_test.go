package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/tabletest"
)

// arm writes a timer of a conversation of that name.
func arm(tb testing.TB, c Company, conversation string, due time.Time) Timer {
	tb.Helper()
	conv, _, err := c.Exchange(tb.Context(), conversation, "none")
	must(tb, err)
	conv.ID = conversation
	tm := c.NewTimer(WakeInbound, conv, due)
	must(tb, c.SaveConversation(tb.Context(), conv, tm))
	return tm
}

// tick runs the clock once and gives the conversations whose timers fired.
func tick(tb testing.TB, s *Store) string {
	tb.Helper()
	var fired []string
	must(tb, s.DueTimers(tb.Context(), s.Now(), func(tm Timer) error {
		fired = append(fired, tm.Conversation)
		return nil
	}))
	slices.Sort(fired)
	return strings.Join(fired, " ")
}

func TestTimersFireWhenTheyAreDue(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	for name, after := range map[string]time.Duration{
		"a": 0, "b": time.Millisecond, "c": 30 * time.Second, "d": time.Minute, "e": time.Hour, "f": 25 * time.Hour,
	} {
		arm(t, c, name, noon.Add(after))
	}
	for _, step := range []struct {
		at   time.Duration
		want string
	}{
		{-time.Second, ""}, {0, "a"}, {0, ""}, {time.Millisecond - 1, ""}, {time.Millisecond, "b"}, {29 * time.Second, ""},
		{time.Minute, "c d"}, {59 * time.Minute, ""}, {30 * time.Hour, "e f"}, {31 * time.Hour, ""},
	} {
		ck.t = noon.Add(step.at)
		if got := tick(t, s); got != step.want {
			t.Errorf("at %s: %q, want %q", step.at, got, step.want)
		}
	}
}

func TestTimersOfThePastAreDueNow(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	tick(t, s)
	ck.advance(time.Hour)
	tick(t, s)
	tm := c.NewTimer(WakeOutbound, desk.Conversation{ID: "co"}, noon) // an hour before the cursor
	if !tm.Due.Equal(ck.Now()) {
		t.Errorf("due %s", tm.Due)
	}
	must(t, c.SaveConversation(t.Context(), desk.Conversation{ID: "co"}, tm))
	if got := tick(t, s); got != "co" {
		t.Errorf("fired %q", got)
	}
}

// A transaction may end after the clock passed its timer's minute.
func TestTimersThatAreWrittenLate(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	tick(t, s)
	made := c.NewTimer(WakeInbound, desk.Conversation{ID: "late"}, noon.Add(time.Second))
	tooLate := c.NewTimer(WakeInbound, desk.Conversation{ID: "too late"}, noon.Add(time.Second))
	ck.t = noon.Add(ClockReread)
	tick(t, s)
	must(t, c.SaveConversation(t.Context(), desk.Conversation{ID: "late"}, made))
	if got := tick(t, s); got != "late" {
		t.Errorf("fired %q", got)
	}
	ck.t = noon.Add(2 * ClockReread)
	tick(t, s)
	must(t, c.SaveConversation(t.Context(), desk.Conversation{ID: "too late"}, tooLate))
	if got := tick(t, s); got != "" {
		t.Errorf("fired %q: more is read again than is told", got)
	}
}

// A clock that stood still fires everything that became due meanwhile, and what
// it got through stays got through when it dies on the way.
func TestAClockFarBehind(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	tick(t, s)
	var all []string
	for i := range 30 {
		name := fmt.Sprintf("v%02d", i)
		arm(t, c, name, noon.Add(time.Duration(i)*10*time.Minute))
		all = append(all, name)
	}
	ck.advance(3 * 24 * time.Hour)
	var fired []string
	died := errors.New("died")
	inner := s.Table
	runs := 0
	for ; len(fired) < len(all) && runs < 100; runs++ {
		n := 0
		h := &hooked{Table: inner}
		run := Store{Table: h, Now: s.Now}
		err := run.DueTimers(t.Context(), ck.Now(), func(tm Timer) error {
			if n++; n > 2 {
				h.Table = dead{died} // from here on nothing works
				return died
			}
			fired = append(fired, tm.Conversation)
			return nil
		})
		if len(fired) < len(all) && !errors.Is(err, died) {
			t.Fatal(err)
		}
		// It will not look through the same days again.
		at := got[storedCursor](t)(decode[storedCursor](got[[]table.Item](t)(inner.Get(t.Context(), cursorKey))[0])).At
		if through := noon.Add(time.Duration(len(fired)-1) * 10 * time.Minute); at.Before(through.Add(-ClockReread - 3*24*time.Hour/clockWrites)) {
			t.Errorf("run %d: the cursor is at %s, what fired was due until %s", runs, at, through)
		}
	}
	if got := slices.Compact(slices.Clone(fired)); !slices.Equal(got, all) || len(fired) != len(all) {
		t.Errorf("fired %v in %d runs", fired, runs)
	}
	if got := tick(t, s); got != "" {
		t.Errorf("fired again: %s", got)
	}
}

// dead is a table that is gone.
type dead struct{ err error }

func (d dead) Get(context.Context, ...table.Key) ([]table.Item, error) { return nil, d.err }
func (d dead) Query(context.Context, table.Q) (table.Page, error)      { return table.Page{}, d.err }
func (d dead) Write(context.Context, ...table.Op) error                { return d.err }

// R5: a timer that fails again and again keeps no other back, and is never lost.
func TestR5AFailingTimerBlocksNobody(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	for i := range 5 {
		arm(t, c, fmt.Sprint("v", i), noon.Add(time.Duration(i)*time.Second))
	}
	ck.advance(10 * time.Second)
	broken := errors.New("no such queue")
	poison := true
	fire := func() (string, error) {
		var fired []string
		err := s.DueTimers(t.Context(), ck.Now(), func(tm Timer) error {
			if tm.Conversation == "v2" && poison {
				return broken
			}
			fired = append(fired, tm.Conversation)
			return nil
		})
		slices.Sort(fired)
		return strings.Join(fired, " "), err
	}
	fired, err := fire()
	if fired != "v0 v1 v3 v4" || !errors.Is(err, broken) || !strings.Contains(err.Error(), "timer ") {
		t.Fatalf("%q, %v", fired, err)
	}
	ck.advance(TimerRetry - time.Millisecond)
	if fired, err := fire(); fired != "" || err != nil {
		t.Errorf("before its time: %q, %v", fired, err)
	}
	for range 100 { // for hours
		ck.advance(TimerRetry)
		if fired, err := fire(); fired != "" || !errors.Is(err, broken) {
			t.Fatalf("%q, %v", fired, err)
		}
	}
	arm(t, c, "v9", ck.Now())
	if fired, _ := fire(); fired != "v9" {
		t.Errorf("fired %q beside it", fired)
	}
	poison = false
	ck.advance(TimerRetry)
	if fired, err := fire(); fired != "v2" || err != nil {
		t.Errorf("well again: %q, %v", fired, err)
	}
	ck.advance(TimerRetry)
	if fired, err := fire(); fired != "" || err != nil {
		t.Errorf("fired twice: %q, %v", fired, err)
	}
}

// When everything fails the run ends soon, and everything fires when it is over.
func TestARunEndsWhenEverythingFails(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	const n = 3*MaxTimerFailures + 1
	for i := range n {
		arm(t, c, fmt.Sprintf("v%02d", i), noon.Add(time.Duration(i)*time.Second))
	}
	ck.advance(time.Minute)
	for run := range 3 {
		calls := 0
		err := s.DueTimers(t.Context(), ck.Now(), func(Timer) error { calls++; return fault.Busy })
		if calls != MaxTimerFailures || !errors.Is(err, fault.Busy) {
			t.Errorf("run %d: %d calls, %v", run, calls, err)
		}
	}
	ck.advance(TimerRetry)
	if got := strings.Fields(tick(t, s)); len(got) != n {
		t.Errorf("%d fired of %d", len(got), n)
	}
}

// A row that could not be deleted fires again: its owner is read again, so that
// is harmless. One that did not fire and could not be put off stays.
func TestTimersWhoseRowsStay(t *testing.T) {
	for _, fails := range []bool{false, true} {
		s, ck := openPlain(t)
		c := s.In("acme")
		tick(t, s)
		arm(t, c, "a", noon)
		arm(t, c, "b", noon.Add(time.Second))
		ck.advance(time.Minute)
		plain := s.Table
		calls := 0
		s.Table = refusing{plain}
		err := s.DueTimers(t.Context(), ck.Now(), func(Timer) error {
			calls++
			if fails {
				return fault.Invalid
			}
			return nil
		})
		if wanted := map[bool]int{false: 2, true: 1}[fails]; !errors.Is(err, fault.Busy) || calls != wanted {
			t.Errorf("each fails %t: %d calls, %v", fails, calls, err)
		}
		s.Table = plain
		if got := tick(t, s); got != "a b" {
			t.Errorf("each failed %t: fired %q", fails, got)
		}
	}
}

// refusing takes no write.
type refusing struct{ table.Table }

func (refusing) Write(context.Context, ...table.Op) error { return fault.Busy }

func TestARowThatCannotBeReadBlocksNobody(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	tm := arm(t, c, "a", noon)
	arm(t, c, "b", noon)
	bad := tm.item()
	bad.SK, bad.Body = millis(noon)+"#0", []byte(`{"due":7}`)
	must(t, s.Table.Write(t.Context(), table.Create(bad)))
	fired := 0
	err := s.DueTimers(t.Context(), ck.Now(), func(Timer) error { fired++; return nil })
	if fired != 2 || err == nil || !strings.Contains(err.Error(), bad.Redacted()) {
		t.Errorf("%d fired, %v", fired, err)
	}
}

// Two clocks at a time, and clocks that disagree: nothing is lost, and what
// fires twice does no harm.
func TestClocksThatDisagree(t *testing.T) {
	s, ck := openPlain(t)
	c := s.In("acme")
	tick(t, s)
	// One run of another clock an hour ahead leaves a cursor in the future.
	ahead := ck.Now().Add(time.Hour)
	must(t, s.DueTimers(t.Context(), ahead, func(Timer) error { return nil }))
	for i := 1; i <= 90; i++ {
		name := fmt.Sprint("v", i)
		arm(t, c, name, ck.Now().Add(30*time.Second))
		ck.advance(time.Minute)
		if i%20 == 0 { // a pause of this clock
			ck.advance(15 * time.Minute)
		}
		if got := tick(t, s); got != name {
			t.Fatalf("minute %d: %q", i, got)
		}
	}

	// A clock five minutes behind does not move the cursor back.
	before := got[[]table.Item](t)(s.Table.Get(t.Context(), cursorKey))[0].Version
	must(t, s.DueTimers(t.Context(), ck.Now().Add(-5*time.Minute), func(Timer) error { return nil }))
	if after := got[[]table.Item](t)(s.Table.Get(t.Context(), cursorKey))[0].Version; after != before {
		t.Error("the cursor was moved back")
	}

	// Two at once: while one calls each, the other runs through.
	arm(t, c, "both", ck.Now())
	times := 0
	must(t, s.DueTimers(t.Context(), ck.Now(), func(tm Timer) error {
		times++
		return s.DueTimers(t.Context(), ck.Now(), func(Timer) error { times++; return nil })
	}))
	if times != 2 || tick(t, s) != "" {
		t.Errorf("fired %d times", times)
	}
}

// The cursor moves once a minute, not at each tick of a local run.
func TestTheCursorMovesOnceAMinute(t *testing.T) {
	s, ck := openPlain(t)
	version := func() int64 { return got[[]table.Item](t)(s.Table.Get(t.Context(), cursorKey))[0].Version }
	for i := range 180 {
		tick(t, s)
		ck.advance(time.Second)
		if want := int64(1 + i/60); version() != want {
			t.Fatalf("second %d: version %d, want %d", i, version(), want)
		}
	}
}

func TestTimersBehindAHostileTable(t *testing.T) {
	for _, seed := range seeds {
		s, ck, _ := openHostile(t, seed, tabletest.Typical())
		c := s.In("acme")
		fired := map[string]int{}
		var all []string
		step := func() {
			_ = s.DueTimers(t.Context(), ck.Now(), func(tm Timer) error {
				if (len(fired)+int(seed))%4 == 0 && fired[tm.Conversation] == 0 {
					fired[""]++
					if fired[""]%3 != 0 {
						return fault.Busy
					}
				}
				fired[tm.Conversation]++
				return nil
			})
		}
		for i := range 60 {
			name := fmt.Sprint("v", i)
			all = append(all, name)
			conv := desk.Conversation{ID: name}
			tm := c.NewTimer(WakeOutbound, conv, ck.Now().Add(time.Duration(i%7)*40*time.Second))
			stubborn(t, func() error { return c.SaveConversation(t.Context(), conv, tm) })
			ck.advance(time.Minute)
			step()
		}
		for range 60 {
			ck.advance(time.Minute)
			step()
		}
		for _, name := range all {
			if fired[name] == 0 {
				t.Errorf("seed %d: %s never fired", seed, name)
			}
		}
	}
}

func TestTimerIDs(t *testing.T) {
	s, _ := open(nil)
	a := s.In("acme").NewTimer(WakeInbound, desk.Conversation{ID: "co"}, noon)
	seen := map[string]string{a.ID: "the first"}
	for why, tm := range map[string]Timer{
		"another company":      s.In("bolt").NewTimer(WakeInbound, desk.Conversation{ID: "co"}, noon),
		"another stage":        s.In("acme").NewTimer(WakeOutbound, desk.Conversation{ID: "co"}, noon),
		"another conversation": s.In("acme").NewTimer(WakeInbound, desk.Conversation{ID: "cp"}, noon),
		"another time":         s.In("acme").NewTimer(WakeInbound, desk.Conversation{ID: "co"}, noon.Add(time.Millisecond)),
		"another version":      s.In("acme").NewTimer(WakeInbound, desk.Conversation{ID: "co", Versioned: desk.Versioned{Version: 1}}, noon),
	} {
		if other, twice := seen[tm.ID]; twice {
			t.Errorf("%s has the id of %s", why, other)
		}
		seen[tm.ID] = why
	}
	if again := s.In("acme").NewTimer(WakeInbound, desk.Conversation{ID: "co"}, noon); again != a {
		t.Error("the same timer has another id")
	}
}
