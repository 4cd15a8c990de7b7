package repo

import (
	"go/ast"
	"go/scanner"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// maxLines is the most lines of a Go file: beyond it, it holds two things.
const maxLines = 700

// TestTop: the top of the repository holds these names and dot-files, nothing else.
func TestTop(t *testing.T) {
	may := strings.Fields("functions internal infra events go.mod go.sum Makefile template.yaml README.md")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, ".") && !built[name] && !slices.Contains(may, name) {
			t.Errorf("%s does not belong at the top", name)
		}
	}
}

// TestPackages: every package says what it is for, has a name that means
// something, and files that can be read in one go.
func TestPackages(t *testing.T) {
	vague := strings.Fields("utils util common models model helpers helper services service misc shared base")
	for _, p := range packages(t) {
		if slices.Contains(vague, path.Base(p.path)) {
			t.Errorf("%s: a name that says nothing", p.path)
		}
		documented := false
		for _, f := range p.files {
			if !f.test && f.ast.Doc != nil {
				documented = true
			}
			if f.lines > maxLines {
				t.Errorf("%s has %d lines, more than %d", f.name, f.lines, maxLines)
			}
		}
		if !documented {
			t.Errorf("%s has no package comment", p.path)
		}
	}
}

// TestCalls: time, chance and the environment come in from outside, where the
// whole is put together; no test waits or is left out.
func TestCalls(t *testing.T) {
	clock := []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.Tick", "time.NewTimer", "time.NewTicker", "time.AfterFunc"}
	environment := []string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.Setenv"}
	for _, r := range []struct {
		say      string
		forbids  []string
		packages []string // none: all of internal
		tests    bool     // the rule is for test files; else for what is built
	}{
		{"the core has no clock", clock, []string{"internal/store", "internal/bot", "internal/pipeline", "internal/desk", "internal/channel", "internal/channel/*"}, false},
		{"what a company asks for and a page shows depends on the time given", []string{"time.Now", "time.Since", "time.Until"}, []string{"internal/api", "internal/pages", "internal/link"}, false},
		{"only what wires reads the environment", environment, nil, false},
		{"no test waits, but where time is made up (testing/synctest)", []string{"time.Sleep"}, nil, true},
	} {
		forbidden := map[string]bool{}
		for _, name := range r.forbids {
			forbidden[name] = true
		}
		for _, p := range packages(t) {
			if !applies(r.packages, p.path) {
				continue
			}
			if r.forbids[0] == environment[0] && p.path == "internal/cloud" {
				continue // a function's settings are read there and nowhere else
			}
			for _, f := range p.files {
				if f.test != r.tests || slices.Contains(f.imports, "testing/synctest") {
					continue
				}
				for _, found := range calls(f, forbidden) {
					t.Errorf("%s: %s", r.say, found)
				}
			}
		}
	}
}

func applies(patterns []string, p string) bool {
	if patterns == nil {
		return strings.HasPrefix(p, "internal/")
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, p) })
}

// TestMains: the main of a function wires and nothing else: short, no branch, no
// variable of the package, nothing but main.
func TestMains(t *testing.T) {
	const most = 40
	found := 0
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.path, "functions/") {
			continue
		}
		found++
		if len(p.files) != 1 {
			t.Errorf("%s: %d files, want main.go alone", p.path, len(p.files))
		}
		for _, f := range p.files {
			if f.lines > most {
				t.Errorf("%s has %d lines, more than %d", f.name, f.lines, most)
			}
			for _, d := range f.ast.Decls {
				g, generic := d.(*ast.GenDecl)
				m, function := d.(*ast.FuncDecl)
				if generic && g.Tok != token.IMPORT || function && m.Name.Name != "main" {
					t.Errorf("%s: more than main", f.fset.Position(d.Pos()))
				}
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				switch n.(type) {
				case *ast.IfStmt, *ast.SwitchStmt, *ast.ForStmt, *ast.RangeStmt:
					t.Errorf("%s: a main that decides", f.fset.Position(n.Pos()))
				}
				return true
			})
		}
	}
	if found == 0 {
		t.Error("no function was found")
	}
}

