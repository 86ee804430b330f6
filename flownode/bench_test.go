package flownode

import (
	"context"
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// benchWorld is a flow over many series with one scrape per 15 s for the
// length of its range.
func benchWorld(b testing.TB, promql string, count, scrapes int) *world {
	b.Helper()
	w := newWorld(b, 1, 2, flowdef.ExecutorColumnar, fmt.Sprintf("flows: [{name: f, promql: '%s', every: 1m}]", promql))
	w.benchSeries(count)
	for range scrapes {
		w.benchScrape(count)
	}
	return w
}

// benchSeries creates series of the metric m, in ten jobs.
func (w *world) benchSeries(count int) {
	w.series = w.series[:0]
	for n := range count {
		w.store.series = append(w.store.series, series.Series{
			ID: sequence.SeriesID(n + 1), Metric: 1, Region: 1, Seq: 1,
			Labels: []series.Label{
				{Name: series.MetricName, Value: "m"}, {Name: "instance", Value: fmt.Sprint(n)}, {Name: "job", Value: fmt.Sprint(n % 10)},
			},
		})
	}
}

// benchScrape commits one sample of every series.
func (w *world) benchScrape(count int) {
	w.clock += 15_000
	seg := segment.Segment{Metric: 1, Ordered: true, Base: segment.Bucket(w.clock), MinT: w.clock, MaxT: w.clock}
	for n := range count {
		seg.Series = append(seg.Series, sequence.SeriesID(n+1))
		seg.Offsets = append(seg.Offsets, int32(w.clock-seg.Base))
		seg.Values = append(seg.Values, float64(w.clock/1000+int64(n)))
	}
	w.store.append(1, seg)
	w.store.now = w.clock
}

// discard takes results and stores nothing.
type discard struct{}

func (discard) Commit(_ context.Context, rounds []progress.Round) ([]progress.Outcome, error) {
	return make([]progress.Outcome, len(rounds)), nil
}

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
			w := benchWorld(b, bm.promql, count, bm.scrapes)
			w.results = discard{}
			if _, err := w.round(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				w.benchScrape(count)
				b.StartTimer()
				if _, err := w.round(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
