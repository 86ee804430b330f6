package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Median is the middle of the values, the mean of the two middle ones where
// their number is even, NaN where there is none.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile is the value below which the part q of the values lies, 0 <= q <= 1,
// interpolated between neighbours; NaN where there is none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 == len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// Spread is the smallest and the largest value.
func Spread(values []float64) (low, high float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(values), slices.Max(values)
}

// Ratios divides a by b round by round, so that a disturbance of a whole round
// cancels out. A single value counts for every round.
func Ratios(a, b []float64) ([]float64, error) {
	n := max(len(a), len(b))
	if len(a) == 0 || len(b) == 0 || len(a) != n && len(a) != 1 || len(b) != n && len(b) != 1 {
		return nil, fmt.Errorf("%d values over %d", len(a), len(b))
	}
	out := make([]float64, n)
	for i := range out {
		over := b[min(i, len(b)-1)]
		if over == 0 {
			return nil, errors.New("division by zero")
		}
		out[i] = a[min(i, len(a)-1)] / over
	}
	return out, nil
}
