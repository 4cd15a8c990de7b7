package bot

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buzon/internal/desk"
)

// TestCancelAnywhere: S1-19: at every step, the menu too, in every language, the
// word of any language ends the dialogue, and the next message begins one.
func TestCancelAnywhere(t *testing.T) {
	paths := map[step][]string{
		stepMenu:     {"> hola"},
		stepProject:  {"> hola", "> 5"},
		stepGroup:    {"> hola", "> 5", "tap Agua"},
		stepService:  {"> hola", "> 5", "tap Agua", "tap Redes"},
		stepCategory: {"> hola", "> 5", "tap Agua", "tap Redes", "tap Fugas"},
	}
	eachLanguage(t, func(t *testing.T, lang string) {
		for at, path := range paths {
			for _, said := range []string{"Cancel", "cancelar", " CANCELAR. "} {
				p := newPhone(t, registered(lang), lang)
				for _, line := range path {
					p.do(line)
				}
				if p.step() != string(at) {
					t.Fatalf("at %s, want %s", p.step(), at)
				}
				replies := p.do("> " + said)
				if len(replies) != 1 || replies[0].Text != word(lang, "bot.cancelled") || p.step() != "over" {
					t.Errorf("%s, %q: %+v, %s", at, said, replies, p.step())
				}
				p.do("> " + said)
				if p.step() != "menu" {
					t.Errorf("%s, %q twice: %s", at, said, p.step())
				}
			}
		}
	})
}

// anyWorld is one of the worlds of these tests, with settings of all kinds.
func anyWorld(t *rapid.T) World {
	lang := rapid.SampledFrom(desk.Languages[:]).Draw(t, "language")
	worlds := []func(string) World{town, registered, of(), of(many(11)...), of(many(40)...), templated(func(*desk.Template) {}),
		of(project("Agua")), of(project("Agua", services(25)...)), of(project("Agua", service{"Fugas", 31}))}
	w := rapid.SampledFrom(worlds).Draw(t, "world")(lang)
	w.Person.Registered = rapid.Bool().Draw(t, "registered")
	w.Settings.ProjectCode = rapid.SampledFrom([]string{"", "", "Agua-code", "X"}).Draw(t, "code")
	w.Settings.TimeoutMinutes = rapid.SampledFrom([]int{0, 1, 60}).Draw(t, "minutes")
	if rapid.Bool().Draw(t, "own texts") {
		own("bot."+rapid.SampledFrom([]string{"form", "wrong", "list.next", "prompt.project", "menu.prompt"}).Draw(t, "key"),
			strings.Repeat(rapid.StringN(1, 30, -1).Draw(t, "text"), rapid.SampledFrom([]int{1, 300}).Draw(t, "times")))(&w)
	}
	return w
}

// anyInput is what a person may do, likely things often.
func anyInput(t *rapid.T, lists []desk.Outgoing) *desk.Content {
	kind := rapid.SampledFrom([]string{"tap", "tap", "tap", "word", "word", "text", "id", "timeout", "kind"}).Draw(t, "what")
	switch {
	case kind == "tap" && len(lists) > 0:
		list := rapid.SampledFrom(lists).Draw(t, "list")
		row := rapid.SampledFrom(list.Rows).Draw(t, "row")
		return &desk.Content{Type: desk.ListReply, Text: row.Title, ReplyID: row.ID}
	case kind == "timeout":
		return nil
	case kind == "text":
		return &desk.Content{Type: desk.Text, Text: rapid.String().Draw(t, "text")}
	case kind == "id":
		return &desk.Content{Type: desk.ListReply, ReplyID: rapid.String().Draw(t, "id")}
	case kind == "kind":
		return &desk.Content{Type: desk.ContentType(rapid.SampledFrom([]string{"image", "button_reply", "quick_reply", ""}).Draw(t, "type"))}
	}
	return &desk.Content{Type: desk.Text, Text: rapid.SampledFrom([]string{"5", "hola", "Cancelar", "Siguiente", "Agua", "Fugas", "C01", ""}).Draw(t, "word")}
}

