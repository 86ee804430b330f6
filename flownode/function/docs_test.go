package function_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"laminar/flownode/function"
)

var rewrite = flag.Bool("rewrite", false, "write the table of functions into docs/definitions.md")

// The lines of docs/definitions.md that the table stands between.
const (
	tableBegin = "<!-- functions: written by go test ./flownode/function -rewrite -->\n"
	tableEnd   = "<!-- end of functions -->\n"
)

// TestDocs: docs/definitions.md shows the table as it is.
func TestDocs(t *testing.T) {
	const file = "../../docs/definitions.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), tableBegin)
	got, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s: no %q or no %q behind it", file, tableBegin, tableEnd)
	}
	want := tableOfFunctions()
	if got == want {
		return
	}
	if !*rewrite {
		t.Fatalf("%s: run `go test ./flownode/function -rewrite`; the table is\n%swant\n%s", file, got, want)
	}
	if err := os.WriteFile(file, []byte(before+tableBegin+want+tableEnd+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tableOfFunctions is the table as Markdown.
func tableOfFunctions() string {
	var b strings.Builder
	b.WriteString("\n| function | state | a late sample | one state per group under | pushdown | metric name | native histograms |\n|---|---|---|---|---|---|---|\n")
	for _, f := range append(function.All(), function.HistogramOverTime) {
		traits := f.Partial()
		name := "`" + f.Name + "`"
		if f == function.Instant {
			name = "none (an instant selector)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", name, traits.Name,
			oneOf(traits.FoldsLate, "is folded in", "has its pane read again"), under(f),
			oneOf(traits.SQL, "yes", "no"), oneOf(f.KeepsName, "kept", "dropped"), oneOf(f == function.HistogramOverTime, "left out", oneOf(f.Histograms, "kept", "")))
	}
	b.WriteByte('\n')
	return b.String()
}

func under(f *function.Function) string {
	names := make([]string, len(f.MergesUnder))
	for i, agg := range f.MergesUnder {
		names[i] = "`" + agg.Name + "`"
	}
	return strings.Join(names, ", ")
}

func oneOf(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
