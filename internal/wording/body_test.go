package wording

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/desk"
	"buzon/internal/fault"
)

// TestVariables: S3-37, what is a variable and what only looks like one.
func TestVariables(t *testing.T) {
	for _, c := range []struct {
		say, body string
		numbers   []int
		mistakes  []string
	}{
		{"none", "Hola.", nil, nil},
		{"one", "{{1}}", []int{1}, nil},
		{"two that touch", "{{1}}{{2}}", []int{1, 2}, nil},
		{"as they come", "{{3}} y {{1}} y {{3}}", []int{3, 1, 3}, nil},
		{"three digits", "{{999}}", []int{999}, nil},
		{"four digits", "{{1000}}", nil, []string{"{{1000}}"}},
		{"digits of another script", "{{١}}", nil, []string{"{{١}}"}},
		{"zero", "{{0}}", nil, []string{"{{0}}"}},
		{"a leading zero", "{{01}}", nil, []string{"{{01}}"}},
		{"a sign", "{{+1}} {{-1}}", nil, []string{"{{+1}}", "{{-1}}"}},
		{"a space before, one after", "{{ 1}} {{1 }}", nil, []string{"{{ 1}}", "{{1 }}"}},
		{"a letter", "{{x}}", nil, []string{"{{x}}"}},
		{"nothing", "{{}} {}", nil, []string{"{{}}", "{}"}},
		{"one brace too few", "{{1} {1}}", nil, []string{"{{1}", "{1}}"}},
		{"one too many", "{{{1}} {{1}}}", nil, []string{"{{{1}}", "{{1}}}"}},
		{"good beside broken", "{{1}{{2}} {{3}}", []int{2, 3}, []string{"{{1}"}},
		{"on two lines", "{{1\n}}", nil, []string{"{{", "}}"}},
		{"only closed", "1}}", nil, []string{"}}"}},
		{"only opened", "a {{", nil, []string{"{{"}},
		{"one mistake twice is told once", "{1} {1}", nil, []string{"{1}"}},
		{"a long one is cut", "{{" + strings.Repeat("a", 20) + "}}", nil, []string{"{{" + strings.Repeat("a", 17) + "…"}},
		{"what is too far away does not belong to it", "{{" + strings.Repeat("a", 21) + "}}", nil, []string{"{{", "}}"}},
	} {
		found, mistakes := holes(c.body)
		var numbers []int
		for _, h := range found {
			numbers = append(numbers, h.number)
			if c.body[h.from:h.to] != h.String() {
				t.Errorf("%s: %q is not %s", c.say, c.body[h.from:h.to], h)
			}
		}
		if d := cmp.Diff(c.numbers, numbers) + cmp.Diff(c.mistakes, mistakes); d != "" {
			t.Errorf("%s: %q (-want +got):\n%s", c.say, c.body, d)
		}
	}
}

func TestMistakesThatAreTold(t *testing.T) {
	var body strings.Builder
	for i := range maxMistakes + 1 {
		body.WriteString("{" + strings.Repeat("x", i+1) + "} ")
	}
	if _, mistakes := holes(body.String()); len(mistakes) != maxMistakes {
		t.Errorf("%d different mistakes: %d are told", maxMistakes+1, len(mistakes))
	}
	for n, want := range map[int]int{maxMistakes: maxMistakes, maxMistakes + 1: maxMistakes} {
		text := ""
		for i := range n {
			text += variable(i+1) + " "
		}
		_, problems := Check(Draft{Body: text + text}, Profile{}, Options{})
		got := slices.DeleteFunc(problems, func(p fault.Problem) bool { return p.Code != "variable_repeated" })
		if len(got) != want {
			t.Errorf("%d repeated ones: %d are told, want %d", n, len(got), want)
		}
	}
}

// TestFill: S3-31, all but the variables stays as it is.
func TestFill(t *testing.T) {
	for _, c := range []struct {
		say, body string
		values    []string
		want      string
	}{
		{"in order", "Hola, {{1}}: {{2}}.", []string{"Ana", "B-7"}, "Hola, Ana: B-7."},
		{"one twice", "{{1}} {{1}}", []string{"a"}, "a a"},
		{"a value that looks like a variable is text", "{{1}} {{2}}", []string{"{{2}}", "{{1}}"}, "{{2}} {{1}}"},
		{"a variable without a value stays", "{{1}} {{2}}", []string{"a"}, "a {{2}}"},
		{"more values than variables", "Hola.", []string{"a", "b"}, "Hola."},
		{"what is no variable stays", "{1} {{ 1 }} $1 %s {{1}}", []string{"a"}, "{1} {{ 1 }} $1 %s a"},
		{"space and line ends stay", " {{1}}\r\n\n ", []string{"a"}, " a\r\n\n "},
		{"nothing", "", []string{"a"}, ""},
	} {
		if got := Fill(c.body, c.values); got != c.want {
			t.Errorf("%s: %q, want %q", c.say, got, c.want)
		}
	}
}

