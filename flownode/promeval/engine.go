package promeval

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"laminar/flownode/distinct/sethist"
	"laminar/flownode/flowdef"
	"laminar/flownode/promfunc"
)

// Sample is one element of an instant vector. NaN and infinities are ordinary
// values. A result that is a native histogram has it, and no value.
type Sample struct {
	Metric    labels.Labels
	Value     float64
	Histogram *histogram.FloatHistogram
}

// Engine evaluates expressions. It may be used by several goroutines at once.
type Engine struct {
	engine   *promql.Engine
	lookback time.Duration
}

// Vector is an instant vector. Its label sets are distinct; their order has no
// meaning.
type Vector []Sample

// queryParser is the engine's.
var queryParser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

// defaultStep is that of subqueries without one, ms.
const defaultStep = int64(flowdef.SubqueryStep / time.Millisecond)

// New returns an engine that is ready for use; it holds nothing that must be
// closed. Its lookback is flowdef.DefaultLookback.
func New() *Engine {
	return &Engine{
		lookback: time.Duration(flowdef.DefaultLookback) * time.Millisecond,
		engine: promql.NewEngine(promql.EngineOpts{
			MaxSamples:               math.MaxInt,
			Timeout:                  365 * 24 * time.Hour, // the caller's context decides
			EnableAtModifier:         true,
			EnableNegativeOffset:     true,
			Parser:                   promfunc.Parser(queryParser),
			NoStepSubqueryIntervalFn: func(int64) int64 { return defaultStep },
		}),
	}
}

// WithLookback returns an engine whose instant selectors look back so far, ms.
// It shares everything else.
func (e *Engine) WithLookback(ms int64) *Engine {
	return &Engine{engine: e.engine, lookback: time.Duration(ms) * time.Millisecond}
}

// options are the settings of one query that differ between flows.
func (e *Engine) options() promql.QueryOpts {
	return promql.NewPrometheusQueryOpts(false, e.lookback)
}

// instant evaluates an expression at one time, ms since the epoch. Warnings of
// the engine are dropped; what it refuses is an error. The order in which from has
// its series does not matter (orderedQuery).
func (e *Engine) instant(ctx context.Context, from storage.Queryable, expr string, t int64) (Vector, error) {
	ordered, err := newOrderedQuery(expr)
	if err != nil {
		return nil, err
	}
	if len(ordered.subqueries) > 0 {
		all := stepped{Queryable: from, series: make([][]promql.Series, len(ordered.subqueries))}
		for i, n := range ordered.subqueries {
			if all.series[i], err = e.steps(ctx, from, n, t); err != nil {
				return nil, err
			}
		}
		from = all
	}
	q, err := e.engine.NewInstantQuery(ctx, from, e.options(), ordered.text, time.UnixMilli(t))
	if err != nil {
		return nil, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	return vector(res)
}

// vector turns a result into samples of its own memory: the engine may reuse the
// result after the query is closed. A scalar is one sample without labels. Sets of values
// are as small as they can be, whatever the engine has added up.
func vector(res *promql.Result) (Vector, error) {
	switch v := res.Value.(type) {
	case promql.Vector:
		out := make(Vector, 0, len(v))
		for i := range v {
			out = append(out, Sample{Metric: v[i].Metric, Value: v[i].F, Histogram: sethist.Canonical(v[i].H)})
		}
		return out, nil
	case promql.Scalar:
		return Vector{{Metric: labels.EmptyLabels(), Value: v.V}}, nil
	default:
		return nil, fmt.Errorf("result is a %s, not a vector", parser.DocumentedType(res.Value.Type()))
	}
}
