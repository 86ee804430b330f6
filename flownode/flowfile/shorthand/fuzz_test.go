package shorthand_test

import (
	"errors"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowfile/shorthand"
)

// FuzzExpand: whatever the text, it is spelled out to PromQL, left as it is, or refused at a
// place within it.
func FuzzExpand(f *testing.F) {
	for _, text := range []string{
		`sum by (a) (m{b="c"}[2m] offset 1m)`, `sum2(m[1m])`, `increase(m[2m]) without (a)`, `avg((m[1m])) / count(m[1m])`, `sum2 by (`,
		`topk(2, m[1m])`, `sum(m[1m], m[2m])`, `count_values("a", m[1m])`, `-sum(m[1m] @ 3)`, "sum2 # a\n(m[1m])", `max_over_time(sum(m[1m])[5m:1m])`, `sum() + min(m[1h])`,
	} {
		f.Add(text)
	}
	promql := parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
	f.Fuzz(func(t *testing.T, text string) {
		got, _, err := shorthand.Expand(text, "flow", 0)
		var fault *shorthand.Error
		switch {
		case errors.As(err, &fault):
			if fault.Pos < 0 || fault.Pos > len(text) || fault.Message == "" {
				t.Errorf("%q is refused at %d: %q", text, fault.Pos, fault.Message)
			}
		case err != nil:
			t.Errorf("%q: %v", text, err)
		case got != text:
			if _, err := promql.ParseExpr(got); err != nil {
				t.Errorf("%q is %q: %v", text, got, err)
			}
		}
	})
}
