package round_test

import (
	"fmt"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/series"
)

const histogramFlows = `
flows:
  - {name: quantile, promql: 'histogram_quantile(0.9, sum by (job) (rate(latency[5m])))', every: 1m, emit: close}
  - {name: counts, promql: 'histogram_count(sum by (job) (increase(latency[3m] offset 1m)))', every: 1m, emit: close}
  - {name: fraction, promql: 'histogram_fraction(0, 1, rate(latency[2m]))', every: 30s, emit: close}
  - {name: spread, promql: 'histogram_stddev(latency) + histogram_avg(latency)', every: 1m, emit: close}
  - {name: rates, promql: 'sum by (job) (rate(latency[2m]))', every: 1m, emit: close}
  - {name: latest, promql: 'last_over_time(latency[2m])', every: 1m}
  - {name: sums, promql: 'sum by (job) (sum_over_time(latency[2m])) or count by (n) (latency offset 1m)', every: 1m}
  - {name: means, promql: 'avg by (job) (avg_over_time(latency[90s] offset 30s))', every: 30s}
  - {name: increases, promql: 'increase(latency[4m])', every: 1m}
  - {name: either, promql: 'sum by (job) (sum_over_time(temperature[1m]))', every: 1m, emit: close}
  - {name: heads, promql: 'count by (job) (latency)', every: 1m, emit: close}
  - {name: turns, promql: 'resets(latency[5m]) + changes(latency[5m])', every: 1m, emit: close}
  - {name: any, promql: 'sum by (job) (count_over_time({job="j0"}[2m]))', every: 1m, emit: close}
  - {name: peaks, promql: 'max by (job) (max_over_time(temperature[3m]))', every: 1m, emit: close}
  - {name: levels, promql: 'sum by (job) (temperature) or sum by (job) (latency)', every: 1m, emit: close}
  - {name: gone, promql: 'absent(latency{job="j0"} offset 2m)', every: 1m, emit: close}
  - {name: sketches, promql: 'sum by (job) (histogram_over_time(temperature[3m]))', every: 1m}
  - {name: sketched, promql: 'histogram_quantile(0.5, sum by (n) (histogram_over_time(temperature[2m] offset 30s))) + on (n) sum by (n) (rate(requests_total[5m]))', every: 1m}
  - {name: sketch_series, promql: 'histogram_count(histogram_over_time({job="j0"}[90s], 0.1))', every: 30s, emit: close}
  - {name: floats, promql: 'sum by (job) (rate(requests_total[5m]))', every: 1m}
`

// TestHistogramTablesEqualEngine is TestTablesEqualEngine for flows over native
// histograms: of a metric that has hardly anything else, and of one that turns
// out to hold some in the middle of everything.
func TestHistogramTablesEqualEngine(t *testing.T) {
	for seed := uint64(1); seed <= seeds(3, 1); seed++ { // as many as there are ways to set a world up
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			setting := flowdef.ExecutorColumnar
			if seed%3 == 0 {
				setting = flowdef.ExecutorPushdown
			}
			regions := int(seed%3) + 1
			w := roundtest.NewWorld(t, seed, regions, setting, histogramFlows)
			for n := range 5 {
				w.Series = append(w.Series, &roundtest.WorldSeries{
					ID: sequence.SeriesID(100 + n), Metric: 4, Region: sequence.Region(n%regions + 1), Samples: map[int64]float64{},
					Labels: []series.Label{{Name: series.MetricName, Value: "latency"}, {Name: "job", Value: fmt.Sprintf("j%d", n%2)}, {Name: "n", Value: fmt.Sprint(n)}},
					Hists:  roundtest.NativeSamples{Chance: 95},
				})
			}
			for step := range 60 {
				if step == 20 {
					for _, s := range w.Series {
						if s.Metric == 3 { // temperature
							s.Hists.Chance = 30
						}
					}
				}
				w.Step()
			}
			for range 3 {
				w.Store.Now += flowplan.DirtyAtLatest
				w.Tick()
			}
			w.Check()
			checkKept(w)
		})
	}
}

// checkKept holds how flows are computed in the end: whole where a function has no
// partial of histograms, and otherwise from such partials, but for floats.
func checkKept(w *roundtest.World) {
	w.T.Helper()
	for _, f := range w.Flows {
		name := f.Def.Name
		whole := slices.Contains([]string{"turns", "peaks"}, name)
		if got := &f.Def.Expr; got.Batch != whole || got.Native() != (!whole && name != "floats") {
			w.T.Errorf("%s is computed whole: %v (%s), from histograms: %v", name, got.Batch, got.Why, got.Native())
		}
	}
	stored := 0
	for _, mf := range w.Store.Flows {
		for _, rows := range mf.Rows {
			for _, row := range rows {
				if row.Histogram != nil {
					stored++
				}
			}
		}
	}
	if stored < 20 {
		w.T.Errorf("%d results that are histograms prove little", stored)
	}
}
