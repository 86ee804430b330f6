package main

// Rules about the source that no linter has: what is written once.

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// goFile is a Go file of the repository.
type goFile struct {
	path string // from the root
	test bool   // a test, or of a package that only tests import
	tree *ast.File
}

// goFiles parses all Go files of the repository.
func goFiles(t *testing.T) (*token.FileSet, []goFile) {
	t.Helper()
	tree, err := parseTree()
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.files) < 100 {
		t.Fatalf("found %d Go files", len(tree.files))
	}
	return tree.fset, tree.files
}

type parsedTree struct {
	fset  *token.FileSet
	files []goFile
}

var parseTree = sync.OnceValues(func() (parsedTree, error) {
	const root = "../.."
	tree := parsedTree{fset: token.NewFileSet()}
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
		file, err := parser.ParseFile(tree.fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		tree.files = append(tree.files, goFile{rel, strings.HasSuffix(name, "_test.go") || strings.Contains(rel, "test/"), file})
		return err
	})
	return tree, err
})

// TestOneConstant: a limit that the database, the protocol or the format sets is a
// number in one place. Another constant of it, or a comparison with the number, would
// stay behind when the limit changes.
func TestOneConstant(t *testing.T) {
	facts := []struct {
		value uint64
		of    *regexp.Regexp // what the constant is called, or what is compared
		home  string
	}{
		{1024, regexp.MustCompile(`(?i)region`), "sequence/seq.go"},
		{63, regexp.MustCompile(`(?i)ident|name|schema|table|column`), "flownode/flowdef/table.go"},
		{253402300799999, regexp.MustCompile(``), "sequence/segment/segment.go"},
	}
	fset, files := goFiles(t)
	found := make([]map[string]bool, len(facts))
	for _, f := range files {
		if f.test {
			continue
		}
		number := func(value ast.Expr, about ...ast.Expr) {
			n, ok := integer(value)
			for i, fact := range facts {
				if !ok || n != fact.value || !slices.ContainsFunc(about, func(e ast.Expr) bool { return fact.of.MatchString(spelled(fset, e)) }) {
					continue
				}
				if found[i] == nil {
					found[i] = map[string]bool{}
				}
				found[i][f.path] = true
			}
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, value := range n.Values {
					number(value, n.Names[min(i, len(n.Names)-1)])
				}
			case *ast.BinaryExpr:
				if slices.Contains([]token.Token{token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ}, n.Op) {
					number(n.X, n.Y)
					number(n.Y, n.X)
				}
			}
			return true
		})
	}
	for i, fact := range facts {
		if got := slices.Sorted(maps.Keys(found[i])); !slices.Equal(got, []string{fact.home}) {
			t.Errorf("%d is written in %v, want %s alone", fact.value, got, fact.home)
		}
	}
}

// integer is the value of a whole number, also of one that is converted.
func integer(e ast.Expr) (uint64, bool) {
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) == 1 {
		e = call.Args[0]
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.INT {
		return 0, false
	}
	n, err := strconv.ParseUint(lit.Value, 0, 64)
	return n, err == nil
}

// TestOneBody: no two functions have one body. The smallest are let be.
func TestOneBody(t *testing.T) {
	const least = 60 // characters
	fset, files := goFiles(t)
	first := map[string]string{}
	for _, f := range files {
		for _, decl := range f.tree.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if f.test || !ok || fn.Body == nil {
				continue
			}
			body := spelled(fset, fn.Type) + spelled(fset, fn.Body)
			name := f.path + ": " + fn.Name.Name
			if other, ok := first[body]; ok && len(body) >= least {
				t.Errorf("%s is %s once more", name, other)
			}
			first[body] = name
		}
	}
}

var blanks = regexp.MustCompile(`\s+`)

// spelled is the source of a part of a file, with single blanks.
func spelled(fset *token.FileSet, part any) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, fset, part); err != nil {
		return fmt.Sprint(err)
	}
	return blanks.ReplaceAllString(b.String(), " ")
}

// TestEveryFunctionIsCalled: what nothing names is dead, and what only tests name is a
// second way of doing what the program does differently. It goes by names, so a dead
// function that shares its name with another is not found.
func TestEveryFunctionIsCalled(t *testing.T) {
	allowed := map[string]string{
		"AtST":         "of an interface of Prometheus",
		"SetVersion":   "of an interface of golang-migrate",
		"ScanBytes":    "of an interface of pgx",
		"Less":         "of sort.Interface",
		"ParseRange":   "reads what Range.String writes: tests say positions in it",
		"ParseSpan":    "reads what Span.String writes: tests say spans in it",
		"MigrateDown":  "shows in tests that every migration can be taken back",
		"UnkeptNames":  "the list that the documents are compared with",
		"AppendBinary": "the bytes of a set of values as SQL functions make them, which tests compare",
		"DropState":    "a restart without one, in tests",
	}
	_, files := goFiles(t)
	declared, used := map[string]string{}, map[string]bool{}
	for _, f := range files {
		if f.test {
			continue
		}
		own := map[*ast.Ident]bool{}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				own[n.Name] = true
				if name := n.Name.Name; name != "main" && name != "init" {
					declared[name] = f.path
				}
			case *ast.Ident:
				if !own[n] {
					used[n.Name] = true
				}
			}
			return true
		})
	}
	for name, path := range declared {
		if _, ok := allowed[name]; !ok && !used[name] && !calledByHelpers(files, name) {
			t.Errorf("%s: nothing but tests calls %s", path, name)
		}
	}
	for name, why := range allowed {
		if _, ok := declared[name]; !ok || used[name] {
			t.Errorf("%s (%s) is not an exception any more: strike it from the list", name, why)
		}
	}
}

