package round_test

import (
	"context"
	"testing"

	"laminar/flownode/round/roundtest"
)

// BenchmarkSessions is one round after one more scrape of 100,000 users, all of whom have
// a session under way, without a database: runs are made longer, and each open session is
// found anew and compared with what is stored of it. With close nothing is stored of open
// sessions. One late sample is what a round costs that is read for it alone.
func BenchmarkSessions(b *testing.B) {
	const count = 100_000
	for _, emit := range []string{"update", "close"} {
		b.Run(emit, func(b *testing.B) {
			w := roundtest.NewWorld(b, 1, 2, "", `
flows:
  - {name: f, promql: sum by (instance) (m), session: {gap: 10m, max: 1d}, emit: `+emit+`}
`)
			w.BenchSeries(count)
			for range 40 {
				w.BenchScrape(count)
			}
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
			for _, f := range w.Flows {
				b.ReportMetric(float64(f.Leaves.Bytes())/count, "B/user")
			}
		})
	}
}
