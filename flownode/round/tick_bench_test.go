package round_test

import (
	"context"
	"testing"

	"laminar/flownode/round/roundtest"
)

// BenchmarkTick is one round after one more scrape of 100,000 series, without
// a database: fold, merge, finish, aggregate.
func BenchmarkTick(b *testing.B) {
	const count = 100_000
	for _, bm := range []struct {
		name, promql string
		scrapes      int
	}{
		{"rate5m_by_job", "sum by (job) (rate(m[5m]))", 20},
		{"rate1h_by_job", "sum by (job) (rate(m[1h]))", 240},
		{"rate5m_by_series", "rate(m[5m])", 20},
		{"rate1h_by_series", "rate(m[1h])", 240},
		{"rate5m_by_series_residual", "60 * rate(m[5m])", 20},
		{"sum5m_by_job", "sum by (job) (sum_over_time(m[5m]))", 20},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := roundtest.NewBenchWorld(b, bm.promql, count, bm.scrapes)
			w.Results = roundtest.Discard{}
			if _, err := w.Round(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				w.BenchScrape(count)
				b.StartTimer()
				if _, err := w.Round(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
