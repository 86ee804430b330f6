package importer_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/flowfile/importer"
)

// TestDocs: each file of another program in docs/definitions.md becomes the flows that the
// text behind it names, which are definitions as they were printed.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	formats := map[importer.Format]bool{}
	for _, m := range regexp.MustCompile("(?s)```yaml import\n(.*?)```\n\n```text\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		result, problems := importer.Import("file.yaml", []byte(m[1]), importer.Options{})
		if len(problems) > 0 {
			t.Errorf("%v in\n%s", problems, m[1])
			continue
		}
		formats[result.Format] = true
		text, counts := result.Definitions(), result.Counts()+"\n"
		if result.Format == importer.FormatDefinitions {
			text, counts = m[1], ""
		}
		flows, problems := flowfile.Parse("file.yaml", []byte(text))
		if len(problems) > 0 {
			t.Errorf("%v in\n%s", problems, text)
		}
		var got strings.Builder
		for _, f := range flows {
			fmt.Fprintf(&got, "flow.%s (%s)\n", f.Table, strings.Join(append(append([]string{"window_start", "window_end"}, flowdef.NewLayout(f).Names...), "value"), ", "))
		}
		if got.WriteString(counts); got.String() != m[2] {
			t.Errorf("the document says\n%swant\n%s", m[2], got.String())
		}
	}
	if len(formats) != 3 {
		t.Errorf("there are files of %v only", formats)
	}
}
