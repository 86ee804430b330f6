package flowfile

import (
	"errors"
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
}
