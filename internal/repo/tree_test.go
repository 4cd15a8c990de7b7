package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// root is the repository's top folder, seen from this package.
const root = "../.."

// pkg is one folder with Go files.
type pkg struct {
	path  string // from the top: internal/desk
	files []file
}

// file is one Go file.
type file struct {
	name    string // from the top: internal/desk/case.go
	test    bool
	lines   int
	ast     *ast.File
	fset    *token.FileSet
	imports []string
}

// packages gives every package of the repository.
func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("found %d packages: the tree was not read", len(all))
	}
	return all
}

// tree reads every Go file, once.
var tree = sync.OnceValues(func() ([]pkg, error) {
	byPath := map[string]*pkg{}
	var order []string
	err := walk(func(path string) error {
		if filepath.Ext(path) != ".go" {
			return nil
		}
		src, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		f := file{name: path, test: strings.HasSuffix(path, "_test.go"), lines: strings.Count(string(src), "\n"), ast: tree, fset: fset}
		for _, spec := range tree.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, p)
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if byPath[dir] == nil {
			byPath[dir] = &pkg{path: dir}
			order = append(order, dir)
		}
		byPath[dir].files = append(byPath[dir].files, f)
		return nil
	})
	var out []pkg
	for _, dir := range order {
		out = append(out, *byPath[dir])
	}
	return out, err
})

// built are folders that are made, not written.
var built = map[string]bool{".git": true, ".cache": true, ".buzon": true, ".aws-sam": true, "bin": true, "node_modules": true}

// walk calls f with every file of the repository, by its path from the top.
func walk(f func(path string) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if built[d.Name()] {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return f(filepath.ToSlash(rel))
	})
}

// calls lists where files name one of the functions, such as "time.Now". A
// method or field of another thing that is called alike does not count.
func calls(f file, wanted map[string]bool) []string {
	local := map[string]string{} // name in this file -> import path
	for _, spec := range f.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		name := p[strings.LastIndexByte(p, '/')+1:]
		if name == "v2" {
			name = "rand"
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		local[name] = p
	}
	var found []string
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		if p, ok := local[id.Name]; ok && wanted[p+"."+sel.Sel.Name] {
			found = append(found, f.fset.Position(sel.Pos()).String()+": "+p+"."+sel.Sel.Name)
		}
		return true
	})
	return found
}
