package promexpr_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/promexpr"
)

// TestBounded: an expression that nests deeply by whatever means is refused before it is
// parsed, one of the same length that does not is taken, and so is each of usual size.
func TestBounded(t *testing.T) {
	bounded := promexpr.Bounded(parser.NewParser(parser.Options{}))
	nested := map[string]func(n int) string{
		"parentheses":  func(n int) string { return strings.Repeat("(", n) + "a" + strings.Repeat(")", n) },
		"unclosed":     func(n int) string { return strings.Repeat("(", n) },
		"signs":        func(n int) string { return strings.Repeat("-", n) + "a" },
		"sums":         func(n int) string { return strings.Repeat("1+", n) + "1" },
		"powers":       func(n int) string { return strings.Repeat("1^", n) + "1" },
		"sets":         func(n int) string { return strings.Repeat("a or ", n) + "a" },
		"aggregations": func(n int) string { return strings.Repeat("sum(", n) + "a" + strings.Repeat(")", n) },
		"durations":    func(n int) string { return "a[" + strings.Repeat("1+", n) + "1]" },
		"subqueries":   func(n int) string { return "a" + strings.Repeat("[1m:1s]", n) },
		"ranges":       func(n int) string { return "a" + strings.Repeat("[1m]", n) },
		"offsets":      func(n int) string { return "a" + strings.Repeat(" offset 1m", n) },
		"times":        func(n int) string { return "a" + strings.Repeat(" @ 1", n) },
		"comparisons":  func(n int) string { return strings.Repeat("a == bool ", n) + "a" },
	}
	for name, text := range nested {
		if _, err := bounded.ParseExpr(text(1 << 20)); err == nil || !strings.Contains(err.Error(), "operators and parentheses") {
			t.Errorf("%s, a million deep: %v", name, err)
		}
		if _, err := bounded.ParseExpr(text(100)); err != nil && !strings.Contains("unclosed durations subqueries ranges offsets times", name) {
			t.Errorf("%s, a hundred deep: %v", name, err)
		}
	}
	var matchers []string
	for i := range 10_000 {
		matchers = append(matchers, fmt.Sprintf(`l%d!="((+-*/"`, i))
	}
	for name, text := range map[string]string{
		"matchers": "a{" + strings.Join(matchers, ",") + "}", "blanks": strings.Repeat(" ", 1<<20) + "a", "comment": "# " + strings.Repeat("(", 1<<20) + "\na",
	} {
		if _, err := bounded.ParseExpr(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCheckRegexp: what is refused is what would compile to far more than is written; what
// people write, a list of all values included, is not.
func TestCheckRegexp(t *testing.T) {
	var values []string
	for i := range 20_000 {
		values = append(values, regexp.QuoteMeta(fmt.Sprintf("checkout-%d.example.com", i)))
	}
	for name, text := range map[string]string{
		"list": strings.Join(values, "|"), "usual": `(?i)prod-(eu|us)-[0-9]{1,3}\..+`, "repetition": `a{1000}`, "class": `\pL+\d+\w*`, "no regular expression": "a{1000}(",
	} {
		if err := promexpr.CheckRegexp(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var repetitions []string
	for i := range 100 {
		repetitions = append(repetitions, fmt.Sprintf("%c{%d}", '\u0100'+i, 1000-i))
	}
	bounded := promexpr.Bounded(parser.NewParser(parser.Options{}))
	for name, text := range map[string]string{
		"repetitions": strings.Join(repetitions, ""), "nested": strings.Repeat("((a{10}){10}){10}", 50), "classes": strings.Repeat(`\pL`, 500), "open": strings.Repeat("x{999,}", 100),
	} {
		if err := promexpr.CheckRegexp(text); err == nil {
			t.Errorf("%s are taken", name)
		}
		for _, expr := range []string{fmt.Sprintf("a{b=~%q}", text), fmt.Sprintf("a{b!~%q}", text), fmt.Sprintf(`label_replace(a, "b", "$1", "c", %q)`, text)} {
			if _, err := bounded.ParseExpr(expr); err == nil {
				t.Errorf("%s are taken in %.40s", name, expr)
			}
		}
		if _, err := bounded.ParseMetricSelectors([]string{"a", fmt.Sprintf("a{b=~%q}", text)}); err == nil {
			t.Errorf("%s are taken in a selector", name)
		}
	}
}
