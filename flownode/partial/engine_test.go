package partial_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
)

// engine is what Prometheus's own function says of the samples as the window
// after < t <= upTo, or NaN where it says nothing.
func engine(function string, s []partialtest.Sample, after, upTo int64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	points := make([]promql.FPoint, len(s))
	for i, x := range s {
		points[i] = promql.FPoint{T: x.T, F: x.V}
	}
	call := fmt.Sprintf("%s(x[%dms])", function, upTo-after)
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(call)
	if err != nil {
		panic(err)
	}
	out, _ := promql.FunctionCalls[function](nil, promql.Matrix{{Floats: points}},
		expr.(*parser.Call).Args, &promql.EvalNodeHelper{Ts: upTo})
	if len(out) == 0 {
		return math.NaN()
	}
	return out[0].F
}

// TestFinishersAgreeWithEngine folds windows of every shape in one go, the way
// the engine does, so that results agree to the bit but for resets (whose sum
// is kept and not their list) and for the engine's compensation of variances.
func TestFinishersAgreeWithEngine(t *testing.T) {
	const after = int64(5_000_000)
	for seed := range uint64(5_000) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		s := partialtest.Random(rnd, 30, after)
		if len(s) == 0 {
			continue
		}
		upTo := s[len(s)-1].T + rnd.Int64N(60_000)
		var (
			simple  partial.Simple
			moments partial.Moments
			last    partial.Last
			counter partial.Counter
			size    float64
			squares float64
		)
		for _, x := range s {
			simple.Add(x.T, x.V)
			moments.Add(x.T, x.V)
			last.Add(x.T, x.V)
			counter.Add(x.T, x.V)
			if math.Abs(x.V) <= math.MaxFloat64 {
				size += math.Abs(x.V)
				squares += x.V * x.V
			}
		}
		seconds := float64(upTo-after) / 1000
		for _, c := range []struct {
			function string
			got      float64
			bound    float64
		}{
			{"sum_over_time", simple.Total(), 0},
			{"avg_over_time", simple.Avg(), 0},
			{"min_over_time", simple.Min, 0},
			{"max_over_time", simple.Max, 0},
			{"count_over_time", float64(simple.Count), 0},
			{"last_over_time", last.V, 0},
			{"stdvar_over_time", moments.Stdvar(), squares * tolerance},
			{"stddev_over_time", moments.Stddev(), math.Sqrt(squares * tolerance)},
			{"delta", orNaN(counter.Delta(after, upTo)), 0},
			{"increase", orNaN(counter.Increase(after, upTo)), 4 * size * tolerance},
			{"rate", orNaN(counter.Rate(after, upTo)), 4 * size * tolerance / seconds},
		} {
			if want := engine(c.function, s, after, upTo); !partialtest.Within(c.got, want, c.bound) {
				t.Errorf("seed %d: %s is %v, want %v within %v, of %v up to %d", seed, c.function, c.got, want, c.bound, s, upTo)
			}
		}
	}
}

// TestOverflow: the mean survives where the sum does not, however it is split, and the sum
// is finite again where others bring it back.
func TestOverflow(t *testing.T) {
	const big = math.MaxFloat64
	for _, values := range [][]float64{
		{big, big}, {big, big, -big}, {big, big, 4, big}, {-big, -big, -big, 1}, {big, big / 2, big / 4, 1e300},
	} {
		s := make([]partialtest.Sample, len(values))
		for i, v := range values {
			s[i] = partialtest.Sample{T: int64(i + 1), V: v}
		}
		for at := range values {
			var whole, rest partial.Simple
			for i, x := range s {
				if i < at {
					whole.Add(x.T, x.V)
				} else {
					rest.Add(x.T, x.V)
				}
			}
			whole.Merge(&rest)
			want := engine("avg_over_time", s, 0, 10)
			if got := whole.Avg(); !partialtest.Within(got, want, big*tolerance) {
				t.Errorf("mean of %v cut at %d is %v, want %v", values, at, got, want)
			}
			if got, want := whole.Total(), exactly(s); got != want {
				t.Errorf("sum of %v cut at %d is %v, want %v", values, at, got, want)
			}
		}
	}
}

func exactly(s []partialtest.Sample) float64 {
	sum, _ := exactSum(s)
	return sum
}

// TestAggregatorIsTheEngines: to the bit, over values of every shape.
func TestAggregatorIsTheEngines(t *testing.T) {
	aggs := map[string]partial.Agg{
		"sum": partial.AggSum, "avg": partial.AggAvg, "min": partial.AggMin, "max": partial.AggMax,
		"count": partial.AggCount, "group": partial.AggGroup, "stddev": partial.AggStddev, "stdvar": partial.AggStdvar,
	}
	eng := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 13))
		s := partialtest.Random(rnd, 20, 0)
		if seed%10 == 0 {
			for i := range s {
				s[i].V = math.Copysign(math.MaxFloat64*rnd.Float64(), rnd.Float64()-0.3)
			}
		}
		if len(s) == 0 {
			continue
		}
		for name, agg := range aggs {
			a := partial.NewAggregator(agg)
			for _, x := range s {
				a.Add(x.V)
			}
			query, err := eng.NewInstantQuery(t.Context(), seriesOf(s), nil, name+"(x)", time.UnixMilli(1000))
			if err != nil {
				t.Fatal(err)
			}
			vec, err := query.Exec(t.Context()).Vector()
			if err != nil || len(vec) != 1 {
				t.Fatalf("seed %d: %s: %v, %v", seed, name, vec, err)
			}
			if got, want := a.Result(), vec[0].F; !partialtest.Within(got, want, 0) {
				t.Errorf("seed %d: %s of %v is %v, want %v", seed, name, s, got, want)
			}
			query.Close()
		}
	}
}

// seriesOf is a store with one series per value, in that order, each with one
// sample at a second after the epoch.
func seriesOf(s []partialtest.Sample) storage.Queryable {
	return storage.QueryableFunc(func(_, _ int64) (storage.Querier, error) {
		return &storage.MockQuerier{SelectMockFunction: func(bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
			return &seriesSet{samples: s, at: -1}
		}}, nil
	})
}

type seriesSet struct {
	samples []partialtest.Sample
	at      int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.samples) }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

func (s *seriesSet) At() storage.Series {
	v := s.samples[s.at].V
	return &storage.SeriesEntry{
		Lset: labels.FromStrings(model.MetricNameLabel, "x", "n", fmt.Sprintf("%04d", s.at)),
		SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator {
			chunk := chunkenc.NewXORChunk()
			app, err := chunk.Appender()
			if err != nil {
				panic(err)
			}
			app.Append(0, 1000, v)
			return chunk.Iterator(nil)
		},
	}
}
