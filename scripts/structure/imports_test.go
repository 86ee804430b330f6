package main

import (
	"bufio"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// importRule is what testdata/imports.txt says about one package.
type importRule struct {
	may   []string // packages of this module
	never []string // prefixes of import paths it must not import
}

// TestImports holds the import table: the direction of imports is the
// architecture, so a new edge has to be a reviewed line of testdata/imports.txt.
func TestImports(t *testing.T) {
	rules := readImportRules(t, "../../testdata/imports.txt")
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "laminar/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		importer := strings.TrimPrefix(words[0], "laminar/")
		listed[importer] = true
		rule, ok := rules[importer]
		if !ok {
			t.Errorf("package %s is not in testdata/imports.txt", importer)
			continue
		}
		for _, fault := range rule.faults(words[1:]) {
			t.Errorf("%s must not import %s", importer, fault)
		}
	}
	for importer := range maps.Keys(rules) {
		if !listed[importer] {
			t.Errorf("testdata/imports.txt has a rule for %s, which does not exist", importer)
		}
	}
}

// faults lists the imports that the rule forbids.
func (r importRule) faults(imports []string) []string {
	return slices.DeleteFunc(slices.Clone(imports), func(path string) bool {
		if own, ok := strings.CutPrefix(path, "laminar/"); ok {
			return slices.Contains(r.may, own)
		}
		return !slices.ContainsFunc(r.never, func(prefix string) bool {
			return path == prefix || strings.HasPrefix(path, prefix+"/")
		})
	})
}

func TestImportRuleFaults(t *testing.T) {
	rule := importRule{may: []string{"sequence"}, never: []string{"net/http", "github.com/jackc"}}
	got := rule.faults([]string{
		"fmt", "net", "net/http", "net/http/httptest", "net/httpx", "github.com/jackc/pgx/v5", "laminar/sequence", "laminar/sqlstore",
	})
	want := []string{"net/http", "net/http/httptest", "github.com/jackc/pgx/v5", "laminar/sqlstore"}
	if !slices.Equal(got, want) {
		t.Errorf("faults %v, want %v", got, want)
	}
}

func readImportRules(t *testing.T, path string) map[string]importRule {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rules := map[string]importRule{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		name, kind := words[0][:len(words[0])-1], words[0][len(words[0])-1]
		rule := rules[name]
		switch kind {
		case ':':
			rule.may = words[1:]
		case '!':
			rule.never = words[1:]
		default:
			t.Fatalf("%s: cannot read %q", path, lines.Text())
		}
		rules[name] = rule
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rules
}
