package flowfile

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"laminar/flownode/function"

	"laminar/flownode/flowdef"
)

// TestDocs checks docs/definitions.md: each yaml block is a definition, and the
// text block behind it says what becomes of it. Files of other programs are package
// importer's.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile("../../docs/definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	blocks := fenced(doc)
	if len(blocks) < 6 {
		t.Fatalf("only %d blocks", len(blocks))
	}
	for i, b := range blocks {
		if !strings.HasPrefix(b.info, "yaml") || b.info == "yaml import" {
			continue
		}
		if i+1 == len(blocks) || blocks[i+1].info != "text" {
			t.Errorf("line %d: no text block behind this one", b.line)
			continue
		}
		all, problems := Read([]Source{{File: "docs/definitions.md", Data: []byte(b.text)}})
		var got strings.Builder
		for _, p := range problems {
			p.File = "definitions.md"
			fmt.Fprintln(&got, p)
		}
		for _, f := range all.Flows {
			columns := append([]string{"window_start", "window_end"}, flowdef.NewLayout(f).Names...)
			fmt.Fprintf(&got, "flow.%s (%s)\n", f.Table, strings.Join(append(columns, "value"), ", "))
		}
		if refused := b.info == "yaml refused"; refused != (len(problems) > 0) {
			t.Errorf("line %d: problems %v", b.line, problems)
		}
		if got.String() != blocks[i+1].text {
			t.Errorf("line %d: got\n%swant\n%s", b.line, got.String(), blocks[i+1].text)
		}
	}
	for _, list := range [][]string{flowKeys, functionNames()} {
		for _, word := range list {
			if !strings.Contains(doc, "`"+word+"`") {
				t.Errorf("%s is not explained", word)
			}
		}
	}
}

// functionNames is every function that is kept, and every one that makes an
// expression batch.
func functionNames() []string {
	names := function.UnkeptNames()
	for _, f := range function.All() {
		if f != function.Instant {
			names = append(names, f.Name)
		}
	}
	for _, agg := range function.Aggregations() {
		names = append(names, agg.Name)
	}
	return names
}

type block struct {
	info, text string
	line       int
}

// fenced lists the fenced code blocks of a Markdown text.
func fenced(doc string) []block {
	var out []block
	var open *block
	n := 0
	for line := range strings.Lines(doc) {
		n++
		switch info, fence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```"); {
		case fence && open == nil:
			open = &block{info: info, line: n}
		case fence:
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	return out
}
