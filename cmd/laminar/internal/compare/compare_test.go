package compare

import (
	"math"
	"testing"
)

// TestNear: values that rounding explains are one, and no number is near an infinite one.
func TestNear(t *testing.T) {
	c := &comparing{opts: Options{Tolerance: 1e-9}}
	inf, nan := math.Inf(1), math.NaN()
	for _, x := range []struct {
		a, b float64
		near bool
	}{
		{1, 1 + 1e-12, true}, {1, 1.01, false}, {0, 1e-12, false}, {0, 0, true},
		{inf, inf, true}, {inf, -inf, false}, {1, inf, false}, {-inf, 1e300, false},
		{nan, nan, true}, {nan, 1, false}, {inf, nan, false},
	} {
		if c.near(x.a, x.b) != x.near || c.near(x.b, x.a) != x.near {
			t.Errorf("%v and %v are near: %v, want %v", x.a, x.b, !x.near, x.near)
		}
	}
}
