package partial_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
)

// predict is what the engine's predict_linear says at now of the samples.
func predict(s []partialtest.Sample, now int64, seconds float64) float64 {
	if len(s) < 2 {
		return math.NaN()
	}
	points := make([]promql.FPoint, len(s))
	for i, x := range s {
		points[i] = promql.FPoint{T: x.T, F: x.V}
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(fmt.Sprintf("predict_linear(x[1h], %v)", seconds))
	if err != nil {
		panic(err)
	}
	out, _ := promql.FunctionCalls["predict_linear"]([]promql.Vector{{{F: seconds}}}, promql.Matrix{{Floats: points}},
		expr.(*parser.Call).Args, &promql.EvalNodeHelper{Ts: now})
	return out[0].F
}

// TestRegressionLaws checks the laws and both finishers against the engine. A
// line through n values has a rise of at most their size over the spread of
// their times: rounding is allowed in proportion to that.
func TestRegressionLaws(t *testing.T) {
	const seconds = 3600.0
	partialtest.Laws(t, partialtest.Kind[partial.Regression]{
		Commutes: true,
		Values: func(p *partial.Regression, _, upTo int64) []float64 {
			return []float64{float64(p.Count), orNaN(p.Slope()), orNaN(p.Predict(upTo, seconds))}
		},
		Naive: func(s []partialtest.Sample, after, upTo int64) (values, bounds []float64) {
			if len(s) == 0 {
				return nil, nil
			}
			size := 0.0
			for _, x := range s {
				size += math.Abs(x.V)
			}
			n := float64(len(s))
			spread := float64(s[len(s)-1].T-s[0].T) / 1000
			reach := float64(upTo-s[0].T)/1000 + seconds
			// The engine's squares are of distances to upTo, and lose in
			// proportion to those of what the samples are apart.
			slope := 100 * n * size / spread * tolerance * math.Pow(max(1, float64(upTo-s[0].T)/1000/spread), 2)
			if len(s) < 2 || size-size != 0 {
				slope = 0
			}
			return []float64{n, engine("deriv", s, after, upTo), predict(s, upTo, seconds)}, []float64{0, slope, slope * reach}
		},
	})
}

// TestRegressionLevel: equal values are a level line to the bit, whatever their
// mean rounds to, also across a merge.
func TestRegressionLevel(t *testing.T) {
	var p, b partial.Regression
	for i := range int64(7) {
		p.Add(i*1000, 0.1)
		b.Add(60_000+i*1000, 0.1)
	}
	p.Merge(&b)
	slope, _ := p.Slope()
	if v, ok := p.Predict(100_000, 60); !ok || slope != 0 || v != 0.1 {
		t.Errorf("slope %v, prediction %v, %v, want 0 and 0.1", slope, v, ok)
	}
	b.Add(120_000, 0.2)
	p.Merge(&b)
	if slope, _ := p.Slope(); !(slope > 0) {
		t.Errorf("slope %v after a rise", slope)
	}
}
