// Package docs_test holds the documents to the tree: names that they mention
// exist, links lead somewhere, lines can be read.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

// document is a Markdown file. Path is relative to the root, with slashes.
type document struct {
	path, text string
}

// documents is README.md and its like, and everything in docs.
func documents(t *testing.T) []document {
	t.Helper()
	var out []document
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, document{filepath.ToSlash(rel), string(text)})
		}
	}
	if len(out) < 10 {
		t.Fatalf("only %d documents were found", len(out))
	}
	return out
}

var (
	code    = regexp.MustCompile("`([^`\n]+)`")
	goNames = regexp.MustCompile(`^(\w+)\.([A-Z]\w*)(?:\.([A-Z]\w*))?$`)
	inTree  = regexp.MustCompile(`^[\w.-]+(?:/[\w.*-]+)+$`)
	// mentioned is a path in prose: not the end of a longer one, nor of a URL.
	mentioned = regexp.MustCompile(`(?:^|[\s("])([\w-]+(?:/[\w.*-]+)+)`)
	inComment = regexp.MustCompile(`\b([a-z]\w*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
	invariant = regexp.MustCompile(`^[A-Z]\d+$`)
	goFile    = regexp.MustCompile(`\b[\w/]+\.go\b`)
	testName  = regexp.MustCompile(`^(Test[A-Z]\w*)(\*?)(?:/|$)`)
	braces    = regexp.MustCompile(`^(.*)\{([^}]*)\}(.*)$`)
	goTest    = regexp.MustCompile("go test [^`\n]*")
	testDir   = regexp.MustCompile(`\s\./([\w/]*\w)(/\.\.\.)?`)
	testFor   = regexp.MustCompile(`-(run|bench) '?([\w|]+)`)
	links     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notSlug   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestNames: paths and Go names in code type exist, in every document.
