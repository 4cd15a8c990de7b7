package locale

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dynamic lists the families whose keys are put together when the program runs:
// the code holds the prefix, a code or state follows. The values are where the
// rest comes from.
var dynamic = map[string]string{
	"problem.":       "the code of a fault.Problem",
	"problem.title.": "an HTTP status",
	"state.":         "a desk.CaseState, a desk.TemplateStatus or a provider's word for the state of a template",
}

// notTexts are endings of words that look like keys and are names of files.
var notTexts = []string{".css", ".go", ".html", ".js", ".json", ".svg", ".tmpl", ".txt", ".xlsx", ".yaml", ".zip"}

// use is one place in the repository that names a key.
type use struct {
	where  string
	key    string
	params []string // names given with it
	call   bool     // a call of a method or function text or Text with constant names
}

// TestUsage: every key that code or a page names exists, with the parameters
// that it is given, and every key that exists is used; that of a problem by the word
// that is its code.
func TestUsage(t *testing.T) {
	uses, words := scan(t, root(t))
	es := For("es")
	used := map[string]bool{}
	for _, u := range uses {
		used[u.key] = true
		if strings.HasSuffix(u.key, ".") {
			if dynamic[u.key] == "" {
				t.Errorf("%s: keys that begin with %q are put together; list the family in this test", u.where, u.key)
			}
			continue
		}
		if !es.Has(u.key) {
			t.Errorf("%s: no text for %q", u.where, u.key)
			continue
		}
		if u.call {
			if d := cmp.Diff(holders(es.Text(u.key)), u.params); d != "" {
				t.Errorf("%s: parameters of %q, wanted and given:\n%s", u.where, u.key, d)
			}
		}
	}
	for _, key := range es.Keys() {
		code, problem := strings.CutPrefix(key, "problem.")
		if problem && !strings.Contains(code, ".") && !words[code] || !used[key] && !inFamily(key) {
			t.Errorf("%q is used nowhere", key)
		}
	}
}

// inFamily tells whether the key belongs to a family: all but its last word.
func inFamily(key string) bool {
	return dynamic[key[:strings.LastIndexByte(key, '.')+1]] != ""
}

// root is the folder of go.mod.
func root(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if up := filepath.Dir(dir); up != dir {
			dir = up
			continue
		}
		t.Fatal("no go.mod above this package")
	}
}

// families gives the first words of all keys: what begins so is a key.
func families() []string {
	var words []string
	for _, key := range For("es").Keys() {
		first, _, _ := strings.Cut(key, ".")
		words = append(words, first)
	}
	return slices.Compact(words)
}

// scan finds the uses of keys in the repository, and all texts that stand in its Go code.
func scan(t *testing.T, dir string) ([]use, map[string]bool) {
	key := regexp.MustCompile(`^(` + strings.Join(families(), "|") + `)\.([a-z0-9_]+\.?)*$`)
	quoted := regexp.MustCompile("[\"`]([a-z0-9_.]+)[\"`]")
	looksLikeKey := func(s string) bool {
		return key.MatchString(s) && !slices.Contains(notTexts, filepath.Ext(s))
	}
	var uses []use
	words := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != dir && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "locale") {
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(name) {
		case ".go":
			if !strings.HasSuffix(name, "_test.go") {
				uses = append(uses, scanGo(t, path, words, looksLikeKey)...)
			}
		case ".html", ".tmpl", ".gohtml":
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range quoted.FindAllSubmatch(b, -1) {
				if s := string(m[1]); looksLikeKey(s) {
					uses = append(uses, use{where: path, key: s})
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return uses, words
}

// scanGo finds the literals of a Go file that look like keys, and notes all of them in
// words.
func scanGo(t *testing.T, path string, words map[string]bool, looksLikeKey func(string) bool) []use {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("%v", err)
		return nil
	}
	var uses []use
	called := map[ast.Expr]use{} // first arguments of calls of text
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if names, ok := textCall(n); ok {
				called[n.Args[0]] = use{params: names, call: true}
			}
		case *ast.BasicLit:
			s, ok := literal(n)
			words[s] = true
			if !ok || !looksLikeKey(s) {
				return true
			}
			u := called[n]
			u.key = s
			u.where = files.Position(n.Pos()).String()
			uses = append(uses, u)
		}
		return true
	})
	return uses
}

// textCall recognises text("key", "name", value, …) and gives the names, sorted;
// false if it is another call or its names are not constants.
func textCall(call *ast.CallExpr) ([]string, bool) {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	if (name != "text" && name != "Text") || len(call.Args)%2 != 1 || call.Ellipsis.IsValid() {
		return nil, false
	}
	var names []string
	for i := 1; i < len(call.Args); i += 2 {
		s, ok := literal(call.Args[i])
		if !ok {
			return nil, false
		}
		names = append(names, s)
	}
	slices.Sort(names)
	return names, true
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
