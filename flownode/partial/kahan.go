package partial

import "math"

// add adds v to the sum that stands at sum with compensation c, with
// Neumaier's variant of Kahan's summation: sum + c is the sum with the
// rounding errors of all additions made up for.
//
// The conversions keep the compiler from fusing these operations with the
// caller's: a fused multiply-add rounds once where the compensation counts on
// two roundings.
func add(sum, c, v float64) (float64, float64) {
	sum, c, v = float64(sum), float64(c), float64(v)
	total := float64(sum + v)
	switch {
	case isInf(total):
		c = 0 // nothing to make up for, and Inf - Inf would spoil it
	case math.Abs(sum) >= math.Abs(v):
		c += (sum - total) + v
	default:
		c += (v - total) + sum
	}
	return total, float64(c)
}

// isInf is math.IsInf for both signs, cheap enough to be inlined everywhere.
func isInf(v float64) bool { return v > math.MaxFloat64 || v < -math.MaxFloat64 }

// isNaN is math.IsNaN.
func isNaN(v float64) bool { return v != v }

// finite reports that v is neither infinite nor NaN.
func finite(v float64) bool { return v-v == 0 }

// Plus adds v to a sum with its compensation, as partials do: sum + c is the sum.
func Plus(sum, c, v float64) (float64, float64) { return add(sum, c, v) }
