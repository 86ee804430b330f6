package flownode

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// nativeSamples is what of a series' samples is native histograms: payloads by
// time, while the sums are where the values of floats are.
type nativeSamples struct {
	chance  int // in percent that a sample is a histogram
	now     *histogram.Histogram
	pending map[int64][]byte // of samples that are about to be committed
	stored  map[int64][]byte
}

// commit takes note that the sample at t is committed.
func (n *nativeSamples) commit(t int64) {
	if payload := n.pending[t]; payload != nil {
		if n.stored == nil {
			n.stored = map[int64][]byte{}
		}
		n.stored[t] = payload
	} else {
		delete(n.stored, t)
	}
	delete(n.pending, t)
}

// again makes the next sample at t what is there.
func (n *nativeSamples) again(t int64) {
	if payload := n.stored[t]; payload != nil {
		n.pending[t] = payload
	} else {
		delete(n.pending, t)
	}
}

// part parts a series' histograms from its floats.
func (n *nativeSamples) part(t testing.TB, x promeval.Series) promeval.Series {
	t.Helper()
	out := promeval.Series{Labels: x.Labels}
	for i, at := range x.Times {
		payload := n.stored[at]
		if payload == nil {
			out.Times, out.Values = append(out.Times, at), append(out.Values, x.Values[i])
			continue
		}
		h, err := nativehist.Decode(payload, x.Values[i])
		if err != nil {
			t.Fatal(err)
		}
		out.Histograms = append(out.Histograms, promql.HPoint{T: at, H: h})
	}
	return out
}

// point is the next sample of a series: a float, or the sum of a histogram.
func (w *world) point(s *worldSeries, t int64) float64 {
	if s.hists.chance == 0 || w.rng.IntN(100) >= s.hists.chance {
		delete(s.hists.pending, t)
		return w.value(s)
	}
	payload, sum := w.histogram(&s.hists)
	if s.hists.pending == nil {
		s.hists.pending = map[int64][]byte{}
	}
	s.hists.pending[t] = payload
	return sum
}

// histogram is the next histogram of a series that counts on, resets, changes
// its buckets and ends.
func (w *world) histogram(n *nativeSamples) (payload []byte, sum float64) {
	fresh := func() *histogram.Histogram {
		h := &histogram.Histogram{Schema: int32(w.rng.IntN(3)), ZeroThreshold: 0.001}
		if w.rng.IntN(4) == 0 {
			h.Schema, h.ZeroThreshold, h.CustomValues = histogram.CustomBucketsSchema, 0, []float64{0.5, 1, 2, 4}
		}
		h.PositiveSpans, h.PositiveBuckets = []histogram.Span{{Length: 4}}, make([]int64, 4)
		return h
	}
	switch p := w.rng.IntN(100); {
	case p < 3:
		return nativehisttest.Encode(&histogram.Histogram{Sum: segment.Stale()}, nil)
	case n.now == nil || p < 10:
		n.now = fresh()
	}
	h := n.now
	counts, last := make([]int64, len(h.PositiveBuckets)), int64(0)
	for i, d := range h.PositiveBuckets {
		last += d
		counts[i] = last
	}
	for range w.rng.IntN(20) {
		i := w.rng.IntN(len(counts))
		counts[i]++
		h.Count++
		h.Sum += float64(i)
	}
	last = 0
	for i, c := range counts {
		h.PositiveBuckets[i], last = c-last, c
	}
	if w.rng.IntN(5) == 0 {
		return nativehisttest.Encode(nil, h.ToFloat(nil))
	}
	return nativehisttest.Encode(h, nil)
}

const histogramFlows = `
flows:
  - {name: quantile, promql: 'histogram_quantile(0.9, sum by (job) (rate(latency[5m])))', every: 1m, emit: close}
  - {name: counts, promql: 'histogram_count(sum by (job) (increase(latency[3m] offset 1m)))', every: 1m, emit: close}
  - {name: fraction, promql: 'histogram_fraction(0, 1, rate(latency[2m]))', every: 30s, emit: close}
  - {name: spread, promql: 'histogram_stddev(latency) + histogram_avg(latency)', every: 1m, emit: close}
  - {name: rates, promql: 'sum by (job) (rate(latency[2m]))', every: 1m, emit: close}
  - {name: heads, promql: 'count by (job) (latency)', every: 1m, emit: close}
  - {name: turns, promql: 'resets(latency[5m]) + changes(latency[5m])', every: 1m, emit: close}
  - {name: any, promql: 'sum by (job) (count_over_time({job="j0"}[2m]))', every: 1m, emit: close}
  - {name: peaks, promql: 'max by (job) (max_over_time(temperature[3m]))', every: 1m, emit: close}
  - {name: levels, promql: 'sum by (job) (temperature) or sum by (job) (latency)', every: 1m, emit: close}
  - {name: gone, promql: 'absent(latency{job="j0"} offset 2m)', every: 1m, emit: close}
  - {name: floats, promql: 'sum by (job) (rate(requests_total[5m]))', every: 1m}
`

// TestHistogramTablesEqualEngine is TestTablesEqualEngine for flows over native
// histograms: of a metric that has hardly anything else, and of one that turns
// out to hold some in the middle of everything.
func TestHistogramTablesEqualEngine(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ { // as many as there are ways to set a world up
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			executor := flowdef.ExecutorColumnar
			if seed%3 == 0 {
				executor = flowdef.ExecutorPushdown
			}
			regions := int(seed%3) + 1
			w := newWorld(t, seed, regions, executor, histogramFlows)
			for n := range 5 {
				w.series = append(w.series, &worldSeries{
					id: sequence.SeriesID(100 + n), metric: 4, region: sequence.Region(n%regions + 1), samples: map[int64]float64{},
					labels: []series.Label{{Name: series.MetricName, Value: "latency"}, {Name: "job", Value: fmt.Sprintf("j%d", n%2)}, {Name: "n", Value: fmt.Sprint(n)}},
					hists:  nativeSamples{chance: 95},
				})
			}
			for step := range 60 {
				if step == 20 {
					for _, s := range w.series {
						if s.metric == 3 { // temperature
							s.hists.chance = 30
						}
					}
				}
				w.step()
			}
			for range 3 {
				w.store.now += flowplan.DirtyAtLatest
				w.tick()
			}
			w.check()
			w.checkWhole()
		})
	}
}

// checkWhole holds which flows are computed whole in the end.
func (w *world) checkWhole() {
	w.t.Helper()
	for _, f := range w.flows {
		name := f.Def.Name
		if want := name != "floats"; f.Def.Expr.Batch != want {
			w.t.Errorf("%s is computed whole: %v, want %v", name, f.Def.Expr.Batch, want)
		}
	}
	if w.counts.HistogramResults == 0 {
		w.t.Error("nothing says that results which are histograms were left out")
	}
}