// TestLimits: each at both edges, by what is wrong with the one field. Those of
// names, texts, addresses and numbers are in testdata/requests.json.
func TestLimits(t *testing.T) {
	names := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = variable(i)[2:len(variable(i))-2] + "n"
		}
		return out
	}
	button := func(text string) []desk.TemplateButton {
		return []desk.TemplateButton{{Kind: desk.ButtonQuickReply, Text: text}}
	}
	samples := func(n int) map[string]string {
		out := map[string]string{}
		for _, name := range names(n) {
			out[name] = "x"
		}
		return out
	}
	for _, c := range []struct {
		say, code string
		draft     Draft
		found     bool
	}{
		{"as many names as a body has room for", "too_many", Draft{Params: names(MaxParams)}, false},
		{"one more", "too_many", Draft{Params: names(MaxParams + 1)}, true},
		{"a name of a parameter", "too_long", Draft{Params: []string{strings.Repeat("ñ", MaxParamName)}}, false},
		{"one character more", "too_long", Draft{Params: []string{strings.Repeat("ñ", MaxParamName+1)}}, true},
		{"a sample", "too_long", Draft{Params: []string{"a"}, Samples: map[string]string{"a": strings.Repeat("ñ", MaxSample)}}, false},
		{"one character more", "too_long", Draft{Params: []string{"a"}, Samples: map[string]string{"a": strings.Repeat("ñ", MaxSample+1)}}, true},
		{"a sample of a code", "too_long", Draft{Category: "authentication", Params: []string{"a"}, Samples: map[string]string{"a": strings.Repeat("1", MaxCode)}}, false},
		{"one character more", "too_long", Draft{Category: "authentication", Params: []string{"a"}, Samples: map[string]string{"a": strings.Repeat("1", MaxCode+1)}}, true},
		{"spaces in a sample", "one_line", Draft{Params: []string{"a"}, Samples: map[string]string{"a": "x" + strings.Repeat(" ", MaxSpaces) + "x"}}, false},
		{"one space more", "one_line", Draft{Params: []string{"a"}, Samples: map[string]string{"a": "x" + strings.Repeat(" ", MaxSpaces+1) + "x"}}, true},
		{"as many samples as there can be variables", "too_many", Draft{Samples: samples(maxKeys)}, false},
		{"one more", "too_many", Draft{Samples: samples(maxKeys + 1)}, true},
		{"a text of a button", "too_long", Draft{Buttons: button(strings.Repeat("ñ", MaxButtonText))}, false},
		{"one character more", "too_long", Draft{Buttons: button(strings.Repeat("ñ", MaxButtonText+1))}, true},
		{"a text without doubt", "long_button_text", Draft{Buttons: button(strings.Repeat("ñ", GupshupButtonText))}, false},
		{"one character more", "long_button_text", Draft{Buttons: button(strings.Repeat("ñ", GupshupButtonText+1))}, true},
		{"line ends in a row", "line_breaks", Draft{Body: "a" + strings.Repeat("\n", AdviceNewlines) + "b"}, false},
		{"one more", "line_breaks", Draft{Body: "a" + strings.Repeat("\n", AdviceNewlines+1) + "b"}, true},
		{"spaces in a row", "spaces", Draft{Body: "a" + strings.Repeat(" ", MaxSpaces) + "b"}, false},
		{"one more", "spaces", Draft{Body: "a" + strings.Repeat(" ", MaxSpaces+1) + "b"}, true},
		{"emojis", "emojis", Draft{Body: "a" + strings.Repeat("🎉", AdviceEmojis)}, false},
		{"one more", "emojis", Draft{Body: "a" + strings.Repeat("🎉", AdviceEmojis+1)}, true},
		{"words for two variables", "too_many_variables", Draft{Body: "a {{1}} b c d {{2}} e"}, false},
		{"one fewer", "too_many_variables", Draft{Body: "a {{1}} b c {{2}} e"}, true},
	} {
		p, _ := ProfileOf(desk.ProviderGupshup)
		tpl, problems := Check(c.draft, p, Options{})
		found := false
		for _, word := range append(codes(problems), warningCodes(tpl.Warnings)...) {
			found = found || strings.HasSuffix(word, " "+c.code)
		}
		if found != c.found {
			t.Errorf("%s: %s found %v, want %v: %v", c.say, c.code, found, c.found, codes(problems))
		}
	}
}

func TestProfiles(t *testing.T) {
	for _, name := range Providers() {
		p, ok := ProfileOf(name)
		if !ok || p.Provider != name || p.Label == "" || p.MaxName <= 0 || p.MaxURLs <= 0 || p.MaxPhones <= 0 || p.ButtonText <= 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p, ok := ProfileOf(desk.KindViber); ok {
		t.Errorf("viber has templates: %+v", p)
	}
	if g, m := must(desk.ProviderGupshup).MaxName, must(desk.ProviderMeta).MaxName; g != 180 || m != 512 {
		t.Errorf("Q24: names of %d and %d", g, m)
	}
}

func must(provider string) Profile {
	p, _ := ProfileOf(provider)
	return p
}
