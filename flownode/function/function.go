package function

import (
	"slices"

	"laminar/flownode/partial"
)

// Function is one function of the table. Functions are compared by pointer: each
// has one entry, which is never changed. A nil *Function is no function at all:
// samples that are read for an expression that is evaluated whole.
type Function struct {
	Name string // in PromQL; "instant" for Instant

	// As is the kind of partial that the function is kept as, and what it makes
	// of one.
	As kept

	// Markers says that the function sees stale markers. Prometheus takes them
	// out of ranges, but an instant selector ends a series at one.
	Markers bool

	// KeepsName says that the metric name stays on the result, as Prometheus 3
	// has it.
	KeepsName bool

	// FromEnd says that the function counts time from the window's end. With a
	// negative offset that end lies among its samples, where Prometheus's
	// arithmetic differs from that of a partial: then it is not kept.
	FromEnd bool

	// Borders says that the value depends on where the range begins and ends, and not on
	// the samples alone: the function extrapolates.
	Borders bool

	// Of is the function over a range that this one is written around, as in
	// count_distinct(values_over_time(x[5m])); "" of a function over a range itself. An
	// aggregation stands between the two and is of what Of gives.
	Of string

	// Before says that the function looks at the newest sample before its range, too: no
	// further back than an instant selector looks for one.
	Before bool

	// MergesUnder is the aggregations for which F3 holds: under these one
	// partial for each group is enough, and not one for each series. With Of they are
	// all that may stand between, and F3 reads: Finish of the merge is the function of
	// the aggregation of what Of gives for each series.
	MergesUnder []*Aggregation

	// Histograms says that the function is kept for series that hold native histograms,
	// too (package native).
	Histograms bool

	// Terms is what rounding errors of the function's value are in proportion
	// to.
	Terms Terms
}

// String is the function's name; "samples" for a nil Function.
func (f *Function) String() string {
	if f == nil {
		return "samples"
	}
	return f.Name
}

// Partial is the traits of the kind of partial that the function is kept as.
// Those of a nil Function have the name "no".
func (f *Function) Partial() partial.Traits {
	if f == nil {
		return partial.Traits{Name: "no"}
	}
	return f.As.traits
}

// Always reports whether a series has a value of the function wherever it has a sample in
// the range, one that is no stale marker.
func (f *Function) Always() bool { return f.As.always }

// Keep calls the method of k for the function's kind of partial.
func (f *Function) Keep(k Keeper) { f.As.keep(k, f.Markers) }

// Merges reports whether state of the function under the aggregation, nil for
// none, needs one partial for each group only (F3).
func (f *Function) Merges(agg *Aggregation) bool {
	return agg != nil && slices.Contains(f.MergesUnder, agg)
}
