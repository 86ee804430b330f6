package flownode

import (
	"math"

	"laminar/flownode/flowdef"
)

// How far a stored value may be from the computed one.
const (
	verifyRelative = 1e-9  // of the larger of the two
	verifyTerms    = 1e-14 // of the terms, in absolute value
	verifyPredict  = 1e-3  // of the larger, for predict_linear
)

// same says whether a stored value of the row with the key is within the bound
// of the computed one:
//
//	|a-b| <= max(1e-9 max(|a|,|b|), 1e-14 (sum of the absolute values of the terms))
//
// The first part is the bound of values whose terms have one sign. Where terms
// cancel out, what is left of rounding follows the size of the terms; doubles
// have 16 digits, so the second part allows for a hundred times the last one,
// which is far less than 1e-9 of the terms and hides no change by hand. Batch
// flows are computed by the same engine, so they have no second part.
func (r *verifying) same(in *reading, end int64, key string, a, b float64) bool {
	if sameValue(a, b) {
		return true
	}
	diff, larger := math.Abs(a-b), max(math.Abs(a), math.Abs(b))
	switch {
	case math.IsNaN(diff) || math.IsInf(diff, 1):
		return false
	case diff <= verifyRelative*larger:
		return true
	case r.def.Expr.Batch:
		return false
	}
	slack := 0.0
	for i := range r.def.Expr.Leaves {
		slack = max(slack, r.slack(in, i, end, key, larger))
	}
	return diff <= slack
}

// slack is what rounding may leave where the terms of a leaf cancel out. Terms
// are the samples of the row's group, or of all where rows depend on more than
// theirs; for the functions that look at differences the largest sample of each
// series. A variance has squares as terms, and a standard deviation is its root.
// predict_linear gets 1e-3: of two samples a millisecond apart the engine loses
// the digits that the partial keeps.
func (r *verifying) slack(in *reading, leaf int, end int64, key string, larger float64) float64 {
	l := &r.def.Expr.Leaves[leaf]
	if l.Func == flowdef.FuncPredictLinear {
		return verifyPredict * (1 + larger)
	}
	var (
		sum, squares float64
		raw, m       = in.samples.leaves[leaf], r.flow.leaves[leaf].Members
		after, upTo  = r.flow.leaves[leaf].Span(end)
	)
	for c, slot := range raw.Slot {
		lset := m.Groups[m.GroupOf[slot]].Labels
		if r.def.Expr.ByGroup && rowKey(r.flow.layout.Row(l.GroupLabels(lset))) != key {
			continue
		}
		largest := 0.0
		_, vs := raw.Within(c, after, upTo)
		for _, v := range vs {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			largest = max(largest, math.Abs(v))
			squares += v * v
			if !differences[l.Func] {
				sum += math.Abs(v)
			}
		}
		if differences[l.Func] {
			sum += largest
		}
	}
	switch {
	case l.Func == flowdef.FuncStddevOverTime || l.Agg == flowdef.AggStddev:
		return max(verifyTerms*sum, min(math.Sqrt(verifyTerms*squares), verifyTerms*squares/larger))
	case l.Func == flowdef.FuncStdvarOverTime || l.Agg == flowdef.AggStdvar:
		return verifyTerms * squares
	default:
		return verifyTerms * sum
	}
}

// differences is the functions whose terms are differences of samples.
var differences = map[flowdef.Func]bool{
	flowdef.FuncRate: true, flowdef.FuncIncrease: true, flowdef.FuncDelta: true,
	flowdef.FuncIrate: true, flowdef.FuncIdelta: true, flowdef.FuncDeriv: true,
}