// TestAnything: whatever people do: no panic, state within 1 KB, replies that a
// provider takes, the same answer to the same input, nothing of the input changed.
func TestAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		before := fmt.Sprintf("%+v", w)
		var state json.RawMessage
		var lists []desk.Outgoing
		now := begin
		for i := range rapid.IntRange(1, 25).Draw(t, "inputs") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{1, 59, 60}).Draw(t, "pause")) * time.Minute)
			in := Input{Message: anyInput(t, lists), ID: fmt.Sprint("turn-", i), Now: now}
			d := Decide(w, state, in)
			checkDecision(t, w, d)
			if diff := cmp.Diff(d, Decide(w, state, in)); diff != "" {
				t.Fatalf("the same input, another decision:\n%s", diff)
			}
			if in.Message != nil && len(d.Replies) == 0 {
				t.Fatalf("no answer to %+v", in.Message)
			}
			for _, r := range d.Replies {
				if r.Type == desk.ReplyList {
					lists = append(lists, r)
				}
			}
			state = d.State
		}
		if after := fmt.Sprintf("%+v", w); after != before {
			t.Fatalf("the world was changed: %s", cmp.Diff(before, after))
		}
	})
}

// TestThreeWrongInputs: Q5: from any point, three inputs that mean nothing end
// the dialogue, and two of them do not.
func TestThreeWrongInputs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorld(t)
		w.Settings.TimeoutMinutes = 60
		var lists []desk.Outgoing
		var state json.RawMessage
		say := func(c *desk.Content) Decision {
			d := Decide(w, state, Input{Message: c, ID: "turn", Now: begin})
			state = d.State
			for _, r := range d.Replies {
				if r.Type == desk.ReplyList {
					lists = append(lists, r)
				}
			}
			return d
		}
		for range rapid.IntRange(1, 8).Draw(t, "inputs") {
			if c := anyInput(t, lists); c != nil {
				say(c)
			}
		}
		s, running := readState(state)
		if !running {
			return
		}
		for wrong := s.Wrong + 1; wrong <= desk.MaxWrongInputs; wrong++ {
			d := say(&desk.Content{Type: desk.Text, Text: "zzz " + rapid.StringMatching(`[a-z]{1,9}`).Draw(t, "nonsense")})
			if over := d.State == nil; over != (wrong == desk.MaxWrongInputs) {
				t.Fatalf("after wrong input %d: over %v", wrong, over)
			}
		}
	})
}

// TestEveryOptionCanBeReached: S1-16: whatever the number of options, each can be
// tapped on one of the lists that Following brings.
func TestEveryOptionCanBeReached(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 120).Draw(t, "projects")
		w := of(many(n)...)("es")
		d := Decide(w, nil, Input{Message: &desk.Content{Type: desk.Text}, ID: "t", Now: begin})
		start := d.State
		seen := map[string]bool{}
		for {
			list := d.Replies[len(d.Replies)-1]
			next := ""
			for _, row := range list.Rows {
				tap := Input{Message: &desk.Content{Type: desk.ListReply, ReplyID: row.ID}, ID: "u", Now: begin}
				if r, _ := parseRowID(row.ID); r.kind == kindNext {
					next = row.ID
					continue
				}
				seen[row.Title] = true
				if s, _ := readState(Decide(w, start, tap).State); s.Project != "p"+row.Title {
					t.Fatalf("a tap on %s chooses %q", row.Title, s.Project)
				}
			}
			if next == "" {
				break
			}
			d = Decide(w, d.State, Input{Message: &desk.Content{Type: desk.ListReply, ReplyID: next}, ID: "u", Now: begin})
		}
		if len(seen) != n {
			t.Fatalf("%d of %d projects listed", len(seen), n)
		}
	})
}
