package round_test

import (
	"context"
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// BenchmarkNativeTick is one round after one more scrape of 1,000 native histograms of 150
// buckets, from panes and computed whole, without a database.
func BenchmarkNativeTick(b *testing.B) {
	const count, scrapes = 1000, 20
	for _, promql := range []string{
		"histogram_quantile(0.99, sum by (job) (rate(m[5m])))",
		"histogram_count(sum by (job) (sum_over_time(m[5m])))",
		"histogram_avg(m)",
	} {
		for _, whole := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s whole=%v", promql, whole), func(b *testing.B) {
				w := roundtest.NewWorld(b, 1, 2, flowdef.ExecutorColumnar, fmt.Sprintf("flows: [{name: f, promql: '%s', every: 1m}]", promql))
				w.BenchSeries(count)
				if mf := w.Store.Flows[1]; whole {
					mf.Flow.Def.Expr = mf.Flow.Def.Expr.Whole("to compare")
				}
				for range scrapes {
					w.BenchNativeScrape(count)
				}
				w.Results = roundtest.Discard{}
				if _, err := w.Round(context.Background()); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					w.BenchNativeScrape(count)
					b.StartTimer()
					if _, err := w.Round(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
				bytes := int64(0)
				for _, f := range w.Flows {
					bytes += f.Leaves.Bytes()
				}
				b.ReportMetric(float64(bytes)/count, "state-B/series")
			})
		}
	}
}
