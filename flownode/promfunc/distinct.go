package promfunc

import (
	"fmt"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/flownode/distinct"
	"laminar/flownode/distinct/sethist"
)

// setOf is the values of a range's floats; ok is false where there are none. Native
// histograms are left out.
func setOf(vals promql.Matrix) (s distinct.Set, ok bool) {
	if len(vals) == 0 {
		return s, false
	}
	for _, p := range vals[0].Floats {
		s.Add(p.F)
	}
	return s, !s.Empty()
}

// distinctOverTime is how many different values a range has.
func distinctOverTime(_ []promql.Vector, vals promql.Matrix, _ parser.Expressions, enh *promql.EvalNodeHelper) (promql.Vector, annotations.Annotations) {
	s, ok := setOf(vals)
	if !ok {
		return enh.Out, nil
	}
	return append(enh.Out, promql.Sample{F: s.Count()}), nil
}

// valuesOverTime is the set of a range's values, as a native histogram (package sethist).
func valuesOverTime(_ []promql.Vector, vals promql.Matrix, _ parser.Expressions, enh *promql.EvalNodeHelper) (promql.Vector, annotations.Annotations) {
	s, ok := setOf(vals)
	if !ok {
		return enh.Out, nil
	}
	return append(enh.Out, promql.Sample{H: sethist.Of(&s)}), nil
}

// countDistinct is how many different values a set has. Floats are left out, and so is
// every histogram that is no set, with a warning.
func countDistinct(vectors []promql.Vector, _ promql.Matrix, _ parser.Expressions, enh *promql.EvalNodeHelper) (promql.Vector, annotations.Annotations) {
	var notes annotations.Annotations
	for _, el := range vectors[0] {
		if el.H == nil {
			continue
		}
		s, ok := sethist.Set(el.H)
		if !ok {
			notes.Add(fmt.Errorf("%w: count_distinct is of what values_over_time gives, and of sums of it; %s is another histogram",
				annotations.PromQLWarning, el.Metric))
			continue
		}
		enh.Out = append(enh.Out, promql.Sample{Metric: el.Metric.DropReserved(schema.IsMetadataLabel), F: s.Count(), DropName: true})
	}
	return enh.Out, notes
}
