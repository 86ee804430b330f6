package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"laminar/cmd/laminar/internal/term"
)

// TestNothingWritesPastSay: nothing but term.Say writes to a stream for people.
// The others that write are named here, with what they write.
func TestNothingWritesPastSay(t *testing.T) {
	allowed := map[string]string{
		"internal/demoview/demoview.go steer": "control sequences of our own around what term.Say has written",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"term", "demoview", "watch", "flowstate"} {
		below, err := filepath.Glob("internal/" + pkg + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, below...)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") || path == "internal/term/say.go" {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || allowed[path+" "+fn.Name.Name] != "" {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if to, ok := call.Fun.(*ast.SelectorExpr); ok {
					name := to.Sel.Name
					if pkg, ok := to.X.(*ast.Ident); ok {
						name = pkg.Name + "." + name
					}
					if strings.HasPrefix(name, "fmt.Fprint") || strings.HasPrefix(name, "fmt.Print") || name == "io.WriteString" || name == "io.Copy" ||
						strings.HasSuffix(name, "stdout.Write") || strings.HasSuffix(name, "stderr.Write") {
						t.Errorf("%s: %s in %s: text for people goes through term.Say", fset.Position(call.Pos()), name, fn.Name.Name)
					}
				}
				return true
			})
		}
	}
}

// harmlessText fails where a terminal would obey, or not show, a part of what a
// command has written: where saying it again would spell it differently.
func harmlessText(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		var safe strings.Builder
		if err := term.Say(&safe, "%s", line); err != nil {
			t.Fatal(err)
		}
		if safe.String() != line {
			t.Errorf("%s: %q would be said as %q", what, line, safe.String())
		}
	}
}