func TestNames(t *testing.T) {
	known, tests := declarations(t), testNames(t, "", true)
	checked := 0
	for _, doc := range documents(t) {
		if doc.path == "CHANGELOG.md" { // tells what was
			continue
		}
		for _, m := range code.FindAllStringSubmatch(unfenced(doc.text), -1) {
			name := m[1]
			for _, file := range expand(name) {
				top, _, _ := strings.Cut(file, "/")
				if !inTree.MatchString(file) || strings.HasPrefix(file, "./") || !exists(top) || top == ".build" { // made by what runs
					continue
				}
				checked++
				if !exists(file) {
					t.Errorf("%s: %s does not exist", doc.path, file)
				}
			}
			if m := testName.FindStringSubmatch(name); m != nil {
				checked++
				if !slices.ContainsFunc(tests, func(test string) bool {
					return test == m[1] || m[2] != "" && strings.HasPrefix(test, m[1])
				}) {
					t.Errorf("%s: there is no test %s", doc.path, name)
				}
			}
			if m := goNames.FindStringSubmatch(name); m != nil && known[m[1]] != nil {
				checked++
				if want := strings.Join(slices.DeleteFunc(m[2:], func(s string) bool { return s == "" }), "."); !known[m[1]][want] {
					t.Errorf("%s: package %s has no %s", doc.path, m[1], want)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d names were found", checked)
	}
}

// TestPackages: CONTRIBUTING.md says of every package what it is.
func TestPackages(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range code.FindAllStringSubmatch(unfenced(string(text)), -1) {
		for _, name := range expand(m[1]) {
			named[name] = true
		}
	}
	for _, file := range slices.Concat(goFiles(t, "", false), goFiles(t, "", true)) {
		folder, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.ToSlash(folder)
		if !named[name] && !strings.Contains(name, "testdata") {
			t.Errorf("CONTRIBUTING.md does not name the package %s", name)
			named[name] = true // once
		}
	}
}

// TestComments: paths, files and Go names that comments mention exist. What moves
// takes the comments about it along.
func TestComments(t *testing.T) {
	tops := map[string]bool{}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		tops[entry.Name()] = entry.IsDir() && !strings.HasPrefix(entry.Name(), ".")
	}
	checked := 0
	check := func(file, comment string) {
		for _, m := range mentioned.FindAllStringSubmatch(comment, -1) {
			name := strings.TrimRight(m[1], ".")
			top, _, _ := strings.Cut(name, "/")
			if !tops[top] {
				continue
			}
			checked++
			if !exists(name) && !beside(file, name) {
				t.Errorf("%s: a comment mentions %s, which does not exist", file, name)
			}
		}
	}
	known := declarations(t)
	files := slices.Concat(goFiles(t, "", false), goFiles(t, "", true))
	renamed := map[string]map[string]string{} // by folder: packages imported under another name, by that name
	for _, file := range files {
		folder := filepath.Dir(file)
		if renamed[folder] == nil {
			renamed[folder] = map[string]string{}
		}
		for _, spec := range parse(t, file).Imports {
			if spec.Name != nil {
				renamed[folder][spec.Name.Name] = path.Base(strings.Trim(spec.Path.Value, `"`))
			}
		}
	}
	for _, file := range files {
		called := renamed[filepath.Dir(file)]
		for _, group := range parse(t, file).Comments {
			text := group.Text()
			check(file, text)
			for _, m := range inComment.FindAllStringSubmatch(text, -1) {
				names := known[m[1]]
				if real, ok := called[m[1]]; ok {
					names = known[real]
				}
				if names == nil || invariant.MatchString(m[2]) {
					continue
				}
				checked++
				if want := strings.TrimSuffix(m[2]+"."+m[3], "."); !names[want] {
					t.Errorf("%s: a comment mentions %s.%s, which does not exist", file, m[1], want)
				}
			}
			for _, name := range goFile.FindAllString(text, -1) {
				checked++
				if !exists(name) && !beside(file, name) {
					t.Errorf("%s: a comment mentions %s, which is not beside it", file, name)
				}
			}
		}
	}
	for _, pattern := range []string{"queries/*.sql", "queries/*/*.sql", "migrations/*.sql"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if _, comment, ok := strings.Cut(line, "--"); ok {
					check(file, comment)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d paths were found", checked)
	}
}

// TestCommands: the tests and benchmarks that documents and comments run are
// where they say.
func TestCommands(t *testing.T) {
	found := 0
	for _, doc := range documents(t) {
		found += checkCommands(t, doc.path, doc.text)
	}
	for _, file := range slices.Concat(goFiles(t, "", false), goFiles(t, "", true)) {
		for _, group := range parse(t, file).Comments {
			found += checkCommands(t, file, group.Text())
		}
	}
	if found < 10 {
		t.Errorf("only %d commands were found", found)
	}
}

// checkCommands checks every go test of a text that names a package, and returns
// how many tests and benchmarks these name.
func checkCommands(t *testing.T, where, text string) (found int) {
	t.Helper()
	for _, command := range goTest.FindAllString(text, -1) {
		dir := testDir.FindStringSubmatch(command)
		if dir == nil {
			continue
		}
		tests := testNames(t, dir[1], dir[2] != "")
		if len(tests) == 0 {
			t.Errorf("%s: %s: there are no tests in %s", where, command, dir[1])
		}
		for _, m := range testFor.FindAllStringSubmatch(command, -1) {
			if m[2] == "xxx" { // runs none
				continue
			}
			found++
			kind := map[string]string{"run": "Test", "bench": "Benchmark"}[m[1]]
			for one := range strings.SplitSeq(m[2], "|") {
				if !slices.ContainsFunc(tests, func(name string) bool {
					return strings.HasPrefix(name, kind) && strings.Contains(name, one)
				}) {
					t.Errorf("%s: %s: no %s of %s in %s", where, command, kind, one, dir[1])
				}
			}
		}
	}
	return found
}

// TestLinks: links within the repository lead to a file and to a heading of it.
func TestLinks(t *testing.T) {
	docs := documents(t)
	headings := map[string][]string{}
	for _, doc := range docs {
		for _, m := range heading.FindAllStringSubmatch(unfenced(doc.text), -1) {
			headings[doc.path] = append(headings[doc.path], slug(m[1]))
		}
	}
	for _, doc := range docs {
		for _, m := range links.FindAllStringSubmatch(unfenced(doc.text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := doc.path
			if file != "" {
				target = path.Join(path.Dir(doc.path), file)
			}
			switch {
			case !exists(target):
				t.Errorf("%s: %s leads nowhere", doc.path, m[1])
			case anchor != "" && !slices.Contains(headings[target], anchor):
				t.Errorf("%s: %s has no heading #%s", doc.path, target, anchor)
			}
		}
	}
}

// TestLineLength: prose has lines that fit a screen. Tables and code do not
// wrap.
func TestLineLength(t *testing.T) {
	const most = 140
	for _, doc := range documents(t) {
		n := 0
		for line := range strings.Lines(unfenced(doc.text)) {
			n++
			if length := len([]rune(strings.TrimRight(line, "\n"))); length > most && !strings.HasPrefix(strings.TrimSpace(line), "|") {
				t.Errorf("%s:%d: %d characters, at most %d", doc.path, n, length, most)
			}
		}
	}
}

// unfenced is a document with the lines of fenced code blocks left empty.
func unfenced(text string) string {
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(text) {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence {
			fenced = !fenced
		}
		if fence || fenced {
			line = "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// slug is the anchor that a heading gets.
func slug(text string) string {
	text = notSlug.ReplaceAllString(strings.ToLower(text), "")
	return strings.ReplaceAll(text, " ", "-")
}

// expand spells out one pair of braces, as shells do.
func expand(name string) []string {
	m := braces.FindStringSubmatch(name)
	if m == nil {
		return []string{name}
	}
	var out []string
	for one := range strings.SplitSeq(m[2], ",") {
		out = append(out, m[1]+one+m[3])
	}
	return out
}

// exists reports whether a path or pattern, relative to the root, names
// something.
func exists(name string) bool {
	found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(name)))
	return err == nil && len(found) > 0
}

// beside reports whether a path names something in the folder of a file.
func beside(file, name string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(name)))
	return err == nil
}

// goFiles lists the Go files below a folder of the tree, tests or others.
func goFiles(t *testing.T, below string, tests bool) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(filepath.Join(root, below), func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..":
			return fs.SkipDir
		case strings.HasSuffix(file, ".go") && strings.HasSuffix(file, "_test.go") == tests:
			out = append(out, file)
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return out
}

// testNames lists the tests and benchmarks of a folder, and with all of those
// below it.
func testNames(t *testing.T, folder string, all bool) []string {
	t.Helper()
	var out []string
	for _, file := range goFiles(t, folder, true) {
		if !all && filepath.Dir(file) != filepath.Join(root, filepath.FromSlash(folder)) {
			continue
		}
		for _, decl := range parse(t, file).Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				out = append(out, f.Name.Name)
			}
		}
	}
	return out
}

// declarations is, by the name of a package, what it declares: "Name", and
// "Type.Member" for methods and fields. Packages of one name are joined.
func declarations(t *testing.T) map[string]map[string]bool {
	t.Helper()
	known := map[string]map[string]bool{}
	for _, file := range goFiles(t, "", false) {
		parsed := parse(t, file)
		names := known[parsed.Name.Name]
		if names == nil {
			names = map[string]bool{}
			known[parsed.Name.Name] = names
		}
		for _, decl := range parsed.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names[d.Name.Name] = true
				} else {
					names[receiver(d.Recv.List[0].Type)+"."+d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					declare(names, spec)
				}
			}
		}
	}
	return known
}

func declare(names map[string]bool, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			names[name.Name] = true
		}
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		var members *ast.FieldList
		switch body := s.Type.(type) {
		case *ast.StructType:
			members = body.Fields
		case *ast.InterfaceType:
			members = body.Methods
		default:
			return
		}
		for _, field := range members.List {
			for _, name := range field.Names {
				names[s.Name.Name+"."+name.Name] = true
			}
		}
	}
}

// receiver is the name of a receiver's type.
func receiver(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	default:
		return ""
	}
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
