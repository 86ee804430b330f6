package promfunc

import (
	"sort"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"
)

// increasePure is how much a counter grew within the range: from the newest sample before
// it, if there is one, or else from 0, to the last one in it. What is less than the sample
// before began again at 0. Nothing is extrapolated, so the values of ranges that touch add
// up. A range without a sample has no value; native histograms are left out.
func increasePure(_ []promql.Vector, vals promql.Matrix, args parser.Expressions, enh *promql.EvalNodeHelper) (promql.Vector, annotations.Annotations) {
	m, ok := args[0].(*parser.MatrixSelector)
	if !ok || len(vals) == 0 {
		return enh.Out, nil
	}
	points := vals[0].Floats
	after := enh.Ts - (m.Range + m.VectorSelector.(*parser.VectorSelector).Offset).Milliseconds()
	first := sort.Search(len(points), func(i int) bool { return points[i].T > after })
	if first == len(points) {
		return enh.Out, nil
	}
	from, lost := 0.0, 0.0
	if first > 0 {
		from = points[first-1].F
	}
	last := from
	for _, p := range points[first:] {
		if p.F < last {
			lost += last
		}
		last = p.F
	}
	return append(enh.Out, promql.Sample{F: last - from + lost}), nil
}
