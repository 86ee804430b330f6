package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, Grüße, 日本語, 👩‍👩‍👧": "plain, Grüße, 日本語, 👩‍👩‍👧",
		`a\b "c" %s`:                      `a\b "c" %s`,
		"\x1b]0;title\x07\x1b[31m\x1b[2J": `\x1b]0;title\a\x1b[31m\x1b[2J`,
		"line\r\nFAKE ok\ttab":            `line\r\nFAKE ok\ttab`,
		"\x00\x7f\u0085\u009b31m":         `\x00\x7f\u0085\u009b31m`,
		"\u202eabc\u2066\u200e\u061c":     `\u202eabc\u2066\u200e\u061c`,
		"\u2028\u2029\ufeff\u00ad":        `\u2028\u2029\ufeff\u00ad`,
		"\U000e0041":                      `\U000e0041`,
		"bad \xff\xc3 utf-8":              `bad \xff\xc3 utf-8`,
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) is %q, want %q", text, got, want)
		}
		if got := printable(printable(text)); got != want {
			t.Errorf("printable twice of %q is %q", text, got)
		}
	}
}

func TestSay(t *testing.T) {
	var out bytes.Buffer
	if err := say(&out, "%s|%v|%q|%d|%-4s|\n", "a\x1b", []string{"b\n"}, "c", 7, "d"); err != nil {
		t.Fatal(err)
	}
	if want := `a\x1b|[b\n]|"c"|7|d   |` + "\n"; out.String() != want {
		t.Errorf("say writes %q, want %q", out.String(), want)
	}
}

// TestNothingWritesPastSay: nothing but say.go writes to a stream for people.
// The others that write are named here, with what they write.
func TestNothingWritesPastSay(t *testing.T) {
	allowed := map[string]string{
		"demoview.go steer":   "control sequences of our own around what say has written",
		"web.go routes":       "answers to probes",
		"output.go writeJSON": "JSON",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") || path == "say.go" {
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
						t.Errorf("%s: %s in %s: text for people goes through say", fset.Position(call.Pos()), name, fn.Name.Name)
					}
				}
				return true
			})
		}
	}
}

// harmlessText fails where a terminal would obey, or not show, a part of what a
// command has written.
func harmlessText(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: not UTF-8: %q", what, text)
	}
	for _, r := range text {
		if r != '\n' && unprintable(r) {
			t.Errorf("%s: %q in\n%q", what, r, text)
			return
		}
	}
}
