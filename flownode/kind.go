package flownode

import (
	"fmt"
	"unsafe"

	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// kind is how a leaf uses a kind of partial: which samples enter it, and what
// a window's partial says.
type kind[P any] struct {
	keep   func(v float64) bool
	finish func(p *P, after, upTo int64) (float64, bool)
}

// builder makes the pane state or the raw windows of a leaf without its caller
// knowing the kind of partial.
type builder struct {
	panes func(from int64, at sequence.Vector) store
	raw   func(raw *rawColumns) windowSource

	cellBytes int64 // size of one partial
}

func build[P any, PP cell[P]](width int64, k kind[P]) builder {
	var zero P
	return builder{
		cellBytes: int64(unsafe.Sizeof(zero)),
		panes: func(from int64, at sequence.Vector) store {
			return &panes[P, PP]{kind: k, grid: pane.Grid{Width: width}, from: from, at: at, byT: map[int64][]P{}}
		},
		raw: func(raw *rawColumns) windowSource {
			return &rawWindows[P, PP]{raw: raw, kind: k}
		},
	}
}

// builderOf returns the builder for a leaf's function. Stale markers are left
// out before a function sees them, except by instant selectors, for which a
// marker as newest sample ends the series. Of the leaves of a batch expression
// nothing is built.
func builderOf(l *flowdef.Leaf) (builder, error) {
	switch l.Func {
	case flowdef.FuncInstant:
		return build[partial.Last](l.Pane, kind[partial.Last]{
			keep: func(float64) bool { return true },
			finish: func(p *partial.Last, _, _ int64) (float64, bool) {
				return p.V, !p.Empty() && !segment.IsStale(p.V)
			},
		}), nil
	case flowdef.FuncLastOverTime:
		return build[partial.Last](l.Pane, values(func(p *partial.Last, _, _ int64) float64 { return p.V }, (*partial.Last).Empty)), nil
	case flowdef.FuncSumOverTime:
		return simple(l, (*partial.Simple).Total), nil
	case flowdef.FuncAvgOverTime:
		return simple(l, (*partial.Simple).Avg), nil
	case flowdef.FuncMinOverTime:
		return simple(l, func(p *partial.Simple) float64 { return p.Min }), nil
	case flowdef.FuncMaxOverTime:
		return simple(l, func(p *partial.Simple) float64 { return p.Max }), nil
	case flowdef.FuncCountOverTime:
		return simple(l, func(p *partial.Simple) float64 { return float64(p.Count) }), nil
	case flowdef.FuncPresentOverTime:
		return simple(l, func(*partial.Simple) float64 { return 1 }), nil
	case flowdef.FuncStddevOverTime:
		return moments(l, (*partial.Moments).Stddev), nil
	case flowdef.FuncStdvarOverTime:
		return moments(l, (*partial.Moments).Stdvar), nil
	case flowdef.FuncRate:
		return counter(l, (*partial.Counter).Rate), nil
	case flowdef.FuncIncrease:
		return counter(l, (*partial.Counter).Increase), nil
	case flowdef.FuncDelta:
		return counter(l, (*partial.Counter).Delta), nil
	case flowdef.FuncFirstOverTime:
		return build[partial.First](l.Pane, values(func(p *partial.First, _, _ int64) float64 { return p.V }, (*partial.First).Empty)), nil
	case flowdef.FuncIrate:
		return pair(l, (*partial.Pair).Irate), nil
	case flowdef.FuncIdelta:
		return pair(l, (*partial.Pair).Idelta), nil
	case flowdef.FuncChanges:
		return turns(l, func(p *partial.Turns) float64 { return float64(p.Changes) }), nil
	case flowdef.FuncResets:
		return turns(l, func(p *partial.Turns) float64 { return float64(p.Resets) }), nil
	case flowdef.FuncDeriv:
		return regression(l, func(p *partial.Regression, _ int64) (float64, bool) { return p.Slope() }), nil
	case flowdef.FuncPredictLinear:
		return regression(l, func(p *partial.Regression, now int64) (float64, bool) { return p.Predict(now, l.Param) }), nil
	case flowdef.FuncSamples:
		return builder{}, nil
	default:
		return builder{}, fmt.Errorf("leaf %s: function %d has no mergeable partial", l.Text, l.Func)
	}
}

// values is a kind that leaves stale markers out and has a value whenever it
// holds a sample.
func values[P any](value func(p *P, after, upTo int64) float64, empty func(*P) bool) kind[P] {
	return kind[P]{
		keep: func(v float64) bool { return !segment.IsStale(v) },
		finish: func(p *P, after, upTo int64) (float64, bool) {
			if empty(p) {
				return 0, false
			}
			return value(p, after, upTo), true
		},
	}
}

func simple(l *flowdef.Leaf, value func(*partial.Simple) float64) builder {
	return build[partial.Simple](l.Pane, values(func(p *partial.Simple, _, _ int64) float64 { return value(p) }, (*partial.Simple).Empty))
}

func moments(l *flowdef.Leaf, value func(*partial.Moments) float64) builder {
	return build[partial.Moments](l.Pane, values(func(p *partial.Moments, _, _ int64) float64 { return value(p) }, (*partial.Moments).Empty))
}

func counter(l *flowdef.Leaf, value func(p *partial.Counter, rangeStart, rangeEnd int64) (float64, bool)) builder {
	return build[partial.Counter](l.Pane, kind[partial.Counter]{
		keep:   func(v float64) bool { return !segment.IsStale(v) },
		finish: value,
	})
}

func turns(l *flowdef.Leaf, value func(*partial.Turns) float64) builder {
	return build[partial.Turns](l.Pane, values(func(p *partial.Turns, _, _ int64) float64 { return value(p) }, (*partial.Turns).Empty))
}

func pair(l *flowdef.Leaf, value func(*partial.Pair) (float64, bool)) builder {
	return build[partial.Pair](l.Pane, kind[partial.Pair]{
		keep:   func(v float64) bool { return !segment.IsStale(v) },
		finish: func(p *partial.Pair, _, _ int64) (float64, bool) { return value(p) },
	})
}

// regression passes the window's end on, which lies an offset after its samples.
func regression(l *flowdef.Leaf, value func(p *partial.Regression, now int64) (float64, bool)) builder {
	return build[partial.Regression](l.Pane, kind[partial.Regression]{
		keep:   func(v float64) bool { return !segment.IsStale(v) },
		finish: func(p *partial.Regression, _, upTo int64) (float64, bool) { return value(p, upTo+l.Offset) },
	})
}

// aggOf is the aggregation over series as package partial names it.
func aggOf(a flowdef.Agg) partial.Agg {
	switch a {
	case flowdef.AggSum:
		return partial.AggSum
	case flowdef.AggAvg:
		return partial.AggAvg
	case flowdef.AggMin:
		return partial.AggMin
	case flowdef.AggMax:
		return partial.AggMax
	case flowdef.AggCount:
		return partial.AggCount
	case flowdef.AggGroup:
		return partial.AggGroup
	case flowdef.AggStddev:
		return partial.AggStddev
	case flowdef.AggStdvar:
		return partial.AggStdvar
	default:
		return partial.AggAny
	}
}
