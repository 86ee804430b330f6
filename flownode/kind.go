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
	column  partial.Column[P]
	markers bool // stale markers are samples too
	finish  func(p *P, after, upTo int64) (float64, bool)
}

// keep reports whether a sample with the value enters a partial.
func (k *kind[P]) keep(v float64) bool { return k.markers || !segment.IsStale(v) }

// builder makes the pane state or the raw windows of a leaf without its caller
// knowing the kind of partial.
type builder struct {
	panes func(from int64, at sequence.Vector) State
	raw   func(raw *Columns) WindowSource

	cellBytes int64 // size of one partial
	commutes  bool  // the order in which samples are added does not matter
}

func build[P any, PP cell[P]](l *flowdef.Leaf, step int64, k kind[P]) builder {
	var zero P
	width := l.Pane
	return builder{
		cellBytes: int64(unsafe.Sizeof(zero)),
		panes: func(from int64, at sequence.Vector) State {
			return &panes[P, PP]{
				kind: k, grid: pane.Grid{Width: width}, from: from, at: at, byT: map[int64][]P{},
				slide: newSlide[P, PP](k.column, width, l.Range, step),
			}
		},
		raw: func(raw *Columns) WindowSource {
			return &rawWindows[P, PP]{raw: raw, kind: k}
		},
	}
}

// builderOf returns the builder for a leaf's function. Stale markers are left
// out before a function sees them, except by instant selectors, for which a
// marker as newest sample ends the series. Of the leaves of a batch expression
// nothing is built. step is the distance of window ends, ms.
func builderOf(l *flowdef.Leaf, step int64) (builder, error) {
	switch l.Func {
	case flowdef.FuncInstant:
		return build[partial.Last](l, step, kind[partial.Last]{
			column: partial.LastColumn, markers: true,
			finish: func(p *partial.Last, _, _ int64) (float64, bool) {
				return p.V, !p.Empty() && !segment.IsStale(p.V)
			},
		}), nil
	case flowdef.FuncLastOverTime:
		return build[partial.Last](l, step, values(partial.LastColumn, func(p *partial.Last, _, _ int64) float64 { return p.V }, (*partial.Last).Empty)), nil
	case flowdef.FuncSumOverTime:
		return simple(l, step, (*partial.Simple).Total), nil
	case flowdef.FuncAvgOverTime:
		return simple(l, step, (*partial.Simple).Avg), nil
	case flowdef.FuncMinOverTime:
		return simple(l, step, func(p *partial.Simple) float64 { return p.Min }), nil
	case flowdef.FuncMaxOverTime:
		return simple(l, step, func(p *partial.Simple) float64 { return p.Max }), nil
	case flowdef.FuncCountOverTime:
		return simple(l, step, func(p *partial.Simple) float64 { return float64(p.Count) }), nil
	case flowdef.FuncPresentOverTime:
		return simple(l, step, func(*partial.Simple) float64 { return 1 }), nil
	case flowdef.FuncStddevOverTime:
		return moments(l, step, (*partial.Moments).Stddev), nil
	case flowdef.FuncStdvarOverTime:
		return moments(l, step, (*partial.Moments).Stdvar), nil
	case flowdef.FuncRate:
		return counter(l, step, (*partial.Counter).Rate), nil
	case flowdef.FuncIncrease:
		return counter(l, step, (*partial.Counter).Increase), nil
	case flowdef.FuncDelta:
		return counter(l, step, (*partial.Counter).Delta), nil
	case flowdef.FuncFirstOverTime:
		return build[partial.First](l, step, values(partial.FirstColumn, func(p *partial.First, _, _ int64) float64 { return p.V }, (*partial.First).Empty)), nil
	case flowdef.FuncIrate:
		return pair(l, step, (*partial.Pair).Irate), nil
	case flowdef.FuncIdelta:
		return pair(l, step, (*partial.Pair).Idelta), nil
	case flowdef.FuncChanges:
		return turns(l, step, func(p *partial.Turns) float64 { return float64(p.Changes) }), nil
	case flowdef.FuncResets:
		return turns(l, step, func(p *partial.Turns) float64 { return float64(p.Resets) }), nil
	case flowdef.FuncDeriv:
		return regression(l, step, func(p *partial.Regression, _ int64) (float64, bool) { return p.Slope() }), nil
	case flowdef.FuncPredictLinear:
		return regression(l, step, func(p *partial.Regression, now int64) (float64, bool) { return p.Predict(now, l.Param) }), nil
	case flowdef.FuncSamples:
		return builder{}, nil
	default:
		return builder{}, fmt.Errorf("leaf %s: function %d has no mergeable partial", l.Text, l.Func)
	}
}

// values is a kind that leaves stale markers out and has a value whenever it
// holds a sample.
func values[P any](column partial.Column[P], value func(p *P, after, upTo int64) float64, empty func(*P) bool) kind[P] {
	return kind[P]{
		column: column,
		finish: func(p *P, after, upTo int64) (float64, bool) {
			if empty(p) {
				return 0, false
			}
			return value(p, after, upTo), true
		},
	}
}

func simple(l *flowdef.Leaf, step int64, value func(*partial.Simple) float64) builder {
	b := build[partial.Simple](l, step, values(partial.SimpleColumn, func(p *partial.Simple, _, _ int64) float64 { return value(p) }, (*partial.Simple).Empty))
	b.commutes = true
	return b
}

func moments(l *flowdef.Leaf, step int64, value func(*partial.Moments) float64) builder {
	b := build[partial.Moments](l, step, values(partial.MomentsColumn, func(p *partial.Moments, _, _ int64) float64 { return value(p) }, (*partial.Moments).Empty))
	b.commutes = true
	return b
}

func counter(l *flowdef.Leaf, step int64, value func(p *partial.Counter, rangeStart, rangeEnd int64) (float64, bool)) builder {
	return build[partial.Counter](l, step, kind[partial.Counter]{
		column: partial.CounterColumn,
		finish: value,
	})
}

func turns(l *flowdef.Leaf, step int64, value func(*partial.Turns) float64) builder {
	return build[partial.Turns](l, step, values(partial.TurnsColumn, func(p *partial.Turns, _, _ int64) float64 { return value(p) }, (*partial.Turns).Empty))
}

func pair(l *flowdef.Leaf, step int64, value func(*partial.Pair) (float64, bool)) builder {
	return build[partial.Pair](l, step, kind[partial.Pair]{
		column: partial.PairColumn,
		finish: func(p *partial.Pair, _, _ int64) (float64, bool) { return value(p) },
	})
}

// regression passes the window's end on, which lies an offset after its samples.
func regression(l *flowdef.Leaf, step int64, value func(p *partial.Regression, now int64) (float64, bool)) builder {
	return build[partial.Regression](l, step, kind[partial.Regression]{
		column: partial.RegressionColumn,
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
