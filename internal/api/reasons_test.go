package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buzon/internal/api/apidocs"
	"buzon/internal/desk"
)

// reasonFolders hold the code that says why something waits, failed, or was not
// handled.
var reasonFolders = []string{"approval", "channel", "desk", "pipeline", "quarantine", "queue"}

var (
	reasonConst = regexp.MustCompile(`^(Wait|Cause|[Rr]eason|Reject|note)[A-Z]|^CodeNameTaken$`)
	reasonWord  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// reasonCalls are the functions that take a reason, and as which of their arguments.
var reasonCalls = map[string]int{"refused": 0, "later": 0, "down": 0, "Impossible": 0, "ours": 1}

// notShown are words that look like reasons and stand in no answer.
var notShown = map[string]string{
	"announced":              "marks a callback, and is not kept",
	"file_store_unavailable": "of a send, which waits: its cause is shown",
	"keys_unavailable":       "likewise",
}

// reasonsInCode gives the words that the code puts where an answer says why, with a
// place of each.
func reasonsInCode(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, folder := range reasonFolders {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && strings.HasSuffix(d.Name(), "test") {
				return filepath.SkipDir
			}
			if filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
				reasonsInFile(t, path, found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for word := range notShown {
		if found[word] == "" {
			t.Errorf("%q is no word of the code", word)
		}
		delete(found, word)
	}
	return found
}

func reasonsInFile(t *testing.T, path string, found map[string]string) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if word, err := strconv.Unquote(lit.Value); err == nil && reasonWord.MatchString(word) {
				found[word] = files.Position(lit.Pos()).String()
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			unreadable := strings.Contains(n.Doc.Text(), "[Unreadable]")
			for _, spec := range n.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				unreadable := unreadable || strings.Contains(v.Doc.Text(), "quarantine reason")
				for i, name := range v.Names {
					if i < len(v.Values) && (unreadable || reasonConst.MatchString(name.Name) || name.Name == "reason") {
						note(v.Values[i])
					}
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "Reason" || key.Name == "Cause" || key.Name == "Note") {
				note(n.Value)
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				name := ""
				switch left := left.(type) {
				case *ast.Ident:
					name = left.Name
				case *ast.SelectorExpr:
					name = left.Sel.Name
				}
				if slices.Contains([]string{"reason", "Reason", "cause", "Cause", "Note"}, name) && i < len(n.Rhs) {
					note(n.Rhs[i])
				}
			}
		case *ast.CallExpr:
			name := ""
			switch f := n.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if i, ok := reasonCalls[name]; ok && i < len(n.Args) {
				note(n.Args[i])
			}
		case *ast.FuncDecl:
			if n.Name.Name == "Failure" { // gupshup: the reason itself
				ast.Inspect(n, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
						note(r.Results[0])
					}
					return true
				})
			}
		}
		return true
	})
}

// TestReasons: openapi.yaml explains each word that an answer may give as a reason or
// a cause, and no other, and says what to do.
func TestReasons(t *testing.T) {
	found := reasonsInCode(t)
	var told []string
	for _, r := range apidocs.Reasons(descriptionYAML) {
		told = append(told, r.Code)
		if r.Means == "" || r.Do == "" || len(r.At) == 0 {
			t.Errorf("%s: not told in full", r.Code)
		}
		for _, at := range r.At {
			if apidocs.Places[at] == "" {
				t.Errorf("%s: no place %q", r.Code, at)
			}
		}
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(found)), told); d != "" {
		t.Errorf("words of the code, and those in openapi.yaml, sorted:\n%s", d)
	}
}

// TestWaits: whatever sending may wait for stands in the list of each cause of
// waiting, of channels and of conversations.
func TestWaits(t *testing.T) {
	want := waitWords(t)
	if !slices.Contains(want, desk.WaitSuspended) || !slices.Contains(want, desk.WaitPair) {
		t.Fatalf("the words of package desk: %q", want)
	}
	for _, name := range []string{"Channel", "ChannelSwitched", "Conversation"} {
		var got []string
		for _, v := range spec().Components.Schemas[name].Value.Properties["waiting"].Value.Properties["cause"].Value.Enum {
			got = append(got, v.(string))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s.waiting.cause:\n%s", name, d)
		}
	}
}

// waitWords are the Wait… words of package desk, in their order.
func waitWords(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../desk/conversation.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Wait") && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				word, err := strconv.Unquote(lit.Value)
				check(t, err)
				words = append(words, word)
			}
		}
		return true
	})
	return words
}
