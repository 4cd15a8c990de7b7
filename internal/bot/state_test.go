package bot

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
)

// sound is a state as the service step has it.
func soundState() state {
	return state{V: stateVersion, Dialogue: dialogueName("turn-1"), Step: stepService, Version: 2, Project: "p1", Group: "g1",
		Page: 1, Wrong: 1, Lang: "pt", Until: begin.Add(time.Hour)}
}

// TestUnreadableState: what is damaged, or of another version, counts as no
// dialogue: the next message begins with the greeting, a time-out does nothing.
func TestUnreadableState(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*state)
	}{
		{"another version", func(s *state) { s.V = stateVersion + 1 }},
		{"no version", func(s *state) { s.V = 0 }},
		{"no dialogue", func(s *state) { s.Dialogue = "" }},
		{"a dialogue that is no hash", func(s *state) { s.Dialogue = "hola" }},
		{"an unknown step", func(s *state) { s.Step = "town" }},
		{"no step", func(s *state) { s.Step = "" }},
		{"a language that we do not speak", func(s *state) { s.Lang = "fr" }},
		{"no end", func(s *state) { s.Until = time.Time{} }},
		{"three wrong inputs", func(s *state) { s.Wrong = desk.MaxWrongInputs }},
		{"fewer than no wrong inputs", func(s *state) { s.Wrong = -1 }},
		{"a version of a list that is too high", func(s *state) { s.Version = maxVersion + 1 }},
		{"a page that is too high", func(s *state) { s.Page = maxPage + 1 }},
		{"a page before the first", func(s *state) { s.Page = -1 }},
		{"the service step without a project", func(s *state) { s.Project = "" }},
		{"the service step with a service", func(s *state) { s.Service = "s1" }},
		{"the group step with a group", func(s *state) { s.Step = stepGroup }},
		{"the project step with a project", func(s *state) { s.Step = stepProject }},
		{"the menu with a project", func(s *state) { s.Step = stepMenu }},
		{"the category step without a service", func(s *state) { s.Step = stepCategory }},
		{"an id of 129 bytes", func(s *state) { s.Project = strings.Repeat("a", maxStoredID+1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := soundState()
			c.change(&s)
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			unreadable(t, b)
		})
	}
	for _, damaged := range []string{"{}", "null", "[]", "7", `{"v":1`, `{"v":"1"}`, "\x00"} {
		t.Run(damaged, func(t *testing.T) { unreadable(t, json.RawMessage(damaged)) })
	}
}

func unreadable(t *testing.T, stored json.RawMessage) {
	t.Helper()
	w := town("es")
	in := Input{Message: &desk.Content{Type: desk.Text, Text: "Cancelar"}, ID: "turn-9", Now: begin}
	if d := cmp.Diff(Decide(w, nil, in), Decide(w, stored, in)); d != "" {
		t.Errorf("does not begin as without a state:\n%s", d)
	}
	if d := cmp.Diff(Decision{}, Decide(w, stored, Input{ID: "turn-9", Now: begin})); d != "" {
		t.Errorf("a time-out does something:\n%s", d)
	}
}

// TestSoundState: the bounds themselves are within.
func TestSoundState(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*state)
	}{
		{"as it is", func(*state) {}},
		{"two wrong inputs", func(s *state) { s.Wrong = desk.MaxWrongInputs - 1 }},
		{"the highest version of a list", func(s *state) { s.Version = maxVersion }},
		{"the highest page", func(s *state) { s.Page = maxPage }},
		{"ids of 128 bytes", func(s *state) {
			s.Step = stepCategory
			s.Project, s.Group, s.Service = strings.Repeat("a", maxStoredID), strings.Repeat("b", maxStoredID), strings.Repeat("c", maxStoredID)
		}},
		{"a field that later code added", nil},
	} {
		s := soundState()
		if c.change != nil {
			c.change(&s)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if c.change == nil {
			b = append([]byte(`{"new":1,`), b[1:]...)
		}
		if got, ok := readState(b); !ok || got != s {
			t.Errorf("%s: %s is read as %+v, %v", c.name, b, got, ok)
		}
		if len(b) > 1024 {
			t.Errorf("%s: state of %d bytes", c.name, len(b))
		}
	}
}

// FuzzState: whatever is stored, a decision is well-formed.
func FuzzState(f *testing.F) {
	good, err := json.Marshal(soundState())
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "{}", "null", string(good), strings.Replace(string(good), "service", "group", 1), strings.Repeat("[", 5000), `{"v":1e400}`} {
		f.Add([]byte(s), "Siguiente")
	}
	w := town("es")
	f.Fuzz(func(t *testing.T, stored []byte, said string) {
		bounds.Check(t, len(stored)+len(said), func() {
			checkDecision(t, w, Decide(w, stored, Input{Message: &desk.Content{Type: desk.Text, Text: said}, ID: "t", Now: begin}))
			d := Decide(w, stored, Input{ID: "t", Now: begin.Add(100 * time.Hour)})
			if s, ok := readState(stored); !ok && (d.State != nil || len(d.Replies) > 0) || ok && s.Until.Before(begin) && d.State != nil {
				t.Errorf("a time-out leaves %+v", d)
			}
		})
	})
}
