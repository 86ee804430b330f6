package sqlstore_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sourceFile is a Go file of the repository.
type sourceFile struct {
	path string // from the root
	tree *ast.File
}

// sourceFiles parses all Go files of the repository, tests too.
func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	const root = ".."
	var out []sourceFile
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		out = append(out, sourceFile{filepath.ToSlash(rel), tree})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 100 {
		t.Fatalf("found %d Go files", len(out))
	}
	return out
}

func (f sourceFile) imports(prefix string) bool {
	return slices.ContainsFunc(f.tree.Imports, func(s *ast.ImportSpec) bool {
		return strings.HasPrefix(strings.Trim(s.Path.Value, `"`), prefix)
	})
}

// sqlState is the form of a SQLSTATE, which a size such as 256MB has too.
var sqlState = regexp.MustCompile(`^[0-9][0-9A-Z]{4}$`)

// TestOneErrorDoor: only pg/errors.go looks into an error of the driver or knows
// what the server's codes are called, and beside it pg/connecterror.go, which
// explains to people why a connection is refused. The private server is started
// below the store, and asks one that is starting for itself.
func TestOneErrorDoor(t *testing.T) {
	door := []string{"sqlstore/pg/errors.go", "sqlstore/pg/errors_test.go", "sqlstore/pg/connecterror.go", "sqlstore/localpg/launch.go"}
	seen := 0
	for _, f := range sourceFiles(t) {
		if !f.imports("github.com/jackc/pgx") {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			var found string
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "pgconn" && n.Sel.Name == "PgError" {
					found = "pgconn.PgError"
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && sqlState.MatchString(text) && !strings.HasSuffix(text, "MB") {
					found = "SQLSTATE " + text
				}
			}
			if found == "" {
				return true
			}
			seen++
			if !slices.Contains(door, f.path) {
				t.Errorf("%s knows %s: ask pg's predicates instead", f.path, found)
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("nothing was found, not even in the door")
	}
}

// TestOneQuerier: in the store, what a pool, a connection and a transaction have in common is
// declared once, and not written out where it is needed.
func TestOneQuerier(t *testing.T) {
	var declared []string
	for _, f := range sourceFiles(t) {
		if !strings.HasPrefix(f.path, "sqlstore/") {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			i, ok := n.(*ast.InterfaceType)
			if ok && slices.ContainsFunc(i.Methods.List, func(m *ast.Field) bool {
				return len(m.Names) == 1 && slices.Contains([]string{"Exec", "Query", "QueryRow"}, m.Names[0].Name)
			}) {
				declared = append(declared, f.path)
			}
			return true
		})
	}
	if want := []string{"sqlstore/pg/names.go"}; !slices.Equal(declared, want) {
		t.Errorf("declared in %v, want %v", declared, want)
	}
}

// TestLogKeys: an error is logged under one key, so that a search finds them all.
func TestLogKeys(t *testing.T) {
	seen := 0
	for _, f := range sourceFiles(t) {
		ast.Inspect(f.tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, method.Sel.Name) {
				return true
			}
			for _, arg := range call.Args[min(1, len(call.Args)):] {
				switch key, ok := arg.(*ast.BasicLit); {
				case ok && key.Value == `"err"`:
					seen++
				case ok && key.Value == `"error"`:
					t.Errorf("%s logs an error as error, want err", f.path)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("no error is logged anywhere")
	}
}
