package clock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"buzon/internal/fault"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func TestAdvanceIsKeptOverStarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock.json")
	want := noon
	for _, d := range []time.Duration{time.Nanosecond, 61 * time.Minute, MaxAdvance} {
		c, err := Open(path, at(noon))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Now(); !got.Equal(want) {
			t.Fatalf("opened at %s, want %s", got, want)
		}
		want = want.Add(d)
		got, err := c.Advance(d)
		if err != nil || !got.Equal(want) || !c.Now().Equal(want) {
			t.Fatalf("advance %s: %s, %v; now %s; want %s", d, got, err, c.Now(), want)
		}
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	real := noon
	c, err := Open(filepath.Join(t.TempDir(), "clock.json"), func() time.Time { return real })
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		sentence string
		real     time.Time
		want     time.Time
	}{
		{"starts with the machine", noon, noon},
		{"follows the machine", noon.Add(time.Second), noon.Add(time.Second)},
		{"stands while the machine is behind", noon.Add(-time.Hour), noon.Add(time.Second)},
		{"goes on when the machine caught up", noon.Add(2 * time.Second), noon.Add(2 * time.Second)},
	} {
		real = step.real
		if got := c.Now(); !got.Equal(step.want) {
			t.Errorf("%s: %s, want %s", step.sentence, got, step.want)
		}
	}
}

func TestAdvanceThatIsRefusedChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock.json")
	for _, d := range []time.Duration{0, -time.Nanosecond, MaxAdvance + time.Nanosecond, 1<<63 - 1, -1 << 63} {
		c, err := Open(path, at(noon))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Advance(d); !errors.Is(err, fault.Invalid) {
			t.Errorf("advance %s: %v, want invalid", d, err)
		}
		if !c.Now().Equal(noon) {
			t.Errorf("advance %s: clock moved to %s", d, c.Now())
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("advance %s: file: %v, want none", d, err)
		}
	}
	c, err := Open(path, at(noon))
	if err != nil {
		t.Fatal(err)
	}
	for range MaxOffset / MaxAdvance {
		if _, err := c.Advance(MaxAdvance); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Advance(time.Nanosecond); !errors.Is(err, fault.Invalid) {
		t.Errorf("beyond the largest offset: %v, want invalid", err)
	}
	broken := Clock{path: filepath.Join(t.TempDir(), "absent", "clock.json"), real: at(noon)}
	if _, err := broken.Advance(time.Hour); err == nil || !broken.Now().Equal(noon) {
		t.Errorf("unwritable file: %v, now %s; want an error and the old time", err, broken.Now())
	}
}

func TestDamagedFileIsAnError(t *testing.T) {
	for _, content := range []string{"", "{}", "null", `{"offset":"-1s"}`, `{"offset":1}`, `{"offset":"999999h"}`, "\xff"} {
		path := filepath.Join(t.TempDir(), "clock.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, at(noon)); err == nil {
			t.Errorf("%q: no error", content)
		}
	}
}
