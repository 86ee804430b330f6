package segment

// Decimal scales: most values that people measure have few decimal digits, so the
// value times a power of ten is an integer, and integers pack well.
//
// A scale is only used where it is exact: integer / 10^scale gives back the very bits
// of the value. The test is done for every value and not deduced from its digits.

import "math"

const (
	maxExact     = 1 << 53 // integers below it are exact as float64
	scaleSamples = 32      // values looked at to choose a scale
	// exceptionCost is what an exception takes, and scaleCost what each further
	// digit of a scale adds to every sample, in bits, about.
	exceptionCost = 76
	scaleCost     = 3.32
)

// scaled returns the integer i with i / 10^scale == v to the bit. It reports
// false if there is none below 2^53, where integers stop being exact. Both Go
// and SQL undo it with one division, so the check divides as they do.
func scaled(v float64, scale mode) (i int64, ok bool) {
	x := v
	if scale > 0 {
		x = math.RoundToEven(v * powers[scale])
	}
	if !(x > -maxExact && x < maxExact) {
		return 0, false // NaN too
	}
	i = int64(x)
	back := float64(i)
	if scale > 0 {
		back /= powers[scale]
	}
	return i, math.Float64bits(back) == math.Float64bits(v) // -0 is not 0
}

// smallestScale returns the smallest scale in which v is an integer, if there is
// one up to maxScale.
func smallestScale(v float64) (scale mode, ok bool) {
	for scale = range maxScale + 1 {
		if _, ok := scaled(v, scale); ok {
			return scale, true
		}
	}
	return 0, false
}

// chooseScale looks at about scaleSamples values of a series, evenly spread, and
// returns the scale that should pack them best. A larger scale makes every
// integer longer; a smaller one leaves exceptions. ok is false if too many
// values have no scale. The caller tries the scale on all values.
func chooseScale(vals []float64) (scale mode, ok bool) {
	var counts [maxScale + 1]int
	looked, none := 0, 0
	step := max(1, len(vals)/scaleSamples)
	for i := 0; i < len(vals); i += step {
		if isSpecial(vals[i]) {
			continue
		}
		looked++
		if s, ok := smallestScale(vals[i]); ok {
			counts[s]++
		} else if none++; 8*none > scaleSamples {
			return 0, false
		}
	}
	if !fewExceptions(none, looked) {
		return 0, false
	}
	best := math.Inf(1)
	for s, left := mode(0), looked; s <= maxScale; s++ {
		left -= counts[s]
		if cost := scaleCost*float64(s)*float64(looked) + exceptionCost*float64(left); cost < best && fewExceptions(left, looked) {
			best, scale, ok = cost, s, true
		}
	}
	return scale, ok
}

// isSpecial reports whether v is an infinity or not a number.
func isSpecial(v float64) bool { return !(math.Abs(v) <= math.MaxFloat64) }

// fewExceptions reports whether so many of n samples may be exceptions: an
// eighth of them, or one, but not all.
func fewExceptions(exceptions, n int) bool { return exceptions <= max(1, n/8) && exceptions < n }
