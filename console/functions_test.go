package console_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	_ "laminar/flownode/promfunc" // adds Laminar's functions to the parser's
)

var rewrite = flag.Bool("rewrite", false, "write the list of functions anew")

// functionsFile is what the editor of expressions offers: functions and their arguments.
const functionsFile = "ui/src/functions.json"

// TestFunctions: the editor offers the functions that the engine has, and those only.
func TestFunctions(t *testing.T) {
	want := map[string]string{}
	for name, f := range parser.Functions {
		if f.Experimental {
			continue // refused
		}
		args := make([]string, len(f.ArgTypes))
		for i, a := range f.ArgTypes {
			args[i] = parser.DocumentedType(a)
		}
		text := strings.Join(args, ", ")
		if f.Variadic != 0 {
			text += ", ..."
		}
		want[name] = text
	}
	text, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *rewrite {
		if err := os.WriteFile(functionsFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(functionsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(text) {
		t.Errorf("%s lists other functions than the engine has; go test ./console -rewrite writes it anew, then make console", functionsFile)
	}
}
