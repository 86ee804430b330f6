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

// Where sums leave the range of a double they are kept smaller by this factor.
const (
	down = 0x1p-64
	up   = 0x1p64
)

// Plus joins two sums, each with its compensation. Sums are those of exact arithmetic, so
// what comes out does not depend on the order, but for rounding:
//
//	finite      sum + c is the sum
//	infinite    c is the sum by 2^64 where the terms are finite and their sum is none that
//	            a double holds. Otherwise c is 0: there are infinite terms, all of this sign
//	NaN         NaN is among the terms, or both infinities are
//
// A sum that comes back into the range of a double is finite again.
func Plus(sum, c, other, otherC float64) (float64, float64) {
	sum, c, other, otherC = float64(sum), float64(c), float64(other), float64(otherC)
	total := float64(sum + other)
	switch {
	case !finite(total):
		return plusBeyond(sum, c, other, otherC)
	case math.Abs(sum) >= math.Abs(other):
		c += float64(float64(sum-total) + other)
	default:
		c += float64(float64(other-total) + sum)
	}
	return total, float64(c + otherC)
}

// plusBeyond is Plus where a sum is not finite, or both together are not.
func plusBeyond(sum, c, other, otherC float64) (float64, float64) {
	switch endless, otherEndless := isInf(sum) && c == 0, isInf(other) && otherC == 0; {
	case isNaN(sum) || isNaN(other):
		return math.NaN(), 0
	case endless && otherEndless:
		return sum + other, 0
	case endless:
		return sum, 0
	case otherEndless:
		return other, 0
	}
	small := smaller(sum, c) + smaller(other, otherC)
	if math.Abs(small) <= math.MaxFloat64*down {
		return small * up, 0
	}
	return math.Copysign(math.Inf(1), small), small
}

// smaller is a sum of finite terms by 2^64.
func smaller(sum, c float64) float64 {
	if isInf(sum) {
		return c
	}
	return sum*down + c*down
}

// Total is the sum that Plus keeps: infinite where a double does not hold it.
func Total(sum, c float64) float64 {
	if isInf(sum) {
		return sum
	}
	return sum + c
}

// Mean is the mean of n terms of which Plus keeps the sum: finite where the terms are,
// whatever their sum.
func Mean(sum, c, n float64) float64 {
	switch {
	case !isInf(sum):
		return sum/n + c/n
	case c == 0:
		return sum
	default: // rounding must not take it beyond the terms
		return max(-math.MaxFloat64, min(math.MaxFloat64, c/n*up))
	}
}
