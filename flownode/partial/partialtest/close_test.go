package partialtest

import (
	"math"
	"testing"
)

// TestClose: a bound relative to an infinity would let every number pass, and a comparison
// that asks for what is too far lets NaN pass.
func TestClose(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		got, want float64
		is        bool
	}{
		{1, 1, true}, {1, 1 + 1e-12, true}, {1, 1.1, false}, {0, 0, true}, {0, math.Copysign(0, -1), true},
		{inf, inf, true}, {-inf, -inf, true}, {nan, nan, true},
		{inf, -inf, false}, {5, inf, false}, {inf, 5, false}, {5, -inf, false}, {-inf, 5, false}, {math.MaxFloat64, inf, false},
		{nan, 5, false}, {5, nan, false}, {nan, inf, false}, {inf, nan, false}, {math.MaxFloat64, -math.MaxFloat64, false},
	} {
		if is := Close(c.got, c.want, 1e-9*max(1, math.Abs(c.want))); is != c.is {
			t.Errorf("%v is close to %v: %v, want %v", c.got, c.want, is, c.is)
		}
	}
}
