package verify

// How far a stored value may be from the computed one.
//
// State adds samples in another order than the engine does, pane by pane, so sums
// differ in their last digits. The bound allows for that and for nothing more.

import (
	"iter"
	"math"

	"laminar/flownode/function"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// same says whether a stored value of the row with the key is within the bound
// of the computed one (function.Relative, function.Rounding). Batch flows are
// computed by the same engine, so terms that cancel out make no difference there.
func (r *verifying) same(in *reading, end sequence.Time, key string, a, b float64) bool {
	if progress.SameValue(a, b) {
		return true
	}
	diff, larger := math.Abs(a-b), max(math.Abs(a), math.Abs(b))
	switch {
	case finite(diff) && diff <= function.Relative*larger:
		return true
	case r.def.Expr.Batch:
		return false
	}
	for i := range r.def.Expr.Leaves {
		// Terms may be so large that the engine's sum leaves the range of a double or does not,
		// depending on their order alone: then it says nothing of what is right (partial.Plus).
		if rounding := r.rounding(in, i, end, key); rounding.Beyond() || finite(diff) && diff <= rounding.Slack(larger) {
			return true
		}
	}
	return false
}

// finite reports that v is neither infinite nor NaN.
func finite(v float64) bool { return v-v == 0 }

// sameResult is same for results that may be native histograms. The same buckets must be
// filled. Each number is a result of its own; a count may be off in proportion to all
// observations, from which it was taken.
func (r *verifying) sameResult(in *reading, end sequence.Time, key string, stored, computed progress.Row) bool {
	a, b := stored.Histogram, computed.Histogram
	if a == nil || b == nil {
		return a == b && r.same(in, end, key, stored.Value, computed.Value)
	}
	if a.Equal(b) {
		return true
	}
	if !a.SameBuckets(b) || !r.same(in, end, key, a.Sum, b.Sum) {
		return false
	}
	within := function.Relative * max(math.Abs(a.Count), math.Abs(b.Count))
	next, stop := iter.Pull(b.Counts())
	defer stop()
	for x := range a.Counts() {
		y, _ := next()
		if !progress.SameValue(x, y) && !(math.Abs(x-y) <= within) {
			return false
		}
	}
	return true
}

// rounding is of the terms of a leaf: where they cancel out, a sum of large values near
// zero has a large relative error. The terms are the samples of the row's group, or of
// all groups if a row can depend on several.
func (r *verifying) rounding(in *reading, leaf int, end int64, key string) function.Rounding {
	var (
		l        = &r.def.Expr.Leaves[leaf]
		rounding = function.RoundingOf(l.Func, l.Agg)
		raw, m   = in.samples.Leaves[leaf], r.leaves[leaf].Members
		span     = r.leaves[leaf].Span(end)
	)
	if !rounding.NeedsSamples() {
		return rounding
	}
	for c, slot := range raw.Slot {
		lset := m.Groups[m.GroupOf[slot]].Labels
		if r.def.Expr.ByGroup && progress.RowKey(r.layout.Row(l.GroupLabels(lset))) != key {
			continue
		}
		_, vs := raw.Within(c, span)
		rounding.Series(vs)
	}
	return rounding
}
