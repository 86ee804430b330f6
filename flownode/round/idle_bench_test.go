package round_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// BenchmarkIdleFlows is one round after one more scrape of 100 series for one
// flow, with others of its fence group whose metrics have no samples.
func BenchmarkIdleFlows(b *testing.B) {
	const series = 100
	for _, idle := range []int{0, 100, 1_000} {
		b.Run(fmt.Sprint(idle), func(b *testing.B) {
			var defs strings.Builder
			defs.WriteString("flows:\n  - {name: f, promql: 'sum by (job) (rate(m[5m]))', every: 1m}\n")
			for i := range idle {
				fmt.Fprintf(&defs, "  - {name: idle%d, promql: 'sum by (job) (rate(other_%d[5m]))', every: 1m}\n", i, i)
			}
			w := roundtest.NewWorld(b, 1, 1, flowdef.ExecutorColumnar, defs.String())
			w.BenchSeries(series)
			w.Results = roundtest.Discard{}
			for range 20 {
				w.BenchScrape(series)
				w.Tick()
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				w.BenchScrape(series)
				b.StartTimer()
				if _, err := w.Round(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
