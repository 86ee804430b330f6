package substitute

import (
	"slices"

	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowdef"
)

// Definition is a flow's expression, whose rows can stand for it.
type Definition struct {
	Form
	MetricName string   // the metric's name that results of the expression have, "" for none
	Metrics    []string // whose samples it reads, sorted
}

// definitions are parsed as the catalogue has them.
var definitions = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

// Define is the definition of a flow; or why its rows cannot stand for its expression: the
// reason completes "flow x is not read for its expression: it ...".
func Define(f *flowdef.Flow) (*Definition, string) {
	e, err := definitions.ParseExpr(f.PromQL)
	if err != nil {
		return nil, "is not understood: " + err.Error()
	}
	d := &Definition{Form: FormOf(e)}
	switch {
	case f.Alert != nil:
		return nil, "is an alerting rule"
	case len(f.Previous) > 0:
		return nil, "sees what another rule has written before"
	case f.Limit > 0:
		return nil, "has a limit, so a window can lack its results"
	case f.Expr.FromNothing:
		return nil, "has results without samples"
	case d.Unknown:
		return nil, "has something in it that is not known"
	case d.Pinned:
		return nil, "reads a fixed time"
	case d.BareStep:
		return nil, "has a subquery without a step"
	}
	for i := range f.Expr.Leaves {
		metric := f.Expr.Leaves[i].Metric
		if metric == "" {
			return nil, "selects more than one metric at once"
		}
		d.Metrics = append(d.Metrics, metric)
	}
	slices.Sort(d.Metrics)
	d.Metrics = slices.Compact(d.Metrics)
	for _, l := range f.StaticLabels {
		if !f.Expr.LabelsKnown || slices.Contains(f.Expr.ResultLabels, l.Name) {
			return nil, "has the static label " + l.Name + ", which its expression can give too"
		}
	}
	var known bool
	if d.MetricName, known = nameOf(e); !known {
		return nil, "does not store the metric's name"
	}
	if !unfailing(e) {
		return nil, "can fail in a window"
	}
	return d, ""
}
