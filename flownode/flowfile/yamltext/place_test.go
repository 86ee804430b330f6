package yamltext

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestLine: the place of a word in a value is the line on which the word stands,
// in every style of YAML.
func TestLine(t *testing.T) {
	for name, text := range map[string]string{
		"plain":                   "a: 1\nx: sum(HERE)\n",
		"plain over lines":        "x: sum by (job) (\n    rate(\n      HERE[5m]))\n",
		"literal":                 "x: |\n  sum(\n\n    HERE)\n",
		"folded":                  "x: >\n  sum by (job) (\n    HERE(a[5m]))\n",
		"folded, with less space": "x: >-\n  sum\n  by (job)\n  (HERE)\n",
		"single quotes":           "x: 'sum(a{b=''c''}\n  + HERE)'\n",
		"double quotes":           "x: \"sum(a{b=\\\"c\\\"}\\n\\t\n  + HERE)\"\n",
		"line break escaped":      "x: \"sum \\\n  by (job) \\\n  (HERE)\"\n",
		"in a flow mapping":       "{x: 'a\n + HERE', y: 1}\n",
		"letters of many bytes":   "x: |\n  label_replace(a, 'ö', 'äöü', '', '')\n  + HERE\n",
	} {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var value *yaml.Node
		for _, n := range doc.Content[0].Content {
			if strings.Contains(n.Value, "HERE") {
				value = n
			}
		}
		want := 1 + strings.Count(text[:strings.Index(text, "HERE")], "\n")
		if got := Line(strings.Split(text, "\n"), value, strings.Index(value.Value, "HERE")); got != want {
			t.Errorf("%s: line %d, want %d, of\n%s", name, got, want, text)
		}
	}
}
