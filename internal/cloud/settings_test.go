package cloud

import "testing"

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

// TestSettings: whatever is missing or cannot be is told in one sentence.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		say  string
		env  map[string]string
		ask  func(*settings) any
		want any
		err  string
	}{
		{"a text may be empty", nil, func(s *settings) any { return s.Text("X") }, "", ""},
		{"a text is taken as it is", map[string]string{"X": " a b "}, func(s *settings) any { return s.Text("X") }, " a b ", ""},
		{"what is needed and missing is named", nil, func(s *settings) any { return s.need("TABLE") }, "", "setting TABLE is missing"},
		{"each once", nil, func(s *settings) any { s.need("A"); s.need("B"); return s.need("A") }, "", "setting A is missing; setting B is missing"},
		{"a number that is not set", nil, func(s *settings) any { return s.Number("N", 7, 30) }, 7, ""},
		{"a number", map[string]string{"N": "0"}, func(s *settings) any { return s.Number("N", 7, 30) }, 0, ""},
		{"the greatest number", map[string]string{"N": "30"}, func(s *settings) any { return s.Number("N", 7, 30) }, 30, ""},
		{"one more", map[string]string{"N": "31"}, func(s *settings) any { return s.Number("N", 7, 30) }, 7, `setting N: "31" is not a number from 0 to 30`},
		{"a number below 0", map[string]string{"N": "-1"}, func(s *settings) any { return s.Number("N", 7, 30) }, 7, `setting N: "-1" is not a number from 0 to 30`},
		{"a word is no number", map[string]string{"N": "ten"}, func(s *settings) any { return s.Number("N", 7, 30) }, 7, `setting N: "ten" is not a number from 0 to 30`},
		{"an address that is not set", nil, func(s *settings) any { return s.Base("U", "https://b.example") }, "https://b.example", ""},
		{"an address loses its last slash", map[string]string{"U": "https://a.example/"}, func(s *settings) any { return s.Base("U", "") }, "https://a.example", ""},
		{"an address that is needed", nil, func(s *settings) any { return s.Address("U") }, "", "setting U is missing"},
		{"an address with a path", map[string]string{"U": "https://a.example/x"}, func(s *settings) any { return s.Address("U") }, "", `setting U: "https://a.example/x" is not http:// or https:// with a host and nothing after it`},
	} {
		s := &settings{get: env(c.env)}
		if got := c.ask(s); got != c.want {
			t.Errorf("%s: %v, want %v", c.say, got, c.want)
		}
		text := ""
		if err := s.Err(); err != nil {
			text = err.Error()
		}
		if text != c.err {
			t.Errorf("%s: %q, want %q", c.say, text, c.err)
		}
	}
}

func TestBaseURL(t *testing.T) {
	for v, want := range map[string]string{
		"http://127.0.0.1:3000":  "http://127.0.0.1:3000",
		"https://a.example/":     "https://a.example",
		"http://[::1]:80":        "http://[::1]:80",
		"http://a:65535":         "http://a:65535",
		"http://a:65536":         "",
		"http://a:0":             "",
		"http://a:":              "",
		"http://":                "",
		"http://:80":             "",
		"ftp://a":                "",
		"a.example":              "",
		"https://a.example//":    "",
		"https://a.example/x":    "",
		"https://a.example?":     "",
		"https://a.example?x=1":  "",
		"https://a.example#":     "",
		"https://u:p@a.example":  "",
		"https://a.example/\x00": "",
		"":                       "",
	} {
		if got, ok := BaseURL(v); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", v, got, ok, want)
		}
	}
}