// TestChance: the core makes nothing up by itself.
func TestChance(t *testing.T) {
	core := []string{"internal/store", "internal/bot", "internal/pipeline", "internal/desk", "internal/channel", "internal/channel/*"}
	for _, p := range packages(t) {
		if !applies(core, p.path) || strings.HasSuffix(p.path, "test") {
			continue
		}
		for _, f := range p.files {
			for _, imp := range f.imports {
				if !f.test && (strings.HasPrefix(imp, "math/rand") || imp == "crypto/rand") {
					t.Errorf("%s imports %s; ids come in as a field", f.name, imp)
				}
			}
		}
	}
}

// TestHabits: nothing happens at import, no test is left out, no work is left
// for later, and no text says "failed to" or names a folder of one machine.
func TestHabits(t *testing.T) {
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`)
	folder := regexp.MustCompile(`(^|[\s"'(=])/(work|tmp|root|home)/`)
	failedTo := "failed" + " to "
	for _, p := range packages(t) {
		for _, f := range p.files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				where := func() string { return f.fset.Position(n.Pos()).String() }
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Name.Name == "init" && n.Recv == nil {
						t.Errorf("%s: func init", where())
					}
				case *ast.SelectorExpr:
					if name := n.Sel.Name; f.test && (name == "Skip" || name == "SkipNow" || name == "Skipf") {
						if id, ok := n.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "f", "tb"}, id.Name) {
							t.Errorf("%s: a test that can be left out", where())
						}
					}
				case *ast.Comment:
					if later.MatchString(n.Text) {
						t.Errorf("%s: work left for later", where())
					}
				case *ast.BasicLit:
					if n.Kind != token.STRING {
						break
					}
					if strings.Contains(n.Value, failedTo) {
						t.Errorf("%s: error text begins with the object and says what is", where())
					}
					if folder.MatchString(n.Value) {
						t.Errorf("%s: a folder of one machine", where())
					}
				}
				return true
			})
			for _, group := range f.ast.Comments {
				if later.MatchString(group.Text()) {
					t.Errorf("%s: work left for later", f.fset.Position(group.Pos()))
				}
			}
		}
	}
}

// TestRulesHaveTests: each rule of the anonymous case, S1-01 to S1-34, is named
// by a test: in its function's name (TestS1_13…) or in the sentence of a case.
func TestRulesHaveTests(t *testing.T) {
	const rules = 34
	id := regexp.MustCompile(`S1[-_](\d\d)`)
	proven := map[int]bool{}
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.path, "internal/") || p.path == "internal/repo" {
			continue
		}
		for _, f := range p.files {
			if !f.test {
				continue
			}
			for _, word := range words(t, f.name) {
				for _, m := range id.FindAllStringSubmatch(word, -1) {
					n, err := strconv.Atoi(m[1])
					if err != nil {
						t.Fatal(err)
					}
					proven[n] = true
				}
			}
		}
	}
	for n := 1; n <= rules; n++ {
		if !proven[n] {
			t.Errorf("no test names S1-%02d", n)
		}
	}
}

// words are the identifiers and strings of a Go file: what a test can be called
// by. Comments do not count.
func words(t *testing.T, name string) []string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile(name, fset.Base(), len(src)), src, nil, 0)
	var out []string
	for {
		_, tok, lit := s.Scan()
		switch tok {
		case token.EOF:
			return out
		case token.IDENT, token.STRING:
			out = append(out, lit)
		}
	}
}

// TestTargets: README.md describes every target that make help lists, and no other.
func TestTargets(t *testing.T) {
	read := func(name string, find *regexp.Regexp) []string {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range find.FindAllSubmatch(b, -1) {
			names = append(names, string(m[1]))
		}
		slices.Sort(names)
		return names
	}
	made := read("Makefile", regexp.MustCompile(`(?m)^([a-z][a-z-]*):.*## `))
	told := read("README.md", regexp.MustCompile("(?m)^\\| `make ([a-z-]+)[^`]*` \\|"))
	if d := cmp.Diff(made, told); d != "" {
		t.Errorf("targets of the Makefile (-) and of README.md's table (+):\n%s", d)
	}
}

// TestReadme: the packages that README.md lists are those that are there.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, p := range packages(t) {
		parts := strings.Split(p.path, "/")
		top := strings.Join(parts[:min(2, len(parts))], "/")
		if !strings.Contains(text, "`"+top+"`") {
			t.Errorf("README.md has no line for %s", top)
		}
	}
	for _, m := range regexp.MustCompile("`((?:internal|infra|functions|events)/[a-z0-9/_.-]+)`").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("README.md names %s, which is not there", m[1])
		}
	}
}
