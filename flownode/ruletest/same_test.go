package ruletest

import (
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// TestSame: values that rounding explains are one, and no number is one with an infinite
// value.
func TestSame(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, x := range []struct {
		a, b float64
		same bool
	}{
		{1, 1 + 1e-12, true}, {1, 1.01, false}, {0, 1e-13, true},
		{inf, inf, true}, {inf, -inf, false}, {5, inf, false}, {-inf, 1e300, false},
		{nan, nan, true}, {nan, 1, false}, {inf, nan, false},
	} {
		ls := labels.FromStrings("job", "a")
		if same(sample{labels: ls, value: x.a}, sample{labels: ls, value: x.b}) != x.same {
			t.Errorf("%v and %v are the same: %v, want %v", x.a, x.b, !x.same, x.same)
		}
	}
}
