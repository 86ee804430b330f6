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
	Shape      *Shape   // nil where nothing else can be derived from it

	aggregates bool // several series make one result
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
	d := &Definition{Form: FormOf(e), Shape: ShapeOf(e), aggregates: aggregates(e)}
	switch {
	case f.Session != nil:
		return nil, "has sessions, which are no value of its expression"
	case f.Alert != nil:
		return nil, "is an alerting rule"
	case len(f.Previous) > 0:
		return nil, "sees what another rule has written before"
	case f.Itself:
		return nil, "reads its own results"
	case len(f.Relabel) > 0:
		return nil, "relabels the series that it selects"
	case f.LeavesOutLate():
		return nil, "leaves out samples that come too late"
	case f.MaxGroups > 0:
		return nil, "gives groups beyond max_groups as one"
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

// aggregates reports whether results of an expression are made of several series each.
func aggregates(e parser.Expr) (yes bool) {
	parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
		if agg, ok := node.(*parser.AggregateExpr); ok {
			switch agg.Op {
			case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
			default:
				yes = true
			}
		}
		return nil
	})
	return yes
}

// About what things cost, in nanoseconds: to read a row of a result table; to read a sample,
// to look at one in a range, and to compute a result of a series at a step. Samples are taken
// to be so far apart, ms.
const (
	rowCost, sampleCost, lookCost, resultCost = 1200, 30, 3, 150
	usualInterval                             = 15_000
)

// Worth reports whether a flow's rows are read faster than raw samples. That is so where the
// flow aggregates, since there are fewer of them; where it has a row for each series it
// depends on how much a row saves: reach is how much time one evaluation reads.
func (d *Definition) Worth(at Times, reach int64) bool {
	raw := (at.N*at.Step+reach)/usualInterval*sampleCost + at.N*(reach/usualInterval*lookCost+resultCost)
	return d.aggregates || at.N*rowCost <= raw
}