// calledByHelpers reports whether a package of test helpers names the function: that is
// one program more.
func calledByHelpers(files []goFile, name string) (called bool) {
	for _, f := range files {
		if !f.test || strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			called = called || ok && id.Name == name
			return !called
		})
	}
	return called
}

// TestOneSpellingOfTimes: people are told times in one form. The flags that bench gives
// the command line, and fleet's own messages, are not Laminar's.
func TestOneSpellingOfTimes(t *testing.T) {
	const home = "sequence/time.go"
	fset, files := goFiles(t)
	seen := false
	for _, f := range files {
		if f.test || strings.HasPrefix(f.path, "cmd/bench/") || strings.HasPrefix(f.path, "cmd/fleet/") {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 || !strings.HasPrefix(spelled(fset, call.Args[len(call.Args)-1]), "time.RFC3339") {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Format", "AppendFormat"}, method.Sel.Name) {
				seen = seen || f.path == home
				if f.path != home {
					t.Errorf("%s spells a time itself: use sequence.FormatTime", f.path)
				}
			}
			return true
		})
	}
	if !seen {
		t.Errorf("%s does not spell times", home)
	}
}

// TestOneRewriteFlag: whatever tests hold in a file is written anew by one flag.
func TestOneRewriteFlag(t *testing.T) {
	_, files := goFiles(t)
	seen := 0
	for _, f := range files {
		if !f.test {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || method.Sel.Name != "Bool" {
				return true
			}
			if x, ok := method.X.(*ast.Ident); ok && x.Name == "flag" {
				seen++
				if name, ok := call.Args[0].(*ast.BasicLit); !ok || name.Value != `"rewrite"` {
					t.Errorf("%s has a flag of another name than -rewrite", f.path)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("no test has the flag -rewrite")
	}
}

// TestOneDefault: what ingest and flownode do when nothing is set is what the settings
// show: these name the packages' own defaults.
func TestOneDefault(t *testing.T) {
	const home = "cmd/laminar/internal/settings/config.go"
	fset, files := goFiles(t)
	seen := 0
	for _, f := range files {
		if f.path != home {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			set, ok := n.(*ast.AssignStmt)
			if !ok {
				return true
			}
			field := spelled(fset, set.Lhs[0])
			if !slices.ContainsFunc([]string{"c.Ingest.", "c.HA.", "c.Flownode."}, func(p string) bool { return strings.HasPrefix(field, p) }) {
				return true
			}
			seen++
			ast.Inspect(set.Rhs[0], func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok {
					t.Errorf("%s: %s is %s, want the default of the package that has it", home, field, lit.Value)
				}
				return true
			})
			return true
		})
	}
	if seen == 0 {
		t.Errorf("%s sets no defaults", home)
	}
}

// TestClocksAreGiven: what is pure has no clock, and what computes a round, verifies or
// explains has the one that it is given. A node itself measures how long its rounds take.
func TestClocksAreGiven(t *testing.T) {
	_, files := goFiles(t)
	seen := 0
	for _, f := range files {
		if f.test || !strings.HasPrefix(f.path, "flownode/") && !strings.HasPrefix(f.path, "sequence/") {
			continue
		}
		node := strings.Count(f.path, "/") == 1 && strings.HasPrefix(f.path, "flownode/")
		ast.Inspect(f.tree, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "time" {
				return true
			}
			seen++
			if !node {
				t.Errorf("%s asks the process's clock: take a now func() time.Time", f.path)
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("nobody asks a clock, not even the node")
	}
}

// TestErrorsAreNotReadAsText: an error is known by what it is. Its text is for people,
// and changes.
func TestErrorsAreNotReadAsText(t *testing.T) {
	allowed := map[string]string{
		"sqlstore/pg/connecterror.go": "the driver has no types for what is wrong with a URL",
		"cmd/laminar/failure.go":      "asks whether a joined error has a text of its own, in order to print it",
	}
	_, files := goFiles(t)
	text := func(e ast.Expr) bool {
		call, ok := e.(*ast.CallExpr)
		if !ok || len(call.Args) != 0 {
			return false
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		return ok && method.Sel.Name == "Error"
	}
	seen := map[string]bool{}
	for _, f := range files {
		if f.test {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			found := false
			switch n := n.(type) {
			case *ast.BinaryExpr:
				found = (n.Op == token.EQL || n.Op == token.NEQ) && (text(n.X) || text(n.Y))
			case *ast.CallExpr:
				fn, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || len(n.Args) == 0 || !text(n.Args[0]) {
					break
				}
				x, ok := fn.X.(*ast.Ident)
				found = ok && x.Name == "strings" && slices.Contains([]string{"Contains", "HasPrefix", "HasSuffix", "Index"}, fn.Sel.Name)
			}
			if found {
				seen[f.path] = true
			}
			return true
		})
	}
	if got, want := slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(allowed)); !slices.Equal(got, want) {
		t.Errorf("decided by the text of an error in %v, want %v alone", got, want)
	}
}
