package function

import "laminar/flownode/partial"

// Aggregation is an aggregation over the series of a group in which a leaf can
// end. Aggregations are compared by pointer. A nil *Aggregation is none: every
// series is a group of its own.
type Aggregation struct {
	Name string      // in PromQL
	Op   partial.Agg // what folds the values of the series

	// Terms is TermsSquares or TermsRoot where the aggregation squares the
	// values of the series. Else it adds nothing to the function's own.
	Terms Terms
}

// The aggregations that are kept over every function of the table, Instant
// among them.
var (
	Sum    = &Aggregation{Name: "sum", Op: partial.AggSum, Terms: TermsSamples}
	Avg    = &Aggregation{Name: "avg", Op: partial.AggAvg, Terms: TermsSamples}
	Min    = &Aggregation{Name: "min", Op: partial.AggMin, Terms: TermsSamples}
	Max    = &Aggregation{Name: "max", Op: partial.AggMax, Terms: TermsSamples}
	Count  = &Aggregation{Name: "count", Op: partial.AggCount, Terms: TermsSamples}
	Group  = &Aggregation{Name: "group", Op: partial.AggGroup, Terms: TermsSamples}
	Stddev = &Aggregation{Name: "stddev", Op: partial.AggStddev, Terms: TermsRoot}
	Stdvar = &Aggregation{Name: "stdvar", Op: partial.AggStdvar, Terms: TermsSquares}
)

// Aggregations lists them.
func Aggregations() []*Aggregation {
	return []*Aggregation{Sum, Avg, Min, Max, Count, Group, Stddev, Stdvar}
}

// AggregationNamed returns the aggregation with this name in PromQL; nil when
// it is not kept.
func AggregationNamed(name string) *Aggregation {
	for _, a := range Aggregations() {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// String is the aggregation's name; "none" for a nil Aggregation.
func (a *Aggregation) String() string {
	if a == nil {
		return "none"
	}
	return a.Name
}

// Aggregator returns one that holds no value. For a nil Aggregation it gives
// back the value of the one series that is added.
func (a *Aggregation) Aggregator() partial.Aggregator {
	if a == nil {
		return *partial.NewAggregator(partial.AggAny)
	}
	return *partial.NewAggregator(a.Op)
}
