package function

import (
	"slices"

	"laminar/flownode/partial"
	"laminar/sequence/segment"
)

// Instant is an instant selector: the newest sample in the lookback, unless it
// is a stale marker.
var Instant = &Function{
	Name: "instant", Markers: true, KeepsName: true, Histograms: true, Terms: TermsSamples,
	As: last(func(p *partial.Last) (float64, bool) {
		return p.V, !p.Empty() && !segment.IsStale(p.V)
	}),
}

// Seen is whether a series has a sample, 1 or nothing. It stands in leaves that count who
// has a value, for every function of which Always is true; PromQL has no name for it.
var Seen = &Function{
	Name: "seen", Terms: TermsSamples,
	As: whenever(keptAs(partial.SeenKind, Keeper.Seen, func(p *partial.Seen, _ Window) (float64, bool) { return 1, p.Any })),
}

// HistogramOverTime is the function that Laminar adds to PromQL: the floats of a range as
// a native histogram (package native). It is kept there alone, whether or not series hold
// native histograms.
var HistogramOverTime = &Function{
	Name: "histogram_over_time", Histograms: true, Terms: TermsSamples, MergesUnder: []*Aggregation{Sum},
	As: kept{traits: partial.Traits{Name: "sketch", FoldsLate: true}},
}

// table is every function that is kept but HistogramOverTime, in the order of the documents.
var table = []*Function{
	Instant,

	// Of counters and of gauges that are looked at as such: what comes between
	// two samples counts, the one before and after a cut included.
	{
		Name: "rate", Histograms: true, Borders: true, Terms: TermsDifferences,
		As: counter(func(p *partial.Counter, w Window) (float64, bool) { return p.Rate(w.After, w.UpTo) }),
	},
	{
		Name: "increase", Histograms: true, Borders: true, Terms: TermsDifferences,
		As: counter(func(p *partial.Counter, w Window) (float64, bool) { return p.Increase(w.After, w.UpTo) }),
	},
	{Name: "increase_pure", Before: true, Borders: true, Terms: TermsSamples, As: counterSince((*partial.Counter).Since)},
	{
		Name: "delta", Borders: true, Terms: TermsDifferences,
		As: counter(func(p *partial.Counter, w Window) (float64, bool) { return p.Delta(w.After, w.UpTo) }),
	},
	{Name: "irate", As: pair((*partial.Pair).Irate), Terms: TermsDifferences},
	{Name: "idelta", As: pair((*partial.Pair).Idelta), Terms: TermsDifferences},
	{Name: "changes", As: turns(func(p *partial.Turns) float64 { return float64(p.Changes) }), Terms: TermsSamples},
	{Name: "resets", As: turns(func(p *partial.Turns) float64 { return float64(p.Resets) }), Terms: TermsSamples},
	{Name: "deriv", As: regression(func(p *partial.Regression, _ Window) (float64, bool) { return p.Slope() }), Terms: TermsDifferences},
	{
		Name: "predict_linear", FromEnd: true, Terms: TermsForecast,
		As: regression(func(p *partial.Regression, w Window) (float64, bool) { return p.Predict(w.End, w.Param) }),
	},

	// Of sets of samples: their order says nothing.
	{
		Name: "sum_over_time", Histograms: true, Terms: TermsSamples, MergesUnder: []*Aggregation{Sum},
		As: simple((*partial.Simple).Total),
	},
	{Name: "avg_over_time", Histograms: true, As: simple((*partial.Simple).Avg), Terms: TermsSamples},
	{
		Name: "min_over_time", Terms: TermsSamples, MergesUnder: []*Aggregation{Min},
		As: simple(func(p *partial.Simple) float64 { return p.Min }),
	},
	{
		Name: "max_over_time", Terms: TermsSamples, MergesUnder: []*Aggregation{Max},
		As: simple(func(p *partial.Simple) float64 { return p.Max }),
	},
	{
		Name: "count_over_time", Histograms: true, Terms: TermsSamples, MergesUnder: []*Aggregation{Sum},
		As: simple(func(p *partial.Simple) float64 { return float64(p.Count) }),
	},
	{Name: "present_over_time", Histograms: true, As: simple(func(*partial.Simple) float64 { return 1 }), Terms: TermsSamples},
	{Name: "distinct_over_time", As: counted(), Terms: TermsSamples},
	{
		Name: "count_distinct", Of: "values_over_time", As: counted(), Terms: TermsSamples, MergesUnder: []*Aggregation{Sum},
	},
	{Name: "stddev_over_time", As: moments((*partial.Moments).Stddev), Terms: TermsRoot},
	{Name: "stdvar_over_time", As: moments((*partial.Moments).Stdvar), Terms: TermsSquares},

	// One sample out of many.
	{
		Name: "first_over_time", KeepsName: true, Terms: TermsSamples,
		As: first(func(p *partial.First) (float64, bool) { return p.V, !p.Empty() }),
	},
	{
		Name: "last_over_time", KeepsName: true, Histograms: true, Terms: TermsSamples,
		As: last(func(p *partial.Last) (float64, bool) { return p.V, !p.Empty() }),
	},
}

// All lists the table: Instant, and every function of Prometheus over a range that is
// kept.
func All() []*Function { return slices.Clone(table) }

// Named returns the function over a range with this name in PromQL; nil when it
// is not kept.
func Named(name string) *Function {
	f := byName[name]
	if f == Instant {
		return nil
	}
	return f
}

var byName = func() map[string]*Function {
	m := make(map[string]*Function, len(table))
	for _, f := range table {
		m[f.Name] = f
	}
	m[HistogramOverTime.Name] = HistogramOverTime
	return m
}()
