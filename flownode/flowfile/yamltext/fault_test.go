package yamltext

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The line that is named is the one with the fault, whatever the parser says.
func TestFaultNamesTheLine(t *testing.T) {
	long := "flows:\n" + strings.Repeat("- name: a\n  promql: up\n  every: 1m\n", 3000)
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"a list that stops being one": {"flows:\n- name: a\n  promql: x\nname: b\n- name: c\n", 5},
		"attack's y1":                 {"flows:\n  - name: a\n   promql: x\n", 3},
		"a tab":                       {"flows:\n- name: a\n\tpromql: x\n", 3},
		"in the first line":           {"flows: [\n", 1},
		"only line":                   {"\"", 1},
		"an open quote":               {"flows:\n- name: \"a\n  promql: x\n- name: b\n", 2},
		"an open bracket":             {"flows:\n- name: a\n  x: [1,\n  y: 2\n", 3},
		"a colon too many":            {"flows:\n- name: a\n  promql: a: b\n  every: 1m\n", 3},
		"behind a list over lines":    {"a: [1,\n  2,\n  3]\nb: c: d\n", 4},
		"behind a block of text":      {"a: |\n  x: y: z\n  - [\nb: [}\n", 4},
		"behind comments":             {"a: 1\n# c\n\n# d\n  b: 2\n", 5},
		"an unknown anchor":           {"a: 1\nb: *nothing\n", 2},
		"windows":                     {"flows:\r\n- name: a\r\n   promql: x\r\n", 3},
		"far down":                    {long + "x: y: z\n" + long, 9002},
		"at the end":                  {long + "x: y: z", 9002},
	} {
		var doc yaml.Node
		err := yaml.NewDecoder(strings.NewReader(c.text)).Decode(&doc)
		if err == nil {
			t.Fatalf("%s: the text is YAML", name)
		}
		line, message := Fault([]byte(c.text), err)
		if line != c.line || message == "" || strings.Contains(message, "yaml:") {
			t.Errorf("%s: line %d, %q, want line %d", name, line, message, c.line)
		}
	}
}
