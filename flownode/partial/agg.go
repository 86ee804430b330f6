package partial

import "math"

// Agg is an aggregation of one window's values over the series of a group.
type Agg int

// The aggregations.
const (
	AggAny Agg = iota // the value itself: a group of one series
	AggSum
	AggAvg
	AggMin
	AggMax
	AggCount
	AggGroup
	AggStddev
	AggStdvar
)

// Aggregator folds one window's values of the series of a group as
// Prometheus's engine does, operation by operation. Add them in the order of
// the series; the result depends on it in the last bits.
//
//	A1  n == 0 exactly before the first Add
//	A2  sum, and avg while mean is false: v + c is the sum
//	A3  avg once mean is true, since the sum would overflow: v + c is the mean
//	A4  stddev, stdvar: mu is the mean, v the sum of squares around it
type Aggregator struct {
	agg  Agg
	mean bool
	n    float64
	v, c float64
	mu   float64
}

// NewAggregator returns an Aggregator that holds no value.
func NewAggregator(agg Agg) *Aggregator { return &Aggregator{agg: agg} }

// Empty reports whether no value was added.
func (a *Aggregator) Empty() bool { return a.n == 0 }

// Add folds in the value of the next series.
func (a *Aggregator) Add(v float64) {
	a.n++
	if a.n == 1 {
		a.first(v)
		return
	}
	switch a.agg {
	case AggSum:
		a.v, a.c = add(a.v, a.c, v)
	case AggAvg:
		a.addMean(v)
	case AggMin:
		if v < a.v || isNaN(a.v) {
			a.v = v
		}
	case AggMax:
		if v > a.v || isNaN(a.v) {
			a.v = v
		}
	case AggStddev, AggStdvar:
		delta := v - a.mu
		a.mu += delta / a.n
		a.v += delta * (v - a.mu)
	case AggAny, AggCount, AggGroup:
	}
}

func (a *Aggregator) first(v float64) {
	a.v = v
	switch a.agg {
	case AggGroup:
		a.v = 1
	case AggStddev, AggStdvar:
		a.mu, a.v = v, 0
		if !finite(v) {
			a.v = math.NaN()
		}
	case AggAny, AggSum, AggAvg, AggMin, AggMax, AggCount:
	}
}

// addMean adds to the sum until that would overflow, and to the mean from then
// on.
func (a *Aggregator) addMean(v float64) {
	if !a.mean {
		sum, c := add(a.v, a.c, v)
		if !isInf(sum) {
			a.v, a.c = sum, c
			return
		}
		a.mean = true
		a.v /= a.n - 1
		a.c /= a.n - 1
	}
	q := (a.n - 1) / a.n
	a.v, a.c = add(q*a.v, q*a.c, v/a.n)
}

// Result is the aggregate of the values so far; at least one was added.
func (a *Aggregator) Result() float64 {
	switch a.agg {
	case AggSum:
		return a.v + a.c
	case AggAvg:
		if a.mean {
			return a.v + a.c
		}
		return a.v/a.n + a.c/a.n
	case AggCount:
		return a.n
	case AggStdvar:
		return a.v / a.n
	case AggStddev:
		return math.Sqrt(a.v / a.n)
	default:
		return a.v
	}
}
