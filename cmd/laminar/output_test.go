package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	for _, pkg := range []string{"term", "demoview", "watch", "flowstate", "flowview", "explainview", "compare"} {
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

// TestPlurals: no text for people has a plural of one thing: what is counted is spelled by
// flowdef.FormatCount.
func TestPlurals(t *testing.T) {
	counted := regexp.MustCompile(`%d ((?:[a-z]+ )?[a-z]+s)\b`)
	fine := map[string]bool{
		"series": true, "is": true, "its": true, "bytes": true, // a limit, or as many as there are
	}
	var files []string
	for _, pattern := range []string{"*.go", "internal/*/*.go", "../../server/view/*.go", "../../flownode/explain/*.go", "../../sqlstore/flowstore/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	checked := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "internal/laminartest/") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if to, ok := call.Fun.(*ast.SelectorExpr); ok && to.Sel.Name == "FormatCount" {
					checked++
				}
				if to, ok := call.Fun.(*ast.SelectorExpr); ok && to.Sel.Name == "Errorf" {
					return false // of limits and of damage, which are never one
				}
			}
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				for _, m := range counted.FindAllStringSubmatch(text.Value, -1) {
					if word := m[1][strings.LastIndexByte(m[1], ' ')+1:]; !fine[word] {
						t.Errorf("%s: %q says 1 %s", fset.Position(text.Pos()), m[0], m[1])
					}
				}
			}
			return true
		})
	}
	if checked < 15 {
		t.Errorf("only %d counts were found", checked)
	}
}

// TestHelpNamesValues: the help of every command says what a flag takes in a word, and not
// by a type of Go.
func TestHelpNamesValues(t *testing.T) {
	a := &app{environ: os.LookupEnv, listed: os.Environ}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if what, _ := pflag.UnquoteUsage(f); strings.ToLower(what) != what {
				t.Errorf("%s --%s takes a %s", cmd.CommandPath(), f.Name, what)
			}
		})
		if strings.Contains(cmd.Flags().FlagUsages(), "(default [") {
			t.Errorf("%s has a list of Go among its defaults:\n%s", cmd.CommandPath(), cmd.Flags().FlagUsages())
		}
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	walk(a.root())
}

// TestEveryCommandHasAnExample: the help of each command that does something shows how it is
// typed, with flags that it has and arguments that it takes.
func TestEveryCommandHasAnExample(t *testing.T) {
	a := &app{environ: os.LookupEnv, listed: os.Environ}
	seen := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			walk(below)
		}
		if cmd.HasSubCommands() || cmd.Parent().Name() == "completion" { // whose help is cobra's, with examples in prose
			return
		}
		seen++
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			typed, is := strings.CutPrefix(strings.SplitN(line, " > ", 2)[0], "  "+cmd.CommandPath())
			if !is {
				t.Errorf("an example of %s is %q", cmd.CommandPath(), line)
				continue
			}
			if cmd.DisableFlagParsing { // psql, which has flags of its own
				continue
			}
			if err := cmd.ParseFlags(words(typed)); err != nil {
				t.Errorf("%s: %v", line, err)
			} else if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	walk(a.root())
	if seen < 25 {
		t.Errorf("only %d commands were found", seen)
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
