package flowfile

import (
	"errors"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
)

// TestStepFaultIsKnownByItsKind: of all faults of an expression only a missing
// step is the definition's, and it is known by what it is, not by its text.
func TestStepFaultIsKnownByItsKind(t *testing.T) {
	_, _, err := flowdef.Compile("rate(a[5m]) / rate(b[1m])", 0)
	var faults flowdef.ExprErrors
	if !errors.As(err, &faults) || len(faults) != 1 || !errors.Is(faults[0], flowdef.ErrNoStep) {
		t.Errorf("two ranges and no step: %v, want flowdef.ErrNoStep alone", err)
	}
	if lookalike := (flowdef.ExprError{Message: flowdef.ErrNoStep.Error()}); errors.Is(lookalike, flowdef.ErrNoStep) {
		t.Error("a fault with the text of flowdef.ErrNoStep is taken for it")
	}

	const file = "flows:\n  - name: f\n    promql: |\n      rate(a[5m])\n        / rate(b[1m])\n"
	if _, problems := Parse("f.yaml", []byte(file)); len(problems) != 1 || problems[0].Line != 2 {
		t.Errorf("problems %v, want one at line 2, where the flow begins", problems)
	}
	const wrong = "flows:\n  - name: f\n    every: 1m\n    promql: |\n      rate(a[5m])\n        / nothing(b[1m])\n"
	if _, problems := Parse("f.yaml", []byte(wrong)); len(problems) != 1 || problems[0].Line != 6 {
		t.Errorf("problems %v, want one at line 6, where the function is", problems)
	}
	for _, every := range []string{"[1m]", "1mm", "0s", "-1m", "{a: b}"} {
		bad := "flows:\n  - name: f\n    promql: a\n    every: " + every + "\n"
		if _, problems := Parse("f.yaml", []byte(bad)); len(problems) != 1 || problems[0].Line != 4 {
			t.Errorf("every: %s: problems %v, want one at line 4 alone", every, problems)
		}
	}
}

// TestAbsurdSubqueries: what a window would compute millions of times is refused with the
// number, however its subqueries stand; what people write is not.
func TestAbsurdSubqueries(t *testing.T) {
	for promql, want := range map[string]string{
		"max_over_time(sum(rate(m[5m]))[30d:1m])":                                  "",
		"max_over_time(sum(rate(m[5m]))[30d:1s])":                                  "",
		"max_over_time(max_over_time(m[1d:])[1d:])":                                "",
		"max_over_time(m[10000m:]) + max_over_time(m[10000m:])":                    "",
		"max_over_time(sum(m)[1d:1ms])":                                            "86400000 times",
		"1 - (2 * max_over_time(max_over_time(max_over_time(m[1d:])[1d:])[10m:]))": "20736000 times",
		"sum(max_over_time(max_over_time(m[30d:1s])[1d:1h] offset 1d))":            "62208000 times",
	} {
		file := "flows:\n  - name: f\n    every: 1m\n    promql: " + promql + "\n"
		_, problems := Parse("f.yaml", []byte(file))
		if want == "" && len(problems) > 0 || want != "" && (len(problems) != 1 || problems[0].Line != 4 || !strings.Contains(problems[0].String(), want)) {
			t.Errorf("%s: problems %v, want %q", promql, problems, want)
		}
	}
}
