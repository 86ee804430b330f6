package flowdef

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// funcs is every function over a range that has a mergeable partial.
var funcs = map[string]struct {
	fn    Func
	state State
}{
	"sum_over_time":     {FuncSumOverTime, StateSimple},
	"avg_over_time":     {FuncAvgOverTime, StateSimple},
	"min_over_time":     {FuncMinOverTime, StateSimple},
	"max_over_time":     {FuncMaxOverTime, StateSimple},
	"count_over_time":   {FuncCountOverTime, StateSimple},
	"present_over_time": {FuncPresentOverTime, StateSimple},
	"last_over_time":    {FuncLastOverTime, StateLast},
	"stddev_over_time":  {FuncStddevOverTime, StateMoments},
	"stdvar_over_time":  {FuncStdvarOverTime, StateMoments},
	"rate":              {FuncRate, StateCounter},
	"increase":          {FuncIncrease, StateCounter},
	"delta":             {FuncDelta, StateCounter},
	"first_over_time":   {FuncFirstOverTime, StateFirst},
	"irate":             {FuncIrate, StatePair},
	"idelta":            {FuncIdelta, StatePair},
	"changes":           {FuncChanges, StateTurns},
	"resets":            {FuncResets, StateTurns},
	"deriv":             {FuncDeriv, StateRegression},
	"predict_linear":    {FuncPredictLinear, StateRegression},
}

// aggs is every aggregation that a leaf can end in.
var aggs = map[parser.ItemType]Agg{
	parser.SUM:    AggSum,
	parser.AVG:    AggAvg,
	parser.MIN:    AggMin,
	parser.MAX:    AggMax,
	parser.COUNT:  AggCount,
	parser.GROUP:  AggGroup,
	parser.STDDEV: AggStddev,
	parser.STDVAR: AggStdvar,
}

// String is the function's name in PromQL; "instant" for an instant selector
// and "samples" for FuncSamples.
func (f Func) String() string {
	if f == FuncSamples {
		return "samples"
	}
	for name, known := range funcs {
		if known.fn == f {
			return name
		}
	}
	return "instant"
}

// KeepsName reports whether the function's result keeps the metric name of the
// series, as Prometheus 3 has it.
func (f Func) KeepsName() bool {
	return f == FuncInstant || f == FuncLastOverTime || f == FuncFirstOverTime || f == FuncSamples
}

// String is the aggregation's name in PromQL; "none" for AggNone.
func (a Agg) String() string {
	for op, known := range aggs {
		if known == a {
			return op.String()
		}
	}
	return "none"
}

// String names the partial.
func (s State) String() string {
	switch s {
	case StateSimple:
		return "simple"
	case StateMoments:
		return "moments"
	case StateCounter:
		return "counter"
	case StateLast:
		return "last"
	case StateFirst:
		return "first"
	case StatePair:
		return "pair"
	case StateTurns:
		return "turns"
	case StateRegression:
		return "regression"
	case StateNone:
		return "no"
	default:
		return "unknown"
	}
}

// Title is the flow's identity for people: its name, and its static labels
// where it has some.
func (f Flow) Title() string {
	if len(f.StaticLabels) == 0 {
		return f.Name
	}
	var b strings.Builder
	b.WriteString(f.Name)
	for i, l := range f.StaticLabels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name + "=" + quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}
